//! The emergency journal: where break-glass audit entries go when the store refuses.
//!
//! One small file, filled with zeros and synced when it is made, so that an append needs no free space; used for nothing
//! else and independent of the store's writer. Entries are replayed into the store once it takes commits again.
//!
//! Layout: two header slots of 512 bytes, written in turn, the valid one with the higher counter counts
//! (`magic, counter u64, epoch u64, start u64, crc32`, little endian); from byte 1,024 on frames of
//! `length u32, crc32 u32, payload`. The checksum covers epoch, place and payload, so that what is left of an earlier
//! epoch is never read as an entry. Reading ends at the first frame that does not fit its checksum.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::error::Error;

const NAME: &str = "emergency.journal";
const MAGIC: &[u8; 8] = b"ALEMERG1";
const SLOT: u64 = 512;
const FRAMES: u64 = 2 * SLOT;
const FRAME_HEADER: u64 = 8;

/// A small preallocated file for audit entries that must not wait for free space.
pub struct EmergencyJournal {
    file: File,
    capacity: u64,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
struct State {
    counter: u64,
    epoch: u64,
    /// First entry not yet replayed.
    start: u64,
    /// Where the next entry goes.
    end: u64,
}

/// Up to where entries were read; see [`EmergencyJournal::replayed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    epoch: u64,
    end: u64,
}

impl EmergencyJournal {
    /// Room that `serve` makes at start: some thousand entries.
    pub const CAPACITY: u64 = 1 << 20;

    /// Opens the journal in `directory`, making it whole and synced if there is none.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Full`] if it cannot be made; [`Error::Damaged`] if neither header can be read.
    pub fn open(directory: &Path, capacity: u64) -> Result<Self, Error> {
        let path = directory.join(NAME);
        std::fs::create_dir_all(directory)
            .map_err(|error| Error::io("make the emergency journal's directory", error))?;
        if !path.exists() {
            make(directory, &path, capacity).map_err(|error| Error::io("make the emergency journal", error))?;
        }
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        let file = opened.map_err(|error| Error::io("open the emergency journal", error))?;
        let read = |error| Error::io("read the emergency journal", error);
        let capacity = file.metadata().map_err(read)?.len();
        let headers = [header(&file, 0).map_err(read)?, header(&file, SLOT).map_err(read)?];
        let newest = headers.into_iter().flatten().max_by_key(|state| state.counter);
        let mut state =
            newest.ok_or(Error::Damaged { file: NAME.to_owned(), offset: 0, what: "no readable header" })?;
        state.end = state.start;
        let journal = Self { file, capacity, state: Mutex::new(state) };
        let (entries, end) = journal.scan(state)?;
        if !entries.is_empty() {
            tracing::warn!(entries = entries.len(), "emergency journal holds entries to replay");
        }
        journal.state().end = end;
        Ok(journal)
    }

    /// Appends an entry; when this returns `Ok` it survives a power cut. Blocks for one sync.
    ///
    /// # Errors
    /// [`Error::Full`] when the file's own room is used up, [`Error::Io`] if the disk refuses; the entry is then not kept.
    pub fn append(&self, entry: &[u8]) -> Result<(), Error> {
        let mut state = self.state();
        let needed = FRAME_HEADER + entry.len() as u64;
        let length = u32::try_from(entry.len()).ok();
        let Some(length) = length.filter(|_| state.end + needed <= self.capacity) else {
            return Err(Error::Full { free: self.capacity.saturating_sub(state.end), needed });
        };
        let mut frame = Vec::with_capacity(entry.len() + 8);
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(&checksum(state.epoch, state.end, entry).to_le_bytes());
        frame.extend_from_slice(entry);
        let written = self.file.write_all_at(&frame, state.end).and_then(|()| self.file.sync_data());
        written.map_err(|error| Error::io("append to the emergency journal", error))?;
        state.end += needed;
        Ok(())
    }

    /// Entries not yet replayed, oldest first, and the mark to give to [`EmergencyJournal::replayed`].
    pub fn entries(&self) -> Result<(Vec<Bytes>, Mark), Error> {
        let state = *self.state();
        let (entries, end) = self.scan(state)?;
        Ok((entries, Mark { epoch: state.epoch, end }))
    }

    /// Drops what was read up to `mark`, once the store holds it durably. A crash before this returns replays again, so
    /// replaying must be idempotent (ids of audit events come from the entry).
    pub fn replayed(&self, mark: Mark) -> Result<(), Error> {
        let mut state = self.state();
        if mark.epoch != state.epoch || mark.end <= state.start {
            return Ok(());
        }
        let mut next = State { counter: state.counter + 1, start: mark.end, ..*state };
        if next.start == next.end {
            (next.epoch, next.start, next.end) = (state.epoch + 1, FRAMES, FRAMES);
        }
        let slot = if next.counter.is_multiple_of(2) { 0 } else { SLOT };
        let written = self.file.write_all_at(&header_bytes(next), slot).and_then(|()| self.file.sync_data());
        written.map_err(|error| Error::io("write the emergency journal's header", error))?;
        *state = next;
        Ok(())
    }

    fn scan(&self, state: State) -> Result<(Vec<Bytes>, u64), Error> {
        let mut entries = Vec::new();
        let mut at = state.start;
        while at + FRAME_HEADER <= self.capacity {
            let mut head = [0; 8];
            let read = |error| Error::io("read the emergency journal", error);
            self.file.read_exact_at(&mut head, at).map_err(read)?;
            let [l0, l1, l2, l3, c0, c1, c2, c3] = head;
            let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
            if at + FRAME_HEADER + length > self.capacity {
                break;
            }
            let mut entry = vec![0; usize::try_from(length).unwrap_or(0)];
            self.file.read_exact_at(&mut entry, at + FRAME_HEADER).map_err(read)?;
            if u32::from_le_bytes([c0, c1, c2, c3]) != checksum(state.epoch, at, &entry) {
                break;
            }
            entries.push(Bytes::from(entry));
            at += FRAME_HEADER + length;
        }
        Ok((entries, at))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Written whole under another name and renamed: a crash leaves no half-made journal.
fn make(directory: &Path, path: &Path, capacity: u64) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let file = File::create(&temporary)?;
    let mut content = vec![0; usize::try_from(capacity.max(2 * FRAMES)).unwrap_or(0)];
    let first = header_bytes(State { counter: 0, epoch: 1, start: FRAMES, end: FRAMES });
    for (byte, value) in content.iter_mut().zip(first) {
        *byte = value;
    }
    file.write_all_at(&content, 0)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    File::open(directory)?.sync_all()
}

fn header_bytes(state: State) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for value in [state.counter, state.epoch, state.start] {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// The header in a slot, `None` if it is torn or was never written.
fn header(file: &File, slot: u64) -> io::Result<Option<State>> {
    let mut bytes = [0; 36];
    file.read_exact_at(&mut bytes, slot)?;
    let word = |at: usize| bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).map_or(0, u64::from_le_bytes);
    let state = State { counter: word(8), epoch: word(16), start: word(24), end: word(24) };
    Ok((header_bytes(state) == bytes).then_some(state))
}

fn checksum(epoch: u64, at: u64, entry: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&epoch.to_le_bytes());
    hasher.update(&at.to_le_bytes());
    hasher.update(entry);
    hasher.finalize()
}

#[cfg(test)]
mod tests;
