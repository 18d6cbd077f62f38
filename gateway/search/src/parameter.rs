//! Which parameters a type can be searched by.

use crate::generated::{IDENTIFIER, PATIENT, SUBJECT};

/// How the values of a parameter are compared. FHIR R4 search.html, "Search Parameter Types".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A code or an identifier.
    Token,
    /// A reference to a resource.
    Reference,
    /// A point in time.
    Date,
}

impl Kind {
    /// The code of FHIR's `SearchParamType`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Reference => "reference",
            Self::Date => "date",
        }
    }
}

/// A parameter by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name in a query.
    pub name: &'static str,
    /// How its values are compared.
    pub kind: Kind,
}

/// The parameters of a type, in the order in which a CapabilityStatement lists them.
pub fn parameters(resource_type: &str) -> Vec<Parameter> {
    let mut all =
        vec![Parameter { name: "_id", kind: Kind::Token }, Parameter { name: "_lastUpdated", kind: Kind::Date }];
    let tables = [
        ("identifier", Kind::Token, paths(&IDENTIFIER, resource_type)),
        ("patient", Kind::Reference, paths(&PATIENT, resource_type)),
        ("subject", Kind::Reference, paths(&SUBJECT, resource_type)),
        ("target", Kind::Reference, target(resource_type)),
    ];
    all.extend(
        tables.into_iter().filter(|(_, _, paths)| !paths.is_empty()).map(|(name, kind, _)| Parameter { name, kind }),
    );
    all
}

pub(crate) fn identifier(resource_type: &str) -> &'static [&'static str] {
    paths(&IDENTIFIER, resource_type)
}

pub(crate) fn patient(resource_type: &str) -> &'static [&'static str] {
    paths(&PATIENT, resource_type)
}

pub(crate) fn subject(resource_type: &str) -> &'static [&'static str] {
    paths(&SUBJECT, resource_type)
}

/// `Provenance.target`: a consent may ask who data come from.
pub(crate) fn target(resource_type: &str) -> &'static [&'static str] {
    if resource_type == "Provenance" { &["target"] } else { &[] }
}

fn paths(table: &'static [(&'static str, &'static [&'static str])], resource_type: &str) -> &'static [&'static str] {
    let row = table.binary_search_by(|(name, _)| (*name).cmp(resource_type)).ok().and_then(|place| table.get(place));
    row.map_or(&[], |(_, paths)| paths)
}
