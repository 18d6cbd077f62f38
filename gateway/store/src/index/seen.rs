//! A Bloom filter over the keys of current versions, exchanges and absolute URLs: most of what arrives is new, and asking sled for what
//! is not there costs a page read each time. Its size is fixed; at 10 bits a key one in a hundred is asked in vain.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const PROBES: u64 = 6;

pub(super) struct Seen {
    words: Vec<AtomicU64>,
    /// Set once every key of the index is in: until then nothing is known to be absent.
    complete: AtomicBool,
}

impl Seen {
    pub(super) fn of_bytes(bytes: u64) -> Self {
        let words = usize::try_from(bytes / 8).unwrap_or(0).max(1024);
        Self { words: (0..words).map(|_| AtomicU64::new(0)).collect(), complete: AtomicBool::new(false) }
    }

    /// Whether keys like this are kept here.
    pub(super) fn covers(key: &[u8]) -> bool {
        matches!(key.first(), Some(b'e' | b'r' | b'v'))
    }

    pub(super) fn add(&self, key: &[u8]) {
        for (word, bit) in self.places(key) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Whether the key is surely in no row.
    pub(super) fn lacks(&self, key: &[u8]) -> bool {
        // Acquire pairs with the release in `complete`: the bits of a finished fill are seen. Keys added since are seen
        // because the overlay's lock was taken between.
        self.complete.load(Ordering::Acquire)
            && self.places(key).any(|(word, bit)| word.load(Ordering::Relaxed) & bit == 0)
    }

    pub(super) fn complete(&self) {
        self.complete.store(true, Ordering::Release);
    }

    /// Keys hold hashes or random ids: their own bytes are as good as a hash of them.
    fn places(&self, key: &[u8]) -> impl Iterator<Item = (&AtomicU64, u64)> {
        let word = |at: usize| key.get(at..at + 8).and_then(|word| word.try_into().ok()).map_or(0, u64::from_le_bytes);
        let kind = u64::from(key.first().copied().unwrap_or(0));
        let (first, step) = (word(1).wrapping_add(kind), word(9) | 1);
        let size = self.words.len() as u64;
        (0..PROBES).filter_map(move |probe| {
            let hash = first.wrapping_add(step.wrapping_mul(probe));
            let word = usize::try_from((hash >> 6) % size).ok()?;
            Some((self.words.get(word)?, 1 << (hash & 63)))
        })
    }
}
