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
    has(test, "openssl", "version")
}

fn has(test: &str, tool: &str, version: &str) -> bool {
    let found = Command::new(tool).arg(version).output().is_ok_and(|output| output.status.success());
    if !found {
        let _ = writeln!(std::io::stderr(), "skipped: {test}: {tool} is not installed");
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

/// The shell of the chapter on verifying by hand, as the reader is told to type it.
fn documented_steps() -> String {
    let docs = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ledger.md")).unwrap();
    let (_, chapter) = docs.split_once("## Verify a receipt without any code of ours").unwrap();
    let (chapter, _) = chapter.split_once("\n## ").unwrap();
    let blocks = chapter.split("```sh\n").skip(1).map(|block| block.split_once("```").unwrap().0);
    blocks.collect()
}

#[test]
fn the_documented_steps_verify_a_receipt_by_hand() {
    let test = "the_documented_steps_verify_a_receipt_by_hand";
    if !has_openssl(test) || !has(test, "xxd", "-v") || !has(test, "sha256sum", "--version") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let log = sealed(100);
    put("ledger.pem", log.key().public().to_pem().unwrap().as_bytes());
    put("body.hl7", BODY);
    let steps = documented_steps().replace("SALT", &salt().to_hex());
    for (index, holds) in [(0, true), (42, true), (99, true), (42, false)] {
        let receipt = log.receipt(index).unwrap();
        let other = receipt.replace(&format!("index {index}\n"), "index 43\n");
        put("receipt.tlog-proof", if holds { receipt } else { other }.as_bytes());
        let output = Command::new("sh").arg("-c").arg(&steps).current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.contains("the record is in the signed log"), holds, "{said}");
        assert!(said.contains("Verified OK"), "{said}");
        let id: String = log.key().verifier().id().iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(said.contains(&id), "{said}");
        assert!(said.contains(&commit(&salt(), Label::In, BODY).to_hex()), "{said}");
    }
}
