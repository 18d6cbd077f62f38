//! How often each type was written: what is kept outside of the store is good as long as the number stands.

use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock};

use crate::commit::Commit;

/// Under which name merges are counted.
const LINKS: &str = "PatientLink";

/// Numbers by type, of this process; they begin anew with it.
#[derive(Debug, Default)]
pub(crate) struct Revisions(RwLock<HashMap<String, u64>>);

/// What commits write, by type.
#[derive(Debug, Default)]
pub(crate) struct Written(BTreeSet<String>);

impl Written {
    pub(crate) fn add(&mut self, commit: &Commit) {
        for name in commit.resources.iter().map(|version| version.resource_type.as_str()) {
            if !self.0.contains(name) {
                self.0.insert(name.to_owned());
            }
        }
        if !(commit.links.is_empty() && commit.unlinks.is_empty()) {
            self.0.insert(LINKS.to_owned());
        }
    }
}

impl Revisions {
    /// Counts what became visible; to be called before anybody is told that it did.
    pub(crate) fn raise(&self, written: Written) {
        let mut numbers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for name in written.0 {
            *numbers.entry(name).or_default() += 1;
        }
    }

    pub(crate) fn of(&self, resource_type: &str) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(resource_type).copied().unwrap_or_default()
    }

    pub(crate) fn of_links(&self) -> u64 {
        self.of(LINKS)
    }
}
