//! Along the path of a row to the values that it has set in a resource.

use std::collections::{BTreeMap, HashMap};

use model::json::{Json, Object};
use smol_str::SmolStr;

use crate::map::{AliasId, Row, Table};
use crate::path::{At, Step};

use super::Taken;

/// Whether a value says at least what is wanted.
pub(super) fn says(there: &Json, wanted: &Json) -> bool {
    match (there, wanted) {
        (Json::Object(there), Json::Object(wanted)) => wanted.iter().all(|(name, wanted)| {
            // What a coding is called may differ.
            name == "display" || there.get(name).is_some_and(|there| says(there, wanted))
        }),
        (Json::Array(there), Json::Array(wanted)) => {
            wanted.iter().all(|wanted| there.iter().any(|there| says(there, wanted)))
        }
        _ => there == wanted,
    }
}

/// Every value at the end of a path, whichever items its indexes mean.
pub(super) fn each_at<'o>(object: &'o Object, steps: &[Step], take: &mut dyn FnMut(&'o Json) -> bool) -> bool {
    let Some((step, rest)) = steps.split_first() else { return false };
    let Some(value) = object.get(&step.name) else { return false };
    let items = match (&step.at, value) {
        (At::Single, value) => std::slice::from_ref(value),
        (_, Json::Array(items)) => items.as_slice(),
        _ => return false,
    };
    items.iter().filter(|item| is_of(step, item)).any(|item| match (rest, item) {
        ([], item) => take(item),
        (rest, Json::Object(inner)) => each_at(inner, rest, take),
        _ => false,
    })
}

pub(super) fn any_at(object: &Object, steps: &[Step], fits: &dyn Fn(&Json) -> bool) -> bool {
    each_at(object, steps, &mut |json| fits(json))
}

/// Whether an item is one that a step means: of extensions those of its URL.
pub(super) fn is_of(step: &Step, item: &Json) -> bool {
    match &step.at {
        At::Extension(url) | At::AppendExtension(url) | At::SegmentExtension(url) => {
            item.text_at(&["url"]) == Some(url.as_str())
        }
        _ => true,
    }
}

/// The items that numbered steps (`[0]`, `[1]`) mean in a resource, by the path up to there and the number: the first that
/// has all the constants which rows set beside it and that no other number means.
pub(super) fn chosen(table: &Table, object: &Object) -> HashMap<(String, usize), usize> {
    let mut wanted: BTreeMap<(String, usize), Vec<&Row>> = BTreeMap::new();
    for row in &table.rows {
        if let Some((step, _)) = row.target.steps.split_first()
            && let At::Index(number) = step.at
        {
            wanted.entry((step.name.to_string(), number)).or_default().push(row);
        }
    }
    let mut out: HashMap<(String, usize), usize> = HashMap::new();
    // Those with constants choose first.
    let strict = |rows: &[&Row]| rows.iter().map(|row| hard(row).count()).sum::<usize>();
    let mut order: Vec<_> = wanted.iter().collect();
    order.sort_by_key(|(_, rows)| std::cmp::Reverse(strict(rows)));
    for ((name, number), rows) in order {
        let items = object.get(name).and_then(Json::as_array).unwrap_or_default();
        let free = |at: &usize| !out.iter().any(|((other, _), chosen)| other == name && chosen == at);
        let fits = |at: &usize| {
            let Some(item) = items.get(*at).and_then(Json::as_object) else { return strict(rows) == 0 };
            rows.iter().filter(|row| row.target.anchor == 1).flat_map(|row| hard(row)).all(|with| with.holds(item))
        };
        if let Some(at) = (0..items.len()).filter(free).find(fits) {
            out.insert((name.clone(), *number), at);
        }
    }
    out
}

pub(super) fn hard(row: &Row) -> impl Iterator<Item = &crate::map::With> {
    row.with.iter().filter(|with| !with.soft)
}

/// Goes along a path to the values that a row has set.
pub(super) struct Walk<'w> {
    pub(super) alias: AliasId,
    pub(super) chosen: &'w HashMap<(String, usize), usize>,
    /// The item of an array that the row of the file is about.
    pub(super) item: Option<(&'w SmolStr, usize)>,
    pub(super) taken: &'w mut Taken,
    /// Whether every value is wanted, not the first alone.
    pub(super) all: bool,
}

impl Walk<'_> {
    /// Hands on each value with what stands beside it, until one is taken; of a list all of them.
    pub(super) fn values(&mut self, object: &Object, row: &Row, take: &mut dyn FnMut(&Json, Option<&Json>) -> bool) {
        self.step(object, row, 0, String::new(), take);
    }

    fn step(
        &mut self,
        object: &Object,
        row: &Row,
        depth: usize,
        path: String,
        take: &mut dyn FnMut(&Json, Option<&Json>) -> bool,
    ) -> bool {
        let Some(step) = row.target.steps.get(depth) else { return false };
        let last = depth + 1 == row.target.steps.len();
        let path = format!("{path}.{}", step.name);
        if step.at == At::Single {
            let beside = object.get(&format!("_{}", step.name));
            return match object.get(&step.name) {
                Some(json) if last => take(json, beside),
                Some(Json::Object(inner)) => self.step(inner, row, depth + 1, path, take),
                _ => false,
            };
        }
        let items = object.get(&step.name).and_then(Json::as_array).unwrap_or_default();
        let only = match &step.at {
            At::Index(number) if depth == 0 => match self.chosen.get(&(step.name.to_string(), *number)) {
                Some(at) => Some(*at),
                None => return false,
            },
            At::Index(number) => Some(*number),
            At::PerSegment | At::Append => {
                self.item.filter(|(name, _)| depth == 0 && **name == step.name).map(|(_, at)| at)
            }
            _ => None,
        };
        let mut any = false;
        for (at, item) in items.iter().enumerate().filter(|(at, _)| only.is_none_or(|only| only == *at)) {
            let key = (self.alias, path.clone(), at);
            let appended = only.is_none();
            if !is_of(step, item) || (appended && self.taken.contains(&key)) {
                continue;
            }
            // Constants tell whose item it is.
            let anchored = depth + 1 == row.target.anchor;
            if anchored && !item.as_object().is_none_or(|item| hard(row).all(|with| with.holds(item))) {
                continue;
            }
            let here = format!("{path}[{at}]");
            let took = match item {
                json if last => take(json, None),
                Json::Object(inner) => self.step(inner, row, depth + 1, here, take),
                _ => false,
            };
            if took {
                any = true;
                if appended {
                    self.taken.insert(key);
                }
                if !self.all {
                    return true;
                }
            }
        }
        any
    }
}
