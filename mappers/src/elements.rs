//! The elements of FHIR R4 that a row may name: type and cardinality.
//!
//! The list is generated from the definitions of R4 (`generated/elements.py`); a path that is not in it is a load error.

use std::collections::HashMap;
use std::sync::OnceLock;

const LIST: &str = include_str!("generated/elements.txt");

/// Type of an element and whether it repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    /// A type name; for backbone elements the path of the element itself.
    pub(crate) kind: &'static str,
    /// Whether it may stand more than once.
    pub(crate) repeats: bool,
}

/// The element `name` of a type or backbone path.
pub(crate) fn child(parent: &str, name: &str) -> Option<Element> {
    let table = table();
    if let Some(element) = table.get(format!("{parent}.{name}").as_str()) {
        return Some(*element);
    }
    if is_resource(parent) || !parent.contains('.') {
        return None;
    }
    None
}

/// Whether the name is a resource type of the list.
pub(crate) fn is_resource(name: &str) -> bool {
    table().contains_key(format!("{name}.implicitRules").as_str())
}

/// Whether the name is a complex type or a resource type.
pub(crate) fn is_complex(kind: &str) -> bool {
    kind.contains('.') || table().contains_key(format!("{kind}.id").as_str())
}

fn table() -> &'static HashMap<&'static str, Element> {
    static TABLE: OnceLock<HashMap<&'static str, Element>> = OnceLock::new();
    TABLE.get_or_init(|| LIST.lines().filter_map(read).collect())
}

fn read(line: &'static str) -> Option<(&'static str, Element)> {
    let (path, kind) = line.split_once(' ')?;
    let (path, repeats) = match path.strip_suffix('*') {
        Some(path) => (path, true),
        None => (path, false),
    };
    let kind = match kind {
        "BackboneElement" | "Element" => path,
        other => other.strip_prefix('@').unwrap_or(other),
    };
    Some((path, Element { kind, repeats }))
}
