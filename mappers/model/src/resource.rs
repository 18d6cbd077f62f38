//! What every resource has: type, id, meta, references, the patients it is about.

mod links;

use crate::generated::PATIENT_PATHS;
use crate::id::{Reference, ResourceId};
use crate::json::{Json, member_span, skip_space, write_string};
use crate::time::Instant;

pub use links::rewrite_links;

/// The `resourceType`, as it stands there.
pub fn resource_type(resource: &Json) -> Option<&str> {
    resource.get("resourceType")?.as_str()
}

/// The logical `id`, as it stands there.
pub fn id(resource: &Json) -> Option<&str> {
    resource.get("id")?.as_str()
}

/// The resource as a reference, if type and id are such as R4 has them.
pub fn reference_to(resource: &Json) -> Option<Reference> {
    Reference::parse(&format!("{}/{}", resource_type(resource)?, id(resource)?)).ok()
}

/// Sets `meta.versionId` and `meta.lastUpdated` in the JSON text of a resource; every other byte stays as it is.
///
/// The text is expected to be one that [`crate::json::parse`] takes and an object; any other comes back unchanged.
pub fn with_meta(text: &[u8], version: u64, last_updated: &Instant) -> Vec<u8> {
    let version = format!("\"versionId\":\"{version}\"");
    let updated = format!("\"lastUpdated\":\"{}\"", last_updated.to_rfc3339());
    let Some(meta) = member_span(text, 0, "meta").filter(|span| text.get(span.start) == Some(&b'{')) else {
        // A companion-less `meta: null` is no FHIR; the structure validator has refused it before.
        return insert_member(text, 0, &format!("\"meta\":{{{version},{updated}}}"));
    };
    let mut out = text.to_vec();
    for (name, member) in [("lastUpdated", updated), ("versionId", version)] {
        out = match member_span(&out, meta.start, name) {
            Some(span) => {
                let value = member.split_once(':').map_or("", |(_, value)| value);
                splice(&out, span.start, span.end, value.as_bytes())
            }
            None => insert_member(&out, meta.start, &member),
        };
    }
    out
}

/// Puts a member into the object that starts at or after `at`: behind `resourceType` where that comes first (readers
/// that stream want it first), else in front.
fn insert_member(text: &[u8], at: usize, member: &str) -> Vec<u8> {
    let open = skip_space(text, at);
    if text.get(open) != Some(&b'{') {
        return text.to_vec();
    }
    let first = skip_space(text, open + 1);
    if text.get(first) == Some(&b'}') {
        return splice(text, first, first, member.as_bytes());
    }
    match member_span(text, open, "resourceType") {
        Some(span) if text.get(first..first + 14) == Some(b"\"resourceType\"") => {
            splice(text, span.end, span.end, format!(",{member}").as_bytes())
        }
        _ => splice(text, first, first, format!("{member},").as_bytes()),
    }
}

fn splice(text: &[u8], start: usize, end: usize, with: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + with.len());
    out.extend_from_slice(text.get(..start).unwrap_or_default());
    out.extend_from_slice(with);
    out.extend_from_slice(text.get(end..).unwrap_or_default());
    out
}

/// One literal reference and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundReference<'a> {
    /// The path of the Reference element below the resource, for example `performer[0]`.
    pub path: String,
    /// The value of `reference`, as it stands there.
    pub target: &'a str,
}

/// Every `reference` text in a resource, in document order, contained resources included.
pub fn references(resource: &Json) -> impl Iterator<Item = FoundReference<'_>> {
    let mut found = Vec::new();
    collect(resource, &mut String::new(), &mut found);
    found.into_iter()
}

fn collect<'a>(value: &'a Json, path: &mut String, found: &mut Vec<FoundReference<'a>>) {
    let length = path.len();
    match value {
        Json::Object(object) => {
            for (name, member) in object.iter() {
                match member {
                    Json::String(target) if name == "reference" => {
                        found.push(FoundReference { path: path.clone(), target });
                    }
                    Json::Object(_) | Json::Array(_) => {
                        if length > 0 {
                            path.push('.');
                        }
                        path.push_str(name);
                        collect(member, path, found);
                        path.truncate(length);
                    }
                    _ => {}
                }
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                collect(item, path, found);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

/// Gives every `reference` text of a resource to a function that may answer with another text to stand there.
pub fn rewrite_references(resource: &mut Json, rewrite: &mut dyn FnMut(&str) -> Option<String>) {
    match resource {
        Json::Object(object) => {
            for (name, member) in object.iter_mut() {
                match member {
                    Json::String(target) if name == "reference" => {
                        if let Some(other) = rewrite(target) {
                            *target = other.into();
                        }
                    }
                    other => rewrite_references(other, rewrite),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| rewrite_references(item, rewrite)),
        _ => {}
    }
}

/// The patients a resource belongs to: a Patient itself, else every `Patient/id` that its type can name.
///
/// Looked up are the search parameters `patient` and `subject` of the type and those of the R4 patient compartment
/// (compartmentdefinition-patient.html), so an Observation that a patient performed for another belongs to both. The
/// one whose record it is comes first; each comes once. Only relative references count: an absolute URL names somebody
/// on another server, `urn:uuid` and `#` are resolved by whoever takes the Bundle apart. `Patient.link` is left out:
/// it says that two records may be one person, not whose record this is.
pub fn patients_of(resource: &Json) -> Vec<ResourceId> {
    let Some(name) = resource_type(resource) else { return Vec::new() };
    if name == "Patient" {
        return id(resource).and_then(|id| ResourceId::parse(id).ok()).into_iter().collect();
    }
    let Ok(index) = PATIENT_PATHS.binary_search_by(|(candidate, _)| (*candidate).cmp(name)) else { return Vec::new() };
    let paths = PATIENT_PATHS.get(index).map_or(&[][..], |(_, paths)| paths);
    let mut patients = Vec::new();
    for path in paths {
        let mut steps = path.split('.');
        walk(resource, &mut steps, &mut patients);
    }
    patients
}

fn walk(value: &Json, steps: &mut std::str::Split<'_, char>, patients: &mut Vec<ResourceId>) {
    if let Json::Array(items) = value {
        for item in items {
            walk(item, &mut steps.clone(), patients);
        }
        return;
    }
    let Some(step) = steps.next() else {
        let target = value.get("reference").and_then(Json::as_str).and_then(|text| Reference::parse(text).ok());
        if let Some(patient) = target.filter(|target| target.resource_type.as_str() == "Patient")
            && !patients.contains(&patient.id)
        {
            patients.push(patient.id);
        }
        return;
    };
    match value.get(step) {
        Some(member) => walk(member, steps, patients),
        // A choice element: `actor` in the path is `actorReference` in JSON.
        None => {
            if let Some(member) = value.get(&format!("{step}Reference")) {
                walk(member, steps, patients);
            }
        }
    }
}

/// A JSON string literal of this text: for splicing into JSON text by hand.
pub fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_string(text, &mut out);
    out
}

#[cfg(test)]
mod tests;
