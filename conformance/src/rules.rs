//! Rules that no profile says: what a resource type, a data type or a text has to be besides its definition.
//!
//! Three hooks, called by the walk of the validator: [`check`] once for every resource, [`element`] for every complex
//! value, [`primitive`] for every text. Severity and issue code are those of the reference validator where the
//! specification leaves them open. Diagnostics name expectations and never quote the instance.

mod answer;
mod base64;
mod bundle;
mod canonical;
mod capability;
mod code_system;
mod compare;
mod concept_map;
mod datatype;
mod document;
mod element_definition;
mod enable;
mod filter;
mod know;
mod links;
mod measure;
mod measure_report;
mod narrative;
mod observation;
mod operation;
mod questionnaire;
mod read;
mod reference;
mod resource;
mod response;
mod search_parameter;
mod signature;
mod structure_definition;
mod text;
mod value_set;

use model::json::Json;
use model::resource::resource_type;

use crate::place::Place;
use crate::report::Report;
use crate::scope::Scope;

pub(crate) use canonical::canonical_target;

/// Rules of a resource as a whole. Called after its elements have been looked at.
pub(crate) fn check(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    resource::check(scope, place, report);
    match resource_type(scope.resource).unwrap_or_default() {
        "Bundle" => bundle::check(scope, place, report),
        "CapabilityStatement" => capability::check(scope, place, report),
        "CodeSystem" => code_system::check(scope, place, report),
        "ConceptMap" => concept_map::check(scope, place, report),
        "Measure" => measure::check(scope, place, report),
        "MeasureReport" => measure_report::check(scope, place, report),
        "Observation" => observation::check(scope, place, report),
        "OperationDefinition" => operation::check(scope, place, report),
        "Questionnaire" => questionnaire::check(scope, place, report),
        "QuestionnaireResponse" => response::check(scope, place, report),
        "SearchParameter" => search_parameter::check(scope, place, report),
        "StructureDefinition" => structure_definition::check(scope, place, report),
        "ValueSet" => value_set::check(scope, place, report),
        _ => {}
    }
    if scope.container.is_none() && scope.bundle.is_none() && !scope.resolver.affords(0) {
        report.warning("too-costly", "not all links and conditions were followed: there are too many of them", place);
    }
}

/// Rules of one value of a complex type.
pub(crate) fn element(scope: &Scope<'_>, type_name: &str, value: &Json, place: &Place<'_>, report: &mut Report) {
    match type_name {
        "Attachment" => datatype::attachment(value, place, report),
        "Coding" => datatype::coding(scope, value, place, report),
        "Extension" => links::fragment(scope, value, place, report),
        "Identifier" => datatype::identifier(value, place, report),
        "Narrative" => narrative::check(scope, value, place, report),
        "Reference" => reference::check(scope, value, place, report),
        _ => {}
    }
}

/// Rules of one primitive that is a string in JSON.
pub(crate) fn primitive(scope: &Scope<'_>, type_name: &str, value: &str, place: &Place<'_>, report: &mut Report) {
    text::check(scope.options, type_name, value, place, report);
}

/// URLs that nobody expects to lead anywhere (RFC 2606 and what the specification uses).
pub(crate) fn is_example_url(url: &str) -> bool {
    const HOSTS: &[&str] = &["example.org", "acme.com", "acme.org", "example.com", "example.net"];
    let follows = |rest: &str| rest.is_empty() || rest.starts_with('/');
    HOSTS.iter().any(|host| url.match_indices(host).any(|(at, host)| url.get(at + host.len()..).is_some_and(follows)))
        || url.starts_with("urn:oid:1.3.6.1.4.1.32473.")
        || url.starts_with("urn:oid:2.999.")
}

#[cfg(test)]
mod tests;
