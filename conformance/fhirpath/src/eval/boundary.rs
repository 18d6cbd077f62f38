//! Boundaries, precision and comparability. FHIRPath 3.0.0 (draft), "lowBoundary", "highBoundary", "precision",
//! "comparable", as the official suite for R4 has them.

use rust_decimal::{Decimal, RoundingStrategy};

use super::{Evaluator, Flow, Pushed, Scope, Sink, push_one};
use crate::ast::Call;
use crate::error::EvalError;
use crate::function::Function;
use crate::item::Item;
use crate::quantity::Quantity;
use crate::temporal::{
    Date, DateTime, NANOS_PER_HOUR, NANOS_PER_MINUTE, NANOS_PER_SECOND, Offset, Time, TimePrecision, days_in_month,
};

/// Which end of the range of values that a written value may stand for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Low,
    High,
}

/// The most digits after the point that a decimal has here.
const DIGITS: i64 = 28;

impl<'a> Evaluator<'_, 'a> {
    pub(crate) fn boundary(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let end = if call.function == Function::LowBoundary { End::Low } else { End::High };
        let Some(item) = self.input_single(call, scope)? else { return Ok(Flow::On) };
        let digits = match call.arguments.first() {
            Some(_) => match self.argument_integer(call, 0, scope)? {
                Some(digits) => Some(digits),
                None => return Ok(Flow::On),
            },
            None => None,
        };
        let value = item.to_system().ok_or_else(|| wrong(call))?;
        let result = match value {
            Item::Integer(value) => decimal(Decimal::from(value), digits.unwrap_or(8), end).map(Item::Decimal),
            Item::Decimal(value) => decimal(value, digits.unwrap_or(8), end).map(Item::Decimal),
            Item::Quantity(quantity) => decimal(quantity.value, digits.unwrap_or(8), end)
                .map(|value| Item::Quantity(Box::new(Quantity { value, ..*quantity }))),
            Item::Date(value) => date(value, digits.unwrap_or(8), end).map(Item::Date),
            Item::DateTime(value) => date_time(value, digits.unwrap_or(17), end).map(Item::DateTime),
            Item::Time(value) => time(value, digits.unwrap_or(9), end).map(Item::Time),
            _ => return Err(wrong(call)),
        };
        push_one(result, sink)
    }

    /// Digits: after the point of a number, of the parts of a date or time.
    pub(crate) fn precision(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let Some(item) = self.input_single(call, scope)? else { return Ok(Flow::On) };
        let digits = match item.to_system().ok_or_else(|| wrong(call))? {
            Item::Integer(_) => 0,
            Item::Decimal(value) => i64::from(value.scale()),
            Item::Quantity(quantity) => i64::from(quantity.value.scale()),
            Item::Date(value) => date_digits(value),
            Item::DateTime(value) => date_digits(value.date()) + value.time().map_or(0, time_digits),
            Item::Time(value) => time_digits(value),
            _ => return Err(wrong(call)),
        };
        sink(Item::Integer(digits))
    }

    pub(crate) fn comparable(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let (Some(left), Some(right)) = (self.input_single(call, scope)?, self.argument(call, 0, scope)?) else {
            return Ok(Flow::On);
        };
        let quantity = |item: &Item<'a>| item.to_quantity().or_else(|| item.as_decimal().map(Quantity::plain));
        match (quantity(&left), quantity(&right)) {
            (Some(left), Some(right)) => sink(Item::Boolean(left.comparable(&right))),
            _ => Err(wrong(call)),
        }
    }
}

fn wrong(call: &Call) -> EvalError {
    EvalError::Type { at: call.name.clone(), expected: "a number, a quantity, a date or a time" }
}

fn date_digits(date: Date) -> i64 {
    match (date.month(), date.day()) {
        (None, _) => 4,
        (_, None) => 6,
        _ => 8,
    }
}

fn time_digits(time: Time) -> i64 {
    match time.precision() {
        TimePrecision::Hour => 2,
        TimePrecision::Minute => 4,
        TimePrecision::Second if time.digits() == 0 => 6,
        TimePrecision::Second => 6 + i64::from(time.digits().max(3)),
    }
}

/// Half a step of the last digit down or up, then that many digits: cut towards zero on the side of zero, rounded on
/// the other.
fn decimal(value: Decimal, digits: i64, end: End) -> Option<Decimal> {
    if !(0..=DIGITS).contains(&digits) {
        return None;
    }
    let digits = u32::try_from(digits).ok()?;
    let half = Decimal::new(5, value.scale().checked_add(1).filter(|scale| *scale <= 28)?);
    let bound = match end {
        End::Low => value.checked_sub(half)?,
        End::High => value.checked_add(half)?,
    };
    let towards_zero = (end == End::Low) == value.is_sign_positive() && !value.is_zero();
    let strategy = if towards_zero { RoundingStrategy::ToZero } else { RoundingStrategy::MidpointAwayFromZero };
    let mut rounded = crate::decimal::with_scale(bound.round_dp_with_strategy(digits, strategy), digits)?;
    // `-0.0` says on which side of zero the boundary lies.
    rounded.set_sign_negative(bound.is_sign_negative());
    Some(rounded)
}

fn date(value: Date, digits: i64, end: End) -> Option<Date> {
    let year = value.year();
    let month = value.month().unwrap_or(if end == End::Low { 1 } else { 12 });
    let day = value.day().unwrap_or(if end == End::Low { 1 } else { days_in_month(year, month) });
    match digits {
        4 => Date::new(year, None, None),
        6 => Date::new(year, Some(month), None),
        8 => Date::new(year, Some(month), Some(day)),
        _ => None,
    }
}

fn time(value: Time, digits: i64, end: End) -> Option<Time> {
    let fill = |nanos: u64, unit: u64| if end == End::High { nanos + unit - 1_000_000 } else { nanos };
    let full = match value.precision() {
        TimePrecision::Hour => fill(value.nanos(), NANOS_PER_HOUR),
        TimePrecision::Minute => fill(value.nanos(), NANOS_PER_MINUTE),
        TimePrecision::Second if value.digits() == 0 => fill(value.nanos(), NANOS_PER_SECOND),
        TimePrecision::Second => value.nanos(),
    };
    let (unit, precision, fraction) = match digits {
        2 => (NANOS_PER_HOUR, TimePrecision::Hour, 0),
        4 => (NANOS_PER_MINUTE, TimePrecision::Minute, 0),
        6 => (NANOS_PER_SECOND, TimePrecision::Second, 0),
        9 => (1_000_000, TimePrecision::Second, 3),
        _ => return None,
    };
    Time::new(full / unit * unit, precision, fraction)
}

/// A dateTime without an offset may be in any: the earliest is at +14:00, the latest at -12:00.
fn date_time(value: DateTime, digits: i64, end: End) -> Option<DateTime> {
    if digits <= 8 {
        return DateTime::new(date(value.date(), digits, end)?, None, None);
    }
    let day = date(value.date(), 8, end)?;
    let of_day = match value.time() {
        Some(of_day) => of_day,
        None if end == End::Low => Time::new(0, TimePrecision::Second, 3)?,
        None => Time::new(24 * NANOS_PER_HOUR - 1_000_000, TimePrecision::Second, 3)?,
    };
    let of_day = time(of_day, digits - 8, end)?;
    let any = Offset { minutes: if end == End::Low { 14 * 60 } else { -12 * 60 }, zulu: false };
    DateTime::new(day, Some(of_day), Some(value.offset().unwrap_or(any)))
}
