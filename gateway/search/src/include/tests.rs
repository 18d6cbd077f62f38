use model::json::{Limits, parse};

use super::*;

#[test]
fn lists_what_can_come_along() {
    let registry = Registry::standard();
    let encounter = ResourceType::parse("Encounter").unwrap();
    assert!(includes(&registry, encounter).contains(&"Encounter:diagnosis".to_owned()));
    assert!(reverse_includes(&registry, encounter).contains(&"Observation:encounter".to_owned()));
}

#[test]
fn follows_every_reference_or_those_named() {
    let registry = Registry::standard();
    let json = parse(
        br#"{"resourceType":"Encounter","subject":{"reference":"Patient/p"},"serviceProvider":{"reference":"https://here.example/fhir/Organization/o"},
        "partOf":{"reference":"https://there.example/fhir/Encounter/e"},"appointment":[{"reference":"Appointment/a/_history/2"}]}"#,
        &Limits::default(),
    )
    .unwrap();
    let encounter = ResourceType::parse("Encounter").unwrap();
    let targets = |text: &str| {
        let include = Include::parse(&registry, text, false).unwrap();
        let found = include.targets(&registry, encounter, &json, "https://here.example/fhir");
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(targets("*"), "Appointment/a Organization/o Patient/p");
    assert_eq!(targets("Encounter:*"), targets("*"));
    assert_eq!(targets("Encounter:subject"), "Patient/p");
    assert_eq!(targets("Encounter:subject:Group"), "");
    assert_eq!(targets("Patient:*"), "");
    for text in [
        "",
        "Encounter",
        "Encounter:status",
        "Encounter:subject:Medication",
        "No:subject",
        "Encounter:subject:Patient:x",
    ] {
        assert_eq!(Include::parse(&registry, text, false), None, "{text}");
    }
}
