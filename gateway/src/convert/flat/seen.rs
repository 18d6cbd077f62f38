//! What has been seen before: resources that need not be written again, and findings that need not be said again.

use std::hash::{DefaultHasher, Hash, Hasher};

use model::outcome::{Issue, Severity};

/// Resources whose last content is remembered, so that a patient is not written again with every result.
const REMEMBERED: usize = 1 << 18;

/// Findings of one kind that are said one by one; of the others the number is said.
pub(super) const SHOWN: usize = 20;

/// What a resource and its content are remembered by: the same in every run, so that the output is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) name: u64,
    /// Of 128 bits: two contents that differ are not taken for one.
    pub(super) content: [u64; 2],
}

pub(super) fn hash(salt: u8, of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    (salt, of).hash(&mut hasher);
    hasher.finish()
}

/// The last content of resources: as many as there is room for, the latest of those that would stand in the same place.
pub(super) struct Remembered {
    slots: Vec<Mark>,
}

impl Default for Remembered {
    fn default() -> Self {
        Self { slots: vec![Mark::default(); REMEMBERED] }
    }
}

impl Remembered {
    /// Notes a resource; false if it was written with this content already and not with another since.
    pub(super) fn is_new(&mut self, mark: Mark) -> bool {
        let at = usize::try_from(mark.name % REMEMBERED as u64).unwrap_or(0);
        let Some(slot) = self.slots.get_mut(at) else { return true };
        let new = *slot != mark;
        *slot = mark;
        new
    }
}

/// Findings so far: of one kind the first ones, and how many there are.
#[derive(Default)]
pub struct Log {
    kinds: Vec<(Issue, usize)>,
    shown: Vec<Issue>,
}

impl Log {
    /// Takes findings in.
    pub fn extend(&mut self, issues: impl IntoIterator<Item = Issue>) {
        for issue in issues {
            let same = |known: &Issue| {
                known.code == issue.code && known.rule == issue.rule && known.diagnostics == issue.diagnostics
            };
            match self.kinds.iter_mut().find(|(known, _)| same(known)) {
                Some((_, count)) => {
                    *count += 1;
                    if *count <= SHOWN {
                        self.shown.push(issue);
                    }
                }
                None => {
                    self.kinds.push((issue.clone(), 1));
                    self.shown.push(issue);
                }
            }
        }
    }

    /// What is to be said.
    pub fn finish(self) -> Vec<Issue> {
        let mut out = self.shown;
        for (issue, count) in self.kinds.into_iter().filter(|(_, count)| *count > SHOWN) {
            let text = format!("{}: {count} times in all, of which the first {SHOWN} are listed", issue.diagnostics);
            out.push(Issue { severity: Severity::Information, diagnostics: text, at: None, ..issue });
        }
        out
    }
}
