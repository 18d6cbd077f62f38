//! Invention: what stands in the output and was said neither by the input nor by a table of the mapping.
//!
//! A leaf is from the input if it is one of its texts (without escapes, without case, white space folded), a number or
//! a time of it in another form, or made only of its words. Ids, references, addresses of entries and narrative are the
//! converter's own and are not counted.

use std::collections::HashSet;

use model::json::Json;

use super::facts::{decimal, fold};
use super::report::Tally;

/// What an input says, in the forms in which an output may repeat it.
#[derive(Debug, Default)]
pub(super) struct Said {
    texts: HashSet<String>,
    words: HashSet<String>,
    numbers: HashSet<(bool, String, String)>,
    /// Runs of digits, and the digits of whole fields.
    digits: Vec<String>,
    all: String,
}

impl Said {
    pub(super) fn add(&mut self, text: &str) {
        let folded = fold(text);
        if folded.is_empty() {
            return;
        }
        self.words.extend(words(&folded));
        self.numbers.extend(decimal(folded.trim_start_matches(['<', '>', '='])));
        let digits = digits(&folded);
        if digits.len() > 3 {
            self.digits.push(digits);
        }
        self.all.push_str(&folded);
        self.all.push('\n');
        self.texts.insert(folded);
    }

    fn says(&self, leaf: &str) -> bool {
        let leaf = fold(leaf);
        if self.texts.contains(&leaf) || decimal(&leaf).is_some_and(|number| self.numbers.contains(&number)) {
            return true;
        }
        if is_time(&leaf) {
            // 2024-03-12T08:15:00+01:00 is 20240312081500+0100; a zone of the source's configuration may be added.
            let (date, clock) = leaf.split_once('t').unwrap_or((&leaf, ""));
            let digits = digits(date) + &digits(clock.split(['+', '-', 'z']).next().unwrap_or_default());
            let shorter = digits.strip_suffix("00").unwrap_or(&digits);
            return self
                .digits
                .iter()
                .any(|said| said.starts_with(&digits) || said.starts_with(shorter) || said.contains(&digits));
        }
        // HL7 v2 writes table 0064 as HL70064; FHIR R4 terminologies-v2.html gives its URI.
        if let Some(table) = leaf.strip_prefix("http://terminology.hl7.org/codesystem/v2-") {
            return self.words.contains(&format!("hl7{table}")) || self.words.contains(table);
        }
        let bare = leaf.rsplit([':', '/', '#']).next().unwrap_or_default();
        if leaf.contains(':') && !bare.is_empty() && (self.texts.contains(bare) || self.all.contains(bare)) {
            return true;
        }
        if leaf.chars().count() > 3 && self.all.contains(&leaf) {
            return true;
        }
        let number = digits(&leaf);
        if number.len() > 4 && self.digits.iter().any(|said| said.contains(&number)) {
            return true;
        }
        let mut of_leaf = words(&leaf).peekable();
        of_leaf.peek().is_some() && of_leaf.all(|word| self.words.contains(&word))
    }
}

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned)
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn is_time(text: &str) -> bool {
    let date = text.split('t').next().unwrap_or_default();
    let form = date.len() >= 4 && date.bytes().all(|b| b.is_ascii_digit() || b == b'-') && date.contains('-');
    let clock =
        text.len() >= 5 && text.bytes().all(|b| b.is_ascii_digit() || b == b':' || b == b'.') && text.contains(':');
    form || clock
}

/// What the tables of the mapping may add: targets, displays, names of systems, constants.
#[derive(Debug, Default)]
pub struct Tables(HashSet<String>);

impl Tables {
    /// All words and cells of package files, by their paths.
    pub fn of<'f>(files: impl IntoIterator<Item = (&'f String, &'f Vec<u8>)>) -> Self {
        // What FHIR itself asks of every Bundle and narrative, and what says that a value is absent.
        let own = [
            "transaction",
            "document",
            "put",
            "generated",
            "unknown",
            "absent",
            "http://hl7.org/fhir/structuredefinition/data-absent-reason",
            "http://terminology.hl7.org/codesystem/provenance-participant-type",
            "assembler",
        ];
        let mut said: HashSet<String> = own.into_iter().map(str::to_owned).collect();
        for (path, bytes) in files {
            // The Provenance names the package and its version.
            if path.ends_with("package.toml") {
                let text = String::from_utf8_lossy(bytes);
                let value = |key: &str| {
                    let line = text.lines().find(|line| line.starts_with(key)).and_then(|line| line.split_once('='));
                    line.map(|(_, value)| value.trim().trim_matches('"').to_owned()).unwrap_or_default()
                };
                said.insert(fold(&format!("{} {}", value("name"), value("version"))));
            }
            let table = path.ends_with(".csv") || path.ends_with("package.toml");
            let outside = path.contains("/examples/") || path.contains("/expected/");
            let Ok(text) = std::str::from_utf8(bytes) else { continue };
            if !table || outside {
                continue;
            }
            let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(bytes.as_slice());
            let records = reader.records().filter_map(Result::ok);
            said.extend(records.flat_map(|record| record.iter().map(fold).collect::<Vec<_>>()));
            for cell in text.split(['\n', ',', ';', '|', '=', '"']) {
                let cell = fold(cell);
                said.extend(cell.strip_prefix('$').map(str::to_owned));
                said.insert(cell);
            }
        }
        Self(said)
    }

    fn has(&self, leaf: &str) -> bool {
        let leaf = fold(leaf);
        self.0.contains(&leaf) || leaf.starts_with("urn:anchorline:") || leaf.starts_with("sha256:")
    }
}

/// Counts the leaves of an output, and those that were said.
pub(super) fn count(output: &Json, said: &Said, tables: &Tables, invented: &mut Vec<String>) -> Tally {
    let mut tally = Tally::default();
    walk("", "", output, &mut |place, leaf| {
        let known = said.says(leaf) || tables.has(leaf);
        tally.count(known);
        if !known && invented.len() < 20 {
            invented.push(place.to_owned());
        }
    });
    tally
}

/// Members whose values are the converter's own.
const OWN: [&str; 13] = [
    "resourceType",
    "id",
    "reference",
    "fullUrl",
    "method",
    "div",
    "data",
    "versionId",
    "lastUpdated",
    "profile",
    "url",
    "ifNoneExist",
    "size",
];

fn walk(place: &str, name: &str, json: &Json, see: &mut dyn FnMut(&str, &str)) {
    match json {
        Json::Object(object) => {
            let of_type = object.get("resourceType").and_then(Json::as_str);
            for (name, value) in object.iter() {
                let inside = match (of_type, place) {
                    (Some(of_type), _) => format!("{of_type}.{name}"),
                    (None, place) => format!("{place}.{name}"),
                };
                walk(&inside, name, value, see);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| walk(place, name, item, see)),
        Json::String(text) if !OWN.contains(&name) => see(place, text),
        Json::Number(number) if !OWN.contains(&name) => see(place, number.as_str()),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
