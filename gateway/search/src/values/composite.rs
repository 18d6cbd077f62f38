//! Composites: the values of one element together. FHIR R4 search.html, "composite".
//!
//! A value is a form of each part but the last, each behind its length, then the form of the last part as its own kind
//! has it. Rows are details: the code of a composite is a parameter of its own, which finds where to look.

use crate::parameter::{Kind, Parameter};
use crate::row::{Bounds, IndexRow, Test};

/// Puts one part before the value of the next.
pub(crate) fn framed(part: &[u8], rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&length, part, rest].concat()
}

/// The forms of a row's value that an equal part of a query may have: a token is asked for with and without its system.
pub(crate) fn forms(kind: Kind, value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![value.to_vec()];
    if kind == Kind::Token
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

/// Whether the last two of three parts or more are numbers: from where to where, as sequences have them.
pub(crate) fn ends_in_numbers(components: &[Parameter]) -> bool {
    let is_number = |part: &Parameter| matches!(part.kind, Kind::Number | Kind::Quantity);
    components.len() > 2 && components.iter().rev().take(2).all(is_number)
}

/// The point of a row that is one number without a unit.
fn point(value: &[u8]) -> Option<&[u8]> {
    let ends = match value.len() {
        17 => value.strip_prefix(&[0])?,
        _ => value,
    };
    let (low, high) = ends.split_at_checked(8)?;
    (low == high).then_some(low)
}

/// Two numbers side by side.
pub(crate) fn pairs(from: &[IndexRow], to: &[IndexRow]) -> Vec<Vec<u8>> {
    let points = |rows: &'_ [IndexRow]| -> Vec<Vec<u8>> {
        rows.iter().filter_map(|row| point(&row.value)).map(<[u8]>::to_vec).collect()
    };
    let (from, to) = (points(from), points(to));
    from.iter().flat_map(|from| to.iter().map(move |to| [from.as_slice(), to].concat())).collect()
}

/// Where a point has to be to pass a test of a stretch without a unit; `None` for a test with one.
fn bounds_of_point(test: &Test) -> Option<Bounds> {
    let Test::Span { prefix, low, high } = test else { return None };
    let from = low.from.max(high.from);
    let to = match (low.to, high.to) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    matches!(prefix.as_slice(), [] | [0]).then_some(Bounds { from, to })
}

/// The tests of two numbers side by side behind the forms of the parts before them.
pub(crate) fn pair_tests(frame: &[u8], from: &[Test], to: &[Test]) -> Option<Vec<Test>> {
    let bounds = |tests: &[Test]| tests.iter().map(bounds_of_point).collect::<Option<Vec<Bounds>>>();
    let (from, to) = (bounds(from)?, bounds(to)?);
    let each = |low: &Bounds| -> Vec<Test> {
        to.iter().map(|high| Test::Span { prefix: frame.to_vec(), low: *low, high: *high }).collect()
    };
    Some(from.iter().flat_map(each).collect())
}
