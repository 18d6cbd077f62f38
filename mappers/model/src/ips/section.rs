//! The sections of the summary, and which resources belong to which.

use std::collections::HashMap;

use crate::json::Json;
use crate::resource::{id, resource_type};
use crate::time::{Instant, PartialDateTime};

use super::narrative::{code_key, when};

/// One section of the Composition.
pub(super) struct Section {
    pub(super) title: &'static str,
    /// LOINC code and name.
    pub(super) code: &'static str,
    pub(super) display: &'static str,
    pub(super) required: bool,
    holds: fn(&Json, &str) -> bool,
}

impl Section {
    /// The resources of this section, newest first; of observations with the same code only the latest.
    pub(super) fn select<'a>(&self, resources: &'a [Json]) -> Vec<&'a Json> {
        let belongs = |resource: &&Json| {
            id(resource).is_some()
                && resource_type(resource).is_some_and(|name| is_current(resource) && (self.holds)(resource, name))
        };
        let mut content: Vec<&Json> = resources.iter().filter(belongs).collect();
        // Stable: what has no date stays in the order given, behind what has one.
        content.sort_by_cached_key(|resource| std::cmp::Reverse(instant(resource)));
        let mut codes: HashMap<String, usize> = HashMap::new();
        let mut kept = Vec::with_capacity(content.len());
        for resource in content {
            if resource_type(resource) == Some("Observation")
                && let Some(key) = code_key(resource)
                && codes.insert(key, kept.len()).is_some()
            {
                continue;
            }
            kept.push(resource);
        }
        kept
    }
}

/// HL7 IPS 2.0.0, Composition-uv-ips, in the order of the guide.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "Problems",
        code: "11450-4",
        display: "Problem list - Reported",
        required: true,
        holds: |resource, name| name == "Condition" && !is_past(resource),
    },
    Section {
        title: "Allergies and intolerances",
        code: "48765-2",
        display: "Allergies and adverse reactions Document",
        required: true,
        holds: |_, name| name == "AllergyIntolerance",
    },
    Section {
        title: "Medications",
        code: "10160-0",
        display: "History of Medication use Narrative",
        required: true,
        holds: |resource, name| match name {
            "MedicationStatement" => status(resource) != "not-taken",
            "MedicationRequest" => !matches!(status(resource), "cancelled" | "draft"),
            _ => false,
        },
    },
    Section {
        title: "Alerts",
        code: "104605-1",
        display: "Alert",
        required: false,
        holds: |resource, name| name == "Flag" && status(resource) != "inactive",
    },
    Section {
        title: "Advance directives",
        code: "42348-3",
        display: "Advance healthcare directives",
        required: false,
        holds: |resource, name| name == "Consent" && is_directive(resource) && status(resource) == "active",
    },
    Section {
        title: "Immunizations",
        code: "11369-6",
        display: "History of Immunization Narrative",
        required: false,
        holds: |resource, name| name == "Immunization" && status(resource) != "not-done",
    },
    Section {
        title: "Procedures",
        code: "47519-4",
        display: "History of Procedures Document",
        required: false,
        holds: |resource, name| name == "Procedure" && status(resource) != "not-done",
    },
    Section {
        title: "Medical devices",
        code: "46264-8",
        display: "History of medical device use",
        required: false,
        holds: |_, name| name == "DeviceUseStatement",
    },
    Section {
        title: "Results",
        code: "30954-2",
        display: "Relevant diagnostic tests/laboratory data Narrative",
        required: false,
        holds: |resource, name| match name {
            "DiagnosticReport" => true,
            "Observation" => kind(resource) == Kind::Result,
            _ => false,
        },
    },
    Section {
        title: "Vital signs",
        code: "8716-3",
        display: "Vital signs note",
        required: false,
        holds: |resource, name| name == "Observation" && kind(resource) == Kind::VitalSign,
    },
    Section {
        title: "Past problems",
        code: "11348-0",
        display: "History of Past illness note",
        required: false,
        holds: |resource, name| name == "Condition" && is_past(resource),
    },
    Section {
        title: "Pregnancy",
        code: "10162-6",
        display: "History of pregnancies Narrative",
        required: false,
        holds: |resource, name| name == "Observation" && kind(resource) == Kind::Pregnancy,
    },
    Section {
        title: "Social history",
        code: "29762-2",
        display: "Social history note",
        required: false,
        holds: |resource, name| name == "Observation" && kind(resource) == Kind::SocialHistory,
    },
    Section {
        title: "Plan of care",
        code: "18776-5",
        display: "Plan of care note",
        required: false,
        holds: |resource, name| name == "CarePlan" && !matches!(status(resource), "revoked" | "draft"),
    },
];

/// The first instant that the date of a resource may mean.
fn instant(resource: &Json) -> Option<Instant> {
    when(resource).and_then(|text| PartialDateTime::parse(text).ok()).map(|date| date.earliest())
}

#[derive(PartialEq, Eq)]
enum Kind {
    Result,
    VitalSign,
    SocialHistory,
    Pregnancy,
}

/// What an Observation is about: pregnancy by its code (HL7 IPS 2.0.0, "Pregnancy status", "expected delivery date",
/// "outcome"), else its category; without a category a result.
fn kind(observation: &Json) -> Kind {
    const PREGNANCY: [&str; 14] = [
        "82810-3", "11778-8", "11779-6", "11780-4", "11636-8", "11637-6", "11638-4", "11639-2", "11640-0", "11612-9",
        "11613-7", "11614-5", "33065-4", "11884-4",
    ];
    let codings = observation.at(&["code", "coding"]).and_then(Json::as_array).unwrap_or_default();
    let is_loinc = |coding: &Json| coding.text_at(&["system"]) == Some(super::LOINC);
    let about_pregnancy = codings
        .iter()
        .any(|coding| is_loinc(coding) && coding.text_at(&["code"]).is_some_and(|code| PREGNANCY.contains(&code)));
    if about_pregnancy {
        Kind::Pregnancy
    } else if has_code(observation.items("category"), &["vital-signs"]) {
        Kind::VitalSign
    } else if has_code(observation.items("category"), &["social-history"]) {
        Kind::SocialHistory
    } else {
        Kind::Result
    }
}

/// Neither entered in error nor refuted nor called off.
fn is_current(resource: &Json) -> bool {
    let verification = resource.get("verificationStatus").map(std::slice::from_ref).unwrap_or_default();
    !matches!(status(resource), "entered-in-error" | "cancelled")
        && !has_code(verification, &["entered-in-error", "refuted"])
}

fn is_past(condition: &Json) -> bool {
    let clinical = condition.get("clinicalStatus").map(std::slice::from_ref).unwrap_or_default();
    has_code(clinical, &["inactive", "remission", "resolved"])
}

/// A Consent about treatment that is wanted or not (scope `adr`), as opposed to one about privacy.
fn is_directive(consent: &Json) -> bool {
    let scope = consent.get("scope").map(std::slice::from_ref).unwrap_or_default();
    has_code(scope, &["adr"]) || has_code(consent.items("category"), &["acd", "dnr", "polst", "hcd", "emrgonly"])
}

fn status(resource: &Json) -> &str {
    resource.get("status").and_then(Json::as_str).unwrap_or_default()
}

/// Whether any coding of these concepts has one of the codes.
fn has_code(concepts: &[Json], codes: &[&str]) -> bool {
    concepts
        .iter()
        .flat_map(|concept| concept.items("coding"))
        .any(|coding| coding.text_at(&["code"]).is_some_and(|code| codes.contains(&code)))
}
