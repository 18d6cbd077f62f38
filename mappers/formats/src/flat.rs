//! Flat extracts: rows of cells, divided by a delimiter or of fixed width (RFC 4180 and what senders make of it).
//!
//! Bytes come in as they arrive and rows go out as they become whole, so that memory holds a chunk and never the file. A row
//! that cannot be read costs that row: the reader says which and goes on with the next line.

use std::ops::Range;

mod charset;
mod dialect;
mod reader;
mod writer;

pub use charset::Charset;
pub use dialect::{Dialect, DialectError, Envelope, Layout, Span};
pub use reader::Reader;
pub use writer::Writer;

#[cfg(test)]
mod tests;

/// What was found in a row. Never quotes a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Row of the file, from 1, the header among them.
    pub row: u64,
    /// A stable word for programs.
    pub code: &'static str,
    /// Whether the row could not be read; else it was repaired.
    pub lost: bool,
    /// One sentence.
    pub detail: String,
}

/// Rows of a file, one behind the other; may be used again.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    text: String,
    /// Where each cell ends.
    ends: Vec<usize>,
    /// Number in the file, and the cells.
    rows: Vec<(u64, Range<usize>)>,
    /// What was found while they were read.
    pub found: Vec<Found>,
}

impl Rows {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Forgets them and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.rows.clear();
        self.found.clear();
    }

    /// The rows in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        self.rows.iter().map(|(number, cells)| Row { rows: self, number: *number, cells: cells.clone() })
    }

    /// The n-th row.
    pub fn row(&self, at: usize) -> Option<Row<'_>> {
        self.rows.get(at).map(|(number, cells)| Row { rows: self, number: *number, cells: cells.clone() })
    }

    /// Adds a row of these cells.
    pub fn push<'c>(&mut self, number: u64, cells: impl IntoIterator<Item = &'c str>) {
        let from = self.ends.len();
        for cell in cells {
            self.text.push_str(cell);
            self.ends.push(self.text.len());
        }
        self.rows.push((number, from..self.ends.len()));
    }

    /// Adds a row whose cells stand one behind the other in a text and end where `ends` says.
    fn push_joined(&mut self, number: u64, text: &str, ends: &[usize]) {
        let (from, base) = (self.ends.len(), self.text.len());
        self.text.push_str(text);
        self.ends.extend(ends.iter().map(|end| base.saturating_add(*end)));
        self.rows.push((number, from..self.ends.len()));
    }
}

/// One row.
#[derive(Clone, Debug)]
pub struct Row<'r> {
    rows: &'r Rows,
    number: u64,
    cells: Range<usize>,
}

impl<'r> Row<'r> {
    /// Its number in the file, from 1, the header and empty lines among them: as a spreadsheet counts.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many cells it has.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The n-th cell, from 0; empty where the row is shorter.
    pub fn cell(&self, at: usize) -> &'r str {
        let Some(at) = self.cells.start.checked_add(at).filter(|at| *at < self.cells.end) else { return "" };
        let Some(end) = self.rows.ends.get(at) else { return "" };
        let start = at.checked_sub(1).and_then(|before| self.rows.ends.get(before)).copied().unwrap_or_default();
        self.rows.text.get(start..*end).unwrap_or_default()
    }

    /// The cells in their order.
    pub fn cells(&self) -> impl Iterator<Item = &'r str> + '_ {
        (0..self.len()).map(|at| self.cell(at))
    }
}
