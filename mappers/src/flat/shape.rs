//! Where a file has the columns of a table.

use std::collections::HashMap;

use formats::flat::Row;
use model::outcome::{Issue, Severity};
use smol_str::{SmolStr, format_smolstr};

use super::plan::FlatTable;
use super::settings::folded;

/// Where a file has the columns of a table, and what else it has.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Positions from 0 by the number of the column, from 1.
    at: Vec<Option<usize>>,
    /// Position and name of columns that the table does not have.
    pub(crate) others: Vec<(usize, SmolStr)>,
    /// Cells a row should have.
    pub(crate) width: usize,
}

impl Shape {
    /// By the table alone: its columns in their order.
    pub(crate) fn plain(table: &FlatTable) -> Self {
        let width = table.columns.len();
        Self { at: std::iter::once(None).chain((0..width).map(Some)).collect(), others: Vec::new(), width }
    }

    /// As a file is written: the columns of the table in their order, then others.
    pub(crate) fn written(table: &FlatTable, others: &[String]) -> Self {
        let plain = Self::plain(table);
        let at = plain.width;
        let others: Vec<_> = others.iter().enumerate().map(|(number, name)| (at + number, name.into())).collect();
        Self { width: at + others.len(), others, ..plain }
    }

    /// By the header of a file; says what is missing and what nobody reads.
    pub(crate) fn of_header(table: &FlatTable, header: &Row<'_>, issues: &mut Vec<Issue>) -> Self {
        let mut at: Vec<Option<usize>> = vec![None; table.columns.len() + 1];
        let mut others = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (position, name) in header.cells().enumerate() {
            let named = |name: &str| table.column(name).filter(|_| !name.is_empty() && !name.starts_with('#'));
            let mut number = named(name.trim());
            // A name that comes again is the package's `Name#2`.
            let times = seen.entry(folded(name.trim())).or_default();
            *times += 1;
            if *times > 1 {
                number = named(&format!("{}#{times}", name.trim())).or(number);
            }
            match number.and_then(|number| at.get_mut(number as usize)) {
                Some(slot) if slot.is_none() => *slot = Some(position),
                _ => {
                    let name = name.trim();
                    let twice = number.is_some() || name.is_empty();
                    let name = if twice { format_smolstr!("#{}", position + 1) } else { SmolStr::new(name) };
                    let text = format!("the column {name} is not in the package's table: it is kept, unread");
                    let place = format!("{},{name}", header.number());
                    issues.push(Issue::new(Severity::Information, "not-supported", text).at(place));
                    others.push((position, name));
                }
            }
        }
        for (column, slot) in table.columns.iter().zip(at.iter().skip(1)) {
            if slot.is_none() && !column.optional {
                let text = "expected this column in the header";
                let place = format!("{},{}", header.number(), column.name);
                issues.push(Issue::warning("required", text).at(place));
            }
        }
        Self { at, others, width: header.len() }
    }

    /// The position of a column.
    pub(crate) fn position(&self, column: u32) -> Option<usize> {
        self.at.get(column as usize).copied().flatten()
    }

    /// The columns that are there: number and position.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (u32, usize)> + '_ {
        (0u32..).zip(&self.at).filter_map(|(number, at)| Some((number, (*at)?)))
    }
}
