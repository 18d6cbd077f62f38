//! Runs the map over a resource: what its codes say it is about.

use model::json::{Json, Object};
use smol_str::SmolStr;

use super::map::{Review, Rule, SensitivityMap};
use super::{Confidentiality, Labels};
use crate::facts::is_directory;
use crate::vocabulary::{ACT_CODE, canonical};

/// Elements that say what something is, in every type of resource: a concept here that has no coding at all, only
/// text, has been looked at by nobody.
const SUBJECTS: [&str; 3] = ["code", "medicationCodeableConcept", "vaccineCode"];

/// Elements with clinical content beside those: reasons, results, ingredients, what happened.
const CONTENTS: [&str; 30] = [
    "asNeededCodeableConcept",
    "complication",
    "conclusionCode",
    "contentCodeableConcept",
    "description",
    "detailCodeableConcept",
    "diagnosisCodeableConcept",
    "event",
    "indication",
    "itemCodeableConcept",
    "manifestation",
    "morphology",
    "orderDetail",
    "outcome",
    "outcomeCode",
    "outcomeCodeableConcept",
    "procedureCode",
    "procedureCodeableConcept",
    "productCodeableConcept",
    "productOrService",
    "reason",
    "reasonCode",
    "serviceType",
    "substance",
    "substanceCodeableConcept",
    "targetDisease",
    "topic",
    "usedCode",
    "valueCodeableConcept",
    "valueCoding",
];

/// Types whose `type` and `category` say what they are about.
const TYPED: [&str; 7] =
    ["Composition", "Device", "DocumentManifest", "DocumentReference", "Encounter", "EpisodeOfCare", "Specimen"];

/// Types of which the codes say how something is run, not what a patient has.
const BOOKKEEPING: [&str; 8] = [
    "AuditEvent",
    "Communication",
    "Consent",
    "MessageHeader",
    "OperationOutcome",
    "Provenance",
    "Subscription",
    "Task",
];

/// Why a resource has a label, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The element.
    pub at: String,
    /// The code system, if the coding names one.
    pub system: Option<SmolStr>,
    /// The code, if there is one.
    pub code: Option<SmolStr>,
    /// The label it brings: a sensitivity code, or `R` for what nobody has looked at.
    pub label: SmolStr,
    /// The rule and its source, or what is missing.
    pub reason: String,
}

/// One coding, or the lack of one, that brings a label.
struct Finding<'f> {
    path: &'f [&'f str],
    system: Option<&'f str>,
    code: Option<&'f str>,
    /// The rule; or what is missing, which makes the resource restricted.
    because: Result<&'f Rule, &'static str>,
}

impl SensitivityMap {
    /// Adds to `labels` what the codes of a resource bring. A sensitive topic raises the resource to R at least: a
    /// sender who writes N on everything did not look.
    pub(crate) fn run(&self, resource: &Json, labels: &mut Labels) {
        self.walk(resource, &mut |finding| {
            if let Ok(rule) = finding.because {
                let Some(label) = &rule.label else { return };
                labels.add_code(Some(ACT_CODE), label);
            }
            labels.raise(Confidentiality::Restricted);
        });
    }

    /// Which labels the codes of a resource bring, and why.
    pub fn explain(&self, resource: &Json) -> Vec<Why> {
        let mut found = Vec::new();
        self.walk(resource, &mut |finding| {
            let (label, reason) = match finding.because {
                Ok(Rule { label: None, .. }) => return,
                Ok(Rule { label: Some(label), matched, source }) => (label.clone(), format!("{matched} ({source})")),
                Err(missing) => (SmolStr::new_static("R"), missing.to_owned()),
            };
            found.push(Why {
                at: finding.path.join("."),
                system: finding.system.map(SmolStr::new),
                code: finding.code.map(SmolStr::new),
                label,
                reason,
            });
        });
        found
    }

    fn walk<'a>(&self, resource: &'a Json, note: &mut dyn FnMut(Finding<'_>)) {
        let mut path: Vec<&'a str> = Vec::new();
        Walk { map: self, path: &mut path, note }.resource(resource);
    }
}

struct Walk<'a, 'w> {
    map: &'w SensitivityMap,
    path: &'w mut Vec<&'a str>,
    note: &'w mut dyn FnMut(Finding<'_>),
}

/// What the codes of an element mean for the resource it stands in.
#[derive(Clone, Copy)]
struct Within {
    /// Codes count as clinical content.
    clinical: bool,
    /// `type` and `category` do too.
    typed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Subject,
    Content,
    Other,
}

impl<'a> Walk<'a, '_> {
    fn resource(&mut self, json: &'a Json) {
        let kind = json.get("resourceType").and_then(Json::as_str).unwrap_or_default();
        // A device that is a patient's, such as an implant, is no entry of the directory.
        let directory = is_directory(kind) && kind != "Medication" && json.get("patient").is_none();
        let administrative = directory || BOOKKEEPING.contains(&kind);
        let within = Within { clinical: !administrative, typed: TYPED.contains(&kind) };
        self.members(json, within);
    }

    fn members(&mut self, json: &'a Json, within: Within) {
        for (name, value) in json.as_object().into_iter().flat_map(Object::iter) {
            // Labels are read apart; they are no content.
            if name != "meta" && name != "coding" {
                self.path.push(name);
                self.member(name, value, within);
                self.path.pop();
            }
        }
    }

    fn member(&mut self, name: &'a str, value: &'a Json, within: Within) {
        match value {
            Json::Array(items) => items.iter().for_each(|item| self.member(name, item, within)),
            Json::Object(object) if object.contains_key("resourceType") => self.resource(value),
            Json::Object(object) => {
                let position = position(name, within);
                let codings = object.get("coding").and_then(Json::as_array).filter(|codings| !codings.is_empty());
                if let Some(codings) = codings {
                    self.concept(codings, position);
                } else if is_coding(name, object) {
                    self.concept(std::slice::from_ref(value), position);
                } else if position == Position::Subject && object.contains_key("text") {
                    self.missing(None, None, "only text: nobody has coded what it is");
                } else if name == "medicationReference" && within.clinical {
                    let target = object.get("reference").and_then(Json::as_str).unwrap_or_default();
                    if !target.starts_with('#') {
                        self.missing(None, None, "the medication stands in another resource");
                    }
                }
                // An ordinary extension or an identifier is no content, whatever codes it holds.
                let aside = matches!(name, "extension" | "identifier");
                self.members(value, Within { clinical: within.clinical && !aside, ..within });
            }
            _ => {}
        }
    }

    /// A concept: its codings say the same, so one of a system that was looked at is enough.
    fn concept(&mut self, codings: &'a [Json], position: Position) {
        let mut looked_at = false;
        for coding in codings {
            let (system, code) = parts(coding);
            let (Some(system), Some(code)) = (system, code) else { continue };
            let (path, note) = (self.path.as_slice(), &mut *self.note);
            self.map.each_rule(system, code, &mut |rule| {
                note(Finding { path, system: Some(system), code: Some(code), because: Ok(rule) });
            });
            looked_at |= self.map.review(system, code) == Review::Reviewed;
        }
        if looked_at || position == Position::Other {
            return;
        }
        for coding in codings {
            let (system, code) = parts(coding);
            match (system, code) {
                (Some(system), Some(code)) if self.map.review(system, code) == Review::Administrative => {}
                (Some(_), Some(_)) => self.missing(system, code, "nobody has looked at this code"),
                _ => self.missing(system, code, "a coding without a system or a code"),
            }
        }
    }

    fn missing(&mut self, system: Option<&str>, code: Option<&str>, why: &'static str) {
        (self.note)(Finding { path: self.path, system, code, because: Err(why) });
    }
}

fn position(name: &str, within: Within) -> Position {
    if !within.clinical {
        Position::Other
    } else if SUBJECTS.contains(&name) || within.typed && name == "type" {
        Position::Subject
    } else if CONTENTS.contains(&name) || within.typed && name == "category" {
        Position::Content
    } else {
        Position::Other
    }
}

/// A Quantity has system and code of its unit; it is no Coding.
fn is_coding(name: &str, object: &Object) -> bool {
    object.get("code").is_some_and(|code| code.as_str().is_some())
        && !object.contains_key("value")
        && (object.contains_key("system") || name.ends_with("Coding"))
}

fn parts(coding: &Json) -> (Option<&str>, Option<&str>) {
    let part = |name: &str| coding.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
    (part("system").map(canonical), part("code"))
}

#[cfg(test)]
mod tests;
