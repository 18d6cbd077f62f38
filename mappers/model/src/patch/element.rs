//! FHIRPath Patch (FHIR R4 fhirpatch.html): Parameters whose operations name elements by FHIRPath.

mod place;
mod value;

use self::place::{Place, Step};
use self::value::Value;
use super::json::depth_of;
use super::{MOST_OPERATIONS, PatchError, PatchErrorKind};
use crate::json::{Json, Limits};

/// Finds the elements that a FHIRPath leads to.
pub trait Paths {
    /// Their places in the resource: `Patient.name[0].given[1]`, an index wherever JSON has an array.
    ///
    /// # Errors
    /// What is wrong with the expression; quotes nothing of the resource.
    fn places(&self, resource: &Json, expression: &str) -> Result<Vec<String>, String>;
}

/// A patch that can be applied.
#[derive(Clone, Debug)]
pub struct ElementPatch(Vec<Operation>);

#[derive(Clone, Debug)]
struct Operation {
    path: String,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Add(String, Value),
    Insert(usize, Value),
    Delete,
    Replace(Value),
    Move { source: usize, destination: usize },
}

impl ElementPatch {
    /// Reads a Parameters resource.
    ///
    /// # Errors
    /// Everything that is not as fhirpatch.html asks, operation by operation.
    pub fn read(parameters: &Json) -> Result<Self, Vec<PatchError>> {
        if parameters.get("resourceType").and_then(Json::as_str) != Some("Parameters") {
            return Err(vec![PatchError::malformed("resourceType", "expected Parameters")]);
        }
        let items = parameters.items("parameter");
        if items.len() > MOST_OPERATIONS {
            let text = format!("expected at most {MOST_OPERATIONS} operations");
            return Err(vec![PatchError { kind: PatchErrorKind::TooLarge, at: "Parameters".to_owned(), text }]);
        }
        let (mut operations, mut errors) = (Vec::with_capacity(items.len()), Vec::new());
        for (at, item) in items.iter().enumerate() {
            match operation(item, &format!("Parameters.parameter[{at}]")) {
                Ok(operation) => operations.push(operation),
                Err(found) => errors.extend(found),
            }
        }
        if errors.is_empty() { Ok(Self(operations)) } else { Err(errors) }
    }

    /// Applies every operation in its order. An element that has lost its last child goes too, as FHIR has no empty ones.
    ///
    /// # Errors
    /// The first operation that does not fit.
    pub fn apply(&self, resource: &mut Json, paths: &dyn Paths) -> Result<(), PatchError> {
        for (at, operation) in self.0.iter().enumerate() {
            operation.apply(resource, paths).map_err(|mut error| {
                error.at = format!("Parameters.parameter[{at}]");
                error
            })?;
        }
        Ok(())
    }
}

fn operation(item: &Json, place: &str) -> Result<Operation, Vec<PatchError>> {
    let mut errors = Vec::new();
    if item.get("name").and_then(Json::as_str) != Some("operation") {
        errors.push(PatchError::malformed(format!("{place}.name"), "expected operation"));
    }
    let parts = item.items("part");
    for (at, part) in parts.iter().enumerate() {
        let name = part.get("name").and_then(Json::as_str).unwrap_or_default();
        let known = ["type", "path", "name", "index", "source", "destination", "value"].contains(&name);
        if !known || parts.iter().take(at).any(|other| other.get("name") == part.get("name")) {
            let text = "expected type, path, name, value, index, source and destination, each once at most";
            errors.push(PatchError::malformed(format!("{place}.part[{at}].name"), text));
        }
    }
    let part = |name: &str| parts.iter().find(|part| part.get("name").and_then(Json::as_str) == Some(name));
    let missing = |name: &str, what: &str| PatchError::malformed(place, format!("expected a part {name}: {what}"));
    let mut text = |name: &str| {
        let found = part(name).and_then(|part| {
            ["valueString", "valueCode", "valueId", "valueUri"].iter().find_map(|key| part.get(key)?.as_str())
        });
        if found.is_none() {
            errors.push(missing(name, "a text"));
        }
        found.unwrap_or_default().to_owned()
    };
    let (kind, path) = (text("type"), text("path"));
    let name = if kind == "add" { text("name") } else { String::new() };
    let mut number = |name: &str| {
        let found = part(name).and_then(|part| {
            ["valueInteger", "valueUnsignedInt", "valuePositiveInt"].iter().find_map(|key| part.get(key)?.as_number())
        });
        let found = found.and_then(|number| usize::try_from(number.as_u64()?).ok());
        if found.is_none() {
            errors.push(missing(name, "a number from 0"));
        }
        found.unwrap_or_default()
    };
    let what = match kind.as_str() {
        "add" => Some(None),
        "insert" => Some(Some(What::Insert(number("index"), Value::default()))),
        "delete" => Some(Some(What::Delete)),
        "replace" => Some(Some(What::Replace(Value::default()))),
        "move" => Some(Some(What::Move { source: number("source"), destination: number("destination") })),
        _ => None,
    };
    let Some(what) = what else {
        if !kind.is_empty() {
            let text = "expected a type of add, insert, delete, replace or move";
            errors.push(PatchError::malformed(place, text));
        }
        return Err(errors);
    };
    let mut what = what.unwrap_or(What::Add(name, Value::default()));
    if let What::Add(_, value) | What::Insert(_, value) | What::Replace(value) = &mut what {
        match part("value").and_then(Value::read) {
            Some(read) => *value = read,
            None => errors.push(missing("value", "a value, parts or a resource")),
        }
    }
    if errors.is_empty() { Ok(Operation { path, what }) } else { Err(errors) }
}

fn unfit(text: impl Into<String>) -> PatchError {
    PatchError::unfit("", text)
}

impl Operation {
    fn apply(&self, resource: &mut Json, paths: &dyn Paths) -> Result<(), PatchError> {
        let mut found = self.places(resource, paths, &self.path)?;
        match &self.what {
            What::Add(name, value) => {
                let place = single(found)?;
                fits(&place, value)?;
                let (object, shape) = place.holder(resource).ok_or_else(lost)?;
                value::add(object, shape, name, value).map_err(unfit)
            }
            What::Delete => {
                if found.len() > 1 {
                    return Err(unfit("the path leads to more than one element, and one is deleted"));
                }
                let Some(place) = found.pop() else { return Ok(()) };
                if place.0.is_empty() {
                    return Err(unfit("the whole resource cannot be deleted"));
                }
                place.delete(resource).ok_or_else(lost)
            }
            What::Replace(value) => {
                let place = single(found)?;
                fits(&place, value)?;
                let Some((last, above)) = place.split() else {
                    return Err(unfit("the whole resource cannot be replaced"));
                };
                let (object, shape) = above.holder(resource).ok_or_else(lost)?;
                value::replace(object, shape, &last, value).map_err(unfit)
            }
            What::Insert(index, value) => match list_of(&found) {
                Some((above, name)) => {
                    if let Some(place) = found.first() {
                        fits(place, value)?;
                    }
                    let (object, shape) = above.holder(resource).ok_or_else(lost)?;
                    value::insert(object, shape, &name, *index, value).map_err(unfit)
                }
                // A list that is empty is not there: what would hold it is.
                None if found.is_empty() && *index == 0 => {
                    let (above, name) = self.path.rsplit_once('.').ok_or_else(|| unfit("the path leads to no list"))?;
                    let place = single(self.places(resource, paths, above)?)?;
                    fits(&place, value)?;
                    let (object, shape) = place.holder(resource).ok_or_else(lost)?;
                    value::add(object, shape, name, value).map_err(unfit)
                }
                None => Err(unfit("the path leads to no list, or the index is behind its end")),
            },
            What::Move { source, destination } => {
                let (above, name) = list_of(&found).ok_or_else(|| unfit("the path leads to no list"))?;
                let (object, shape) = above.holder(resource).ok_or_else(lost)?;
                value::shift(object, shape, &name, *source, *destination).map_err(unfit)
            }
        }
    }

    fn places(&self, resource: &Json, paths: &dyn Paths, expression: &str) -> Result<Vec<Place>, PatchError> {
        let found = paths.places(resource, expression).map_err(unfit)?;
        found.iter().map(|text| Place::parse(text).ok_or_else(lost)).collect()
    }
}

fn lost() -> PatchError {
    unfit("the path leads to nothing that can be changed")
}

fn single(mut found: Vec<Place>) -> Result<Place, PatchError> {
    match (found.pop(), found.is_empty()) {
        (Some(place), true) => Ok(place),
        (None, _) => Err(unfit("the path leads to no element")),
        (Some(_), false) => Err(unfit("the path leads to more than one element")),
    }
}

/// The list that all of these are in, by what holds it and its name.
fn list_of(found: &[Place]) -> Option<(Place, String)> {
    let (Step { name, index: Some(_) }, above) = found.first()?.split()? else { return None };
    let same = found.iter().all(|place| place.split().is_some_and(|(step, other)| step.name == name && other == above));
    same.then_some((above, name))
}

/// Refuses what would nest deeper than any reader takes.
fn fits(place: &Place, value: &Value) -> Result<(), PatchError> {
    // An array and an object a step.
    if 2 * place.0.len() + value.depth(|json| depth_of(json, Limits::MAX_DEPTH)) > Limits::DEPTH {
        let text = "the resource would be nested too deeply".to_owned();
        return Err(PatchError { kind: PatchErrorKind::TooLarge, at: String::new(), text });
    }
    Ok(())
}
