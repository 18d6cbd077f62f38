//! A package drafted from a sample of a file: what can be guessed is written down and marked, what cannot is left to be
//! kept as it stands.
//!
//! No cell of the sample goes into the package, except codes: short words of columns in which few of them come again and
//! again, and which by their name hold nothing that says who a person is.

use std::collections::BTreeMap;

use formats::flat::{Dialect, Layout, Rows};

use super::numeral::Numeral;
use super::settings::{folded, header_name};

mod column;
mod look;
mod words;
mod write;

use column::{Column, Kind};
use look::{look, read};
use words::Field;
use write::{has_results, has_shots, immunization, manifest, observation, patient, profile, readme};

/// What a draft consists of.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The files of the package by their paths within it.
    pub files: BTreeMap<String, String>,
    /// What the file looks like, column by column, for a person; holds no cells.
    pub profile: String,
}

/// The sample cannot be drafted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// Nothing in it.
    #[error("expected at least one row")]
    Empty,
    /// The name is no name of a package.
    #[error("expected a name of small letters, digits and -")]
    Name,
}

/// So many rows are looked at.
const ROWS: usize = 2000;

/// What was seen in a sample.
struct Sample<'s> {
    header: bool,
    columns: &'s [Column],
    /// How numbers may be written, where not plainly; the likeliest first.
    numerals: &'s [(&'static str, Numeral)],
}

/// Drafts a package of this name from the beginning of a file.
///
/// # Errors
/// Where there is no row, or the name is none.
pub fn draft(name: &str, sample: &[u8]) -> Result<Draft, DraftError> {
    let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !named {
        return Err(DraftError::Name);
    }
    let look = look(sample);
    let rows = read(&look.dialect, sample);
    let Some(first) = rows.row(0) else { return Err(DraftError::Empty) };
    let width = first.len();
    let cells = |from: usize| -> Vec<Vec<&str>> {
        (0..width).map(|at| rows.iter().skip(from).map(|row| row.cell(at).trim()).collect()).collect()
    };
    let numerals = numerals(&cells(1), &look.dialect);
    let numeral = numerals.first().map(|(_, numeral)| *numeral);
    let header = is_header(&rows, &cells(1), numeral);
    let body = cells(usize::from(header));
    let mut columns: Vec<Column> = Vec::new();
    for (at, cells) in body.iter().enumerate() {
        let name = first.cell(at).trim();
        let name = if header && !name.is_empty() { name.to_owned() } else { format!("column{}", at + 1) };
        columns.push(Column::of(name, header, cells, numeral));
    }
    for at in 0..columns.len() {
        let Some(name) = columns.get(at).map(|column| folded(&column.name)) else { continue };
        let before = columns.iter().take(at).filter(|other| folded(header_name(&other.name)) == name).count();
        if let Some(column) = columns.get_mut(at).filter(|_| before > 0) {
            // As the package calls a name that comes again.
            column.name = format!("{}#{}", column.name, before + 1);
            column.field = None;
        }
    }
    once(&mut columns);
    let names: Vec<String> = columns.iter().map(|column| folded(&column.name)).collect();
    for (at, column) in columns.iter_mut().enumerate().filter(|(_, column)| column.is_odd()) {
        let alias = ["c", "col", "x"].map(|head| format!("{head}{}", at + 1)).into_iter();
        column.alias = alias.clone().find(|alias| !names.contains(alias)).or(alias.last());
    }
    let sample = Sample { header, columns: &columns, numerals: &numerals };
    let mut files = BTreeMap::new();
    files.insert("package.toml".to_owned(), manifest(name, &look, &sample));
    files.insert("rows/rows-Patient.csv".to_owned(), patient(&columns));
    if has_shots(&columns) {
        files.insert("rows/rows-Immunization.csv".to_owned(), immunization(&columns));
    } else if has_results(&columns) {
        files.insert("rows/rows-Observation.csv".to_owned(), observation(&columns));
    }
    let results = has_results(&columns) && !has_shots(&columns);
    for column in columns.iter().filter(|column| results || column.field == Some(Field::Sex)) {
        if let Some((map, text)) = column.map() {
            files.insert(format!("codes/{map}.csv"), text);
        }
    }
    files.insert("README.md".to_owned(), readme(name));
    let profile = profile(&look.dialect, rows.len().saturating_sub(usize::from(header)), &sample);
    Ok(Draft { files, profile })
}

/// How numbers may be written. Where a file's cells are not divided by commas, a comma is for decimals sooner than for groups.
fn numerals(columns: &[Vec<&str>], dialect: &Dialect) -> Vec<(&'static str, Numeral)> {
    let mut found = column::numerals(columns);
    if matches!(&dialect.layout, Layout::Delimited { delimiter, .. } if delimiter == ",") {
        found.sort_by_key(|(text, _)| !text.contains('.') || text.ends_with(",5"));
    }
    found
}

/// Whether the first row names the columns: it has names that are known, or none of the numbers and dates that others have.
fn is_header(rows: &Rows, body: &[Vec<&str>], numeral: Option<Numeral>) -> bool {
    let Some(first) = rows.row(0) else { return false };
    let cells: Vec<&str> = first.cells().map(str::trim).collect();
    let known = cells.iter().filter(|cell| Field::of(cell).is_some()).count();
    let of = |cells: &[&str]| Kind::of(cells.iter().copied(), numeral);
    let plain = cells.iter().all(|cell| matches!(of(&[*cell]), Kind::Text)) && rows.len() > 1;
    let distinct = cells.iter().enumerate().all(|(at, cell)| !cells.iter().take(at).any(|other| other == cell));
    let others = body.iter().any(|column| !matches!(of(column), Kind::Text | Kind::Empty));
    known >= 2 || (plain && (distinct || (others && known > 0)))
}

/// A field that two columns seem to be is the first one's.
fn once(columns: &mut [Column]) {
    let mut seen: Vec<Field> = Vec::new();
    for column in columns {
        if let Some(field) = column.field {
            let misfit = field.is_date() && !matches!(column.kind, Kind::Date(_) | Kind::Empty);
            if misfit || (seen.contains(&field) && !field.repeats()) {
                column.field = None;
            } else {
                seen.push(field);
            }
        }
    }
}

#[cfg(test)]
mod tests;
