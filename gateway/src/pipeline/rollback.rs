//! A Consent that a source sends never takes the place of a later one: a message captured years ago, or one a broken
//! feed sends again, must not bring back what the patient has withdrawn since.
//!
//! Only sources are held to this. A patient, or an administrator on paper of theirs, may write any content again: that
//! is an update like every other, audited, with its own version.

use model::json::{Json, Limits, Object, parse};
use model::resource::{id, patients_of, resource_type};
use model::time::PartialDateTime;
use store::{Resources, Store};

/// Versions that are looked at for content that comes back.
const VERSIONS: usize = 200;

/// Why a Consent of a source may not be written; `None` if it may, and for every other resource.
///
/// # Errors
/// What the store says; nothing is written then.
pub(crate) fn refusal(store: &Store, resource: &Json) -> Result<Option<&'static str>, store::Error> {
    if resource_type(resource) != Some("Consent") {
        return Ok(None);
    }
    let (own, said) = (id(resource).unwrap_or_default(), content(resource));
    let mut versions = store.history("Consent", own, None, VERSIONS)?.into_iter().filter(|version| !version.deleted);
    if let Some(current) = versions.next() {
        let Some(before) = read(&current.body) else { return Ok(None) };
        if content(&before) != said {
            if is_older(resource, &before) {
                return Ok(Some("expected a consent that is not older than the one stored under this id"));
            }
            if versions.any(|version| read(&version.body).is_some_and(|version| content(&version) == said)) {
                return Ok(Some("expected a new consent, found the content of an earlier version"));
            }
        }
    }
    revoked(store, resource, own)
}

/// The same instrument under another id, revoked since: of those in force the latest counts, but one that is no longer in
/// force could not outdo this.
fn revoked(store: &Store, resource: &Json, own: &str) -> Result<Option<&'static str>, store::Error> {
    let is_active = |consent: &Json| consent.get("status").and_then(Json::as_str) == Some("active");
    let names = identifiers(resource);
    if names.is_empty() || !is_active(resource) {
        return Ok(None);
    }
    for patient in patients_of(resource) {
        for other in store.of_patient(patient.as_str(), &["Consent"])? {
            let Some(stored) = read(&other.body).filter(|_| other.id != own) else { continue };
            let same = identifiers(&stored).iter().any(|name| names.contains(name));
            if same && !is_active(&stored) && !is_older(&stored, resource) {
                return Ok(Some("expected a consent that is later than the end of the one with this identifier"));
            }
        }
    }
    Ok(None)
}

/// Whether `one` was issued before `other`. Without a date it may have been.
fn is_older(one: &Json, other: &Json) -> bool {
    let issued = |consent: &Json| {
        let text = consent.get("dateTime").and_then(Json::as_str)?;
        PartialDateTime::parse(text).ok().map(|date| date.earliest())
    };
    match (issued(one), issued(other)) {
        (Some(one), Some(other)) => one < other,
        (None, Some(_)) => true,
        (_, None) => false,
    }
}

fn identifiers(consent: &Json) -> Vec<(&str, &str)> {
    let pair = |identifier| Some((Json::text_at(identifier, &["system"])?, Json::text_at(identifier, &["value"])?));
    consent.items("identifier").iter().filter_map(pair).collect()
}

fn read(body: &[u8]) -> Option<Json> {
    parse(body, &Limits::default()).ok()
}

/// What a consent says, without what a server writes of it.
fn content(consent: &Json) -> Vec<u8> {
    let members = consent.as_object().into_iter().flat_map(Object::iter);
    let mut said = Object::new();
    for (name, value) in members.filter(|(name, _)| *name != "meta") {
        said.insert(name, value.clone());
    }
    Json::from(said).to_bytes()
}

#[cfg(test)]
mod tests;
