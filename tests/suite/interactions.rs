//! The interactions of FHIR R4 http.html over real sockets: delete, patch, conditions, preconditions, preferences. What
//! consents let a caller do with them stands at the end.

use serde_json::{Value, json};
use tests::consents::all_but_psychiatry;
use tests::http::{Answer, Http};
use tests::process::{Gateway, configuration};

const JSON: (&str, &str) = ("Content-Type", "application/fhir+json");
const JSON_PATCH: (&str, &str) = ("Content-Type", "application/json-patch+json");
const XML_PATCH: (&str, &str) = ("Content-Type", "application/xml-patch+xml");

pub(crate) fn open() -> (Gateway, Http) {
    let gateway = Gateway::start(
        "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"\nmllp = \"127.0.0.1:0\"\n\n[auth]\nmode = \"open\"\n",
    );
    let http = Http::to(gateway.http.unwrap());
    (gateway, http)
}

#[track_caller]
pub(crate) fn is(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{:?} {}", answer.headers, answer.text());
    let body = answer.json();
    if status >= 400 {
        assert_eq!(body["resourceType"], "OperationOutcome", "{}", answer.text());
    }
    body
}

fn patient(id: &str, family: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "name": [{"family": family}],
        "identifier": [{"system": "urn:mrn", "value": id}]})
}

fn body(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[test]
fn deletes_once_and_says_so_for_ever() {
    let (_gateway, http) = open();
    is(&http.send("DELETE", "/fhir/Patient/never", &[], b""), 204);
    http.store(&patient("d", "Ash"));
    let deleted = http.send("DELETE", "/fhir/Patient/d", &[], b"");
    is(&deleted, 204);
    assert_eq!(deleted.header("etag"), Some("W/\"2\""));
    assert!(deleted.header("ledger-exchange").is_some());
    assert!(deleted.body.is_empty());
    // Again: the same answer, no further version.
    is(&http.send("DELETE", "/fhir/Patient/d", &[], b""), 204);
    is(&http.get("/fhir/Patient/d"), 410);
    is(&http.get("/fhir/Patient/d/_history/2"), 410);
    is(&http.get("/fhir/Patient/d/_history/1"), 200);
    is(&http.get("/fhir/Patient/d/_history/3"), 404);
    assert_eq!(is(&http.get("/fhir/Patient?identifier=urn:mrn|d"), 200)["total"], 0);
    let history = is(&http.get("/fhir/Patient/d/_history"), 200);
    let methods: Vec<&str> =
        history["entry"].as_array().unwrap().iter().map(|entry| entry["request"]["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["DELETE", "PUT"]);
    // An update brings it back, as the version after the deletion.
    let back = http.put("/fhir/Patient/d", &patient("d", "Birch"));
    assert_eq!((back.status, back.header("etag")), (201, Some("W/\"3\"")), "{}", back.text());
    // The answer that is asked for.
    let outcome = http.send("DELETE", "/fhir/Patient/d", &[("Prefer", "return=OperationOutcome")], b"");
    assert_eq!(is(&outcome, 200)["resourceType"], "OperationOutcome");
}

#[test]
fn deletes_by_a_condition_that_finds_one() {
    let (_gateway, http) = open();
    http.store(&patient("a", "Ash"));
    http.store(&patient("b", "Birch"));
    let delete = |query: &str| http.send("DELETE", &format!("/fhir/Patient?{query}"), &[], b"");
    is(&delete("identifier=urn:mrn|nobody"), 204);
    is(&delete("identifier=urn:mrn|a,urn:mrn|b"), 412);
    is(&delete("identifier=urn:mrn|a"), 204);
    is(&http.get("/fhir/Patient/a"), 410);
    is(&http.get("/fhir/Patient/b"), 200);
    // No condition, or one that is not read to its end, deletes nothing.
    is(&delete(""), 400);
    is(&delete("_count=1"), 400);
    is(&delete("nonsense=1"), 400);
    is(
        &http.send("DELETE", "/fhir/Patient?identifier=urn:mrn|b&nonsense=1", &[("Prefer", "handling=lenient")], b""),
        400,
    );
    is(&http.get("/fhir/Patient/b"), 200);
}

#[test]
fn holds_a_write_to_the_version_it_names() {
    let (_gateway, http) = open();
    http.store(&patient("m", "Ash"));
    http.store(&patient("m", "Birch"));
    let new = body(&patient("m", "Cedar"));
    let with =
        |method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]| http.send(method, path, headers, body).status;
    assert_eq!(with("PUT", "/fhir/Patient/m", &[JSON, ("If-Match", "W/\"1\"")], &new), 412);
    assert_eq!(with("PUT", "/fhir/Patient/m", &[JSON, ("If-Match", "W/\"3\"")], &new), 412);
    assert_eq!(with("PUT", "/fhir/Patient/m", &[JSON, ("If-Match", "any")], &new), 400);
    assert_eq!(with("PUT", "/fhir/Patient/new", &[JSON, ("If-Match", "W/\"1\"")], &body(&patient("new", "Ash"))), 412);
    assert_eq!(with("DELETE", "/fhir/Patient/m", &[("If-Match", "W/\"1\"")], b""), 412);
    let patch = br#"[{"op":"add","path":"/active","value":true}]"#;
    assert_eq!(with("PATCH", "/fhir/Patient/m", &[JSON_PATCH, ("If-Match", "W/\"1\"")], patch), 412);
    assert_eq!(with("PUT", "/fhir/Patient/m", &[JSON, ("If-None-Match", "*")], &new), 412);
    assert_eq!(with("PUT", "/fhir/Patient/only", &[JSON, ("If-None-Match", "*")], &body(&patient("only", "Ash"))), 201);
    assert_eq!(with("PATCH", "/fhir/Patient/m", &[JSON_PATCH, ("If-Match", "W/\"2\"")], patch), 200);
    assert_eq!(with("PUT", "/fhir/Patient/m", &[JSON, ("If-Match", "W/\"3\"")], &new), 200);
    assert_eq!(with("DELETE", "/fhir/Patient/m", &[("If-Match", "W/\"4\"")], b""), 204);
}

#[test]
fn changes_only_with_the_version_where_it_must_be_named() {
    let gateway = Gateway::start(
        "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"\nmllp = \"127.0.0.1:0\"\n\n[auth]\nmode = \"open\"\n\n\
         [fhir]\nversioned_update = [\"Patient\"]\n",
    );
    let http = Http::to(gateway.http.unwrap());
    http.store(&patient("m", "Ash"));
    let new = body(&patient("m", "Cedar"));
    let patch = br#"[{"op":"add","path":"/active","value":true}]"#;
    let with =
        |method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]| http.send(method, path, headers, body).status;
    let meta = br#"{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"tag":[{"code":"x"}]}}]}"#;
    for path in ["/fhir/Patient/m", "/fhir/Patient?_id=m"] {
        assert_eq!(with("PUT", path, &[JSON], &new), 428, "{path}");
        assert_eq!(with("PATCH", path, &[JSON_PATCH], patch), 428, "{path}");
        assert_eq!(with("DELETE", path, &[], b""), 428, "{path}");
    }
    assert_eq!(with("POST", "/fhir/Patient/m/$meta-add", &[JSON], meta), 428);
    for (method, resource) in [("PUT", patient("m", "Cedar")), ("DELETE", Value::Null)] {
        let mut entry = json!({"request": {"method": method, "url": "Patient/m"}});
        if !resource.is_null() {
            entry["resource"] = resource;
        }
        let of = |kind: &str| body(&json!({"resourceType": "Bundle", "type": kind, "entry": [entry]}));
        assert_eq!(with("POST", "/fhir", &[JSON], &of("transaction")), 428, "{method}");
        let batch = http.send("POST", "/fhir", &[JSON], &of("batch")).json();
        assert!(batch["entry"][0]["response"]["status"].as_str().unwrap().starts_with("428"), "{batch}");
        entry["request"]["ifMatch"] = json!("W/\"9\"");
        let of = body(&json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]}));
        assert_eq!(with("POST", "/fhir", &[JSON], &of), 412, "{method}");
    }
    is(&http.get("/fhir/Patient/m"), 200);
    // What is not there has no version to be named, and other types ask for none.
    assert_eq!(with("PUT", "/fhir/Patient/new", &[JSON], &body(&patient("new", "Ash"))), 201);
    assert_eq!(with("PUT", "/fhir/Patient/m", &[JSON, ("If-Match", "W/\"1\"")], &new), 200);
    let basic = body(&json!({"resourceType": "Basic", "id": "b", "code": {"text": "x"}}));
    assert_eq!(with("PUT", "/fhir/Basic/b", &[JSON], &basic), 201);
    assert_eq!(with("PUT", "/fhir/Basic/b", &[JSON], &basic), 200);
    let statement = http.get("/fhir/metadata").json();
    let types = statement["rest"][0]["resource"].as_array().unwrap();
    let versioning = |name: &str| types.iter().find(|found| found["type"] == name).unwrap()["versioning"].clone();
    assert_eq!((versioning("Patient"), versioning("Basic")), (json!("versioned-update"), json!("versioned")));
}

#[test]
fn reads_only_what_has_changed() {
    let (_gateway, http) = open();
    http.store(&patient("r", "Ash"));
    let read = http.get("/fhir/Patient/r");
    let modified = read.header("last-modified").unwrap().to_owned();
    let status = |headers: &[(&str, &str)]| http.send("GET", "/fhir/Patient/r", headers, b"").status;
    assert_eq!(status(&[("If-None-Match", "W/\"1\"")]), 304);
    assert_eq!(status(&[("If-None-Match", "1")]), 304);
    assert_eq!(status(&[("If-None-Match", "W/\"7\", W/\"1\"")]), 304);
    assert_eq!(status(&[("If-None-Match", "W/\"2\"")]), 200);
    assert_eq!(status(&[("If-Modified-Since", &modified)]), 304);
    assert_eq!(status(&[("If-Modified-Since", "Sat, 01 Jan 2000 00:00:00 GMT")]), 200);
    assert_eq!(status(&[("If-Modified-Since", "yesterday")]), 200);
    // What is known by its version is not known by its date (RFC 9110, section 13.1.3).
    assert_eq!(status(&[("If-None-Match", "W/\"2\""), ("If-Modified-Since", &modified)]), 200);
    let head = http.send("HEAD", "/fhir/Patient/r", &[], b"");
    assert_eq!((head.status, head.header("etag"), head.body.len()), (200, Some("W/\"1\""), 0));
    assert_eq!(http.send("HEAD", "/fhir/Patient/nobody", &[], b"").status, 404);
}

#[test]
fn gives_back_what_is_preferred() {
    let (_gateway, http) = open();
    let write =
        |prefer: &str| http.send("POST", "/fhir/Patient", &[JSON, ("Prefer", prefer)], &body(&patient("x", "Ash")));
    assert!(write("return=minimal").body.is_empty());
    assert_eq!(write("return=representation").json()["resourceType"], "Patient");
    assert_eq!(write("return=OperationOutcome").json()["resourceType"], "OperationOutcome");
    assert_eq!(write("return=presentation").json()["resourceType"], "Patient");
    http.store(&patient("p", "Ash"));
    let patch = |prefer: &str| {
        let patch = br#"[{"op":"replace","path":"/name/0/family","value":"Birch"}]"#;
        http.send("PATCH", "/fhir/Patient/p", &[JSON_PATCH, ("Prefer", prefer)], patch)
    };
    assert!(patch("return=minimal").body.is_empty());
    assert_eq!(patch("return=OperationOutcome").json()["resourceType"], "OperationOutcome");
    let whole = patch("return=representation");
    assert_eq!(whole.json()["meta"]["versionId"], "4");
    for header in ["etag", "last-modified", "location", "content-location", "ledger-exchange"] {
        assert!(whole.header(header).is_some(), "{header}: {:?}", whole.headers);
    }
}

#[test]
fn patches_with_json_patch_and_keeps_every_digit() {
    let (_gateway, http) = open();
    let text = br#"{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"valueQuantity":{"value":72.50,"unit":"kg"},"referenceRange":[{"low":{"value":1.0}}]}"#;
    is(&http.send("PUT", "/fhir/Observation/o", &[JSON], text), 201);
    let patch = |patch: &str| http.send("PATCH", "/fhir/Observation/o", &[JSON_PATCH], patch.as_bytes());
    let done = patch(
        r#"[{"op":"test","path":"/valueQuantity/value","value":72.5},{"op":"replace","path":"/status","value":"amended"},{"op":"add","path":"/referenceRange/0/high","value":{"value":9.00}}]"#,
    );
    is(&done, 200);
    let read = http.get("/fhir/Observation/o").text();
    assert!(
        read.contains(r#""value":72.50"#) && read.contains(r#""value":9.00"#) && read.contains(r#""value":1.0}"#),
        "{read}"
    );
    // By version, as it is read.
    is(&patch(r#"[{"op":"test","path":"/meta/versionId","value":"2"}]"#), 200);
    is(&patch(r#"[{"op":"test","path":"/status","value":"final"}]"#), 422);
    is(&patch(r#"[{"op":"remove","path":"/nothing"}]"#), 422);
    is(&patch("{}"), 400);
    is(&patch("not json"), 400);
    let every = is(&patch(r#"[{"op":"spam","path":"/a"},{"op":"add","path":"b"}]"#), 400);
    assert_eq!(every["issue"].as_array().unwrap().len(), 2, "{every}");
    // What comes out is validated like an update, and stays what it is.
    is(&patch(r#"[{"op":"remove","path":"/code"}]"#), 422);
    is(&patch(r#"[{"op":"replace","path":"/id","value":"other"}]"#), 422);
    is(&patch(r#"[{"op":"replace","path":"","value":{"resourceType":"Patient","id":"o"}}]"#), 422);
    assert_eq!(is(&http.get("/fhir/Observation/o"), 200)["meta"]["versionId"], "3");
    let history = is(&http.get("/fhir/Observation/o/_history"), 200);
    assert_eq!(history["entry"][0]["request"]["method"], "PATCH", "{history}");
    is(&http.send("PATCH", "/fhir/Observation/never", &[JSON_PATCH], b"[]"), 404);
}

#[test]
fn patches_with_fhirpath_patch_and_xml_patch() {
    let (_gateway, http) = open();
    http.store(&patient("p", "Ash"));
    let parameters = json!({"resourceType": "Parameters", "parameter": [
        {"name": "operation", "part": [{"name": "type", "valueCode": "replace"},
            {"name": "path", "valueString": "Patient.name.where(family = 'Ash').family"}, {"name": "value", "valueString": "Birch"}]},
        {"name": "operation", "part": [{"name": "type", "valueCode": "add"}, {"name": "path", "valueString": "Patient"},
            {"name": "name", "valueString": "birthDate"}, {"name": "value", "valueDate": "1980-02"}]}]});
    let done = http.send("PATCH", "/fhir/Patient/p", &[JSON], &body(&parameters));
    let now = is(&done, 200);
    assert_eq!((&now["name"][0]["family"], &now["birthDate"]), (&json!("Birch"), &json!("1980-02")));
    is(&http.send("PATCH", "/fhir/Patient/p", &[JSON], &body(&patient("p", "x"))), 400);
    let wrong = json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [{"name": "type", "valueCode": "delete"},
        {"name": "path", "valueString": "Patient.name.("}]}]});
    is(&http.send("PATCH", "/fhir/Patient/p", &[JSON], &body(&wrong)), 422);

    let diff =
        br#"<diff xmlns:f="http://hl7.org/fhir"><replace sel="f:Patient/f:birthDate/@value">1981</replace></diff>"#;
    let done = http.send("PATCH", "/fhir/Patient/p", &[XML_PATCH], diff);
    assert_eq!(is(&done, 200)["birthDate"], "1981");
    is(&http.send("PATCH", "/fhir/Patient/p", &[XML_PATCH], br#"<diff><remove sel="Patient/photo"/></diff>"#), 422);
    is(&http.send("PATCH", "/fhir/Patient/p", &[XML_PATCH], b"<diff>"), 400);

    let unknown = http.send("PATCH", "/fhir/Patient/p", &[("Content-Type", "application/merge-patch+json")], b"{}");
    is(&unknown, 415);
    assert!(unknown.header("accept-patch").unwrap().contains("application/json-patch+json"));
    is(&http.send("PATCH", "/fhir/Patient/p", &[], b"[]"), 415);
}

#[test]
fn patches_by_a_condition_that_finds_one() {
    let (_gateway, http) = open();
    http.store(&patient("a", "Ash"));
    http.store(&patient("b", "Birch"));
    let patch = |query: &str| {
        let patch = br#"[{"op":"add","path":"/active","value":true}]"#;
        http.send("PATCH", &format!("/fhir/Patient?{query}"), &[JSON_PATCH], patch)
    };
    is(&patch("identifier=urn:mrn|nobody"), 404);
    is(&patch("identifier=urn:mrn|a,urn:mrn|b"), 412);
    assert_eq!(is(&patch("identifier=urn:mrn|a"), 200)["active"], true);
    assert_eq!(is(&http.get("/fhir/Patient/b"), 200)["active"], Value::Null);
}

#[test]
fn refuses_what_an_address_does_not_do() {
    let (_gateway, http) = open();
    for (method, path, status) in [
        ("DELETE", "/fhir/Nonsense/1", 404),
        ("PATCH", "/fhir/Nonsense/1", 404),
        ("DELETE", "/fhir", 405),
        ("PATCH", "/fhir", 405),
        ("PUT", "/fhir", 405),
        ("POST", "/fhir/Patient/1", 405),
        ("DELETE", "/fhir/Patient/1/_history/1", 405),
    ] {
        let answer = http.send(method, path, &[JSON_PATCH], b"[]");
        is(&answer, status);
        assert_eq!(answer.header("allow").is_some(), status == 405, "{method} {path}");
    }
    is(&http.send("PUT", "/fhir/Patient/1", &[("Content-Type", "text/plain")], b"x"), 415);
    is(&http.send("GET", "/fhir/Patient/1", &[("Accept", "text/turtle")], b""), 406);
    is(&http.put("/fhir/Patient/1", &patient("2", "Ash")), 400);
    is(
        &http
            .put("/fhir/Patient/1", &json!({"resourceType": "Patient", "id": "1", "birthDate": "soon", "gender": "x"})),
        422,
    );
}

/// Each case of the corpus, through the gateway.
#[test]
fn applies_the_published_fhirpath_patches() {
    let Some(corpus) = tests::corpus("published FHIRPath patches") else { return };
    let text = std::fs::read_to_string(corpus.join("fhir-r4/patch/fhir-patch-tests.xml")).unwrap();
    let (_gateway, http) = open();
    let part = |case: &str, name: &str| {
        let (_, rest) = case.split_once(&format!("<{name}>")).unwrap();
        rest.split_once(&format!("</{name}>")).unwrap().0.trim().to_owned()
    };
    const XML: (&str, &str) = ("Content-Type", "application/fhir+xml");
    let mut cases = 0;
    for (number, case) in text.split("<case ").skip(1).enumerate() {
        let id = format!("case-{number}");
        let with_id = |patient: &str| {
            let patient = patient.replace("<id value='example'/>", "");
            let end = patient.find('>').unwrap() + 1;
            format!("{}<id value=\"{id}\"/>{}", &patient[..end], &patient[end..])
        };
        let name = case.split('"').nth(1).unwrap_or_default();
        let store = http.send("PUT", &format!("/fhir/Patient/{id}"), &[XML], with_id(&part(case, "input")).as_bytes());
        assert_eq!(store.status, 201, "{name}: {}", store.text());
        let patched = http.send("PATCH", &format!("/fhir/Patient/{id}"), &[XML], part(case, "diff").as_bytes());
        assert_eq!(patched.status, 200, "{name}: {}", patched.text());
        let expected =
            http.send("PUT", &format!("/fhir/Patient/{id}"), &[XML], with_id(&part(case, "output")).as_bytes());
        let without_meta = |answer: &Answer| {
            let mut json = answer.json();
            json.as_object_mut().unwrap().remove("meta");
            json
        };
        assert_eq!(without_meta(&patched), without_meta(&expected), "{name}");
        cases += 1;
    }
    assert!(cases > 10, "{cases}");
}

const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

/// Patient `p1` permits the clinician everything but what is labelled PSY; `p2` nothing.
fn consents() -> (Gateway, Http, Http) {
    let gateway = Gateway::start(&configuration(""));
    let http = Http::to(gateway.http.unwrap());
    let administrator = http.with(&gateway.administrator());
    let clinician = http.with(&gateway.clinician("Practitioner/c"));
    for id in ["p1", "p2"] {
        administrator.store(&patient(id, "Ash"));
    }
    administrator.store(&all_but_psychiatry("p1"));
    for (id, label) in [("seen", None), ("secret", Some("PSY"))] {
        let mut condition = json!({"resourceType": "Condition", "id": id, "subject": {"reference": "Patient/p1"},
            "identifier": [{"system": "urn:c", "value": id}], "code": {"text": "about"},
            "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}});
        if let Some(label) = label {
            condition["meta"] = json!({"security": [{"system": ACT_CODE, "code": label}]});
        }
        administrator.store(&condition);
    }
    (gateway, administrator, clinician)
}

#[test]
fn what_is_withheld_is_not_there_to_change() {
    let (_gateway, administrator, clinician) = consents();
    let patch = br#"[{"op":"replace","path":"/code/text","value":"other"}]"#;
    let same = |method: &str, path: &dyn Fn(&str) -> String, headers: &[(&str, &str)], body: &[u8], status: u16| {
        let withheld = clinician.send(method, &path("secret"), headers, body);
        let unknown = clinician.send(method, &path("nobody"), headers, body);
        is(&withheld, status);
        let text = |answer: &Answer| answer.text().replace("nobody", "secret");
        assert_eq!((withheld.status, text(&withheld)), (unknown.status, text(&unknown)), "{method}");
    };
    let by_id = |id: &str| format!("/fhir/Condition/{id}");
    let by_condition = |id: &str| format!("/fhir/Condition?identifier=urn:c|{id}");
    same("DELETE", &by_id, &[], b"", 404);
    same("DELETE", &by_id, &[("If-Match", "W/\"1\"")], b"", 404);
    same("DELETE", &by_condition, &[], b"", 204);
    same("PATCH", &by_id, &[JSON_PATCH], patch, 404);
    same("PATCH", &by_id, &[JSON_PATCH, ("If-Match", "W/\"9\"")], patch, 404);
    same("PATCH", &by_condition, &[JSON_PATCH], patch, 404);
    let history = |id: &str| format!("/fhir/Condition/{id}/_history");
    same("GET", &history, &[], b"", 404);
    // Nothing of it happened.
    let read = administrator.send("GET", "/fhir/Condition/secret", &[], b"");
    assert_ne!(read.status, 410, "{}", read.text());
    // The administrator reads clinical data no more than anybody: for them too it is not there.
    is(&administrator.send("DELETE", "/fhir/Condition/secret", &[], b""), 404);
}

#[test]
fn what_may_be_read_may_be_corrected_and_is_gone_for_its_readers_alone() {
    let (gateway, _administrator, clinician) = consents();
    let patch = br#"[{"op":"replace","path":"/code/text","value":"other"}]"#;
    let patched = clinician.send("PATCH", "/fhir/Condition/seen", &[JSON_PATCH], patch);
    assert_eq!(is(&patched, 200)["code"]["text"], "other");
    is(&clinician.send("DELETE", "/fhir/Condition/seen", &[], b""), 204);
    is(&clinician.get("/fhir/Condition/seen"), 410);
    is(&clinician.send("DELETE", "/fhir/Condition/seen", &[], b""), 204);
    is(&clinician.send("PATCH", "/fhir/Condition/seen", &[JSON_PATCH], patch), 410);
    let other = Http::to(gateway.http.unwrap()).with(&gateway.token(&[
        "--role",
        "clinician",
        "--purpose",
        "TREAT",
        "--actor",
        "Practitioner/other",
    ]));
    is(&other.get("/fhir/Condition/seen"), 404);
    is(&other.send("DELETE", "/fhir/Condition/seen", &[], b""), 404);
    // Who reads without writing deletes nothing.
    let auditor = Http::to(gateway.http.unwrap()).with(&gateway.token(&[
        "--role",
        "auditor",
        "--purpose",
        "TREAT",
        "--actor",
        "Practitioner/x",
    ]));
    assert_eq!(auditor.send("DELETE", "/fhir/Patient/p1", &[], b"").status, 403);
}

#[test]
fn what_is_seen_in_part_cannot_be_patched() {
    let (_gateway, administrator, clinician) = consents();
    administrator.store(&json!({"resourceType": "Encounter", "id": "e", "status": "finished",
        "class": {"system": ACT_CODE, "code": "AMB"}, "subject": {"reference": "Patient/p1"},
        "diagnosis": [{"condition": {"reference": "Condition/secret", "display": "low spirits"}}]}));
    let read = is(&clinician.get("/fhir/Encounter/e"), 200);
    assert!(!read.to_string().contains("low spirits"), "{read}");
    let guess = br#"[{"op":"test","path":"/diagnosis/0/condition/display","value":"low spirits"}]"#;
    is(&clinician.send("PATCH", "/fhir/Encounter/e", &[JSON_PATCH], guess), 403);
    is(&clinician.send("DELETE", "/fhir/Encounter/e", &[], b""), 403);
}

#[test]
fn audit_events_and_reviews_are_never_deleted() {
    let (_gateway, administrator, _clinician) = consents();
    let found = is(&administrator.get("/fhir/AuditEvent?patient=p1&_count=1"), 200);
    let id = found["entry"][0]["resource"]["id"].as_str().unwrap();
    is(&administrator.send("DELETE", &format!("/fhir/AuditEvent/{id}"), &[], b""), 403);
    let patch = br#"[{"op":"replace","path":"/action","value":"C"}]"#;
    is(&administrator.send("PATCH", &format!("/fhir/AuditEvent/{id}"), &[JSON_PATCH], patch), 403);
}

fn versions(history: &Value) -> Vec<String> {
    let entries = history["entry"].as_array().into_iter().flatten();
    entries
        .map(|entry| {
            let etag = entry["response"]["etag"].as_str().unwrap().replace(['W', '/', '"'], "");
            let (_, path) = entry["fullUrl"].as_str().unwrap().split_once("/fhir/").unwrap();
            format!("{} {path} {etag}", entry["request"]["method"].as_str().unwrap())
        })
        .collect()
}

fn link(bundle: &Value, relation: &str) -> Option<String> {
    let links = bundle["link"].as_array().unwrap();
    let found = links.iter().find(|link| link["relation"] == relation)?;
    Some(found["url"].as_str().unwrap().split_once("/fhir").map(|(_, path)| format!("/fhir{path}")).unwrap())
}

#[test]
fn tells_the_history_of_a_resource_a_type_and_everything() {
    let (_gateway, http) = open();
    let created = is(&http.post("/fhir/Basic", &json!({"resourceType": "Basic", "code": {"text": "x"}})), 201);
    let basic = created["id"].as_str().unwrap();
    http.store(&patient("a", "Ash"));
    http.store(&patient("b", "Birch"));
    http.store(&patient("a", "Cedar"));
    is(&http.send("DELETE", "/fhir/Patient/b", &[], b""), 204);
    let all = is(&http.get("/fhir/_history"), 200);
    let expected = ["DELETE Patient/b 2", "PUT Patient/a 2", "PUT Patient/b 1", "PUT Patient/a 1"];
    assert_eq!(versions(&all)[..4], expected);
    assert_eq!(versions(&all)[4], format!("POST Basic/{basic} 1"));
    assert_eq!(all["entry"][4]["request"]["url"], "Basic");
    assert_eq!(all["entry"][0].get("resource"), None);
    assert_eq!(all["entry"][2]["resource"]["meta"]["versionId"], "1");
    assert_eq!(versions(&is(&http.get("/fhir/Patient/_history"), 200)), expected);
    assert_eq!(is(&http.get("/fhir/Patient/a/_history"), 200)["total"], 2);
    is(&http.get("/fhir/Patient/nobody/_history"), 404);
    is(&http.get("/fhir/Nonsense/_history"), 404);

    // Page by page, each version once; a link is bound to what was asked.
    for address in ["/fhir/Patient/_history", "/fhir/Patient/a/_history"] {
        let whole = versions(&is(&http.get(address), 200));
        let (mut path, mut seen) = (format!("{address}?_count=1"), Vec::new());
        loop {
            let page = is(&http.get(&path), 200);
            seen.extend(versions(&page));
            match link(&page, "next") {
                Some(next) => path = next,
                None => break,
            }
        }
        assert_eq!(seen, whole, "{address}");
        let next = link(&is(&http.get(&format!("{address}?_count=1")), 200), "next").unwrap();
        is(&http.get(&next.replace("_count=1", "_count=2")), 400);
    }

    let time = |index: usize| all["entry"][index]["response"]["lastModified"].as_str().unwrap().replace('+', "%2B");
    let since = is(&http.get(&format!("/fhir/Patient/_history?_since={}", time(1))), 200);
    assert_eq!(versions(&since), expected[..2]);
    // What was current then: the versions before it that no other had followed.
    let at = is(&http.get(&format!("/fhir/Patient/_history?_at={}", time(2))), 200);
    assert_eq!(versions(&at), expected[2..]);
    assert_eq!(versions(&is(&http.get(&format!("/fhir/Patient/a/_history?_at={}", time(2))), 200)), expected[3..]);
    assert_eq!(versions(&is(&http.get("/fhir/Patient/_history?_at=2001"), 200)), [""; 0]);
    for query in ["_list=List/1", "_sort=_lastUpdated", "_since=soon", "_count=-1", "_at=2020&_since=2020"] {
        is(&http.get(&format!("/fhir/Patient/_history?{query}")), 400);
    }
}

#[test]
fn a_history_shows_what_may_be_read_and_nothing_of_the_rest() {
    let (gateway, administrator, clinician) = consents();
    let secret =
        |history: &Value| versions(history).iter().any(|version| version.contains("secret") || version.contains("p2"));
    let of_type = is(&clinician.get("/fhir/Condition/_history"), 200);
    assert_eq!(versions(&of_type), ["PUT Condition/seen 1"]);
    assert_eq!(of_type["total"], 1);
    let all = is(&clinician.get("/fhir/_history"), 200);
    assert!(versions(&all).contains(&"PUT Patient/p1 1".to_owned()) && !secret(&all), "{all:#}");
    // A version that was labelled later and one that was not: each by itself.
    let mut condition = is(&clinician.get("/fhir/Condition/seen"), 200);
    condition["meta"] = json!({"security": [{"system": ACT_CODE, "code": "PSY"}]});
    administrator.store(&condition);
    assert_eq!(versions(&is(&clinician.get("/fhir/Condition/seen/_history"), 200)), ["PUT Condition/seen 1"]);
    // A page link of one caller is of no use to another.
    let next = link(&is(&clinician.get("/fhir/Patient/_history?_count=0"), 200), "next");
    assert_eq!(next, None);
    let first = is(&clinician.get("/fhir/_history?_count=1"), 200);
    let next = link(&first, "next").unwrap();
    let other = Http::to(gateway.http.unwrap()).with(&gateway.token(&[
        "--role",
        "clinician",
        "--purpose",
        "TREAT",
        "--actor",
        "Practitioner/other",
    ]));
    is(&other.get(&next), 400);
    assert_eq!(versions(&is(&other.get("/fhir/Condition/_history"), 200)), [""; 0]);
}
