//! A message: its text decoded once, and spans over it.

use std::fmt;

use super::charset::{Charset, decode, is_wide};
use super::continuation::{join_addenda, report_part};
use super::delimiters::Delimiters;
use super::issue::{FormatIssue, ParseError, Severity};
use super::lexer::{Lexed, lex};
use super::piece::Segment;

pub(super) const LENGTH_LIMIT: usize = 1 << 30;

/// A message as it arrived. Holds patient data: its `Debug` shows only sizes.
#[derive(Clone)]
pub struct Message {
    text: String,
    /// The bytes as they came, where `text` is not the same bytes.
    raw: Option<Box<[u8]>>,
    delimiters: Delimiters,
    charset: Charset,
    controls: bool,
    pub(super) lexed: Lexed,
}

/// A message and what was odd about its form.
#[derive(Debug)]
pub struct Parsed {
    /// The message, whole.
    pub message: Message,
    /// Findings, in the order met.
    pub issues: Vec<FormatIssue>,
}

impl Message {
    /// Reads one message.
    ///
    /// MLLP framing, a byte order mark and blank space around it are passed over; UTF-16 is told by its bytes,
    /// other character sets by MSH-18. Segments ADD are joined to the segment before them. For a payload that may hold
    /// several messages see [`super::split_batch`], for messages sent in several parts [`super::Continuations`].
    ///
    /// # Errors
    /// [`ParseError`] where there is no MSH or its delimiters cannot be used.
    pub fn parse(raw: &[u8]) -> Result<Parsed, ParseError> {
        if raw.len() > LENGTH_LIMIT {
            return Err(ParseError::TooLong { bytes: raw.len() });
        }
        let mut issues = Vec::new();
        let unframed = unframe(raw);
        let (mut text, charset, mut verbatim) = if is_wide(unframed) {
            let decoded = decode(unframed, None, &mut issues);
            let start = find_msh(decoded.text.as_bytes(), &mut issues)?;
            (decoded.text.get(start..).unwrap_or_default().to_owned(), decoded.charset, false)
        } else {
            let body = unframed.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(unframed);
            let body = body.get(find_msh(body, &mut issues)?..).unwrap_or_default();
            let decoded = decode(body, body.get(3).copied(), &mut issues);
            (decoded.text, decoded.charset, decoded.verbatim && body.len() == raw.len())
        };
        let delimiters = Delimiters::read(text.as_bytes(), &mut issues)?;
        if let Some(joined) = join_addenda(&text, delimiters.field, &mut issues) {
            text = joined;
            verbatim = false;
        }
        let lexed = lex(&text, delimiters.field, &mut issues);
        if !text.ends_with(['\r', '\n']) {
            let detail = "the last segment has no line end: the message may be cut off";
            issues.push(FormatIssue::new("unterminated", Severity::Information, detail));
        }
        let controls = find_controls(&text, &mut issues);
        let raw = (!verbatim).then(|| raw.into());
        let message = Self { text, raw, delimiters, charset, controls, lexed };
        report_part(&message, &mut issues);
        Ok(Parsed { message, issues })
    }

    /// The segments in order, Z segments and unreadable lines included.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = Segment<'_>> + ExactSizeIterator {
        self.lexed.segments.iter().map(|span| Segment::new(self, span))
    }

    /// The first segment of a name.
    pub fn segment(&self, name: &str) -> Option<Segment<'_>> {
        self.segments().find(|segment| segment.name() == name)
    }

    /// The segment at a position, counted from 0.
    pub fn segment_at(&self, position: usize) -> Option<Segment<'_>> {
        self.lexed.segments.get(position).map(|span| Segment::new(self, span))
    }

    /// The delimiters of MSH-1 and MSH-2.
    pub fn delimiters(&self) -> &Delimiters {
        &self.delimiters
    }

    /// The character set the message was read in.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// The whole message as text, without framing or byte order mark, segments ADD joined.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The very bytes that were read, framing included.
    pub fn write(&self) -> Vec<u8> {
        match &self.raw {
            Some(raw) => raw.to_vec(),
            None => self.text.as_bytes().to_vec(),
        }
    }

    /// MSH-3.1, unescaped; empty if absent, as for all accessors of MSH.
    pub fn sending_application(&self) -> String {
        self.msh(3, 1)
    }

    /// MSH-4.1.
    pub fn sending_facility(&self) -> String {
        self.msh(4, 1)
    }

    /// MSH-5.1.
    pub fn receiving_application(&self) -> String {
        self.msh(5, 1)
    }

    /// MSH-6.1.
    pub fn receiving_facility(&self) -> String {
        self.msh(6, 1)
    }

    /// MSH-9.1, such as `ADT`.
    pub fn message_code(&self) -> String {
        self.msh(9, 1)
    }

    /// MSH-9.2, such as `A01`.
    pub fn trigger(&self) -> String {
        self.msh(9, 2)
    }

    /// MSH-9.3, such as `ADT_A01`.
    pub fn structure(&self) -> String {
        self.msh(9, 3)
    }

    /// MSH-10.
    pub fn control_id(&self) -> String {
        self.msh(10, 1)
    }

    /// MSH-11.1, such as `P`.
    pub fn processing_id(&self) -> String {
        self.msh(11, 1)
    }

    /// MSH-12.1, such as `2.5.1`.
    pub fn version(&self) -> String {
        self.msh(12, 1)
    }

    /// MSH-15, the conditions for an accept acknowledgement (`AL`, `NE`, `ER`, `SU`).
    pub fn accept_acknowledgement(&self) -> String {
        self.msh(15, 1)
    }

    /// MSH-16, the conditions for an application acknowledgement.
    pub fn application_acknowledgement(&self) -> String {
        self.msh(16, 1)
    }

    fn msh(&self, field: usize, component: usize) -> String {
        let Some(header) = self.segment_at(0) else { return String::new() };
        header.field(field).component(component).text().trim().to_owned()
    }

    pub(super) fn separators(&self) -> &[u32] {
        &self.lexed.separators
    }

    pub(super) fn has_controls(&self) -> bool {
        self.controls
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("bytes", &self.text.len())
            .field("segments", &self.lexed.segments.len())
            .field("charset", &self.charset.name())
            .finish_non_exhaustive()
    }
}

/// Without the MLLP bytes (0x0B before; 0x1C and a CR after) that files often keep.
pub(super) fn unframe(raw: &[u8]) -> &[u8] {
    let start = raw.iter().take_while(|b| matches!(b, 0x0B | b'\r' | b'\n' | b' ')).count();
    let body = raw.get(start..).unwrap_or_default();
    let tail = body.iter().rev().take_while(|b| matches!(b, 0x1C | b'\r' | b'\n' | 0x1A | 0x0B)).count();
    let end = body.len().saturating_sub(tail);
    match body.get(end..).unwrap_or_default().iter().position(|b| matches!(b, 0x1C | 0x1A)) {
        Some(framing) => body.get(..end.saturating_add(framing)).unwrap_or_default(),
        None => body,
    }
}

/// The start of the first line that is an MSH.
fn find_msh(body: &[u8], issues: &mut Vec<FormatIssue>) -> Result<usize, ParseError> {
    if body.iter().all(|b| b.is_ascii_whitespace() || *b == 0) {
        return Err(ParseError::Empty);
    }
    let start = memchr::memmem::find_iter(body, b"MSH").find(|at| {
        let before = body.get(..*at).unwrap_or_default().iter().rev().find(|b| !matches!(b, b' ' | b'\t'));
        let after = at.checked_add(3).and_then(|p| body.get(p));
        before.is_none_or(|b| matches!(b, b'\r' | b'\n' | 0x0B)) && after.is_none_or(|b| !b.is_ascii_alphanumeric())
    });
    let start = start.ok_or(ParseError::NoMsh)?;
    let before = body.get(..start).unwrap_or_default();
    if !before.iter().all(u8::is_ascii_whitespace) {
        let detail = format!("{} bytes before MSH were passed over", before.len());
        issues.push(FormatIssue::new("text-before-message", Severity::Warning, detail));
    }
    Ok(start)
}

/// Control characters have no place in the text of FHIR: [`super::Component::text`] leaves them out.
fn find_controls(text: &str, issues: &mut Vec<FormatIssue>) -> bool {
    let control = |b: u8| (b < 0x20 && !matches!(b, b'\r' | b'\n' | b'\t')) || b == 0x7F;
    // A fold over all bytes runs in vector registers; an early exit would not.
    if !text.bytes().fold(false, |found, b| found | control(b)) {
        return false;
    }
    let count = text.bytes().filter(|b| control(*b)).count();
    let nul = text.bytes().filter(|b| *b == 0).count();
    let detail = format!("{count} control characters ({nul} of them NUL): left out of the values read");
    issues.push(FormatIssue::new("control-characters", Severity::Warning, detail));
    true
}
