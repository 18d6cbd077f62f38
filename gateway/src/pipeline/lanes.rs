//! Locks by content: two equal messages on two connections must not both be new.

use std::hash::{BuildHasher, RandomState};

use store::RepeatKey;
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
    /// Holds the lane of a key until the guard is dropped.
    pub(super) async fn hold(&self, key: &RepeatKey) -> Option<MutexGuard<'_, ()>> {
        let hash = usize::try_from(self.hasher.hash_one(key) % LANES as u64).unwrap_or(0);
        match self.locks.get(hash) {
            Some(lock) => Some(lock.lock().await),
            None => None,
        }
    }
}
