//! CodeSystems: what they say of themselves, their concepts and properties. FHIR R4 codesystem.html.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::json::Json;

use super::read::{choice, scalar, text};
use crate::place::Place;
use crate::report::Report;
use crate::resolve::is_absolute;
use crate::scope::Scope;

pub(super) fn check(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    let system = scope.resource;
    let base = text(system, "supplements").and_then(|base| scope.find("CodeSystem", base));
    about_itself(system, base.as_deref(), place, report);
    value_set(scope, place, report);
    let mut walk = Walk::new(scope, base);
    walk.properties(place, report);
    walk.concepts(system, place, report, 0);
    walk.values(system, place, report, 0);
}

fn about_itself(system: &Json, base: Option<&Json>, place: &Place<'_>, report: &mut Report) {
    let content = text(system, "content");
    let is_hl7 = text(system, "url").is_some_and(|url| url.contains("hl7.org") || url.contains("fhir.org"));
    let has_case = system.get("caseSensitive").is_some();
    if text(system, "supplements").is_some() {
        if content.is_some() && content != Some("supplement") {
            report.error(
                "business-rule",
                "expected content supplement: the code system supplements another",
                &place.member("content"),
            );
        }
        if has_case {
            let expected = "expected no caseSensitive on a supplement: that is up to the code system";
            report.error("business-rule", expected, &place.member("caseSensitive"));
        }
    } else {
        match content {
            None if is_hl7 => report.error("business-rule", "expected content", place),
            None => report.warning("business-rule", "expected content", place),
            Some("supplement") => {
                let expected = "expected a supplement to say what it supplements";
                report.error("business-rule", expected, &place.member("content"));
            }
            Some(_) => {}
        }
        let is_nested = system.items("concept").iter().any(|concept| !concept.items("concept").is_empty());
        let wanted =
            [("caseSensitive", !has_case), ("hierarchyMeaning", is_nested && system.get("hierarchyMeaning").is_none())];
        for (name, _) in wanted.into_iter().filter(|(_, is_missing)| *is_missing) {
            let expected = format!("expected {name}: without it the codes are not clear");
            if is_hl7 {
                report.warning("business-rule", expected, place);
            } else {
                report.information("business-rule", expected, place);
            }
        }
    }
    count(system, base, content.unwrap_or_default(), place, report);
}

fn count(system: &Json, base: Option<&Json>, content: &str, place: &Place<'_>, report: &mut Report) {
    let actual = concepts_in(system, 0);
    if actual == 0 && content == "complete" {
        report.warning("business-rule", "expected concepts: the content is said to be complete", place);
    }
    if content == "not-present" && actual > 0 {
        report.error(
            "invalid",
            "expected no concepts: the content is said not to be present",
            &place.member("concept").item(0),
        );
    }
    let number = |json: &Json| json.get("count").and_then(scalar).and_then(|count| count.parse::<usize>().ok());
    let Some(stated) = number(system) else { return };
    let here = place.member("count");
    match content {
        "complete" if actual != stated => {
            report.error("invalid", "expected count to be the number of concepts: the content is complete", &here);
        }
        "example" | "fragment" if actual >= stated => {
            report.warning("invalid", "expected fewer concepts than count says: the content is not complete", &here);
        }
        "supplement" if base.and_then(number).is_some_and(|count| count != stated) => {
            report.error("invalid", "expected count to be that of the code system that is supplemented", &here);
        }
        _ => {}
    }
}

fn concepts_in(element: &Json, depth: usize) -> usize {
    let concepts = element.items("concept");
    if depth > 64 {
        return 0;
    }
    concepts.len() + concepts.iter().map(|concept| concepts_in(concept, depth + 1)).sum::<usize>()
}

/// `valueSet` names the value set of the whole code system.
fn value_set(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    let Some(set) = text(scope.resource, "valueSet").and_then(|set| scope.find("ValueSet", set)) else { return };
    let includes = set.get("compose").map(|compose| compose.items("include")).unwrap_or_default();
    let [include] = includes else {
        report.error("business-rule", "expected valueSet to include the code system and nothing else", place);
        return;
    };
    if text(include, "system") != text(scope.resource, "url") {
        report.error("business-rule", "expected valueSet to include this code system", place);
    } else if ["valueSet", "concept", "filter"].iter().any(|name| include.get(name).is_some()) {
        report.error("business-rule", "expected valueSet to include the whole code system", place);
    }
}

/// The properties of FHIR and their types (codesystem.html#defined-props).
const PROPERTIES: &[(&str, &str)] = &[
    ("child", "code"),
    ("comment", "string"),
    ("deprecationDate", "dateTime"),
    ("effectiveDate", "dateTime"),
    ("inactive", "boolean"),
    ("itemWeight", "decimal"),
    ("notSelectable", "boolean"),
    ("parent", "code"),
    ("partOf", "code"),
    ("retirementDate", "dateTime"),
    ("status", "code"),
    ("synonym", "code"),
];

const PROPERTY_BASE: &str = "http://hl7.org/fhir/concept-properties#";

struct Property {
    of_type: String,
    /// Its values are codes of this system.
    is_internal: bool,
}

struct Walk<'w> {
    scope: &'w Scope<'w>,
    /// What the code system supplements, if it is known.
    base: Option<Arc<Json>>,
    properties: BTreeMap<String, Property>,
    codes: BTreeSet<String>,
    is_hl7: bool,
}

impl<'w> Walk<'w> {
    fn new(scope: &'w Scope<'w>, base: Option<Arc<Json>>) -> Self {
        let is_hl7 = text(scope.resource, "url").is_some_and(|url| url.contains("hl7"));
        Self { scope, base, properties: BTreeMap::new(), codes: BTreeSet::new(), is_hl7 }
    }

    fn properties(&mut self, place: &Place<'_>, report: &mut Report) {
        let list = place.member("property");
        let mut uris = BTreeSet::new();
        for (at, property) in self.scope.resource.items("property").iter().enumerate() {
            let here = list.item(at);
            let uri = text(property, "uri");
            if let Some(uri) = uri {
                if !is_absolute(uri) {
                    report.error("business-rule", "expected the uri of a property to be absolute", &here);
                } else if !uris.insert(uri) {
                    report.error("business-rule", "expected a property to have a uri of its own", &here);
                }
            }
            let Some(code) = text(property, "code") else { continue };
            let of_type = text(property, "type").unwrap_or_default();
            let by_uri = uri.and_then(|uri| uri.strip_prefix(PROPERTY_BASE));
            let by_uri = by_uri.and_then(|name| PROPERTIES.iter().find(|(known, _)| *known == name));
            let by_code = PROPERTIES.iter().find(|(known, _)| *known == code);
            if let Some((name, wanted)) = by_uri {
                if by_code.is_some_and(|(known, _)| known != name) {
                    report.error(
                        "business-rule",
                        "expected the code of a property of FHIR to be that of its uri",
                        &here,
                    );
                }
                if !of_type.is_empty() && of_type != *wanted {
                    report.error("business-rule", format!("expected the type {wanted} for the property {name}"), &here);
                }
            } else if uri.is_some_and(|uri| self.is_foreign(uri)) {
                report.error("business-rule", "expected a uri of HL7 to be one that FHIR defines", &here);
            }
            if let (None, Some((name, wanted))) = (uri, by_code) {
                report.warning(
                    "business-rule",
                    format!("expected the uri {PROPERTY_BASE}{name}: the code is that of a property of FHIR"),
                    &here,
                );
                if !of_type.is_empty() && of_type != *wanted {
                    report.warning("business-rule", format!("expected the type {wanted}, as FHIR has it"), &here);
                }
            }
            let is_internal =
                by_uri.is_some_and(|(name, _)| matches!(*name, "child" | "parent" | "partOf" | "synonym"));
            let property = Property { of_type: of_type.to_owned(), is_internal };
            if self.properties.insert(code.to_owned(), property).is_some() {
                report.error("business-rule", "expected a property to have a code of its own", &here);
            }
        }
    }

    /// Whether a uri is in the name space of HL7 without being one of the properties of FHIR or of this system.
    fn is_foreign(&self, uri: &str) -> bool {
        let own = text(self.scope.resource, "url").unwrap_or_default();
        let is_base = own.strip_prefix("http://hl7.org/fhir/").is_some_and(|name| !name.contains('/'));
        let is_own = !own.is_empty() && uri.starts_with(own);
        uri.contains("://hl7.org/fhir") && !uri.starts_with(PROPERTY_BASE) && !is_base && !is_own
    }

    fn concepts(&mut self, element: &Json, place: &Place<'_>, report: &mut Report, depth: usize) {
        if depth > 64 {
            return;
        }
        let list = place.member("concept");
        for (at, concept) in element.items("concept").iter().enumerate() {
            let here = list.item(at);
            if let Some(code) = text(concept, "code") {
                if !self.codes.insert(code.to_owned()) {
                    report.error("business-rule", "expected a code once in the code system", &here);
                }
                let is_foreign = self.base.as_deref().is_some_and(|base| is_complete(base) && !has_code(base, code, 0));
                if depth == 0 && is_foreign {
                    let expected = "expected a code of the code system that is supplemented";
                    report.error("business-rule", expected, &here);
                }
            }
            if self.is_hl7 {
                for name in ["display", "definition"].into_iter().filter(|name| concept.get(name).is_none()) {
                    // One of them is enough to make the point.
                    self.is_hl7 = false;
                    report.warning("business-rule", format!("expected every concept of HL7 to have a {name}"), &here);
                }
            }
            self.concepts(concept, &here, report, depth + 1);
        }
    }

    fn values(&self, element: &Json, place: &Place<'_>, report: &mut Report, depth: usize) {
        if depth > 64 {
            return;
        }
        let list = place.member("concept");
        for (at, concept) in element.items("concept").iter().enumerate() {
            let here = list.item(at);
            let values = here.member("property");
            for (at, property) in concept.items("property").iter().enumerate() {
                self.value(property, &values.item(at), report);
            }
            self.values(concept, &here, report, depth + 1);
        }
    }

    fn value(&self, property: &Json, place: &Place<'_>, report: &mut Report) {
        let Some(code) = text(property, "code") else { return };
        let defined = self.properties.get(code);
        if defined.is_none() {
            report.warning("business-rule", "expected the property to be defined in the code system", place);
        }
        let Some((of_type, value)) = choice(property, "value") else {
            report.error("business-rule", "expected the property to have a value", place);
            return;
        };
        let Some(defined) = defined else { return };
        if !defined.of_type.is_empty() && defined.of_type != of_type {
            report.error("business-rule", format!("expected a value of type {}", defined.of_type), place);
        } else if defined.is_internal && of_type == "code" && text(self.scope.resource, "supplements").is_none() {
            let is_known = value.as_str().is_none_or(|value| self.codes.contains(value));
            if !is_known {
                report.error("invalid", "expected a code of the code system", place);
            }
        }
    }
}

/// Whether a code system says that it has all of its codes.
pub(super) fn is_complete(system: &Json) -> bool {
    text(system, "content") == Some("complete")
}

/// Whether a code system has a code among its concepts.
pub(super) fn has_code(element: &Json, code: &str, depth: usize) -> bool {
    depth <= 64
        && element
            .items("concept")
            .iter()
            .any(|concept| text(concept, "code") == Some(code) || has_code(concept, code, depth + 1))
}
