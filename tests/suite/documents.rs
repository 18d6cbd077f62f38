//! Partners who take C-CDA: what reaches them of documents and of messages, and what consents keep from them.

use serde_json::{Value, json};
use tests::http::{Answer, Http};
use tests::process::{Gateway, configuration, wait_until};

use crate::flow::{Mood, Partner};

const LETTER: &str = include_str!("../../gateway/src/demo/samples/letter.ccda.xml");

const FILE: &str = include_str!("../../mappers/packages/ccda-base/examples/letter.xml");

const CDA: (&str, &str) = ("Content-Type", "application/cda+xml");

/// A gateway between a practice, a ward, a clinic that takes documents and a registry that takes FHIR.
struct Site {
    gateway: Gateway,
    clinic: Partner,
    registry: Partner,
}

impl Site {
    fn start() -> Self {
        let (clinic, registry) = (Partner::fhir(), Partner::fhir());
        let gateway = Gateway::start(&configuration(&format!(
            r#"
[[source]]
name = "letters"
transport = "http"
format = "ccda"
destinations = ["clinic", "registry"]

[[source]]
name = "ward"
transport = "http"
format = "hl7v2"
destinations = ["clinic"]

[[destination]]
name = "clinic"
transport = "http"
format = "ccda"
document_type = "referral-note"
address = "http://{}/documents"
recipient = ["Organization/clinic"]
purpose = ["TREAT"]
retry = "quick"

[[destination]]
name = "registry"
transport = "fhir"
address = "http://{}/fhir"
recipient = ["Organization/registry"]
purpose = ["TREAT"]
"#,
            clinic.address, registry.address
        )));
        Self { gateway, clinic, registry }
    }

    fn administrator(&self) -> Http {
        Http::to(self.gateway.http.unwrap()).with(&self.gateway.administrator())
    }

    fn send(&self, source: &str, kind: (&str, &str), text: &str) -> Answer {
        let token = ["--role", "source", "--purpose", "TREAT", "--actor", &format!("Device/{source}")];
        let sender = Http::to(self.gateway.http.unwrap()).with(&self.gateway.token(&token));
        let taken = sender.send("POST", &format!("/ingest/{source}"), &[kind], text.as_bytes());
        assert_eq!(taken.status, 201, "{}", taken.text());
        taken
    }

    /// The exchange once it is in a state.
    fn exchange(&self, location: &str, state: &str) -> Value {
        let administrator = self.administrator();
        let mut found = Value::Null;
        wait_until("the exchange comes to its end", || {
            found = administrator.get(location).json();
            found["state"] == state
        });
        found
    }

    /// Sends, agrees as the patient does, and delivers anew.
    fn delivered(&self, sent: &Answer, provisions: &Value, state: &str) -> Value {
        let location = sent.header("location").unwrap().to_owned();
        let patient = self.exchange(&location, "withheld")["patient"].clone();
        assert!(self.clinic.taken().is_empty(), "nobody has agreed");
        let mut consent = json!({
            "resourceType": "Consent", "id": "agreed", "status": "active",
            "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
            "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
            "patient": {"reference": patient}, "dateTime": "2024-01-01", "policy": [{"uri": "urn:example:policy"}],
            "provision": {"type": "permit",
                "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}]}
        });
        if provisions.as_array().is_some_and(|provisions| !provisions.is_empty()) {
            consent["provision"]["provision"] = provisions.clone();
        }
        assert_eq!(self.administrator().put("/fhir/Consent/agreed", &consent).status, 201);
        let replayed = self.administrator().send("POST", &format!("{location}/replay"), &[], b"");
        assert_eq!(replayed.status, 202, "{}", replayed.text());
        self.exchange(&location, state)
    }
}

fn deny(resource_type: &str) -> Value {
    json!([{"type": "deny", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": resource_type}]}])
}

#[test]
fn a_letter_reaches_a_partner_of_documents_as_a_document() {
    let site = Site::start();
    let exchange = site.delivered(&site.send("letters", CDA, LETTER), &json!([]), "done");
    let sent = site.clinic.taken().concat();
    assert!(sent.starts_with("<?xml") && sent.contains("<ClinicalDocument"), "{sent}");
    assert!(sent.contains("code=\"57133-1\""), "the type that the configuration asks for: {sent}");
    assert!(sent.contains("\"90560007\"") && sent.contains("Codeine") && sent.contains("Gout since 2015"), "{sent}");
    assert!(sent.contains("typeCode=\"XFRM\"") && sent.contains("demo-letter-1"), "made of another document: {sent}");
    assert!(!sent.contains("urn:uuid:"), "its own id is a root: {sent}");
    let delivery = &exchange["deliveries"].as_array().unwrap().iter().find(|it| it["destination"] == "clinic").unwrap();
    assert_eq!((&delivery["state"], &delivery["attempts"]), (&json!("delivered"), &json!(1)), "{exchange}");
    assert!(delivery["decision"].as_str().unwrap().starts_with("permit"), "{exchange}");

    // What was sent is a document that this gateway takes itself.
    let again = site.administrator().send("POST", "/convert?from=ccda&to=fhir-r4", &[CDA], sent.as_bytes());
    assert_eq!(again.status, 200, "{}", again.text());
}

#[test]
fn what_a_consent_withholds_stands_nowhere_in_the_document() {
    let site = Site::start();
    // The withheld allergy is told in the narrative of a section that is released, too.
    let letter = LETTER
        .replace("extension=\"demo-letter-1\"", "extension=\"demo-letter-2\"")
        .replace("Gout since 2015</item>", "Gout since 2015</item><item>no codeine because of her rash</item>");
    assert!(letter.contains("no codeine"), "the sample has changed");
    site.delivered(&site.send("letters", CDA, &letter), &deny("AllergyIntolerance"), "done");
    let sent = site.clinic.taken().concat();
    assert!(sent.contains("\"90560007\"") && sent.contains("Gout"), "{sent}");
    for told in ["odeine", "rash", "2670"] {
        assert!(!sent.contains(told), "{told} is told: {sent}");
    }
    // A document of this type must have the section: it says what one without allergies on file says.
    let (before, section) = sent.split_once("\"48765-2\"").unwrap();
    let section = section.split_once("</section>").unwrap().0;
    assert!(before.rsplit_once("<section").unwrap().1.starts_with(" nullFlavor=\"NI\""), "{sent}");
    assert!(!section.contains("<entry"), "{section}");
}

#[test]
fn a_file_leaves_with_the_document_it_belongs_to_or_not_at_all() {
    let site = Site::start();
    let file = "JVBERi0xLjQKJSBhIGZpbGUgb2Ygbm8gcGFnZXMKJSVFT0YK";
    site.delivered(&site.send("letters", CDA, FILE), &json!([]), "done");
    let (clinic, registry) = (site.clinic.taken().concat(), site.registry.taken().concat());
    assert!(clinic.contains("<nonXMLBody>") && clinic.contains(file), "{clinic}");
    assert!(registry.contains("\"Binary\"") && registry.contains(file), "{registry}");

    let site = Site::start();
    site.delivered(&site.send("letters", CDA, FILE), &deny("DocumentReference"), "done");
    for sent in [site.clinic.taken().concat(), site.registry.taken().concat()] {
        assert!(sent.contains("Albrecht") && !sent.contains(file), "{sent}");
    }
}

#[test]
fn a_message_reaches_a_partner_of_documents_and_is_tried_again() {
    let site = Site::start();
    let message = "MSH|^~\\&|LAB|NORTH|A|B|20260301101500+0100||ORU^R01^ORU_R01|DOC-1|P|2.5.1\r\
PID|1||DOC-77^^^NORTH^MR||Farrow^Ines||19711109|F\rOBR|1|1|2|2339-0^Glucose^LN|||20260301100000+0100\r\
OBX|1|NM|2339-0^Glucose^LN||95|mg/dL^^UCUM|70-105|N|||F\r";
    site.clinic.is(Mood::NotNow);
    let sent = site.send("ward", ("Content-Type", "application/hl7-v2"), message);
    let location = sent.header("location").unwrap().to_owned();
    let patient = site.exchange(&location, "withheld")["patient"].clone();
    let consent = json!({
        "resourceType": "Consent", "id": "agreed", "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": patient}, "dateTime": "2024-01-01", "policy": [{"uri": "urn:example:policy"}],
        "provision": {"type": "permit"}
    });
    assert_eq!(site.administrator().put("/fhir/Consent/agreed", &consent).status, 201);
    let replayed = site.administrator().send("POST", &format!("{location}/replay"), &[], b"");
    assert_eq!(replayed.status, 202, "{}", replayed.text());
    wait_until("it was tried", || {
        let exchange = site.administrator().get(&location).json();
        exchange["deliveries"][0]["last_error"].as_str().is_some_and(|error| error.contains("503"))
    });
    site.clinic.is(Mood::Takes);
    let exchange = site.exchange(&location, "done");
    assert!(exchange["deliveries"][0]["attempts"].as_u64().unwrap() > 1, "{exchange}");
    let sent = site.clinic.taken();
    assert_eq!(sent.len(), 1, "one document, whatever the attempts");
    assert!(sent[0].contains("Farrow") && sent[0].contains("2339-0") && sent[0].contains("30954-2"), "{}", sent[0]);
    assert!(sent[0].contains("Anchorline"), "it says who put it together: {}", sent[0]);
}

#[test]
fn a_partner_that_refuses_a_document_is_not_asked_again() {
    let site = Site::start();
    site.clinic.is(Mood::Refuses);
    let exchange = site.delivered(&site.send("letters", CDA, LETTER), &json!([]), "dead");
    let delivery = exchange["deliveries"].as_array().unwrap().iter().find(|it| it["destination"] == "clinic").unwrap();
    assert_eq!(delivery["attempts"], 1, "{exchange}");
    assert!(delivery["last_error"].as_str().unwrap().contains("422"), "{exchange}");
}
