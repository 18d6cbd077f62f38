//! What decisions need to know of versions, kept: hot ones are decided without being read again.
//!
//! Each entry is a function of one version, which never changes, and of the configuration of this process. Consents, grants,
//! merges and what is current stand in the store and are asked there each time: nothing of them is kept here.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use consent::Known;
use model::json::{Json, Limits, parse};
use model::time::Instant;
use store::{Cursor, Stored};

/// Parts with a lock of their own.
const SHARDS: usize = 16;
/// What an entry takes besides its text and facts, roughly.
const OVERHEAD: usize = 160;

/// A version that was read.
#[derive(Debug)]
pub(crate) struct Version {
    resource_type: String,
    id: String,
    version: u64,
    last_updated: Instant,
    patients: Vec<String>,
    /// What it says of itself.
    pub(crate) known: Known,
    /// Its text as it leaves, with `meta.versionId` and `meta.lastUpdated`.
    pub(crate) text: Bytes,
}

/// Which version something is, and whose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Which<'a> {
    pub(crate) resource_type: &'a str,
    pub(crate) id: &'a str,
    pub(crate) version: u64,
    pub(crate) last_updated: Instant,
    pub(crate) patients: &'a [String],
}

impl<'a> From<&'a Stored> for Which<'a> {
    fn from(stored: &'a Stored) -> Self {
        let Stored { resource_type, id, version, last_updated, patients, .. } = stored;
        Self { resource_type, id, version: *version, last_updated: *last_updated, patients }
    }
}

impl Version {
    fn of(stored: &Stored, known: Known) -> Self {
        Self {
            resource_type: stored.resource_type.clone(),
            id: stored.id.clone(),
            version: stored.version,
            last_updated: stored.last_updated,
            patients: stored.patients.clone(),
            known,
            text: Bytes::from(stored.json()),
        }
    }

    /// Which it is.
    pub(crate) fn which(&self) -> Which<'_> {
        let Self { resource_type, id, version, last_updated, patients, .. } = self;
        Which { resource_type, id, version: *version, last_updated: *last_updated, patients }
    }

    /// The memory it takes, roughly.
    fn bytes(&self) -> usize {
        let own = self.resource_type.len() + self.id.len();
        let patients: usize = self.patients.iter().map(|patient| patient.len() + size_of::<String>()).sum();
        OVERHEAD + own + patients + self.text.len() + self.known.bytes()
    }
}

/// Versions that were read last, within a bound of memory. One per gateway.
#[derive(Debug)]
pub struct Versions {
    shards: [Mutex<Shard>; SHARDS],
    shard_bytes: usize,
}

#[derive(Debug, Default)]
struct Shard {
    kept: HashMap<Cursor, Kept>,
    /// In the order in which they came, or were passed by.
    order: VecDeque<Cursor>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    version: Arc<Version>,
    bytes: usize,
    /// Whether it was asked for since it was passed by.
    used: bool,
}

impl Versions {
    /// Keeps so many bytes at most.
    pub fn of_bytes(bytes: u64) -> Self {
        let shard_bytes = usize::try_from(bytes).unwrap_or(usize::MAX) / SHARDS;
        Self { shards: Default::default(), shard_bytes }
    }

    /// What is known of a version; read, if it is not kept, always in the same way. `None` if it cannot be read back.
    ///
    /// What is decided by it is as of the text as it was sent: when this gateway took a resource in is no date of the data,
    /// and a permit for a period must not cover what has none.
    pub(crate) fn of(&self, stored: &Stored, read: impl FnOnce(&Json) -> Known) -> Option<Arc<Version>> {
        if let Some(version) = self.find(stored.cursor, &stored.resource_type, &stored.id) {
            return Some(version);
        }
        let json = parse(&stored.body, &Limits::default()).ok()?;
        let version = Arc::new(Version::of(stored, read(&json)));
        if let Some(shard) = self.shard(stored.cursor) {
            lock(shard).keep(stored.cursor, &version, self.shard_bytes);
        }
        Some(version)
    }

    /// The version that stands at a place of the store, if it is kept.
    pub(crate) fn find(&self, place: Cursor, resource_type: &str, id: &str) -> Option<Arc<Version>> {
        let found = lock(self.shard(place)?).find(place)?;
        // The place of one resource is never that of another; were it so, neither may be taken for the other.
        (found.resource_type == resource_type && found.id == id).then_some(found)
    }

    fn shard(&self, cursor: Cursor) -> Option<&Mutex<Shard>> {
        // The first place is also that of what was made up and stands nowhere.
        if cursor.0 == 0 {
            return None;
        }
        // Positions of neighbours differ by the length of a version: mixed, so that they do not meet in one part.
        let mixed = cursor.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        self.shards.get(usize::try_from(mixed).unwrap_or_default() % SHARDS)
    }
}

fn lock(shard: &Mutex<Shard>) -> std::sync::MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn find(&mut self, cursor: Cursor) -> Option<Arc<Version>> {
        let kept = self.kept.get_mut(&cursor)?;
        kept.used = true;
        Some(Arc::clone(&kept.version))
    }

    fn keep(&mut self, cursor: Cursor, version: &Arc<Version>, most: usize) {
        let bytes = version.bytes();
        if bytes > most / 8 || self.kept.contains_key(&cursor) {
            return;
        }
        while self.bytes + bytes > most {
            let Some(oldest) = self.order.pop_front() else { break };
            match self.kept.get_mut(&oldest) {
                // In use: it has another turn.
                Some(kept) if kept.used => {
                    kept.used = false;
                    self.order.push_back(oldest);
                }
                _ => self.drop_one(oldest),
            }
        }
        self.order.push_back(cursor);
        self.kept.insert(cursor, Kept { version: Arc::clone(version), bytes, used: false });
        self.bytes += bytes;
    }

    fn drop_one(&mut self, cursor: Cursor) {
        if let Some(kept) = self.kept.remove(&cursor) {
            self.bytes = self.bytes.saturating_sub(kept.bytes);
        }
    }
}

#[cfg(test)]
mod tests;
