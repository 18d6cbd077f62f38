//! Segment files: made ahead, filled with zeros and synced, so that an append neither grows a file nor needs free space.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Journal;
use crate::error::Error;

/// Length of a segment header; the first frame follows.
pub(crate) const SEGMENT_HEADER: u64 = 64;

const MAGIC: &[u8; 8] = b"ALJRNL01";
const FILL: usize = 1 << 20;
/// At 1 MiB a turn this makes some 100 MiB a second: more than is ever committed.
const PAUSE: Duration = Duration::from_millis(8);

/// What is the same in every segment of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) journal: [u8; 16],
    pub(super) size: u64,
}

impl SegmentHeader {
    fn bytes(&self, number: u64) -> Vec<u8> {
        let mut bytes = [&MAGIC[..], &self.journal, &self.size.to_le_bytes(), &number.to_le_bytes()].concat();
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.resize(SEGMENT_HEADER as usize, 0);
        bytes
    }

    /// Reads the header of the segment of this number.
    fn read(file: &File, name: String, number: u64) -> Result<Self, Error> {
        let mut bytes = [0; SEGMENT_HEADER as usize];
        let damaged = |what| Error::Damaged { file: name.clone(), offset: 0, what };
        match file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(damaged("segment is cut short")),
            other => other.map_err(|error| Error::io("read a journal segment's header", error))?,
        }
        let field = |at: usize, length: usize| bytes.get(at..at + length).unwrap_or_default();
        let journal = field(8, 16).try_into().unwrap_or_default();
        let size = u64::from_le_bytes(field(24, 8).try_into().unwrap_or_default());
        let header = Self { journal, size };
        let whole = header.bytes(number) == bytes && (MIN_SIZE..=MAX_SIZE).contains(&size) && size.is_multiple_of(8);
        if whole { Ok(header) } else { Err(damaged("segment header fails its checksum")) }
    }
}

const MIN_SIZE: u64 = 4096;
const MAX_SIZE: u64 = 1 << 31;

/// Name of a segment's file.
pub(crate) fn segment_name(number: u64) -> String {
    format!("{number:012}.seg")
}

/// Makes the directory and its first segment where missing; says what all segments have in common.
pub(super) fn open_directory(directory: &Path, segment_bytes: u64) -> Result<SegmentHeader, Error> {
    let made = |error| Error::io("make the journal", error);
    std::fs::create_dir_all(directory).map_err(made)?;
    let path = directory.join(segment_name(0));
    if !path.exists() {
        let others = std::fs::read_dir(directory).map_err(made)?.flatten();
        if others.into_iter().any(|entry| entry.file_name().to_string_lossy().ends_with(".seg")) {
            return Err(Error::Damaged { file: segment_label(0), offset: 0, what: "segment is missing" });
        }
        let header = SegmentHeader {
            journal: random_id().map_err(made)?,
            size: segment_bytes.clamp(MIN_SIZE, MAX_SIZE).next_multiple_of(8),
        };
        make(directory, &header, 0, &AtomicBool::new(true)).map_err(made)?;
    }
    let file = File::open(&path).map_err(|error| Error::io("open a journal segment", error))?;
    SegmentHeader::read(&file, segment_label(0), 0)
}

/// Opens a segment; `None` if there is no such file.
pub(super) fn open(directory: &Path, header: &SegmentHeader, number: u64) -> Result<Option<File>, Error> {
    let file = match OpenOptions::new().read(true).write(true).open(directory.join(segment_name(number))) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("open a journal segment", error)),
    };
    if SegmentHeader::read(&file, segment_label(number), number)? != *header {
        let what = "segment belongs to another journal";
        return Err(Error::Damaged { file: segment_label(number), offset: 0, what });
    }
    Ok(Some(file))
}

fn segment_label(number: u64) -> String {
    format!("journal/{}", segment_name(number))
}

/// Writes zeros from `position` to the end of its segment where anything else stands, and syncs.
pub(super) fn wipe(journal: &Journal, position: u64) -> Result<(), Error> {
    let (number, offset) = (position / journal.header.size, position % journal.header.size);
    let file = journal.file(number)?.ok_or_else(|| journal.damaged(position, "segment is missing"))?;
    let wipe = |error| Error::io("wipe the torn end of the journal", error);
    let mut at = offset;
    let mut wiped = false;
    let mut chunk = vec![0; FILL];
    while at < journal.header.size {
        let length = usize::try_from(journal.header.size - at).unwrap_or(FILL).min(FILL);
        chunk.resize(length, 0);
        journal.read(number * journal.header.size + at, &mut chunk)?;
        if chunk.iter().any(|byte| *byte != 0) {
            chunk.fill(0);
            file.write_all_at(&chunk, at).map_err(wipe)?;
            wiped = true;
        }
        at += length as u64;
    }
    if wiped {
        tracing::info!(segment = number, offset, "wiped a torn write at the end of the journal");
        file.sync_data().map_err(wipe)?;
    }
    Ok(())
}

/// Makes a segment whole under another name and renames it: a crash leaves no half-made segment.
fn make(directory: &Path, header: &SegmentHeader, number: u64, hurry: &AtomicBool) -> io::Result<()> {
    let temporary = directory.join(format!("{}.new", segment_name(number)));
    let made = fill(&temporary, header, number, hurry)
        .and_then(|()| std::fs::rename(&temporary, directory.join(segment_name(number))))
        .and_then(|()| File::open(directory)?.sync_all());
    if made.is_err() {
        // Give the space back: a full disk must not stay full of a segment that could not be finished.
        let _ = std::fs::remove_file(&temporary);
    }
    made
}

/// Fills in small synced pieces with pauses between, unless the writer waits: one long flush would hold up every commit.
fn fill(path: &Path, header: &SegmentHeader, number: u64, hurry: &AtomicBool) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&header.bytes(number))?;
    let zeros = vec![0; FILL];
    let mut left = header.size - SEGMENT_HEADER;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(FILL).min(FILL);
        file.write_all(zeros.get(..length).unwrap_or(&zeros))?;
        left -= length as u64;
        if !hurry.load(Ordering::Relaxed) {
            file.sync_data()?;
            std::thread::sleep(PAUSE);
        }
    }
    file.sync_all()
}

fn random_id() -> io::Result<[u8; 16]> {
    let mut id = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut id)?;
    Ok(id)
}

/// Makes the next segment while the present one is being written.
pub(super) struct Preparer {
    orders: Option<SyncSender<u64>>,
    made: Receiver<(u64, io::Result<()>)>,
    outstanding: bool,
    /// Set while the writer waits for a segment.
    hurry: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Preparer {
    /// Starts making segment `next`.
    pub(super) fn start(directory: PathBuf, header: SegmentHeader, next: u64) -> Self {
        let (orders, ordered) = sync_channel(1);
        let (done, made) = sync_channel(1);
        let hurry = Arc::new(AtomicBool::new(false));
        let hurried = Arc::clone(&hurry);
        let thread = std::thread::Builder::new().name("journal-prepare".to_owned()).spawn(move || {
            for number in ordered {
                let exists = directory.join(segment_name(number)).exists();
                let result = if exists { Ok(()) } else { make(&directory, &header, number, &hurried) };
                if done.send((number, result)).is_err() {
                    break;
                }
            }
        });
        let mut preparer = Self { orders: Some(orders), made, outstanding: false, hurry, thread: thread.ok() };
        preparer.order(next);
        preparer
    }

    /// Waits until segment `number` is there and has the one after it made.
    pub(super) fn take_next(&mut self, number: u64) -> Result<(), Error> {
        let mut result = self.wait();
        if result.as_ref().is_none_or(|(made, result)| *made != number || result.is_err()) {
            // Not made (the disk was full then): now is the time to try again.
            self.order(number);
            result = self.wait();
        }
        match result {
            Some((_, Ok(()))) => {
                self.order(number + 1);
                Ok(())
            }
            Some((_, Err(error))) => Err(Error::io("make a journal segment", error)),
            None => Err(Error::Closed),
        }
    }

    fn order(&mut self, number: u64) {
        if let Some(orders) = &self.orders {
            self.outstanding = orders.send(number).is_ok();
        }
    }

    fn wait(&mut self) -> Option<(u64, io::Result<()>)> {
        if !std::mem::take(&mut self.outstanding) {
            return None;
        }
        self.hurry.store(true, Ordering::Relaxed);
        let made = self.made.recv().ok();
        self.hurry.store(false, Ordering::Relaxed);
        made
    }
}

impl Drop for Preparer {
    fn drop(&mut self) {
        self.hurry.store(true, Ordering::Relaxed);
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
