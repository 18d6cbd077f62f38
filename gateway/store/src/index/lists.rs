//! Short lists of postings, and current versions, as they were read last: what is asked of the same patients again needs no tree.
//!
//! A row of a list costs half a microsecond to read from the tree below, and a patient's list has hundreds. What is kept
//! is a whole list or nothing, and a row that is written to a list drops it, so that what is answered is what would be read.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::keys;

/// Parts with a lock of their own: the writer and readers seldom meet.
const SHARDS: usize = 64;
/// Bytes of a part, however small the cache.
const SHARD_LEAST: usize = 4 << 10;
/// What a list takes besides its rows, roughly.
const OVERHEAD: usize = 160;

/// Kept lists, by the prefix of their rows.
pub(super) struct Lists {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    shard_bytes: usize,
}

#[derive(Default)]
struct Shard {
    lists: HashMap<Box<[u8]>, Arc<Whole>>,
    bytes: usize,
    /// Rises with each row that is written to a list of this part.
    written: u64,
}

/// Every row of a list, in the order of positions.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    /// Positions, and where each value ends.
    rows: Vec<(u64, usize)>,
    values: Vec<u8>,
}

/// What is known of a list.
pub(crate) enum Listed {
    Whole(Arc<Whole>),
    /// It has to be read; what is read may be kept with this.
    Unknown(Ticket),
}

/// That no row of the list was written since it was looked for, as far as the holder can tell.
pub(crate) struct Ticket(u64);

impl Whole {
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        self.values.extend_from_slice(value);
        self.rows.push((keys::trailing_number(key), self.values.len()));
    }

    /// Puts what was read from the last to the first in order.
    pub(crate) fn reversed(&self) -> Self {
        let mut turned = Self::default();
        for (position, value) in self.rows().rev() {
            turned.values.extend_from_slice(value);
            turned.rows.push((position, turned.values.len()));
        }
        turned
    }

    /// Positions and values.
    pub(crate) fn rows(&self) -> impl DoubleEndedIterator<Item = (u64, &[u8])> {
        self.rows.iter().enumerate().map(|(place, (position, end))| {
            let begin = place.checked_sub(1).and_then(|before| self.rows.get(before)).map_or(0, |(_, end)| *end);
            (*position, self.values.get(begin..*end).unwrap_or_default())
        })
    }

    fn bytes(&self, prefix: &[u8]) -> usize {
        OVERHEAD + prefix.len() + self.values.len() + self.rows.len() * size_of::<(u64, usize)>()
    }
}

impl Lists {
    pub(super) fn of_bytes(bytes: u64) -> Self {
        let shard_bytes = (usize::try_from(bytes).unwrap_or(usize::MAX) / SHARDS).max(SHARD_LEAST);
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new(), shard_bytes }
    }

    fn shard(&self, prefix: &[u8]) -> Option<MutexGuard<'_, Shard>> {
        let place = usize::try_from(self.hasher.hash_one(prefix) % SHARDS as u64).ok()?;
        Some(self.shards.get(place)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks for a list. It is to be read after this, not before.
    pub(super) fn find(&self, prefix: &[u8]) -> Listed {
        match self.shard(prefix) {
            Some(shard) => match shard.lists.get(prefix) {
                Some(whole) => Listed::Whole(Arc::clone(whole)),
                None => Listed::Unknown(Ticket(shard.written)),
            },
            None => Listed::Unknown(Ticket(u64::MAX)),
        }
    }

    /// Keeps a list, unless a row may have been written to it while it was read.
    pub(super) fn keep(&self, prefix: &[u8], ticket: &Ticket, whole: Whole) {
        let bytes = whole.bytes(prefix);
        let Some(mut shard) = self.shard(prefix).filter(|shard| shard.written == ticket.0) else { return };
        if bytes > self.shard_bytes / 4 {
            return;
        }
        if shard.bytes + bytes > self.shard_bytes {
            // All of them: the ones in use are soon back.
            shard.lists.clear();
            shard.bytes = 0;
        }
        if let Some(before) = shard.lists.insert(prefix.into(), Arc::new(whole)) {
            shard.bytes -= before.bytes(prefix);
        }
        shard.bytes += bytes;
    }

    /// A row of this list is written. Called while nobody can read what is written.
    pub(super) fn forget(&self, prefix: &[u8]) {
        let Some(mut shard) = self.shard(prefix) else { return };
        shard.written += 1;
        if let Some(whole) = shard.lists.remove(prefix) {
            shard.bytes -= whole.bytes(prefix);
        }
    }

    /// The tree below was exchanged.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.written += 1;
            shard.bytes = 0;
            shard.lists.clear();
        }
    }
}
