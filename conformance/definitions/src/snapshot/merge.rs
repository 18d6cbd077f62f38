//! What an element of a differential says, over what stands in the base.
//!
//! FHIR R4 elementdefinition.html, "Rules" and profiling.html, "Limitations of Use": what the differential leaves out
//! stays; invariants and conditions add up; the rest is replaced.

use model::json::Json;

use super::steps::Issues;
use super::tree::Node;
use crate::profile::{
    Binding, DifferentialFault, Discriminator, DiscriminatorKind, Element, Profile, Slicing, SlicingRules, TypeRef,
};

/// More invariants than any real element has.
const MAX_KEYS: usize = 1_000;

/// Merges it. `url` becomes the source of invariants that name none.
pub(super) fn into(node: &mut Node, json: &Json, url: &str, type_name: &str, issues: &mut Issues) {
    let Some(from) = crate::profile::element(json, type_name) else { return };
    let has = |name: &str| json.get(name).is_some();
    let is_slice = node.element.slice_name.is_some();
    let to = &mut node.element;
    if has("min") {
        if from.min < to.min && !is_slice {
            issues.say(DifferentialFault::Cardinality, format!("{} allows fewer values than its base", from.path));
        }
        to.min = from.min.max(if is_slice { 0 } else { to.min });
    }
    if has("max") {
        match (from.max, to.max) {
            (None, Some(_)) => {
                issues.say(DifferentialFault::Cardinality, format!("{} allows more values than its base", from.path))
            }
            (Some(new), Some(old)) if new > old => {
                issues.say(DifferentialFault::Cardinality, format!("{} allows more values than its base", from.path));
            }
            _ => to.max = from.max,
        }
    }
    if has("type") && !from.types.is_empty() {
        // Of `string.value` we say `string`, of `code.value` code: the type of a primitive's value has no base.
        let judged = !to.types.is_empty() && !from.path.starts_with(char::is_lowercase);
        if let Some(other) = from.types.iter().find(|of| judged && !allowed(&of.code, &to.types)) {
            let text = format!("{} has the type {}, which its base does not allow", from.path, other.code);
            issues.say(DifferentialFault::Type, text);
        }
        to.types = from.types;
        to.regex = from.regex.or(to.regex.take());
    }
    if has("contentReference") {
        node.content = json
            .text_at(&["contentReference"])
            .map(|reference| reference.split_once('#').map_or(reference, |(_, target)| target).to_owned());
    }
    to.fixed = from.fixed.or(to.fixed.take());
    to.pattern = from.pattern.or(to.pattern.take());
    to.min_value = from.min_value.or(to.min_value.take());
    to.max_value = from.max_value.or(to.max_value.take());
    to.max_length = from.max_length.or(to.max_length);
    if let Some(new) = from.binding {
        to.binding = Some(binding(to.binding.take(), new, json));
    }
    for mut constraint in from.constraints {
        if to.constraints.len() < MAX_KEYS && !to.constraints.iter().any(|each| each.key == constraint.key) {
            constraint.source.get_or_insert_with(|| url.to_owned());
            to.constraints.push(constraint);
        }
    }
    for key in from.condition {
        if to.condition.len() < MAX_KEYS && !to.condition.contains(&key) {
            to.condition.push(key);
        }
    }
    if has("mustSupport") {
        to.must_support = from.must_support;
    }
    if has("isModifier") {
        to.is_modifier = from.is_modifier;
    }
    if has("isSummary") {
        to.is_summary = from.is_summary;
    }
    if let Some(mut new) = from.slicing {
        if let Some(old) = to.slicing.take() {
            for discriminator in old.discriminators.into_iter().rev() {
                if !new.discriminators.contains(&discriminator) {
                    new.discriminators.insert(0, discriminator);
                }
            }
            if json.at(&["slicing", "rules"]).is_none() {
                new.rules = old.rules;
            }
        }
        to.slicing = Some(new);
    }
}

/// Whether a type is one of these or based on one: Patient where any Resource may be.
fn allowed(code: &str, base: &[TypeRef]) -> bool {
    let table = model::types::r4();
    let mut at = table.find(code).map(|(_, shape)| shape);
    // What is no type of R4 (a logical model) is for others to judge.
    if at.is_none() && model::types::Primitive::parse(code).is_none() {
        return true;
    }
    let is = |name: &str| base.iter().any(|of| of.code == name);
    while let Some(shape) = at {
        if is(&shape.path) {
            return true;
        }
        at = shape.base.map(|id| table.shape(id));
    }
    is(code) || is("Element")
}

/// What the root of a type's profile says of every element of that type.
pub(super) fn root_of(element: &mut Element, profile: &Profile, own_modifier: bool) {
    let root = profile.root();
    for constraint in &root.constraints {
        if !element.constraints.iter().any(|each| each.key == constraint.key) {
            element.constraints.push(constraint.clone());
        }
    }
    // The published snapshots take the rest over only from extensions, whose slices stand for the extension itself.
    if !profile.is_extension() {
        return;
    }
    for key in &root.condition {
        if !element.condition.contains(key) {
            element.condition.push(key.clone());
        }
    }
    if !own_modifier {
        element.is_modifier |= root.is_modifier;
    }
}

/// The value set stays if only the strength changes, and the other way round.
fn binding(old: Option<Binding>, new: Binding, json: &Json) -> Binding {
    let Some(old) = old else { return new };
    // A limit of the old value set is none of the new one.
    let same = new.value_set.is_none() || new.value_set == old.value_set;
    Binding {
        strength: if json.at(&["binding", "strength"]).is_some() { new.strength } else { old.strength },
        value_set: new.value_set.or(old.value_set),
        max_value_set: new.max_value_set.or(old.max_value_set.filter(|_| same)),
        min_value_set: new.min_value_set.or(old.min_value_set.filter(|_| same)),
        additional: if new.additional.is_empty() { old.additional } else { new.additional },
    }
}

/// An element that gets slices without saying how they are told apart: extensions by their URL, choices by their type.
/// profiling.html, "Slicing" (both are always sliced so).
pub(super) fn slicing_of(node: &mut Node) {
    if node.element.slicing.is_some() {
        return;
    }
    let by = |kind, path: &str| vec![Discriminator { kind, path: path.to_owned() }];
    let discriminators = match node.name.text.as_str() {
        "extension" | "modifierExtension" => by(DiscriminatorKind::Value, "url"),
        _ if node.name.choice().is_some() => by(DiscriminatorKind::Type, "$this"),
        _ => Vec::new(),
    };
    node.element.slicing = Some(Slicing { discriminators, rules: SlicingRules::Open, ordered: false });
}
