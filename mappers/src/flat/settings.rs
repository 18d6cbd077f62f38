//! `[flat]` and `[tables.NAME]` of a `package.toml`: how files are written and what their columns are called.

use std::collections::BTreeMap;

use formats::flat::{Charset, Dialect, Envelope, Layout, Span};
use serde::Deserialize;

use crate::load::Manifest;
use crate::package::LoadError;

use super::numeral::Numeral;
use super::pattern::{PIVOT, Pattern};

/// What a table says, or `[flat]` for all of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FlatSettings {
    /// Between cells; a comma unless said otherwise.
    pub(crate) delimiter: Option<String>,
    /// Around cells; `"` unless said otherwise, empty for none.
    pub(crate) quote: Option<String>,
    /// Before a quotation mark within a cell.
    pub(crate) escape: Option<String>,
    /// A label of the Encoding Standard.
    pub(crate) encoding: Option<String>,
    /// Whether the first row names the columns; yes unless said otherwise, but not in fixed width.
    pub(crate) header: Option<bool>,
    /// Lines before the header.
    pub(crate) skip: Option<u64>,
    /// Begins a line that is no row.
    pub(crate) comment: Option<String>,
    /// What stands for no value, besides nothing.
    pub(crate) null: Option<Vec<String>>,
    /// How dates are written, tried in turn.
    pub(crate) date: Option<Vec<String>>,
    /// How numbers are written, by an example such as `1.234,5`.
    pub(crate) number: Option<String>,
    /// The first of the hundred years that a year of two digits is one of.
    pub(crate) pivot: Option<u32>,
    /// Whether every row ends with a delimiter after its last cell.
    pub(crate) trailing_delimiter: Option<bool>,
    /// The text that a cell of two quotation marks stands for, where it is not the same as an empty one.
    pub(crate) quoted_empty: Option<String>,
    /// Lines around the rows: file headers and trailers.
    pub(crate) envelope: Option<EnvelopeSettings>,
    /// What ends a line on the way back, LF unless said otherwise.
    pub(crate) line_end: Option<String>,
    /// Names of files, with `*` for any text.
    #[serde(default)]
    pub(crate) file: Vec<String>,
    /// The columns in their order, as the header names them.
    #[serde(default)]
    pub(crate) columns: Vec<String>,
    /// The columns of fixed width.
    #[serde(default)]
    pub(crate) fixed: Vec<FixedColumn>,
    /// Short names for columns.
    #[serde(default)]
    pub(crate) names: BTreeMap<String, String>,
    /// How the dates of a column are written, where it differs.
    #[serde(default)]
    pub(crate) dates: BTreeMap<String, Vec<String>>,
    /// How the numbers of a column are written, where it differs.
    #[serde(default)]
    pub(crate) numbers: BTreeMap<String, String>,
    /// What stands for no value in a column, besides what does in all.
    #[serde(default)]
    pub(crate) nulls: BTreeMap<String, Vec<String>>,
    /// What divides the values of a cell that holds several.
    #[serde(default)]
    pub(crate) lists: BTreeMap<String, String>,
    /// Columns a file may be without.
    #[serde(default)]
    pub(crate) optional: Vec<String>,
    /// A file whose header has these columns is this table's.
    #[serde(default, rename = "match")]
    pub(crate) matches: Vec<String>,
    /// The columns that name a row, for the rows of other tables.
    #[serde(default)]
    pub(crate) key: Vec<String>,
    /// The table whose row each row belongs to.
    pub(crate) parent: Option<String>,
    /// The columns that name the row of the parent; by default those of its key's names.
    #[serde(default)]
    pub(crate) on: Vec<String>,
    /// The role that a row is written for on the way back.
    pub(crate) row: Option<String>,
}

/// A column of fixed width.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FixedColumn {
    pub(crate) name: String,
    /// Of its first character, from 1.
    pub(crate) start: usize,
    pub(crate) length: usize,
}

/// Lines around the rows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvelopeSettings {
    /// What lines begin with that are no rows.
    #[serde(default)]
    pub(crate) head: Vec<String>,
    /// What the trailer begins with.
    pub(crate) foot: Option<String>,
    /// Which run of digits after that is the number of records.
    #[serde(default)]
    pub(crate) count: usize,
    /// Records it counts besides the rows.
    #[serde(default)]
    pub(crate) besides: u64,
    /// The lines before the header on the way back.
    #[serde(default)]
    pub(crate) write_head: Vec<String>,
    /// The trailer on the way back; `{count}` is the number of records.
    pub(crate) write_foot: Option<String>,
}

impl FlatSettings {
    /// What a table says, with what is said for all tables where it says nothing.
    fn over(&self, general: &Self) -> Self {
        let mut own = self.clone();
        macro_rules! inherit {
            ($($name:ident),*) => { $(if own.$name.is_none() { own.$name.clone_from(&general.$name); })* };
        }
        inherit!(delimiter, quote, escape, encoding, header, skip, comment, null, date, number, pivot);
        inherit!(trailing_delimiter, quoted_empty, envelope, line_end);
        own
    }

    /// Names of the columns in their order.
    pub(crate) fn columns(&self) -> Vec<&str> {
        if self.fixed.is_empty() {
            self.columns.iter().map(String::as_str).collect()
        } else {
            self.fixed.iter().map(|column| column.name.as_str()).collect()
        }
    }

    /// Whether the first row of the file names the columns.
    pub(crate) fn has_header(&self) -> bool {
        self.header.unwrap_or(self.fixed.is_empty())
    }

    /// How the file is written.
    pub(crate) fn dialect(&self) -> Result<Dialect, String> {
        let mark = |name: &str, text: &Option<String>, default: Option<u8>| match text.as_deref().map(str::as_bytes) {
            None => Ok(default),
            Some([]) => Ok(None),
            Some([byte]) if byte.is_ascii() => Ok(Some(*byte)),
            Some(_) => Err(format!("{name}: expected one ASCII character or nothing")),
        };
        let layout = if self.fixed.is_empty() {
            let delimiter = self.delimiter.clone().unwrap_or_else(|| ",".to_owned());
            let quote = mark("quote", &self.quote, Some(b'"'))?;
            let escape = mark("escape", &self.escape, None)?;
            Layout::Delimited { delimiter, quote, escape }
        } else {
            let span = |column: &FixedColumn| match column.start.checked_sub(1) {
                Some(start) => Ok(Span { start, length: column.length }),
                None => Err(format!("{}: expected a start from 1", column.name)),
            };
            Layout::Fixed(self.fixed.iter().map(span).collect::<Result<_, _>>()?)
        };
        let charset = match &self.encoding {
            Some(label) => Some(Charset::named(label).ok_or_else(|| format!("unknown encoding {label}"))?),
            None => None,
        };
        let delimited = matches!(layout, Layout::Delimited { .. });
        let quoted = matches!(layout, Layout::Delimited { quote: Some(_), .. });
        if self.trailing_delimiter == Some(true) && !delimited {
            return Err("trailing_delimiter: columns of fixed width have no delimiter".to_owned());
        }
        if self.quoted_empty.is_some() && !quoted {
            return Err("quoted_empty: expected quotation marks".to_owned());
        }
        let dialect = Dialect {
            trailing: self.trailing_delimiter.unwrap_or(false),
            quoted_empty: self.quoted_empty.clone(),
            envelope: self.envelope.as_ref().map(|lines| self.around(lines)).transpose()?,
            line_end: match self.line_end.as_deref() {
                None | Some("\n") => "\n",
                Some("\r\n") => "\r\n",
                Some("\r") => "\r",
                Some(_) => return Err("line_end: expected \"\\n\", \"\\r\\n\" or \"\\r\"".to_owned()),
            },
            layout,
            charset,
            comment: self.comment.clone().filter(|mark| !mark.is_empty()),
            skip: self.skip.unwrap_or(0),
            row_limit_bytes: Dialect::ROW_LIMIT_BYTES,
        };
        dialect.check().map_err(|error| error.to_string())?;
        Ok(dialect)
    }

    fn around(&self, lines: &EnvelopeSettings) -> Result<Envelope, String> {
        let EnvelopeSettings { head, foot, count, besides, .. } = lines;
        let bare = |mark: &String| mark.is_empty() || mark.contains(['\n', '\r']);
        if head.iter().chain(foot).any(bare) || (head.is_empty() && foot.is_none()) {
            return Err("envelope: expected head or foot, what such lines begin with".to_owned());
        }
        if foot.is_none() && (*count > 0 || *besides > 0 || lines.write_foot.is_some()) {
            return Err("envelope: count, besides and write_foot need a foot".to_owned());
        }
        let (head, foot, header_rows) = (head.clone(), foot.clone(), u64::from(self.has_header()));
        Ok(Envelope { head, foot, count: *count, besides: *besides, header_rows })
    }

    /// The first thing that is wrong with it.
    fn fault(&self, name: &str, all: &BTreeMap<String, Self>) -> Option<String> {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Some("expected a name of letters, digits and _".to_owned());
        }
        let columns = self.columns();
        if columns.is_empty() {
            return Some("expected columns, or fixed for columns of fixed width".to_owned());
        }
        if !self.fixed.is_empty() && !self.columns.is_empty() {
            return Some("expected columns or fixed, found both".to_owned());
        }
        for (at, column) in columns.iter().enumerate() {
            if column.is_empty() || columns.iter().take(at).any(|other| same(other, column)) {
                return Some(format!("column {}: expected a name no other column has, found {column:?}", at + 1));
            }
        }
        if let Err(text) = self.dialect() {
            return Some(text);
        }
        let known = |column: &str| columns.contains(&column) || self.names.contains_key(column);
        let named = self
            .names
            .values()
            .chain(self.dates.keys())
            .chain(self.lists.keys())
            .chain(self.numbers.keys())
            .chain(&self.optional);
        let mut named = named.chain(self.nulls.keys()).chain(&self.matches).chain(&self.key).chain(&self.on);
        if let Some(unknown) = named.find(|column| !known(column)) {
            return Some(format!("unknown column {unknown}"));
        }
        if let Some(taken) = self.names.keys().find(|alias| columns.contains(&alias.as_str())) {
            return Some(format!("names: {taken} is a column already"));
        }
        if self.lists.values().any(String::is_empty) {
            return Some("lists: expected what divides the values".to_owned());
        }
        let patterns = self.date.iter().flatten().chain(self.dates.values().flatten());
        let pivot = self.pivot.unwrap_or(PIVOT);
        if !(1000..9900).contains(&pivot) {
            return Some("pivot: expected a year, the first of those that two digits are".to_owned());
        }
        if let Some(text) = patterns.filter_map(|text| Pattern::parse(text, pivot).err()).next() {
            return Some(text);
        }
        let numbers = self.number.iter().chain(self.numbers.values());
        if let Some(text) = numbers.filter_map(|text| Numeral::parse(text).err()).next() {
            return Some(text);
        }
        self.joins(all)
    }

    /// What is wrong with how it is joined to its parent.
    fn joins(&self, all: &BTreeMap<String, Self>) -> Option<String> {
        let Some(parent) = &self.parent else {
            return (!self.on.is_empty()).then(|| "on needs a parent".to_owned());
        };
        let Some(above) = all.get(parent) else { return Some(format!("parent: no table is named {parent}")) };
        if above.key.is_empty() {
            return Some(format!("parent: {parent} has no key"));
        }
        // A short name of the parent is its own: both tables call the column the same in their files.
        let real = |name: &String| above.names.get(name).unwrap_or(name).clone();
        let on: Vec<String> = if self.on.is_empty() { above.key.iter().map(real).collect() } else { self.on.clone() };
        let columns = self.columns();
        let has = |name: &str| columns.iter().any(|column| same(column, name)) || self.names.contains_key(name);
        if on.len() != above.key.len() || !on.iter().all(|name| has(name)) {
            return Some(format!("on: expected the columns that hold the key of {parent}"));
        }
        let (mut at, mut steps) = (above, 0);
        while let Some(next) = at.parent.as_ref().and_then(|parent| all.get(parent)) {
            (at, steps) = (next, steps + 1);
            if steps > all.len() {
                return Some("parent: a table cannot belong to itself".to_owned());
            }
        }
        None
    }
}

/// Whether two names of columns are the same to a reader: without case, blanks, `_`, `-` and `.`.
pub(crate) fn same(left: &str, right: &str) -> bool {
    folded(left) == folded(right)
}

/// What a file calls a column that the package calls `Name#2`: the second of that name.
pub(crate) fn header_name(column: &str) -> &str {
    match column.rsplit_once('#') {
        Some((name, number)) if !name.is_empty() && number.parse::<u32>().is_ok_and(|number| number > 1) => name,
        _ => column,
    }
}

/// A name as [`same`] compares it.
pub(crate) fn folded(name: &str) -> String {
    let plain: String = name
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-' | '.'))
        .flat_map(char::to_lowercase)
        .collect();
    if plain.is_empty() { name.to_owned() } else { plain }
}

/// Adds the tables of a manifest to those of the packages it extends; one of the same name takes its place.
pub(crate) fn extend(tables: &mut BTreeMap<String, FlatSettings>, manifest: &Manifest, errors: &mut Vec<LoadError>) {
    let file = format!("{}/package.toml", manifest.name);
    let mut error = |message: String| errors.push(LoadError { file: file.clone(), line: 0, message });
    if manifest.format != "flat" {
        if manifest.flat.is_some() || !manifest.tables.is_empty() {
            error("[flat] and [tables] need format = \"flat\"".to_owned());
        }
        return;
    }
    let general = manifest.flat.clone().unwrap_or_default();
    let own = !general.columns.is_empty()
        || !general.fixed.is_empty()
        || !general.key.is_empty()
        || general.parent.is_some()
        || !general.matches.is_empty()
        || !general.names.is_empty();
    if own {
        error("[flat] says how all tables are written: columns, keys and names stand in [tables.NAME]".to_owned());
    }
    tables.extend(manifest.tables.iter().map(|(name, table)| (name.clone(), table.over(&general))));
    if tables.is_empty() {
        error("expected a table, [tables.NAME]".to_owned());
    }
    for (name, table) in tables.iter() {
        if let Some(text) = table.fault(name, tables) {
            error(format!("[tables.{name}]: {text}"));
        }
    }
}
