//! How a store is opened.

use std::path::PathBuf;
use std::time::Duration;

use crate::resource::IndexRow;

/// Which engine holds the data. The set is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// Nothing on disk: for tests and trials; gone when the process ends.
    Memory,
    /// A journal of our own as the system of record, sled as the index over it.
    #[default]
    Sled,
}

/// Rows that versions of earlier releases lack, made from what is known of a version: its type, its body and the rows it
/// was written with. Asked while a new index is made from the journal and at an import; pure, so that the index is always the same.
#[derive(Clone, Copy)]
pub struct Derive(pub fn(&str, &[u8], &[IndexRow]) -> Vec<IndexRow>);

impl std::fmt::Debug for Derive {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Derive")
    }
}

/// One process has one: two are the same for whoever compares configurations.
impl PartialEq for Derive {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Derive {}

/// How a store is opened. Every queue is bounded and every wait has a limit, all of them here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Which engine.
    pub backend: Backend,
    /// The data directory; the store keeps to `store/` in it. Unused in memory.
    pub directory: PathBuf,
    /// Memory for cached index pages and rows not yet in the index.
    pub cache_bytes: u64,
    /// Free space under which commits are refused with [`crate::Error::Full`].
    pub min_free_bytes: u64,
    /// Commits that may wait for the writer; one more gets [`crate::Error::Busy`].
    pub queue: usize,
    /// Most commits that share one sync.
    pub group_commits: usize,
    /// Most bytes that share one sync; a single larger commit goes alone.
    pub group_bytes: usize,
    /// Size of a journal segment: what is preallocated at a time and the limit of one commit.
    pub segment_bytes: u64,
    /// How long to wait for the lock of a process that was just killed.
    pub lock_timeout: Duration,
    /// How long the index engine may take to open before its directory counts as damaged and is rebuilt.
    pub open_timeout: Duration,
    /// Rows to add to versions that were written without them.
    pub derive: Option<Derive>,
}

impl Config {
    /// Default of [`Config::cache_bytes`].
    pub const CACHE_BYTES: u64 = 128 << 20;
    /// Default of [`Config::min_free_bytes`].
    pub const MIN_FREE_BYTES: u64 = 256 << 20;
    /// Default of [`Config::segment_bytes`].
    pub const SEGMENT_BYTES: u64 = 64 << 20;

    /// The defaults, in memory.
    pub fn memory() -> Self {
        Self { backend: Backend::Memory, ..Self::sled(PathBuf::new()) }
    }

    /// The defaults, under `directory`.
    pub fn sled(directory: impl Into<PathBuf>) -> Self {
        Self {
            backend: Backend::Sled,
            directory: directory.into(),
            cache_bytes: Self::CACHE_BYTES,
            min_free_bytes: Self::MIN_FREE_BYTES,
            queue: 4096,
            group_commits: 256,
            group_bytes: 4 << 20,
            segment_bytes: Self::SEGMENT_BYTES,
            lock_timeout: Duration::from_secs(5),
            open_timeout: Duration::from_secs(30),
            derive: None,
        }
    }
}
