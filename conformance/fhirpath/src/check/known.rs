//! What is known of a collection, and where a name leads from a type.

use model::types::r4;

use crate::node::Lookup;
use crate::types::{System, Type};

/// One type that an item may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Of {
    System(System),
    Fhir(Type),
    /// What `type()` gives.
    Info,
}

/// What is known of a collection.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// None: nothing is known. Empty: there is no item.
    pub(super) types: Option<Vec<Of>>,
    /// Whether there surely is more than one item.
    pub(super) many: bool,
    /// Whether positions mean something.
    pub(super) ordered: bool,
    /// Whether the type was said with `as` or `ofType`, or is a literal's.
    pub(super) sure: bool,
}

impl Known {
    pub(super) fn nothing() -> Self {
        Self { types: None, many: false, ordered: true, sure: false }
    }

    pub(super) fn empty() -> Self {
        Self { types: Some(Vec::new()), ..Self::nothing() }
    }

    pub(super) fn one(of: Of) -> Self {
        Self { types: Some(vec![of]), ..Self::nothing() }
    }

    pub(super) fn system(of: System) -> Self {
        Self { sure: true, ..Self::one(Of::System(of)) }
    }

    pub(super) fn or(self, other: Self) -> Self {
        let types = match (self.types, other.types) {
            (Some(mut left), Some(right)) => {
                for of in right {
                    if !left.contains(&of) {
                        left.push(of);
                    }
                }
                Some(left)
            }
            _ => None,
        };
        Self { types, many: false, ordered: self.ordered && other.ordered, sure: self.sure && other.sure }
    }

    /// Whether it surely is of System types and none of them is that one.
    pub(super) fn is_surely_not(&self, wanted: System) -> bool {
        match &self.types {
            Some(types) if !types.is_empty() => {
                types.iter().all(|of| matches!(of, Of::System(found) if *found != wanted) || *of == Of::Info)
            }
            _ => false,
        }
    }
}

pub(super) fn fhir(name: &str) -> Known {
    match Type::find(name) {
        Some(of) => Known::one(Of::Fhir(of)),
        None => Known::nothing(),
    }
}

/// Whether others stand for it, with elements of their own.
pub(super) fn is_abstract(of: Type) -> bool {
    match of {
        Type::Object(shape) if shape.is_resource => r4().resource(&shape.path).is_none(),
        Type::Object(shape) => matches!(shape.path.as_str(), "Element" | "BackboneElement"),
        _ => false,
    }
}

pub(super) enum Found {
    Types(Vec<Of>),
    /// Any resource.
    Anything,
    /// The JSON name of a choice; the name of the element.
    ChoiceName(&'static str),
    Nothing,
}

/// What a name leads to from a type.
pub(super) fn element(of: Of, name: &str) -> Found {
    let of = match of {
        Of::Fhir(of) => of,
        Of::Info => {
            return match name {
                "namespace" | "name" => Found::Types(vec![Of::System(System::String)]),
                _ => Found::Nothing,
            };
        }
        Of::System(System::Quantity) => {
            return match name {
                "value" => Found::Types(vec![Of::System(System::Decimal)]),
                "unit" | "code" => Found::Types(vec![Of::System(System::String)]),
                _ => Found::Nothing,
            };
        }
        Of::System(_) => return Found::Nothing,
    };
    let shape = match of {
        Type::Object(shape) => shape,
        Type::Primitive(primitive) if name == "value" => {
            return Found::Types(vec![Of::System(crate::types::system_of(primitive))]);
        }
        Type::Primitive(_) => r4().element(),
        Type::Unknown => return Found::Anything,
    };
    match Lookup::of(shape, name) {
        Lookup::Single(found) if is_abstract(found) => Found::Anything,
        Lookup::Single(found) => Found::Types(vec![Of::Fhir(found)]),
        Lookup::Choice => {
            let types = shape.elements.iter().filter(|element| element.is_choice && element.name == name);
            let kinds = types.flat_map(|element| element.types.iter());
            Found::Types(kinds.map(|found| Of::Fhir(Type::of_kind(found.kind))).collect())
        }
        Lookup::Absent => match shape.find(name) {
            Some((_, element, _)) if element.is_choice => Found::ChoiceName(element.name),
            // Any of the resources that an abstract type stands for may have it.
            _ if is_abstract(of) => Found::Anything,
            _ => Found::Nothing,
        },
    }
}

pub(super) fn names(types: &[Of]) -> String {
    let all: Vec<&str> = types
        .iter()
        .map(|of| match of {
            Of::System(system) => system.name(),
            Of::Fhir(Type::Object(shape)) => shape.path.as_str(),
            Of::Fhir(of) => of.name(),
            Of::Info => "TypeInfo",
        })
        .collect();
    all.join(" or ")
}
