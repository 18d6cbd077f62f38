//! Break-glass over real sockets: who may, what is left behind, what it opens and when it ends.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tests::http::{Answer, Http};
use tests::process::{Gateway, configuration, wait_until};

struct Site {
    gateway: Gateway,
    http: Http,
    administrator: Http,
}

const RULES: &str = "[consent]\nimplicit_policy = \"deny\"\nbtg_rate = \"5/h\"\n";

fn site(more: &str) -> Site {
    let gateway = Gateway::start(&configuration(more));
    let http = Http::to(gateway.http.unwrap());
    let administrator = http.with(&gateway.administrator());
    let site = Site { gateway, http, administrator };
    site.put(json!({"resourceType": "Patient", "id": "p1", "birthDate": "1957-03-08", "gender": "female",
        "identifier": [{"system": "https://north.example/mrn", "value": "4711"}], "name": [{"family": "Müller", "given": ["Anna"]}]}));
    site.put(json!({"resourceType": "Patient", "id": "p2", "birthDate": "1990-01-01"}));
    site.put(json!({"resourceType": "AllergyIntolerance", "id": "a1", "patient": {"reference": "Patient/p1"},
        "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]},
        "code": {"text": "Penicillin"}}));
    site.put(json!({"resourceType": "AllergyIntolerance", "id": "a2", "patient": {"reference": "Patient/p1"},
        "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}]},
        "code": {"text": "Secretin"}}));
    site
}

impl Site {
    #[track_caller]
    fn put(&self, resource: Value) {
        self.administrator.store(&resource);
    }

    fn staff(&self, name: &str) -> Http {
        self.http.with(&self.gateway.emergency(name))
    }

    fn token(&self, arguments: &[&str]) -> Http {
        self.http.with(&self.gateway.token(arguments))
    }

    fn found(&self, resource_type: &str, query: &str) -> Vec<Value> {
        let bundle = self.administrator.get(&format!("/fhir/{resource_type}?{query}&_count=500")).json();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        entries.into_iter().map(|entry| entry["resource"].clone()).collect()
    }
}

fn declaration(patient: &str) -> Value {
    json!({"patient": format!("Patient/{patient}"), "reason": "unconscious after a fall"})
}

#[track_caller]
fn declared(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 201, "{}", answer.text());
    let grant = answer.json();
    (grant["id"].as_str().unwrap().to_owned(), grant["exchange"].as_str().unwrap().to_owned())
}

#[test]
fn finds_declares_reads_and_leaves_everything_on_record() {
    let site = site(RULES);
    let staff = site.staff("Practitioner/e");
    let found =
        staff.post("/emergency/find", &json!({"identifier": {"system": "https://north.example/mrn", "value": "4711"}}));
    assert_eq!(found.status, 200, "{}", found.text());
    let candidate = found.json()["candidates"][0].clone();
    assert_eq!(candidate["patient"], "Patient/p1");
    assert_eq!(candidate["birthYear"], 1957);

    let mut body = declaration("p1");
    body["confirm"] = json!({"birthYear": candidate["birthYear"]});
    let answer = staff.post("/emergency/declare", &body);
    let (grant, exchange) = declared(&answer);
    assert_eq!(answer.header("location"), Some(format!("/emergency/grants/{grant}").as_str()));
    assert_eq!(answer.json()["purpose"], "BTG");

    let summary = staff.get(&format!("/emergency/grants/{grant}/summary"));
    assert_eq!(summary.status, 200, "{}", summary.text());
    assert_eq!(summary.header("cache-control"), Some("no-store"));
    let used = summary.header("exchange").unwrap().to_owned();
    assert_ne!(used, exchange);
    let bundle = summary.json();
    assert_eq!(bundle["type"], "document");
    assert_eq!(bundle["entry"][0]["resource"]["resourceType"], "Composition");
    let text = summary.text();
    assert!(text.contains("Penicillin") && !text.contains("Secretin"), "{text}");

    let events = site.found("AuditEvent", "patient=p1");
    let with_purpose =
        |code: &str| events.iter().filter(|event| event["purposeOfEvent"][0]["coding"][0]["code"] == code).count();
    assert!(with_purpose("BTG") >= 3, "a search, a declaration, a use: {events:?}");
    let notices = site.found("Communication", "subject=Patient/p1");
    assert_eq!(notices.len(), 1);
    let reviews = site.found("Task", "patient=p1");
    assert_eq!(reviews[0]["status"], "requested");
    for exchange in [exchange, used] {
        wait_until("the receipt is sealed", || site.http.get(&format!("/ledger/receipts/{exchange}")).status == 200);
    }
}

#[test]
fn opens_that_patient_to_that_token_and_nothing_else() {
    let site = site(RULES);
    let staff = site.staff("Practitioner/e");
    assert_eq!(staff.get("/fhir/Patient/p1").status, 404);
    let (grant, _) = declared(&staff.post("/emergency/declare", &declaration("p1")));
    let read = staff.get("/fhir/Patient/p1");
    assert_eq!(read.status, 200, "{}", read.text());
    assert!(read.header("exchange").is_some());
    assert_eq!(staff.get("/fhir/AllergyIntolerance/a1").status, 200);
    assert_eq!(staff.get("/fhir/AllergyIntolerance/a2").status, 404);
    assert_eq!(staff.get("/fhir/AllergyIntolerance?patient=p1").json()["total"], 1);
    assert_eq!(staff.get("/fhir/Patient/p1/$everything").status, 200);
    assert_eq!(staff.get("/fhir/Patient/p2").status, 404);
    // Another token, also of the same person, holds no grant and cannot tell this one from none.
    let other = site.staff("Practitioner/e");
    assert_eq!(other.get("/fhir/Patient/p1").status, 404);
    let foreign = other.get(&format!("/emergency/grants/{grant}/summary"));
    let unknown = other.get("/emergency/grants/0123456789abcdef0123456789abcdef/summary");
    assert_eq!((foreign.status, foreign.text()), (404, unknown.text()));
    // Writing is no break-glass.
    let change = json!({"resourceType": "Patient", "id": "p1", "birthDate": "1999-01-01"});
    assert_eq!(staff.put("/fhir/Patient/p1", &change).status, 403);
    assert_eq!(staff.send("DELETE", &format!("/emergency/grants/{grant}"), &[], b"").status, 204);
    assert!(matches!(staff.get(&format!("/emergency/grants/{grant}/summary")).status, 403 | 404 | 410));
    assert_eq!(staff.get("/fhir/Patient/p1").status, 404);
}

#[test]
fn refuses_who_may_not_and_what_is_not_enough() {
    let site = site(RULES);
    let declare = |who: &Http, body: &Value| who.post("/emergency/declare", body).status;
    assert_eq!(declare(&site.http, &declaration("p1")), 401);
    let unauthorised = site.token(&["--role", "emergency", "--purpose", "BTG", "--actor", "Practitioner/u"]);
    assert_eq!(declare(&unauthorised, &declaration("p1")), 403);
    let treating = site.token(&[
        "--role",
        "clinician",
        "--purpose",
        "TREAT",
        "--actor",
        "Practitioner/t",
        "--emergency-authorised",
    ]);
    assert_eq!(declare(&treating, &declaration("p1")), 403);
    let both = site.token(&[
        "--role",
        "emergency",
        "--purpose",
        "BTG",
        "--purpose",
        "TREAT",
        "--actor",
        "Practitioner/b",
        "--emergency-authorised",
    ]);
    assert_eq!(declare(&both, &declaration("p1")), 403);
    assert_eq!(both.post("/emergency/find", &json!({"identifier": {"value": "4711"}})).status, 403);
    let staff = site.staff("Practitioner/e");
    assert_eq!(declare(&staff, &declaration("nobody")), 404);
    for body in [
        json!({"reason": "unconscious after a fall"}),
        json!({"patient": "Patient/p1"}),
        json!({"patient": "Patient/p1", "reason": "  short   "}),
        json!({"patient": "Practitioner/p1", "reason": "unconscious after a fall"}),
        json!({"patient": "Patient/p1", "reason": "unconscious after a fall", "confirm": {"birthYear": 1958}}),
    ] {
        assert!(matches!(declare(&staff, &body), 400 | 422), "{body}");
    }
    let refusals = site.found("AuditEvent", "patient=p1");
    assert!(
        refusals.iter().any(|event| event["outcome"] == "4" && event["subtype"][0]["code"] == "110127"),
        "{refusals:?}"
    );
    let off = self::site("[consent]\nbtg = \"off\"\n");
    assert_eq!(off.staff("Practitioner/e").post("/emergency/declare", &declaration("p1")).status, 403);
}

#[test]
fn counts_what_was_granted_and_not_what_was_refused() {
    let site = site("[consent]\nbtg_rate = \"2/h\"\n");
    let staff = site.staff("Practitioner/e");
    for _ in 0..4 {
        assert_eq!(staff.post("/emergency/declare", &declaration("nobody")).status, 404);
    }
    for _ in 0..2 {
        declared(&staff.post("/emergency/declare", &declaration("p1")));
    }
    let third = site.staff("Practitioner/e").post("/emergency/declare", &declaration("p1"));
    assert_eq!(third.status, 429, "{}", third.text());
    assert!(third.header("retry-after").is_some_and(|wait| wait.parse::<u64>().is_ok_and(|wait| wait > 0)));
    declared(&site.staff("Practitioner/f").post("/emergency/declare", &declaration("p1")));
}

#[test]
fn searches_twenty_times_an_hour_and_shows_five() {
    let site = site(RULES);
    for number in 0..7 {
        site.put(json!({"resourceType": "Patient", "id": format!("twin{number}"), "birthDate": "1971-05-06",
                        "name": [{"family": "Gemini", "given": ["Kim"]}]}));
    }
    let staff = site.staff("Practitioner/e");
    let query = json!({"family": "Gemini", "given": "Kim", "birthDate": "1971-05-06"});
    for _ in 0..20 {
        let found = staff.post("/emergency/find", &query);
        assert_eq!(found.status, 200, "{}", found.text());
        assert_eq!(found.json()["candidates"].as_array().unwrap().len(), 5);
    }
    let over = staff.post("/emergency/find", &query);
    assert_eq!(over.status, 429);
    assert!(over.header("retry-after").is_some());
}

#[test]
fn a_grant_and_its_end_survive_a_kill() {
    let site = site(RULES);
    let token = |name: &str| site.gateway.emergency(name);
    let (own, other) = (token("Practitioner/e"), token("Practitioner/x"));
    let staff = site.http.with(&own);
    let (open, _) = declared(&staff.post("/emergency/declare", &declaration("p1")));
    let (ended, _) = declared(&staff.post("/emergency/declare", &declaration("p1")));
    assert_eq!(staff.send("DELETE", &format!("/emergency/grants/{ended}"), &[], b"").status, 204);
    let Site { gateway, .. } = site;
    let gateway = gateway.kill_and_reopen();
    let http = Http::to(gateway.http.unwrap());
    let moved = http.with(&own);
    assert_eq!(moved.get(&format!("/emergency/grants/{open}/summary")).status, 200);
    assert_eq!(moved.get(&format!("/emergency/grants/{ended}/summary")).status, 410);
    let stranger = http.with(&other);
    assert_eq!(stranger.get(&format!("/emergency/grants/{open}/summary")).status, 404);
}

#[test]
fn ends_by_itself() {
    let site = site("[consent]\nbtg_ttl = \"1s\"\n");
    let staff = site.staff("Practitioner/e");
    let (grant, _) = declared(&staff.post("/emergency/declare", &declaration("p1")));
    let path = format!("/emergency/grants/{grant}/summary");
    wait_until("the grant is over", || staff.get(&path).status == 410);
    assert_eq!(staff.get("/fhir/Patient/p1").status, 404);
}

#[test]
fn works_while_destinations_and_sealing_are_down() {
    let site = site(
        "[ledger]\nsealing = \"off\"\n\n[[source]]\nname = \"ward\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\n\
         destinations = [\"down\"]\n\n[[destination]]\nname = \"down\"\ntransport = \"mllp\"\naddress = \"127.0.0.1:1\"\n\
         format = \"hl7v2\"\nrecipient = [\"Organization/down\"]\nroles = [\"IRCP\"]\npurpose = [\"TREAT\"]\n",
    );
    let staff = site.staff("Practitioner/e");
    let (grant, exchange) = declared(&staff.post("/emergency/declare", &declaration("p1")));
    assert_eq!(staff.get(&format!("/emergency/grants/{grant}/summary")).status, 200);
    assert_eq!(site.http.get(&format!("/ledger/receipts/{exchange}")).status, 202);
}

#[test]
fn works_while_the_store_takes_nothing() {
    let site = site(RULES);
    let Site { mut gateway, .. } = site;
    gateway.terminate();
    // More free space is asked for than any disk has: what the store was told before is there, nothing new is taken.
    let mut gateway = gateway.reopen_with(&configuration(&format!("{RULES}\n[store]\nmin_free = \"1000000000GiB\"\n")));
    let http = Http::to(gateway.http.unwrap());
    let staff = http.with(&gateway.emergency("Practitioner/e"));
    let administrator = http.with(&gateway.administrator());
    assert_eq!(administrator.post("/fhir/Patient", &json!({"resourceType": "Patient"})).status, 507);
    let (grant, exchange) = declared(&staff.post("/emergency/declare", &declaration("p1")));
    let summary = staff.get(&format!("/emergency/grants/{grant}/summary"));
    assert_eq!(summary.status, 200, "{}", summary.text());
    assert!(summary.text().contains("Penicillin"));
    // Room again: what stood in the emergency journal is in the store.
    gateway.terminate();
    let gateway = gateway.reopen_with(&configuration(RULES));
    let http = Http::to(gateway.http.unwrap());
    let administrator = http.with(&gateway.administrator());
    wait_until("the journal is in the store", || {
        administrator.get("/fhir/Communication?subject=Patient/p1").json()["total"] == 1
    });
    wait_until("the receipt is sealed", || http.get(&format!("/ledger/receipts/{exchange}")).status == 200);
}

#[test]
fn somebody_else_closes_the_review() {
    let site = site(RULES);
    let staff = site.token(&[
        "--role",
        "emergency",
        "--role",
        "administrator",
        "--purpose",
        "BTG",
        "--actor",
        "Practitioner/e",
        "--emergency-authorised",
    ]);
    declared(&staff.post("/emergency/declare", &declaration("p1")));
    let mut review = site.found("Task", "patient=p1")[0].clone();
    review["status"] = json!("completed");
    let path = format!("/fhir/Task/{}", review["id"].as_str().unwrap());
    assert_eq!(staff.put(&path, &review).status, 403);
    assert_eq!(site.administrator.put(&path, &review).status, 200);
}

#[test]
fn a_flood_of_results_does_not_keep_staff_waiting() {
    let gateway = Gateway::start(
        "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"\nmllp = \"127.0.0.1:0\"\nconcurrency = 2\n\n[auth]\nmode = \"development\"\n\n\
         [[source]]\nname = \"portal\"\ntransport = \"http\"\nformat = \"hl7v2\"\n",
    );
    let http = Http::to(gateway.http.unwrap());
    let source = http.with(&gateway.token(&["--role", "source", "--purpose", "TREAT", "--actor", "Device/portal"]));
    let message = |number: usize| {
        format!(
            "MSH|^~\\&|LAB|NORTH|A|B|20260301101500+0100||ADT^A01^ADT_A01|F{number}|P|2.5.1\rEVN|A01|20260301101400+0100\r\
             PID|1||{number}^^^NORTH^MR||Flood^Many||19800101|F\rPV1|1|I|W1^2^A\r"
        )
    };
    let kind = [("Content-Type", "application/hl7-v2")];
    assert_eq!(source.send("POST", "/ingest/portal", &kind, message(0).as_bytes()).status, 201);
    let staff = http.with(&gateway.emergency("Practitioner/e"));
    let stop = AtomicBool::new(false);
    let sent = AtomicUsize::new(1);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let number = sent.fetch_add(1, Ordering::Relaxed);
                    let answer = source.try_send("POST", "/ingest/portal", &kind, message(number).as_bytes());
                    assert!(answer.is_err() || matches!(answer.unwrap().status, 201 | 503));
                }
            });
        }
        let mut slowest = Duration::ZERO;
        for _ in 0..5 {
            let started = std::time::Instant::now();
            let found = staff.post("/emergency/find", &json!({"identifier": {"value": "0"}}));
            let patient = found.json()["candidates"][0]["patient"].as_str().unwrap().to_owned();
            let body = json!({"patient": patient, "reason": "unconscious after a fall"});
            let (grant, _) = declared(&staff.post("/emergency/declare", &body));
            assert_eq!(staff.get(&format!("/emergency/grants/{grant}/summary")).status, 200);
            slowest = slowest.max(started.elapsed());
        }
        stop.store(true, Ordering::Relaxed);
        // Three requests, each with its own sync, on a machine that is busy with sixteen senders and other tests.
        assert!(slowest < Duration::from_secs(10), "{slowest:?}");
    });
    assert!(sent.load(Ordering::Relaxed) > 16);
}
