//! MLLP frames: 0x0B, payload, 0x1C 0x0D. No sockets: bytes go in, frames come out.
//!
//! Specification: HL7 Version 2 Transport Specification MLLP, Release 1, "Block format".

use std::collections::VecDeque;

const START: u8 = 0x0B;
const END: u8 = 0x1C;
const RETURN: u8 = 0x0D;

/// What stands between the framing bytes.
pub type Frame = Vec<u8>;

/// What can be wrong with a stream of frames. The decoder goes on after each: it finds the next frame by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MllpError {
    /// Bytes outside of a frame. Fault of the peer.
    #[error("expected the start of a frame (0x0B), found {bytes} other bytes")]
    Garbage {
        /// How many, line ends not counted.
        bytes: usize,
    },
    /// A frame began before the one before it ended. Fault of the peer.
    #[error("expected the end of a frame (0x1C 0x0D), found the start of the next after {bytes} bytes")]
    Truncated {
        /// Length of the lost frame.
        bytes: usize,
    },
    /// A frame over the limit; its rest is passed over. Fault of the peer.
    #[error("expected a frame of at most {limit} bytes, found a longer one")]
    TooLong {
        /// The limit.
        limit: usize,
    },
}

/// So much noise without a frame is reported without waiting for one: the peer speaks something else.
const GARBAGE_LIMIT: usize = 4096;

/// What a frame begins with.
const HEADERS: [&[u8]; 3] = [b"\x0BMSH", b"\x0BFHS", b"\x0BBHS"];

enum State {
    Between,
    Inside,
    /// In a frame over the limit, until its end.
    Skipping,
}

/// Finds frames in a stream, however it is cut into packets.
pub struct Decoder {
    limit: usize,
    state: State,
    buffer: Vec<u8>,
    /// True if the last byte was 0x1C and belongs to the frame unless 0x0D follows.
    pending_end: bool,
    garbage: usize,
    /// A start byte inside of a frame and what followed, as long as it may become one of [`HEADERS`].
    held: Vec<u8>,
    ready: VecDeque<Result<Frame, MllpError>>,
}

impl Decoder {
    /// A decoder for frames of at most this many bytes of payload.
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            limit: limit_bytes,
            state: State::Between,
            buffer: Vec::new(),
            pending_end: false,
            garbage: 0,
            held: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    /// Takes what arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match self.state {
                State::Between => self.between(rest),
                State::Inside | State::Skipping => self.inside(rest),
            };
        }
    }

    /// The next frame or error that is complete; `None` until more arrives.
    #[expect(clippy::should_implement_trait, reason = "it is no iterator: after None it goes on once more was pushed")]
    pub fn next(&mut self) -> Option<Result<Frame, MllpError>> {
        self.ready.pop_front()
    }

    /// True if a frame has begun and not ended: a peer that stops here has sent half a message.
    pub fn in_frame(&self) -> bool {
        !matches!(self.state, State::Between)
    }

    fn between<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let start = memchr::memchr(START, bytes);
        let (noise, rest) = bytes.split_at_checked(start.unwrap_or(bytes.len())).unwrap_or((bytes, &[]));
        let counted = noise.iter().filter(|b| !matches!(b, b'\r' | b'\n' | 0x1C | b' ')).count();
        self.garbage = self.garbage.saturating_add(counted);
        if self.garbage > GARBAGE_LIMIT || (start.is_some() && self.garbage > 0) {
            self.ready.push_back(Err(MllpError::Garbage { bytes: std::mem::take(&mut self.garbage) }));
        }
        if start.is_some() {
            self.state = State::Inside;
        }
        rest.get(1..).unwrap_or_default()
    }

    fn inside<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        if std::mem::take(&mut self.pending_end) {
            match bytes.first() {
                Some(&RETURN) => {
                    self.finish();
                    return bytes.get(1..).unwrap_or_default();
                }
                // The peer leaves the 0x0D out.
                Some(&START) => {
                    self.finish();
                    return bytes;
                }
                _ => self.keep(&[END]),
            }
        }
        let end = memchr::memchr(END, bytes);
        let (content, rest) = bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or((bytes, &[]));
        self.keep(content);
        self.pending_end = end.is_some();
        rest.get(1..).unwrap_or_default()
    }

    /// Takes content, and watches for a header after a start byte: a frame that was cut off before it.
    ///
    /// A vertical tab can stand in a text: only one before MSH, FHS or BHS is taken for a start.
    fn keep(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            if self.held.is_empty() {
                let start = memchr::memchr(START, rest).unwrap_or(rest.len());
                let (content, tail) = rest.split_at_checked(start).unwrap_or((rest, &[]));
                self.append(content);
                self.held.extend_from_slice(tail.get(..1).unwrap_or_default());
                rest = tail.get(1..).unwrap_or_default();
                continue;
            }
            self.held.push(*first);
            if HEADERS.contains(&self.held.as_slice()) {
                self.restart();
            } else if !HEADERS.iter().any(|header| header.starts_with(&self.held)) {
                self.held.pop();
                let held = std::mem::take(&mut self.held);
                self.append(&held);
                continue;
            }
            rest = rest.get(1..).unwrap_or_default();
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::Skipping) || bytes.is_empty() {
            return;
        }
        if self.buffer.len().saturating_add(bytes.len()) > self.limit {
            self.buffer = Vec::new();
            self.state = State::Skipping;
            self.ready.push_back(Err(MllpError::TooLong { limit: self.limit }));
            return;
        }
        self.buffer.extend_from_slice(bytes);
    }

    fn restart(&mut self) {
        if matches!(self.state, State::Inside) {
            self.ready.push_back(Err(MllpError::Truncated { bytes: self.buffer.len() }));
        }
        self.state = State::Inside;
        self.buffer.clear();
        let held = std::mem::take(&mut self.held);
        self.append(held.get(1..).unwrap_or_default());
    }

    fn finish(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.append(&held);
        if matches!(self.state, State::Inside) {
            self.ready.push_back(Ok(std::mem::take(&mut self.buffer)));
        }
        self.state = State::Between;
    }
}

/// Frames a payload.
pub fn encode(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len().saturating_add(3));
    out.push(START);
    out.extend_from_slice(payload);
    out.extend_from_slice(&[END, RETURN]);
    out
}

#[cfg(test)]
mod tests;
