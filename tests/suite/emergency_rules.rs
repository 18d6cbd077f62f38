//! The rules around break-glass that need a running gateway: what the summary shows and what it leaves out, who ends a
//! grant and who closes a review, and that nothing is read behind an end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tests::http::{Answer, Http};
use tests::process::{Gateway, configuration, run, wait_until};

struct Site {
    gateway: Gateway,
    http: Http,
    administrator: Http,
}

fn site(more: &str) -> Site {
    let gateway = Gateway::start(&configuration(more));
    let http = Http::to(gateway.http.unwrap());
    let administrator = http.with(&gateway.administrator());
    let site = Site { gateway, http, administrator };
    site.put(json!({"resourceType": "Patient", "id": "p1", "birthDate": "1957-03-08", "gender": "female",
        "name": [{"family": "Müller", "given": ["Anna"]}],
        "contact": [{"name": {"text": "Eva Müller"}, "telecom": [{"system": "phone", "value": "+99 555 1"}]}]}));
    site
}

impl Site {
    #[track_caller]
    fn put(&self, resource: Value) -> Answer {
        self.administrator.store(&resource)
    }

    fn staff(&self, name: &str) -> Http {
        self.http.with(&self.gateway.emergency(name))
    }

    #[track_caller]
    fn declare(&self, staff: &Http) -> String {
        let answer = staff.post("/emergency/declare", &declaration());
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }
}

fn declaration() -> Value {
    json!({"patient": "Patient/p1", "reason": "unconscious after a fall", "reasonCode": "unconscious", "location": "Quay 4"})
}

fn summary(grant: &str) -> String {
    format!("/emergency/grants/{grant}/summary")
}

fn observation(id: &str, code: &str, date: &str, value: f64, label: Option<&str>) -> Value {
    let mut made = json!({"resourceType": "Observation", "id": id, "status": "final", "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": format!("Test {code}")}]},
        "effectiveDateTime": date, "valueQuantity": {"value": value, "unit": "mmol/L"}});
    if let Some(label) = label {
        made["meta"] = json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": label}]});
    }
    made
}

/// Title and entries of each section.
fn sections(bundle: &Value) -> Vec<(String, Vec<String>)> {
    let sections = bundle["entry"][0]["resource"]["section"].as_array().cloned().unwrap_or_default();
    let entries = |section: &Value| {
        let entries = section["entry"].as_array().cloned().unwrap_or_default();
        entries.iter().filter_map(|entry| entry["reference"].as_str().map(str::to_owned)).collect()
    };
    sections
        .iter()
        .map(|section| (section["title"].as_str().unwrap_or_default().to_owned(), entries(section)))
        .collect()
}

#[test]
fn shows_the_latest_that_may_be_seen_and_says_when_there_is_more() {
    let site = site("[consent]\nimplicit_policy = \"deny\"\n");
    site.put(observation("k1", "2823-3", "2025-01-01", 4.1, None));
    site.put(observation("k2", "2823-3", "2025-02-01", 4.2, None));
    site.put(observation("k3", "2823-3", "2025-03-01", 4.3, Some("V")));
    site.put(observation("n1", "2951-2", "2025-01-05", 140.0, None));
    for number in 0..110 {
        let code = json!({"text": format!("Pollen {number}")});
        let date = format!("2020-01-{:02}", number % 28 + 1);
        site.put(
            json!({"resourceType": "AllergyIntolerance", "id": format!("a{number}"), "code": code, "recordedDate": date,
            "patient": {"reference": "Patient/p1"}, "criticality": if number == 3 { "high" } else { "low" }}),
        );
    }
    let staff = site.staff("Practitioner/e");
    let grant = site.declare(&staff);
    let answer = staff.get(&summary(&grant));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let shown = sections(&answer.json());
    let (title, allergies) = &shown[0];
    assert_eq!((title.as_str(), allergies.len()), ("Allergies and intolerances", 100));
    assert_eq!(allergies[0], "AllergyIntolerance/a3");
    assert!(answer.text().contains("More is on record"), "{}", answer.text());
    let results = shown.iter().find(|(title, _)| title == "Results").unwrap();
    // The newest potassium is withheld (V): the one before it is shown, and nothing tells of the other.
    assert_eq!(results.1, ["Observation/k2", "Observation/n1"]);
    // The value as a number: times hold such digits too.
    assert!(!answer.text().contains("\"value\":4.3"), "{}", answer.text());
    assert!(answer.text().contains("Eva Müller, +99 555 1"));

    // What is corrected is shown as corrected, under the section where it stands now.
    site.put(observation("n1", "2823-3", "2026-01-01", 4.9, None));
    let corrected = sections(&staff.get(&summary(&grant)).json());
    let results = corrected.iter().find(|(title, _)| title == "Results").unwrap();
    assert_eq!(results.1, ["Observation/n1"]);
    assert_eq!(staff.get("/fhir/Patient/p1/$summary").status, 200);
}

#[test]
fn gives_a_page_to_print_without_script() {
    let site = site("");
    site.put(json!({"resourceType": "AllergyIntolerance", "id": "a", "patient": {"reference": "Patient/p1"},
        "code": {"text": "<script>alert(1)</script>Latex"}, "criticality": "high"}));
    let staff = site.staff("Practitioner/e");
    let grant = site.declare(&staff);
    let browser = [("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")];
    for answer in [
        staff.send("GET", &summary(&grant), &browser, b""),
        staff.get(&format!("{}?_format=html", summary(&grant))),
        staff.send("GET", "/fhir/Patient/p1/$summary", &browser, b""),
    ] {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.header("content-type").unwrap().starts_with("text/html"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
        let text = answer.text();
        assert!(!text.contains("<script") && text.contains("&lt;script&gt;alert(1)&lt;/script&gt;Latex"), "{text}");
        assert!(text.contains("Practitioner/e") && text.contains("@media print"));
    }
    assert!(staff.get(&format!("{}?_format=html", summary(&grant))).text().contains("The access ends at"));
    assert_eq!(staff.get(&format!("{}?_format=pdf", summary(&grant))).status, 406);
    assert_eq!(staff.get(&format!("{}?_count=1", summary(&grant))).status, 400);
    let json = staff.send("GET", &summary(&grant), &[("Accept", "application/fhir+json")], b"");
    assert_eq!(json.json()["type"], "document");
}

#[test]
fn nothing_is_read_behind_a_revocation_however_close() {
    let site = site("[consent]\nbtg_rate = \"1000/h\"\n");
    let token = site.gateway.emergency("Practitioner/e");
    let read = AtomicUsize::new(0);
    for _ in 0..10 {
        let staff = site.http.with(&token);
        let grant = site.declare(&staff);
        // When the end was acknowledged; what was asked for later must not be answered.
        let ended = std::sync::OnceLock::new();
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let (staff, grant, ended, read) = (&staff, &grant, &ended, &read);
                scope.spawn(move || {
                    for _ in 0..40 {
                        let over = ended.get().is_some();
                        let answer = match worker % 2 {
                            0 => staff.get(&summary(grant)),
                            _ => staff.get("/fhir/Patient/p1"),
                        };
                        assert!(!over || answer.status != 200, "read behind the end");
                        read.fetch_add(usize::from(answer.status == 200), Ordering::Relaxed);
                        if over {
                            return;
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(30));
            assert_eq!(staff.send("DELETE", &format!("/emergency/grants/{grant}"), &[], b"").status, 204);
            ended.set(()).unwrap();
        });
        assert_eq!(staff.get(&summary(&grant)).status, 410);
        assert_eq!(staff.get("/fhir/Patient/p1").status, 404);
    }
    assert!(read.load(Ordering::Relaxed) > 0);
}

#[test]
fn nothing_is_read_behind_the_hour() {
    let site = site("[consent]\nbtg_ttl = \"2s\"\n");
    let staff = site.staff("Practitioner/e");
    let grant = site.declare(&staff);
    // The grant was made before this moment, so its two seconds end before two seconds from here.
    let answered = std::time::Instant::now();
    let (mut read, mut refused) = (0, 0);
    while refused < 30 {
        for path in [summary(&grant), "/fhir/Patient/p1".to_owned(), "/fhir/Patient/p1/$summary".to_owned()] {
            let over = answered.elapsed() >= Duration::from_secs(2);
            let status = staff.get(&path).status;
            assert!(matches!(status, 404 | 410) || (status == 200 && !over), "{path} answered {status}, over: {over}");
            read += u32::from(status == 200);
            refused += u32::from(status != 200);
        }
    }
    assert!(read > 0);
    // Once it is over it is over.
    assert_eq!(staff.get(&summary(&grant)).status, 410);
    assert_eq!(staff.get("/fhir/Patient/p1").status, 404);
}

#[test]
fn an_administrator_ends_any_grant_and_nobody_else_does() {
    let site = site("");
    let staff = site.staff("Practitioner/e");
    let grant = site.declare(&staff);
    let path = format!("/emergency/grants/{grant}");
    let auditor = site.http.with(&site.gateway.token(&[
        "--role",
        "auditor",
        "--purpose",
        "HSYSADMIN",
        "--actor",
        "Practitioner/a",
    ]));
    for other in [&site.staff("Practitioner/x"), &auditor] {
        assert_eq!(other.send("DELETE", &path, &[], b"").status, 404);
    }
    assert_eq!(staff.get(&summary(&grant)).status, 200);
    assert_eq!(site.administrator.send("DELETE", &path, &[], b"").status, 204);
    assert_eq!(staff.get(&summary(&grant)).status, 410);
    assert_eq!(site.administrator.send("DELETE", &path, &[], b"").status, 410);
    assert_eq!(
        site.administrator.send("DELETE", "/emergency/grants/0123456789abcdef0123456789abcdef", &[], b"").status,
        404
    );
}

#[test]
fn reviews_are_listed_until_somebody_else_closes_them() {
    let site = site("");
    let declarer = site.gateway.token(&[
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
    let staff = site.http.with(&declarer);
    site.declare(&staff);
    let open = site.administrator.get("/emergency/reviews").json();
    assert_eq!((open["open"].as_u64(), open["overdue"].as_u64()), (Some(1), Some(0)), "{open}");
    let review = &open["reviews"][0];
    assert_eq!(review["declaredBy"], "Practitioner/e");
    assert_eq!(review["patient"], "Patient/p1");
    let path = format!("/fhir/{}", review["task"].as_str().unwrap());
    let mut task = site.administrator.get(&path).json();
    task["status"] = json!("completed");
    // The declarer does not, not by another of their references and not within a transaction.
    let under_another_name = site.http.with(&site.gateway.token(&[
        "--role",
        "administrator",
        "--purpose",
        "HOPERAT",
        "--actor",
        "PractitionerRole/r",
        "--actor",
        "Practitioner/e",
    ]));
    let transaction = json!({"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": task,
        "request": {"method": "PUT", "url": review["task"]}}]});
    for who in [&staff, &under_another_name] {
        assert_eq!(who.put(&path, &task).status, 403);
        assert_eq!(who.post("/fhir", &transaction).status, 403);
    }
    assert_eq!(site.administrator.get("/emergency/reviews").json()["open"], 1);
    let metrics = site.http.get("/metrics").text();
    assert!(metrics.contains("anchorline_emergency_reviews_open 1\n"), "{metrics}");
    assert!(
        metrics.contains("anchorline_emergency_reviews_overdue 0\n")
            && metrics.contains("anchorline_emergency_grants_open 1\n")
    );
    assert_eq!(site.administrator.put(&path, &task).status, 200);
    assert_eq!(site.administrator.get("/emergency/reviews").json()["open"], 0);
    assert_eq!(site.staff("Practitioner/x").get("/emergency/reviews").status, 403);
    assert_eq!(site.http.get("/emergency/reviews").status, 401);
}

#[test]
fn a_restart_forgets_no_search() {
    let site = site("");
    let query = json!({"identifier": {"value": "4711"}});
    let token = site.gateway.emergency("Practitioner/e");
    for _ in 0..20 {
        assert_eq!(site.http.with(&token).post("/emergency/find", &query).status, 200);
    }
    let other = site.gateway.emergency("Practitioner/x");
    let gateway = site.gateway.kill_and_reopen();
    let http = Http::to(gateway.http.unwrap());
    let over = http.with(&token).post("/emergency/find", &query);
    assert_eq!(over.status, 429, "{}", over.text());
    assert!(
        over.header("retry-after").is_some_and(|wait| wait.parse::<u64>().is_ok_and(|wait| (1..=3600).contains(&wait)))
    );
    assert_eq!(http.with(&other).post("/emergency/find", &query).status, 200);
}

#[test]
fn keeps_the_code_and_the_place_of_an_emergency() {
    let site = site("[consent]\nbtg_rate = \"100/h\"\n");
    let staff = site.staff("Practitioner/e");
    let with = |name: &str, value: Value| {
        let mut body = declaration();
        body[name] = value;
        staff.post("/emergency/declare", &body).status
    };
    assert_eq!(with("reasonCode", json!("unconscious")), 201);
    assert_eq!(with("reasonCode", json!({"coding": [{"system": "urn:dispatch", "code": "17-D"}]})), 201);
    assert_eq!(with("location", json!({"reference": "Location/quay"})), 201);
    assert_eq!(with("reasonCode", json!(7)), 422);
    assert_eq!(with("reasonCode", json!("")), 422);
    assert_eq!(with("location", json!("x".repeat(201))), 422);
    assert_eq!(with("reason", json!("x".repeat(1001))), 422);
    assert_eq!(with("patient", json!(["Patient/p1", "Patient/p2"])), 422);
    let events = site.administrator.get("/fhir/AuditEvent?patient=p1&_count=100").text();
    for kept in ["unconscious", "urn:dispatch|17-D", "Quay 4", "Location/quay"] {
        assert!(events.contains(kept), "{kept}: {events}");
    }
    assert_eq!(staff.post("/emergency/find", &json!({"wearable": "token"})).status, 422);
}

#[test]
fn says_when_records_wait_for_the_store() {
    let mut site = site("");
    site.gateway.terminate();
    let mut gateway = site.gateway.reopen_with(&configuration("[store]\nmin_free = \"1000000000GiB\"\n"));
    let http = Http::to(gateway.http.unwrap());
    let staff = http.with(&gateway.emergency("Practitioner/e"));
    assert_eq!(staff.post("/emergency/declare", &declaration()).status, 201);
    let ready = http.get("/health/ready");
    assert_eq!((ready.status, ready.json()["emergency_journal"].is_string()), (503, true), "{}", ready.text());
    assert!(http.get("/metrics").text().contains("anchorline_alarms_total{alarm=\"emergency-journal\"}"));
    gateway.terminate();
    let gateway = gateway.reopen_with(&configuration(""));
    let http = Http::to(gateway.http.unwrap());
    wait_until("the journal is in the store", || http.get("/health/ready").json()["emergency_journal"].is_null());
    let administrator = http.with(&gateway.administrator());
    assert_eq!(administrator.get("/emergency/reviews").json()["open"], 1);
}

#[test]
fn works_while_the_mapping_packages_are_broken() {
    let site = site("");
    let folder = site.gateway.data().join("packages/broken");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("package.toml"), "nonsense =").unwrap();
    assert_eq!(site.administrator.post("/packages/reload", &json!({})).status, 422);
    let staff = site.staff("Practitioner/e");
    let grant = site.declare(&staff);
    assert_eq!(staff.get(&summary(&grant)).status, 200);
}

#[test]
fn the_summary_keeps_the_rules_of_the_guide() {
    let Some(corpus) = tests::corpus("the_summary_keeps_the_rules_of_the_guide") else { return };
    let package = corpus.join("fhir-r4/definitions/hl7.fhir.uv.ips-2.0.0-differentials.tgz");
    let site = site("");
    let code =
        |system: &str, code: &str, text: &str| json!({"coding": [{"system": system, "code": code}], "text": text});
    let subject = json!({"reference": "Patient/p1"});
    let terms = "http://terminology.hl7.org/CodeSystem";
    site.put(json!({"resourceType": "AllergyIntolerance", "id": "a", "patient": subject, "criticality": "high",
        "clinicalStatus": code(&format!("{terms}/allergyintolerance-clinical"), "active", "active"),
        "code": {"text": "Penicillin"}}));
    site.put(json!({"resourceType": "Condition", "id": "c", "subject": subject, "onsetDateTime": "2001",
        "clinicalStatus": code(&format!("{terms}/condition-clinical"), "active", "active"), "code": {"text": "Asthma"}}));
    site.put(json!({"resourceType": "MedicationStatement", "id": "m", "subject": subject, "status": "active",
        "effectiveDateTime": "2025", "medicationCodeableConcept": {"text": "Salbutamol"}, "dosage": [{"text": "as needed"}]}));
    site.put(observation("o", "2823-3", "2025-02-01T10:00:00Z", 4.2, None));
    site.put(json!({"resourceType": "RelatedPerson", "id": "r", "patient": subject, "name": [{"family": "Brandt"}]}));
    site.put(json!({"resourceType": "Patient", "id": "p9"}));
    let staff = site.staff("Practitioner/e");
    let folder = site.gateway.scratch().to_owned();
    let mut files = Vec::new();
    for patient in ["p1", "p9"] {
        let mut body = declaration();
        body["patient"] = json!(format!("Patient/{patient}"));
        let grant = staff.post("/emergency/declare", &body).json()["id"].as_str().unwrap().to_owned();
        let file = folder.join(format!("summary-{patient}.json"));
        std::fs::write(&file, staff.get(&summary(&grant)).text()).unwrap();
        files.push(file.to_str().unwrap().to_owned());
    }
    let base = [&["validate", "--format", "json"][..], &[&files[0], &files[1]]].concat();
    let profile = "http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips";
    let guide = [
        &["validate", "--format", "json", "--package", package.to_str().unwrap(), "--profile", profile][..],
        &[&files[0], &files[1]],
    ]
    .concat();
    for arguments in [base, guide] {
        let output = run(&arguments);
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let verdicts: Vec<Value> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        assert_eq!(verdicts.len(), 2, "{lines} {}", String::from_utf8_lossy(&output.stderr));
        assert!(verdicts.iter().all(|verdict| verdict["valid"] == true), "{lines}");
    }
}
