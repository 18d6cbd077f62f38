//! A sketch of a version's rows beside its posting under its patient: sixteen bits for each row.
//!
//! A search within one patient asks for more than the patient. With the sketch most versions that lack the rest are passed
//! over without being read; what it lets through is tested on the version itself.

use crate::resource::{IndexRow, Match, RowKind, Term, Test};

/// Marks in a sketch; a version with more has none.
const MOST: usize = 64;

/// Marks of all rows that have postings, two bytes each.
pub(super) fn of(rows: &[IndexRow]) -> Vec<u8> {
    let keys = rows.iter().filter(|row| row.kind == RowKind::Key);
    let mut marks: Vec<[u8; 2]> = keys.map(|row| mark(row.param, &row.value)).collect();
    marks.sort_unstable();
    marks.dedup();
    if marks.len() > MOST { Vec::new() } else { marks.concat() }
}

/// What a search demands of a sketch: of each list one mark at least.
#[derive(Debug, Clone, Default)]
pub(super) struct Demand(Vec<Vec<[u8; 2]>>);

impl Demand {
    pub(super) fn of(terms: &[Term]) -> Self {
        Self(terms.iter().filter_map(marks).collect())
    }

    /// Whether a version with this sketch may be meant. An empty sketch says nothing.
    pub(super) fn may_pass(&self, sketch: &[u8]) -> bool {
        let (marks, _) = sketch.as_chunks::<2>();
        marks.is_empty() || self.0.iter().all(|any| any.iter().any(|wanted| marks.contains(wanted)))
    }
}

/// The marks of which a version must have one, where the term tells them.
fn marks(term: &Term) -> Option<Vec<[u8; 2]>> {
    let Term::AnyOf(matches) = term else { return None };
    let one = |wanted: &Match| match (&wanted.test, wanted.kind) {
        (Test::Equals(value), RowKind::Key) => Some(mark(wanted.param, value)),
        (Test::Prefix(value), RowKind::Key) if value.contains(&0) => Some(mark(wanted.param, value)),
        _ => None,
    };
    matches.iter().map(one).collect()
}

/// Of the parameter and the value before its first zero byte: a token with and without its system has the same.
fn mark(param: u32, value: &[u8]) -> [u8; 2] {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&param.to_be_bytes());
    hasher.update(text);
    let [a, b, c, d] = hasher.finalize().to_be_bytes();
    [a ^ c, b ^ d]
}
