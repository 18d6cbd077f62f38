//! What CDA R2 writes in its own way: identifiers by OID or UUID, telecommunication addresses as URLs.

use jiff::tz::TimeZone;
use smol_str::{SmolStr, format_smolstr};

use super::identity::{is_oid, is_uuid};
use super::time::{moment, parse_ts};
use super::{Back, Call, Failure, Function, Output, exact};

/// The functions of this subject.
pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "universal", arguments: 0, forward: universal, backward: Some(bare) },
    Function { name: "scheme", arguments: 0, forward: scheme, backward: None },
    Function { name: "contact", arguments: 0, forward: contact, backward: Some(super::same) },
    Function { name: "language", arguments: 0, forward: language, backward: Some(super::same) },
    Function { name: "instantUtc", arguments: 0, forward: instant_utc, backward: Some(super::time::digits_of_time) },
];

/// The URI of an OID or a UUID (FHIR R4 datatypes.html, "uri"); what is neither as it stands.
pub(crate) fn universal_uri(text: &str) -> Option<SmolStr> {
    if is_oid(text) {
        return Some(format_smolstr!("urn:oid:{text}"));
    }
    is_uuid(text).then(|| format_smolstr!("urn:uuid:{}", text.to_ascii_lowercase()))
}

fn universal(call: &Call<'_>) -> Result<Output, Failure> {
    let text = call.value.trim();
    match universal_uri(text) {
        Some(uri) => Ok(Output { lossy: (!uri.ends_with(text)).then_some(""), value: uri }),
        None if text.is_empty() => Err(Failure("expected an OID or a UUID, found blanks")),
        None => exact(text),
    }
}

fn bare(back: &Back<'_>) -> Option<Vec<String>> {
    let value = back.value;
    let bare = value.strip_prefix("urn:oid:").or_else(|| value.strip_prefix("urn:uuid:")).unwrap_or(value);
    Some(vec![bare.to_owned()])
}

/// A language tag of the form that RFC 5646 has: nothing else is a code of a language.
fn language(call: &Call<'_>) -> Result<Output, Failure> {
    let text = call.value.trim();
    let mut parts = text.split('-');
    let primary = parts.next().unwrap_or_default();
    let letters = (2..=3).contains(&primary.len()) && primary.bytes().all(|b| b.is_ascii_alphabetic());
    let tails = parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    if letters && tails { exact(text) } else { Err(Failure("expected a language as RFC 5646 writes it")) }
}

/// ContactPoint.system of a URL (CDA R2 datatypes, "TEL": RFC 3966 and others); a bare number is a telephone's.
fn scheme(call: &Call<'_>) -> Result<Output, Failure> {
    let text = call.value.trim();
    let Some((scheme, rest)) = text.split_once(':') else {
        return exact(if text.contains('@') { "email" } else { "phone" });
    };
    exact(match scheme.trim().to_ascii_lowercase().as_str() {
        _ if rest.trim().is_empty() => return Err(Failure("expected an address after the scheme")),
        "tel" => "phone",
        "fax" | "x-text-fax" => "fax",
        "mailto" => "email",
        "http" | "https" | "ftp" => "url",
        "sms" => "sms",
        _ => "other",
    })
}

/// ContactPoint.value of a URL: the number or address alone, a web address whole.
fn contact(call: &Call<'_>) -> Result<Output, Failure> {
    let text = call.value.trim();
    let value = match text.split_once(':') {
        Some((scheme, rest))
            if matches!(
                scheme.trim().to_ascii_lowercase().as_str(),
                "tel" | "fax" | "x-text-fax" | "mailto" | "sms"
            ) =>
        {
            rest.trim()
        }
        _ => text,
    };
    if value.is_empty() { Err(Failure("expected an address, found blanks")) } else { exact(value) }
}

/// The URL of a number or address of a ContactPoint.system; one that is a URL already as it stands.
pub(crate) fn contact_url(value: &str, system: &str) -> String {
    let value = value.trim();
    let scheme = match system {
        "phone" | "pager" => "tel:",
        "fax" => "fax:",
        "sms" => "sms:",
        "email" => "mailto:",
        _ => "",
    };
    let known = ["tel:", "fax:", "mailto:", "sms:", "http:", "https:"];
    let is_url =
        known.iter().any(|known| value.get(..known.len()).is_some_and(|head| head.eq_ignore_ascii_case(known)));
    if is_url { value.to_owned() } else { format!("{scheme}{value}") }
}

/// What can be read of a time that is not written as CDA writes it: ISO 8601 with its signs, or the date alone.
pub(crate) fn date_in(text: &str) -> Option<String> {
    let (day, rest) = text.split_at_checked(10).unwrap_or((text, ""));
    let parts: Vec<&str> = day.split('-').collect();
    if let [year, month, day] = parts.as_slice()
        && (year.len(), month.len(), day.len()) == (4, 2, 2)
    {
        let zone = rest.rfind(['+', '-']).map_or("", |at| rest.get(at..).unwrap_or_default());
        let time = rest.strip_suffix(zone).unwrap_or(rest).trim_end_matches('Z').trim_start_matches(['T', ' ']);
        let zone = if rest.ends_with('Z') { "+0000" } else { zone };
        let whole: String = format!("{year}{month}{day}{time}{zone}").replace(':', "");
        if parse_ts(&whole).is_ok() {
            return Some(whole);
        }
        return Some(format!("{year}{month}{day}"));
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let long = [8, 6, 4].into_iter().find(|long| digits > *long)?;
    text.get(..long).filter(|date| parse_ts(date).is_ok()).map(str::to_owned)
}

/// An instant where FHIR needs one (Bundle.timestamp, Provenance.recorded): a time without zone is taken as UTC, a date
/// as its beginning, with an issue that says so; what was said stands beside it.
fn instant_utc(call: &Call<'_>) -> Result<Output, Failure> {
    let ts = parse_ts(call.value)?;
    let utc = TimeZone::UTC;
    let zone = call.zone.unwrap_or(&utc);
    if let Some(value) = moment(&ts, Some(zone)) {
        let said = ts.has_zone() || call.zone.is_some();
        let why = if said { "" } else { "a time without zone where FHIR needs an instant: taken as UTC" };
        let exact = said && ts.to_the_second();
        return Ok(Output { value, lossy: (!exact).then_some(why) });
    }
    let Some(date) = ts.whole_date() else { return Err(Failure("expected a date at least, for an instant")) };
    let why = "a date where FHIR needs an instant: its first moment in UTC";
    Ok(Output { value: format_smolstr!("{date}T00:00:00Z"), lossy: Some(why) })
}
