//! `_lastUpdated`: prefixes and partial dates. FHIR R4 search.html, "date" and "Prefixes".

use std::time::Duration;

use model::time::{Instant, PartialDateTime};

/// A stretch of instants, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

/// The instants that one value allows: one stretch, or two for `ne`.
pub(crate) fn allowed(text: &str) -> Option<Vec<Span>> {
    let (prefix, date) = match text.split_at_checked(2) {
        Some((prefix, date)) if prefix.bytes().all(|letter| letter.is_ascii_lowercase()) => (prefix, date),
        _ => ("eq", text),
    };
    let span = span(date)?;
    let before = Span { from: Instant::MIN, to: Instant::from_millis(span.from.millis().saturating_sub(1)) };
    let after = Span { from: Instant::from_millis(span.to.millis().saturating_add(1)), to: Instant::MAX };
    Some(match prefix {
        "eq" => vec![span],
        "ne" => vec![before, after],
        "gt" | "sa" => vec![after],
        "lt" | "eb" => vec![before],
        "ge" => vec![Span { from: span.from, to: Instant::MAX }],
        "le" => vec![Span { from: Instant::MIN, to: span.to }],
        _ => return None,
    })
}

/// The stretch a date of any precision means. Search also knows minutes, and times without a zone (taken as UTC); a
/// plus sign that came as a blank is one that was not escaped.
fn span(text: &str) -> Option<Span> {
    let text = text.replace(' ', "+");
    let Some((day, time)) = text.split_once('T') else {
        let date = PartialDateTime::parse(&text).ok()?;
        return Some(Span { from: date.earliest(), to: date.latest() });
    };
    let at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at_checked(at)?;
    let zone = if zone.is_empty() { "Z" } else { zone };
    if clock.len() == "hh:mm".len() {
        let date = PartialDateTime::parse(&format!("{day}T{clock}:00{zone}")).ok()?;
        return Some(Span { from: date.earliest(), to: date.earliest().after(Duration::from_millis(59_999)) });
    }
    let date = PartialDateTime::parse(&format!("{day}T{clock}{zone}")).ok()?;
    Some(Span { from: date.earliest(), to: date.latest() })
}

#[cfg(test)]
mod tests;
