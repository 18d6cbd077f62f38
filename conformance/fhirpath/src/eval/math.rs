//! Math. FHIRPath 2.0.0, "Math" (functions).

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, MathematicalOps, RoundingStrategy};

use super::{Evaluator, Flow, Pushed, Scope, Sink, push_one};
use crate::ast::Call;
use crate::error::EvalError;
use crate::function::Function;
use crate::item::Item;
use crate::quantity::Quantity;
use crate::types::System;

/// Digits after the point of what has no exact value. FHIRPath 2.0.0, "Decimal" asks for 8.
const DIGITS: u32 = 16;

impl<'a> Evaluator<'_, 'a> {
    pub(crate) fn math(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let Some(item) = self.input_single(call, scope)? else { return Ok(Flow::On) };
        if call.function == Function::Abs
            && let Some(quantity) = item.to_quantity()
        {
            return sink(Item::Quantity(Box::new(Quantity { value: quantity.value.abs(), ..quantity })));
        }
        let whole = match item.system() {
            Some(System::Integer) => item.as_integer(),
            _ => None,
        };
        let value = number(&item, call)?;
        // Series of this length take a while.
        self.charge(16)?;
        let integer = |value: Decimal| value.to_i64().map(Item::Integer);
        let result = match call.function {
            Function::Abs => match whole {
                Some(whole) => whole.checked_abs().map(Item::Integer),
                None => Some(Item::Decimal(value.abs())),
            },
            Function::Ceiling => integer(value.ceil()),
            Function::Floor => integer(value.floor()),
            Function::Truncate => integer(value.trunc()),
            Function::Exp => value.checked_exp().map(tidy),
            Function::Ln => ln(value).map(tidy),
            Function::Sqrt => value.sqrt().map(tidy),
            Function::Log => match self.argument(call, 0, scope)? {
                Some(base) => log(value, number(&base, call)?).map(tidy),
                None => None,
            },
            Function::Power => match self.argument(call, 0, scope)? {
                Some(exponent) => power(whole, value, &exponent, call)?,
                None => None,
            },
            Function::Round => {
                let digits = match call.arguments.first() {
                    Some(_) => match self.argument_integer(call, 0, scope)? {
                        Some(digits) => digits,
                        None => return Ok(Flow::On),
                    },
                    None => 0,
                };
                let Ok(digits) = u32::try_from(digits) else {
                    return Err(EvalError::Type { at: call.name.clone(), expected: "a precision of 0 or more" });
                };
                Some(Item::Decimal(value.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero)))
            }
            _ => None,
        };
        push_one(result, sink)
    }
}

fn number(item: &Item<'_>, call: &Call) -> Result<Decimal, EvalError> {
    match item.as_decimal() {
        Some(value) => Ok(value),
        None => Err(EvalError::Type { at: call.name.clone(), expected: "a number" }),
    }
}

/// What a series gives, without its last digits, which are not exact.
fn tidy(value: Decimal) -> Item<'static> {
    let rounded = value.round_dp_with_strategy(DIGITS, RoundingStrategy::MidpointAwayFromZero).normalize();
    // A decimal shows that it is one.
    Item::Decimal(if rounded.scale() == 0 {
        crate::decimal::with_scale(rounded, 1).unwrap_or(rounded)
    } else {
        rounded
    })
}

fn ln(value: Decimal) -> Option<Decimal> {
    (value > Decimal::ZERO).then(|| value.checked_ln()).flatten()
}

fn log(value: Decimal, base: Decimal) -> Option<Decimal> {
    if base == Decimal::TEN {
        return (value > Decimal::ZERO).then(|| value.checked_log10()).flatten();
    }
    ln(value)?.checked_div(ln(base)?)
}

/// An Integer to a whole power stays one. FHIRPath 2.0.0, "power".
fn power(
    whole: Option<i64>,
    value: Decimal,
    exponent: &Item<'_>,
    call: &Call,
) -> Result<Option<Item<'static>>, EvalError> {
    let by = number(exponent, call)?;
    if let (Some(whole), Some(System::Integer), Some(by)) = (whole, exponent.system(), by.to_u32()) {
        return Ok(whole.checked_pow(by).map(Item::Integer));
    }
    if let Some(by) = by.to_i64().filter(|_| by.is_integer()) {
        if by.abs() > 10_000 || value.is_zero() && by < 0 {
            return Ok(None);
        }
        let power = value.checked_powi(by);
        // A reciprocal has no digits of its own to keep.
        return Ok(if by < 0 { power.map(tidy) } else { power.map(Item::Decimal) });
    }
    if value < Decimal::ZERO {
        return Ok(None);
    }
    Ok(value.checked_powd(by).map(tidy))
}
