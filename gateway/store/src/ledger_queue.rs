//! Ledger records on their way to the sealer.

use bytes::Bytes;

use crate::exchange::ExchangeId;

/// A salt of one commitment. It stays outside the log: who holds it can open the commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salt {
    /// The commitment's label, such as `in`.
    pub label: String,
    /// 32 bytes or more.
    pub salt: Bytes,
}

/// A ledger record to append. Its dense index is assigned in the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLedgerRecord {
    /// The exchange it belongs to.
    pub exchange: ExchangeId,
    /// The record's bytes, hashed as they stand.
    pub bytes: Bytes,
    /// Salts of its commitments.
    pub salts: Vec<Salt>,
}

/// A durable ledger record with its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRecord {
    /// Dense index from 0: the leaf's place in the tree.
    pub index: u64,
    /// The exchange it belongs to.
    pub exchange: ExchangeId,
    /// The record's bytes.
    pub bytes: Bytes,
}
