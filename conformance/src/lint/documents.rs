//! What the tables of a package for documents lack: tables and code maps that nothing uses.
//!
//! The rules for messages (segments, groups, roles met in turn) say nothing here: an element is read by the table that
//! another row or `entries.csv` names for it.

use std::collections::BTreeSet;

use model::outcome::Severity;

use super::view::{Row, View, rows};
use super::{Files, Finding};

/// Whether a package reads documents made of elements.
pub(crate) fn is_one(view: &View, files: &Files) -> bool {
    view.chain().iter().any(|package| files_below(files, &format!("{package}/templates/")).next().is_some())
}

pub(super) fn findings(view: &View, files: &Files, out: &mut Vec<Finding>) {
    // The writer and functions ask for these by name.
    let mut named: BTreeSet<String> = ["CodeSystem", "AssigningAuthority"].map(str::to_owned).into();
    for package in view.chain() {
        for (path, bytes) in files_below(files, &format!("{package}/")).filter(|(path, _)| path.ends_with(".csv")) {
            for row in rows(path, bytes) {
                let via = row.cell("via").trim_start_matches(['=', ':']);
                named.extend(via.split(':').map(str::to_owned));
                named.extend(row.cell("table").split_whitespace().map(str::to_owned));
                named.extend(maps_in(&row).map(str::to_owned));
            }
        }
    }
    for (path, _) in files_below(files, &format!("{}/", view.name)) {
        let Some((level, file)) = path.split_once('/').and_then(|(_, rest)| rest.split_once('/')) else { continue };
        let text = match level {
            "codes" => "no row names this vocabulary map",
            "templates" | "datatypes" => "no row and no entry names this table",
            _ => continue,
        };
        if file.strip_suffix(".csv").is_some_and(|name| !named.contains(name)) {
            out.push(Finding::new(Severity::Error, "unused-table", path, 0, text.to_owned()));
        }
    }
}

fn files_below<'f>(files: &'f Files, prefix: &str) -> impl Iterator<Item = (&'f String, &'f Vec<u8>)> {
    let end = prefix.to_owned();
    files.range(prefix.to_owned()..).take_while(move |(path, _)| path.starts_with(&end))
}

/// The vocabulary maps that a row's conditions ask.
fn maps_in(row: &Row) -> impl Iterator<Item = &str> {
    let conditions = row.cell("when").split("code:").skip(1);
    conditions.filter_map(|rest| rest.split_once('(')).map(|(name, _)| name)
}
