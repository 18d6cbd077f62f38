//! From clinical codes to sensitivity labels: the rules, where they come from, and which code systems they cover.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sha2::{Digest as _, Sha256};
use smol_str::{SmolStr, format_smolstr};

use super::is_sensitivity;
use super::table::{self, Row};
use crate::vocabulary::canonical;

/// The tables that come with the gateway, by name.
const TABLES: [(&str, &str); 8] = [
    ("adolescents.csv", include_str!("../../labels/adolescents.csv")),
    ("genetics.csv", include_str!("../../labels/genetics.csv")),
    ("hiv.csv", include_str!("../../labels/hiv.csv")),
    ("mental-health.csv", include_str!("../../labels/mental-health.csv")),
    ("sexual-health.csv", include_str!("../../labels/sexual-health.csv")),
    ("substance-use.csv", include_str!("../../labels/substance-use.csv")),
    ("systems.csv", include_str!("../../labels/systems.csv")),
    ("violence.csv", include_str!("../../labels/violence.csv")),
];

/// A table or a definition that is not understood: a map that is half understood would label too little.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: expected {expected}")]
pub struct MapError {
    /// The line of a table, or the element of a definition.
    pub at: String,
    /// What was expected there.
    pub expected: String,
}

impl MapError {
    pub(super) fn at(at: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { at: at.into(), expected: expected.into() }
    }
}

/// What is known of a code system as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Review {
    /// Somebody has looked at it: a code that no rule names is of no sensitive topic.
    Reviewed,
    /// Only the codes that are named have been looked at.
    Listed,
    /// It carries no clinical content.
    Administrative,
    /// Nobody has looked at it.
    Unreviewed,
}

/// Why a code has a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// A sensitivity code of v3 ActCode; none for a code that was looked at and is of no sensitive topic.
    pub(crate) label: Option<SmolStr>,
    /// The code, or the beginning of codes followed by `*`.
    pub(crate) matched: SmolStr,
    /// What says so.
    pub(crate) source: SmolStr,
}

/// Which codes make a resource sensitive. A starting point for a site's own map, not a clinical reference.
#[derive(Clone, Debug, Default)]
pub struct SensitivityMap {
    systems: HashMap<SmolStr, Rules>,
    reviews: HashMap<SmolStr, Review>,
    /// Beginnings of the names of code systems; the longest that fits counts.
    families: BTreeMap<SmolStr, Review>,
    /// The names of what was loaded.
    parts: Vec<SmolStr>,
    /// Every rule in a form of its own, for the version.
    lines: BTreeSet<String>,
    version: SmolStr,
}

#[derive(Clone, Debug, Default)]
struct Rules {
    codes: HashMap<SmolStr, Vec<Rule>>,
    beginnings: HashMap<SmolStr, Vec<Rule>>,
    /// The lengths of the beginnings.
    lengths: BTreeSet<usize>,
}

impl SensitivityMap {
    /// The map that comes with the gateway: a seed, each rule with its public source.
    ///
    /// # Panics
    /// Never: the tables are part of the program, and a test reads them.
    pub fn embedded() -> Self {
        let mut map = Self::default();
        for (name, text) in TABLES {
            let rows = table::read(text).unwrap_or_default();
            map.parts.push(SmolStr::new(name));
            rows.into_iter().for_each(|row| map.add(row));
        }
        map.seal();
        map
    }

    /// Adds a table of the organisation's own, in the form of those that come with the gateway.
    ///
    /// # Errors
    /// [`MapError`] with the line; nothing is added then.
    pub fn add_table(&mut self, name: &str, text: &str) -> Result<usize, MapError> {
        let rows = table::read(text)?;
        Ok(self.extend(name, rows))
    }

    /// Takes up rows; returns how many.
    pub(super) fn extend(&mut self, name: &str, rows: Vec<Row>) -> usize {
        let count = rows.len();
        rows.into_iter().for_each(|row| self.add(row));
        self.parts.push(SmolStr::new(name));
        self.seal();
        count
    }

    /// The version that goes with each decision: `sha256:` and the digest of all rules.
    pub fn version(&self) -> &SmolStr {
        &self.version
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The files it is made of, in the order in which they were read.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(SmolStr::as_str)
    }

    /// The clinical code systems that were looked at, in order.
    pub fn reviewed(&self) -> Vec<&str> {
        let reviewed = self.reviews.iter().filter(|(_, review)| matches!(review, Review::Reviewed | Review::Listed));
        let mut reviewed: Vec<&str> = reviewed.map(|(system, _)| system.as_str()).collect();
        reviewed.sort_unstable();
        reviewed
    }

    /// What is known of a code: of the code itself, else of its system.
    pub(crate) fn review(&self, system: &str, code: &str) -> Review {
        let review = self.reviews.get(system).copied().unwrap_or_else(|| self.family(system));
        match review {
            Review::Listed | Review::Unreviewed if self.each_rule(system, code, &mut |_| {}) => Review::Reviewed,
            other => other,
        }
    }

    fn family(&self, system: &str) -> Review {
        let fits = self.families.iter().filter(|(beginning, _)| system.starts_with(beginning.as_str()));
        fits.max_by_key(|(beginning, _)| beginning.len()).map_or(Review::Unreviewed, |(_, review)| *review)
    }

    /// Gives every rule that names a code; returns whether there was one.
    pub(crate) fn each_rule<'m>(&'m self, system: &str, code: &str, note: &mut dyn FnMut(&'m Rule)) -> bool {
        let Some(rules) = self.systems.get(system) else { return false };
        let code = normal(system, code);
        let beginnings = rules.lengths.iter().filter_map(|length| rules.beginnings.get(code.get(..*length)?));
        let mut any = false;
        for rule in rules.codes.get(&code).into_iter().chain(beginnings).flatten() {
            any = true;
            note(rule);
        }
        any
    }

    fn add(&mut self, row: Row) {
        self.lines.insert(row.line());
        match row {
            Row::Code { system, code, beginning, label, source } => {
                let system = SmolStr::new(canonical(&system));
                let code = normal(&system, &code);
                let matched = if beginning { format_smolstr!("{code}*") } else { code.clone() };
                let rules = self.systems.entry(system).or_default();
                if beginning {
                    rules.lengths.insert(code.len());
                }
                let codes = if beginning { &mut rules.beginnings } else { &mut rules.codes };
                let rule = Rule { label, matched, source };
                let known = codes.entry(code).or_default();
                if !known.contains(&rule) {
                    known.push(rule);
                }
            }
            Row::System { system, review } => {
                self.reviews.insert(SmolStr::new(canonical(&system)), review);
            }
            Row::Family { beginning, review } => {
                self.families.insert(beginning, review);
            }
        }
    }

    fn seal(&mut self) {
        let mut digest = Sha256::new();
        for line in &self.lines {
            digest.update(line.as_bytes());
            digest.update(b"\n");
        }
        let hex: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        self.version = format_smolstr!("sha256:{hex}");
    }
}

/// A code as it is compared: ICD codes are written with and without the point, and case never tells two codes apart.
fn normal(system: &str, code: &str) -> SmolStr {
    let code = code.trim();
    let dotted = system.contains("icd-9") || system.contains("icd-10");
    if code.bytes().any(|byte| byte.is_ascii_lowercase() || byte == b'.' && dotted) {
        code.chars().filter(|it| *it != '.' || !dotted).map(|it| it.to_ascii_uppercase()).collect()
    } else {
        SmolStr::new(code)
    }
}

/// Reads the label of a rule: `none`, or a sensitivity code of v3 ActCode.
pub(super) fn read_label(text: &str) -> Option<Option<SmolStr>> {
    match text {
        "none" => Some(None),
        code => is_sensitivity(code).then(|| Some(SmolStr::new(code))),
    }
}

#[cfg(test)]
mod tests;
