//! Several messages in one payload. HL7 v2.8.2 chapter 2, "Batch protocol" (FHS, BHS, BTS, FTS).

use std::borrow::Cow;
use std::collections::VecDeque;

use super::charset::{decode, is_wide};
use super::issue::{FormatIssue, Severity};
use super::message::unframe;

/// What a payload holds.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The messages in order; one, even if unreadable, where there is no MSH at all.
    pub messages: Vec<Part<'a>>,
    /// True with FHS, BHS or more than one MSH: then the parts are always numbered.
    pub is_batch: bool,
    /// Findings about the envelope; those about a message come from reading it.
    pub issues: Vec<FormatIssue>,
}

/// One message of a payload, to be given to [`super::Message::parse`].
#[derive(Debug)]
pub struct Part<'a> {
    /// Its number, from 1.
    pub number: usize,
    /// Its bytes: those that arrived, except that a batch in UTF-16 or UTF-32 is cut after decoding, into UTF-8.
    pub bytes: Cow<'a, [u8]>,
}

/// Finds the messages in a payload; counts in BTS-1 and FTS-1 that differ from what is there are issues.
///
/// For a payload that does not fit in memory see [`super::Splitter`].
pub fn split_batch(raw: &[u8]) -> Batch<'_> {
    let unframed = unframe(raw);
    if is_wide(unframed) {
        let text = decode(unframed, None, &mut Vec::new()).text;
        let mut batch = split(text.as_bytes());
        let messages = if batch.is_batch {
            let owned = |part: Part<'_>| Part { number: part.number, bytes: Cow::Owned(part.bytes.into_owned()) };
            std::mem::take(&mut batch.messages).into_iter().map(owned).collect()
        } else {
            batch.issues.clear();
            vec![Part { number: 1, bytes: Cow::Borrowed(raw) }]
        };
        return Batch { messages, is_batch: batch.is_batch, issues: batch.issues };
    }
    let mut batch = split(raw);
    if !batch.is_batch {
        // A lone message keeps its framing and byte order mark, so that it can be written back as it came.
        batch.messages = vec![Part { number: 1, bytes: Cow::Borrowed(raw) }];
        batch.issues.clear();
    }
    batch
}

fn split(raw: &[u8]) -> Batch<'_> {
    let mut walk = Walk::default();
    let mut start = 0_usize;
    for end in memchr::memchr3_iter(b'\r', b'\n', 0x1C, raw).chain(std::iter::once(raw.len())) {
        walk.line(start, raw.get(start..end).unwrap_or_default());
        start = end.saturating_add(1);
    }
    walk.finish(raw.len());
    let is_batch = walk.is_batch();
    let mut issues = Vec::new();
    let mut messages = Vec::new();
    for (number, found) in (1..).zip(std::mem::take(&mut walk.ready)) {
        issues.extend(found.issues);
        messages.push(Part { number, bytes: Cow::Borrowed(raw.get(found.from..found.to).unwrap_or_default()) });
    }
    issues.append(&mut walk.issues);
    Batch { messages, is_batch, issues }
}

/// Goes over the lines of a payload and notes where messages stand.
#[derive(Default)]
pub(super) struct Walk {
    /// Messages about which the envelope has nothing more to say.
    pub(super) ready: VecDeque<Span>,
    /// Findings since the last message that is ready.
    pub(super) issues: Vec<FormatIssue>,
    /// The last message that ended; the trailers that follow belong to it.
    last: Option<Span>,
    open: Option<usize>,
    messages: usize,
    files: usize,
    batches: usize,
    batches_in_file: usize,
    in_batch: usize,
    file_open: bool,
    batch_open: bool,
    stray: usize,
}

/// Where a message stands.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) issues: Vec<FormatIssue>,
}

impl Walk {
    /// True with FHS, BHS or a second MSH.
    pub(super) fn is_batch(&self) -> bool {
        self.files > 0 || self.batches > 0 || self.messages > 1
    }

    /// The first position that is still to be handed over; `None` between messages.
    pub(super) fn first_kept(&self) -> Option<usize> {
        self.ready.front().or(self.last.as_ref()).map(|span| span.from).or(self.open)
    }

    /// Takes the next line, without its end (CR, LF or the 0x1C of a frame).
    pub(super) fn line(&mut self, start: usize, line: &[u8]) {
        // The start of a frame, and the byte order mark of a file that was appended.
        let mut rest = line;
        while let Some(after) = rest.strip_prefix(b"\x0B").or_else(|| rest.strip_prefix(b"\xEF\xBB\xBF")) {
            rest = after;
        }
        let start = start.saturating_add(line.len().saturating_sub(rest.len()));
        match envelope(rest) {
            Some(b"MSH") => {
                self.close(start);
                self.settle();
                self.open = Some(start);
                self.messages = self.messages.saturating_add(1);
                self.in_batch = self.in_batch.saturating_add(1);
            }
            Some(b"FHS") => {
                self.close(start);
                self.unclosed();
                self.settle();
                self.files = self.files.saturating_add(1);
                self.batches_in_file = 0;
                self.file_open = true;
            }
            Some(b"BHS") => {
                self.close(start);
                if std::mem::replace(&mut self.batch_open, true) {
                    self.warn("batch-unclosed", "a batch header without its trailer before the next");
                }
                self.settle();
                self.batches = self.batches.saturating_add(1);
                self.batches_in_file = self.batches_in_file.saturating_add(1);
                self.in_batch = 0;
            }
            Some(b"BTS") => {
                self.close(start);
                self.count(rest, "BTS-1", self.in_batch, "messages");
                self.batch_open = false;
                self.in_batch = 0;
            }
            Some(b"FTS") => {
                self.close(start);
                // Messages without a batch header are one batch.
                let bare = usize::from(self.batches_in_file == 0 && self.in_batch > 0);
                self.count(rest, "FTS-1", self.batches_in_file.max(bare), "batches");
                self.file_open = false;
                self.batches_in_file = 0;
                self.in_batch = 0;
            }
            _ if self.open.is_none() && !rest.trim_ascii().is_empty() => self.stray = self.stray.saturating_add(1),
            _ => {}
        }
    }

    /// Ends the payload at a position.
    pub(super) fn finish(&mut self, end: usize) {
        self.close(end);
        self.unclosed();
        if self.stray > 0 {
            let detail = format!("{} lines outside of any message were passed over", self.stray);
            self.warn("text-outside-message", &detail);
        }
        self.settle();
    }

    fn unclosed(&mut self) {
        let open = std::mem::take(&mut self.file_open) | std::mem::take(&mut self.batch_open);
        if open {
            self.warn("batch-unclosed", "a batch or file header without its trailer");
        }
    }

    fn close(&mut self, end: usize) {
        if let Some(from) = self.open.take() {
            self.last = Some(Span { from, to: end, issues: Vec::new() });
        }
    }

    /// What begins now ends what the envelope says of the message before.
    fn settle(&mut self) {
        if let Some(mut span) = self.last.take() {
            span.issues = std::mem::take(&mut self.issues);
            self.ready.push_back(span);
        }
    }

    /// The trailer may leave its count out.
    fn count(&mut self, line: &[u8], at: &'static str, found: usize, of: &str) {
        let separator = line.get(3).copied().unwrap_or(b'|');
        let field = line.split(|b| *b == separator).nth(1).unwrap_or_default().trim_ascii();
        if field.is_empty() {
            return;
        }
        let said = std::str::from_utf8(field).ok().and_then(|text| text.parse::<usize>().ok());
        let detail = match said {
            Some(said) if said == found => return,
            Some(said) => format!("the trailer says {said} {of}, found {found}"),
            None => format!("expected a count of {of} in the trailer, found {} characters", field.len()),
        };
        self.issues.push(FormatIssue::new("batch-count", Severity::Warning, detail).at(at));
    }

    fn warn(&mut self, code: &'static str, detail: &str) {
        self.issues.push(FormatIssue::new(code, Severity::Warning, detail));
    }
}

fn envelope(line: &[u8]) -> Option<&[u8]> {
    let (name, rest) = line.split_at_checked(3)?;
    let known = matches!(name, b"MSH" | b"FHS" | b"BHS" | b"BTS" | b"FTS");
    (known && rest.first().is_none_or(|b| !b.is_ascii_alphanumeric())).then_some(name)
}
