//! Reading and writing dates and times.

use std::fmt;

use super::{Date, DateTime, NANOS_PER_HOUR, NANOS_PER_MINUTE, NANOS_PER_SECOND, Offset, Time, TimePrecision};

/// Reads digits and signs from the front of a text.
struct Reader<'t> {
    rest: &'t [u8],
}

impl Reader<'_> {
    fn number(&mut self, digits: usize) -> Option<u16> {
        let head = self.rest.get(..digits)?;
        if !head.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let value = head.iter().fold(0_u16, |value, digit| value * 10 + u16::from(digit - b'0'));
        self.rest = self.rest.get(digits..)?;
        Some(value)
    }

    fn sign(&mut self, sign: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == sign => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn date(&mut self) -> Option<Date> {
        let year = self.number(4)?;
        if !self.sign(b'-') {
            return Date::new(year, None, None);
        }
        let month = u8::try_from(self.number(2)?).ok()?;
        if !self.sign(b'-') {
            return Date::new(year, Some(month), None);
        }
        let day = u8::try_from(self.number(2)?).ok()?;
        Date::new(year, Some(month), Some(day))
    }

    fn time(&mut self) -> Option<Time> {
        let part = |value: u16, limit: u16| (value < limit).then_some(u64::from(value));
        let mut nanos = part(self.number(2)?, 24)? * NANOS_PER_HOUR;
        if !self.sign(b':') {
            return Time::new(nanos, TimePrecision::Hour, 0);
        }
        nanos += part(self.number(2)?, 60)? * NANOS_PER_MINUTE;
        if !self.sign(b':') {
            return Time::new(nanos, TimePrecision::Minute, 0);
        }
        let second = self.number(2)?;
        nanos += part(second, 61)?.min(59) * NANOS_PER_SECOND;
        // 60 is the leap second of FHIR's own pattern: it counts, and is written, as the end of the second before.
        let leap = second == 60;
        if leap {
            nanos += NANOS_PER_SECOND - 1;
        }
        if !self.sign(b'.') {
            return Time::new(nanos, TimePrecision::Second, if leap { 9 } else { 0 });
        }
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return None;
        }
        let (fraction, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        let mut value = 0_u64;
        for place in 0..9 {
            value = value * 10 + u64::from(fraction.get(place).map_or(0, |digit| digit - b'0'));
        }
        if leap {
            return Time::new(nanos, TimePrecision::Second, 9);
        }
        Time::new(nanos + value, TimePrecision::Second, u8::try_from(length.min(9)).unwrap_or(9))
    }

    /// `Z`, `+hh:mm` or `-hh:mm`; none of them is fine.
    fn offset(&mut self) -> Option<Option<Offset>> {
        if self.sign(b'Z') {
            return Some(Some(Offset { minutes: 0, zulu: true }));
        }
        let east = match self.rest.first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Some(None),
        };
        self.rest = self.rest.get(1..)?;
        let hours = i16::try_from(self.number(2)?).ok()?;
        if !self.sign(b':') {
            return None;
        }
        let minutes = i16::try_from(self.number(2)?).ok()?;
        if hours > 14 || minutes > 59 || hours == 14 && minutes > 0 {
            return None;
        }
        Some(Some(Offset { minutes: east * (hours * 60 + minutes), zulu: false }))
    }
}

impl Date {
    /// Reads `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text.as_bytes() };
        let date = reader.date()?;
        reader.rest.is_empty().then_some(date)
    }
}

impl Time {
    /// Reads `hh`, `hh:mm`, `hh:mm:ss` or `hh:mm:ss.f`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text.as_bytes() };
        let time = reader.time()?;
        reader.rest.is_empty().then_some(time)
    }
}

impl DateTime {
    /// Reads a date, perhaps followed by `T`, perhaps by a time and an offset.
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text.as_bytes() };
        let date = reader.date()?;
        if !reader.sign(b'T') || reader.rest.is_empty() {
            return reader.rest.is_empty().then(|| date.to_date_time());
        }
        date.day()?;
        let time = reader.time()?;
        let offset = reader.offset()?;
        if !reader.rest.is_empty() {
            return None;
        }
        Self::new(date, Some(time), offset)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04}", self.year)?;
        if let Some(month) = self.month() {
            write!(out, "-{month:02}")?;
        }
        if let Some(day) = self.day() {
            write!(out, "-{day:02}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:02}", self.nanos / NANOS_PER_HOUR)?;
        if self.precision >= TimePrecision::Minute {
            write!(out, ":{:02}", self.nanos / NANOS_PER_MINUTE % 60)?;
        }
        if self.precision == TimePrecision::Second {
            write!(out, ":{:02}", self.nanos / NANOS_PER_SECOND % 60)?;
            if self.digits > 0 {
                let fraction = self.nanos % NANOS_PER_SECOND / 10_u64.pow(9 - u32::from(self.digits.min(9)));
                write!(out, ".{fraction:0width$}", width = usize::from(self.digits))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.zulu {
            return out.write_str("Z");
        }
        let sign = if self.minutes < 0 { '-' } else { '+' };
        let minutes = self.minutes.unsigned_abs();
        write!(out, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.date)?;
        if let Some(time) = self.time {
            write!(out, "T{time}")?;
        }
        if let Some(offset) = self.offset {
            write!(out, "{offset}")?;
        }
        Ok(())
    }
}
