//! The named pure functions a row may call, each with its inverse where there is one.
//!
//! Text comes in unescaped. A function never guesses: what it does not understand is a [`Failure`], which the engine
//! turns into an issue that names the place and the row, and the text is kept. Each subject has its file and its list.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use smol_str::SmolStr;

pub(crate) mod attachment;
mod cda;
mod code;
mod contact;
mod identity;
mod number;
mod span;
mod text;
mod time;

pub(crate) use cda::{contact_url, date_in, universal_uri};
pub(crate) use code::{CODING_SYSTEM, hl7_table_number, system_uri};
pub(crate) use identity::{Authorities, escaped, unescaped};
pub(crate) use number::{compared, is_number, range};
pub(crate) use time::{digits_of_iso, is_time, is_timestamp};

/// What a function is called with.
pub(crate) struct Call<'a> {
    /// The text at the row's source.
    pub(crate) value: &'a str,
    /// The texts at the places in brackets after the function's name.
    pub(crate) arguments: &'a [Cow<'a, str>],
    /// Zone of the source, for times without one.
    pub(crate) zone: Option<&'a TimeZone>,
    /// Names of assigning authorities that have a URI.
    pub(crate) authorities: Authorities<'a>,
}

/// What the inverse of a function is called with.
#[derive(Clone, Copy)]
pub(crate) struct Back<'a> {
    /// The lexeme of the primitive.
    pub(crate) value: &'a str,
    /// Names of assigning authorities that have a URI.
    pub(crate) authorities: Authorities<'a>,
}

impl Back<'_> {
    /// Whether the value is the URI of an assigning authority of this name.
    pub(crate) fn names(&self, name: &str) -> bool {
        !identity::is_oid(name) && self.authorities.uri(name) == Some(self.value)
    }
}

/// What a function makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    /// The lexeme of the primitive.
    pub(crate) value: SmolStr,
    /// Whether the value says less than the text did: the text is then kept beside it.
    pub(crate) lossy: Option<&'static str>,
}

/// The text is not what the function reads; says what was expected, never the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) &'static str);

type Forward = fn(&Call<'_>) -> Result<Output, Failure>;
/// Gives the text of the source, and of the arguments in their order.
type Backward = fn(&Back<'_>) -> Option<Vec<String>>;

/// A function rows may name.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) arguments: usize,
    pub(crate) forward: Forward,
    pub(crate) backward: Option<Backward>,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}

/// All of them, by subject.
static SUBJECTS: &[&[Function]] = &[
    text::FUNCTIONS,
    time::FUNCTIONS,
    number::FUNCTIONS,
    identity::FUNCTIONS,
    contact::FUNCTIONS,
    attachment::FUNCTIONS,
    cda::FUNCTIONS,
];

/// The function of a name.
pub(crate) fn named(name: &str) -> Option<&'static Function> {
    SUBJECTS.iter().flat_map(|subject| subject.iter()).find(|function| function.name == name)
}

fn exact(value: impl Into<SmolStr>) -> Result<Output, Failure> {
    Ok(Output { value: value.into(), lossy: None })
}

fn same(back: &Back<'_>) -> Option<Vec<String>> {
    Some(vec![back.value.to_owned()])
}

#[cfg(test)]
mod tests;
