//! Batch and transaction (FHIR R4 http.html, "batch/transaction").

use serde_json::{Value, json};
use tests::http::Http;

use crate::interactions::{is, open};

fn bundle(kind: &str, entries: Value) -> Value {
    json!({"resourceType": "Bundle", "type": kind, "entry": entries})
}

fn statuses(answer: &Value) -> Vec<String> {
    let entries = answer["entry"].as_array().unwrap();
    entries.iter().map(|entry| entry["response"]["status"].as_str().unwrap()[..3].to_owned()).collect()
}

fn patient(id: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "identifier": [{"system": "urn:mrn", "value": id}]})
}

fn entry(method: &str, url: &str, resource: Value) -> Value {
    let mut entry = json!({"request": {"method": method, "url": url}});
    if !resource.is_null() {
        entry["resource"] = resource;
    }
    entry
}

#[test]
fn a_batch_does_each_entry_by_itself() {
    let (_gateway, http) = open();
    is(&http.put("/fhir/Patient/there", &patient("there")), 201);
    is(&http.put("/fhir/Patient/old", &patient("old")), 201);
    let entries = json!([
        entry("GET", "Patient/there", Value::Null),
        entry("GET", "Patient/nobody", Value::Null),
        entry("GET", "Patient?identifier=urn:mrn|new", Value::Null),
        entry("POST", "Patient", json!({"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": "new"}]})),
        entry("PUT", "Patient/bad", json!({"resourceType": "Patient", "id": "bad", "gender": "x"})),
        entry("PUT", "Patient/put", patient("put")),
        entry("DELETE", "Patient/old", Value::Null),
        entry("PATCH", "Patient/there", json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
            {"name": "type", "valueCode": "add"}, {"name": "path", "valueString": "Patient"},
            {"name": "name", "valueString": "active"}, {"name": "value", "valueBoolean": true}]}]})),
        entry("HEAD", "Patient/put", Value::Null),
        entry("GET", "Patient?nonsense=1", Value::Null),
        entry("GET", "Nonsense/1", Value::Null),
        entry("POST", "", bundle("batch", json!([]))),
        {"request": {"method": "SPAM", "url": "Patient"}},
        {"request": {"method": "GET", "url": "Patient/there", "ifNoneMatch": "W/\"2\""}},
        {"request": {"method": "PUT", "url": "Patient/put", "ifMatch": "W/\"9\""}, "resource": patient("put")},
        {"request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:mrn|there"}, "resource": patient("there")},
        entry("GET", "https://elsewhere.example/fhir/Patient/1", Value::Null),
    ]);
    let answer = is(&http.post("/fhir", &bundle("batch", entries)), 200);
    assert_eq!(answer["type"], "batch-response");
    let expected = [
        "200", "404", "200", "201", "422", "201", "204", "200", "200", "400", "404", "400", "400", "304", "412", "200",
        "400",
    ];
    assert_eq!(statuses(&answer), expected, "{answer:#}");
    assert_eq!(answer["entry"][0]["resource"]["active"], true, "reads come after writes");
    assert_eq!(answer["entry"][2]["resource"]["total"], 1);
    for failed in [1, 4, 9, 10, 11, 12, 14, 16] {
        assert_eq!(answer["entry"][failed]["response"]["outcome"]["resourceType"], "OperationOutcome", "{failed}");
    }
    assert!(answer["entry"][3]["response"]["location"].as_str().unwrap().starts_with("Patient/"));
    assert_eq!(answer["entry"][8].get("resource"), None, "HEAD has no body");
}

#[test]
fn a_transaction_deletes_creates_changes_and_reads_in_that_order() {
    let (_gateway, http) = open();
    is(&http.put("/fhir/Patient/gone", &patient("gone")), 201);
    is(&http.put("/fhir/Patient/kept", &patient("kept")), 201);
    let entries = json!([
        entry("GET", "Patient?identifier=urn:mrn|fresh", Value::Null),
        entry("GET", "Patient/kept", Value::Null),
        entry("PATCH", "Patient?identifier=urn:mrn|kept", json!({"resourceType": "Binary", "contentType": "application/json-patch+json",
            // [{"op":"add","path":"/active","value":true}]
            "data": "W3sib3AiOiJhZGQiLCJwYXRoIjoiL2FjdGl2ZSIsInZhbHVlIjp0cnVlfV0="})),
        entry("PUT", "Patient/fresh", patient("fresh")),
        {"fullUrl": "urn:uuid:0b8cf1a6-9d4c-4c3e-a7b5-2d1f0e9c8b7a",
         "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:mrn|gone"}, "resource": patient("gone")},
        entry("DELETE", "Patient/gone", Value::Null),
    ]);
    // The condition finds what the transaction deletes: the two are not one after the other.
    let answer = is(&http.post("/fhir", &bundle("transaction", entries.clone())), 200);
    assert_eq!(statuses(&answer), ["200", "200", "200", "201", "200", "204"], "{answer:#}");
    assert_eq!(answer["entry"][0]["resource"]["total"], 1, "{answer:#}");
    assert_eq!(answer["entry"][1]["resource"]["active"], true);
    assert_eq!(http.get("/fhir/Patient/gone").status, 410);
    let history = is(&http.get("/fhir/Patient/kept/_history"), 200);
    assert_eq!(history["entry"][0]["request"]["method"], "PATCH");
}

#[test]
fn links_between_entries_follow_the_ids_they_are_given() {
    let (_gateway, http) = open();
    is(
        &http.put(
            "/fhir/Practitioner/known",
            &json!({"resourceType": "Practitioner", "id": "known",
        "identifier": [{"system": "urn:npi", "value": "1"}]}),
        ),
        201,
    );
    let one = "urn:uuid:6b1d2f3a-0c4e-4a5b-8d6f-7a8b9c0d1e2f";
    let entries = json!([
        {"fullUrl": one, "request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient"}},
        {"fullUrl": "urn:oid:1.2.3.4.5", "request": {"method": "POST", "url": "Encounter"}, "resource": {"resourceType": "Encounter",
            "status": "finished", "class": {"code": "AMB"}, "subject": {"reference": one}}},
        {"fullUrl": "http://old.example/fhir/Observation/7", "request": {"method": "POST", "url": "Observation"},
         "resource": {"resourceType": "Observation", "id": "7", "status": "final", "code": {"text": "x"},
            "text": {"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"{one}\">who</a></div>")},
            "subject": {"reference": format!("{one}/_history/4")}, "encounter": {"reference": "urn:oid:1.2.3.4.5"},
            "performer": [{"reference": "Practitioner?identifier=urn:npi|1"}],
            "extension": [{"url": "urn:x", "valueUri": one}],
            "derivedFrom": [{"reference": "http://elsewhere.example/fhir/Observation/9"}]}},
        {"fullUrl": "http://old.example/fhir/DiagnosticReport/8", "request": {"method": "POST", "url": "DiagnosticReport"},
         "resource": {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "x"},
            "identifier": [{"system": "urn:ietf:rfc:3986", "value": one}],
            "result": [{"reference": "Observation/7"}], "presentedForm": [{"url": one}]}}
    ]);
    let answer = is(&http.post("/fhir/", &bundle("transaction", entries)), 200);
    let at = |index: usize| {
        let location = answer["entry"][index]["response"]["location"].as_str().unwrap();
        location.split("/_history").next().unwrap().to_owned()
    };
    let observation = is(&http.get(&format!("/fhir/{}", at(2))), 200);
    assert_eq!(observation["subject"]["reference"], format!("{}/_history/1", at(0)));
    assert_eq!(observation["encounter"]["reference"], at(1));
    assert_eq!(observation["performer"][0]["reference"], "Practitioner/known");
    assert_eq!(observation["extension"][0]["valueUri"], at(0));
    assert!(observation["text"]["div"].as_str().unwrap().contains(&format!("href=\"{}\"", at(0))), "{observation}");
    assert_eq!(observation["derivedFrom"][0]["reference"], "http://elsewhere.example/fhir/Observation/9");
    let report = is(&http.get(&format!("/fhir/{}", at(3))), 200);
    assert_eq!(report["result"][0]["reference"], at(2));
    assert_eq!(report["presentedForm"][0]["url"], at(0));
    assert_eq!(report["identifier"][0]["value"], one, "an identifier is no link");
}

/// Nothing of a transaction is done when one entry cannot be; every problem is named where it is.
#[track_caller]
fn refused(http: &Http, status: u16, entries: &Value, places: &[&str]) {
    let mut all = entries.as_array().unwrap().clone();
    all.push(entry("PUT", "Patient/beside", patient("beside")));
    let outcome = is(&http.post("/fhir", &bundle("transaction", Value::Array(all))), status);
    let said: Vec<String> = outcome["issue"]
        .as_array()
        .unwrap()
        .iter()
        .map(|issue| issue["expression"][0].as_str().or(issue["location"][0].as_str()).unwrap_or_default().to_owned())
        .collect();
    assert_eq!(said, places, "{outcome:#}");
    assert_eq!(http.get("/fhir/Patient/beside").status, 404, "nothing is half done");
}

#[test]
fn a_transaction_is_done_whole_or_not_at_all() {
    let (_gateway, http) = open();
    is(&http.put("/fhir/Patient/there", &patient("there")), 201);
    is(
        &http.put(
            "/fhir/Patient/twin",
            &json!({"resourceType": "Patient", "id": "twin", "identifier": [{"system": "urn:mrn", "value": "there"}]}),
        ),
        201,
    );
    let bad = |id: &str| json!({"resourceType": "Patient", "id": id, "gender": "x"});
    refused(
        &http,
        422,
        &json!([entry("PUT", "Patient/a", bad("a")), entry("PUT", "Patient/b", bad("b"))]),
        &["Bundle.entry[0].resource.gender", "Bundle.entry[1].resource.gender"],
    );
    refused(
        &http,
        400,
        &json!([{"request": {"method": "SPAM", "url": "Patient"}}, entry("POST", "Patient", Value::Null)]),
        &["Bundle.entry[0].request.method", "Bundle.entry[1].resource"],
    );
    refused(&http, 400, &json!([entry("PUT", "Patient/a", patient("b"))]), &["Bundle.entry[0].resource.id"]);
    refused(
        &http,
        400,
        &json!([entry("PUT", "Patient/a", patient("a")), entry("DELETE", "Patient/a", Value::Null)]),
        &["Bundle.entry[1]"],
    );
    refused(
        &http,
        412,
        &json!([{"request": {"method": "PUT", "url": "Patient/there", "ifMatch": "W/\"7\""}, "resource": patient("there")}]),
        &["Bundle.entry[0].request"],
    );
    refused(
        &http,
        412,
        &json!([{"request": {"method": "DELETE", "url": "Patient/there", "ifMatch": "W/\"7\""}}]),
        &["Bundle.entry[0]"],
    );
    refused(
        &http,
        412,
        &json!([{"request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:mrn|there"}, "resource": patient("x")}]),
        &["Bundle.entry[0]"],
    );
    refused(
        &http,
        412,
        &json!([entry("DELETE", "Patient?identifier=urn:mrn|there", Value::Null)]),
        &["Bundle.entry[0]"],
    );
    refused(&http, 404, &json!([entry("GET", "Patient/nobody", Value::Null)]), &["Bundle.entry[0]"]);
    refused(
        &http,
        404,
        &json!([entry("PATCH", "Patient/nobody", json!({"resourceType": "Parameters"}))]),
        &["Bundle.entry[0]"],
    );
    refused(
        &http,
        412,
        &json!([entry(
            "PUT",
            "Observation/o",
            json!({"resourceType": "Observation", "id": "o", "status": "final",
        "code": {"text": "x"}, "subject": {"reference": "Patient?identifier=urn:mrn|nobody"}})
        )]),
        &["Bundle.entry[0].resource.subject"],
    );
    let twice = json!({"fullUrl": "urn:uuid:5b1d2f3a-0c4e-4a5b-8d6f-7a8b9c0d1e2f", "request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient"}});
    refused(&http, 400, &json!([twice, twice]), &["Bundle.entry[1]"]);
    assert_eq!(is(&http.get("/fhir/Patient/there"), 200)["meta"]["versionId"], "1");
}

#[test]
fn other_bundles_and_sizes_are_refused() {
    let (_gateway, http) = open();
    is(&http.post("/fhir", &bundle("collection", json!([]))), 400);
    is(&http.post("/fhir", &patient("x")), 400);
    is(&http.post("/fhir", &bundle("transaction", json!({}))), 400);
    assert_eq!(is(&http.post("/fhir", &bundle("transaction", json!([]))), 200)["type"], "transaction-response");
    let many: Vec<Value> = (0..5_001).map(|_| entry("GET", "Patient/1", Value::Null)).collect();
    is(&http.post("/fhir", &bundle("batch", Value::Array(many))), 413);
}

#[test]
fn gives_back_what_is_preferred_of_a_transaction() {
    let (_gateway, http) = open();
    let send = |prefer: &str, id: &str| {
        let entries = json!([entry("PUT", &format!("Patient/{id}"), patient(id))]);
        let headers = [("Content-Type", "application/fhir+json"), ("Prefer", prefer)];
        is(&http.send("POST", "/fhir", &headers, bundle("transaction", entries).to_string().as_bytes()), 200)["entry"]
            [0]
        .clone()
    };
    let minimal = send("return=minimal", "a");
    assert_eq!(minimal.get("resource"), None);
    assert_eq!(minimal["response"]["status"], "201 Created");
    assert_eq!(minimal["response"]["etag"], "W/\"1\"");
    assert!(minimal["response"]["lastModified"].is_string());
    assert_eq!(send("return=representation", "b")["resource"]["meta"]["versionId"], "1");
    assert_eq!(send("return=OperationOutcome", "c")["response"]["outcome"]["resourceType"], "OperationOutcome");
}
