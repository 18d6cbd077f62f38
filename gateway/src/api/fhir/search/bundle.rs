//! The answer of a search: its entries, its links, and what was not done.

use std::borrow::Cow;

use model::bundle::searchset;
use model::json::Json;
use model::outcome::{Issue, operation_outcome};

use super::cursor::Part;
use super::links::Links;
use super::walk::Found;
use crate::api::outcome::Failure;
use crate::api::release::Released;

/// What is shown.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The matches of the page and its neighbours.
    pub(super) found: Found,
    /// What came along with them.
    pub(super) included: Vec<Released>,
    /// Said where it is known.
    pub(super) total: Option<u64>,
    /// What was left out, not known, or not looked at.
    pub(super) said: Vec<Issue>,
}

/// The own page; and where there are several, the others.
fn all(links: &Links<'_>, own: &Part, found: &Found) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut all = vec![("self", links.to(own)?)];
    if found.previous.is_some() || found.next.is_some() {
        all.push(("first", links.to(&Part::First)?));
        if let Some(previous) = &found.previous {
            all.push(("previous", links.to(previous)?));
        }
        if let Some(next) = &found.next {
            all.push(("next", links.to(next)?));
        }
        all.push(("last", links.to(&Part::Last)?));
    }
    Ok(all)
}

/// The Bundle. Resources stand in it as they leave, byte for byte: reading and writing them once more would be most of what
/// a search costs.
pub(super) fn bundle(base: &str, (links, own): (&Links<'_>, &Part), shown: &Shown) -> Result<Vec<u8>, Failure> {
    let mut text = searchset(shown.total, all(links, own, &shown.found)?, []).to_bytes();
    let matches = shown.found.released.iter().map(|one| (one, "match"));
    let included = shown.included.iter().map(|one| (one, "include"));
    let entries = matches
        .chain(included)
        .map(|(one, mode)| (format!("{base}/{}", one.reference()), Cow::Borrowed(one.bytes().as_ref()), mode));
    let outcome = (!shown.said.is_empty()).then(|| {
        let outcome = operation_outcome(&shown.said).to_bytes();
        (format!("urn:uuid:{}", crate::audit::random_id()), Cow::Owned(outcome), "outcome")
    });
    let mut separator: &[u8] = b",\"entry\":[{";
    for (full_url, resource, mode) in entries.chain(outcome) {
        if separator.starts_with(b",\"") {
            // The Bundle is closed again behind its entries.
            text.pop();
        }
        text.extend(separator);
        text.extend(b"\"fullUrl\":");
        text.extend(Json::from(full_url).to_bytes());
        text.extend(b",\"resource\":");
        text.extend(resource.as_ref());
        text.extend(b",\"search\":{\"mode\":\"");
        text.extend(mode.as_bytes());
        text.extend(b"\"}}");
        separator = b",{";
    }
    if separator == b",{" {
        text.extend(b"]}");
    }
    Ok(text)
}
