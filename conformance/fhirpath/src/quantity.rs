//! Quantities: a value with a unit of the calendar or of UCUM.
//!
//! FHIRPath 2.0.0, "Quantity" and "Time-valued Quantities"; units by UCUM 2.2.

use std::cmp::Ordering;
use std::fmt;

use octofhir_ucum::{EvalResult, Number, evaluate, parse_expression};
use rust_decimal::{Decimal, RoundingStrategy};
use smol_str::SmolStr;

use crate::decimal;
use crate::temporal::CalendarUnit;

/// The unit of a [`Quantity`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A calendar duration: `year`, `days`.
    Calendar(CalendarUnit),
    /// A UCUM code: `'mg'`; `'1'` for none.
    Code(SmolStr),
}

/// A number with a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// The number, with the digits it was written with.
    pub value: Decimal,
    /// What it counts.
    pub unit: Unit,
}

impl Quantity {
    pub(crate) fn new(value: Decimal, unit: Unit) -> Self {
        Self { value, unit }
    }

    /// A number alone has the unit `'1'`.
    pub(crate) fn plain(value: Decimal) -> Self {
        Self { value, unit: Unit::Code(SmolStr::new_static("1")) }
    }

    /// Reads `4.5 'mg'`, `4 days` or `4.5`. FHIRPath 2.0.0, "toQuantity".
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text.find(|letter: char| !matches!(letter, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(end)?;
        let value = decimal::parse(number)?;
        let unit = unit.trim();
        if unit.is_empty() {
            return Some(Self::plain(value));
        }
        if let Some(code) = unit.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            return (!code.is_empty() && !code.contains('\''))
                .then(|| Self::new(value, Unit::Code(SmolStr::new(code))));
        }
        CalendarUnit::parse(unit).map(|unit| Self::new(value, Unit::Calendar(unit)))
    }

    /// The unit as text: `days` is `day`.
    pub fn unit_text(&self) -> &str {
        match &self.unit {
            Unit::Calendar(unit) => unit.word(),
            Unit::Code(code) => code,
        }
    }

    /// Whether both have one dimension, so that one can be converted to the other.
    pub(crate) fn comparable(&self, other: &Self) -> bool {
        match (&self.unit, &other.unit) {
            (Unit::Code(left), Unit::Code(right)) if left == right => true,
            _ => Measured::pair(self, other).is_some(),
        }
    }

    /// The order of two quantities; none if they cannot be compared.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        if self.unit == other.unit {
            return Some(self.value.cmp(&other.value));
        }
        if !self.same_kind_of_time(other) {
            return None;
        }
        let (left, right) = Measured::pair(self, other)?;
        left.amount.partial_cmp(&right.amount)
    }

    /// Years and months of the calendar are no definite durations. FHIRPath 2.0.0, "Time-valued Quantities".
    fn same_kind_of_time(&self, other: &Self) -> bool {
        let vague = |unit: &Unit| match unit {
            Unit::Calendar(CalendarUnit::Year | CalendarUnit::Month) => Some(true),
            Unit::Calendar(_) => None,
            Unit::Code(code) => matches!(code.as_str(), "a" | "mo").then_some(false),
        };
        match (vague(&self.unit), vague(&other.unit)) {
            (Some(left), Some(right)) => left == right,
            (Some(true), None) => matches!(other.unit, Unit::Calendar(_)),
            (None, Some(true)) => matches!(self.unit, Unit::Calendar(_)),
            _ => true,
        }
    }

    /// FHIRPath 2.0.0, "Equivalent": compared in the unit and to the digits of the one that is said less exactly.
    pub(crate) fn equivalent(&self, other: &Self) -> bool {
        if self.unit == other.unit {
            return decimal::equivalent(self.value, other.value);
        }
        let Some((left, right)) = Measured::pair(self, other) else { return false };
        // The step of the last digit, in common units, says which of the two is coarser.
        let (Some(left_step), Some(right_step)) = (left.step(self.value), right.step(other.value)) else {
            return false;
        };
        let (coarse, fine, unit) = match left_step.partial_cmp(&right_step) {
            Some(Ordering::Less) => (other, left, right),
            _ => (self, right, left),
        };
        match unit.value_of(fine.amount) {
            Some(converted) => {
                let scale = coarse.value.scale();
                let round =
                    |value: Decimal| value.round_dp_with_strategy(scale, RoundingStrategy::MidpointAwayFromZero);
                round(converted) == round(coarse.value)
            }
            None => false,
        }
    }

    /// The sum in the more granular of the two units; none if they do not go together.
    pub(crate) fn plus(&self, other: &Self) -> Option<Self> {
        if self.unit == other.unit {
            return Some(Self::new(self.value.checked_add(other.value)?, self.unit.clone()));
        }
        if !self.same_kind_of_time(other) {
            return None;
        }
        let (left, right) = Measured::pair(self, other)?;
        match left.scale.partial_cmp(&right.scale)? {
            Ordering::Greater => {
                let converted = right.value_of(left.amount)?;
                Some(Self::new(converted.checked_add(other.value)?, other.unit.clone()))
            }
            _ => {
                let converted = left.value_of(right.amount)?;
                Some(Self::new(self.value.checked_add(converted)?, self.unit.clone()))
            }
        }
    }

    /// The quantity in another unit.
    pub(crate) fn convert(&self, unit: &Unit) -> Option<Self> {
        if self.unit == *unit {
            return Some(self.clone());
        }
        let target = Self::new(Decimal::ONE, unit.clone());
        if !self.same_kind_of_time(&target) {
            return None;
        }
        let (from, to) = Measured::pair(self, &target)?;
        Some(Self::new(to.value_of(from.amount)?.normalize(), unit.clone()))
    }

    pub(crate) fn times(&self, other: &Self) -> Option<Self> {
        let value = self.value.checked_mul(other.value)?;
        let unit = match (self.code()?, other.code()?) {
            (left, "1") => left.into(),
            ("1", right) => right.into(),
            (left, right) => smol_str::format_smolstr!("{}.{}", grouped(left), grouped(right)),
        };
        Some(Self::new(value, Unit::Code(known(unit)?)))
    }

    pub(crate) fn divided_by(&self, other: &Self) -> Option<Self> {
        if other.value.is_zero() {
            return None;
        }
        if self.unit == other.unit {
            return Some(Self::plain(self.value.checked_div(other.value)?));
        }
        let value = self.value.checked_div(other.value)?;
        let unit = match (self.code()?, other.code()?) {
            (left, "1") => left.into(),
            ("1", right) => smol_str::format_smolstr!("/{}", grouped(right)),
            (left, right) => smol_str::format_smolstr!("{}/{}", left, grouped(right)),
        };
        Some(Self::new(value, Unit::Code(known(unit)?)))
    }

    /// The UCUM code of the unit; of a year or a month of the calendar there is none.
    fn code(&self) -> Option<&str> {
        match &self.unit {
            Unit::Code(code) => Some(code),
            Unit::Calendar(CalendarUnit::Year | CalendarUnit::Month) => None,
            Unit::Calendar(unit) => Some(unit.ucum()),
        }
    }
}

/// A divisor or factor that is itself a product or quotient stands in parentheses.
fn grouped(code: &str) -> SmolStr {
    if code.contains(['.', '/']) { smol_str::format_smolstr!("({code})") } else { code.into() }
}

fn known(code: SmolStr) -> Option<SmolStr> {
    let parsed = parse_expression(&code).ok()?;
    evaluate(&parsed).ok().map(|_| code)
}

/// A quantity in base units.
struct Measured {
    term: EvalResult,
    /// In base units.
    amount: Number,
    /// One unit in base units.
    scale: Number,
}

impl Measured {
    /// Two quantities of one dimension.
    fn pair(left: &Quantity, right: &Quantity) -> Option<(Self, Self)> {
        let vague =
            |quantity: &Quantity| matches!(quantity.unit, Unit::Calendar(CalendarUnit::Year | CalendarUnit::Month));
        // FHIRPath 2.0.0, "Date/Time Arithmetic": a year is 12 months or 365 days, a month 30 days.
        let days_of_year = if vague(left) && vague(right) { 12 * 30 } else { 365 };
        let (left, right) = (Self::of(left, days_of_year)?, Self::of(right, days_of_year)?);
        left.term.is_commensurable(&right.term).then_some((left, right))
    }

    fn of(quantity: &Quantity, days_of_year: i64) -> Option<Self> {
        let value = Number::parse(&quantity.value.to_string())?;
        let days = match &quantity.unit {
            Unit::Calendar(CalendarUnit::Year) => Some(days_of_year),
            Unit::Calendar(CalendarUnit::Month) => Some(30),
            _ => None,
        };
        let code = match &quantity.unit {
            Unit::Calendar(_) if days.is_some() => "d",
            Unit::Calendar(unit) => unit.ucum(),
            Unit::Code(code) => code,
        };
        let term = evaluate(&parse_expression(code).ok()?).ok()?;
        if term.special.is_some() {
            return Self::special(code, value, term);
        }
        let mut scale = term.factor;
        if let Some(days) = days {
            scale = scale.checked_mul(Number::from_i64(days))?;
        }
        Some(Self { amount: value.checked_mul(scale)?, scale, term })
    }

    /// Units such as `Cel`, which are no multiple of a base unit; only equal units and their base go together.
    fn special(code: &str, value: Number, term: EvalResult) -> Option<Self> {
        let (target, offset) = match code {
            "Cel" => (Number::ONE, Number::parse("273.15")?),
            "[degF]" => (Number::from_i64(5).checked_div(Number::from_i64(9))?, Number::parse("459.67")?),
            _ => return None,
        };
        let amount = value.checked_add(offset)?.checked_mul(target)?;
        Some(Self { term, amount, scale: target })
    }

    /// The step of the last digit of `value` in base units.
    fn step(&self, value: Decimal) -> Option<Number> {
        let step = Decimal::new(1, value.scale());
        Number::parse(&step.to_string())?.checked_mul(self.scale)
    }

    /// How many of this unit the amount of base units is.
    fn value_of(&self, amount: Number) -> Option<Decimal> {
        let value = match self.term.special {
            None => amount.checked_div(self.scale)?,
            Some(special) => {
                let offset = if special.unit.code == "Cel" { "273.15" } else { "459.67" };
                let negative = Number::parse(offset)?.checked_mul(Number::from_i64(-1))?;
                amount.checked_div(self.scale)?.checked_add(negative)?
            }
        };
        decimal::parse(&value.to_string())
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unit {
            Unit::Calendar(unit) => {
                let plural = if self.value == Decimal::ONE { "" } else { "s" };
                write!(out, "{} {}{plural}", self.value, unit.word())
            }
            Unit::Code(code) => write!(out, "{} '{code}'", self.value),
        }
    }
}

#[cfg(test)]
mod tests;
