//! Files of an extract as a whole: which package and tables they are for, and what they become together.

use formats::flat::{Found, Reader, Rows};
use model::json::Json;
use model::outcome::{Issue, Severity};

use crate::package::{Package, Packages};
use crate::trace::{Explained, Loss};
use crate::types::Context;

use super::{Collected, FORMAT, Memory, Shape, Table};

/// A file of an extract.
#[derive(Clone, Copy, Debug)]
pub struct File<'f> {
    /// Its name, without folders; empty if it has none.
    pub name: &'f str,
    /// What it holds, or as much of its beginning as there is.
    pub bytes: &'f [u8],
}

/// The package that reads files, and the table each is of.
#[derive(Clone, Debug)]
pub struct Assigned<'p> {
    /// The package.
    pub package: &'p Package,
    /// For each table that has a file, the number of the file; tables above first.
    pub tables: Vec<(Table<'p>, usize)>,
}

/// What files became. Holds patient data.
#[derive(Clone, Debug)]
pub struct Converted {
    /// A transaction Bundle.
    pub bundle: Json,
    /// Findings.
    pub issues: Vec<Issue>,
    /// Where each cell went; empty unless asked for.
    pub loss: Loss,
    /// Which rule made each element; empty unless asked for.
    pub explain: Vec<Explained>,
    /// Rows that were mapped.
    pub rows: u64,
    /// Name of the package that read them.
    pub package: String,
}

/// So much of a file shows its header.
pub const HEAD_BYTES: usize = 64 << 10;

/// Finds the package for files, and the table of each: the packages named, else those whose `match` columns are all in
/// the header, the one that asks for most first. Of several tables of a package those are tried first that a file's name
/// and header fit.
///
/// # Errors
/// An issue that says why there is none.
pub fn assign<'p>(packages: &'p Packages, names: &[String], files: &[File<'_>]) -> Result<Assigned<'p>, Issue> {
    let mut best: Option<(usize, Assigned<'p>)> = None;
    let named: Vec<&Package> = names.iter().filter_map(|name| packages.named(name)).collect();
    if let Some(unknown) = names.iter().find(|name| packages.named(name).is_none()) {
        return Err(Issue::error("not-found", format!("no mapping package is named {unknown}")));
    }
    let chosen: Vec<&Package> = named.into_iter().filter(|package| package.format() == FORMAT).collect();
    if chosen.is_empty() && names.iter().any(|name| name != crate::package::BASE) {
        return Err(Issue::error("not-found", "no mapping package named reads flat files"));
    }
    for package in &chosen {
        if let Some(assigned) = tables_of(package, files, true) {
            return Ok(assigned.1);
        }
    }
    if !chosen.is_empty() {
        return Err(Issue::error("structure", UNKNOWN));
    }
    for package in packages.iter().filter(|package| package.format() == FORMAT) {
        if let Some((asked, assigned)) = tables_of(package, files, false)
            && best.as_ref().is_none_or(|(most, _)| asked > *most)
        {
            best = Some((asked, assigned));
        }
    }
    let text =
        "no mapping package is for a file with this header: name one with --package, or make one with `mappers draft`";
    best.map(|(_, assigned)| assigned).ok_or_else(|| Issue::error("not-supported", text))
}

/// The table of each file, and how many columns were asked for.
fn tables_of<'p>(package: &'p Package, files: &[File<'_>], named: bool) -> Option<(usize, Assigned<'p>)> {
    let tables = package.flat_tables();
    let mut taken: Vec<Option<usize>> = vec![None; tables.len()];
    let mut asked = 0;
    for (number, file) in files.iter().enumerate() {
        let mut best: Option<(usize, usize)> = None;
        for (at, table) in tables.iter().enumerate().filter(|(at, _)| taken.get(*at) == Some(&None)) {
            let by_name = usize::from(table.names_files() && table.takes_file(file.name));
            let by_header = header(table, file.bytes).and_then(|rows| table.fits(&rows.row(0)?));
            let fits = match by_header {
                Some(columns) => columns + 1 + by_name,
                None if named && by_name > 0 => 1,
                // The one table of a package that somebody names is meant.
                None if named && tables.len() == 1 => 1,
                None => continue,
            };
            if best.is_none_or(|(most, _)| fits > most) {
                best = Some((fits, at));
            }
        }
        let (fits, at) = best?;
        asked += fits;
        if let Some(slot) = taken.get_mut(at) {
            *slot = Some(number);
        }
    }
    let tables = tables.iter().zip(taken).filter_map(|(table, file)| Some((*table, file?))).collect();
    Some((asked, Assigned { package, tables }))
}

/// The first row of a file as a table reads it.
fn header(table: &Table<'_>, bytes: &[u8]) -> Option<Rows> {
    let mut reader = Reader::new(table.dialect().clone());
    let head = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
    reader.push(head);
    if head.len() == bytes.len() {
        reader.finish();
    }
    let mut rows = Rows::default();
    reader.read(&mut rows, 1);
    (!rows.is_empty()).then_some(rows)
}

/// A finding of the reader as an issue.
pub fn issue(found: &Found) -> Issue {
    let severity = if found.lost { Severity::Error } else { Severity::Warning };
    Issue::new(severity, "structure", found.detail.clone()).at(format!("{}", found.row)).rule(found.code)
}

impl Packages {
    /// Turns the files of an extract into one transaction Bundle, all in memory.
    ///
    /// # Errors
    /// Where no package reads them, or a file has another header than its table.
    pub fn convert_flat(
        &self,
        names: &[String],
        files: &[File<'_>],
        context: &Context<'_>,
        reports: bool,
    ) -> Result<Converted, Vec<Issue>> {
        assign(self, names, files).map_err(|issue| vec![issue])?.run(files, context, reports)
    }
}

impl Package {
    /// Like [`Packages::convert_flat`] with this package.
    ///
    /// # Errors
    /// Where a file is of none of its tables, or has another header than its table.
    pub fn convert_flat(
        &self,
        files: &[File<'_>],
        context: &Context<'_>,
        reports: bool,
    ) -> Result<Converted, Vec<Issue>> {
        let assigned = tables_of(self, files, true).ok_or_else(|| vec![Issue::error("structure", UNKNOWN)])?;
        assigned.1.run(files, context, reports)
    }
}

const UNKNOWN: &str = "expected files of the package's tables: neither names nor headers say which is which";

impl Assigned<'_> {
    fn run(self, files: &[File<'_>], context: &Context<'_>, reports: bool) -> Result<Converted, Vec<Issue>> {
        let Assigned { package, tables } = self;
        let mut issues = Vec::new();
        let mut read: Vec<(Table<'_>, Shape, Rows)> = Vec::new();
        for (table, number) in tables {
            let bytes = files.get(number).map_or(&[][..], |file| file.bytes);
            let (shape, rows) = rows(&table, bytes, &mut issues).map_err(|issue| vec![issue])?;
            read.push((table, shape, rows));
        }
        let mut memory = Memory::default();
        let wanted: Vec<usize> = Memory::wanted(package).iter().map(|table| table.number).collect();
        for (table, shape, rows) in read.iter().filter(|(table, ..)| wanted.contains(&table.number)) {
            memory.open(table, shape.clone());
            memory.add(table, rows, usize::MAX);
            issues.extend(memory.take_issues());
        }
        let mut mapper = package.flat_mapper(context, reports);
        let mut collected = Collected::default();
        let mut count = 0;
        for (table, shape, rows) in &read {
            if table.adds() {
                let orphans = memory.orphans(table);
                mapper.orphan(table.number, shape, &orphans, |unit| collected.add(&unit));
            } else {
                mapper.map(table.number, shape, rows, &memory, |unit| {
                    count += 1;
                    collected.add(&unit);
                });
            }
        }
        issues.extend(mapper.take_issues());
        let (bundle, more, loss, explain) = collected.finish();
        issues.extend(more);
        Ok(Converted { bundle, issues, loss, explain, rows: count, package: package.name().to_owned() })
    }
}

/// The rows of a file, and where it has its columns.
fn rows(table: &Table<'_>, bytes: &[u8], issues: &mut Vec<Issue>) -> Result<(Shape, Rows), Issue> {
    let mut reader = Reader::new(table.dialect().clone());
    reader.push(bytes);
    reader.finish();
    let mut head = Rows::default();
    let mut shape = None;
    if table.has_header() {
        reader.read(&mut head, 1);
        let Some(row) = head.row(0) else {
            return Err(Issue::error("structure", "expected a header, found no row").at("1"));
        };
        shape = Some(row);
    }
    let (shape, found) = table.shape(shape.as_ref())?;
    issues.extend(found);
    let mut rows = Rows::default();
    reader.read(&mut rows, usize::MAX);
    issues.extend(head.found.iter().chain(&rows.found).map(issue));
    Ok((shape, rows))
}
