//! Locks by content: two equal messages on two connections must not both be new.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hash, RandomState};

use tokio::sync::{Mutex, MutexGuard};

const LANES: usize = 256;

/// A fixed number of locks; keys share them by hash, so a wait for another key is rare and short.
#[derive(Debug)]
pub struct Lanes {
    hasher: RandomState,
    locks: Vec<Mutex<()>>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { hasher: RandomState::new(), locks: (0..LANES).map(|_| Mutex::new(())).collect() }
    }
}

impl Lanes {
    /// Holds the lanes of all these keys until the guards are dropped. They are taken in one order, so that two who want the
    /// same do not wait for each other for ever.
    pub(crate) async fn hold_all<K: Hash>(&self, keys: impl IntoIterator<Item = K>) -> Vec<MutexGuard<'_, ()>> {
        let lanes: BTreeSet<usize> = keys.into_iter().map(|key| self.lane(&key)).collect();
        let mut held = Vec::with_capacity(lanes.len());
        for lock in lanes.into_iter().filter_map(|lane| self.locks.get(lane)) {
            held.push(lock.lock().await);
        }
        held
    }

    fn lane(&self, key: &impl Hash) -> usize {
        usize::try_from(self.hasher.hash_one(key) % LANES as u64).unwrap_or(0)
    }
}
