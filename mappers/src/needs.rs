//! What a row needs to be there before it can find anything, as a set of bits.
//!
//! Most rows of a table are of fields that a message leaves empty: with the fields that are there in one word, they are
//! passed over without a look at their places and conditions. The bit of field or component n is bit n; those above
//! [`LAST`] have none, and a row that needs one is always tried.

use crate::map::{Place, Row, Source, Table, Test, Way};

/// The last field or component that has a bit.
pub(crate) const LAST: u32 = 62;
/// What is never there: for rows of the way back.
const NEVER: u64 = 1 << 63;

/// The bit of a field or component; none for those without.
pub(crate) fn bit(number: u32) -> u64 {
    if (1..=LAST).contains(&number) { 1 << number } else { 0 }
}

/// What each row of a table needs.
pub(crate) fn needs(table: &Table) -> Vec<u64> {
    table.rows.iter().map(of_row).collect()
}

fn of_row(row: &Row) -> u64 {
    if matches!(row.way, Way::Backward | Way::Foreign) {
        return NEVER;
    }
    let source = match &row.source {
        Source::Place(place) => of_place(place),
        Source::Alias(_) | Source::Each(_) | Source::Constant => 0,
    };
    row.when.iter().filter(|term| !term.negated).fold(source, |needed, term| needed | of_test(&term.test))
}

/// A value of the segment or datatype itself; what other segments say is not known before the row is tried.
fn of_place(place: &Place) -> u64 {
    match place {
        Place::Own { field, .. } => bit(*field),
        Place::Part { component, .. } => bit(*component),
        Place::Other { .. } | Place::Beside(_) => 0,
    }
}

fn of_test(test: &Test) -> u64 {
    match test {
        Test::Exists(place) => of_place(place),
        Test::In(place, values) if values.iter().all(|value| !value.is_empty()) => of_place(place),
        Test::Same(left, right) => of_place(left) | of_place(right),
        Test::In(..) | Test::Any(_) | Test::Repeats(_) | Test::Form(..) | Test::Alias(_) | Test::Anywhere(_) => 0,
    }
}
