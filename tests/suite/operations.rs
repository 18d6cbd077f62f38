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
        (valid("male", "Male"), valid("male", "Female"), valid("none", "None")),
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
        assert_eq!(http.store(resource).status, 201);
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

#[test]
fn labels_are_read_added_and_taken_off() {
    let (_gateway, http) = gateway();
    let body = json!({"resourceType": "Basic", "id": "b", "code": {"text": "x"}, "meta": {"profile": ["urn:p"]}});
    assert_eq!(http.put("/fhir/Basic/b", &body).status, 201);
    let meta = json!([{"name": "meta", "valueMeta": {"tag": [{"system": "urn:t", "code": "a"}]}}]);
    let added = http.post("/fhir/Basic/b/$meta-add", &parameters(meta.clone()));
    let found = value(&added, "return");
    assert_eq!(
        (found["tag"][0]["code"].as_str(), found["profile"][0].as_str(), found["versionId"].as_str()),
        (Some("a"), Some("urn:p"), Some("2"))
    );
    assert_eq!(value(&http.get("/fhir/Basic/b/$meta"), "return")["tag"][0]["code"], "a");
    assert_eq!(value(&http.get("/fhir/Basic/$meta"), "return")["profile"][0], "urn:p");
    assert_eq!(value(&http.get("/fhir/$meta"), "return")["tag"][0]["code"], "a");
    let taken = http.post("/fhir/Basic/b/$meta-delete", &parameters(meta));
    assert!(value(&taken, "return")["tag"].is_null(), "{}", taken.text());
    refused(&http.get("/fhir/Basic/b/$meta-add"), 405, "POST");
    refused(&http.post("/fhir/Basic/b/$meta-add", &parameters(json!([]))), 400, "meta");
    refused(
        &http.post(
            "/fhir/Basic/none/$meta-add",
            &parameters(json!([{"name": "meta", "valueMeta": {"profile": ["urn:x"]}}])),
        ),
        404,
        "not-found",
    );
}

#[test]
fn patients_are_matched_by_what_is_known_of_them() {
    let (_gateway, http) = gateway();
    let stored = json!({"resourceType": "Patient", "id": "p", "identifier": [{"system": "urn:mrn", "value": "17"}],
        "name": [{"family": "Exampleton", "given": ["Ada"]}], "birthDate": "1980-02-03", "gender": "female"});
    assert_eq!(http.put("/fhir/Patient/p", &stored).status, 201);
    let ask = |patient: Value, certain: bool| {
        let body = parameters(
            json!([{"name": "resource", "resource": patient}, {"name": "onlyCertainMatches", "valueBoolean": certain}]),
        );
        let answer = http.post("/fhir/Patient/$match", &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let found = answer.json();
        let grade = found["entry"][0]["search"]["extension"][0]["valueCode"].as_str().unwrap_or("none").to_owned();
        (found["total"].as_u64().unwrap(), grade)
    };
    let by_number = json!({"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": "17"}]});
    assert_eq!(ask(by_number, true), (1, "certain".to_owned()));
    let by_name = json!({"resourceType": "Patient", "name": [{"family": "Exampleton", "given": ["Ada"]}], "birthDate": "1980-02-03"});
    assert_eq!(ask(by_name.clone(), false), (1, "probable".to_owned()));
    assert_eq!(ask(by_name, true), (0, "none".to_owned()));
    let other = json!({"resourceType": "Patient", "name": [{"family": "Nobodyson", "given": ["Max"]}], "birthDate": "1950-01-01"});
    assert_eq!(ask(other, false), (0, "none".to_owned()));
    refused(
        &http.post("/fhir/Patient/$match", &json!({"resourceType": "Patient", "gender": "male"})),
        422,
        "identifier",
    );
    refused(&http.post("/fhir/Patient/$match", &json!({"resourceType": "Basic", "code": {}})), 400, "Patient");
}

#[test]
fn whole_records_come_in_pages_with_what_they_refer_to() {
    let (_gateway, http) = gateway();
    http.put("/fhir/Patient/p", &json!({"resourceType": "Patient", "id": "p"}));
    http.put("/fhir/Practitioner/d", &json!({"resourceType": "Practitioner", "id": "d"}));
    let encounter = json!({"resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "AMB"}, "subject": {"reference": "Patient/p"}});
    http.put("/fhir/Encounter/e", &encounter);
    for number in 1..=5 {
        let mut observation = json!({"resourceType": "Observation", "id": format!("o{number}"), "status": "final", "code": {"text": "x"},
            "subject": {"reference": "Patient/p"}, "performer": [{"reference": "Practitioner/d"}], "effectiveDateTime": format!("2026-01-0{number}")});
        if number > 3 {
            observation["encounter"] = json!({"reference": "Encounter/e"});
        }
        assert_eq!(http.put(&format!("/fhir/Observation/o{number}"), &observation).status, 201);
    }
    let ids = |bundle: &Value, mode: &str| {
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        let shown = entries.iter().filter(|entry| entry["search"]["mode"] == mode);
        shown.map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = http.get("/fhir/Patient/p/$everything").json();
    assert_eq!((ids(&all, "match").len(), all["total"].as_u64()), (7, Some(7)), "{all}");
    assert_eq!(ids(&all, "include"), ["d"]);
    let mut found = Vec::new();
    let mut next = Some("/fhir/Patient/p/$everything?_count=3".to_owned());
    while let Some(path) = next {
        let page = http.get(&path).json();
        found.extend(ids(&page, "match"));
        let links = page["link"].as_array().unwrap();
        let link = links.iter().find(|link| link["relation"] == "next").and_then(|link| link["url"].as_str());
        next = link.map(|url| url[url.find("/fhir").unwrap()..].to_owned());
        assert!(found.len() < 20);
    }
    let mut whole = ids(&all, "match");
    whole.sort();
    found.sort();
    assert_eq!(found, whole);
    let single = http.get("/fhir/Patient/p/$everything?_count=1").json();
    assert_eq!((ids(&single, "match"), single["link"][1]["relation"].as_str()), (vec!["p".to_owned()], Some("next")));
    let dated = http.get("/fhir/Patient/p/$everything?start=2026-01-02&end=2026-01-03&_type=Observation").json();
    assert_eq!(ids(&dated, "match"), ["o3", "o2"]);
    let of_encounter = http.get("/fhir/Encounter/e/$everything").json();
    assert_eq!(ids(&of_encounter, "match"), ["e", "o5", "o4"], "{of_encounter}");
    assert!(ids(&of_encounter, "include").contains(&"p".to_owned()), "{of_encounter}");
    refused(&http.get("/fhir/Patient/p/$everything?_type=Nothing&_count=x"), 400, "_count");
    refused(&http.get("/fhir/Patient/none/$everything"), 404, "not-found");
    refused(&http.get("/fhir/Patient/p/$everything?_page=stolen"), 400, "_page");
}

#[test]
fn messages_are_taken_and_answered_by_messages() {
    let (_gateway, http) = gateway();
    let header = json!({"resourceType": "MessageHeader", "id": "m1", "eventCoding": {"system": "urn:e", "code": "notify"},
        "source": {"endpoint": "https://sender.example"}, "focus": [{"reference": "Patient/p"}]});
    let message = json!({"resourceType": "Bundle", "type": "message", "entry": [
        {"fullUrl": "urn:uuid:6f3e1a52-2f3a-4f2b-9a62-0c7b8a8f0001", "resource": header},
        {"fullUrl": "http://sender.example/fhir/Patient/p", "resource": {"resourceType": "Patient", "id": "p"}}]});
    let answer = http.post("/fhir/$process-message", &message);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answered = answer.json();
    let response = &answered["entry"][0]["resource"]["response"];
    assert_eq!(
        (answered["type"].as_str(), response["identifier"].as_str(), response["code"].as_str()),
        (Some("message"), Some("m1"), Some("ok"))
    );
    let judged = http.post("/fhir/Bundle/$validate", &answered).json();
    assert!(!judged.to_string().contains("\"error\""), "{judged}");
    refused(
        &http.post("/fhir/$process-message", &json!({"resourceType": "Bundle", "type": "message"})),
        400,
        "MessageHeader",
    );
    refused(&http.post("/fhir/$process-message", &json!({"resourceType": "Patient"})), 400, "content");
}
