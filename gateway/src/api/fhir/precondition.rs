//! What a request wants to hold before it is done (RFC 9110, section 13; FHIR R4 http.html, "Managing Resource
//! Contention", "Conditional Read").

use http::StatusCode;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use model::id::ResourceType;
use model::time::Instant;

use crate::api::outcome::Failure;
use crate::api::{Call, answer};

#[cfg(test)]
mod tests;

/// What a write wants of the version before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Anything,
    /// None was named, of a type of which one must be (`[fhir] versioned_update`).
    Unnamed,
    /// `If-Match: W/"7"`
    Version(u64),
    /// `If-None-Match: *`
    Absent,
}

/// Of an update.
pub(super) fn of_update(call: &Call, resource_type: ResourceType) -> Result<Wanted, Failure> {
    let none = call.header(IF_NONE_MATCH).map(str::trim);
    match (if_match(call, resource_type)?, none) {
        (Wanted::Anything | Wanted::Unnamed, Some("*")) => Ok(Wanted::Absent),
        (Wanted::Version(_), Some("*")) => Err(Failure::bad("If-Match and If-None-Match: * cannot both hold")),
        (wanted, _) => Ok(wanted),
    }
}

/// `If-Match` of a patch or a delete.
pub(super) fn if_match(call: &Call, resource_type: ResourceType) -> Result<Wanted, Failure> {
    match call.header(IF_MATCH) {
        None => Ok(Wanted::unsaid(call, resource_type)),
        Some(value) => version_of(value).map(Wanted::Version),
    }
}

/// The version of an ETag as FHIR has it: `W/"7"`.
pub(super) fn version_of(etag: &str) -> Result<u64, Failure> {
    number_of(etag).ok_or_else(|| Failure::bad("If-Match: expected one version as W/\"7\""))
}

fn number_of(etag: &str) -> Option<u64> {
    let text = etag.trim();
    let text = text.strip_prefix("W/").unwrap_or(text);
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text).parse().ok()
}

impl Wanted {
    /// What a write that says nothing wants.
    pub(super) fn unsaid(call: &Call, resource_type: ResourceType) -> Self {
        if call.app.config.fhir.needs_version(resource_type) { Self::Unnamed } else { Self::Anything }
    }

    /// Whether nothing was said about the version before.
    pub(super) fn is_unsaid(self) -> bool {
        matches!(self, Self::Anything | Self::Unnamed)
    }

    /// 412 unless the version that is there is the one that was asked for; 428 where one had to be.
    pub(super) fn holds_for(self, version: u64) -> Result<(), Failure> {
        match self {
            Self::Anything => Ok(()),
            Self::Unnamed => Err(unnamed()),
            Self::Version(wanted) if wanted == version => Ok(()),
            Self::Version(_) | Self::Absent => Err(other_version()),
        }
    }
}

/// 412.
pub(super) fn other_version() -> Failure {
    let text = "the resource is at another version than the request asks for";
    Failure::new(StatusCode::PRECONDITION_FAILED, "conflict", text)
}

/// 428 (RFC 6585, section 3).
pub(super) fn unnamed() -> Failure {
    let text = "expected If-Match with the version that is to be replaced: this type is changed with it only";
    Failure::new(StatusCode::PRECONDITION_REQUIRED, "required", text)
}

/// Whether a read may be answered with 304: the caller has this version. `If-Modified-Since` counts only without
/// `If-None-Match` (RFC 9110, section 13.1.3); what is no date is passed over, as that section asks.
pub(super) fn is_known(call: &Call, version: u64, last_updated: Instant) -> bool {
    if let Some(known) = call.header(IF_NONE_MATCH) {
        return known.split(',').any(|one| one.trim() == "*" || number_of(one) == Some(version));
    }
    call.header(IF_MODIFIED_SINCE).and_then(answer::read_http_date).is_some_and(|since| {
        // The field has no parts of a second.
        last_updated.millis().div_euclid(1000) <= since.millis().div_euclid(1000)
    })
}
