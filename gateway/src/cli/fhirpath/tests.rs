use super::*;

fn files() -> (tempfile::TempDir, Files) {
    let folder = tempfile::tempdir().unwrap();
    let observation =
        r#"{"resourceType": "Observation", "status": "final", "valueQuantity": {"value": 1.50, "unit": "kg"}}"#;
    std::fs::write(folder.path().join("weight.json"), observation).unwrap();
    let patient = r#"<Patient xmlns="http://hl7.org/fhir"><name><given value="Nora"/></name></Patient>"#;
    std::fs::write(folder.path().join("patient.xml"), patient).unwrap();
    let files = Files { beside: Some(folder.path().to_path_buf()), kept: BTreeMap::new() };
    (folder, files)
}

#[track_caller]
fn check(line: &str, expect: &str) {
    let (_folder, mut files) = files();
    let (found, _) = answer(line.as_bytes(), &mut files, Instant::from_millis(0));
    let found = found.to_text();
    assert!(found.starts_with(expect), "expected {expect}, found {found}");
}

#[test]
fn answers_lines_with_types_and_digits() {
    check(
        r#"{"id": 1, "expression": "value.value", "file": "weight.json"}"#,
        r#"{"id":1,"result":[{"type":"decimal","value":1.50}]}"#,
    );
    check(
        r#"{"id": "x", "expression": "Patient.name.given", "file": "patient.xml", "strict": true}"#,
        r#"{"id":"x","result":[{"type":"string","value":"Nora"}]}"#,
    );
    check(
        r#"{"id": "e", "expression": "@2014-01 + 1 month"}"#,
        r#"{"id":"e","result":[{"type":"date","value":"2014-02"}]}"#,
    );
    check(r#"{"id": "n", "expression": "name"}"#, r#"{"id":"n","result":[]}"#);
}

#[test]
fn says_at_which_stage_a_line_failed() {
    check(r#"{"id": 1, "expression": "1 +"}"#, r#"{"id":1,"error":{"stage":"syntax","message":"#);
    check(r#"{"id": 1, "expression": "'a' - 'b'"}"#, r#"{"id":1,"error":{"stage":"execution","message":"#);
    check(
        r#"{"id": 1, "expression": "name.nom", "file": "patient.xml", "strict": true}"#,
        r#"{"id":1,"error":{"stage":"semantic","message":"#,
    );
    check(r#"{"id": 1, "expression": "name.nom", "file": "patient.xml"}"#, r#"{"id":1,"result":[]}"#);
    check(
        r#"{"id": 1, "expression": "1", "file": "nowhere.json"}"#,
        r#"{"id":1,"error":{"stage":"execution","message":"#,
    );
    check("nonsense", r#"{"id":null,"error":{"stage":"syntax","message":"#);
    check(r#"{"id": 7}"#, r#"{"id":7,"error":{"stage":"syntax","message":"#);
}
