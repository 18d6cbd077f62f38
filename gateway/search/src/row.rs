//! Index rows: what a resource is found by, as bytes. docs/search.md has the forms of the values.

use sha2::{Digest, Sha256};

/// Longer values are not found by their value: a key of the index has to stay small.
pub(crate) const MAX_VALUE_BYTES: usize = 1024;

/// The number of the rows of a name: the code of a parameter, or one of its variants (`code:text`).
///
/// Numbers stand on disk. They follow from the name alone, so they never change; a test proves that the names of R4 do
/// not collide, and a registry refuses a parameter that would.
pub fn number(name: &str) -> u32 {
    let digest = Sha256::digest(name.as_bytes());
    digest.iter().take(4).fold(0, |number, byte| (number << 8) | u32::from(*byte))
}

/// Whether a row has an entry of its own in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKind {
    /// Found over all resources by this value.
    Key,
    /// Kept with the resource and looked at once it was found by something else.
    Detail,
}

/// One value of one parameter of one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexRow {
    /// The parameter.
    pub param: u32,
    /// The value.
    pub value: Vec<u8>,
    /// Whether it is a key.
    pub kind: RowKind,
}

/// A stretch of ends, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Not before this.
    pub from: Option<[u8; 8]>,
    /// Not after this.
    pub to: Option<[u8; 8]>,
}

impl Bounds {
    fn hold(self, end: &[u8]) -> bool {
        self.from.is_none_or(|from| end >= from.as_slice()) && self.to.is_none_or(|to| end <= to.as_slice())
    }
}

/// How a value is compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Test {
    /// It is exactly this.
    Equals(Vec<u8>),
    /// It begins so.
    Prefix(Vec<u8>),
    /// It ends so.
    Suffix(Vec<u8>),
    /// This is somewhere in what stands up to the first zero byte, that byte included.
    Contains(Vec<u8>),
    /// It is in this stretch of bytes, ends included.
    Between(Option<Vec<u8>>, Option<Vec<u8>>),
    /// It is the prefix and two ends of eight bytes, each within its bounds.
    Span {
        /// What stands before the ends.
        prefix: Vec<u8>,
        /// Bounds of the lower end.
        low: Bounds,
        /// Bounds of the upper end.
        high: Bounds,
    },
    /// There is any.
    Present,
}

impl Test {
    /// Whether a value passes.
    pub fn passes(&self, value: &[u8]) -> bool {
        match self {
            Self::Equals(expected) => value == expected,
            Self::Prefix(prefix) => value.starts_with(prefix),
            Self::Suffix(suffix) => value.ends_with(suffix),
            Self::Contains(part) => {
                let end = value.iter().position(|byte| *byte == 0).map_or(value.len(), |zero| zero.saturating_add(1));
                let text = value.get(..end).unwrap_or_default();
                part.is_empty() || text.windows(part.len()).any(|window| window == part.as_slice())
            }
            Self::Between(from, to) => {
                from.as_ref().is_none_or(|from| value >= from.as_slice())
                    && to.as_ref().is_none_or(|to| value <= to.as_slice())
            }
            Self::Span { prefix, low, high } => {
                let ends = value.strip_prefix(prefix.as_slice()).filter(|ends| ends.len() == 16);
                ends.and_then(|ends| ends.split_at_checked(8))
                    .is_some_and(|(lower, upper)| low.hold(lower) && high.hold(upper))
            }
            Self::Present => true,
        }
    }
}

/// One alternative: a row of this parameter and kind that passes the test.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Match {
    /// The parameter.
    pub param: u32,
    /// The comparison.
    pub test: Test,
    /// As its rows are written.
    pub kind: RowKind,
}

impl Match {
    /// Whether one of the rows passes.
    pub fn holds(&self, rows: &[IndexRow]) -> bool {
        rows.iter().any(|row| row.param == self.param && self.test.passes(&row.value))
    }
}

/// What has to hold of the rows of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Term {
    /// Any of these; with none, nothing is found.
    AnyOf(Vec<Match>),
    /// None of these.
    NoneOf(Vec<Match>),
    /// All terms of any of the alternatives.
    Either(Vec<Vec<Term>>),
}

impl Term {
    /// Whether it holds of these rows.
    pub fn holds(&self, rows: &[IndexRow]) -> bool {
        match self {
            Self::AnyOf(any) => any.iter().any(|one| one.holds(rows)),
            Self::NoneOf(none) => !none.iter().any(|one| one.holds(rows)),
            Self::Either(alternatives) => alternatives.iter().any(|terms| terms.iter().all(|term| term.holds(rows))),
        }
    }

    /// Whether it holds of nothing, whatever there is.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::AnyOf(any) => any.is_empty(),
            Self::NoneOf(_) => false,
            Self::Either(alternatives) => alternatives.iter().all(|terms| terms.iter().any(Term::is_empty)),
        }
    }
}
