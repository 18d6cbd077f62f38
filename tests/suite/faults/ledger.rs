//! Faults of a ledger, looked for by the suite `ledger`.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use suites::suite::Suite;
use tests::fault::{Fault, Message, Proxy};
use tests::process::{Gateway, program};

use super::{Tally, Verdict, run};

type Next<'n> = &'n mut dyn FnMut(&Message) -> Message;

fn at(part: &'static str, f: impl Fn(&mut Message) + Send + Sync + 'static) -> Arc<Fault> {
    Arc::new(move |request: Message, next: Next<'_>| {
        let mut answer = next(&request);
        if request.path.contains(part) && answer.status == 200 {
            f(&mut answer);
        }
        answer
    })
}

/// Changes one letter of the last line that begins so: a signature or a hash in base64.
fn forge(text: &str, begins: &str) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    if let Some(line) = lines.iter_mut().rev().find(|line| line.starts_with(begins) && line.len() > 20) {
        let at = line.len() - 8;
        let other = if line.as_bytes()[at] == b'A' { "B" } else { "A" };
        line.replace_range(at..=at, other);
    }
    lines.join("\n")
}

fn faults() -> Vec<(&'static str, Arc<Fault>)> {
    let (first, receipt): (Mutex<Option<Message>>, Mutex<Option<Message>>) = Default::default();
    vec![
        ("the signature is forged", at("/ledger/checkpoint", |answer| answer.body = forge(&answer.body, "\u{2014} "))),
        (
            "the checkpoint's size is another",
            at("/ledger/checkpoint", |answer| {
                let mut lines: Vec<String> = answer.body.split('\n').map(str::to_owned).collect();
                lines[1] = (lines[1].parse::<u64>().unwrap_or_default() + 1).to_string();
                answer.body = lines.join("\n");
            }),
        ),
        (
            "the checkpoint never moves on",
            Arc::new(move |request: Message, next: Next<'_>| {
                if !request.path.contains("/ledger/checkpoint") {
                    return next(&request);
                }
                first.lock().unwrap().get_or_insert_with(|| next(&request)).clone()
            }),
        ),
        ("the checkpoint is not there", at("/ledger/checkpoint", |answer| answer.status = 404)),
        (
            "an entry is changed",
            at("/ledger/tile/entries/", |answer| {
                let mut bytes = answer.bytes().to_vec();
                if let Some(byte) = bytes.last_mut() {
                    *byte ^= 1;
                }
                answer.set_bytes(&bytes);
            }),
        ),
        (
            "a hash of a tile is changed",
            at("/ledger/tile/0/", |answer| {
                let mut bytes = answer.bytes().to_vec();
                if let Some(byte) = bytes.first_mut() {
                    *byte ^= 1;
                }
                answer.set_bytes(&bytes);
            }),
        ),
        (
            "a tile is cut off",
            at("/ledger/tile/0/", |answer| {
                let bytes = answer.bytes().to_vec();
                answer.set_bytes(bytes.get(32..).unwrap_or_default());
            }),
        ),
        (
            "a receipt names another index",
            at("/ledger/receipts/", |answer| {
                let text: Vec<String> = answer
                    .body
                    .split('\n')
                    .map(|line| match line.strip_prefix("index ") {
                        Some(index) => {
                            format!("index {}", index.trim().parse::<u64>().unwrap_or_default().saturating_sub(1))
                        }
                        None => line.to_owned(),
                    })
                    .collect();
                answer.body = text.join("\n");
            }),
        ),
        (
            "a receipt's record is another",
            at("/ledger/receipts/", |answer| answer.body = forge(&answer.body, "extra ")),
        ),
        (
            "every exchange gets the same receipt",
            Arc::new(move |request: Message, next: Next<'_>| {
                if !request.path.contains("/ledger/receipts/") {
                    return next(&request);
                }
                let mut kept = receipt.lock().unwrap();
                let answer = next(&request);
                if answer.status == 200 && kept.is_none() {
                    *kept = Some(answer.clone());
                }
                // The receipt of the first run, kept by the fault before this run began.
                kept.clone().unwrap_or(answer)
            }),
        ),
        ("receipts are never ready", at("/ledger/receipts/", |answer| *answer = Message::answer(202, ""))),
        ("receipts are not there", at("/ledger/receipts/", |answer| *answer = Message::answer(404, ""))),
        (
            "a write names no exchange",
            Arc::new(|request: Message, next: Next<'_>| {
                let mut answer = next(&request);
                answer.set("ledger-exchange", "");
                answer
            }),
        ),
    ]
}

/// Plants every fault and says which the suite missed.
pub(super) fn tally(gateway: &Gateway) -> Tally {
    let started = Instant::now();
    let upstream = gateway.http.expect("plain HTTP is configured");
    let http = tests::http::Http::to(upstream);
    http.put("/fhir/Patient/first", &serde_json::json!({"resourceType": "Patient", "id": "first"}));
    tests::process::wait_until("the first checkpoint", || http.get("/ledger/checkpoint").status == 200);
    let key = gateway.scratch().join("ledger.pem");
    let data = gateway.data();
    let output = std::process::Command::new(program())
        .args(["ledger", "pubkey", "--data"])
        .arg(&data)
        .output()
        .expect("the program starts");
    std::fs::write(&key, output.stdout).expect("the key is written");
    let run = |proxy: &Proxy| -> Verdict {
        run(&Suite::Ledger, &format!("http://{}/fhir", proxy.address), None, |context| {
            context.variables.insert("ledger-key".to_owned(), key.display().to_string());
        })
    };
    let plain = Proxy::http(upstream, Arc::new(|request: Message, next: Next<'_>| next(&request)));
    let sound = run(&plain);
    assert!(sound.holds(), "ledger without a fault:\n{}", sound.problems());
    let again = run(&plain);
    assert!(!again.differs(&sound), "ledger finds a fault where there is none:\n{}", again.problems());
    let mut tally = Tally { planted: 0, missed: Vec::new(), took: Duration::ZERO };
    for (name, fault) in faults() {
        let proxy = Proxy::http(upstream, fault);
        if name == "every exchange gets the same receipt" {
            // Fills the fault's memory with the receipt of another exchange.
            run(&proxy);
        }
        tally.planted += 1;
        if !run(&proxy).differs(&sound) {
            tally.missed.push(name);
        }
    }
    tally.took = started.elapsed();
    tally
}
