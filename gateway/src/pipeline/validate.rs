//! Third stage: nothing is stored as FHIR that is not FHIR, and nothing about nobody.

use std::time::Instant as Timer;

use model::outcome::{Issue, any_error};

use super::arrive::{Arrived, Content};
use super::map::Mapped;
use crate::app::App;
use crate::config::Validation;

/// Findings shown for one message; more do not help the person who looks at it.
const MOST_ISSUES: usize = 100;

/// A mapped message that may be stored. Made only here.
#[derive(Debug)]
pub struct Validated {
    mapped: Mapped,
}

impl Validated {
    pub(super) fn into_mapped(self) -> Mapped {
        self.mapped
    }
}

/// What keeps a message from being stored: the findings, for the person who will look at it.
pub(super) struct Invalid {
    pub(super) issues: Vec<Issue>,
    pub(super) started: Timer,
}

/// Checks the structure of every resource, and that a message about a patient has one.
pub(super) fn validate(app: &App, arrived: &Arrived, mut mapped: Mapped) -> Result<Validated, Invalid> {
    let started = Timer::now();
    app.metrics.stage("map", started.saturating_duration_since(mapped.started));
    let mut found: Vec<Issue> = Vec::new();
    if arrived.source.validation != Validation::Off {
        for entry in &mapped.entries {
            for issue in conformance::structure::validate(&entry.resource) {
                if found.len() < MOST_ISSUES {
                    let at =
                        issue.at.as_deref().map_or_else(|| entry.place.clone(), |at| format!("{}#{at}", entry.place));
                    found.push(Issue { at: Some(at), ..issue });
                }
            }
        }
    }
    if matches!(arrived.content, Content::Hl7v2(_)) && !names_patient(&mapped) {
        found.push(Issue::error("required", "expected an identifier of the patient, found none").at("PID-3"));
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

/// Whether the message says by a number of some kind whom it is about: by name and birthday alone two people become one.
fn names_patient(mapped: &Mapped) -> bool {
    let Some(id) = &mapped.patient else { return false };
    let patient = mapped.entries.iter().map(|entry| &entry.resource).find(|resource| {
        model::resource::resource_type(resource) == Some("Patient") && model::resource::id(resource) == Some(id)
    });
    patient.is_some_and(|patient| !patient.items("identifier").is_empty())
}
