//! The journal: the system of record. Segments of one size, filled ahead with zeros, written front to back in checksummed
//! frames; one frame is one group of commits and one sync.
//!
//! Positions count bytes over all segments (`segment number x segment size + offset`), so that one number says where
//! anything is. Inside a frame lie items, each with a checksum of its own: an item is read alone by its [`Pointer`].

mod frame;
mod scan;
mod segment;

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use crate::codec::{Codec, Malformed, Reader};
use crate::error::Error;

pub(crate) use frame::{FRAME_HEADER, FrameHeader};
pub(crate) use scan::{Frame, Frames};
pub(crate) use segment::{SEGMENT_HEADER, segment_name};

use segment::{Preparer, SegmentHeader};

/// Item header: kind u8, length u32, checksum u32 over kind, position and payload.
pub(crate) const ITEM_HEADER: usize = 9;

/// Bytes left free at the end of a segment, so that the place after a frame is always in the frame's own segment.
const GAP: u64 = 8;

/// Where an item is and how long it is, header included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Pointer {
    pub(crate) position: u64,
    pub(crate) length: u32,
}

impl Codec for Pointer {
    fn put(&self, out: &mut Vec<u8>) {
        self.position.put(out);
        self.length.put(out);
    }

    fn take(from: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self { position: u64::take(from)?, length: u32::take(from)? })
    }
}

/// The journal of one directory. Reading is shared; writing is the writer thread's alone ([`Tail`]).
pub(crate) struct Journal {
    directory: PathBuf,
    header: SegmentHeader,
    files: RwLock<HashMap<u64, Arc<File>>>,
}

/// Where the next frame goes, and what makes segments ahead.
pub(crate) struct Tail {
    position: u64,
    sequence: u64,
    preparer: Preparer,
    /// Set after a failed write: the frame at the tail must be wiped before anything else is written.
    torn: bool,
}

impl Journal {
    /// Opens the journal in `directory`, making its first segment if there is none.
    pub(crate) fn open(directory: &Path, segment_bytes: u64) -> Result<Self, Error> {
        let header = segment::open_directory(directory, segment_bytes)?;
        Ok(Self { directory: directory.to_owned(), header, files: RwLock::default() })
    }

    /// Random id drawn when the journal was made: an index of another journal is told by it.
    pub(crate) fn id(&self) -> [u8; 16] {
        self.header.journal
    }

    /// Bytes of all segments, the free end of the last ones included.
    pub(crate) fn disk_bytes(&self) -> u64 {
        (0..).take_while(|number| self.directory.join(segment_name(*number)).exists()).count() as u64 * self.header.size
    }

    /// Position of the first frame.
    pub(crate) fn start(&self) -> u64 {
        SEGMENT_HEADER
    }

    /// Largest payload that a frame can hold.
    pub(crate) fn frame_limit(&self) -> u64 {
        self.header.size - SEGMENT_HEADER - FRAME_HEADER - GAP
    }

    /// Frames from `position` on, which must be the start of a frame of that `sequence` or the tail.
    pub(crate) fn frames(&self, position: u64, sequence: u64) -> Frames<'_> {
        Frames::new(self, position, sequence)
    }

    /// Takes up writing at `position`, wiping what a torn write left behind it.
    pub(crate) fn tail(self: &Arc<Self>, position: u64, sequence: u64) -> Result<Tail, Error> {
        segment::wipe(self, position)?;
        let next = position / self.header.size + 1;
        let preparer = Preparer::start(self.directory.clone(), self.header, next);
        Ok(Tail { position, sequence, preparer, torn: false })
    }

    /// Reads an item: its kind and payload.
    pub(crate) fn item(&self, pointer: Pointer) -> Result<(u8, Bytes), Error> {
        let mut bytes = vec![0; pointer.length as usize];
        self.read(pointer.position, &mut bytes)?;
        open_item(pointer.position, &Bytes::from(bytes))
            .ok_or_else(|| self.damaged(pointer.position, "item fails its checksum"))
    }

    pub(crate) fn damaged(&self, position: u64, what: &'static str) -> Error {
        let (number, offset) = (position / self.header.size, position % self.header.size);
        Error::Damaged { file: format!("journal/{}", segment_name(number)), offset, what }
    }

    fn read(&self, position: u64, into: &mut [u8]) -> Result<(), Error> {
        let (number, offset) = (position / self.header.size, position % self.header.size);
        if offset + into.len() as u64 > self.header.size {
            return Err(self.damaged(position, "pointer leads over the end of the segment"));
        }
        let Some(file) = self.file(number)? else {
            return Err(self.damaged(position, "segment is missing"));
        };
        match file.read_exact_at(into, offset) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.damaged(position, "segment is cut short"))
            }
            Err(error) => Err(Error::io("read the journal", error)),
        }
    }

    /// The file of a segment, kept open; `None` if there is none.
    fn file(&self, number: u64) -> Result<Option<Arc<File>>, Error> {
        if let Some(file) = self.files.read().unwrap_or_else(PoisonError::into_inner).get(&number) {
            return Ok(Some(Arc::clone(file)));
        }
        let Some(file) = segment::open(&self.directory, &self.header, number)? else {
            return Ok(None);
        };
        let file = Arc::new(file);
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        // A journal of many segments must not use up the process's descriptors.
        if files.len() >= 512 {
            files.clear();
        }
        files.insert(number, Arc::clone(&file));
        Ok(Some(file))
    }
}

impl Tail {
    /// Where the payload of the next frame begins, given `room` bytes of payload: in this segment or the next.
    pub(crate) fn payload_position(&mut self, journal: &Journal, room: u64) -> Result<u64, Error> {
        self.mend(journal)?;
        if self.room(journal) < room {
            self.preparer.take_next(self.position / journal.header.size + 1)?;
            self.position = (self.position / journal.header.size + 1) * journal.header.size + SEGMENT_HEADER;
        }
        Ok(self.position + FRAME_HEADER)
    }

    /// Payload bytes that still fit this segment.
    pub(crate) fn room(&self, journal: &Journal) -> u64 {
        let left = journal.header.size - self.position % journal.header.size;
        left.saturating_sub(FRAME_HEADER + GAP)
    }

    /// Appends one frame; `buffer` begins with [`FRAME_HEADER`] free bytes. When this returns `Ok` the frame survives a
    /// power cut. After an error the frame is wiped before the next one is written.
    pub(crate) fn append(&mut self, journal: &Journal, buffer: &mut [u8]) -> Result<(), Error> {
        FrameHeader::seal(buffer, self.sequence, self.position, &journal.id());
        let (number, offset) = (self.position / journal.header.size, self.position % journal.header.size);
        let file = journal.file(number)?.ok_or_else(|| journal.damaged(self.position, "segment is missing"))?;
        self.torn = true;
        let written = file.write_all_at(buffer, offset).and_then(|()| file.sync_data());
        written.map_err(|error| Error::io("append to the journal", error))?;
        self.torn = false;
        self.position = frame::align(self.position + buffer.len() as u64);
        self.sequence += 1;
        Ok(())
    }

    /// Where the next frame goes and its number.
    pub(crate) fn place(&self) -> (u64, u64) {
        (self.position, self.sequence)
    }

    /// After a failed sync the kernel may have dropped the pages: the file is opened anew and the frame wiped.
    fn mend(&mut self, journal: &Journal) -> Result<(), Error> {
        if self.torn {
            journal.files.write().unwrap_or_else(PoisonError::into_inner).clear();
            segment::wipe(journal, self.position)?;
            self.torn = false;
        }
        Ok(())
    }
}

/// Appends an item that will stand at `position`.
pub(crate) fn put_item(out: &mut Vec<u8>, position: u64, kind: u8, write: impl FnOnce(&mut Vec<u8>)) -> Pointer {
    let start = out.len();
    out.extend_from_slice(&[0; ITEM_HEADER]);
    write(out);
    let payload = out.get(start + ITEM_HEADER..).unwrap_or_default();
    // A commit is smaller than a segment, and a segment smaller than 4 GiB.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let checksum = item_checksum(kind, position, payload);
    let header = [&[kind][..], &length.to_le_bytes(), &checksum.to_le_bytes()].concat();
    for (byte, value) in out.iter_mut().skip(start).zip(header) {
        *byte = value;
    }
    Pointer { position, length: length + ITEM_HEADER as u32 }
}

/// Splits an item of exactly these bytes into kind and payload; `None` if it fails its checksum.
pub(crate) fn open_item(position: u64, bytes: &Bytes) -> Option<(u8, Bytes)> {
    let (kind, length, checksum) = item_header(bytes)?;
    let payload = bytes.slice(ITEM_HEADER..);
    (length == payload.len() && checksum == item_checksum(kind, position, &payload)).then_some((kind, payload))
}

/// Kind, payload length and checksum of the item that begins here.
pub(crate) fn item_header(bytes: &[u8]) -> Option<(u8, usize, u32)> {
    let [kind, l0, l1, l2, l3, c0, c1, c2, c3] = *bytes.first_chunk::<ITEM_HEADER>()?;
    Some((kind, u32::from_le_bytes([l0, l1, l2, l3]) as usize, u32::from_le_bytes([c0, c1, c2, c3])))
}

fn item_checksum(kind: u8, position: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(&position.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests;
