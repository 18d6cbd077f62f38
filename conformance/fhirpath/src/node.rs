//! An element of a FHIR tree as expressions see it: its value, its companion, its type.

use model::json::{Json, Object};
use model::types::{Kind, Shape, r4};
use smol_str::SmolStr;

use crate::decimal;
use crate::item::Item;
use crate::temporal::{Date, DateTime, Time};
use crate::types::{System, Type, system_of};

/// An element of a tree; cheap to copy.
///
/// Two nodes are the same element if they show the same place in memory; [`Node::place_in`] finds the path to it.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    value: Option<&'a Json>,
    companion: Option<&'a Json>,
    of: Type,
}

impl<'a> Node<'a> {
    /// A resource, by its `resourceType`.
    pub fn resource(value: &'a Json) -> Self {
        Self { value: Some(value), companion: None, of: type_of_resource(value).unwrap_or_default() }
    }

    /// An element of a known type; `companion` is what `_name` holds of a primitive.
    pub fn new(value: Option<&'a Json>, companion: Option<&'a Json>, of: Type) -> Self {
        let of = match (of, value) {
            (Type::Object(shape), Some(value)) if shape.is_resource => type_of_resource(value).unwrap_or(of),
            _ => of,
        };
        Self { value: value.filter(|value| **value != Json::Null), companion, of }
    }

    /// The scalar of a primitive or the object of anything else.
    pub fn value(&self) -> Option<&'a Json> {
        self.value
    }

    /// What `_name` holds of a primitive: its id and extensions.
    pub fn companion(&self) -> Option<&'a Json> {
        self.companion
    }

    /// Its type.
    pub fn of(&self) -> Type {
        self.of
    }

    /// The name of its type: `HumanName`, `BackboneElement`, `code`.
    pub fn type_name(&self) -> &'static str {
        self.of.name()
    }

    /// Whether two nodes are one element of one tree.
    pub fn is_same(&self, other: &Node<'_>) -> bool {
        match (self.value, other.value) {
            (Some(left), Some(right)) => std::ptr::eq(left, right),
            (None, None) => match (self.companion, other.companion) {
                (Some(left), Some(right)) => std::ptr::eq(left, right),
                _ => false,
            },
            _ => false,
        }
    }

    /// Text of a string, a code, a uri, a date or another primitive that JSON has as a string.
    pub fn text(&self) -> Option<&'a str> {
        self.value?.as_str()
    }

    /// Whether it has a value, not only extensions. FHIR R4 fhirpath.html, `hasValue`.
    pub(crate) fn has_primitive_value(&self) -> bool {
        matches!(self.value, Some(Json::Bool(_) | Json::Number(_) | Json::String(_)))
    }

    /// The value in the System namespace; none for complex elements and for a primitive without a value.
    ///
    /// A text that is not what its type says stays a String: the validator reports it, an expression must not hide it.
    pub(crate) fn to_system(self) -> Option<Item<'a>> {
        match self.value? {
            Json::Bool(value) => Some(Item::Boolean(*value)),
            Json::Number(number) => Some(match self.of {
                Type::Primitive(primitive) if system_of(primitive) == System::Decimal => {
                    Item::Decimal(decimal::parse(number.as_str())?)
                }
                _ => match number.as_i64() {
                    Some(value) => Item::Integer(value),
                    None => Item::Decimal(decimal::parse(number.as_str())?),
                },
            }),
            Json::String(text) => Some(self.text_to_system(text)),
            Json::Null | Json::Array(_) | Json::Object(_) => None,
        }
    }

    fn text_to_system(self, text: &SmolStr) -> Item<'a> {
        let system = match self.of {
            Type::Primitive(primitive) => system_of(primitive),
            _ => System::String,
        };
        let read = match system {
            System::Date => Date::parse(text).map(Item::Date),
            System::DateTime => DateTime::parse(text).map(Item::DateTime),
            System::Time => Time::parse(text).map(Item::Time),
            _ => None,
        };
        read.unwrap_or_else(|| Item::String(text.clone()))
    }

    /// The System type of its value, without making it.
    pub(crate) fn system(self) -> Option<System> {
        match (self.value?, self.of) {
            (Json::Bool(_), _) => Some(System::Boolean),
            (Json::Number(_), Type::Primitive(primitive)) if system_of(primitive) == System::Decimal => {
                Some(System::Decimal)
            }
            (Json::Number(number), _) => {
                Some(if number.as_i64().is_some() { System::Integer } else { System::Decimal })
            }
            (Json::String(_), Type::Primitive(primitive)) => Some(system_of(primitive)),
            (Json::String(_), _) => Some(System::String),
            (Json::Object(_), of) if of.is_quantity() => Some(System::Quantity),
            _ => None,
        }
    }

    /// The object that holds its children: its own, or the companion of a primitive.
    pub(crate) fn object(&self) -> Option<&'a Object> {
        match self.value {
            Some(Json::Object(object)) => Some(object),
            _ => self.companion?.as_object(),
        }
    }

    pub(crate) fn shape(&self) -> Option<&'static Shape> {
        match self.of {
            Type::Object(shape) => Some(shape),
            Type::Primitive(_) => Some(r4().element()),
            Type::Unknown => None,
        }
    }

    /// The FHIRPath place of this element in the tree of `root`: `Patient.name[0].given[1]`.
    ///
    /// Looks through the whole tree, so it is for reports and not for the way there.
    pub fn place_in(&self, root: &Node<'_>) -> Option<String> {
        let mut path = String::from(root.of.name());
        search(root, self, &mut path).then_some(path)
    }
}

fn search(at: &Node<'_>, wanted: &Node<'_>, path: &mut String) -> bool {
    if at.is_same(wanted) {
        return true;
    }
    let length = path.len();
    let mut last = "";
    let mut index = 0_usize;
    let went_through = each_of_all(at, &mut |name, child| {
        index = if last == name { index + 1 } else { 0 };
        last = name;
        path.push('.');
        path.push_str(name);
        if is_in_array(at, name) {
            path.push_str(&format!("[{index}]"));
        }
        if search(&child, wanted, path) {
            return false;
        }
        path.truncate(length);
        true
    });
    !went_through
}

fn is_in_array(parent: &Node<'_>, name: &str) -> bool {
    let Some(object) = parent.object() else { return false };
    let array = |value: Option<&Json>| matches!(value, Some(Json::Array(_)));
    array(object.get(name)) || array(object.get(&format!("_{name}")))
}

/// The type of a resource by its `resourceType`.
pub(crate) fn type_of_resource(value: &Json) -> Option<Type> {
    let name = value.get("resourceType")?.as_str()?;
    r4().resource(name).map(Type::Object)
}

/// Calls `sink` for every child with its name (without the type of a choice), in the order of the text, until it says
/// false; gives back whether it never did.
pub(crate) fn each_of_all<'a>(node: &Node<'a>, sink: &mut dyn FnMut(&'a str, Node<'a>) -> bool) -> bool {
    let Some(object) = node.object() else { return true };
    let shape = node.shape();
    let has_companions = object.iter().any(|(key, _)| key.starts_with('_'));
    for (key, value) in object.iter() {
        let (name, value, companion) = match key.strip_prefix('_') {
            // A companion whose value is there too is taken along with it.
            Some(name) if object.contains_key(name) => continue,
            Some(name) => (name, None, Some(value)),
            None if key == "resourceType" => continue,
            None if has_companions => (key, Some(value), companion_of(object, key, value)),
            None => (key, Some(value), None),
        };
        let (name, of) = match shape.and_then(|shape| shape.find(name)) {
            Some((_, element, found)) => (element.name, Type::of_kind(found.kind)),
            None => (name, Type::Unknown),
        };
        if !each_value(value, companion, of, &mut |child| sink(name, child)) {
            return false;
        }
    }
    true
}

/// Calls `sink` for every node below until it says false, parents before children; gives back whether it never did.
///
/// Below [`DEPTH_LIMIT`] levels nothing is looked at: no reader lets such a tree in.
pub(crate) fn each_descendant<'a>(node: &Node<'a>, sink: &mut dyn FnMut(Node<'a>) -> bool) -> bool {
    descend(node, DEPTH_LIMIT, sink)
}

const DEPTH_LIMIT: usize = 200;

fn descend<'a>(node: &Node<'a>, depth: usize, sink: &mut dyn FnMut(Node<'a>) -> bool) -> bool {
    if depth == 0 {
        return true;
    }
    each_of_all(node, &mut |_, child| sink(child) && (child.object().is_none() || descend(&child, depth - 1, sink)))
}

/// Companions exist for primitives only, so an object or an array of objects has none.
fn companion_of<'a>(object: &'a Object, key: &str, value: &Json) -> Option<&'a Json> {
    let complex = match value {
        Json::Object(_) => true,
        Json::Array(items) => items.iter().any(|item| matches!(item, Json::Object(_))),
        _ => false,
    };
    if complex {
        return None;
    }
    object.iter().find(|(name, _)| name.strip_prefix('_') == Some(key)).map(|(_, value)| value)
}

/// Calls `sink` for every value of an element until it says false; gives back whether it never did.
pub(crate) fn each_value<'a>(
    value: Option<&'a Json>,
    companion: Option<&'a Json>,
    of: Type,
    sink: &mut dyn FnMut(Node<'a>) -> bool,
) -> bool {
    let values = match value {
        Some(Json::Array(items)) => items.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    let companions = match companion {
        Some(Json::Array(items)) => items.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    for index in 0..values.len().max(companions.len()) {
        let value = values.get(index).filter(|value| **value != Json::Null);
        let companion = companions.get(index).filter(|companion| **companion != Json::Null);
        if value.is_none() && companion.is_none() {
            continue;
        }
        let of = match (of, value) {
            (Type::Object(shape), Some(value)) if shape.is_resource => type_of_resource(value).unwrap_or(of),
            _ => of,
        };
        if !sink(Node { value, companion, of }) {
            return false;
        }
    }
    true
}

/// How a name is found in objects of one shape.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lookup {
    /// The member of that very name.
    Single(Type),
    /// A member whose name goes on with the type.
    Choice,
    /// The shape has no such element.
    Absent,
}

impl Lookup {
    pub(crate) fn of(shape: &Shape, name: &str) -> Self {
        if let Some((_, element, found)) = shape.find(name)
            && !element.is_choice
        {
            return match found.kind {
                Kind::Resource => Self::Single(Type::of_kind(Kind::Resource)),
                kind => Self::Single(Type::of_kind(kind)),
            };
        }
        if shape.elements.iter().any(|element| element.is_choice && element.name == name) {
            return Self::Choice;
        }
        Self::Absent
    }
}

/// Whether any member starts like that name.
pub(crate) fn may_have(object: &Object, name: &str) -> bool {
    object.iter().any(|(key, _)| key.strip_prefix('_').unwrap_or(key).starts_with(name))
}

/// Calls `sink` for every child of that name until it says false; gives back whether it never did.
pub(crate) fn each_child<'a>(
    node: &Node<'a>,
    name: &str,
    lookup: Option<Lookup>,
    sink: &mut dyn FnMut(Node<'a>) -> bool,
) -> bool {
    let Some(object) = node.object() else { return true };
    match lookup {
        Some(Lookup::Absent) => true,
        Some(Lookup::Single(of)) => {
            let (mut value, mut companion) = (None, None);
            for (key, found) in object.iter() {
                if key == name {
                    value = Some(found);
                } else if key.len() == name.len() + 1 && key.strip_prefix('_') == Some(name) {
                    companion = Some(found);
                }
            }
            each_value(value, companion, of, sink)
        }
        Some(Lookup::Choice) => choice(object, name, node.shape(), sink),
        None => match (object.get(name), object.get(&format!("_{name}"))) {
            (None, None) => choice(object, name, None, sink),
            (value, companion) => {
                let of = match value {
                    Some(value) if value.get("resourceType").is_some() => type_of_resource(value).unwrap_or_default(),
                    _ => Type::Unknown,
                };
                each_value(value, companion, of, sink)
            }
        },
    }
}

/// The members of a choice: `valueQuantity` for `value`. FHIR R4 fhirpath.html, "Polymorphism".
fn choice<'a>(
    object: &'a Object,
    name: &str,
    shape: Option<&'static Shape>,
    sink: &mut dyn FnMut(Node<'a>) -> bool,
) -> bool {
    for (key, value) in object.iter() {
        let (bare, is_companion) = match key.strip_prefix('_') {
            Some(bare) => (bare, true),
            None => (key, false),
        };
        let Some(suffix) = bare.strip_prefix(name) else { continue };
        if !suffix.starts_with(|first: char| first.is_ascii_uppercase()) {
            continue;
        }
        let of = match shape {
            Some(shape) => match shape.find(bare) {
                Some((_, element, found)) if element.is_choice && element.name == name => Type::of_kind(found.kind),
                _ => continue,
            },
            None => match type_of_suffix(suffix) {
                Some(of) => of,
                None => continue,
            },
        };
        if is_companion {
            if object.contains_key(bare) {
                continue;
            }
            if !each_value(None, Some(value), of, sink) {
                return false;
            }
        } else if !each_value(Some(value), companion_of(object, key, value), of, sink) {
            return false;
        }
    }
    true
}

/// `DateTime` of `valueDateTime` is the type `dateTime`.
fn type_of_suffix(suffix: &str) -> Option<Type> {
    if let Some(found) = Type::find(suffix) {
        return Some(found);
    }
    let mut letters = suffix.chars();
    let first = letters.next()?.to_ascii_lowercase();
    let mut name = String::from(first);
    name.push_str(letters.as_str());
    Type::find(&name)
}
