//! Validation where users meet it: files on the command line, `$validate` over HTTP, the level of a source.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tests::http::{Answer, Http};
use tests::mllp::{Mllp, field};
use tests::process::{Gateway, configuration, program, run};

const GOOD: &str = r#"{"resourceType":"Patient","id":"p","birthDate":"1980-02-03"}"#;
const BAD: &str = r#"{"resourceType":"Patient","id":"p","birthDate":"yesterday","unknown":1}"#;
const GOOD_XML: &str =
    "<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"p\"/><birthDate value=\"1980-02-03\"/></Patient>";
const BAD_XML: &str =
    "<Patient xmlns=\"http://hl7.org/fhir\">\n<birthDate value=\"1980\"/>\n<active value=\"yes\"/>\n</Patient>";
const DOCUMENT_TYPE: &str =
    "<!DOCTYPE a [<!ENTITY b \"c\"><!ENTITY d \"&b;&b;\">]><Patient xmlns=\"http://hl7.org/fhir\"/>";
const PROFILE: &str = "https://north.example/StructureDefinition/registered-patient";

/// A profile of Patient that asks for an active record.
fn profile() -> Value {
    json!({
        "resourceType": "StructureDefinition", "url": PROFILE, "version": "1.0.0", "name": "RegisteredPatient",
        "status": "active", "kind": "resource", "abstract": false, "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient", "derivation": "constraint",
        "differential": {"element": [
            {"id": "Patient", "path": "Patient"},
            {"id": "Patient.active", "path": "Patient.active", "min": 1},
        ]},
    })
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

fn validate(arguments: &[&str]) -> (Option<i32>, Vec<String>, String) {
    let Output { status, stdout, stderr } = run(&[&["validate"], arguments].concat());
    let lines = String::from_utf8(stdout).unwrap().lines().map(str::to_owned).collect();
    (status.code(), lines, String::from_utf8_lossy(&stderr).into_owned())
}

fn reports(arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let (status, lines, _) = validate(&[&["--format", "json"], arguments].concat());
    (status, lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn files_are_answered_one_line_each_in_their_order() {
    let files = Files::new();
    let mut names = Vec::new();
    for number in 0..40 {
        // Large ones between small ones: whichever is done first, the order is that of the arguments.
        let large = format!(
            "{{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[{}]}}",
            vec![format!("{{\"resource\":{GOOD}}}"); 300].join(",")
        );
        let (name, text) = match number % 4 {
            0 => (format!("{number}.json"), large.as_str()),
            1 => (format!("{number}.json"), BAD),
            2 => (format!("{number}.xml"), GOOD_XML),
            _ => (format!("{number}.txt"), "MSH|^~\\&|no FHIR"),
        };
        names.push(files.write(&name, text));
    }
    names.push(files.0.path().join("missing.json").display().to_string());
    let (status, reports) = reports(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(status, Some(1));
    assert_eq!(reports.len(), names.len());
    for (report, name) in reports.iter().zip(&names) {
        assert_eq!(report["file"], name.as_str());
        assert_eq!(report["outcome"]["resourceType"], "OperationOutcome");
        let errors = report["outcome"]["issue"].as_array().unwrap().iter();
        let is_bad = errors.clone().any(|issue| matches!(issue["severity"].as_str(), Some("error" | "fatal")));
        assert_eq!(report["valid"], !is_bad, "{report}");
    }
    assert_eq!(reports[2]["valid"], true, "{}", reports[2]);
    assert_eq!([&reports[1]["valid"], &reports[3]["valid"], &reports[40]["valid"]], [false; 3]);
}

#[test]
fn every_problem_of_a_file_is_told_with_its_line() {
    let files = Files::new();
    let (status, json) = reports(&[&files.write("a.json", &BAD.replace(",\"birth", ",\n\"birth"))]);
    assert_eq!(status, Some(1));
    let text = json[0]["outcome"].to_string();
    assert!(text.contains("Patient.birthDate") && text.contains("line 2") && text.contains("unknown"), "{text}");
    let (_, xml) = reports(&[&files.write("a.xml", BAD_XML)]);
    let text = xml[0]["outcome"].to_string();
    assert!(text.contains("order") && text.contains("line 3") && text.contains("Patient.active"), "{text}");
    assert!(!text.contains("yes"), "a value is quoted: {text}");
}

#[test]
fn standard_input_is_a_file_too() {
    let mut child =
        Command::new(program()).args(["validate", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(GOOD_XML.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("-: valid"));
}

#[test]
fn xml_is_translated_like_json() {
    let files = Files::new();
    let (json, xml) = (files.write("a.json", GOOD), files.write("a.xml", GOOD_XML));
    let convert = |path: &str| run(&["convert", "--to", "fhir-r4", path]);
    assert_eq!(convert(&xml).status.code(), Some(0), "{}", String::from_utf8_lossy(&convert(&xml).stderr));
    let tree = |output: &Output| serde_json::from_slice::<Value>(&output.stdout).unwrap();
    assert_eq!(tree(&convert(&xml)), tree(&convert(&json)));
    assert_eq!(convert(&files.write("b.xml", BAD_XML)).status.code(), Some(1));
    assert_eq!(convert(&files.write("c.xml", "<note xmlns=\"urn:hl7-org:v3\"/>")).status.code(), Some(1));
}

#[test]
fn profiles_come_from_packages() {
    let files = Files::new();
    let package = files.write("profile.json", &profile().to_string());
    let (good, active) =
        (files.write("a.json", GOOD), files.write("b.json", &GOOD.replace("\"id\"", "\"active\":true,\"id\"")));
    let (status, found) = reports(&["--package", &package, "--profile", PROFILE, &good, &active]);
    assert_eq!(status, Some(1));
    assert_eq!((&found[0]["valid"], &found[1]["valid"]), (&json!(false), &json!(true)), "{found:?}");
    assert!(found[0]["outcome"].to_string().contains("at least 1 of active"), "{}", found[0]);
    // A file that names the profile itself is held to it.
    let claims =
        files.write("c.json", &GOOD.replace("\"id\"", &format!("\"meta\":{{\"profile\":[\"{PROFILE}\"]}},\"id\"")));
    assert_eq!(reports(&["--package", &package, &claims]).1[0]["valid"], false);
    // The structure alone knows no profiles.
    assert_eq!(reports(&["--package", &package, "--level", "structure", &claims]).1[0]["valid"], true);
}

#[test]
fn what_is_named_and_not_there_is_said() {
    let files = Files::new();
    let good = files.write("a.json", GOOD);
    let (status, lines, error) = validate(&["--package", "/nonexistent/profiles.tgz", &good]);
    assert_eq!((status, lines.len(), error.lines().count()), (Some(2), 0, 1), "{error}");
    let cache = files.0.path().display().to_string();
    let (status, lines, error) = validate(&["--cache", &cache, "--ig", "example.nothing#1.0.0", &good]);
    assert_eq!((status, lines.len()), (Some(2), 0));
    assert!(error.contains("example.nothing"), "{error}");
    // An unknown profile is a finding about each file: the others of a run are still told.
    let (status, found) = reports(&["--profile", "https://north.example/nothing", &good]);
    assert_eq!((status, &found[0]["valid"]), (Some(1), &json!(false)));
    assert_eq!(run(&["validate"]).status.code(), Some(2));
}

#[test]
fn bombs_are_one_line_and_take_no_time() {
    let files = Files::new();
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(200_000), close.repeat(200_000));
    let all = [
        files.write("a.json", &deep("[", "]")),
        files.write("b.xml", &deep("<a>", "</a>")),
        files.write("c.xml", DOCUMENT_TYPE),
        files.write(
            "d.xml",
            &format!("<Basic xmlns=\"http://hl7.org/fhir\">{}", "<extension url=\"u\">".repeat(100_000)),
        ),
        files.write("e.json", "{\"resourceType\":\"Patient\",\"resourceType\":\"Patient\"}"),
        files.write("f.json", ""),
        files.write(
            "g.xml",
            &format!(
                "<Patient xmlns=\"http://hl7.org/fhir\" {}/>",
                (0..50_000).map(|n| format!("a{n}=\"\" ")).collect::<String>()
            ),
        ),
    ];
    let started = std::time::Instant::now();
    let (status, found) = reports(&all.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(started.elapsed().as_secs() < 20);
    assert_eq!((status, found.len()), (Some(1), all.len()));
    for report in &found {
        assert_eq!(report["valid"], false);
        assert_eq!(report["outcome"]["issue"][0]["severity"], "fatal", "{report}");
    }
}

fn open(more: &str) -> (Gateway, Http) {
    let gateway = Gateway::start(&format!(
        "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"\nmllp = \"127.0.0.1:0\"\n\n[auth]\nmode = \"open\"\n{more}"
    ));
    let http = Http::to(gateway.http.unwrap());
    (gateway, http)
}

fn ask(http: &Http, path: &str, media_type: &str, accept: &str, body: &str) -> Answer {
    http.send("POST", path, &[("Content-Type", media_type), ("Accept", accept)], body.as_bytes())
}

const JSON: &str = "application/fhir+json";
const XML: &str = "application/fhir+xml";

#[track_caller]
fn errors(answer: &Answer) -> usize {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let outcome = answer.json();
    assert_eq!(outcome["resourceType"], "OperationOutcome");
    let issues = outcome["issue"].as_array().unwrap();
    issues.iter().filter(|issue| matches!(issue["severity"].as_str(), Some("error" | "fatal"))).count()
}

#[test]
fn a_resource_is_judged_over_http_and_not_stored() {
    let (_gateway, http) = open("");
    assert_eq!(errors(&ask(&http, "/fhir/Patient/$validate", JSON, JSON, GOOD)), 0);
    assert!(errors(&ask(&http, "/fhir/Patient/$validate", JSON, JSON, BAD)) >= 2);
    assert_eq!(errors(&ask(&http, "/fhir/$validate", XML, JSON, GOOD_XML)), 0);
    assert!(errors(&ask(&http, "/fhir/Patient/$validate", XML, JSON, BAD_XML)) >= 2);
    assert_eq!(errors(&ask(&http, "/fhir/Observation/$validate", JSON, JSON, GOOD)), 1);
    assert_eq!(http.get("/fhir/Patient/p").status, 404);
    let outcome = ask(&http, "/fhir/Patient/$validate", JSON, XML, BAD);
    assert_eq!(outcome.status, 200);
    assert_eq!(outcome.header("content-type"), Some("application/fhir+xml; charset=utf-8"));
    assert!(outcome.text().contains("<OperationOutcome xmlns=\"http://hl7.org/fhir\">"), "{}", outcome.text());
    assert!(!outcome.text().contains("yesterday"), "a value is quoted: {}", outcome.text());
}

#[test]
fn profiles_of_packages_are_declared_and_can_be_asked_for() {
    let files = Files::new();
    let package = files.write("profile.json", &profile().to_string());
    let (_gateway, http) = open(&format!("[validation]\npackages = [\"{package}\"]\n"));
    let statement = http.get("/fhir/metadata").json();
    let resources = statement["rest"][0]["resource"].as_array().unwrap();
    let declared: Vec<&Value> = resources.iter().filter(|it| !it["supportedProfile"].is_null()).collect();
    assert_eq!(declared.len(), 1, "{declared:?}");
    assert_eq!((&declared[0]["type"], &declared[0]["supportedProfile"]), (&json!("Patient"), &json!([PROFILE])));
    assert_eq!(errors(&ask(&http, &format!("/fhir/Patient/$validate?profile={PROFILE}"), JSON, JSON, GOOD)), 1);
}

#[test]
fn parameters_and_the_query_say_profile_and_mode() {
    let files = Files::new();
    let package = files.write("profile.json", &profile().to_string());
    let (_gateway, http) = open(&format!("[validation]\npackages = [\"{package}\"]\n"));
    let patient: Value = serde_json::from_str(GOOD).unwrap();
    let parameters = |more: Value| {
        let mut all = vec![json!({"name": "resource", "resource": patient})];
        all.extend(more.as_array().unwrap().iter().cloned());
        json!({"resourceType": "Parameters", "parameter": all}).to_string()
    };
    let with = |more: Value| ask(&http, "/fhir/Patient/$validate", JSON, JSON, &parameters(more));
    assert_eq!(errors(&with(json!([]))), 0);
    assert_eq!(errors(&with(json!([{"name": "profile", "valueUri": PROFILE}]))), 1);
    assert_eq!(errors(&with(json!([{"name": "mode", "valueCode": "create"}]))), 0);
    assert_eq!(errors(&ask(&http, &format!("/fhir/Patient/$validate?profile={PROFILE}"), JSON, JSON, GOOD)), 1);
    assert_eq!(errors(&ask(&http, "/fhir/$validate?profile=https://north.example/none", JSON, JSON, GOOD)), 1);
    assert_eq!(errors(&ask(&http, "/fhir/Patient/p/$validate?mode=update", JSON, JSON, GOOD)), 0);
    assert_eq!(errors(&ask(&http, "/fhir/Patient/q/$validate?mode=update", JSON, JSON, GOOD)), 1);
    assert_eq!(with(json!([{"name": "mode", "valueCode": "destroy"}])).status, 400);
    assert_eq!(ask(&http, "/fhir/Patient/$validate?mode=update", JSON, JSON, GOOD).status, 400);
    assert_eq!(ask(&http, "/fhir/Patient/$validate?strict=1", JSON, JSON, GOOD).status, 400);
    // Parameters that are none of the operation's are a resource like any other.
    let other = r#"{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":true}]}"#;
    assert_eq!(errors(&ask(&http, "/fhir/Parameters/$validate", JSON, JSON, other)), 0);
}

#[test]
fn a_stored_resource_is_judged_at_its_address() {
    let (_gateway, http) = open("");
    assert_eq!(http.put("/fhir/Patient/p", &serde_json::from_str(GOOD).unwrap()).status, 201);
    assert_eq!(errors(&ask(&http, "/fhir/Patient/p/$validate", JSON, JSON, "")), 0);
    assert_eq!(errors(&http.get("/fhir/Patient/p/$validate")), 0);
    assert_eq!(http.get("/fhir/Patient/nobody/$validate").status, 404);
    assert_eq!(ask(&http, "/fhir/Patient/$validate", JSON, JSON, "").status, 400);
}

#[test]
fn what_cannot_be_read_is_refused_and_the_next_request_is_not() {
    let (_gateway, http) = open("");
    let bomb = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    for (media_type, body) in [
        (JSON, "{"),
        (JSON, r#"{"resourceType":"Patient","resourceType":"Patient"}"#),
        (JSON, &"[".repeat(100_000)),
        (XML, "<Patient"),
        (XML, DOCUMENT_TYPE),
        (XML, &bomb),
        (XML, "<ClinicalDocument xmlns=\"urn:hl7-org:v3\"/>"),
    ] {
        let answer = ask(&http, "/fhir/Patient/$validate", media_type, JSON, body);
        assert_eq!(
            (answer.status, &answer.json()["issue"][0]["severity"]),
            (400, &json!("fatal")),
            "{}",
            answer.text()
        );
        let answer = ask(&http, "/fhir/Patient/$validate", media_type, XML, body);
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("<OperationOutcome"), "{}", answer.text());
    }
    assert_eq!(ask(&http, "/fhir/Patient/$validate", "text/csv", JSON, "a,b").status, 415);
    assert_eq!(errors(&ask(&http, "/fhir/Patient/$validate", JSON, JSON, GOOD)), 0);
}

#[test]
fn it_needs_a_caller_and_is_declared() {
    let gateway = Gateway::start(&configuration(""));
    let http = Http::to(gateway.http.unwrap());
    assert_eq!(ask(&http, "/fhir/Patient/$validate", JSON, JSON, GOOD).status, 401);
    let clinician = gateway.clinician("Practitioner/p");
    assert_eq!(errors(&ask(&http.with(&clinician), "/fhir/Patient/$validate", JSON, JSON, GOOD)), 0);
    let statement = http.get("/fhir/metadata").json();
    let rest = &statement["rest"][0];
    let has = |operations: &Value| operations.as_array().unwrap().iter().any(|each| each["name"] == "validate");
    assert!(has(&rest["operation"]), "{rest}");
    for resource in rest["resource"].as_array().unwrap() {
        assert!(has(&resource["operation"]), "{resource}");
    }
}

fn admission(application: &str, control: &str, gender: &str) -> String {
    format!(
        "MSH|^~\\&|{application}|NORTH|ANCHORLINE|GATEWAY|20260301101500+0100||ADT^A01^ADT_A01|{control}|P|2.5.1\r\
         EVN|A01|20260301101400+0100\r\
         PID|1||{control}^^^NORTH^MR||Beispiel^Ada||19800101|{gender}\r\
         PV1|1|I|W1^2^A|||||||||||||||||V{control}^^^NORTH^VN\r"
    )
}

fn source(name: &str, more: &str) -> String {
    format!(
        "[[source]]\nname = \"{name}\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\n\
         match = {{ sending_application = \"{name}\" }}\n{more}\n"
    )
}

#[test]
fn each_source_is_checked_at_its_own_level() {
    let files = Files::new();
    let package = files.write("profile.json", &profile().to_string());
    let profiled = format!("validation = \"profile\"\ndefinitions = [\"{package}\"]\nprofiles = [\"{PROFILE}\"]");
    let gateway = Gateway::start(&configuration(&format!(
        "{}{}{}{}",
        source("LOOSE", "validation = \"off\""),
        source("PLAIN", ""),
        source("STRICT", "validation = \"profile\""),
        source("PROFILED", &profiled),
    )));
    let mut mllp = Mllp::connect(gateway.mllp.unwrap()).unwrap();
    for application in ["LOOSE", "PLAIN", "STRICT"] {
        let answer = mllp.send(&admission(application, &format!("{application}1"), "F")).unwrap();
        assert_eq!(field(&answer, "MSA", 1), "AA", "{answer:?}");
    }
    // No mapping says whether a record is active: what the profile asks for is missing, and a person is asked.
    let answer = mllp.send(&admission("PROFILED", "PROFILED1", "F")).unwrap();
    assert_eq!(field(&answer, "MSA", 1), "AE", "{answer:?}");
    let administrator = Http::to(gateway.http.unwrap()).with(&gateway.administrator());
    let found = administrator.get("/exchanges?message-control-id=PROFILED1").json();
    assert_eq!(found["exchanges"][0]["state"], "held", "{found}");
    let id = found["exchanges"][0]["id"].as_str().unwrap();
    let exchange = administrator.get(&format!("/exchanges/{id}")).json();
    assert!(exchange["issues"].to_string().contains("at least 1 of active"), "{exchange}");
    let metrics = administrator.get("/metrics").text();
    assert!(metrics.contains("stage=\"validate\""), "{metrics}");
}

#[test]
fn writes_are_held_to_the_configured_profiles() {
    let files = Files::new();
    let package = files.write("profile.json", &profile().to_string());
    let (_gateway, http) =
        open(&format!("[validation]\nfhir = \"profile\"\npackages = [\"{package}\"]\nprofiles = [\"{PROFILE}\"]\n"));
    let good: Value = serde_json::from_str(GOOD).unwrap();
    let refused = http.post("/fhir/Patient", &good);
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("at least 1 of active"), "{}", refused.text());
    let mut active = good;
    active["active"] = json!(true);
    assert_eq!(http.post("/fhir/Patient", &active).status, 201);
    // Another type is not held to a profile of Patient.
    let basic = json!({"resourceType": "Basic", "code": {"text": "x"}});
    assert_eq!(http.post("/fhir/Basic", &basic).status, 201);
}

#[test]
fn a_configuration_that_promises_what_is_not_there_does_not_start() {
    let files = Files::new();
    let check = |text: &str, says: &str| {
        let path = files.write("anchorline.toml", text);
        let output = run(&["check-config", &path]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.code() == Some(2) || output.status.code() == Some(1), "{said}");
        assert!(said.contains(says), "expected {says:?} in {said}");
    };
    check("[validation]\nig = [\"a\"]\n", "did you mean `igs`?");
    check("[validation]\nfhir = \"off\"\n", "structure, profile");
    check("[validation]\nprofiles = [\"urn:x\"]\n", "fhir = \"profile\"");
    check("[validation]\npackages = [\"nowhere.tgz\"]\n", "nothing at");
    check(&source("A", "validation = \"profil\""), "did you mean \"profile\"?");
    check(&source("A", "profiles = [\"urn:x\"]"), "validation = \"profile\"");
    let path =
        files.write("unknown.toml", &configuration(&source("A", "validation = \"profile\"\nprofiles = [\"urn:x\"]")));
    let data = files.0.path().join("data");
    let output = run(&["serve", "--config", &path, "--data", data.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("urn:x"), "{said}");
}

/// The published examples of the specification are free of structural errors, as files and over HTTP alike.
#[test]
fn files_and_http_find_the_same() {
    let Some(corpus) = tests::corpus("files_and_http_find_the_same") else { return };
    let (_gateway, http) = open("");
    let folder = corpus.join("fhir-r4/examples/r4-xml-json");
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let (_, by_file) = reports(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for (path, report) in paths.iter().zip(&by_file) {
        let media_type = if path.extension() == Some(Path::new("xml").as_os_str()) { XML } else { JSON };
        let answer = ask(&http, "/fhir/$validate", media_type, JSON, &fs::read_to_string(path).unwrap());
        let issues = report["outcome"]["issue"].as_array().unwrap().iter();
        let expected = issues.filter(|issue| matches!(issue["severity"].as_str(), Some("error" | "fatal"))).count();
        assert_eq!(errors(&answer), expected, "{}", path.display());
    }
}
