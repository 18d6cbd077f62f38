//! Adding durations to dates and times. FHIRPath 2.0.0, "Date/Time Arithmetic".

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::{
    Date, DateTime, NANOS_PER_DAY, NANOS_PER_HOUR, NANOS_PER_MINUTE, NANOS_PER_SECOND, Time, TimePrecision,
    date_of_days, days_in_month,
};

/// A unit of the calendar, as its keyword says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CalendarUnit {
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl CalendarUnit {
    /// The unit of a keyword, singular or plural.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word.strip_suffix('s').unwrap_or(word) {
            "year" => Self::Year,
            "month" => Self::Month,
            "week" => Self::Week,
            "day" => Self::Day,
            "hour" => Self::Hour,
            "minute" => Self::Minute,
            "second" => Self::Second,
            "millisecond" => Self::Millisecond,
            _ => return None,
        })
    }

    /// The keyword, singular.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Week => "week",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
            Self::Millisecond => "millisecond",
        }
    }

    /// The UCUM code of the definite duration of that name.
    pub(crate) fn ucum(self) -> &'static str {
        match self {
            Self::Year => "a",
            Self::Month => "mo",
            Self::Week => "wk",
            Self::Day => "d",
            Self::Hour => "h",
            Self::Minute => "min",
            Self::Second => "s",
            Self::Millisecond => "ms",
        }
    }

    /// The unit whose definite duration has this UCUM code.
    pub(crate) fn of_ucum(code: &str) -> Option<Self> {
        [Self::Year, Self::Month, Self::Week, Self::Day, Self::Hour, Self::Minute, Self::Second, Self::Millisecond]
            .into_iter()
            .find(|unit| unit.ucum() == code)
    }

    /// Length where it is always the same: weeks and below.
    fn nanos(self) -> Option<u64> {
        Some(match self {
            Self::Year | Self::Month => return None,
            Self::Week => 7 * NANOS_PER_DAY,
            Self::Day => NANOS_PER_DAY,
            Self::Hour => NANOS_PER_HOUR,
            Self::Minute => NANOS_PER_MINUTE,
            Self::Second => NANOS_PER_SECOND,
            Self::Millisecond => 1_000_000,
        })
    }
}

/// What is added: whole months, or a length.
enum Step {
    Months(i64),
    Nanos(i128),
}

/// Fractions count for seconds and below only: "the decimal portion of the time-valued quantity is ignored" above.
fn step(value: Decimal, unit: CalendarUnit) -> Option<Step> {
    match unit {
        CalendarUnit::Year => Some(Step::Months(value.trunc().to_i64()?.checked_mul(12)?)),
        CalendarUnit::Month => Some(Step::Months(value.trunc().to_i64()?)),
        CalendarUnit::Second | CalendarUnit::Millisecond => {
            let nanos = value.checked_mul(Decimal::from(unit.nanos()?))?;
            Some(Step::Nanos(nanos.trunc().to_i128()?))
        }
        _ => Some(Step::Nanos(value.trunc().to_i128()?.checked_mul(i128::from(unit.nanos()?))?)),
    }
}

impl Date {
    /// The date that much later, in the precision of this date; none outside the years 1 to 9999.
    pub(crate) fn plus(self, value: Decimal, unit: CalendarUnit) -> Option<Self> {
        match step(value, unit)? {
            Step::Months(months) => self.plus_months(months),
            Step::Nanos(nanos) => self.plus_days(i64::try_from(nanos / i128::from(NANOS_PER_DAY)).ok()?),
        }
    }

    fn plus_months(self, months: i64) -> Option<Self> {
        let Some(month) = self.month() else {
            return Self::new(u16::try_from(i64::from(self.year).checked_add(months / 12)?).ok()?, None, None);
        };
        let total = (i64::from(self.year) * 12 + i64::from(month) - 1).checked_add(months)?;
        let year = u16::try_from(total.div_euclid(12)).ok()?;
        let month = u8::try_from(total.rem_euclid(12) + 1).ok()?;
        // "If the resulting date is not a valid date, the last day of the month is used."
        let day = self.day().map(|day| day.min(days_in_month(year, month)));
        Self::new(year, Some(month), day)
    }

    /// A date that says no day moves by months of 30 and years of 365 days.
    fn plus_days(self, days: i64) -> Option<Self> {
        match (self.month(), self.day()) {
            (Some(_), Some(_)) => date_of_days(self.days().checked_add(days)?),
            (Some(_), None) => self.plus_months(days / 30),
            _ => self.plus_months((days / 365).checked_mul(12)?),
        }
    }
}

impl Time {
    /// The time of day that much later; it goes round at midnight.
    pub(crate) fn plus(self, value: Decimal, unit: CalendarUnit) -> Option<Self> {
        match step(value, unit)? {
            Step::Months(_) => None,
            Step::Nanos(nanos) => {
                let total = i128::from(self.nanos).checked_add(self.truncated(nanos))?;
                let nanos = u64::try_from(total.rem_euclid(i128::from(NANOS_PER_DAY))).ok()?;
                Some(Self { nanos, digits: self.digits_for(nanos), ..self })
            }
        }
    }

    /// What of a length a time of this precision can move by.
    fn truncated(self, nanos: i128) -> i128 {
        let unit = i128::from(match self.precision {
            TimePrecision::Hour => NANOS_PER_HOUR,
            TimePrecision::Minute => NANOS_PER_MINUTE,
            TimePrecision::Second => 1,
        });
        nanos / unit * unit
    }

    /// Digits enough to write milliseconds that were not there before.
    fn digits_for(self, nanos: u64) -> u8 {
        let fraction = nanos % NANOS_PER_SECOND;
        if self.precision < TimePrecision::Second || fraction == 0 {
            return self.digits;
        }
        let mut digits = 9;
        let mut rest = fraction;
        while rest.is_multiple_of(10) {
            rest /= 10;
            digits -= 1;
        }
        // Milliseconds are written as three digits.
        self.digits.max(if digits <= 3 { 3 } else { digits })
    }
}

impl DateTime {
    /// The dateTime that much later, in the precision and with the offset of this one.
    pub(crate) fn plus(self, value: Decimal, unit: CalendarUnit) -> Option<Self> {
        let Some(time) = self.time else {
            return Some(Self { date: self.date.plus(value, unit)?, ..self });
        };
        match step(value, unit)? {
            Step::Months(months) => Some(Self { date: self.date.plus_months(months)?, ..self }),
            Step::Nanos(nanos) => {
                let total = i128::from(time.nanos).checked_add(time.truncated(nanos))?;
                let days = i64::try_from(total.div_euclid(i128::from(NANOS_PER_DAY))).ok()?;
                let nanos = u64::try_from(total.rem_euclid(i128::from(NANOS_PER_DAY))).ok()?;
                let time = Time { nanos, digits: time.digits_for(nanos), ..time };
                Some(Self { date: self.date.plus_days(days)?, time: Some(time), offset: self.offset })
            }
        }
    }
}
