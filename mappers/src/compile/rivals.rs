//! Rows of different fields that fill the same array and whose items look alike.
//!
//! What came from ORC-3 and what came from OBR-3 are both a filler's identifier of the order: where they differ, the
//! item says which field it is of, so that each goes back where it stood.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::map::{Contender, Place, Row, Source, Via, Way};
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
        for rows in &sets {
            for at in rows {
                let contenders = self.contenders(*at, rows).unwrap_or_default();
                if let Some(row) = self.out.tables.get_mut(at.0).and_then(|table| table.rows.get_mut(at.1)) {
                    row.contenders = contenders;
                }
            }
        }
        self.out.rivals = sets;
    }

    /// The rows of a set that may take an item of one of them: what can be said without the item.
    fn contenders(&self, (table, row): (usize, usize), set: &[(usize, usize)]) -> Option<Vec<Contender>> {
        let own_table = self.out.tables.get(table)?;
        let own = own_table.rows.get(row)?;
        let Source::Place(Place::Own { field, .. }) = &own.source else { return None };
        let rank = |row: &Row| row.with.iter().filter(|with| !with.soft).count();
        let soft = own.with.iter().any(|with| with.soft);
        // What it refers to tells them apart.
        let root = |row: &Row| match &row.via {
            Via::Table { table, .. } => {
                self.out.tables.get(*table).filter(|table| table.resource).map(|table| table.root.as_str())
            }
            _ => None,
        };
        let contender = |(number, index): &(usize, usize)| {
            let table = self.out.tables.get(*number)?;
            let other = table.rows.get(*index)?;
            let Source::Place(Place::Own { field: of, .. }) = &other.source else { return None };
            let same_field = of == field && table.source == own_table.source;
            let apart = root(own).zip(root(other)).is_some_and(|(own, other)| own != other);
            if same_field || apart || matches!(other.way, Way::Forward | Way::Foreign) {
                return None;
            }
            // The row with more constants takes the item; of two alike the one that has filled the array before.
            let always = match rank(other).cmp(&rank(own)) {
                Ordering::Greater => true,
                Ordering::Equal => soft,
                Ordering::Less => return None,
            };
            Some(Contender { table: *number, row: *index, field: *of, always })
        };
        Some(set.iter().filter_map(contender).collect())
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
