use model::json::{Limits, parse};

use super::*;

#[test]
fn every_problem_of_a_definition_is_named() {
    let text = r#"{"resourceType":"SearchParameter","code":"a b","type":"special","base":["Patient","Nothing"],"target":["None"],
        "expression":"Patient.name.(","component":[{"definition":"urn:x"}]}"#;
    let problems = Definition::read(&parse(text.as_bytes(), &Limits::default()).unwrap()).unwrap_err();
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for part in ["url:", "code:", "type:", "base:", "target:", "expression:", "component[0]:"] {
        assert!(text.iter().any(|text| text.contains(part)), "{part} in {text:?}");
    }
}

#[test]
fn functions_that_do_not_exist_are_refused() {
    let text = r#"{"resourceType":"SearchParameter","url":"urn:x","code":"x","type":"string","base":["Patient"],"expression":"Patient.name.frobnicate()"}"#;
    let problems = Definition::read(&parse(text.as_bytes(), &Limits::default()).unwrap()).unwrap_err();
    assert!(problems[0].text.starts_with("expression: "), "{problems:?}");
}

#[test]
fn names_with_a_meaning_of_their_own_are_refused() {
    let text = r#"{"resourceType":"SearchParameter","url":"urn:x","code":"_text","type":"string","base":["Patient"],"expression":"Patient.name"}"#;
    assert!(Definition::read(&parse(text.as_bytes(), &Limits::default()).unwrap()).is_err());
}

#[test]
fn a_choice_by_its_json_name_is_taken_as_what_it_means() {
    for (text, taken) in [
        (
            "Condition.extension.where(url = 'a.valueDate').valueDateTime",
            "Condition.extension.where(url = 'a.valueDate').value.ofType(dateTime)",
        ),
        ("Patient.extension.valueCodeableConcept.coding", "Patient.extension.value.ofType(CodeableConcept).coding"),
        ("Observation.value.exists()", "Observation.value.exists()"),
        ("Observation.valueSet", "Observation.valueSet"),
    ] {
        assert_eq!(typed_choices(text), taken);
    }
}
