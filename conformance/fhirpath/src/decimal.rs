//! Exact decimals: reading, and what FHIRPath says of their digits.

use rust_decimal::{Decimal, RoundingStrategy};

/// Reads `-?digits(.digits)?` with an optional exponent; keeps the digits after the point.
///
/// None for what is no number or has more digits before the point than 28.
pub(crate) fn parse(text: &str) -> Option<Decimal> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.starts_with(|first: char| first.is_ascii_digit()) || digits.ends_with('.') || text.contains('_') {
        return None;
    }
    if text.contains(['e', 'E']) {
        return Decimal::from_scientific(text).ok();
    }
    // More digits after the point than fit are rounded; FHIR R4 datatypes.html asks for 18 at most.
    text.parse().ok()
}

/// FHIRPath 2.0.0, "Equivalent" (Decimal): compared to the digits of the one with fewer.
pub(crate) fn equivalent(left: Decimal, right: Decimal) -> bool {
    let scale = left.normalize().scale().min(right.normalize().scale());
    let round = |value: Decimal| value.round_dp_with_strategy(scale, RoundingStrategy::MidpointAwayFromZero);
    round(left) == round(right)
}

/// `value` with exactly that many digits after the point.
pub(crate) fn with_scale(mut value: Decimal, scale: u32) -> Option<Decimal> {
    value.rescale(scale);
    (value.scale() == scale).then_some(value)
}
