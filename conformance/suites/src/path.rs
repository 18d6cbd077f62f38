//! The paths that TestScripts hold besides FHIRPath: XPath and JSONPath, over the JSON tree.
//!
//! FHIR R4 testscript.html lets `path` be "XPath or JSONPath". Scripts write XPath against the XML form of a resource
//! (`fhir:Bundle/fhir:type/@value`, `Patient/id`), so the tree is walked as if it were that form (xml.html): a primitive
//! is an element with the attribute `value`, a resource in a resource stands in an element of its type's name, the id of
//! a data type and the url of an extension are attributes. The part of XPath 1.0 that is read: child and descendant
//! steps, attributes, `*`, `.`, predicates with positions and conditions, comparisons, `and`, `or`, and the functions
//! listed at [`xpath`]. Anything else is an error that says so, never an empty answer.

mod jsonpath;
pub mod number;
mod xpath;

use model::json::Json;

#[cfg(test)]
mod tests;

/// The path cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: expected {expected} at character {at}")]
pub struct PathError {
    path: String,
    expected: &'static str,
    at: usize,
}

/// Most values one path may give, and most nodes it may look at.
const LIMIT: usize = 200_000;
/// Deepest nesting of conditions in a path and of elements below `//`.
const DEPTH: usize = 64;

/// The values at a path, as text; none if nothing is there.
///
/// # Errors
/// [`PathError`] if it is neither XPath nor JSONPath as far as they are read here.
pub fn values(resource: &Json, path: &str) -> Result<Vec<String>, PathError> {
    let path = path.trim();
    if path.starts_with('$') { jsonpath::values(resource, path) } else { xpath::values(resource, path) }
}

/// A scalar as the text of an XML attribute; `None` for objects and arrays.
fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::Bool(truth) => Some(truth.to_string()),
        Json::Number(number) => Some(number.as_str().to_owned()),
        Json::String(text) => Some(text.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A place in a path's text.
struct Cursor<'p> {
    path: &'p str,
    at: usize,
}

impl<'p> Cursor<'p> {
    fn new(path: &'p str) -> Self {
        Self { path, at: 0 }
    }

    fn rest(&self) -> &'p str {
        self.path.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Moves over the text if it stands here.
    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Moves over the word if it stands here and no name goes on behind it.
    fn take_word(&mut self, word: &str) -> bool {
        let ends = |rest: &str| !rest.starts_with(|letter: char| letter.is_alphanumeric() || "-_:.".contains(letter));
        let found = self.rest().strip_prefix(word).is_some_and(ends);
        if found {
            self.at += word.len();
        }
        found
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'p str {
        let rest = self.rest();
        let end = rest.find(|letter| !fits(letter)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// A literal in single or double quotes.
    fn quoted(&mut self) -> Option<&'p str> {
        let rest = self.rest();
        let quote = rest.chars().next().filter(|letter| "'\"".contains(*letter))?;
        let inner = rest.get(1..)?;
        let end = inner.find(quote)?;
        self.at += end + 2;
        inner.get(..end)
    }

    fn expected<T>(&self, expected: &'static str) -> Result<T, PathError> {
        let at = self.path.get(..self.at).unwrap_or_default().chars().count();
        Err(PathError { path: self.path.to_owned(), expected, at })
    }
}
