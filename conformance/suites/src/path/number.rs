//! Comparing numbers and dates as written, digit by digit: no floating point for clinical values.

use std::cmp::Ordering;

/// Compares two numbers; `None` if one of them is none.
pub fn compare(left: &str, right: &str) -> Option<Ordering> {
    let (left, right) = (Parts::read(left)?, Parts::read(right)?);
    Some(match (left.negative, right.negative) {
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, false) => left.magnitude(&right),
        (true, true) => right.magnitude(&left),
    })
}

/// Compares two numbers, or two dates or times of the same precision and zone by their text.
pub fn compare_ordered(left: &str, right: &str) -> Option<Ordering> {
    let dated = |text: &str| {
        text.len() >= 4
            && text.bytes().all(|byte| byte.is_ascii_digit() || b"-:.TZ+".contains(&byte))
            && text.contains('-')
    };
    compare(left, right).or_else(|| (dated(left) && dated(right)).then(|| left.cmp(right)))
}

struct Parts<'n> {
    negative: bool,
    whole: &'n str,
    fraction: &'n str,
}

impl<'n> Parts<'n> {
    fn read(text: &'n str) -> Option<Self> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let digital = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digital(whole) || !digital(fraction) || (digits.contains('.') && fraction.is_empty()) {
            return None;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        Some(Self { negative: negative && !(whole.is_empty() && fraction.is_empty()), whole, fraction })
    }

    fn magnitude(&self, other: &Self) -> Ordering {
        let whole = self.whole.len().cmp(&other.whole.len()).then_with(|| self.whole.cmp(other.whole));
        // Without trailing zeros, text order is the order of fractions.
        whole.then_with(|| self.fraction.cmp(other.fraction))
    }
}
