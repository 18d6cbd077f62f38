//! The main job end to end: in, translated, decided, forwarded or withheld, anchored.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use ledger::commitment::{Label, Salt, commit};
use ledger::entry::Record;
use serde_json::{Value, json};
use tests::http::Http;
use tests::mllp::{Mllp, field};
use tests::process::{Gateway, configuration, wait_until};

/// What a partner does with what it gets.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mood {
    Takes,
    /// HTTP 503, or AE.
    NotNow,
    /// HTTP 422, or AR.
    Refuses,
}

/// A partner of either kind, in memory.
#[derive(Clone)]
pub(crate) struct Partner {
    pub(crate) address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
    taken: Arc<Mutex<Vec<String>>>,
    asked: Arc<Mutex<usize>>,
}

impl Partner {
    fn start(serve: fn(&Partner, TcpStream)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let partner = Self {
            address: listener.local_addr().unwrap(),
            mood: Arc::new(Mutex::new(Mood::Takes)),
            taken: Arc::default(),
            asked: Arc::default(),
        };
        let served = partner.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = served.clone();
                std::thread::spawn(move || serve(&served, stream));
            }
        });
        partner
    }

    pub(crate) fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }

    /// What it does with a message.
    fn meet(&self, message: String) -> Mood {
        *self.asked.lock().unwrap() += 1;
        let mood = *self.mood.lock().unwrap();
        if mood == Mood::Takes {
            self.taken.lock().unwrap().push(message);
        }
        mood
    }

    pub(crate) fn fhir() -> Self {
        Self::start(|partner, mut stream| {
            let (mut bytes, mut buffer) = (Vec::new(), [0_u8; 8192]);
            let (end, length) = loop {
                let read = stream.read(&mut buffer).unwrap_or(0);
                if read == 0 {
                    return;
                }
                bytes.extend_from_slice(&buffer[..read]);
                let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
                    .unwrap_or(0);
                break (end + 4, length);
            };
            while bytes.len() < end + length {
                let read = stream.read(&mut buffer).unwrap_or(0);
                if read == 0 {
                    return;
                }
                bytes.extend_from_slice(&buffer[..read]);
            }
            let status = match partner.meet(String::from_utf8_lossy(&bytes[end..]).into_owned()) {
                Mood::Takes => "200 OK",
                Mood::NotNow => "503 Service Unavailable",
                Mood::Refuses => "422 Unprocessable Content",
            };
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}");
        })
    }

    fn mllp() -> Self {
        Self::start(|partner, mut stream| {
            let (mut bytes, mut buffer) = (Vec::new(), [0_u8; 8192]);
            loop {
                let read = stream.read(&mut buffer).unwrap_or(0);
                if read == 0 {
                    return;
                }
                bytes.extend_from_slice(&buffer[..read]);
                while let Some(end) = bytes.windows(2).position(|two| two == [0x1C, 0x0D]) {
                    let frame: Vec<u8> = bytes.drain(..end + 2).collect();
                    let message = String::from_utf8_lossy(&frame[1..end]).into_owned();
                    let control_id = field(&message, "MSH", 10).to_owned();
                    let code = match partner.meet(message) {
                        Mood::Takes => "AA",
                        Mood::NotNow => "AE",
                        Mood::Refuses => "AR",
                    };
                    let answer = format!("\x0BMSH|^~\\&|P|P|A|A|2026||ACK|1|P|2.5.1\rMSA|{code}|{control_id}\r\x1C\r");
                    let _ = stream.write_all(answer.as_bytes());
                }
            }
        })
    }
}

/// A gateway with a clinic (FHIR, treatment) and an insurer (MLLP, payment).
struct Site {
    gateway: Gateway,
    clinic: Partner,
    insurer: Partner,
}

impl Site {
    fn start() -> Self {
        let (clinic, insurer) = (Partner::fhir(), Partner::mllp());
        let gateway = Gateway::start(&configuration(&format!(
            r#"
[[source]]
name = "ward"
transport = "mllp"
format = "hl7v2"
destinations = ["clinic", "insurer"]

[[source]]
name = "upload"
transport = "http"
format = "hl7v2"

[[source]]
name = "portal"
transport = "http"
format = "fhir-r4"

[[destination]]
name = "clinic"
transport = "fhir"
address = "http://{}/fhir"
recipient = ["Organization/clinic"]
purpose = ["TREAT"]

[[destination]]
name = "insurer"
transport = "mllp"
address = "{}"
recipient = ["Organization/insurer"]
purpose = ["HPAYMT"]
retry = "quick"
"#,
            clinic.address, insurer.address
        )));
        Self { gateway, clinic, insurer }
    }

    fn administrator(&self) -> Http {
        Http::to(self.gateway.http.unwrap()).with(&self.gateway.administrator())
    }

    /// Sends a message that must be taken; its exchange.
    fn send(&self, message: &str) -> String {
        let answer = Mllp::connect(self.gateway.mllp.unwrap()).unwrap().send(message).unwrap();
        assert_eq!(field(&answer, "MSA", 1), "AA", "{answer:?}");
        field(&answer, "MSA", 3).strip_prefix("exchange ").unwrap().to_owned()
    }

    fn exchange(&self, id: &str) -> Value {
        self.administrator().get(&format!("/exchanges/{id}")).json()
    }

    /// Waits until a delivery is in this state.
    fn delivery(&self, id: &str, destination: &str, state: &str) -> Value {
        let administrator = self.administrator();
        let mut found = Value::Null;
        wait_until(&format!("{destination} is {state}"), || {
            let exchange = administrator.get(&format!("/exchanges/{id}")).json();
            let deliveries = exchange["deliveries"].as_array().cloned().unwrap_or_default();
            found = deliveries.into_iter().find(|it| it["destination"] == destination).unwrap_or_default();
            found["state"] == state
        });
        found
    }

    fn consent(&self, id: &str, patient: &str, kind: &str, organisation: &str, purpose: &str) {
        let consent = json!({
            "resourceType": "Consent", "id": id, "status": "active",
            "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
            "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
            "patient": {"reference": patient}, "dateTime": "2024-01-01", "policy": [{"uri": "urn:example:policy"}],
            "provision": {"type": kind, "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": purpose}],
                "actor": [{"role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]},
                    "reference": {"reference": organisation}}]}
        });
        let answer = self.administrator().put(&format!("/fhir/Consent/{id}"), &consent);
        assert!([200, 201].contains(&answer.status), "{}", answer.text());
    }

    fn patient(&self, exchange: &str) -> String {
        self.exchange(exchange)["patient"].as_str().unwrap().to_owned()
    }
}

fn admission(control_id: &str, address: &str) -> String {
    format!(
        "MSH|^~\\&|ADT|NORTH|A|B|20260301101500+0100||ADT^A08^ADT_A01|{control_id}|P|2.5.1\r\
         EVN|A08|20260301101500+0100\r\
         PID|1||FLOW-1^^^NORTH^MR||EXAMPLE^ANNA||19700101|F|||{address}\r\
         PV1|1|I|W^1^A\r"
    )
}

#[test]
fn withheld_without_consent_then_forwarded_in_the_form_of_each_partner() {
    let site = Site::start();
    let first = site.send(&admission("F1", "1 FIRST STREET"));
    for destination in ["clinic", "insurer"] {
        let delivery = site.delivery(&first, destination, "withheld");
        assert!(delivery["decision"].as_str().unwrap().starts_with("deny"), "{delivery}");
    }
    assert_eq!(site.exchange(&first)["state"], "withheld");
    assert_eq!((site.clinic.asked(), site.insurer.asked()), (0, 0));

    let patient = site.patient(&first);
    site.consent("for-clinic", &patient, "permit", "Organization/clinic", "TREAT");
    let second = site.send(&admission("F2", "2 SECOND STREET"));
    site.delivery(&second, "clinic", "delivered");
    site.delivery(&second, "insurer", "withheld");
    assert_eq!(site.exchange(&second)["state"], "partly-withheld");
    let bundle: Value = serde_json::from_str(&site.clinic.taken()[0]).unwrap();
    assert_eq!((&bundle["resourceType"], &bundle["type"]), (&json!("Bundle"), &json!("transaction")));
    assert!(bundle.to_string().contains("2 SECOND STREET"));
    for kind in ["AuditEvent", "Provenance", "Consent"] {
        assert!(!bundle.to_string().contains(&format!("\"resourceType\":\"{kind}\"")), "{kind} is ours");
    }

    site.consent("for-insurer", &patient, "permit", "Organization/insurer", "HPAYMT");
    let replayed = site.administrator().send("POST", &format!("/exchanges/{second}/replay"), &[], b"");
    assert_eq!(replayed.status, 202, "{}", replayed.text());
    site.delivery(&second, "insurer", "delivered");
    assert_eq!(site.exchange(&second)["state"], "done");
    let message = site.insurer.taken().remove(0);
    assert_eq!(field(&message, "MSH", 9), "ADT^A08^ADT_A01");
    assert!(field(&message, "PID", 3).starts_with("FLOW-1"), "{message:?}");
    assert_eq!(site.clinic.taken().len(), 1, "what was delivered is not delivered again");
}

#[test]
fn consent_is_asked_anew_for_each_attempt() {
    let site = Site::start();
    let patient = site.patient(&site.send(&admission("N1", "1 FIRST STREET")));
    site.consent("c", &patient, "permit", "Organization/clinic", "TREAT");
    site.clinic.is(Mood::NotNow);
    let id = site.send(&admission("N2", "2 SECOND STREET"));
    wait_until("the first attempt", || site.clinic.asked() > 0);
    site.consent("c", &patient, "deny", "Organization/clinic", "TREAT");
    site.clinic.is(Mood::Takes);
    site.delivery(&id, "clinic", "withheld");
    assert_eq!(site.clinic.taken().len(), 0, "withdrawn between two attempts");
}

#[test]
fn order_is_kept_while_a_partner_is_down() {
    let site = Site::start();
    let patient = site.patient(&site.send(&admission("O0", "0 STREET")));
    site.consent("c", &patient, "permit", "Organization/clinic", "TREAT");
    site.clinic.is(Mood::NotNow);
    let sent: Vec<String> = (1..=5).map(|n| site.send(&admission(&format!("O{n}"), &format!("{n} STREET")))).collect();
    wait_until("an attempt", || site.clinic.asked() > 0);
    assert!(site.exchange(&sent[0])["state"] == "delivering");
    site.clinic.is(Mood::Takes);
    site.delivery(&sent[4], "clinic", "delivered");
    let taken = site.clinic.taken();
    assert_eq!(taken.len(), 5);
    for (n, bundle) in (1..).zip(taken) {
        assert!(bundle.contains(&format!("\"{n} STREET\"")), "message {n} out of order");
    }
}

#[test]
fn what_a_partner_refuses_is_dead_until_a_person_replays_it() {
    let site = Site::start();
    let patient = site.patient(&site.send(&admission("D1", "1 FIRST STREET")));
    site.consent("c", &patient, "permit", "Organization/insurer", "HPAYMT");
    site.insurer.is(Mood::Refuses);
    let id = site.send(&admission("D2", "2 SECOND STREET"));
    let delivery = site.delivery(&id, "insurer", "dead");
    assert_eq!((site.exchange(&id)["state"].as_str(), delivery["attempts"].as_u64()), (Some("dead"), Some(1)));
    assert!(delivery["last_error"].as_str().unwrap().contains("AR"), "{delivery}");
    site.insurer.is(Mood::Takes);
    assert_eq!(site.administrator().send("POST", &format!("/exchanges/{id}/replay"), &[], b"").status, 202);
    site.delivery(&id, "insurer", "delivered");
}

#[test]
fn deliveries_go_on_after_a_kill() {
    let mut site = Site::start();
    let patient = site.patient(&site.send(&admission("K1", "1 FIRST STREET")));
    site.consent("c", &patient, "permit", "Organization/clinic", "TREAT");
    site.clinic.is(Mood::NotNow);
    let id = site.send(&admission("K2", "2 SECOND STREET"));
    wait_until("the first attempt", || site.clinic.asked() > 0);
    site.gateway = site.gateway.kill_and_reopen();
    site.clinic.is(Mood::Takes);
    site.delivery(&id, "clinic", "delivered");
}

#[test]
fn the_record_commits_to_the_bytes_and_the_patient_and_reveals_neither() {
    let site = Site::start();
    let message = admission("L1", "1 FIRST STREET");
    let id = site.send(&message);
    let http = Http::to(site.gateway.http.unwrap());
    let mut receipt = String::new();
    wait_until("the receipt", || {
        let answer = http.get(&format!("/ledger/receipts/{id}"));
        receipt = answer.text();
        answer.status == 200
    });
    let parsed = ledger::receipt::Receipt::parse(receipt.as_bytes()).unwrap();
    let record = Record::parse(&parsed.extra.unwrap()).unwrap();
    assert_eq!((record.exchange.to_string(), record.outcome.as_str()), (id.clone(), "stored"));
    let auditor = site.gateway.token(&["--role", "auditor", "--purpose", "HOPERAT"]);
    let opening = http.with(&auditor).get(&format!("/exchanges/{id}/opening")).json();
    let salt = |label: &str| {
        let commitments = opening["commitments"].as_array().unwrap();
        let hex = commitments.iter().find(|it| it["label"] == label).unwrap()["salt"].as_str().unwrap().to_owned();
        let bytes: Vec<u8> = (0..32).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect();
        Salt::new(bytes.try_into().unwrap())
    };
    assert_eq!(record.commitment(Label::In), Some(commit(&salt("in"), Label::In, message.as_bytes())));
    let patient = site.patient(&id);
    assert_eq!(record.commitment(Label::Patient), Some(commit(&salt("patient"), Label::Patient, patient.as_bytes())));
}

#[test]
fn a_receiver_gets_the_version_and_the_delimiters_it_reads() {
    let registry = Partner::mllp();
    let gateway = Gateway::start(&configuration(&format!(
        r#"
[consent]
implicit_policy = "permit-all"

[[source]]
name = "ward"
transport = "mllp"
format = "hl7v2"
authorities = {{ NORTH = "urn:oid:2.999.7" }}
destinations = ["registry"]

[[destination]]
name = "registry"
transport = "mllp"
address = "{}"
recipient = ["Organization/registry"]
hl7_version = "2.3"
hl7_delimiters = '|$~\&'
"#,
        registry.address
    )));
    let answer = Mllp::connect(gateway.mllp.unwrap()).unwrap().send(&admission("V1", "1 FIRST STREET")).unwrap();
    assert_eq!(field(&answer, "MSA", 1), "AA", "{answer:?}");
    wait_until("the delivery", || !registry.taken().is_empty());
    let message = registry.taken().remove(0);
    assert_eq!(field(&message, "MSH", 2), "$~\\&");
    assert_eq!(field(&message, "MSH", 12), "2.3");
    assert_eq!(field(&message, "MSH", 9), "ADT$A08", "version 2.3 knows no structure");
    assert!(field(&message, "PID", 3).starts_with("FLOW-1$$$NORTH"), "the sender's own name comes back: {message:?}");
}

#[test]
fn a_batch_over_http_is_an_exchange_for_each_message() {
    let site = Site::start();
    let body = format!("FHS|^~\\&|X\rBHS|^~\\&|X\r{}{}BTS|2\rFTS|1\r", admission("B1", "1"), admission("B2", "2"));
    let answer =
        site.administrator().send("POST", "/ingest/upload", &[("Content-Type", "application/hl7-v2")], body.as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(answer.header("location").unwrap().starts_with("/exchanges/"));
    for control_id in ["B1", "B2"] {
        let found = site.administrator().get(&format!("/exchanges?message-control-id={control_id}")).json();
        assert_eq!(found["total"], 1, "{control_id}");
    }
}

#[test]
fn a_store_restored_from_an_older_copy_takes_nothing_in() {
    let mut site = Site::start();
    site.send(&admission("R1", "1 FIRST STREET"));
    let http = Http::to(site.gateway.http.unwrap());
    wait_until("a seal", || http.get("/ledger/checkpoint").status == 200);
    assert_eq!(site.gateway.terminate(), Some(0));
    std::fs::remove_dir_all(site.gateway.data().join("store")).unwrap();
    site.gateway = site.gateway.reopen();
    let http = Http::to(site.gateway.http.unwrap());
    assert_eq!(http.get("/health/ready").status, 503);
    let answer = Mllp::connect(site.gateway.mllp.unwrap()).unwrap().send(&admission("R2", "2")).unwrap();
    assert_eq!(field(&answer, "MSA", 1), "AE", "{answer:?}");
    let headers = [("Content-Type", "application/hl7-v2")];
    let answer = site.administrator().send("POST", "/ingest/upload", &headers, admission("R3", "3").as_bytes());
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(http.get("/health/live").status, 200);
}
