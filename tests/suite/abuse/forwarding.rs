//! What leaves is decided, filtered, digested and on record before its first byte; without a record nothing leaves.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use ledger::commitment::{Label, Salt, commit_digest};
use ledger::entry::Record;
use ledger::tree::Hash;
use serde_json::{Value, json};
use tests::http::Http;
use tests::process::{Gateway, configuration, wait_until};

use super::{SEEN, consent, observation, patient};

/// A partner that holds each request until it is told what to answer.
struct Partner {
    address: SocketAddr,
    bytes: Arc<AtomicUsize>,
    came: Receiver<Vec<u8>>,
    go: Sender<&'static str>,
}

impl Partner {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let bytes = Arc::<AtomicUsize>::default();
        let (came_in, came) = channel();
        let (go, told) = channel::<&'static str>();
        let counting = Arc::clone(&bytes);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (mut request, mut buffer) = (Vec::new(), [0; 65536]);
                while !String::from_utf8_lossy(&request).ends_with("]}") {
                    match stream.read(&mut buffer) {
                        Ok(count) if count > 0 => {
                            counting.fetch_add(count, Ordering::SeqCst);
                            request.extend_from_slice(&buffer[..count]);
                        }
                        _ => break,
                    }
                }
                let at = request.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
                if came_in.send(request.split_off(at)).is_err() {
                    return;
                }
                let status = told.recv().unwrap_or("503 Later");
                let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}");
            }
        });
        Self { address, bytes, came, go }
    }

    fn request(&self) -> Vec<u8> {
        self.came.recv_timeout(Duration::from_secs(60)).expect("the partner is asked")
    }

    fn answer(&self, status: &'static str) {
        self.go.send(status).unwrap();
    }

    fn heard(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }

    fn configuration(&self, more: &str) -> String {
        configuration(&format!(
            "{more}[[source]]\nname = \"portal\"\ntransport = \"http\"\nformat = \"fhir-r4\"\nids = \"kept\"\ndestinations = [\"clinic\"]\n\n\
             [[destination]]\nname = \"clinic\"\ntransport = \"fhir\"\naddress = \"http://{}/fhir\"\nrecipient = [\"Organization/clinic\"]\n\
             purpose = [\"TREAT\"]\n",
            self.address
        ))
    }
}

/// A permit for the partner.
fn for_clinic(kind: &str, issued: &str) -> Value {
    let mut permit = consent("fc", "fwd", kind, issued);
    permit["provision"]["actor"][0]["reference"]["reference"] = json!("Organization/clinic");
    permit
}

fn send(gateway: &Gateway, text: &str) -> String {
    let source = gateway.token(&["--role", "source", "--purpose", "TREAT", "--actor", "Device/portal"]);
    let bundle = json!({"resourceType": "Bundle", "type": "collection",
        "entry": [{"resource": patient("fwd", SEEN)}, {"resource": observation("fwd-o", "fwd", text)}]});
    let answer = Http::to(gateway.http.unwrap()).with(&source).post("/ingest/portal", &bundle);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

fn delivery(administrator: &Http, exchange: &str) -> Value {
    administrator.get(exchange).json()["deliveries"][0].clone()
}

fn permit(administrator: &Http, kind: &str, issued: &str) -> u64 {
    let put = administrator.put("/fhir/Consent/fc", &for_clinic(kind, issued));
    assert!(matches!(put.status, 200 | 201), "{}", put.text());
    put.json()["meta"]["versionId"].as_str().unwrap().parse().unwrap()
}

/// The entries of the ledger, by number.
fn records(http: &Http, size: usize) -> Vec<Record> {
    let mut bytes = http.get(&format!("/ledger/tile/entries/000.p/{size}")).body;
    let mut records = Vec::new();
    while bytes.len() >= 2 {
        let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
        records.push(Record::parse(&bytes[2..2 + length]).unwrap());
        bytes.drain(..2 + length);
    }
    records
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().try_into().unwrap()
}

fn unhex(text: &str) -> [u8; 32] {
    let bytes: Vec<u8> = (0..32).map(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

#[test]
fn a_disclosure_is_on_record_with_its_decision_before_the_first_byte() {
    let partner = Partner::start();
    let gateway = Gateway::start(&partner.configuration(""));
    let http = Http::to(gateway.http.unwrap());
    let administrator = http.with(&gateway.administrator());
    let auditor = http.with(&gateway.token(&["--role", "auditor", "--purpose", "HOPERAT"]));
    let first = send(&gateway, "one");
    wait_until("withheld", || delivery(&administrator, &first)["state"] == "withheld");
    permit(&administrator, "permit", "2026-01-01");
    let version = permit(&administrator, "permit", "2026-01-02");
    let exchange = send(&gateway, "two");
    let id = exchange.trim_start_matches("/exchanges/").to_owned();
    // The partner has read it and has not answered: what the gateway knows now it knew before the first byte.
    let sent = partner.request();
    let known = administrator.get(&exchange).json();
    let index = known["ledger_records"].as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).max().unwrap();
    assert_eq!(known["ledger_records"].as_array().map(Vec::len), Some(2), "the arrival and the disclosure: {known}");
    let decision = known["deliveries"][0]["decision"].as_str().unwrap().to_owned();
    assert!(
        decision.starts_with("permit") && decision.contains(&format!("Consent/fc/_history/{version}#")),
        "{decision}"
    );
    let events = auditor.get("/fhir/AuditEvent?_count=1000").json();
    let about = |event: &&Value| event.to_string().contains(&id) && event.to_string().contains("decision-sha256");
    let entries = events["entry"].as_array().unwrap();
    let event = entries.iter().map(|it| &it["resource"]).find(about).unwrap_or_else(|| panic!("no event of {id}"));
    let details: Vec<&Value> = event["entity"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|it| it["detail"].as_array().into_iter().flatten())
        .collect();
    let detail = |name: &str| {
        let found = details.iter().find(|it| it["type"] == name).unwrap_or_else(|| panic!("no {name}: {event}"));
        found["valueString"].as_str().unwrap().to_owned()
    };
    assert!(decision.starts_with(&detail("decision")), "{event}");
    assert!(
        events.to_string().contains(&format!("Consent/fc/_history/{version}")),
        "the version that decided: {events}"
    );
    partner.answer("200 OK");
    wait_until("delivered", || delivery(&administrator, &exchange)["state"] == "delivered");
    // The record says the same to whoever has the opening: these bytes, by this decision, about this patient.
    let mut size = 0;
    wait_until("the record is sealed", || {
        let note = http.get("/ledger/checkpoint").text();
        size = note.lines().nth(1).and_then(|line| line.parse().ok()).unwrap_or(0);
        size > usize::try_from(index).unwrap()
    });
    let record = &records(&http, size)[usize::try_from(index).unwrap()];
    assert_eq!((record.exchange.to_string(), record.outcome.as_str()), (id, "permitted"));
    let opening = auditor.get(&format!("{exchange}/opening")).json();
    let salt = |label: &str| {
        let all = opening["commitments"].as_array().unwrap();
        let found = all
            .iter()
            .find(|it| it["label"] == label && it["index"] == index)
            .unwrap_or_else(|| panic!("{label}: {opening}"));
        Salt::new(unhex(found["salt"].as_str().unwrap()))
    };
    let opened = |label: Label, digest: [u8; 32]| Some(commit_digest(&salt(label.as_str()), label, &Hash::new(digest)));
    assert_eq!(record.commitment(Label::Out), opened(Label::Out, digest(&sent)), "the bytes that left");
    assert_eq!(
        record.commitment(Label::Consent),
        opened(Label::Consent, unhex(&detail("decision-sha256"))),
        "the decision"
    );
    assert_eq!(record.commitment(Label::Patient), opened(Label::Patient, digest(b"Patient/fwd")), "the patient");
    assert_ne!(record.commitment(Label::Consent), opened(Label::Consent, digest(b"another decision")));
}

#[test]
fn a_revocation_between_two_attempts_holds_and_the_same_bytes_are_on_record_once() {
    let partner = Partner::start();
    let gateway = Gateway::start(&partner.configuration(""));
    let administrator = Http::to(gateway.http.unwrap()).with(&gateway.administrator());
    let withheld = send(&gateway, "one");
    wait_until("withheld", || delivery(&administrator, &withheld)["state"] == "withheld");
    permit(&administrator, "permit", "2026-01-01");
    let exchange = send(&gateway, "two");
    let first = partner.request();
    partner.answer("503 Later");
    let second = partner.request();
    assert_eq!(first, second);
    assert_eq!(administrator.get(&exchange).json()["ledger_records"].as_array().map(Vec::len), Some(2));
    // Taken back while the partner is busy with the second attempt; the third never comes.
    permit(&administrator, "deny", "2026-01-02");
    partner.answer("503 Later");
    wait_until("withheld", || delivery(&administrator, &exchange)["state"] == "withheld");
    let heard = partner.heard();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(partner.heard(), heard);
    let records = administrator.get(&exchange).json()["ledger_records"].as_array().map(Vec::len);
    assert_eq!(records, Some(3), "the refusal is on record too");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn nothing_leaves_while_the_ledger_refuses() {
    let partner = Partner::start();
    let mut gateway = Gateway::start(&partner.configuration(""));
    let administrator = |gateway: &Gateway| Http::to(gateway.http.unwrap()).with(&gateway.administrator());
    send(&gateway, "one");
    permit(&administrator(&gateway), "permit", "2026-01-01");
    let waiting = send(&gateway, "two");
    partner.request();
    partner.answer("503 Later");
    assert_eq!(gateway.terminate(), Some(0));
    let (store, older) = (gateway.data().join("store"), gateway.scratch().join("older"));
    copy(&store, &older);
    gateway = gateway.reopen();
    for number in 0..5 {
        permit(&administrator(&gateway), "permit", &format!("2026-02-0{}", number + 1));
    }
    let http = Http::to(gateway.http.unwrap());
    wait_until("the log has grown", || {
        let size = http.get("/ledger/checkpoint").text().lines().nth(1).and_then(|line| line.parse::<u64>().ok());
        size.is_some_and(|size| size > 8)
    });
    // Whatever was tried meanwhile was answered like the first time.
    for _ in 0..8 {
        let _ = partner.go.send("503 Later");
    }
    assert_eq!(gateway.terminate(), Some(0));
    std::fs::remove_dir_all(&store).unwrap();
    copy(&older, &store);
    let heard = partner.heard();
    gateway = gateway.reopen();
    let http = Http::to(gateway.http.unwrap());
    assert_eq!(http.get("/health/ready").status, 503);
    assert_eq!(delivery(&administrator(&gateway), &waiting)["state"], "pending", "there is something to send");
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(partner.heard(), heard, "something left that cannot be anchored");
}

/// A full disk takes no record, so nothing leaves; with room again it goes on by itself.
#[test]
fn nothing_leaves_while_nothing_can_be_put_on_record() {
    let name = "nothing_leaves_while_nothing_can_be_put_on_record";
    let folder = tempfile_folder();
    let mount =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=200m", "tmpfs"]).arg(&folder).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {name} (a small file system cannot be mounted here)");
        return;
    }
    let outcome = std::panic::catch_unwind(|| full_disk(&folder));
    let _ = std::process::Command::new("umount").arg("-l").arg(&folder).status();
    let _ = std::fs::remove_dir(&folder);
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

fn tempfile_folder() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("anchorline-full-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn full_disk(disk: &Path) {
    let partner = Partner::start();
    let gateway = Gateway::start_at(disk, &partner.configuration("[store]\nmin_free = \"8MiB\"\n\n"));
    let administrator = Http::to(gateway.http.unwrap()).with(&gateway.administrator());
    send(&gateway, "one");
    permit(&administrator, "permit", "2026-01-01");
    let exchange = send(&gateway, "two");
    partner.request();
    let ballast = disk.join("ballast");
    let mut filling = std::fs::File::create(&ballast).unwrap();
    let http = Http::to(gateway.http.unwrap());
    wait_until("the disk is seen to be full", || {
        // Again and again: an index that is young frees what it had set aside.
        while filling.write_all(&vec![0xff; 1 << 20]).is_ok() {}
        let written =
            administrator.put("/fhir/Basic/b", &json!({"resourceType": "Basic", "id": "b", "code": {"text": "x"}}));
        matches!(written.status, 503 | 507)
    });
    assert_eq!(http.get("/health/ready").status, 503);
    partner.answer("503 Later");
    // An index that tidies up may free some more, for a moment: what leaves then is on record. It has an end.
    for _ in 0..60 {
        while filling.write_all(&vec![0xff; 1 << 16]).is_ok() {}
        std::thread::sleep(Duration::from_millis(50));
    }
    let heard = partner.heard();
    for _ in 0..100 {
        while filling.write_all(&vec![0xff; 1 << 16]).is_ok() {}
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(partner.heard(), heard, "something left that could not be put on record");
    std::fs::remove_file(&ballast).unwrap();
    drop(filling);
    // The partner may still hold an attempt from before it was quiet.
    wait_until("delivered by itself", || {
        if partner.came.try_recv().is_ok() {
            partner.answer("200 OK");
        }
        delivery(&administrator, &exchange)["state"] == "delivered"
    });
}
