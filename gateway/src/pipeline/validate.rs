//! Third stage: nothing is stored as FHIR that is not FHIR, and nothing about nobody.

use std::time::Instant as Timer;

use model::json::Json;
use model::outcome::{Issue, Severity, any_error};

use super::arrive::{Arrived, Content};
use super::map::{Entry, Mapped};
use crate::app::App;
use crate::config::Validation;
use crate::validation::Rules;

/// Findings shown for one message; more do not help the person who looks at it.
const MOST_ISSUES: usize = 100;

/// A mapped message that may be stored. Made only here.
#[derive(Debug)]
pub struct Validated {
    mapped: Mapped,
}

impl Validated {
    /// Whether links between records change.
    pub(super) fn merges_records(&self) -> bool {
        self.mapped.merges_records()
    }

    pub(super) fn into_mapped(self) -> Mapped {
        self.mapped
    }
}

/// What keeps a message from being stored: the findings, for the person who will look at it.
pub(super) struct Invalid {
    pub(super) issues: Vec<Issue>,
    pub(super) started: Timer,
}

/// Checks every resource at the level of the source, and that a message about a patient has one.
pub(super) fn validate(app: &App, arrived: &Arrived, mut mapped: Mapped) -> Result<Validated, Invalid> {
    let started = Timer::now();
    app.metrics.stage("map", started.saturating_duration_since(mapped.started));
    let rules = app.validation.source(&arrived.source.name);
    let mut found = match rules.level {
        Validation::Profile => together(rules, &mut mapped.entries),
        Validation::Structure | Validation::Off => one_by_one(rules, &mapped.entries),
    };
    // Errors first: they are what a person has to mend. Information would only fill the store, and so would a word on each
    // extension that no loaded guide describes: senders and mappings have their own.
    found.retain(|issue| match issue.severity {
        Severity::Fatal | Severity::Error => true,
        Severity::Warning => issue.code != "extension",
        Severity::Information => false,
    });
    found.sort_by_key(|issue| issue.severity);
    found.truncate(MOST_ISSUES);
    let number = match arrived.content {
        Content::Hl7v2(_) => Some("PID-3"),
        Content::Cda(_) => Some("/ClinicalDocument/recordTarget/patientRole/id"),
        Content::Fhir(_) | Content::Converted(_) => None,
    };
    if let Some(place) = number.filter(|_| !names_patient(&mapped)) {
        found.push(Issue::error("required", "expected an identifier of the patient, found none").at(place));
    }
    if mapped.entries.is_empty() {
        found.push(Issue::error("required", "expected content that becomes a resource, found none"));
    }
    if any_error(&found) {
        let mut issues = mapped.issues;
        issues.extend(found);
        return Err(Invalid { issues, started });
    }
    mapped.issues.extend(found);
    app.metrics.stage("validate", started.elapsed());
    Ok(Validated { mapped })
}

fn one_by_one(rules: &Rules, entries: &[Entry]) -> Vec<Issue> {
    let mut found = Vec::new();
    for entry in entries {
        found.extend(rules.check(&entry.resource).into_iter().map(|issue| placed(issue, &entry.place)));
    }
    found
}

/// As one Bundle, so that references between the resources lead somewhere.
///
/// The resources are put into the Bundle and taken out again: a copy would cost as much as mapping some of them.
fn together(rules: &Rules, entries: &mut [Entry]) -> Vec<Issue> {
    let mut found = Vec::new();
    let members = entries.iter_mut().map(|entry| {
        let url = model::resource::reference_to(&entry.resource).map(|reference| format!("{HERE}{reference}"));
        let resource = std::mem::replace(&mut entry.resource, Json::Null);
        let url = url.map(|url| ("fullUrl", Json::from(url)));
        Json::object(url.into_iter().chain([("resource", resource)]))
    });
    let mut bundle = Json::object([
        ("resourceType", Json::from("Bundle")),
        ("type", Json::from("collection")),
        ("entry", Json::array(members)),
    ]);
    for issue in rules.check(&bundle) {
        let (index, rest) = place_in_bundle(issue.at.as_deref().unwrap_or_default());
        let entry = index.and_then(|index| entries.get(index));
        let kind = index.and_then(|index| bundle.items("entry").get(index)?.text_at(&["resource", "resourceType"]));
        found.push(match (entry, kind) {
            (Some(entry), Some(kind)) => Issue { at: Some(format!("{}#{kind}{rest}", entry.place)), ..issue },
            _ => issue,
        });
    }
    let resources = bundle.get_mut("entry").and_then(Json::as_array_mut).map(std::mem::take).unwrap_or_default();
    for (entry, mut member) in entries.iter_mut().zip(resources) {
        entry.resource = member.as_object_mut().and_then(|member| member.remove("resource")).unwrap_or(Json::Null);
        if !rules.profiles_of(&entry.resource).is_empty() {
            let own = rules.check(&entry.resource).into_iter().map(|issue| placed(issue, &entry.place));
            for issue in own {
                if !found.contains(&issue) {
                    found.push(issue);
                }
            }
        }
    }
    found
}

/// The base of the resources while they are looked at together; no address, and never stored.
const HERE: &str = "https://anchorline.invalid/fhir/";

/// `Bundle.entry[3].resource.name[0]` is the fourth resource and `.name[0]` in it.
fn place_in_bundle(place: &str) -> (Option<usize>, &str) {
    let parts = place.strip_prefix("Bundle.entry[").and_then(|rest| rest.split_once(']'));
    let Some((index, rest)) = parts else { return (None, place) };
    (index.parse().ok(), rest.strip_prefix(".resource").unwrap_or(rest))
}

/// The finding with the place of its resource before its own.
fn placed(issue: Issue, place: &str) -> Issue {
    let at = issue.at.as_deref().map_or_else(|| place.to_owned(), |at| format!("{place}#{at}"));
    Issue { at: Some(at), ..issue }
}

/// Whether the message says by a number of some kind whom it is about: by name and birthday alone two people become one.
fn names_patient(mapped: &Mapped) -> bool {
    let Some(id) = &mapped.patient else { return false };
    let patient = mapped.entries.iter().map(|entry| &entry.resource).find(|resource| {
        model::resource::resource_type(resource) == Some("Patient") && model::resource::id(resource) == Some(id)
    });
    patient.is_some_and(|patient| !patient.items("identifier").is_empty())
}

#[cfg(test)]
mod tests;
