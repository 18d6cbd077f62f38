//! Faults of a FHIR endpoint, looked for by the suites `fhir-base` and `us-core`.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use suites::suite::Suite;
use tests::fault::{Fault, Message, Proxy};
use tests::process::Gateway;

use super::{Tally, Verdict, run};

/// What is asked of the gateway for the requirement tables.
const TABLE: &str = r#"
[[profiles]]
resource = "Observation"
profile_url = ""
title = "Weights"
interactions = [{ code = "read", expectation = "SHALL" }, { code = "vread", expectation = "SHALL" }]
searches = [{ names = ["patient"], expectation = "SHALL" }, { names = ["identifier"], expectation = "SHALL" }]
references = [{ path = "Observation.subject", profiles = ["http://hl7.org/fhir/StructureDefinition/Patient"] }]

[profiles.search_definitions.patient]
paths = ["subject"]
type = "Reference"

[profiles.search_definitions.identifier]
paths = ["identifier"]
type = "Identifier"

[profiles.must_supports]
elements = [{ path = "status" }, { path = "valueQuantity.unit" }, { path = "category" }]
"#;

type Next<'n> = &'n mut dyn FnMut(&Message) -> Message;

/// A fault that only looks at the exchange.
fn fault(f: impl Fn(&Message, Message) -> Message + Send + Sync + 'static) -> Arc<Fault> {
    Arc::new(move |request: Message, next: Next<'_>| {
        let answer = next(&request);
        f(&request, answer)
    })
}

/// A fault that changes what the gateway is asked.
fn asks(f: impl Fn(&mut Message) + Send + Sync + 'static) -> Arc<Fault> {
    Arc::new(move |mut request: Message, next: Next<'_>| {
        f(&mut request);
        next(&request)
    })
}

fn replaced(from: &'static str, to: &'static str) -> Arc<Fault> {
    fault(move |_, mut answer| {
        answer.body = answer.body.replace(from, to);
        answer
    })
}

fn status(method: &'static str, part: &'static str, from: u16, to: u16) -> Arc<Fault> {
    fault(move |request, mut answer| {
        if request.is(method, part) && answer.status == from {
            answer.status = to;
        }
        answer
    })
}

fn without(header: &'static str) -> Arc<Fault> {
    fault(move |_, mut answer| {
        answer.set(header, "");
        answer
    })
}

const CREATED: &str = r#"{"resourceType":"Patient","id":"x","meta":{"versionId":"1"}}"#;
const EMPTY: &str = r#"{"resourceType":"Bundle","type":"searchset","total":0,"link":[{"relation":"self","url":"x"}]}"#;

/// An accepting answer where the gateway refuses a body that holds a text.
fn accepts(part: &'static str) -> Arc<Fault> {
    Arc::new(move |request: Message, next: Next<'_>| {
        if request.method == "POST" && request.body.contains(part) {
            Message::answer(201, CREATED)
        } else {
            next(&request)
        }
    })
}

#[expect(clippy::too_many_lines, reason = "a table: one fault a line or two")]
fn base_faults() -> Vec<(&'static str, Arc<Fault>)> {
    let first_read: Mutex<std::collections::BTreeMap<String, Message>> = Mutex::default();
    vec![
        ("no ETag", without("etag")),
        ("no Last-Modified", without("last-modified")),
        ("no Location", without("location")),
        ("200 for a create", status("POST", "/fhir/Patient", 201, 200)),
        (
            "404 without an OperationOutcome",
            fault(|_, mut answer| {
                if answer.status == 404 {
                    answer.body.clear();
                }
                answer
            }),
        ),
        ("200 for an unknown id", status("GET", "no-such-id", 404, 200)),
        ("500 for what is no JSON", status("POST", "/fhir/Patient", 400, 500)),
        ("a decimal loses its last digit", replaced("70.50", "70.5")),
        (
            "an extension is dropped",
            replaced(r#""extension":[{"url":"urn:anchorline:conformance:extension","valueString":"kept é中"}],"#, ""),
        ),
        ("letters beyond ASCII are lost", replaced("Zoë", "Zo?")),
        ("the time zone is rewritten", replaced("2024-02-29T23:59:59+05:30", "2024-02-29T18:29:59Z")),
        (
            "an extension of a primitive is dropped",
            fault(|_, mut answer| {
                answer.body = answer.body.replace("_issued", "issued");
                answer
            }),
        ),
        (
            "the version in the body is another",
            fault(|request, mut answer| {
                if request.method == "GET" && request.path.contains("/Patient/") && !request.path.contains("_history") {
                    answer.body = answer.body.replace(r#""versionId":"2""#, r#""versionId":"1""#);
                }
                answer
            }),
        ),
        (
            "the ETag stays at the first version",
            fault(|_, mut answer| {
                if answer.header("etag").is_some() {
                    answer.set("etag", "W/\"1\"");
                }
                answer
            }),
        ),
        (
            "a version read gives the current one",
            asks(|request| {
                if request.method == "GET" && request.path.contains("/_history/1") {
                    request.path = request.path.replace("/_history/1", "");
                }
            }),
        ),
        (
            "an unknown version is there",
            asks(|request| request.path = request.path.replace("/_history/no-such-version", "")),
        ),
        (
            "the history is upside down",
            fault(|request, mut answer| {
                if request.path.ends_with("_history") && answer.status == 200 {
                    let mut bundle: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
                    if let Some(entries) = bundle["entry"].as_array_mut() {
                        entries.reverse();
                    }
                    answer.body = bundle.to_string();
                }
                answer
            }),
        ),
        (
            "the history lacks a version",
            fault(|request, mut answer| {
                if request.path.ends_with("_history") && answer.status == 200 {
                    let mut bundle: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
                    if let Some(entries) = bundle["entry"].as_array_mut() {
                        entries.pop();
                    }
                    answer.body = bundle.to_string();
                }
                answer
            }),
        ),
        (
            "reads come from a stale cache",
            Arc::new(move |request: Message, next: Next<'_>| {
                // The answer to a create fills the cache, as a write-through cache without invalidation does.
                let mut cache = first_read.lock().unwrap();
                if request.method == "GET" && request.path.contains("/Patient/") && !request.path.contains("_history") {
                    let id = request.path.rsplit('/').next().unwrap_or_default().to_owned();
                    if let Some(first) = cache.get(&id) {
                        return first.clone();
                    }
                    return next(&request);
                }
                let answer = next(&request);
                if request.is("POST", "/Patient") && answer.status == 201 {
                    let id = answer.header("location").and_then(|at| at.split("/Patient/").nth(1)).unwrap_or_default();
                    let id = id.split('/').next().unwrap_or_default().to_owned();
                    let mut read = Message { method: "GET".to_owned(), path: format!("/fhir/Patient/{id}"), ..request };
                    read.body.clear();
                    cache.insert(id, next(&read));
                }
                answer
            }),
        ),
        (
            "an update is answered and not stored",
            Arc::new(|request: Message, next: Next<'_>| {
                if request.method == "PUT" && request.header("if-match").is_none() {
                    let mut answer = Message::answer(200, &request.body);
                    answer.set("etag", "W/\"2\"");
                    answer.set("last-modified", "Sat, 21 Nov 2026 00:00:00 GMT");
                    return answer;
                }
                next(&request)
            }),
        ),
        ("If-Match is ignored", asks(|request| request.set("if-match", ""))),
        ("If-None-Match is ignored", asks(|request| request.set("if-none-match", ""))),
        (
            "another id in the body is taken",
            Arc::new(|request: Message, next: Next<'_>| {
                if request.method == "PUT" && request.body.contains("another-id") {
                    Message::answer(200, &request.body)
                } else {
                    next(&request)
                }
            }),
        ),
        (
            "an unknown parameter is ignored in silence",
            asks(|request| {
                request.path = request.path.replace("no-such-parameter=1&", "");
            }),
        ),
        (
            "the self link claims an unknown parameter",
            fault(|request, mut answer| {
                if request.path.contains("no-such-parameter") && answer.status == 200 {
                    answer.body = answer.body.replace("?_count=1", "?no-such-parameter=1&_count=1");
                }
                answer
            }),
        ),
        ("an error does not say which parameter", replaced("no-such-parameter", "parameter")),
        (
            "an unknown modifier is ignored",
            asks(|request| request.path = request.path.replace(":no-such-modifier", "")),
        ),
        (
            "a value that is no date is ignored",
            asks(|request| request.path = request.path.replace("_lastUpdated=yesterday", "_count=1")),
        ),
        (
            "an unknown type is an empty search",
            Arc::new(
                |request: Message, next: Next<'_>| {
                    if request.path.contains("NoSuchType") { Message::answer(200, EMPTY) } else { next(&request) }
                },
            ),
        ),
        (
            "paging goes in a circle",
            fault(|request, mut answer| {
                if request.method == "GET" && request.path.contains("identifier=") && request.path.contains("pages") {
                    let mut bundle: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
                    if let Some(links) = bundle["link"].as_array_mut() {
                        links.retain(|link| link["relation"] != "next");
                        links.push(serde_json::json!({"relation": "next", "url": format!("http://{}{}", request.header("host").unwrap_or_default(), request.path)}));
                    }
                    answer.body = bundle.to_string();
                }
                answer
            }),
        ),
        (
            "the second page is lost",
            fault(|_, mut answer| {
                if answer.status == 200 && answer.body.contains("pages") {
                    let mut bundle: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
                    if let Some(links) = bundle["link"].as_array_mut() {
                        links.retain(|link| link["relation"] != "next");
                    }
                    answer.body = bundle.to_string();
                }
                answer
            }),
        ),
        (
            "_count is ignored",
            asks(|request| {
                request.path = request.path.replace("_count=2", "_count=50").replace("_count=1", "_count=50")
            }),
        ),
        (
            "the total counts more than is there",
            fault(|request, mut answer| {
                if request.is("GET", "pages") {
                    let mut bundle: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
                    bundle["total"] = serde_json::json!(4);
                    answer.body = bundle.to_string();
                }
                answer
            }),
        ),
        (
            "the system of an identifier is ignored",
            asks(|request| {
                request.path = request.path.replace("urn:other%7C", "urn:anchorline:conformance%7C");
            }),
        ),
        (
            "a search finds everything",
            asks(|request| {
                if request.path.contains("identifier=") {
                    request.path = request.path.split('?').next().unwrap_or_default().to_owned() + "?_count=20";
                }
            }),
        ),
        (
            "a search finds nothing",
            Arc::new(
                |request: Message, next: Next<'_>| {
                    if request.path.contains("identifier=") { Message::answer(200, EMPTY) } else { next(&request) }
                },
            ),
        ),
        (
            "entries have no fullUrl",
            fault(|_, mut answer| {
                answer.body = answer.body.replace("\"fullUrl\"", "\"xFullUrl\"");
                answer
            }),
        ),
        ("no self link", replaced(r#""relation":"self""#, r#""relation":"here""#)),
        ("POST _search is not there", status("POST", "_search", 200, 404)),
        (
            "POST _search loses its parameters",
            asks(|request| {
                if request.is("POST", "_search") {
                    request.body.clear();
                }
            }),
        ),
        (
            "FHIR is sent as application/json",
            fault(|_, mut answer| {
                answer.set("content-type", "application/json");
                answer
            }),
        ),
        ("_format is ignored", asks(|request| request.path = request.path.replace("?_format=json", ""))),
        (
            "anything is sent to who asks for an image",
            asks(|request| {
                if request.header("accept") == Some("image/png") {
                    request.set("accept", "*/*");
                }
            }),
        ),
        (
            "the statement needs a token",
            Arc::new(|request: Message, next: Next<'_>| {
                if request.path.ends_with("/metadata") && request.header("authorization").is_none() {
                    Message::answer(401, "")
                } else {
                    next(&request)
                }
            }),
        ),
        ("the statement says another version", replaced(r#""fhirVersion":"4.0.1""#, r#""fhirVersion":"4.3.0""#)),
        (
            "the statement declares a parameter that is refused",
            fault(|request, mut answer| {
                if request.path.contains("metadata") {
                    answer.body = answer
                        .body
                        .replace(r#""searchParam":["#, r#""searchParam":[{"name":"no-such","type":"string"},"#);
                }
                answer
            }),
        ),
        (
            "the statement declares a type that is not there",
            fault(|request, mut answer| {
                if request.path.contains("metadata") {
                    answer.body = answer.body.replacen(r#""type":"Account""#, r#""type":"NoSuchType""#, 1);
                }
                answer
            }),
        ),
        ("a code that does not exist is taken", accepts("neither")),
        ("an element twice is taken", accepts(r#""active":true,"active":false"#)),
        ("an unknown element is taken", accepts("noSuchElement")),
        ("an impossible date is taken", accepts("2023-02-30")),
        ("another type is taken", accepts(r#"{"resourceType":"Observation","status":"final","code":{"text":"x"}}"#)),
        (
            "a transaction keeps what was good in it",
            Arc::new(|request: Message, next: Next<'_>| {
                if request.method == "POST" && request.body.contains("transaction") && request.body.contains("neither")
                {
                    let bundle: serde_json::Value = serde_json::from_str(&request.body).unwrap_or_default();
                    let mut good = Message { path: "/fhir/Patient".to_owned(), ..request.clone() };
                    good.body = bundle["entry"][0]["resource"].to_string();
                    next(&good);
                }
                next(&request)
            }),
        ),
        ("a transaction is answered as a batch", replaced("transaction-response", "batch-response")),
        (
            "the connection ends in the middle",
            Arc::new(
                |request: Message, next: Next<'_>| {
                    if request.method == "PUT" { Message::default() } else { next(&request) }
                },
            ),
        ),
    ]
}

fn table_faults() -> Vec<(&'static str, Arc<Fault>)> {
    vec![
        ("a must-support element is lost", replaced(r#""unit":"kg","#, "")),
        ("a reference leads nowhere", status("GET", "/Patient/f1", 200, 404)),
        (
            "a search gives another patient's result",
            asks(|request| {
                request.path = request
                    .path
                    .replace("patient=f1", "patient=f2")
                    .replace("patient=Patient/f1", "patient=Patient/f2");
            }),
        ),
        (
            "a search by type and id finds nothing",
            asks(|request| {
                request.path = request.path.replace("patient=Patient/f", "patient=Patient/none");
            }),
        ),
        (
            "a read gives another resource",
            asks(|request| {
                request.path = request.path.replace("/Observation/f1", "/Observation/f2");
            }),
        ),
        (
            "an identifier is found by a part of it",
            Arc::new(|request: Message, next: Next<'_>| {
                let mut answer = next(&request);
                if request.path.contains("identifier=") {
                    let all = Message { path: "/fhir/Observation?_count=10".to_owned(), ..request.clone() };
                    answer = next(&all);
                }
                answer
            }),
        ),
        (
            "a result of another type is among them",
            fault(|request, mut answer| {
                if request.is("GET", "/Observation?") {
                    answer.body =
                        answer.body.replacen(r#""resourceType":"Observation""#, r#""resourceType":"Basic""#, 1);
                }
                answer
            }),
        ),
    ]
}

/// Plants every fault, runs the suite that should find it, and says which were missed.
pub(super) fn tally(gateway: &Gateway) -> Tally {
    let started = Instant::now();
    let upstream = gateway.http.expect("plain HTTP is configured");
    let direct = format!("http://{upstream}/fhir");
    seed(&direct);
    let table = gateway.scratch().join("weights.toml");
    std::fs::write(&table, TABLE).expect("the table is written");
    let mut tally = Tally { planted: 0, missed: Vec::new(), took: Duration::ZERO };
    for (suite, faults) in [(Suite::FhirBase, base_faults()), (Suite::UsCore(table), table_faults())] {
        let run = |base: &str| -> Verdict {
            run(&suite, base, None, |context| {
                for (name, value) in [("types", "Patient,Observation,NoSuchType"), ("patients", "f1,f2")] {
                    context.variables.insert(name.to_owned(), value.to_owned());
                }
            })
        };
        let plain = Proxy::http(upstream, Arc::new(|request: Message, next: Next<'_>| next(&request)));
        let sound = run(&format!("http://{}/fhir", plain.address));
        assert!(sound.holds(), "{suite:?} without a fault:\n{}", sound.problems());
        let again = run(&format!("http://{}/fhir", plain.address));
        assert!(!again.differs(&sound), "{suite:?} finds a fault where there is none:\n{}", again.problems());
        for (name, fault) in faults {
            let proxy = Proxy::http(upstream, fault);
            tally.planted += 1;
            if !run(&format!("http://{}/fhir", proxy.address)).differs(&sound) {
                tally.missed.push(name);
            }
        }
    }
    tally.took = started.elapsed();
    tally
}

/// Two patients with a weight each.
fn seed(base: &str) {
    let address = base.trim_start_matches("http://").trim_end_matches("/fhir").parse().expect("an address");
    let http = tests::http::Http::to(address);
    for id in ["f1", "f2"] {
        let patient = format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#);
        let observation = format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final","identifier":[{{"system":"urn:w","value":"w-{id}"}}],
            "category":[{{"text":"vital"}}],"code":{{"text":"weight"}},"subject":{{"reference":"Patient/{id}"}},
            "valueQuantity":{{"value":70.5,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}}}}"#
        );
        for (kind, body) in [("Patient", patient), ("Observation", observation)] {
            let headers = [("Content-Type", "application/fhir+json")];
            let answer = http.send("PUT", &format!("/fhir/{kind}/{id}"), &headers, body.as_bytes());
            assert_eq!(answer.status, 201, "{kind} {id} is stored");
        }
    }
}
