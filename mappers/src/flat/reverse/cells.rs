//! The cells of a row, from the resources it is about.

use std::collections::BTreeMap;

use model::json::Json;
use smol_str::SmolStr;

use crate::function::unescaped;
use crate::map::{Place, Row, Source, Table, Via};

use super::super::eval::{KEPT, TABLE_SYSTEM};
use super::super::plan::{COMPOSITE, FlatTable};
use super::walk::{Walk, chosen};
use super::{Bound, Reverse, Taken};

/// The cells of a row: by number of the column, and those of columns the table does not have.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pub(super) cells: Vec<String>,
    pub(super) others: BTreeMap<String, String>,
}

impl Line {
    pub(super) fn new(flat: &FlatTable) -> Self {
        Self { cells: vec![String::new(); flat.columns.len()], others: BTreeMap::new() }
    }

    pub(super) fn get(&self, column: u32) -> &str {
        (column as usize).checked_sub(1).and_then(|at| self.cells.get(at)).map_or("", String::as_str)
    }

    /// Fills an empty cell; a comparator takes its number. Gives back whether the cell now says it.
    pub(super) fn set(&mut self, column: u32, text: &str) -> bool {
        let Some(cell) = (column as usize).checked_sub(1).and_then(|at| self.cells.get_mut(at)) else { return false };
        if cell.is_empty() {
            text.clone_into(cell);
        } else if matches!(cell.as_str(), "<" | "<=" | ">" | ">=") {
            cell.push_str(text);
        }
        cell.as_str() == text
    }
}

impl<'a> Reverse<'a> {
    /// Fills the cells of a row from a resource; of an array the item that is given, where rows speak of one.
    pub(super) fn fill(
        &mut self,
        flat: &'a FlatTable,
        table: &'a Table,
        number: usize,
        item: Option<(&SmolStr, usize)>,
        line: &mut Line,
    ) {
        let Some(resource) = self.resource(number) else { return };
        let Some(object) = resource.as_object() else { return };
        let mut taken = Taken::new();
        let chosen = chosen(table, object);
        // A comparator is written before its number.
        let first = |row: &&Row| matches!(&row.via, Via::Function { function, .. } if function.name == "comparator_of");
        let rows = table.rows.iter().filter(first).chain(table.rows.iter().filter(|row| !first(row)));
        for row in rows.filter(|row| row.way.is_back(true) && row.alias == table.alias) {
            let Source::Place(place) = &row.source else {
                self.conditions(row, object, line, None);
                continue;
            };
            let Place::Own { field, .. } = place else { continue };
            let mut texts: Vec<String> = Vec::new();
            let list = flat.spec(*field).and_then(|column| column.list.as_deref());
            let mut walk = Walk { alias: row.alias, chosen: &chosen, item, taken: &mut taken, all: list.is_some() };
            walk.values(object, row, &mut |json, beside| {
                if let Some(text) = self.text(flat, *field, row, json, beside, line) {
                    texts.push(text);
                    return true;
                }
                false
            });
            if texts.is_empty() || *field >= COMPOSITE {
                continue;
            }
            let text = texts.join(list.unwrap_or_default());
            if self.allowed(flat, row, &text) && line.set(*field, &text) {
                self.conditions(row, object, line, Some(*field));
            }
        }
    }

    /// The row that a Basic resource keeps whole.
    pub(super) fn kept_row(&self, flat: &FlatTable, number: usize) -> Option<Line> {
        let resource = self.resource(number)?;
        let basic = resource.text_at(&["resourceType"]) == Some("Basic");
        let code = resource.at(&["code", "coding", "0"]).filter(|_| basic)?;
        let own = code.text_at(&["system"]) == Some(TABLE_SYSTEM) && code.text_at(&["code"]) == Some(&flat.name);
        own.then(|| {
            let mut line = Line::new(flat);
            self.kept_cells(flat, number, &mut line);
            line
        })
    }

    /// Cells that no row reads.
    pub(super) fn kept_cells(&self, flat: &FlatTable, number: usize, line: &mut Line) {
        if let Some(resource) = self.resource(number) {
            kept_beside(flat, &resource, line);
        }
    }

    /// The columns that name the row of the parent, as the parent's own row is named.
    pub(super) fn parent_key(&mut self, flat: &'a FlatTable, bound: &Bound, line: &mut Line) {
        let Some(parent) = flat.parent.and_then(|parent| self.compiled.flat.tables.get(parent)) else { return };
        let above = self.parent_line(parent, bound);
        for (on, key) in flat.on.iter().zip(&parent.key) {
            line.set(*on, above.get(*key));
        }
    }

    /// The row above.
    pub(super) fn parent_line(&mut self, parent: &'a FlatTable, bound: &Bound) -> Line {
        let mut above = Line::new(parent);
        for role in &parent.roles {
            let (Some(own), Some(table)) = (bound.get(&role.alias), self.compiled.tables.get(role.table)) else {
                continue;
            };
            self.fill(parent, table, *own, None, &mut above);
            self.kept_cells(parent, *own, &mut above);
        }
        above
    }
}

/// Cells that no row reads, in the extensions of a resource or an element.
pub(super) fn kept_beside(flat: &FlatTable, element: &Json, line: &mut Line) {
    for extension in element.items("extension") {
        let url = extension.text_at(&["url"]).and_then(|url| url.strip_prefix(KEPT));
        let Some((table, column)) = url.and_then(|rest| rest.split_once(':')) else { continue };
        let Some(text) = extension.text_at(&["valueString"]).filter(|_| table == flat.name) else { continue };
        let name = unescaped(column);
        match flat.column(&name) {
            Some(column) => {
                line.set(column, text);
            }
            None if !name.starts_with('#') => {
                line.others.insert(name, text.to_owned());
            }
            None => {}
        }
    }
}
