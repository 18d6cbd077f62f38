//! The rows of which there are many: current versions, postings, patients' and types' lists, in a log-structured tree.
//!
//! A resource has some twenty rows at places far apart. In a tree that is updated in place each of them rewrites a block:
//! with sled a load of 100,000 resources fell from 8,000 to 2,500 a second and took 2.9 KB of index a resource
//! (measured). Here what the overlay gathered is written as one sorted table, and tables are merged in the background. The
//! tree's own journal and memory tables stay empty: our journal is replayed from the position that is written along.

use std::ops::Bound;
use std::path::Path;
use std::time::Duration;

use fjall::config::FilterPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use sled::IVec;

use super::piece::Row;
use super::{Direction, keys};

/// Tables that may wait to be merged before the overlay is held back.
const WAITING: usize = 20;
/// How long that is waited for at a time, and how often.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSES: usize = 250;

pub(super) struct Lsm {
    /// Found by whole keys, many of them new: with filters.
    current: Keyspace,
    /// Walked in order.
    rows: Keyspace,
    /// Last: closed when nothing uses it any more.
    _database: Database,
}

/// Whether rows of this kind are kept here.
pub(super) fn holds(key: &[u8]) -> bool {
    matches!(key.first(), Some(b'c' | b'o' | b'p' | b'r' | b't' | b'v' | b'x'))
}

impl Lsm {
    pub(super) fn open(path: &Path, cache_bytes: u64) -> fjall::Result<Self> {
        let database = Database::builder(path).cache_size(cache_bytes).worker_threads(1).open()?;
        let current = database.keyspace("current", KeyspaceCreateOptions::default)?;
        let rows = || KeyspaceCreateOptions::default().filter_policy(FilterPolicy::disabled());
        Ok(Self { current, rows: database.keyspace("rows", rows)?, _database: database })
    }

    fn keyspace(&self, key: &[u8]) -> &Keyspace {
        match key.first() {
            Some(b'o' | b'r' | b'v') => &self.current,
            _ => &self.rows,
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> fjall::Result<Option<IVec>> {
        Ok(self.keyspace(key).get(key)?.map(|value| IVec::from(&value[..])))
    }

    pub(super) fn range(&self, range: &keys::Range, direction: Direction, most: usize) -> fjall::Result<Vec<Row>> {
        let bounds = range.bounds();
        let (Bound::Included(low) | Bound::Excluded(low)) = bounds.0 else { return Ok(Vec::new()) };
        let mut found = self.keyspace(low).range::<&[u8], _>(bounds);
        let mut rows = Vec::new();
        while rows.len() < most {
            let next = match direction {
                Direction::Up => found.next(),
                Direction::Down => found.next_back(),
            };
            let Some(next) = next else { break };
            let (key, value) = next.into_inner()?;
            rows.push((key.into(), Some(value.into())));
        }
        Ok(rows)
    }

    /// Writes rows, in order, and with them how far they reach; durable when it returns.
    pub(super) fn apply<'r>(
        &self,
        rows: impl Iterator<Item = (&'r IVec, &'r Option<IVec>)>,
        meta: &[u8],
    ) -> fjall::Result<()> {
        let mut other = self.rows.start_ingestion()?;
        // Sorts before all others.
        other.write(keys::META, meta)?;
        let mut current = None;
        for (key, value) in rows {
            let into = match key.first() {
                Some(b'o' | b'r' | b'v') => match &mut current {
                    Some(current) => current,
                    none => none.insert(self.current.start_ingestion()?),
                },
                _ => &mut other,
            };
            match value {
                Some(value) => into.write(key.as_ref(), value.as_ref())?,
                None => into.write_tombstone(key.as_ref())?,
            }
        }
        if let Some(current) = current {
            current.finish()?;
        }
        // Last: what it says holds of both.
        other.finish()?;
        for _ in 0..PAUSES {
            if self.rows.l0_table_count() < WAITING {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// What was written along last.
    pub(super) fn meta(&self) -> fjall::Result<Option<IVec>> {
        Ok(self.rows.get(keys::META)?.map(|value| IVec::from(&value[..])))
    }
}
