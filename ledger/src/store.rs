//! Where a log's tiles and checkpoint lie: the traits, a directory, and memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::tile::{self, Kind, TileId};
use crate::tree;

/// How often a partial tile is looked for: a writer at work replaces it by a wider one between two looks.
const READS: u32 = 5;

/// The path of the signed checkpoint; tiles have the paths of [`TileId`].
pub const CHECKPOINT: &str = "checkpoint";

/// A failure of storage; the operator's to mend. Names a file of ours, never what is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused.
    #[error("{action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another process writes this log.
    #[error("{path} is in use by another process")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A file that the checkpoint calls for is not there, or too short.
    #[error("expected {path} to be there in full")]
    Missing {
        /// The file's path within the log.
        path: String,
    },
}

/// A place tiles and the checkpoint are read from.
pub trait Source {
    /// The bytes under a path of C2SP tlog-tiles, or `None`.
    ///
    /// A partial tile may be cut from a fuller one: a log keeps only the last.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it cannot be told whether they are there.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError>;
}

/// A tile with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileFile {
    /// Which.
    pub tile: TileId,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A place a log is kept in.
pub trait LogStore: Source {
    /// Writes tiles, each whole or not at all. When this returns `Ok` they are as durable as [`Durability`] says.
    ///
    /// # Errors
    /// [`StoreError::Io`]; some of the tiles may have been written.
    fn write(&self, files: &[TileFile]) -> Result<(), StoreError>;

    /// Replaces the checkpoint. When this returns `Ok` it is durable.
    ///
    /// # Errors
    /// [`StoreError::Io`]; it is then unknown which checkpoint is there.
    fn publish(&self, note: &str) -> Result<(), StoreError>;

    /// Removes partial tiles that a published, larger one has replaced. Best effort: they do no harm.
    fn retire(&self, tiles: &[TileId]);

    /// Removes partial tiles that no checkpoint of `size` covers: what a seal that did not finish left behind.
    fn sweep(&self, size: u64);

    /// What a failed seal may have lost.
    fn durability(&self) -> Durability;
}

/// Who can give the records of the unfinished tiles again after a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nobody: every tile is synced before its checkpoint is signed. For a log that stands alone.
    Here,
    /// The caller, who holds every record durably before giving it to the log and can feed any of them again.
    ///
    /// Then only full tiles and the checkpoint are synced. A seal costs two syncs instead of six and more, and the partial
    /// tiles, replaced at the next seal, mostly never reach the disk.
    Caller,
}

/// A log's directory, opened for reading only: beside a running writer, or a copy.
#[derive(Debug, Clone)]
pub struct DirectoryReader {
    root: PathBuf,
}

impl DirectoryReader {
    /// Reads below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.root.join(path);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::Io { action: "read", path, source }),
        }
    }

    /// The widths of the partial tiles stored for a tile.
    fn widths(&self, tile: TileId) -> Vec<u64> {
        let entries = fs::read_dir(self.root.join(format!("{}.p", tile.full())));
        let names = entries.into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut widths: Vec<_> = names.filter_map(|name| crate::text::decimal(&name)).collect();
        widths.sort_unstable();
        widths
    }
}

impl Source for DirectoryReader {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let tile = TileId::parse(path);
        if tile.is_none() && path != CHECKPOINT {
            return Ok(None);
        }
        for _ in 0..READS {
            if let Some(bytes) = self.read_file(path)? {
                return Ok(Some(bytes));
            }
            let Some(tile) = tile.filter(|tile| !tile.is_full()) else { return Ok(None) };
            let wider = self.read_wider(tile)?;
            if wider.is_some() {
                return Ok(wider);
            }
        }
        Ok(None)
    }
}

impl DirectoryReader {
    /// The beginning of the full tile, or of a wider partial one.
    fn read_wider(&self, tile: TileId) -> Result<Option<Vec<u8>>, StoreError> {
        let wider = self.widths(tile).into_iter().filter(|width| *width > tile.width());
        let wider = wider.filter_map(|width| TileId::new(tile.kind(), tile.index(), width));
        for wider in [tile.full()].into_iter().chain(wider) {
            let bytes = self.read_file(&wider.to_string())?;
            let cut = bytes.as_deref().and_then(|bytes| tile::beginning(tile.kind(), bytes, tile.width()));
            if let Some(cut) = cut {
                return Ok(Some(cut.to_vec()));
            }
        }
        Ok(None)
    }
}

/// A log's directory, opened for writing by the one process that may: `checkpoint`, `tile/…`, `tmp/` and `lock`.
///
/// Each file is written beside, synced, and renamed, and its directory synced, so that a reader sees whole files only.
#[derive(Debug)]
pub struct DirectoryStore {
    reader: DirectoryReader,
    durability: Durability,
    temporary: AtomicU64,
    _lock: File,
}

impl DirectoryStore {
    /// Opens a directory, which is made if need be, and locks it until this is dropped.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it open; [`StoreError::Io`] if it cannot be written.
    pub fn open(root: impl Into<PathBuf>, durability: Durability) -> Result<Self, StoreError> {
        let root = root.into();
        let temporary = root.join("tmp");
        let io_error = |action, path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { action, path, source }
        };
        fs::create_dir_all(&temporary).map_err(io_error("create", &temporary))?;
        let path = root.join("lock");
        let lock = File::options().create(true).append(true).open(&path).map_err(io_error("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(StoreError::Locked { path }),
            Err(fs::TryLockError::Error(source)) => return Err(StoreError::Io { action: "lock", path, source }),
        }
        // What an interrupted write left: never renamed, so never part of the log.
        for entry in fs::read_dir(&temporary).map_err(io_error("list", &temporary))?.flatten() {
            fs::remove_file(entry.path()).map_err(io_error("remove", &entry.path()))?;
        }
        sync_directory(&root)?;
        Ok(Self { reader: DirectoryReader::new(root), durability, temporary: AtomicU64::new(0), _lock: lock })
    }

    /// A reader of the same directory, for other threads.
    pub fn reader(&self) -> DirectoryReader {
        self.reader.clone()
    }

    /// Puts bytes in place under `path` by way of a temporary file; `synced` decides whether they outlive a power cut.
    fn put(&self, path: &Path, bytes: &[u8], synced: bool) -> Result<(), StoreError> {
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = self.reader.root.join("tmp").join(number.to_string());
        let written = || {
            let mut file = File::create(&temporary)?;
            file.write_all(bytes)?;
            if synced { file.sync_data() } else { Ok(()) }
        };
        let placed = written().and_then(|()| fs::rename(&temporary, path));
        placed.map_err(|source| {
            // A full disk is the likely cause: do not leave the half file to fill it further.
            let _ = fs::remove_file(&temporary);
            StoreError::Io { action: "write", path: path.to_owned(), source }
        })
    }
}

impl Source for DirectoryStore {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.reader.read(path)
    }
}

impl LogStore for DirectoryStore {
    fn write(&self, files: &[TileFile]) -> Result<(), StoreError> {
        let root = &self.reader.root;
        let mut unsynced = BTreeSet::new();
        for file in files {
            let synced = file.tile.is_full() || self.durability == Durability::Here;
            let path = root.join(file.tile.to_string());
            let parents = path.ancestors().skip(1).take_while(|parent| parent.starts_with(root));
            let missing: Vec<_> = parents.take_while(|parent| !parent.is_dir()).map(Path::to_owned).collect();
            if let Some(parent) = path.parent() {
                let made = if missing.is_empty() { Ok(()) } else { fs::create_dir_all(parent) };
                made.map_err(|source| StoreError::Io { action: "create", path: parent.to_owned(), source })?;
                if synced {
                    unsynced.insert(parent.to_owned());
                }
            }
            // A new directory is an entry of the one above it, which has to be synced too.
            unsynced.extend(missing.iter().filter_map(|new| new.parent()).map(Path::to_owned));
            self.put(&path, &file.bytes, synced)?;
        }
        unsynced.iter().try_for_each(|directory| sync_directory(directory))
    }

    fn publish(&self, note: &str) -> Result<(), StoreError> {
        self.put(&self.reader.root.join(CHECKPOINT), note.as_bytes(), true)?;
        sync_directory(&self.reader.root)
    }

    fn retire(&self, tiles: &[TileId]) {
        for tile in tiles.iter().filter(|tile| !tile.is_full()) {
            let path = self.reader.root.join(tile.to_string());
            let _ = fs::remove_file(&path);
            // Succeeds only once the directory is empty: when the tile has become full.
            let _ = path.parent().map(fs::remove_dir);
        }
    }

    fn sweep(&self, size: u64) {
        for tile in right_edge(size) {
            let stale = self.reader.widths(tile).into_iter().filter(|width| *width != tile.width() || tile.is_full());
            let stale: Vec<_> = stale.filter_map(|width| TileId::new(tile.kind(), tile.index(), width)).collect();
            self.retire(&stale);
        }
    }

    fn durability(&self) -> Durability {
        self.durability
    }
}

/// The last tile of each row, and the one after it, which a seal that did not finish may have begun.
fn right_edge(size: u64) -> impl Iterator<Item = TileId> {
    let levels = (0..=8_u8).map(Kind::Hashes).chain([Kind::Entries]);
    levels.flat_map(move |kind| {
        let level = if let Kind::Hashes(level) = kind { usize::from(level) } else { 0 };
        let index = tree::complete(size, level) / tree::TILE_WIDTH;
        let width = tree::partial_width(size, level);
        let before = index.checked_sub(1).and_then(|index| TileId::new(kind, index, tree::TILE_WIDTH));
        // Width 0 is no tile: then every partial there is stale, which a full width says too.
        let last = TileId::new(kind, index, if width == 0 { tree::TILE_WIDTH } else { width });
        before.into_iter().chain(last)
    })
}

fn sync_directory(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|source| StoreError::Io {
        action: "sync",
        path: path.to_owned(),
        source,
    })
}

/// A log in memory: for tests and for a gateway that keeps nothing.
#[derive(Debug, Default)]
pub struct MemoryStore {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl MemoryStore {
    fn files(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        // Every change is one insert or remove: a panic elsewhere cannot leave the map half done.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for MemoryStore {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.files().get(path).cloned())
    }
}

impl LogStore for MemoryStore {
    fn write(&self, files: &[TileFile]) -> Result<(), StoreError> {
        let mut stored = self.files();
        for file in files {
            stored.insert(file.tile.to_string(), file.bytes.clone());
        }
        Ok(())
    }

    fn publish(&self, note: &str) -> Result<(), StoreError> {
        self.files().insert(CHECKPOINT.to_owned(), note.as_bytes().to_vec());
        Ok(())
    }

    fn retire(&self, tiles: &[TileId]) {
        let mut stored = self.files();
        for tile in tiles.iter().filter(|tile| !tile.is_full()) {
            stored.remove(&tile.to_string());
        }
    }

    fn sweep(&self, _size: u64) {}

    fn durability(&self) -> Durability {
        Durability::Here
    }
}

#[cfg(test)]
mod tests;
