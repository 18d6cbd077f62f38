//! Rows of different fields that fill the same array and whose items look alike.
//!
//! What came from ORC-3 and what came from OBR-3 are both a filler's identifier of the order: where they differ, the
//! item says which field it is of, so that each goes back where it stood.

use std::collections::HashMap;

use crate::map::{Place, Row, Source};
use crate::path::{At, Holds};

use super::Compiler;

impl Compiler<'_> {
    /// Numbers the sets of such rows, from 1.
    pub(super) fn rivals(&mut self) {
        let mut sets: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
        for (number, table) in self.out.tables.iter().enumerate() {
            for (index, row) in table.rows.iter().enumerate() {
                if let Some(key) = key(row) {
                    sets.entry(key).or_default().push((number, index));
                }
            }
        }
        let mut sets: Vec<Vec<(usize, usize)>> = sets.into_values().filter(|rows| self.differ(rows)).collect();
        sets.sort();
        for (set, rows) in (1u32..).zip(&sets) {
            for (number, index) in rows {
                let row = self.out.tables.get_mut(*number).and_then(|table| table.rows.get_mut(*index));
                if let Some(row) = row {
                    row.rivals = set;
                }
            }
        }
        self.out.rivals = sets;
    }

    /// Whether rows read more than one field.
    fn differ(&self, rows: &[(usize, usize)]) -> bool {
        let field = |(number, index): &(usize, usize)| {
            let table = self.out.tables.get(*number)?;
            match &table.rows.get(*index)?.source {
                Source::Place(Place::Own { field, .. }) => Some((&table.source, *field)),
                _ => None,
            }
        };
        let first = rows.first().and_then(field);
        rows.iter().any(|row| field(row) != first)
    }
}

/// The array a row fills, if its items have room to say where they came from.
fn key(row: &Row) -> Option<String> {
    let last = row.target.steps.last()?;
    let own = matches!(row.source, Source::Place(Place::Own { .. }));
    // An item that is a primitive has no room of its own.
    let element = matches!(row.target.holds, Holds::Complex(_) | Holds::Reference);
    let roomy = match row.target.steps.iter().rev().find(|step| step.at != At::Single).map(|step| &step.at) {
        Some(At::Append) => last.at == At::Single || element,
        Some(At::AppendExtension(_)) => element,
        _ => false,
    };
    if !(own && roomy) {
        return None;
    }
    // What constants the rows set is asked of each item, when it is there.
    Some(format!("{} {:?}", row.alias, row.target.steps.get(..row.target.anchor)))
}
