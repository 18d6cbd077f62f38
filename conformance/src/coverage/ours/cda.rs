//! The citations of packages for documents: templates, data types, entries and codes.
//!
//! One row of ours serves both directions. What it is for C-CDA to FHIR is its target; for FHIR to C-CDA its source.

use std::collections::BTreeSet;

use crate::lint::Files;
use crate::lint::view::{Row, View};

use super::{Cited, Ours, cited, reason, rows};

/// Tables that the guide's pages describe in words alone: what cites them is not compared.
const PAGES: [&str; 6] = ["participations", "results", "encounter", "vitals", "social", "notes"];

impl Ours {
    /// What a package, with those it extends, says of C-CDA on FHIR.
    pub(in crate::coverage) fn of_documents(view: &View, files: &Files) -> Self {
        let mut ours = Self::default();
        for level in ["templates", "datatypes", "codes", "entries"] {
            for (_, table) in view.documents(level, files) {
                match level {
                    "codes" => ours.codes(&table),
                    "entries" => table.iter().for_each(|row| ours.row(row, cited(row, row.cell("table")))),
                    _ => table.iter().for_each(|row| ours.row(row, cited(row, row.cell("target")))),
                }
            }
        }
        for package in view.chain() {
            let path = format!("{package}/coverage.csv");
            if let Some(bytes) = files.get(&path) {
                ours.reasons.extend(rows(&path, bytes).iter().map(reason));
            }
        }
        ours
    }

    fn row(&mut self, row: &Row, there: Cited) {
        for citation in citations(row) {
            let (is_back, way) = (is_back(citation), row.cell("way"));
            // What a row's function or constant makes of a code is said: `CF-TelecomType#tel@phone`.
            if let Some((code, made)) = citation.split_once('@').filter(|_| is_of_codes(citation)) {
                let made = Cited { target: made.to_owned(), dropped: None, ..there.clone() };
                self.cited.entry(code.to_owned()).or_default().push(made);
                continue;
            }
            // A map named as a whole is read by its own rows.
            let one = citation.contains('#');
            if one && ((is_back && way == ">") || (!is_back && way == "<")) {
                let place = Cited { dropped: None, ..there.clone() };
                self.astray.push((citation.to_owned(), place));
                continue;
            }
            let cited = match is_back && there.dropped.is_none() {
                true => Cited { target: row.cell("source").to_owned(), ..there.clone() },
                false => there.clone(),
            };
            match one {
                true => self.cited.entry(citation.to_owned()).or_default().push(cited),
                false => self.whole.push((citation.to_owned(), cited)),
            }
        }
    }

    /// A map is read forward by its code and backward by its target: then the first equivalent row counts, else the first.
    fn codes(&mut self, table: &[Row]) {
        let is_equivalent = |row: &&Row| matches!(row.cell("equivalence"), "" | "equivalent");
        let (equivalent, other): (Vec<&Row>, Vec<&Row>) = table.iter().partition(is_equivalent);
        let mut written = BTreeSet::new();
        for row in equivalent.into_iter().chain(other).filter(|row| row.cell("code") != "@table") {
            let (code, target) = (row.cell("code"), row.cell("target"));
            let first = written.insert((row.cell("system").to_owned(), target.to_owned()));
            for citation in citations(row) {
                match is_back(citation) {
                    // Another code is written of it: this row is read only.
                    true if !first => self.astray.push((citation.to_owned(), cited(row, code))),
                    true => self.cited.entry(format!("{citation}#{target}")).or_default().push(cited(row, code)),
                    false => self.cited.entry(format!("{citation}#{code}")).or_default().push(cited(row, target)),
                }
            }
        }
    }
}

/// Whether a row of the guide's other direction is cited.
fn is_back(citation: &str) -> bool {
    citation.starts_with("FC") || citation.starts_with("FHIR-To-CDA")
}

/// Whether a code map is cited: `CF-AddressUse`, `FC_Gender`.
fn is_of_codes(citation: &str) -> bool {
    citation
        .get(3..)
        .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_uppercase()) && citation.get(1..2) != Some("D"))
}

/// The citations of rows of tables: words such as `CF-allergy#id:2`.
fn citations(row: &Row) -> impl Iterator<Item = &str> {
    const TABLES: [&str; 6] = ["CF-", "FC-", "CF_", "FC_", "CDA-To-FHIR", "FHIR-To-CDA"];
    let of_page = |word: &str| {
        let table = word.split('#').next().unwrap_or_default();
        table.split_once('-').is_some_and(|(_, name)| PAGES.contains(&name))
    };
    // `§` names a part of a page that has no row in the page's table.
    let words = row.cell("guide").split_whitespace().filter(|word| !word.contains('§'));
    words.filter(move |word| TABLES.iter().any(|table| word.starts_with(table)) && !of_page(word))
}
