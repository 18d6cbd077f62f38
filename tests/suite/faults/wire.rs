//! Faults of an MLLP listener, looked for by the suite `mllp`.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use suites::suite::Suite;
use tests::fault::{MllpFault, Proxy, frame};
use tests::mllp::field;
use tests::process::Gateway;

use super::{Tally, Verdict, run};

type Next<'n> = &'n mut dyn FnMut(&str) -> String;

fn answers(f: impl Fn(&str, String) -> String + Send + Sync + 'static) -> Arc<MllpFault> {
    Arc::new(move |message: &str, next: Next<'_>| {
        let answer = next(message);
        frame(&f(message, answer))
    })
}

fn asks(f: impl Fn(&str) -> String + Send + Sync + 'static) -> Arc<MllpFault> {
    Arc::new(move |message: &str, next: Next<'_>| frame(&next(&f(message))))
}

/// An acknowledgement made up without asking anybody.
fn made_up(message: &str, code: &str) -> String {
    let control = field(message, "MSH", 10);
    format!("MSH|^~\\&|GATEWAY|SITE|WARD|SUITE|20260110||ACK|1|P|2.5.1\rMSA|{code}|{control}\r")
}

fn faults() -> Vec<(&'static str, Arc<MllpFault>)> {
    let seen: Mutex<Vec<String>> = Mutex::default();
    vec![
        (
            "AA before anything is stored, and nothing is",
            Arc::new(
                |message: &str, next: Next<'_>| {
                    if message.contains("ADT^A01") { frame(&made_up(message, "AA")) } else { frame(&next(message)) }
                },
            ),
        ),
        (
            "AA for what was refused",
            answers(|_, answer| answer.replace("MSA|AR|", "MSA|AA|").replace("MSA|AE|", "MSA|AA|")),
        ),
        ("AE for what was accepted", answers(|_, answer| answer.replace("MSA|AA|", "MSA|AE|"))),
        (
            "the control id of the answer is another",
            answers(|message, answer| {
                let control = field(message, "MSH", 10);
                if control.is_empty() { answer } else { answer.replace(&format!("MSA|AA|{control}"), "MSA|AA|0815") }
            }),
        ),
        (
            "results are never answered",
            Arc::new(
                |message: &str, next: Next<'_>| {
                    if message.contains("ORU^R01") { Vec::new() } else { frame(&next(message)) }
                },
            ),
        ),
        (
            "the answer's frame has no end",
            Arc::new(|message: &str, next: Next<'_>| {
                let mut bytes = frame(&next(message));
                bytes.truncate(bytes.len().saturating_sub(2));
                bytes
            }),
        ),
        ("the answer is bare, without a frame", Arc::new(|message: &str, next: Next<'_>| next(message).into_bytes())),
        (
            "a repeat is worked again",
            Arc::new(move |message: &str, next: Next<'_>| {
                let mut seen = seen.lock().unwrap();
                if seen.iter().any(|known| known == message) {
                    let again = message.replace("^^^SUITE^MR", "^^^OTHER^MR").replacen(
                        "ADT^A01^ADT_A01|",
                        "ADT^A01^ADT_A01|X",
                        1,
                    );
                    next(&again);
                }
                seen.push(message.to_owned());
                frame(&next(message))
            }),
        ),
        ("the date of birth is a day late", asks(|message| message.replace("|19700101|", "|19700102|"))),
        (
            "only the usual delimiters are read",
            Arc::new(
                |message: &str, next: Next<'_>| {
                    if message.starts_with("MSH|") { frame(&next(message)) } else { frame(&made_up(message, "AR")) }
                },
            ),
        ),
        (
            "a large message is refused",
            Arc::new(
                |message: &str, next: Next<'_>| {
                    if message.len() > 100_000 { frame(&made_up(message, "AR")) } else { frame(&next(message)) }
                },
            ),
        ),
        (
            "every message is answered twice",
            Arc::new(|message: &str, next: Next<'_>| {
                let answer = frame(&next(message));
                [answer.clone(), answer].concat()
            }),
        ),
        ("enhanced mode is answered as original mode", answers(|_, answer| answer.replace("MSA|CA|", "MSA|AA|"))),
        ("the patient's number is another", asks(|message| message.replace("PID|1||", "PID|1||0815"))),
    ]
}

/// Plants every fault and says which the suite missed.
pub(super) fn tally(gateway: &Gateway) -> Tally {
    let started = Instant::now();
    let upstream = gateway.mllp.expect("MLLP is configured");
    let base = format!("http://{}/fhir", gateway.http.expect("plain HTTP is configured"));
    let run =
        |address: String| -> Verdict { run(&Suite::Mllp(None), &base, None, |context| context.mllp = Some(address)) };
    let plain = Proxy::mllp(upstream, Arc::new(|message: &str, next: Next<'_>| frame(&next(message))));
    let sound = run(plain.address.to_string());
    assert!(sound.holds(), "mllp without a fault:\n{}", sound.problems());
    let again = run(plain.address.to_string());
    assert!(!again.differs(&sound), "mllp finds a fault where there is none:\n{}", again.problems());
    let mut tally = Tally { planted: 0, missed: Vec::new(), took: Duration::ZERO };
    for (name, fault) in faults() {
        let proxy = Proxy::mllp(upstream, fault);
        tally.planted += 1;
        if !run(proxy.address.to_string()).differs(&sound) {
            tally.missed.push(name);
        }
    }
    tally.took = started.elapsed();
    tally
}
