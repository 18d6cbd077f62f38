//! Rows that make resources of their own below a reference, and rows whose targets go through one.

use smol_str::SmolStr;

use crate::elements;
use crate::load::RawRow;
use crate::map::{AliasId, Row, SELF, Table, Via};
use crate::path::{self, Holds, Target};

use super::{Compiler, Level};

impl Compiler<'_> {
    /// Adds a row whose target goes through a reference to the nearest row above that makes it.
    pub(super) fn through(
        &mut self,
        raw: &RawRow,
        (head, inner): (&str, &str),
        level: Level<'_>,
        (root, own): (&str, AliasId),
        rule: u32,
        rows: &mut [Row],
    ) -> Result<(), String> {
        let (alias, target) = self.target(head, "", level, root, own)?;
        let kind = inner.split_once('.').map_or(inner, |(kind, _)| kind);
        let makes = |row: &Row, tables: &[Table]| match &row.via {
            Via::New(made) => made == kind,
            Via::Table { table, .. } => tables.get(*table).is_some_and(|table| table.resource && table.root == kind),
            _ => false,
        };
        let holder = rows
            .iter_mut()
            .rfind(|row| row.alias == alias && row.target.steps == target.steps && makes(row, &self.out.tables))
            .ok_or_else(|| format!("no row above makes the {kind} that {head} refers to"))?;
        let number = match holder.through {
            Some(number) => number,
            None => {
                let source = match level {
                    Level::Segment(name) | Level::Datatype(name) | Level::Flat(name) => name.into(),
                    Level::Message => SmolStr::default(),
                };
                let (rows, needs, defaults) = (Vec::new(), Vec::new(), Vec::new());
                let table = Table {
                    source,
                    root: kind.into(),
                    resource: true,
                    alias: SELF,
                    within: None,
                    identity: None,
                    rows,
                    needs,
                    choices: Vec::new(),
                    defaults,
                };
                self.out.tables.push(table);
                let number = self.out.tables.len() - 1;
                holder.through = Some(number);
                number
            }
        };
        let Some(mut rows) = self.out.tables.get_mut(number).map(|table| std::mem::take(&mut table.rows)) else {
            return Ok(());
        };
        let done = match through(inner) {
            Some(deeper) => self.through(raw, deeper, level, (kind, SELF), rule, &mut rows),
            None => self.row(raw, inner, level, kind, SELF, rule).map(|row| rows.push(row)),
        };
        if let Some(table) = self.out.tables.get_mut(number) {
            table.rows = rows;
        }
        done
    }

    /// `^path`: a copy of another element of the same type.
    pub(super) fn copy(&self, text: &str, target: &Target, root: &str) -> Result<Via, String> {
        let names = |name: &str| self.url(name);
        let from = path::target(root, text.trim_start_matches('^'), &names)?;
        if from.holds == target.holds { Ok(Via::Copy(from)) } else { Err("a copy is of the same type".to_owned()) }
    }

    pub(super) fn new_resource(kind: &str, target: &Target) -> Result<Via, String> {
        match (elements::is_resource(kind), target.holds == Holds::Reference) {
            (true, true) => Ok(Via::New(kind.into())),
            (false, _) => Err(format!("new makes a resource: {kind} is no resource type")),
            (_, false) => Err("expected a target that is a Reference".to_owned()),
        }
    }
}

/// The parts of a target that goes through a reference: `Observation.performer[+](Organization.name)`.
pub(super) fn through(target: &str) -> Option<(&str, &str)> {
    let (head, inner) = target.split_once('(')?;
    Some((head, inner.strip_suffix(')')?))
}
