//! What a column holds, by its cells and its name.

use std::collections::BTreeMap;

use super::super::numeral::Numeral;
use super::super::pattern::{PIVOT, Pattern};
use super::words::Field;
use crate::function::{compared, is_number};

/// What the cells of a column look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Empty,
    Integer,
    Decimal,
    /// By which patterns; more than one where they cannot be told apart.
    Date(Vec<&'static str>),
    Text,
}

/// Ways to write dates, the most usual first.
const DATES: [&str; 29] = [
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
    "yyyy/MM/dd",
    "MM/dd/yy",
    "dd/MM/yy",
    "dd.MM.yy",
    "d.M.yy",
    "dd-MMM-yy",
    "MM/dd/yyyy HH:mm",
    "dd/MM/yyyy HH:mm",
    "MM/dd/yyyy HH:mm:ss",
    "dd.MM.yyyy HH:mm",
    "dd.MM.yyyy HH:mm:ss",
    "M/d/yyyy h:mm a",
    "dd-MMM-yyyy HH:mm",
    "dd.MM.yy HH:mm",
    "d.M.yyyy HH:mm",
    "yyyy/MM/dd HH:mm:ss",
    "yyyy/MM/dd HH:mm",
];

impl Kind {
    pub(super) fn of<'t>(cells: impl Iterator<Item = &'t str> + Clone, numeral: Option<Numeral>) -> Self {
        let cells: Vec<&str> = cells.filter(|cell| !cell.is_empty()).collect();
        if cells.is_empty() {
            return Self::Empty;
        }
        // In a long column one cell in ten may be wrong: the file goes on without it, and says so.
        let enough = if cells.len() < 20 { cells.len() } else { cells.len() - cells.len() / 10 };
        let count = |fits: &dyn Fn(&str) -> bool| cells.iter().filter(|cell| fits(cell)).count();
        let most = |fits: &dyn Fn(&str) -> bool| count(fits) >= enough;
        let dates = DATES.into_iter().filter_map(|pattern| {
            let read = Pattern::parse(pattern, PIVOT).ok()?;
            let fits = count(&|cell| {
                // Four digits alone are a year as well as a number; six may be anything.
                let bare = pattern == "hl7" && cell.len() < 8;
                !bare
                    && read.digits(cell).is_some_and(|digits| crate::function::is_timestamp(&digits))
                    && !(pattern == "iso" && cell.len() < 7)
            });
            (fits >= enough).then_some((fits, pattern))
        });
        let dates: Vec<(usize, &'static str)> = dates.collect();
        if let Some(best) = dates.iter().map(|(fits, _)| *fits).max() {
            return Self::Date(dates.into_iter().filter(|(fits, _)| *fits == best).map(|(_, date)| date).collect());
        }
        if most(&|text| text.bytes().all(|b| b.is_ascii_digit())) {
            return Self::Integer;
        }
        let number = |text: &str| match numeral {
            Some(numeral) => numeral.plain(text).is_some_and(|plain| crate::function::is_number(&plain)),
            None => crate::function::is_number(text),
        };
        if most(&number) { Self::Decimal } else { Self::Text }
    }
}

/// Ways to write numbers, but for the plain one.
const NUMERALS: [&str; 4] = ["1.234,5", "1,234.5", "1 234,5", "1'234.5"];

/// How the numbers of a file are written, where not plainly: the ways that fit all that look like numbers.
pub(super) fn numerals<'t>(columns: &[Vec<&'t str>]) -> Vec<(&'static str, Numeral)> {
    let mut cells: Vec<&'t str> = Vec::new();
    for column in columns {
        let number = |text: &&str| {
            let body = text.trim_start_matches(['<', '>', '=', ' ', '-', '+']);
            let marks = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '\'' | ' ' | '\u{a0}' | '\u{2019}');
            body.starts_with(|c: char| c.is_ascii_digit()) && body.chars().all(marks)
        };
        let found: Vec<&str> = column.iter().copied().filter(number).collect();
        let filled = column.iter().filter(|text| !text.is_empty()).count();
        // A column of dates or of numbers with blanks is none of numbers.
        if found.len() * 2 > filled && !matches!(Kind::of(column.iter().copied(), None), Kind::Date(_)) {
            cells.extend(found);
        }
    }
    if cells.iter().all(|text| is_number(text) || compared(text).is_some()) {
        return Vec::new();
    }
    let fits = |numeral: &Numeral| {
        let plain =
            |text: &&str| numeral.plain(text).is_some_and(|plain| is_number(&plain) || compared(&plain).is_some());
        cells.iter().filter(|text| plain(text)).count() * 10 >= cells.len() * 9
    };
    let named = NUMERALS.into_iter().filter_map(|text| Some((text, Numeral::parse(text).ok()?)));
    named.filter(|(_, numeral)| fits(numeral)).collect()
}

pub(super) struct Column {
    pub(super) name: String,
    /// A short name, where rows cannot say the file's.
    pub(super) alias: Option<String>,
    pub(super) kind: Kind,
    pub(super) filled: usize,
    pub(super) rows: usize,
    pub(super) distinct: usize,
    pub(super) longest: usize,
    /// Short words that come again and again, with how often.
    pub(super) codes: Vec<(String, usize)>,
    pub(super) field: Option<Field>,
}

/// More different texts than this are no codes.
const CODES: usize = 24;

impl Column {
    pub(super) fn of(name: String, header: bool, cells: &[&str], numeral: Option<Numeral>) -> Self {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for cell in cells.iter().copied().filter(|cell| !cell.is_empty()) {
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
            alias: None,
            kind: Kind::of(cells.iter().copied(), numeral),
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
    pub(super) fn source(&self) -> String {
        self.alias.clone().unwrap_or_else(|| self.name.clone())
    }

    /// Whether rows cannot name the column as the file does.
    pub(super) fn is_odd(&self) -> bool {
        let odd = |c: char| matches!(c, '+' | ',' | '"' | '=' | '!' | '(' | ')' | '@' | '#' | '|' | '.');
        let word = matches!(self.name.as_str(), "const" | "default" | "new" | "include");
        self.name.contains(|c: char| odd(c) || c.is_control())
            || word
            || self.name.contains(" and ")
            || self.name.contains(" in ")
    }

    /// The vocabulary map of the column and its text.
    pub(super) fn map(&self) -> Option<(&'static str, String)> {
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
    if text.contains(|c: char| matches!(c, '"' | ',' | '#') || c.is_control()) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
