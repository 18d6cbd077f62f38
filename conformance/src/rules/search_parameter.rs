//! SearchParameters: their expression, and what they are derived from. FHIR R4 searchparameter.html.

use model::json::Json;

use super::read::text;
use crate::place::Place;
use crate::report::Report;
use crate::scope::Scope;

pub(super) fn check(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    let parameter = scope.resource;
    let bases: Vec<&str> = parameter.items("base").iter().filter_map(Json::as_str).collect();
    if let Some(expression) = text(parameter, "expression")
        && let Err(expected) = scope.fits(expression, &bases)
    {
        report.error("invalid", expected, &place.member("expression"));
    }
    if text(parameter, "type") == Some("composite") && parameter.items("component").len() < 2 {
        report.error("business-rule", "expected a composite to have components", place);
    }
    let Some(origin) = text(parameter, "derivedFrom") else { return };
    let Some(origin) = scope.find("SearchParameter", origin) else {
        report.warning("business-rule", "the parameter that this one is derived from is not known here", place);
        return;
    };
    let known: Vec<&str> = origin.items("base").iter().filter_map(Json::as_str).collect();
    if bases.iter().any(|base| !known.contains(base) && !known.contains(&"Resource")) {
        report.error("business-rule", "expected base types of the parameter that this one is derived from", place);
    }
    if text(parameter, "type").is_some() && text(parameter, "type") != text(&origin, "type") {
        report.error("business-rule", "expected the type of the parameter that this one is derived from", place);
    }
    if let (Some(own), Some(other)) = (text(parameter, "expression"), text(&origin, "expression"))
        && parts(own, &bases) != parts(other, &bases)
    {
        report.warning(
            "business-rule",
            "expected the expression of the parameter that this one is derived from",
            place,
        );
    }
}

/// The alternatives of an expression that speak of these types, sorted.
fn parts<'e>(expression: &'e str, bases: &[&str]) -> Vec<&'e str> {
    let is_other = |part: &str| {
        let head = part.trim_start_matches('(').split(['.', ' ', ')']).next().unwrap_or_default();
        model::id::ResourceType::parse(head).is_ok() && !bases.contains(&head)
    };
    let mut parts: Vec<&str> = expression.split('|').map(str::trim).filter(|part| !is_other(part)).collect();
    parts.sort_unstable();
    parts
}
