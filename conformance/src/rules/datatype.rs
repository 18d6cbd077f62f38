//! Identifiers, codings and attachments. FHIR R4 datatypes.html.

use model::json::Json;

use super::read::{scalar, text};
use super::{base64, text as form};
use crate::place::Place;
use crate::report::Report;
use crate::resolve::is_absolute;
use crate::scope::Scope;

/// `system` is absolute; a value in the namespace of URIs is one.
pub(super) fn identifier(value: &Json, place: &Place<'_>, report: &mut Report) {
    let Some(system) = text(value, "system") else { return };
    if !["http:", "https:", "urn:", "ldap:"].iter().any(|scheme| system.starts_with(scheme)) {
        report.error("code-invalid", "expected the system of an identifier to be an absolute URL or a URN", place);
    }
    let Some(identifier) = text(value, "value") else { return };
    if system == "urn:ietf:rfc:3986" && !has_scheme(identifier) {
        report.error("code-invalid", "expected the value to be a whole URI, as the system says (RFC 3986)", place);
    }
    if system == "https://tools.ietf.org/html/rfc4122" {
        let uuid = identifier.strip_prefix("urn:uuid:").unwrap_or(identifier);
        if form::is_uuid(&uuid.to_ascii_lowercase()) {
            let expected = "expected a UUID as urn:uuid: in the system urn:ietf:rfc:3986";
            report.warning("code-invalid", expected, place);
        } else {
            report.error("code-invalid", "expected the value to be a UUID, as the system says", place);
        }
    }
}

fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_');
        scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && scheme.bytes().all(is_letter)
            && !rest.is_empty()
    })
}

/// A supplement adds to a code system and has no codes of its own.
pub(super) fn coding(scope: &Scope<'_>, value: &Json, place: &Place<'_>, report: &mut Report) {
    let Some(system) = text(value, "system") else { return };
    if !is_absolute(system) {
        report.error("code-invalid", "expected the system to be an absolute URL or a URN", place);
        return;
    }
    if scope.find("CodeSystem", system).is_none() && scope.find("ValueSet", system).is_some() {
        let expected = "expected the code system, not a value set";
        report.error("code-invalid", expected, &place.member("system"));
    }
    let is_supplement =
        |found: &Json| text(found, "content") == Some("supplement") || found.get("supplements").is_some();
    if scope.find("CodeSystem", system).is_some_and(|found| is_supplement(&found)) {
        report.error("invalid", "expected the code system itself, not a supplement of it", &place.member("system"));
    }
}

/// `size` is that of `data`; without data or url an attachment says at least what it would be.
pub(super) fn attachment(value: &Json, place: &Place<'_>, report: &mut Report) {
    let size = value.get("size").and_then(scalar).and_then(|size| size.parse::<usize>().ok());
    let actual = text(value, "data").and_then(base64::decoded_length);
    if let (Some(size), Some(actual)) = (size, actual)
        && size != actual
    {
        report.error("structure", "expected size to be the number of bytes of data", place);
    }
    let has = |name: &str| value.get(name).is_some();
    if !["data", "url", "contentType", "language"].into_iter().any(has) {
        report.warning("structure", "expected data or url, or what is known of them", place);
    }
}
