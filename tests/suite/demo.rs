//! The demonstration, as a stranger runs it: from an empty folder, with nothing but the program.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tests::process::program;

/// A debug build on a busy machine takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(180);

/// A running demonstration. Dropping it kills it.
struct Demo(Option<Child>);

impl Drop for Demo {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs `anchorline demo` in `folder`, with nothing of this process's environment but what it needs to start.
fn demo(folder: &Path, arguments: &[&str]) -> Demo {
    let child = Command::new(program())
        .arg("demo")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Demo(Some(child))
}

/// Waits for the end. What is printed fits into the pipe, so nothing needs to read while it runs.
fn output(mut demo: Demo) -> Output {
    let deadline = Instant::now() + PATIENCE;
    while demo.0.as_mut().unwrap().try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "the demonstration did not end");
        std::thread::sleep(Duration::from_millis(50));
    }
    demo.0.take().unwrap().wait_with_output().unwrap()
}

#[test]
fn tells_every_step_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let output = output(demo(folder.path(), &["--exit"]));
    let told = String::from_utf8(output.stdout).unwrap();
    let complained = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{complained}\n{told}");
    assert_eq!(complained, "");
    for line in [
        "withheld: no consent on file permits it, and silence is no consent",
        "resources sent as FHIR: Consent/for-clinic (version 1) permits it",
        "withheld: Consent/for-insurer (version 1) forbids it",
        "OBX[3]-14: expected a timestamp",
        "the same bytes once more: the same AA",
        "resources sent as HL7 v2, its own format: Consent/for-insurer (version 2) permits it",
        "AR (rejected): no mapping package reads the message type ZZZ^Z99",
        "AR (rejected): expected a segment MSH, found none",
        "A practice sends a letter about a man nobody here knows",
        "resources sent as FHIR: Consent/letter-for-clinic (version 1) permits it",
        "400 (not read): line 2",
        "allergies Penicillin G and Peanut",
        "a notice to the patient; a review to be done",
        "15 of 15 hold",
        "one word changed: refused, index",
        "none is missing or changed",
        "Every step held",
    ] {
        assert!(told.contains(line), "expected {line:?} in\n{told}");
    }
    assert!(!told.contains('\u{1b}'), "colours are for terminals");
    assert!(told.lines().count() < 80, "a person reads it in one go");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "its folder is removed");
}

#[test]
fn keeps_receipts_that_verify_where_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let output = output(demo(folder.path(), &["--exit", "--data", "kept"]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let kept = folder.path().join("kept/demo");
    let verify = |receipt: &str| {
        Command::new(program())
            .args(["ledger", "receipt", "verify", "--key"])
            .arg(kept.join("ledger-public-key.pem"))
            .arg(kept.join(receipt))
            .output()
            .unwrap()
    };
    assert!(verify("laboratory-results.receipt").status.success());
    let forged = verify("forged.receipt");
    assert_eq!(forged.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&forged.stderr).contains("index "));
}

#[test]
fn begins_with_nothing_on_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("something"), "else").unwrap();
    let output = output(demo(folder.path(), &["--exit", "--data", "."]));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("expected an empty folder"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was added to it");
}

#[test]
fn stays_up_with_the_console_until_it_is_asked_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = demo(folder.path(), &[]);
    let mut told = String::new();
    let mut stdout = demo.0.as_mut().unwrap().stdout.take().unwrap();
    let mut buffer = [0; 4096];
    while !told.contains("Ctrl-C ends.") {
        let count = stdout.read(&mut buffer).unwrap();
        assert!(count > 0, "it ended: {told}");
        told.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    let address = told.split("/console/").next().and_then(|head| head.rsplit("http://").next());
    let token = told.lines().find(|line| line.starts_with("ey")).unwrap();
    let gateway = tests::http::Http::to(address.unwrap().parse().unwrap());
    assert_eq!(gateway.get("/console/").status, 200);
    let list = gateway.with(token).get("/exchanges");
    assert_eq!(list.status, 200);
    assert!(list.json()["total"].as_u64().unwrap() >= 13);

    let _ = Command::new("kill").arg("-INT").arg(demo.0.as_ref().unwrap().id().to_string()).status();
    assert!(output(demo).status.success());
}
