//! Values against values: fixed, patterns, least and greatest. FHIR R4 elementdefinition.html.

use std::cmp::Ordering;

use model::json::Json;
use model::time::PartialDateTime;
use rust_decimal::Decimal;

/// Whether a value is exactly another one. Members may stand in any order; numbers are compared by their value.
pub(crate) fn equals(expected: &Json, value: &Json) -> bool {
    match (expected, value) {
        (Json::Object(expected), Json::Object(value)) => {
            expected.len() == value.len()
                && expected.iter().all(|(name, part)| value.get(name).is_some_and(|found| equals(part, found)))
        }
        (Json::Array(expected), Json::Array(value)) => {
            expected.len() == value.len() && expected.iter().zip(value).all(|(part, found)| equals(part, found))
        }
        (Json::Number(expected), Json::Number(value)) => {
            expected == value || number(expected.as_str()).zip(number(value.as_str())).is_some_and(|(a, b)| a == b)
        }
        _ => expected == value,
    }
}

/// Whether a value has at least what a pattern has: each member, and of arrays each item somewhere.
pub(crate) fn contains(pattern: &Json, value: &Json) -> bool {
    match (pattern, value) {
        (Json::Object(pattern), Json::Object(value)) => {
            pattern.iter().all(|(name, part)| value.get(name).is_some_and(|found| contains(part, found)))
        }
        (Json::Array(pattern), Json::Array(value)) => {
            pattern.iter().all(|part| value.iter().any(|found| contains(part, found)))
        }
        _ => equals(pattern, value),
    }
}

/// The order of two values of one type, where they have one.
pub(crate) fn compare(left: &Json, right: &Json) -> Option<Ordering> {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => Some(number(left.as_str())?.cmp(&number(right.as_str())?)),
        (Json::String(left), Json::String(right)) => times(left, right),
        (Json::Object(_), Json::Object(_)) => {
            // Quantities of one unit.
            let unit = |value: &Json| {
                [value.text_at(&["system"]).map(str::to_owned), value.text_at(&["code"]).map(str::to_owned)]
            };
            if unit(left) != unit(right) {
                return None;
            }
            compare(left.get("value")?, right.get("value")?)
        }
        _ => None,
    }
}

fn times(left: &str, right: &str) -> Option<Ordering> {
    let is_time = |text: &str| text.as_bytes().get(2) == Some(&b':');
    if is_time(left) && is_time(right) {
        return Some(left.cmp(right));
    }
    let (left, right) = (PartialDateTime::parse(left).ok()?, PartialDateTime::parse(right).ok()?);
    if left.latest() < right.earliest() {
        Some(Ordering::Less)
    } else if left.earliest() > right.latest() {
        Some(Ordering::Greater)
    } else {
        Some(Ordering::Equal)
    }
}

fn number(text: &str) -> Option<Decimal> {
    text.parse().ok().or_else(|| Decimal::from_scientific(text).ok())
}

#[cfg(test)]
mod tests;
