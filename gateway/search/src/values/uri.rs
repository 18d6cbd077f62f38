//! URIs: the text. FHIR R4 search.html, "uri".

use crate::row::Test;
use crate::values::{Sink, Value};

pub(crate) fn rows(value: &Value<'_>, sink: &mut Sink<'_>) {
    if let Some(text) = value.text().filter(|text| !text.is_empty()) {
        sink.put(text.as_bytes().to_vec());
    }
}

pub(crate) fn test(text: &str) -> Option<Test> {
    (!text.is_empty()).then(|| Test::Equals(text.as_bytes().to_vec()))
}

/// `:below`: that URI and all below it, by whole parts of its path.
pub(crate) fn below(text: &str) -> Vec<Test> {
    if text.is_empty() {
        return Vec::new();
    }
    let bare = text.trim_end_matches('/');
    let folder = format!("{bare}/").into_bytes();
    vec![Test::Equals(bare.as_bytes().to_vec()), Test::Prefix(folder)]
}

/// `:above`: that URI and all that it is below of.
pub(crate) fn above(text: &str) -> Vec<Test> {
    let mut tests = Vec::new();
    let mut at = text.trim_end_matches('/');
    while !at.is_empty() && tests.len() < 100 {
        tests.push(Test::Equals(at.as_bytes().to_vec()));
        tests.push(Test::Equals(format!("{at}/").into_bytes()));
        match at.rsplit_once('/') {
            Some((parent, _)) if !parent.ends_with('/') => at = parent,
            _ => break,
        }
    }
    tests
}
