//! Ids of a case under a prefix, so that cases and runs do not meet on one system.

use model::id::ResourceType;
use model::json::Json;

/// Puts the prefix before the id of every resource and every relative reference, wherever it stands.
pub(crate) fn json(value: &mut Json, prefix: &str) {
    match value {
        Json::String(text) => {
            if let Some(renamed) = reference(text, prefix) {
                *value = Json::from(renamed);
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| json(item, prefix)),
        Json::Object(object) => {
            let is_resource = object.contains_key("resourceType");
            for (name, member) in object.iter_mut() {
                match (name, &*member) {
                    ("id", Json::String(id)) if is_resource => *member = Json::from(format!("{prefix}{id}")),
                    _ => json(member, prefix),
                }
            }
        }
        _ => {}
    }
}

/// `Type/id` and `Type/id/…` with the prefix before the id; `None` for anything else.
pub(crate) fn reference(text: &str, prefix: &str) -> Option<String> {
    let (kind, rest) = text.split_once('/')?;
    ResourceType::parse(kind).ok()?;
    let id = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let is_id =
        !id.is_empty() && id.len() <= 64 && id.bytes().all(|it| it.is_ascii_alphanumeric() || b"-.".contains(&it));
    is_id.then(|| format!("{kind}/{prefix}{rest}"))
}

/// A path of a request: each reference in it, between the delimiters of a URL, with the prefix.
pub(crate) fn path(text: &str, prefix: &str) -> String {
    let mut out = String::with_capacity(text.len() + prefix.len());
    let mut rest = text;
    loop {
        let end = rest.find(['?', '&', '=', ',']).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        match reference(piece, prefix) {
            Some(renamed) => out.push_str(&renamed),
            None => out.push_str(piece),
        }
        let Some(delimiter) = tail.chars().next() else { return out };
        out.push(delimiter);
        rest = tail.get(delimiter.len_utf8()..).unwrap_or_default();
    }
}
