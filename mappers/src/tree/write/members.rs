//! Resources that others hold as their parts: they stand with those, not in a place of their own.

use std::collections::BTreeSet;

use model::json::Json;

use crate::reverse::Library;

/// Parts of other resources, by number.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Reached from a resource that is no part of another; of a circle nothing is a part.
    all: BTreeSet<usize>,
    /// Those that an Observation names.
    of_observations: BTreeSet<usize>,
}

impl Members {
    pub(super) fn of(library: &Library<'_>) -> Self {
        let mut out = Self::default();
        let mut direct = BTreeSet::new();
        for number in 0..library.resources.len() {
            for part in parts(library, number) {
                direct.insert(part);
                if library.kind(number) == "Observation" {
                    out.of_observations.insert(part);
                }
            }
        }
        for top in (0..library.resources.len()).filter(|number| !direct.contains(number)) {
            reach(library, top, &mut out.all);
        }
        out
    }

    /// Whether it stands with another resource, wherever else it is named.
    pub(super) fn contains(&self, number: usize) -> bool {
        self.all.contains(&number)
    }

    /// Whether, of the parts of one resource, another one has it: it is said there.
    pub(super) fn is_below(&self, library: &Library<'_>, number: usize, around: usize) -> bool {
        self.of_observations.contains(&number)
            && library.kind(around) == "DiagnosticReport"
            && parts(library, around).into_iter().filter(|other| *other != number).any(|other| {
                let mut below = BTreeSet::new();
                reach(library, other, &mut below);
                below.contains(&number) && !below.contains(&other)
            })
    }

    /// Takes out what no other has written after all; whether there was any.
    pub(super) fn release(&mut self, passed: &BTreeSet<usize>, written: &BTreeSet<usize>) -> bool {
        let before = self.all.len();
        self.all.retain(|number| !passed.contains(number) || written.contains(number));
        self.all.len() < before
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.all.iter().copied()
    }
}

fn parts(library: &Library<'_>, number: usize) -> Vec<usize> {
    let json = library.resources.get(number).copied().unwrap_or(&Json::Null);
    let references = ["hasMember", "result"].into_iter().flat_map(|member| json.items(member));
    references.filter_map(|reference| library.find(reference)).collect()
}

fn reach(library: &Library<'_>, from: usize, out: &mut BTreeSet<usize>) {
    let mut open = vec![from];
    while let Some(number) = open.pop() {
        open.extend(parts(library, number).into_iter().filter(|part| out.insert(*part)));
    }
}
