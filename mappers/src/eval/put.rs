//! Small writes into a resource.

use model::json::{Json, Object};
use smol_str::{SmolStr, format_smolstr};

use crate::build::{self, Indexes};
use crate::path::{At, Holds, Step, Target};

use super::ABSENT;

/// Whether a required element is absent: neither it nor a companion with extensions.
pub(super) fn is_missing(object: &Object, steps: &[Step]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return false };
    let bare = step.name.strip_prefix('_').unwrap_or(&step.name);
    if object.contains_key(&format!("_{bare}")) && rest.is_empty() {
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

pub(crate) fn reference(kind: &str, id: &str) -> Json {
    Json::object([("reference", Json::String(format_smolstr!("{kind}/{id}")))])
}

pub(super) fn coding(system: &str, code: &str, display: &str) -> Json {
    let mut members = vec![("system", Json::from(system)), ("code", Json::from(code))];
    if system.is_empty() {
        members.remove(0);
    }
    if !display.is_empty() {
        members.push(("display", Json::from(display)));
    }
    Json::object(members)
}

pub(super) fn put(object: &mut Object, steps: &[Step], indexes: &Indexes, json: Json) {
    if let Some(slot) = build::slot(object, steps, indexes) {
        *slot = json;
    }
}

/// Puts an extension beside a primitive (`_name`), where it does not repeat.
pub(super) fn beside(object: &mut Object, steps: &[Step], indexes: &Indexes, url: &str, name: &str, value: Json) {
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
        build::extend(companion, url, name, value);
    }
}

pub(super) fn absent(object: &mut Object, target: &Target, indexes: &Indexes, reason: &SmolStr) {
    let value = Json::String(reason.clone());
    match target.holds {
        Holds::Complex(_) | Holds::Reference => {
            if let Some(slot) = build::slot(object, &target.steps, indexes) {
                let mut holder = Object::new();
                build::extend(&mut holder, ABSENT, "valueCode", value);
                *slot = Json::Object(holder);
            }
        }
        _ => beside(object, &target.steps, indexes, ABSENT, "valueCode", value),
    }
}
