//! The two trees of the index, sled for what is updated in place and [`super::lsm`] for the many rows of resources, held at
//! arm's length: opened under a watch, closed and opened again after an error, made anew together when one is damaged.

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use model::time::Instant;
use sled::{Batch, Db, IVec};

use super::block::{self, Changes};
use super::lsm::{self, Lsm};
use super::piece::Row;
use super::{Direction, Rows, keys};
use crate::codec::{Codec, codec};
use crate::error::Error;

/// Version of the rows' layout: an index of another version is made anew.
const FORMAT: u32 = 6;

/// What a read is told while the engine is closed to be opened again.
pub(super) const REOPENING: &str = "is being opened again";

/// Blocks and rows in one sled batch.
const BATCH_BLOCKS: usize = 32;
const BATCH_ROWS: usize = 1024;

/// Blocks after which sled's writes are waited for.
const UNWRITTEN_BLOCKS: usize = 512;

/// Up to where the journal has been worked into the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Where the next frame is or will be.
    pub(crate) position: u64,
    /// The number of that frame.
    pub(crate) sequence: u64,
    /// Position of the frame before it: the journal must still hold that one.
    pub(crate) last: u64,
    /// Time of the last commit.
    pub(crate) at: Instant,
}

struct Meta {
    format: u32,
    journal: [u8; 16],
    position: u64,
    sequence: u64,
    last: u64,
    at: Instant,
}
codec!(Meta { format, journal, position, sequence, last, at });

/// sled behind a lock that is taken for writing only to exchange the database.
pub(crate) struct Engine {
    journal: [u8; 16],
    db: RwLock<Option<OpenIndex>>,
}

/// A database that was opened and found to belong to the journal.
pub(crate) struct OpenIndex {
    db: Db,
    lsm: Lsm,
    directory: PathBuf,
    /// `None`: new and empty.
    pub(crate) applied: Option<Applied>,
}

impl Engine {
    pub(crate) fn new(journal: [u8; 16], opened: OpenIndex) -> Self {
        Self { journal, db: RwLock::new(Some(opened)) }
    }

    pub(crate) fn replace(&self, opened: OpenIndex) {
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = Some(opened);
    }

    /// Lets go of the database: its file lock is free once running reads have ended.
    pub(crate) fn close(&self) {
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<IVec>, Error> {
        if lsm::holds(key) {
            return self.with_lsm(|lsm| lsm.get(key));
        }
        match self.with(|db| block_of(db, key))? {
            Some((_, block)) => block::find(&block, key).map_err(|_| Error::unreadable_row()),
            None => Ok(None),
        }
    }

    /// The first `most` rows of a range in the direction.
    pub(super) fn range(&self, range: &keys::Range, direction: Direction, most: usize) -> Result<Vec<Row>, Error> {
        let (low, high) = range.bounds();
        if let Bound::Included(low) | Bound::Excluded(low) = low
            && lsm::holds(low)
        {
            return self.with_lsm(|lsm| lsm.range(range, direction, most));
        }
        let end = match low {
            Bound::Included(low) | Bound::Excluded(low) => Some(low),
            Bound::Unbounded => None,
        };
        // From the block that holds the low end: its key may be below the range. A walk down comes to it by itself.
        let first = match (end, direction) {
            (Some(low), Direction::Up) => self.with(|db| block_of(db, low))?.map(|(key, _)| key),
            _ => None,
        };
        let from = first.as_deref().map_or(Bound::Excluded(keys::META), Bound::Included);
        let mut rows = Vec::new();
        let mut blocks = self.with(|db| Ok(db.range::<&[u8], _>((from, high))))?;
        while rows.len() < most {
            let next = match direction {
                Direction::Up => blocks.next(),
                Direction::Down => blocks.next_back(),
            };
            let Some(next) = next else { break };
            let (key, bytes) = next.map_err(|error| Error::Index(error.to_string()))?;
            let inside = match direction {
                Direction::Up => block::decode_where(&bytes, |key| range.contains(key), most - rows.len()),
                Direction::Down => block::decode_last(&bytes, |key| range.contains(key), most - rows.len()),
            };
            let inside = inside.map_err(|_| Error::unreadable_row())?.into_iter();
            let inside = inside.map(|(key, value)| (key.into(), Some(value.into())));
            match direction {
                Direction::Up => rows.extend(inside),
                Direction::Down => rows.extend(inside.rev()),
            }
            if direction == Direction::Down && end.is_some_and(|low| key.as_ref() <= low) {
                break;
            }
        }
        rows.truncate(most);
        Ok(rows)
    }

    /// Applies rows, then the position they reach. sled holds off readers while a batch is applied, so it is done in
    /// small ones; each leaves whole blocks, and what a crash cuts off is replayed.
    pub(crate) fn apply(&self, rows: &Rows, applied: Applied) -> Result<(), Error> {
        let Applied { position, sequence, last, at } = applied;
        let meta = Meta { format: FORMAT, journal: self.journal, position, sequence, last, at }.encoded();
        // First, so that sled never says that more was applied than both hold.
        self.with_lsm(|lsm| lsm.apply(rows.iter().filter(|(key, _)| lsm::holds(key)), &meta))?;
        let mut changes = Changes::of(rows.iter().filter(|(key, _)| !lsm::holds(key)));
        let mut batch = Batch::default();
        let (mut batched, mut unwritten) = (0, 0);
        while let Some(first) = changes.first() {
            let block = self.with(|db| block_of(db, first))?;
            let beyond = (Bound::Excluded(first.as_ref()), Bound::Unbounded);
            let next = self.with(|db| db.range::<&[u8], _>(beyond).next().transpose())?;
            let mine = changes.until(next.as_ref().map(|(key, _)| key.as_ref()), BATCH_ROWS);
            let cut = mine.len() == BATCH_ROWS;
            let old = block.as_ref().map_or(Ok(Vec::new()), |(_, bytes)| block::decode(bytes));
            let merged = block::merge(old.map_err(|_| Error::unreadable_row())?, mine.into_iter());
            let mut key = block.map(|(key, _)| key);
            let blocks = block::encode(&merged);
            if let (Some(key), true) = (&key, blocks.is_empty()) {
                batch.remove(key.clone());
            }
            for (first, bytes) in blocks {
                // The first keeps the block's key: it is a lower bound still.
                batch.insert(key.take().unwrap_or(first), bytes);
                batched += 1;
            }
            if cut || batched >= BATCH_BLOCKS {
                let full = std::mem::take(&mut batch);
                self.with(|db| db.apply_batch(full))?;
                unwritten += batched;
                batched = 0;
                // sled queues its writes without a bound: a slow disk must slow this down, not fill the memory.
                if unwritten >= UNWRITTEN_BLOCKS {
                    self.with(|db| db.flush().map(drop))?;
                    unwritten = 0;
                }
            }
        }
        self.with(|db| db.apply_batch(batch))?;
        self.with(|db| db.insert(keys::META, meta).and_then(|_| db.flush()).map(drop))
    }

    /// Writes what sled holds in memory and syncs its file: `flush` alone is no fsync on Linux.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.with(|db| db.flush().map(drop))?;
        let guard = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let Some(opened) = guard.as_ref() else { return Ok(()) };
        let file = std::fs::File::open(opened.directory.join("db"));
        file.and_then(|file| file.sync_data()).map_err(|error| Error::io("sync the index", error))
    }

    fn with_lsm<T>(&self, call: impl FnOnce(&Lsm) -> fjall::Result<T>) -> Result<T, Error> {
        let guard = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let Some(opened) = guard.as_ref() else {
            return Err(Error::Index(REOPENING.to_owned()));
        };
        call(&opened.lsm).map_err(|error| Error::Index(error.to_string()))
    }

    fn with<T>(&self, call: impl FnOnce(&Db) -> sled::Result<T>) -> Result<T, Error> {
        let guard = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let Some(opened) = guard.as_ref() else {
            return Err(Error::Index(REOPENING.to_owned()));
        };
        call(&opened.db).map_err(|error| Error::Index(error.to_string()))
    }
}

/// The block that holds `key` if any does: its key and content.
fn block_of(db: &Db, key: &[u8]) -> sled::Result<Option<(IVec, IVec)>> {
    let found = db.range::<&[u8], _>((Bound::Excluded(keys::META), Bound::Included(key))).next_back();
    found.transpose()
}

impl OpenIndex {
    /// Opens the newest index under `directory` that belongs to the journal; a damaged one, one that does not open in
    /// time and one of another journal are left aside and a new one is begun.
    pub(crate) fn open(
        directory: &Path,
        journal: [u8; 16],
        cache_bytes: u64,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let mut generations = generations(directory)?;
        let newest = generations.pop();
        for (_, old) in generations {
            // A thread that hangs in it may still hold files; what cannot go now goes next time.
            let _ = std::fs::remove_dir_all(old);
        }
        if let Some((_, path)) = &newest {
            let wait = timeout + Duration::from_secs(disk_bytes(path) / (16 << 20));
            match open_watched(path, cache_bytes, wait).and_then(|trees| Self::check(trees, path, journal)) {
                Ok(opened) => return Ok(opened),
                Err(reason) => {
                    let path = path.display();
                    tracing::warn!(%path, %reason, "index is not usable and is built anew from the journal");
                }
            }
        }
        let next = newest.map_or(1, |(generation, _)| generation + 1);
        let path = directory.join(next.to_string());
        let opened = open_watched(&path, cache_bytes, timeout).and_then(|trees| Self::check(trees, &path, journal));
        opened.map_err(Error::Index)
    }

    /// Begins a new, empty index beside the one there is, which the next opening leaves aside.
    pub(crate) fn begin(directory: &Path, cache_bytes: u64, timeout: Duration) -> Result<Self, Error> {
        let newest = generations(directory)?.last().map_or(0, |(generation, _)| *generation);
        let path = directory.join((newest + 1).to_string());
        let (db, lsm) = open_watched(&path, cache_bytes, timeout).map_err(Error::Index)?;
        Ok(Self { db, lsm, directory: path, applied: None })
    }

    /// Bytes that the index takes on disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        disk_bytes(&self.directory)
    }

    fn check((db, lsm): (Db, Lsm), path: &Path, journal: [u8; 16]) -> Result<Self, String> {
        let applied = Self::applied(db.get(keys::META).map_err(|error| error.to_string())?, journal)?;
        let written = Self::applied(lsm.meta().map_err(|error| error.to_string())?, journal)?;
        if applied.is_none() && !db.is_empty() {
            return Err("it has rows but no position".to_owned());
        }
        // What the one has beyond the other is written again by the replay; what it lacks would be missing.
        if applied.map(|applied| applied.position) > written.map(|written| written.position) {
            return Err("its trees do not belong together".to_owned());
        }
        Ok(Self { db, lsm, directory: path.to_owned(), applied })
    }

    fn applied(meta: Option<IVec>, journal: [u8; 16]) -> Result<Option<Applied>, String> {
        let Some(bytes) = meta else { return Ok(None) };
        let meta = Meta::decoded(Bytes::copy_from_slice(&bytes)).map_err(|_| "its position is unreadable")?;
        if meta.format != FORMAT {
            return Err(format!("it has format {}, expected {FORMAT}", meta.format));
        }
        if meta.journal != journal {
            return Err("it belongs to another journal".to_owned());
        }
        Ok(Some(Applied { position: meta.position, sequence: meta.sequence, last: meta.last, at: meta.at }))
    }
}

/// The indexes there are, oldest first.
fn generations(directory: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let list = |error| Error::io("list the index directory", error);
    std::fs::create_dir_all(directory).map_err(list)?;
    let mut generations: Vec<(u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(list)? {
        let entry = entry.map_err(list)?;
        if let Ok(generation) = entry.file_name().to_string_lossy().parse() {
            generations.push((generation, entry.path()));
        }
    }
    generations.sort();
    Ok(generations)
}

/// Opens both trees on a thread of its own: a damaged file can keep it busy for minutes without an error, or make it panic.
fn open_watched(path: &Path, cache_bytes: u64, timeout: Duration) -> Result<(Db, Lsm), String> {
    let (rows, rows_cache) = (path.join("rows"), cache_bytes / 2 - cache_bytes / super::LISTS_SHARE);
    let config = sled::Config::new()
        .path(path)
        // sled counts serialised pages, and holds each as decoded nodes several times that size.
        .cache_capacity((cache_bytes / 16).max(1 << 20))
        .mode(sled::Mode::LowSpace)
        .flush_every_ms(Some(500));
    let (sender, receiver) = sync_channel(1);
    let thread = std::thread::Builder::new().name("index-open".to_owned());
    let spawned = thread.spawn(move || {
        let mut opened = config.open();
        // The lock of a process killed a moment ago may still be held.
        for _ in 0..50 {
            if !matches!(&opened, Err(sled::Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock) {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
            opened = config.open();
        }
        let opened = opened.map_err(|error| error.to_string());
        let _ = sender.send(opened.and_then(|db| {
            let lsm = Lsm::open(&rows, rows_cache).map_err(|error| error.to_string())?;
            Ok((db, lsm))
        }));
    });
    spawned.map_err(|error| error.to_string())?;
    match receiver.recv_timeout(timeout) {
        Ok(opened) => opened,
        Err(RecvTimeoutError::Timeout) => Err(format!("it did not open within {} s", timeout.as_secs())),
        Err(RecvTimeoutError::Disconnected) => Err("it made the engine panic".to_owned()),
    }
}

fn disk_bytes(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => disk_bytes(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}
