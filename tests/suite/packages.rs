//! Mapping packages of the site: from folders, changed while messages flow, and refused without harm.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tests::http::Http;
use tests::mllp::{Mllp, field};
use tests::process::{Gateway, configuration, run, wait_until};

const MANIFEST: &str = r#"
name = "ward"
version = "1"
format = "hl7v2"
description = "Local patient classes of an invented ward"
extends = "hl7v2-base"
"#;

/// Writes the package `ward` under a folder: the local patient class Q becomes `code`.
fn package(folder: &Path, code: &str) {
    let ward = folder.join("ward");
    fs::create_dir_all(ward.join("codes")).unwrap();
    fs::write(ward.join("package.toml"), MANIFEST).unwrap();
    table(folder, &format!("Q,http://terminology.hl7.org/CodeSystem/v3-ActCode,{code},,,own\n"));
}

/// Puts another table in place at once, as the documentation says.
fn table(folder: &Path, rows: &str) {
    let path = folder.join("ward/codes/PatientClass.csv");
    let new = folder.join("ward/codes/.new");
    fs::write(&new, format!("code,system,target,display,equivalence,guide\n{rows}")).unwrap();
    fs::rename(new, path).unwrap();
}

fn site(watch: &str) -> String {
    configuration(&format!(
        "[mappings]\nwatch = \"{watch}\"\n\n[[source]]\nname = \"ward\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\npackages = [\"ward\"]\n"
    ))
}

fn admission(number: &str) -> String {
    format!(
        "MSH|^~\\&|ADT|NORTH|A|B|20260301101500+0100||ADT^A01^ADT_A01|C{number}|P|2.5.1\r\
         EVN|A01|20260301101500+0100\r\
         PID|1||P-{number}^^^NORTH^MR||EXAMPLE^ANNA||19700101|F\r\
         PV1|1|Q|W^1^A||||||||||||||||V-{number}\r"
    )
}

fn send(gateway: &Gateway, number: &str) -> String {
    let answer = Mllp::connect(gateway.mllp.unwrap()).unwrap().send(&admission(number)).unwrap();
    assert_eq!(field(&answer, "MSA", 1), "AA", "{answer:?}");
    field(&answer, "MSA", 3).strip_prefix("exchange ").unwrap().to_owned()
}

fn administrator(gateway: &Gateway) -> Http {
    Http::to(gateway.http.unwrap()).with(&gateway.administrator())
}

/// The digest of the package that mapped an exchange.
fn digest(administrator: &Http, exchange: &str) -> String {
    let exchange = administrator.get(&format!("/exchanges/{exchange}")).json();
    assert_eq!(exchange["mapping"]["package"]["name"], "ward", "{exchange}");
    exchange["mapping"]["package"]["digest"].as_str().unwrap().to_owned()
}

fn report(administrator: &Http) -> Value {
    administrator.get("/packages").json()
}

fn in_use(administrator: &Http) -> String {
    let report = report(administrator);
    let packages = report["packages"].as_array().unwrap();
    packages.iter().find(|it| it["name"] == "ward").unwrap()["digest"].as_str().unwrap().to_owned()
}

#[test]
fn a_package_of_the_data_directory_serves_a_source_and_is_told() {
    let home = tempfile::tempdir().unwrap();
    package(home.path(), "AMB");
    let text =
        site("off").replace("[mappings]\n", &format!("[mappings]\ndirectories = [\"{}\"]\n", home.path().display()));
    let gateway = Gateway::start(&text);
    let administrator = administrator(&gateway);
    let exchange = send(&gateway, "1");
    assert_eq!(digest(&administrator, &exchange), in_use(&administrator));
    let http = Http::to(gateway.http.unwrap());
    assert_eq!(http.get("/packages").status, 401);
    let clinician = http.with(&gateway.clinician("Practitioner/1"));
    assert_eq!((clinician.get("/packages").status, clinician.post("/packages/reload", &json!({})).status), (403, 403));
    let auditor = http.with(&gateway.token(&["--role", "auditor", "--purpose", "HOPERAT"]));
    assert_eq!((auditor.get("/packages").status, auditor.post("/packages/reload", &json!({})).status), (200, 403));
}

#[test]
fn a_table_is_changed_under_load_and_no_message_is_lost() {
    let home = tempfile::tempdir().unwrap();
    package(home.path(), "AMB");
    let text =
        site("off").replace("[mappings]\n", &format!("[mappings]\ndirectories = [\"{}\"]\n", home.path().display()));
    let gateway = Arc::new(Gateway::start(&text));
    let administrator = administrator(&gateway);
    let first = in_use(&administrator);
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let (gateway, stop) = (Arc::clone(&gateway), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut connection = Mllp::connect(gateway.mllp.unwrap()).unwrap();
                let mut sent = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let answer = connection.send(&admission(&format!("{sender}-{}", sent.len()))).unwrap();
                    assert_eq!(field(&answer, "MSA", 1), "AA", "{answer:?}");
                    sent.push(field(&answer, "MSA", 3).strip_prefix("exchange ").unwrap().to_owned());
                }
                sent
            })
        })
        .collect();
    let total = || administrator.get("/exchanges?source=ward&_count=1").json()["total"].as_u64().unwrap_or(0);
    wait_until("messages by the first table", || total() >= 8);
    // Three ways to have the folders read: here by a signal, then by the interface.
    table(home.path(), "Q,http://terminology.hl7.org/CodeSystem/v3-ActCode,EMER,,,own\n");
    assert!(Command::new("kill").arg("-HUP").arg(gateway.process().to_string()).status().unwrap().success());
    wait_until("the second table", || in_use(&administrator) != first);
    let second = in_use(&administrator);
    let so_far = total();
    wait_until("messages by the second table", || total() >= so_far + 8);
    table(home.path(), "Q,http://terminology.hl7.org/CodeSystem/v3-ActCode,IMP,,,own\n");
    assert_eq!(administrator.post("/packages/reload", &json!({})).status, 200);
    let third = in_use(&administrator);
    let so_far = total();
    wait_until("messages by the third table", || total() >= so_far + 8);
    stop.store(true, Ordering::Relaxed);
    let mut used = Vec::new();
    for sender in senders {
        let sent = sender.join().unwrap();
        let digests: Vec<String> = sent.iter().map(|exchange| digest(&administrator, exchange)).collect();
        // In the order of one connection a table never comes back.
        let order: Vec<usize> = digests
            .iter()
            .map(|digest| [&first, &second, &third].iter().position(|it| *it == digest).unwrap())
            .collect();
        assert!(order.is_sorted(), "{order:?}");
        used.extend(order);
    }
    assert!([0, 1, 2].iter().all(|table| used.contains(table)), "each table mapped something");
    assert_eq!(total(), used.len() as u64, "every message is there, and once");
}

#[test]
fn a_folder_is_watched_and_a_broken_table_changes_nothing() {
    let gateway = Gateway::start(&configuration(
        "[mappings]\nwatch = \"50ms\"\n\n[[source]]\nname = \"ward\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\n",
    ));
    let administrator = administrator(&gateway);
    let folder = gateway.data().join("packages");
    package(&folder, "AMB");
    wait_until("the new package", || report(&administrator).to_string().contains("\"ward\""));
    let before = in_use(&administrator);
    table(&folder, "Q,http://terminology.hl7.org/CodeSystem/v3-ActCode,AMB,,nonsense,own\nR,,\n");
    wait_until("the errors", || !report(&administrator)["errors"].as_array().unwrap().is_empty());
    let errors = report(&administrator)["errors"].clone();
    let first = &errors[0];
    assert!(first["file"].as_str().unwrap().ends_with("ward/codes/PatientClass.csv"), "{errors}");
    assert!(first["line"].as_u64().unwrap() >= 2 && !first["message"].as_str().unwrap().is_empty(), "{errors}");
    assert_eq!(in_use(&administrator), before);
    let refused = administrator.post("/packages/reload", &json!({}));
    assert_eq!((refused.status, refused.json()["resourceType"].as_str()), (422, Some("OperationOutcome")));
    let ready = administrator.get("/health/ready");
    assert_eq!(ready.status, 200);
    assert!(ready.text().contains("those before stay in use"), "{}", ready.text());
    assert!(gateway.log().contains("mapping packages are not taken"));
    send(&gateway, "1");
    table(&folder, "Q,http://terminology.hl7.org/CodeSystem/v3-ActCode,EMER,,,own\n");
    wait_until("the mended table", || report(&administrator)["errors"].as_array().unwrap().is_empty());
    assert_ne!(in_use(&administrator), before);
}

#[test]
fn check_config_names_file_and_line_and_start_refuses_alike() {
    let home = tempfile::tempdir().unwrap();
    package(home.path(), "AMB");
    let file = home.path().join("anchorline.toml");
    let text = site("off").replace("packages = [\"ward\"]", "packages = [\"./ward\"]");
    fs::write(&file, &text).unwrap();
    let data = home.path().join("data");
    let check = || run(&["check-config", file.to_str().unwrap(), "--data", data.to_str().unwrap()]);
    let fine = check();
    assert!(fine.status.success(), "{fine:?}");
    assert!(String::from_utf8_lossy(&fine.stdout).contains("mapping packages of the site: ward"));
    table(home.path(), "Q,x\n");
    let refused = check();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&refused.stdout).contains("ward/codes/PatientClass.csv:2: expected 6 cells"),
        "{refused:?}"
    );
    let start = || run(&["serve", "--config", file.to_str().unwrap(), "--data", data.to_str().unwrap()]);
    let started = start();
    assert_eq!(started.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&started.stderr).contains("PatientClass.csv:2"), "{started:?}");
    fs::write(&file, text.replace("./ward", "wards")).unwrap();
    for output in [check(), start()] {
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success() && said.contains("source[1].packages: there is no package wards"), "{said}");
    }
}
