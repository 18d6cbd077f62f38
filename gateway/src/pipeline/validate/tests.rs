use std::path::Path;

use model::json::{Limits, parse};
use store::Expect;

use super::*;
use crate::config::Config;

fn entry(text: &str, place: &str) -> Entry {
    Entry {
        resource: parse(text.as_bytes(), &Limits::default()).unwrap(),
        expect: Expect::Any,
        place: place.to_owned(),
    }
}

fn places(found: &[Issue]) -> Vec<&str> {
    found.iter().filter(|issue| issue.is_error()).filter_map(|issue| issue.at.as_deref()).collect()
}

#[test]
fn resources_are_looked_at_together_and_given_back_as_they_were() {
    let text = "[[source]]\nname='a'\ntransport='mllp'\nformat='hl7v2'\nvalidation='profile'";
    let config = Config::parse(text, Path::new(".")).unwrap();
    let validation = crate::validation::Validation::open(&config).unwrap();
    let patient = r#"{"resourceType":"Patient","id":"p","birthDate":"soon"}"#;
    let observation = r#"{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"},"valueString":7}"#;
    let mut entries = [entry(patient, "PID"), entry(observation, "OBX[1]")];
    let found = together(validation.source("a"), &mut entries);
    assert_eq!(places(&found), ["PID#Patient.birthDate", "OBX[1]#Observation.value.ofType(string)"]);
    assert_eq!(entries[0].resource.to_text(), patient);
    assert_eq!(entries[1].resource.to_text(), observation);
    assert_eq!(places(&one_by_one(validation.source("a"), &entries)), places(&found));
}

#[test]
fn the_place_in_the_bundle_becomes_the_place_in_the_resource() {
    assert_eq!(place_in_bundle("Bundle.entry[3].resource.name[0].given[1]"), (Some(3), ".name[0].given[1]"));
    assert_eq!(place_in_bundle("Bundle.entry[3].resource"), (Some(3), ""));
    assert_eq!(place_in_bundle("Bundle.entry[3].fullUrl"), (Some(3), ".fullUrl"));
    assert_eq!(place_in_bundle("Bundle.type"), (None, "Bundle.type"));
}
