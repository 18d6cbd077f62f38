//! The resources of a document on their way into the store.

use std::collections::HashMap;

use model::json::Json;
use model::resource::reference_to;

use super::map::Entry;

/// Within a document resources refer to each other by the URLs of their entries, `urn:uuid:ID`; in the store by `Type/ID`.
pub(super) fn link(entries: &mut [Entry]) {
    let mut places: HashMap<String, String> = HashMap::with_capacity(entries.len());
    for entry in entries.iter() {
        if let (Some(id), Some(place)) = (model::resource::id(&entry.resource), reference_to(&entry.resource)) {
            places.insert(format!("urn:uuid:{id}"), place.to_string());
        }
    }
    for entry in entries {
        rewrite(&mut entry.resource, &places);
    }
}

fn rewrite(json: &mut Json, places: &HashMap<String, String>) {
    match json {
        Json::Object(object) => {
            for (name, value) in object.iter_mut() {
                match value {
                    Json::String(text) if matches!(name, "reference" | "url") => {
                        if let Some(place) = places.get(text.as_str()) {
                            *value = Json::from(place.as_str());
                        }
                    }
                    other => rewrite(other, places),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| rewrite(item, places)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
