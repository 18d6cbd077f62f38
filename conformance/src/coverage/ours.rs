//! What a package says of the guide: the citations of its rows, and its reasons.

mod cda;

use std::collections::{BTreeMap, BTreeSet};

use crate::lint::Files;
use crate::lint::view::{Row, View, rows};

/// A row of ours that cites a row of the guide.
#[derive(Clone, Debug)]
pub(super) struct Cited {
    pub(super) file: String,
    pub(super) line: usize,
    /// The element or code it fills.
    pub(super) target: String,
    /// Why it leaves the value out, where it does.
    pub(super) dropped: Option<String>,
}

impl Cited {
    pub(super) fn at(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// A line of `coverage.csv`.
#[derive(Clone, Debug)]
pub(super) struct Reason {
    pub(super) file: String,
    pub(super) line: usize,
    /// `TABLE#ROW`, `TABLE#ROW@element`, or the beginning of one.
    pub(super) guide: String,
    /// Whether the guide's row only begins so.
    pub(super) prefix: bool,
    pub(super) text: String,
}

impl Reason {
    /// Whether it speaks of this row of the guide.
    pub(super) fn fits(&self, citation: &str, target: &str) -> bool {
        let (guide, element) = match self.guide.rsplit_once('@') {
            Some((guide, element)) if guide.contains('#') => (guide, Some(element)),
            _ => (self.guide.as_str(), None),
        };
        let named = if self.prefix && element.is_none() { citation.starts_with(guide) } else { citation == guide };
        let fits = |element: &str| match self.prefix {
            true => target.starts_with(element),
            false => target == element,
        };
        named && element.is_none_or(fits)
    }
}

/// The segments of a message table with the tables that read them.
#[derive(Clone, Debug, Default)]
pub(super) struct Served {
    pub(super) segments: BTreeMap<String, Vec<(String, Cited)>>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Ours {
    /// By `TABLE#ROW`.
    pub(super) cited: BTreeMap<String, Vec<Cited>>,
    /// Citations of a table as a whole, from message tables.
    pub(super) whole: Vec<(String, Cited)>,
    /// Citations by rows that do not go the guide's way.
    pub(super) astray: Vec<(String, Cited)>,
    pub(super) reasons: Vec<Reason>,
    /// By structure of HL7 v2: what its message table reads, and the fallback's.
    pub(super) structures: BTreeMap<String, Served>,
    pub(super) fallback: Served,
    /// Tables of the guide that each of our segment tables cites.
    pub(super) tables: BTreeMap<String, BTreeSet<String>>,
}

impl Ours {
    pub(super) fn of(view: &View, files: &Files) -> Self {
        let mut ours = Self::default();
        for (path, rows) in &view.tables {
            let Some((level, stem)) = path.split_once('/') else { continue };
            for row in rows {
                for citation in row.cell("guide").split_whitespace().filter(|citation| *citation != "own") {
                    ours.cite(level, stem, row, citation);
                }
            }
        }
        let mut tables = BTreeMap::new();
        for (stem, rows) in view.level("messages") {
            let mut served = Served::default();
            for row in rows.iter().filter(|row| row.cell("segment") != "*") {
                let list = served.segments.entry(row.cell("segment").to_owned()).or_default();
                let names = row.cell("tables").split_whitespace();
                list.extend(names.map(|name| (name.to_owned(), cited(row, name))));
            }
            tables.insert(stem.to_owned(), served);
        }
        for (name, served) in &view.served {
            let Some(table) = tables.get(name) else { continue };
            for structure in &served.structures {
                ours.structures.insert(structure.clone(), table.clone());
            }
            if served.fallback {
                ours.fallback = table.clone();
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

    fn cite(&mut self, level: &str, stem: &str, row: &Row, citation: &str) {
        let target = row.cell("target");
        let cited = cited(row, target);
        match (level, citation.split_once('#')) {
            // Codes cite their table: the row is the code's.
            ("codes", None) if row.cell("code") == "@table" => self.whole.push((citation.to_owned(), cited)),
            ("codes", None) => {
                self.cited.entry(format!("{citation}#{}", row.cell("code"))).or_default().push(cited);
            }
            (_, None) => self.whole.push((citation.to_owned(), cited)),
            (_, Some((table, _))) => {
                self.tables.entry(stem.to_owned()).or_default().insert(table.to_owned());
                self.cited.entry(citation.to_owned()).or_default().push(cited);
            }
        }
    }
}

fn cited(row: &Row, target: &str) -> Cited {
    let dropped = row.cell("via").strip_prefix("drop:").map(|why| why.trim().to_owned());
    Cited { file: row.file.clone(), line: row.line, target: target.to_owned(), dropped }
}

fn reason(row: &Row) -> Reason {
    let guide = row.cell("guide");
    Reason {
        file: row.file.clone(),
        line: row.line,
        guide: guide.trim_end_matches('*').to_owned(),
        prefix: guide.ends_with('*'),
        text: row.cell("reason").to_owned(),
    }
}
