//! Which rows of a guide a mapping package implements, which it leaves out and why, and which are open.
//!
//! A package for messages is compared with HL7 v2-to-FHIR, one for documents with C-CDA on FHIR in both directions.
//! Rows of packages name the guide's row they come from (column `guide`); `coverage.csv` of the package gives the reason
//! for those it leaves out. A citation of a row that the guide does not have is an error: a slip must not count.

mod guide;
mod judge;
mod ours;
mod page;

use std::path::{Path, PathBuf};

use model::json::Json;

pub use guide::{Book, Guide, GuideRow, Level};

use crate::lint::view::View;
use crate::lint::{self, Files};

/// Why the guide could not be read. Fault of the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoverageError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What became of a row of the guide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// A row of the package does what it says.
    Implemented {
        /// `package/file:line` of the package's rows.
        at: Vec<String>,
    },
    /// A row of the package is made of it, with another target.
    OtherTarget {
        /// `package/file:line` of the package's rows.
        at: Vec<String>,
        /// The targets of these.
        targets: Vec<String>,
    },
    /// The package leaves it out and says why.
    Reasoned {
        /// Why.
        reason: String,
        /// `package/file:line`.
        at: String,
    },
    /// Nothing is known of it.
    Open,
    /// The guide itself has no target for it.
    NoTarget,
}

impl Status {
    /// The word for it in reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Implemented { .. } => "implemented",
            Self::OtherTarget { .. } => "other target",
            Self::Reasoned { .. } => "reasoned",
            Self::Open => "open",
            Self::NoTarget => "no target in the guide",
        }
    }
}

/// How many rows there are of each status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All rows.
    pub rows: usize,
    /// Implemented.
    pub implemented: usize,
    /// Implemented with another target.
    pub other: usize,
    /// Left out with a reason.
    pub reasoned: usize,
    /// Open.
    pub open: usize,
    /// Without a target in the guide.
    pub none: usize,
}

impl Counts {
    fn add(&mut self, status: &Status) {
        self.rows += 1;
        *match status {
            Status::Implemented { .. } => &mut self.implemented,
            Status::OtherTarget { .. } => &mut self.other,
            Status::Reasoned { .. } => &mut self.reasoned,
            Status::Open => &mut self.open,
            Status::NoTarget => &mut self.none,
        } += 1;
    }

    fn to_json(self) -> Json {
        let number = |n: usize| Json::from(n as u64);
        Json::object([
            ("rows", number(self.rows)),
            ("implemented", number(self.implemented)),
            ("otherTarget", number(self.other)),
            ("reasoned", number(self.reasoned)),
            ("open", number(self.open)),
            ("noTarget", number(self.none)),
        ])
    }
}

/// A citation or reason that cannot be right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// `package/file`.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What was expected.
    pub message: String,
}

impl Mistake {
    /// One line for a person.
    pub fn to_line(&self) -> String {
        format!("{}:{}: {}", self.file, self.line, self.message)
    }
}

/// What a package does with the guide.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// Which guide.
    pub book: Book,
    /// Every row of the guide, in its order.
    pub rows: Vec<(GuideRow, Status)>,
    /// Citations and reasons that cannot be right.
    pub mistakes: Vec<Mistake>,
    /// Files of the package that cite each table of the guide.
    sources: std::collections::BTreeMap<String, std::collections::BTreeSet<String>>,
}

/// Compares a package, with those it extends, with the guide in `reference`.
///
/// # Errors
/// [`CoverageError`] where the guide cannot be read.
pub fn coverage(reference: &Path, package: &str, files: &Files) -> Result<Coverage, CoverageError> {
    let guide = match lint::documents::is_one(&View::of(package, files), files) {
        true => Guide::read_cda(reference)?,
        false => Guide::read(reference)?,
    };
    Ok(compare(&guide, package, files))
}

/// Like [`coverage`], with a guide that is at hand.
pub fn compare(guide: &Guide, package: &str, files: &Files) -> Coverage {
    let view = View::of(package, files);
    let ours = match guide.book {
        Book::Hl7v2 => ours::Ours::of(&view, files),
        Book::Cda => ours::Ours::of_documents(&view, files),
    };
    judge::judge(guide, &view, &ours)
}

impl Coverage {
    /// The same, of the tables of these segments, data types, vocabularies or structures alone; all if none is named.
    #[must_use]
    pub fn only(mut self, names: &[String]) -> Self {
        if !names.is_empty() {
            self.rows.retain(|(row, _)| names.iter().any(|name| *name == row.source() || *name == row.table));
        }
        self
    }

    /// How many rows of a level there are of each status.
    pub fn counts(&self, level: Level) -> Counts {
        let mut counts = Counts::default();
        self.rows.iter().filter(|(row, _)| row.level == level).for_each(|(_, status)| counts.add(status));
        counts
    }

    /// How many rows of all levels there are of each status.
    pub fn total(&self) -> Counts {
        let mut counts = Counts::default();
        self.rows.iter().for_each(|(_, status)| counts.add(status));
        counts
    }

    /// The counts of each table, in the guide's order.
    pub fn tables(&self) -> Vec<(Level, &str, Counts)> {
        let mut out: Vec<(Level, &str, Counts)> = Vec::new();
        for (row, status) in &self.rows {
            match out.last_mut() {
                Some((_, table, counts)) if *table == row.table => counts.add(status),
                _ => {
                    let mut counts = Counts::default();
                    counts.add(status);
                    out.push((row.level, &row.table, counts));
                }
            }
        }
        out
    }

    /// Whether no row is open and nothing is wrong.
    pub fn is_complete(&self) -> bool {
        self.mistakes.is_empty() && !self.rows.iter().any(|(_, status)| *status == Status::Open)
    }

    /// `{"levels": {…}, "tables": [{…}], "rows": [{"guide", "target", "status", "at"?, "reason"?}], "mistakes": […]}`
    pub fn to_json(&self) -> Json {
        let texts = |texts: &[String]| Json::array(texts.iter().map(|text| Json::from(text.as_str())));
        let rows = self.rows.iter().map(|(row, status)| {
            let mut members = vec![
                ("guide", Json::from(row.citation())),
                ("target", Json::from(row.target.as_str())),
                ("status", Json::from(status.as_str())),
            ];
            match status {
                Status::Implemented { at } => members.push(("at", texts(at))),
                Status::OtherTarget { at, targets } => {
                    members.extend([("at", texts(at)), ("targets", texts(targets))]);
                }
                Status::Reasoned { reason, at } => {
                    members.extend([("reason", Json::from(reason.as_str())), ("at", texts(std::slice::from_ref(at)))]);
                }
                Status::Open | Status::NoTarget => {}
            }
            Json::object(members)
        });
        let tables = self.tables().into_iter().map(|(level, table, counts)| {
            Json::object([
                ("level", Json::from(level.as_str())),
                ("table", Json::from(table)),
                ("counts", counts.to_json()),
            ])
        });
        let levels = self.book.levels().iter().map(|level| (level.as_str(), self.counts(*level).to_json()));
        Json::object([
            ("levels", Json::object(levels)),
            ("total", self.total().to_json()),
            ("tables", Json::array(tables)),
            ("rows", Json::array(rows)),
            ("mistakes", Json::array(self.mistakes.iter().map(|mistake| Json::from(mistake.to_line())))),
        ])
    }

    /// The totals, a line a level.
    pub fn to_lines(&self) -> Vec<String> {
        let line = |name: &str, counts: Counts| {
            format!(
                "{name:<12} rows {:>5}  implemented {:>5}  other target {:>4}  reasoned {:>5}  open {:>5}  no target {:>5}",
                counts.rows, counts.implemented, counts.other, counts.reasoned, counts.open, counts.none
            )
        };
        let mut out: Vec<String> =
            self.book.levels().iter().map(|level| line(level.as_str(), self.counts(*level))).collect();
        out.push(line("all", self.total()));
        out
    }

    /// Each row with what became of it, a line a row; `open` alone, or all.
    pub fn row_lines(&self, all: AllRows) -> Vec<String> {
        let shown = |status: &Status| match all {
            AllRows::Shown => true,
            AllRows::OpenOnly => *status == Status::Open,
        };
        let rows = self.rows.iter().filter(|(_, status)| shown(status));
        rows.map(|(row, status)| {
            let detail = match status {
                Status::Implemented { at } => at.join(" "),
                Status::OtherTarget { at, targets } => format!("{} {}", targets.join(" "), at.join(" ")),
                Status::Reasoned { reason, .. } => reason.clone(),
                Status::Open | Status::NoTarget => String::new(),
            };
            format!("{} -> {}: {} {detail}", row.citation(), row.target, status.as_str()).trim_end().to_owned()
        })
        .collect()
    }

    /// The page for people: counts, our files and our reasons.
    pub fn to_markdown(&self) -> String {
        page::page(self)
    }
}

/// Which rows are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllRows {
    /// Every row.
    Shown,
    /// Those that are open.
    OpenOnly,
}

#[cfg(test)]
mod tests;
