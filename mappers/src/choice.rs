//! Rows of a table that ask what a place of the segment says, chosen by it before they are tried.
//!
//! What OBX-5 becomes is said by some fifty rows, each for a few of the types that OBX-2 may name: with the rows of each
//! type in a set of bits, those of the others are passed over at once.

use smol_str::SmolStr;

use crate::map::{Place, Row, Source, Table, Test, Way};

/// Rows that are tried; those above the last bit always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rows([u64; 4]);

impl Rows {
    /// All of them.
    pub(crate) const ALL: Self = Self([u64::MAX; 4]);

    pub(crate) fn has(self, row: usize) -> bool {
        self.0.get(row / 64).is_none_or(|word| word >> (row % 64) & 1 == 1)
    }

    fn leave(&mut self, row: usize) {
        if let Some(word) = self.0.get_mut(row / 64) {
            *word &= !(1 << (row % 64));
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        let mut out = self;
        for (word, other) in out.0.iter_mut().zip(other.0) {
            *word &= other;
        }
        out
    }
}

/// A place that rows ask for one of several texts.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) place: Place,
    /// The texts, and the rows that may hold where the place says it.
    texts: Vec<(SmolStr, Rows)>,
    /// The rows for every other text.
    others: Rows,
}

/// Fewer rows are tried as fast as they are chosen.
const WORTH: usize = 4;

impl Choice {
    /// The rows that may hold where the place says this.
    pub(crate) fn rows(&self, text: &str) -> Rows {
        let found = self.texts.iter().find(|(known, _)| known.eq_ignore_ascii_case(text));
        found.map_or(self.others, |(_, rows)| *rows)
    }

    fn of(place: &Place, rows: &[Row]) -> Self {
        let mut choice = Self { place: place.clone(), texts: Vec::new(), others: Rows::ALL };
        for (_, _, values) in asking(place, rows) {
            for value in values {
                if !choice.texts.iter().any(|(known, _)| known.eq_ignore_ascii_case(value)) {
                    choice.texts.push((value.clone(), Rows::ALL));
                }
            }
        }
        for (number, negated, values) in asking(place, rows) {
            for (text, rows) in &mut choice.texts {
                if values.iter().any(|value| value.eq_ignore_ascii_case(text)) == negated {
                    rows.leave(number);
                }
            }
            if !negated {
                choice.others.leave(number);
            }
        }
        choice
    }
}

/// The places worth choosing by.
pub(crate) fn choices(table: &Table) -> Vec<Choice> {
    let mut places: Vec<&Place> = Vec::new();
    for term in table.rows.iter().flat_map(|row| &row.when) {
        if let Test::In(place @ Place::Own { .. }, _) = &term.test
            && !places.contains(&place)
        {
            places.push(place);
        }
    }
    places.retain(|place| asking(place, &table.rows).count() >= WORTH);
    places.into_iter().map(|place| Choice::of(place, &table.rows)).collect()
}

/// The rows to FHIR that ask for one of some texts at a place: number, whether the condition is negated, the texts.
///
/// A row that takes each repetition of the field asks of the one at hand, so that it is not among them.
fn asking<'t>(place: &'t Place, rows: &'t [Row]) -> impl Iterator<Item = (usize, bool, &'t [SmolStr])> {
    let field = |place: &Place| match place {
        Place::Own { field, .. } => Some(*field),
        _ => None,
    };
    let same = move |row: &Row| matches!(&row.source, Source::Place(own) if field(own) == field(place));
    let rows = rows.iter().enumerate().filter(move |(_, row)| row.way != Way::Backward && !same(row));
    rows.flat_map(move |(number, row)| {
        row.when.iter().filter_map(move |term| match &term.test {
            Test::In(asked, values) if asked == place => Some((number, term.negated, values.as_slice())),
            _ => None,
        })
    })
}

#[cfg(test)]
mod tests;
