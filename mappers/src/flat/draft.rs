//! A package drafted from a sample of a file: what can be guessed is written down and marked, what cannot is left to be
//! kept as it stands.
//!
//! No cell of the sample goes into the package, except codes: short words of columns in which few of them come again and
//! again, and which by their name hold nothing that says who a person is.

use std::collections::BTreeMap;
use std::fmt::Write;

use formats::flat::{Charset, Dialect, Layout, Reader, Rows, Span};

use super::pattern::{PIVOT, Pattern};
use super::settings::folded;

mod words;

use words::Field;

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

/// Drafts a package of this name from the beginning of a file.
///
/// # Errors
/// Where there is no row, or the name is none.
pub fn draft(name: &str, sample: &[u8]) -> Result<Draft, DraftError> {
    let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !named {
        return Err(DraftError::Name);
    }
    let (dialect, sure) = dialect(sample);
    let rows = read(&dialect, sample);
    let Some(first) = rows.row(0) else { return Err(DraftError::Empty) };
    let header = is_header(&rows);
    let columns: Vec<Column> = (0..first.len())
        .map(|at| {
            let name = first.cell(at).trim();
            let name = if header && !name.is_empty() { name.to_owned() } else { format!("column{}", at + 1) };
            Column::of(name, header, rows.iter().skip(usize::from(header)).map(|row| row.cell(at).trim().to_owned()))
        })
        .collect();
    let mut columns = columns;
    for at in 0..columns.len() {
        let twice = columns
            .iter()
            .take(at)
            .any(|other| columns.get(at).is_some_and(|column| folded(&column.name) == folded(&other.name)));
        if let Some(column) = columns.get_mut(at).filter(|_| twice) {
            column.name = format!("{}{}", column.name, at + 1);
            column.field = None;
        }
    }
    once(&mut columns);
    let mut files = BTreeMap::new();
    files.insert("package.toml".to_owned(), manifest(name, &dialect, sure, header, &columns));
    files.insert("rows/rows-Patient.csv".to_owned(), patient(&columns));
    if has_results(&columns) {
        files.insert("rows/rows-Observation.csv".to_owned(), observation(&columns));
    }
    for column in &columns {
        if let Some((map, text)) = column.map() {
            files.insert(format!("codes/{map}.csv"), text);
        }
    }
    files.insert("README.md".to_owned(), readme(name));
    let profile = profile(&dialect, header, rows.len().saturating_sub(usize::from(header)), &columns);
    Ok(Draft { files, profile })
}

fn read(dialect: &Dialect, sample: &[u8]) -> Rows {
    let mut reader = Reader::new(dialect.clone());
    reader.push(sample);
    reader.finish();
    let mut rows = Rows::default();
    reader.read(&mut rows, ROWS);
    rows
}

/// Delimiters in the order in which they win where several fit alike.
const DELIMITERS: [&str; 9] = ["\t", ";", "|", ",", "^", "~", "\u{1f}", "||", ":"];

/// How the file is written, and whether every row agrees.
fn dialect(sample: &[u8]) -> (Dialect, bool) {
    let charset = Some(Charset::guess(sample)).filter(|charset| *charset != Charset::UTF_8);
    let mut best: Option<(usize, usize, Dialect)> = None;
    for delimiter in DELIMITERS {
        let quote = (delimiter.len() == 1).then_some(b'"');
        let layout = Layout::Delimited { delimiter: delimiter.to_owned(), quote, escape: None };
        let dialect = Dialect { layout, charset, ..Dialect::default() };
        let rows = read(&dialect, sample);
        let width = rows.row(0).map_or(0, |row| row.len());
        let agree = rows.iter().filter(|row| row.len() == width).count();
        if width < 2 || agree * 10 < rows.len() * 9 {
            continue;
        }
        let share = agree * 1000 / rows.len().max(1);
        if best.as_ref().is_none_or(|(most, columns, _)| (share, width) > (*most, *columns)) {
            best = Some((share, width, dialect));
        }
    }
    if let Some((share, _, dialect)) = best {
        return (dialect, share == 1000);
    }
    let plain = Dialect {
        layout: Layout::Delimited { delimiter: "\u{1f}".to_owned(), quote: None, escape: None },
        charset,
        ..Dialect::default()
    };
    let spans = spans(&read(&plain, sample));
    if spans.len() > 1 {
        return (Dialect { layout: Layout::Fixed(spans), charset, ..Dialect::default() }, false);
    }
    (Dialect { charset, ..Dialect::default() }, false)
}

/// Columns of fixed width: runs of places that are not blank in every line.
fn spans(lines: &Rows) -> Vec<Span> {
    let width = lines.iter().map(|row| row.cell(0).chars().count()).max().unwrap_or(0).min(4096);
    let mut filled = vec![false; width];
    for row in lines.iter() {
        for (slot, c) in filled.iter_mut().zip(row.cell(0).chars()) {
            *slot |= !c.is_whitespace();
        }
    }
    let mut out: Vec<Span> = Vec::new();
    let mut start = None;
    for (at, here) in filled.iter().copied().chain([false]).enumerate() {
        match (here, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                out.push(Span { start: from, length: at - from });
                start = None;
            }
            _ => {}
        }
    }
    // What lies between two columns belongs to the first: texts may be longer in other files.
    let starts: Vec<usize> = out.iter().map(|span| span.start).collect();
    for (span, next) in out.iter_mut().zip(starts.iter().skip(1)) {
        span.length = next - span.start;
    }
    out
}

/// Whether the first row names the columns: it has no numbers and dates where others do, or names that are known.
fn is_header(rows: &Rows) -> bool {
    let Some(first) = rows.row(0) else { return false };
    let cells: Vec<&str> = first.cells().map(str::trim).collect();
    let plain = |text: &&str| !text.is_empty() && Kind::of(std::iter::once(*text)) == Kind::Text;
    let distinct = cells.iter().enumerate().all(|(at, cell)| !cells.iter().take(at).any(|other| other == cell));
    let known = cells.iter().filter(|cell| Field::of(cell).is_some()).count();
    known >= 2 || (distinct && rows.len() > 1 && cells.iter().all(plain))
}

/// What the cells of a column look like.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Empty,
    Integer,
    Decimal,
    /// By which patterns; more than one where they cannot be told apart.
    Date(Vec<&'static str>),
    Text,
}

/// Ways to write dates, the most usual first.
const DATES: [&str; 20] = [
    "iso",
    "hl7",
    "MM/dd/yyyy",
    "dd/MM/yyyy",
    "M/d/yyyy",
    "d/M/yyyy",
    "dd.MM.yyyy",
    "d.M.yyyy",
    "dd-MM-yyyy",
    "MM-dd-yyyy",
    "dd-MMM-yyyy",
    "dd MMM yyyy",
    "MM/dd/yy",
    "MM/dd/yyyy HH:mm",
    "dd/MM/yyyy HH:mm",
    "MM/dd/yyyy HH:mm:ss",
    "dd.MM.yyyy HH:mm",
    "dd.MM.yyyy HH:mm:ss",
    "M/d/yyyy h:mm a",
    "dd-MMM-yyyy HH:mm",
];

impl Kind {
    fn of<'t>(cells: impl Iterator<Item = &'t str> + Clone) -> Self {
        let mut cells = cells.filter(|cell| !cell.is_empty()).peekable();
        if cells.peek().is_none() {
            return Self::Empty;
        }
        let dates = DATES.into_iter().filter(|pattern| {
            let Ok(read) = Pattern::parse(pattern, PIVOT) else { return false };
            cells.clone().all(|cell| {
                // Four digits alone are a year as well as a number; six may be anything.
                let bare = *pattern == "hl7" && cell.len() < 8;
                !bare
                    && read.digits(cell).is_some_and(|digits| crate::function::is_timestamp(&digits))
                    && !(*pattern == "iso" && cell.len() < 7)
            })
        });
        let dates: Vec<&'static str> = dates.collect();
        if !dates.is_empty() {
            return Self::Date(dates);
        }
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if cells.clone().all(digits) {
            return Self::Integer;
        }
        if cells.all(crate::function::is_number) { Self::Decimal } else { Self::Text }
    }
}

struct Column {
    name: String,
    kind: Kind,
    filled: usize,
    rows: usize,
    distinct: usize,
    longest: usize,
    /// Short words that come again and again, with how often.
    codes: Vec<(String, usize)>,
    field: Option<Field>,
}

/// More different texts than this are no codes.
const CODES: usize = 24;

impl Column {
    fn of(name: String, header: bool, cells: impl Iterator<Item = String>) -> Self {
        let cells: Vec<String> = cells.collect();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for cell in cells.iter().filter(|cell| !cell.is_empty()) {
            *counts.entry(cell).or_default() += 1;
        }
        let filled: usize = counts.values().sum();
        let field = if header { Field::of(&name) } else { None };
        let short = counts.keys().all(|text| text.chars().count() <= 12);
        let again = counts.len() <= CODES && counts.len() * 3 <= filled;
        // A column that says who somebody is gives no codes, however often a name comes again.
        let open = field.is_some_and(|field| field.has_codes());
        let codes = if short && open && (again || counts.len() <= 6) {
            counts.iter().map(|(text, count)| ((*text).to_owned(), *count)).collect()
        } else {
            Vec::new()
        };
        Self {
            kind: Kind::of(cells.iter().map(String::as_str)),
            filled,
            rows: cells.len(),
            distinct: counts.len(),
            longest: cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0),
            codes,
            field,
            name,
        }
    }

    /// How rows name the column.
    fn source(&self, number: usize) -> String {
        let odd = |c: char| matches!(c, '+' | ',' | '"' | '=' | '!' | '(' | ')' | '@' | '#' | '|' | '.');
        let word = matches!(self.name.as_str(), "const" | "default" | "new" | "include");
        let blank = self.name.contains(" and ") || self.name.contains(" in ");
        if self.name.contains(odd) || word || blank { format!("#{}", number + 1) } else { self.name.clone() }
    }

    /// The vocabulary map of the column and its text.
    fn map(&self) -> Option<(&'static str, String)> {
        let field = self.field?;
        let map = field.map()?;
        let mut out = "code,system,target,display,equivalence,guide\n".to_owned();
        for (code, count) in &self.codes {
            let quoted = quoted(code);
            let line = match field.code(code) {
                Some((system, target)) => format!("{quoted},{system},{target},,,own?\n"),
                None => format!("# {count} rows: what is it?\n{quoted},,,,unmatched,own?\n"),
            };
            out.push_str(&line);
        }
        Some((map, out))
    }
}

fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '#', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
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

fn has(columns: &[Column], field: Field) -> bool {
    columns.iter().any(|column| column.field == Some(field))
}

fn has_results(columns: &[Column]) -> bool {
    (has(columns, Field::TestCode) || has(columns, Field::TestName))
        && (has(columns, Field::Value) || has(columns, Field::ValueCode))
}

fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                // Writing to a String does not fail.
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn list<'t>(items: impl Iterator<Item = &'t str>) -> String {
    format!("[{}]", items.map(string).collect::<Vec<_>>().join(", "))
}

fn manifest(name: &str, dialect: &Dialect, sure: bool, header: bool, columns: &[Column]) -> String {
    let mut out = format!(
        "# Drafted from a sample. Lines with a question are guesses: answer them, then take the question away.\n\
         name = {}\nversion = \"0.1.0\"\nformat = \"flat\"\ndescription = \"Drafted from a sample file\"\n\n[names]\n\
         # Whose numbers are they? A URI that the organisation owns.\n",
        string(name)
    );
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("patient = \"urn:anchorline:draft:{name}:patient\""));
    if has_results(columns) {
        line(format!("result = \"urn:anchorline:draft:{name}:result\""));
        line("# Which system are the codes of tests from? http://loinc.org if they are LOINC.".to_owned());
        line(format!("test = \"urn:anchorline:draft:{name}:test\""));
    }
    if has(columns, Field::ValueCode) {
        line("# Which system are the codes of results from? http://snomed.info/sct if they are SNOMED CT.".to_owned());
        line(format!("finding = \"urn:anchorline:draft:{name}:finding\""));
    }
    line("interpretation = \"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation\"".to_owned());
    line("ssn = \"http://hl7.org/fhir/sid/us-ssn\"".to_owned());
    line("\n[flat]".to_owned());
    match &dialect.layout {
        Layout::Delimited { delimiter, quote, .. } => {
            if !sure {
                line("# Some rows have another number of cells: is this the delimiter?".to_owned());
            }
            line(format!("delimiter = {}", string(delimiter)));
            if quote.is_none() {
                line("quote = \"\"".to_owned());
            }
        }
        Layout::Fixed(_) => line("# No delimiter was found: are these the columns?".to_owned()),
    }
    if let Some(charset) = dialect.charset {
        line("# By the bytes of the sample: is it?".to_owned());
        line(format!("encoding = {}", string(&charset.name().to_lowercase())));
    }
    line(format!("header = {header}"));
    line("# What stands for no value, besides nothing?".to_owned());
    line("null = [\"NULL\"]".to_owned());
    line("\n[tables.rows]".to_owned());
    match &dialect.layout {
        Layout::Fixed(spans) => {
            line("fixed = [".to_owned());
            for (column, span) in columns.iter().zip(spans) {
                let (name, start, length) = (string(&column.name), span.start + 1, span.length);
                line(format!("    {{ name = {name}, start = {start}, length = {length} }},"));
            }
            line("]".to_owned());
        }
        Layout::Delimited { .. } => {
            line(format!("columns = {}", list(columns.iter().map(|column| column.name.as_str()))));
        }
    }
    if header {
        let known = columns.iter().filter(|column| column.field.is_some()).take(4).map(|column| column.name.as_str());
        let known: Vec<&str> = known.collect();
        if known.len() > 1 {
            line("# A file with these columns is taken for this package's without being told.".to_owned());
            line(format!("match = {}", list(known.into_iter())));
        }
    }
    if has_results(columns) {
        line("row = \"Observation\"".to_owned());
    } else {
        line("row = \"Patient\"".to_owned());
    }
    let dates = columns.iter().filter_map(|column| match &column.kind {
        Kind::Date(patterns) => Some((column, patterns)),
        _ => None,
    });
    let dates: Vec<_> = dates.collect();
    if !dates.is_empty() {
        line("\n[tables.rows.dates]".to_owned());
        for (column, patterns) in dates {
            if let [first, others @ ..] = patterns.as_slice() {
                if first.starts_with(['M', 'd']) && !others.is_empty() {
                    line(format!("# Or {}? The sample fits both.", others.join(", ")));
                }
                line(format!("{} = [{}]", string(&column.name), string(first)));
            }
        }
    }
    out
}

/// The rows of a table: those of fields that are known, the others in comments.
fn patient(columns: &[Column]) -> String {
    let mut out = "source,target,via,with,when,way,guide\n".to_owned();
    let source = |field: Field| {
        columns.iter().enumerate().find(|(_, column)| column.field == Some(field)).map(|(at, column)| column.source(at))
    };
    match source(Field::PatientId) {
        Some(id) => {
            let _ = writeln!(out, "# Is {id} the same for a patient in every row and file?\nid,Patient,{id},,,,own?");
        }
        None => {
            let parts: Vec<String> =
                [Field::Family, Field::Given, Field::Born].into_iter().filter_map(source).collect();
            let id = if parts.is_empty() { "#".to_owned() } else { parts.join("+") };
            let _ = writeln!(
                out,
                "# No number of a patient was found: which columns tell patients apart?\nid,Patient,{id},,,,own?"
            );
        }
    }
    rows(columns, "Patient", &mut out);
    let results = has_results(columns);
    for (at, column) in columns.iter().enumerate() {
        let read = column
            .field
            .is_some_and(|field| field.row("Patient").is_some() || (results && field.row("Observation").is_some()));
        if !read {
            let _ = writeln!(out, "# {}: what is it? Kept as it stands until a row reads it.", column.source(at));
        }
    }
    out
}

fn observation(columns: &[Column]) -> String {
    let mut out = "source,target,via,with,when,way,guide\n".to_owned();
    let result = columns.iter().enumerate().find(|(_, column)| column.field == Some(Field::ResultId));
    match result {
        Some((at, column)) => {
            let id = column.source(at);
            let _ = writeln!(out, "# Is {id} another for every result?\nid,Observation,{id},,,,own?");
        }
        None => out.push_str("# No number of a result was found: a row is told from others by its place and all it says.\nid,Observation,#,,,,own?\n"),
    }
    if !has(columns, Field::Status) {
        out.push_str("# Nothing says whether results are final: ask, then write it here.\ndefault,Observation.status,unknown,,,,own?\n");
    } else {
        out.push_str("default,Observation.status,unknown,,,,own\n");
    }
    out.push_str("default,Observation.code,absent,,,,own\n@Patient,Observation.subject,,,,,own\n");
    rows(columns, "Observation", &mut out);
    out
}

/// The rows of the fields of a resource.
fn rows(columns: &[Column], kind: &str, out: &mut String) {
    let result = columns.iter().enumerate().find(|(_, column)| column.field == Some(Field::Value));
    let result = result.map(|(at, column)| column.source(at)).unwrap_or_default();
    for (at, column) in columns.iter().enumerate() {
        let Some(rows) = column.field.and_then(|field| field.row(kind)) else { continue };
        for row in rows.split('\n') {
            let row = row.replace("{column}", &column.source(at)).replace("{result}", &result);
            let _ = writeln!(out, "{row},own?");
        }
    }
}

fn readme(name: &str) -> String {
    format!(
        "# {name}\n\nDrafted from a sample. Every row with `own?` and every line with a question is a guess: look at it, \
         change it, and write `own`.\n\n1. `anchorline conformance lint {name}`\n2. Put an invented file into `examples/`, \
         then `anchorline conformance lint --accept {name}` and read `expected/`.\n3. `anchorline convert --from csv --to \
         fhir-r4 --package {name} --loss loss.json FILE` says where each cell went.\n"
    )
}

/// What the file looks like; no cells.
fn profile(dialect: &Dialect, header: bool, rows: usize, columns: &[Column]) -> String {
    let mut out = String::new();
    let layout = match &dialect.layout {
        Layout::Delimited { delimiter, .. } => format!("delimiter {}", string(delimiter)),
        Layout::Fixed(_) => "fixed width".to_owned(),
    };
    let charset = dialect.charset.unwrap_or(Charset::UTF_8).name();
    let header = if header { "a header" } else { "no header" };
    let _ = writeln!(out, "{layout}, {charset}, {header}, {} columns, {rows} rows looked at", columns.len());
    for (at, column) in columns.iter().enumerate() {
        let kind = match &column.kind {
            Kind::Empty => "empty".to_owned(),
            Kind::Integer => "whole numbers".to_owned(),
            Kind::Decimal => "numbers".to_owned(),
            Kind::Date(patterns) => format!("dates, {}", patterns.join(" or ")),
            Kind::Text if !column.codes.is_empty() => "codes".to_owned(),
            Kind::Text => "text".to_owned(),
        };
        let guess = column.field.map_or("kept", |field| field.name());
        let _ = writeln!(
            out,
            "#{:<3} {:<28} {:>3} % filled, {:>5} different, up to {:>3} characters, {kind}: {guess}",
            at + 1,
            column.name,
            (column.filled * 100).checked_div(column.rows).unwrap_or(0),
            column.distinct,
            column.longest,
        );
    }
    out
}

#[cfg(test)]
mod tests;
