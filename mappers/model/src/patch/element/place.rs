//! Where an element stands, and the way there.

use crate::json::{Json, Object};
use crate::types::{Kind, Shape, r4};

/// Steps below a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place(pub(super) Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The element, a choice without its type.
    pub(super) name: String,
    /// Set where JSON has an array.
    pub(super) index: Option<usize>,
}

impl Place {
    /// `Patient.name[0].given[1]`; the first name is the resource's own.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let steps = text.split('.').skip(1).map(|step| match step.split_once('[') {
            None => Some(Step { name: step.to_owned(), index: None }),
            Some((name, index)) => {
                Some(Step { name: name.to_owned(), index: Some(index.strip_suffix(']')?.parse().ok()?) })
            }
        });
        steps.collect::<Option<_>>().map(Self)
    }

    /// The last step, and the place above it.
    pub(super) fn split(&self) -> Option<(Step, Self)> {
        let (last, above) = self.0.split_last()?;
        Some((last.clone(), Self(above.to_vec())))
    }

    /// The object that holds the children of the element here: its own, or the companion of a primitive, which is made.
    pub(super) fn holder<'j>(&self, resource: &'j mut Json) -> Option<(&'j mut Object, Option<&'static Shape>)> {
        let mut shape = shape_of_resource(resource);
        let mut object = resource.as_object_mut()?;
        for step in &self.0 {
            let key = key_of(object, shape, &step.name)?;
            let kind = shape.and_then(|shape| shape.find(&key)).map(|(_, _, found)| found.kind);
            let value = match (object.get(&key), step.index) {
                (Some(Json::Array(items)), Some(index)) => items.get(index),
                (value, _) => value,
            };
            match value {
                Some(value @ Json::Object(_)) => {
                    shape = match kind {
                        Some(Kind::Object(id) | Kind::Reference(id, _)) => Some(r4().shape(id)),
                        Some(Kind::Resource) => shape_of_resource(value),
                        _ => None,
                    };
                    let slot = object.get_mut(&key)?;
                    object = match (slot, step.index) {
                        (Json::Array(items), Some(index)) => items.get_mut(index)?.as_object_mut()?,
                        (slot, _) => slot.as_object_mut()?,
                    };
                }
                _ => {
                    shape = Some(r4().element());
                    object = companion(object, &key, step.index)?;
                }
            }
        }
        Some((object, shape))
    }

    /// Takes the element out, and above it what it leaves empty.
    pub(super) fn delete(&self, resource: &mut Json) -> Option<()> {
        let mut place = self.clone();
        loop {
            let (last, above) = place.split()?;
            let (object, shape) = above.holder(resource)?;
            let key = key_of(object, shape, &last.name)?;
            let mut pairs = Pairs::take(object, &key);
            match last.index {
                Some(index) if index < pairs.values.len() => drop(pairs.values.remove(index)),
                Some(_) => return None,
                None => pairs.values.clear(),
            }
            pairs.put(object, &key);
            let is_empty = object.is_empty();
            if !is_empty || above.0.is_empty() {
                return Some(());
            }
            place = above;
        }
    }
}

fn shape_of_resource(value: &Json) -> Option<&'static Shape> {
    r4().resource(value.get("resourceType")?.as_str()?)
}

/// The JSON name under which an object has an element: of a choice with its type.
pub(super) fn key_of(object: &Object, shape: Option<&'static Shape>, name: &str) -> Option<String> {
    let is_there = |key: &str| object.contains_key(key) || object.contains_key(&format!("_{key}"));
    if is_there(name) {
        return Some(name.to_owned());
    }
    let keys = object.iter().map(|(key, _)| key.strip_prefix('_').unwrap_or(key));
    let mut of_choice = keys.filter(|key| {
        let known = shape.and_then(|shape| shape.find(key));
        known.is_some_and(|(_, element, _)| element.is_choice && element.name == name)
    });
    of_choice.next().map(str::to_owned)
}

fn companion<'o>(object: &'o mut Object, key: &str, index: Option<usize>) -> Option<&'o mut Object> {
    let name = format!("_{key}");
    match index {
        None => object.get_or_insert_with(&name, || Object::new().into()).as_object_mut(),
        Some(index) => {
            let items = object.get_or_insert_with(&name, || Json::Array(Vec::new())).as_array_mut()?;
            while items.len() <= index {
                items.push(Json::Null);
            }
            let slot = items.get_mut(index)?;
            if *slot == Json::Null {
                *slot = Object::new().into();
            }
            slot.as_object_mut()
        }
    }
}

/// Values of one element, each with its companion; `null` for what is not there.
pub(super) struct Pairs {
    pub(super) values: Vec<(Json, Json)>,
    /// Whether JSON has an array for them.
    pub(super) is_array: bool,
}

impl Pairs {
    /// What an object has under this name; it is left in place until [`Pairs::put`].
    pub(super) fn take(object: &Object, key: &str) -> Self {
        let (value, companion) = (object.get(key), object.get(&format!("_{key}")));
        let is_array = [value, companion].iter().any(|it| matches!(it, Some(Json::Array(_))));
        let several = |value: Option<&Json>| match value {
            Some(Json::Array(items)) => items.clone(),
            Some(single) => vec![single.clone()],
            None => Vec::new(),
        };
        let (mut values, mut companions) = (several(value).into_iter(), several(companion).into_iter());
        let mut pairs = Vec::new();
        loop {
            match (values.next(), companions.next()) {
                (None, None) => return Self { values: pairs, is_array },
                (value, companion) => pairs.push((value.unwrap_or(Json::Null), companion.unwrap_or(Json::Null))),
            }
        }
    }

    /// Writes them where they stood.
    pub(super) fn put(self, object: &mut Object, key: &str) {
        let (values, companions): (Vec<Json>, Vec<Json>) = self.values.into_iter().unzip();
        for (name, mut items) in [(key.to_owned(), values), (format!("_{key}"), companions)] {
            if items.iter().all(|item| *item == Json::Null) {
                object.remove(&name);
            } else if self.is_array {
                object.insert(name, Json::Array(items));
            } else if let Some(single) = items.pop() {
                object.insert(name, single);
            }
        }
    }
}
