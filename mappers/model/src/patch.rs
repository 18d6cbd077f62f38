//! Changes to a resource that say only what changes: JSON Patch, FHIRPath Patch and XML Patch, on the lossless tree.
//!
//! Numbers and everything that a patch does not name stay as they were written. Nothing here knows FHIRPath: whoever
//! applies a FHIRPath Patch says where its paths lead. A patch is applied whole or not at all: the tree that is handed in
//! is of no further use after an error. What comes out may be no valid resource: it is validated like any other.

mod element;
mod json;
mod pointer;

pub use element::{ElementPatch, Paths};
pub use json::JsonPatch;

/// Operations of one patch.
pub const MOST_OPERATIONS: usize = 2_000;

/// Why a patch is not applied. Quotes nothing of the resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {text}")]
pub struct PatchError {
    /// What kind of error it is.
    pub kind: PatchErrorKind,
    /// Which operation, and which part of it.
    pub at: String,
    /// What was expected.
    pub text: String,
}

/// By what the sender can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatchErrorKind {
    /// The patch is not as its format asks.
    Malformed,
    /// It does not fit the resource as it is: a place that is not there, or that is there already.
    Unfit,
    /// A test of the patch says that the resource is another than was expected.
    TestFailed,
    /// It would make a resource that is too large or too deep.
    TooLarge,
}

impl PatchError {
    pub(crate) fn malformed(at: impl Into<String>, text: impl Into<String>) -> Self {
        Self { kind: PatchErrorKind::Malformed, at: at.into(), text: text.into() }
    }

    pub(crate) fn unfit(at: impl Into<String>, text: impl Into<String>) -> Self {
        Self { kind: PatchErrorKind::Unfit, at: at.into(), text: text.into() }
    }
}

#[cfg(test)]
mod tests;
