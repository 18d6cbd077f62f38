//! StructureDefinitions: what they say of themselves and of their base. FHIR R4 structuredefinition.html,
//! profiling.html.

use definitions::profile::{Derivation, DifferentialFault, Kind, Profile, ProfileError};
use model::json::Json;

use super::element_definition;
use super::read::{extension, text};
use crate::place::Place;
use crate::report::Report;
use crate::resolve::is_absolute;
use crate::scope::Scope;

pub(super) fn check(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    let structure = scope.resource;
    type_name(structure, place, report);
    context(scope, place, report);
    let base = text(structure, "baseDefinition");
    let known = base.and_then(|base| scope.profile(base));
    let own_url = text(structure, "url");
    match &known {
        // Its own base: nothing to compare with.
        Some(_) if base.is_some() && base == own_url => {
            report.warning("not-found", "the base is not known here: the differential cannot be checked", place);
            return;
        }
        Some(known) => against_base(structure, known, place, report),
        None if base.is_some() => {
            report.warning("not-found", "the base is not known here: the differential cannot be checked", place);
            return;
        }
        None => {}
    }
    if let Some(base) = &known {
        snapshot(scope, base, place, report);
    }
    element_definition::check(scope, known.as_deref(), place, report);
    extension_url(structure, place, report);
}

/// `type` is a type of R4 in profiles and data types, a URL in logical models.
fn type_name(structure: &Json, place: &Place<'_>, report: &mut Report) {
    let Some(name) = text(structure, "type") else { return };
    let here = place.member("type");
    let is_constraint = text(structure, "derivation") == Some("constraint");
    if is_absolute(name) {
        if text(structure, "kind") != Some("logical") {
            report.error("invalid", "expected the name of a type of R4: URLs are for logical models", &here);
        }
        return;
    }
    let Some((_, shape)) = model::types::r4().find(name).filter(|_| !name.contains('.')) else {
        if !is_primitive(name) {
            report.error("invalid", "expected a type of R4, or a URL for a logical model", &here);
        }
        return;
    };
    let own = text(structure, "url").and_then(|url| url.strip_prefix("http://hl7.org/fhir/StructureDefinition/"));
    if own != Some(shape.path.as_str()) && !is_constraint {
        report.error("invalid", "expected a constraint: the type is defined by R4 itself", &here);
    }
}

fn is_primitive(name: &str) -> bool {
    let mut types = model::types::r4().find("Extension").into_iter().flat_map(|(_, shape)| &shape.elements);
    name == "xhtml" || types.any(|element| element.types.iter().any(|of_type| of_type.name == name))
}

/// Where an extension may stand is said of extensions only.
fn context(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    let structure = scope.resource;
    let is_extension = text(structure, "type") == Some("Extension");
    let list = place.member("context");
    for (at, context) in structure.items("context").iter().enumerate() {
        let here = list.item(at);
        let expression = text(context, "expression").unwrap_or_default();
        if !is_extension {
            if !has_json_name(structure) {
                report.error("invalid", "expected a context on definitions of extensions only", &here);
            }
            continue;
        }
        match text(context, "type") {
            Some("element") if expression == "Element" => {
                let text = "expected a narrower context: Element allows the extension everywhere";
                report.warning("business-rule", text, &here);
            }
            Some("element") if !is_element(scope, expression) => {
                report.error("invalid", "expected the context to be an element that exists", &here);
            }
            Some("fhirpath") if expression.contains('.') && is_element(scope, expression) => {
                report.warning("business-rule", "expected a context of type element: the path is one", &here);
            }
            _ => {}
        }
    }
    let list = place.member("contextInvariant");
    for (at, expression) in structure.items("contextInvariant").iter().enumerate() {
        if !is_extension {
            report.error("invalid", "expected contextInvariant on definitions of extensions only", &list.item(at));
        } else if let Some(Err(expected)) = expression.as_str().map(|expression| scope.parses(expression)) {
            report.error("invalid", expected, &list.item(at));
        }
    }
}

/// Whether `Type.path` or `url#id` is an element of a definition that is known here.
fn is_element(scope: &Scope<'_>, expression: &str) -> bool {
    if let Some((url, id)) = expression.split_once('#') {
        return scope.profile(url).is_none_or(|profile| profile.elements.iter().any(|element| element.id == id));
    }
    let (name, rest) = expression.split_once('.').unwrap_or((expression, ""));
    // Interfaces of R5 that contexts name already.
    if matches!(name, "CanonicalResource" | "MetadataResource") {
        return true;
    }
    let table = model::types::r4();
    let Some((_, mut shape)) = table.find(name) else { return is_primitive(name) };
    for step in rest.split('.').filter(|step| !step.is_empty()) {
        let step = step.strip_suffix("[x]").unwrap_or(step);
        let found = shape.elements.iter().find(|element| element.name == step);
        let of_type = match found {
            Some(element) => element.types.first(),
            None => shape.find(step).map(|(_, _, of_type)| of_type),
        };
        let Some(of_type) = of_type else { return false };
        match of_type.kind {
            model::types::Kind::Object(id) | model::types::Kind::Reference(id, _) => shape = table.shape(id),
            _ => return true,
        }
    }
    true
}

const JSON_NAMES: &[&str] = &[
    "http://hl7.org/fhir/tools/StructureDefinition/json-name",
    "http://hl7.org/fhir/tools/StructureDefinition/elementdefinition-json-name",
];

fn has_json_name(structure: &Json) -> bool {
    let root = ["snapshot", "differential"].iter().find_map(|name| structure.get(name)?.items("element").first());
    root.is_some_and(|root| JSON_NAMES.iter().any(|url| extension(root, url).is_some()))
}

fn against_base(structure: &Json, base: &Profile, place: &Place<'_>, report: &mut Report) {
    let Some(derivation) = text(structure, "derivation") else {
        report.error("not-found", "expected derivation: there is a base", place);
        return;
    };
    let kind = match base.kind {
        Kind::Primitive => "primitive-type",
        Kind::Complex => "complex-type",
        Kind::Resource => "resource",
        Kind::Logical => "logical",
    };
    let own_kind = text(structure, "kind");
    let is_other_kind = own_kind.is_some_and(|own| own != kind);
    if is_other_kind && !(base.is_abstract && derivation == "specialization") {
        report.error("not-found", "expected the kind of the base", place);
    }
    let own_type = text(structure, "type").map(|name| name.rsplit('/').next().unwrap_or(name));
    let is_same = own_type == Some(base.type_name.rsplit('/').next().unwrap_or_default());
    if derivation == "constraint" && !is_same {
        report.error("not-found", "expected the type of the base: this is a constraint on it", place);
    } else if derivation == "specialization" && is_same && base.derivation == Derivation::Specialization {
        report.error("not-found", "expected another type than the base has: this is a specialization", place);
    }
}

/// The differential has to fit the base.
fn snapshot(scope: &Scope<'_>, base: &Profile, place: &Place<'_>, report: &mut Report) {
    if text(scope.resource, "derivation") != Some("constraint") || scope.resource.get("differential").is_none() {
        return;
    }
    let made = match scope.generate(scope.resource) {
        Ok(made) => made,
        Err(ProfileError::Unknown) => return,
        Err(ProfileError::Broken(expected)) => {
            report.error("exception", format!("expected a differential that fits its base: {expected}"), place);
            return;
        }
    };
    let paths: Vec<Option<&str>> = scope
        .resource
        .get("differential")
        .map_or(&[][..], |differential| differential.items("element"))
        .iter()
        .map(|element| text(element, "path"))
        .collect();
    let differential = place.member("differential");
    let list = differential.member("element");
    let mut unmatched = 0;
    for issue in &made.issues {
        let path = issue.element.and_then(|at| paths.get(at).copied().flatten());
        match (issue.kind, issue.element) {
            (DifferentialFault::Unplaced, Some(_)) if path.is_some_and(|path| names_choice(base, path)) => {
                report.error("exception", format!("expected a choice to be named with [x]: {}", issue.text), place);
            }
            (DifferentialFault::Unplaced | DifferentialFault::Order, Some(at)) => {
                unmatched += 1;
                let expected = format!("expected an element of the base, in its order: {}", issue.text);
                report.error("invalid", expected, &list.item(at));
            }
            (DifferentialFault::Path, _) => {
                report.error("exception", format!("expected the path of an element: {}", issue.text), place);
            }
            (DifferentialFault::Cardinality | DifferentialFault::Type, _) => {
                report.error("business-rule", format!("expected an element within its base: {}", issue.text), place);
            }
            _ => {}
        }
    }
    if unmatched > 0 {
        report.error("invalid", "expected every element of the differential in the snapshot", place);
    }
}

/// Whether a path starts like a choice of the base: `Observation.valueBla`.
fn names_choice(base: &Profile, path: &str) -> bool {
    base.elements.iter().any(|element| {
        element.is_choice
            && element
                .path
                .strip_suffix("[x]")
                .and_then(|stem| path.strip_prefix(stem))
                .is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_uppercase()) && !rest.contains('.'))
    })
}

/// An extension says its own URL in Extension.url.
fn extension_url(structure: &Json, place: &Place<'_>, report: &mut Report) {
    let is_first = text(structure, "baseDefinition") == Some("http://hl7.org/fhir/StructureDefinition/Extension");
    if text(structure, "type") != Some("Extension") || !is_first {
        return;
    }
    let Some(url) = text(structure, "url") else { return };
    let elements = structure.get("differential").map(|list| list.items("element")).unwrap_or_default();
    let own = elements.iter().find(|element| text(element, "path") == Some("Extension.url"));
    match own.and_then(|own| text(own, "fixedUri")) {
        None => report.error("invalid", "expected the differential to fix Extension.url", place),
        Some(fixed) if fixed != url => report.error("invalid", "expected Extension.url to be fixed to url", place),
        Some(_) => {}
    }
}
