//! The signature of a Bundle: what can be said of its form without keys. FHIR R4 signatures.html, RFC 7515.

use model::json::{Json, Limits, parse};

use super::base64;
use super::read::text;
use crate::place::Place;
use crate::report::Report;

pub(super) fn check(signature: &Json, place: &Place<'_>, report: &mut Report) {
    let Some(data) = text(signature, "data") else { return };
    let format = text(signature, "sigFormat");
    if format.is_some_and(|format| format != "application/jose") {
        return;
    }
    let token = base64::decode(data).and_then(|bytes| String::from_utf8(bytes).ok());
    let token = match (&token, format) {
        (Some(token), _) if token.split('.').count() == 3 => token.as_str(),
        // A compact JWS is text; the element wants it in base64.
        (None, Some(_)) => {
            report.error("invalid", "expected the data of the signature in base64", place);
            data
        }
        _ => return,
    };
    let mut parts = token.split('.');
    let (Some(head), Some(payload), Some(mark)) = (parts.next(), parts.next(), parts.next()) else { return };
    if !payload.is_empty() {
        report.warning("value", "expected a detached signature: one without a payload", place);
    }
    if base64::decode(mark).is_none() {
        report.error("invalid", "expected the last part of the JWS in base64url", place);
    }
    let header = base64::decode(head).and_then(|bytes| parse(&bytes, &Limits::default()).ok());
    let Some(header) = header.filter(|header| header.as_object().is_some()) else {
        report.error("invalid", "expected the head of the JWS to be a JSON object", place);
        return;
    };
    let time = text(&header, "sigT");
    if time.is_none() && header.get("iat").is_none() {
        report.warning("not-found", "expected the head of the JWS to say when it was signed (sigT or iat)", place);
    }
    if let (Some(time), Some(when)) = (time, text(signature, "when")) {
        if time.bytes().all(|byte| byte.is_ascii_digit()) {
            report.warning("invalid", "expected sigT to be a date and time", place);
        } else if time != when {
            report.error("business-rule", "expected sigT of the JWS to be the time in when", place);
        }
    }
    if header.get("x5c").is_none() && header.get("kid").is_none() {
        report.warning("not-found", "expected the head of the JWS to name a key (x5c or kid)", place);
    }
}
