//! FHIR XML and the lossless tree, both ways.
//!
//! FHIR R4 "XML Representation of Resources" (xml.html) and "JSON Representation of Resources" (json.html): the tree
//! that is read from XML is the tree of the JSON form, as the R4 tables ([`crate::types`]) say what repeats and what is
//! a number. Numbers keep their digits, a narrative keeps its text. What the tables do not know is kept in the tree
//! under its own name, so that whoever checks the tree finds it there; what a tree cannot hold (text between elements,
//! attributes FHIR does not have, a wrong order) is reported while reading goes on.
//!
//! Only UTF-8 is read. Document types are refused, and with them all entities but the five of XML and character
//! references: nothing is fetched and nothing expands. Comments and processing instructions are no content of FHIR and
//! are left out, except inside a narrative.

mod locate;
mod narrative;
mod patch;
mod read;
mod write;

use xml::{Lexer, Rules};

use crate::json::{Json, Limits};
use crate::outcome::Issue;
use crate::types::{Table, r4};

pub use locate::locate;
pub use patch::XmlPatch;
pub use write::{Layout, WriteError, WriteErrorKind, write, write_as};

/// The namespace of FHIR.
pub const FHIR: &str = "http://hl7.org/fhir";
/// The namespace of a narrative.
pub const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// A resource as it was read from XML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The tree of its JSON form.
    pub resource: Json,
    /// What is not as FHIR XML asks and does not show in the tree; at most [`Document::ISSUES`].
    ///
    /// An unknown element, an element that comes too often or one without a value are not in here: they are in the
    /// tree, where whoever validates it finds them.
    pub issues: Vec<Issue>,
}

impl Document {
    /// No more findings than these are kept.
    pub const ISSUES: usize = 200;
}

/// Reads one resource that fills the whole text.
///
/// `limits` count as for JSON: the bytes of the text and the nesting of the tree.
///
/// # Errors
/// [`XmlError`] if the text is no well-formed XML, goes beyond a limit, has a document type, or is nothing of FHIR; the
/// sender's fault, not retryable.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Document, XmlError> {
    parse_as(bytes, limits, r4())
}

/// The same for a resource of another version of FHIR.
///
/// # Errors
/// As [`parse`].
pub fn parse_as(bytes: &[u8], limits: &Limits, table: &'static Table) -> Result<Document, XmlError> {
    read::document(bytes, limits, table).map_err(|Fault(kind, offset)| {
        let place = crate::json::position_of(bytes, offset);
        XmlError { kind, offset: place.offset, line: place.line, column: place.column }
    })
}

/// Whether a text starts as XML does; JSON never does.
pub fn looks_like(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// No element of FHIR or XHTML has that many attributes; a narrative may nest deeper than the tree.
const RULES: Rules = Rules { attributes: 64, depth: 512, prefixes_declared: true };

/// What is wrong, and the offset.
#[derive(Debug)]
struct Fault(ErrorKind, usize);

impl From<xml::Fault> for Fault {
    fn from((kind, offset): xml::Fault) -> Self {
        Self(ErrorKind::Xml(kind), offset)
    }
}

/// The tokens of a document of FHIR, in UTF-8.
fn lexer(bytes: &[u8]) -> Result<Lexer<'_>, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|error| Fault(ErrorKind::Encoding, error.valid_up_to()))?;
    let start = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let lexer = Lexer::document(text, start, RULES)?;
    match lexer.encoding() {
        Some(encoding) if !["utf-8", "utf8", "us-ascii"].contains(&encoding.value().to_ascii_lowercase().as_str()) => {
            Err(Fault(ErrorKind::Encoding, encoding.offset))
        }
        _ => Ok(lexer),
    }
}

/// Why a text is no FHIR XML that we take, and where. Never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {kind}")]
pub struct XmlError {
    /// What was found or missed.
    pub kind: ErrorKind,
    /// Bytes before the place.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// What is wrong with an XML text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It is not well formed, has a document type, or nests deeper than `Limits::depth` or than any tree of that depth.
    #[error(transparent)]
    Xml(#[from] xml::ErrorKind),
    /// Not UTF-8, or declared as another encoding. FHIR R4 xml.html: UTF-8 only.
    #[error("expected UTF-8")]
    Encoding,
    /// More than `Limits::bytes`.
    #[error("longer than the limit of {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// An element has children of more names than any of FHIR.
    #[error("children of more than {limit} names in one element")]
    TooManyNames {
        /// The limit.
        limit: usize,
    },
    /// The root element is no resource.
    #[error("expected a FHIR resource, found a root element of another namespace")]
    NotFhir,
}

#[cfg(test)]
mod tests;
