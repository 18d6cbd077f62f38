//! Small writes into a resource.

use model::json::{Json, Object};
use smol_str::SmolStr;

use crate::build::{self, Indexes};
use crate::path::{At, Holds, Step, Target};

use super::ABSENT;

/// Whether a required element is absent: neither it nor a companion with extensions.
pub(crate) fn is_missing(object: &Object, steps: &[Step]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return false };
    let bare = step.name.strip_prefix('_').unwrap_or(&step.name);
    if rest.is_empty() && object.iter().any(|(name, _)| name.strip_prefix('_') == Some(bare)) {
        return false;
    }
    match object.get(bare) {
        None => true,
        Some(_) if rest.is_empty() => false,
        Some(Json::Object(inner)) => is_missing(inner, rest),
        Some(Json::Array(items)) => items.first().and_then(Json::as_object).is_none_or(|inner| is_missing(inner, rest)),
        Some(_) => false,
    }
}

/// A reference to a resource by its `Type/id`.
pub(crate) fn reference(to: &SmolStr) -> Json {
    Json::Object(Object::of([("reference", Json::String(to.clone()))]))
}

pub(crate) fn coding(system: &SmolStr, code: &SmolStr, display: &SmolStr) -> Json {
    let mut coding = Object::with_capacity(4);
    if !system.is_empty() {
        coding.insert(SmolStr::new_static("system"), system.clone());
    }
    coding.insert(SmolStr::new_static("code"), code.clone());
    if !display.is_empty() {
        coding.insert(SmolStr::new_static("display"), display.clone());
    }
    Json::Object(coding)
}

pub(crate) fn put(object: &mut Object, steps: &[Step], indexes: &Indexes, json: Json) {
    if let Some(slot) = build::slot(object, steps, indexes) {
        *slot = json;
    }
}

/// Puts an extension beside a primitive (`_name`), where it does not repeat.
pub(crate) fn beside(
    object: &mut Object,
    steps: &[Step],
    indexes: &Indexes,
    url: &'static str,
    name: &'static str,
    value: Json,
) {
    let Some((last, before)) = steps.split_last() else { return };
    if last.at != At::Single {
        return;
    }
    let parent = if before.is_empty() {
        Some(object)
    } else {
        build::slot(object, before, indexes).and_then(|slot| {
            if !matches!(slot, Json::Object(_)) {
                *slot = Json::Object(Object::new());
            }
            slot.as_object_mut()
        })
    };
    let Some(parent) = parent else { return };
    let companion = parent.get_or_insert_with(&format!("_{}", last.name), || Json::Object(Object::new()));
    if let Some(companion) = companion.as_object_mut() {
        build::extend(companion, SmolStr::new_static(url), name, value);
    }
}

pub(crate) fn absent(object: &mut Object, target: &Target, indexes: &Indexes, reason: &SmolStr) {
    let value = Json::String(reason.clone());
    match target.holds {
        Holds::Complex(_) | Holds::Reference => {
            if let Some(slot) = build::slot(object, &target.steps, indexes) {
                let mut holder = Object::new();
                build::extend(&mut holder, SmolStr::new_static(ABSENT), "valueCode", value);
                *slot = Json::Object(holder);
            }
        }
        _ => beside(object, &target.steps, indexes, ABSENT, "valueCode", value),
    }
}
