//! Vocabulary maps: codes of HL7 v2 tables to codes of FHIR, and back.
//!
//! The meaning follows FHIR R4 conceptmap.html: a row maps one code; `equivalence` says how well. The way back takes
//! the first equivalent row of a target, else its first row.

use std::collections::HashMap;

use smol_str::SmolStr;

use crate::quick::{Quick, trim};

/// One row of a map.
#[derive(Clone, Debug)]
pub(crate) struct Concept {
    pub(crate) code: SmolStr,
    pub(crate) system: SmolStr,
    pub(crate) target: SmolStr,
    pub(crate) display: SmolStr,
}

/// A vocabulary map.
#[derive(Clone, Debug, Default)]
pub(crate) struct CodeMap {
    pub(crate) name: SmolStr,
    /// URI of the HL7 v2 table the codes come from.
    pub(crate) table: Option<SmolStr>,
    rows: Vec<Concept>,
    forward: HashMap<SmolStr, usize, Quick>,
    backward: HashMap<SmolStr, Vec<usize>, Quick>,
}

impl CodeMap {
    /// A map of these rows; the flag says whether the row is an equivalence.
    pub(crate) fn new(name: &str, table: Option<SmolStr>, rows: Vec<(Concept, bool)>) -> Self {
        let mut map = Self { name: name.into(), table, ..Self::default() };
        let (equivalent, other): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, equivalent)| *equivalent);
        for (concept, _) in equivalent.into_iter().chain(other) {
            let index = map.rows.len();
            map.forward.entry(concept.code.clone()).or_insert(index);
            if !concept.target.is_empty() {
                map.backward.entry(concept.target.clone()).or_default().push(index);
            }
            map.rows.push(concept);
        }
        map
    }

    /// The rows in order of their codes' precedence.
    pub(crate) fn rows(&self) -> &[Concept] {
        &self.rows
    }

    /// What a code becomes: as it stands, else in capitals (HL7 v2 codes are written both ways).
    pub(crate) fn forward(&self, code: &str) -> Option<&Concept> {
        let code = trim(code);
        let found = self.forward.get(code).or_else(|| self.forward.get(code.to_ascii_uppercase().as_str()));
        found.and_then(|index| self.rows.get(*index)).filter(|concept| !concept.target.is_empty())
    }

    /// What a set of codes becomes, such as the uses of an address: what the first becomes that has a target. A language
    /// of three letters with a country (`fra-CA`) becomes what the language becomes.
    pub(crate) fn forward_any(&self, codes: &str) -> Option<&Concept> {
        let plain = |code: &str| code.len() == 3 && code.bytes().all(|b| b.is_ascii_lowercase());
        let language =
            || codes.split_once('-').filter(|(code, _)| plain(code)).and_then(|(code, _)| self.forward(code));
        let each = || codes.split_ascii_whitespace().find_map(|code| self.forward(code));
        self.forward(codes).or_else(each).or_else(language)
    }

    /// Whether the table has the code, with or without a target.
    pub(crate) fn knows(&self, code: &str) -> bool {
        let code = trim(code);
        self.forward.contains_key(code) || self.forward.contains_key(code.to_ascii_uppercase().as_str())
    }

    /// The code that becomes this target. A system of the target is compared where both sides name one.
    pub(crate) fn backward(&self, system: Option<&str>, target: &str) -> Option<&SmolStr> {
        let rows = self.backward.get(target)?.iter().filter_map(|index| self.rows.get(*index));
        let fits = |concept: &&Concept| match system {
            Some(system) => concept.system.is_empty() || concept.system == system,
            None => true,
        };
        rows.filter(fits).map(|concept| &concept.code).next()
    }
}

#[cfg(test)]
mod tests;
