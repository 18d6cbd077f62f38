//! What a search is refused for.

/// A problem of a query; each names the parameter, none quotes a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// A parameter the type does not have.
    #[error("parameter '{name}' is not supported for {resource_type}; supported are {supported}")]
    Unknown {
        /// The parameter as it was given, shortened.
        name: String,
        /// The type.
        resource_type: String,
        /// What is supported.
        supported: String,
    },
    /// A modifier the parameter does not have.
    #[error("modifier '{modifier}' of parameter '{name}' is not supported; supported: {supported}")]
    Modifier {
        /// The parameter.
        name: String,
        /// The modifier as it was given, shortened.
        modifier: String,
        /// What is supported.
        supported: String,
    },
    /// A value that cannot be read.
    #[error("parameter '{name}': expected {expected}")]
    Value {
        /// The parameter.
        name: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A word that is not one of those the parameter takes here: an `_include`, a `_sort`, a `_summary`.
    #[error("parameter '{name}': '{word}' is not supported; supported: {supported}")]
    Word {
        /// The parameter.
        name: String,
        /// The word as it was given, shortened.
        word: String,
        /// What is supported.
        supported: &'static str,
    },
    /// A `_filter` that cannot be read.
    #[error("parameter '_filter': expected {expected} at character {at}")]
    Filter {
        /// Characters before the place.
        at: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// A value set or a code system that is not known here, or that cannot be listed.
    #[error("parameter '{name}': the codes of that value set or hierarchy are not known here")]
    Codes {
        /// The parameter.
        name: String,
    },
    /// More codes, links or values than one search may ask for.
    #[error("parameter '{name}': asks for more than {most} {what}")]
    TooCostly {
        /// The parameter.
        name: String,
        /// What there is too much of.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
}

impl SearchError {
    /// The code of FHIR's `IssueType`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } | Self::Modifier { .. } | Self::Word { .. } => "not-supported",
            Self::Value { .. } | Self::Filter { .. } => "value",
            Self::Codes { .. } => "not-found",
            Self::TooCostly { .. } => "too-costly",
        }
    }

    /// The parameter it is about.
    pub fn parameter(&self) -> &str {
        match self {
            Self::Unknown { name, .. }
            | Self::Modifier { name, .. }
            | Self::Value { name, .. }
            | Self::Word { name, .. }
            | Self::Codes { name }
            | Self::TooCostly { name, .. } => name,
            Self::Filter { .. } => "_filter",
        }
    }

    /// Whether a lenient search leaves the parameter out.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::Modifier { .. } | Self::Word { .. })
    }
}
