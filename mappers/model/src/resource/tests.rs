use crate::json::{Limits, parse};

use super::*;

fn read(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).expect("JSON")
}

#[track_caller]
fn meta(text: &str, expect: &str) {
    let at = Instant::from_millis(0);
    assert_eq!(String::from_utf8(with_meta(text.as_bytes(), 7, &at)).expect("UTF-8"), expect);
}

#[test]
fn meta_is_spliced_and_the_rest_kept() {
    const BOTH: &str = r#""versionId":"7","lastUpdated":"1970-01-01T00:00:00.000Z""#;
    meta(r#"{"resourceType":"Patient"}"#, &format!(r#"{{"resourceType":"Patient","meta":{{{BOTH}}}}}"#));
    meta(
        r#"{ "id" : "1" , "resourceType":"X"}"#,
        &format!(r#"{{ "meta":{{{BOTH}}},"id" : "1" , "resourceType":"X"}}"#),
    );
    meta(r#"{}"#, &format!(r#"{{"meta":{{{BOTH}}}}}"#));
    meta(
        r#"{"resourceType":"X","contained":[{"meta":{"versionId":"1"}}],"meta":{ },"v":1.50}"#,
        &format!(r#"{{"resourceType":"X","contained":[{{"meta":{{"versionId":"1"}}}}],"meta":{{ {BOTH}}},"v":1.50}}"#),
    );
    meta(
        r#"{"meta":{"profile":["a"],"versionId" : "1"},"resourceType":"X"}"#,
        r#"{"meta":{"lastUpdated":"1970-01-01T00:00:00.000Z","profile":["a"],"versionId" : "7"},"resourceType":"X"}"#,
    );
    meta(
        r#"{"meta":{"lastUpdated":"2020-01-01T00:00:00Z","versionId":"1"}}"#,
        r#"{"meta":{"lastUpdated":"1970-01-01T00:00:00.000Z","versionId":"7"}}"#,
    );
    meta("[1]", "[1]");
}

#[test]
fn spliced_text_reads_back() {
    for text in [r#"{"resourceType":"P","meta":{"tag":[{"code":"}{\""}]},"x":[1.0]}"#, "{ \n\t}", r#"{"a":{"meta":1}}"#]
    {
        let changed =
            parse(&with_meta(text.as_bytes(), 1, &Instant::from_millis(5)), &Limits::default()).expect("JSON");
        assert_eq!(changed.text_at(&["meta", "versionId"]), Some("1"));
    }
}

#[test]
fn references_are_found_with_their_place() {
    let json = read(
        r##"{"resourceType":"Observation","subject":{"reference":"Patient/1"},"performer":[{"display":"x"},{"reference":"#p"}],"reference":{"reference":"A/1"}}"##,
    );
    let found: Vec<_> = references(&json).map(|found| format!("{}={}", found.path, found.target)).collect();
    assert_eq!(found, ["subject=Patient/1", "performer[1]=#p", "reference=A/1"]);
    let mut json = json;
    rewrite_references(&mut json, &mut |target| (target == "#p").then(|| "Practitioner/9".to_owned()));
    assert_eq!(json.text_at(&["performer", "1", "reference"]), Some("Practitioner/9"));
    assert_eq!(json.text_at(&["subject", "reference"]), Some("Patient/1"));
}

#[track_caller]
fn belongs(text: &str, expect: &[&str]) {
    let patients = patients_of(&read(text));
    assert_eq!(patients.iter().map(ResourceId::as_str).collect::<Vec<_>>(), expect, "{text}");
}

#[test]
fn resources_belong_to_the_patients_of_the_compartment() {
    belongs(r#"{"resourceType":"Patient","id":"1","link":[{"other":{"reference":"Patient/2"}}]}"#, &["1"]);
    belongs(
        r#"{"resourceType":"Observation","performer":[{"reference":"Patient/2"},{"reference":"Patient/1"}],"subject":{"reference":"Patient/1/_history/4"}}"#,
        &["1", "2"],
    );
    belongs(r#"{"resourceType":"Task","for":{"reference":"Patient/1"}}"#, &["1"]);
    belongs(r#"{"resourceType":"Coverage","beneficiary":{"reference":"Patient/1"}}"#, &["1"]);
    belongs(r#"{"resourceType":"ResearchSubject","individual":{"reference":"Patient/1"}}"#, &["1"]);
    belongs(
        r#"{"resourceType":"Appointment","participant":[{"actor":{"reference":"Practitioner/9"}},{"actor":{"reference":"Patient/3"}}]}"#,
        &["3"],
    );
    belongs(r#"{"resourceType":"AuditEvent","entity":[{"what":{"reference":"Patient/5"}}]}"#, &["5"]);
    belongs(
        r#"{"resourceType":"Provenance","target":[{"reference":"Observation/1"},{"reference":"Patient/5"}]}"#,
        &["5"],
    );
    belongs(r#"{"resourceType":"Condition","subject":{"reference":"Group/1"}}"#, &[]);
    belongs(r#"{"resourceType":"Condition","subject":{"reference":"http://other/Patient/1"}}"#, &[]);
    belongs(r#"{"resourceType":"Organization","id":"o"}"#, &[]);
    belongs(r#"{"resourceType":"Condition","subject":["x",{"reference":7}]}"#, &[]);
    belongs("[]", &[]);
}

#[track_caller]
fn links(resource: &str, expect: &str) {
    let mut tree = parse(resource.as_bytes(), &Limits::default()).unwrap();
    rewrite_links(&mut tree, &mut |target| (target == "urn:uuid:a").then(|| "Patient/1".to_owned()));
    assert_eq!(tree.to_text(), expect);
}

#[test]
fn follows_links_wherever_a_resource_has_them() {
    links(
        r#"{"resourceType":"Observation","subject":{"reference":"urn:uuid:a"},"focus":[{"reference":"urn:uuid:b"}]}"#,
        r#"{"resourceType":"Observation","subject":{"reference":"Patient/1"},"focus":[{"reference":"urn:uuid:b"}]}"#,
    );
    links(
        r#"{"resourceType":"DocumentReference","content":[{"attachment":{"url":"urn:uuid:a","title":"urn:uuid:a"}}]}"#,
        r#"{"resourceType":"DocumentReference","content":[{"attachment":{"url":"Patient/1","title":"urn:uuid:a"}}]}"#,
    );
    links(
        r#"{"resourceType":"Patient","extension":[{"url":"urn:x","valueUri":"urn:uuid:a"}],"_birthDate":{"extension":[{"url":"urn:x","valueReference":{"reference":"urn:uuid:a"}}]}}"#,
        r#"{"resourceType":"Patient","extension":[{"url":"urn:x","valueUri":"Patient/1"}],"_birthDate":{"extension":[{"url":"urn:x","valueReference":{"reference":"Patient/1"}}]}}"#,
    );
    links(
        r#"{"resourceType":"Basic","text":{"status":"generated","div":"<div><a href=\"urn:uuid:a\">urn:uuid:a</a><img src='urn:uuid:a' alt=\"href=\"/></div>"}}"#,
        r#"{"resourceType":"Basic","text":{"status":"generated","div":"<div><a href=\"Patient/1\">urn:uuid:a</a><img src='Patient/1' alt=\"href=\"/></div>"}}"#,
    );
}

#[test]
fn leaves_what_is_no_link() {
    let patient = r#"{"resourceType":"Patient","identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:uuid:a"}],"name":[{"text":"urn:uuid:a"}]}"#;
    links(patient, patient);
    let measure = r#"{"resourceType":"MeasureReport","measure":"urn:uuid:a"}"#;
    links(measure, measure);
}
