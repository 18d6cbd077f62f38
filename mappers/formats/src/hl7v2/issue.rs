//! What the lexer has to say about a message: findings that travel with it, and the few reasons to refuse it.

use super::delimiters::DelimitersError;

/// How grave a finding is; the words of FHIR's `OperationOutcome.issue.severity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing is in doubt.
    Information,
    /// The sender broke a rule; the reading is safe or the likely one.
    Warning,
    /// Something could not be read as it was meant; what stands there is kept.
    Error,
}

/// A finding about the form of a message. Holds no content of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatIssue {
    /// Stable word for programs, such as `blank-lines`.
    pub code: &'static str,
    /// How grave it is.
    pub severity: Severity,
    /// Where, in the form of [`super::Place`], as far as known.
    pub at: Option<String>,
    /// One sentence for people, without content of the message.
    pub detail: String,
}

impl FormatIssue {
    pub(super) fn new(code: &'static str, severity: Severity, detail: impl Into<String>) -> Self {
        Self { code, severity, at: None, detail: detail.into() }
    }

    pub(super) fn at(mut self, at: impl Into<String>) -> Self {
        self.at = Some(at.into());
        self
    }
}

/// Why bytes are no HL7 v2 message. Always the sender's fault, never retryable, never with content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Nothing but white space or framing.
    #[error("expected an HL7 v2 message, found no content")]
    Empty,
    /// No segment MSH at the start of a line.
    #[error("expected a segment MSH, found none")]
    NoMsh,
    /// MSH-1 or MSH-2 cannot serve as delimiters.
    #[error(transparent)]
    Delimiters(#[from] DelimitersError),
    /// Longer than the lexer counts.
    #[error("expected at most 1 GiB, found {bytes} bytes")]
    TooLong {
        /// Length found.
        bytes: usize,
    },
}

impl ParseError {
    /// The code of HL7 table 0357 (message error condition codes) for an `ERR` segment.
    pub fn condition(&self) -> u16 {
        match self {
            Self::Empty | Self::NoMsh => 100,
            Self::Delimiters(_) => 102,
            Self::TooLong { .. } => 207,
        }
    }

    /// Where it is, in the form of [`super::Place`].
    pub fn at(&self) -> Option<&'static str> {
        match self {
            Self::Delimiters(error) => Some(error.at()),
            Self::NoMsh => Some("MSH"),
            Self::Empty | Self::TooLong { .. } => None,
        }
    }
}
