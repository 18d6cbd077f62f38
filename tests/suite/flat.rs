//! Flat extracts on the command line: both ways, drafts, and large inputs.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tests::process::program;

fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(program())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writing = std::thread::spawn(move || {
        // A program that refuses its input may close it first.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    output
}

/// Rows of an invented clinic.
fn patients(rows: usize) -> String {
    let mut out = "Patient No;Family name;Given names;Born;Sex;Street;Zip;City;Country\n".to_owned();
    for row in 0..rows {
        out.push_str(&format!("P{row};Family{row};Anna Bea;03.11.1958;F;Lane {row};1401;Town;DK\n"));
    }
    out
}

#[test]
fn a_flat_file_becomes_a_bundle_that_is_valid_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    fs::write(path("patients.csv"), patients(3)).unwrap();
    let (loss, outcome) = (path("loss.json"), path("outcome.json"));
    let made = run(&["convert", "--to", "fhir-r4", "--loss", &loss, "--outcome", &outcome, &path("patients.csv")], b"");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let bundle: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!((bundle["type"].as_str(), bundle["entry"].as_array().map(Vec::len)), (Some("transaction"), Some(3)));
    let loss: Value = serde_json::from_slice(&fs::read(&loss).unwrap()).unwrap();
    assert_eq!((loss["total"].as_u64(), loss["mapped"].as_array().map(Vec::len)), (Some(27), Some(27)));
    assert_eq!(loss["mapped"][0]["at"], "patients:2,Patient No");
    fs::write(path("bundle.json"), &made.stdout).unwrap();
    let valid = run(&["validate", &path("bundle.json")], b"");
    assert!(valid.status.success(), "{}", String::from_utf8_lossy(&valid.stdout));
    let back = run(&["convert", "--to", "csv", "--package", "flat-harbor", &path("bundle.json")], b"");
    assert_eq!(String::from_utf8_lossy(&back.stdout), patients(3));
    let again = run(&["convert", "--from", "csv", "--to", "fhir-r4", "-"], patients(3).as_bytes());
    assert!(again.stdout == made.stdout, "standard input gives other bytes");
}

#[test]
fn a_large_input_is_a_stream_of_resources_whatever_comes_of_single_rows() {
    let mut text = patients(20_000);
    text.push_str("P-last;Family;;31.02.1990;?;;;;\n");
    let made = run(&["convert", "--from", "csv", "--to", "fhir-r4", "-"], text.as_bytes());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let lines: Vec<&[u8]> = made.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 20_001);
    let last: Value = serde_json::from_slice(lines.last().unwrap()).unwrap();
    assert_eq!(last["extension"][0]["valueString"], "31.02.1990");
    let first: Value = serde_json::from_slice(lines[0]).unwrap();
    assert_eq!(
        (first["name"][0]["family"].as_str(), first["resourceType"].as_str()),
        (Some("Family0"), Some("Patient"))
    );
}

#[test]
fn a_header_nobody_knows_is_refused_without_a_word_of_it() {
    let refused = run(&["convert", "--from", "csv", "--to", "fhir-r4", "-"], b"Secretsson,Anna\n1,2\n");
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("mappers draft") && !said.contains("Secretsson"), "{said}");
}

#[test]
fn a_draft_lints_and_converts_the_file_it_is_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let mut text = "mrn|last_name|first_name|dob|sex|test_code|result|units|collected|ward\n".to_owned();
    for row in 0..40 {
        text.push_str(&format!(
            "{}|Quillfeather|Zed|1958-11-{:02}|F|GLU|5.{row}|mmol/L|2024-06-14T07:35:00Z|Blue\n",
            700 + row,
            row % 28 + 1
        ));
    }
    fs::write(path("lab.psv"), &text).unwrap();
    let drafted = run(&["mappers", "draft", &path("lab.psv"), "--name", "quay", "--out", &path("quay")], b"");
    assert!(drafted.status.success(), "{}", String::from_utf8_lossy(&drafted.stderr));
    assert!(String::from_utf8_lossy(&drafted.stdout).contains("delimiter \"|\""));
    let lint = run(&["conformance", "lint", &path("quay")], b"");
    assert!(lint.status.success(), "{}", String::from_utf8_lossy(&lint.stdout));
    let made = run(&["convert", "--to", "fhir-r4", "--package", &path("quay"), &path("lab.psv")], b"");
    let bundle: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(bundle["entry"].as_array().map(Vec::len), Some(80));
    let again = run(&["mappers", "draft", &path("lab.psv"), "--out", &path("quay")], b"");
    assert_eq!(again.status.code(), Some(2), "a folder that is there is not written over");
}

#[test]
fn every_flat_file_of_the_corpus_is_converted_and_accounted_for() {
    let Some(corpus) = tests::corpus("every_flat_file_of_the_corpus_is_converted_and_accounted_for") else { return };
    let folder = corpus.join("flat/reportstream-csv");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "csv") {
            continue;
        }
        count += 1;
        let loss = tempfile::NamedTempFile::new().unwrap();
        let at = loss.path().to_string_lossy().into_owned();
        let made = run(&["convert", "--to", "fhir-r4", "--loss", &at, &path.to_string_lossy()], b"");
        assert!(made.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&made.stderr));
        let loss: Value = serde_json::from_slice(&fs::read(&at).unwrap()).unwrap();
        let of = |name: &str| loss[name].as_array().map_or(0, Vec::len) as u64;
        assert_eq!(loss["total"].as_u64(), Some(of("mapped") + of("kept") + of("dropped")));
        assert!(of("mapped") * 10 > loss["total"].as_u64().unwrap() * 9, "{}: {loss}", path.display());
        assert_eq!(of("dropped"), 0, "{}", path.display());
    }
    assert!(count >= 2);
}
