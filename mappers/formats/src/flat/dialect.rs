//! How the rows of a file are written.

use super::Charset;

/// How a file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// How cells are told apart.
    pub layout: Layout,
    /// The character set; none: by the byte order mark, else UTF-8, and rows that are none are read as windows-1252.
    pub charset: Option<Charset>,
    /// Lines that begin with it are no rows.
    pub comment: Option<String>,
    /// So many lines come before the header or the first row.
    pub skip: u64,
    /// Whether every row ends with a delimiter after its last cell.
    pub trailing: bool,
    /// What a cell of two quotation marks and nothing between them is read as, where senders mean something else by it than
    /// by nothing at all.
    pub quoted_empty: Option<String>,
    /// Lines around the rows.
    pub envelope: Option<Envelope>,
    /// What is written after each line; every line end is read.
    pub line_end: &'static str,
    /// Longest row.
    pub row_limit_bytes: usize,
}

/// Lines around the rows that are no rows: file headers and trailers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// What lines begin with that are no rows.
    pub head: Vec<String>,
    /// What the trailer begins with; a file without one is said to be cut off.
    pub foot: Option<String>,
    /// Which run of digits after that is the number of records, from 1; 0 for none.
    pub count: usize,
    /// Records that the number counts besides the rows.
    pub besides: u64,
    /// Rows at the beginning that it does not count: the names of the columns.
    pub header_rows: u64,
}

/// How cells are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// By a delimiter.
    Delimited {
        /// One or more characters.
        delimiter: String,
        /// Cells may be set in it; a doubled one stands for itself. Needs a delimiter of one ASCII character.
        quote: Option<u8>,
        /// Takes the meaning from a quotation mark within a cell, beside doubling it.
        escape: Option<u8>,
    },
    /// By their places in the line.
    Fixed(Vec<Span>),
}

/// Where a cell stands in a line, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Characters before it.
    pub start: usize,
    /// Characters it has.
    pub length: usize,
}

/// A dialect that cannot be read. Fault of who describes the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialectError {
    /// No delimiter, or one with a line end in it.
    #[error("expected a delimiter without line ends")]
    Delimiter,
    /// A quotation mark with a delimiter that is not one ASCII character.
    #[error(
        "expected a delimiter of one ASCII character beside a quotation mark; quote = \"\" says that there is none"
    )]
    Quote,
    /// Quotation mark, escape and delimiter are not different ASCII characters.
    #[error("expected quotation mark, escape and delimiter to differ")]
    Same,
    /// Fixed width without columns, or a column without length.
    #[error("expected columns of at least one character")]
    Span,
}

impl Default for Dialect {
    /// RFC 4180: commas, quotation marks, UTF-8.
    fn default() -> Self {
        let layout = Layout::Delimited { delimiter: ",".to_owned(), quote: Some(b'"'), escape: None };
        Self {
            layout,
            charset: None,
            comment: None,
            skip: 0,
            trailing: false,
            quoted_empty: None,
            envelope: None,
            line_end: "\n",
            row_limit_bytes: Self::ROW_LIMIT_BYTES,
        }
    }
}

impl Dialect {
    /// Longest row unless said otherwise.
    pub const ROW_LIMIT_BYTES: usize = 1 << 20;

    /// Whether it can be read.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), DialectError> {
        match &self.layout {
            Layout::Delimited { delimiter, quote, escape } => {
                if delimiter.is_empty() || delimiter.contains(['\n', '\r']) {
                    return Err(DialectError::Delimiter);
                }
                let single = match delimiter.as_bytes() {
                    [byte] => Some(*byte),
                    _ => None,
                };
                if quote.is_some() && single.is_none() {
                    return Err(DialectError::Quote);
                }
                let same = single.is_some() && (*quote == single || *escape == single);
                if same || (escape.is_some() && quote == escape) {
                    return Err(DialectError::Same);
                }
                Ok(())
            }
            Layout::Fixed(spans) if spans.is_empty() || spans.iter().any(|span| span.length == 0) => {
                Err(DialectError::Span)
            }
            Layout::Fixed(_) => Ok(()),
        }
    }
}
