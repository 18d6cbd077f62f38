//! What is asked and what is answered.

use smol_str::SmolStr;

/// A code as an instance holds it (FHIR R4 datatypes.html#Coding).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coding<'a> {
    /// The code system's URI; none for an element of type `code`, whose system is implied by its binding.
    pub system: Option<&'a str>,
    /// The version of the code system.
    pub version: Option<&'a str>,
    /// The code.
    pub code: &'a str,
    /// The text the sender showed.
    pub display: Option<&'a str>,
}

impl<'a> Coding<'a> {
    /// A code of a system.
    pub fn new(system: &'a str, code: &'a str) -> Self {
        Self { system: Some(system), code, ..Self::default() }
    }

    /// A code whose system is implied (FHIR R4 datatypes.html#code).
    pub fn code(code: &'a str) -> Self {
        Self { code, ..Self::default() }
    }
}

/// Whether a code is in a value set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It is.
    In,
    /// It is not.
    NotIn,
    /// It cannot be decided from what is loaded.
    Unknown(Reason),
}

/// Why an answer cannot be had from what is loaded. Names definitions only, never what an instance holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// No such value set.
    #[error("value set {0} is not loaded")]
    ValueSet(SmolStr),
    /// No such code system.
    #[error("code system {0} is not loaded")]
    System(SmolStr),
    /// The code system is there in another version.
    #[error("code system {0} is not loaded in version {1}")]
    Version(SmolStr, SmolStr),
    /// The code system's definition does not list all its codes (`content` other than `complete`).
    #[error("code system {0} is loaded in part only")]
    Partial(SmolStr),
    /// The rules of an open code system give no answer for this code.
    #[error("code system {0} has no list of its codes")]
    Open(SmolStr),
    /// A filter in another language, or on a property that the code system does not have.
    #[error("a filter on {property} with {op} is not supported for code system {system}")]
    Filter {
        /// The code system.
        system: SmolStr,
        /// The filter's property.
        property: SmolStr,
        /// The filter's operator.
        op: SmolStr,
    },
    /// The value set has neither a compose nor an expansion that says what is in it.
    #[error("value set {0} does not say what is in it")]
    Empty(SmolStr),
    /// The value set's stored expansion is one page or cut short.
    #[error("value set {0} has an incomplete expansion")]
    Truncated(SmolStr),
    /// Value sets that import each other.
    #[error("value set {0} imports itself")]
    Cycle(SmolStr),
    /// Too many imports, one inside the other.
    #[error("value sets import each other more than {0} deep")]
    Depth(usize),
    /// Too many steps.
    #[error("deciding takes more than {0} steps")]
    Steps(usize),
    /// No such concept map, or one that hands on to itself.
    #[error("concept map {0} is not loaded")]
    Map(SmolStr),
    /// The outside server gave no answer.
    #[error("the terminology server gave no answer")]
    Remote,
}

/// What is known of a code by itself, apart from value sets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeCheck {
    /// The system has the code.
    Known {
        /// How the display compares.
        display: DisplayCheck,
        /// False for a retired or inactive concept.
        active: bool,
        /// False for a grouping concept that is not to be used in data (`notSelectable`).
        selectable: bool,
    },
    /// The system does not have the code: it is complete here, or has no codes of this form.
    UnknownCode,
    /// A table of HL7 v2 does not have the code; tables grow with every version of v2, and sites add codes to those that are
    /// user-defined, so this is a warning at most.
    Unlisted,
    /// The code's check digit is wrong, though the system is not loaded. A warning at most.
    Malformed(&'static str),
    /// The system is not loaded.
    UnknownSystem,
    /// The system is loaded, but not in the version asked for.
    UnknownVersion,
    /// The system is loaded in part, and that part does not have the code.
    Incomplete,
}

/// How a display compares with the code system's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisplayCheck {
    /// None was given.
    Absent,
    /// It is the display or one of the designations; case and runs of white space do not count.
    Matches,
    /// It is another text; these are the system's, the preferred one first.
    Differs(Vec<SmolStr>),
    /// The system has no text for the code.
    Unknown,
}
