//! Who is how like a description.

use model::json::{Limits, parse};

use super::*;

fn tree(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

const STORED: &str = r#"{"resourceType":"Patient","identifier":[{"system":"urn:mrn","value":"17"}],
    "name":[{"family":"Example","given":["Ada"]}],"birthDate":"1980-02-03","gender":"female"}"#;

#[track_caller]
fn check(description: &str, expect: Option<Grade>) {
    let description = Description::of(&tree(&format!(r#"{{"resourceType":"Patient",{description}}}"#)));
    assert_eq!(description.grade(&tree(STORED)).map(|(_, grade)| grade), expect, "{description:?}");
}

#[test]
fn a_number_with_its_system_is_certain_unless_the_person_is_another() {
    check(r#""identifier":[{"system":"urn:mrn","value":"17"}]"#, Some(Grade::Certain));
    check(
        r#""identifier":[{"system":"urn:mrn","value":"17"}],"name":[{"family":"Other"}],"birthDate":"1999-01-01""#,
        Some(Grade::Possible),
    );
    check(r#""identifier":[{"value":"17"}]"#, Some(Grade::Probable));
    check(r#""identifier":[{"system":"urn:other","value":"17"}]"#, None);
}

#[test]
fn names_and_dates_are_never_certain() {
    check(r#""name":[{"family":"Example","given":["Ada"]}],"birthDate":"1980-02-03""#, Some(Grade::Probable));
    check(r#""name":[{"family":"Exampel","given":["Ada"]}],"birthDate":"1980-03-02""#, Some(Grade::Possible));
    check(r#""name":[{"family":"Example"}],"birthDate":"1999-01-01""#, None);
}

#[test]
fn a_description_without_anything_to_look_for_is_none() {
    assert_eq!(
        Description::of(&tree(r#"{"resourceType":"Patient","gender":"male","name":[{"given":["A"]}]}"#)),
        Description::default()
    );
}
