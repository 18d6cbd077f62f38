//! Signatures that were checked before: checking one takes longer than all else that is done to know a caller.
//!
//! What is kept is the digest of a whole token, signature included, whose signature fits a key of this gateway. Claims,
//! times and bindings are looked at each time, so that nothing outlives its token.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use ring::digest::{SHA256, digest};

/// Digests of one generation. Two are kept, so that a flood of fresh tokens pushes out the oldest half and costs at most
/// half a megabyte.
const MOST: usize = 4_096;

/// Digests of tokens whose signature fits.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashSet<[u8; 32]>,
    old: HashSet<[u8; 32]>,
}

/// A token by its digest.
pub(crate) struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        for (byte, value) in bytes.iter_mut().zip(digest(&SHA256, token.as_bytes()).as_ref()) {
            *byte = *value;
        }
        Self(bytes)
    }
}

impl Known {
    /// Whether this very token was checked before.
    pub(crate) fn has(&self, token: &Digest) -> bool {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.young.contains(&token.0) {
            return true;
        }
        let was = kept.old.contains(&token.0);
        if was {
            kept.keep(token.0);
        }
        was
    }

    /// Notes that its signature fits.
    pub(crate) fn add(&self, token: Digest) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keep(token.0);
    }
}

impl Generations {
    fn keep(&mut self, token: [u8; 32]) {
        if self.young.len() >= MOST {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token);
    }
}

#[cfg(test)]
mod tests;
