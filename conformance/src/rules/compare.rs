//! Order of numbers and dates by their text, without losing digits.

use std::cmp::Ordering;

use model::json::Json;

use super::read::scalar;

/// The order of two decimals as they are written in JSON; nothing if one is none.
pub(super) fn decimals(one: &str, other: &str) -> Option<Ordering> {
    let (one, other) = (Decimal::parse(one)?, Decimal::parse(other)?);
    Some(one.order(&other))
}

/// The number of digits after the point, as they are written.
pub(super) fn decimal_places(text: &str) -> usize {
    let digits = text.split(['e', 'E']).next().unwrap_or_default();
    digits.split_once('.').map_or(0, |(_, fraction)| fraction.len())
}

/// The order of two dates, dateTimes or instants by where they start: `2020` is before `2020-02`.
pub(super) fn dates(one: &str, other: &str) -> Ordering {
    match (moment(one), moment(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        _ => one.cmp(other),
    }
}

/// The order of two values of the same primitive type; nothing if they have none.
pub(super) fn values(type_name: &str, one: &Json, other: &Json) -> Option<Ordering> {
    let (one, other) = (scalar(one)?, scalar(other)?);
    match type_name {
        "decimal" | "integer" | "positiveInt" | "unsignedInt" => decimals(&one, &other),
        "date" | "dateTime" | "instant" => Some(dates(&one, &other)),
        _ => Some(one.cmp(&other)),
    }
}

/// A decimal as sign, digits without leading zeros, and where the point stands in them.
#[derive(PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    /// Without zeros at either end; empty for 0.
    digits: Vec<u8>,
    /// The point stands before `digits[0]` when this is 0.
    point: i64,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (is_negative, number) = match number.strip_prefix('-') {
            Some(number) => (true, number),
            None => (false, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..zeros);
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()? + i64::from(exponent);
        let is_zero = digits.is_empty();
        Some(Self { is_negative: is_negative && !is_zero, point: if is_zero { 0 } else { point }, digits })
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (true, true) => other.size(self),
            (false, false) => self.size(other),
        }
    }

    fn size(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

/// Minutes and the rest of the seconds, from year 0 on, in UTC where a zone is given.
fn moment(text: &str) -> Option<(i64, String)> {
    let (date, time) = text.split_once('T').unwrap_or((text, ""));
    let mut parts = date.split('-');
    let mut part = |default: i64| parts.next().map_or(Some(default), |part| part.parse::<i64>().ok());
    let (year, month, day) = (part(0)?, part(1)?, part(1)?);
    if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let mut minutes = days(year, month, day) * 1440;
    if time.is_empty() {
        return Some((minutes, String::new()));
    }
    let zone_at = time.find(['Z', '+', '-']);
    let (clock, zone) = time.split_at(zone_at.unwrap_or(time.len()));
    let mut parts = clock.splitn(3, ':');
    let hour: i64 = parts.next()?.parse().ok()?;
    let minute: i64 = parts.next().unwrap_or("0").parse().ok()?;
    minutes += hour.checked_mul(60)?.checked_add(minute)?;
    if let Some((hours, rest)) = zone.get(1..).and_then(|zone| zone.split_once(':')) {
        let offset = hours.parse::<i64>().ok()?.checked_mul(60)?.checked_add(rest.parse().ok()?)?;
        minutes = minutes.checked_sub(if zone.starts_with('-') { -offset } else { offset })?;
    }
    let seconds = parts.next().unwrap_or_default().trim_end_matches('0').trim_end_matches('.');
    Some((minutes, seconds.to_owned()))
}

/// Days from 0000-03-01 on, Gregorian.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (month * 153 + 2) / 5 + day
}
