//! Dates, times of day and dateTimes that keep the precision they were written with.
//!
//! FHIRPath 2.0.0, "Literals" (Date, Time, DateTime) and "Date/Time Arithmetic"; FHIR R4 datatypes.html, "date" and
//! "dateTime".

mod arithmetic;
mod text;

use std::cmp::Ordering;

pub use arithmetic::CalendarUnit;

/// A date of the years 1 to 9999: year, year and month, or whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Date {
    year: u16,
    /// 0: not said.
    month: u8,
    /// 0: not said.
    day: u8,
}

/// A time of day: hour, minute, or second with the fraction as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Time {
    /// Of the day, in nanoseconds; what is not said counts as zero.
    nanos: u64,
    precision: TimePrecision,
    /// Digits after the point of the seconds, at most 9.
    digits: u8,
}

/// How far a time is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TimePrecision {
    Hour,
    Minute,
    Second,
}

/// A date, perhaps with a time, perhaps with an offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DateTime {
    date: Date,
    time: Option<Time>,
    offset: Option<Offset>,
}

/// Minutes east of UTC, and how zero was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Offset {
    pub(crate) minutes: i16,
    pub(crate) zulu: bool,
}

pub(crate) const NANOS_PER_SECOND: u64 = 1_000_000_000;
pub(crate) const NANOS_PER_MINUTE: u64 = 60 * NANOS_PER_SECOND;
pub(crate) const NANOS_PER_HOUR: u64 = 60 * NANOS_PER_MINUTE;
pub(crate) const NANOS_PER_DAY: u64 = 24 * NANOS_PER_HOUR;

impl Date {
    /// A date of these parts, if there is one; parts that are not said are `None`.
    pub(crate) fn new(year: u16, month: Option<u8>, day: Option<u8>) -> Option<Self> {
        if !(1..=9999).contains(&year) {
            return None;
        }
        let (month, day) = match (month, day) {
            (None, None) => (0, 0),
            (Some(month @ 1..=12), None) => (month, 0),
            (Some(month @ 1..=12), Some(day)) if day >= 1 && day <= days_in_month(year, month) => (month, day),
            _ => return None,
        };
        Some(Self { year, month, day })
    }

    pub(crate) fn year(self) -> u16 {
        self.year
    }

    pub(crate) fn month(self) -> Option<u8> {
        (self.month > 0).then_some(self.month)
    }

    pub(crate) fn day(self) -> Option<u8> {
        (self.day > 0).then_some(self.day)
    }

    /// The same day as a dateTime of the same precision.
    pub fn to_date_time(self) -> DateTime {
        DateTime { date: self, time: None, offset: None }
    }

    /// Days since 1970-01-01; what is not said counts as the first.
    fn days(self) -> i64 {
        days_from_civil(i64::from(self.year), i64::from(self.month.max(1)), i64::from(self.day.max(1)))
    }

    /// Of two dates: none where one says more than the other and they agree so far.
    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        match compare_parts([(self.year, other.year), (self.month.into(), other.month.into())]) {
            Parts::Decided(ordering) => Some(ordering),
            Parts::Unsaid => None,
            Parts::Equal if self.month == 0 => Some(Ordering::Equal),
            Parts::Equal => match compare_parts([(self.day.into(), other.day.into())]) {
                Parts::Decided(ordering) => Some(ordering),
                Parts::Unsaid => None,
                Parts::Equal => Some(Ordering::Equal),
            },
        }
    }
}

enum Parts {
    Decided(Ordering),
    Equal,
    Unsaid,
}

/// Compares parts in turn; 0 is a part that is not said.
fn compare_parts<const N: usize>(parts: [(u16, u16); N]) -> Parts {
    for (left, right) in parts {
        match (left, right) {
            (0, 0) => return Parts::Equal,
            (0, _) | (_, 0) => return Parts::Unsaid,
            _ if left != right => return Parts::Decided(left.cmp(&right)),
            _ => {}
        }
    }
    Parts::Equal
}

impl Time {
    pub(crate) fn new(nanos: u64, precision: TimePrecision, digits: u8) -> Option<Self> {
        (nanos < NANOS_PER_DAY).then_some(Self { nanos, precision, digits })
    }

    pub(crate) fn nanos(self) -> u64 {
        self.nanos
    }

    pub(crate) fn precision(self) -> TimePrecision {
        self.precision
    }

    pub(crate) fn digits(self) -> u8 {
        self.digits
    }

    /// Seconds and their fraction are one precision. FHIRPath 2.0.0, "Equals" (Time).
    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        let least = self.precision.min(other.precision);
        let unit = match least {
            TimePrecision::Hour => NANOS_PER_HOUR,
            TimePrecision::Minute => NANOS_PER_MINUTE,
            TimePrecision::Second => 1,
        };
        let ordering = (self.nanos / unit).cmp(&(other.nanos / unit));
        match ordering {
            Ordering::Equal if self.precision != other.precision => None,
            ordering => Some(ordering),
        }
    }
}

impl DateTime {
    pub(crate) fn new(date: Date, time: Option<Time>, offset: Option<Offset>) -> Option<Self> {
        let fits = time.is_none() && offset.is_none() || date.day != 0;
        fits.then_some(Self { date, time, offset })
    }

    /// The instant in UTC, as `now()` gives it.
    pub(crate) fn from_instant(instant: model::time::Instant) -> Option<Self> {
        let millis = instant.millis();
        let days = millis.div_euclid(86_400_000);
        let of_day = u64::try_from(millis.rem_euclid(86_400_000)).ok()?;
        let date = date_of_days(days)?;
        let time = Time::new(of_day * 1_000_000, TimePrecision::Second, 3)?;
        Self::new(date, Some(time), Some(Offset { minutes: 0, zulu: true }))
    }

    /// The date part, with its precision.
    pub fn date(self) -> Date {
        self.date
    }

    /// The time part, if one is said.
    pub fn time(self) -> Option<Time> {
        self.time
    }

    pub(crate) fn offset(self) -> Option<Offset> {
        self.offset
    }

    /// The same moment with the offset 0; unchanged without a time or an offset.
    fn to_utc(self) -> Self {
        let (Some(time), Some(offset)) = (self.time, self.offset) else { return self };
        if offset.minutes == 0 {
            return self;
        }
        let total = i128::from(self.date.days()) * i128::from(NANOS_PER_DAY) + i128::from(time.nanos)
            - i128::from(offset.minutes) * i128::from(NANOS_PER_MINUTE);
        let moved = i64::try_from(total.div_euclid(i128::from(NANOS_PER_DAY))).ok().and_then(date_of_days);
        let nanos = u64::try_from(total.rem_euclid(i128::from(NANOS_PER_DAY))).unwrap_or_default();
        match moved {
            Some(date) => {
                Self { date, time: Some(Time { nanos, ..time }), offset: Some(Offset { minutes: 0, zulu: true }) }
            }
            None => self,
        }
    }

    /// `=` of two dateTimes: open where only one says its offset and some offset would make them the same.
    pub(crate) fn equal(self, other: Self) -> Option<bool> {
        if self.offset.is_some() != other.offset.is_some()
            && let (Some(_), Some(_)) = (self.time, other.time)
        {
            let apart = (self.to_utc().nanos() - other.to_utc().nanos()).unsigned_abs();
            return if apart <= 14 * u128::from(NANOS_PER_HOUR) { None } else { Some(false) };
        }
        self.compare(other).map(Ordering::is_eq)
    }

    /// Since 1970, as if what is not said were zero.
    fn nanos(self) -> i128 {
        i128::from(self.date.days()) * i128::from(NANOS_PER_DAY) + i128::from(self.time.map_or(0, Time::nanos))
    }

    /// The order of two dateTimes; without an offset a time counts as UTC unless the other side has none either.
    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        let (left, right) = match (self.offset, other.offset) {
            (None, None) => (self, other),
            _ => (self.to_utc(), other.to_utc()),
        };
        match left.date.compare(right.date)? {
            Ordering::Equal => match (left.time, right.time) {
                (None, None) => Some(Ordering::Equal),
                (Some(left), Some(right)) => left.compare(right),
                _ => None,
            },
            ordering => Some(ordering),
        }
    }
}

pub(crate) fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 of the proleptic Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`]; none outside the years 1 to 9999.
fn date_of_days(days: i64) -> Option<Date> {
    // From year -9999 on; keeps the sums below far from overflow.
    if !(-4_000_000..=4_000_000).contains(&days) {
        return None;
    }
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Date::new(u16::try_from(year).ok()?, Some(u8::try_from(month).ok()?), Some(u8::try_from(day).ok()?))
}

#[cfg(test)]
mod tests;
