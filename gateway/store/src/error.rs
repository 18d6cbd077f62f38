//! What can go wrong with the store, whose fault it is and whether to try again.

use std::io;
use std::path::PathBuf;

/// Why the store did not do what was asked.
///
/// Everything but [`Error::Conflict`], [`Error::TooLarge`] and [`Error::NotFound`] is the operator's matter (disk, lock,
/// damage); a sender is never at fault for those. No variant carries patient data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A precondition of the commit did not hold; nothing was written. Retry after a read.
    #[error("conflict: {0}")]
    Conflict(Conflict),
    /// The commit names something that the store does not hold; nothing was written.
    #[error("{what} is unknown to the store")]
    NotFound {
        /// What kind of thing was named.
        what: &'static str,
    },
    /// One commit would not fit a journal segment; nothing was written. Fault of the caller.
    #[error("commit of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Size of the encoded commit.
        bytes: u64,
        /// Largest size that is taken.
        limit: u64,
    },
    /// Free space is under `min_free` or the disk is full; nothing was written. Retryable once there is room.
    #[error("disk is full: {free} bytes free, {needed} needed")]
    Full {
        /// Free bytes as last measured, 0 when the disk itself refused.
        free: u64,
        /// What has to be free for commits to be taken.
        needed: u64,
    },
    /// The queue of waiting commits is full; nothing was written. Retryable at once.
    #[error("queue of waiting commits is full")]
    Busy,
    /// Another process holds this directory.
    #[error("{path}: another process holds this store")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// Bytes on disk are not what was written. Needs a person: `store check` says all that is damaged.
    #[error("{file} is damaged at byte {offset}: {what}")]
    Damaged {
        /// The file, relative to the store's directory where it is inside.
        file: String,
        /// Where in the file.
        offset: u64,
        /// What was expected there.
        what: &'static str,
    },
    /// An import was asked for into a store that holds something.
    #[error("store is not empty")]
    NotEmpty,
    /// The store is shutting down or its writer has ended.
    #[error("store is closed")]
    Closed,
    /// The disk refused; nothing acknowledged is lost. Retryable: the store reopens its file by itself.
    #[error("{doing}: {source}")]
    Io {
        /// What the store was doing.
        doing: &'static str,
        /// What the system answered.
        source: io::Error,
    },
    /// The index engine refused; the journal is whole and the index is rebuilt from it. Retryable.
    #[error("index engine: {0}")]
    Index(String),
}

/// Which precondition failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// The current version is not the expected one (FHIR R4 http, "Managing Resource Contention").
    #[error("{resource_type}/{id} is at version {current:?}")]
    Version {
        /// Type of the resource.
        resource_type: String,
        /// Its id.
        id: String,
        /// Its current version, `None` if it does not exist or is deleted.
        current: Option<u64>,
    },
    /// The resource was last written by another source.
    #[error("{resource_type}/{id} was last written by another source")]
    Author {
        /// Type of the resource.
        resource_type: String,
        /// Its id.
        id: String,
    },
    /// An exchange of this id exists already.
    #[error("exchange exists already")]
    ExchangeExists,
    /// The exchange is not in the expected state.
    #[error("exchange is not in the expected state")]
    ExchangeState,
    /// A grant of this id exists already.
    #[error("grant exists already")]
    GrantExists,
}

impl Error {
    /// Whether the same call may succeed later without anybody changing the call.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Full { .. } | Error::Busy | Error::Io { .. } | Error::Index(_))
    }

    /// A row of the index does not have the form that was written: it is rebuilt from the journal.
    pub(crate) fn unreadable_row() -> Self {
        Error::Index("a row is not readable".to_owned())
    }

    /// Wraps an I/O error, telling a full disk from other failures.
    pub(crate) fn io(doing: &'static str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Full { free: 0, needed: 0 },
            _ => Error::Io { doing, source },
        }
    }
}
