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

mod lexer;
mod locate;
mod narrative;
mod patch;
mod read;
mod write;

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
    read::document(bytes, limits, table).map_err(|(kind, offset)| {
        let place = crate::json::position_of(bytes, offset);
        XmlError { kind, offset: place.offset, line: place.line, column: place.column }
    })
}

/// Whether a text starts as XML does; JSON never does.
pub fn looks_like(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(lexer::BYTE_ORDER_MARK).unwrap_or(bytes);
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
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
    /// Nothing but white space.
    #[error("expected an element, found nothing")]
    Empty,
    /// Not UTF-8, or declared as another encoding. FHIR R4 xml.html: UTF-8 only.
    #[error("expected UTF-8")]
    Encoding,
    /// More than `Limits::bytes`.
    #[error("longer than the limit of {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// More than `Limits::depth`, or elements nested deeper than any tree of that depth.
    #[error("nested deeper than the limit of {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// An element has more attributes than any of FHIR or XHTML.
    #[error("more than {limit} attributes")]
    TooManyAttributes {
        /// The limit.
        limit: usize,
    },
    /// An element has children of more names than any of FHIR.
    #[error("children of more than {limit} names in one element")]
    TooManyNames {
        /// The limit.
        limit: usize,
    },
    /// A character that XML 1.0 does not have (production 2, "Char").
    #[error("a character that XML does not have")]
    Character,
    /// A document type declaration: FHIR has none, and it is how entities get in.
    #[error("a document type declaration is not taken")]
    DocumentType,
    /// An entity that is none of `lt`, `gt`, `amp`, `quot`, `apos`.
    #[error("an entity that is not declared")]
    Entity,
    /// An ampersand that starts no reference.
    #[error("expected a character or entity reference after an ampersand")]
    Reference,
    /// The text ends inside an element.
    #[error("the text ends inside an element")]
    UnexpectedEnd,
    /// Text before or after the root element.
    #[error("text outside the root element")]
    Outside,
    /// A second root element.
    #[error("a second root element")]
    SecondRoot,
    /// Not a tag, comment, CDATA section or processing instruction.
    #[error("expected a tag, a comment, a CDATA section or a processing instruction")]
    Markup,
    /// The XML declaration is not as XML 1.0 says, or not at the start.
    #[error("expected an XML declaration of version 1.x at the very start or none")]
    Declaration,
    /// A name does not follow where it must.
    #[error("expected a name")]
    Name,
    /// Not `name="value"`.
    #[error("expected an attribute with a value in quotation marks, or the end of the tag")]
    Attribute,
    /// The same attribute twice.
    #[error("the same attribute twice")]
    DuplicateAttribute,
    /// A prefix that no `xmlns` declares.
    #[error("a prefix that is not declared")]
    Prefix,
    /// The end tag is another than the start tag.
    #[error("the end tag is not that of the open element")]
    EndTag,
    /// Two hyphens inside a comment, or a comment that does not end.
    #[error("a comment that is not as XML says")]
    Comment,
    /// `]]>` in text.
    #[error("the end of a CDATA section without its start")]
    CDataEnd,
    /// The root element is no resource.
    #[error("expected a FHIR resource, found a root element of another namespace")]
    NotFhir,
}

#[cfg(test)]
mod tests;
