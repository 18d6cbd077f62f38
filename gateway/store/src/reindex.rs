//! Bringing postings up to the rules of now while the store is in use.

use std::ops::ControlFlow;

use crate::commit::{Commit, RowsAnew};
use crate::config::Rules;
use crate::error::Error;
use crate::open::Store;
use crate::resource::{Cursor, IndexRow, RowKind, Stored};
use crate::traits::Commits;

/// Live versions looked at between two commits of a reindex.
pub(crate) const PART: usize = 256;

/// What a reindex of a type did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reindexed {
    /// Live versions looked at.
    pub looked_at: u64,
    /// Of these those that had rows of other rules and now have those of now.
    pub rewritten: u64,
    /// Of these those that could not be read: the log says which. They keep the rows they have.
    pub failed: u64,
}

/// What an engine does for a reindex.
pub(crate) trait Reindex {
    /// The types of which anything was ever written, in order.
    fn types(&self) -> Result<Vec<String>, Error>;

    /// The rules of now.
    fn rules(&self) -> &Rules;

    /// The next live versions behind a place, oldest first, and rows for those that need them; `None` behind the last.
    fn stale(&self, resource_type: &str, after: Option<Cursor>) -> Result<Option<Stale>, Error>;
}

/// A part of a type.
pub(crate) struct Stale {
    pub(crate) looked_at: u64,
    pub(crate) failed: u64,
    pub(crate) anew: Vec<RowsAnew>,
    /// The last version looked at.
    pub(crate) last: Cursor,
}

impl Stale {
    pub(crate) fn to(last: Cursor) -> Self {
        Self { looked_at: 0, failed: 0, anew: Vec::new(), last }
    }
}

impl RowsAnew {
    /// A live version's rows by the rules of now.
    pub(crate) fn of(stored: &Stored, rules: &Rules) -> Self {
        let mut rows = rules.anew(&stored.resource_type, &stored.body, &stored.index);
        if stored.lean {
            rows.retain(|row| row.kind == RowKind::Key);
        }
        Self {
            resource_type: stored.resource_type.clone(),
            id: stored.id.clone(),
            version: stored.version,
            rules: rules.digest(&stored.resource_type),
            rows,
        }
    }
}

impl Store {
    /// The types of which anything was ever written, in order.
    ///
    /// # Errors
    /// [`Error::Index`] and [`Error::Io`] if the index cannot be read.
    pub fn types(&self) -> Result<Vec<String>, Error> {
        self.reindexer().types()
    }

    /// All rows of a version, those too that a lean one is kept without.
    pub fn rows_of(&self, stored: &Stored) -> Vec<IndexRow> {
        if stored.lean && !stored.deleted {
            return self.reindexer().rules().anew(&stored.resource_type, &stored.body, &stored.index);
        }
        stored.index.clone()
    }

    /// Gives every live version of a type that was written under other rules the postings of those of now, while
    /// everything else goes on. What is written meanwhile has them already. Blocks: not to be called on a runtime.
    ///
    /// `progress` is told after each part and may end it; a reindex that ended early is begun again from the start and
    /// rewrites what is left. When it returns without having been ended, searches by every row find every live version
    /// of the type but those counted as failed.
    ///
    /// # Errors
    /// As [`Commits::commit`]; [`Error::Busy`] and [`Error::Full`] leave what was done.
    pub fn reindex(
        &self,
        resource_type: &str,
        progress: &mut dyn FnMut(&Reindexed) -> ControlFlow<()>,
    ) -> Result<Reindexed, Error> {
        let mut done = Reindexed::default();
        let mut after = None;
        while let Some(part) = self.reindexer().stale(resource_type, after)? {
            after = Some(part.last);
            done.looked_at += part.looked_at;
            done.failed += part.failed;
            done.rewritten += part.anew.len() as u64;
            if !part.anew.is_empty() {
                self.commit_blocking(Commit { anew: part.anew, ..Commit::default() })?;
            }
            if progress(&done).is_break() {
                break;
            }
        }
        Ok(done)
    }
}
