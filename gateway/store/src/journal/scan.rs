//! Reading frames in order, and telling a torn end from damage.
//!
//! A frame is written only after the one before it is synced. So a bad frame with nothing good behind it is a write that
//! a crash cut short, never acknowledged; a bad frame with a good one behind it is damage.

use bytes::Bytes;

use super::frame::align;
use super::{FRAME_HEADER, FrameHeader, Journal, SEGMENT_HEADER};
use crate::error::Error;

/// One frame of the journal.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// Position of its header.
    pub(crate) position: u64,
    /// Its number, dense from 0.
    pub(crate) sequence: u64,
    /// Its payload, checked.
    pub(crate) payload: Bytes,
}

impl Frame {
    /// Position of the first byte of the payload.
    pub(crate) fn payload_position(&self) -> u64 {
        self.position + FRAME_HEADER
    }
}

/// Frames one after the other. After the last one, [`Frames::place`] is the tail.
pub(crate) struct Frames<'a> {
    journal: &'a Journal,
    position: u64,
    sequence: u64,
}

impl<'a> Frames<'a> {
    pub(super) fn new(journal: &'a Journal, position: u64, sequence: u64) -> Self {
        Self { journal, position, sequence }
    }

    /// Where the next frame would be and its number.
    pub(crate) fn place(&self) -> (u64, u64) {
        (self.position, self.sequence)
    }

    /// The next frame, `None` at the tail.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a frame is bad and a good one stands behind it.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, Error> {
        let size = self.journal.header.size;
        if let Some(frame) = self.at(self.position)? {
            return Ok(Some(self.step(frame)));
        }
        // Not here: the segment was full for it, or this is the tail.
        let following = (self.position / size + 1) * size + SEGMENT_HEADER;
        if self.journal.file(following / size)?.is_some()
            && let Some(frame) = self.at(following)?
        {
            return Ok(Some(self.step(frame)));
        }
        match self.later()? {
            Some(_) => Err(self.journal.damaged(self.position, "frame fails its checksum and later frames exist")),
            None => Ok(None),
        }
    }

    fn step(&mut self, frame: Frame) -> Frame {
        self.position = align(frame.payload_position() + frame.payload.len() as u64);
        self.sequence = frame.sequence + 1;
        frame
    }

    /// The good frame at `position` with the expected number.
    fn at(&self, position: u64) -> Result<Option<Frame>, Error> {
        let frame = self.any(position)?;
        Ok(frame.filter(|frame| frame.sequence == self.sequence))
    }

    fn any(&self, position: u64) -> Result<Option<Frame>, Error> {
        let size = self.journal.header.size;
        let left = size - position % size;
        if left < FRAME_HEADER {
            return Ok(None);
        }
        let mut header = [0; FRAME_HEADER as usize];
        self.journal.read(position, &mut header)?;
        let Some(header) = FrameHeader::parse(&header) else {
            return Ok(None);
        };
        if u64::from(header.length) > left - FRAME_HEADER {
            return Ok(None);
        }
        let mut payload = vec![0; header.length as usize];
        self.journal.read(position + FRAME_HEADER, &mut payload)?;
        let fits = header.fits(&payload, position, &self.journal.header.journal);
        Ok(fits.then(|| Frame { position, sequence: header.sequence, payload: Bytes::from(payload) }))
    }

    /// Position of any good frame behind the tail with a number that comes later.
    fn later(&self) -> Result<Option<u64>, Error> {
        let size = self.journal.header.size;
        let mut position = self.position;
        while self.journal.file(position / size)?.is_some() {
            let end = (position / size + 1) * size;
            if let Some(found) = self.later_in_segment(position, end)? {
                return Ok(Some(found));
            }
            position = end + SEGMENT_HEADER;
        }
        Ok(None)
    }

    fn later_in_segment(&self, from: u64, end: u64) -> Result<Option<u64>, Error> {
        let mut rest = vec![0; usize::try_from(end - from).unwrap_or(0)];
        self.journal.read(from, &mut rest)?;
        for (offset, word) in (0..).step_by(8).zip(rest.chunks_exact(8)) {
            if word.first() != Some(&b'A') {
                continue;
            }
            if let Some(frame) = self.any(from + offset)?
                && frame.sequence >= self.sequence
            {
                return Ok(Some(from + offset));
            }
        }
        Ok(None)
    }
}
