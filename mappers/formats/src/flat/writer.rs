//! Rows to bytes.

use super::{Charset, Dialect, Layout};

/// Writes rows as a dialect has them.
#[derive(Clone, Debug)]
pub struct Writer {
    dialect: Dialect,
    line: String,
}

impl Writer {
    /// A writer of this dialect.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, line: String::new() }
    }

    /// Appends a row. Gives back the numbers, from 0, of cells that the dialect cannot hold as they are: too long for their
    /// width, or with delimiters or line ends and no quotation marks; these are written as far as they go, with blanks.
    pub fn write<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>, out: &mut Vec<u8>) -> Vec<usize> {
        let mut unfit = Vec::new();
        self.line.clear();
        match &self.dialect.layout {
            Layout::Delimited { delimiter, quote, .. } => {
                let mut cells = cells.into_iter().enumerate().peekable();
                while let Some((number, cell)) = cells.next() {
                    if number > 0 {
                        self.line.push_str(delimiter);
                    }
                    // A row of one empty cell would be an empty line.
                    let alone = number == 0 && cell.is_empty() && cells.peek().is_none();
                    let odd = cell.contains(delimiter.as_str()) || cell.contains(['\n', '\r']);
                    match quote {
                        Some(quote) if odd || alone || cell.contains(char::from(*quote)) => {
                            let quote = char::from(*quote);
                            self.line.push(quote);
                            for c in cell.chars() {
                                if c == quote {
                                    self.line.push(quote);
                                }
                                self.line.push(c);
                            }
                            self.line.push(quote);
                        }
                        None if odd => {
                            unfit.push(number);
                            let plain = cell.replace(delimiter.as_str(), " ").replace(['\n', '\r'], " ");
                            self.line.push_str(&plain);
                        }
                        _ => self.line.push_str(cell),
                    }
                }
            }
            Layout::Fixed(spans) => {
                let cells: Vec<&str> = cells.into_iter().collect();
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
        self.line.push('\n');
        let charset = self.dialect.charset.unwrap_or(Charset::UTF_8);
        // The Encoding Standard writes no UTF-16: such a file is written as UTF-8.
        let (bytes, _, _) = charset.0.encode(&self.line);
        out.extend_from_slice(&bytes);
        unfit.dedup();
        unfit
    }
}
