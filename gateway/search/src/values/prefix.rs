//! What stands before a number or a date in a query. FHIR R4 search.html, "Prefixes".

use crate::row::{Bounds, Test};
use crate::values::{after, before, span};

/// How the stretch of a query stands to the stretch of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    Sa,
    Eb,
    Ap,
}

impl Prefix {
    pub(crate) const ALL: [(&'static str, Self); 9] = [
        ("eq", Self::Eq),
        ("ne", Self::Ne),
        ("gt", Self::Gt),
        ("lt", Self::Lt),
        ("ge", Self::Ge),
        ("le", Self::Le),
        ("sa", Self::Sa),
        ("eb", Self::Eb),
        ("ap", Self::Ap),
    ];

    /// Cuts the prefix off; `None` for two letters that are none.
    pub(crate) fn cut(text: &str) -> Option<(Self, &str)> {
        match text.split_at_checked(2) {
            Some((letters, rest)) if letters.bytes().all(|letter| letter.is_ascii_alphabetic()) => {
                Self::parse(letters).map(|prefix| (prefix, rest))
            }
            _ => Some((Self::Eq, text)),
        }
    }

    pub(crate) fn parse(letters: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == letters).map(|(_, prefix)| *prefix)
    }

    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, prefix)| *prefix == self).map_or("", |(name, _)| name)
    }

    /// The tests of values that stand so to the stretch from `low` to `high`, any of which may pass. What `ap` takes
    /// for near is the caller's to widen.
    pub(crate) fn tests(self, key: &[u8], low: [u8; 8], high: [u8; 8]) -> Vec<Test> {
        let any = Bounds::default();
        let from = |from| Bounds { from: Some(from), to: None };
        let to = |to| Bounds { from: None, to: Some(to) };
        let within = || span(key, from(low), to(high));
        let reaches_above = || span(key, any, from(after(high)));
        let reaches_below = || span(key, to(before(low)), any);
        match self {
            // The stretch of the query holds all of the value.
            Self::Eq => vec![within()],
            Self::Ne => vec![reaches_below(), reaches_above()],
            Self::Gt => vec![reaches_above()],
            Self::Lt => vec![reaches_below()],
            Self::Ge => vec![reaches_above(), within()],
            Self::Le => vec![reaches_below(), within()],
            Self::Sa => vec![span(key, from(after(high)), any)],
            Self::Eb => vec![span(key, any, to(before(low)))],
            Self::Ap => vec![span(key, to(high), from(low))],
        }
    }
}
