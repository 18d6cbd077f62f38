//! Measures: groups, populations, criteria. FHIR R4 measure.html.

use std::sync::Arc;

use model::json::Json;

use super::read::text;
use crate::place::Place;
use crate::report::Report;
use crate::scope::Scope;

pub(super) fn check(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    let measure = scope.resource;
    let known = measure.items("library").iter().filter_map(Json::as_str);
    let libraries: Vec<_> = known.filter_map(|library| scope.find("Library", library)).collect();
    let libraries = (!measure.items("library").is_empty()).then_some(libraries);
    let groups = measure.items("group");
    if groups.is_empty() {
        report.warning("required", "expected a group", place);
    }
    let list = place.member("group");
    for (at, group) in groups.iter().enumerate() {
        let here = list.item(at);
        if groups.len() > 1 && group.get("code").is_none() {
            report.warning("required", "expected a code: there is more than one group", &here);
        }
        let populations = group.items("population");
        if populations.is_empty() {
            report.warning("required", "expected a population in the group", &here);
        }
        coded(populations, &here.member("population"), report);
        let stratifiers = group.items("stratifier");
        let list = here.member("stratifier");
        coded(stratifiers, &list, report);
        for (at, stratifier) in stratifiers.iter().enumerate() {
            let here = list.item(at);
            criteria(stratifier, libraries.as_deref(), &here, report);
            let components = stratifier.items("component");
            coded(components, &here.member("component"), report);
            for (at, component) in components.iter().enumerate() {
                criteria(component, libraries.as_deref(), &here.member("component").item(at), report);
            }
        }
    }
}

fn coded(items: &[Json], list: &Place<'_>, report: &mut Report) {
    for (at, item) in items.iter().enumerate() {
        if items.len() > 1 && item.get("code").is_none() {
            report.warning("required", "expected a code: there is more than one", &list.item(at));
        }
    }
}

/// An expression in CQL is defined in a library that the measure names.
fn criteria(element: &Json, libraries: Option<&[Arc<Json>]>, place: &Place<'_>, report: &mut Report) {
    let Some(criteria) = element.get("criteria") else { return };
    let here = place.member("criteria");
    match text(criteria, "language") {
        None => {}
        Some("text/cql" | "text/cql.identifier" | "text/cql-identifier") => {
            let Some(libraries) = libraries else {
                report.error("invalid", "expected the measure to name a library: the expression is in CQL", &here);
                return;
            };
            if libraries.is_empty() {
                report.warning("invalid", "expected a known library: the expression is in CQL", &here);
                return;
            }
            let expression = text(criteria, "expression").unwrap_or_default();
            match expression.split_once('.') {
                Some((name, _)) => {
                    let named = libraries.iter().filter(|library| text(library, "name") == Some(name)).count();
                    if named != 1 {
                        report.error("invalid", "expected one library of the name in the expression", &here);
                    }
                }
                None if libraries.len() > 1 => {
                    report.error("invalid", "expected the name of a library: there is more than one", &here);
                }
                None => {}
            }
        }
        Some(_) => report.warning("required", "expressions in this language are not looked at", &here),
    }
}
