//! Rows that are lines: by a delimiter without quotation marks, or of fixed width.

use memchr::{memchr, memmem};

use super::super::{Charset, Found, Layout, Rows};
use super::{Reader, Step, note_recoded};

impl Reader {
    /// Length of the first line, and of it with its end; `None` where it may go on.
    pub(super) fn line(&self) -> Option<(usize, usize)> {
        let rest = self.rest();
        let end = match memchr(b'\n', rest) {
            Some(end) => end,
            None if self.ended || rest.len() > self.dialect.row_limit_bytes => rest.len(),
            None => return None,
        };
        let line = rest.get(..end).unwrap_or_default();
        // CR alone ends a line too, as old systems write it.
        match memchr(b'\r', line) {
            Some(at) if at.saturating_add(1) == line.len() && end < rest.len() => Some((at, end.saturating_add(1))),
            Some(at) => Some((at, at.saturating_add(1))),
            None => Some((end, end.saturating_add(1).min(rest.len()))),
        }
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
        let Some((length, whole)) = self.line() else { return Step::Wait };
        if length > self.dialect.row_limit_bytes {
            let detail = format!("expected a row of at most {} KiB", self.dialect.row_limit_bytes >> 10);
            rows.found.push(Found { row: self.row.saturating_add(1), code: "row-too-long", lost: true, detail });
            return self.pass(whole);
        }
        let line = self.rest().get(..length).unwrap_or_default().to_vec();
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
        self.at = self.at.saturating_add(whole);
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
