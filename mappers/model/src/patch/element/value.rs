//! The values of a FHIRPath Patch, and how they come into an element.

use super::place::{Pairs, Step, key_of};
use crate::json::{Json, Object};
use crate::types::{Element, Kind, Shape, r4};

/// What an operation brings.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A data type by the name it has at the end of `value[x]`, with its companion.
    Typed { suffix: String, value: Json, companion: Json },
    /// An element that has no type of its own: its children by name.
    Parts(Vec<(String, Value)>),
    /// A whole resource.
    Resource(Json),
}

impl Default for Value {
    fn default() -> Self {
        Self::Parts(Vec::new())
    }
}

impl Value {
    /// Of a part of Parameters: its `value[x]`, its `resource`, or its parts.
    pub(super) fn read(part: &Json) -> Option<Self> {
        let object = part.as_object()?;
        if let Some(resource) = object.get("resource") {
            return Some(Self::Resource(resource.clone()));
        }
        let suffix = object.iter().find_map(|(key, _)| {
            let suffix = key.strip_prefix('_').unwrap_or(key).strip_prefix("value")?;
            suffix.starts_with(|letter: char| letter.is_ascii_uppercase()).then(|| suffix.to_owned())
        });
        if let Some(suffix) = suffix {
            let member = |name: String| object.get(&name).cloned().unwrap_or(Json::Null);
            let (value, companion) = (member(format!("value{suffix}")), member(format!("_value{suffix}")));
            return Some(Self::Typed { suffix, value, companion });
        }
        let parts = object.get("part")?.as_array()?;
        let read = |part: &Json| Some((part.get("name")?.as_str()?.to_owned(), Self::read(part)?));
        parts.iter().map(read).collect::<Option<Vec<_>>>().filter(|parts| !parts.is_empty()).map(Self::Parts)
    }

    pub(super) fn depth(&self, of: impl Fn(&Json) -> usize + Copy) -> usize {
        match self {
            Self::Typed { value, companion, .. } => of(value).max(of(companion)),
            Self::Resource(resource) => of(resource),
            Self::Parts(parts) => 2 + parts.iter().map(|(_, value)| value.depth(of)).max().unwrap_or(0),
        }
    }

    /// As JSON, with its companion.
    fn json(&self, shape: Option<&'static Shape>) -> Result<(Json, Json), String> {
        match self {
            Self::Typed { value, companion, .. } => Ok((value.clone(), companion.clone())),
            Self::Resource(resource) => Ok((resource.clone(), Json::Null)),
            Self::Parts(parts) => {
                let mut object = Object::new();
                for (name, value) in parts {
                    add(&mut object, shape, name, value)?;
                }
                Ok((object.into(), Json::Null))
            }
        }
    }

    fn suffix(&self) -> &str {
        if let Self::Typed { suffix, .. } = self { suffix } else { "" }
    }
}

/// An element that a value may go to: its JSON name, what is known of it, and the shape of its children.
struct Slot {
    key: String,
    element: Option<&'static Element>,
    children: Option<&'static Shape>,
}

fn slot(shape: Option<&'static Shape>, name: &str, value: &Value) -> Result<Slot, String> {
    let Some(shape) = shape else { return Ok(Slot { key: name.to_owned(), element: None, children: None }) };
    let is_choice = shape.elements.iter().any(|element| element.is_choice && element.name == name);
    let key = if is_choice { format!("{name}{}", value.suffix()) } else { name.to_owned() };
    let Some((_, element, found)) = shape.find(&key) else {
        return Err("no element of this name and type can stand here".to_owned());
    };
    let children = match found.kind {
        Kind::Object(id) | Kind::Reference(id, _) => Some(r4().shape(id)),
        _ => None,
    };
    Ok(Slot { key, element: Some(element), children })
}

/// Adds an element: behind the others of a list, or where none is yet.
pub(super) fn add(object: &mut Object, shape: Option<&'static Shape>, name: &str, value: &Value) -> Result<(), String> {
    let slot = slot(shape, name, value)?;
    // Another type of the same choice is the same element.
    let there = key_of(object, shape, slot.element.map_or(name, |element| element.name));
    let mut pairs = Pairs::take(object, &slot.key);
    let repeats = slot.element.map_or(pairs.is_array, Element::repeats);
    if !repeats && there.is_some() {
        return Err("the element is there already, and there can be one only".to_owned());
    }
    pairs.is_array = repeats;
    pairs.values.push(value.json(slot.children)?);
    pairs.put(object, &slot.key);
    Ok(())
}

/// Puts an element into a list at this place.
pub(super) fn insert(
    object: &mut Object,
    shape: Option<&'static Shape>,
    name: &str,
    index: usize,
    value: &Value,
) -> Result<(), String> {
    let slot = slot(shape, name, value)?;
    let mut pairs = Pairs::take(object, &slot.key);
    if !pairs.is_array || index > pairs.values.len() {
        return Err("the index is behind the end of the list".to_owned());
    }
    pairs.values.insert(index, value.json(slot.children)?);
    pairs.put(object, &slot.key);
    Ok(())
}

/// Puts a value in the place of another; that of a choice may have another type.
pub(super) fn replace(
    object: &mut Object,
    shape: Option<&'static Shape>,
    step: &Step,
    value: &Value,
) -> Result<(), String> {
    let slot = slot(shape, &step.name, value)?;
    let new = value.json(slot.children)?;
    let old = key_of(object, shape, &step.name).ok_or("the path leads to no element")?;
    let mut pairs = Pairs::take(object, &old);
    match step.index {
        Some(index) => *pairs.values.get_mut(index).ok_or("the path leads to no element")? = new,
        None => pairs.values = vec![new],
    }
    if old != slot.key {
        object.remove(&old);
        object.remove(&format!("_{old}"));
    }
    pairs.put(object, &slot.key);
    Ok(())
}

/// Moves an element within its list.
pub(super) fn shift(
    object: &mut Object,
    shape: Option<&'static Shape>,
    name: &str,
    source: usize,
    destination: usize,
) -> Result<(), String> {
    let key = key_of(object, shape, name).ok_or("the path leads to no list")?;
    let mut pairs = Pairs::take(object, &key);
    let length = pairs.values.len();
    if !pairs.is_array || source >= length || destination >= length {
        return Err("source and destination are places of the list".to_owned());
    }
    let moved = pairs.values.remove(source);
    pairs.values.insert(destination, moved);
    pairs.put(object, &key);
    Ok(())
}
