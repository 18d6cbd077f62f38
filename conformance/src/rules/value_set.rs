//! ValueSets: what they include and exclude. FHIR R4 valueset.html.

use model::json::Json;
use model::resource::{id, resource_type};

use super::filter::{self, Parameters};
use super::know::Member;
use super::read::text;
use crate::place::Place;
use crate::report::Report;
use crate::resolve::is_absolute;
use crate::scope::Scope;

pub(super) fn check(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    let mut parameters = Parameters::of(scope.resource);
    if let Some(compose) = scope.resource.get("compose") {
        let here = place.member("compose");
        for name in ["include", "exclude"] {
            let list = here.member(name);
            for (at, set) in compose.items(name).iter().enumerate() {
                check_set(scope, set, &mut parameters, &list.item(at), report);
            }
        }
    }
    parameters.report_unused(place, report);
}

fn check_set(scope: &Scope<'_>, set: &Json, parameters: &mut Parameters, place: &Place<'_>, report: &mut Report) {
    let stated = text(set, "system");
    let version = text(set, "version");
    let system = stated.map(|system| system.split('|').next().unwrap_or_default());
    if let Some((_, inner)) = stated.and_then(|system| system.split_once('|')) {
        if inner.is_empty() {
            report.warning("business-rule", "expected the system without |", place);
        } else {
            report.error("business-rule", "expected the version of the system in version, not behind |", place);
        }
        let _ = version;
    }
    imports(scope, set, place, report);
    let (concepts, filters) = (set.items("concept"), set.items("filter"));
    let Some(system) = system else {
        if !concepts.is_empty() || !filters.is_empty() {
            report.warning("business-rule", "expected a system: codes and filters mean nothing without it", place);
        }
        return;
    };
    if !is_absolute(system) {
        report.error("invalid", "expected the system to be an absolute URL", place);
    }
    if let Some(local) = system.strip_prefix('#') {
        contained(scope.resource, local, version, place, report);
    }
    let versioned = version.map(|version| format!("{system}|{version}"));
    let known = scope.find("CodeSystem", versioned.as_deref().unwrap_or(system));
    match known.as_deref().map(|known| text(known, "content").unwrap_or_default()) {
        Some("supplement") => {
            report.error("invalid", "expected a code system, not a supplement of one", place);
            return;
        }
        Some("example") => report.warning("invalid", "the content of the code system is only an example", place),
        Some("not-present") => report.information("invalid", "the codes of the system are not known here", place),
        Some(_) => {}
        None if scope.find("ValueSet", system).is_some() => {
            report.error("invalid", "expected a code system, not a value set", place);
            return;
        }
        None => {}
    }
    let list = place.member("concept");
    let is_retired = text(scope.resource, "status") == Some("retired");
    for (at, concept) in concepts.iter().enumerate() {
        if let Some(code) = text(concept, "code")
            && scope.is_code(system, version, code) == Member::NotIn
        {
            let expected = "expected a code of the system";
            if is_retired {
                report.warning("business-rule", expected, &list.item(at));
            } else {
                report.error("business-rule", expected, &list.item(at));
            }
        }
    }
    let list = place.member("filter");
    for (at, one) in filters.iter().enumerate() {
        filter::check(scope, one, system, known.as_deref(), parameters, &list.item(at), report);
    }
}

fn imports(scope: &Scope<'_>, set: &Json, place: &Place<'_>, report: &mut Report) {
    let sets = set.items("valueSet");
    let list = place.member("valueSet");
    for (at, canonical) in sets.iter().enumerate() {
        let Some(canonical) = canonical.as_str() else { continue };
        // A query part makes an implicit value set, which no definition answers to.
        if canonical.contains('?') || scope.find("ValueSet", canonical).is_some() || canonical.starts_with('#') {
            continue;
        }
        report.warning("business-rule", "the value set is not known here", &list.item(at));
    }
    if sets.len() > 1 {
        report.warning("informational", "several value sets here mean what is in all of them", place);
    }
}

/// A contained code system is named by its URL; `#id` says where it is to readers only.
fn contained(resource: &Json, local: &str, version: Option<&str>, place: &Place<'_>, report: &mut Report) {
    let mut found = 0usize;
    for inner in resource.items("contained").iter().filter(|inner| id(inner) == Some(local)) {
        if resource_type(inner) != Some("CodeSystem") {
            report.error("invalid", "expected the contained resource to be a code system", place);
        } else if version.is_none_or(|version| text(inner, "version") == Some(version)) {
            found += 1;
        }
    }
    if found != 1 {
        report.error("invalid", "expected one contained code system of that id", place);
    }
}
