//! What the target has no element for: an extension of the object at hand, or dropped with a reason.

use model::json::{Json, Object};
use model::outcome::Issue;
use model::types::{Element, Kind, Shape, Type};
use smol_str::{SmolStr, format_smolstr};

use super::object::{Into_, Item, items};
use super::put::{self, Out};
use super::{Fate, Place, Run, Spot};

impl Run {
    /// A member that the version at hand does not have.
    pub(super) fn unknown(
        &mut self,
        name: &str,
        value: Option<&Json>,
        companion: Option<&Json>,
        shape: &'static Shape,
        into: &mut Into_<'_>,
        place: &Place<'_>,
    ) {
        let text = format!("{} has no such element", self.map.from_version);
        self.issues.push(Issue::warning("structure", text).at(place.member(name, None).to_string()));
        if let Some((_, element, of_type)) = self.map.to.shape(into.id).find(name)
            && !put::has(into.object, element)
            && let Some(value) = value.filter(|value| fits(value, element, of_type))
        {
            // Written as the other version has it: a mixture, taken for what it says.
            into.object.insert(name, value.clone());
            if let Some(companion) = companion {
                into.object.insert(format_smolstr!("_{name}"), companion.clone());
            }
            for item in items(Some(value), companion) {
                let spot = into.spot.member(name, item.index);
                self.item_leaves(item, &place.member(name, item.index), &spot.whole());
            }
            return;
        }
        for item in items(value, companion) {
            let at = place.member(name, item.index);
            let url = format!("{}{}.{name}", self.map.from_version.extension_base(), shape.path);
            let packed = item.value.and_then(|value| super::keep::guess(value, &url));
            self.add_extension(packed, item, false, into, &at);
        }
    }

    /// Puts an extension on the object at hand, or says that it cannot have one.
    pub(super) fn add_extension(
        &mut self,
        packed: Option<Object>,
        item: Item<'_>,
        is_modifier: bool,
        into: &mut Into_<'_>,
        at: &Place<'_>,
    ) {
        let shape = self.map.to.shape(into.id);
        let name =
            if is_modifier && shape.find("modifierExtension").is_some() { "modifierExtension" } else { "extension" };
        match packed.filter(|_| shape.find(name).is_some()) {
            Some(packed) => {
                let spot = into.spot.member(name, Some(put::count(into.object, name)));
                let _ = put::put(self.map.to, into.object, shape, &[SmolStr::new_static(name)], Out::of(packed.into()));
                self.with_fate(Fate::Kept, |run| run.item_leaves(item, at, &spot));
            }
            None => {
                let text = format!("{} has no place for it", self.map.to_version);
                self.issues.push(Issue::warning("not-supported", text.as_str()).at(at.to_string()));
                self.gone(item, at, &text);
            }
        }
    }

    /// Counts the pieces of an item at one place.
    pub(super) fn item_leaves(&mut self, item: Item<'_>, at: &Place<'_>, spot: &Spot) {
        if let Some(value) = item.value {
            self.all(value, at, spot);
        }
        if let Some(companion) = item.companion {
            for (name, value) in companion.iter() {
                self.all(value, &at.member(name, None), spot);
            }
        }
    }

    pub(super) fn gone(&mut self, item: Item<'_>, at: &Place<'_>, why: &str) {
        if let Some(value) = item.value {
            self.drop(value, at, why);
        }
        if let Some(companion) = item.companion {
            for (name, value) in companion.iter() {
                self.drop(value, &at.member(name, None), why);
            }
        }
    }
}

/// Whether a value has the JSON form of an element.
fn fits(value: &Json, element: &Element, of_type: &Type) -> bool {
    let one = |value: &Json| match of_type.kind {
        Kind::Primitive(_) => !matches!(value, Json::Object(_) | Json::Array(_)),
        _ => value.as_object().is_some(),
    };
    match value {
        Json::Array(items) => element.repeats() && items.iter().all(one),
        single => !element.repeats() && one(single),
    }
}
