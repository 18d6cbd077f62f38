//! What became of each leaf of a Bundle that a document was written of.

use std::collections::BTreeSet;

use model::json::Json;

use super::values::Taken;
use crate::eval::LEXEME;
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
            let beside = companion(name).and_then(|name| object.get(name)).is_some_and(|of| taken.has(of));
            leaf(value, &format!("{kind}/{id}#{kind}.{name}"), beside, taken, own, out);
        }
    }
}

/// `beside` is whether the value that this stands beside was written: with it, the text that it was made of.
fn leaf(json: &Json, path: &str, beside: bool, taken: &Taken, why: &str, out: &mut Loss) {
    match json {
        Json::Object(object) => {
            let url = object.get("url").and_then(Json::as_str);
            let beside = beside && url.is_none_or(|url| url == LEXEME);
            for (name, value) in object.iter() {
                // What an extension is of is said where its value is.
                let named = name == "url" && object.iter().any(|(name, value)| name != "url" && is_taken(value, taken));
                let of = companion(name).and_then(|name| object.get(name));
                let below = beside || named || of.is_some_and(|of| taken.has(of));
                leaf(value, &format!("{path}.{name}"), below, taken, why, out);
            }
        }
        Json::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                leaf(item, &format!("{path}[{at}]"), beside, taken, why, out);
            }
        }
        _ if beside || taken.has(json) => out.mapped.push((path.to_owned(), "ClinicalDocument".to_owned())),
        _ => out.dropped.push((path.to_owned(), why.to_owned())),
    }
}

/// Whether something of a value was written.
fn is_taken(json: &Json, taken: &Taken) -> bool {
    match json {
        Json::Object(object) => object.iter().any(|(_, value)| is_taken(value, taken)),
        Json::Array(items) => items.iter().any(|item| is_taken(item, taken)),
        leaf => taken.has(leaf),
    }
}

/// The primitive that a member of extensions stands beside.
fn companion(name: &str) -> Option<&str> {
    name.strip_prefix('_')
}
