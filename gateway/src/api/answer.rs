//! Answers that are no refusals.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED};
use http::{HeaderValue, StatusCode};
use http_body_util::Full;
use model::json::Json;
use model::time::Instant;

use super::outcome::FHIR_JSON;
use crate::layers::Response;

/// An answer of this media type.
pub fn bytes(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// `application/json`, kept by no cache: what is shown depends on who asks.
pub fn json(status: StatusCode, body: &Json) -> Response {
    let mut response = bytes(status, "application/json", body.to_bytes());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `application/fhir+json`, kept by no cache.
pub fn fhir(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let mut response = bytes(status, FHIR_JSON, body);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// Sets a header; a value that no header can hold is left out.
pub fn header(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// `ETag` and `Last-Modified` of a version (FHIR R4 http.html, "Support for Versions").
pub fn version(response: &mut Response, version: u64, last_updated: Instant) {
    header(response, ETAG, &format!("W/\"{version}\""));
    header(response, LAST_MODIFIED, &http_date(last_updated));
}

/// An instant as HTTP has it: `Sun, 01 Mar 2026 10:00:00 GMT` (RFC 9110, section 5.6.7).
pub fn http_date(at: Instant) -> String {
    let text = at.to_rfc3339();
    let number =
        |range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<usize>().ok()).unwrap_or(0);
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let time = text.get(11..19).unwrap_or("00:00:00");
    let days = at.millis().div_euclid(86_400_000);
    // 1 January 1970 was a Thursday.
    let weekday = usize::try_from((days + 4).rem_euclid(7)).unwrap_or(0);
    let week = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"].get(weekday).copied().unwrap_or("Sun");
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let name = names.get(month.wrapping_sub(1)).copied().unwrap_or("Jan");
    format!("{week}, {day:02} {name} {year:04} {time} GMT")
}

/// Reads such an instant; the two older forms that HTTP had are not taken.
pub fn read_http_date(text: &str) -> Option<Instant> {
    let (_, rest) = text.trim().split_once(", ")?;
    let mut parts = rest.strip_suffix(" GMT")?.split(' ');
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = names.iter().position(|name| *name == month)? + 1;
    if parts.next().is_some() || day.len() != 2 || year.len() != 4 || time.len() != 8 {
        return None;
    }
    Instant::parse(&format!("{year}-{month:02}-{day}T{time}Z")).ok()
}

#[cfg(test)]
mod tests;
