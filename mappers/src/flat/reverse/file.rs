//! The lines of one file.

use std::collections::BTreeSet;

use formats::flat::{Layout, Writer};
use model::outcome::Issue;

use super::super::plan::FlatTable;
use super::super::settings::header_name;
use super::cells::Line;

/// A file that grows row by row.
pub(super) struct File<'f> {
    flat: &'f FlatTable,
    writer: Writer,
    /// Columns that the table does not have.
    others: Vec<String>,
    lines: u64,
    rows: u64,
}

impl<'f> File<'f> {
    /// A file with these columns beside those of the table, as far as its header can name them.
    pub(super) fn new(flat: &'f FlatTable, columns: &BTreeSet<String>) -> Self {
        let named = |name: &&String| flat.header && flat.column(name).is_none() && !name.starts_with('#');
        let others = columns.iter().filter(named).cloned().collect();
        Self { flat, writer: Writer::new(flat.dialect.clone()), others, lines: 0, rows: 0 }
    }

    pub(super) fn others(&self) -> &[String] {
        &self.others
    }

    /// Appends a row, before the first one the header; gives back the number of its line.
    pub(super) fn write(&mut self, line: &Line, out: &mut Vec<u8>, issues: &mut Vec<Issue>) -> u64 {
        if self.lines == 0 {
            self.head(out);
        }
        let more = self.others.iter().map(|name| line.others.get(name).map_or("", String::as_str));
        let unfit = self.writer.write(line.cells.iter().map(String::as_str).chain(more), out);
        self.lines += 1;
        self.rows += 1;
        for at in unfit {
            let column = self.flat.columns.get(at).map_or("", |column| column.name.as_str());
            let text = "the file cannot hold this text whole: it is cut, its delimiters are blanks or its letters question marks";
            let at = format!("{}:{},{column}", self.flat.name, self.lines);
            issues.push(Issue::warning("too-long", text).at(at));
        }
        self.lines
    }

    /// Appends what comes after the rows; false where there is nothing.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(line) = self.flat.write_foot.as_ref().filter(|_| self.rows > 0) else { return false };
        let besides = self.flat.dialect.envelope.as_ref().map_or(0, |lines| lines.besides);
        self.writer.line(&counted(line, besides.saturating_add(self.rows)), out);
        true
    }

    fn head(&mut self, out: &mut Vec<u8>) {
        for line in &self.flat.write_head {
            self.writer.line(line, out);
            self.lines += 1;
        }
        if self.flat.header {
            let columns = self.flat.columns.iter().map(|column| header_name(&column.name));
            self.writer.write(columns.chain(self.others.iter().map(String::as_str)), out);
            self.lines += 1;
        }
    }
}

/// The ending that files of a table have.
pub(super) fn ending(flat: &FlatTable) -> &'static str {
    match &flat.dialect.layout {
        Layout::Fixed(_) => "txt",
        Layout::Delimited { delimiter, .. } if delimiter == "\t" => "tsv",
        Layout::Delimited { delimiter, .. } if delimiter == "|" => "psv",
        Layout::Delimited { .. } => "csv",
    }
}

/// A trailer with `{count}`, or `{count:6}` for at least six digits, filled.
fn counted(line: &str, count: u64) -> String {
    let Some((before, rest)) = line.split_once("{count") else { return line.to_owned() };
    let Some((width, after)) = rest.split_once('}') else { return line.to_owned() };
    let width: usize = width.strip_prefix(':').and_then(|width| width.parse().ok()).unwrap_or(0).min(40);
    format!("{before}{count:0width$}{after}")
}
