//! A value as the walk sees it: its JSON, its companion and its type.

use model::json::{Json, Object};
use model::types::{self, Element, Kind, Shape, Type};
use smallvec::SmallVec;

/// One value of an element.
#[derive(Clone, Copy)]
pub(crate) struct Node<'r> {
    /// Not there where a primitive has extensions only.
    pub(crate) value: Option<&'r Json>,
    /// `_name` of a primitive.
    pub(crate) companion: Option<&'r Json>,
    /// `HumanName`, `Patient`, `date`; of a backbone element `BackboneElement`.
    pub(crate) type_name: &'static str,
    /// What its object may have; none of primitives.
    pub(crate) shape: Option<&'static Shape>,
    /// Its type as FHIRPath has it.
    of: fhirpath::Type,
}

/// An element that an object has.
#[derive(Clone, Copy)]
pub(crate) struct Present<'r> {
    pub(crate) element: &'static Element,
    pub(crate) of_type: &'static Type,
    pub(crate) value: Option<&'r Json>,
    pub(crate) companion: Option<&'r Json>,
}

impl<'r> Node<'r> {
    /// A resource; none if its type is none of R4.
    pub(crate) fn resource(json: &'r Json) -> Option<Self> {
        let shape = types::r4().resource(model::resource::resource_type(json)?)?;
        let of = fhirpath::Type::Object(shape);
        Some(Self { value: Some(json), companion: None, type_name: &shape.path, shape: Some(shape), of })
    }

    /// A node that an expression has found.
    pub(crate) fn of(node: &fhirpath::Node<'r>) -> Option<Self> {
        let of = node.of();
        let shape = match of {
            fhirpath::Type::Object(shape) => Some(shape),
            fhirpath::Type::Primitive(_) => None,
            fhirpath::Type::Unknown => return None,
        };
        Some(Self { value: node.value(), companion: node.companion(), type_name: node.type_name(), shape, of })
    }

    /// The node as expressions take it.
    pub(crate) fn path(&self) -> fhirpath::Node<'r> {
        fhirpath::Node::new(self.value, self.companion, self.of)
    }

    /// The object, of a complex value; of a primitive its companion, which has `id` and `extension`.
    pub(crate) fn object(&self) -> Option<(&'static Shape, &'r Object)> {
        match self.shape {
            Some(shape) => Some((shape, self.value?.as_object()?)),
            None => Some((types::r4().element(), self.companion?.as_object()?)),
        }
    }

    /// Something that tells it from every other value.
    pub(crate) fn address(&self) -> usize {
        self.value.or(self.companion).map_or(0, |json| std::ptr::from_ref(json) as usize)
    }

    /// The values of the element of a name (without `[x]`).
    pub(crate) fn children(&self, name: &str) -> SmallVec<[Node<'r>; 2]> {
        let mut found = SmallVec::new();
        if let Some((shape, object)) = self.object() {
            for present in presents(shape, object) {
                if present.element.name == name {
                    present.nodes(&mut found);
                }
            }
        }
        found
    }

    /// The text of a primitive.
    pub(crate) fn text(&self) -> Option<&'r str> {
        self.value?.as_str()
    }
}

impl<'r> Present<'r> {
    fn node(&self, value: Option<&'r Json>, companion: Option<&'r Json>) -> Option<Node<'r>> {
        let value = value.filter(|value| **value != Json::Null);
        let companion = companion.filter(|companion| **companion != Json::Null);
        let (shape, of) = match self.of_type.kind {
            Kind::Primitive(primitive) => (None, fhirpath::Type::Primitive(primitive)),
            Kind::Object(id) | Kind::Reference(id, _) => {
                let shape = types::r4().shape(id);
                (Some(shape), fhirpath::Type::Object(shape))
            }
            Kind::Resource => return Node::resource(value?),
        };
        // A complex value that is no object has been reported with the form.
        if shape.is_some() && !matches!(value, Some(Json::Object(_))) || value.is_none() && companion.is_none() {
            return None;
        }
        Some(Node { value, companion, type_name: self.of_type.name, shape, of })
    }

    /// Whether JSON has an array.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.value.or(self.companion), Some(Json::Array(_)))
    }

    /// Appends its values.
    pub(crate) fn nodes<const N: usize>(&self, found: &mut SmallVec<[Node<'r>; N]>)
    where
        [Node<'r>; N]: smallvec::Array<Item = Node<'r>>,
    {
        self.each(|_, node| found.push(node));
    }

    /// Calls with each value and its place in the array.
    pub(crate) fn each(&self, mut with: impl FnMut(usize, Node<'r>)) {
        if !self.is_list() {
            if let Some(node) = self.node(self.value, self.companion) {
                with(0, node);
            }
            return;
        }
        let values = self.value.and_then(Json::as_array).unwrap_or_default();
        let companions = self.companion.and_then(Json::as_array).unwrap_or_default();
        for index in 0..values.len().max(companions.len()) {
            if let Some(node) = self.node(values.get(index), companions.get(index)) {
                with(index, node);
            }
        }
    }
}

/// The elements that an object has; members that are none are passed over (they have been reported with the form).
pub(crate) fn presents<'r>(shape: &'static Shape, object: &'r Object) -> SmallVec<[Present<'r>; 12]> {
    let mut found: SmallVec<[Present<'r>; 12]> = SmallVec::new();
    let has_companions = object.iter().any(|(name, _)| name.starts_with('_'));
    for (name, value) in object.iter() {
        let plain = name.strip_prefix('_').unwrap_or(name);
        let is_companion = plain.len() < name.len();
        if is_companion && object.contains_key(plain) {
            continue;
        }
        let Some((_, element, of_type)) = shape.find(plain) else { continue };
        let (value, companion) = if is_companion {
            (None, Some(value))
        } else if has_companions {
            let own = object.iter().find(|(other, _)| other.strip_prefix('_') == Some(plain));
            (Some(value), own.map(|(_, companion)| companion))
        } else {
            (Some(value), None)
        };
        found.push(Present { element, of_type, value, companion });
    }
    found
}
