use model::json::{Limits, parse};

use super::evaluate;

#[track_caller]
fn check(expression: &str, texts: &[&str], holds: bool) {
    let patient = r#"{"resourceType":"Patient","active":false,"multipleBirthInteger":2,"birthDate":"1970-01",
        "name":[{"family":"Lee","given":["A","B"]}],"extension":[{"url":"u","valueDecimal":1.50}]}"#;
    let patient = parse(patient.as_bytes(), &Limits::default()).unwrap();
    let values = evaluate(&patient, expression).unwrap();
    assert_eq!(
        (values.texts.iter().map(String::as_str).collect::<Vec<_>>(), values.holds),
        (texts.to_vec(), holds),
        "{expression}"
    );
}

#[test]
fn gives_values_as_fhir_writes_them() {
    check("Patient.name.given", &["A", "B"], true);
    check("active", &["false"], false);
    check("Patient.contact", &[], false);
    check("name.exists() and birthDate < today()", &["true"], true);
    check("extension.value", &["1.50"], true);
    check("multipleBirth + 1", &["3"], true);
    check("name.first()", &[r#"{"family":"Lee","given":["A","B"]}"#], true);
}

#[test]
fn says_what_it_cannot_evaluate() {
    let patient = parse(br#"{"resourceType":"Patient"}"#, &Limits::default()).unwrap();
    assert!(evaluate(&patient, "name.(").unwrap_err().contains("name.("));
    assert!(evaluate(&patient, "noSuchFunction()").is_err());
}
