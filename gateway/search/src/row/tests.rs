use model::json::{Limits, parse};

use super::*;

fn rows(resource: &str) -> Vec<(u8, String, RowKind)> {
    let json = parse(resource.as_bytes(), &Limits::default()).unwrap();
    let resource_type = json.get("resourceType").unwrap().as_str().unwrap().to_owned();
    let rows = extract(&resource_type, &json);
    rows.into_iter()
        .map(|row| (row.param, String::from_utf8(row.value).unwrap().replace('\0', "~"), row.kind))
        .collect()
}

#[test]
fn a_patient_is_found_by_its_identifiers() {
    assert_eq!(
        rows(
            r#"{"resourceType":"Patient","id":"p","identifier":[{"system":"urn:mrn","value":"7"},{"value":"8"},{"system":"urn:x"},
            {"system":"urn:mrn","value":"7","use":"old"}]}"#
        ),
        [
            (IDENTIFIER, "7~urn:mrn".to_owned(), RowKind::Key),
            (IDENTIFIER, "8~".to_owned(), RowKind::Key),
            (IDENTIFIER_SYSTEM, String::new(), RowKind::Detail),
            (IDENTIFIER_SYSTEM, "urn:mrn".to_owned(), RowKind::Detail),
        ]
    );
}

#[test]
fn an_observation_is_found_by_patient_and_subject() {
    assert_eq!(
        rows(r#"{"resourceType":"Observation","subject":{"reference":"Patient/p/_history/2"}}"#),
        [(PATIENT, "p".to_owned(), RowKind::Detail), (SUBJECT, "Patient/p".to_owned(), RowKind::Detail)]
    );
    assert_eq!(
        rows(r#"{"resourceType":"Observation","subject":{"reference":"Group/g"}}"#),
        [(SUBJECT, "Group/g".to_owned(), RowKind::Key)]
    );
}

#[test]
fn references_in_lists_are_found() {
    assert_eq!(
        rows(
            r#"{"resourceType":"AuditEvent","agent":[{"who":{"reference":"Practitioner/a"}}],
            "entity":[{"what":{"reference":"Consent/c"}},{"what":{"reference":"Patient/p"}}]}"#
        ),
        [(PATIENT, "p".to_owned(), RowKind::Detail)]
    );
    assert_eq!(
        rows(r#"{"resourceType":"Task","for":{"reference":"Patient/p"}}"#),
        [(PATIENT, "p".to_owned(), RowKind::Detail), (SUBJECT, "Patient/p".to_owned(), RowKind::Detail)]
    );
    assert_eq!(
        rows(r#"{"resourceType":"Provenance","target":[{"reference":"Observation/o"},{"reference":"Patient/p"}]}"#),
        [
            (PATIENT, "p".to_owned(), RowKind::Detail),
            (TARGET, "Observation/o".to_owned(), RowKind::Key),
            (TARGET, "Patient/p".to_owned(), RowKind::Key),
        ]
    );
}

#[test]
fn what_points_elsewhere_or_nowhere_makes_no_row() {
    for subject in ["\"urn:uuid:1\"", "\"https://other.example/fhir/Patient/p\"", "\"#p\"", "1", "null", "\"Patient\""]
    {
        assert_eq!(
            rows(&format!(r#"{{"resourceType":"Observation","subject":{{"reference":{subject}}}}}"#)),
            [],
            "{subject}"
        );
    }
    assert_eq!(rows(r#"{"resourceType":"Observation","identifier":{"value":1},"subject":[{"reference":2}]}"#), []);
}

#[test]
fn a_value_that_would_not_be_one_key_is_left_out() {
    assert_eq!(identifier_key("", ""), None);
    assert_eq!(identifier_key("a\0", "b"), None);
    assert_eq!(identifier_key("", &"x".repeat(MAX_VALUE_BYTES + 1)), None);
    assert_eq!(identifier_key("s", "v"), Some(b"v\0s".to_vec()));
}
