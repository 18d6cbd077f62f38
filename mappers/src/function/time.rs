//! Dates, times and instants.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use smol_str::{SmolStr, SmolStrBuilder, format_smolstr};

use crate::quick::trim;

use super::{Authorities, Back, Call, Failure, Function, Output};

/// The functions of this subject.
pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "date", arguments: 0, forward: date, backward: Some(digits_of_time) },
    Function { name: "day", arguments: 0, forward: date, backward: Some(digits_of_day) },
    Function { name: "dateTime", arguments: 0, forward: date_time, backward: Some(digits_of_time) },
    Function { name: "instant", arguments: 0, forward: instant, backward: Some(digits_of_time) },
    Function { name: "time", arguments: 0, forward: time, backward: Some(digits_of_time) },
    Function { name: "after", arguments: 2, forward: super::span::after, backward: None },
];

/// A timestamp of HL7 v2, as far as it goes. HL7 v2.8.2 chapter 2A, "DTM": `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]`.
pub(super) struct Timestamp<'a> {
    date: &'a str,
    clock: &'a str,
    fraction: &'a str,
    zone: Option<&'a str>,
}

impl Timestamp<'_> {
    pub(super) fn has_zone(&self) -> bool {
        self.zone.is_some()
    }

    pub(super) fn to_the_second(&self) -> bool {
        self.clock.len() == 6
    }

    /// The date, if it goes to the day.
    pub(super) fn whole_date(&self) -> Option<SmolStr> {
        (self.date.len() == 8).then(|| dashed(self.date))
    }
}

const EXPECTED_TIMESTAMP: Failure = Failure("expected a timestamp of YYYY[MM[DD[HHMM[SS[.S]]]]][+/-ZZZZ]");

pub(super) fn parse_ts(text: &str) -> Result<Timestamp<'_>, Failure> {
    let text = trim(text);
    let (body, zone) = match text.find(['+', '-']) {
        Some(at) => {
            let (body, zone) = text.split_at_checked(at).ok_or(EXPECTED_TIMESTAMP)?;
            let digits = zone.get(1..).unwrap_or_default();
            let known = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit());
            let hours = digits.get(..2).and_then(|h| h.parse::<u8>().ok()).unwrap_or(99);
            let minutes = digits.get(2..).and_then(|m| m.parse::<u8>().ok()).unwrap_or(99);
            if !known || hours > 14 || minutes > 59 {
                return Err(EXPECTED_TIMESTAMP);
            }
            (body, Some(zone))
        }
        None => (text, None),
    };
    let (digits, fraction) = body.split_once('.').unwrap_or((body, ""));
    let numeric = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !numeric(digits) || !numeric(fraction) || !matches!(digits.len(), 4 | 6 | 8 | 10 | 12 | 14) {
        return Err(EXPECTED_TIMESTAMP);
    }
    let (date, clock) = digits.split_at_checked(digits.len().min(8)).ok_or(EXPECTED_TIMESTAMP)?;
    if !real_date(date) || !real_clock(clock) || (!fraction.is_empty() && clock.len() != 6) {
        return Err(Failure("expected a date and time that exist"));
    }
    Ok(Timestamp { date, clock, fraction, zone })
}

fn part(text: &str, from: usize, to: usize) -> Option<i16> {
    text.get(from..to)?.parse().ok()
}

fn real_date(date: &str) -> bool {
    let Some(year) = part(date, 0, 4) else { return false };
    let small = |value: i16| i8::try_from(value).unwrap_or(0);
    let month = if date.len() >= 6 { part(date, 4, 6).map_or(0, small) } else { 1 };
    let day = if date.len() >= 8 { part(date, 6, 8).map_or(0, small) } else { 1 };
    year > 0 && Date::new(year, month, day).is_ok()
}

fn real_clock(clock: &str) -> bool {
    let at = |from, to| part(clock, from, to).unwrap_or(0);
    at(0, 2) < 24 && at(2, 4) < 60 && at(4, 6) < 60
}

/// The pieces one after the other.
fn joined(pieces: &[&str]) -> SmolStr {
    let mut out = SmolStrBuilder::new();
    for piece in pieces {
        out.push_str(piece);
    }
    out.finish()
}

fn dashed(date: &str) -> SmolStr {
    let year = date.get(..4).unwrap_or_default();
    match (date.get(4..6), date.get(6..8)) {
        (Some(month), Some(day)) => joined(&[year, "-", month, "-", day]),
        (Some(month), None) => joined(&[year, "-", month]),
        _ => year.into(),
    }
}

/// The date alone; a time of day that is said as well is kept.
fn date(call: &Call<'_>) -> Result<Output, Failure> {
    let ts = parse_ts(call.value)?;
    let midnight = ts.clock.bytes().all(|b| b == b'0') && ts.fraction.is_empty();
    let lossy = (!ts.clock.is_empty()).then_some(if midnight { "" } else { "the time of day is kept beside the date" });
    Ok(Output { value: dashed(ts.date), lossy })
}

/// A time needs a zone in FHIR (R4 datatypes.html, "dateTime"): its own, or the source's. Without one only the date is
/// said and the text is kept beside it.
fn date_time(call: &Call<'_>) -> Result<Output, Failure> {
    let ts = parse_ts(call.value)?;
    if ts.clock.len() < 4 {
        let lossy = (!ts.clock.is_empty()).then_some("an hour without minutes is no time in FHIR");
        let lossy = lossy.or_else(|| ts.zone.map(|_| ""));
        return Ok(Output { value: dashed(ts.date), lossy });
    }
    match moment(&ts, call.zone) {
        Some(value) => Ok(Output { value, lossy: (ts.clock.len() == 4).then_some("") }),
        None => Ok(Output { value: dashed(ts.date), lossy: Some("a time without zone: only its date is said") }),
    }
}

pub(super) fn moment(ts: &Timestamp<'_>, zone: Option<&TimeZone>) -> Option<SmolStr> {
    let date = dashed(ts.date);
    let (hour, minute) = (ts.clock.get(..2)?, ts.clock.get(2..4)?);
    let second = ts.clock.get(4..6).unwrap_or("00");
    let (dot, fraction) = if ts.fraction.is_empty() { ("", "") } else { (".", ts.fraction) };
    let offset: SmolStr = match ts.zone {
        Some(zone) => joined(&[zone.get(..3)?, ":", zone.get(3..)?]),
        None => {
            let of = |text: &str, from| part(text, from, from + 2).and_then(|n| i8::try_from(n).ok());
            let civil = DateTime::new(
                part(ts.date, 0, 4)?,
                of(ts.date, 4)?,
                of(ts.date, 6)?,
                of(ts.clock, 0)?,
                of(ts.clock, 2)?,
                of(second, 0)?,
                0,
            )
            .ok()?;
            let seconds = zone?.to_ambiguous_zoned(civil).compatible().ok()?.offset().seconds();
            let sign = if seconds < 0 { '-' } else { '+' };
            format_smolstr!("{sign}{:02}:{:02}", seconds.abs() / 3600, seconds.abs() % 3600 / 60)
        }
    };
    Some(joined(&[&date, "T", hour, ":", minute, ":", second, dot, fraction, &offset]))
}

fn instant(call: &Call<'_>) -> Result<Output, Failure> {
    let ts = parse_ts(call.value)?;
    let value = moment(&ts, call.zone).ok_or(Failure("expected a time to the minute with a zone"))?;
    Ok(Output { value, lossy: (ts.clock.len() == 4).then_some("") })
}

/// HL7 v2.8.2 chapter 2A, "TM": `HH[MM[SS[.S]]][+/-ZZZZ]`. FHIR's time has no zone: one that is said is kept.
fn time(call: &Call<'_>) -> Result<Output, Failure> {
    const EXPECTED: Failure = Failure("expected a time of HHMM[SS[.S]]");
    let text = call.value.trim();
    let (body, zone) = match text.find(['+', '-']).and_then(|at| text.split_at_checked(at)) {
        Some((body, zone)) => (body, zone),
        None => (text, ""),
    };
    let (clock, fraction) = body.split_once('.').unwrap_or((body, ""));
    let numeric = clock.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    if !numeric || !matches!(clock.len(), 4 | 6) || !real_clock(clock) {
        return Err(EXPECTED);
    }
    let (hour, minute) = (clock.get(..2).unwrap_or_default(), clock.get(2..4).unwrap_or_default());
    let second = clock.get(4..6).unwrap_or("00");
    let (dot, fraction) = if fraction.is_empty() { ("", "") } else { (".", fraction) };
    let lossy = (clock.len() == 4 || !zone.is_empty()).then_some("");
    Ok(Output { value: format_smolstr!("{hour}:{minute}:{second}{dot}{fraction}"), lossy })
}

/// Dates, times and instants of FHIR as HL7 v2 writes them: without marks, the zone without a colon.
pub(super) fn digits_of_time(back: &Back<'_>) -> Option<Vec<String>> {
    let value = back.value;
    let (date, clock) = match value.split_once('T') {
        Some((date, clock)) => (date, clock),
        None if value.contains(':') => ("", value),
        None => (value, ""),
    };
    let mut out: String = date.chars().filter(char::is_ascii_digit).collect();
    match clock.strip_suffix('Z') {
        Some(clock) => {
            out.extend(clock.chars().filter(|c| *c != ':'));
            out.push_str("+0000");
        }
        None => out.extend(clock.chars().filter(|c| *c != ':')),
    }
    Some(vec![out])
}

/// A date without a time of day: what has one is no DT (HL7 v2.8.2 chapter 2A, "DT").
fn digits_of_day(back: &Back<'_>) -> Option<Vec<String>> {
    if back.value.contains([':', 'T']) { None } else { digits_of_time(back) }
}

/// A time as ISO 8601 and FHIR write it, in the digits of HL7.
pub(crate) fn digits_of_iso(text: &str) -> Option<String> {
    let (date, time) = text.split_once(['T', ' '])?;
    let (time, zone) = match time.find(['Z', '+', '-']) {
        Some(at) => time.split_at_checked(at)?,
        None => (time, ""),
    };
    let plain = |text: &str| text.replace(['-', ':'], "");
    let zone = match zone {
        "Z" => "+0000".to_owned(),
        zone => zone.replace(':', ""),
    };
    (date.len() == 10 && time.len() >= 5).then(|| format!("{}{}{zone}", plain(date), plain(time)))
}

/// Whether the text is a timestamp.
pub(crate) fn is_timestamp(text: &str) -> bool {
    parse_ts(text).is_ok()
}

/// Whether the text is a time of day.
pub(crate) fn is_time(text: &str) -> bool {
    time(&Call { value: text, arguments: &[], zone: None, authorities: Authorities::default() }).is_ok()
}
