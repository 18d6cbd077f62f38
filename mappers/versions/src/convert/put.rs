//! Puts values where they belong in the target.

use model::json::{Json, Object};
use model::types::{Element, Kind, Shape, Table, Type};
use smol_str::{SmolStr, format_smolstr};

use crate::rows::{Target, choice_name};

/// A value that is ready, with its companion if it is a primitive.
#[derive(Clone, Debug, Default)]
pub(super) struct Out {
    pub(super) value: Option<Json>,
    pub(super) companion: Option<Object>,
}

impl Out {
    pub(super) fn of(value: Json) -> Self {
        Self { value: Some(value), companion: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        let is_nothing = match &self.value {
            None | Some(Json::Null) => true,
            Some(Json::Object(object)) => object.is_empty(),
            Some(_) => false,
        };
        is_nothing && self.companion.as_ref().is_none_or(Object::is_empty)
    }
}

/// The JSON names of an element: one for each type of a choice.
pub(super) fn names(element: &Element) -> impl Iterator<Item = (SmolStr, &Type)> {
    element.types.iter().map(|of_type| {
        let name =
            if element.is_choice { choice_name(element.name, of_type) } else { SmolStr::new_static(element.name) };
        (name, of_type)
    })
}

/// Whether an object has a value for an element, of whichever type.
pub(super) fn has(object: &Object, element: &Element) -> bool {
    if element.is_choice {
        return names(element).any(|(name, _)| has_name(object, &name));
    }
    has_name(object, element.name)
}

fn has_name(object: &Object, name: &str) -> bool {
    object.iter().any(|(member, _)| member.strip_prefix('_').unwrap_or(member) == name)
}

/// How many values an element has.
pub(super) fn count(object: &Object, name: &str) -> usize {
    let length = |name: &str| object.get(name).and_then(Json::as_array).map_or(0, <[Json]>::len);
    length(name).max(length(&format_smolstr!("_{name}")))
}

/// Whether the only place that a row leads to is taken already.
pub(super) fn has_step(shape: &Shape, object: &Object, target: &Target) -> bool {
    let element = target.steps.last().filter(|_| target.steps.len() == 1).and_then(|step| shape.find(step));
    element.is_some_and(|(_, element, _)| !element.repeats() && has(object, element))
}

/// The shape at the end of steps that are no elements of choice; `None` where a step is unknown or a primitive.
pub(super) fn descend(table: &'static Table, shape: &'static Shape, steps: &[SmolStr]) -> Option<&'static Shape> {
    steps.iter().try_fold(shape, |shape, step| match shape.find(step)?.2.kind {
        Kind::Object(id) | Kind::Reference(id, _) => Some(table.shape(id)),
        _ => None,
    })
}

/// Puts a value at the end of steps; the elements in between are made, of those that repeat the first is taken.
///
/// Gives the value back if its place is taken or does not exist.
pub(super) fn put(
    table: &'static Table,
    object: &mut Object,
    shape: &'static Shape,
    steps: &[SmolStr],
    out: Out,
) -> Result<(), Out> {
    let Some((first, rest)) = steps.split_first() else { return Err(out) };
    let Some((_, element, of_type)) = shape.find(first) else { return Err(out) };
    if rest.is_empty() {
        return last(object, element, first, out);
    }
    let (Kind::Object(id) | Kind::Reference(id, _)) = of_type.kind else { return Err(out) };
    let slot = object.get_or_insert_named(first, || {
        if element.repeats() { Json::Array(vec![Json::Object(Object::new())]) } else { Json::Object(Object::new()) }
    });
    let slot = match slot {
        Json::Array(items) => items.first_mut(),
        other => Some(other),
    };
    match slot.and_then(Json::as_object_mut) {
        Some(inner) => put(table, inner, table.shape(id), rest, out),
        None => Err(out),
    }
}

fn last(object: &mut Object, element: &Element, name: &SmolStr, out: Out) -> Result<(), Out> {
    let companion_name = format_smolstr!("_{name}");
    if !element.repeats() {
        if has(object, element) {
            return Err(out);
        }
        if let Some(value) = out.value {
            object.insert(name.clone(), value);
        }
        if let Some(companion) = out.companion.filter(|companion| !companion.is_empty()) {
            object.insert(companion_name, companion);
        }
        return Ok(());
    }
    let before = count(object, name);
    push(object, name, out.value, before);
    push(object, &companion_name, out.companion.filter(|it| !it.is_empty()).map(Json::Object), before);
    Ok(())
}

/// Adds to an array; an array of companions is made only when there is one, with nulls before it.
fn push(object: &mut Object, name: &SmolStr, item: Option<Json>, before: usize) {
    match (object.get_mut(name), item) {
        (Some(Json::Array(items)), item) => {
            items.resize(before, Json::Null);
            items.push(item.unwrap_or(Json::Null));
        }
        (None, Some(item)) => {
            let mut items = vec![Json::Null; before];
            items.push(item);
            object.insert(name.clone(), Json::Array(items));
        }
        _ => {}
    }
}

/// The members in the order of the specification; those it does not know last.
pub(super) fn tidy(object: Object, shape: &Shape) -> Object {
    let mut members: Vec<(usize, SmolStr, Json)> = object
        .into_iter()
        .map(|(name, value)| {
            let (bare, is_companion) = match name.strip_prefix('_') {
                Some(bare) => (bare, 1),
                None => (name.as_str(), 0),
            };
            let order = match bare {
                "resourceType" if shape.is_resource => 0,
                bare => shape.find(bare).map_or(usize::MAX, |(at, ..)| 2 + at * 2 + is_companion),
            };
            (order, name, value)
        })
        .collect();
    members.sort_by_key(|(order, ..)| *order);
    members.into_iter().map(|(_, name, value)| (name, value)).collect()
}
