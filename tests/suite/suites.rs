//! `anchorline conformance run` as users and build servers meet it: exit status, standard output, files.

use std::process::{Command, Output};

use serde_json::Value;
use tests::process::{Gateway, configuration, program};

fn run(arguments: &[&str]) -> Output {
    Command::new(program()).args(["conformance", "run"]).args(arguments).output().expect("the program starts")
}

const SCRIPT: &str = r#"{"resourceType":"TestScript","name":"Sample","status":"active","test":[
    {"name":"unknown id","action":[
    {"operation":{"type":{"code":"read"},"resource":"Patient","encodeRequestUrl":true,"params":"/none"}},
    {"assert":{"label":"404","responseCode":"CODE","warningOnly":false}}]}]}"#;

#[test]
fn a_run_says_what_holds_and_what_does_not() {
    let gateway = Gateway::start(&configuration("").replace("\"development\"", "\"open\""));
    let base = format!("http://{}/fhir", gateway.http.expect("plain HTTP is configured"));
    for (code, status) in [("404", 0), ("200", 1)] {
        let folder = gateway.scratch().join(code);
        std::fs::create_dir(&folder).expect("a folder");
        let script = folder.join("script.json");
        std::fs::write(&script, SCRIPT.replace("CODE", code)).expect("the script is written");
        let (script, out) = (script.display().to_string(), folder.join("out").display().to_string());
        let junit = folder.join("junit.xml").display().to_string();
        let secret = "--token=a-secret-of-the-test";
        let output = run(&[
            "--suite",
            "testscript",
            "--base",
            &base,
            secret,
            "--out",
            &out,
            "--junit",
            &junit,
            "--format",
            "json",
            &script,
        ]);
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).expect("nothing but the report");
        assert_eq!(report["outcome"], if status == 0 { "passed" } else { "failed" });
        for file in ["out/report.json", "out/report.xml", "out/report.html", "junit.xml"] {
            let text = std::fs::read_to_string(folder.join(file)).expect("the report is written");
            assert!(text.contains("unknown id"), "{file}");
            assert!(!text.contains("a-secret-of-the-test"), "{file}");
            assert_eq!(text.contains("curl -sS"), status == 1, "{file}");
        }
    }
}

#[test]
fn what_cannot_be_understood_is_said_in_one_line() {
    for arguments in [
        &["--suite", "no-such-suite", "--base", "http://127.0.0.1:1/fhir"][..],
        &["--suite", "testscript", "--base", "http://127.0.0.1:1/fhir"],
        &["--suite", "us-core", "--base", "http://127.0.0.1:1/fhir"],
        &["--suite", "fhir-base", "--base", "127.0.0.1"],
        &["--suite", "fhir-base", "--base", "http://127.0.0.1:1/fhir", "--timeout", "soon"],
        &["--suite", "fhir-base", "--base", "http://127.0.0.1:1/fhir", "--ca", "/nowhere.pem"],
        &["--suite", "fhir-base", "--base", "http://127.0.0.1:1/fhir", "--header", "X"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.starts_with("anchorline: ") && said.lines().count() == 1, "{arguments:?}: {said}");
    }
}

#[test]
fn a_system_that_is_not_there_is_no_success() {
    let output = run(&["--suite", "fhir-base", "--base", "http://127.0.0.1:1/fhir", "--timeout", "1s"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("no connection"));
}

#[test]
fn a_certificate_has_to_be_trusted_or_on_loopback_and_waved_through() {
    let gateway = Gateway::start(&configuration("").replace("\"development\"", "\"open\""));
    let base = format!("https://{}/fhir", gateway.https.expect("HTTPS is configured"));
    let script = gateway.scratch().join("script.json");
    std::fs::write(&script, SCRIPT.replace("CODE", "404")).expect("the script is written");
    let script = script.display().to_string();
    let certificate = gateway.data().join("keys/tls-certificate.pem").display().to_string();
    let arguments = ["--suite", "testscript", "--base", &base, "--timeout", "10s"];
    for (more, status) in [(vec![], 1), (vec!["--ca", &certificate], 0), (vec!["--insecure"], 0)] {
        let mut all = arguments.to_vec();
        all.extend(more.iter().copied());
        all.push(&script);
        let output = run(&all);
        assert_eq!(output.status.code(), Some(status), "{more:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
