//! Equality, equivalence and order. FHIRPath 2.0.0, "Equality" and "Comparison".

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};

use model::json::{Json, Object};

use crate::decimal;
use crate::item::Item;
use crate::node::Node;
use crate::temporal::{Date, DateTime, Time};
use crate::types::Type;

/// `=` of two items; none where a precision or a unit leaves it open.
pub(crate) fn equal(left: &Item<'_>, right: &Item<'_>) -> Option<bool> {
    if let (Some(left), Some(right)) = (left.as_text(), right.as_text()) {
        return Some(left == right);
    }
    if let (Item::Node(left), Item::Node(right)) = (left, right) {
        if left.is_same(right) {
            return Some(true);
        }
        if let (Some(Json::Object(_)), Some(Json::Object(_))) = (left.value(), right.value())
            && !(left.of().is_quantity() && right.of().is_quantity())
        {
            return Some(nodes_equal(left, right));
        }
    }
    let (Some(first), Some(second)) = values(left, right) else {
        return Some(match (left, right) {
            (Item::Node(left), Item::Node(right)) => nodes_equal(left, right),
            (Item::Type(left), Item::Type(right)) => left == right,
            _ => false,
        });
    };
    match (&first, &second) {
        (Item::Boolean(left), Item::Boolean(right)) => Some(left == right),
        (Item::Integer(left), Item::Integer(right)) => Some(left == right),
        (Item::String(left), Item::String(right)) => Some(left == right),
        (Item::Date(left), Item::Date(right)) => left.compare(*right).map(Ordering::is_eq),
        (Item::Time(left), Item::Time(right)) => left.compare(*right).map(Ordering::is_eq),
        (Item::Date(_) | Item::DateTime(_), Item::Date(_) | Item::DateTime(_)) => {
            date_time(&first)?.equal(date_time(&second)?)
        }
        (Item::Quantity(left), Item::Quantity(right)) => left.compare(right).map(Ordering::is_eq),
        (Item::Quantity(_), Item::Integer(_) | Item::Decimal(_))
        | (Item::Integer(_) | Item::Decimal(_), Item::Quantity(_)) => {
            quantity(&first)?.compare(&quantity(&second)?).map(Ordering::is_eq)
        }
        _ => match (first.as_decimal(), second.as_decimal()) {
            (Some(left), Some(right)) => Some(left == right),
            _ => Some(false),
        },
    }
}

/// Both as System values, where they have one.
fn values<'a>(left: &Item<'a>, right: &Item<'a>) -> (Option<Item<'a>>, Option<Item<'a>>) {
    let (first, second) = (left.to_system(), right.to_system());
    match (first, second) {
        // An element of no known type is read as what it is compared with.
        (Some(Item::String(text)), Some(other)) if is_untyped(left) => (read_as(&text, &other), Some(other)),
        (Some(other), Some(Item::String(text))) if is_untyped(right) => {
            let read = read_as(&text, &other);
            (Some(other), read)
        }
        both => both,
    }
}

fn is_untyped(item: &Item<'_>) -> bool {
    matches!(item, Item::Node(node) if node.of() == Type::Unknown)
}

fn read_as<'a>(text: &str, like: &Item<'_>) -> Option<Item<'a>> {
    match like {
        Item::Date(_) => Date::parse(text).map(Item::Date).or_else(|| DateTime::parse(text).map(Item::DateTime)),
        Item::DateTime(_) => DateTime::parse(text).map(Item::DateTime),
        Item::Time(_) => Time::parse(text).map(Item::Time),
        _ => Some(Item::String(text.into())),
    }
}

fn date_time(item: &Item<'_>) -> Option<DateTime> {
    match item {
        Item::Date(date) => Some(date.to_date_time()),
        Item::DateTime(date_time) => Some(*date_time),
        _ => None,
    }
}

fn quantity(item: &Item<'_>) -> Option<crate::quantity::Quantity> {
    match item {
        Item::Quantity(quantity) => Some((**quantity).clone()),
        other => other.as_decimal().map(crate::quantity::Quantity::plain),
    }
}

fn nodes_equal(left: &Node<'_>, right: &Node<'_>) -> bool {
    let json = match (left.value(), right.value()) {
        (Some(left), Some(right)) => json_equal(left, right, DEPTH),
        (None, None) => true,
        _ => false,
    };
    json && match (left.companion(), right.companion()) {
        (Some(left), Some(right)) => json_equal(left, right, DEPTH),
        (None, None) => true,
        _ => false,
    }
}

/// Deeper trees than readers accept are never equal.
const DEPTH: usize = 160;

fn json_equal(left: &Json, right: &Json, depth: usize) -> bool {
    if depth == 0 {
        return false;
    }
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => {
            left == right
                || match (decimal::parse(left.as_str()), decimal::parse(right.as_str())) {
                    (Some(left), Some(right)) => left == right,
                    _ => false,
                }
        }
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| json_equal(left, right, depth - 1))
        }
        (Json::Object(left), Json::Object(right)) => {
            objects_match(left, right, |left, right| json_equal(left, right, depth - 1))
        }
        _ => left == right,
    }
}

fn objects_match(left: &Object, right: &Object, same: impl Fn(&Json, &Json) -> bool) -> bool {
    left.len() == right.len()
        && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| same(value, other)))
}

/// `~` of two items.
pub(crate) fn equivalent(left: &Item<'_>, right: &Item<'_>) -> bool {
    if let (Some(left), Some(right)) = (left.as_text(), right.as_text()) {
        return texts_equivalent(left, right);
    }
    if let (Item::Node(left), Item::Node(right)) = (left, right)
        && let (Some(first @ Json::Object(_)), Some(second @ Json::Object(_))) = (left.value(), right.value())
        && !(left.of().is_quantity() && right.of().is_quantity())
    {
        return json_equivalent(first, second, DEPTH);
    }
    let (Some(first), Some(second)) = values(left, right) else { return equal(left, right) == Some(true) };
    match (&first, &second) {
        (Item::Date(left), Item::Date(right)) => left.compare(*right) == Some(Ordering::Equal),
        (Item::Quantity(left), Item::Quantity(right)) => left.equivalent(right),
        (Item::Quantity(_), Item::Integer(_) | Item::Decimal(_))
        | (Item::Integer(_) | Item::Decimal(_), Item::Quantity(_)) => match (quantity(&first), quantity(&second)) {
            (Some(left), Some(right)) => left.equivalent(&right),
            _ => false,
        },
        (Item::Integer(_) | Item::Decimal(_), Item::Integer(_) | Item::Decimal(_)) => {
            match (first.as_decimal(), second.as_decimal()) {
                (Some(left), Some(right)) => decimal::equivalent(left, right),
                _ => false,
            }
        }
        _ => equal(&first, &second) == Some(true),
    }
}

/// Case, and which white space it is, do not count. FHIRPath 2.0.0, "Equivalent" (String).
fn texts_equivalent(left: &str, right: &str) -> bool {
    let letters = |text: &str| -> Vec<char> {
        let mut all = Vec::with_capacity(text.len());
        for letter in text.chars() {
            if letter.is_whitespace() {
                all.push(' ');
            } else {
                all.extend(letter.to_lowercase());
            }
        }
        all
    };
    left == right || letters(left) == letters(right)
}

fn json_equivalent(left: &Json, right: &Json, depth: usize) -> bool {
    if depth == 0 {
        return false;
    }
    match (left, right) {
        (Json::String(left), Json::String(right)) => texts_equivalent(left, right),
        (Json::Number(left), Json::Number(right)) => {
            match (decimal::parse(left.as_str()), decimal::parse(right.as_str())) {
                (Some(left), Some(right)) => decimal::equivalent(left, right),
                _ => left == right,
            }
        }
        (Json::Array(left), Json::Array(right)) => {
            same_in_any_order(left, right, |left, right| json_equivalent(left, right, depth - 1))
        }
        (Json::Object(left), Json::Object(right)) => {
            objects_match(left, right, |left, right| json_equivalent(left, right, depth - 1))
        }
        _ => left == right,
    }
}

/// Whether each of one side has its own partner on the other.
pub(crate) fn same_in_any_order<T>(left: &[T], right: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut open: Vec<&T> = right.iter().collect();
    left.iter().all(|item| match open.iter().position(|other| same(item, other)) {
        Some(index) => {
            open.swap_remove(index);
            true
        }
        None => false,
    })
}

/// Two items that no order holds between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoOrder;

/// The order of two items; `Ok(None)` where a precision or a unit leaves it open.
pub(crate) fn order(left: &Item<'_>, right: &Item<'_>) -> Result<Option<Ordering>, NoOrder> {
    if let (Some(left), Some(right)) = (left.as_text(), right.as_text()) {
        return Ok(Some(left.cmp(right)));
    }
    let (Some(first), Some(second)) = values(left, right) else { return Err(NoOrder) };
    match (&first, &second) {
        (Item::Integer(left), Item::Integer(right)) => Ok(Some(left.cmp(right))),
        (Item::String(left), Item::String(right)) => Ok(Some(left.cmp(right))),
        (Item::Date(left), Item::Date(right)) => Ok(left.compare(*right)),
        (Item::Time(left), Item::Time(right)) => Ok(left.compare(*right)),
        (Item::Date(_) | Item::DateTime(_), Item::Date(_) | Item::DateTime(_)) => {
            match (date_time(&first), date_time(&second)) {
                (Some(left), Some(right)) => Ok(left.compare(right)),
                _ => Err(NoOrder),
            }
        }
        (Item::Integer(_) | Item::Decimal(_), Item::Integer(_) | Item::Decimal(_)) => {
            Ok(first.as_decimal().zip(second.as_decimal()).map(|(left, right)| left.cmp(&right)))
        }
        (
            Item::Quantity(_) | Item::Integer(_) | Item::Decimal(_),
            Item::Quantity(_) | Item::Integer(_) | Item::Decimal(_),
        ) => Ok(quantity(&first).zip(quantity(&second)).and_then(|(left, right)| left.compare(&right))),
        _ => Err(NoOrder),
    }
}

/// A number that equal items share, so that many can be told apart without comparing each with each; none for items
/// whose equality is more than sameness of text (numbers, dates, quantities).
pub(crate) fn fingerprint(item: &Item<'_>) -> Option<u64> {
    if let Some(text) = item.as_text() {
        return Some(hash(&(0_u8, text)));
    }
    match item {
        Item::Node(node) if !node.of().is_quantity() => match node.value()? {
            value @ Json::Object(_) => Some(json_fingerprint(value, DEPTH)),
            _ => None,
        },
        _ => None,
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn json_fingerprint(value: &Json, depth: usize) -> u64 {
    if depth == 0 {
        return 0;
    }
    match value {
        Json::Null => 1,
        Json::Bool(value) => hash(&(1_u8, value)),
        // Equal numbers may be written with other digits.
        Json::Number(number) => match decimal::parse(number.as_str()) {
            Some(value) => hash(&(2_u8, value.normalize())),
            None => 2,
        },
        Json::String(text) => hash(&(3_u8, text.as_str())),
        Json::Array(items) => {
            let parts: Vec<u64> = items.iter().map(|item| json_fingerprint(item, depth - 1)).collect();
            hash(&(4_u8, parts))
        }
        // The order of members does not count.
        Json::Object(object) => object
            .iter()
            .fold(5, |sum: u64, (name, value)| sum.wrapping_add(hash(&(name, json_fingerprint(value, depth - 1))))),
    }
}
