//! The scripts an outsider runs, with nothing but openssl and the shell, on receipts of ours.

#![expect(clippy::unwrap_used, reason = "a test: every one is a failure of the test")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use ledger::commitment::{Label, Salt, commit};
use ledger::entry::{ExchangeId, Kind, Origin, Outcome, Record, Time};
use ledger::log::Log;
use ledger::sign::SigningKey;
use ledger::store::MemoryStore;

const BODY: &[u8] = b"MSH|^~\\&|LAB|NORTH|GW|SOUTH|20260301||ORU^R01|1|P|2.5.1\r";

fn salt() -> Salt {
    Salt::new([0x5a; 32])
}

fn record(index: u8) -> Vec<u8> {
    let outcome = Outcome::parse("stored").unwrap();
    let id = ExchangeId::new([index; 16]);
    Record::new(origin(), id, Time::from_unix_ms(u64::from(index)), Kind::Arrival, outcome)
        .with_commitment(Label::In, commit(&salt(), Label::In, BODY))
        .to_bytes()
}

fn origin() -> Origin {
    Origin::parse("hospital.example/ledger").unwrap()
}

fn sealed(size: u8) -> Log<MemoryStore> {
    let mut log = Log::open(MemoryStore::default(), SigningKey::from_secret(&[1; 32]).unwrap(), origin()).unwrap();
    log.append_and_seal(0, &(0..size).map(record).collect::<Vec<_>>()).unwrap();
    log
}

/// Whether openssl is there; says by name that `test` is skipped if not.
fn has_openssl(test: &str) -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok_and(|output| output.status.success());
    if !found {
        let _ = writeln!(std::io::stderr(), "skipped: {test}: openssl is not installed");
    }
    found
}

fn run(script: &str, folder: &Path, arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("outsider").join(script);
    Command::new("sh").arg(script).args(arguments).current_dir(folder).output().unwrap()
}

#[track_caller]
fn verify(folder: &Path, receipt: &str) -> Result<String, String> {
    std::fs::write(folder.join("receipt"), receipt).unwrap();
    let output = run("verify-receipt.sh", folder, &["key.pem", "receipt"]);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[test]
fn an_outsider_verifies_receipts_with_openssl_alone() {
    if !has_openssl("an_outsider_verifies_receipts_with_openssl_alone") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for size in [1, 2, 7, 8, 100] {
        let log = sealed(size);
        std::fs::write(folder.path().join("key.pem"), log.key().public().to_pem().unwrap()).unwrap();
        for index in [0, size / 2, size - 1] {
            let said = verify(folder.path(), &log.receipt(u64::from(index)).unwrap()).unwrap();
            let (first, rest) = said.split_once('\n').unwrap();
            assert_eq!(first, format!("verified: entry {index} of the {size} entries of hospital.example/ledger"));
            assert_eq!(rest.trim_end().as_bytes(), record(index));
        }
    }
}

#[test]
fn an_outsider_sees_a_forged_record_proof_root_or_key() {
    if !has_openssl("an_outsider_sees_a_forged_record_proof_root_or_key") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = sealed(7);
    std::fs::write(folder.path().join("key.pem"), log.key().public().to_pem().unwrap()).unwrap();
    let receipt = log.receipt(3).unwrap();
    let other = log.receipt(4).unwrap();
    let line = |text: &str, at: usize| text.lines().nth(at).unwrap().to_owned();
    let forged = [
        (receipt.replace(&line(&receipt, 1), &line(&other, 1)), "index 3:"),
        (receipt.replace("index 3", "index 2"), "index 2:"),
        (receipt.replace(&line(&receipt, 4), &line(&receipt, 5)), "index 3:"),
        (receipt.replace("\n7\n", "\n8\n"), "checkpoint:"),
        (receipt.replace("tlog-proof@v1", "tlog-proof@v9"), "receipt:"),
    ];
    for (text, reason) in forged {
        assert_ne!(text, receipt);
        let said = verify(folder.path(), &text).unwrap_err();
        assert!(said.starts_with(reason), "{said}; expected {reason}");
    }
    let stranger = SigningKey::from_secret(&[2; 32]).unwrap().public().to_pem().unwrap();
    std::fs::write(folder.path().join("key.pem"), stranger).unwrap();
    assert!(verify(folder.path(), &receipt).unwrap_err().starts_with("checkpoint:"));
}

#[test]
fn an_outsider_opens_a_commitment_with_openssl_alone() {
    if !has_openssl("an_outsider_opens_a_commitment_with_openssl_alone") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("record"), record(1)).unwrap();
    std::fs::write(folder.path().join("body"), BODY).unwrap();
    let opens = |label: &str, salt: &str| {
        run("verify-commitment.sh", folder.path(), &["record", label, salt, "body"]).status.success()
    };
    assert!(opens("in", &salt().to_hex()));
    assert!(!opens("out", &salt().to_hex()));
    assert!(!opens("in", &"00".repeat(32)));
    std::fs::write(folder.path().join("body"), [BODY, b"\n"].concat()).unwrap();
    assert!(!opens("in", &salt().to_hex()));
}
