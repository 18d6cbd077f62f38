//! JSON Patch (RFC 6902).

use super::pointer::{Pointer, index};
use super::{MOST_OPERATIONS, PatchError, PatchErrorKind};
use crate::json::{Json, Limits, Number};

/// Values that `copy` may add in all: each one can double the resource.
const MOST_COPIED: usize = 500_000;

/// A patch that can be applied.
#[derive(Clone, Debug)]
pub struct JsonPatch(Vec<Operation>);

#[derive(Clone, Debug)]
enum Operation {
    Add(Pointer, Json),
    Remove(Pointer),
    Replace(Pointer, Json),
    Move { from: Pointer, to: Pointer },
    Copy { from: Pointer, to: Pointer },
    Test(Pointer, Json),
}

impl JsonPatch {
    /// Reads a patch document.
    ///
    /// # Errors
    /// Everything that is not as RFC 6902 asks, operation by operation.
    pub fn read(document: &Json) -> Result<Self, Vec<PatchError>> {
        let Some(items) = document.as_array() else {
            return Err(vec![PatchError::malformed("", "expected an array of operations")]);
        };
        if items.len() > MOST_OPERATIONS {
            let text = format!("expected at most {MOST_OPERATIONS} operations");
            return Err(vec![PatchError { kind: PatchErrorKind::TooLarge, at: String::new(), text }]);
        }
        let (mut operations, mut errors) = (Vec::with_capacity(items.len()), Vec::new());
        for (at, item) in items.iter().enumerate() {
            match operation(item, at) {
                Ok(operation) => operations.push(operation),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Self(operations)) } else { Err(errors) }
    }

    /// Applies every operation in its order. An array or object that an operation has emptied and no later one has
    /// filled goes, as FHIR has no empty ones (json.html).
    ///
    /// # Errors
    /// The first operation that does not fit.
    pub fn apply(&self, resource: &mut Json) -> Result<(), PatchError> {
        let mut emptied: Vec<Pointer> = Vec::new();
        let mut copied = 0;
        for (at, operation) in self.0.iter().enumerate() {
            match operation {
                Operation::Add(path, value) => add(resource, path, value.clone(), at)?,
                Operation::Remove(path) => {
                    remove(resource, path, at, "path")?;
                    emptied.push(path.clone());
                }
                Operation::Replace(path, value) => replace(resource, path, value.clone(), at)?,
                Operation::Move { from, to } => {
                    if from.is_above(to) {
                        return Err(unfit(at, "from", "a value cannot be moved into itself"));
                    }
                    let value = remove(resource, from, at, "from")?;
                    emptied.push(from.clone());
                    add(resource, to, value, at)?;
                }
                Operation::Copy { from, to } => {
                    let value = from.follow(resource).ok_or_else(|| missing(at, "from"))?;
                    copied += values_in(value);
                    if copied > MOST_COPIED {
                        return Err(too_large(at));
                    }
                    add(resource, to, value.clone(), at)?;
                }
                Operation::Test(path, value) => {
                    let found = path.follow(resource).ok_or_else(|| missing(at, "path"))?;
                    if !equal(found, value) {
                        let text = "the resource does not have this value here".to_owned();
                        return Err(PatchError { kind: PatchErrorKind::TestFailed, at: format!("[{at}].value"), text });
                    }
                }
            }
        }
        for path in &emptied {
            tidy(resource, path);
        }
        Ok(())
    }
}

fn operation(item: &Json, at: usize) -> Result<Operation, PatchError> {
    let malformed = |part: &str, text: &str| PatchError::malformed(format!("[{at}]{part}"), text);
    if item.as_object().is_none() {
        return Err(malformed("", "expected an object"));
    }
    let pointer = |name: &str| {
        let text = item.get(name).and_then(Json::as_str);
        let text = text.ok_or_else(|| malformed(&format!(".{name}"), "expected a JSON Pointer"))?;
        Pointer::parse(text).ok_or_else(|| malformed(&format!(".{name}"), "expected a JSON Pointer"))
    };
    let value = || item.get("value").cloned().ok_or_else(|| malformed(".value", "expected a value"));
    Ok(match item.get("op").and_then(Json::as_str) {
        Some("add") => Operation::Add(pointer("path")?, value()?),
        Some("remove") => Operation::Remove(pointer("path")?),
        Some("replace") => Operation::Replace(pointer("path")?, value()?),
        Some("move") => Operation::Move { from: pointer("from")?, to: pointer("path")? },
        Some("copy") => Operation::Copy { from: pointer("from")?, to: pointer("path")? },
        Some("test") => Operation::Test(pointer("path")?, value()?),
        _ => return Err(malformed(".op", "expected add, remove, replace, move, copy or test")),
    })
}

fn add(root: &mut Json, path: &Pointer, value: Json, at: usize) -> Result<(), PatchError> {
    if path.0.len() + depth_of(&value, Limits::MAX_DEPTH) > Limits::DEPTH {
        return Err(too_large(at));
    }
    let Some((holder, last)) = path.holder(root) else {
        if path.0.is_empty() {
            *root = value;
            return Ok(());
        }
        return Err(missing(at, "path"));
    };
    match holder {
        Json::Object(object) if object.len() >= Limits::MAX_MEMBERS && !object.contains_key(last) => Err(too_large(at)),
        Json::Object(object) => {
            object.insert(last, value);
            Ok(())
        }
        Json::Array(items) => {
            let place = if last == "-" { Some(items.len()) } else { index(last) };
            match place.filter(|place| *place <= items.len()) {
                Some(place) => {
                    items.insert(place, value);
                    Ok(())
                }
                None => Err(unfit(at, "path", "expected an index of the array, its length or -")),
            }
        }
        _ => Err(missing(at, "path")),
    }
}

fn remove(root: &mut Json, path: &Pointer, at: usize, part: &str) -> Result<Json, PatchError> {
    let Some((holder, last)) = path.holder(root) else {
        let text = "the whole resource cannot be removed";
        return Err(if path.0.is_empty() { unfit(at, part, text) } else { missing(at, part) });
    };
    let taken = match holder {
        Json::Object(object) => object.remove(last),
        Json::Array(items) => index(last).filter(|place| *place < items.len()).map(|place| items.remove(place)),
        _ => None,
    };
    taken.ok_or_else(|| missing(at, part))
}

fn replace(root: &mut Json, path: &Pointer, value: Json, at: usize) -> Result<(), PatchError> {
    if path.0.len() + depth_of(&value, Limits::MAX_DEPTH) > Limits::DEPTH {
        return Err(too_large(at));
    }
    let slot = match path.holder(root) {
        None if path.0.is_empty() => {
            *root = value;
            return Ok(());
        }
        None => None,
        Some((Json::Object(object), last)) => object.get_mut(last),
        Some((Json::Array(items), last)) => index(last).and_then(|place| items.get_mut(place)),
        Some(_) => None,
    };
    *slot.ok_or_else(|| missing(at, "path"))? = value;
    Ok(())
}

/// Takes out what holds `path` if it is empty, and so on upwards.
fn tidy(root: &mut Json, path: &Pointer) {
    let mut holder = path.clone();
    while holder.0.pop().is_some() && !holder.0.is_empty() {
        let is_empty = match holder.follow(root) {
            Some(Json::Array(items)) => items.is_empty(),
            Some(Json::Object(object)) => object.is_empty(),
            // An index may have moved on: what is above may still be empty.
            None => true,
            Some(_) => false,
        };
        if !is_empty {
            return;
        }
        match holder.holder(root) {
            Some((Json::Object(object), last)) => drop(object.remove(last)),
            Some((Json::Array(items), last)) => {
                if let Some(place) = index(last).filter(|place| *place < items.len()) {
                    items.remove(place);
                }
            }
            _ => {}
        }
    }
}

/// Section 4.6: members in any order, numbers by their value.
fn equal(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => one == other || value_of(one) == value_of(other),
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| equal(value, other)))
        }
        _ => one == other,
    }
}

/// A number as sign, digits without zeros at either end, and power of ten: two are equal if these are.
fn value_of(number: &Number) -> (bool, String, i64) {
    let text = number.as_str();
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let trimmed = digits.trim_end_matches('0');
    let power = exponent.parse::<i64>().unwrap_or(i64::MAX / 4);
    let power = power
        .saturating_sub(i64::try_from(fraction.len()).unwrap_or(0))
        .saturating_add(i64::try_from(digits.len() - trimmed.len()).unwrap_or(0));
    let digits = trimmed.trim_start_matches('0');
    if digits.is_empty() { (false, String::new(), 0) } else { (negative, digits.to_owned(), power) }
}

/// Levels of nesting, counted up to `most`.
pub(super) fn depth_of(value: &Json, most: usize) -> usize {
    let below = |values: &mut dyn Iterator<Item = &Json>| {
        values.map(|value| depth_of(value, most.saturating_sub(1))).max().unwrap_or(0)
    };
    match value {
        _ if most == 0 => 0,
        Json::Array(items) => 1 + below(&mut items.iter()),
        Json::Object(object) => 1 + below(&mut object.iter().map(|(_, value)| value)),
        _ => 0,
    }
}

fn values_in(value: &Json) -> usize {
    match value {
        Json::Array(items) => 1 + items.iter().map(values_in).sum::<usize>(),
        Json::Object(object) => 1 + object.iter().map(|(_, value)| values_in(value)).sum::<usize>(),
        // A long text counts for what it is.
        Json::String(text) => 1 + text.len() / 64,
        _ => 1,
    }
}

fn missing(at: usize, part: &str) -> PatchError {
    unfit(at, part, "there is nothing at this place")
}

fn unfit(at: usize, part: &str, text: &str) -> PatchError {
    PatchError::unfit(format!("[{at}].{part}"), text)
}

fn too_large(at: usize) -> PatchError {
    let text = "the resource would be too large or nested too deeply".to_owned();
    PatchError { kind: PatchErrorKind::TooLarge, at: format!("[{at}]"), text }
}
