//! MeasureReports against their Measure. FHIR R4 measurereport.html.

use std::cmp::Ordering;
use std::sync::Arc;

use model::json::Json;
use model::resource::{id, resource_type};

use super::compare;
use super::read::{extension_value, scalar, share_coding, text};
use crate::place::Place;
use crate::report::Report;
use crate::scope::Scope;

pub(super) fn check(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    let Some(canonical) = text(scope.resource, "measure") else {
        report.information("required", "without a measure the report cannot be checked", place);
        return;
    };
    let known: Option<Arc<Json>>;
    let measure = if let Some(local) = canonical.strip_prefix('#') {
        let mut contained = scope.resource.items("contained").iter();
        contained.find(|inner| id(inner) == Some(local) && resource_type(inner) == Some("Measure"))
    } else {
        known = scope.find("Measure", canonical);
        known.as_deref()
    };
    let Some(measure) = measure else {
        report.warning("required", "the measure is not known here: the report cannot be checked", place);
        return;
    };
    let walk = Walk { measure, kind: text(scope.resource, "type").unwrap_or_default(), scoring: scoring(measure) };
    walk.groups(scope.resource, place, report);
}

fn scoring(measure: &Json) -> &str {
    let codings = measure.get("scoring").map(|scoring| scoring.items("coding")).unwrap_or_default();
    codings.iter().find_map(|coding| text(coding, "code")).unwrap_or_default()
}

struct Walk<'m> {
    measure: &'m Json,
    /// `MeasureReport.type`
    kind: &'m str,
    scoring: &'m str,
}

impl Walk<'_> {
    fn groups(&self, reported: &Json, place: &Place<'_>, report: &mut Report) {
        let (defined, given) = (self.measure.items("group"), reported.items("group"));
        let list = place.member("group");
        if defined.is_empty() {
            return;
        }
        if let ([defined], [given]) = (defined, given) {
            let here = list.item(0);
            if let (Some(wanted), Some(code)) = (defined.get("code"), given.get("code")) {
                let is_usable = |coding: &Json| text(coding, "system").is_some() && text(coding, "code").is_some();
                if !code.items("coding").iter().any(is_usable) {
                    report.error("business-rule", "expected a coding with system and code", &here);
                } else if !share_coding(code, wanted) {
                    report.error("business-rule", "expected the code of the group in the measure", &here);
                }
            }
            self.group(defined, given, &here, report);
            return;
        }
        let mut seen: Vec<usize> = Vec::new();
        for (at, group) in given.iter().enumerate() {
            let here = list.item(at);
            let Some(code) = group.get("code") else {
                report.error("business-rule", "expected the code of a group in the measure", &here);
                continue;
            };
            match position(defined, code) {
                None => report.error("business-rule", "expected a code that a group of the measure has", &here),
                Some(index) if seen.contains(&index) => {
                    report.error("business-rule", "expected every group of the measure once", &here);
                }
                Some(index) => {
                    seen.push(index);
                    if let Some(defined) = defined.get(index) {
                        self.group(defined, group, &here, report);
                    }
                }
            }
        }
        if (0..defined.len()).any(|index| !seen.contains(&index)) && self.kind != "data-collection" {
            report.error("business-rule", "expected every group of the measure", place);
        }
    }

    fn group(&self, defined: &Json, given: &Json, place: &Place<'_>, report: &mut Report) {
        self.parts(defined, given, "population", place, report);
        self.score(given, place, report);
        self.parts(defined, given, "stratifier", place, report);
    }

    /// Populations or stratifiers: each of the measure, each once, no others.
    fn parts(&self, defined: &Json, given: &Json, name: &str, place: &Place<'_>, report: &mut Report) {
        let (defined, given) = (defined.items(name), given.items(name));
        let list = place.member(name);
        let mut seen: Vec<usize> = Vec::new();
        for (at, part) in given.iter().enumerate() {
            let here = list.item(at);
            // The code of a stratifier in a report is a list.
            let code = part.get("code").map(|code| code.item(0).unwrap_or(code));
            let Some(code) = code else {
                report.error("business-rule", format!("expected the code of a {name} in the measure"), &here);
                continue;
            };
            match position(defined, code) {
                None => {
                    report.error("business-rule", format!("expected a code that a {name} of the measure has"), &here);
                }
                Some(index) if seen.contains(&index) => {
                    report.error("business-rule", format!("expected every {name} of the measure once"), &here);
                }
                Some(index) => {
                    seen.push(index);
                    if name == "population" {
                        self.population(part, &here, report);
                    }
                }
            }
        }
        let is_missing = |index: &usize| {
            let observed = defined.get(*index).and_then(|part| part.get("code")).is_some_and(is_observation);
            !(seen.contains(index) || name == "population" && observed)
        };
        if (0..defined.len()).any(|index| is_missing(&index)) {
            report.error("business-rule", format!("expected every {name} of the measure"), place);
        }
    }

    fn population(&self, given: &Json, place: &Place<'_>, report: &mut Report) {
        let count = given.get("count").and_then(scalar).and_then(|count| count.parse::<usize>().ok());
        let subjects = usize::from(given.get("subjectResults").is_some());
        if self.kind == "subject-list" {
            if count.is_some_and(|count| count != subjects) {
                report.error("business-rule", "expected as many subjects as count says", place);
            }
            return;
        }
        if subjects > 0 {
            report.error("business-rule", "expected subjects in reports of type subject-list only", place);
        }
        if given.get("count").is_none() {
            report.warning("business-rule", "expected a count: the report has no list of subjects", place);
        }
    }

    /// measure.html, "Scoring".
    fn score(&self, given: &Json, place: &Place<'_>, report: &mut Report) {
        let score = given.get("measureScore");
        let here = place.member("measureScore");
        if self.kind == "data-collection" || self.scoring == "cohort" {
            if score.is_some() {
                report.error("business-rule", "expected no score: nothing is scored", &here);
            }
            return;
        }
        if !matches!(self.scoring, "proportion" | "ratio" | "continuous-variable") {
            return;
        }
        let Some(score) = score else {
            report.error("required", format!("expected a score: the scoring is {}", self.scoring), place);
            return;
        };
        let Some(value) = score.get("value").and_then(scalar) else {
            if extension_value(score, ALTERNATE_SCORE).is_none() {
                report.error("required", format!("expected a value: the scoring is {}", self.scoring), &here);
            }
            return;
        };
        if self.scoring == "proportion" {
            for name in ["unit", "system", "code"] {
                if score.get(name).is_some() {
                    report.error("business-rule", "expected no unit: a proportion is a number", &here.member(name));
                }
            }
            let within = compare::decimals(&value, "0") != Some(Ordering::Less)
                && compare::decimals(&value, "1") != Some(Ordering::Greater);
            if !within {
                report.error("required", "expected a proportion between 0 and 1", &here.member("value"));
            }
            return;
        }
        let unit = extension_value(self.measure, UNIT).map(|(_, unit)| unit);
        match (unit, text(score, "code")) {
            (Some(unit), Some(code)) if text(unit, "code") != Some(code) => {
                report.error("code-invalid", "expected the unit of the measure", &here.member("code"));
            }
            (Some(_), None) => report.error("not-found", "expected the unit of the measure", &here),
            (None, None) if self.scoring == "ratio" => {
                report.warning("not-found", "expected a unit: the score is a ratio", &here);
            }
            _ => {}
        }
    }
}

const UNIT: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-unit";
const ALTERNATE_SCORE: &str = "http://hl7.org/fhir/us/davinci-deqm/StructureDefinition/extension-alternateScoreType";

fn position(defined: &[Json], code: &Json) -> Option<usize> {
    let is_same = |part: &Json| {
        let Some(known) = part.get("code") else { return false };
        let by_text = known.items("coding").is_empty() && code.items("coding").is_empty();
        share_coding(code, known)
            || by_text && text(code, "text").is_some() && text(code, "text") == text(known, "text")
    };
    defined.iter().position(is_same)
}

fn is_observation(code: &Json) -> bool {
    code.items("coding").iter().any(|coding| text(coding, "code") == Some("measure-observation"))
}
