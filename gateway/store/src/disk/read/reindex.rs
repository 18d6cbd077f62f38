//! The walk of a reindex over what is live, and the rows that versions of earlier releases lack.

use super::row;
use crate::commit::{Commit, RowsAnew};
use crate::config::Rules;
use crate::disk::record::{CurrentRow, RowsItem, kind};
use crate::disk::{DiskStore, Shared};
use crate::error::Error;
use crate::index::{Direction, Flow, keys};
use crate::journal::Pointer;
use crate::reindex::{PART, Reindex, Stale};
use crate::resource::{Cursor, Order};
use crate::traits::Commits;

impl Reindex for DiskStore {
    fn types(&self) -> Result<Vec<String>, Error> {
        self.shared().types()
    }

    fn rules(&self) -> &Rules {
        self.shared().index.rules()
    }

    fn stale(&self, resource_type: &str, after: Option<Cursor>) -> Result<Option<Stale>, Error> {
        let shared = self.shared();
        let rules = shared.index.rules();
        let mut live = shared.walk(Order::OldestFirst, after, None, None)?.matching(resource_type, &[], &[])?;
        let mut part: Option<Stale> = None;
        while let Some(pointer) = live.peek()? {
            live.pass();
            let part = part.get_or_insert_with(|| Stale::to(Cursor(pointer.position)));
            part.last = Cursor(pointer.position);
            part.looked_at += 1;
            match shared.anew(pointer, rules) {
                Ok(anew) => part.anew.extend(anew),
                Err(error) => {
                    tracing::warn!(%error, %resource_type, "a version keeps its rows");
                    part.failed += 1;
                }
            }
            if part.looked_at >= PART as u64 {
                break;
            }
        }
        Ok(part)
    }
}

impl Shared {
    /// Rows of now for the version that stands there, unless it has them or is superseded.
    fn anew(&self, pointer: Pointer, rules: &Rules) -> Result<Option<RowsAnew>, Error> {
        let item = self.version(pointer)?;
        let current = self.current_row(&keys::current(&item.resource_type, &item.id))?;
        let Some(current) = current.filter(|current| current.pointer == pointer) else { return Ok(None) };
        let digest = match current.anew {
            Some(anew) => Some(self.journal.decoded::<RowsItem>(anew, kind::ROWS)?.rules),
            None => item.rules,
        };
        let older = item.rules.is_none() && current.anew.is_none();
        if rules.hold(&item.resource_type, digest) && !older {
            return Ok(None);
        }
        Ok(Some(RowsAnew::of(&item.stored(pointer.position), rules)))
    }
}

impl DiskStore {
    /// Gives the versions of earlier releases postings, all of them before anything is asked: a consent must be found.
    pub(in crate::disk) fn bring_up(&self) -> Result<(), Error> {
        let shared = self.shared();
        let mut done: u64 = 0;
        loop {
            let mut pointers = Vec::new();
            shared.index.walk_in(PART, keys::OLDER, None, Direction::Up, &mut |_, value| {
                pointers.push(row::<CurrentRow>(value)?.pointer);
                Ok(if pointers.len() < PART { Flow::On } else { Flow::Stop })
            })?;
            if pointers.is_empty() {
                return Ok(());
            }
            let anew = pointers.iter().map(|pointer| shared.anew(*pointer, shared.index.rules()));
            let anew: Vec<RowsAnew> = anew.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
            if anew.is_empty() {
                return Err(Error::unreadable_row());
            }
            done += anew.len() as u64;
            if done.is_multiple_of(64 * PART as u64) || pointers.len() < PART {
                tracing::info!(resources = done, "made rows for what an earlier release wrote");
            }
            self.commit_blocking(Commit { anew, ..Commit::default() })?;
        }
    }
}
