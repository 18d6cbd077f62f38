//! The rows of a guide, as its tables lie in a folder: identifiers, target elements and codes only.
//!
//! Here those of the HL7 v2-to-FHIR guide; [`cda`] reads those of C-CDA on FHIR.

mod cda;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::CoverageError;

/// The guides that packages are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Book {
    /// HL7 v2-to-FHIR, hl7.fhir.uv.v2mappings 1.0.0.
    #[default]
    Hl7v2,
    /// C-CDA on FHIR, hl7.fhir.us.ccda 2.0.0: both directions.
    Cda,
}

impl Book {
    /// The kinds of tables it has, from the message or document down.
    pub fn levels(self) -> &'static [Level] {
        match self {
            Self::Hl7v2 => &[Level::Messages, Level::Segments, Level::Datatypes, Level::Codes],
            Self::Cda => &[Level::ToFhir, Level::FromFhir, Level::Datatypes, Level::Codes],
        }
    }
}

/// Which way a row of a guide goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To FHIR.
    There,
    /// From FHIR.
    Back,
}

/// The kinds of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Segments of a message structure to resources.
    Messages,
    /// Fields of a segment to elements of a resource.
    Segments,
    /// Elements of a C-CDA template to elements of a resource.
    ToFhir,
    /// Elements of a resource to elements of a C-CDA template.
    FromFhir,
    /// Components of a data type to an element.
    Datatypes,
    /// Codes to codes.
    Codes,
}

impl Level {
    /// The word for it in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Segments => "segments",
            Self::ToFhir => "ccda-to-fhir",
            Self::FromFhir => "fhir-to-ccda",
            Self::Datatypes => "datatypes",
            Self::Codes => "codesystems",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A row of the guide.
#[derive(Clone, Debug)]
pub struct GuideRow {
    /// Kind of its table.
    pub level: Level,
    /// Its table: `PID[Patient]`, `AdministrativeSex`, `ADT_A01`.
    pub table: String,
    /// What it is about: `PID-5`, `CX.4`, a code, `PROCEDURE.PR1`.
    pub row: String,
    /// Line in its file.
    pub line: usize,
    /// The element or code it becomes; empty where the guide names none.
    pub target: String,
    /// The URL of an extension the row sets.
    pub url: String,
    /// The tables that go on with it: `CX[Identifier]`, `PID[Patient]`.
    pub maps: Vec<String>,
    /// Which way it goes.
    pub(super) way: Way,
}

impl GuideRow {
    /// `PID[Patient]#PID-5`.
    pub fn citation(&self) -> String {
        format!("{}#{}", self.table, self.row)
    }

    /// The segment, data type or structure of its table.
    pub fn source(&self) -> &str {
        self.table.split_once('[').map_or(self.table.as_str(), |(source, _)| source)
    }

    /// The segment of a message row.
    pub(super) fn segment(&self) -> &str {
        self.row.rsplit(['.', ':']).next().unwrap_or_default()
    }
}

/// The guide.
#[derive(Clone, Debug, Default)]
pub struct Guide {
    /// All rows, in the order of their files.
    pub rows: Vec<GuideRow>,
    /// `TABLE#ROW` of each.
    pub(super) known: BTreeSet<String>,
    /// Kind of each table.
    pub(super) tables: BTreeMap<String, Level>,
    /// Which guide it is.
    pub book: Book,
}

impl Guide {
    /// Reads the tables of a folder: `messages`, `segments`, `datatypes`, `codesystems`, here or under `v2-to-fhir`.
    ///
    /// # Errors
    /// [`CoverageError::Read`] where a folder or file cannot be read.
    pub fn read(folder: &Path) -> Result<Self, CoverageError> {
        let nested = folder.join("v2-to-fhir");
        let folder = if nested.is_dir() { nested } else { folder.to_owned() };
        let mut guide = Self::default();
        for level in guide.book.levels() {
            for file in files(&folder.join(level.as_str()), "csv")? {
                guide.table(*level, &file.stem, &file.text);
            }
        }
        Ok(guide)
    }

    /// Adds one table; `stem` is its file's name: `PID__Patient`.
    pub fn table(&mut self, level: Level, stem: &str, text: &str) {
        let name = match stem.split_once("__") {
            Some((source, target)) => format!("{source}[{target}]"),
            None => stem.to_owned(),
        };
        self.tables.insert(name.clone(), level);
        let mut records = records(text).into_iter();
        let (Some(_), Some(header)) = (records.next(), records.next()) else { return };
        let columns = Columns::of(level, &header);
        for record in records.filter(filled) {
            let row = columns.row(level, &name, &record);
            self.known.insert(row.citation());
            self.rows.push(row);
        }
    }
}

/// The records of a table, its head among them; what cannot be read as one is passed over.
fn records(text: &str) -> Vec<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    reader.records().filter_map(Result::ok).collect()
}

fn filled(record: &csv::StringRecord) -> bool {
    record.iter().any(|cell| !cell.is_empty())
}

/// A file of a guide.
struct File {
    stem: String,
    text: String,
}

/// The files of a folder with this extension, in the order of their names.
fn files(folder: &Path, extension: &str) -> Result<Vec<File>, CoverageError> {
    let read = |source| CoverageError::Read { path: folder.to_owned(), source };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        paths.push(entry.map_err(read)?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    let mut out = Vec::new();
    for path in paths {
        let read = |source| CoverageError::Read { path: path.clone(), source };
        let text = String::from_utf8_lossy(&std::fs::read(&path).map_err(read)?).into_owned();
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        out.push(File { stem, text });
    }
    Ok(out)
}

/// Where the cells of a table stand: the guide's tables differ in their columns.
struct Columns {
    order: usize,
    identifier: usize,
    syntax: usize,
    target: usize,
    extension: usize,
    maps: usize,
    assignment: usize,
}

impl Columns {
    fn of(level: Level, header: &csv::StringRecord) -> Self {
        const NONE: usize = usize::MAX;
        let nth = |name: &str, n: usize| {
            let found = header.iter().enumerate().filter(|(_, cell)| cell.starts_with(name)).nth(n);
            found.map_or(NONE, |(column, _)| column)
        };
        match level {
            Level::Messages => Self {
                order: 0,
                identifier: nth("Identifier", 0),
                syntax: nth("Syntax", 0),
                target: nth("Primary Target", 0),
                extension: NONE,
                maps: nth("Segment Map", 0),
                assignment: NONE,
            },
            Level::Codes => Self {
                order: NONE,
                identifier: 0,
                syntax: NONE,
                target: nth("Code", 2),
                extension: NONE,
                maps: NONE,
                assignment: NONE,
            },
            Level::Segments | Level::Datatypes | Level::ToFhir | Level::FromFhir => {
                let target = nth("FHIR Attribute", 0);
                Self {
                    order: 0,
                    identifier: nth("Identifier", 0),
                    syntax: NONE,
                    target,
                    extension: target.saturating_add(1),
                    maps: nth("Data Type Mapping", 0),
                    assignment: nth("Assignment", 0),
                }
            }
        }
    }

    fn row(&self, level: Level, table: &str, record: &csv::StringRecord) -> GuideRow {
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let source = table.split_once('[').map_or(table, |(source, _)| source);
        let assignment = cell(self.assignment).trim_matches('"');
        let row = match level {
            Level::Messages => {
                let row = cell(self.identifier);
                let bare = row.strip_prefix('/').unwrap_or(row);
                // The prefix is the structure's, or another's by a slip.
                bare.split_once(['.', ':']).map_or(bare, |(_, rest)| rest).to_owned()
            }
            Level::Codes => match cell(self.identifier) {
                "" => "-".to_owned(),
                code => code.to_owned(),
            },
            Level::Segments | Level::Datatypes | Level::ToFhir | Level::FromFhir => {
                key(level, source, cell(self.identifier), cell(self.order))
            }
        };
        let syntax: String = cell(self.syntax).chars().filter(char::is_ascii_alphanumeric).collect();
        let target = match (level, cell(self.target), cell(self.extension)) {
            // A group's begin and end are no rows of a segment.
            (Level::Messages, _, _) if syntax.is_empty() => "",
            // A target without a code of HL7 v2 is nothing to map.
            (Level::Codes, _, _) if row == "-" => "",
            (_, "", extension) => extension,
            (_, target, _) => target,
        };
        GuideRow {
            level,
            table: table.to_owned(),
            row,
            line: record.position().map_or(0, |at| usize::try_from(at.line()).unwrap_or(0)),
            target: target.split_whitespace().collect::<Vec<_>>().join(" "),
            url: if assignment.starts_with("http") { assignment.to_owned() } else { String::new() },
            maps: cell(self.maps).split([' ', '\n', ';', ',']).filter(|m| !m.is_empty()).map(str::to_owned).collect(),
            way: Way::There,
        }
    }
}

/// The identifier of a row; where a table names the segment alone, the number in its order tells the field.
fn key(level: Level, source: &str, identifier: &str, order: &str) -> String {
    let mark = if level == Level::Segments { '-' } else { '.' };
    let numbered = identifier.strip_prefix(source).is_some_and(|rest| rest.is_empty());
    if identifier.is_empty() || numbered {
        let field = order.parse::<u32>().unwrap_or(0);
        return if field == 0 { source.to_owned() } else { format!("{source}{mark}{field}") };
    }
    let (head, rest) = match identifier.split_once(['-', '.']) {
        Some(parts) => parts,
        None => return identifier.to_owned(),
    };
    // Data types are sometimes written as fields, or under the name of the type they came from.
    if level == Level::Datatypes { format!("{source}{mark}{rest}") } else { format!("{head}-{rest}") }
}
