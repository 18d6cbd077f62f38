//! What collections are made of: elements of a tree and values of the System namespace.

use model::json::{Json, Number};
use rust_decimal::Decimal;
use smol_str::{SmolStr, ToSmolStr};

use crate::decimal;
use crate::node::Node;
use crate::quantity::{Quantity, Unit};
use crate::temporal::{Date, DateTime, Time};
use crate::types::{System, Type, TypeName};

/// One item of a collection.
#[derive(Clone, Debug)]
pub enum Item<'a> {
    /// An element of a FHIR tree.
    Node(Node<'a>),
    /// `System.Boolean`.
    Boolean(bool),
    /// `System.Integer`.
    Integer(i64),
    /// `System.Decimal`, with its digits.
    Decimal(Decimal),
    /// `System.String`.
    String(SmolStr),
    /// `System.Date`.
    Date(Date),
    /// `System.DateTime`.
    DateTime(DateTime),
    /// `System.Time`.
    Time(Time),
    /// `System.Quantity`.
    Quantity(Box<Quantity>),
    /// What `type()` gives.
    Type(TypeInfo),
}

/// Namespace and name of a type. FHIRPath 2.0.0, "Reflection".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeInfo {
    /// `System` or `FHIR`.
    pub namespace: &'static str,
    /// `Boolean`, `Patient`.
    pub name: &'static str,
}

impl<'a> From<Node<'a>> for Item<'a> {
    fn from(node: Node<'a>) -> Self {
        Self::Node(node)
    }
}

impl<'a> Item<'a> {
    /// The System type of a value, or of the value that an element holds.
    pub(crate) fn system(&self) -> Option<System> {
        Some(match self {
            Self::Node(node) => return node.system(),
            Self::Boolean(_) => System::Boolean,
            Self::Integer(_) => System::Integer,
            Self::Decimal(_) => System::Decimal,
            Self::String(_) => System::String,
            Self::Date(_) => System::Date,
            Self::DateTime(_) => System::DateTime,
            Self::Time(_) => System::Time,
            Self::Quantity(_) => System::Quantity,
            Self::Type(_) => return None,
        })
    }

    /// The value in the System namespace: itself, or what an element holds. None for complex elements but quantities.
    pub(crate) fn to_system(&self) -> Option<Item<'a>> {
        match self {
            Self::Node(node) => {
                node.to_system().or_else(|| self.to_quantity().map(|found| Self::Quantity(Box::new(found))))
            }
            other => Some(other.clone()),
        }
    }

    /// The text of a String or of an element that holds one; dates of elements are no Strings.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Node(node) if node.system() == Some(System::String) => node.text(),
            Self::Node(node) => match node.value()? {
                // What cannot be read as its type is compared as the text it is.
                Json::String(text) if matches!(node.to_system(), Some(Self::String(_))) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// The value of a Boolean or of an element that holds one.
    pub fn as_boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            Self::Node(node) => node.value()?.as_bool(),
            _ => None,
        }
    }

    pub(crate) fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::Node(node) => match node.to_system()? {
                Item::Integer(value) => Some(value),
                _ => None,
            },
            _ => None,
        }
    }

    /// A Decimal or an Integer as a Decimal.
    pub(crate) fn as_decimal(&self) -> Option<Decimal> {
        match self {
            Self::Integer(value) => Some(Decimal::from(*value)),
            Self::Decimal(value) => Some(*value),
            Self::Node(node) => match node.value()? {
                Json::Number(number) => decimal::parse(number.as_str()),
                _ => None,
            },
            _ => None,
        }
    }

    /// A quantity, or an element of that type. FHIR R4 fhirpath.html, "Use of FHIR Quantity".
    pub(crate) fn to_quantity(&self) -> Option<Quantity> {
        match self {
            Self::Quantity(quantity) => Some((**quantity).clone()),
            Self::Node(node) if node.of().is_quantity() || matches!(node.of(), Type::Unknown) => quantity_of(node),
            _ => None,
        }
    }

    /// The name of its type as FHIR has it: `boolean`, `dateTime`, `Quantity`, `HumanName`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Node(node) => node.type_name(),
            Self::Type(_) => "TypeInfo",
            other => other.system().map_or("Element", System::fhir_name),
        }
    }

    pub(crate) fn type_info(&self) -> TypeInfo {
        match self {
            Self::Node(node) => TypeInfo { namespace: "FHIR", name: node.type_name() },
            Self::Type(_) => TypeInfo { namespace: "System", name: "TypeInfo" },
            other => TypeInfo { namespace: "System", name: other.system().map_or("Any", System::name) },
        }
    }

    /// Whether it is of that type or of one based on it. FHIRPath 2.0.0, "is".
    pub(crate) fn is(&self, name: &TypeName) -> bool {
        match self {
            Self::Node(node) => match node.of() {
                Type::Unknown => false,
                of => name.fhir.is_some_and(|name| of.is(name)),
            },
            other => name.system.is_some() && other.system() == name.system,
        }
    }

    /// Whether `as` and `ofType` let it pass.
    pub(crate) fn passes(&self, name: &TypeName) -> bool {
        match self {
            Self::Node(node) => name.fhir.is_some_and(|name| node.of().passes(name)),
            other => other.is(name),
        }
    }

    /// The value as text, as `toString` has it. None for complex elements.
    pub(crate) fn to_text(&self) -> Option<SmolStr> {
        Some(match self {
            Self::Node(node) => match node.value() {
                Some(Json::String(text)) => text.clone(),
                Some(Json::Number(number)) => SmolStr::new(number.as_str()),
                Some(Json::Bool(value)) => value.to_smolstr(),
                _ => self.to_quantity()?.to_smolstr(),
            },
            Self::Boolean(value) => value.to_smolstr(),
            Self::Integer(value) => value.to_smolstr(),
            Self::Decimal(value) => value.to_smolstr(),
            Self::String(text) => text.clone(),
            Self::Date(date) => date.to_smolstr(),
            Self::DateTime(date_time) => date_time.to_smolstr(),
            Self::Time(time) => time.to_smolstr(),
            Self::Quantity(quantity) => quantity.to_smolstr(),
            Self::Type(info) => smol_str::format_smolstr!("{}.{}", info.namespace, info.name),
        })
    }

    /// The value as JSON: elements as they stand in their tree, decimals with their digits.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Node(node) => node.value().cloned().unwrap_or(Json::Null),
            Self::Boolean(value) => Json::Bool(*value),
            Self::Integer(value) => Json::from(*value),
            Self::Decimal(value) => number(*value),
            Self::Quantity(quantity) => quantity_to_json(quantity),
            Self::Type(info) => {
                Json::object([("namespace", Json::from(info.namespace)), ("name", Json::from(info.name))])
            }
            other => Json::String(other.to_text().unwrap_or_default()),
        }
    }
}

fn number(value: Decimal) -> Json {
    match Number::parse(&value.to_string()) {
        Ok(number) => Json::Number(number),
        Err(_) => Json::Null,
    }
}

/// As a FHIR Quantity; a calendar duration has its word as unit and no code.
fn quantity_to_json(quantity: &Quantity) -> Json {
    let mut members = vec![("value", number(quantity.value)), ("unit", Json::from(quantity.unit_text()))];
    if let Unit::Code(code) = &quantity.unit {
        members.push(("system", Json::from(UCUM)));
        members.push(("code", Json::String(code.clone())));
    }
    Json::object(members)
}

pub(crate) const UCUM: &str = "http://unitsofmeasure.org";

/// A quantity with a comparator is a range, not a value.
fn quantity_of(node: &Node<'_>) -> Option<Quantity> {
    let object = node.value()?.as_object()?;
    if object.contains_key("comparator") {
        return None;
    }
    let value = decimal::parse(object.get("value")?.as_number()?.as_str())?;
    let text = |name: &str| object.get(name).and_then(Json::as_str);
    let unit = match (text("code"), text("unit")) {
        (Some(code), _) => Unit::Code(SmolStr::new(code)),
        (None, Some(unit)) => Unit::Code(SmolStr::new(unit)),
        (None, None) => Unit::Code(SmolStr::new_static("1")),
    };
    Some(Quantity::new(value, unit))
}
