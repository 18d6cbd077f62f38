//! Items that look like those of another field say which field they are of.

use model::json::{Json, Object};
use smol_str::SmolStr;

use crate::build::{self, Indexes};
use crate::map::{Place, Row, Source};
use crate::path::{At, Step};

use super::{Eval, Here, PLACE};

/// A field that has filled an array: the set of rows it competes in, the resource, segment and field.
pub(super) type Filled = (u32, usize, u16, u32);

impl Eval<'_, '_> {
    /// Marks an item that the way back would take for another field's.
    pub(super) fn distinguish(&mut self, row: &Row, object: &mut Object, indexes: &Indexes, here: Here) {
        if row.rivals == 0 {
            return;
        }
        let Source::Place(Place::Own { field, .. }) = &row.source else { return };
        let Some(segment) = self.input.segments.get(here.segment as usize) else { return };
        let filled: Filled = (row.rivals, self.filling, segment.id, *field);
        let same = |other: &Filled| (other.0, other.1) == (filled.0, filled.1);
        let others = self.filled.iter().any(|other| same(other) && (other.2, other.3) != (filled.2, filled.3));
        if !self.filled.contains(&filled) {
            self.filled.push(filled);
        }
        let Some(steps) = item_steps(&row.target.steps) else { return };
        let Some(Json::Object(item)) = build::slot_if_there(object, steps, indexes) else { return };
        let soft: Vec<_> = row.with.iter().filter(|with| with.soft).collect();
        let told = !soft.is_empty() && soft.iter().all(|with| with.holds(item));
        let clear = if soft.is_empty() { !others } else { told };
        let marked = item.get("extension").and_then(Json::as_array).unwrap_or_default();
        if clear || marked.iter().any(|item| item.get("url").and_then(Json::as_str) == Some(PLACE)) {
            return;
        }
        let text = format!("{}-{field}", segment.view.name());
        build::extend(item, SmolStr::new_static(PLACE), "valueString", Json::from(text));
    }
}

/// The steps to the element that can say where it came from: the item itself, or the value of an extension.
fn item_steps(steps: &[Step]) -> Option<&[Step]> {
    let at = steps.iter().rposition(|step| matches!(step.at, At::Append | At::AppendExtension(_)))?;
    match steps.get(at).map(|step| &step.at) {
        Some(At::Append) => steps.get(..=at),
        _ => Some(steps),
    }
}
