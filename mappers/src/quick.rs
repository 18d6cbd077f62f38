//! Quick ways for what a map does most: a hash for the keys of a package, and trimming.
//!
//! The keys are those of its tables, which an operator has chosen: nobody who sends messages can add to them, so that a
//! hash with a secret would only cost time.

use std::hash::{BuildHasherDefault, Hasher};

/// [`str::trim`]. Nearly every text begins and ends with a visible character of ASCII: then nothing is searched.
#[inline]
pub(crate) fn trim(text: &str) -> &str {
    let visible = |byte: Option<&u8>| byte.is_some_and(|byte| (0x21..0x7F).contains(byte));
    let bytes = text.as_bytes();
    if visible(bytes.first()) && visible(bytes.last()) { text } else { text.trim() }
}

/// Hashes eight bytes at a time.
pub(crate) type Quick = BuildHasherDefault<QuickHasher>;

/// State of [`Quick`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QuickHasher(u64);

impl QuickHasher {
    fn add(&mut self, word: u64) {
        // An odd constant with its bits spread: 2^64 divided by the golden ratio.
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for QuickHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (slot, byte) in last.iter_mut().zip(rest) {
            *slot = *byte;
        }
        self.add(u64::from_le_bytes(last) ^ (bytes.len() as u64) << 56);
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(u64::from(byte));
    }

    fn write_u32(&mut self, number: u32) {
        self.add(u64::from(number));
    }

    fn finish(&self) -> u64 {
        // The table takes its highest bits and its lowest: both must depend on all.
        self.0 ^ self.0 >> 29
    }
}
