//! What became of each leaf of a Bundle that a document was written of.

use std::collections::BTreeSet;

use model::json::Json;

use super::values::Taken;
use crate::reverse::Library;
use crate::trace::Loss;

const UNREAD: &str = "no row writes it";
const UNPLACED: &str = "no section of the document has a place for the resource";

/// Lists every leaf as written or dropped, by `Type/id#path`.
pub(super) fn account(library: &Library<'_>, taken: &Taken, written: &BTreeSet<usize>, out: &mut Loss) {
    for (number, json) in library.resources.iter().enumerate() {
        let Some(object) = json.as_object() else { continue };
        let kind = model::resource::resource_type(json).unwrap_or_default();
        let id = json.text_at(&["id"]).unwrap_or_default();
        let own = if written.contains(&number) { UNREAD } else { UNPLACED };
        for (name, value) in object.iter().filter(|(name, _)| !matches!(*name, "resourceType" | "id" | "meta")) {
            leaf(value, &format!("{kind}/{id}#{kind}.{name}"), taken.has(value), taken, own, out);
        }
    }
}

fn leaf(json: &Json, path: &str, whole: bool, taken: &Taken, why: &str, out: &mut Loss) {
    let whole = whole || taken.has(json);
    match json {
        Json::Object(object) => {
            for (name, value) in object.iter() {
                leaf(value, &format!("{path}.{name}"), whole, taken, why, out);
            }
        }
        Json::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                leaf(item, &format!("{path}[{at}]"), whole, taken, why, out);
            }
        }
        _ if whole => out.mapped.push((path.to_owned(), "ClinicalDocument".to_owned())),
        _ => out.dropped.push((path.to_owned(), why.to_owned())),
    }
}
