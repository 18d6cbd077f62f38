//! One person under several numbers: merged by messages, found and decided as one, and taken apart again.

use serde_json::{Value, json};
use tests::http::Http;
use tests::mllp::{Mllp, field};
use tests::process::{Gateway, configuration};

const SYSTEM: &str = "urn:oid:2.999.7";

struct Site {
    gateway: Gateway,
    administrator: Http,
}

fn site() -> Site {
    let gateway = Gateway::start(&configuration(&format!(
        "[consent]\nimplicit_policy = \"deny\"\n\n\
         [[source]]\nname = \"ward\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\nauthorities = {{ NORTH = \"{SYSTEM}\" }}\n"
    )));
    let administrator = Http::to(gateway.http.unwrap()).with(&gateway.administrator());
    Site { gateway, administrator }
}

fn message(control_id: &str, kind: &str, structure: &str, segments: &[String]) -> String {
    let trigger = kind.split('^').nth(1).unwrap();
    let event = if kind.starts_with("ADT") { format!("EVN|{trigger}|20260301101500+0100\r") } else { String::new() };
    let head = format!("MSH|^~\\&|ADT|NORTH|A|B|20260301101500+0100||{kind}^{structure}|{control_id}|P|2.5.1\r{event}");
    segments.iter().fold(head, |text, segment| format!("{text}{segment}\r"))
}

fn pid(number: &str) -> String {
    format!("PID|1||{number}^^^NORTH^MR||EXAMPLE{number}^ANNA||19700101|F")
}

impl Site {
    fn ack(&self, message: &str) -> String {
        Mllp::connect(self.gateway.mllp.unwrap()).unwrap().send(message).unwrap()
    }

    #[track_caller]
    fn send(&self, message: &str) -> Value {
        let answer = self.ack(message);
        assert_eq!(field(&answer, "MSA", 1), "AA", "{answer:?}");
        let id = field(&answer, "MSA", 3).strip_prefix("exchange ").unwrap().to_owned();
        self.administrator.get(&format!("/exchanges/{id}")).json()
    }

    /// Admits a patient with an allergy; the id of the Patient.
    fn admit(&self, number: &str) -> String {
        let allergy = format!("AL1|1|DA|{number}^Penicillin {number}");
        let visit = "PV1|1|I|W^1^A".to_owned();
        let text = message(&format!("A{number}"), "ADT^A01", "ADT_A01", &[pid(number), visit, allergy]);
        let exchange = self.send(&text);
        exchange["patient"].as_str().unwrap().strip_prefix("Patient/").unwrap().to_owned()
    }

    fn merge(&self, control_id: &str, survivor: &str, retired: &str) -> Value {
        let prior = format!("MRG|{retired}^^^NORTH^MR");
        self.send(&message(control_id, "ADT^A40", "ADT_A39", &[pid(survivor), prior]))
    }

    fn consent(&self, id: &str, patient: &str, kind: &str) {
        let consent = json!({
            "resourceType": "Consent", "id": id, "status": "active",
            "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
            "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
            "patient": {"reference": format!("Patient/{patient}")}, "dateTime": "2024-01-01", "policy": [{"uri": "urn:example:policy"}],
            "provision": {"type": kind, "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}]}
        });
        let answer = self.administrator.put(&format!("/fhir/Consent/{id}"), &consent);
        assert!([200, 201].contains(&answer.status), "{}", answer.text());
    }

    fn clinician(&self) -> Http {
        Http::to(self.gateway.http.unwrap()).with(&self.gateway.clinician("Practitioner/1"))
    }
}

/// `Type/id` of what a search or operation found.
fn found(http: &Http, path: &str) -> Vec<String> {
    let bundle = http.get(path).json();
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let name = |entry: Value| {
        let resource = &entry["resource"];
        Some(format!("{}/{}", resource["resourceType"].as_str()?, resource["id"].as_str()?))
    };
    entries.into_iter().filter_map(name).collect()
}

fn links(patient: &Value) -> Vec<String> {
    let links = patient["link"].as_array().cloned().unwrap_or_default();
    let name =
        |link: Value| format!("{} {}", link["type"].as_str().unwrap(), link["other"]["reference"].as_str().unwrap());
    links.into_iter().map(name).collect()
}

#[test]
fn a_merged_record_is_kept_linked_and_part_of_the_person() {
    let mut site = site();
    let (survivor, retired) = (site.admit("1"), site.admit("2"));
    site.consent("c1", &survivor, "permit");
    site.consent("c2", &retired, "permit");
    let exchange = site.merge("M1", "1", "2");
    assert!(!exchange["ledger"]["index"].is_null());
    for _ in 0..2 {
        let clinician = site.clinician();
        let old = clinician.get(&format!("/fhir/Patient/{retired}")).json();
        assert_eq!(links(&old), [format!("replaced-by Patient/{survivor}")], "{old}");
        assert_eq!(
            (old["active"].as_bool(), old["name"][0]["family"].as_str()),
            (Some(false), Some("EXAMPLE2")),
            "who it was stays"
        );
        let new = clinician.get(&format!("/fhir/Patient/{survivor}")).json();
        assert_eq!(links(&new), [format!("replaces Patient/{retired}")], "{new}");
        for number in [&survivor, &retired] {
            let allergies = found(&clinician, &format!("/fhir/AllergyIntolerance?patient={number}"));
            assert_eq!(allergies.len(), 2, "those of both numbers: {allergies:?}");
            assert_eq!(found(&clinician, &format!("/fhir/AllergyIntolerance?patient=Patient/{number}")).len(), 2);
            let everything = found(&clinician, &format!("/fhir/Patient/{number}/$everything"));
            assert!(
                everything.contains(&format!("Patient/{survivor}"))
                    && everything.contains(&format!("Patient/{retired}"))
            );
            assert_eq!(everything.iter().filter(|it| it.starts_with("AllergyIntolerance/")).count(), 2);
        }
        let summary = clinician.get(&format!("/fhir/Patient/{survivor}/$summary")).text();
        assert!(summary.contains("Penicillin 1") && summary.contains("Penicillin 2"), "{summary}");
        let by_number = found(&clinician, &format!("/fhir/Patient?identifier={SYSTEM}|2"));
        assert!(by_number.contains(&format!("Patient/{survivor}")), "{by_number:?}");
        // Over a kill: the links are part of the commit.
        site.gateway = site.gateway.kill_and_reopen();
        site.administrator = Http::to(site.gateway.http.unwrap()).with(&site.gateway.administrator());
    }
}

#[test]
fn later_messages_keep_the_links_and_are_seen_under_both_numbers() {
    let site = site();
    let (survivor, retired) = (site.admit("1"), site.admit("2"));
    site.consent("c1", &survivor, "permit");
    site.merge("M1", "1", "2");
    let clinician = site.clinician();
    for number in ["2", "1"] {
        let update = [
            format!("PID|1||{number}^^^NORTH^MR~{number}X^^^NORTH^PI||EXAMPLE{number}^ANNA||19700101|F"),
            "PV1|1|I|W^1^A".to_owned(),
        ];
        site.send(&message(&format!("U{number}"), "ADT^A08", "ADT_A01", &update));
    }
    let result = [pid("2"), "OBR|1||F1|K^Kalium^L".to_owned(), "OBX|1|NM|K^Kalium^L||4.1|mmol/L|||||F".to_owned()];
    site.send(&message("R1", "ORU^R01", "ORU_R01", &result));
    let old = clinician.get(&format!("/fhir/Patient/{retired}")).json();
    assert_eq!(
        (links(&old), old["active"].as_bool()),
        (vec![format!("replaced-by Patient/{survivor}")], Some(false)),
        "{old}"
    );
    let new = clinician.get(&format!("/fhir/Patient/{survivor}")).json();
    assert_eq!(links(&new), [format!("replaces Patient/{retired}")], "{new}");
    assert_eq!(found(&clinician, &format!("/fhir/Observation?patient={survivor}")).len(), 1);
    // A number that the retired record got only now.
    let by_number = found(&clinician, &format!("/fhir/Patient?identifier={SYSTEM}|2X"));
    assert!(by_number.contains(&format!("Patient/{survivor}")), "{by_number:?}");
}

#[test]
fn the_consents_of_every_number_bind_the_person() {
    let site = site();
    let (survivor, retired) = (site.admit("1"), site.admit("2"));
    site.consent("permits", &survivor, "permit");
    let clinician = site.clinician();
    assert_eq!(found(&clinician, &format!("/fhir/AllergyIntolerance?patient={survivor}")).len(), 1);
    site.consent("denies", &retired, "deny");
    site.merge("M1", "1", "2");
    assert!(
        found(&clinician, &format!("/fhir/AllergyIntolerance?patient={survivor}")).is_empty(),
        "the stricter holds"
    );
    assert_eq!(clinician.get(&format!("/fhir/Patient/{survivor}")).status, 404);
}

#[test]
fn a_merge_taken_back_leaves_two_persons_with_their_own_consents() {
    let site = site();
    let (survivor, retired) = (site.admit("1"), site.admit("2"));
    site.consent("permits", &survivor, "permit");
    site.consent("denies", &retired, "deny");
    site.merge("M1", "1", "2");
    let clinician = site.clinician();
    assert!(
        found(&clinician, &format!("/fhir/AllergyIntolerance?patient={survivor}")).is_empty(),
        "the stricter holds"
    );
    let apart = [pid("1"), "PV1|1|I".to_owned(), pid("2"), "PV1|1|I".to_owned()];
    let exchange = site.send(&message("U1", "ADT^A37", "ADT_A37", &apart));
    assert!(!exchange["issues"].to_string().contains("not merged"), "{exchange}");
    assert_eq!(found(&clinician, &format!("/fhir/AllergyIntolerance?patient={survivor}")).len(), 1);
    assert!(found(&clinician, &format!("/fhir/AllergyIntolerance?patient={retired}")).is_empty());
    let new = clinician.get(&format!("/fhir/Patient/{survivor}")).json();
    assert!(links(&new).is_empty(), "{new}");
    assert!(
        found(&clinician, &format!("/fhir/Patient?identifier={SYSTEM}|2")).is_empty(),
        "withheld, and no other's number any more"
    );
}

#[test]
fn chains_are_one_person_and_a_contradiction_waits_for_a_person() {
    let site = site();
    let ids: Vec<String> = ["1", "2", "3", "4"].map(|number| site.admit(number)).into();
    site.consent("c", &ids[0], "permit");
    site.merge("M1", "2", "1");
    site.merge("M2", "3", "2");
    let clinician = site.clinician();
    for id in &ids[..3] {
        assert_eq!(found(&clinician, &format!("/fhir/AllergyIntolerance?patient={id}")).len(), 3, "{id}");
    }
    // The other way round: the newer holds, nobody is lost.
    let turned = site.merge("M3", "1", "3");
    assert!(turned["issues"].to_string().contains("the newer holds"), "{turned}");
    let first = clinician.get(&format!("/fhir/Patient/{}", ids[0])).json();
    assert!(links(&first).iter().all(|link| link.starts_with("replaces ")), "{first}");
    assert_eq!(found(&clinician, &format!("/fhir/AllergyIntolerance?patient={}", ids[1])).len(), 3);
    // One number cannot be two persons.
    let prior = "MRG|2^^^NORTH^MR".to_owned();
    let answer = site.ack(&message("M4", "ADT^A40", "ADT_A39", &[pid("4"), prior]));
    assert_eq!(field(&answer, "MSA", 1), "AE", "{answer:?}");
    let held = site.administrator.get("/exchanges?message-control-id=M4").json();
    assert_eq!(held["exchanges"][0]["state"], "held");
    assert_eq!(found(&clinician, &format!("/fhir/AllergyIntolerance?patient={}", ids[0])).len(), 3);
}

#[test]
fn an_emergency_sees_everything_of_the_person_by_any_number() {
    let site = site();
    let (survivor, retired) = (site.admit("1"), site.admit("2"));
    let third = site.admit("3");
    site.merge("M1", "1", "2");
    site.merge("M2", "3", "1");
    let staff = Http::to(site.gateway.http.unwrap()).with(&site.gateway.emergency("Practitioner/e"));
    let answer = staff.post("/emergency/find", &json!({"identifier": {"system": SYSTEM, "value": "2"}})).json();
    let candidates = answer["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 1, "one person: {answer}");
    assert_eq!(candidates[0]["patient"], format!("Patient/{third}"));
    for patient in [&third, &retired] {
        let declared = staff.post(
            "/emergency/declare",
            &json!({"patient": format!("Patient/{patient}"), "reason": "unconscious after a fall"}),
        );
        assert_eq!(declared.status, 201, "{}", declared.text());
        let grant = declared.json()["id"].as_str().unwrap().to_owned();
        let summary = staff.get(&format!("/emergency/grants/{grant}/summary")).text();
        for number in ["1", "2", "3"] {
            assert!(summary.contains(&format!("Penicillin {number}")), "{number}: {summary}");
        }
        for id in [&survivor, &retired, &third] {
            assert_eq!(found(&staff, &format!("/fhir/AllergyIntolerance?patient={id}")).len(), 3, "{id}");
        }
        assert_eq!(staff.send("DELETE", &format!("/emergency/grants/{grant}"), &[], b"").status, 204);
    }
    assert!(found(&staff, &format!("/fhir/AllergyIntolerance?patient={third}")).is_empty());
}

#[test]
fn messages_of_one_sender_meet_in_one_patient_and_one_encounter() {
    let site = site();
    let pid = "PID|1||77^^^NORTH^MR||EXAMPLE^ANNA||19700101|F|||||||||||V77^^^NORTH^AN".to_owned();
    let visit = "PV1|1|I|W^1^A||||||||||||||||V77^^^NORTH^VN".to_owned();
    let result = ["OBR|1||F1|K^Kalium^L".to_owned(), "OBX|1|NM|K^Kalium^L||4.1|mmol/L|||||F".to_owned()];
    let document = "TXA|1|DS|TX|20260301||||||||D-1||||||AU".to_owned();
    let messages = [
        message("I1", "ADT^A01", "ADT_A01", &[pid.clone(), visit.clone()]),
        message("I2", "ADT^A08", "ADT_A01", &[pid.clone(), visit.clone()]),
        message("I3", "ORU^R01", "ORU_R01", &[pid.clone(), visit.clone(), result[0].clone(), result[1].clone()]),
        message(
            "I4",
            "MDM^T02",
            "MDM_T02",
            &["EVN|T02|20260301".to_owned(), pid, visit, document, "OBX|1|TX|D^Doc^L||text||||||F".to_owned()],
        ),
    ];
    let mut patients: Vec<String> = Vec::new();
    let mut encounters: Vec<String> = Vec::new();
    for message in messages {
        let exchange = site.send(&message);
        let resources = exchange["resources"].as_array().unwrap().clone();
        let of = |kind: &str| -> Vec<String> {
            let names = resources.iter().filter_map(Value::as_str).filter(|name| name.starts_with(kind));
            names.map(|name| name.split("/_history").next().unwrap().to_owned()).collect()
        };
        assert_eq!(of("Patient/").len(), 1, "{exchange}");
        patients.extend(of("Patient/"));
        encounters.extend(of("Encounter/"));
    }
    patients.dedup();
    encounters.sort();
    encounters.dedup();
    assert_eq!((patients.len(), encounters.len()), (1, 1), "{patients:?} {encounters:?}");
    site.consent("c", patients[0].strip_prefix("Patient/").unwrap(), "permit");
    let clinician = site.clinician();
    let by_number = found(&clinician, &format!("/fhir/Patient?identifier={SYSTEM}|77"));
    assert_eq!(by_number, patients, "found by the system that the configuration names");
    let staff = Http::to(site.gateway.http.unwrap()).with(&site.gateway.emergency("Practitioner/e"));
    let found = staff.post("/emergency/find", &json!({"identifier": {"system": SYSTEM, "value": "77"}})).json();
    assert_eq!(found["candidates"][0]["patient"].as_str(), Some(patients[0].as_str()), "{found}");
}
