//! Arithmetic and concatenation. FHIRPath 2.0.0, "Math" and "Date/Time Arithmetic".

use rust_decimal::Decimal;
use smol_str::format_smolstr;

use super::{Evaluator, Flow, Pushed, Scope, Sink, text_of};
use crate::ast::{Expr, Operator};
use crate::error::EvalError;
use crate::item::Item;
use crate::quantity::{Quantity, Unit};
use crate::temporal::CalendarUnit;
use crate::types::System;

impl<'a> Evaluator<'_, 'a> {
    pub(crate) fn arithmetic(
        &self,
        operator: Operator,
        left: &Expr,
        right: &Expr,
        scope: &Scope<'_, 'a>,
    ) -> Result<Option<Item<'a>>, EvalError> {
        let at = operator.symbol();
        let left = self.scoped(|| self.single(left, scope, at))?;
        let right = self.scoped(|| self.single(right, scope, at))?;
        if operator == Operator::Concatenate {
            let text = |item: Option<Item<'a>>| match item {
                Some(item) => text_of(&item, at),
                None => Ok("".into()),
            };
            let (left, right) = (text(left)?, text(right)?);
            return self.text(format_smolstr!("{left}{right}")).map(Some);
        }
        let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
        match operator {
            Operator::Add | Operator::Subtract => self.sum(operator, &left, &right),
            Operator::Times => Ok(self.product(&left, &right)?),
            Operator::Divide => self.quotient(&left, &right),
            _ => self.whole_quotient(operator, &left, &right),
        }
    }

    fn sum(&self, operator: Operator, left: &Item<'a>, right: &Item<'a>) -> Result<Option<Item<'a>>, EvalError> {
        let subtract = operator == Operator::Subtract;
        if !subtract && let (Some(left), Some(right)) = (left.as_text(), right.as_text()) {
            return self.text(format_smolstr!("{left}{right}")).map(Some);
        }
        if let (Some(first), Some(second)) = (integer(left), integer(right)) {
            let sum = if subtract { first.checked_sub(second) } else { first.checked_add(second) };
            return Ok(sum.filter(|sum| fits(*sum, first, second)).map(Item::Integer));
        }
        if let (Some(left), Some(right)) = (number(left), number(right)) {
            let sum = if subtract { left.checked_sub(right) } else { left.checked_add(right) };
            return Ok(sum.map(Item::Decimal));
        }
        if let Some(duration) = right.to_quantity()
            && matches!(left.system(), Some(System::Date | System::DateTime | System::Time))
        {
            return moved(left, right, duration, subtract, operator);
        }
        if let (Some(left), Some(mut right)) = (quantity(left), quantity(right)) {
            if subtract {
                right.value = -right.value;
            }
            return Ok(left.plus(&right).map(|sum| Item::Quantity(Box::new(sum))));
        }
        Err(wrong(operator))
    }

    fn product(&self, left: &Item<'a>, right: &Item<'a>) -> Result<Option<Item<'a>>, EvalError> {
        if let (Some(first), Some(second)) = (integer(left), integer(right)) {
            return Ok(first.checked_mul(second).filter(|product| fits(*product, first, second)).map(Item::Integer));
        }
        if let (Some(left), Some(right)) = (number(left), number(right)) {
            return Ok(left.checked_mul(right).map(Item::Decimal));
        }
        match (quantity(left), quantity(right)) {
            (Some(left), Some(right)) => Ok(left.times(&right).map(|product| Item::Quantity(Box::new(product)))),
            _ => Err(wrong(Operator::Times)),
        }
    }

    fn quotient(&self, left: &Item<'a>, right: &Item<'a>) -> Result<Option<Item<'a>>, EvalError> {
        if let (Some(left), Some(right)) = (number(left), number(right)) {
            return Ok(left.checked_div(right).map(Item::Decimal));
        }
        match (quantity(left), quantity(right)) {
            (Some(left), Some(right)) => Ok(left.divided_by(&right).map(|quotient| Item::Quantity(Box::new(quotient)))),
            _ => Err(wrong(Operator::Divide)),
        }
    }

    /// `div` and `mod`.
    fn whole_quotient(
        &self,
        operator: Operator,
        left: &Item<'a>,
        right: &Item<'a>,
    ) -> Result<Option<Item<'a>>, EvalError> {
        let divide = operator == Operator::Div;
        if let (Some(left), Some(right)) = (integer(left), integer(right)) {
            let result = if divide { left.checked_div(right) } else { left.checked_rem(right) };
            return Ok(result.map(Item::Integer));
        }
        let (Some(left), Some(right)) = (number(left), number(right)) else { return Err(wrong(operator)) };
        if !divide {
            return Ok(left.checked_rem(right).map(Item::Decimal));
        }
        Ok(left.checked_div(right).and_then(|quotient| i64::try_from(quotient.trunc()).ok()).map(Item::Integer))
    }

    pub(crate) fn negate(&self, operand: &Expr, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let Some(item) = self.single(operand, scope, "-")? else { return Ok(Flow::On) };
        if let Some(value) = integer(&item) {
            return match value.checked_neg() {
                Some(value) => sink(Item::Integer(value)),
                None => Ok(Flow::On),
            };
        }
        if let Some(value) = number(&item) {
            return sink(Item::Decimal(-value));
        }
        match item.to_quantity() {
            Some(quantity) => sink(Item::Quantity(Box::new(Quantity { value: -quantity.value, ..quantity }))),
            None => Err(EvalError::Type { at: "-".into(), expected: "a number or a quantity" }),
        }
    }
}

fn wrong(operator: Operator) -> EvalError {
    EvalError::Type { at: operator.symbol().into(), expected: "operands of types that go together" }
}

fn integer(item: &Item<'_>) -> Option<i64> {
    match item.system()? {
        System::Integer => item.as_integer(),
        _ => None,
    }
}

fn number(item: &Item<'_>) -> Option<Decimal> {
    match item.system()? {
        System::Integer | System::Decimal => item.as_decimal(),
        _ => None,
    }
}

/// A quantity, or a number as one.
fn quantity(item: &Item<'_>) -> Option<Quantity> {
    item.to_quantity().or_else(|| number(item).map(Quantity::plain))
}

/// FHIRPath 2.0.0, "Integer": 32 bits; larger operands are there only if someone wrote them.
fn fits(result: i64, left: i64, right: i64) -> bool {
    let small = |value: i64| i32::try_from(value).is_ok();
    small(result) || !small(left) || !small(right)
}

/// A date or time and a duration. FHIRPath 2.0.0, "Date/Time Arithmetic": definite years and months are errors.
fn moved<'a>(
    start: &Item<'a>,
    duration_item: &Item<'a>,
    duration: Quantity,
    subtract: bool,
    operator: Operator,
) -> Result<Option<Item<'a>>, EvalError> {
    let unit = match &duration.unit {
        Unit::Calendar(unit) => *unit,
        Unit::Code(code) => match CalendarUnit::of_ucum(code) {
            // A Quantity of FHIR has no other way to say a year. FHIR R4 fhirpath.html, "Use of FHIR Quantity".
            Some(unit) if unit < CalendarUnit::Month || matches!(duration_item, Item::Node(_)) => unit,
            Some(_) => {
                return Err(EvalError::Type { at: operator.symbol().into(), expected: "a calendar duration" });
            }
            None => match CalendarUnit::parse(code) {
                Some(unit) => unit,
                None => {
                    return Err(EvalError::Type { at: operator.symbol().into(), expected: "a time-valued quantity" });
                }
            },
        },
    };
    let value = if subtract { -duration.value } else { duration.value };
    Ok(match start.to_system() {
        Some(Item::Date(date)) => date.plus(value, unit).map(Item::Date),
        Some(Item::DateTime(date_time)) => date_time.plus(value, unit).map(Item::DateTime),
        Some(Item::Time(time)) if unit >= CalendarUnit::Day => {
            let _ = time;
            return Err(EvalError::Type { at: operator.symbol().into(), expected: "a duration of hours or less" });
        }
        Some(Item::Time(time)) => time.plus(value, unit).map(Item::Time),
        _ => return Err(wrong(operator)),
    })
}
