//! Taking elements out of a resource so that nothing of them is left.

use model::json::{Json, Object};
use smol_str::SmolStr;

use crate::facts::{inline_labels, unversioned};
use crate::label::Labels;
use crate::vocabulary::OBSERVATION_VALUE;

/// What was taken out of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    /// Paths of elements whose own labels are not permitted, as they stood before anything was removed.
    pub(crate) elements: Vec<String>,
    /// Something else went: a reference to what is withheld, or text that may have been made from it.
    pub(crate) traces: bool,
}

impl Removed {
    pub(crate) fn any(&self) -> bool {
        self.traces || !self.elements.is_empty()
    }
}

/// Takes out every element with inline labels that are not permitted. DS4P, "Inline Security Labels".
pub(crate) fn labelled_elements(resource: &mut Json, permits: &mut dyn FnMut(Labels) -> bool) -> Removed {
    let mut removed = Removed::default();
    // The labels of the resource itself were decided with the resource.
    members(resource, "", permits, &mut removed.elements);
    removed
}

/// Whether a resource has an inline label anywhere: most have none, and are then never copied or walked.
pub(crate) fn has_inline_labels(json: &Json) -> bool {
    match json {
        Json::Object(object) => object.iter().any(|(name, value)| match name {
            "extension" => inline_labels(json, &mut Labels::default()) || has_inline_labels(value),
            _ => has_inline_labels(value),
        }),
        Json::Array(items) => items.iter().any(has_inline_labels),
        _ => false,
    }
}

fn members(json: &mut Json, path: &str, permits: &mut dyn FnMut(Labels) -> bool, removed: &mut Vec<String>) {
    let Some(object) = json.as_object_mut() else { return };
    let mut gone: Vec<SmolStr> = Vec::new();
    // Array items go by place, from `name` and from `_name`, where the extensions of primitives stand.
    let mut gone_items: Vec<(SmolStr, Vec<usize>)> = Vec::new();
    for (name, value) in object.iter_mut() {
        let element = name.strip_prefix('_').unwrap_or(name);
        let place = if path.is_empty() { element.to_owned() } else { format!("{path}.{element}") };
        match value {
            Json::Array(items) => {
                let mut indexes = Vec::new();
                for (index, item) in items.iter_mut().enumerate() {
                    let place = format!("{place}[{index}]");
                    if refused(item, permits) {
                        indexes.push(index);
                        removed.push(place);
                    } else {
                        members(item, &place, permits, removed);
                    }
                }
                if !indexes.is_empty() {
                    gone_items.push((SmolStr::new(element), indexes));
                }
            }
            Json::Object(_) if refused(value, permits) => {
                gone.push(SmolStr::new(element));
                removed.push(place);
            }
            other => members(other, &place, permits, removed),
        }
    }
    for (name, indexes) in gone_items {
        for name in [name.clone(), sibling(&name)] {
            drop_items(object, &name, &indexes);
        }
    }
    for name in gone {
        object.remove(&name);
        object.remove(&sibling(&name));
    }
}

fn refused(element: &Json, permits: &mut dyn FnMut(Labels) -> bool) -> bool {
    let mut labels = Labels::default();
    inline_labels(element, &mut labels) && !permits(labels)
}

fn sibling(name: &str) -> SmolStr {
    smol_str::format_smolstr!("_{name}")
}

fn drop_items(object: &mut Object, name: &str, indexes: &[usize]) {
    let Some(items) = object.get_mut(name).and_then(Json::as_array_mut) else { return };
    let mut index = 0_usize;
    items.retain(|_| {
        let keep = !indexes.contains(&index);
        index = index.saturating_add(1);
        keep
    });
    if items.is_empty() {
        object.remove(name);
    }
}

/// Takes out of a released resource what would tell of withheld ones: section entries with the narrative beside
/// them, and the display texts of references.
pub(crate) fn traces_of(withheld: &[SmolStr], resource: &mut Json) -> Removed {
    let mut removed = Removed::default();
    if withheld.is_empty() {
        return removed;
    }
    if resource.get("resourceType").and_then(Json::as_str) == Some("Composition") {
        removed.traces |= sections(resource, withheld);
    }
    removed.traces |= displays(resource, withheld);
    removed
}

/// Whether anything below went; then the narrative of the section goes too, as it may have been made from it.
fn sections(parent: &mut Json, withheld: &[SmolStr]) -> bool {
    let Some(list) = parent.get_mut("section").and_then(Json::as_array_mut) else { return false };
    let mut changed = false;
    list.retain_mut(|section| {
        let mut gone = sections(section, withheld);
        if let Some(entries) = section.get_mut("entry").and_then(Json::as_array_mut) {
            let before = entries.len();
            entries.retain(|entry| !points_to(entry, withheld));
            gone |= entries.len() != before;
        }
        if !gone {
            return true;
        }
        changed = true;
        let Some(object) = section.as_object_mut() else { return false };
        object.remove("text");
        for name in ["entry", "section"] {
            if object.get(name).and_then(Json::as_array).is_some_and(<[Json]>::is_empty) {
                object.remove(name);
            }
        }
        // A section needs a text, entries or sections (invariant cmp-1); its title alone would tell that something
        // was there.
        object.contains_key("entry") || object.contains_key("section")
    });
    if changed
        && let Some(object) = parent.as_object_mut()
        && object.get("section").and_then(Json::as_array).is_some_and(<[Json]>::is_empty)
    {
        object.remove("section");
    }
    changed
}

fn displays(json: &mut Json, withheld: &[SmolStr]) -> bool {
    match json {
        Json::Array(items) => items.iter_mut().map(|item| displays(item, withheld)).filter(|gone| *gone).count() > 0,
        Json::Object(_) => {
            let own = points_to(json, withheld);
            let Some(object) = json.as_object_mut() else { return false };
            let gone = own && object.remove("display").is_some();
            object.iter_mut().fold(gone, |any, (_, value)| displays(value, withheld) || any)
        }
        _ => false,
    }
}

fn points_to(reference: &Json, withheld: &[SmolStr]) -> bool {
    let target = reference.get("reference").and_then(Json::as_str).map(unversioned);
    target.is_some_and(|target| withheld.contains(&target))
}

/// Marks a resource that lost something: no narrative, and the label REDACTED.
pub(crate) fn mark(resource: &mut Json) {
    let Some(object) = resource.as_object_mut() else { return };
    object.remove("text");
    if let Some(contained) = object.get_mut("contained").and_then(Json::as_array_mut) {
        for inner in contained.iter_mut().filter_map(Json::as_object_mut) {
            inner.remove("text");
        }
    }
    let redacted = || Json::object([("system", Json::from(OBSERVATION_VALUE)), ("code", Json::from("REDACTED"))]);
    if !object.contains_key("meta") {
        put_meta_first(object);
    }
    let Some(meta) = object.get_mut("meta").and_then(Json::as_object_mut) else { return };
    match meta.get_mut("security").and_then(Json::as_array_mut) {
        Some(labels) => {
            let marked = |label: &Json| label.get("code").and_then(Json::as_str) == Some("REDACTED");
            if !labels.iter().any(marked) {
                labels.push(redacted());
            }
        }
        None => {
            meta.insert("security", Json::array([redacted()]));
        }
    }
}

/// `meta` stands before the elements of the type in the order FHIR gives them.
fn put_meta_first(object: &mut Object) {
    let mut ordered = Object::new();
    let mut placed = false;
    for (name, value) in std::mem::take(object) {
        if !placed && name != "resourceType" && name != "id" {
            ordered.insert("meta", Object::new());
            placed = true;
        }
        ordered.insert(name, value);
    }
    if !placed {
        ordered.insert("meta", Object::new());
    }
    *object = ordered;
}

#[cfg(test)]
mod tests;
