//! Units of measure: validation, canonical form, comparison and exact conversion (UCUM 2.2, unitsofmeasure.org).
//!
//! Numbers are decimals of 28 significant digits with any exponent, never floating point, so `2.54 cm` is `1 [in_i]`
//! exactly. Units on a logarithmic scale (`[pH]`, `dB`) are valid codes and comparable, but not converted.

use octofhir_ucum::{EvalResult, Number, evaluate, get_canonical_units, parse_expression};

/// Why a unit or a conversion is refused. Never holds the unit, which may come from an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// Not an expression of UCUM.
    #[error("expected a UCUM expression")]
    Expression,
    /// Longer than any unit in use.
    #[error("a unit is at most {LENGTH} characters long")]
    Length,
    /// Not a decimal.
    #[error("expected a decimal number")]
    Number,
    /// Units of different dimension.
    #[error("the units measure different things")]
    Incommensurable,
    /// Logarithmic and other units that are no multiple of another one.
    #[error("the unit has no linear scale")]
    Scale,
    /// The result has more digits or a larger exponent than numbers here.
    #[error("the result is out of range")]
    Range,
}

/// Bound on an expression's length.
const LENGTH: usize = 1_000;

/// A unit in base units: a value `v` is `v × factor + offset` of `unit`.
#[derive(Clone, Debug, PartialEq)]
pub struct Canonical {
    /// Base units and arbitrary units in a fixed order, for example `g.m.s-2`; `1` for a number.
    pub unit: String,
    /// The magnitude.
    pub factor: Decimal,
    /// Nought but for temperatures.
    pub offset: Decimal,
}

/// An exact decimal number: 28 significant digits, any exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal(Number);

impl Decimal {
    /// Reads a JSON number or a FHIR decimal.
    ///
    /// # Errors
    /// `UnitError::Number` for anything else.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        Number::parse(text).map(Self).ok_or(UnitError::Number)
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Checks a code of UCUM, case sensitive (UCUM "c/s"), annotations included.
///
/// # Errors
/// `UnitError::Expression` or `UnitError::Length`.
pub fn validate(code: &str) -> Result<(), UnitError> {
    evaluated(code).map(drop)
}

/// Whether two units measure the same, so that values of the one can be compared with values of the other.
///
/// # Errors
/// As [`validate`], for either.
pub fn comparable(one: &str, other: &str) -> Result<bool, UnitError> {
    Ok(evaluated(one)?.is_commensurable(&evaluated(other)?))
}

/// The unit in base units.
///
/// # Errors
/// As [`validate`]; `UnitError::Scale` for a unit without a linear scale.
pub fn canonical(code: &str) -> Result<Canonical, UnitError> {
    evaluated(code)?;
    let canonical = get_canonical_units(code).map_err(|_| UnitError::Scale)?;
    Ok(Canonical { unit: canonical.unit, factor: Decimal(canonical.factor), offset: Decimal(canonical.offset) })
}

/// Converts a value.
///
/// # Errors
/// As [`canonical`] for either unit; `UnitError::Incommensurable`; `UnitError::Range`.
pub fn convert(value: Decimal, from: &str, to: &str) -> Result<Decimal, UnitError> {
    if from == to {
        evaluated(from)?;
        return Ok(value);
    }
    if !comparable(from, to)? {
        return Err(UnitError::Incommensurable);
    }
    let (from, to) = (canonical(from)?, canonical(to)?);
    let base = value.0.checked_mul(from.factor.0).and_then(|scaled| scaled.checked_add(from.offset.0));
    let moved = base.and_then(|base| base.checked_sub(to.offset.0));
    moved.and_then(|moved| moved.checked_div(to.factor.0)).map(Decimal).ok_or(UnitError::Range)
}

fn evaluated(code: &str) -> Result<EvalResult, UnitError> {
    if code.len() > LENGTH {
        return Err(UnitError::Length);
    }
    let expression = parse_expression(code).map_err(|_| UnitError::Expression)?;
    evaluate(&expression).map_err(|_| UnitError::Expression)
}

#[cfg(test)]
mod tests;
