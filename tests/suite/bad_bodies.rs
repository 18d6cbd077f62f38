//! Bodies that are no FHIR, and every published example when something is wrong with it: cut off, with bytes turned over,
//! with a member twice. Always a 4xx with an OperationOutcome, soon, and never a 5xx.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::corpus;
use tests::http::{Answer, Http};
use tests::process::Gateway;

const JSON: &str = "application/fhir+json";
const XML: &str = "application/fhir+xml";
const OPEN: &str =
    "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"\nmllp = \"127.0.0.1:0\"\n\n[auth]\nmode = \"open\"\n";
/// How long an answer may take: a debug build on a machine that does other things, too.
const SOON: Duration = Duration::from_secs(25);

fn open() -> (Gateway, Http) {
    let gateway = Gateway::start(OPEN);
    let http = Http::to(gateway.http.unwrap());
    (gateway, http)
}

/// The doors that take a body of FHIR: method, path, media types.
fn doors() -> Vec<(&'static str, &'static str, &'static [&'static str])> {
    vec![
        ("POST", "/fhir/Patient", &[JSON, XML]),
        ("PUT", "/fhir/Patient/p", &[JSON, XML]),
        ("PUT", "/fhir/Patient?identifier=urn:x|y", &[JSON, XML]),
        ("POST", "/fhir", &[JSON, XML]),
        ("POST", "/fhir/Patient/$validate", &[JSON, XML]),
        ("POST", "/fhir/$process-message", &[JSON, XML]),
        ("POST", "/fhir/Patient/$match", &[JSON, XML]),
        ("PATCH", "/fhir/Patient/p", &["application/json-patch+json", "application/xml-patch+xml", JSON, XML]),
    ]
}

/// Bytes that no reader of FHIR may take, whatever the door.
fn no_fhir() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("nothing", Vec::new()),
        ("a blank", text(" ")),
        ("null", text("null")),
        ("a number", text("1")),
        ("a text", text("\"Patient\"")),
        ("NaN", text(r#"{"resourceType":"Patient","multipleBirthInteger":NaN}"#)),
        ("a lone surrogate", text(r#"{"resourceType":"Patient","id":"p","gender":"\uDC00"}"#)),
        ("a surrogate in a name", text(r#"{"resourceType":"Patient","id":"p","\uD800":1}"#)),
        ("no UTF-8", vec![b'{', b'"', 0xC3, 0x28, b'"', b':', b'1', b'}']),
        ("UTF-16", "{\"resourceType\":\"Patient\"}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("two values", text(r#"{"resourceType":"Patient","id":"p"}{"resourceType":"Patient","id":"p"}"#)),
        ("a comma too many", text(r#"{"resourceType":"Patient","id":"p",}"#)),
        ("a comment", text(r#"{"resourceType":"Patient"/* x */,"id":"p"}"#)),
        ("a member twice", text(r#"{"resourceType":"Patient","id":"p","id":"p"}"#)),
        ("a member twice below", text(r#"{"resourceType":"Patient","id":"p","name":[{"family":"a","family":"b"}]}"#)),
        ("deep lists", text(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)))),
        ("an open element", text(r#"<Patient xmlns="http://hl7.org/fhir"><id value="p"/>"#)),
        ("deep elements", text(&"<extension xmlns=\"http://hl7.org/fhir\">".repeat(100_000))),
        ("an attribute twice", text(r#"<Patient xmlns="http://hl7.org/fhir"><id value="p" value="p"/></Patient>"#)),
        (
            "an entity",
            text(r#"<!DOCTYPE p [<!ENTITY a "b">]><Patient xmlns="http://hl7.org/fhir"><id value="&a;"/></Patient>"#),
        ),
        ("another namespace", text(r#"<Patient xmlns="urn:x"><id value="p"/></Patient>"#)),
    ]
}

#[track_caller]
fn refused(what: &str, begun: Instant, answer: &Answer) {
    let (took, body) = (begun.elapsed(), answer.json());
    // $validate answers 200 with what is wrong; everything else refuses.
    let is_told = answer.status == 200 && what.contains("$validate");
    assert!(is_told || (400..500).contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
    assert!(took < SOON, "{what} took {took:?}");
    if answer.header("content-type").is_some_and(|kind| kind.contains("json")) {
        assert_eq!(body["resourceType"], "OperationOutcome", "{what}: {}", answer.text());
        let issues = body["issue"].as_array().unwrap();
        let fails = |issue: &Value| issue["severity"] == "error" || issue["severity"] == "fatal";
        assert!(issues.iter().any(fails), "{what}: {body}");
    }
}

#[test]
fn what_is_no_fhir_is_refused_at_every_door() {
    let (gateway, http) = open();
    let good = br#"{"resourceType":"Patient","id":"p"}"#;
    assert_eq!(http.send("PUT", "/fhir/Patient/p", &[("Content-Type", JSON)], good).status, 201);
    for (method, path, kinds) in doors() {
        for kind in kinds {
            for (what, body) in no_fhir() {
                let begun = Instant::now();
                let answer = http.send(method, path, &[("Content-Type", kind)], &body);
                refused(&format!("{method} {path} {kind}: {what}"), begun, &answer);
            }
        }
    }
    let read = http.get("/fhir/Patient/p");
    assert_eq!(read.json()["meta"]["versionId"], "1", "nothing was written: {}", read.text());
    drop(gateway);
}

#[test]
fn a_repeated_member_is_refused_wherever_it_stands() {
    let (_gateway, http) = open();
    let twice = r#"{"resourceType":"Patient","name":[{"family":"a","family":"b"}]}"#;
    let cases = [
        ("POST", "/fhir/Patient", JSON, twice.to_owned()),
        ("POST", "/fhir/Patient", JSON, r#"{"resourceType":"Patient","extension":[{"url":"u","valueCoding":{"code":"a","code":"a"}}]}"#.to_owned()),
        ("POST", "/fhir/Patient", JSON, r#"{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"c","id":"c"}]}"#.to_owned()),
        ("POST", "/fhir/Patient", JSON, r#"{"resourceType":"Patient","resourceType":"Observation"}"#.to_owned()),
        ("POST", "/fhir/Patient/$validate", JSON, format!(r#"{{"resourceType":"Parameters","parameter":[{{"name":"resource","resource":{twice}}}]}}"#)),
        ("POST", "/fhir/Patient/$match", JSON, format!(r#"{{"resourceType":"Parameters","parameter":[{{"name":"resource","resource":{twice}}}]}}"#)),
        ("POST", "/fhir", JSON, format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"resource":{twice},"request":{{"method":"POST","url":"Patient"}}}}]}}"#)),
        ("POST", "/fhir", JSON, format!(r#"{{"resourceType":"Bundle","type":"batch","entry":[{{"resource":{twice},"request":{{"method":"POST","url":"Patient"}}}}]}}"#)),
        ("POST", "/fhir", JSON, r#"{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"GET","method":"DELETE","url":"Patient/p"}}]}"#.to_owned()),
        ("PATCH", "/fhir/Patient/p", "application/json-patch+json", r#"[{"op":"add","op":"remove","path":"/name"}]"#.to_owned()),
        ("PATCH", "/fhir/Patient/p", JSON, r#"{"resourceType":"Parameters","parameter":[{"name":"operation","name":"x"}]}"#.to_owned()),
    ];
    for (method, path, kind, body) in cases {
        let begun = Instant::now();
        let answer = http.send(method, path, &[("Content-Type", kind)], body.as_bytes());
        let what = format!("{method} {path}: {body}");
        refused(&what, begun, &answer);
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
        assert_eq!(answer.json()["issue"][0]["code"], "structure", "{what}: {}", answer.text());
    }
    assert_eq!(http.get("/fhir/Patient").json()["total"], 0, "nothing was stored");
}

#[test]
fn every_problem_is_named_with_its_place() {
    let (_gateway, http) = open();
    let body = r#"{"resourceType":"Patient","gender":"sideways","birthDate":"2026-13-45","name":"Ash","favourite":1,"contact":[{"gender":1}]}"#;
    let answer = http.send("POST", "/fhir/Patient", &[("Content-Type", JSON)], body.as_bytes());
    assert!([400, 422].contains(&answer.status), "{}", answer.text());
    let outcome = answer.json();
    let said: Vec<&str> =
        outcome["issue"].as_array().unwrap().iter().filter_map(|issue| issue["expression"][0].as_str()).collect();
    assert!(answer.text().contains("favourite"), "{outcome}");
    for place in ["Patient.gender", "Patient.birthDate", "Patient.name", "Patient.contact[0].gender"] {
        assert!(said.iter().any(|at| at.starts_with(place)), "{place} is not named: {said:?}");
    }
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"resource":{body},"request":{{"method":"POST","url":"Patient"}}}},{{"resource":{body},"request":{{"method":"POST","url":"Patient"}}}}]}}"#
    );
    let answer = http.send("POST", "/fhir", &[("Content-Type", JSON)], bundle.as_bytes());
    assert!([400, 422].contains(&answer.status), "{}", answer.text());
    let text = answer.text();
    for place in ["Bundle.entry[0].resource", "Bundle.entry[1].resource"] {
        assert!(text.contains(place), "{place} is not named: {text}");
    }
}

#[test]
fn every_repeated_member_is_named() {
    let (_gateway, http) = open();
    let body = r#"{"resourceType":"Patient","gender":"male","gender":"female","name":[{"family":"a","family":"b"}]}"#;
    let answer = http.send("POST", "/fhir/Patient", &[("Content-Type", JSON)], body.as_bytes());
    assert_eq!(answer.status, 400, "{}", answer.text());
    let outcome = answer.json();
    let said: Vec<&str> =
        outcome["issue"].as_array().unwrap().iter().filter_map(|issue| issue["expression"][0].as_str()).collect();
    assert_eq!(said, ["Patient.gender", "Patient.name[0].family"], "{outcome}");
}

/// Same numbers each time, so that a failure can be repeated.
struct Draw(u64);

impl Draw {
    fn below(&mut self, most: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % most.max(1)
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|it| it == "json" || it == "xml") {
            found.push(path);
        }
    }
    found.sort();
}

/// `$ANCHORLINE_MUTATIONS` more of each kind, for a longer run.
fn rounds() -> usize {
    std::env::var("ANCHORLINE_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

#[test]
fn damaged_examples_are_refused_and_nothing_ends() {
    let Some(corpus) = corpus("damaged_examples_are_refused_and_nothing_ends") else { return };
    let mut found = Vec::new();
    for folder in ["examples", "validator/cases", "rest/testscripts", "patch"] {
        let folder = corpus.join("fhir-r4").join(folder);
        if folder.is_dir() {
            files(&folder, &mut found);
        }
    }
    assert!(found.len() > 500, "{} files", found.len());
    let (gateway, http) = open();
    let mut draw = Draw(0x5EED);
    let (mut sent, mut taken) = (0, 0);
    for path in &found {
        let Ok(bytes) = std::fs::read(path) else { continue };
        if bytes.len() > 200_000 {
            continue;
        }
        let is_xml = path.extension().is_some_and(|it| it == "xml");
        let kind = if is_xml { XML } else { JSON };
        let text = String::from_utf8_lossy(&bytes);
        let name = match is_xml {
            true => text
                .split('<')
                .find(|it| it.starts_with(|it: char| it.is_ascii_uppercase()))
                .map(|it| it.split(|it: char| !it.is_ascii_alphabetic()).next().unwrap_or_default().to_owned()),
            false => {
                serde_json::from_str::<Value>(&text).ok().and_then(|it| it["resourceType"].as_str().map(str::to_owned))
            }
        };
        let address = format!("/fhir/{}", name.unwrap_or_else(|| "Basic".to_owned()));
        for _ in 0..rounds() {
            // Cut off somewhere before the last bracket: never a whole value.
            let whole = bytes.iter().rposition(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
            let cut = bytes.get(..draw.below(whole)).unwrap_or_default();
            let begun = Instant::now();
            let answer = http.send("POST", &address, &[("Content-Type", kind)], cut);
            refused(&format!("{} cut at {}", path.display(), cut.len()), begun, &answer);
            // A few bits turned over: most are refused, some are still FHIR.
            let mut flipped = bytes.clone();
            for _ in 0..=draw.below(4) {
                let at = draw.below(flipped.len());
                if let Some(byte) = flipped.get_mut(at) {
                    *byte ^= 1 << draw.below(8);
                }
            }
            for address in [address.as_str(), "/fhir/$validate", "/fhir"] {
                let begun = Instant::now();
                let answer = http.send("POST", address, &[("Content-Type", kind)], &flipped);
                assert!(answer.status < 500, "{} at {address}: {} {}", path.display(), answer.status, answer.text());
                assert!(begun.elapsed() < SOON, "{} took {:?}", path.display(), begun.elapsed());
                sent += 1;
                if answer.status < 300 {
                    taken += 1;
                } else {
                    refused(&format!("{} at {address}", path.display()), begun, &answer);
                }
            }
        }
    }
    eprintln!("{} files; {sent} with bits turned over, {taken} of them taken, the rest refused", found.len());
    assert_eq!(http.get("/health/ready").status, 200);
    drop(gateway);
}
