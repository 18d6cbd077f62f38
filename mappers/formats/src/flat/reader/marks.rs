//! Cells of two quotation marks with nothing between them, told from empty ones.

use super::super::Layout;
use super::Reader;

impl Reader {
    /// Puts the text that stands for a quoted nothing into the cells of the record just read that are one; gives back how
    /// many bytes the cells have.
    pub(super) fn tell_quoted(&mut self, read: usize, written: usize, cells: usize) -> usize {
        let Some(text) = self.dialect.quoted_empty.clone() else { return written };
        let Layout::Delimited { delimiter, quote: Some(quote), .. } = &self.dialect.layout else { return written };
        let (Some(delimiter), quote) = (delimiter.bytes().next(), *quote) else { return written };
        let pair = [quote, quote];
        let record = self.raw.get(self.at..self.at.saturating_add(read)).unwrap_or_default();
        if memchr::memmem::find(record, &pair).is_none() {
            return written;
        }
        let mut out: Vec<u8> = Vec::with_capacity(written.saturating_add(text.len()));
        let (mut ends, mut start, mut rest) = (Vec::with_capacity(cells), 0_usize, record);
        for end in self.ends.iter().take(cells).copied() {
            let cell = self.out.get(start..end).unwrap_or_default();
            let (quoted, length) = field(rest, delimiter, quote);
            out.extend_from_slice(if cell.is_empty() && quoted { text.as_bytes() } else { cell });
            ends.push(out.len());
            rest = rest.get(length..).unwrap_or_default();
            start = end;
        }
        for (slot, end) in self.ends.iter_mut().zip(&ends) {
            *slot = *end;
        }
        let length = out.len();
        if self.out.len() < length {
            self.out.resize(length, 0);
        }
        for (slot, byte) in self.out.iter_mut().zip(out) {
            *slot = byte;
        }
        length
    }
}

/// Whether the first field of a record is set in quotation marks, and its length with the delimiter. What an escape hides is
/// of no account: a field with one is not empty, and the worst is that a later one is taken for a bare nothing.
fn field(record: &[u8], delimiter: u8, quote: u8) -> (bool, usize) {
    let quoted = record.first() == Some(&quote);
    let mut inside = false;
    for (at, byte) in record.iter().enumerate() {
        if quoted && *byte == quote {
            inside = !inside;
        } else if *byte == delimiter && !inside {
            return (quoted, at.saturating_add(1));
        }
    }
    (quoted, record.len())
}
