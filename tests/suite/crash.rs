//! SIGKILL at random moments under load: no acknowledged message is lost, none is there twice, the ledger verifies.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tests::http::Http;
use tests::mllp::{Mllp, field};
use tests::process::{Gateway, configuration, run, wait_until};

const SENDERS: usize = 4;

/// Kills in a run; `ANCHORLINE_KILLS` sets more.
fn kills() -> usize {
    std::env::var("ANCHORLINE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

fn message(number: u64) -> String {
    format!(
        "MSH|^~\\&|CRASH|NORTH|ANCHORLINE|GATEWAY|20260301101500+0100||ADT^A01^ADT_A01|K{number}|P|2.5.1\r\
         EVN|A01|20260301101400+0100\r\
         PID|1||P{patient}^^^NORTH^MR||Testfall{patient}^Vera||19800101|F\r\
         PV1|1|I|W1^2^A|||||||||||||||||V{number}^^^NORTH^VN\r",
        patient = number % 50,
    )
}

/// Acknowledged control ids, with the exchange each was given.
type Acknowledged = Arc<Mutex<BTreeMap<u64, String>>>;

/// Sends until told to stop or the connection breaks; what was sent but not answered is sent again by the next round.
fn sender(
    address: SocketAddr,
    next: &AtomicU64,
    stop: &AtomicBool,
    acknowledged: &Acknowledged,
    unanswered: &Mutex<Vec<u64>>,
) {
    let Ok(mut connection) = Mllp::connect(address) else { return };
    while !stop.load(Ordering::Relaxed) {
        let number = unanswered.lock().unwrap().pop().unwrap_or_else(|| next.fetch_add(1, Ordering::Relaxed));
        match connection.send(&message(number)) {
            Ok(answer) => {
                assert_eq!(field(&answer, "MSA", 1), "AA", "{answer:?}");
                assert_eq!(field(&answer, "MSA", 2), format!("K{number}"));
                let exchange = field(&answer, "MSA", 3).trim_start_matches("exchange ").to_owned();
                let before = acknowledged.lock().unwrap().insert(number, exchange.clone());
                assert!(before.is_none_or(|before| before == exchange), "K{number} has two exchanges");
            }
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "no answer to K{number} in time");
                unanswered.lock().unwrap().push(number);
                return;
            }
        }
    }
}

/// A small generator: the moments of the kills differ from run to run of the program, not from run to run of the test.
fn moments(seed: u64) -> impl Iterator<Item = Duration> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis(30 + (state >> 33) % 700)
    })
}

#[test]
fn killed_under_load_it_loses_and_doubles_nothing() {
    let mut gateway =
        Gateway::start(&configuration("[[source]]\nname = \"ward\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\n"));
    let (next, acknowledged) = (Arc::new(AtomicU64::new(1)), Acknowledged::default());
    let unanswered = Arc::new(Mutex::new(Vec::new()));
    for moment in moments(2026).take(kills()) {
        let address = gateway.mllp.expect("MLLP listens");
        let stop = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                let (next, stop) = (Arc::clone(&next), Arc::clone(&stop));
                let (acknowledged, unanswered) = (Arc::clone(&acknowledged), Arc::clone(&unanswered));
                std::thread::spawn(move || sender(address, &next, &stop, &acknowledged, &unanswered))
            })
            .collect();
        std::thread::sleep(moment);
        gateway.kill();
        stop.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.join().expect("a sender's assertions hold");
        }
        gateway = gateway.reopen();
        verify_ledger(&gateway);
    }
    let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
    assert!(acknowledged.len() > kills(), "the load was too small to say anything: {}", acknowledged.len());
    each_is_there_once(&gateway, &acknowledged);
    each_repeat_gets_the_stored_answer(&gateway, &acknowledged);
    let status = gateway.terminate();
    assert_eq!(status, Some(0));
    let check = run(&["store", "check", "--data", &gateway.data().display().to_string()]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

fn each_is_there_once(gateway: &Gateway, acknowledged: &BTreeMap<u64, String>) {
    let auditor = gateway.token(&["--role", "auditor", "--purpose", "HOPERAT", "--actor", "Practitioner/auditor"]);
    let http = Http::to(gateway.http.expect("HTTP listens")).with(&auditor);
    for (number, exchange) in acknowledged {
        let answer = http.get(&format!("/exchanges?message-control-id=K{number}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let found = answer.json();
        assert_eq!(found["total"], 1, "K{number}: {found}");
        assert_eq!(found["exchanges"][0]["id"], exchange.as_str(), "K{number}");
    }
}

fn each_repeat_gets_the_stored_answer(gateway: &Gateway, acknowledged: &BTreeMap<u64, String>) {
    let mut connection = Mllp::connect(gateway.mllp.expect("MLLP listens")).unwrap();
    for (number, exchange) in acknowledged.iter().rev().take(20) {
        let answer = connection.send(&message(*number)).unwrap();
        assert_eq!(field(&answer, "MSA", 1), "AA");
        assert_eq!(field(&answer, "MSA", 3), format!("exchange {exchange}"));
    }
}

fn verify_ledger(gateway: &Gateway) {
    let key = gateway.scratch().join("ledger.pem");
    let data = gateway.data().display().to_string();
    let printed = run(&["ledger", "pubkey", "--data", &data]);
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    std::fs::write(&key, &printed.stdout).unwrap();
    let log = gateway.data().join("ledger").display().to_string();
    let mut said = String::new();
    wait_until("a checkpoint after the restart", || gateway.data().join("ledger/checkpoint").exists());
    let output = run(&["ledger", "verify", "--log", &log, "--key", &key.display().to_string()]);
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
}
