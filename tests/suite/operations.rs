//! Operations, asked by GET and by POST.

use serde_json::{Value, json};
use tests::http::{Answer, Http};
use tests::process::Gateway;

pub(crate) const OPEN: &str =
    "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"off\"\nmllp = \"off\"\n\n[auth]\nmode = \"open\"\n";

fn gateway() -> (Gateway, Http) {
    let gateway = Gateway::start(OPEN);
    let http = Http::to(gateway.http.unwrap());
    (gateway, http)
}

#[track_caller]
fn refused(answer: &Answer, status: u16, word: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.json()["resourceType"], "OperationOutcome", "{}", answer.text());
    assert!(answer.text().contains(word), "{}", answer.text());
}

/// The value of a parameter of an answer.
fn value(answer: &Answer, name: &str) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let found = body["parameter"].as_array().into_iter().flatten().find(|one| one["name"] == name).cloned();
    let found = found.unwrap_or(Value::Null);
    let object = found.as_object().cloned().unwrap_or_default();
    object.into_iter().find(|(member, _)| member != "name").map_or(Value::Null, |(_, value)| value)
}

fn parameters(parameters: Value) -> Value {
    json!({"resourceType": "Parameters", "parameter": parameters})
}

const GENDER: &str = "http://hl7.org/fhir/administrative-gender";
const GENDERS: &str = "http://hl7.org/fhir/ValueSet/administrative-gender";

#[test]
fn codes_are_looked_up_validated_and_compared() {
    let (_gateway, http) = gateway();
    let get = |path: &str| http.get(&format!("/fhir/{path}"));
    let found = get(&format!("CodeSystem/$lookup?system={GENDER}&code=male"));
    assert_eq!(value(&found, "display"), "Male");
    let coding = json!([{"name": "coding", "valueCoding": {"system": GENDER, "code": "female"}}]);
    assert_eq!(value(&http.post("/fhir/CodeSystem/$lookup", &parameters(coding)), "display"), "Female");
    refused(&get(&format!("CodeSystem/$lookup?system={GENDER}&code=nobody")), 404, "not-found");
    refused(&get("CodeSystem/$lookup?system=urn:none&code=x"), 404, "not-found");
    refused(&get("CodeSystem/$lookup?code=x"), 400, "system");

    let valid = |code: &str, display: &str| {
        value(&get(&format!("CodeSystem/$validate-code?url={GENDER}&code={code}&display={display}")), "result")
    };
    assert_eq!(
        (valid("male", "Male"), valid("male", "Female"), valid("none", "")),
        (json!(true), json!(false), json!(false))
    );
    let member = |code: &str| {
        value(&get(&format!("ValueSet/$validate-code?url={GENDERS}&system={GENDER}&code={code}")), "result")
    };
    assert_eq!((member("other"), member("none")), (json!(true), json!(false)));
    refused(&get("ValueSet/$validate-code?url=urn:none&code=x&system=urn:y"), 404, "urn:none");

    let act = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    let relation = |one: &str, other: &str| {
        value(&get(&format!("CodeSystem/$subsumes?system={act}&codeA={one}&codeB={other}")), "outcome")
    };
    assert_eq!(relation("IMP", "IMP"), "equivalent");
    assert_eq!(relation("IMP", "ACUTE"), "subsumes");
    assert_eq!(relation("ACUTE", "IMP"), "subsumed-by");
    assert_eq!(relation("IMP", "AMB"), "not-subsumed");
}

#[test]
fn value_sets_are_expanded_in_pages() {
    let (_gateway, http) = gateway();
    let all = http.get(&format!("/fhir/ValueSet/$expand?url={GENDERS}")).json();
    assert_eq!((all["resourceType"].as_str(), all["expansion"]["total"].as_u64()), (Some("ValueSet"), Some(4)));
    let codes = |answer: &Value| {
        answer["expansion"]["contains"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["code"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let (first, second) = (
        http.get(&format!("/fhir/ValueSet/$expand?url={GENDERS}&count=3")).json(),
        http.get(&format!("/fhir/ValueSet/$expand?url={GENDERS}&count=3&offset=3")).json(),
    );
    assert_eq!([codes(&first), codes(&second)].concat(), codes(&all));
    let filtered = http.get(&format!("/fhir/ValueSet/$expand?url={GENDERS}&filter=fem")).json();
    assert_eq!(codes(&filtered), ["female"]);
    refused(&http.get("/fhir/ValueSet/$expand?url=urn:none"), 404, "urn:none");
    refused(
        &http.get(&format!("/fhir/ValueSet/$expand?url={GENDERS}&date=2020&contextDirection=incoming&x=1")),
        400,
        "contextDirection",
    );
    let given = json!({"resourceType": "ValueSet", "status": "draft", "compose": {"include": [{"system": GENDER, "concept": [{"code": "male"}]}]}});
    assert_eq!(codes(&http.post("/fhir/ValueSet/$expand", &given).json()), ["male"]);
}

#[test]
fn what_is_stored_counts_as_loaded() {
    let (_gateway, http) = gateway();
    let system = json!({"resourceType": "CodeSystem", "id": "c", "url": "urn:ward:codes", "version": "1", "name": "Ward", "status": "active",
        "content": "complete", "concept": [{"code": "a", "display": "First"}, {"code": "b", "display": "Second"}]});
    let set = json!({"resourceType": "ValueSet", "id": "v", "url": "urn:ward:set", "status": "active", "compose": {"include": [{"system": "urn:ward:codes"}]}});
    let map = json!({"resourceType": "ConceptMap", "id": "m", "url": "urn:ward:map", "status": "active", "sourceUri": "urn:ward:set", "group": [
        {"source": "urn:ward:codes", "target": GENDER, "element": [{"code": "a", "target": [{"code": "male", "equivalence": "equal"}]}]}]});
    for resource in [&system, &set, &map] {
        let path = format!("/fhir/{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        let answer = http.put(&path, resource);
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    assert_eq!(value(&http.get("/fhir/CodeSystem/$lookup?system=urn:ward:codes&code=b"), "display"), "Second");
    assert_eq!(http.get("/fhir/ValueSet/v/$expand").json()["expansion"]["total"], 2);
    let translated = http.get("/fhir/ConceptMap/m/$translate?system=urn:ward:codes&code=a");
    assert_eq!(value(&translated, "result"), true);
    assert!(translated.text().contains("\"male\""), "{}", translated.text());
    let by_url = http.get("/fhir/ConceptMap/$translate?url=urn:ward:map&system=urn:ward:codes&code=b");
    assert_eq!(value(&by_url, "result"), false);
    // The next request knows of a change.
    let mut changed = system.clone();
    changed["concept"][1]["display"] = json!("Other");
    assert_eq!(http.put("/fhir/CodeSystem/c", &changed).status, 200);
    assert_eq!(value(&http.get("/fhir/CodeSystem/$lookup?system=urn:ward:codes&code=b"), "display"), "Other");
    refused(&http.get("/fhir/ValueSet/none/$expand"), 404, "not-found");
}

#[test]
fn an_operation_that_is_not_offered_is_named_as_such() {
    let (_gateway, http) = gateway();
    refused(&http.get("/fhir/Patient/$nothing"), 404, "operation");
    refused(&http.post("/fhir/$nothing", &json!({})), 404, "operation");
    refused(&http.send("DELETE", "/fhir/ValueSet/$expand", &[], b""), 405, "GET");
}
