//! What can go wrong, by what the caller can do about it.

use crate::store::StoreError;

/// A check that did not hold, named the way an operator is told: an index, or the checkpoint.
///
/// `Display` starts with `index N` or `checkpoint`, in one line and without any content of a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The lowest entry covered by something missing or wrong.
    #[error("index {index}: {reason}")]
    Index {
        /// The entry's index.
        index: u64,
        /// What was expected.
        reason: String,
    },
    /// The note, its signature, or the root alone.
    #[error("checkpoint: {reason}")]
    Checkpoint {
        /// What was expected.
        reason: String,
    },
}

impl Refusal {
    /// A refusal that names an entry.
    pub fn index(index: u64, reason: impl Into<String>) -> Self {
        Self::Index { index, reason: reason.into() }
    }

    /// A refusal of the signed note itself.
    pub fn checkpoint(reason: impl Into<String>) -> Self {
        Self::Checkpoint { reason: reason.into() }
    }
}

/// Why an operation of the ledger stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fault of the caller; not retryable: a record, id, origin or label of another form.
    #[error("{what}: expected {expected}")]
    Form {
        /// Which value.
        what: &'static str,
        /// Its form.
        expected: &'static str,
    },
    /// Fault of the caller; not retryable: an entry bundle counts an entry's bytes in 16 bits.
    #[error("record: expected 1 to {max} bytes, found {found}", max = crate::tile::MAX_ENTRY)]
    RecordSize {
        /// The record's bytes.
        found: usize,
    },
    /// Fault of the caller; feed the records again from `expected`.
    #[error("expected the record of index {expected}, was given {found}")]
    Gap {
        /// The next index the log takes.
        expected: u64,
        /// The index given.
        found: u64,
    },
    /// Fault of the operator; not retryable: a key file that is no such key.
    #[error("key: expected {expected}")]
    Key {
        /// The form a key file has.
        expected: &'static str,
    },
    /// What was given to check does not hold.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The disk disagrees with the last signed checkpoint: nothing may be sealed until a person has decided.
    ///
    /// Either the directory was altered, or the records fed are not those that were sealed.
    #[error("the log directory disagrees with its last checkpoint")]
    Disagrees(#[source] Refusal),
    /// A seal that seemed to have failed had not. The log has opened itself again: go on from its size.
    #[error("the log was opened again after a failed seal and stands at another size")]
    Reopen,
    /// Asked for an entry the last checkpoint does not cover (yet).
    #[error("index {index} is not in the tree of size {size}")]
    NotSealed {
        /// The index asked for.
        index: u64,
        /// The size of the last checkpoint.
        size: u64,
    },
    /// Fault of the operator (a full disk, a missing directory); retryable.
    #[error("the log's storage failed")]
    Store(#[from] StoreError),
}
