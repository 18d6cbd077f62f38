//! The current time and the parts of dates. FHIRPath 2.0.0, "Current date and time functions".

use rust_decimal::Decimal;

use super::{Evaluator, Flow, Pushed, Scope, Sink, push_one};
use crate::ast::Call;
use crate::error::EvalError;
use crate::function::Function;
use crate::item::Item;
use crate::temporal::{Date, DateTime, NANOS_PER_HOUR, NANOS_PER_MINUTE, NANOS_PER_SECOND, Time, TimePrecision};

impl<'a> Evaluator<'_, 'a> {
    /// One moment for the whole evaluation.
    pub(crate) fn clock(&self, call: &Call, sink: Sink<'_, 'a>) -> Pushed {
        let now = self
            .context
            .now
            .and_then(DateTime::from_instant)
            .ok_or_else(|| EvalError::NotAvailable(smol_str::format_smolstr!("{}: expected a clock", call.name)))?;
        match call.function {
            Function::Now => sink(Item::DateTime(now)),
            Function::Today => sink(Item::Date(now.date())),
            _ => push_one(now.time().map(Item::Time), sink),
        }
    }

    pub(crate) fn part(&self, call: &Call, scope: &Scope<'_, 'a>, sink: Sink<'_, 'a>) -> Pushed {
        let Some(item) = self.input_single(call, scope)? else { return Ok(Flow::On) };
        let wrong = || EvalError::Type { at: call.name.clone(), expected: "a date or a time" };
        let (date, time, whole): (Option<Date>, Option<Time>, Option<DateTime>) =
            match item.to_system().ok_or_else(wrong)? {
                Item::Date(date) => (Some(date), None, None),
                Item::DateTime(whole) => (Some(whole.date()), whole.time(), Some(whole)),
                Item::Time(time) => (None, Some(time), None),
                _ => return Err(wrong()),
            };
        let of_time = |least: TimePrecision, unit: u64, modulus: u64| {
            let time = time.filter(|time| time.precision() >= least)?;
            i64::try_from(time.nanos() / unit % modulus).ok().map(Item::Integer)
        };
        let result = match call.function {
            Function::YearOf => date.map(|date| Item::Integer(date.year().into())),
            Function::MonthOf => date.and_then(Date::month).map(|month| Item::Integer(month.into())),
            Function::DayOf => date.and_then(Date::day).map(|day| Item::Integer(day.into())),
            Function::HourOf => of_time(TimePrecision::Hour, NANOS_PER_HOUR, 24),
            Function::MinuteOf => of_time(TimePrecision::Minute, NANOS_PER_MINUTE, 60),
            Function::SecondOf => of_time(TimePrecision::Second, NANOS_PER_SECOND, 60),
            Function::MillisecondOf => match time {
                Some(time) if time.digits() > 0 => of_time(TimePrecision::Second, 1_000_000, 1000),
                _ => None,
            },
            Function::TimezoneOffsetOf => whole
                .and_then(DateTime::offset)
                .map(|offset| Item::Decimal((Decimal::from(offset.minutes) / Decimal::from(60)).normalize())),
            Function::DateOf => date.map(Item::Date),
            _ => time.map(Item::Time),
        };
        push_one(result, sink)
    }
}
