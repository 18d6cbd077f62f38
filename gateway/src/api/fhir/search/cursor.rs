//! Links of pages: sealed, so that nobody reads a place in one, changes it, or uses another caller's.
//!
//! A place is where a match stands in the order of the search: by what it is sorted by, then by the store's own order. Both
//! stay as they are while others write, so a page goes on where the last one ended whatever was added or removed meanwhile.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

#[cfg(test)]
mod tests;

/// Longest link that is read.
const MOST_BYTES: usize = 4096;

/// Where a match stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::api::fhir) struct Place {
    /// What it is sorted by; empty in the store's own order.
    pub(in crate::api::fhir) key: Vec<u8>,
    /// Its place in the store's order.
    pub(in crate::api::fhir) position: u64,
}

/// Which page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::api::fhir) enum Part {
    First,
    After(Place),
    Before(Place),
    Last,
}

impl Part {
    /// What comes behind a place of the store's own order.
    pub(in crate::api::fhir) fn behind(position: u64) -> Self {
        Self::After(Place { key: Vec::new(), position })
    }
}

/// Seals and opens the links of one gateway.
pub struct Seal(LessSafeKey);

impl Seal {
    /// With the key of this data directory.
    pub fn new(key: &[u8; 32]) -> Option<Self> {
        Some(Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?)))
    }

    /// The value of `_page` for a part; `binding` is what is asked and by whom. `None` without randomness.
    pub(in crate::api::fhir) fn sealed(&self, part: &Part, binding: &[u8]) -> Option<String> {
        let nonce = crate::keys::random::<NONCE_LEN>().ok()?;
        let mut text = written(part);
        self.0.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(binding), &mut text).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce[..], &text].concat()))
    }

    /// What a `_page` says; `None` for one of another search or another caller, and for what is none.
    pub(in crate::api::fhir) fn opened(&self, page: &str, binding: &[u8]) -> Option<Part> {
        if page.len() > MOST_BYTES {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(page).ok()?;
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        read(self.0.open_in_place(nonce, Aad::from(binding), &mut text).ok()?)
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

fn written(part: &Part) -> Vec<u8> {
    let (way, place) = match part {
        Part::First => (0, None),
        Part::After(place) => (1, Some(place)),
        Part::Before(place) => (2, Some(place)),
        Part::Last => (3, None),
    };
    let mut text = vec![way];
    if let Some(place) = place {
        text.extend(place.position.to_be_bytes());
        text.extend(&place.key);
    }
    text
}

fn read(text: &[u8]) -> Option<Part> {
    let (way, rest) = text.split_first()?;
    let place = || {
        let (position, key) = rest.split_first_chunk::<8>()?;
        Some(Place { key: key.to_vec(), position: u64::from_be_bytes(*position) })
    };
    match way {
        0 => Some(Part::First),
        1 => place().map(Part::After),
        2 => place().map(Part::Before),
        3 => Some(Part::Last),
        _ => None,
    }
}
