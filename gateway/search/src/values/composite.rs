//! Composites: the values of one element together. FHIR R4 search.html, "composite".
//!
//! A value is a form of each part but the last, each behind its length, then the form of the last part as its own kind
//! has it. Rows are details: the code of a composite is a parameter of its own, which finds where to look.

use crate::row::Test;

/// Puts one part before the value of the next.
pub(crate) fn framed(part: &[u8], rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&length, part, rest].concat()
}

/// The forms of a row's value that an equal part of a query may have: a token is asked for with and without its system.
pub(crate) fn forms(kind: crate::parameter::Kind, value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![value.to_vec()];
    if kind == crate::parameter::Kind::Token
        && let Some(zero) = value.iter().position(|byte| *byte == 0)
    {
        // `code` in any system: what no whole value is, since that has its zero byte.
        forms.push(value.get(..zero).unwrap_or_default().to_vec());
    }
    forms
}

/// A part of a query as the form that stands in the row; `None` for one that is no single form.
pub(crate) fn form_of(test: &Test) -> Option<Vec<u8>> {
    match test {
        Test::Equals(value) => Some(value.clone()),
        Test::Prefix(prefix) => prefix.split_last().filter(|(last, _)| **last == 0).map(|(_, code)| code.to_vec()),
        _ => None,
    }
}

/// The test of the last part behind the forms of those before it.
pub(crate) fn behind(frame: &[u8], test: &Test) -> Option<Test> {
    let joined = |value: &[u8]| [frame, value].concat();
    Some(match test {
        Test::Equals(value) => Test::Equals(joined(value)),
        Test::Prefix(value) => Test::Prefix(joined(value)),
        Test::Between(from, to) => Test::Between(
            Some(joined(from.as_deref().unwrap_or_default())),
            Some(to.as_deref().map_or_else(|| [frame, &[0xff]].concat(), joined)),
        ),
        Test::Span { prefix, low, high } => Test::Span { prefix: joined(prefix), low: *low, high: *high },
        Test::Suffix(_) | Test::Contains(_) | Test::Present => return None,
    })
}
