//! Several messages in one payload. HL7 v2.8.2 chapter 2, "Batch protocol" (FHS, BHS, BTS, FTS).

use std::borrow::Cow;

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
    /// Its bytes: those that arrived, except that a batch in UTF-16 is cut after decoding, into UTF-8.
    pub bytes: Cow<'a, [u8]>,
}

/// Finds the messages in a payload; counts in BTS-1 and FTS-1 that differ from what is there are issues.
pub fn split_batch(raw: &[u8]) -> Batch<'_> {
    let unframed = unframe(raw);
    if is_wide(unframed) {
        let text = decode(unframed, None, &mut Vec::new()).text;
        let mut batch = split(text.as_bytes());
        let messages = if batch.is_batch {
            let owned = |part: Part<'_>| Part { number: part.number, bytes: Cow::Owned(part.bytes.into_owned()) };
            std::mem::take(&mut batch.messages).into_iter().map(owned).collect()
        } else {
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

#[derive(Default)]
struct Walk {
    starts: Vec<(usize, usize)>,
    open: Option<usize>,
    files: usize,
    batches: usize,
    in_batch: usize,
    file_open: bool,
    batch_open: bool,
    stray: usize,
    issues: Vec<FormatIssue>,
}

fn split(raw: &[u8]) -> Batch<'_> {
    let mut walk = Walk::default();
    for (start, line) in lines(raw) {
        walk.line(start, line);
    }
    walk.close(raw.len());
    if walk.file_open || walk.batch_open {
        walk.warn("batch-unclosed", "a batch or file header without its trailer");
    }
    if walk.stray > 0 {
        let detail = format!("{} lines outside of any message were passed over", walk.stray);
        walk.warn("text-outside-message", &detail);
    }
    let is_batch = walk.files > 0 || walk.batches > 0 || walk.starts.len() > 1;
    let messages = (1..)
        .zip(&walk.starts)
        .map(|(number, (from, to))| Part { number, bytes: Cow::Borrowed(raw.get(*from..*to).unwrap_or_default()) })
        .collect();
    Batch { messages, is_batch, issues: walk.issues }
}

impl Walk {
    fn line(&mut self, start: usize, line: &[u8]) {
        match envelope(line) {
            Some(b"MSH") => {
                self.close(start);
                self.open = Some(start);
                self.in_batch = self.in_batch.saturating_add(1);
            }
            Some(b"FHS") => {
                self.close(start);
                self.files = self.files.saturating_add(1);
                self.file_open = true;
            }
            Some(b"BHS") => {
                self.close(start);
                self.batches = self.batches.saturating_add(1);
                self.in_batch = 0;
                self.batch_open = true;
            }
            Some(b"BTS") => {
                self.close(start);
                self.count(line, "BTS-1", self.in_batch, "messages");
                self.batch_open = false;
            }
            Some(b"FTS") => {
                self.close(start);
                self.count(line, "FTS-1", self.batches, "batches");
                self.file_open = false;
            }
            _ if self.open.is_none() && !line.trim_ascii().is_empty() => self.stray = self.stray.saturating_add(1),
            _ => {}
        }
    }

    fn close(&mut self, end: usize) {
        if let Some(start) = self.open.take() {
            self.starts.push((start, end));
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

/// Lines with their position, at CR, LF and the MLLP bytes; byte order marks are passed over.
fn lines(raw: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut next = 0_usize;
    std::iter::from_fn(move || {
        let rest = raw.get(next..).filter(|rest| !rest.is_empty())?;
        let end = rest.iter().position(|b| matches!(b, b'\r' | b'\n' | 0x0B | 0x1C)).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default();
        let mark = if line.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        let start = next.saturating_add(mark);
        next = next.saturating_add(end).saturating_add(1);
        Some((start, line.get(mark..).unwrap_or_default()))
    })
}

fn envelope(line: &[u8]) -> Option<&[u8]> {
    let (name, rest) = line.split_at_checked(3)?;
    let known = matches!(name, b"MSH" | b"FHS" | b"BHS" | b"BTS" | b"FTS");
    (known && rest.first().is_none_or(|b| !b.is_ascii_alphanumeric())).then_some(name)
}
