//! What a version is found by: the search parameters, and rows of our own for the emergency and for consents.
//!
//! The numbers of the rows are kept on disk; they must not change their meaning.

use model::json::Json;
use model::resource::{patients_of, resource_type};
use store::{IndexRow, Match, RowKind, Term, Test};

use crate::emergency::likeness::fold;

#[cfg(test)]
mod tests;

/// A Consent that names no patient: it may be a policy of the site, else it blocks until somebody mends it.
const FOR_EVERYBODY: u8 = 240;
/// A Patient's day of birth.
const BIRTH: u8 = 241;
/// A Patient's family name, folded.
const FAMILY: u8 = 242;

/// The rows of a resource; every version that is written gets these.
pub fn rows(resource: &Json) -> Vec<IndexRow> {
    let mut rows = search_rows(resource);
    match resource_type(resource) {
        Some("Consent") if patients_of(resource).is_empty() => rows.push(key(FOR_EVERYBODY, b"1".to_vec())),
        Some("Patient") => {
            if let Some(birth) = resource.get("birthDate").and_then(Json::as_str) {
                rows.push(key(BIRTH, birth.as_bytes().to_vec()));
            }
            for name in resource.items("name") {
                let family = fold(name.get("family").and_then(Json::as_str).unwrap_or_default());
                if !family.is_empty() {
                    rows.push(key(FAMILY, family.into_bytes()));
                }
            }
        }
        _ => {}
    }
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// The rows of a resource by its identifiers alone.
pub fn identifiers(resource: &Json) -> Vec<IndexRow> {
    let mut rows = search_rows(resource);
    rows.retain(|row| search::is_identifier(row.param));
    rows
}

/// Finds the consents that name no patient.
pub fn for_everybody() -> Term {
    term(FOR_EVERYBODY, b"1".to_vec())
}

/// Finds patients born that day.
pub fn born(date: &str) -> Term {
    term(BIRTH, date.as_bytes().to_vec())
}

/// Finds patients of that family name, folded.
pub fn family(name: &str) -> Term {
    term(FAMILY, fold(name).into_bytes())
}

/// The condition of a search, as the store has it.
pub fn condition(term: &search::Term) -> Term {
    let one = |one: &search::Match| Match {
        param: one.param,
        test: match &one.test {
            search::Test::Equals(value) => Test::Equals(value.clone()),
            search::Test::Prefix(value) => Test::Prefix(value.clone()),
        },
        kind: row_kind(one.kind),
    };
    Term { any_of: term.any_of.iter().map(one).collect() }
}

fn search_rows(resource: &Json) -> Vec<IndexRow> {
    let name = resource_type(resource).unwrap_or_default();
    let row = |row: search::IndexRow| IndexRow { param: row.param, value: row.value, kind: row_kind(row.kind) };
    search::extract(name, resource).into_iter().map(row).collect()
}

fn row_kind(kind: search::RowKind) -> RowKind {
    match kind {
        search::RowKind::Key => RowKind::Key,
        search::RowKind::Detail => RowKind::Detail,
    }
}

fn key(param: u8, value: Vec<u8>) -> IndexRow {
    IndexRow { param, value, kind: RowKind::Key }
}

fn term(param: u8, value: Vec<u8>) -> Term {
    Term { any_of: vec![Match { param, test: Test::Equals(value), kind: RowKind::Key }] }
}
