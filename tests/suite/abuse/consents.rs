//! Consents that are malformed, old, replayed or from the future: none of them opens anything.

use serde_json::{Value, json};
use tests::http::Http;
use tests::process::{Gateway, configuration};

use super::{HIDDEN, Site, consent, patient, site};

/// A permit that would open the record of `Patient/hidden`, spoilt in one way each.
fn malformed() -> Vec<(&'static str, Value)> {
    let good = || consent("bad", "hidden", "permit", "2026-01-01");
    let mut all: Vec<(&'static str, Value)> = Vec::new();
    let mut set = |name: &'static str, path: &[&str], value: Value| {
        let mut changed = good();
        let (last, above) = path.split_last().unwrap();
        let mut place = &mut changed;
        for step in above {
            place = match step.parse::<usize>() {
                Ok(index) => &mut place[index],
                Err(_) => &mut place[*step],
            };
        }
        if value.is_null() {
            place.as_object_mut().unwrap().remove(*last);
        } else {
            place[*last] = value;
        }
        all.push((name, changed));
    };
    set("no status", &["status"], Value::Null);
    set("a status that is none", &["status"], json!("aktiv"));
    set("a status with a space", &["status"], json!(" active"));
    set("a status in capitals", &["status"], json!("ACTIVE"));
    set("a status that is a number", &["status"], json!(1));
    set("a status that is a list", &["status"], json!(["active"]));
    set("no scope", &["scope"], Value::Null);
    set("an empty scope", &["scope"], json!({}));
    set(
        "a scope of another kind",
        &["scope"],
        json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "adr"}]}),
    );
    set("a scope that is a text", &["scope"], json!("patient-privacy"));
    set("no patient", &["patient"], Value::Null);
    set("a patient that is a text", &["patient"], json!("Patient/hidden"));
    set("a patient who is a group", &["patient"], json!({"reference": "Group/hidden"}));
    set("a patient by identifier alone", &["patient"], json!({"identifier": {"value": "mrn-hidden"}}));
    set("a patient by name alone", &["patient"], json!({"display": "hidden"}));
    set("a patient of another server", &["patient"], json!({"reference": "https://other.example/fhir/Patient/hidden"}));
    set("a patient with a path in the id", &["patient"], json!({"reference": "Patient/../Patient/hidden"}));
    set("a date that is none", &["dateTime"], json!("soon"));
    set("a thirteenth month", &["dateTime"], json!("2026-13-01"));
    set("a date in the future", &["dateTime"], json!("2999-01-01"));
    set("implicit rules", &["implicitRules"], json!("urn:example:rules"));
    set("a modifier extension", &["modifierExtension"], json!([{"url": "urn:example:not", "valueBoolean": true}]));
    set("an element of nobody", &["exception"], json!([{"type": "deny"}]));
    set("a second decision in the words of R5", &["decision"], json!("permit"));
    set("a type that is none", &["provision", "type"], json!("allow"));
    set("a type that is a list", &["provision", "type"], json!(["permit"]));
    set("a provision that is a text", &["provision"], json!("permit"));
    set("a provision that is a list", &["provision"], json!([{"type": "permit"}]));
    set("a modifier extension below", &["provision", "modifierExtension"], json!([{"url": "urn:example:not"}]));
    set("an unknown element below", &["provision", "unless"], json!([{"code": "x"}]));
    set("an actor without a reference", &["provision", "actor"], json!([{"role": {"coding": [{"code": "IRCP"}]}}]));
    set("an actor without a role", &["provision", "actor"], json!([{"reference": {"reference": "Practitioner/c"}}]));
    set(
        "an actor of an unknown role",
        &["provision", "actor", "0", "role"],
        json!({"coding": [{"system": "urn:x", "code": "BOSS"}]}),
    );
    set("no actors", &["provision", "actor"], json!([]));
    set("actors that are an object", &["provision", "actor"], json!({"reference": {"reference": "Practitioner/c"}}));
    set(
        "an actor of another server",
        &["provision", "actor", "0", "reference"],
        json!({"reference": "https://other.example/Practitioner/c"}),
    );
    set("no purposes", &["provision", "purpose"], json!([]));
    set("purposes that are a text", &["provision", "purpose"], json!("TREAT"));
    set("a purpose without a system", &["provision", "purpose"], json!([{"code": "TREAT"}]));
    set("a purpose of another system", &["provision", "purpose"], json!([{"system": "urn:x", "code": "TREAT"}]));
    set(
        "a period that ends before it begins",
        &["provision", "period"],
        json!({"start": "2999-01-01", "end": "2000-01-01"}),
    );
    set("a period that is over", &["provision", "period"], json!({"end": "2020-01-01"}));
    set("a period that is none", &["provision", "period"], json!({"start": "yesterday"}));
    set("a period as text", &["provision", "period"], json!("2026"));
    set("a data period that is none", &["provision", "dataPeriod"], json!({"start": "0000-00-00"}));
    set(
        "data of an unknown meaning",
        &["provision", "data"],
        json!([{"meaning": "everything", "reference": {"reference": "Observation/hidden-o"}}]),
    );
    set("data without a reference", &["provision", "data"], json!([{"meaning": "instance"}]));
    set("a nested provision without a type", &["provision", "provision"], json!([{"purpose": [{"code": "TREAT"}]}]));
    set("a class without a system", &["provision", "class"], json!([{"code": "Patient"}]));
    set("an action that is a text", &["provision", "action"], json!("access"));
    set("a label that is none", &["provision", "securityLabel"], json!([{"system": "urn:x", "code": "N"}]));
    set("not verified", &["verification"], json!([{"verified": false}]));
    set("verified by a text", &["verification"], json!([{"verified": "true"}]));
    let mut deep = json!({"type": "permit"});
    for _ in 0..12 {
        deep = json!({"type": "permit", "provision": [deep]});
    }
    set("twelve levels of provisions", &["provision"], deep);
    all
}

/// Refused, or kept and of no use: both are well, and what was open before is not opened further.
#[test]
fn no_malformed_consent_opens_anything() {
    let site = site();
    let clinician = site.clinician();
    site.put(&consent("good", "hidden", "permit", "2026-01-01"));
    assert_eq!(clinician.get("/fhir/Patient/hidden").status, 200, "the permit they are made of does open");
    site.put(&consent("good", "hidden", "deny", "2026-01-02"));
    assert_eq!(clinician.get("/fhir/Patient/hidden").status, 404);
    let mut good = consent("good", "hidden", "permit", "2026-01-03");
    good["status"] = json!("inactive");
    site.put(&good);
    let (mut kept, mut refused) = (0, 0);
    let vectors = malformed();
    assert!(vectors.len() >= 50, "{}", vectors.len());
    for (name, spoilt) in vectors {
        // Under the id it says, by an administrator, as a first version and over a consent that is understood.
        let answer = site.administrator.put("/fhir/Consent/bad", &spoilt);
        match answer.status {
            200 | 201 => kept += 1,
            400 | 422 => refused += 1,
            other => panic!("{name}: {other} {}", answer.text()),
        }
        for path in ["/fhir/Patient/hidden", "/fhir/Observation/hidden-o", "/fhir/Patient/hidden/$everything"] {
            let read = clinician.get(path);
            assert_eq!(read.status, 404, "{name} {path}: {}", read.text());
        }
        let found = clinician.get("/fhir/Patient").text();
        assert!(!found.contains(HIDDEN), "{name}: {found}");
        let mut harmless = consent("bad", "hidden", "deny", "2026-01-01");
        harmless["status"] = json!("inactive");
        site.put(&harmless);
    }
    assert!(kept > 0 && refused > 0, "kept {kept}, refused {refused}");
    site.still_works();
}

fn source(site: &Site, name: &str) -> Http {
    site.token(&["--role", "source", "--purpose", "TREAT", "--actor", &format!("Device/{name}")])
}

fn opened(site: &Site) -> bool {
    match site.clinician().get("/fhir/Patient/hidden").status {
        200 => true,
        404 => false,
        other => panic!("{other}"),
    }
}

#[test]
fn a_source_cannot_bring_back_what_was_withdrawn() {
    let site = site();
    let portal = source(&site, "portal");
    let permit = consent("form", "hidden", "permit", "2026-01-01");
    assert_eq!(portal.put("/fhir/Consent/form", &permit).status, 201);
    assert!(opened(&site));
    let mut end = consent("form", "hidden", "permit", "2026-02-01");
    end["status"] = json!("inactive");
    assert_eq!(portal.put("/fhir/Consent/form", &end).status, 200);
    assert!(!opened(&site));
    let mut later = permit.clone();
    later["dateTime"] = json!("2026-01-31");
    let mut dateless = permit.clone();
    dateless.as_object_mut().unwrap().remove("dateTime");
    let mut mended = permit.clone();
    mended["meta"] = json!({"versionId": "9", "lastUpdated": "2999-01-01T00:00:00Z"});
    for (name, body) in [
        ("again", &permit),
        ("a little later", &later),
        ("without a date", &dateless),
        ("newer by its own word", &mended),
    ] {
        let put = portal.put("/fhir/Consent/form", body);
        assert_eq!(put.status, 409, "{name}: {}", put.text());
        for version in ["W/\"1\"", "W/\"2\"", "W/\"3\""] {
            let headers = [("Content-Type", "application/fhir+json"), ("If-Match", version)];
            let put = portal.send("PUT", "/fhir/Consent/form", &headers, body.to_string().as_bytes());
            assert!(matches!(put.status, 409 | 412), "{name} {version}: {}", put.text());
        }
        let bundle = json!({"resourceType": "Bundle", "type": "transaction",
            "entry": [{"resource": body, "request": {"method": "PUT", "url": "Consent/form"}}]});
        assert_eq!(portal.post("/fhir", &bundle).status, 409, "{name}");
        let sent = portal.post(
            "/ingest/portal",
            &json!({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": body}]}),
        );
        assert!((400..500).contains(&sent.status), "{name}: {} {}", sent.status, sent.text());
        assert!(!opened(&site), "{name}");
    }
    // The message that brought it first, sent and replayed again.
    let message = json!({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": consent("fed", "hidden", "permit", "2026-01-01")}]});
    let first = portal.post("/ingest/portal", &message);
    assert_eq!(first.status, 201, "{}", first.text());
    assert!(opened(&site));
    let mut end = consent("fed", "hidden", "permit", "2026-03-01");
    end["status"] = json!("rejected");
    assert_eq!(
        portal
            .post(
                "/ingest/portal",
                &json!({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": end}]})
            )
            .status,
        201
    );
    assert!(!opened(&site));
    let again = portal.post("/ingest/portal", &message);
    assert!(again.status == 200 || (400..500).contains(&again.status), "{} {}", again.status, again.text());
    assert!(!opened(&site));
    let replay = format!("{}/replay", first.header("location").unwrap());
    let replayed = site.administrator.send("POST", &replay, &[], b"");
    assert!(replayed.status == 202 || (400..500).contains(&replayed.status), "{}", replayed.text());
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(!opened(&site), "a replayed exchange is not a way back either");
    // Nor another id for the same instrument.
    let named = |id: &str, status: &str, issued: &str| {
        let mut named = consent(id, "hidden", "permit", issued);
        named["identifier"] = json!([{"system": "urn:example:forms", "value": "7"}]);
        named["status"] = json!(status);
        named
    };
    assert_eq!(portal.put("/fhir/Consent/n1", &named("n1", "active", "2026-01-01")).status, 201);
    assert_eq!(portal.put("/fhir/Consent/n1", &named("n1", "inactive", "2026-02-01")).status, 200);
    assert_eq!(portal.put("/fhir/Consent/n2", &named("n2", "active", "2026-01-01")).status, 409);
    assert_eq!(portal.post("/fhir/Consent", &named("x", "active", "2026-01-15")).status, 409);
    assert!(!opened(&site));
    // What is new is taken, and an administrator may say on paper of the patient's what the patient said before.
    assert_eq!(portal.put("/fhir/Consent/form", &consent("form", "hidden", "permit", "2026-04-01")).status, 200);
    assert!(opened(&site));
    let mut end = consent("form", "hidden", "permit", "2026-05-01");
    end["status"] = json!("inactive");
    assert_eq!(portal.put("/fhir/Consent/form", &end).status, 200);
    site.put(&consent("form", "hidden", "permit", "2026-01-01"));
    assert!(opened(&site), "an authorised person decides, and it is on record");
    let versions = site.administrator.get("/fhir/Consent/form/_history").json();
    let versions = versions["entry"].as_array().unwrap();
    let numbers: Vec<u64> =
        versions.iter().map(|it| it["resource"]["meta"]["versionId"].as_str().unwrap().parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] > pair[1]), "versions only grow: {numbers:?}");
}

#[test]
fn a_source_cannot_write_over_what_another_wrote() {
    let gateway = Gateway::start(&configuration(
        "[[source]]\nname = \"one\"\ntransport = \"http\"\nformat = \"fhir-r4\"\nids = \"kept\"\n\n\
         [[source]]\nname = \"two\"\ntransport = \"http\"\nformat = \"fhir-r4\"\nids = \"kept\"\n",
    ));
    let http = Http::to(gateway.http.unwrap());
    let source = |name: &str| {
        http.with(&gateway.token(&["--role", "source", "--purpose", "TREAT", "--actor", &format!("Device/{name}")]))
    };
    let (one, two) = (source("one"), source("two"));
    assert_eq!(one.put("/fhir/Patient/p", &patient("p", "Zqcanaryone")).status, 201);
    assert_eq!(one.put("/fhir/Consent/c", &consent("c", "p", "deny", "2026-01-01")).status, 201);
    let permit = consent("c", "p", "permit", "2027-01-01").to_string();
    for version in ["", "W/\"1\"", "W/\"2\"", "\"1\"", "1"] {
        let mut headers = vec![("Content-Type", "application/fhir+json")];
        if !version.is_empty() {
            headers.push(("If-Match", version));
        }
        let put = two.send("PUT", "/fhir/Consent/c", &headers, permit.as_bytes());
        assert_eq!(put.status, 409, "{version}: {}", put.text());
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": consent("c", "p", "permit", "2027-01-01"),
            "request": if version.is_empty() { json!({"method": "PUT", "url": "Consent/c"}) } else { json!({"method": "PUT", "url": "Consent/c", "ifMatch": version}) }}]});
        assert_eq!(two.post("/fhir", &bundle).status, 409, "{version}");
    }
    assert!(!two.put("/fhir/Patient/p", &patient("p", "Zqcanarytwo")).text().contains("Zqcanaryone"));
    let administrator = http.with(&gateway.administrator());
    assert_eq!(administrator.get("/fhir/Consent/c").json()["provision"]["type"], "deny");
}
