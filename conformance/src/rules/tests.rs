//! What the rules say of minimal resources.

mod bundle;
mod canonical;
mod measure;
mod property;
mod questionnaire;
mod text;

use std::sync::Arc;

use definitions::{Definitions, Package};
use model::json::{Json, Limits, parse};

use crate::validate::{Options, Validator};

fn tree(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Every finding as `severity code at place: text`, validated with these definitions at hand.
fn findings_with(resource: &str, definitions: &[&str], options: &Options<'_>) -> Vec<String> {
    let known = Package::from_resources(definitions.iter().map(|text| tree(text)).collect());
    let validator = Validator::of(Arc::new(Definitions::r4().with(vec![known])));
    validator.validate(&tree(resource), options).iter().map(ToString::to_string).collect()
}

#[track_caller]
fn finds(resource: &str, expected: &str) {
    finds_with(resource, &[], expected);
}

#[track_caller]
fn finds_with(resource: &str, definitions: &[&str], expected: &str) {
    let found = findings_with(resource, definitions, &Options::default());
    assert!(found.iter().any(|finding| finding.contains(expected)), "{expected}\n not among {found:#?}");
}

/// No finding has this text.
#[track_caller]
fn passes(resource: &str, definitions: &[&str], unwanted: &str) {
    let found = findings_with(resource, definitions, &Options::default());
    assert!(!found.iter().any(|finding| finding.contains(unwanted)), "{found:#?}");
}
