//! Salted commitments: what a record says about content it does not hold.
//!
//! `HMAC-SHA-256(salt, label || SHA-256(content))`. Who holds the content and the salt can show that a record is about it;
//! who holds the record alone learns nothing, also not by guessing, since the salt has 256 random bits. Destroying the
//! salt turns the commitment into noise and leaves every proof valid.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::tree::Hash;

/// What a commitment is about; the name is the member of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// The consents that a decision rests on.
    Consent,
    /// The body received.
    In,
    /// The body sent or stored.
    Out,
    /// Whom it concerns.
    Patient,
    /// The record before it in a chain.
    Prev,
}

impl Label {
    /// Every label, in the order of the record.
    pub const ALL: [Self; 5] = [Self::Consent, Self::In, Self::Out, Self::Patient, Self::Prev];

    /// The name as it is hashed and written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::In => "in",
            Self::Out => "out",
            Self::Patient => "patient",
            Self::Prev => "prev",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|label| label.as_str() == name)
    }
}

/// 32 random bytes that hide a commitment's content. Kept outside the log; secret until opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt([u8; 32]);

impl Salt {
    /// Wraps 32 bytes that the caller drew at random.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for sealed storage.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 hexadecimal digits, as an opening shows it.
    pub fn to_hex(&self) -> String {
        crate::text::hex(&self.0)
    }
}

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt(secret)")
    }
}

/// Commits to content: `HMAC-SHA-256(salt, label || SHA-256(content))`. RFC 2104 over FIPS 180-4.
pub fn commit(salt: &Salt, label: Label, content: &[u8]) -> Hash {
    commit_digest(salt, label, &Hash::of(content))
}

/// [`commit`] for content whose SHA-256 is known already.
pub fn commit_digest(salt: &Salt, label: Label, digest: &Hash) -> Hash {
    // 32 bytes are half a block: HMAC takes a key of any length, so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&salt.0) else { return Hash::empty_root() };
    mac.update(label.as_str().as_bytes());
    mac.update(digest.as_bytes());
    Hash::new(mac.finalize().into_bytes().into())
}

/// What makes a record's commitments checkable: the salt of each label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Which commitment.
    pub label: Label,
    /// Its salt.
    pub salt: Salt,
}

impl Opening {
    /// Whether `commitment` is to this content.
    pub fn opens(&self, commitment: &Hash, content: &[u8]) -> bool {
        commit(&self.salt, self.label, content) == *commitment
    }

    /// `{"commitments":[{"label","salt"}]}`, salts in hexadecimal.
    pub fn to_json(openings: &[Self]) -> String {
        let items: Vec<_> = openings
            .iter()
            .map(|o| format!(r#"{{"label":"{}","salt":"{}"}}"#, o.label.as_str(), o.salt.to_hex()))
            .collect();
        format!(r#"{{"commitments":[{}]}}"#, items.join(","))
    }
}

#[cfg(test)]
mod tests;
