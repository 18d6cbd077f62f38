//! Codes against value sets and code systems. FHIR R4 terminologies.html.

use definitions::Definitions;
use definitions::profile::{Binding, Strength};
use model::json::Json;
use model::outcome::{Issue, Severity};
use terminology::{CodeCheck, Coding, Completeness, DisplayCheck, Membership};

use crate::place::Place;

use super::node::Node;
use super::plan::Claim;
use super::walk::{Claims, Walk};

/// What a value holds of codes.
enum Codes<'r> {
    /// A `code` and the like: the system is implied.
    Plain(&'r str),
    /// A Coding or Quantity; none: it has no code.
    One(Option<Coding<'r>>),
    Many(Vec<Coding<'r>>),
    /// A primitive that has extensions only, or a type without codes.
    None,
}

impl<'r> Walk<'r> {
    /// The bindings of all definitions that apply to a value, each value set once.
    pub(super) fn bindings(&mut self, node: &Node<'r>, claims: &Claims, place: &Place<'_>) {
        for (index, claim) in claims.iter().enumerate() {
            let Some(binding) = &claim.element().binding else { continue };
            let is_known = claims.iter().take(index).any(|earlier| {
                earlier.element().binding.as_ref().is_some_and(|other| {
                    other.value_set == binding.value_set
                        && other.strength >= binding.strength
                        && other.max_value_set == binding.max_value_set
                        && other.additional == binding.additional
                })
            });
            if !is_known {
                self.binding(node, binding, claim, place);
            }
        }
    }

    fn binding(&mut self, node: &Node<'r>, binding: &Binding, claim: &Claim, place: &Place<'_>) {
        let codes = codes(node);
        let strength = binding.strength;
        if strength > Strength::Preferred
            && let Some(value_set) = &binding.value_set
        {
            self.bound(node, &codes, value_set, strength, claim, place);
        }
        if let Some(value_set) = &binding.max_value_set {
            self.bound(node, &codes, value_set, Strength::Required, claim, place);
        }
        for additional in &binding.additional {
            let strength = match additional.purpose.as_str() {
                "required" | "maximum" => Strength::Required,
                "extensible" => Strength::Extensible,
                _ => continue,
            };
            self.bound(node, &codes, &additional.value_set, strength, claim, place);
        }
    }

    fn bound(
        &mut self,
        node: &Node<'r>,
        codes: &Codes<'r>,
        value_set: &str,
        strength: Strength,
        claim: &Claim,
        place: &Place<'_>,
    ) {
        let is_required = strength == Strength::Required;
        let terminology = self.scope.validator.terminology();
        let answers = |coding: &Coding<'_>| terminology.member(value_set, coding);
        let fits = match codes {
            // FHIR's own formats are named without a slash (CapabilityStatement.format, TestScript).
            Codes::Plain(code) if value_set.starts_with(MIME_TYPES) => match code.split_once('/') {
                None => true,
                // Parameters are written more freely than the grammar has it.
                Some(_) => {
                    let essence = code.split(';').next().unwrap_or(code);
                    answers(&Coding::code(essence.trim_end())) != Membership::NotIn
                }
            },
            Codes::Plain(code) => answers(&Coding::code(code)) != Membership::NotIn,
            Codes::One(Some(coding)) => answers(coding) != Membership::NotIn,
            Codes::Many(codings) if !codings.is_empty() => {
                codings.iter().any(|coding| answers(coding) != Membership::NotIn)
            }
            // Extensions in place of a code are for profiles to judge.
            Codes::One(None) | Codes::Many(_) => {
                !is_required
                    || node.type_name == "Quantity"
                    || node.value.is_some_and(|value| value.get("extension").is_some())
            }
            Codes::None => node.value.is_some() || !is_required || node.type_name != "code",
        };
        if fits {
            return;
        }
        // HL7 has added to the value sets of its own extensions since R4. A mandatory code that is missing with an
        // extension in its place (a reason, another code) is honest: R4 has no code for unknown in most of these value
        // sets, and any other would be made up.
        let softer = super::extension::is_own(&claim.plan) || node.value.is_none();
        let severity = if is_required && !softer { Severity::Error } else { Severity::Warning };
        let text = format!("expected a code of the value set {value_set}");
        self.report.problem(Issue::new(severity, "code-invalid", text).rule(claim.plan.canonical()), place);
    }

    /// A Coding by itself: whether its system has the code, and the display is one of the code's.
    pub(super) fn coding(&mut self, node: &Node<'r>, place: &Place<'_>) {
        let Some(coding) = node.value.and_then(coding) else { return };
        let answer = self.scope.validator.terminology().validate(&coding);
        if let (CodeCheck::UnknownSystem | CodeCheck::UnknownCode | CodeCheck::Incomplete, Some(system)) =
            (&answer, coding.system)
            && self.is_supplement(system)
        {
            let text = "expected a code system, not a supplement of one";
            self.report.error("not-found", text, &place.member("system"));
            return;
        }
        match answer {
            CodeCheck::UnknownCode => {
                let text = "expected a code of the code system";
                let terminology = self.scope.validator.terminology();
                // Systems that are a grammar (URIs, language tags) or are here in part (SNOMED CT) are used more freely
                // than that allows, and the tables of HL7 v2 have grown since R4.
                let system = coding.system.filter(|system| !system.starts_with(V2_TABLES));
                let list = system.and_then(|system| terminology.code_system(system, coding.version));
                let is_whole = list.is_some_and(|list| list.completeness() == Completeness::Complete);
                let severity = if is_whole { Severity::Error } else { Severity::Warning };
                self.report.problem(Issue::new(severity, "code-invalid", text), &place.member("code"));
            }
            CodeCheck::Known { display: DisplayCheck::Differs(known), .. } => {
                let first = known.first().map_or("", |text| text.as_str());
                let text = format!("expected a display of the code, such as «{first}»");
                let is_settled = coding.system.is_some_and(|system| self.has_settled_displays(system));
                let severity = if is_settled { Severity::Error } else { Severity::Warning };
                self.report.problem(Issue::new(severity, "invalid", text), &place.member("display"));
            }
            CodeCheck::Malformed(why) => {
                self.report.warning("code-invalid", format_args!("expected {why}"), &place.member("code"));
            }
            _ => {}
        }
    }

    /// Whether a display that differs is wrong: a resource of another language may say it otherwise, and displays of
    /// the tables of HL7 that R4 has a copy of have been mended since.
    fn has_settled_displays(&self, system: &str) -> bool {
        let language = self.scope.resource.text_at(&["language"]);
        let is_own = system.starts_with(OWN) || Definitions::r4().find(Some("CodeSystem"), system).is_none();
        language.is_none_or(|language| language.starts_with("en"))
            && is_own
            && self.scope.validator.definitions().find(Some("CodeSystem"), system).is_some()
    }

    fn is_supplement(&self, system: &str) -> bool {
        let found = self.scope.validator.definitions().find(Some("CodeSystem"), system);
        found.is_some_and(|found| found.text_at(&["content"]) == Some("supplement"))
    }

    /// Whether a code is of a value set, for slices that are told apart by it.
    pub(super) fn is_member(&self, node: &Node<'r>, value_set: &str) -> bool {
        let terminology = self.scope.validator.terminology();
        let is_in = |coding: &Coding<'_>| terminology.member(value_set, coding) == Membership::In;
        match codes(node) {
            Codes::Plain(code) => is_in(&Coding::code(code)),
            Codes::One(coding) => coding.is_some_and(|coding| is_in(&coding)),
            Codes::Many(codings) => codings.iter().any(is_in),
            Codes::None => false,
        }
    }
}

/// Code systems of R4 itself.
const OWN: &str = "http://hl7.org/fhir/";
const V2_TABLES: &str = "http://terminology.hl7.org/CodeSystem/v2-";
const MIME_TYPES: &str = "http://hl7.org/fhir/ValueSet/mimetypes";

fn codes<'r>(node: &Node<'r>) -> Codes<'r> {
    match node.type_name {
        "CodeableConcept" => {
            let codings = node.value.map_or(&[][..], |value| value.items("coding"));
            Codes::Many(codings.iter().filter_map(coding).collect())
        }
        "Coding" | "Quantity" => Codes::One(node.value.and_then(coding)),
        _ if node.shape.is_none() => node.text().map_or(Codes::None, Codes::Plain),
        _ => Codes::None,
    }
}

pub(super) fn coding(value: &Json) -> Option<Coding<'_>> {
    Some(Coding {
        system: value.text_at(&["system"]),
        version: value.text_at(&["version"]),
        code: value.text_at(&["code"])?,
        display: value.text_at(&["display"]),
    })
}
