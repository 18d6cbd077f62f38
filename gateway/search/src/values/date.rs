//! Dates: `low` and `high` are the first and the last millisecond that a value may mean. FHIR R4 search.html, "date".

use std::time::Duration;

use model::json::Json;
use model::time::{Instant, PartialDateTime};

use crate::row::Test;
use crate::values::prefix::Prefix;
use crate::values::{Sink, Value, span_value};

/// A stretch of instants, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The first.
    pub from: Instant,
    /// The last.
    pub to: Instant,
}

const ALWAYS: Stretch = Stretch { from: Instant::MIN, to: Instant::MAX };

pub(crate) fn rows(value: &Value<'_>, sink: &mut Sink<'_>) {
    if let Some(found) = stretch_of(value) {
        sink.put(span_value(b"", ordered(found.from), ordered(found.to)));
    }
}

/// What a date, a Period or a Timing covers; the gaps of a Timing count as covered.
fn stretch_of(value: &Value<'_>) -> Option<Stretch> {
    let date = |text: &str| PartialDateTime::parse(text).ok();
    match value.of {
        "date" | "dateTime" | "instant" => {
            let date = date(value.text()?)?;
            Some(Stretch { from: date.earliest(), to: date.latest() })
        }
        "Period" => period(value.json),
        "Timing" => {
            let events = value.json.items("event").iter().filter_map(|event| date(event.as_str()?));
            let mut covered: Option<Stretch> = None;
            let mut cover = |one: Stretch| {
                let known = covered.unwrap_or(one);
                covered = Some(Stretch { from: known.from.min(one.from), to: known.to.max(one.to) });
            };
            events.for_each(|event| cover(Stretch { from: event.earliest(), to: event.latest() }));
            value.json.at(&["repeat", "boundsPeriod"]).and_then(period).into_iter().for_each(cover);
            covered
        }
        _ => None,
    }
}

fn period(json: &Json) -> Option<Stretch> {
    let end = |name: &str| json.text_at(&[name]).and_then(|text| PartialDateTime::parse(text).ok());
    let (start, end) = (end("start"), end("end"));
    if start.is_none() && end.is_none() {
        return None;
    }
    Some(Stretch {
        from: start.map_or(ALWAYS.from, |start| start.earliest()),
        to: end.map_or(ALWAYS.to, |end| end.latest()),
    })
}

/// Eight bytes that sort as instants do.
pub(crate) fn ordered(at: Instant) -> [u8; 8] {
    (at.millis().cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// A value of a query: its prefix and what it covers. `ap` covers a tenth of the time that lies between it and now.
pub(crate) fn read(text: &str, now: Instant) -> Option<(Prefix, Stretch)> {
    let (prefix, date) = Prefix::cut(text)?;
    let mut found = stretch(date)?;
    if prefix == Prefix::Ap {
        let middle = found.from.millis().midpoint(found.to.millis());
        let tenth = Duration::from_millis(now.millis().abs_diff(middle) / 10);
        found = Stretch { from: found.from.before(tenth), to: found.to.after(tenth) };
    }
    Some((prefix, found))
}

pub(crate) fn tests(prefix: Prefix, found: Stretch) -> Vec<Test> {
    prefix.tests(b"", ordered(found.from), ordered(found.to))
}

/// The instants that `_lastUpdated` allows: one stretch, or two for `ne`.
pub(crate) fn allowed(prefix: Prefix, found: Stretch) -> Vec<Stretch> {
    let before = Stretch { from: Instant::MIN, to: Instant::from_millis(found.from.millis().saturating_sub(1)) };
    let after = Stretch { from: Instant::from_millis(found.to.millis().saturating_add(1)), to: Instant::MAX };
    match prefix {
        Prefix::Eq | Prefix::Ap => vec![found],
        Prefix::Ne => vec![before, after],
        Prefix::Gt | Prefix::Sa => vec![after],
        Prefix::Lt | Prefix::Eb => vec![before],
        Prefix::Ge => vec![Stretch { from: found.from, to: Instant::MAX }],
        Prefix::Le => vec![Stretch { from: Instant::MIN, to: found.to }],
    }
}

/// The stretch a date of any precision means. Search also knows minutes, and times without a zone (taken as UTC); a
/// plus sign that came as a blank is one that was not escaped.
pub(crate) fn stretch(text: &str) -> Option<Stretch> {
    let text = text.replace(' ', "+");
    let Some((day, time)) = text.split_once('T') else {
        let date = PartialDateTime::parse(&text).ok()?;
        return Some(Stretch { from: date.earliest(), to: date.latest() });
    };
    let at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at_checked(at)?;
    let zone = if zone.is_empty() { "Z" } else { zone };
    if clock.len() == "hh:mm".len() {
        let date = PartialDateTime::parse(&format!("{day}T{clock}:00{zone}")).ok()?;
        return Some(Stretch { from: date.earliest(), to: date.earliest().after(Duration::from_millis(59_999)) });
    }
    let date = PartialDateTime::parse(&format!("{day}T{clock}{zone}")).ok()?;
    Some(Stretch { from: date.earliest(), to: date.latest() })
}

#[cfg(test)]
mod tests;
