//! The values of each kind: the rows that an element gives, and the tests that a value of a query means.
//!
//! Both sides of a kind stand in one file, since they have to agree byte for byte. docs/search.md has the forms.

use fhirpath::{Item, Node, Type};
use model::json::Json;

use crate::parameter::Parameter;
use crate::row::{Bounds, IndexRow, MAX_VALUE_BYTES, RowKind, Test};

pub(crate) mod composite;
pub(crate) mod date;
pub(crate) mod near;
pub(crate) mod number;
pub(crate) mod prefix;
pub(crate) mod quantity;
pub(crate) mod reference;
pub(crate) mod string;
pub(crate) mod token;
pub(crate) mod uri;

/// An element or a computed value, with the name of its FHIR type.
pub(crate) struct Value<'a> {
    pub(crate) json: &'a Json,
    pub(crate) of: &'static str,
}

impl<'a> Value<'a> {
    pub(crate) fn new(json: &'a Json, of: &'static str) -> Self {
        Self { json, of }
    }

    /// The text of a primitive; also of a number or a Boolean.
    pub(crate) fn text(&self) -> Option<&'a str> {
        match self.json {
            Json::String(text) => Some(text),
            Json::Number(number) => Some(number.as_str()),
            Json::Bool(true) => Some("true"),
            Json::Bool(false) => Some("false"),
            _ => None,
        }
    }
}

/// Shows the value behind an item; of an extension its own value.
pub(crate) fn each<'a>(item: &Item<'a>, show: &mut dyn FnMut(&Value<'_>)) {
    match item {
        Item::Node(node) => {
            let Some(json) = node.value() else { return };
            if node.type_name() == "Extension" {
                extension(node, show);
            } else {
                show(&Value::new(json, node.type_name()));
            }
        }
        other => {
            let of = match other {
                Item::Boolean(_) => "boolean",
                Item::Integer(_) => "integer",
                Item::Decimal(_) => "decimal",
                Item::Date(_) => "date",
                Item::DateTime(_) => "dateTime",
                Item::Quantity(_) => "Quantity",
                _ => "string",
            };
            let json = other.to_json();
            show(&Value::new(&json, of));
        }
    }
}

fn extension(node: &Node<'_>, show: &mut dyn FnMut(&Value<'_>)) {
    for (name, json) in node.value().and_then(Json::as_object).into_iter().flat_map(|object| object.iter()) {
        let Some(suffix) = name.strip_prefix("value") else { continue };
        let mut lower = suffix.chars();
        let primitive: String = lower.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(lower).collect();
        if let Some(of) = Type::find(suffix).or_else(|| Type::find(&primitive)) {
            show(&Value::new(json, of.name()));
        }
    }
}

/// Takes the rows of one parameter.
pub(crate) struct Sink<'s> {
    pub(crate) parameter: &'s Parameter,
    pub(crate) kind: RowKind,
    pub(crate) rows: &'s mut Vec<IndexRow>,
}

impl Sink<'_> {
    /// A row of the parameter itself.
    pub(crate) fn put(&mut self, value: Vec<u8>) {
        self.put_as(self.parameter.param, value);
    }

    /// A row of one of its variants.
    pub(crate) fn put_as(&mut self, param: u32, value: Vec<u8>) {
        if value.len() <= MAX_VALUE_BYTES {
            let kind = crate::extract::kind_of(self.kind, self.parameter, param);
            self.rows.push(IndexRow { param, value, kind });
        }
    }
}

/// The rows of one value of a parameter that is no composite.
pub(crate) fn rows(value: &Value<'_>, sink: &mut Sink<'_>) {
    match sink.parameter.kind {
        crate::parameter::Kind::Number => number::rows(value, sink),
        crate::parameter::Kind::Date => date::rows(value, sink),
        crate::parameter::Kind::String => string::rows(value, sink),
        crate::parameter::Kind::Token => token::rows(value, sink),
        crate::parameter::Kind::Reference => reference::rows(value, sink),
        crate::parameter::Kind::Quantity => quantity::rows(value, sink),
        crate::parameter::Kind::Uri => uri::rows(value, sink),
        crate::parameter::Kind::Special => near::rows(value, sink),
        crate::parameter::Kind::Composite => {}
    }
}

/// A pair of ends behind a prefix.
pub(crate) fn span_value(prefix: &[u8], low: [u8; 8], high: [u8; 8]) -> Vec<u8> {
    [prefix, &low, &high].concat()
}

/// The end before this one.
pub(crate) fn before(end: [u8; 8]) -> [u8; 8] {
    u64::from_be_bytes(end).saturating_sub(1).to_be_bytes()
}

/// The end after this one.
pub(crate) fn after(end: [u8; 8]) -> [u8; 8] {
    u64::from_be_bytes(end).saturating_add(1).to_be_bytes()
}

pub(crate) fn span(prefix: &[u8], low: Bounds, high: Bounds) -> Test {
    Test::Span { prefix: prefix.to_vec(), low, high }
}
