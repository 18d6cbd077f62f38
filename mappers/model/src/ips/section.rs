//! The sections of the summary: which resource belongs where, and what comes first.

use crate::json::Json;
use crate::resource::{id, resource_type};
use crate::time::{Instant, PartialDateTime};

use super::narrative::{code_key, when};

/// A section, in the order in which the summary has them: what kills first comes first.
///
/// The numbers stand in index rows on disk and must not change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Section {
    /// Allergies and intolerances.
    Allergies = 1,
    /// Flags.
    Alerts = 2,
    /// Medication, taken or ordered.
    Medications = 3,
    /// Problems that are not over.
    Problems = 4,
    /// What the patient wants done and not done.
    AdvanceDirectives = 5,
    /// Devices in use or implanted.
    Devices = 6,
    /// Pregnancies and their outcome.
    Pregnancy = 7,
    /// Whom to call. Not a section of HL7 IPS, which has it in Patient alone.
    Contacts = 8,
    /// Results of laboratory and imaging.
    Results = 9,
    /// Vital signs.
    VitalSigns = 10,
    /// Procedures.
    Procedures = 11,
    /// Immunizations.
    Immunizations = 12,
    /// Problems that are over.
    PastProblems = 13,
    /// Disabilities and assessments.
    FunctionalStatus = 14,
    /// Smoking, alcohol and the like.
    SocialHistory = 15,
    /// What is planned.
    PlanOfCare = 16,
}

/// What HL7 IPS 2.0.0, Composition-uv-ips, says of a section, and how much of it is shown.
pub(super) struct Facts {
    pub(super) title: &'static str,
    /// LOINC code and name.
    pub(super) code: Option<(&'static str, &'static str)>,
    pub(super) required: bool,
    types: &'static [&'static str],
    most: usize,
}

const fn facts(
    title: &'static str,
    code: (&'static str, &'static str),
    types: &'static [&'static str],
    most: usize,
) -> Facts {
    Facts { title, code: Some(code), required: false, types, most }
}

impl Section {
    /// Every section, in order.
    pub const ALL: [Self; 16] = [
        Self::Allergies,
        Self::Alerts,
        Self::Medications,
        Self::Problems,
        Self::AdvanceDirectives,
        Self::Devices,
        Self::Pregnancy,
        Self::Contacts,
        Self::Results,
        Self::VitalSigns,
        Self::Procedures,
        Self::Immunizations,
        Self::PastProblems,
        Self::FunctionalStatus,
        Self::SocialHistory,
        Self::PlanOfCare,
    ];

    /// The number that stands on disk.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The types of resource that can be in it.
    pub fn types(self) -> &'static [&'static str] {
        self.facts().types
    }

    /// How many resources of one type it shows at most.
    pub fn most(self) -> usize {
        self.facts().most
    }

    /// Whether only the latest resource of each code is shown.
    pub fn latest_of_each(self, resource_type: &str) -> bool {
        let grouped = matches!(self, Self::Results | Self::VitalSigns | Self::SocialHistory | Self::Pregnancy);
        grouped && resource_type == "Observation"
    }

    pub(super) fn facts(self) -> Facts {
        match self {
            Self::Allergies => Facts {
                required: true,
                ..facts(
                    "Allergies and intolerances",
                    ("48765-2", "Allergies and adverse reactions Document"),
                    &["AllergyIntolerance"],
                    100,
                )
            },
            Self::Alerts => facts("Alerts", ("104605-1", "Alert"), &["Flag"], 50),
            Self::Medications => Facts {
                required: true,
                ..facts(
                    "Medications",
                    ("10160-0", "History of Medication use Narrative"),
                    &["MedicationStatement", "MedicationRequest", "MedicationAdministration", "MedicationDispense"],
                    50,
                )
            },
            Self::Problems => Facts {
                required: true,
                ..facts("Problems", ("11450-4", "Problem list - Reported"), &["Condition"], 100)
            },
            Self::AdvanceDirectives => facts(
                "Advance directives",
                ("42348-3", "Advance healthcare directives"),
                &["Consent", "DocumentReference"],
                20,
            ),
            Self::Devices => facts(
                "Medical devices",
                ("46264-8", "History of medical device use"),
                &["DeviceUseStatement", "Device"],
                40,
            ),
            Self::Pregnancy => {
                facts("Pregnancy", ("10162-6", "History of pregnancies Narrative"), &["Observation"], 20)
            }
            Self::Contacts => {
                Facts { title: "Contacts", code: None, required: false, types: &["RelatedPerson"], most: 20 }
            }
            Self::Results => facts(
                "Results",
                ("30954-2", "Relevant diagnostic tests/laboratory data note"),
                &["Observation", "DiagnosticReport"],
                60,
            ),
            Self::VitalSigns => facts("Vital signs", ("8716-3", "Vital signs note"), &["Observation"], 20),
            Self::Procedures => facts("Procedures", ("47519-4", "History of Procedures Document"), &["Procedure"], 40),
            Self::Immunizations => {
                facts("Immunizations", ("11369-6", "History of Immunization note"), &["Immunization"], 40)
            }
            Self::PastProblems => {
                facts("Past problems", ("11348-0", "History of Past illness note"), &["Condition"], 40)
            }
            Self::FunctionalStatus => facts(
                "Functional status",
                ("47420-5", "Functional status assessment note"),
                &["Condition", "ClinicalImpression"],
                20,
            ),
            Self::SocialHistory => facts("Social history", ("29762-2", "Social history note"), &["Observation"], 20),
            Self::PlanOfCare => {
                facts("Plan of care", ("18776-5", "Plan of care note"), &["CarePlan", "ImmunizationRecommendation"], 20)
            }
        }
    }
}

/// Where a resource stands in the summary. It follows from the resource alone, so that it can be indexed when it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The section.
    pub section: Section,
    /// Of resources with the same group only the latest is shown; `None`: each for itself.
    pub group: Option<String>,
    /// Higher comes first.
    pub rank: u8,
    /// What is later comes first among equals; `None`: no date is given.
    pub at: Option<Instant>,
}

/// Where a resource stands; `None` if it is no part of a summary (another type, entered in error, called off).
pub fn place(resource: &Json) -> Option<Place> {
    let name = resource_type(resource)?;
    let own = id(resource)?;
    let section = section(resource, name).filter(|_| is_current(resource))?;
    // Without a code each stands for itself: what is not known to be the same is not the same.
    let group = section.latest_of_each(name).then(|| code_key(resource).unwrap_or_else(|| format!("#{own}")));
    let at = when(resource).and_then(|text| PartialDateTime::parse(text).ok()).map(|date| date.earliest());
    Some(Place { section, group, rank: rank(resource, section), at })
}

fn section(resource: &Json, name: &str) -> Option<Section> {
    let status = status(resource);
    Some(match name {
        "AllergyIntolerance" => Section::Allergies,
        "Flag" if status != "inactive" => Section::Alerts,
        "MedicationStatement" | "MedicationAdministration" if !matches!(status, "not-taken" | "not-done") => {
            Section::Medications
        }
        "MedicationRequest" if status != "draft" => Section::Medications,
        "MedicationDispense" if !matches!(status, "declined" | "preparation") => Section::Medications,
        "Condition" if has_code(resource.items("category"), &DISABILITY) => Section::FunctionalStatus,
        "Condition" if is_past(resource) => Section::PastProblems,
        "Condition" => Section::Problems,
        "Consent" if status == "active" && is_directive(resource) => Section::AdvanceDirectives,
        "DocumentReference" if status == "current" && has_code(one(resource, "type"), &DIRECTIVE_DOCUMENTS) => {
            Section::AdvanceDirectives
        }
        "DeviceUseStatement" => Section::Devices,
        // One that belongs to a patient is worn or implanted.
        "Device" if status != "inactive" && resource.get("patient").is_some() => Section::Devices,
        "RelatedPerson" if resource.get("active").and_then(Json::as_bool) != Some(false) => Section::Contacts,
        "Observation" => observation(resource),
        "DiagnosticReport" => Section::Results,
        "Procedure" if !matches!(status, "not-done" | "preparation") => Section::Procedures,
        "Immunization" if status != "not-done" => Section::Immunizations,
        "ClinicalImpression" => Section::FunctionalStatus,
        "CarePlan" if !matches!(status, "revoked" | "draft") => Section::PlanOfCare,
        "ImmunizationRecommendation" => Section::PlanOfCare,
        _ => return None,
    })
}

/// SNOMED CT "Disability", and codes of categories that say the same.
const DISABILITY: [&str; 4] = ["21134002", "disability", "disability-status", "functional-status"];
/// LOINC: advance healthcare directives, living will, power of attorney.
const DIRECTIVE_DOCUMENTS: [&str; 3] = ["42348-3", "86533-7", "64298-3"];

/// What comes first within a section: what can kill now, then what holds now, then what is over.
fn rank(resource: &Json, section: Section) -> u8 {
    let clinical = || one(resource, "clinicalStatus");
    let severe = has_code(one(resource, "severity"), &["24484000", "severe"]);
    match section {
        Section::Allergies if has_code(clinical(), &["inactive", "resolved"]) => 1,
        Section::Allergies => match resource.text_at(&["criticality"]) {
            Some("high") => 9,
            Some("low") => 5,
            // Not assessed is not harmless.
            _ => 7,
        },
        Section::Problems if severe => 9,
        Section::Medications | Section::Devices => match status(resource) {
            "active" | "intended" | "in-progress" => 9,
            "completed" | "stopped" => 1,
            _ => 5,
        },
        Section::Alerts if has_code(resource.items("category"), &["safety"]) => 9,
        _ => 5,
    }
}

/// What an Observation is about: pregnancy by its code (HL7 IPS 2.0.0, "Pregnancy status", "expected delivery date",
/// "outcome"), else its category; without a category a result.
fn observation(resource: &Json) -> Section {
    const PREGNANCY: [&str; 14] = [
        "82810-3", "11778-8", "11779-6", "11780-4", "11636-8", "11637-6", "11638-4", "11639-2", "11640-0", "11612-9",
        "11613-7", "11614-5", "33065-4", "11884-4",
    ];
    let codings = resource.at(&["code", "coding"]).and_then(Json::as_array).unwrap_or_default();
    let is_loinc = |coding: &Json| coding.text_at(&["system"]) == Some(super::LOINC);
    let about_pregnancy = codings
        .iter()
        .any(|coding| is_loinc(coding) && coding.text_at(&["code"]).is_some_and(|code| PREGNANCY.contains(&code)));
    if about_pregnancy {
        Section::Pregnancy
    } else if has_code(resource.items("category"), &["vital-signs"]) {
        Section::VitalSigns
    } else if has_code(resource.items("category"), &["social-history"]) {
        Section::SocialHistory
    } else {
        Section::Results
    }
}

/// Neither entered in error nor refuted nor called off.
fn is_current(resource: &Json) -> bool {
    let error = status(resource) == "cancelled" || status(resource) == "entered-in-error";
    !error && !has_code(one(resource, "verificationStatus"), &["entered-in-error", "refuted"])
}

fn is_past(condition: &Json) -> bool {
    has_code(one(condition, "clinicalStatus"), &["inactive", "remission", "resolved"])
}

/// A Consent about treatment that is wanted or not (scope `adr`), as opposed to one about privacy.
fn is_directive(consent: &Json) -> bool {
    has_code(one(consent, "scope"), &["adr"])
        || has_code(consent.items("category"), &["acd", "dnr", "polst", "hcd", "emrgonly"])
}

fn status(resource: &Json) -> &str {
    resource.get("status").and_then(Json::as_str).unwrap_or_default()
}

fn one<'a>(resource: &'a Json, name: &str) -> &'a [Json] {
    resource.get(name).map(std::slice::from_ref).unwrap_or_default()
}

/// Whether any coding of these concepts has one of the codes.
fn has_code(concepts: &[Json], codes: &[&str]) -> bool {
    concepts
        .iter()
        .flat_map(|concept| concept.items("coding"))
        .any(|coding| coding.text_at(&["code"]).is_some_and(|code| codes.contains(&code)))
}
