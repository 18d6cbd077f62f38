//! OperationDefinitions: the profiles of input and output have the parameters. FHIR R4 operationdefinition.html.

use definitions::profile::{Element, ElementId, Profile};
use model::json::Json;

use super::read::{choice, extensions, scalar, text};
use crate::place::Place;
use crate::report::Report;
use crate::scope::Scope;

pub(super) fn check(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    for (member, direction) in [("inputProfile", "in"), ("outputProfile", "out")] {
        let Some(canonical) = text(scope.resource, member) else { continue };
        let here = place.member(member);
        match scope.profile(canonical) {
            None => report.error("unknown", "expected a profile that is known here", &here),
            Some(profile) if profile.type_name != "Parameters" => {
                report.error("invalid", "expected a profile of Parameters", &here);
            }
            Some(profile) => compare(scope.resource, &profile, direction, place, &here, report),
        }
    }
}

fn compare(
    operation: &Json,
    profile: &Profile,
    direction: &str,
    place: &Place<'_>,
    here: &Place<'_>,
    report: &mut Report,
) {
    let parameters = operation.items("parameter");
    let mut matched = vec![false; parameters.len()];
    let slices = profile.child(ElementId::ROOT, "parameter").map(|(_, element)| element.slices.clone());
    let list = place.member("parameter");
    for slice in slices.unwrap_or_default() {
        let name = profile.child(slice, "name").and_then(|(_, name)| name.fixed.as_ref().or(name.pattern.as_ref()));
        let Some(name) = name.and_then(|value| value.value.as_str()) else { continue };
        let is_it = |one: &Json| text(one, "name") == Some(name) && text(one, "use") == Some(direction);
        match parameters.iter().position(is_it) {
            None => {
                let text = "the profile defines a parameter that the operation does not have";
                report.warning("unknown", text, here);
            }
            Some(at) => {
                matched.get_mut(at).into_iter().for_each(|matched| *matched = true);
                if let Some(parameter) = parameters.get(at) {
                    parameter_fits(parameter, profile, slice, &list.item(at), report);
                }
            }
        }
    }
    for (at, parameter) in parameters.iter().enumerate() {
        if text(parameter, "use") == Some(direction) && matched.get(at) == Some(&false) {
            report.warning("unknown", "the profile does not define the parameter", &list.item(at));
        }
    }
}

fn parameter_fits(parameter: &Json, profile: &Profile, slice: ElementId, place: &Place<'_>, report: &mut Report) {
    let element = profile.element(slice);
    let number = |name: &str| parameter.get(name).and_then(scalar).and_then(|number| number.parse::<u32>().ok());
    if number("min").is_some_and(|min| min != element.min) {
        report.error("unknown", "expected the min that the profile has", place);
    }
    let max = text(parameter, "max");
    let is_same = match (max, element.max) {
        (None, _) | (Some("*"), None) => true,
        (Some(max), Some(known)) => max.parse() == Ok(known),
        (Some(_), None) => false,
    };
    if !is_same {
        report.error("unknown", "expected the max that the profile has", place);
    }
    let (types, targets) = used(profile, slice);
    let allowed = allowed_types(parameter);
    if types.iter().any(|name| !allowed.iter().any(|own| own == name)) {
        report.error("invalid", "expected the parameter to have every type that the profile allows", place);
    }
    if allowed.iter().any(|name| !types.contains(name)) {
        report.error("invalid", "expected the profile to allow every type of the parameter", place);
    }
    let own: Vec<&str> = parameter.items("targetProfile").iter().filter_map(Json::as_str).collect();
    if own.iter().any(|target| !targets.iter().any(|known| known == target)) {
        report.error("invalid", "expected the profile to allow every target profile of the parameter", place);
    }
    if targets.iter().any(|target| !own.contains(&target.as_str())) {
        report.error("invalid", "expected the parameter to have every target profile that the profile allows", place);
    }
}

/// Types and target profiles of the one of value, resource and part that a slice uses.
fn used(profile: &Profile, slice: ElementId) -> (Vec<String>, Vec<String>) {
    let child = |name: &str| profile.child(slice, name).map(|(_, element)| element);
    let is_needed = |name: &str| child(name).is_some_and(|element| element.min > 0);
    let is_used =
        |element: &&Element, others: [&str; 2]| !element.is_prohibited() && !others.into_iter().any(is_needed);
    let (mut types, mut targets) = (Vec::new(), Vec::new());
    if let Some(value) = child("value").filter(|value| is_used(value, ["resource", "part"])) {
        for of_type in &value.types {
            types.push(of_type.code.to_string());
            targets.extend(of_type.target_profiles.iter().cloned());
        }
    }
    if let Some(resource) = child("resource").filter(|resource| is_used(resource, ["value", "part"])) {
        for of_type in &resource.types {
            types.push(of_type.code.to_string());
            targets.extend(of_type.profiles.iter().cloned());
        }
    }
    (types, targets)
}

const ALLOWED: &str = "http://hl7.org/fhir/StructureDefinition/operationdefinition-allowed-type";

fn allowed_types(parameter: &Json) -> Vec<String> {
    let stated =
        extensions(parameter, ALLOWED).filter_map(|extension| Some(choice(extension, "value")?.1.as_str()?.to_owned()));
    let stated: Vec<String> = stated.collect();
    if stated.is_empty() { text(parameter, "type").map(str::to_owned).into_iter().collect() } else { stated }
}
