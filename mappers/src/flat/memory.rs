//! The rows of tables that others are joined with, held in memory.

use std::collections::HashMap;

use formats::flat::Rows;
use model::outcome::Issue;

use crate::package::Package;
use crate::quick::Quick;

use super::{Joined, Shape, Table};

/// The rows of tables that are looked up by key. Holds patient data.
#[derive(Debug, Default)]
pub struct Memory {
    tables: HashMap<usize, Held>,
    bytes: usize,
    issues: Vec<Issue>,
}

#[derive(Debug, Default)]
struct Held {
    shape: Option<Shape>,
    rows: Rows,
    /// Numbers of rows by key.
    index: HashMap<String, Vec<u32>, Quick>,
    /// Those without a key.
    orphans: Vec<u32>,
}

impl Memory {
    /// The tables of a package whose rows others need before they are mapped.
    pub fn wanted(package: &Package) -> Vec<Table<'_>> {
        let tables = package.flat_tables();
        // A table that others add to is wanted for its keys: so those that belong to no row are told.
        let needed =
            |table: &Table<'_>| table.adds() || tables.iter().any(|other| other.parent() == Some(table.number));
        tables.iter().copied().filter(needed).collect()
    }

    /// Says where the file of a table has its columns.
    pub fn open(&mut self, table: &Table<'_>, shape: Shape) {
        self.tables.entry(table.number).or_default().shape = Some(shape);
    }

    /// Takes rows of a table in; gives back whether all that is held is within the limit.
    pub fn add(&mut self, table: &Table<'_>, rows: &Rows, limit_bytes: usize) -> bool {
        let Some(held) = self.tables.get_mut(&table.number) else { return true };
        let Some(shape) = &held.shape else { return true };
        for row in rows.iter() {
            let number = u32::try_from(held.rows.len()).unwrap_or(u32::MAX);
            let key = if table.adds() { table.parent_key(shape, &row) } else { table.key(shape, &row) };
            self.bytes += row.cells().map(|cell| cell.len() + 8).sum::<usize>() + 64;
            held.rows.push(row.number(), row.cells());
            match key {
                Some(key) => {
                    self.bytes += key.len();
                    let known = held.index.entry(key).or_default();
                    if !table.adds() && !known.is_empty() {
                        self.issues.push(table.key_taken(row.number()));
                    }
                    known.push(number);
                }
                None => {
                    if !table.adds() {
                        self.issues.push(table.key_missing(row.number()));
                    }
                    held.orphans.push(number);
                }
            }
        }
        self.bytes <= limit_bytes
    }

    /// What was found of keys so far, and forgets it.
    pub fn take_issues(&mut self) -> Vec<Issue> {
        std::mem::take(&mut self.issues)
    }

    /// The rows of a table that add to a row above which is not there.
    pub fn orphans(&self, table: &Table<'_>) -> Rows {
        let mut out = Rows::default();
        let Some(held) = self.tables.get(&table.number) else { return out };
        let known = table.parent().and_then(|above| self.tables.get(&above));
        let mut numbers = held.orphans.clone();
        for (key, rows) in &held.index {
            if known.is_none_or(|above| !above.index.contains_key(key)) {
                numbers.extend(rows);
            }
        }
        numbers.sort_unstable();
        for number in numbers {
            if let Some(row) = held.rows.row(number as usize) {
                out.push(row.number(), row.cells());
            }
        }
        out
    }
}

impl Joined for Memory {
    fn find(&self, table: usize, key: &str, out: &mut Rows) {
        let Some(held) = self.tables.get(&table) else { return };
        for number in held.index.get(key).into_iter().flatten() {
            if let Some(row) = held.rows.row(*number as usize) {
                out.push(row.number(), row.cells());
            }
        }
    }

    fn shape(&self, table: usize) -> Option<&Shape> {
        self.tables.get(&table)?.shape.as_ref()
    }
}
