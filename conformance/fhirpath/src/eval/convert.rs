//! Conversion between types. FHIRPath 2.0.0, "Conversion".

use rust_decimal::Decimal;
use smol_str::SmolStr;

use super::{Evaluator, Flow, Pushed, Scope, Sink, push_one};
use crate::ast::Call;
use crate::decimal;
use crate::error::EvalError;
use crate::function::Function;
use crate::item::Item;
use crate::quantity::{Quantity, Unit};
use crate::temporal::{CalendarUnit, Date, DateTime, Time};

impl<'a> Evaluator<'_, 'a> {
    pub(crate) fn convert(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let Some(item) = self.input_single(call, scope)? else { return Ok(Flow::On) };
        let unit = match call.function {
            Function::ToQuantity | Function::ConvertsToQuantity => self.argument_text(call, 0, scope)?,
            _ => None,
        };
        let converted = converted(call.function, &item, unit.as_deref());
        match call.function {
            Function::ToBoolean
            | Function::ToInteger
            | Function::ToLong
            | Function::ToDecimal
            | Function::ToDate
            | Function::ToDateTime
            | Function::ToTime
            | Function::ToQuantity
            | Function::ToString => push_one(converted, sink),
            _ => sink(Item::Boolean(converted.is_some())),
        }
    }

    /// `iif(criterion, then, else)`. FHIRPath 2.0.0, "iif": only the branch that is taken is evaluated.
    pub(crate) fn iif(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let (Some(criterion), Some(then)) = (call.arguments.first(), call.arguments.get(1)) else {
            return Ok(Flow::On);
        };
        let focus = match &call.base {
            Some(_) => Some(self.input_single(call, scope)?),
            None => None,
        };
        let inner = match &focus {
            Some(Some(item)) => Scope { focus: std::slice::from_ref(item), ..*scope },
            Some(None) => Scope { focus: &[], ..*scope },
            None => *scope,
        };
        let truth = self.scoped(|| {
            let item = self.single(criterion, &inner, "iif")?;
            match item {
                None => Ok(None),
                Some(item) => match item.as_boolean() {
                    Some(value) => Ok(Some(value)),
                    None => Err(EvalError::Type { at: "iif".into(), expected: "a criterion that is a boolean" }),
                },
            }
        })?;
        match (truth, call.arguments.get(2)) {
            (Some(true), _) => self.scoped(|| self.each(then, &inner, sink)),
            (_, Some(otherwise)) => self.scoped(|| self.each(otherwise, &inner, sink)),
            (_, None) => Ok(Flow::On),
        }
    }
}

fn converted<'a>(function: Function, item: &Item<'a>, unit: Option<&str>) -> Option<Item<'a>> {
    let value = item.to_system()?;
    match function {
        Function::ToBoolean | Function::ConvertsToBoolean => boolean(&value).map(Item::Boolean),
        Function::ToInteger | Function::ConvertsToInteger => {
            integer(&value).filter(|value| i32::try_from(*value).is_ok()).map(Item::Integer)
        }
        Function::ToLong | Function::ConvertsToLong => integer(&value).map(Item::Integer),
        Function::ToDecimal | Function::ConvertsToDecimal => number(&value).map(Item::Decimal),
        Function::ToDate | Function::ConvertsToDate => match &value {
            Item::Date(date) => Some(Item::Date(*date)),
            Item::DateTime(date_time) => Some(Item::Date(date_time.date())),
            Item::String(text) => match Date::parse(text) {
                Some(date) => Some(Item::Date(date)),
                None => DateTime::parse(text).map(|found| Item::Date(found.date())),
            },
            _ => None,
        },
        Function::ToDateTime | Function::ConvertsToDateTime => match &value {
            Item::Date(date) => Some(Item::DateTime(date.to_date_time())),
            Item::DateTime(date_time) => Some(Item::DateTime(*date_time)),
            Item::String(text) => DateTime::parse(text).map(Item::DateTime),
            _ => None,
        },
        Function::ToTime | Function::ConvertsToTime => match &value {
            Item::Time(time) => Some(Item::Time(*time)),
            Item::String(text) => Time::parse(text.strip_prefix('T').unwrap_or(text)).map(Item::Time),
            _ => None,
        },
        Function::ToQuantity | Function::ConvertsToQuantity => {
            let found = quantity(&value)?;
            let found = match unit {
                Some(unit) => found.convert(&unit_of(unit))?,
                None => found,
            };
            Some(Item::Quantity(Box::new(found)))
        }
        _ => match item {
            // An element keeps the text it was written with.
            Item::Node(_) => item.to_text().map(Item::String),
            _ => value.to_text().map(Item::String),
        },
    }
}

fn unit_of(text: &str) -> Unit {
    match CalendarUnit::parse(text) {
        Some(unit) => Unit::Calendar(unit),
        None => Unit::Code(SmolStr::new(text)),
    }
}

fn boolean(value: &Item<'_>) -> Option<bool> {
    match value {
        Item::Boolean(value) => Some(*value),
        Item::Integer(1) => Some(true),
        Item::Integer(0) => Some(false),
        Item::Decimal(value) if *value == Decimal::ONE => Some(true),
        Item::Decimal(value) if value.is_zero() => Some(false),
        Item::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn integer(value: &Item<'_>) -> Option<i64> {
    match value {
        Item::Integer(value) => Some(*value),
        Item::Boolean(value) => Some(i64::from(*value)),
        Item::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn number(value: &Item<'_>) -> Option<Decimal> {
    match value {
        Item::Integer(value) => Some(Decimal::from(*value)),
        Item::Decimal(value) => Some(*value),
        Item::Boolean(value) => Some(if *value { Decimal::new(10, 1) } else { Decimal::new(0, 1) }),
        // `(\+|-)?\d+(\.\d+)?`: no exponent.
        Item::String(text) if !text.contains(['e', 'E']) => decimal::parse(text),
        _ => None,
    }
}

fn quantity(value: &Item<'_>) -> Option<Quantity> {
    match value {
        Item::Quantity(quantity) => Some((**quantity).clone()),
        Item::String(text) => Quantity::parse(text),
        other => number(other).map(Quantity::plain),
    }
}
