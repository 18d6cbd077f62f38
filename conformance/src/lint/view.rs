//! A package as its author sees it: the rows of its tables with file and line, those it inherits after its own.

use std::collections::BTreeMap;

use super::Files;

/// A row of a table, cells by the names of its columns.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// `package/file`.
    pub(crate) file: String,
    pub(crate) line: usize,
    cells: Vec<(String, String)>,
}

impl Row {
    /// The cell of a column; empty where the table has no such column.
    pub(crate) fn cell(&self, column: &str) -> &str {
        self.cells.iter().find(|(name, _)| name == column).map_or("", |(_, cell)| cell)
    }

    /// Whether the row is of this package and not of one it extends.
    pub(super) fn is_of(&self, package: &str) -> bool {
        self.file.split('/').next() == Some(package)
    }

    /// Whether a message is read by it.
    pub(super) fn is_forward(&self) -> bool {
        !matches!(self.cell("way"), "<" | "foreign" | "off")
    }
}

/// The message types of a message table, with the line each stands in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Served {
    pub(crate) file: String,
    pub(crate) types: Vec<(String, usize)>,
    /// The structures of these.
    pub(crate) structures: Vec<String>,
    pub(crate) fallback: bool,
}

/// A package with what it inherits.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) name: String,
    /// It and the packages it extends.
    chain: Vec<String>,
    /// By level and stem: `segments/PID-Patient`.
    pub(crate) tables: BTreeMap<String, Vec<Row>>,
    /// By name of the message table.
    pub(crate) served: BTreeMap<String, Served>,
    /// Names for URLs, with file and line.
    pub(crate) names: BTreeMap<String, (String, String, usize)>,
}

impl View {
    /// The package of this name out of all files; what cannot be read is the loader's to say.
    pub(crate) fn of(name: &str, files: &Files) -> Self {
        let mut chain = vec![name.to_owned()];
        while let Some(base) =
            chain.last().and_then(|name| files.get(&format!("{name}/package.toml"))).and_then(|b| extends(b))
        {
            if chain.contains(&base) {
                break;
            }
            chain.push(base);
        }
        let mut view = Self { name: name.to_owned(), chain, ..Self::default() };
        for package in view.chain.clone().iter().rev() {
            if let Some(manifest) = files.get(&format!("{package}/package.toml")) {
                view.manifest(package, manifest);
            }
            let prefix = format!("{package}/");
            for (path, bytes) in files.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix)) {
                if let Some((_, level, stem)) = table(path) {
                    let inherited = view.tables.remove(&format!("{level}/{stem}")).unwrap_or_default();
                    view.tables.insert(format!("{level}/{stem}"), merged(level, rows(path, bytes), inherited));
                }
            }
        }
        view
    }

    fn manifest(&mut self, package: &str, bytes: &[u8]) {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let file = format!("{package}/package.toml");
        let mut section = String::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.clone_into(&mut section);
                if let Some(table) = section.strip_prefix("messages.") {
                    let table = table.trim_end_matches(".types").to_owned();
                    let served = self.served.entry(table).or_default();
                    if served.file != file {
                        *served = Served { file: file.clone(), ..Served::default() };
                    }
                }
                continue;
            }
            let Some((key, value)) = text.split_once('=').filter(|_| !text.starts_with('#')) else { continue };
            let (key, value) = (unquoted(key), unquoted(value));
            if section == "names" {
                self.names.insert(key, (value, file.clone(), line));
            } else if let Some(table) = section.strip_prefix("messages.") {
                match (table.strip_suffix(".types"), key.as_str()) {
                    (Some(table), _) => {
                        if let Some(served) = self.served.get_mut(table) {
                            served.types.push((key, line));
                            served.structures.push(value);
                        }
                    }
                    (None, "fallback") => {
                        if let Some(served) = self.served.get_mut(table) {
                            served.fallback = value == "true";
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// The names of the package and of those it extends.
    pub(crate) fn chain(&self) -> &[String] {
        &self.chain
    }

    /// The tables of a level, by stem.
    pub(crate) fn level<'v>(&'v self, level: &'v str) -> impl Iterator<Item = (&'v str, &'v [Row])> {
        self.tables.iter().filter_map(move |(path, rows)| {
            let stem = path.strip_prefix(level)?.strip_prefix('/')?;
            Some((stem, rows.as_slice()))
        })
    }

    /// The tables of a level of a package for documents, by stem; `entries` is a table by itself.
    pub(crate) fn documents(&self, level: &str, files: &Files) -> BTreeMap<String, Vec<Row>> {
        let mut out: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for package in self.chain.iter().rev() {
            let prefix = format!("{package}/{level}");
            for (path, bytes) in files.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix)) {
                let Some(stem) = path.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".csv")) else {
                    continue;
                };
                let inherited = out.remove(stem).unwrap_or_default();
                out.insert(stem.to_owned(), merged(level, rows(path, bytes), inherited));
            }
        }
        out
    }

    /// A URL by its name, or as it stands.
    pub(crate) fn url(&self, name: &str) -> Option<String> {
        if name.contains(':') {
            return Some(name.to_owned());
        }
        self.names.get(name.strip_prefix('$').unwrap_or(name)).map(|(url, _, _)| url.clone())
    }
}

fn unquoted(text: &str) -> String {
    text.trim().trim_matches('"').to_owned()
}

/// The value of `extends` in a manifest; the loader reads it properly, here it only says where to look.
pub(super) fn extends(manifest: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(manifest).ok()?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("extends"))?;
    Some(line.trim_start().strip_prefix('=')?.trim().trim_matches('"').to_owned())
}

/// `package`, `level`, `stem` of a table's path.
pub(super) fn table(path: &str) -> Option<(&str, &str, &str)> {
    let (package, rest) = path.split_once('/')?;
    let (level, file) = rest.split_once('/')?;
    let known = matches!(level, "messages" | "segments" | "datatypes" | "rows" | "codes");
    known.then_some((package, level, file.strip_suffix(".csv")?))
}

/// As the loader does it: own rows first, each in the place of an inherited one with its key, `off` takes one out.
fn merged(level: &str, own: Vec<Row>, inherited: Vec<Row>) -> Vec<Row> {
    let key = |row: &Row| -> Vec<String> {
        let columns: &[&str] = match level {
            "codes" => &["code"],
            "messages" => &["group", "segment", "when"],
            "entries" => &["element", "template", "code", "when"],
            _ => &["source", "target", "when"],
        };
        columns.iter().map(|column| row.cell(column).to_owned()).collect()
    };
    let off = |row: &Row| match level {
        "codes" => row.cell("equivalence") == "off",
        "messages" => row.cell("mode") == "off",
        _ => row.cell("way") == "off",
    };
    let replaced: Vec<_> = own.iter().map(key).collect();
    let rest = inherited.into_iter().filter(|row| !replaced.contains(&key(row)));
    let own = own.into_iter().filter(|row| !off(row));
    if level == "messages" { rest.chain(own).collect() } else { own.chain(rest).collect() }
}

/// The rows of a table; what cannot be read is the loader's to say.
pub(crate) fn rows(file: &str, bytes: &[u8]) -> Vec<Row> {
    let mut reader =
        csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).flexible(true).from_reader(bytes);
    let Ok(header) = reader.headers().cloned() else { return Vec::new() };
    let records = reader.records().filter_map(Result::ok);
    records
        .map(|record| Row {
            file: file.to_owned(),
            line: record.position().map_or(0, |at| usize::try_from(at.line()).unwrap_or(0)),
            cells: header.iter().zip(&record).map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect(),
        })
        .collect()
}
