//! One pass over the text: where segments and fields begin and end. Nothing below a field is looked at here.

use std::collections::HashMap;

use super::issue::{FormatIssue, Severity};
use super::place::SegmentName;

/// Where a segment stands in the text.
#[derive(Clone, Debug)]
pub(super) struct SegmentSpan {
    pub(super) start: u32,
    pub(super) end: u32,
    /// Its field separators: a range into [`Lexed::separators`].
    pub(super) separators: (u32, u32),
    pub(super) name: SegmentName,
    pub(super) kind: Kind,
    /// Counts the segments of this name, from 1.
    pub(super) ordinal: u32,
    /// Index into [`Lexed::counts`].
    pub(super) count: u32,
    pub(super) position: u32,
}

/// How fields are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Field 1 follows the name and a separator.
    Plain,
    /// MSH, FHS, BHS: field 1 is the separator itself, field 2 the encoding characters.
    Header,
    /// A line without a name: field 1 begins with the line.
    Unreadable,
}

/// The spans of a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Lexed {
    pub(super) segments: Vec<SegmentSpan>,
    pub(super) separators: Vec<u32>,
    /// How many segments there are of each name.
    pub(super) counts: Vec<u32>,
}

/// Splits `text`, which begins with a header segment, at CR, LF and CRLF, mixed as they come.
///
/// A line that cannot be a segment (no name of letters and digits, no separator) is the rest of a text whose line
/// end was not escaped: it stays in the field it interrupts, with an issue.
pub(super) fn lex(text: &str, separator: u8, issues: &mut Vec<FormatIssue>) -> Lexed {
    let mut lexer = Lexer { text, separator, out: Lexed::default(), names: HashMap::new(), issues, main: None };
    lexer.run();
    lexer.out
}

struct Lexer<'a> {
    text: &'a str,
    separator: u8,
    out: Lexed,
    names: HashMap<SegmentName, u32>,
    issues: &'a mut Vec<FormatIssue>,
    /// The line end after the first segment.
    main: Option<u8>,
}

impl Lexer<'_> {
    fn run(&mut self) {
        let bytes = self.text.as_bytes();
        let (mut start, mut from) = (0, 0);
        let (mut blank, mut blank_before_end) = (0_usize, 0_usize);
        let mut joined: Option<usize> = None;
        for at in memchr::memchr3_iter(b'\r', b'\n', self.separator, bytes) {
            let byte = bytes.get(at).copied().unwrap_or(b'\r');
            if byte == self.separator {
                self.out.separators.push(narrow(at));
                continue;
            }
            let next = at.saturating_add(1);
            let line = bytes.get(start..at).unwrap_or_default();
            if line.iter().all(|b| matches!(b, b' ' | b'\t')) {
                let after_cr =
                    byte == b'\n' && line.is_empty() && at.checked_sub(1).and_then(|p| bytes.get(p)) == Some(&b'\r');
                blank_before_end = blank_before_end.saturating_add(usize::from(!after_cr));
                start = next;
                continue;
            }
            let main = *self.main.get_or_insert(byte);
            let next_line = bytes.get(next..).unwrap_or_default();
            let next_line = match (byte, next_line) {
                (b'\r', [b'\n', tail @ ..]) => tail,
                (_, tail) => tail,
            };
            if !self.begins_segment(next_line, byte == main) {
                joined.get_or_insert(self.out.segments.len());
                continue;
            }
            blank = blank.saturating_add(std::mem::take(&mut blank_before_end));
            self.finish(start, at, from, joined.take().is_some());
            from = self.out.separators.len();
            start = next;
        }
        let rest = bytes.get(start..).unwrap_or_default();
        if !rest.iter().all(|b| matches!(b, b' ' | b'\t')) {
            blank = blank.saturating_add(blank_before_end);
            self.finish(start, bytes.len(), from, joined.is_some());
        }
        if blank > 0 {
            let detail = format!("{blank} blank lines between segments");
            self.issues.push(FormatIssue::new("blank-lines", Severity::Information, detail));
        }
    }

    /// Whether what follows a line end is a segment, or nothing.
    fn begins_segment(&self, line: &[u8], main_line_end: bool) -> bool {
        let line = line.trim_ascii_start_blanks();
        let end = memchr::memchr3(b'\r', b'\n', self.separator, line).unwrap_or(line.len());
        let name = line.get(..end).unwrap_or_default();
        if name.is_empty() && !self.out.segments.is_empty() {
            // A blank line or the end; a separator at the start belongs to a text.
            return line.get(end) != Some(&self.separator);
        }
        if line.get(end) == Some(&self.separator) {
            return name.len() <= 8 && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
        }
        // Nothing belongs to the text of a header; and a message cut off in a name is no text either.
        let cut = end == line.len() && name.len() < 3;
        let named = (cut || name.len() == 3) && name.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        self.out.segments.is_empty() || (main_line_end && named)
    }

    fn finish(&mut self, start: usize, end: usize, separators_from: usize, joined: bool) {
        let line = self.text.as_bytes().get(start..end).unwrap_or_default();
        let indent = line.len().saturating_sub(line.trim_ascii_start_blanks().len());
        let start = start.saturating_add(indent);
        let line = line.get(indent..).unwrap_or_default();
        let name_end = memchr::memchr(self.separator, line).unwrap_or(line.len());
        let text = line.get(..name_end).unwrap_or_default();
        let (name, kind) = match SegmentName::read(text) {
            Some(name) if matches!(text, b"MSH" | b"FHS" | b"BHS") => (name, Kind::Header),
            Some(name) => (name, Kind::Plain),
            None => (SegmentName::UNREADABLE, Kind::Unreadable),
        };
        let index = match self.names.get(&name) {
            Some(index) => *index,
            None => {
                let index = narrow(self.out.counts.len());
                self.out.counts.push(0);
                self.names.insert(name, index);
                index
            }
        };
        let mut ordinal = 1;
        if let Some(count) = self.out.counts.get_mut(index as usize) {
            *count = count.saturating_add(1);
            ordinal = *count;
        }
        let position = narrow(self.out.segments.len());
        self.out.segments.push(SegmentSpan {
            start: narrow(start),
            end: narrow(end),
            separators: (narrow(separators_from), narrow(self.out.separators.len())),
            name,
            kind,
            ordinal,
            count: index,
            position,
        });
        self.report(name, kind, ordinal, text, joined, position);
    }

    fn report(&mut self, name: SegmentName, kind: Kind, ordinal: u32, text: &[u8], joined: bool, position: u32) {
        let at = || format!("{}[{ordinal}]", name.as_str());
        let mut push = |code, severity, detail: &str| {
            self.issues.push(FormatIssue::new(code, severity, detail).at(at()));
        };
        if joined {
            push("line-end-in-text", Severity::Warning, "a line that is no segment: kept in the field before it");
        }
        if kind == Kind::Unreadable {
            push("segment-name", Severity::Warning, "a line without the name of a segment: kept as it is");
        } else if text.iter().any(u8::is_ascii_lowercase) {
            push("segment-name", Severity::Warning, "a segment name in lower case: no segment of the standard");
        }
        if position > 0 && kind == Kind::Header {
            push("second-header", Severity::Error, "a second header inside a message: kept as a segment");
        }
    }
}

trait Blanks {
    fn trim_ascii_start_blanks(&self) -> &Self;
}

impl Blanks for [u8] {
    fn trim_ascii_start_blanks(&self) -> &Self {
        let blanks = self.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        self.get(blanks..).unwrap_or_default()
    }
}

/// Positions are kept in 32 bits: [`super::message::LENGTH_LIMIT`] is checked before the lexer runs.
fn narrow(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
