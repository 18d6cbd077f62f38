//! Turns the rows of a package into rules with every name resolved.

use std::collections::{BTreeMap, HashMap};

use smol_str::SmolStr;

use crate::choice::choices;
use crate::concept::{CodeMap, Concept};
use crate::elements;
use crate::flat::plan::Plan;
use crate::load::{RawPackage, RawRow};
use crate::map::{AliasId, Identity, MessageTable, Part, Row, SELF, SegmentId, Table};
use crate::needs::needs;
use crate::package::LoadError;
use crate::path::At;
use crate::quick::Quick;
use crate::tree::table as tree_tables;
use crate::versions::Versions;

mod answers;
mod beside;
mod checks;
mod message;
mod reference;
mod required;
mod rivals;
mod row;
mod tree;

/// The tables of a package, ready to run.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    pub(crate) tables: Vec<Table>,
    /// Those of a package for documents made of elements.
    pub(crate) tree: tree_tables::Tables,
    pub(crate) maps: Vec<CodeMap>,
    pub(crate) messages: Vec<MessageTable>,
    /// Number of the message table by type (`ADT^A01`), and the structure it has.
    pub(crate) types: BTreeMap<SmolStr, (usize, SmolStr)>,
    /// The table for every other type.
    pub(crate) fallback: Option<usize>,
    pub(crate) segments: HashMap<SmolStr, SegmentId, Quick>,
    pub(crate) segment_names: Vec<SmolStr>,
    pub(crate) aliases: Vec<SmolStr>,
    pub(crate) rules: Vec<(SmolStr, usize)>,
    /// How many answers to conditions rows share.
    pub(crate) answers: u32,
    /// Number of the vocabulary map of assigning authorities.
    authorities: Option<usize>,
    pub(crate) versions: Versions,
    /// Rows of different fields that fill the same array, by table and row: set n is `Row.rivals` n + 1.
    pub(crate) rivals: Vec<Vec<(usize, usize)>>,
    /// The tables of a flat extract.
    pub(crate) flat: Plan,
}

impl Compiled {
    /// `package/file:line` of a rule.
    pub(crate) fn rule(&self, rule: u32) -> String {
        self.rules.get(rule as usize).map_or_else(String::new, |(file, line)| format!("{file}:{line}"))
    }

    /// The vocabulary map `AssigningAuthority`: names of authorities to URIs.
    pub(crate) fn authorities(&self) -> Option<&CodeMap> {
        self.maps.get(self.authorities?)
    }

    /// The role of a name, if a row has it.
    pub(crate) fn alias(&self, name: &str) -> Option<AliasId> {
        self.aliases.iter().position(|alias| alias == name).and_then(|n| AliasId::try_from(n).ok())
    }

    /// The name of a segment by its number.
    pub(crate) fn segment_name(&self, segment: SegmentId) -> &str {
        self.segment_names.get(usize::from(segment)).map_or("", SmolStr::as_str)
    }

    /// The resource type of a role.
    pub(crate) fn alias_type(&self, alias: AliasId) -> &str {
        let name = self.aliases.get(usize::from(alias)).map_or("", SmolStr::as_str);
        name.split_once('@').map_or(name, |(kind, _)| kind)
    }

    /// The message table of a type and the structure it has: by MSH-9.1 and MSH-9.2, else by MSH-9.3, else by MSH-9.1.
    pub(crate) fn message_type(&self, code: &str, trigger: &str, structure: &str) -> Option<&(usize, SmolStr)> {
        if !trigger.is_empty()
            && let Some(found) = self.types.get(format!("{code}^{trigger}").as_str())
        {
            return Some(found);
        }
        let named = |name: &str| self.types.values().find(|(_, structure)| structure == name);
        if !structure.is_empty() && trigger.is_empty() {
            return named(structure);
        }
        if trigger.is_empty() {
            return self.types.get(code).or_else(|| named(code));
        }
        None
    }
}

/// Compiles a package, or says everything that is wrong with it.
pub(crate) fn compile(raw: &RawPackage, errors: &mut Vec<LoadError>) -> Compiled {
    let mut compiler = Compiler { raw, out: Compiled::default(), tables: HashMap::new(), maps: HashMap::new(), errors };
    compiler.out.flat = Plan::new(&raw.flat);
    compiler.codes();
    if raw.is_tree() {
        compiler.tree();
        return compiler.out;
    }
    compiler.headers();
    compiler.rows();
    compiler.rivals();
    compiler.messages();
    let mut out = compiler.out;
    for table in &mut out.tables {
        table.needs = needs(table);
        table.choices = choices(table);
        answers::share(table, &mut out.answers);
    }
    out.versions = Versions::compile(raw, errors);
    let mut plan = std::mem::take(&mut out.flat);
    plan.finish(&out, errors);
    out.flat = plan;
    out
}

struct Compiler<'a> {
    raw: &'a RawPackage,
    out: Compiled,
    tables: HashMap<SmolStr, usize>,
    maps: HashMap<SmolStr, usize>,
    errors: &'a mut Vec<LoadError>,
}

/// What a row may refer to: the segment or datatype of its table.
#[derive(Clone, Copy)]
enum Level<'a> {
    Segment(&'a str),
    Datatype(&'a str),
    Message,
    /// A table of a flat extract.
    Flat(&'a str),
}

impl Compiler<'_> {
    fn url(&self, name: &str) -> Option<SmolStr> {
        if name.contains(':') {
            return Some(name.into());
        }
        self.raw.names.get(name).cloned()
    }

    fn rule(&mut self, row: &RawRow) -> u32 {
        self.out.rules.push((row.file.clone(), row.line));
        u32::try_from(self.out.rules.len() - 1).unwrap_or(u32::MAX)
    }

    fn segment(&mut self, name: &str) -> SegmentId {
        if let Some(id) = self.out.segments.get(name) {
            return *id;
        }
        let id = SegmentId::try_from(self.out.segments.len()).unwrap_or(SegmentId::MAX - 1);
        self.out.segments.insert(name.into(), id);
        self.out.segment_names.push(name.into());
        id
    }

    fn alias(&mut self, name: &str) -> Result<AliasId, String> {
        if let Some(id) = self.out.alias(name) {
            return Ok(id);
        }
        let kind = name.split_once('@').map_or(name, |(kind, _)| kind);
        if !elements::is_resource(kind) {
            return Err(format!("unknown target: {kind} is no resource type a map may build"));
        }
        self.out.aliases.push(name.into());
        AliasId::try_from(self.out.aliases.len() - 1).map_err(|_| "too many roles".to_owned())
    }

    fn codes(&mut self) {
        for (path, rows) in &self.raw.tables {
            let Some(name) = path.strip_prefix("codes/") else { continue };
            let mut table = None;
            let mut concepts = Vec::new();
            for row in rows {
                let system = match row.cell(1) {
                    "" => SmolStr::default(),
                    named => match self.url(named) {
                        Some(url) => url,
                        None => {
                            self.errors.push(row.error(format!("unknown name {named} of a system")));
                            continue;
                        }
                    },
                };
                let equivalent = match row.cell(4) {
                    "" | "equivalent" => true,
                    "wider" | "narrower" | "inexact" | "unmatched" => false,
                    other => {
                        self.errors.push(row.error(format!("unknown equivalence {other}")));
                        continue;
                    }
                };
                if row.cell(0) == "@table" {
                    table = Some(system);
                    continue;
                }
                let concept = Concept {
                    code: row.cell(0).into(),
                    system,
                    target: row.cell(2).into(),
                    display: row.cell(3).into(),
                };
                concepts.push((concept, equivalent));
            }
            if name == "AssigningAuthority" {
                self.out.authorities = Some(self.out.maps.len());
            }
            self.maps.insert(name.into(), self.out.maps.len());
            self.out.maps.push(CodeMap::new(name, table, concepts));
        }
    }

    fn headers(&mut self) {
        for (path, rows) in &self.raw.tables {
            let flat = path.strip_prefix("rows/");
            let segment = path.strip_prefix("segments/").or(flat);
            let Some(name) = segment.or_else(|| path.strip_prefix("datatypes/")) else { continue };
            let problem = |message: String| LoadError {
                file: rows.first().map_or_else(|| path.clone(), |row| row.file.to_string()),
                line: 0,
                message,
            };
            let Some((source, root)) = name.split_once('-') else {
                self.errors.push(problem(format!("expected a name like PID-Patient, found {name}")));
                continue;
            };
            let (root, within) = match root.split_once('+') {
                Some((root, within)) if segment.is_some() => (root, Some(SmolStr::new(within))),
                _ => (root, None),
            };
            let kind = root.split_once('@').map_or(root, |(kind, _)| kind);
            let resource = elements::is_resource(kind);
            let known = resource || (segment.is_none() && elements::is_complex(kind.split('+').next().unwrap_or(kind)));
            if !known {
                self.errors.push(problem(format!("unknown target: {kind}")));
                continue;
            }
            let alias = match (segment, resource) {
                (Some(_), _) => match self.alias(root) {
                    Ok(alias) => alias,
                    Err(message) => {
                        self.errors.push(problem(message));
                        continue;
                    }
                },
                _ => SELF,
            };
            if flat.is_some() && self.out.flat.number(source).is_none() {
                self.errors
                    .push(problem(format!("unknown table {source}: expected [tables.{source}] in package.toml")));
                continue;
            }
            if segment.is_some() && flat.is_none() {
                self.segment(source);
            }
            self.tables.insert(name.into(), self.out.tables.len());
            self.out.tables.push(Table {
                source: source.into(),
                root: kind.split('+').next().unwrap_or(kind).into(),
                resource,
                alias,
                within,
                identity: None,
                rows: Vec::new(),
                needs: Vec::new(),
                choices: Vec::new(),
                defaults: Vec::new(),
            });
        }
    }

    fn rows(&mut self) {
        for (path, rows) in &self.raw.tables {
            let flat = path.strip_prefix("rows/");
            let segment = path.strip_prefix("segments/").or(flat);
            let Some(name) = segment.or_else(|| path.strip_prefix("datatypes/")) else { continue };
            let Some(index) = self.tables.get(name).copied() else { continue };
            let (source, root, alias, within) = match self.out.tables.get(index) {
                Some(table) => (table.source.clone(), table.root.clone(), table.alias, table.within.clone()),
                None => continue,
            };
            let level = match (flat, segment) {
                (Some(_), _) => Level::Flat(&source),
                (None, Some(_)) => Level::Segment(&source),
                (None, None) => Level::Datatype(&source),
            };
            if let (Some(name), Some(number)) = (flat, self.out.flat.number(&source)) {
                self.out.flat.add(number, name, index);
            }
            let mut compiled = (None, Vec::new(), Vec::new());
            for raw in &self.included(rows) {
                let rule = self.rule(raw);
                // A column may be called id: what it becomes is an element, what an id row makes is a resource.
                if raw.cell(0) == "id" && !(flat.is_some() && raw.cell(1).contains('.')) {
                    match self.identity(raw, level, rule) {
                        Ok(identity) => compiled.0 = Some(identity),
                        Err(message) => self.errors.push(raw.error(message)),
                    }
                    continue;
                }
                if let Some((head, inner)) = reference::through(raw.cell(1)) {
                    let into = &mut compiled.1;
                    if let Err(message) = self.through(raw, (head, inner), level, (&root, alias), rule, into) {
                        self.errors.push(raw.error(message));
                    }
                    continue;
                }
                let row = self.row(raw, raw.cell(1), level, &root, alias, rule);
                match row.and_then(|row| starting_within(row, within.as_ref())) {
                    Ok(row) if raw.cell(0) == "default" => compiled.2.push(row),
                    Ok(row) => compiled.1.push(row),
                    Err(message) => self.errors.push(raw.error(message)),
                }
            }
            let missing = segment.is_none() && elements::is_resource(&root) && compiled.0.is_none();
            if missing && let Some(first) = rows.first() {
                self.errors.push(first.error("a datatype table that builds a resource needs an id row"));
            }
            if let Some(table) = self.out.tables.get_mut(index) {
                let (identity, rows, defaults) = compiled;
                (table.identity, table.rows, table.defaults) = (identity, rows, defaults);
            }
        }
    }

    /// The rows of a table with those it takes over from another role's table of the same segment: `include`.
    fn included(&mut self, rows: &[RawRow]) -> Vec<RawRow> {
        let mut out = Vec::new();
        for raw in rows {
            if raw.cell(0) != "include" {
                out.push(raw.clone());
                continue;
            }
            let found =
                ["segments", "rows"].iter().find_map(|level| self.raw.tables.get(&format!("{level}/{}", raw.cell(2))));
            let (Some(other), Some((_, kind))) = (found, raw.cell(2).split_once('-')) else {
                self.errors.push(raw.error(format!("unknown table {}", raw.cell(2))));
                continue;
            };
            // `with` renames roles: the visit of a linked patient refers to that patient.
            let renames: Vec<(String, String)> = raw
                .cell(3)
                .split(';')
                .filter_map(|pair| pair.split_once('='))
                .map(|(from, to)| (format!("@{}", from.trim()), format!("@{}", to.trim())))
                .collect();
            for theirs in other {
                let mut row = theirs.clone();
                for (from, to) in &renames {
                    for text in row.cells.iter_mut().filter(|text| text.contains(from.as_str())) {
                        *text = renamed(text, from, to);
                    }
                }
                if let Some(target) = row.cells.get_mut(1)
                    && let Some(rest) = target.strip_prefix(kind).filter(|rest| rest.starts_with('.'))
                {
                    *target = format!("{}{rest}", raw.cell(1)).into();
                }
                out.push(row);
            }
        }
        out
    }

    fn identity(&mut self, raw: &RawRow, level: Level<'_>, rule: u32) -> Result<Identity, String> {
        let mut alternatives = Vec::new();
        for alternative in raw.cell(2).split('|') {
            let mut parts = Vec::new();
            for part in alternative.split('+').map(str::trim) {
                parts.push(match part.strip_prefix('@') {
                    Some(alias) => Part::Alias(self.alias(alias)?),
                    None if part == "#" => Part::Position,
                    None if part.starts_with('\'') && part.ends_with('\'') && part.len() > 2 => {
                        Part::Word(part.trim_matches('\'').into())
                    }
                    None => Part::Place(self.place(part, level)?),
                });
            }
            alternatives.push(parts);
        }
        let when = match level {
            Level::Flat(_) => self.when(raw.cell(4), level)?,
            _ if raw.cell(4).is_empty() => Vec::new(),
            _ => return Err("an id row has no with and no when".to_owned()),
        };
        if !raw.cell(3).is_empty() {
            return Err("an id row has no with and no when".to_owned());
        }
        let each = match raw.cell(5) {
            "" => false,
            "each" => true,
            other => return Err(format!("unknown way {other} of an id: expected nothing or each")),
        };
        Ok(Identity { alternatives, each, rule, when })
    }
}

/// A row of a table that starts in the item of an array: its target from there on.
fn starting_within(mut row: Row, array: Option<&SmolStr>) -> Result<Row, String> {
    let Some(array) = array.filter(|_| !row.target.steps.is_empty()) else { return Ok(row) };
    if row.target.steps.first().is_none_or(|step| step.name != *array || step.at != At::PerSegment) {
        return Err(format!("expected a target that starts with {array}[$]"));
    }
    row.target.steps.remove(0);
    row.target.anchor -= 1;
    Ok(row)
}

/// A source or an identity with one role in place of another.
fn renamed(text: &str, from: &str, to: &str) -> SmolStr {
    let mut out: Vec<String> = Vec::new();
    for parts in text.split('|') {
        let named: Vec<&str> = parts.split('+').map(|part| if part == from { to } else { part }).collect();
        out.push(named.join("+"));
    }
    out.join("|").into()
}
