//! Numbers: `low` and `high` are the ends as `f64` in an order of bytes. FHIR R4 search.html, "number".
//!
//! The index compares; it never gives a number back. Bounds and conversions are exact decimals that are rounded once, so
//! that what differs after the fifteenth digit is the same here and nothing else.

use octofhir_ucum::Number;

use crate::row::Test;
use crate::values::prefix::Prefix;
use crate::values::{Sink, Value, before, span_value};

/// Below and above every number.
pub(crate) const LOWEST: [u8; 8] = [0; 8];
pub(crate) const HIGHEST: [u8; 8] = [0xff; 8];

/// Digits of a number or of its exponent; more is no number that anybody measured.
const LENGTH: usize = 64;

pub(crate) fn rows(value: &Value<'_>, sink: &mut Sink<'_>) {
    let ends = match value.of {
        "Range" => range(value.json.text_of("low"), value.json.text_of("high")),
        _ => value.text().and_then(parse).map(|number| (ordered(number), ordered(number))),
    };
    if let Some((low, high)) = ends {
        sink.put(span_value(b"", low, high));
    }
}

fn range(low: Option<&str>, high: Option<&str>) -> Option<([u8; 8], [u8; 8])> {
    let (low, high) = (low.and_then(parse), high.and_then(parse));
    if low.is_none() && high.is_none() {
        return None;
    }
    Some((low.map_or(LOWEST, ordered), high.map_or(HIGHEST, ordered)))
}

trait TextOf {
    /// The `value` of a member that is a Quantity.
    fn text_of(&self, name: &str) -> Option<&str>;
}

impl TextOf for model::json::Json {
    fn text_of(&self, name: &str) -> Option<&str> {
        self.at(&[name, "value"]).and_then(Self::as_number).map(model::json::Number::as_str)
    }
}

pub(crate) fn parse(text: &str) -> Option<Number> {
    let exponent = text.split_once(['e', 'E']).map_or("0", |(_, exponent)| exponent);
    let is_small = exponent.parse::<i32>().is_ok_and(|exponent| exponent.abs() < 1_000);
    let starts = text.starts_with(|first: char| first.is_ascii_digit() || first == '-' || first == '+');
    Number::parse(text).filter(|_| text.len() <= LENGTH && is_small && starts)
}

/// Eight bytes that sort as numbers do.
pub(crate) fn ordered(number: Number) -> [u8; 8] {
    let bits = if number.is_zero() { 0 } else { number.to_f64().to_bits() };
    let ordered = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
    ordered.to_be_bytes()
}

/// A number of a query with the stretch that its digits mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Approximate {
    pub(crate) prefix: Prefix,
    pub(crate) number: Number,
    half: Number,
}

impl Approximate {
    /// Half of the last digit's place stands to either side: 100 is 99.5 up to 100.5. A number with an exponent is
    /// never less precise than a twentieth of that power of ten, as the specification's example has it (1e2: 95 to 105).
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (prefix, digits) = Prefix::cut(text)?;
        let number = parse(digits)?;
        let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent.parse::<i32>().ok()?)),
            None => (digits, None),
        };
        let places = mantissa.split_once('.').map_or(0, |(_, places)| places.len());
        let last = exponent.unwrap_or(0).checked_sub(i32::try_from(places).ok()?)?;
        let last = exponent.map_or(last, |exponent| last.min(exponent.saturating_sub(1)));
        let half = Number::power_of_ten(last).checked_div(Number::from(2))?;
        Some(Self { prefix, number, half })
    }

    /// The ends: of `eq` and `ne` what the digits mean, of `ap` a tenth to either side, of all others the very number.
    pub(crate) fn ends(&self) -> Option<(Number, Number, Ends)> {
        match self.prefix {
            Prefix::Eq | Prefix::Ne => {
                Some((self.number.checked_sub(self.half)?, self.number.checked_add(self.half)?, Ends::UpperExcluded))
            }
            Prefix::Ap => {
                let tenth = self.number.abs().checked_div(Number::from(10))?;
                Some((self.number.checked_sub(tenth)?, self.number.checked_add(tenth)?, Ends::Included))
            }
            _ => Some((self.number, self.number, Ends::Included)),
        }
    }

    pub(crate) fn tests(&self, key: &[u8], convert: impl Fn(Number) -> Option<Number>) -> Option<Vec<Test>> {
        let (low, high, ends) = self.ends()?;
        let (low, high) = (ordered(convert(low)?), ordered(convert(high)?));
        let high = match ends {
            // Digits beyond what the index tells apart: the number itself still belongs.
            Ends::UpperExcluded => before(high).max(ordered(convert(self.number)?)),
            Ends::Included => high,
        };
        Some(self.prefix.tests(key, low, high))
    }
}

/// Whether the upper end belongs to the stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    Included,
    UpperExcluded,
}
