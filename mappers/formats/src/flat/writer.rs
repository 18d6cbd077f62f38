//! Rows to bytes.

use super::{Charset, Dialect, Layout};

/// Writes rows as a dialect has them.
#[derive(Clone, Debug)]
pub struct Writer {
    dialect: Dialect,
    line: String,
    begun: bool,
}

impl Writer {
    /// A writer of this dialect.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, line: String::new(), begun: false }
    }

    /// Appends a row. Gives back the numbers, from 0, of cells that the dialect cannot hold as they are: too long for their
    /// width, with delimiters or line ends and no quotation marks, or with characters that the character set does not have;
    /// these are written as far as they go, with blanks and question marks.
    pub fn write<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>, out: &mut Vec<u8>) -> Vec<usize> {
        let cells: Vec<&str> = cells.into_iter().collect();
        let mut unfit = Vec::new();
        self.line.clear();
        match &self.dialect.layout {
            Layout::Delimited { .. } => self.delimited(&cells, &mut unfit),
            Layout::Fixed(spans) => {
                let width = spans.iter().map(|span| span.start.saturating_add(span.length)).max().unwrap_or(0);
                let mut line: Vec<char> = vec![' '; width];
                for (number, (cell, span)) in cells.iter().zip(spans).enumerate() {
                    let mut rest = cell.chars();
                    for slot in line.iter_mut().skip(span.start).take(span.length) {
                        match rest.next() {
                            Some('\n' | '\r') => unfit.push(number),
                            Some(c) => *slot = c,
                            None => break,
                        }
                    }
                    if rest.next().is_some() {
                        unfit.push(number);
                    }
                }
                self.line.extend(line);
            }
        }
        if !self.finish(out) {
            let charset = self.charset();
            unfit.extend(
                cells.iter().enumerate().filter(|(_, cell)| charset.0.encode(cell).2).map(|(number, _)| number),
            );
            unfit.sort_unstable();
        }
        unfit.dedup();
        unfit
    }

    /// Appends a line that is no row, such as a trailer.
    pub fn line(&mut self, text: &str, out: &mut Vec<u8>) {
        self.line.clear();
        self.line.push_str(text);
        self.finish(out);
    }

    fn delimited(&mut self, cells: &[&str], unfit: &mut Vec<usize>) {
        let Layout::Delimited { delimiter, quote, escape } = &self.dialect.layout else { return };
        for (number, cell) in cells.iter().enumerate() {
            if number > 0 {
                self.line.push_str(delimiter);
            }
            let quoted_empty = quote.is_some() && self.dialect.quoted_empty.as_deref() == Some(*cell);
            let cell = if quoted_empty { "" } else { cell };
            // A row of one empty cell would be an empty line.
            let alone = cells.len() == 1 && cell.is_empty();
            let odd = cell.contains(delimiter.as_str()) || cell.contains(['\n', '\r']);
            let marked = |mark: &u8| cell.contains(char::from(*mark));
            match quote {
                Some(quote) if odd || alone || quoted_empty || marked(quote) || escape.as_ref().is_some_and(marked) => {
                    let quote = char::from(*quote);
                    self.line.push(quote);
                    for c in cell.chars() {
                        if c == quote {
                            self.line.push(quote);
                        } else if escape.is_some_and(|escape| char::from(escape) == c) {
                            self.line.push(c);
                        }
                        self.line.push(c);
                    }
                    self.line.push(quote);
                }
                None if odd => {
                    unfit.push(number);
                    self.line.push_str(&cell.replace(delimiter.as_str(), " ").replace(['\n', '\r'], " "));
                }
                _ => self.line.push_str(cell),
            }
        }
        if self.dialect.trailing {
            self.line.push_str(delimiter);
        }
    }

    fn charset(&self) -> Charset {
        self.dialect.charset.unwrap_or(Charset::UTF_8)
    }

    /// Appends the line and its end in the character set; false where that has not every character.
    fn finish(&mut self, out: &mut Vec<u8>) -> bool {
        self.line.push_str(self.dialect.line_end);
        let charset = self.charset();
        if let Some(bytes) = charset.utf16_bytes() {
            // The Encoding Standard writes no UTF-16; with a mark, every reader knows it.
            let mark = (!std::mem::replace(&mut self.begun, true)).then_some(0xFEFF);
            out.extend(mark.into_iter().chain(self.line.encode_utf16()).flat_map(bytes));
            return true;
        }
        let (bytes, _, lost) = charset.0.encode(&self.line);
        if !lost {
            out.extend_from_slice(&bytes);
            return true;
        }
        let mut letter = [0_u8; 4];
        for c in self.line.chars() {
            match charset.0.encode(c.encode_utf8(&mut letter)) {
                // What it gives in place of a character is for web pages.
                (_, _, true) => out.push(b'?'),
                (bytes, _, false) => out.extend_from_slice(&bytes),
            }
        }
        false
    }
}
