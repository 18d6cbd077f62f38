//! FHIR to flat files, by the same rows run backwards.
//!
//! A row of a file is written for each resource of the role that the table is about; the other roles are found by the
//! references that the table's own rows set. What no row reads back comes from the extensions the way here has left.

use std::collections::{BTreeMap, HashMap, HashSet};

use formats::flat::Writer;
use model::json::{Json, Object};
use model::outcome::Issue;
use smol_str::SmolStr;

use crate::compile::Compiled;
use crate::function::unescaped;
use crate::map::{AliasId, Place, Row, Source, Table, Via, Way};
use crate::package::Package;
use crate::path::{At, Step};

use super::eval::{KEPT, TABLE_SYSTEM};
use super::plan::{COMPOSITE, FlatRole, FlatTable};
use super::settings::header_name;

mod text;
mod walk;

use walk::{Walk, any_at, chosen, each_at, says};

/// A file made of resources. Holds patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Name of the table.
    pub table: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// Its rows, without the header.
    pub rows: usize,
}

/// What a way back gives. Holds patient data.
#[derive(Clone, Debug, Default)]
pub struct RenderedFlat {
    /// A file for each table of the package that has rows.
    pub files: Vec<Rendered>,
    /// Findings.
    pub issues: Vec<Issue>,
    /// `Type/id` of resources that no row was written of.
    pub unused: Vec<String>,
}

impl Package {
    /// Writes resources, or those of Bundles, as the files of this package's tables.
    pub fn render_flat(&self, resources: &[Json]) -> RenderedFlat {
        let compiled = self.compiled();
        let mut all: Vec<&Json> = Vec::new();
        let mut index = HashMap::new();
        for resource in resources {
            if resource.text_at(&["resourceType"]) == Some("Bundle") {
                for entry in model::bundle::entries(resource) {
                    if let (Some(url), Some(_)) = (entry.full_url(), entry.resource()) {
                        index.insert(url.to_owned(), all.len());
                    }
                    all.extend(entry.resource());
                }
            } else {
                all.push(resource);
            }
        }
        for (number, resource) in all.iter().enumerate() {
            if let (Some(kind), Some(id)) = (resource.text_at(&["resourceType"]), resource.text_at(&["id"])) {
                index.insert(format!("{kind}/{id}"), number);
            }
        }
        let mut referring: HashMap<(usize, &str), Vec<usize>> = HashMap::new();
        for (number, resource) in all.iter().enumerate() {
            let kind = resource.text_at(&["resourceType"]).unwrap_or_default();
            references(resource, &mut |to| {
                if let Some(to) = index.get(to) {
                    let list = referring.entry((*to, kind)).or_default();
                    if list.last() != Some(&number) {
                        list.push(number);
                    }
                }
            });
        }
        let mut back = Reverse {
            compiled,
            all: &all,
            index: &index,
            referring: &referring,
            used: vec![false; all.len()],
            issues: Vec::new(),
        };
        let mut files = Vec::new();
        for (number, flat) in compiled.flat.tables.iter().enumerate() {
            let rows = if flat.adds { back.items(flat) } else { back.table(flat) };
            if !rows.is_empty() {
                files.push(back.write(number, flat, &rows));
            }
        }
        let unused = all.iter().zip(&back.used).filter(|(_, used)| !**used).map(|(resource, _)| {
            let text = |name| resource.text_at(&[name]).unwrap_or("?");
            format!("{}/{}", text("resourceType"), text("id"))
        });
        RenderedFlat { files, unused: unused.collect(), issues: back.issues }
    }
}

/// Every reference of a resource.
fn references<'r>(json: &'r Json, take: &mut impl FnMut(&'r str)) {
    match json {
        Json::Object(object) => {
            for (name, value) in object.iter() {
                match value {
                    Json::String(text) if name == "reference" => take(text),
                    _ => references(value, take),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| references(item, take)),
        _ => {}
    }
}

/// The cells of a row: by number of the column, and those of columns the table does not have.
#[derive(Clone, Debug, Default)]
struct Line {
    cells: Vec<String>,
    others: BTreeMap<String, String>,
}

impl Line {
    fn new(flat: &FlatTable) -> Self {
        Self { cells: vec![String::new(); flat.columns.len()], others: BTreeMap::new() }
    }

    fn get(&self, column: u32) -> &str {
        (column as usize).checked_sub(1).and_then(|at| self.cells.get(at)).map_or("", String::as_str)
    }

    /// Fills an empty cell; a comparator takes its number. Gives back whether the cell now says it.
    fn set(&mut self, column: u32, text: &str) -> bool {
        let Some(cell) = (column as usize).checked_sub(1).and_then(|at| self.cells.get_mut(at)) else { return false };
        if cell.is_empty() {
            text.clone_into(cell);
        } else if matches!(cell.as_str(), "<" | "<=" | ">" | ">=") {
            cell.push_str(text);
        }
        cell.as_str() == text
    }
}

/// Items of arrays that were written, by role and path.
type Taken = HashSet<(AliasId, String, usize)>;

struct Reverse<'a> {
    compiled: &'a Compiled,
    all: &'a [&'a Json],
    index: &'a HashMap<String, usize>,
    referring: &'a HashMap<(usize, &'a str), Vec<usize>>,
    used: Vec<bool>,
    issues: Vec<Issue>,
}

/// A resource for each role.
type Bound = HashMap<AliasId, usize>;

impl<'a> Reverse<'a> {
    fn object(&self, number: usize) -> Option<&'a Object> {
        self.all.get(number)?.as_object()
    }

    fn kind(&self, number: usize) -> &'a str {
        self.all.get(number).and_then(|resource| resource.text_at(&["resourceType"])).unwrap_or_default()
    }

    /// The rows of a table that makes resources of its own.
    fn table(&mut self, flat: &'a FlatTable) -> Vec<Line> {
        let mut out = Vec::new();
        let Some(main) = flat.roles.get(flat.main) else { return out };
        for number in 0..self.all.len() {
            let kept = self.kept_row(flat, number);
            if let Some(line) = kept {
                self.mark(number);
                out.push(line);
                continue;
            }
            let Some(table) = self.compiled.tables.get(main.table) else { continue };
            if self.kind(number) != table.root || !self.fits(table, number) {
                continue;
            }
            let bound = self.bind(flat, main.alias, number);
            let mut line = Line::new(flat);
            for role in &flat.roles {
                let (Some(own), Some(table)) = (bound.get(&role.alias), self.compiled.tables.get(role.table)) else {
                    continue;
                };
                self.mark(*own);
                self.fill(flat, table, *own, None, &mut line);
            }
            for number in bound.values() {
                self.kept_cells(flat, *number, &mut line);
            }
            self.parent_key(flat, &bound, &mut line);
            out.push(line);
        }
        out
    }

    /// The rows of a table that adds to its parent's resources: one for each item of an array.
    fn items(&mut self, flat: &'a FlatTable) -> Vec<Line> {
        let mut out = Vec::new();
        for (place, role) in flat.roles.iter().enumerate() {
            let Some(table) = self.compiled.tables.get(role.table) else { continue };
            let array = table.rows.iter().find_map(|row| {
                let first = row.target.steps.first()?;
                matches!(first.at, At::PerSegment | At::Append).then(|| first.name.clone())
            });
            let Some(array) = array else { continue };
            for number in 0..self.all.len() {
                if let Some(line) = self.kept_row(flat, number).filter(|_| place == 0) {
                    self.mark(number);
                    out.push(line);
                    continue;
                }
                if self.kind(number) != table.root {
                    continue;
                }
                let items = self.object(number).and_then(|object| object.get(&array)).and_then(Json::as_array);
                for at in 0..items.map_or(0, <[Json]>::len) {
                    let mut line = Line::new(flat);
                    self.fill(flat, table, number, Some((&array, at)), &mut line);
                    if let Some(item) = items.and_then(|items| items.get(at)) {
                        kept_beside(flat, item, &mut line);
                    }
                    if line.cells.iter().all(String::is_empty) {
                        continue;
                    }
                    self.parent_key(flat, &Bound::from([(role.alias, number)]), &mut line);
                    out.push(line);
                }
            }
        }
        out
    }

    fn mark(&mut self, number: usize) {
        if let Some(slot) = self.used.get_mut(number) {
            *slot = true;
        }
    }

    /// Whether a resource has the constants that every resource of a table has.
    fn fits(&self, table: &Table, number: usize) -> bool {
        let Some(object) = self.object(number) else { return false };
        let constants = table.rows.iter().filter(|row| {
            matches!((&row.source, &row.via), (Source::Constant, Via::Literal(_)))
                && row.when.is_empty()
                && row.way == Way::Both
        });
        constants.into_iter().all(|row| match &row.via {
            Via::Literal(wanted) => any_at(object, &row.target.steps, &|json| says(json, wanted)),
            _ => true,
        })
    }

    /// Finds a resource for each role, from the one the row is about along the references that the rows set.
    fn bind(&self, flat: &FlatTable, main: AliasId, number: usize) -> Bound {
        let mut bound = Bound::from([(main, number)]);
        let above = flat.parent.map(|_| self.compiled.flat.ancestors_of(flat)).unwrap_or_default();
        let roles: Vec<_> = flat.roles.iter().chain(above.iter().flat_map(|table| &table.roles)).collect();
        loop {
            let before = bound.len();
            for role in &roles {
                let Some(table) = self.compiled.tables.get(role.table) else { continue };
                for row in &table.rows {
                    let (Source::Alias(to) | Source::Each(to)) = &row.source else { continue };
                    match (bound.get(&role.alias).copied(), bound.get(to).copied()) {
                        (Some(own), None) => {
                            let found = self.follow(own, &row.target.steps).into_iter().find(|found| {
                                self.kind(*found) == self.compiled.alias_type(*to)
                                    && self.fits_role(&roles, *to, *found)
                            });
                            found.map(|found| bound.insert(*to, found));
                        }
                        (None, Some(target)) => {
                            let list = self.referring.get(&(target, table.root.as_str()));
                            let taken: Vec<usize> = bound.values().copied().collect();
                            let found = list.into_iter().flatten().copied().find(|found| {
                                !taken.contains(found)
                                    && self.follow(*found, &row.target.steps).contains(&target)
                                    && self.fits(table, *found)
                                    && (table.rows.iter().any(is_constant) || flat.roles.len() == 2)
                            });
                            found.map(|found| bound.insert(role.alias, found));
                        }
                        _ => {}
                    }
                }
            }
            if bound.len() == before {
                return bound;
            }
        }
    }

    fn fits_role(&self, roles: &[&FlatRole], alias: AliasId, number: usize) -> bool {
        let table = roles.iter().find(|role| role.alias == alias).and_then(|role| self.compiled.tables.get(role.table));
        table.is_none_or(|table| self.fits(table, number))
    }

    /// The resources that references at a path lead to.
    fn follow(&self, number: usize, steps: &[Step]) -> Vec<usize> {
        let mut out = Vec::new();
        let Some(object) = self.object(number) else { return out };
        each_at(object, steps, &mut |json| {
            let text = json.text_at(&["reference"]).unwrap_or_default();
            out.extend(self.index.get(text).copied());
            false
        });
        out
    }

    /// Fills the cells of a row from a resource; of an array the item that is given, where rows speak of one.
    fn fill(
        &mut self,
        flat: &'a FlatTable,
        table: &'a Table,
        number: usize,
        item: Option<(&SmolStr, usize)>,
        line: &mut Line,
    ) {
        let Some(object) = self.object(number) else { return };
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
    fn kept_row(&self, flat: &FlatTable, number: usize) -> Option<Line> {
        let resource = self.all.get(number)?;
        let code = resource.at(&["code", "coding", "0"]).filter(|_| self.kind(number) == "Basic")?;
        let own = code.text_at(&["system"]) == Some(TABLE_SYSTEM) && code.text_at(&["code"]) == Some(&flat.name);
        own.then(|| {
            let mut line = Line::new(flat);
            self.kept_cells(flat, number, &mut line);
            line
        })
    }

    /// Cells that no row reads.
    fn kept_cells(&self, flat: &FlatTable, number: usize, line: &mut Line) {
        if let Some(resource) = self.all.get(number) {
            kept_beside(flat, resource, line);
        }
    }

    /// The columns that name the row of the parent, as the parent's own row is named.
    fn parent_key(&mut self, flat: &FlatTable, bound: &Bound, line: &mut Line) {
        let Some(parent) = flat.parent.and_then(|parent| self.compiled.flat.tables.get(parent)) else { return };
        let mut above = Line::new(parent);
        for role in &parent.roles {
            let (Some(own), Some(table)) = (bound.get(&role.alias), self.compiled.tables.get(role.table)) else {
                continue;
            };
            self.fill(parent, table, *own, None, &mut above);
            self.kept_cells(parent, *own, &mut above);
        }
        for (on, key) in flat.on.iter().zip(&parent.key) {
            line.set(*on, above.get(*key));
        }
    }

    fn write(&mut self, _: usize, flat: &FlatTable, rows: &[Line]) -> Rendered {
        let mut writer = Writer::new(flat.dialect.clone());
        let mut bytes = Vec::new();
        let names: std::collections::BTreeSet<&str> =
            rows.iter().flat_map(|line| line.others.keys().map(String::as_str)).collect();
        for line in &flat.write_head {
            writer.line(line, &mut bytes);
        }
        let others: Vec<&str> = if flat.header { names.into_iter().collect() } else { Vec::new() };
        if flat.header {
            let columns = flat.columns.iter().map(|column| header_name(&column.name));
            writer.write(columns.chain(others.iter().copied()), &mut bytes);
        }
        for (number, line) in rows.iter().enumerate() {
            let more = others.iter().map(|name| line.others.get(*name).map_or("", String::as_str));
            let unfit = writer.write(line.cells.iter().map(String::as_str).chain(more), &mut bytes);
            for at in unfit {
                let column = flat.columns.get(at).map_or("", |column| column.name.as_str());
                let row = number + 1 + usize::from(flat.header) + flat.write_head.len();
                let text = "the file cannot hold this text whole: it is cut, its delimiters are blanks or its letters question marks";
                self.issues.push(Issue::warning("too-long", text).at(format!("{}:{row},{column}", flat.name)));
            }
        }
        if let Some(line) = &flat.write_foot {
            let besides = flat.dialect.envelope.as_ref().map_or(0, |lines| lines.besides);
            let count = besides.saturating_add(rows.len() as u64);
            writer.line(&counted(line, count), &mut bytes);
        }
        Rendered { table: flat.name.to_string(), bytes, rows: rows.len() }
    }
}

/// Cells that no row reads, in the extensions of a resource or an element.
fn kept_beside(flat: &FlatTable, element: &Json, line: &mut Line) {
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

/// A trailer with `{count}`, or `{count:6}` for at least six digits, filled.
fn counted(line: &str, count: u64) -> String {
    let Some((before, rest)) = line.split_once("{count") else { return line.to_owned() };
    let Some((width, after)) = rest.split_once('}') else { return line.to_owned() };
    let width: usize = width.strip_prefix(':').and_then(|width| width.parse().ok()).unwrap_or(0).min(40);
    format!("{before}{count:0width$}{after}")
}

fn is_constant(row: &Row) -> bool {
    matches!((&row.source, &row.via), (Source::Constant, Via::Literal(_))) && row.when.is_empty()
}
