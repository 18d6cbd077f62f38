//! How answers are written: JSON or XML, parts of resources, gzip, and for which pages.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tests::http::{Answer, Http};
use tests::process::Gateway;

const OPEN: &str = "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"off\"\nmllp = \"off\"\nbody_limit = \"64KiB\"\n\
                    cors_origins = [\"https://app.example\"]\n\n[auth]\nmode = \"open\"\n";

fn gateway() -> (Gateway, Http) {
    let gateway = Gateway::start(OPEN);
    let http = Http::to(gateway.http.unwrap());
    (gateway, http)
}

fn patient() -> Value {
    json!({"resourceType": "Patient", "id": "p", "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">A</div>"},
        "identifier": [{"system": "urn:mrn", "value": "1"}], "active": true, "name": [{"family": "Shown"}],
        "maritalStatus": {"text": "unknown"}, "photo": [{"contentType": "text/plain", "data": "QUJD".repeat(1_000)}]})
}

fn names(resource: &Value) -> Vec<String> {
    resource.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default()
}

fn is_subset(resource: &Value) -> bool {
    resource["meta"]["tag"].as_array().is_some_and(|tags| tags.iter().any(|tag| tag["code"] == "SUBSETTED"))
}

#[track_caller]
fn refused(answer: &Answer, status: u16, word: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.json()["resourceType"], "OperationOutcome", "{}", answer.text());
    assert!(answer.text().contains(word), "{}", answer.text());
}

#[test]
fn parts_of_resources_are_shown_the_same_way_everywhere() {
    let (_gateway, http) = gateway();
    assert_eq!(http.put("/fhir/Patient/p", &patient()).status, 201);
    for path in ["/fhir/Patient/p", "/fhir/Patient/p/_history/1"] {
        let summary = http.get(&format!("{path}?_summary=true")).json();
        assert!(is_subset(&summary) && summary["maritalStatus"].is_null() && summary["name"].is_array(), "{summary}");
        assert_eq!(summary["meta"]["versionId"], "1");
        let text = http.get(&format!("{path}?_summary=text")).json();
        assert!(text["text"].is_object() && text["name"].is_null(), "{text}");
        let data = http.get(&format!("{path}?_summary=data")).json();
        assert!(data["text"].is_null() && data["maritalStatus"].is_object() && is_subset(&data), "{data}");
        let elements = http.get(&format!("{path}?_elements=name,maritalStatus")).json();
        let mut shown = names(&elements);
        shown.sort_unstable();
        assert_eq!(shown, ["active", "id", "maritalStatus", "meta", "name", "resourceType"], "{elements}");
        let whole = http.get(&format!("{path}?_summary=false")).json();
        assert!(!is_subset(&whole) && whole["photo"].is_array());
    }
    for path in ["/fhir/Patient/p/_history?_elements=name", "/fhir/Patient/p/$everything?_elements=name"] {
        let bundle = http.get(path).json();
        let resource = &bundle["entry"][0]["resource"];
        assert!(is_subset(resource) && resource["photo"].is_null(), "{path}: {bundle}");
    }
    // What is written is whole whatever the answer shows.
    assert!(http.get("/fhir/Patient/p").json()["photo"].is_array());
}

#[test]
fn what_is_asked_wrongly_is_named_before_anything_is_done() {
    let (_gateway, http) = gateway();
    let put = |query: &str| http.put(&format!("/fhir/Patient/p?{query}"), &patient());
    refused(&put("_summary=maybe"), 400, "_summary");
    refused(&put("_elements=nome"), 400, "nome");
    refused(&put("_pretty=perhaps&_summary=maybe"), 400, "_pretty");
    refused(&put("_summary=true&_elements=name"), 400, "_elements");
    refused(&put("_format=yaml"), 406, "JSON and XML");
    assert_eq!(http.get("/fhir/Patient/p").status, 404);
}

#[test]
fn the_form_is_chosen_by_parameter_then_by_weight() {
    let (_gateway, http) = gateway();
    http.put("/fhir/Patient/p", &patient());
    let get = |path: &str, accept: &str| http.send("GET", path, &[("Accept", accept)], b"");
    let kind = |answer: &Answer| answer.header("content-type").unwrap_or_default().to_owned();
    let is_xml = |answer: &Answer| kind(answer).starts_with("application/fhir+xml") && answer.text().starts_with('<');
    assert!(is_xml(&get("/fhir/Patient/p", "application/fhir+json;q=0.5, application/fhir+xml")));
    assert!(!is_xml(&get("/fhir/Patient/p", "application/fhir+xml;q=0.5, application/fhir+json;q=0.9")));
    assert!(is_xml(&get("/fhir/Patient/p?_format=xml", "application/fhir+json")));
    assert!(is_xml(&get("/fhir/Patient/p?_format=application/fhir%2Bxml&_pretty=true", "*/*")));
    let versioned = get("/fhir/Patient/p", "application/fhir+json; fhirVersion=4.0");
    assert!(kind(&versioned).contains("fhirVersion=4.0"), "{}", kind(&versioned));
    refused(&get("/fhir/Patient/p", "text/turtle"), 406, "JSON and XML");
    assert!(get("/fhir/Patient/p?_pretty=true", "*/*").text().contains("\n  \"id\": \"p\""));
    let send =
        |kind: &str| http.send("POST", "/fhir/Patient", &[("Content-Type", kind)], b"{\"resourceType\":\"Patient\"}");
    refused(&send("text/turtle"), 415, "JSON and XML");
    refused(&send("application/fhir+json; charset=iso-8859-1"), 415, "UTF-8");
    assert_eq!(send("application/fhir+json; charset=UTF-8; fhirVersion=4.0").status, 201);
}

/// FHIR R4 http.html, "FHIR Version Parameter": what is not of this version is refused, and says which one is.
#[test]
fn another_version_of_fhir_is_refused_wherever_it_is_named() {
    let (_gateway, http) = gateway();
    let patient = patient();
    let binary = json!({"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "QUJD"});
    assert_eq!((http.put("/fhir/Patient/p", &patient).status, http.put("/fhir/Binary/b", &binary).status), (201, 201));
    let asked = |method: &str, path: &str, accept: &str, body: &Value| {
        let headers = [("Accept", accept), ("Content-Type", "application/fhir+json")];
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        http.send(method, path, &headers, &body)
    };
    for version in ["4.3", "5.0", "3.0", "1.0", "\"4.3.0\"", "4"] {
        for kind in ["application/fhir+json", "application/fhir+xml", "application/json"] {
            let other = format!("{kind}; fhirVersion={version}");
            for path in [
                "/fhir/Patient/p",
                "/fhir/Patient/p/_history/1",
                "/fhir/Patient?_id=p",
                "/fhir/metadata",
                "/fhir/Patient/p/$everything",
                "/fhir/Binary/b",
            ] {
                refused(&asked("GET", path, &other, &Value::Null), 406, "fhirVersion=4.0");
            }
            let encoded = other.replace('+', "%2B").replace(' ', "%20").replace('"', "%22");
            refused(&http.get(&format!("/fhir/Patient/p?_format={encoded}")), 406, "fhirVersion=4.0");
            // Before anything is done.
            refused(&asked("PUT", "/fhir/Patient/new", &other, &patient), 406, "fhirVersion=4.0");
            let send = |method: &str, path: &str| {
                http.send(method, path, &[("Content-Type", other.as_str())], patient.to_string().as_bytes())
            };
            for (method, path) in [
                ("PUT", "/fhir/Patient/new"),
                ("POST", "/fhir/Patient"),
                ("POST", "/fhir"),
                ("PATCH", "/fhir/Patient/p"),
                ("POST", "/fhir/Patient/$validate"),
                ("POST", "/fhir/$process-message"),
            ] {
                if method != "PATCH" || kind != "application/json" {
                    let answer = send(method, path);
                    refused(&answer, 415, "fhirVersion=4.0");
                }
            }
        }
    }
    assert_eq!(http.get("/fhir/Patient/new").status, 404);
    // Where this version will do as well it is given, byte for byte what is given without.
    let plain = http.get("/fhir/Patient/p");
    for accept in [
        "application/fhir+json; fhirVersion=5.0, application/fhir+json; q=0.1",
        "application/fhir+json; fhirversion=4.0.1",
    ] {
        let answer = asked("GET", "/fhir/Patient/p", accept, &Value::Null);
        assert_eq!((answer.status, answer.text()), (200, plain.text()), "{accept}");
    }
    assert_eq!(asked("GET", "/fhir/Binary/b", "text/plain", &Value::Null).text(), "ABC");
}

/// The one way to other versions says them in media types as well as in parameters.
#[test]
fn conversions_take_versions_from_media_types() {
    let (_gateway, http) = gateway();
    let order = br##"{"resourceType":"MedicationRequest","intent":"order","medicationReference":{"reference":"#m"},
        "contained":[{"resourceType":"Medication","id":"m"}],"subject":{"reference":"Patient/p"},"status":"active"}"##;
    for path in ["/convert", "/fhir/$convert"] {
        let convert =
            |kind: &str, accept: &str| http.send("POST", path, &[("Content-Type", kind), ("Accept", accept)], order);
        let kind = |answer: &Answer| answer.header("content-type").unwrap_or_default().to_owned();
        let newer = convert("application/fhir+json", "application/fhir+json; fhirVersion=5.0");
        assert_eq!((newer.status, kind(&newer).as_str()), (200, "application/fhir+json; fhirVersion=5.0"));
        assert!(newer.json()["medication"]["reference"].is_object(), "{path}: {}", newer.text());
        let back = http.send(
            "POST",
            path,
            &[("Content-Type", "application/fhir+json; fhirVersion=5.0.0")],
            newer.text().as_bytes(),
        );
        assert_eq!(back.json()["medicationReference"]["reference"], "#m", "{path}: {}", back.text());
        let weighed =
            convert("application/fhir+json", "application/fhir+json; fhirVersion=5.0; q=0.4, application/fhir+json");
        assert!(weighed.json()["medicationReference"].is_object(), "{path}: {}", weighed.text());
        refused(&convert("application/fhir+json", "application/fhir+json; fhirVersion=1.0"), 406, "4.3");
        refused(&convert("application/fhir+json; fhirVersion=2.0", "*/*"), 415, "4.3");
    }
    refused(&http.send("POST", "/fhir/$convert", &[("Accept", "text/turtle")], order), 406, "JSON and XML");
}

#[test]
fn head_says_what_get_would() {
    let (_gateway, http) = gateway();
    http.put("/fhir/Patient/p", &patient());
    let (head, get) = (http.send("HEAD", "/fhir/Patient/p", &[], b""), http.get("/fhir/Patient/p"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["etag", "last-modified", "content-type", "content-length"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    let unchanged = http.send("GET", "/fhir/Patient/p", &[("If-None-Match", "W/\"1\"")], b"");
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
}

#[test]
fn gzip_goes_both_ways_and_is_bounded() {
    let (_gateway, http) = gateway();
    let pack = |body: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    };
    let headers = [("Content-Type", "application/fhir+json"), ("Content-Encoding", "gzip")];
    let put = |body: &[u8]| http.send("PUT", "/fhir/Patient/p", &headers, body);
    let body = patient().to_string();
    assert_eq!(put(&pack(body.as_bytes())).status, 201);
    let packed = http.send("GET", "/fhir/Patient/p", &[("Accept-Encoding", "gzip")], b"");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    GzDecoder::new(packed.body.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(text, http.get("/fhir/Patient/p").text());
    assert!(packed.body.len() * 4 < text.len());
    let small = http.send("GET", "/fhir/Patient/p?_elements=name", &[("Accept-Encoding", "gzip")], b"");
    assert_eq!(small.header("content-encoding"), None);

    // Far less than the limit on the wire, far more once it is unpacked.
    let bomb = pack(&vec![b' '; 8 << 20]);
    assert!(bomb.len() < 64 << 10);
    refused(&put(&bomb), 413, "larger");
    refused(&put(body.as_bytes()), 400, "gzip");
    refused(&put(&pack(body.as_bytes())[..200]), 400, "gzip");
    let other = [("Content-Type", "application/fhir+json"), ("Content-Encoding", "br")];
    refused(&http.send("PUT", "/fhir/Patient/p", &other, body.as_bytes()), 415, "gzip");
}

#[test]
fn pages_of_configured_origins_may_read() {
    let (_gateway, http) = gateway();
    let ask = |origin: &str| {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", "PATCH")];
        http.send("OPTIONS", "/fhir/Patient/p", &headers, b"")
    };
    let permitted = ask("https://app.example");
    assert_eq!(permitted.status, 204);
    assert_eq!(permitted.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(ask("https://other.example").status, 405);
    let read = http.send("GET", "/fhir/metadata", &[("Origin", "https://app.example")], b"");
    assert_eq!(read.header("access-control-allow-origin"), Some("https://app.example"));
    let other = http.send("GET", "/fhir/metadata", &[("Origin", "null")], b"");
    assert_eq!((other.status, other.header("access-control-allow-origin")), (200, None));
}
