//! The FHIR interface and its neighbours, over real sockets: plain form of R4 REST, refusals, tokens, health.

use serde_json::{Value, json};
use tests::http::{Answer, Http};
use tests::process::{Gateway, configuration, wait_until};

fn gateway() -> (Gateway, Http) {
    let gateway = Gateway::start(&configuration(
        "[[source]]\nname = \"portal\"\ntransport = \"http\"\nformat = \"hl7v2\"\n\n\
         [[source]]\nname = \"records\"\ntransport = \"http\"\nformat = \"fhir-r4\"\n",
    ));
    let http = Http::to(gateway.http.unwrap());
    (gateway, http)
}

fn open() -> (Gateway, Http) {
    let gateway = Gateway::start(
        "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"\nmllp = \"127.0.0.1:0\"\n\n[auth]\nmode = \"open\"\n",
    );
    let http = Http::to(gateway.http.unwrap());
    (gateway, http)
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) -> Value {
    let body = answer.json();
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(body["resourceType"], "OperationOutcome", "{}", answer.text());
    assert_eq!(body["issue"][0]["code"], code, "{}", answer.text());
    assert!(answer.header("content-type").unwrap().starts_with("application/fhir+json"));
    body
}

fn patient(id: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "identifier": [{"system": "https://north.example/mrn", "value": format!("mrn-{id}")}],
           "name": [{"family": "Ash", "given": ["Ida"]}], "birthDate": "1980-02-03"})
}

#[test]
fn creates_reads_updates_and_keeps_versions() {
    let (_gateway, http) = open();
    let created = http.post("/fhir/Patient", &patient("ignored"));
    assert_eq!(created.status, 201, "{}", created.text());
    assert_eq!(created.header("etag"), Some("W/\"1\""));
    assert!(created.header("ledger-exchange").is_some_and(|id| id.len() == 32));
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert_ne!(id, "ignored");
    let location = created.header("location").unwrap();
    assert!(location.ends_with(&format!("/fhir/Patient/{id}/_history/1")), "{location}");

    let mut changed = patient(&id);
    changed["gender"] = json!("female");
    let updated = http.put(&format!("/fhir/Patient/{id}"), &changed);
    assert_eq!((updated.status, updated.header("etag")), (200, Some("W/\"2\"")), "{}", updated.text());

    let read = http.get(&format!("/fhir/Patient/{id}"));
    assert_eq!(read.status, 200);
    assert_eq!(read.json()["gender"], "female");
    assert_eq!(read.json()["meta"]["versionId"], "2");
    assert!(read.header("last-modified").unwrap().ends_with(" GMT"));
    let first = http.get(&format!("/fhir/Patient/{id}/_history/1"));
    assert_eq!(first.json()["gender"], Value::Null);
    let history = http.get(&format!("/fhir/Patient/{id}/_history")).json();
    assert_eq!(history["type"], "history");
    assert_eq!(history["entry"].as_array().unwrap().len(), 2);
}

#[test]
fn keeps_every_digit_and_member_as_written() {
    let (_gateway, http) = open();
    let text = br#"{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50,"unit":"mg"},"_status":{"id":"s"}}"#;
    let put = http.send("PUT", "/fhir/Observation/o1", &[("Content-Type", "application/fhir+json")], text);
    assert_eq!(put.status, 201, "{}", put.text());
    let read = http.get("/fhir/Observation/o1").text();
    assert!(read.contains(r#""value":1.50"#) && read.contains(r#""_status":{"id":"s"}"#), "{read}");
}

#[test]
fn json_and_xml_are_two_forms_of_one_resource() {
    const XML: &str = "application/fhir+xml";
    let (_gateway, http) = open();
    let text = "<Observation xmlns=\"http://hl7.org/fhir\"><id value=\"o1\"/><status id=\"s\" value=\"final\"/>\
                <code><text value=\"a &amp; b\"/></code><valueQuantity><value value=\"1.50\"/></valueQuantity></Observation>";
    let put = http.send("PUT", "/fhir/Observation/o1", &[("Content-Type", XML), ("Accept", XML)], text.as_bytes());
    assert_eq!(
        (put.status, put.header("content-type")),
        (201, Some("application/fhir+xml; charset=utf-8")),
        "{}",
        put.text()
    );
    assert!(put.header("ledger-exchange").is_some());
    let json = http.get("/fhir/Observation/o1").text();
    assert!(
        json.contains(r#""value":1.50"#) && json.contains(r#""_status":{"id":"s"}"#) && json.contains("a & b"),
        "{json}"
    );
    let xml = http.send(
        "GET",
        "/fhir/Observation/o1",
        &[("Accept", "application/fhir+json;q=0.5, application/fhir+xml")],
        b"",
    );
    assert!(
        xml.text().contains("<status id=\"s\" value=\"final\"/><code><text value=\"a &amp; b\"/></code>"),
        "{}",
        xml.text()
    );
    assert!(http.get("/fhir/Observation?_id=o1&_format=xml").text().contains("<Bundle xmlns="));
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert!(
        http.send("POST", "/fhir/Observation/_search", &form, b"_id=o1&_format=xml").text().contains("<Bundle xmlns=")
    );
    assert!(http.get("/fhir/metadata?_format=xml").text().contains("<CapabilityStatement xmlns="));
    let unknown = http.send("GET", "/fhir/Observation/nobody", &[("Accept", XML)], b"");
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().contains("<OperationOutcome xmlns="), "{}", unknown.text());
    let post = |body: &str| http.send("POST", "/fhir/Patient", &[("Content-Type", XML)], body.as_bytes());
    refused(&post("<Patient/>"), 422, "structure");
    refused(
        &post("<Patient xmlns=\"http://hl7.org/fhir\"><birthDate value=\"1980\"/><active value=\"true\"/></Patient>"),
        422,
        "structure",
    );
    refused(&post("<!DOCTYPE a><Patient xmlns=\"http://hl7.org/fhir\"/>"), 400, "structure");
    let wrong = post("<Patient xmlns=\"http://hl7.org/fhir\"><birthDate value=\"soon\"/></Patient>");
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("Patient.birthDate"), "{}", wrong.text());
    let bundle = "<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"transaction\"/><entry><resource><Basic><id value=\"b1\"/>\
                  <code><text value=\"x\"/></code></Basic></resource><request><method value=\"PUT\"/><url value=\"Basic/b1\"/></request></entry></Bundle>";
    let done = http.send("POST", "/fhir", &[("Content-Type", XML), ("Accept", XML)], bundle.as_bytes());
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(done.text().contains("transaction-response"));
    assert_eq!(http.get("/fhir/Basic/b1").status, 200);
}

#[test]
fn a_lost_update_is_refused_and_an_old_version_too() {
    let (_gateway, http) = open();
    let put = |version: &str| {
        http.send(
            "PUT",
            "/fhir/Patient/p1",
            &[("Content-Type", "application/fhir+json"), ("If-Match", version)],
            patient("p1").to_string().as_bytes(),
        )
    };
    assert_eq!(http.put("/fhir/Patient/p1", &patient("p1")).status, 201);
    assert_eq!(put("W/\"1\"").status, 200);
    refused(&put("W/\"1\""), 412, "conflict");
    refused(&put("seven"), 400, "invalid");
}

#[test]
fn refuses_what_is_no_fhir_and_says_where() {
    let (_gateway, http) = open();
    let post =
        |body: &str| http.send("POST", "/fhir/Patient", &[("Content-Type", "application/fhir+json")], body.as_bytes());
    refused(&post("{"), 400, "structure");
    refused(&post(r#"{"resourceType":"Patient","resourceType":"Patient"}"#), 400, "structure");
    refused(&post(r#"{"resourceType":"Patient","multipleBirthInteger":NaN}"#), 400, "structure");
    refused(&post(r#"{"resourceType":"Patient","gender":"\ud800"}"#), 400, "structure");
    refused(&post(&format!("{}{}", "[".repeat(2000), "]".repeat(2000))), 400, "structure");
    refused(&post(r#"{"resourceType":"Observation","status":"final","code":{}}"#), 400, "invalid");
    let wrong = post(r#"{"resourceType":"Patient","birthDate":"soon"}"#);
    assert!(matches!(wrong.status, 400 | 422), "{}", wrong.status);
    assert!(wrong.text().contains("Patient.birthDate"), "{}", wrong.text());
    let turtle = http.send("POST", "/fhir/Patient", &[("Content-Type", "text/turtle")], b"<a> <b> <c> .");
    refused(&turtle, 415, "not-supported");
    refused(&http.send("GET", "/fhir/Patient/p", &[("Accept", "text/turtle")], b""), 406, "not-supported");
    refused(&http.get("/fhir/Unicorn/1"), 404, "not-supported");
    refused(&http.put("/fhir/Patient/a", &patient("b")), 400, "invalid");
    let large = format!(r#"{{"resourceType":"Patient","language":"{}"}}"#, "x".repeat(17 * 1024 * 1024));
    let large = http.try_send("POST", "/fhir/Patient", &[("Content-Type", "application/fhir+json")], large.as_bytes());
    // The refusal may arrive while the client still writes, or as a reset after it.
    if let Ok(answer) = large {
        refused(&answer, 413, "too-long");
    }
    let wrong_method = http.send("POST", "/fhir/Patient/p", &[], b"");
    refused(&wrong_method, 405, "not-supported");
    assert!(wrong_method.header("allow").unwrap().contains("PUT"));
}

#[test]
fn searches_by_every_parameter_it_names_and_refuses_others() {
    let (_gateway, http) = open();
    for id in ["p1", "p2", "p3"] {
        assert_eq!(http.put(&format!("/fhir/Patient/{id}"), &patient(id)).status, 201);
    }
    for (id, of) in [("o1", "p1"), ("o2", "p1"), ("o3", "p2")] {
        let observation = json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
                                 "subject": {"reference": format!("Patient/{of}")}});
        assert_eq!(http.put(&format!("/fhir/Observation/{id}"), &observation).status, 201);
    }
    let found = |query: &str| {
        let answer = http.get(query);
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let bundle = answer.json();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<String> =
            entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    assert_eq!(found("/fhir/Patient?_id=p1,p3"), ["p1", "p3"]);
    assert_eq!(found("/fhir/Patient?identifier=https://north.example/mrn%7Cmrn-p2"), ["p2"]);
    assert_eq!(found("/fhir/Patient?identifier=mrn-p2"), ["p2"]);
    assert_eq!(found("/fhir/Observation?patient=p1"), ["o1", "o2"]);
    assert_eq!(found("/fhir/Observation?subject=Patient/p2"), ["o3"]);
    assert_eq!(found("/fhir/Observation?_lastUpdated=ge2000-01-01"), ["o1", "o2", "o3"]);
    assert!(found("/fhir/Observation?_lastUpdated=lt2000-01-01").is_empty());
    let form = http.send(
        "POST",
        "/fhir/Observation/_search",
        &[("Content-Type", "application/x-www-form-urlencoded")],
        b"patient=Patient%2Fp1",
    );
    assert_eq!(form.json()["total"], 2, "{}", form.text());

    let unknown = refused(&http.get("/fhir/Patient?colour=red"), 400, "not-supported");
    assert!(unknown["issue"][0]["diagnostics"].as_str().unwrap().contains("colour"));
    refused(&http.get("/fhir/Patient?_sort=colour"), 400, "not-supported");
    refused(&http.get("/fhir/Patient?_include=Patient:name"), 400, "not-supported");
    let lenient = http.send("GET", "/fhir/Patient?colour=red&_id=p1", &[("Prefer", "handling=lenient")], b"");
    assert_eq!(lenient.status, 200);
    let own = lenient.json()["link"][0]["url"].as_str().unwrap().to_owned();
    assert!(own.contains("_id=p1") && !own.contains("colour"), "{own}");
}

#[test]
fn pages_until_everything_was_shown_once() {
    let (_gateway, http) = open();
    for number in 0..7 {
        let id = format!("p{number}");
        assert_eq!(http.put(&format!("/fhir/Patient/{id}"), &patient(&id)).status, 201);
    }
    let (mut path, mut seen) = ("/fhir/Patient?_count=3".to_owned(), Vec::new());
    loop {
        let bundle = http.get(&path).json();
        for entry in bundle["entry"].as_array().unwrap() {
            seen.push(entry["resource"]["id"].as_str().unwrap().to_owned());
        }
        let links = bundle["link"].as_array().unwrap();
        let Some(next) = links.iter().find(|link| link["relation"] == "next") else { break };
        path = next["url"].as_str().unwrap().split_once("/fhir/").map(|(_, rest)| format!("/fhir/{rest}")).unwrap();
    }
    seen.sort();
    assert_eq!(seen, ["p0", "p1", "p2", "p3", "p4", "p5", "p6"]);
}

#[test]
fn creates_on_a_condition_and_all_of_a_transaction_or_nothing() {
    let (_gateway, http) = open();
    let headers =
        [("Content-Type", "application/fhir+json"), ("If-None-Exist", "identifier=https://north.example/mrn|mrn-c")];
    let create = || http.send("POST", "/fhir/Patient", &headers, patient("c").to_string().as_bytes());
    let (first, second) = (create(), create());
    assert_eq!((first.status, second.status), (201, 200), "{}", second.text());
    assert_eq!(first.json()["id"], second.json()["id"]);

    let bundle = |status: &str| {
        json!({"resourceType": "Bundle", "type": "transaction", "entry": [
            {"fullUrl": "urn:uuid:4b1a6f0c-0f3a-4d52-9c55-0d2f5f4f9a01", "resource": {"resourceType": "Patient", "birthDate": "1990-01-01"},
             "request": {"method": "POST", "url": "Patient"}},
            {"resource": {"resourceType": "Observation", "id": "t1", "status": status, "code": {"text": "x"},
             "subject": {"reference": "urn:uuid:4b1a6f0c-0f3a-4d52-9c55-0d2f5f4f9a01"}},
             "request": {"method": "PUT", "url": "Observation/t1"}}]})
    };
    let bad = http.post("/fhir", &bundle("sometimes"));
    assert!(matches!(bad.status, 400 | 422), "{}", bad.text());
    assert_eq!(http.get("/fhir/Observation/t1").status, 404);
    let good = http.post("/fhir", &bundle("final"));
    assert_eq!(good.status, 200, "{}", good.text());
    assert_eq!(good.json()["entry"].as_array().unwrap().len(), 2);
    let subject = http.get("/fhir/Observation/t1").json()["subject"]["reference"].as_str().unwrap().to_owned();
    assert_eq!(http.get(&format!("/fhir/{subject}")).status, 200);
}

#[test]
fn says_of_itself_what_it_does() {
    let (_gateway, http) = gateway();
    let statement = http.get("/fhir/metadata").json();
    assert_eq!(statement["resourceType"], "CapabilityStatement");
    assert_eq!(statement["fhirVersion"], "4.0.1");
    let types = statement["rest"][0]["resource"].as_array().unwrap();
    assert!(types.len() > 140, "{}", types.len());
    let (_open, http) = open();
    let statement = http.get("/fhir/metadata").json();
    assert!(statement["rest"][0]["security"]["description"].as_str().unwrap().contains("OFF"));
    // Every interaction that is claimed answers.
    let claimed: Vec<&str> = statement["rest"][0]["resource"][0]["interaction"]
        .as_array()
        .unwrap()
        .iter()
        .map(|interaction| interaction["code"].as_str().unwrap())
        .collect();
    assert_eq!(
        http.put("/fhir/Basic/b", &json!({"resourceType": "Basic", "id": "b", "code": {"text": "x"}})).status,
        201
    );
    for (code, method, path) in [
        ("create", "POST", "/fhir/Basic"),
        ("read", "GET", "/fhir/Basic/b"),
        ("vread", "GET", "/fhir/Basic/b/_history/1"),
        ("history-instance", "GET", "/fhir/Basic/b/_history"),
        ("update", "PUT", "/fhir/Basic/b"),
        ("search-type", "GET", "/fhir/Basic"),
        ("history-type", "GET", "/fhir/Basic/_history"),
        ("patch", "PATCH", "/fhir/Basic/b"),
        ("delete", "DELETE", "/fhir/Basic/b"),
    ] {
        assert!(claimed.contains(&code), "{code}");
        let (kind, body) = match method {
            "GET" | "DELETE" => ("application/fhir+json", String::new()),
            "PATCH" => ("application/json-patch+json", "[]".to_owned()),
            _ => {
                let basic = json!({"resourceType": "Basic", "id": "b", "code": {"text": "x"}});
                ("application/fhir+json", basic.to_string())
            }
        };
        let answer = http.send(method, path, &[("Content-Type", kind)], body.as_bytes());
        assert!(answer.status < 300, "{method} {path}: {}", answer.text());
    }
    assert_eq!(claimed.len(), 9, "{claimed:?}");
}

#[test]
fn asks_for_a_token_and_keeps_roles_apart() {
    let (gateway, http) = gateway();
    for path in ["/fhir/Patient/x", "/exchanges", "/fhir/Patient"] {
        refused(&http.get(path), 401, "login");
        refused(&http.with("no.such.token").get(path), 401, "login");
    }
    let clinician = http.with(&gateway.clinician("Practitioner/c"));
    refused(&clinician.get("/exchanges"), 403, "forbidden");
    refused(&clinician.put("/fhir/Patient/chosen", &patient("chosen")), 403, "forbidden");
    let auditor = http.with(&gateway.token(&["--role", "auditor", "--purpose", "HSYSADMIN"]));
    refused(&auditor.get("/fhir/Patient/x"), 403, "forbidden");
    refused(&auditor.post("/fhir/Patient", &patient("x")), 403, "forbidden");
    assert_eq!(auditor.get("/fhir/AuditEvent").status, 200);
    let administrator = http.with(&gateway.administrator());
    assert_eq!(administrator.put("/fhir/Patient/chosen", &patient("chosen")).status, 201);
    // The same token as somebody else's gateway would make is none here.
    let (other, _) = open();
    drop(other);
    for path in ["/health/live", "/health/ready", "/fhir/metadata", "/console/", "/metrics"] {
        assert_eq!(http.get(path).status, 200, "{path}");
    }
}

const ADMISSION: &str = "MSH|^~\\&|HIS|NORTH|ANCHORLINE|GATEWAY|20260301101500+0100||ADT^A01^ADT_A01|H1|P|2.5.1\r\
                         EVN|A01|20260301101400+0100\rPID|1||4711^^^NORTH^MR||Ash^Ida||19800203|F\rPV1|1|I|W1^2^A\r";

#[test]
fn takes_a_message_once_and_answers_a_repeat_with_the_same_exchange() {
    let (gateway, http) = gateway();
    let source = http.with(&gateway.token(&["--role", "source", "--purpose", "TREAT", "--actor", "Device/portal"]));
    let send =
        |body: &str| source.send("POST", "/ingest/portal", &[("Content-Type", "application/hl7-v2")], body.as_bytes());
    let first = send(ADMISSION);
    assert_eq!(first.status, 201, "{}", first.text());
    let location = first.header("location").unwrap().to_owned();
    let again = send(ADMISSION);
    assert_eq!((again.status, again.header("location")), (200, Some(location.as_str())));
    let other = send(&ADMISSION.replace("Ida", "Ada"));
    assert_eq!(other.status, 201);
    assert_ne!(other.header("location"), Some(location.as_str()));

    let own = source.get(&location);
    assert_eq!(own.status, 200, "{}", own.text());
    let auditor = http.with(&gateway.token(&["--role", "auditor", "--purpose", "HSYSADMIN"]));
    let list = auditor.get("/exchanges?message-control-id=H1").json();
    assert_eq!(list["total"], 2, "{list}");
    let exchange = auditor.get(&location).json();
    assert!(exchange["stages"].as_array().is_some_and(|stages| !stages.is_empty()), "{exchange}");
    assert!(exchange["ledger"]["index"].is_u64(), "{exchange}");
    let receipt = location.replace("/exchanges/", "/ledger/receipts/");
    wait_until("the receipt is sealed", || http.get(&receipt).status == 200);
    assert!(http.get(&receipt).text().starts_with("c2sp.org/tlog-proof@v1"));
    assert_eq!(http.get("/ledger/receipts/00000000000000000000000000000000").status, 404);
    assert!(http.get("/ledger/checkpoint").text().contains("\u{2014} "));
    assert_eq!(http.get("/ledger/tile/entries/000.p/1").status, 200);
    let opening = auditor.get(&format!("{location}/opening")).json();
    assert_eq!(opening["commitments"][0]["salt"].as_str().map(str::len), Some(64), "{opening}");
    refused(&source.get(&format!("{location}/opening")), 403, "forbidden");
    let stranger = http.with(&gateway.token(&["--role", "source", "--purpose", "TREAT", "--actor", "Device/records"]));
    refused(&stranger.get(&location), 404, "not-found");

    refused(&send("MSH|nonsense"), 400, "structure");
    refused(&source.send("POST", "/ingest/nobody", &[("Content-Type", "application/hl7-v2")], b"x"), 404, "not-found");
}

#[test]
fn translates_without_keeping_anything() {
    let (gateway, http) = gateway();
    let clinician = http.with(&gateway.clinician("Practitioner/c"));
    let headers = [("Content-Type", "application/hl7-v2")];
    let converted = clinician.send("POST", "/convert?from=hl7v2&to=fhir-r4", &headers, ADMISSION.as_bytes());
    assert_eq!(converted.status, 200, "{}", converted.text());
    assert_eq!(converted.json()["resourceType"], "Bundle");
    let report = [("Content-Type", "application/hl7-v2"), ("Prefer", "return=OperationOutcome")];
    let report = clinician.send("POST", "/convert?to=fhir-r4", &report, ADMISSION.as_bytes());
    assert_eq!(report.json()["resourceType"], "OperationOutcome", "{}", report.text());
    let refusal = clinician.send("POST", "/convert?from=hl7v2&to=fhir-r4", &headers, b"not a message");
    assert_eq!(refusal.status, 422, "{}", refusal.text());
    let auditor = http.with(&gateway.token(&["--role", "auditor", "--purpose", "HSYSADMIN"]));
    assert_eq!(auditor.get("/exchanges").json()["total"], 0);
}

#[test]
fn serves_the_console_under_a_strict_policy() {
    let (_gateway, http) = gateway();
    for (path, kind) in
        [("/console/", "text/html"), ("/console/console.js", "text/javascript"), ("/console/console.css", "text/css")]
    {
        let answer = http.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-type").unwrap().starts_with(kind), "{path}");
        assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"), "{path}");
    }
    assert_eq!(http.get("/console").header("location"), Some("/console/"));
}

#[test]
fn knows_a_source_by_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("portal.secret");
    std::fs::write(&secret, "correct horse battery\n").unwrap();
    let gateway = Gateway::start(&configuration(&format!(
        "[[source]]\nname = \"portal\"\ntransport = \"http\"\nformat = \"hl7v2\"\ncredentials = {:?}\n\n\
         [[source]]\nname = \"other\"\ntransport = \"http\"\nformat = \"hl7v2\"\n",
        secret.to_str().unwrap()
    )));
    let http = Http::to(gateway.http.unwrap());
    let kind = ("Content-Type", "application/hl7-v2");
    let send = |path: &str, authorization: &str| {
        http.send("POST", path, &[kind, ("Authorization", authorization)], ADMISSION.as_bytes())
    };
    // "portal:correct horse battery", "portal:wrong horse battery!!", in base64.
    let (right, wrong) =
        ("Basic cG9ydGFsOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ==", "Basic cG9ydGFsOndyb25nIGhvcnNlIGJhdHRlcnkhIQ==");
    let taken = send("/ingest/portal", right);
    assert_eq!(taken.status, 201, "{}", taken.text());
    assert_eq!(send("/ingest/portal", "Bearer correct horse battery").status, 200);
    let refusal = send("/ingest/portal", wrong);
    refused(&refusal, 401, "login");
    assert!(refusal.header("www-authenticate").unwrap().contains("Basic"));
    assert!(matches!(send("/ingest/other", right).status, 401 | 403));
    let own = http.send("GET", taken.header("location").unwrap(), &[("Authorization", right)], b"");
    assert_eq!(own.status, 200, "{}", own.text());
    let stolen = http.send("GET", taken.header("location").unwrap(), &[("Authorization", wrong)], b"");
    assert_eq!(stolen.status, 401);
}
