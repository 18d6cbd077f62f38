//! Flat extracts: the rows of a file to FHIR and back, by packages of the same tables as every other format.
//!
//! A row of the file is the unit: it is mapped with the rows above it that it belongs to (`parent`) and those below that
//! add to its resources, and nothing is held of the others. So a file of any length takes the memory of a few rows, and
//! rows may be mapped on several threads: the same row gives the same resources wherever and whenever it is mapped.

mod collected;
mod draft;
mod eval;
mod expect;
mod memory;
mod numeral;
mod pattern;
pub(crate) mod plan;
mod reverse;
pub(crate) mod settings;
mod shape;
mod whole;

use formats::flat::{Dialect, Row, Rows};
use model::outcome::Issue;

pub use collected::Collected;
pub use draft::{Draft, DraftError, draft};
pub use eval::Resource;
pub use expect::cases;
pub(crate) use expect::expectations;
pub use memory::Memory;
pub use reverse::{FlatName, Held, Piece, Pool, Rendered, RenderedFlat, kept_columns, references};
pub use shape::Shape;
pub use whole::{Assigned, Converted, File, HEAD_BYTES, assign, issue};

use crate::package::Package;
use crate::quick::trim;
use crate::trace::{Account, Explained, Loss};
use crate::types::Context;

use eval::{End, Eval, Event, Line, Made};
use plan::{FlatTable, Plan};

/// Format of packages for flat extracts.
pub const FORMAT: &str = "flat";

/// A table of a package.
#[derive(Clone, Copy, Debug)]
pub struct Table<'p> {
    /// Its number within the package.
    pub number: usize,
    flat: &'p FlatTable,
}

/// Finds the rows of tables that others are joined with.
pub trait Joined: Sync {
    /// Adds the rows of a table that are known by a key: their own, or that of the rows whose resources they add to.
    fn find(&self, table: usize, key: &str, rows: &mut Rows);

    /// Where the file of a table has its columns; none if there is no file.
    fn shape(&self, table: usize) -> Option<&Shape>;
}

/// For files whose tables are not joined.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Joined for Alone {
    fn find(&self, _: usize, _: &str, _: &mut Rows) {}

    fn shape(&self, _: usize) -> Option<&Shape> {
        None
    }
}

impl Package {
    /// The tables of a package for flat extracts, those above first; none for other formats.
    pub fn flat_tables(&self) -> Vec<Table<'_>> {
        let plan = &self.compiled().flat;
        let mut tables: Vec<Table<'_>> =
            plan.tables.iter().enumerate().map(|(number, flat)| Table { number, flat }).collect();
        tables.sort_by_key(|table| plan.ancestors(table.number).len());
        tables
    }

    /// What runs the rows of a flat extract; `reports` asks for where each cell went.
    pub fn flat_mapper<'a>(&'a self, context: &'a Context<'a>, reports: bool) -> Mapper<'a> {
        let account = if reports { Account::Full } else { Account::Counts };
        Mapper { package: self, eval: Eval::new(self.compiled(), context, account) }
    }
}

impl<'p> Table<'p> {
    /// Its name.
    pub fn name(&self) -> &'p str {
        &self.flat.name
    }

    /// How its files are written.
    pub fn dialect(&self) -> &'p Dialect {
        &self.flat.dialect
    }

    /// Whether the first row of its files names the columns.
    pub fn has_header(&self) -> bool {
        self.flat.header
    }

    /// The names of its columns.
    pub fn columns(&self) -> impl Iterator<Item = &'p str> {
        self.flat.columns.iter().map(|column| column.name.as_str())
    }

    /// The table its rows belong to.
    pub fn parent(&self) -> Option<usize> {
        self.flat.parent
    }

    /// Whether its rows add to the resources of the parent's row, so that they are needed before it is mapped.
    pub fn adds(&self) -> bool {
        self.flat.adds
    }

    /// Whether a file of this name is one of the table's; also if the package names no files.
    pub fn takes_file(&self, name: &str) -> bool {
        self.flat.file.is_empty() || self.flat.file.iter().any(|pattern| like(pattern, name))
    }

    /// Whether the package says how files of the table are called.
    pub fn names_files(&self) -> bool {
        !self.flat.file.is_empty()
    }

    /// How many columns that the package asks for in a header are there, if all are.
    pub fn fits(&self, header: &Row<'_>) -> Option<usize> {
        let has = |number: &u32| header.cells().any(|cell| self.flat.column(cell.trim()) == Some(*number));
        let asked = &self.flat.matches;
        (self.flat.header && !asked.is_empty() && asked.iter().all(has)).then_some(asked.len())
    }

    /// Where a file has the columns, by its header or, without one, by the table; with what is odd about the header.
    ///
    /// # Errors
    /// Where the row is no header of this table: fewer than half of the columns it must have are in it.
    pub fn shape(&self, header: Option<&Row<'_>>) -> Result<(Shape, Vec<Issue>), Issue> {
        let Some(header) = header else { return Ok((Shape::plain(self.flat), Vec::new())) };
        let mut issues = Vec::new();
        let shape = Shape::of_header(self.flat, header, &mut issues);
        let asked = self.flat.columns.iter().filter(|column| !column.optional).count();
        if shape.columns().count() * 2 < asked {
            // The names are not quoted: without a header this would be a row.
            let text = format!("expected a header with the columns of the table {}", self.flat.name);
            return Err(Issue::error("structure", text).at(format!("{}", header.number())));
        }
        Ok((shape, issues))
    }

    /// What names a row for the rows of other tables; `None` where a part of it is empty.
    pub fn key(&self, shape: &Shape, row: &Row<'_>) -> Option<String> {
        key(&self.flat.key, shape, row)
    }

    /// Says that an earlier row of the table has the key of this one.
    pub fn key_taken(&self, row: u64) -> Issue {
        let text = "an earlier row has this key: rows of other tables belong to that one";
        Issue::warning("duplicate", text).at(self.key_place(&self.flat.key, row))
    }

    /// Says that a row has no key by which rows of other tables could belong to it.
    pub fn key_missing(&self, row: u64) -> Issue {
        let text = "expected a key: no row of another table can belong to this one";
        Issue::warning("required", text).at(self.key_place(&self.flat.key, row))
    }

    /// Table, row and the first column of a key.
    fn key_place(&self, key: &[u32], row: u64) -> String {
        key_place(self.flat, key, row)
    }

    /// What names the row of the parent that a row belongs to.
    pub fn parent_key(&self, shape: &Shape, row: &Row<'_>) -> Option<String> {
        key(&self.flat.on, shape, row)
    }
}

fn key_place(flat: &FlatTable, key: &[u32], row: u64) -> String {
    let column = key.first().and_then(|column| flat.spec(*column)).map_or("", |column| column.name.as_str());
    format!("{}:{row},{column}", flat.name)
}

/// Says that a row belongs to none of the table above: it names none, or one that is not there.
fn alone(plan: &Plan, flat: &FlatTable, parent: &FlatTable, row: u64, named: bool) -> Issue {
    let at = key_place(flat, &flat.on, row);
    let at = if plan.tables.len() > 1 { at } else { row.to_string() };
    if named {
        Issue::warning("not-found", format!("no row of {} has the key of this row", parent.name)).at(at)
    } else {
        let text = format!("expected the key of the row of {} that this row belongs to", parent.name);
        Issue::warning("required", text).at(at)
    }
}

fn key(columns: &[u32], shape: &Shape, row: &Row<'_>) -> Option<String> {
    let mut out = String::new();
    for column in columns {
        let text = trim(row.cell(shape.position(*column)?));
        if text.is_empty() {
            return None;
        }
        if !out.is_empty() {
            out.push('\u{1f}');
        }
        out.push_str(text);
    }
    (!out.is_empty()).then_some(out)
}

/// Whether a text is like a pattern in which `*` stands for any text; without case.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => (rest, last) = (after, Some(part)),
            None => return false,
        }
    }
    match last {
        None => rest.is_empty(),
        Some(part) => rest.is_empty() || text.ends_with(part),
    }
}

/// What a row became. Holds patient data.
#[derive(Debug)]
pub struct Unit<'u> {
    /// Number of the row in its file.
    pub row: u64,
    /// Its resources, each after those it refers to.
    pub resources: &'u [Resource],
    events: &'u [Event],
    made: &'u [Made],
    mapper: &'u Package,
}

impl Unit<'_> {
    /// Where each cell went; empty unless asked for.
    pub fn loss(&self) -> Loss {
        let mut loss = Loss::default();
        for Event { at, end } in self.events {
            let at = at.to_string();
            match end {
                End::Mapped(to) => loss.mapped.push((at, to.clone())),
                End::Kept(to) => loss.kept.push((at, to.clone())),
                End::Dropped(why) => loss.dropped.push((at, why.to_string())),
            }
        }
        loss
    }

    /// Which rule made each element; empty unless asked for.
    pub fn explain(&self) -> Vec<Explained> {
        let compiled = self.mapper.compiled();
        let explained = |made: &Made| Explained {
            to: made.to.clone(),
            from: made.from.iter().map(ToString::to_string).collect(),
            rule: compiled.rule(made.rule),
        };
        self.made.iter().map(explained).collect()
    }
}

/// Runs the rows of a package's tables; one for each thread.
pub struct Mapper<'a> {
    package: &'a Package,
    eval: Eval<'a>,
}

impl std::fmt::Debug for Mapper<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Mapper").field("package", &self.package.name()).finish_non_exhaustive()
    }
}

impl Mapper<'_> {
    /// Maps rows of a table one after the other. Never fails: what is wrong with a row is an issue that names it.
    pub fn map(
        &mut self,
        table: usize,
        shape: &Shape,
        rows: &Rows,
        joined: &dyn Joined,
        mut take: impl FnMut(Unit<'_>),
    ) {
        let plan = &self.package.compiled().flat;
        let Some(flat) = plan.tables.get(table) else { return };
        let below: Vec<usize> = (0..plan.tables.len())
            .filter(|number| plan.tables.get(*number).is_some_and(|other| other.adds && other.parent == Some(table)))
            .collect();
        let ancestors = plan.ancestors(table);
        // Rows of a table often follow those of the same row above.
        let mut last: Option<Above> = None;
        for row in rows.iter() {
            if row.len() != shape.width && !(row.len() < shape.width && !flat.header && flat.columns.len() > row.len())
            {
                let text = format!("expected {} cells, found {}", shape.width, row.len());
                self.eval.issues.push(Issue::warning("structure", text).at(plan.place_of(table, row.number())));
            }
            if flat.parent.is_some() {
                let wanted = key(&flat.on, shape, &row);
                if last.as_ref().is_none_or(|(known, _)| *known != wanted) {
                    let found = self.above(&ancestors, wanted.as_deref(), joined);
                    last = Some((wanted, found));
                }
                let missing = last.as_ref().is_none_or(|(_, found)| found.is_empty());
                let parent = ancestors.first().filter(|parent| missing && joined.shape(**parent).is_some());
                if let Some(parent) = parent.and_then(|parent| plan.tables.get(*parent)) {
                    let named = last.as_ref().is_some_and(|(key, _)| key.is_some());
                    self.eval.issues.push(alone(plan, flat, parent, row.number(), named));
                }
            }
            let mut under: Vec<(usize, Rows)> = Vec::new();
            if !below.is_empty()
                && let Some(own) = key(&flat.key, shape, &row)
            {
                for number in &below {
                    let mut found = Rows::default();
                    joined.find(*number, &own, &mut found);
                    if !found.is_empty() {
                        under.push((*number, found));
                    }
                }
            }
            let above = last.as_ref().map_or(&[][..], |(_, found)| found.as_slice());
            let above: Vec<Line<'_>> = lines(above, joined);
            let under: Vec<Line<'_>> = lines(&under, joined);
            let line = Line { table, shape, cells: row.clone() };
            self.eval.unit(&line, &above, &under);
            take(Unit {
                row: row.number(),
                resources: &self.eval.resources,
                events: &self.eval.events,
                made: &self.eval.made,
                mapper: self.package,
            });
            self.eval.events.clear();
            self.eval.made.clear();
        }
    }

    /// Rows that no row above takes up are mapped by themselves: kept, with an issue for each.
    pub fn orphan(&mut self, table: usize, shape: &Shape, rows: &Rows, mut take: impl FnMut(Unit<'_>)) {
        let plan = &self.package.compiled().flat;
        let Some(flat) = plan.tables.get(table) else { return };
        let parent = flat.parent.and_then(|parent| plan.tables.get(parent));
        for row in rows.iter() {
            let named = key(&flat.on, shape, &row).is_some();
            self.eval.issues.extend(parent.map(|parent| alone(plan, flat, parent, row.number(), named)));
            self.eval.unit(&Line { table, shape, cells: row.clone() }, &[], &[]);
            take(Unit {
                row: row.number(),
                resources: &self.eval.resources,
                events: &self.eval.events,
                made: &self.eval.made,
                mapper: self.package,
            });
            self.eval.events.clear();
            self.eval.made.clear();
        }
    }

    /// The rows above one, the nearest first.
    fn above(&self, ancestors: &[usize], key: Option<&str>, joined: &dyn Joined) -> Vec<(usize, Rows)> {
        let plan = &self.package.compiled().flat;
        let mut out: Vec<(usize, Rows)> = Vec::new();
        let mut key = key.map(str::to_owned);
        for number in ancestors {
            let (Some(wanted), Some(shape), Some(flat)) = (&key, joined.shape(*number), plan.tables.get(*number))
            else {
                break;
            };
            let mut found = Rows::default();
            joined.find(*number, wanted, &mut found);
            let Some(row) = found.row(0) else { break };
            key = self::key(&flat.on, shape, &row);
            out.push((*number, found));
        }
        out
    }

    /// What was found so far, and forgets it.
    pub fn take_issues(&mut self) -> Vec<Issue> {
        std::mem::take(&mut self.eval.issues)
    }

    /// Cells with a value so far, and how many of them were mapped, kept and dropped.
    pub fn counts(&self) -> [usize; 4] {
        self.eval.counts
    }
}

/// The key of a row above, and the rows that were found by it: of each table, the nearest first.
type Above = (Option<String>, Vec<(usize, Rows)>);

/// The rows of tables with the shapes of their files.
fn lines<'r>(found: &'r [(usize, Rows)], joined: &'r dyn Joined) -> Vec<Line<'r>> {
    let mut out = Vec::new();
    for (table, rows) in found {
        if let Some(shape) = joined.shape(*table) {
            out.extend(rows.iter().map(|cells| Line { table: *table, shape, cells }));
        }
    }
    out
}

#[cfg(test)]
mod tests;
