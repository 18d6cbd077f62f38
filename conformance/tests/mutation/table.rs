//! A table as text: its rows can be looked at and changed, every other line stays as it is.

use std::collections::BTreeMap;

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Columns of segment and datatype tables.
pub(crate) const SOURCE: usize = 0;
pub(crate) const TARGET: usize = 1;
pub(crate) const VIA: usize = 2;
pub(crate) const WITH: usize = 3;
pub(crate) const WHEN: usize = 4;
pub(crate) const WAY: usize = 5;
pub(crate) const GUIDE: usize = 6;

/// One row: where it stands, and its cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) file: String,
    /// From 0.
    pub(crate) line: usize,
    pub(crate) cells: Vec<String>,
}

impl Row {
    pub(crate) fn cell(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }

    pub(crate) fn with(&self, column: usize, text: &str) -> Self {
        let mut row = self.clone();
        text.clone_into(&mut row.cells[column]);
        row
    }

    /// Whether a message is read by it and it is no identity.
    pub(crate) fn is_plain(&self) -> bool {
        !matches!(self.cell(SOURCE), "id" | "default" | "const")
            && !self.cell(TARGET).is_empty()
            && self.cell(WAY).is_empty()
    }
}

/// All rows of the tables below a folder of the base package, in the order of files and lines.
pub(crate) fn rows(files: &Files, folder: &str) -> Vec<Row> {
    let prefix = format!("hl7v2-base/{folder}/");
    let tables = files.iter().filter(|(path, _)| path.starts_with(&prefix));
    tables
        .flat_map(|(path, bytes)| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines
                .into_iter()
                .enumerate()
                .skip(1)
                .filter(|(_, line)| !line.starts_with('#') && !line.is_empty())
                .map(move |(line, text)| Row { file: path.clone(), line, cells: cells(&text) })
        })
        .collect()
}

fn cells(line: &str) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
    reader.records().next().unwrap().unwrap().iter().map(str::to_owned).collect()
}

fn text(cells: &[String]) -> String {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(cells).unwrap();
    String::from_utf8(writer.into_inner().unwrap()).unwrap().trim_end().to_owned()
}

fn edit(files: &Files, file: &str, change: impl FnOnce(&mut Vec<String>)) -> Files {
    let mut out = files.clone();
    let mut lines: Vec<String> = String::from_utf8_lossy(&files[file]).lines().map(str::to_owned).collect();
    change(&mut lines);
    out.insert(file.to_owned(), (lines.join("\n") + "\n").into_bytes());
    out
}

/// The files with this row in the place of the one at its line.
pub(crate) fn replace(files: &Files, row: &Row) -> Files {
    edit(files, &row.file, |lines| lines[row.line] = text(&row.cells))
}

pub(crate) fn remove(files: &Files, row: &Row) -> Files {
    edit(files, &row.file, |lines| drop(lines.remove(row.line)))
}

/// The files with this row after the one at its line.
pub(crate) fn insert_after(files: &Files, row: &Row) -> Files {
    edit(files, &row.file, |lines| lines.insert(row.line + 1, text(&row.cells)))
}

pub(crate) fn insert_first(files: &Files, row: &Row) -> Files {
    edit(files, &row.file, |lines| lines.insert(2, text(&row.cells)))
}
