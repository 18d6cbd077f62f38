//! From a FHIR R5 Consent to an R4 one, explicitly and without widening it.
//!
//! R5 gives a base decision at the root and exceptions below, each level the opposite of the one above; R4 gives each
//! provision its type. What decides who may do what is carried or the whole consent is refused; what only describes
//! (narrative, sources, who manages the record) is left out and named.

use model::json::{Json, Object};

use crate::from_fhir::{Misunderstood, Rule};
use crate::vocabulary::{ACT_CODE, CONSENT_SCOPE, LOINC, canonical};

/// Codes of v3 ActCode that say in `category` that a consent is about information: HL7 v3 ActCode,
/// `_ActConsentDirective` and `_ActConsentType`.
const ABOUT_INFORMATION: [&str; 10] =
    ["ICOL", "IDSCL", "INFA", "INFAO", "INFASO", "IRDSCL", "OPTIN", "OPTINR", "OPTOUT", "OPTOUTE"];

/// LOINC document types of consents to the use of information.
const CONSENT_DOCUMENTS: [&str; 3] = ["57016-8", "57017-6", "59284-0"];

/// What R5 says about the record of a consent and not about what it permits.
const DESCRIBES: [&str; 8] =
    ["contained", "controller", "language", "manager", "policyText", "sourceAttachment", "sourceReference", "text"];

/// A deeper nesting is refused; R4 is read to eight levels.
const MAX_LEVELS: usize = 8;

/// A consent that was carried over.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// The same consent in R4.
    pub consent: Json,
    /// Elements that only describe, and were left out.
    pub left_out: Vec<String>,
}

/// Carries an R5 Consent over to R4.
///
/// # Errors
/// Every element that decides something and has no home in R4, or is not of R5. The consent is then indeterminate: give
/// the R5 resource itself to [`crate::Policies::compile`], which makes it deny ordinary access to its patient's data.
pub fn convert(consent: &Json) -> Result<Converted, Vec<Misunderstood>> {
    let mut conversion = Conversion::default();
    let converted = conversion.consent(consent);
    match converted {
        Some(converted) if conversion.faults.is_empty() => {
            Ok(Converted { consent: converted.into(), left_out: conversion.left_out })
        }
        _ => Err(conversion.faults),
    }
}

#[derive(Default)]
struct Conversion {
    faults: Vec<Misunderstood>,
    left_out: Vec<String>,
}

impl Conversion {
    fn fail(&mut self, at: &str, why: &'static str) {
        self.faults.push(Misunderstood::at(at, why));
    }

    fn consent(&mut self, json: &Json) -> Option<Object> {
        let Some(object) =
            json.as_object().filter(|_| json.get("resourceType").and_then(Json::as_str) == Some("Consent"))
        else {
            self.fail("resourceType", "expected a Consent");
            return None;
        };
        let (mut r4, mut performers, mut root) = (Object::new(), Vec::new(), Object::new());
        r4.insert("resourceType", "Consent");
        let decision = match json.get("decision").and_then(Json::as_str) {
            Some("permit") => Rule::Permit,
            Some("deny") => Rule::Deny,
            _ => {
                self.fail("decision", "expected permit or deny");
                Rule::Deny
            }
        };
        root.insert("type", word(decision));
        for (name, value) in object.iter() {
            match name {
                "resourceType" | "decision" => {}
                "id" | "meta" | "identifier" | "category" | "extension" => {
                    r4.insert(name, value.clone());
                }
                "status" => {
                    // Unreadable in R4 as in R5: the consent then denies.
                    let status = match value.as_str() {
                        Some("not-done") => "rejected",
                        Some(status @ ("draft" | "active" | "inactive" | "entered-in-error")) => status,
                        _ => {
                            self.fail("status", "expected a status that R4 has");
                            continue;
                        }
                    };
                    r4.insert(name, status);
                }
                "subject" => {
                    r4.insert("patient", value.clone());
                }
                "date" => {
                    r4.insert("dateTime", value.clone());
                }
                "period" => {
                    root.insert(name, value.clone());
                }
                // R4 has one list of those who agree to the rules.
                "grantor" | "grantee" => match value.as_array() {
                    Some(references) => performers.extend(references.iter().cloned()),
                    None => self.fail(name, "expected an array"),
                },
                "regulatoryBasis" => self.regulation(value, &mut r4),
                "policyBasis" => self.policy(value, &mut r4),
                "verification" => self.verification(value, &mut r4),
                "provision" => {
                    let nested = self.provisions(value, "provision", opposite(decision), &[], 1);
                    root.insert(name, nested);
                }
                described if DESCRIBES.contains(&described.strip_prefix('_').unwrap_or(described)) => {
                    self.left_out.push(described.to_owned());
                }
                _ => self.fail(name, "expected an element that R4 has a home for"),
            }
        }
        if !performers.is_empty() {
            r4.insert("performer", Json::array(performers));
        }
        r4.insert("provision", root);
        r4.insert("scope", self.scope(json)?);
        Some(r4)
    }

    /// R5 has no scope; a consent that does not say that it is about information may be one to a treatment.
    fn scope(&mut self, json: &Json) -> Option<Json> {
        let codings = json.items("category").iter().flat_map(|category| category.items("coding"));
        let mut scope = None;
        for coding in codings {
            let system = coding.get("system").and_then(Json::as_str).map(canonical);
            let found = match (system, coding.get("code").and_then(Json::as_str)) {
                (Some(CONSENT_SCOPE), Some(code)) => Some(code),
                (Some(ACT_CODE), Some(code)) if ABOUT_INFORMATION.contains(&code) => Some("patient-privacy"),
                (Some(LOINC), Some(code)) if CONSENT_DOCUMENTS.contains(&code) => Some("patient-privacy"),
                (Some("http://terminology.hl7.org/CodeSystem/consentcategorycodes"), Some("npp")) => {
                    Some("patient-privacy")
                }
                (Some("http://terminology.hl7.org/CodeSystem/consentcategorycodes"), Some("research")) => {
                    Some("research")
                }
                _ => None,
            };
            match (scope, found) {
                (Some(one), Some(other)) if one != other => {
                    self.fail("category", "expected one scope");
                    return None;
                }
                (None, found) => scope = found,
                _ => {}
            }
        }
        let Some(scope) = scope else {
            self.fail("category", "expected a code that says what the consent is about");
            return None;
        };
        let coding = Json::object([("system", Json::from(CONSENT_SCOPE)), ("code", Json::from(scope))]);
        Some(Json::object([("coding", Json::array([coding]))]))
    }

    /// What was `policyRule` in R4.
    fn regulation(&mut self, value: &Json, r4: &mut Object) {
        let Some(concepts) = value.as_array() else { return self.fail("regulatoryBasis", "expected an array") };
        let codings: Vec<Json> = concepts.iter().flat_map(|concept| concept.items("coding")).cloned().collect();
        if codings.is_empty() {
            return self.left_out.push("regulatoryBasis".to_owned());
        }
        r4.insert("policyRule", Json::object([("coding", Json::array(codings))]));
    }

    fn policy(&mut self, value: &Json, r4: &mut Object) {
        for (name, url) in value.as_object().into_iter().flat_map(Object::iter) {
            match name {
                "url" => {
                    r4.insert("policy", Json::array([Json::object([("uri", url.clone())])]));
                }
                "id" => {}
                _ => self.fail(&format!("policyBasis.{name}"), "expected a url, which is all that R4 has a home for"),
            }
        }
    }

    fn verification(&mut self, value: &Json, r4: &mut Object) {
        let Some(entries) = value.as_array() else { return self.fail("verification", "expected an array") };
        let mut all = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let mut one = Object::new();
            for (name, value) in entry.as_object().into_iter().flat_map(Object::iter) {
                match name {
                    "id" | "extension" | "verified" | "verifiedWith" => {
                        one.insert(name, value.clone());
                    }
                    "verificationDate" => {
                        if let Some(last) = value.as_array().and_then(<[Json]>::last) {
                            one.insert(name, last.clone());
                        }
                    }
                    "verificationType" | "verifiedBy" => self.left_out.push(format!("verification[{index}].{name}")),
                    _ => self.fail(&format!("verification[{index}].{name}"), NO_HOME),
                }
            }
            all.push(Json::from(one));
        }
        r4.insert("verification", Json::array(all));
    }

    /// The exceptions of one level. `above`: the criteria that the levels above give.
    fn provisions(&mut self, value: &Json, at: &str, rule: Rule, above: &[&str], level: usize) -> Json {
        let Some(items) = value.as_array() else {
            self.fail(at, "expected an array");
            return Json::Null;
        };
        if level >= MAX_LEVELS {
            self.fail(at, "expected at most eight levels of provisions");
            return Json::Null;
        }
        let one = |(index, item): (usize, &Json)| self.provision(item, &format!("{at}[{index}]"), rule, above, level);
        Json::array(items.iter().enumerate().map(one).collect::<Vec<_>>())
    }

    fn provision(&mut self, json: &Json, at: &str, rule: Rule, above: &[&str], level: usize) -> Json {
        let Some(object) = json.as_object() else {
            self.fail(at, "expected an object");
            return Json::Null;
        };
        let (mut r4, mut classes) = (Object::new(), Vec::new());
        r4.insert("type", word(rule));
        let mut given: Vec<&str> = above.to_vec();
        for (name, value) in object.iter() {
            let place = format!("{at}.{name}");
            match name {
                "id" | "extension" | "period" => {
                    r4.insert(name, value.clone());
                }
                "actor" | "action" | "securityLabel" | "purpose" | "code" | "dataPeriod" | "data" | "documentType"
                | "resourceType" => {
                    let criterion = if matches!(name, "documentType" | "resourceType") { "class" } else { name };
                    // Below a permit's opposite the same criterion narrows in R5; in R4 it takes the place of the one above.
                    if rule == Rule::Permit && above.contains(&criterion) {
                        self.fail(&place, "expected no criterion that a provision above gives as well");
                    }
                    given.push(criterion);
                    match (criterion, value.as_array()) {
                        ("class", Some(codings)) => {
                            if rule == Rule::Permit && !classes.is_empty() {
                                self.fail(&place, "expected documentType or resourceType: R4 has one list for both");
                            }
                            classes.extend(codings.iter().cloned());
                        }
                        ("class", None) => self.fail(&place, "expected an array"),
                        _ => {
                            r4.insert(name, value.clone());
                        }
                    }
                }
                "provision" => {}
                _ => self.fail(&place, NO_HOME),
            }
        }
        if !classes.is_empty() {
            r4.insert("class", Json::array(classes));
        }
        if let Some(nested) = object.get("provision") {
            let next = level.saturating_add(1);
            r4.insert("provision", self.provisions(nested, &format!("{at}.provision"), opposite(rule), &given, next));
        }
        r4.into()
    }
}

const NO_HOME: &str = "expected an element that R4 has a home for";

fn word(rule: Rule) -> &'static str {
    match rule {
        Rule::Permit => "permit",
        Rule::Deny => "deny",
    }
}

fn opposite(rule: Rule) -> Rule {
    match rule {
        Rule::Permit => Rule::Deny,
        Rule::Deny => Rule::Permit,
    }
}

#[cfg(test)]
mod tests;
