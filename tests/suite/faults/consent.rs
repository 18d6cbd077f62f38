//! Faults in the way a gateway keeps consents, looked for by the suite `consent`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use suites::suite::Suite;
use tests::fault::{Fault, Message, Proxy};
use tests::process::{Gateway, program};

use super::{Tally, Verdict, run};

type Next<'n> = &'n mut dyn FnMut(&Message) -> Message;

/// Decision cases: a result that may be read for treatment and not for payment, and a search of which one is withheld.
const CASES: &str = r#"{"schema_version":1,"cases":[
{"id":"f-1","topic":"purpose","title":"Treatment may read","config":{"implicit_policy":"deny","btg":"override","labelling":"complete"},
 "consents":[CONSENT],"admin_policies":[],"resources":[PATIENT,RESULT],"request":{"time":"2026-06-15T10:00:00Z",
 "actor":{"refs":["Practitioner/fa"],"identifiers":[],"roles":["clinician"],"emergency_authorised":false},"purposes":["TREAT"],"action":"access"},
 "interaction":{"type":"read","candidates":["Observation/fo"],"patient":"Patient/fp"},
 "expect":{"decision":"permit","released":["Observation/fo"],"withheld":[],"btg":false,"http_status":200}},
{"id":"f-2","topic":"purpose","title":"Payment may not","config":{"implicit_policy":"deny","btg":"override","labelling":"complete"},
 "consents":[CONSENT],"admin_policies":[],"resources":[PATIENT,RESULT],"request":{"time":"2026-06-15T10:00:00Z",
 "actor":{"refs":["Practitioner/fa"],"identifiers":[],"roles":["clinician"],"emergency_authorised":false},"purposes":["HPAYMT"],"action":"access"},
 "interaction":{"type":"read","candidates":["Observation/fo"],"patient":"Patient/fp"},
 "expect":{"decision":"deny","released":[],"withheld":["Observation/fo"],"btg":false,"http_status":404,
 "must_not_contain":["Serum-faulty","onsent","withheld"]}},
{"id":"f-3","topic":"search","title":"A search leaves out what is withheld","config":{"implicit_policy":"deny","btg":"override","labelling":"complete"},
 "consents":[CONSENT],"admin_policies":[],"resources":[PATIENT,RESULT,SECRET],"request":{"time":"2026-06-15T10:00:00Z",
 "actor":{"refs":["Practitioner/fa"],"identifiers":[],"roles":["clinician"],"emergency_authorised":false},"purposes":["TREAT"],"action":"access"},
 "interaction":{"type":"search","candidates":["Observation/fo","Observation/fs"],"patient":"Patient/fp"},
 "expect":{"decision":"redact","released":["Observation/fo"],"withheld":["Observation/fs"],"btg":false,"http_status":200,
 "bundle_total":"absent-or-released-count","must_not_contain":["Serum-secret"]}}]}"#;
const CONSENT: &str = r#"{"resourceType":"Consent","id":"fc","status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},
 "category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],"patient":{"reference":"Patient/fp"},"dateTime":"2026-01-10","policy":[{"uri":"urn:example:policy"}],
 "provision":{"type":"deny","provision":[{"type":"permit","purpose":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"TREAT"}],
 "securityLabel":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}]}]}}"#;
const PATIENT: &str = r#"{"resourceType":"Patient","id":"fp","name":[{"family":"Fehler"}]}"#;
const RESULT: &str = r#"{"resourceType":"Observation","id":"fo","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}]},
 "status":"final","code":{"text":"Serum-faulty"},"subject":{"reference":"Patient/fp"}}"#;
const SECRET: &str = r#"{"resourceType":"Observation","id":"fs","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]},
 "status":"final","code":{"text":"Serum-secret"},"subject":{"reference":"Patient/fp"}}"#;

/// What was stored, by its address: what a leaking gateway would show.
type Stored = Mutex<BTreeMap<String, String>>;

fn keep(stored: &Stored, request: &Message) {
    if request.method == "PUT" {
        stored.lock().unwrap().insert(request.path.clone(), request.body.clone());
    }
}

/// The bearer of a token for this purpose, judged by its readable middle part.
fn is_for(request: &Message, purpose: &str) -> bool {
    let token = request.header("authorization").and_then(|value| value.split('.').nth(1)).unwrap_or_default();
    let readable = decode(token);
    readable.contains(purpose)
}

/// Base64url without padding, as tokens are written.
fn decode(text: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bits = 0_u32;
    let mut count = 0;
    let mut out = Vec::new();
    for byte in text.bytes() {
        let Some(value) = LETTERS.iter().position(|letter| *letter == byte) else { continue };
        bits = (bits << 6) | u32::try_from(value).unwrap_or_default();
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 0xFF).unwrap_or_default());
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn faults() -> Vec<(&'static str, Arc<Fault>)> {
    let (first, second, third): (Stored, Stored, Stored) = Default::default();
    vec![
        (
            "a withheld resource is read",
            Arc::new(move |request: Message, next: Next<'_>| {
                keep(&first, &request);
                let answer = next(&request);
                match first.lock().unwrap().get(&request.path) {
                    Some(body) if request.method == "GET" && answer.status == 404 => Message::answer(200, body),
                    _ => answer,
                }
            }),
        ),
        (
            "the consent is ignored for one purpose",
            Arc::new(move |request: Message, next: Next<'_>| {
                keep(&second, &request);
                match second.lock().unwrap().get(&request.path) {
                    Some(body) if request.method == "GET" && is_for(&request, "HPAYMT") => Message::answer(200, body),
                    _ => next(&request),
                }
            }),
        ),
        (
            "a withheld resource stands in a search",
            Arc::new(move |request: Message, next: Next<'_>| {
                keep(&third, &request);
                let mut answer = next(&request);
                if request.method == "GET" && answer.body.contains("searchset") {
                    let stored = third.lock().unwrap();
                    let mut bundle: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
                    for body in stored.values().filter(|body| body.contains("Serum-secret")) {
                        let resource: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
                        let entry = serde_json::json!({"resource": resource, "search": {"mode": "match"}});
                        if let Some(entries) = bundle["entry"].as_array_mut() {
                            entries.push(entry);
                        }
                    }
                    answer.body = bundle.to_string();
                }
                answer
            }),
        ),
        (
            "the total counts what is withheld",
            Arc::new(|request: Message, next: Next<'_>| {
                let mut answer = next(&request);
                if request.method == "GET" && answer.body.contains("searchset") {
                    let mut bundle: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
                    bundle["total"] = serde_json::json!(2);
                    answer.body = bundle.to_string();
                }
                answer
            }),
        ),
        (
            "a refusal says that something is there",
            Arc::new(|request: Message, next: Next<'_>| {
                let mut answer = next(&request);
                if request.method == "GET" && answer.status == 404 {
                    answer.status = 403;
                }
                answer
            }),
        ),
        (
            "a refusal names the consent",
            Arc::new(|request: Message, next: Next<'_>| {
                let mut answer = next(&request);
                if request.method == "GET" && answer.status == 404 {
                    answer.body = answer.body.replace("\"diagnostics\":\"", "\"diagnostics\":\"withheld by Consent: ");
                }
                answer
            }),
        ),
        (
            "what is permitted is withheld",
            Arc::new(|request: Message, next: Next<'_>| {
                if request.is("GET", "/Observation/") {
                    Message::answer(404, r#"{"resourceType":"OperationOutcome"}"#)
                } else {
                    next(&request)
                }
            }),
        ),
        (
            "a search hides everything",
            Arc::new(|request: Message, next: Next<'_>| {
                if request.is("GET", "?") {
                    return Message::answer(200, r#"{"resourceType":"Bundle","type":"searchset","entry":[]}"#);
                }
                next(&request)
            }),
        ),
        (
            "consents are taken and not stored",
            Arc::new(
                |request: Message, next: Next<'_>| {
                    if request.is("PUT", "/Consent/") { Message::answer(201, &request.body) } else { next(&request) }
                },
            ),
        ),
        (
            "every token counts as one for treatment",
            Arc::new({
                let tokens: Mutex<Option<String>> = Mutex::default();
                move |mut request: Message, next: Next<'_>| {
                    let mut known = tokens.lock().unwrap();
                    if is_for(&request, "TREAT") {
                        *known = request.header("authorization").map(str::to_owned);
                    } else if let Some(token) = known.clone().filter(|_| is_for(&request, "HPAYMT")) {
                        request.set("authorization", &token);
                    }
                    drop(known);
                    next(&request)
                }
            }),
        ),
    ]
}

/// Plants every fault and says which the suite missed.
pub(super) fn tally(gateway: &Gateway) -> Tally {
    let started = Instant::now();
    let upstream = gateway.http.expect("plain HTTP is configured");
    let cases = gateway.scratch().join("cases.json");
    let mut text = CASES.to_owned();
    for (name, content) in [("CONSENT", CONSENT), ("PATIENT", PATIENT), ("RESULT", RESULT), ("SECRET", SECRET)] {
        text = text.replace(name, content);
    }
    std::fs::write(&cases, text).expect("the cases are written");
    let administrator = gateway.administrator();
    let command = format!(
        "{} token --config {} --data {}",
        program().display(),
        gateway.scratch().join("anchorline.toml").display(),
        gateway.data().display()
    );
    let suite = Suite::Consent(vec![cases]);
    let run = |proxy: &Proxy| -> Verdict {
        run(&suite, &format!("http://{}/fhir", proxy.address), Some(&administrator), |context| {
            context.variables.insert("token-command".to_owned(), command.clone());
            // One after the other: a fault of one case must not be seen by another.
            context.bounds.parallel = 1;
        })
    };
    let plain = Proxy::http(upstream, Arc::new(|request: Message, next: Next<'_>| next(&request)));
    let sound = run(&plain);
    assert!(sound.holds(), "consent without a fault:\n{}", sound.problems());
    let again = run(&plain);
    assert!(!again.differs(&sound), "consent finds a fault where there is none:\n{}", again.problems());
    let mut tally = Tally { planted: 0, missed: Vec::new(), took: Duration::ZERO };
    for (name, fault) in faults() {
        let proxy = Proxy::http(upstream, fault);
        tally.planted += 1;
        if !run(&proxy).differs(&sound) {
            tally.missed.push(name);
        }
    }
    tally.took = started.elapsed();
    tally
}
