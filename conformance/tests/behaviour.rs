//! What the validator says of small resources: valid or not, and at which element. Written from FHIR R4 profiling.html,
//! extensibility.html, elementdefinition.html, references.html and the pages of the resources.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

#[path = "behaviour/bundles.rs"]
mod bundles;
#[path = "behaviour/codes.rs"]
mod codes;
#[path = "behaviour/extensions.rs"]
mod extensions;
#[path = "behaviour/profiles.rs"]
mod profiles;
#[path = "behaviour/resources.rs"]
mod resources;

use std::sync::Arc;

use conformance::file::file;
use conformance::validate::{Options, Validator};
use definitions::{Definitions, Package};
use model::json::{Limits, parse};

/// A resource, in JSON or XML, and what is expected of it.
struct Case {
    /// What it shows.
    what: &'static str,
    /// Definitions that are loaded besides R4.
    definitions: &'static [&'static str],
    resource: &'static str,
    /// Where an error is expected; without one the resource is valid.
    error_at: Option<&'static str>,
}

/// What differs from what is expected, for people.
fn surprise(case: &Case) -> Option<String> {
    let limits = Limits::default();
    let known = case.definitions.iter().map(|text| parse(text.as_bytes(), &limits).unwrap()).collect();
    let definitions = Definitions::r4().with(vec![Package::from_resources(known)]);
    let validator = Validator::of(Arc::new(definitions));
    let report = file(&validator, "case", case.resource.as_bytes(), &limits, &Options::default());
    let errors = || report.issues.iter().filter(|issue| issue.is_error());
    let is_expected = match case.error_at {
        None => report.valid,
        Some(place) => errors().any(|issue| issue.at.as_deref().unwrap_or_default() == place),
    };
    let found: Vec<String> = errors().map(ToString::to_string).collect();
    (!is_expected).then(|| format!("{}: expected {:?}, found {found:#?}", case.what, case.error_at))
}

#[track_caller]
fn check(cases: &[Case]) {
    let surprises: Vec<String> = cases.iter().filter_map(surprise).collect();
    assert!(surprises.is_empty(), "{} of {}:\n{}", surprises.len(), cases.len(), surprises.join("\n"));
}

#[test]
fn profiles_are_held_to_what_they_say() {
    check(profiles::CASES);
}

#[test]
fn entries_are_held_to_the_profiles_of_their_slices() {
    check(bundles::CASES);
}

#[test]
fn codes_are_in_the_value_sets_that_ask_for_them() {
    check(codes::CASES);
}

#[test]
fn extensions_are_what_and_where_they_are_defined_to_be() {
    check(extensions::CASES);
}

#[test]
fn resources_keep_the_rules_of_r4() {
    check(resources::CASES);
}
