//! Time: instants for what we record ourselves, partial dates for what others wrote.

use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

/// The text is not a date or time of the expected form. Never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// For [`Instant::parse`].
    #[error("expected YYYY-MM-DDThh:mm:ss[.fraction] and a zone (Z or +hh:mm)")]
    Instant,
    /// For [`PartialDateTime::parse`].
    #[error("expected YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss[.fraction] and a zone")]
    PartialDateTime,
}

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

impl Instant {
    /// The first instant an R4 `instant` can say: year 0001.
    pub const MIN: Self = Self(-62_135_596_800_000);
    /// The last instant an R4 `instant` can say: year 9999.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// From milliseconds since the epoch, brought into the years 0001 to 9999.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Milliseconds since the epoch.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// This much later; stops at the year 9999.
    pub fn after(self, duration: std::time::Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// This much earlier; stops at the year 0001.
    pub fn before(self, duration: std::time::Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_sub(millis))
    }

    /// The time since an earlier instant; zero if it is later.
    pub fn since(self, earlier: Self) -> std::time::Duration {
        std::time::Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads an R4 `instant` (a profile of RFC 3339). Digits after the third of the fraction are dropped; second 60
    /// is the second after 59.
    ///
    /// # Errors
    /// `TimeError::Instant` for other forms, days that do not exist and a missing zone.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        match parts(text) {
            Some(Parts { second: Some(_), zone: Some(_), .. }) => {}
            _ => return Err(TimeError::Instant),
        }
        parts(text).map(|parts| parts.earliest()).ok_or(TimeError::Instant)
    }

    /// `YYYY-MM-DDThh:mm:ss.mmmZ`.
    pub fn to_rfc3339(self) -> String {
        let days = self.0.div_euclid(DAY);
        let millis = self.0.rem_euclid(DAY);
        let (year, month, day) = civil(days);
        let (hour, minute) = (millis / 3_600_000, millis / 60_000 % 60);
        let (second, fraction) = (millis / 1_000 % 60, millis % 1_000);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z")
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_rfc3339())
    }
}

impl FromStr for Instant {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse(text)
    }
}

/// How precisely a date is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// `2026`
    Year,
    /// `2026-03`
    Month,
    /// `2026-03-09`
    Day,
    /// `2026-03-09T10:11:12Z`
    Second,
    /// `2026-03-09T10:11:12.5Z`: a fraction of a second, any number of digits.
    Fraction,
}

/// An R4 `date`, `dateTime` or `instant` as it was written. FHIR R4 datatypes.html, "dateTime".
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartialDateTime {
    lexeme: SmolStr,
    precision: Precision,
    earliest: Instant,
    latest: Instant,
}

impl PartialDateTime {
    /// Reads a date of any precision; the text is kept as it came.
    ///
    /// # Errors
    /// `TimeError::PartialDateTime` for other forms, days that do not exist, and a time of day without a zone (which
    /// R4 does not allow).
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let parts = parts(text).ok_or(TimeError::PartialDateTime)?;
        if parts.second.is_some() && parts.zone.is_none() {
            return Err(TimeError::PartialDateTime);
        }
        Ok(Self {
            lexeme: SmolStr::new(text),
            precision: parts.precision(),
            earliest: parts.earliest(),
            latest: parts.latest(),
        })
    }

    /// How precisely a text gives a date, if [`PartialDateTime::parse`] takes it; keeps nothing.
    ///
    /// # Errors
    /// As `parse`.
    pub fn precision_of(text: &str) -> Result<Precision, TimeError> {
        match parts(text) {
            Some(parts) if parts.second.is_none() || parts.zone.is_some() => Ok(parts.precision()),
            _ => Err(TimeError::PartialDateTime),
        }
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.lexeme
    }

    /// How precisely it is given.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The first millisecond it may mean. A date without a zone is taken as UTC.
    pub fn earliest(&self) -> Instant {
        self.earliest
    }

    /// The last millisecond it may mean. A date without a zone is taken as UTC.
    pub fn latest(&self) -> Instant {
        self.latest
    }
}

/// Where the time comes from: an argument, so that rules are the same every time they run.
pub trait Clock: Send + Sync {
    /// The present.
    fn now(&self) -> Instant;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        #[expect(clippy::disallowed_methods, reason = "this is the one clock the others are told to use")]
        let now = std::time::SystemTime::now();
        let millis = now.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Instant::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still, for tests and for output that must not depend on the day.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub Instant);

impl Clock for FixedClock {
    fn now(&self) -> Instant {
        self.0
    }
}

const DAY: i64 = 86_400_000;

/// What a date text says; every part is in its range and the day exists.
struct Parts {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    /// Hour, minute, second together: R4 has no time of day without seconds.
    second: Option<(i64, i64, i64)>,
    /// Fraction of the second: milliseconds, and digits that were given.
    millis: Option<(i64, usize)>,
    /// Minutes east of UTC.
    zone: Option<i64>,
}

impl Parts {
    fn precision(&self) -> Precision {
        match (self.month, self.day, self.second, self.millis) {
            (None, ..) => Precision::Year,
            (_, None, ..) => Precision::Month,
            (_, _, None, _) => Precision::Day,
            (_, _, _, None) => Precision::Second,
            _ => Precision::Fraction,
        }
    }

    fn earliest(&self) -> Instant {
        let days = days_from_civil(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1));
        let (hour, minute, second) = self.second.unwrap_or_default();
        let in_day = ((hour * 60 + minute - self.zone.unwrap_or(0)) * 60 + second) * 1_000;
        Instant::from_millis(days * DAY + in_day + self.millis.map_or(0, |(millis, _)| millis))
    }

    fn latest(&self) -> Instant {
        let earliest = self.earliest().0;
        let span = match self.precision() {
            Precision::Year => (days_from_civil(self.year + 1, 1, 1) - days_from_civil(self.year, 1, 1)) * DAY,
            Precision::Month => month_length(self.year, self.month.unwrap_or(1)) * DAY,
            Precision::Day => DAY,
            Precision::Second => 1_000,
            Precision::Fraction => match self.millis {
                Some((_, 1)) => 100,
                Some((_, 2)) => 10,
                _ => 1,
            },
        };
        Instant::from_millis(earliest + span - 1)
    }
}

fn parts(text: &str) -> Option<Parts> {
    let mut rest = text.as_bytes();
    let year = number(&mut rest, 4)?;
    if year == 0 {
        return None;
    }
    let mut parts = Parts { year, month: None, day: None, second: None, millis: None, zone: None };
    if rest.is_empty() {
        return Some(parts);
    }
    byte(&mut rest, b'-')?;
    let month = number(&mut rest, 2).filter(|month| (1..=12).contains(month))?;
    parts.month = Some(month);
    if rest.is_empty() {
        return Some(parts);
    }
    byte(&mut rest, b'-')?;
    parts.day = Some(number(&mut rest, 2).filter(|day| (1..=month_length(year, month)).contains(day))?);
    if rest.is_empty() {
        return Some(parts);
    }
    byte(&mut rest, b'T')?;
    let hour = number(&mut rest, 2).filter(|hour| *hour < 24)?;
    byte(&mut rest, b':')?;
    let minute = number(&mut rest, 2).filter(|minute| *minute < 60)?;
    byte(&mut rest, b':')?;
    let second = number(&mut rest, 2).filter(|second| *second <= 60)?;
    parts.second = Some((hour, minute, second));
    if byte(&mut rest, b'.').is_some() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        let (fraction, after) = rest.split_at(digits);
        let padded = fraction.iter().copied().chain([b'0', b'0']).take(3);
        parts.millis = Some((padded.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')), digits));
        rest = after;
    }
    if rest.is_empty() {
        return Some(parts);
    }
    if rest == b"Z" {
        parts.zone = Some(0);
        return Some(parts);
    }
    let sign = match rest.split_first()? {
        (b'+', after) => {
            rest = after;
            1
        }
        (b'-', after) => {
            rest = after;
            -1
        }
        _ => return None,
    };
    let hours = number(&mut rest, 2)?;
    byte(&mut rest, b':')?;
    let minutes = number(&mut rest, 2).filter(|minutes| *minutes < 60)?;
    // R4's pattern for dateTime: up to +14:00.
    if !rest.is_empty() || hours * 60 + minutes > 14 * 60 {
        return None;
    }
    parts.zone = Some(sign * (hours * 60 + minutes));
    Some(parts)
}

fn number(rest: &mut &[u8], digits: usize) -> Option<i64> {
    let (taken, after) = rest.split_at_checked(digits)?;
    let value =
        taken.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))?;
    *rest = after;
    Some(value)
}

fn byte(rest: &mut &[u8], expected: u8) -> Option<()> {
    let (first, after) = rest.split_first()?;
    (*first == expected).then(|| *rest = after)
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a day of the proleptic Gregorian calendar, counted in eras of 400 years from 0000-03-01.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = (shifted + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests;
