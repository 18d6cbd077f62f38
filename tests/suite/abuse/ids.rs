//! Other people's ids, wherever an id can stand: in the path, the query, the body, a header, an entry of a Bundle, a
//! reference. Every patient has a name of their own, and nobody hears a name that is not theirs to hear.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tests::http::{Answer, Http};
use tests::process::{Gateway, configuration};

use super::{consent, observation, patient};

const PATIENTS: usize = 200;
const CALLERS: usize = 50;
/// Patients each caller tries; together they are most of them.
const TRIED: usize = 4;

/// The name of a patient, told from every other by its end.
fn name(number: usize) -> String {
    format!("Zqcanary{number:03}x")
}

struct Caller {
    label: String,
    http: Http,
    /// Patients whose data this caller may hear.
    own: BTreeSet<usize>,
    role: &'static str,
}

fn site() -> (Gateway, Vec<Caller>) {
    let gateway = Gateway::start(&configuration(
        "[[source]]\nname = \"s0\"\ntransport = \"http\"\nformat = \"fhir-r4\"\nids = \"kept\"\n\n\
         [[source]]\nname = \"s1\"\ntransport = \"http\"\nformat = \"fhir-r4\"\nids = \"kept\"\n",
    ));
    let http = Http::to(gateway.http.unwrap());
    let administrator = http.with(&gateway.administrator());
    for chunk in (0..PATIENTS).collect::<Vec<_>>().chunks(50) {
        let mut entries: Vec<Value> = Vec::new();
        for number in chunk {
            let (id, name) = (format!("p{number}"), name(*number));
            let mut permit = consent(&format!("c{number}"), &id, "permit", "2026-01-01");
            // Each clinician treats four of them.
            permit["provision"]["actor"][0]["reference"]["reference"] =
                json!(format!("Practitioner/c{}", number % CALLERS));
            permit["provision"]["securityLabel"] =
                json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]);
            let document = json!({"resourceType": "DocumentReference", "id": format!("d{number}"), "status": "current", "description": name,
                "subject": {"reference": format!("Patient/{id}")}, "content": [{"attachment": {"title": name}}]});
            let list = json!({"resourceType": "List", "id": format!("l{number}"), "status": "current", "mode": "working", "title": name,
                "subject": {"reference": format!("Patient/{id}")}, "entry": [{"item": {"reference": format!("Observation/o{number}")}}]});
            for resource in
                [patient(&id, &name), observation(&format!("o{number}"), &id, &name), permit, document, list]
            {
                let url =
                    format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
                entries.push(json!({"resource": resource, "request": {"method": "PUT", "url": url}}));
            }
        }
        let done =
            administrator.post("/fhir", &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}));
        assert_eq!(done.status, 200, "{}", done.text());
    }
    let mut callers = Vec::new();
    for number in 0..CALLERS {
        let token = |role: &str, purpose: &str, actor: &str, more: &[&str]| {
            gateway.token(&[&["--role", role, "--purpose", purpose, "--actor", actor], more].concat())
        };
        let treated = (0..PATIENTS).filter(|patient| patient % CALLERS == number).collect();
        let (role, token, own): (_, _, BTreeSet<usize>) = match number % 10 {
            0..=4 => ("clinician", token("clinician", "TREAT", &format!("Practitioner/c{number}"), &[]), treated),
            5 | 6 => {
                let id = format!("p{number}");
                (
                    "patient",
                    token("patient", "PATRQT", &format!("Patient/{id}"), &["--patient", &id]),
                    BTreeSet::from([number]),
                )
            }
            7 => ("emergency", token("emergency", "TREAT", &format!("Practitioner/c{number}"), &[]), treated),
            8 if number % 20 == 8 => ("source", token("source", "TREAT", "Device/s0", &[]), BTreeSet::new()),
            8 => ("auditor", token("auditor", "HSYSADMIN", "Practitioner/auditor", &[]), BTreeSet::new()),
            // May declare, and has declared nothing.
            _ => (
                "declarer",
                token("emergency", "BTG", &format!("Practitioner/e{number}"), &["--emergency-authorised"]),
                BTreeSet::new(),
            ),
        };
        callers.push(Caller { label: format!("{role} {number}"), http: http.with(&token), own, role });
    }
    (gateway, callers)
}

/// Method, address, header fields and body.
type Question = (&'static str, String, Vec<(&'static str, String)>, Option<Value>);

/// Every way to ask for the patient `number`, without being them: method, address, header fields and body.
fn questions(number: usize, own: usize) -> Vec<Question> {
    let (p, o) = (format!("p{number}"), format!("o{number}"));
    let get = |path: String| ("GET", path, vec![], None);
    let mut all = vec![
        get(format!("/fhir/Patient/{p}")),
        get(format!("/fhir/Observation/{o}")),
        get(format!("/fhir/DocumentReference/d{number}")),
        get(format!("/fhir/List/l{number}")),
        get(format!("/fhir/Consent/c{number}")),
        get(format!("/fhir/Patient/{p}?_format=xml")),
        get(format!("/fhir/Patient/{p}/_history/1")),
        get(format!("/fhir/Patient/{p}/_history")),
        get(format!("/fhir/Observation/{o}/_history")),
        get(format!("/fhir/Patient/{p}/$everything")),
        get(format!("/fhir/Patient/{p}/$summary")),
        get(format!("/fhir/Patient/{p}/$validate")),
        get(format!("/fhir/Observation/{o}/$validate")),
        get(format!("/fhir/Patient?_id={p}")),
        get(format!("/fhir/Patient?_id=p{own},{p}")),
        get(format!("/fhir/Patient?identifier=urn:example:mrn%7Cmrn-{p}")),
        get(format!("/fhir/Observation?patient={p}")),
        get(format!("/fhir/Observation?subject=Patient/{p}")),
        get(format!("/fhir/Observation?patient=p{own},{p}")),
        get(format!("/fhir/Observation?patient=p{own}&patient={p}")),
        get(format!("/fhir/DocumentReference?patient=Patient/{p}")),
        get(format!("/fhir/List?subject={p}")),
        get(format!("/fhir/Consent?patient={p}")),
        get(format!("/fhir/AuditEvent?patient={p}")),
        get(format!("/fhir/Communication?subject=Patient/{p}")),
        get(format!("/fhir/Task?patient={p}")),
        get(format!("/exchanges?patient={p}")),
        get(format!("/exchanges?patient=Patient/{p}&_count=500")),
        get(format!("/patient/accesses?patient={p}")),
        get(format!("/patient/disclosures?patient={p}")),
        get(format!("/patient/choices/c{number}")),
        get(format!("/emergency/grants/{p}/summary")),
    ];
    let json_body = vec![("Content-Type", "application/fhir+json".to_owned())];
    let form = vec![("Content-Type", "application/x-www-form-urlencoded".to_owned())];
    let of_other = |mut resource: Value| {
        resource["extension"] =
            json!([{"url": "urn:example:x", "valueReference": {"reference": format!("Patient/{p}")}}]);
        resource
    };
    all.push(("POST", "/fhir/Observation/_search".to_owned(), form.clone(), Some(json!(format!("patient={p}")))));
    all.push(("POST", format!("/fhir/Observation/_search?patient=p{own}"), form, Some(json!(format!("patient={p}")))));
    let with = |name: &'static str, value: String| [&json_body[..], &[(name, value)]].concat();
    let changed = observation(&o, &format!("p{own}"), "x");
    all.extend([
        // What is theirs, put under an id of the other's, and the other way round.
        ("PUT", format!("/fhir/Observation/{o}"), json_body.clone(), Some(changed.clone())),
        ("PUT", format!("/fhir/Observation/{o}"), with("If-Match", "W/\"1\"".to_owned()), Some(changed.clone())),
        ("PUT", format!("/fhir/Patient/{p}"), json_body.clone(), Some(patient(&p, "x"))),
        ("PUT", format!("/fhir/Patient/p{own}"), json_body.clone(), Some(patient(&p, "x"))),
        ("PUT", format!("/fhir/Consent/c{number}"), json_body.clone(), Some(consent(&format!("c{number}"), &format!("p{own}"), "permit", "2027-01-01"))),
        ("PUT", format!("/fhir/Consent/c{own}"), json_body.clone(), Some(consent(&format!("c{own}"), &p, "permit", "2027-01-01"))),
        ("POST", "/fhir/Consent".to_owned(), json_body.clone(), Some(consent("x", &p, "permit", "2027-01-01"))),
        ("POST", "/fhir/Patient".to_owned(), with("If-None-Exist", format!("identifier=urn:example:mrn|mrn-{p}")), Some(patient("x", "x"))),
        ("POST", "/fhir/Patient".to_owned(), with("If-None-Exist", format!("_id={p}")), Some(patient("x", "x"))),
        ("POST", "/fhir/Observation".to_owned(), with("Prefer", "return=representation".to_owned()), Some(of_other(observation("x", &p, "x")))),
        ("POST", "/fhir".to_owned(), json_body.clone(), Some(json!({"resourceType": "Bundle", "type": "transaction", "entry": [
            {"resource": changed, "request": {"method": "PUT", "url": format!("Observation/{o}")}}]}))),
        ("POST", "/fhir".to_owned(), json_body.clone(), Some(json!({"resourceType": "Bundle", "type": "transaction", "entry": [
            {"request": {"method": "GET", "url": format!("Patient/{p}")}}]}))),
        ("POST", "/fhir".to_owned(), json_body.clone(), Some(json!({"resourceType": "Bundle", "type": "batch", "entry": [
            {"request": {"method": "GET", "url": format!("Patient/{p}")}}, {"request": {"method": "GET", "url": format!("Observation?patient={p}")}}]}))),
        ("POST", "/fhir".to_owned(), json_body.clone(), Some(json!({"resourceType": "Bundle", "type": "transaction", "entry": [
            {"fullUrl": "urn:uuid:4b1a6f0c-0f3a-4d52-9c55-0d2f5f4f9a01", "resource": {"resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": format!("Patient/{p}")}},
             "request": {"method": "POST", "url": "Basic", "ifNoneExist": format!("subject=Patient/{p}")}}]}))),
        ("POST", "/ingest/s1".to_owned(), json_body.clone(), Some(patient(&p, "x"))),
        ("POST", "/ingest/s0".to_owned(), json_body.clone(), Some(patient(&p, "x"))),
        ("POST", "/emergency/declare".to_owned(), with("X-Patient", p.clone()), Some(json!({"patient": format!("Patient/{p}"), "reason": "short"}))),
        ("POST", "/emergency/declare".to_owned(), json_body.clone(), Some(json!({"patient": [format!("Patient/{p}")], "reason": "found unconscious"}))),
        ("POST", "/patient/choices".to_owned(), json_body.clone(), Some(json!({"patient": format!("Patient/{p}"), "choice": "share-all"}))),
        ("GET", format!("/fhir/Patient/p{own}"), vec![("X-Patient", format!("Patient/{p}")), ("X-Original-URL", format!("/fhir/Patient/{p}"))], None),
        ("GET", format!("/fhir/Patient/p{own}/$everything?patient={p}"), vec![("Prefer", "handling=lenient".to_owned())], None),
        ("GET", format!("/fhir/Patient/p{own}/../{p}"), vec![], None),
        ("GET", format!("/fhir/Patient/p{own}%2F..%2F{p}"), vec![], None),
        ("GET", format!("/fhir/Patient/p{own}/_history/1?_id={p}"), vec![("Prefer", "handling=lenient".to_owned())], None),
    ]);
    all
}

fn ask(caller: &Caller, question: &Question) -> Answer {
    let (method, path, headers, body) = question;
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = match body {
        None => String::new(),
        Some(Value::String(form)) => form.clone(),
        Some(json) => json.to_string(),
    };
    caller.http.send(method, path, &headers, body.as_bytes())
}

/// Names of patients in an answer, by number.
fn heard(answer: &Answer) -> BTreeSet<usize> {
    let text = format!("{:?}{}", answer.headers, answer.text());
    text.match_indices("Zqcanary")
        .filter_map(|(at, found)| text.get(at + found.len()..)?.get(..3)?.parse().ok())
        .collect()
}

#[test]
fn fifty_callers_hear_nothing_of_two_hundred_patients_but_their_own() {
    let (gateway, callers) = site();
    // They do hear their own, or all of this would prove nothing.
    for caller in callers.iter().filter(|caller| matches!(caller.role, "clinician" | "patient" | "emergency")) {
        let own = *caller.own.first().unwrap();
        let read = caller.http.get(&format!("/fhir/Patient/p{own}"));
        assert_eq!((read.status, heard(&read)), (200, BTreeSet::from([own])), "{}: {}", caller.label, read.text());
        let found = caller.http.get("/fhir/Observation?_count=1000");
        assert_eq!(heard(&found), caller.own, "{}", caller.label);
    }
    let (asked, next) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let trouble = std::sync::Mutex::new(Vec::<String>::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some((number, caller)) = callers.iter().enumerate().nth(next.fetch_add(1, Ordering::SeqCst)) {
                    let own = caller.own.first().copied().unwrap_or(number);
                    for kind in ["Patient", "Observation", "Consent", "List", "AuditEvent"] {
                        let all = caller.http.get(&format!("/fhir/{kind}?_count=1000"));
                        let strangers: Vec<usize> = heard(&all).difference(&caller.own).copied().collect();
                        if !strangers.is_empty() {
                            trouble.lock().unwrap().push(format!("{}: all {kind}: {strangers:?}", caller.label));
                        }
                    }
                    let others = (0..TRIED).map(|step| (number * 4 + 1 + step * 21) % PATIENTS);
                    for other in others.filter(|other| !caller.own.contains(other)) {
                        for question in questions(other, own) {
                            let answer = ask(caller, &question);
                            asked.fetch_add(1, Ordering::SeqCst);
                            let strangers: Vec<usize> = heard(&answer).difference(&caller.own).copied().collect();
                            let broken = answer.status >= 500;
                            if broken || !strangers.is_empty() {
                                let said: String = answer.text().chars().take(200).collect();
                                let line = format!(
                                    "{}: {} {}: {} {strangers:?} {said}",
                                    caller.label, question.0, question.1, answer.status
                                );
                                trouble.lock().unwrap().push(line);
                            }
                        }
                    }
                }
            });
        }
    });
    let trouble = trouble.into_inner().unwrap();
    assert!(trouble.is_empty(), "{} answers:\n{}", trouble.len(), trouble[..trouble.len().min(20)].join("\n"));
    let asked = asked.load(Ordering::SeqCst);
    assert!(asked > 9_000, "{asked} questions");
    // Nor was anything changed by them: what each patient's record says is what it said.
    let administrator = Http::to(gateway.http.unwrap()).with(&gateway.administrator());
    for number in 0..PATIENTS {
        let version = administrator.get(&format!("/fhir/Consent/c{number}")).json()["meta"]["versionId"].clone();
        assert_eq!(version, "1", "the consent of patient {number} was written by somebody else");
    }
    for caller in callers.iter().filter(|caller| caller.role == "clinician") {
        let own = *caller.own.first().unwrap();
        assert_eq!(caller.http.get(&format!("/fhir/Patient/p{own}")).status, 200, "{}", caller.label);
    }
}
