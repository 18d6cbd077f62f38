//! Index rows: what a resource is found by, as bytes.

use model::id::Reference;
use model::json::Json;

use crate::parameter::{identifier, patient, subject, target};

/// Identifier: `value`, a zero byte, `system`. Numbers of parameters stand on disk; they never change their meaning.
pub(crate) const IDENTIFIER: u8 = 1;
/// Identifier: `system` alone.
pub(crate) const IDENTIFIER_SYSTEM: u8 = 2;
/// The id of a patient.
pub(crate) const PATIENT: u8 = 3;
/// `Type/id` of a subject.
pub(crate) const SUBJECT: u8 = 4;
/// `Type/id` of the target of a Provenance.
pub(crate) const TARGET: u8 = 5;

/// `Binary/id` that a DocumentReference has as its content: whoever may read the one may read the other.
pub(crate) const ATTACHED: u8 = 6;

/// Finds the DocumentReferences whose content is this Binary.
pub fn attached(binary: &Reference) -> Term {
    one_key(ATTACHED, binary)
}

/// Finds the Provenances of this resource.
pub fn referring(target: &Reference) -> Term {
    one_key(TARGET, target)
}

fn one_key(param: u8, reference: &Reference) -> Term {
    let test = Test::Equals(reference.to_string().into_bytes());
    Term { any_of: vec![Match { param, test, kind: RowKind::Key }] }
}

/// Whether rows of this parameter say by which identifiers a resource is found.
pub fn is_identifier(param: u8) -> bool {
    matches!(param, IDENTIFIER | IDENTIFIER_SYSTEM)
}

/// Longer values are not found by their value: a key of the index has to stay small.
pub(crate) const MAX_VALUE_BYTES: usize = 1024;

/// Whether a row has an entry of its own in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKind {
    /// Found over all resources by this value.
    Key,
    /// Kept with the resource and looked at once it was found by its patient or type.
    Detail,
}

/// One value of one parameter of one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexRow {
    /// The parameter.
    pub param: u8,
    /// The value.
    pub value: Vec<u8>,
    /// Whether it is a key.
    pub kind: RowKind,
}

/// How a value is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// It is exactly this.
    Equals(Vec<u8>),
    /// It begins so.
    Prefix(Vec<u8>),
}

impl Test {
    /// Whether a value passes.
    pub fn passes(&self, value: &[u8]) -> bool {
        match self {
            Self::Equals(expected) => value == expected,
            Self::Prefix(prefix) => value.starts_with(prefix),
        }
    }
}

/// One alternative: a row of this parameter and kind that passes the test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The parameter.
    pub param: u8,
    /// The comparison.
    pub test: Test,
    /// As its rows are written.
    pub kind: RowKind,
}

/// Holds when any of its alternatives does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Term {
    /// The alternatives.
    pub any_of: Vec<Match>,
}

impl Term {
    /// Whether one of the rows passes one of the alternatives.
    pub fn holds(&self, rows: &[IndexRow]) -> bool {
        let passes = |one: &Match, row: &IndexRow| row.param == one.param && one.test.passes(&row.value);
        self.any_of.iter().any(|one| rows.iter().any(|row| passes(one, row)))
    }
}

/// The rows of a resource, sorted, each once. `_id`, `_lastUpdated` and the type are the store's own.
pub fn extract(resource_type: &str, resource: &Json) -> Vec<IndexRow> {
    let mut rows = Vec::new();
    for path in identifier(resource_type) {
        each(resource, path, &mut |found| {
            let Some(value) = found.get("value").and_then(Json::as_str) else { return };
            let system = found.get("system").and_then(Json::as_str).unwrap_or_default();
            if let Some(key) = identifier_key(system, value) {
                rows.push(IndexRow { param: IDENTIFIER, value: key, kind: RowKind::Key });
                rows.push(IndexRow { param: IDENTIFIER_SYSTEM, value: system.into(), kind: RowKind::Detail });
            }
        });
    }
    for (param, paths) in
        [(PATIENT, patient(resource_type)), (SUBJECT, subject(resource_type)), (TARGET, target(resource_type))]
    {
        for path in paths {
            each(resource, path, &mut |found| {
                let Some(text) = found.get("reference").and_then(Json::as_str) else { return };
                let Ok(reference) = Reference::parse(text) else { return };
                rows.extend(reference_row(param, &reference));
            });
        }
    }
    if resource_type == "DocumentReference" {
        each(resource, "content.attachment.url", &mut |url| {
            let binary = url.as_str().and_then(|url| Reference::parse(url).ok());
            if let Some(binary) = binary.filter(|reference| reference.resource_type.as_str() == "Binary") {
                rows.push(IndexRow { param: ATTACHED, value: binary.to_string().into_bytes(), kind: RowKind::Key });
            }
        });
    }
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// The row of a reference; what points to a patient is found through the patient and needs no key.
pub(crate) fn reference_row(param: u8, reference: &Reference) -> Option<IndexRow> {
    let to_a_patient = reference.resource_type.as_str() == "Patient";
    let (value, kind) = match param {
        PATIENT if to_a_patient => (reference.id.to_string(), RowKind::Detail),
        PATIENT => return None,
        SUBJECT if to_a_patient => (reference.to_string(), RowKind::Detail),
        _ => (reference.to_string(), RowKind::Key),
    };
    Some(IndexRow { param, value: value.into_bytes(), kind })
}

/// `value`, a zero byte, `system`: found by value alone as well as by both. `None` where that would not be one key.
pub(crate) fn identifier_key(system: &str, value: &str) -> Option<Vec<u8>> {
    let fits = value.len().saturating_add(system.len()) <= MAX_VALUE_BYTES;
    let whole = !value.is_empty() && !value.contains('\0') && !system.contains('\0');
    (fits && whole).then(|| [value.as_bytes(), &[0], system.as_bytes()].concat())
}

/// Every element at a path of member names, arrays walked through.
pub(crate) fn each(json: &Json, path: &str, take: &mut dyn FnMut(&Json)) {
    if let Json::Array(items) = json {
        items.iter().for_each(|item| each(item, path, take));
        return;
    }
    let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
    let Some(found) = json.get(step) else { return };
    match (rest, found) {
        (Some(rest), found) => each(found, rest, take),
        (None, Json::Array(items)) => items.iter().for_each(take),
        (None, found) => take(found),
    }
}

#[cfg(test)]
mod tests;
