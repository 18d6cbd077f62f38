//! What the tables say by themselves: who refers to whom, which codes lead nowhere.

use std::collections::BTreeSet;

use model::outcome::Severity;

use super::{Files, Finding};

/// A row of a table, cells by the names of its columns.
struct Row {
    line: usize,
    cells: Vec<(String, String)>,
}

impl Row {
    fn cell(&self, column: &str) -> &str {
        self.cells.iter().find(|(name, _)| name == column).map_or("", |(_, cell)| cell)
    }
}

pub(super) fn findings(names: &[String], files: &Files, bases: &Files) -> Vec<Finding> {
    let referred: BTreeSet<String> =
        files.iter().chain(bases).flat_map(|(path, bytes)| references(path, bytes)).collect();
    let mut out = Vec::new();
    for (path, bytes) in files {
        let Some((package, level, stem)) = table(path) else { continue };
        if !names.iter().any(|name| name == package) {
            continue;
        }
        // An overlay's table with the name of a base's table is the base's, changed.
        let inherited = bases.keys().any(|base| table(base).is_some_and(|(_, l, s)| (l, s) == (level, stem)));
        if level != "messages" && !inherited && !referred.contains(&format!("{level}/{stem}")) {
            out.push(Finding {
                severity: Severity::Warning,
                code: "unused-table",
                file: path.clone(),
                line: 0,
                message: format!("no row refers to this table: expected its name in {}", place(level)),
            });
        }
        if level == "codes" {
            out.extend(codes(path, bytes));
        }
    }
    out
}

fn place(level: &str) -> &'static str {
    match level {
        "segments" => "the column tables of a message table",
        "datatypes" => "the column via of a row",
        _ => "the column via of a row, after a colon",
    }
}

/// `package`, `level`, `stem` of a table's path.
fn table(path: &str) -> Option<(&str, &str, &str)> {
    let (package, rest) = path.split_once('/')?;
    let (level, file) = rest.split_once('/')?;
    let known = matches!(level, "messages" | "segments" | "datatypes" | "codes");
    known.then_some((package, level, file.strip_suffix(".csv")?))
}

/// The tables that the rows of a file refer to, as `level/stem`.
fn references(path: &str, bytes: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    let Some((_, level, _)) = table(path) else { return out };
    for row in rows(bytes) {
        match level {
            "messages" => {
                let segment = row.cell("segment");
                out.extend(row.cell("tables").split_whitespace().map(|name| format!("segments/{segment}-{name}")));
            }
            "segments" | "datatypes" => {
                let (table, map) = row.cell("via").split_once(':').unwrap_or((row.cell("via"), ""));
                // A row of a segment may use another segment's table too.
                out.push(format!("datatypes/{table}"));
                out.push(format!("segments/{table}"));
                out.push(format!("codes/{map}"));
            }
            _ => {}
        }
    }
    out
}

fn codes(path: &str, bytes: &[u8]) -> Vec<Finding> {
    let mut out = Vec::new();
    for row in rows(bytes) {
        let special = row.cell("code").starts_with('@');
        let unmatched = matches!(row.cell("equivalence"), "unmatched" | "off");
        if !special && !unmatched && row.cell("target").is_empty() {
            out.push(Finding {
                severity: Severity::Warning,
                code: "code-without-target",
                file: path.to_owned(),
                line: row.line,
                message: "expected a target, or the equivalence unmatched".to_owned(),
            });
        }
    }
    out
}

/// The rows of a table; what cannot be read is the loader's to say.
fn rows(bytes: &[u8]) -> Vec<Row> {
    let mut reader =
        csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).flexible(true).from_reader(bytes);
    let Ok(header) = reader.headers().cloned() else { return Vec::new() };
    let records = reader.records().filter_map(Result::ok);
    records
        .map(|record| Row {
            line: record.position().map_or(0, |at| usize::try_from(at.line()).unwrap_or(0)),
            cells: header.iter().zip(&record).map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect(),
        })
        .collect()
}

/// The lines of a table that hold rules, for telling which of them are used.
pub(super) fn rule_lines(path: &str, bytes: &[u8]) -> Vec<usize> {
    match table(path) {
        Some((_, "segments" | "datatypes", _)) => {
            let silent = |row: &Row| {
                let via = row.cell("via");
                matches!(row.cell("source"), "id" | "default")
                    || via == "ordinal"
                    || via.starts_with("drop:")
                    || !row.cell("way").is_empty()
            };
            rows(bytes).iter().filter(|row| !silent(row)).map(|row| row.line).collect()
        }
        _ => Vec::new(),
    }
}
