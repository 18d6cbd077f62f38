//! Maps of codes, both ways.

use smol_str::SmolStr;

/// Codes of one value set as codes of another, for one direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct CodeMap {
    /// The first row of a code counts.
    forth: Vec<(SmolStr, SmolStr)>,
    back: Vec<(SmolStr, SmolStr)>,
}

impl CodeMap {
    /// A row: a code of the source and of the target; `way` as in the file, seen from this direction.
    pub(crate) fn add(&mut self, from: &str, to: &str, forth: bool, back: bool) {
        if forth && !from.is_empty() {
            self.forth.push((from.into(), to.into()));
        }
        if back && !to.is_empty() {
            self.back.push((to.into(), from.into()));
        }
    }

    /// The code of the target; `*` stands for every code without a row.
    pub(crate) fn get(&self, code: &str) -> Option<&str> {
        find(&self.forth, code)
    }

    /// The code of the source.
    pub(crate) fn back(&self, code: &str) -> Option<&str> {
        find(&self.back, code)
    }
}

fn find<'m>(rows: &'m [(SmolStr, SmolStr)], code: &str) -> Option<&'m str> {
    rows.iter().find(|(from, _)| from == code).map(|(_, to)| to.as_str())
}
