//! The messages of a payload as it is read, in memory that does not grow with it.

use encoding_rs::{CoderResult, Decoder};

use super::batch::Walk;
use super::charset::{Wide, wide_form};
use super::issue::FormatIssue;

/// Finds the messages of a stream, however it is cut: bytes go in, messages come out.
///
/// What comes out is what [`super::split_batch`] finds in the whole: HL7 v2.8.2 chapter 2, "Batch protocol". Held are
/// the message that is being read and the one before it, whose trailer (BTS, FTS) may say something about it; until
/// it is clear whether the payload is a batch, all of it.
pub struct Splitter {
    limit: usize,
    walk: Walk,
    feed: Feed,
    buffer: Vec<u8>,
    /// Position of the first byte of `buffer` in the stream.
    base: usize,
    line: usize,
    searched: usize,
    /// The start of the line is gone with a message over the limit.
    line_lost: bool,
    /// Positions before this are not in the buffer any more.
    lost_until: usize,
    number: usize,
    ended: bool,
    lone_taken: bool,
}

/// One message of a stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Split {
    /// Its number, from 1.
    pub number: usize,
    /// Whether the stream is a batch: FHS, BHS or more than one MSH.
    pub of_batch: bool,
    /// Its bytes, as [`super::Part`] has them; none if it is longer than the limit.
    pub bytes: Option<Vec<u8>>,
    /// Findings about the envelope since the message before it, the trailer that follows it included.
    pub issues: Vec<FormatIssue>,
}

impl Splitter {
    /// A splitter for messages of at most this many bytes.
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            limit: limit_bytes,
            walk: Walk::default(),
            feed: Feed::Unknown(Vec::new()),
            buffer: Vec::new(),
            base: 0,
            line: 0,
            searched: 0,
            line_lost: false,
            lost_until: 0,
            number: 0,
            ended: false,
            lone_taken: false,
        }
    }

    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.release();
        self.feed.take(bytes, &mut self.buffer);
        self.scan();
    }

    /// Says that nothing more will come; [`Splitter::next`] then gives the rest.
    pub fn finish(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.feed.finish(&mut self.buffer);
        self.scan();
        let end = self.base.saturating_add(self.buffer.len());
        if self.line < end {
            let line = self.buffer.get(self.line.saturating_sub(self.base)..).unwrap_or_default();
            self.walk.line(self.line, if self.line_lost { b"lost" } else { line });
        }
        self.walk.finish(end);
    }

    /// The next message that is complete; `None` until more is pushed, or at the end.
    #[expect(clippy::should_implement_trait, reason = "it is no iterator: after None it goes on once more was pushed")]
    pub fn next(&mut self) -> Option<Split> {
        if !self.walk.is_batch() {
            if !self.ended || std::mem::replace(&mut self.lone_taken, true) {
                return None;
            }
            // A lone message keeps its framing and byte order mark, so that it can be written back as it came.
            let lone = std::mem::take(&mut self.buffer);
            let bytes = (self.lost_until == 0).then(|| self.feed.raw().unwrap_or(lone));
            let bytes = bytes.filter(|bytes| bytes.len() <= self.limit);
            return Some(Split { number: 1, of_batch: false, bytes, issues: Vec::new() });
        }
        let found = self.walk.ready.pop_front()?;
        self.number = self.number.saturating_add(1);
        let at = |position: usize| position.saturating_sub(self.base);
        let bytes = self.buffer.get(at(found.from)..at(found.to)).map(<[u8]>::to_vec);
        let bytes = bytes.filter(|bytes| found.from >= self.lost_until && bytes.len() <= self.limit);
        Some(Split { number: self.number, of_batch: true, bytes, issues: found.issues })
    }

    /// Findings that belong to no message, after the end: those of a batch without any.
    pub fn issues(&mut self) -> Vec<FormatIssue> {
        if self.walk.is_batch() { std::mem::take(&mut self.walk.issues) } else { Vec::new() }
    }

    /// How many bytes are held.
    pub fn held(&self) -> usize {
        self.buffer.len().saturating_add(self.feed.held())
    }

    /// Lets go of what no message needs any more.
    fn release(&mut self) {
        let kept = if self.walk.is_batch() {
            self.feed.forget_raw();
            self.walk.first_kept().unwrap_or(self.line).min(self.line)
        } else {
            self.base
        };
        let gone = kept.saturating_sub(self.base).min(self.buffer.len());
        self.buffer.drain(..gone);
        self.base = self.base.saturating_add(gone);
        if self.held() > self.limit.saturating_mul(2) {
            // Nobody shall read half a message: what is held goes, except the line that may begin the next.
            let end = self.base.saturating_add(self.buffer.len());
            let short = end.saturating_sub(self.line) <= LINE_START;
            let from = if short { self.line } else { end };
            self.line_lost |= !short;
            self.buffer.drain(..from.saturating_sub(self.base).min(self.buffer.len()));
            self.base = from;
            self.lost_until = from;
            self.feed.forget_raw();
        }
    }

    fn scan(&mut self) {
        loop {
            let from = self.searched.max(self.base).saturating_sub(self.base);
            let rest = self.buffer.get(from..).unwrap_or_default();
            let Some(found) = memchr::memchr3(b'\r', b'\n', 0x1C, rest) else {
                self.searched = self.base.saturating_add(self.buffer.len());
                return;
            };
            let end = from.saturating_add(found);
            let line = self.buffer.get(self.line.saturating_sub(self.base)..end).unwrap_or_default();
            self.walk.line(self.line, if self.line_lost { b"lost" } else { line });
            self.line_lost = false;
            self.line = self.base.saturating_add(end).saturating_add(1);
            self.searched = self.line;
        }
    }
}

/// More than the name of a segment and the count of a trailer.
const LINE_START: usize = 256;

/// Turns UTF-16 and UTF-32 into UTF-8 on the way; everything else passes as it is.
enum Feed {
    /// The bytes that tell have not come yet.
    Unknown(Vec<u8>),
    Plain,
    Wide {
        decoder: Box<WideDecoder>,
        /// All that came, as long as it may be one message.
        raw: Option<Vec<u8>>,
        /// Bytes at the end that are framing, unless more follows.
        tail: Vec<u8>,
    },
}

impl Feed {
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Plain => out.extend_from_slice(bytes),
            Self::Unknown(start) => {
                start.extend_from_slice(bytes);
                let skipped = start.iter().take_while(|b| matches!(b, 0x0B | b'\r' | b'\n' | b' ')).count();
                let body = start.get(skipped..).unwrap_or_default();
                if body.len() < 4 {
                    return;
                }
                match wide_form(body) {
                    None => {
                        out.append(start);
                        *self = Self::Plain;
                    }
                    Some(form) => {
                        let body = body.to_vec();
                        let raw = std::mem::take(start);
                        *self = Self::Wide { decoder: Box::new(WideDecoder::new(form)), raw: None, tail: Vec::new() };
                        self.take(&body, out);
                        if let Self::Wide { raw: held, .. } = self {
                            *held = Some(raw);
                        }
                    }
                }
            }
            Self::Wide { decoder, raw, tail } => {
                if let Some(raw) = raw {
                    raw.extend_from_slice(bytes);
                }
                let framing = bytes.iter().rev().take_while(|b| is_tail(b)).count();
                let (body, end) = bytes.split_at_checked(bytes.len().saturating_sub(framing)).unwrap_or((bytes, &[]));
                if !body.is_empty() {
                    decoder.push(&std::mem::take(tail), out);
                    decoder.push(body, out);
                }
                tail.extend_from_slice(end);
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Plain => {}
            Self::Unknown(start) => out.append(start),
            Self::Wide { decoder, tail, .. } => {
                let end = tail.iter().position(|b| matches!(b, 0x1C | 0x1A)).unwrap_or(tail.len());
                decoder.push(tail.get(..end).unwrap_or_default(), out);
                decoder.finish(out);
                tail.clear();
            }
        }
    }

    fn raw(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Wide { raw, .. } => raw.take(),
            Self::Plain | Self::Unknown(_) => None,
        }
    }

    fn forget_raw(&mut self) {
        if let Self::Wide { raw, .. } = self {
            *raw = None;
        }
    }

    fn held(&self) -> usize {
        match self {
            Self::Wide { raw, tail, .. } => raw.as_ref().map_or(0, Vec::len).saturating_add(tail.len()),
            Self::Unknown(start) => start.len(),
            Self::Plain => 0,
        }
    }
}

/// As [`super::message::unframe`] takes them off.
fn is_tail(byte: &u8) -> bool {
    matches!(byte, 0x1C | b'\r' | b'\n' | 0x1A | 0x0B)
}

/// UTF-16 or UTF-32 to UTF-8, piece by piece; the byte order mark is left out.
enum WideDecoder {
    Utf16(Decoder),
    Utf32 { big: bool, unit: Vec<u8>, first: bool },
}

impl WideDecoder {
    fn new(form: Wide) -> Self {
        match form {
            Wide::Utf16 { big: false } => Self::Utf16(encoding_rs::UTF_16LE.new_decoder_with_bom_removal()),
            Wide::Utf16 { big: true } => Self::Utf16(encoding_rs::UTF_16BE.new_decoder_with_bom_removal()),
            Wide::Utf32 { big } => Self::Utf32 { big, unit: Vec::new(), first: true },
        }
    }

    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.decode(bytes, false, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.decode(&[], true, out);
    }

    fn decode(&mut self, bytes: &[u8], last: bool, out: &mut Vec<u8>) {
        match self {
            Self::Utf16(decoder) => {
                let mut text = String::new();
                let mut rest = bytes;
                loop {
                    text.reserve(decoder.max_utf8_buffer_length(rest.len()).unwrap_or(rest.len()).max(16));
                    let (result, read, _) = decoder.decode_to_string(rest, &mut text, last);
                    rest = rest.get(read..).unwrap_or_default();
                    if result == CoderResult::InputEmpty {
                        break;
                    }
                }
                out.extend_from_slice(text.as_bytes());
            }
            Self::Utf32 { big, unit, first } => {
                unit.extend_from_slice(bytes);
                let whole = if last { unit.len() } else { unit.len().saturating_sub(unit.len() % 4) };
                let ready: Vec<u8> = unit.drain(..whole).collect();
                for unit in ready.chunks(4) {
                    let c = Wide::character(*big, unit);
                    if !(std::mem::take(first) && c == '\u{FEFF}') {
                        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                }
            }
        }
    }
}
