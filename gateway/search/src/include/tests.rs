use model::json::{Limits, parse};

use super::*;

#[track_caller]
fn check(include: &str, resource: &str, expect: &[&str]) {
    let resource = parse(resource.as_bytes(), &Limits::default()).unwrap();
    let found = Include::parse(include).unwrap().targets(&resource, "https://here.example/fhir");
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expect, "{include}");
}

const ENCOUNTER: &str = r#"{"resourceType":"Encounter","id":"e","subject":{"reference":"Patient/p"},"diagnosis":[
    {"condition":{"reference":"Condition/a"}},{"condition":{"reference":"https://here.example/fhir/Condition/b"}},
    {"condition":{"reference":"Condition/a/_history/2"}},{"condition":{"reference":"https://there.example/Condition/c"}},
    {"condition":{"reference":"urn:uuid:9"}},{"condition":{"display":"none"}},{"condition":{"reference":"Procedure/d"}}]}"#;

#[test]
fn follows_the_elements_of_a_parameter() {
    check("Encounter:diagnosis", ENCOUNTER, &["Condition/a", "Condition/b", "Procedure/d"]);
    check("Encounter:diagnosis:Procedure", ENCOUNTER, &["Procedure/d"]);
    check("Encounter:patient", ENCOUNTER, &["Patient/p"]);
    let request = r#"{"resourceType":"MedicationRequest","medicationReference":{"reference":"Medication/m"}}"#;
    check("MedicationRequest:medication", request, &["Medication/m"]);
}

#[test]
fn a_parameter_of_one_type_follows_no_other() {
    let sample = r#"{"resourceType":"Observation","subject":{"reference":"Device/d"}}"#;
    check("Observation:subject", sample, &["Device/d"]);
    check("Observation:patient", sample, &[]);
}

#[test]
fn refuses_what_is_no_reference_parameter() {
    for text in [
        "",
        "*",
        "Encounter",
        "Encounter:",
        "Encounter:*",
        "Encounter:status",
        "Nothing:patient",
        "encounter:patient",
        "Encounter:diagnosis:Patient",
        "Encounter:diagnosis:Nothing",
        "Encounter:diagnosis:Condition:more",
    ] {
        assert_eq!(Include::parse(text), None, "{text}");
    }
}

#[test]
fn lists_what_can_be_asked() {
    assert!(includes("Encounter").contains(&"Encounter:diagnosis".to_owned()));
    assert!(reverse_includes("Condition").contains(&"Encounter:diagnosis".to_owned()));
    assert!(reverse_includes("Condition").contains(&"Provenance:target".to_owned()), "points to anything");
    assert!(!reverse_includes("Condition").contains(&"Encounter:patient".to_owned()));
    assert!(includes("Binary").is_empty());
}
