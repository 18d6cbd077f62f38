//! How a store is opened.

use std::path::PathBuf;
use std::sync::Arc;
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

/// Makes rows anew where a version was written under other rules than hold now: by an earlier release, or before a search
/// parameter was added. Pure: the same rules make the same rows of the same body.
pub trait Derive: Send + Sync {
    /// A digest of the rules by which rows of this type are made.
    fn rules(&self, resource_type: &str) -> u32;

    /// The rows of a body.
    fn rows(&self, resource_type: &str, body: &[u8]) -> Vec<IndexRow>;

    /// What stays of a row that a version was written with and that its body does not tell, as it is called now.
    fn kept(&self, resource_type: &str, row: &IndexRow) -> Option<IndexRow> {
        let _ = (resource_type, row);
        None
    }
}

/// The rules of an open store, if it was given any.
#[derive(Clone, Default)]
pub struct Rules(Option<Arc<dyn Derive>>);

impl Rules {
    /// These rules.
    pub fn of(derive: Arc<dyn Derive>) -> Self {
        Self(Some(derive))
    }

    /// The digest with which a version of this type is written now.
    pub(crate) fn digest(&self, resource_type: &str) -> u32 {
        self.0.as_ref().map_or(0, |derive| derive.rules(resource_type))
    }

    /// Whether rows made under this digest are those of now.
    pub(crate) fn hold(&self, resource_type: &str, written: Option<u32>) -> bool {
        self.0.is_none() || written == Some(self.digest(resource_type))
    }

    /// Rows of a version under the rules of now; without rules those it has.
    pub(crate) fn anew(&self, resource_type: &str, body: &[u8], known: &[IndexRow]) -> Vec<IndexRow> {
        let Some(derive) = &self.0 else { return known.to_vec() };
        let mut rows = derive.rows(resource_type, body);
        rows.extend(known.iter().filter_map(|row| derive.kept(resource_type, row)));
        rows.sort_unstable();
        rows.dedup();
        rows
    }
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Rules")
    }
}

/// One process has one: two are the same for whoever compares configurations.
impl PartialEq for Rules {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Rules {}

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
    /// How rows are made; without it those that versions were written with stand.
    pub derive: Rules,
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
            derive: Rules::default(),
        }
    }
}
