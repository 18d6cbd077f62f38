//! What consents let out over the FHIR interface: one answer for withheld and unknown, and no number that tells.

use serde_json::{Value, json};
use tests::http::Http;
use tests::process::{Gateway, configuration};

struct Site {
    _gateway: Gateway,
    http: Http,
    administrator: Http,
    clinician: Http,
}

fn site() -> Site {
    let gateway = Gateway::start(&configuration(""));
    let http = Http::to(gateway.http.unwrap());
    let administrator = http.with(&gateway.administrator());
    let clinician = http.with(&gateway.clinician("Practitioner/c"));
    let site = Site { _gateway: gateway, http, administrator, clinician };
    for patient in ["p1", "p2"] {
        site.put(&json!({"resourceType": "Patient", "id": patient, "birthDate": "1980-02-03"}));
        for number in 1..=3 {
            site.put(&json!({"resourceType": "Observation", "id": format!("{patient}-o{number}"), "status": "final",
                             "code": {"text": "x"}, "subject": {"reference": format!("Patient/{patient}")}}));
        }
    }
    site
}

impl Site {
    #[track_caller]
    fn put(&self, resource: &Value) {
        self.administrator.store(resource);
    }

    fn consent(&self, id: &str, patient: &str, provision: Value) {
        self.put(&json!({"resourceType": "Consent", "id": id, "status": "active",
            "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
            "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
            "patient": {"reference": format!("Patient/{patient}")}, "dateTime": "2026-01-01",
            "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
            "provision": provision}));
    }

    fn permit_to_the_clinician(&self, patient: &str) {
        self.permit_under("permit", patient);
    }

    fn delete(&self, path: &str) -> u16 {
        self.administrator.send("DELETE", path, &[], b"").status
    }

    fn permit_under(&self, id: &str, patient: &str) {
        self.consent(id, patient, permit());
    }
}

fn permit() -> Value {
    json!({"type": "permit",
        "actor": [{"role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]},
                   "reference": {"reference": "Practitioner/c"}}],
        "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}]})
}

fn ids(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let mut ids: Vec<String> =
        entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

#[test]
fn what_is_withheld_answers_as_what_was_never_there() {
    let site = site();
    for (withheld, unknown) in [
        ("/fhir/Patient/p1", "/fhir/Patient/zz"),
        ("/fhir/Observation/p1-o1", "/fhir/Observation/zz-zz"),
        ("/fhir/Patient/p1/_history/1", "/fhir/Patient/zz/_history/1"),
        ("/fhir/Patient/p1/_history", "/fhir/Patient/zz/_history"),
        ("/fhir/Patient/p1/$everything", "/fhir/Patient/zz/$everything"),
        ("/fhir/Patient/p1/$summary", "/fhir/Patient/zz/$summary"),
    ] {
        let (one, other) = (site.clinician.get(withheld), site.clinician.get(unknown));
        assert_eq!((one.status, other.status), (404, 404), "{withheld}");
        let id = |path: &str| path.split('/').nth(3).unwrap().to_owned();
        assert_eq!(one.text().replace(&id(withheld), "ID"), other.text().replace(&id(unknown), "ID"), "{withheld}");
        let names =
            |answer: &tests::http::Answer| answer.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&one), names(&other), "{withheld}");
    }
    let change = |id: &str| json!({"resourceType": "Patient", "id": id, "birthDate": "1999-01-01"});
    let (one, other) =
        (site.clinician.put("/fhir/Patient/p1", &change("p1")), site.clinician.put("/fhir/Patient/zz", &change("zz")));
    assert_eq!((one.status, other.status, one.text()), (403, 403, other.text()));
}

#[test]
fn a_consent_holds_from_the_next_request_on_and_so_does_its_end() {
    let site = site();
    assert_eq!(site.clinician.get("/fhir/Patient/p1").status, 404);
    site.permit_to_the_clinician("p1");
    assert_eq!(site.clinician.get("/fhir/Patient/p1").status, 200);
    assert_eq!(site.clinician.get("/fhir/Observation/p1-o1").status, 200);
    assert_eq!(site.clinician.get("/fhir/Patient/p2").status, 404);
    site.consent("deny", "p1", json!({"type": "deny"}));
    assert_eq!(site.clinician.get("/fhir/Patient/p1").status, 404);
}

#[test]
fn what_was_read_a_moment_ago_is_decided_by_what_holds_now() {
    let site = site();
    site.permit_to_the_clinician("p1");
    site.permit_under("permit-2", "p2");
    let observation = |display: &str, subject: &str| {
        json!({"resourceType": "Observation", "id": "seen", "status": "final", "code": {"text": "x"},
            "subject": {"reference": format!("Patient/{subject}"), "display": display}})
    };
    let read = |path: &str| {
        // The second answer is of what the first one has read.
        let (first, second) = (site.clinician.get(path), site.clinician.get(path));
        assert_eq!((first.status, first.text()), (second.status, second.text()), "{path}");
        (second.status, second.text())
    };
    let current = "/fhir/Observation/seen";
    site.put(&observation("one", "p1"));
    let (status, text) = read(current);
    assert!(status == 200 && text.contains("\"one\"") && text.contains("\"versionId\":\"1\""), "{text}");

    // An update: the new text, and the old one under its number.
    site.put(&observation("two", "p2"));
    let (status, text) = read(current);
    assert!(status == 200 && text.contains("\"two\"") && text.contains("\"versionId\":\"2\""), "{text}");
    assert!(read("/fhir/Observation/seen/_history/1").1.contains("\"one\""));

    // A consent of the patient whom the new version is about: it goes, the old version is another's.
    site.consent("deny-2", "p2", json!({"type": "deny"}));
    assert_eq!(read(current).0, 404);
    assert_eq!(read("/fhir/Patient/p2").0, 404);
    assert_eq!(read("/fhir/Observation/seen/_history/1").0, 200);
    assert_eq!(site.delete("/fhir/Consent/deny-2"), 204);
    assert_eq!(read(current).0, 200);

    // A consent about what it refers to alone: it stays, without the name of what is withheld.
    site.put(&json!({"resourceType": "Observation", "id": "other", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/p2"}, "hasMember": [{"reference": "Observation/p1-o1", "display": "told"}]}));
    assert!(read("/fhir/Observation/other").1.contains("told"));
    site.consent("deny-1", "p1", json!({"type": "deny"}));
    let (status, text) = read("/fhir/Observation/other");
    assert!(status == 200 && !text.contains("told"), "{text}");
    assert_eq!(site.delete("/fhir/Consent/deny-1"), 204);
    assert!(read("/fhir/Observation/other").1.contains("told"));

    // A label that an update brings.
    let deny = json!({"type": "deny", "securityLabel":
        [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}]});
    site.consent("no-psychiatry", "p2", json!({"type": "permit", "provision": [deny]}));
    assert_eq!(read(current).0, 200);
    let mut labelled = observation("three", "p2");
    labelled["meta"] =
        json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}]});
    site.put(&labelled);
    assert_eq!(read(current).0, 404);
    site.put(&observation("four", "p2"));
    assert!(read(current).1.contains("\"four\""));

    assert_eq!(site.clinician.send("DELETE", current, &[], b"").status, 204);
    assert_eq!(read(current).0, 410);
    assert_eq!(read("/fhir/Observation/seen/_history/4").0, 200);
}

#[test]
fn an_unreadable_consent_is_kept_and_blocks() {
    let site = site();
    site.permit_to_the_clinician("p1");
    site.consent("odd", "p1", json!({"type": "permit", "provision": [{"action": [{"text": "look at"}]}]}));
    assert_eq!(site.clinician.get("/fhir/Patient/p1").status, 404);
}

#[test]
fn searches_show_and_count_only_what_may_be_seen() {
    let site = site();
    site.permit_to_the_clinician("p1");
    let bundle = site.clinician.get("/fhir/Observation").json();
    assert_eq!(ids(&bundle), ["p1-o1", "p1-o2", "p1-o3"]);
    assert_eq!(bundle["total"], 3);
    let nothing = site.clinician.get("/fhir/Observation?patient=p2").json();
    let unknown = site.clinician.get("/fhir/Observation?patient=zz").json();
    assert_eq!((&nothing["total"], &nothing["entry"]), (&unknown["total"], &unknown["entry"]));
    // Pages are refilled: two of two although every second match is withheld, and no next page of nothing.
    let page = site.clinician.get("/fhir/Observation?_count=2").json();
    assert_eq!(ids(&page).len(), 2);
    let next = page["link"].as_array().unwrap().iter().find(|link| link["relation"] == "next").unwrap()["url"].clone();
    let path = next.as_str().unwrap().split_once("/fhir/").map(|(_, rest)| format!("/fhir/{rest}")).unwrap();
    let last = site.clinician.get(&path).json();
    assert_eq!(ids(&last).len(), 1);
    assert!(last["link"].as_array().unwrap().iter().all(|link| link["relation"] != "next"), "{last}");
    // A page is of no use to somebody else.
    let other = site.http.with(&site._gateway.token(&[
        "--role",
        "clinician",
        "--purpose",
        "TREAT",
        "--actor",
        "Practitioner/d",
    ]));
    assert_eq!(other.get(&path).status, 400);
}

#[test]
fn a_policy_of_the_site_binds_everybody_and_only_administrators_write_it() {
    let site = site();
    site.permit_to_the_clinician("p1");
    let policy = json!({"resourceType": "Consent", "id": "site", "status": "active",
        "extension": [{"url": "urn:gateway:consent:admin-policy", "valueBoolean": true}],
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
        "dateTime": "2026-01-01",
        "provision": {"type": "deny", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}]}});
    let source =
        site.http.with(&site._gateway.token(&["--role", "source", "--purpose", "TREAT", "--actor", "Device/lab"]));
    assert_eq!(source.put("/fhir/Consent/site", &policy).status, 403);
    assert_eq!(site.clinician.post("/fhir/Consent", &policy).status, 403);
    site.put(&policy);
    assert_eq!(site.clinician.get("/fhir/Patient/p1").status, 200);
    assert_eq!(site.clinician.get("/fhir/Observation/p1-o1").status, 404);
}

#[test]
fn patients_read_their_own_record_and_nobody_elses() {
    let site = site();
    site.consent("deny", "p1", json!({"type": "deny"}));
    let patient = site.http.with(&site._gateway.token(&[
        "--role",
        "patient",
        "--purpose",
        "PATRQT",
        "--actor",
        "Patient/p1",
        "--patient",
        "p1",
    ]));
    assert_eq!(patient.get("/fhir/Patient/p1").status, 200);
    assert_eq!(ids(&patient.get("/fhir/Observation").json()), ["p1-o1", "p1-o2", "p1-o3"]);
    assert_eq!(patient.get("/fhir/Patient/p2").status, 404);
}

#[test]
fn every_read_is_on_record_also_one_that_was_refused() {
    let site = site();
    site.permit_to_the_clinician("p1");
    let before = site.administrator.get("/fhir/AuditEvent?patient=p1&_count=500").json()["total"].as_u64().unwrap();
    for path in ["/fhir/Observation/p1-o1", "/fhir/Observation?patient=p1", "/fhir/Observation/p1-o2"] {
        assert_eq!(site.clinician.get(path).status, 200, "{path}");
    }
    let events = site.administrator.get("/fhir/AuditEvent?patient=p1&_count=500").json();
    // The search for the first figure is an event as well, as it showed events of this patient.
    assert!(events["total"].as_u64().unwrap() >= before + 3, "{before} {}", events["total"]);
    let newest = &events["entry"][0]["resource"];
    assert_eq!(newest["agent"][0]["who"]["reference"], "Practitioner/c", "{newest}");
    assert!(newest.to_string().contains("Consent/permit"), "{newest}");
    let denied = site.clinician.get("/fhir/Observation/p2-o1");
    assert_eq!(denied.status, 404);
    let events = site.administrator.get("/fhir/AuditEvent?patient=p2&_count=1").json();
    assert_eq!(events["entry"][0]["resource"]["outcome"], "4", "{events}");
}

#[test]
fn the_audit_log_is_never_rewritten() {
    let site = site();
    assert_eq!(site.clinician.get("/fhir/Patient/p1").status, 404);
    let event = site.administrator.get("/fhir/AuditEvent?patient=p1&_count=1").json()["entry"][0]["resource"].clone();
    let path = format!("/fhir/AuditEvent/{}", event["id"].as_str().unwrap());
    assert_eq!(site.administrator.put(&path, &event).status, 403);
}

#[test]
fn clinicians_write_where_consents_let_them_and_patients_their_own_consent() {
    let site = site();
    site.permit_to_the_clinician("p1");
    let observation = |patient: &str| {
        json!({"resourceType": "Observation", "status": "final", "code": {"text": "new"},
               "subject": {"reference": format!("Patient/{patient}")}})
    };
    let created = site.clinician.post("/fhir/Observation", &observation("p1"));
    assert_eq!(created.status, 201, "{}", created.text());
    assert_eq!(site.clinician.post("/fhir/Observation", &observation("p2")).status, 403);
    let mut changed = created.json();
    changed["status"] = json!("amended");
    let path = format!("/fhir/Observation/{}", changed["id"].as_str().unwrap());
    assert_eq!(site.clinician.put(&path, &changed).status, 200);
    // Handing a resource over to a patient who did not permit it is no way around their consent.
    changed["subject"] = json!({"reference": "Patient/p2"});
    assert_eq!(site.clinician.put(&path, &changed).status, 403);

    let arguments = ["--role", "patient", "--purpose", "PATRQT", "--actor", "Patient/p1", "--patient", "p1"];
    let patient = site.http.with(&site._gateway.token(&arguments));
    let mut consent = site.administrator.get("/fhir/Consent/permit").json();
    consent["provision"] = json!({"type": "deny"});
    let revoked = patient.put("/fhir/Consent/permit", &consent);
    assert_eq!(revoked.status, 200, "{}", revoked.text());
    assert_eq!(site.clinician.get("/fhir/Patient/p1").status, 404);
    consent["patient"] = json!({"reference": "Patient/p2"});
    assert_eq!(patient.put("/fhir/Consent/permit", &consent).status, 403);
    assert_eq!(patient.post("/fhir/Observation", &observation("p1")).status, 403);
}
