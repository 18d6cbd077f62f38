//! Messages and segments that go on elsewhere. HL7 v2.8.2 chapter 2, "Continuation messages and segments".
//!
//! A segment goes on in the segments ADD that follow it. A message goes on in the next one of the same sender whose
//! MSH-14 repeats the pointer of its last segment, DSC.

use super::issue::{FormatIssue, Severity};
use super::message::unframe;

/// Joins the parts of messages that were sent in several. No clock: who needs a time-out drops the whole.
///
/// Bounded: where a part would exceed the bounds, what it continues is given up and comes out as it is.
pub struct Continuations {
    limit: usize,
    limit_bytes: usize,
    open: Vec<Open>,
}

/// The beginning of a message, waiting for more.
struct Open {
    key: Key,
    begun: Whole,
}

/// What tells a continuation: the sender, the form, and the pointer.
#[derive(PartialEq, Eq)]
struct Key {
    /// MSH-1 and MSH-2: parts with other delimiters are no parts of one text.
    form: Vec<u8>,
    /// MSH-3, MSH-4 and MSH-18.
    sender: [Vec<u8>; 3],
    pointer: Vec<u8>,
}

/// A message that is as whole as it will become.
#[derive(Debug, PartialEq, Eq)]
pub struct Whole {
    /// Its bytes: as they came, or joined, then without the DSC and the headers in between.
    pub bytes: Vec<u8>,
    /// Of how many messages it was joined; 1 for one that came alone.
    pub parts: usize,
    /// The number that was given with its last part.
    pub number: usize,
}

impl Continuations {
    /// Keeps at most this many messages open, of this many bytes in all.
    pub fn new(limit: usize, limit_bytes: usize) -> Self {
        Self { limit, limit_bytes, open: Vec::new() }
    }

    /// Takes a message, with a number for its caller, and gives what became whole by it, in order: none for the
    /// beginning of a longer one.
    ///
    /// A part whose beginning is not there, and a beginning given up, come out as they are;
    /// [`super::Message::parse`] finds that they are parts.
    pub fn push(&mut self, number: usize, message: Vec<u8>) -> Vec<Whole> {
        let Some(header) = Header::read(&message) else { return vec![Whole { bytes: message, parts: 1, number }] };
        let more = header.more(&message);
        let earlier = (!header.continues.is_empty()).then(|| header.key(&header.continues));
        let found = earlier.and_then(|key| self.open.iter().position(|open| open.key == key));
        let mut out = Vec::new();
        let whole = match found.map(|at| self.open.remove(at).begun) {
            None => Whole { bytes: message, parts: 1, number },
            Some(begun) => {
                let next = header.after(&message);
                if self.held().saturating_add(begun.bytes.len()).saturating_add(next.len()) > self.limit_bytes {
                    out.push(begun);
                    Whole { bytes: message, parts: 1, number }
                } else {
                    let mut bytes = without_pointer(begun.bytes);
                    bytes.extend_from_slice(next);
                    Whole { bytes, parts: begun.parts.saturating_add(1), number }
                }
            }
        };
        let Some(pointer) = more else {
            out.push(whole);
            return out;
        };
        self.open.push(Open { key: header.key(&pointer), begun: whole });
        while !self.open.is_empty() && (self.open.len() > self.limit || self.held() > self.limit_bytes) {
            out.push(self.open.remove(0).begun);
        }
        out
    }

    /// Gives up what is still open, the oldest first.
    pub fn finish(&mut self) -> Vec<Whole> {
        self.open.drain(..).map(|open| open.begun).collect()
    }

    /// How many bytes are held.
    pub fn held(&self) -> usize {
        self.open.iter().map(|open| open.begun.bytes.len()).sum()
    }

    /// How many messages are open.
    pub fn open(&self) -> usize {
        self.open.len()
    }
}

/// What the header of a message says for this.
struct Header {
    form: Vec<u8>,
    sender: [Vec<u8>; 3],
    continues: Vec<u8>,
    separator: u8,
}

impl Header {
    /// `None` for what is no message, or in an encoding of more than one byte a character.
    fn read(message: &[u8]) -> Option<Self> {
        let body = body(message);
        let line = body.get(..line_end(body))?;
        let rest = line.strip_prefix(b"MSH")?;
        let separator = *rest.first()?;
        let fields: Vec<&[u8]> = rest.split(|b| *b == separator).take(18).collect();
        let field = |number: usize| fields.get(number.saturating_sub(1)).copied().unwrap_or_default().to_vec();
        let mut form = field(2);
        form.push(separator);
        let continues = Some(field(14)).filter(|pointer| pointer != b"\"\"").unwrap_or_default();
        Some(Self { form, sender: [field(3), field(4), field(18)], continues, separator })
    }

    fn key(&self, pointer: &[u8]) -> Key {
        Key { form: self.form.clone(), sender: self.sender.clone(), pointer: pointer.to_vec() }
    }

    /// The pointer to the next part, if this one is a fragment.
    fn more(&self, message: &[u8]) -> Option<Vec<u8>> {
        let line = last_line(message);
        let mut fields = line.strip_prefix(b"DSC")?.split(|b| *b == self.separator).skip(1);
        let pointer = fields.next().unwrap_or_default();
        let style = fields.next().unwrap_or_default();
        let answer = || {
            let name = [b'M', b'S', b'A', self.separator];
            memchr::memmem::find_iter(message, &name)
                .any(|at| at.checked_sub(1).and_then(|at| message.get(at)).is_some_and(|b| matches!(b, b'\r' | b'\n')))
        };
        is_fragment(pointer, style, answer).then(|| pointer.to_vec())
    }

    /// What follows the header line.
    fn after<'m>(&self, message: &'m [u8]) -> &'m [u8] {
        let body = body(message);
        let rest = body.get(line_end(body)..).unwrap_or_default();
        let ends = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        rest.get(ends..).unwrap_or_default()
    }
}

/// Whether DSC-1 and DSC-2 say that the same message goes on in another.
///
/// Style `I` (HL7 table 0398) is the next page of an answer, which is asked for and whole by itself; so is the answer
/// to a query before v2.4, which has no style.
fn is_fragment(pointer: &[u8], style: &[u8], answer: impl Fn() -> bool) -> bool {
    !pointer.is_empty() && pointer != b"\"\"" && style != b"I" && (style == b"F" || !answer())
}

fn body(message: &[u8]) -> &[u8] {
    let body = unframe(message);
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

fn line_end(text: &[u8]) -> usize {
    memchr::memchr2(b'\r', b'\n', text).unwrap_or(text.len())
}

/// The last line that is not blank, its end excluded.
fn last_line(message: &[u8]) -> &[u8] {
    let text = unframe(message).trim_ascii_end();
    let start = memchr::memrchr2(b'\r', b'\n', text).map_or(0, |at| at.saturating_add(1));
    text.get(start..).unwrap_or_default()
}

/// The first part without its DSC and without what framed it, ready to be continued.
fn without_pointer(first: Vec<u8>) -> Vec<u8> {
    let body = body(&first);
    let text = body.trim_ascii_end();
    let start = memchr::memrchr2(b'\r', b'\n', text).map_or(0, |at| at.saturating_add(1));
    body.get(..start).unwrap_or_default().to_vec()
}

/// The text with each ADD appended to the segment before it; `None` where there is none.
///
/// An ADD behind the header continues a segment of another message: it stays, with an issue.
pub(super) fn join_addenda(text: &str, separator: u8, issues: &mut Vec<FormatIssue>) -> Option<String> {
    let bytes = text.as_bytes();
    let mut joined: Option<String> = None;
    let mut copied = 0_usize;
    let mut count = 0_usize;
    for at in memchr::memmem::find_iter(bytes, b"ADD") {
        let before = bytes.get(..at).unwrap_or_default();
        let ends = before.iter().rev().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let after = at.saturating_add(3);
        let skip = match bytes.get(after) {
            Some(b) if *b == separator => 1,
            None | Some(b'\r' | b'\n') => 0,
            _ => continue,
        };
        if ends == 0 {
            continue;
        }
        let segment_end = at.saturating_sub(ends);
        if memchr::memrchr2(b'\r', b'\n', bytes.get(..segment_end).unwrap_or_default()).is_none() {
            let detail = "the message begins with the rest of a segment: its beginning came in another";
            issues.push(FormatIssue::new("continuation-alone", Severity::Error, detail).at("ADD"));
            continue;
        }
        let out = joined.get_or_insert_with(|| String::with_capacity(text.len()));
        out.push_str(text.get(copied..segment_end).unwrap_or_default());
        copied = after.saturating_add(skip);
        count = count.saturating_add(1);
    }
    let mut out = joined?;
    out.push_str(text.get(copied..).unwrap_or_default());
    let detail = format!("{count} segments ADD were joined to the segments they continue");
    issues.push(FormatIssue::new("segment-joined", Severity::Information, detail).at("ADD"));
    Some(out)
}

/// Reports what shows that a message is one part of a longer one.
pub(super) fn report_part(message: &super::Message, issues: &mut Vec<FormatIssue>) {
    let Some(header) = message.segment_at(0) else { return };
    let continues = header.field(14);
    if !continues.is_empty() && !continues.is_null() {
        let detail = "MSH-14 says that this continues an earlier message, which is not part of it";
        issues.push(FormatIssue::new("continuation-alone", Severity::Warning, detail).at("MSH-14"));
    }
    let Some(pointer) = message.segments().next_back().filter(|last| last.name() == "DSC") else { return };
    let answer = || message.segment("MSA").is_some();
    if is_fragment(pointer.field(1).raw().as_bytes(), pointer.field(2).raw().as_bytes(), answer) {
        let detail = "the message goes on in another, which is not part of it";
        issues.push(FormatIssue::new("continuation-open", Severity::Error, detail).at("DSC-1"));
    }
}
