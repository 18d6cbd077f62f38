//! Compiles message tables: groups, and what each is repeated for on the way back.

use std::collections::HashMap;

use smol_str::SmolStr;

use crate::load::RawRow;
use crate::map::{Driver, Group, MessageRow, MessageTable};
use crate::package::LoadError;

use super::{Compiler, Level};

impl Compiler<'_> {
    pub(super) fn messages(&mut self) {
        let mut numbers = HashMap::new();
        for (path, rows) in &self.raw.tables {
            let Some(name) = path.strip_prefix("messages/") else { continue };
            let root = Group { name: SmolStr::default(), parent: None, drivers: Vec::new(), bindings: Vec::new() };
            let mut table = MessageTable { groups: vec![root], rows: Vec::new(), by_segment: Vec::new() };
            for raw in rows {
                if let Err(message) = self.message_row(raw, &mut table) {
                    self.errors.push(raw.error(message));
                }
            }
            numbers.insert(name.to_owned(), self.out.messages.len());
            self.out.messages.push(table);
        }
        for table in &mut self.out.messages {
            table.by_segment = vec![Vec::new(); self.out.segment_names.len()];
            for (number, row) in table.rows.iter().enumerate() {
                if let Some(numbers) = table.by_segment.get_mut(usize::from(row.segment)) {
                    numbers.push(number);
                }
            }
        }
        for (name, types) in &self.raw.messages {
            let Some(number) = numbers.get(name).copied() else {
                let message = format!("unknown message table {name}: expected messages/{name}.csv");
                self.errors.push(LoadError { file: "package.toml".to_owned(), line: 0, message });
                continue;
            };
            if types.fallback {
                self.out.fallback = Some(number);
            }
            for (kind, structure) in &types.types {
                self.out.types.insert(kind.as_str().into(), (number, structure.as_str().into()));
            }
        }
    }

    pub(super) fn message_row(&mut self, raw: &RawRow, table: &mut MessageTable) -> Result<(), String> {
        let group = group(table, raw.cell(0));
        let segment = raw.cell(1);
        if segment == "*" {
            for piece in raw.cell(5).split_whitespace() {
                let (binding, driver) = match piece.split_once('=') {
                    Some((alias, driver)) if !alias.contains(':') => (Some(self.alias(alias)?), driver),
                    _ => (None, piece),
                };
                let driver = self.driver(driver)?;
                let Some(group) = table.groups.get_mut(group) else { continue };
                match binding {
                    Some(alias) => group.bindings.push((alias, driver)),
                    None => group.drivers.push(driver),
                }
            }
            return Ok(());
        }
        let mut tables = Vec::new();
        for name in raw.cell(2).split_whitespace() {
            let full = format!("{segment}-{name}");
            tables.push(self.tables.get(full.as_str()).copied().ok_or_else(|| format!("unknown table {full}"))?);
        }
        let (opens, late) = match raw.cell(3) {
            "" => (false, false),
            "new" => (true, false),
            "late" => (false, true),
            other => return Err(format!("unknown mode {other}: expected nothing, new or late")),
        };
        let when = self.when(raw.cell(4), Level::Message)?;
        let segment = self.segment(segment);
        table.rows.push(MessageRow { group, segment, tables, opens, late, when });
        Ok(())
    }

    pub(super) fn driver(&mut self, text: &str) -> Result<Driver, String> {
        if text == "once" {
            return Ok(Driver::Once);
        }
        if let Some((from, alias)) = text.split_once('>') {
            let (from, path) = from.split_once('.').ok_or("expected Role.path>Role")?;
            let path: Vec<SmolStr> = path.split('.').map(SmolStr::new).collect();
            return Ok(Driver::Follow { alias: self.alias(alias)?, from: self.alias(from)?, path });
        }
        if let Some(text) = text.strip_suffix("[$]") {
            let (alias, array) = text.split_once('.').ok_or("expected Role.array[$]")?;
            return Ok(Driver::Items { alias: self.alias(alias)?, array: array.into() });
        }
        let (text, without) = match text.split_once('!') {
            Some((text, member)) => (text, Some(SmolStr::new(member))),
            None => (text, None),
        };
        match text.split_once(':') {
            Some((alias, by)) => {
                let (path, other) = by.split_once('=').ok_or("expected Role:path=Role")?;
                Ok(Driver::Each { alias: self.alias(alias)?, by: Some((path.into(), self.alias(other)?)), without })
            }
            None => Ok(Driver::Each { alias: self.alias(text)?, by: None, without }),
        }
    }
}

/// The group of a path, made with its parents if new.
fn group(table: &mut MessageTable, path: &str) -> usize {
    let mut parent = 0;
    let mut name = String::new();
    for piece in path.split('/').filter(|piece| !piece.is_empty()) {
        if !name.is_empty() {
            name.push('/');
        }
        name.push_str(piece);
        parent = match table.groups.iter().position(|group| group.name == name) {
            Some(number) => number,
            None => {
                let group = Group {
                    name: name.as_str().into(),
                    parent: Some(parent),
                    drivers: Vec::new(),
                    bindings: Vec::new(),
                };
                table.groups.push(group);
                table.groups.len() - 1
            }
        };
    }
    parent
}
