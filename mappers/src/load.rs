//! Reads the files of a package: strict, every finding with its file and line.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;
use smol_str::SmolStr;

use crate::flat::settings::{self, FlatSettings};
use crate::package::LoadError;
use crate::select::Sender;

/// Columns of segment and datatype tables.
pub(crate) const ROW_COLUMNS: &[&str] = &["source", "target", "via", "with", "when", "way", "guide"];
/// Columns of the table that says which table reads an element.
pub(crate) const ENTRY_COLUMNS: &[&str] = &["element", "template", "code", "when", "table", "guide"];
/// Columns of the table that says which resources stand in which section.
pub(crate) const SECTION_COLUMNS: &[&str] = &["code", "title", "resource", "member", "values", "guide"];
/// Columns of the table that says what is expected of a document.
const ALIAS_COLUMNS: &[&str] = &["template", "means", "guide"];
const CHECK_COLUMNS: &[&str] = &["document", "element", "path", "expect", "severity", "text", "guide"];
/// Columns of the table of what templates ask for on the way back.
const REQUIRED_COLUMNS: &[&str] = &["element", "path", "unless", "write", "guide"];
/// Columns of vocabulary maps.
pub(crate) const CODE_COLUMNS: &[&str] = &["code", "system", "target", "display", "equivalence", "guide"];
/// Columns of message tables.
const VERSION_COLUMNS: &[&str] = &["place", "since", "until", "instead", "guide"];
pub(crate) const MESSAGE_COLUMNS: &[&str] = &["group", "segment", "tables", "mode", "when", "from", "guide"];

/// `package.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) format: String,
    #[expect(dead_code, reason = "read so that a package has to say it; shown to people only")]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) extends: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "shown to people only")]
    pub(crate) licence: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "shown to people only")]
    pub(crate) sources: Vec<String>,
    /// Whose messages it is for; none: whoever names the package.
    #[serde(default, rename = "match")]
    pub(crate) matches: Vec<Sender>,
    /// Names for URLs of extensions and systems.
    #[serde(default)]
    pub(crate) names: BTreeMap<String, String>,
    /// Message tables by name, each with the types it serves.
    #[serde(default)]
    pub(crate) messages: BTreeMap<String, MessageTypes>,
    /// Of a flat extract: what its tables have in common.
    #[serde(default)]
    pub(crate) flat: Option<FlatSettings>,
    /// Of a flat extract: its tables.
    #[serde(default)]
    pub(crate) tables: BTreeMap<String, FlatSettings>,
}

/// The message types of a table; a package adds its own to those of the table it extends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageTypes {
    /// `ADT^A01` to the structure it has (`ADT_A01`).
    #[serde(default)]
    pub(crate) types: BTreeMap<String, String>,
    /// Serves every type no other table serves.
    #[serde(default)]
    pub(crate) fallback: bool,
}

/// A row as it stands in the file.
#[derive(Clone, Debug)]
pub(crate) struct RawRow {
    pub(crate) file: SmolStr,
    pub(crate) line: usize,
    pub(crate) cells: Vec<SmolStr>,
}

impl RawRow {
    /// The cell of a column, by number.
    pub(crate) fn cell(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", SmolStr::as_str)
    }

    pub(crate) fn error(&self, message: impl Into<String>) -> LoadError {
        LoadError { file: self.file.to_string(), line: self.line, message: message.into() }
    }
}

/// The tables of a package, its own rows before those it extends.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawPackage {
    pub(crate) names: BTreeMap<String, SmolStr>,
    pub(crate) messages: BTreeMap<String, MessageTypes>,
    /// By path within the package (`segments/PID-Patient`).
    pub(crate) tables: BTreeMap<String, Vec<RawRow>>,
    /// How the tables of a flat extract are written.
    pub(crate) flat: BTreeMap<String, FlatSettings>,
}

impl RawPackage {
    /// Whether its tables read documents made of elements, not messages of segments.
    pub(crate) fn is_tree(&self) -> bool {
        self.tables.keys().any(|path| path.starts_with("templates/"))
    }
}

/// Level of a file within a package.
fn columns(path: &str) -> Option<(&'static [&'static str], &[usize])> {
    if path == "versions.csv" {
        return Some((VERSION_COLUMNS, &[0]));
    }
    if path == "sections.csv" {
        return Some((SECTION_COLUMNS, &[0, 2, 3, 4]));
    }
    if path == "entries.csv" {
        return Some((ENTRY_COLUMNS, &[0, 1, 2, 3]));
    }
    if path == "aliases.csv" {
        return Some((ALIAS_COLUMNS, &[0, 1]));
    }
    if path == "checks.csv" {
        return Some((CHECK_COLUMNS, &[0, 1, 2, 3]));
    }
    if path == "required.csv" {
        return Some((REQUIRED_COLUMNS, &[0, 1, 2]));
    }
    match path.split_once('/')?.0 {
        // Several rows of a template read the same element: each by its own way.
        "templates" => Some((ROW_COLUMNS, &[0, 1, 2, 4])),
        "segments" | "datatypes" | "rows" => Some((ROW_COLUMNS, &[0, 1, 4])),
        "codes" => Some((CODE_COLUMNS, &[0])),
        "messages" => Some((MESSAGE_COLUMNS, &[0, 1, 4])),
        _ => None,
    }
}

/// Reads `package.toml`.
pub(crate) fn manifest(file: &str, bytes: &[u8]) -> Result<Manifest, LoadError> {
    let error = |line, message: String| LoadError { file: file.to_owned(), line, message };
    let text = std::str::from_utf8(bytes).map_err(|_| error(0, "expected UTF-8".to_owned()))?;
    toml::from_str(text).map_err(|problem| {
        let before = problem.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        error(before.matches('\n').count() + 1, problem.message().to_owned())
    })
}

/// Reads the tables of one package; `base` is what it extends.
pub(crate) fn tables<'f>(
    manifest: &Manifest,
    files: impl Iterator<Item = (&'f str, &'f [u8])>,
    base: Option<&RawPackage>,
    errors: &mut Vec<LoadError>,
) -> RawPackage {
    let mut package = base.cloned().unwrap_or_default();
    package.names.extend(manifest.names.iter().map(|(name, url)| (name.clone(), url.as_str().into())));
    for (name, own) in &manifest.messages {
        let table = package.messages.entry(name.clone()).or_default();
        table.types.extend(own.types.iter().map(|(kind, structure)| (kind.clone(), structure.clone())));
        table.fallback |= own.fallback;
    }
    settings::extend(&mut package.flat, manifest, errors);
    for (path, bytes) in files {
        let file: SmolStr = format!("{}/{path}", manifest.name).into();
        let Some((columns, key)) = columns(path) else { continue };
        let Some(stem) = path.strip_suffix(".csv") else {
            let message = "expected a table, a file that ends in .csv".to_owned();
            errors.push(LoadError { file: file.to_string(), line: 0, message });
            continue;
        };
        let own = rows(&file, bytes, columns, key, errors);
        let inherited = package.tables.remove(stem).unwrap_or_default();
        let merged = merge(path, own, inherited, key, errors);
        package.tables.insert(stem.to_owned(), merged);
    }
    package
}

fn rows(file: &SmolStr, bytes: &[u8], columns: &[&str], key: &[usize], errors: &mut Vec<LoadError>) -> Vec<RawRow> {
    let mut error = |line: u64, message: String| {
        errors.push(LoadError { file: file.to_string(), line: usize::try_from(line).unwrap_or(0), message });
    };
    let mut reader =
        csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).flexible(true).from_reader(bytes);
    match reader.headers() {
        Ok(header) => {
            let named: Vec<&str> = header.iter().collect();
            if named != columns {
                let unknown = named.iter().find(|name| !columns.contains(name)).copied().unwrap_or("");
                error(1, format!("unknown column {unknown:?}: expected {}", columns.join(",")));
                return Vec::new();
            }
        }
        Err(problem) => {
            error(1, problem.to_string());
            return Vec::new();
        }
    }
    let mut rows = Vec::new();
    let mut seen: HashMap<Vec<SmolStr>, u64> = HashMap::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(problem) => {
                let line = problem.position().map_or(0, csv::Position::line);
                error(line, "expected UTF-8 and balanced quotation marks".to_owned());
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != columns.len() {
            error(line, format!("expected {} cells, found {}", columns.len(), record.len()));
            continue;
        }
        let cells: Vec<SmolStr> = record.iter().map(SmolStr::new).collect();
        if cells.last().is_none_or(|guide| guide.is_empty()) {
            error(line, "expected the guide's row, or `own` for a decision of this package".to_owned());
        }
        let identity: Vec<SmolStr> = key.iter().filter_map(|column| cells.get(*column).cloned()).collect();
        if let Some(first) = seen.insert(identity, line) {
            error(line, format!("duplicate key: line {first} has the same"));
            continue;
        }
        rows.push(RawRow { file: file.clone(), line: usize::try_from(line).unwrap_or(0), cells });
    }
    rows
}

/// Own rows first; an own row takes the place of an inherited one with the same key; `off` takes it out.
fn merge(
    path: &str,
    own: Vec<RawRow>,
    inherited: Vec<RawRow>,
    key: &[usize],
    errors: &mut Vec<LoadError>,
) -> Vec<RawRow> {
    let identity = |row: &RawRow| key.iter().map(|column| SmolStr::new(row.cell(*column))).collect::<Vec<_>>();
    let off = |row: &RawRow| match path.split_once('/') {
        Some(("segments" | "datatypes" | "rows" | "templates", _)) => row.cell(5) == "off",
        Some(("codes", _)) => row.cell(4) == "off",
        None if matches!(path, "entries.csv" | "checks.csv") => row.cell(4) == "off",
        None if path == "aliases.csv" => row.cell(2) == "off",
        None => row.cell(3) == "off",
        _ => row.cell(3) == "off",
    };
    let known: HashSet<Vec<SmolStr>> = inherited.iter().map(identity).collect();
    let replaced: HashSet<Vec<SmolStr>> = own.iter().map(identity).collect();
    for row in own.iter().filter(|row| off(row)) {
        if !known.contains(&identity(row)) {
            errors.push(row.error("off takes out a row of the package this one extends: there is none with this key"));
        }
    }
    let own = own.into_iter().filter(|row| !off(row));
    let rest = inherited.into_iter().filter(|row| !replaced.contains(&identity(row)));
    if path.starts_with("messages/") { rest.chain(own).collect() } else { own.chain(rest).collect() }
}
