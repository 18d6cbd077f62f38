//! What there is to say about the form of a document: repairs that travel with it, and the reasons to refuse it.

use xml::ErrorKind;

use crate::hl7v2::Severity;

/// Something that was wrong with the wire and was repaired. Holds no content of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Stable word for programs, such as `encoding-mismatch`.
    pub code: &'static str,
    /// How grave it is.
    pub severity: Severity,
    /// Line of the first place, from 1.
    pub line: u32,
    /// One sentence for people, without content of the document.
    pub detail: String,
}

/// Why bytes are no document that is taken, and where. The sender's fault, not retryable; never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {kind}")]
pub struct Refused {
    /// What was found or missed.
    pub kind: Refusal,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Refused {
    /// Code of FHIR R4 valueset-issue-type.html.
    pub fn code(&self) -> &'static str {
        match self.kind {
            Refusal::TooLong { .. } | Refusal::TextTooLong { .. } => "too-long",
            Refusal::TooManyElements { .. } | Refusal::TooManyNames { .. } | Refusal::NameTooLong { .. } => {
                "too-costly"
            }
            Refusal::Xml(ErrorKind::TooDeep { .. } | ErrorKind::TooManyAttributes { .. }) => "too-costly",
            Refusal::Xml(ErrorKind::DocumentType | ErrorKind::Entity) => "not-supported",
            Refusal::Encoding | Refusal::Xml(_) => "structure",
        }
    }
}

/// What is wrong with a document that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No well-formed XML, a document type, or deeper than [`super::Limits::depth`].
    #[error(transparent)]
    Xml(#[from] ErrorKind),
    /// UTF-32, or no text at all.
    #[error("expected a text in UTF-8, UTF-16 or an encoding that its declaration names")]
    Encoding,
    /// More than [`super::Limits::bytes`].
    #[error("longer than the limit of {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// More than [`super::Limits::elements`].
    #[error("more than {limit} elements")]
    TooManyElements {
        /// The limit.
        limit: usize,
    },
    /// A text or value longer than [`super::Limits::text`].
    #[error("a text longer than the limit of {limit} bytes")]
    TextTooLong {
        /// The limit.
        limit: usize,
    },
    /// More than [`super::Limits::names`].
    #[error("more than {limit} different names of elements and attributes")]
    TooManyNames {
        /// The limit.
        limit: usize,
    },
    /// A name longer than [`super::Limits::name`].
    #[error("a name longer than the limit of {limit} bytes")]
    NameTooLong {
        /// The limit.
        limit: usize,
    },
}
