//! Conditions that several rows of a table share are asked once a segment.

use crate::map::{Place, Table, Test};

/// Numbers the answers of the conditions that more than one row of a table asks.
pub(super) fn share(table: &mut Table, count: &mut u32) {
    let mut known: Vec<(Test, u32)> = Vec::new();
    for term in table.rows.iter().flat_map(|row| &row.when).filter(|term| is_of_segment(&term.test)) {
        match known.iter_mut().find(|(test, _)| *test == term.test) {
            Some((_, rows)) => *rows += 1,
            None => known.push((term.test.clone(), 1)),
        }
    }
    known.retain(|(_, rows)| *rows > 1);
    for (_, number) in &mut known {
        *number = *count;
        *count += 1;
    }
    for term in table.rows.iter_mut().flat_map(|row| &mut row.when) {
        if let Some((_, number)) = known.iter().find(|(test, _)| *test == term.test) {
            term.answer = *number;
        }
    }
}

/// Whether the answer is the same for every row of a segment: it reads no part of a datatype's value.
fn is_of_segment(test: &Test) -> bool {
    let fixed = |place: &Place| !matches!(place, Place::Part { .. });
    match test {
        Test::Exists(place) | Test::In(place, _) | Test::Repeats(place) | Test::Form(_, place) => fixed(place),
        Test::Any(_) | Test::Same(..) => false,
        Test::Alias(_) | Test::Anywhere(_) => true,
    }
}

impl Test {
    /// The field whose repetition at hand the condition asks of, where a row goes through the repetitions.
    pub(crate) fn own_field(&self) -> Option<u32> {
        match self {
            Self::Exists(place) | Self::In(place, _) | Self::Form(_, place) => match place {
                Place::Own { field, repetition: 0, .. } => Some(*field),
                _ => None,
            },
            _ => None,
        }
    }
}
