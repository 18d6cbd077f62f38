//! A lossless JSON tree: members keep their order, numbers keep their digits.
//!
//! FHIR R4 "JSON Representation of Resources" (json.html) asks that the precision of decimals is kept: `1.50` is not
//! `1.5`. So a number here is its lexeme and never an `f64`. The reader refuses what two readers could understand
//! differently: duplicate member names, lone surrogates, bytes after the value.

mod locate;
mod parse;
mod repeated;
mod write;
mod writer;

use std::fmt;

use smol_str::{SmolStr, format_smolstr};

pub use locate::{Position, locate, member_span, position_of};
pub(crate) use locate::{path_steps, skip_space};
pub use parse::{ErrorKind, JsonError, Limits, parse};
pub use repeated::{Repeated, repeated};
pub(crate) use write::scalar as write_scalar;
pub use write::string as write_string;
pub use writer::Writer;

/// A JSON value (RFC 8259), read without loss.
///
/// Equality is exact: order of members and digits of numbers count. For equality that ignores the order of members
/// compare [`crate::canonical::bytes`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Json {
    /// `null`; in FHIR only as a filler in arrays with a companion array.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as its lexeme.
    Number(Number),
    /// A string, unescaped.
    String(SmolStr),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Object),
}

/// A part of a value as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'p> {
    /// JSON text.
    Written(&'p [u8]),
    /// What stands between the quotation marks of a string that begins with U+0001, unescaped.
    Aside(&'p str),
}

/// A JSON number as it was written (RFC 8259, section 6 "Numbers").
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number(SmolStr);

/// The text is not a JSON number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a JSON number")]
pub struct NumberError;

impl Number {
    /// Checks that `text` is a JSON number and keeps its digits.
    ///
    /// # Errors
    /// `NumberError` for a leading zero or plus, a bare point, `NaN` and anything else that JSON has no number for.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        match parse::number_length(text.as_bytes()) {
            Some(length) if length == text.len() => Ok(Self(SmolStr::new(text))),
            _ => Err(NumberError),
        }
    }

    pub(crate) fn from_checked(text: &str) -> Self {
        Self(SmolStr::new(text))
    }

    /// The digits as they were written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value if it is written as a whole number that fits.
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// The value if it is written as a whole number that fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(format_smolstr!("{value}"))
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(format_smolstr!("{value}"))
    }
}

/// The members of a JSON object, in their order, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Object(Vec<(SmolStr, Json)>);

impl Object {
    /// An object without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// An object without members that has room for some.
    #[inline]
    pub fn with_capacity(members: usize) -> Self {
        Self(Vec::with_capacity(members))
    }

    /// An object of members whose names differ.
    #[inline]
    pub fn of<const N: usize>(members: [(&'static str, Json); N]) -> Self {
        let object = Self(members.into_iter().map(|(name, value)| (SmolStr::new_static(name), value)).collect());
        debug_assert!(object.is_distinct(), "expected members whose names differ");
        object
    }

    fn is_distinct(&self) -> bool {
        self.0.iter().enumerate().all(|(at, (name, _))| self.0.iter().take(at).all(|(other, _)| other != name))
    }

    /// The value of a member.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The value of a member, to change.
    #[inline]
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        self.0.iter_mut().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Sets a member: in place if the name is there, else at the end. Gives back what stood there.
    #[inline]
    pub fn insert(&mut self, name: impl Into<SmolStr>, value: impl Into<Json>) -> Option<Json> {
        let name = name.into();
        let value = value.into();
        match self.get_mut(&name) {
            Some(slot) => Some(std::mem::replace(slot, value)),
            None => {
                self.0.push((name, value));
                None
            }
        }
    }

    /// The value of a member, to change; made with `default` at the end if it is absent.
    #[inline]
    pub fn get_or_insert_with(&mut self, name: &str, default: impl FnOnce() -> Json) -> &mut Json {
        self.find_or_push(name, || SmolStr::new(name), default)
    }

    /// The same with a name that is kept as it is, which costs no copy of a long or static one.
    #[inline]
    pub fn get_or_insert_named(&mut self, name: &SmolStr, default: impl FnOnce() -> Json) -> &mut Json {
        self.find_or_push(name, || name.clone(), default)
    }

    #[inline]
    fn find_or_push(&mut self, name: &str, key: impl FnOnce() -> SmolStr, value: impl FnOnce() -> Json) -> &mut Json {
        let index = match self.0.iter().position(|(key, _)| key == name) {
            Some(index) => index,
            None => {
                self.0.push((key(), value()));
                self.0.len() - 1
            }
        };
        #[expect(clippy::indexing_slicing, reason = "the index was found or pushed just above")]
        &mut self.0[index].1
    }

    /// Takes a member out; the order of the others stays.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        let index = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(index).1)
    }

    /// Keeps only the members the predicate accepts.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Json) -> bool) {
        self.0.retain_mut(|(key, value)| keep(key, value));
    }

    /// Whether the member is there.
    #[inline]
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The number of members.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no member.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The members in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Json)> + DoubleEndedIterator {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The members in their order, values to change.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut Json)> + DoubleEndedIterator {
        self.0.iter_mut().map(|(key, value)| (key.as_str(), value))
    }

    /// The n-th member.
    pub fn entry_at(&self, index: usize) -> Option<(&str, &Json)> {
        self.0.get(index).map(|(key, value)| (key.as_str(), value))
    }

    /// Appends the object as compact JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        write::object(self, out);
    }

    /// An object of members whose names the caller has checked to differ.
    pub(crate) fn from_distinct(members: Vec<(SmolStr, Json)>) -> Self {
        Self(members)
    }

    /// Appends a member whose name the caller has checked to be new.
    pub(crate) fn push_new(&mut self, name: SmolStr, value: Json) {
        self.0.push((name, value));
    }
}

impl<K: Into<SmolStr>, V: Into<Json>> FromIterator<(K, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Self {
        let members = members.into_iter();
        let mut object = Self::with_capacity(members.size_hint().0);
        for (name, value) in members {
            object.insert(name, value);
        }
        object
    }
}

impl IntoIterator for Object {
    type Item = (SmolStr, Json);
    type IntoIter = std::vec::IntoIter<(SmolStr, Json)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Json {
    /// An object of these members; a name that comes twice keeps its first place and its last value.
    pub fn object<K: Into<SmolStr>>(members: impl IntoIterator<Item = (K, Json)>) -> Self {
        Self::Object(members.into_iter().collect())
    }

    /// An array of these values.
    pub fn array(values: impl IntoIterator<Item = Json>) -> Self {
        Self::Array(values.into_iter().collect())
    }

    /// A string.
    pub fn string(text: impl Into<SmolStr>) -> Self {
        Self::String(text.into())
    }

    /// The value of a member, if this is an object that has it.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.as_object()?.get(name)
    }

    /// The value of a member, to change.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        self.as_object_mut()?.get_mut(name)
    }

    /// The n-th value, if this is an array that has it.
    #[inline]
    pub fn item(&self, index: usize) -> Option<&Json> {
        self.as_array()?.get(index)
    }

    /// The value at the end of a path of member names and array indexes (`["name", "0", "family"]`).
    pub fn at(&self, path: &[&str]) -> Option<&Json> {
        path.iter().try_fold(self, |value, step| match value {
            Self::Object(object) => object.get(step),
            Self::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// The text at the end of a path; see [`Json::at`].
    pub fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path)?.as_str()
    }

    /// The values of a member as a slice: none if it is absent or no array.
    pub fn items(&self, name: &str) -> &[Json] {
        self.get(name).and_then(Json::as_array).unwrap_or_default()
    }

    /// The string.
    #[inline]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The array.
    #[inline]
    pub fn as_array(&self) -> Option<&[Json]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The array, to change.
    #[inline]
    pub fn as_array_mut(&mut self) -> Option<&mut Vec<Json>> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The object.
    #[inline]
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The object, to change.
    #[inline]
    pub fn as_object_mut(&mut self) -> Option<&mut Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The truth value.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number.
    pub fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Appends the value as compact JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        write::compact(self, out);
    }

    /// The value as compact JSON bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        self.write(&mut out);
        out
    }

    /// Hands over the value as compact JSON, piece by piece: in memory that does not grow with it.
    ///
    /// # Errors
    /// What `take` says; nothing is handed over after it.
    pub fn pieces<E>(&self, take: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.pieces_around(&mut |piece| match piece {
            Piece::Written(bytes) => take(bytes),
            Piece::Aside(text) => {
                let mut escaped = Vec::with_capacity(text.len());
                write::string(text, &mut escaped);
                // Its quotation marks are written.
                take(escaped.get(1..escaped.len().saturating_sub(1)).unwrap_or_default())
            }
        })
    }

    /// The same, but strings that begin with U+0001 are handed over as they are: no resource has one (FHIR R4 datatypes.html,
    /// "string"), so the caller may let them stand for what is not in memory.
    ///
    /// # Errors
    /// As [`Json::pieces`].
    pub fn pieces_around<E>(&self, take: &mut impl FnMut(Piece<'_>) -> Result<(), E>) -> Result<(), E> {
        let mut piece = Vec::with_capacity(write::PIECE);
        write::pieces(self, &mut piece, take)?;
        take(Piece::Written(&piece))
    }

    /// The value as compact JSON text.
    pub fn to_text(&self) -> String {
        write::text(self.to_bytes())
    }

    /// The value as JSON text, a member a line, indented by two blanks; no line end after the last line.
    pub fn pretty(&self) -> String {
        write::pretty(self)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_text())
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(SmolStr::new(text))
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::String(SmolStr::from(text))
    }
}

impl From<SmolStr> for Json {
    fn from(text: SmolStr) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Number> for Json {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::Number(value.into())
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::Number(value.into())
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Self {
        Self::Array(items)
    }
}

#[cfg(test)]
mod tests;
