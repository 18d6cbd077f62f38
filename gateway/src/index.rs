//! What a version is found by: the search parameters, and rows of our own for the emergency and for consents.
//!
//! The numbers of the rows are kept on disk; they must not change their meaning.

use model::ips::{Place, Section, place};
use model::json::Json;
use model::resource::{patients_of, resource_type};
use model::time::Instant;
use sha2::{Digest, Sha256};
use store::{Bounds, IndexRow, Match, RowKind, Term, Test};

use crate::emergency::likeness::fold;
use crate::parameters;

#[cfg(test)]
mod tests;

/// A Consent that names no patient: it may be a policy of the site, else it blocks until somebody mends it.
const FOR_EVERYBODY: u32 = 240;
/// A Patient's day of birth.
const BIRTH: u32 = 241;
/// A Patient's family name, folded.
const FAMILY: u32 = 242;

/// Where a resource stands in the summary of each of its patients: see [`summary_prefix`].
const SUMMARY: u32 = 243;
/// A search for a patient in an emergency: who, when. Limits count these rows, so that a restart forgets nothing.
const SEARCHED: u32 = 244;
/// A review of an emergency access that is not closed: by when it is due.
const REVIEW: u32 = 245;
/// Ends the patient's id; no id holds it.
const PATIENT_END: u8 = 0x1f;

/// The rows of a resource; every version that is written gets these.
pub fn rows(resource: &Json) -> Vec<IndexRow> {
    let mut rows = search_rows(resource);
    match resource_type(resource) {
        Some("Consent") if patients_of(resource).is_empty() => rows.push(key(FOR_EVERYBODY, b"1".to_vec())),
        Some("Task") => rows.extend(open_review(resource).map(|due| key(REVIEW, due.to_be_bytes().to_vec()))),
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
    rows.extend(summary_rows(resource));
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

/// The code of a review (`typed::task`).
const REVIEW_CODE: &str = "break-glass-review";

/// Whether a Task is the review of an emergency access.
pub fn is_review(task: &Json) -> bool {
    let codings = task.get("code").map(|code| code.items("coding")).unwrap_or_default();
    codings.iter().any(|coding| coding.text_at(&["code"]) == Some(REVIEW_CODE))
}

/// When a review that nobody has closed is due, in milliseconds since 1970; without a date at once.
pub fn open_review(task: &Json) -> Option<u64> {
    let closed = ["completed", "cancelled", "rejected", "failed", "entered-in-error"];
    let open = task.text_at(&["status"]).is_some_and(|status| !closed.contains(&status));
    let due = task.text_at(&["restriction", "period", "end"]).and_then(|text| Instant::parse(text).ok());
    (open && is_review(task)).then(|| due.map_or(0, |due| due.millis().unsigned_abs()))
}

/// The parameter of the rows of open reviews; a value is when one is due, as eight bytes.
pub fn review_param() -> u32 {
    REVIEW
}

/// The parameter of the rows of emergency searches.
pub fn searched_param() -> u32 {
    SEARCHED
}

/// What the rows of a person's emergency searches begin with; the time follows as eight bytes.
pub fn searched_prefix(person: &str) -> Vec<u8> {
    Sha256::digest(person).iter().take(16).copied().collect()
}

/// The row of a search, for the audit event that tells of it.
pub fn searched(person: &str, at: Instant) -> IndexRow {
    let mut value = searched_prefix(person);
    value.extend(at.millis().unsigned_abs().to_be_bytes());
    key(SEARCHED, value)
}

/// The parameter of the rows by which a summary is put together.
pub fn summary_param() -> u32 {
    SUMMARY
}

/// What the rows of a patient's resources in one section begin with. Behind it stands the group, where only the latest of
/// each is shown ([`GROUP_BYTES`]), then rank and time: the highest row is what the section shows first.
pub fn summary_prefix(patient: &str, section: Section) -> Vec<u8> {
    let mut value = patient.as_bytes().to_vec();
    value.extend([PATIENT_END, section.number()]);
    value
}

/// Length of a group in a summary row.
pub const GROUP_BYTES: usize = 8;

/// The value of a resource's row for one of its patients; `None` if it is no part of a summary.
pub fn summary_value(patient: &str, resource: &Json) -> Option<Vec<u8>> {
    Some(value_of(patient, &place(resource)?))
}

fn value_of(patient: &str, place: &Place) -> Vec<u8> {
    let mut value = summary_prefix(patient, place.section);
    if let Some(group) = &place.group {
        value.extend(Sha256::digest(group).iter().take(GROUP_BYTES));
    }
    value.push(place.rank);
    // Sorts as the time does; what has no date comes last.
    let time = place.at.map_or(0, |at| at.millis().cast_unsigned() ^ (1 << 63));
    value.extend(time.to_be_bytes());
    value
}

fn summary_rows(resource: &Json) -> Vec<IndexRow> {
    let Some(place) = place(resource) else { return Vec::new() };
    patients_of(resource).iter().map(|patient| key(SUMMARY, value_of(patient.as_str(), &place))).collect()
}

/// How the store makes rows anew of what was written under other rules.
pub struct Derivation;

impl store::Derive for Derivation {
    fn rules(&self, resource_type: &str) -> u32 {
        parameters::rules(resource_type).wrapping_add(RULES)
    }

    fn rows(&self, _: &str, body: &[u8]) -> Vec<IndexRow> {
        model::json::parse(body, &model::json::Limits::default()).map(|json| rows(&json)).unwrap_or_default()
    }

    /// A merged Patient is found by the identifiers of the records it stands for, and an audit event tells of a search:
    /// neither is in the body.
    fn kept(&self, resource_type: &str, row: &IndexRow) -> Option<IndexRow> {
        let is_patient = resource_type == "Patient";
        if is_patient && row.param == IDENTIFIER_BEFORE {
            return Some(IndexRow { param: search::number("identifier"), ..row.clone() });
        }
        let inherited = is_patient && search::is_identifier(row.param);
        (inherited || row.param == SEARCHED).then(|| row.clone())
    }
}

/// The rules by which rows are made, for the command line and the running gateway alike.
pub fn rules() -> store::Rules {
    store::Rules::of(std::sync::Arc::new(Derivation))
}

/// Raised when the rows of our own are made otherwise.
const RULES: u32 = 1;

/// What rows of identifiers were numbered before parameters went by their names; their form is the same.
const IDENTIFIER_BEFORE: u32 = 1;

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
    match term {
        search::Term::AnyOf(any) => Term::AnyOf(any.iter().map(comparison).collect()),
        search::Term::NoneOf(none) => Term::NoneOf(none.iter().map(comparison).collect()),
        search::Term::Either(alternatives) => {
            Term::Either(alternatives.iter().map(|terms| terms.iter().map(condition).collect()).collect())
        }
    }
}

fn comparison(one: &search::Match) -> Match {
    let bounds = |bounds: &search::Bounds| Bounds { from: bounds.from, to: bounds.to };
    let test = match &one.test {
        search::Test::Equals(value) => Test::Equals(value.clone()),
        search::Test::Prefix(value) => Test::Prefix(value.clone()),
        search::Test::Suffix(value) => Test::Suffix(value.clone()),
        search::Test::Contains(value) => Test::Contains(value.clone()),
        search::Test::Between(from, to) => Test::Between(from.clone(), to.clone()),
        search::Test::Span { prefix, low, high } => {
            Test::Span { prefix: prefix.clone(), low: bounds(low), high: bounds(high) }
        }
        search::Test::Present => Test::Present,
    };
    Match { param: one.param, test, kind: row_kind(one.kind) }
}

/// Rows of a stored version, as a search has them.
pub fn read(rows: &[IndexRow]) -> Vec<search::IndexRow> {
    let kind = |kind: RowKind| match kind {
        RowKind::Key => search::RowKind::Key,
        RowKind::Detail => search::RowKind::Detail,
    };
    rows.iter()
        .map(|row| search::IndexRow { param: row.param, value: row.value.clone(), kind: kind(row.kind) })
        .collect()
}

fn search_rows(resource: &Json) -> Vec<IndexRow> {
    let name = resource_type(resource).unwrap_or_default();
    let row = |row: search::IndexRow| IndexRow { param: row.param, value: row.value, kind: row_kind(row.kind) };
    parameters::current().extract(name, resource).into_iter().map(row).collect()
}

fn row_kind(kind: search::RowKind) -> RowKind {
    match kind {
        search::RowKind::Key => RowKind::Key,
        search::RowKind::Detail => RowKind::Detail,
    }
}

fn key(param: u32, value: Vec<u8>) -> IndexRow {
    IndexRow { param, value, kind: RowKind::Key }
}

fn term(param: u32, value: Vec<u8>) -> Term {
    Term::AnyOf(vec![Match { param, test: Test::Equals(value), kind: RowKind::Key }])
}
