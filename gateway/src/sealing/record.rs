//! Ledger records: opaque ids, codes and salted commitments. No name, code or identifier of a person.

use bytes::Bytes;
use ledger::commitment::{Label, Salt, commit_digest};
use ledger::entry::{ExchangeId, Kind, Origin, Outcome, Record, Time};
use ledger::tree::Hash;
use model::time::Instant;
use sha2::{Digest, Sha256};
use store::NewLedgerRecord;

#[derive(Debug)]
pub(super) struct Recorder {
    origin: Origin,
}

impl Recorder {
    pub(super) fn new(origin: Origin) -> Self {
        Self { origin }
    }

    pub(super) fn origin(&self) -> &str {
        self.origin.as_str()
    }

    pub(super) fn record(&self, exchange: store::ExchangeId, kind: Kind, outcome: &str, at: Instant) -> RecordBuilder {
        let time = Time::from_unix_ms(u64::try_from(at.millis()).unwrap_or(0));
        // Outcomes are words of ours; one of another form would be a slip in this crate and must not cost the record.
        let outcome = Outcome::parse(outcome).or_else(|_| Outcome::parse("other"));
        let record = outcome
            .ok()
            .map(|outcome| Record::new(self.origin.clone(), ExchangeId::new(*exchange.bits()), time, kind, outcome));
        RecordBuilder { exchange, record, salts: Vec::new() }
    }
}

/// A record being put together.
#[derive(Debug)]
pub struct RecordBuilder {
    exchange: store::ExchangeId,
    record: Option<Record>,
    salts: Vec<store::Salt>,
}

impl RecordBuilder {
    /// The digest of the rules that made the result, in hex digits; anything else is left out.
    #[must_use]
    pub fn rules(mut self, digest: &str) -> Self {
        if let Some(digest) = Hash::from_hex(digest) {
            self.record = self.record.map(|record| record.with_rules(digest));
        }
        self
    }

    /// Commits to content by its SHA-256, under a fresh salt.
    ///
    /// # Errors
    /// [`crate::keys::KeyError::Random`] if the system gives no randomness: a commitment without a salt would reveal
    /// what it hides.
    pub fn commit(mut self, label: Label, digest: &[u8; 32]) -> Result<Self, crate::keys::KeyError> {
        let salt = Salt::new(crate::keys::random::<32>()?);
        let commitment = commit_digest(&salt, label, &Hash::new(*digest));
        self.record = self.record.map(|record| record.with_commitment(label, commitment));
        self.salts
            .push(store::Salt { label: label.as_str().to_owned(), salt: Bytes::copy_from_slice(salt.as_bytes()) });
        Ok(self)
    }

    /// Commits to content.
    ///
    /// # Errors
    /// As [`RecordBuilder::commit`].
    pub fn commit_content(self, label: Label, content: &[u8]) -> Result<Self, crate::keys::KeyError> {
        self.commit(label, &Sha256::digest(content).into())
    }

    /// The record, for the commit of what it tells of.
    pub fn build(self) -> NewLedgerRecord {
        let bytes = self.record.map(|record| record.to_bytes()).unwrap_or_default();
        NewLedgerRecord { exchange: self.exchange, bytes: bytes.into(), salts: self.salts }
    }
}
