//! Reads TOML strictly: every key is asked for by name, what is left over is a problem, and all problems are collected.

use std::fmt;

use toml::{Table, Value};

/// One thing wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key as it stands in the file, such as `listen.https` or `source[2].name`.
    pub key: String,
    /// What was expected there.
    pub message: String,
    /// What to write instead.
    pub suggestion: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.key, self.message, self.suggestion)
    }
}

/// What reading found: errors keep the configuration from being used, notices do not.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<Problem>,
    pub(super) notices: Vec<Problem>,
}

impl Findings {
    pub(super) fn error(&mut self, key: impl Into<String>, message: impl Into<String>, suggestion: impl Into<String>) {
        self.errors.push(Problem { key: key.into(), message: message.into(), suggestion: suggestion.into() });
    }

    pub(super) fn notice(&mut self, key: impl Into<String>, message: impl Into<String>, suggestion: impl Into<String>) {
        self.notices.push(Problem { key: key.into(), message: message.into(), suggestion: suggestion.into() });
    }
}

/// One table on its way to a struct: a key read is a key taken out.
pub(super) struct Section<'a> {
    path: String,
    table: Table,
    known: Vec<&'static str>,
    pub(super) findings: &'a mut Findings,
}

impl<'a> Section<'a> {
    pub(super) fn new(path: impl Into<String>, table: Table, findings: &'a mut Findings) -> Self {
        Self { path: path.into(), table, known: Vec::new(), findings }
    }

    /// The full name of a key of this table.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Whether a key is there and not yet read.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Reads a key with `parse`, which answers what it expected if the value is something else.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        example: &str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        self.known.push(key);
        let value = self.table.remove(key)?;
        match parse(&value) {
            Ok(value) => Some(value),
            Err(message) => {
                let key = self.key(key);
                self.findings.error(key, message, format!("for example {example}"));
                None
            }
        }
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str, example: &str) -> Option<String> {
        self.take(key, example, text)
    }

    /// A list of texts; one text stands for a list of one.
    pub(super) fn texts(&mut self, key: &'static str, example: &str) -> Option<Vec<String>> {
        self.take(key, example, |value| match value {
            Value::String(one) => Ok(vec![one.clone()]),
            Value::Array(many) => many.iter().map(text).collect::<Result<_, _>>(),
            other => Err(format!("expected a list of texts, found {}", other.type_str())),
        })
    }

    /// A whole number from `least` on.
    pub(super) fn number(&mut self, key: &'static str, least: i64, example: &str) -> Option<usize> {
        self.take(key, example, |value| match value {
            Value::Integer(number) if *number >= least => {
                usize::try_from(*number).map_err(|_| "expected a smaller number".to_owned())
            }
            _ => Err(format!("expected a whole number from {least} on")),
        })
    }

    /// One of the words that `parse` knows.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        self.known.push(key);
        let value = self.table.remove(key)?;
        let given = value.as_str().unwrap_or_default();
        if let Some((_, found)) = words.iter().find(|(word, _)| *word == given) {
            return Some(*found);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let suggestion = match closest(given, &names) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("write one of \"{}\"", names.join("\", \"")),
        };
        let key = self.key(key);
        self.findings.error(key, format!("expected one of {}", names.join(", ")), suggestion);
        None
    }

    /// A table inside of this one.
    pub(super) fn table(&mut self, key: &'static str) -> Table {
        self.known.push(key);
        match self.table.remove(key) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(other) => {
                let key = self.key(key);
                self.findings.error(
                    &key,
                    format!("expected a section, found {}", other.type_str()),
                    format!("write [{key}]"),
                );
                Table::new()
            }
        }
    }

    /// The tables of a list (`[[key]]`); `None` if the key is absent.
    pub(super) fn tables(&mut self, key: &'static str) -> Option<Vec<Table>> {
        self.known.push(key);
        let value = self.table.remove(key)?;
        let tables = match value {
            Value::Array(items) => items
                .into_iter()
                .map(|item| match item {
                    Value::Table(table) => Some(table),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>(),
            _ => None,
        };
        if tables.is_none() {
            let key = self.key(key);
            self.findings.error(&key, "expected a list of sections", format!("write [[{key}]]"));
        }
        Some(tables.unwrap_or_default())
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(self) {
        for name in self.table.keys() {
            let key = if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
            let suggestion = match closest(name, &self.known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.findings.error(key, "unknown key", suggestion);
        }
    }
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(format!("expected a text, found {}", other.type_str())),
    }
}

/// The candidate that differs least, if the difference is such as a slip of the finger makes.
pub(crate) fn closest<'c>(given: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let far = given.chars().count().max(3).div_ceil(3);
    candidates
        .iter()
        .map(|candidate| (distance(given, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= far || (given.len() >= 3 && candidate.contains(given)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance, without regard to case and with `-` equal to `_`.
fn distance(a: &str, b: &str) -> usize {
    let fold = |text: &str| -> Vec<char> {
        text.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
    };
    let (a, b) = (fold(a), fold(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let (above, diagonal) = (row.get(j + 1).copied().unwrap_or(0), row.get(j).copied().unwrap_or(0));
            let left = next.last().copied().unwrap_or(0);
            next.push((above + 1).min(left + 1).min(diagonal + usize::from(from != to)));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
