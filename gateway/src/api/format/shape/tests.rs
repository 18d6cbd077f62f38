use super::*;
use model::json::{Limits, parse};

const PATIENT: &str = r#"{"resourceType":"Patient","id":"a","text":{"status":"generated","div":"<div>x</div>"},"modifierExtension":[{"url":"urn:x","valueBoolean":true}],"identifier":[{"value":"1"}],"active":true,"_active":{"id":"q"},"name":[{"family":"Test"}],"maritalStatus":{"text":"?"},"contact":[{"name":{"family":"Other"}}],"deceasedBoolean":false}"#;

fn tree(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

#[track_caller]
fn check(resource: &str, view: &View, members: &[&str]) {
    let mut tree = tree(resource);
    shape(&mut tree, view, &Definitions::r4(), true);
    let found: Vec<&str> = tree.as_object().unwrap().iter().map(|(name, _)| name).collect();
    assert_eq!(found, members);
    assert_eq!(tree.get("meta").unwrap().items("tag")[0].text_at(&["code"]), Some("SUBSETTED"));
}

fn elements(value: &str) -> View {
    View::elements(value, "Patient").unwrap().unwrap()
}

#[test]
fn a_summary_is_what_the_definition_says() {
    let left = [
        "resourceType",
        "id",
        "meta",
        "modifierExtension",
        "identifier",
        "active",
        "_active",
        "name",
        "deceasedBoolean",
    ];
    check(PATIENT, &View::Summary, &left);
}

#[test]
fn a_summary_goes_into_what_the_resource_itself_defines() {
    let bundle = r#"{"resourceType":"CapabilityStatement","status":"draft","rest":[{"mode":"server","resource":[{"type":"Patient","documentation":"x"}]}]}"#;
    let mut tree = tree(bundle);
    shape(&mut tree, &View::Summary, &Definitions::r4(), false);
    let rest = &tree.items("rest")[0];
    assert_eq!(rest.text_at(&["mode"]), Some("server"));
    assert_eq!(rest.items("resource")[0].get("documentation"), None);
}

#[test]
fn text_and_elements_keep_what_no_reader_can_do_without() {
    // Active and deceased change what the rest means.
    let modifiers = ["modifierExtension", "active", "_active"];
    let text: Vec<&str> =
        ["resourceType", "id", "meta", "text"].into_iter().chain(modifiers).chain(["deceasedBoolean"]).collect();
    check(PATIENT, &View::Text, &text);
    let named = ["resourceType", "id", "meta", "modifierExtension", "active", "_active", "name", "deceasedBoolean"];
    check(PATIENT, &elements("name"), &named);
    let observation = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":72.50},"issued":"2026-01-01T00:00:00Z"}"#;
    let value = View::elements("value", "Observation").unwrap().unwrap();
    check(observation, &value, &["resourceType", "meta", "status", "code", "valueQuantity"]);
}

#[test]
fn data_is_all_but_the_narrative() {
    let mut tree = tree(PATIENT);
    shape(&mut tree, &View::Data, &Definitions::r4(), true);
    assert!(tree.get("text").is_none() && tree.get("maritalStatus").is_some());
}

#[test]
fn included_resources_are_cut_by_their_own_type_alone() {
    let bundle = r#"{"resourceType":"Bundle","type":"searchset","entry":[
        {"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"issued":"2026-01-01T00:00:00Z"},"search":{"mode":"match"}},
        {"resource":{"resourceType":"Patient","name":[{"family":"A"}],"birthDate":"1980"},"search":{"mode":"include"}},
        {"resource":{"resourceType":"OperationOutcome","issue":[]},"search":{"mode":"outcome"}}]}"#;
    let cut = |value: &str| {
        let mut tree = tree(bundle);
        let view = View::elements(value, "Observation").unwrap().unwrap();
        shape(&mut tree, &view, &Definitions::r4(), false);
        let has = |index: usize, name: &str| tree.items("entry")[index].at(&["resource", name]).is_some();
        (has(0, "issued"), has(1, "birthDate"))
    };
    assert_eq!(cut("status"), (false, true));
    assert_eq!(cut("issued,Patient.name"), (true, false));
}

#[test]
fn unknown_elements_are_named() {
    let refused = View::elements("name,nome,Nobody.x", "Patient").unwrap_err();
    assert!(refused.contains("nome, Nobody.x"), "{refused}");
    assert_eq!(View::elements("", "Patient"), Ok(None));
    assert!(View::summary("maybe").is_err());
}

#[test]
fn numbers_keep_their_digits() {
    let mut tree = tree(r#"{"resourceType":"Observation","status":"final","code":{},"valueQuantity":{"value":72.50}}"#);
    shape(&mut tree, &View::Summary, &Definitions::r4(), true);
    assert!(tree.to_text().contains("72.50"));
}
