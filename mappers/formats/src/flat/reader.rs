//! Bytes to rows.

use csv_core::{ReadRecordResult, ReaderBuilder};
use encoding_rs::{CoderResult, Decoder};
use memchr::memmem;

use super::{Charset, Dialect, Found, Layout, Rows};

mod envelope;
mod lines;
mod marks;

/// Reads the rows of a file as its bytes come in.
///
/// A line end is LF, CR LF or, where no LF comes with it, CR. A quotation mark that is never closed would take in the rest
/// of the file: a row that is longer than the limit, or that goes over several lines and has another number of cells than
/// the first row, is read again up to its first line end without quotation marks.
pub struct Reader {
    dialect: Dialect,
    core: Option<Box<csv_core::Reader>>,
    finder: Option<memmem::Finder<'static>>,
    /// Decodes what is no UTF-8.
    decoder: Option<Decoder>,
    /// Whether the first bytes have been looked at.
    started: bool,
    ended: bool,
    /// Whether what comes is the rest of a line longer than the limit.
    passing: bool,
    raw: Vec<u8>,
    at: usize,
    /// Rows so far, empty ones too.
    row: u64,
    skipped: u64,
    /// Cells of the first row.
    width: Option<usize>,
    /// Rows that are no UTF-8.
    recoded: u64,
    /// Rows since the beginning or the last trailer, the header among them.
    counted: u64,
    /// Whether the last line was a trailer, and whether its absence has been said.
    closed: bool,
    closings: u64,
    out: Vec<u8>,
    ends: Vec<usize>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Reader").field("dialect", &self.dialect).field("row", &self.row).finish_non_exhaustive()
    }
}

/// What came of looking for a row.
enum Step {
    /// One was added, or passed over.
    Read,
    /// More bytes are needed.
    Wait,
    /// There is none left.
    End,
}

impl Reader {
    /// A reader of this dialect; one that [`Dialect::check`] refuses is read as lines of one cell.
    pub fn new(dialect: Dialect) -> Self {
        let (mut core, mut finder) = (None, None);
        if let Layout::Delimited { delimiter, quote, escape } = &dialect.layout {
            match (delimiter.as_bytes(), quote) {
                ([byte], Some(quote)) => {
                    let mut builder = ReaderBuilder::new();
                    builder.delimiter(*byte).quote(*quote).escape(*escape);
                    core = Some(Box::new(builder.build()));
                }
                (bytes, _) => finder = Some(memmem::Finder::new(bytes).into_owned()),
            }
        }
        Self {
            dialect,
            core,
            finder,
            decoder: None,
            started: false,
            ended: false,
            passing: false,
            raw: Vec::new(),
            at: 0,
            row: 0,
            skipped: 0,
            width: None,
            recoded: 0,
            counted: 0,
            closed: false,
            closings: 0,
            out: vec![0; 4096],
            ends: vec![0; 64],
        }
    }

    /// Takes bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.raw.drain(..self.at.min(self.raw.len()));
        self.at = 0;
        if self.started {
            self.take(bytes, false);
            return;
        }
        self.raw.extend_from_slice(bytes);
        // Enough for a mark, and to see UTF-16 without one.
        if self.raw.len() >= 128 {
            self.start();
        }
    }

    /// Says that no more bytes come.
    pub fn finish(&mut self) {
        if !self.started {
            self.start();
        }
        self.take(&[], true);
        self.ended = true;
    }

    /// Rows that were no UTF-8 and were read as windows-1252.
    pub fn recoded(&self) -> u64 {
        self.recoded
    }

    /// Adds up to so many rows; fewer where more bytes are needed or none are left.
    pub fn read(&mut self, rows: &mut Rows, limit: usize) {
        if !self.started && !self.ended {
            return;
        }
        while rows.len() < limit {
            match self.step(rows) {
                Step::Read => {}
                Step::Wait | Step::End => return,
            }
        }
    }

    fn start(&mut self) {
        self.started = true;
        let head = std::mem::take(&mut self.raw);
        let charset = match self.dialect.charset {
            Some(charset) => charset,
            // What is no UTF-8 is seen row by row.
            None => match Charset::guess(&head) {
                guessed if guessed == Charset::FALLBACK => Charset::UTF_8,
                guessed => guessed,
            },
        };
        let mark = Charset::of_mark(&head).filter(|(marked, _)| *marked == charset).map_or(0, |(_, length)| length);
        if charset != Charset::UTF_8 {
            self.decoder = Some(charset.0.new_decoder_without_bom_handling());
        }
        self.take(head.get(mark..).unwrap_or_default(), false);
    }

    fn take(&mut self, bytes: &[u8], last: bool) {
        let Some(decoder) = &mut self.decoder else {
            self.raw.extend_from_slice(bytes);
            return;
        };
        let mut from = bytes;
        loop {
            let room = decoder.max_utf8_buffer_length(from.len()).unwrap_or(0).max(16);
            let start = self.raw.len();
            self.raw.resize(start.saturating_add(room), 0);
            let to = self.raw.get_mut(start..).unwrap_or_default();
            let (result, read, written, _) = decoder.decode_to_utf8(from, to, last);
            self.raw.truncate(start.saturating_add(written));
            from = from.get(read..).unwrap_or_default();
            if matches!(result, CoderResult::InputEmpty) {
                return;
            }
        }
    }

    fn rest(&self) -> &[u8] {
        self.raw.get(self.at..).unwrap_or_default()
    }

    fn step(&mut self, rows: &mut Rows) -> Step {
        match self.rest() {
            [] if self.ended => return self.end(rows),
            [] => return Step::Wait,
            _ if self.passing => return self.pass_rest(),
            // The other half of a line end may be yet to come.
            [b'\r'] if !self.ended => return Step::Wait,
            [b'\r', b'\n', ..] => return self.blank(2),
            [b'\n' | b'\r', ..] => return self.blank(1),
            _ => {}
        }
        let Some(comment) = self.begins(self.dialect.comment.as_deref()) else { return Step::Wait };
        if self.skipped < self.dialect.skip || comment {
            let Some(line) = self.line() else { return Step::Wait };
            self.skipped = self.skipped.saturating_add(u64::from(!comment));
            return self.pass_line(line);
        }
        if let Some(step) = self.envelope(rows) {
            return step;
        }
        if self.core.is_some() { self.quoted(rows) } else { self.plain(rows) }
    }

    /// An empty line: one of those to be skipped, as people count them, else no row.
    fn blank(&mut self, bytes: usize) -> Step {
        self.skipped = self.skipped.saturating_add(u64::from(self.skipped < self.dialect.skip));
        self.pass(bytes)
    }

    /// Whether the line begins with a mark; `None` where that is yet to come.
    fn begins(&self, mark: Option<&str>) -> Option<bool> {
        let Some(mark) = mark.map(str::as_bytes) else { return Some(false) };
        let rest = self.rest();
        if rest.len() < mark.len() && !self.ended && mark.starts_with(rest) {
            return None;
        }
        Some(rest.starts_with(mark))
    }

    /// Passes over a line that is no row.
    fn pass(&mut self, bytes: usize) -> Step {
        self.row = self.row.saturating_add(1);
        self.at = self.at.saturating_add(bytes);
        Step::Read
    }

    /// A row whose cells may be set in quotation marks.
    fn quoted(&mut self, rows: &mut Rows) -> Step {
        let Some(mut core) = self.core.take() else { return Step::End };
        core.reset();
        let (mut read, mut written, mut cells) = (0_usize, 0_usize, 0_usize);
        let step = loop {
            let input = self.raw.get(self.at.saturating_add(read)..).unwrap_or_default();
            let flush = input.is_empty() && self.ended;
            if input.is_empty() && !flush {
                break if read > self.dialect.row_limit_bytes { self.unquoted(rows) } else { Step::Wait };
            }
            let out = self.out.get_mut(written..).unwrap_or_default();
            let ends = self.ends.get_mut(cells..).unwrap_or_default();
            let (result, taken, put, ended) = core.read_record(input, out, ends);
            read = read.saturating_add(taken);
            written = written.saturating_add(put);
            cells = cells.saturating_add(ended);
            match result {
                ReadRecordResult::OutputFull => self.out.resize(self.out.len().saturating_mul(2), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len().saturating_mul(2), 0),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::End => break Step::End,
                ReadRecordResult::Record => {
                    let record = self.raw.get(self.at..self.at.saturating_add(read)).unwrap_or_default();
                    let body = record.strip_suffix(b"\n").unwrap_or(record);
                    let body = body.strip_suffix(b"\r").unwrap_or(body);
                    let lines = memchr::memchr2(b'\n', b'\r', body).is_some();
                    cells = self.without_trailing(cells);
                    let width = self.width.unwrap_or(cells);
                    if read > self.dialect.row_limit_bytes || (lines && cells != width) {
                        break self.unquoted(rows);
                    }
                    // The LF of a line end may be yet to come.
                    if record.last() == Some(&b'\r') {
                        match self.raw.get(self.at.saturating_add(read)) {
                            Some(b'\n') => read = read.saturating_add(1),
                            Some(_) => {}
                            None if self.ended => {}
                            None => break Step::Wait,
                        }
                    }
                    let written = self.tell_quoted(read, written, cells);
                    self.emit(rows, written, cells);
                    self.at = self.at.saturating_add(read);
                    break Step::Read;
                }
            }
        };
        self.core = Some(core);
        step
    }

    /// The first line of a row whose quotation marks do not close where they should.
    fn unquoted(&mut self, rows: &mut Rows) -> Step {
        let Some(found) = self.line() else { return Step::Wait };
        if found.length > self.dialect.row_limit_bytes {
            return self.too_long(found, rows);
        }
        let line = self.rest().get(..found.length).unwrap_or_default();
        let detail = "a quotation mark is not closed: the row is read up to the end of its line, marks as they stand";
        let code = "quotation-open";
        rows.found.push(Found { row: self.row.saturating_add(1), code, lost: false, detail: detail.to_owned() });
        let delimiter = match &self.dialect.layout {
            Layout::Delimited { delimiter, .. } => delimiter.as_str(),
            Layout::Fixed(_) => ",",
        };
        let (line, finder) = (line.to_vec(), memmem::Finder::new(delimiter.as_bytes()).into_owned());
        let cells = self.split(&line, &finder);
        let written = self.ends.get(cells.saturating_sub(1)).copied().unwrap_or(0);
        self.emit(rows, written, cells);
        self.at = self.at.saturating_add(found.whole);
        Step::Read
    }

    /// How many cells a row has where each row ends with a delimiter that begins none.
    fn without_trailing(&self, cells: usize) -> usize {
        let last = cells.checked_sub(1).and_then(|last| self.ends.get(last));
        let before = cells.checked_sub(2).and_then(|before| self.ends.get(before));
        let bare = self.dialect.trailing && last.is_some() && last == before;
        cells.saturating_sub(usize::from(bare))
    }

    /// Hands on the row in `out` and `ends`.
    fn emit(&mut self, rows: &mut Rows, written: usize, cells: usize) {
        self.row = self.row.saturating_add(1);
        self.counted = self.counted.saturating_add(1);
        self.closed = false;
        let cells = self.without_trailing(cells);
        let bytes = self.out.get(..written).unwrap_or_default();
        let ends = self.ends.get(..cells).unwrap_or_default();
        self.width.get_or_insert(cells);
        match std::str::from_utf8(bytes) {
            Ok(text) if text.is_ascii() || ends.iter().all(|end| text.is_char_boundary(*end)) => {
                rows.push_joined(self.row, text, ends);
            }
            _ => {
                note_recoded(&mut self.recoded, self.row, rows);
                let mut start = 0;
                let mut decoded: Vec<String> = Vec::with_capacity(cells);
                for end in ends {
                    let cell = bytes.get(start..*end).unwrap_or_default();
                    start = *end;
                    decoded.push(match std::str::from_utf8(cell) {
                        Ok(text) => text.to_owned(),
                        Err(_) => Charset::FALLBACK.0.decode_without_bom_handling(cell).0.into_owned(),
                    });
                }
                rows.push(self.row, decoded.iter().map(String::as_str));
            }
        }
    }
}

/// Says it once; how many there are is counted.
fn note_recoded(recoded: &mut u64, row: u64, rows: &mut Rows) {
    if *recoded == 0 {
        let detail = "expected UTF-8: this row, and others like it, are read as windows-1252".to_owned();
        rows.found.push(Found { row, code: "not-utf-8", lost: false, detail });
    }
    *recoded = recoded.saturating_add(1);
}
