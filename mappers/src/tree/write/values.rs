//! What a row's target says in a resource, and the text it comes back as.

use std::collections::HashSet;

use model::json::{Json, Object};

use crate::eval::LEXEME;
use crate::map::With;
use crate::path::{At, Step};

/// A value found at a target: what it is, the object that the row's constants stand in, and the text it was made of
/// where it says less.
#[derive(Clone, Copy)]
pub(super) struct Found<'j> {
    pub(super) json: &'j Json,
    pub(super) base: &'j Object,
    /// The item of an array that the constants stand in, if it is one.
    pub(super) item: Option<&'j Json>,
    pub(super) lexeme: Option<&'j str>,
}

/// Values that rows have written already, by address.
#[derive(Default)]
pub(super) struct Taken(HashSet<usize>);

impl Taken {
    pub(super) fn has(&self, json: &Json) -> bool {
        self.0.contains(&address(json))
    }

    pub(super) fn take(&mut self, json: &Json) {
        self.0.insert(address(json));
    }

    /// Takes of a value what was taken of its copy.
    pub(super) fn take_like(&mut self, json: &Json, copy: &Json, of: &Self) {
        if of.has(copy) {
            self.take(json);
        }
        match (json, copy) {
            (Json::Object(json), Json::Object(copy)) => {
                json.iter().zip(copy.iter()).for_each(|((_, json), (_, copy))| self.take_like(json, copy, of));
            }
            (Json::Array(json), Json::Array(copy)) => {
                json.iter().zip(copy).for_each(|(json, copy)| self.take_like(json, copy, of));
            }
            _ => {}
        }
    }

    /// Takes what another has.
    pub(super) fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Takes a value and everything in it.
    pub(super) fn take_all(&mut self, json: &Json) {
        self.take(json);
        match json {
            Json::Object(object) => object.iter().for_each(|(_, value)| self.take_all(value)),
            Json::Array(items) => items.iter().for_each(|item| self.take_all(item)),
            _ => {}
        }
    }
}

fn address(json: &Json) -> usize {
    std::ptr::from_ref(json).addr()
}

/// Calls with each value at a target's steps; `anchor` is how many of them lead to the object of the constants.
pub(super) fn each<'j>(object: &'j Object, steps: &[Step], anchor: usize, take: &mut dyn FnMut(Found<'j>)) {
    walk(object, (object, None), steps, 0, anchor, take);
}

fn walk<'j>(
    here: &'j Object,
    (base, item): (&'j Object, Option<&'j Json>),
    steps: &[Step],
    depth: usize,
    anchor: usize,
    take: &mut dyn FnMut(Found<'j>),
) {
    let Some(step) = steps.get(depth) else { return };
    let last = depth + 1 == steps.len();
    let mut go = |value: &'j Json, lexeme: Option<&'j str>| {
        let (base, item) =
            if depth + 1 == anchor { (value.as_object().unwrap_or(base), Some(value)) } else { (base, item) };
        if last {
            take(Found { json: value, base, item, lexeme });
        } else if let Some(inner) = value.as_object() {
            walk(inner, (base, item), steps, depth + 1, anchor, take);
        }
    };
    let Some(value) = here.get(&step.name) else { return };
    match &step.at {
        At::Single => {
            let companion = here.get(&format!("_{}", step.name));
            let lexeme = companion.into_iter().flat_map(|companion| companion.items("extension")).find_map(|item| {
                (item.get("url").and_then(Json::as_str) == Some(LEXEME))
                    .then(|| item.get("valueString").and_then(Json::as_str))?
            });
            go(value, lexeme);
        }
        At::Index(index) => value.item(*index).into_iter().for_each(|item| go(item, None)),
        At::Append | At::PerSegment => {
            value.as_array().unwrap_or_default().iter().for_each(|item| go(item, None));
        }
        At::Extension(url) | At::AppendExtension(url) | At::SegmentExtension(url) => {
            let items = value.as_array().unwrap_or_default().iter();
            items.filter(|item| item.get("url").and_then(Json::as_str) == Some(url)).for_each(|item| go(item, None));
        }
    }
}

/// Whether an object has all constants of a row.
pub(super) fn has_constants(base: &Object, with: &[With]) -> bool {
    with.iter().filter(|with| !with.soft).all(|with| with.holds(base))
}

/// The lexeme of a primitive.
pub(super) fn lexeme(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.to_string()),
        Json::Number(number) => Some(number.as_str().to_owned()),
        Json::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// Whether a value is what a constant says, whatever else it says.
pub(super) fn says(value: &Json, constant: &Json) -> bool {
    match (value, constant) {
        (Json::Object(value), Json::Object(constant)) => {
            constant.iter().all(|(name, inner)| value.get(name).is_some_and(|there| says(there, inner)))
        }
        (Json::Array(value), Json::Array(constant)) => {
            constant.iter().all(|wanted| value.iter().any(|item| says(item, wanted)))
        }
        (value, constant) => value == constant,
    }
}
