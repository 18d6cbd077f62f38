//! `Prefer: respond-async`: what may take long, fetched later at an address of its own.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::http::{Answer, Http};
use tests::process::{Gateway, configuration, wait_until};

const ASYNC: (&str, &str) = ("Prefer", "respond-async");

struct Site {
    gateway: Gateway,
    http: Http,
    administrator: Http,
    clinician: Http,
}

fn site() -> Site {
    let gateway = Gateway::start(&configuration(""));
    let http = Http::to(gateway.http.unwrap());
    let administrator = http.with(&gateway.administrator());
    let clinician = clinician(&gateway, &http, "TREAT", "Practitioner/c");
    let site = Site { gateway, http, administrator, clinician };
    for patient in ["p1", "p2"] {
        site.put(&json!({"resourceType": "Patient", "id": patient, "birthDate": "1980-02-03"}));
        for number in 1..=3 {
            site.put(&json!({"resourceType": "Observation", "id": format!("{patient}-o{number}"), "status": "final",
                             "code": {"text": "x"}, "subject": {"reference": format!("Patient/{patient}")}}));
        }
    }
    site.consent("permit");
    site
}

fn clinician(gateway: &Gateway, http: &Http, purpose: &str, actor: &str) -> Http {
    http.with(&gateway.token(&["--role", "clinician", "--purpose", purpose, "--actor", actor]))
}

impl Site {
    #[track_caller]
    fn put(&self, resource: &Value) {
        let path = format!("/fhir/{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        let answer = self.administrator.put(&path, resource);
        assert!(matches!(answer.status, 200 | 201), "{path}: {}", answer.text());
    }

    /// What `p1` says to the clinician.
    fn consent(&self, decision: &str) {
        self.put(&json!({"resourceType": "Consent", "id": "c", "status": "active",
            "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
            "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
            "patient": {"reference": "Patient/p1"}, "dateTime": "2026-01-01",
            "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
            "provision": {"type": decision}}));
    }
}

/// The path of an answer's `Content-Location`.
#[track_caller]
fn accepted(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(answer.header("preference-applied"), Some("respond-async"));
    assert!(answer.header("retry-after").is_some());
    let location = answer.header("content-location").unwrap();
    let at = location.find("/fhir/_jobs/").unwrap();
    assert!(location.starts_with("http://127.0.0.1:"), "{location}");
    location[at..].to_owned()
}

#[track_caller]
fn started(http: &Http, path: &str) -> String {
    accepted(&http.send("GET", path, &[ASYNC], b""))
}

/// Asks until it is done.
#[track_caller]
fn done(http: &Http, job: &str) -> Answer {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = http.get(job);
        if answer.status != 202 {
            assert_eq!(answer.status, 200, "{}", answer.text());
            return answer;
        }
        let progress = answer.header("x-progress").unwrap();
        assert!(!progress.is_empty() && progress.len() <= 100 && answer.header("retry-after").is_some());
        assert!(Instant::now() < deadline, "never done: {progress}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The one entry of a result.
#[track_caller]
fn entry(answer: &Answer) -> Value {
    let bundle = answer.json();
    assert_eq!((&bundle["resourceType"], &bundle["type"]), (&json!("Bundle"), &json!("batch-response")), "{bundle}");
    assert_eq!(bundle["entry"].as_array().unwrap().len(), 1, "{bundle}");
    bundle["entry"][0].clone()
}

/// An answer without what differs between two that were asked after one another.
fn settled(mut answer: Value) -> Value {
    let object = answer.as_object_mut().unwrap();
    for member in ["id", "meta", "timestamp", "identifier"] {
        object.remove(member);
    }
    if let Some(expansion) = object.get_mut("expansion").and_then(Value::as_object_mut) {
        expansion.remove("timestamp");
        expansion.remove("identifier");
    }
    answer
}

#[test]
fn a_job_answers_what_the_request_would_have_answered() {
    let site = site();
    for path in [
        "/fhir/Observation?patient=p1",
        "/fhir/Observation?_elements=status&patient=p1",
        "/fhir/Patient/p1/Observation",
        "/fhir?_type=Patient,Observation",
        "/fhir/Patient/p1/_history",
        "/fhir/Patient/p1/$everything",
        "/fhir/ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender",
    ] {
        let at_once = site.clinician.get(path);
        assert_eq!(at_once.status, 200, "{path}: {}", at_once.text());
        let job = started(&site.clinician, path);
        let answer = done(&site.clinician, &job);
        assert!(answer.header("expires").is_some() && answer.header("cache-control") == Some("no-store"), "{path}");
        let entry = entry(&answer);
        assert_eq!(entry["response"]["status"], "200 OK", "{path}");
        assert_eq!(settled(entry["resource"].clone()), settled(at_once.json()), "{path}");
        // It may be fetched again, also in XML.
        let again = site.clinician.send("GET", &job, &[("Accept", "application/fhir+xml")], b"");
        assert!(again.status == 200 && again.text().contains("<type value=\"batch-response\"/>"), "{path}");
        let ended = site.clinician.send("DELETE", &job, &[], b"");
        assert_eq!(ended.status, 202);
    }
    let form = site.clinician.send(
        "POST",
        "/fhir/Observation/_search",
        &[ASYNC, ("Content-Type", "application/x-www-form-urlencoded")],
        b"patient=p1",
    );
    let found = entry(&done(&site.clinician, &accepted(&form)));
    assert_eq!(found["resource"]["entry"].as_array().unwrap().len(), 3, "{found}");
}

#[test]
fn a_refusal_is_in_the_result_with_its_own_status() {
    let site = site();
    for (path, status, word) in [
        ("/fhir/Patient/nobody/$everything", "404 Not Found", "not-found"),
        // Withheld, and unknown: one answer.
        ("/fhir/Patient/p2/$everything", "404 Not Found", "not-found"),
        ("/fhir/Observation?unheard=of", "400 Bad Request", "unheard"),
    ] {
        let entry = entry(&done(&site.clinician, &started(&site.clinician, path)));
        assert_eq!(entry["response"]["status"], status, "{path}");
        let outcome = &entry["response"]["outcome"];
        assert!(outcome["resourceType"] == "OperationOutcome" && outcome.to_string().contains(word), "{entry}");
        assert!(entry.get("resource").is_none());
    }
    // What is wrong with the form of the answer, or with the token, is said at once.
    assert_eq!(site.clinician.send("GET", "/fhir/Observation?_summary=maybe", &[ASYNC], b"").status, 400);
    assert_eq!(site.http.send("GET", "/fhir/Observation", &[ASYNC], b"").status, 401);
}

#[test]
fn a_page_for_people_is_in_the_result_as_what_it_is() {
    let site = site();
    let entry = entry(&done(&site.clinician, &started(&site.clinician, "/fhir/Patient/p1/$summary?_format=html")));
    assert_eq!(entry["resource"]["resourceType"], "Binary", "{entry}");
    assert!(entry["resource"]["contentType"].as_str().unwrap().starts_with("text/html"), "{entry}");
}

#[test]
fn a_batch_of_reads_may_wait_and_a_write_never_does() {
    let site = site();
    let bundle = |kind: &str, method: &str, url: &str| {
        let mut entry = json!({"request": {"method": method, "url": url}});
        // What an administrator may read, and a clinician.
        let mut read = "Patient/p1";
        if method == "PUT" {
            entry["resource"] = json!({"resourceType": "Basic", "id": "b", "code": {"text": "x"}});
            read = "Consent/c";
        }
        json!({"resourceType": "Bundle", "type": kind, "entry": [entry, {"request": {"method": "GET", "url": read}}]})
    };
    let send = |http: &Http, method: &str, path: &str, body: &Value| {
        let headers = [ASYNC, ("Content-Type", "application/fhir+json")];
        http.send(method, path, &headers, body.to_string().as_bytes())
    };
    let reads = send(&site.clinician, "POST", "/fhir", &bundle("batch", "GET", "Observation?patient=p1"));
    let result = entry(&done(&site.clinician, &accepted(&reads)));
    let inner = &result["resource"];
    assert_eq!((&inner["type"], inner["entry"].as_array().unwrap().len()), (&json!("batch-response"), 2), "{inner}");
    assert_eq!(inner["entry"][1]["resource"]["id"], "p1");

    for kind in ["batch", "transaction"] {
        let answer = send(&site.administrator, "POST", "/fhir", &bundle(kind, "PUT", "Basic/b"));
        assert_eq!(answer.status, 200, "{kind}: {}", answer.text());
        assert!(answer.header("content-location").is_none() && answer.header("preference-applied").is_none());
    }
    assert_eq!(send(&site.clinician, "POST", "/fhir", &bundle("transaction", "GET", "Patient/p1")).status, 200);
    assert_eq!(send(&site.clinician, "POST", "/fhir", &json!({"resourceType": "Bundle"})).status, 400);
    let basic = json!({"resourceType": "Basic", "id": "a", "code": {"text": "x"}});
    assert_eq!(send(&site.administrator, "PUT", "/fhir/Basic/a", &basic).status, 201);
    // A read is quick.
    assert_eq!(site.clinician.send("GET", "/fhir/Patient/p1", &[ASYNC], b"").status, 200);
    assert_eq!(site.administrator.send("DELETE", "/fhir/Consent/c", &[ASYNC], b"").status, 204);
}

#[test]
fn a_job_is_its_owners_alone() {
    let site = site();
    let job = started(&site.clinician, "/fhir/Observation?patient=p1");
    done(&site.clinician, &job);
    let unknown = "/fhir/_jobs/00112233445566778899aabbccddeeff";
    let strangers = [
        clinician(&site.gateway, &site.http, "TREAT", "Practitioner/d"),
        // The same person for another purpose, and in another role.
        clinician(&site.gateway, &site.http, "HRESCH", "Practitioner/c"),
        site.http.with(&site.gateway.token(&[
            "--role",
            "emergency",
            "--purpose",
            "TREAT",
            "--actor",
            "Practitioner/c",
        ])),
        site.administrator.clone(),
    ];
    for stranger in strangers {
        for method in ["GET", "DELETE"] {
            let (one, other) = (stranger.send(method, &job, &[], b""), stranger.send(method, unknown, &[], b""));
            assert_eq!((one.status, other.status), (404, 404));
            assert_eq!(one.body, other.body);
        }
    }
    assert_eq!(site.http.get(&job).status, 401);
    // The same person with a new token.
    let again = clinician(&site.gateway, &site.http, "TREAT", "Practitioner/c");
    assert_eq!(again.get(&job).status, 200);
    // Whoever goes by no name is known by the one token.
    let job = started(&site.administrator, "/fhir/AuditEvent?_summary=count");
    done(&site.administrator, &job);
    assert_eq!(site.http.with(&site.gateway.administrator()).get(&job).status, 404);
}

#[test]
fn a_job_ends_with_its_deletion_and_with_the_process() {
    let site = site();
    let job = started(&site.clinician, "/fhir/Observation?patient=p1");
    assert_eq!(site.clinician.send("DELETE", &job, &[], b"").status, 202);
    assert_eq!(site.clinician.get(&job).status, 404);
    assert_eq!(site.clinician.send("DELETE", &job, &[], b"").status, 404);

    let job = started(&site.clinician, "/fhir/Observation?patient=p1");
    done(&site.clinician, &job);
    let mut gateway = site.gateway;
    assert_eq!(gateway.terminate(), Some(0));
    let gateway = gateway.reopen();
    let http = Http::to(gateway.http.unwrap());
    let answer = clinician(&gateway, &http, "TREAT", "Practitioner/c").get(&job);
    assert_eq!(answer.status, 404, "{}", answer.text());
    assert_eq!(answer.json()["issue"][0]["code"], "not-found");
}

#[test]
fn there_are_eight_jobs_a_caller() {
    let site = site();
    let jobs: Vec<String> = (0..8).map(|_| started(&site.clinician, "/fhir/Observation?patient=p1")).collect();
    let refused = site.clinician.send("GET", "/fhir/Observation?patient=p1", &[ASYNC], b"");
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.header("retry-after").is_some() && refused.header("content-location").is_none());
    assert_eq!(refused.json()["issue"][0]["code"], "throttled");
    // It takes nothing from others, nor from what is asked at once.
    let other = clinician(&site.gateway, &site.http, "TREAT", "Practitioner/d");
    started(&other, "/fhir/Observation?patient=p1");
    assert_eq!(site.clinician.get("/fhir/Observation?patient=p1").status, 200);
    for job in &jobs {
        assert_eq!(entry(&done(&site.clinician, job))["resource"]["total"], 3);
    }
    assert_eq!(site.clinician.send("DELETE", &jobs[0], &[], b"").status, 202);
    started(&site.clinician, "/fhir/Observation?patient=p1");
}

#[test]
fn a_consent_holds_for_what_was_found_before_it() {
    let site = site();
    let job = started(&site.clinician, "/fhir/Observation?patient=p1");
    assert_eq!(entry(&done(&site.clinician, &job))["resource"]["total"], 3);
    // Somebody else's does not concern it.
    site.put(&json!({"resourceType": "Consent", "id": "other", "status": "active", "patient": {"reference": "Patient/p2"},
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTOUT"}]}}));
    assert_eq!(site.clinician.get(&job).status, 200);
    site.consent("deny");
    let first = site.clinician.get(&job);
    assert!(first.status == 202 && !first.text().contains("p1-o1"), "{}", first.text());
    let anew = entry(&done(&site.clinician, &job));
    assert_eq!(anew["resource"]["total"], 0, "{anew}");
    site.consent("permit");
    assert_eq!(entry(&done(&site.clinician, &job))["resource"]["total"], 3);
}

#[test]
fn a_job_is_on_record_as_the_request_is() {
    let site = site();
    let events = || -> Vec<Value> {
        let found = site.administrator.get("/fhir/AuditEvent?patient=p1&agent=Practitioner/c&_count=500").json();
        found["entry"].as_array().cloned().unwrap_or_default()
    };
    let path = "/fhir/Observation?patient=p1";
    assert_eq!(site.clinician.get(path).status, 200);
    let at_once = events();
    done(&site.clinician, &started(&site.clinician, path));
    wait_until("the job is on record", || events().len() == 2 * at_once.len());
    let event = |events: &[Value]| {
        let resource = &events[0]["resource"];
        let mut kept = json!({"outcome": resource["outcome"], "subtype": resource["subtype"], "purpose": resource["purposeOfEvent"]});
        kept["entity"] = resource["entity"].as_array().unwrap().iter().map(|one| one["what"].clone()).collect();
        kept
    };
    assert_eq!(event(&events()), event(&at_once));
}

#[test]
fn an_emergency_does_not_wait() {
    let site = site();
    let staff = site.http.with(&site.gateway.emergency("Practitioner/e"));
    let declared =
        staff.post("/emergency/declare", &json!({"patient": "Patient/p2", "reason": "found unconscious at home"}));
    assert_eq!(declared.status, 201, "{}", declared.text());
    let answer = staff.send("GET", "/fhir/Patient/p2/$everything", &[ASYNC], b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("content-location").is_none());
}

#[test]
fn a_batch_entry_asks_for_parts_of_resources() {
    let site = site();
    let get = |url: &str| json!({"request": {"method": "GET", "url": url}});
    let entries = [
        get("Patient/p1?_elements=birthDate"),
        get("Observation?patient=p1&_elements=status"),
        get("Observation/p1-o1?_summary=text"),
        get("Patient/p1?_elements=nothing"),
        get("Observation/p1-o1"),
    ];
    let answer = site.clinician.post("/fhir", &json!({"resourceType": "Bundle", "type": "batch", "entry": entries}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answers = answer.json()["entry"].clone();
    let is_part = |resource: &Value| resource["meta"].to_string().contains("SUBSETTED");
    assert!(is_part(&answers[0]["resource"]) && answers[0]["resource"]["birthDate"] == "1980-02-03", "{answers}");
    let observation = &answers[1]["resource"]["entry"][0]["resource"];
    // Mandatory elements stay.
    assert!(is_part(observation) && observation.get("subject").is_none() && observation["code"]["text"] == "x");
    assert!(is_part(&answers[2]["resource"]), "{answers}");
    assert_eq!(answers[3]["response"]["status"], "400 Bad Request");
    assert!(!is_part(&answers[4]["resource"]) && answers[4]["resource"]["subject"].is_object(), "{answers}");
    // The same in a transaction.
    let read =
        json!({"resourceType": "Bundle", "type": "transaction", "entry": [get("Patient/p1?_elements=birthDate")]});
    let answer = site.clinician.post("/fhir", &read).json();
    assert!(is_part(&answer["entry"][0]["resource"]), "{answer}");
}
