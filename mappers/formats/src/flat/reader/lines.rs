//! Rows that are lines: by a delimiter without quotation marks, or of fixed width.

use memchr::{memchr, memchr2, memmem};

use super::super::{Charset, Found, Layout, Rows};
use super::{Reader, Step, note_recoded};

/// A line that has been found.
#[derive(Clone, Copy)]
pub(super) struct Line {
    /// Without its end.
    pub(super) length: usize,
    /// With its end.
    pub(super) whole: usize,
    /// Whether it goes on: it is longer than the limit.
    cut: bool,
}

impl Reader {
    /// The first line; `None` where it may go on.
    ///
    /// Of a line longer than the limit so much is given as says that it is: the same whatever has come of it so far.
    pub(super) fn line(&self) -> Option<Line> {
        let rest = self.rest();
        let most = self.dialect.row_limit_bytes.saturating_add(2);
        let window = rest.get(..most).unwrap_or(rest);
        let end = match memchr(b'\n', window) {
            Some(end) => end,
            None if window.len() == most || self.ended => window.len(),
            None => return None,
        };
        let line = window.get(..end).unwrap_or_default();
        let to = |length: usize, whole: usize| Some(Line { length, whole, cut: false });
        // CR alone ends a line too, as old systems write it.
        match memchr(b'\r', line) {
            Some(at) if at.saturating_add(1) == line.len() && end < window.len() => to(at, end.saturating_add(1)),
            Some(at) => to(at, at.saturating_add(1)),
            None if end == window.len() && end < rest.len() => Some(Line { length: end, whole: end, cut: true }),
            None if end == most => Some(Line { length: end, whole: end, cut: true }),
            None => to(end, end.saturating_add(1).min(rest.len())),
        }
    }

    /// Passes over a line that is no row.
    pub(super) fn pass_line(&mut self, line: Line) -> Step {
        self.passing = line.cut;
        self.pass(line.whole)
    }

    /// Passes over what is left of a line longer than the limit.
    pub(super) fn pass_rest(&mut self) -> Step {
        let rest = self.rest();
        let bytes = match memchr2(b'\n', b'\r', rest) {
            Some(at) if rest.get(at) == Some(&b'\r') => match rest.get(at.saturating_add(1)) {
                // The other half of a line end may be yet to come.
                None if !self.ended => return Step::Wait,
                Some(b'\n') => at.saturating_add(2),
                _ => at.saturating_add(1),
            },
            Some(at) => at.saturating_add(1),
            None => {
                self.at = self.at.saturating_add(rest.len());
                return Step::Wait;
            }
        };
        self.at = self.at.saturating_add(bytes);
        self.passing = false;
        Step::Read
    }

    /// Passes over a line longer than the limit, and says so.
    pub(super) fn too_long(&mut self, line: Line, rows: &mut Rows) -> Step {
        let detail = format!("expected a row of at most {} KiB", self.dialect.row_limit_bytes >> 10);
        rows.found.push(Found { row: self.row.saturating_add(1), code: "row-too-long", lost: true, detail });
        self.pass_line(line)
    }

    /// Puts a line's cells into `out`; gives back how many.
    pub(super) fn split(&mut self, line: &[u8], finder: &memmem::Finder<'_>) -> usize {
        let step = finder.needle().len();
        self.out.resize(self.out.len().max(line.len()), 0);
        let (mut from, mut written, mut cells) = (0_usize, 0_usize, 0_usize);
        loop {
            let rest = line.get(from..).unwrap_or_default();
            let end = finder.find(rest);
            let cell = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            for (slot, byte) in self.out.iter_mut().skip(written).zip(cell) {
                *slot = *byte;
            }
            written = written.saturating_add(cell.len());
            if self.ends.len() <= cells {
                self.ends.resize(self.ends.len().saturating_mul(2), 0);
            }
            if let Some(slot) = self.ends.get_mut(cells) {
                *slot = written;
            }
            cells = cells.saturating_add(1);
            match end {
                Some(end) => from = from.saturating_add(end).saturating_add(step),
                None => return cells,
            }
        }
    }

    /// A row that is a line.
    pub(super) fn plain(&mut self, rows: &mut Rows) -> Step {
        let Some(found) = self.line() else { return Step::Wait };
        if found.length > self.dialect.row_limit_bytes {
            return self.too_long(found, rows);
        }
        let line = self.rest().get(..found.length).unwrap_or_default().to_vec();
        let (written, cells) = match (&self.finder, &self.dialect.layout) {
            (Some(finder), _) => {
                let finder = finder.clone();
                let cells = self.split(&line, &finder);
                (self.ends.get(cells.saturating_sub(1)).copied().unwrap_or(0), cells)
            }
            (None, Layout::Fixed(_)) => self.cut(&line, rows),
            (None, Layout::Delimited { .. }) => (0, 0),
        };
        self.emit(rows, written, cells);
        self.at = self.at.saturating_add(found.whole);
        Step::Read
    }

    /// Cuts a line by its spans, in characters; what stands outside of all of them is found.
    fn cut(&mut self, line: &[u8], rows: &mut Rows) -> (usize, usize) {
        let Layout::Fixed(spans) = &self.dialect.layout else { return (0, 0) };
        let number = self.row.saturating_add(1);
        let text = match std::str::from_utf8(line) {
            Ok(text) => std::borrow::Cow::Borrowed(text),
            Err(_) => {
                note_recoded(&mut self.recoded, number, rows);
                Charset::FALLBACK.0.decode_without_bom_handling(line).0
            }
        };
        // Where each character begins; ASCII needs no list.
        let starts: Option<Vec<usize>> = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        let byte = |character: usize| match &starts {
            Some(starts) => starts.get(character).copied().unwrap_or(text.len()),
            None => character.min(text.len()),
        };
        let (mut written, mut cells, mut covered) = (0_usize, 0_usize, vec![false; text.len()]);
        for span in spans {
            let (from, to) = (byte(span.start), byte(span.start.saturating_add(span.length)));
            let cell = text.get(from..to).unwrap_or_default().as_bytes();
            let needed = written.saturating_add(cell.len());
            if self.out.len() < needed {
                self.out.resize(needed, 0);
            }
            for (slot, byte) in self.out.iter_mut().skip(written).zip(cell) {
                *slot = *byte;
            }
            covered.iter_mut().skip(from).take(cell.len()).for_each(|slot| *slot = true);
            written = needed;
            if self.ends.len() <= cells {
                self.ends.resize(self.ends.len().saturating_mul(2), 0);
            }
            if let Some(slot) = self.ends.get_mut(cells) {
                *slot = written;
            }
            cells = cells.saturating_add(1);
        }
        let outside = text.bytes().zip(&covered).any(|(byte, covered)| !covered && byte != b' ');
        if outside {
            let detail = "the line has text outside of all columns".to_owned();
            rows.found.push(Found { row: number, code: "outside-columns", lost: false, detail });
        }
        (written, cells)
    }
}
