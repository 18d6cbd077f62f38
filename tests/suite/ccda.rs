//! C-CDA documents through every door: translated, taken in, decided, forwarded or withheld; and what no door takes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::http::{Answer, Http};
use tests::process::{Gateway, configuration, program, run, wait_until};

use crate::flow::Partner;

/// A letter about a man who is no other test's.
const LETTER: &str = include_str!("../../gateway/src/demo/samples/letter.ccda.xml");

const KIND: (&str, &str) = ("Content-Type", "application/cda+xml");

/// No answer to a hostile document takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".xml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// Documents that no reader takes, by what is wrong with them.
fn hostile() -> Vec<(&'static str, String)> {
    let body = LETTER.split_once("?>").unwrap().1;
    let mut laughs = "<?xml version=\"1.0\"?><!DOCTYPE ClinicalDocument [<!ENTITY a0 \"ha\">".to_owned();
    for n in 1..30 {
        let _ = write!(laughs, "<!ENTITY a{n} \"&a{0};&a{0};&a{0};&a{0};\">", n - 1);
    }
    let _ = write!(laughs, "]>{}", body.replace("Letter of", "&a29;"));
    let outside = "<?xml version=\"1.0\"?><!DOCTYPE ClinicalDocument [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>";
    let parameter =
        "<?xml version=\"1.0\"?><!DOCTYPE ClinicalDocument [<!ENTITY % x SYSTEM \"http://127.0.0.1:1/x\"> %x;]>";
    vec![
        ("an external entity", outside.to_owned() + &body.replace("Letter of", "&x;")),
        ("a parameter entity", parameter.to_owned() + body),
        ("billion laughs", laughs),
        ("an entity that nobody declared", LETTER.replace("Letter of", "&nbsp;")),
        ("another root", "<?xml version=\"1.0\"?><note xmlns=\"urn:hl7-org:v3\"><title>x</title></note>".to_owned()),
        ("another namespace", LETTER.replace("urn:hl7-org:v3", "urn:example:v3")),
        ("half a document", LETTER[..LETTER.len() / 2].to_owned()),
        ("a tag left open", LETTER.replace("</title>", "")),
        (
            "two attributes of one name",
            LETTER.replace("extension=\"DOC-7\"", "extension=\"DOC-7\" extension=\"DOC-8\""),
        ),
        ("far too deep", format!("<ClinicalDocument xmlns=\"urn:hl7-org:v3\">{}", "<component>".repeat(100_000))),
        ("a control character", LETTER.replace("Letter of", "Letter\u{1} of")),
        ("no XML", "dear colleague, thank you for sending".to_owned()),
    ]
}

#[test]
fn translates_a_document_by_the_command_line() {
    let letter = file(LETTER);
    let loss = tempfile::NamedTempFile::new().unwrap();
    let explain = tempfile::NamedTempFile::new().unwrap();
    let path = |file: &tempfile::NamedTempFile| file.path().to_str().unwrap().to_owned();
    let output =
        run(&["convert", "--to", "fhir-r4", "--loss", &path(&loss), "--explain", &path(&explain), &path(&letter)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bundle: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&bundle["resourceType"], &bundle["type"]), (&json!("Bundle"), &json!("document")));
    assert_eq!(bundle["entry"][0]["resource"]["resourceType"], "Composition", "{bundle}");
    let has =
        |kind: &str| bundle["entry"].as_array().unwrap().iter().any(|entry| entry["resource"]["resourceType"] == kind);
    for kind in ["Patient", "Practitioner", "Organization", "AllergyIntolerance", "Condition", "Provenance"] {
        assert!(has(kind), "{kind} is missing in {bundle}");
    }
    let read =
        |file: &tempfile::NamedTempFile| -> Value { serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap() };
    let loss = read(&loss);
    let count = |list: &str| loss[list].as_array().unwrap().len() as u64;
    assert_eq!(loss["total"], count("mapped") + count("kept") + count("dropped"), "a leaf is unaccounted for");
    assert!(loss["mapped"][0]["at"].as_str().unwrap().starts_with("/ClinicalDocument/"), "{loss}");
    let rule = read(&explain)[0]["rule"].as_str().unwrap().to_owned();
    assert!(rule.starts_with("ccda-base/") && rule.contains(".csv:"), "{rule}");

    let again = run(&["convert", "--from", "ccda", "--to", "fhir-r4", &path(&letter)]);
    assert_eq!(again.stdout, output.stdout, "the same input gives the same bytes");
    let mut piped = Command::new(program());
    let mut piped =
        piped.args(["convert", "--to", "fhir-r4", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(LETTER.as_bytes()).unwrap();
    assert_eq!(piped.wait_with_output().unwrap().stdout, output.stdout);
}

#[test]
fn writes_a_document_of_what_was_read() {
    let bundle_of = |bytes: &[u8]| {
        let mut read = file(&String::from_utf8_lossy(bytes));
        read.flush().unwrap();
        let output = run(&["convert", "--to", "fhir-r4", read.path().to_str().unwrap()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let first = bundle_of(LETTER.as_bytes());
    let bundle = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    std::fs::write(bundle.path(), &first).unwrap();
    let loss = tempfile::NamedTempFile::new().unwrap();
    let (bundle, loss_path) = (bundle.path().to_str().unwrap(), loss.path().to_str().unwrap());
    let output = run(&["convert", "--to", "ccda", "--document-type", "referral-note", "--loss", loss_path, bundle]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("code=\"57133-1\""), "{text}");
    let loss: Value = serde_json::from_slice(&std::fs::read(loss.path()).unwrap()).unwrap();
    assert!(loss["mapped"].as_array().unwrap().len() > loss["dropped"].as_array().unwrap().len(), "{loss}");

    let second: Value = serde_json::from_slice(&bundle_of(text.as_bytes())).unwrap();
    let first: Value = serde_json::from_slice(&first).unwrap();
    let of = |bundle: &Value, kind: &str| -> Vec<Value> {
        let resources = bundle["entry"].as_array().unwrap().iter().map(|entry| entry["resource"].clone());
        resources.filter(|resource| resource["resourceType"] == kind).collect()
    };
    for kind in ["Patient", "AllergyIntolerance", "Condition"] {
        let (before, after) = (of(&first, kind), of(&second, kind));
        assert_eq!(before.len(), after.len(), "{kind}");
        for (before, after) in before.iter().zip(&after) {
            for member in ["name", "birthDate", "code", "identifier"] {
                assert_eq!(before[member], after[member], "{kind}.{member}");
            }
        }
    }
    let wrong = run(&["convert", "--to", "ccda", "--document-type", "novel", bundle]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn writes_a_document_as_a_message() {
    let letter = file(LETTER);
    let output = run(&["convert", "--to", "hl7v2", "--message-type", "ADT^A08", letter.path().to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.starts_with("MSH|") && text.contains("Oddfellow^Anselm"), "{text}");
}

#[test]
fn a_command_refuses_what_it_must_not_read() {
    for (what, text) in hostile() {
        let (input, outcome) = (file(&text), tempfile::NamedTempFile::new().unwrap());
        let (input, outcome) = (input.path().to_str().unwrap(), outcome.path().to_str().unwrap().to_owned());
        let started = Instant::now();
        let output = run(&["convert", "--from", "ccda", "--to", "fhir-r4", "--outcome", &outcome, input]);
        assert!(started.elapsed() < PATIENCE, "{what}");
        assert_eq!(output.status.code(), Some(1), "{what}: {}", String::from_utf8_lossy(&output.stdout));
        assert!(output.stdout.is_empty(), "{what}");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(complaint.lines().count(), 1, "{what}: {complaint}");
        let said = format!("{complaint}{}", std::fs::read_to_string(&outcome).unwrap());
        assert!(said.contains("OperationOutcome"), "{what}: {said}");
        assert!(!said.contains("root:") && !said.contains("Oddfellow"), "{what}: {said}");
    }
}

/// A gateway that takes letters for a clinic.
struct Site {
    gateway: Gateway,
    clinic: Partner,
}

impl Site {
    fn start() -> Self {
        let clinic = Partner::fhir();
        let gateway = Gateway::start(&configuration(&format!(
            r#"
[[source]]
name = "letters"
transport = "http"
format = "ccda"
destinations = ["clinic"]

[[destination]]
name = "clinic"
transport = "fhir"
address = "http://{}/fhir"
recipient = ["Organization/clinic"]
purpose = ["TREAT"]
"#,
            clinic.address
        )));
        Self { gateway, clinic }
    }

    fn administrator(&self) -> Http {
        Http::to(self.gateway.http.unwrap()).with(&self.gateway.administrator())
    }

    fn clinician(&self) -> Http {
        Http::to(self.gateway.http.unwrap()).with(&self.gateway.clinician("Practitioner/c"))
    }

    fn source(&self) -> Http {
        let token = ["--role", "source", "--purpose", "TREAT", "--actor", "Device/letters"];
        Http::to(self.gateway.http.unwrap()).with(&self.gateway.token(&token))
    }

    fn send(&self, letter: &str) -> Answer {
        self.source().send("POST", "/ingest/letters", &[KIND], letter.as_bytes())
    }

    fn exchange(&self, location: &str, state: &str) -> Value {
        let administrator = self.administrator();
        let mut found = Value::Null;
        wait_until("the exchange comes to its end", || {
            found = administrator.get(location).json();
            found["state"] == state
        });
        found
    }
}

#[test]
fn a_letter_is_kept_decided_and_forwarded() {
    let site = Site::start();
    let taken = site.send(LETTER);
    assert_eq!(taken.status, 201, "{}", taken.text());
    let location = taken.header("location").unwrap().to_owned();
    let exchange = site.exchange(&location, "withheld");
    assert_eq!(exchange["message_control_id"], "2.25.1^demo-letter-1", "{exchange}");
    let loss = &exchange["mapping"]["loss"];
    let count = |name: &str| loss[name].as_u64().unwrap();
    assert_eq!(count("mapped") + count("kept") + count("dropped"), count("total"), "{exchange}");
    assert_eq!(exchange["mapping"]["package"]["name"], "ccda-base", "{exchange}");
    assert!(site.clinic.taken().is_empty(), "nobody has agreed");

    let administrator = site.administrator();
    let patient = exchange["patient"].as_str().unwrap().to_owned();
    let consent = json!({
        "resourceType": "Consent", "id": "letter", "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": patient}, "dateTime": "2024-01-01", "policy": [{"uri": "urn:example:policy"}],
        "provision": {"type": "permit",
            "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}]}
    });
    assert_eq!(administrator.put("/fhir/Consent/letter", &consent).status, 201);
    let clinician = site.clinician();
    let found = |query: String| clinician.get(&format!("/fhir/{query}")).json();
    let compositions = found(format!("Composition?patient={patient}"));
    assert_eq!(compositions["total"], 1, "{compositions}");
    let composition = &compositions["entry"][0]["resource"];
    assert_eq!(composition["subject"]["reference"], *patient, "references lead to what is stored");
    assert_eq!(found(format!("AllergyIntolerance?patient={patient}"))["total"], 1);
    assert_eq!(found(format!("Condition?patient={patient}&code=90560007"))["total"], 1);
    let id = composition["id"].as_str().unwrap();
    let document = found(format!("Composition/{id}/$document"));
    assert_eq!((&document["type"], &document["entry"][0]["resource"]["id"]), (&json!("document"), &json!(id)));
    assert!(document["entry"].as_array().unwrap().len() > 5, "{document}");

    let replayed = administrator.send("POST", &format!("{location}/replay"), &[], b"");
    assert_eq!(replayed.status, 202, "{}", replayed.text());
    site.exchange(&location, "done");
    let sent = site.clinic.taken().concat();
    assert!(sent.contains("\"90560007\"") && sent.contains("\"Composition\""), "{sent}");
    assert!(!sent.contains("urn:uuid:") || sent.contains("fullUrl"), "references lead to what is sent");
}

#[test]
fn a_repeated_letter_is_one_exchange_and_a_changed_one_another() {
    let site = Site::start();
    let first = site.send(LETTER);
    assert_eq!(first.status, 201, "{}", first.text());
    let location = first.header("location").unwrap().to_owned();
    let again = site.send(LETTER);
    assert_eq!((again.status, again.header("location")), (200, Some(location.as_str())), "{}", again.text());
    let changed = site.send(&LETTER.replace("3 Fictive Court", "4 Fictive Court"));
    assert_eq!(changed.status, 201);
    assert_ne!(changed.header("location"), Some(location.as_str()));
    assert!(changed.text().contains("/ClinicalDocument/id"), "{}", changed.text());
    let version = LETTER.replace(
        "<recordTarget>",
        "<setId root=\"2.25.1\" extension=\"set\"/><versionNumber value=\"2\"/><recordTarget>",
    );
    let next = site.send(&version);
    assert_eq!(next.status, 201);
    assert!(next.text().contains("duplicate"), "the same id says it is the same document: {}", next.text());
    let list = site.administrator().get("/exchanges?message-control-id=2.25.1%5Edemo-letter-1").json();
    assert_eq!(list["total"], 3, "{list}");
    let patients = |location: &str| site.exchange(location, "withheld")["patient"].clone();
    let first = patients(&location);
    assert_eq!(patients(next.header("location").unwrap()), first, "one man, however often he is written about");
}

#[test]
fn a_letter_about_nobody_is_held_and_one_without_a_name_is_taken() {
    let site = Site::start();
    let nobody =
        site.send(&LETTER.replace("<id root=\"2.25.2\" extension=\"PRACTICE-0042\"/>", "<id nullFlavor=\"UNK\"/>"));
    assert_eq!(nobody.status, 422, "{}", nobody.text());
    assert!(nobody.text().contains("/ClinicalDocument/recordTarget/patientRole/id"), "{}", nobody.text());
    let location = nobody.header("location").unwrap().to_owned();
    site.exchange(&location, "held");
    let unnamed = site.send(&LETTER.replace("<id root=\"2.25.1\" extension=\"demo-letter-1\"/>", ""));
    assert_eq!(unnamed.status, 201, "{}", unnamed.text());
    assert!(unnamed.text().contains("/ClinicalDocument/id"), "{}", unnamed.text());
}

#[test]
fn every_door_refuses_hostile_documents_with_a_reason() {
    let site = Site::start();
    let (source, administrator) = (site.source(), site.administrator());
    for (what, text) in hostile() {
        for (path, sender, expected) in [
            ("/ingest/letters", &source, 400),
            ("/convert?from=ccda&to=fhir-r4", &administrator, 422),
            ("/fhir/$convert?from=ccda", &administrator, 422),
            ("/fhir/$process-message", &source, 400),
        ] {
            let started = Instant::now();
            let answer = sender.send("POST", path, &[KIND], text.as_bytes());
            assert!(started.elapsed() < PATIENCE, "{what} at {path}");
            assert_eq!(answer.status, expected, "{what} at {path}: {}", answer.text());
            assert_eq!(answer.json()["resourceType"], "OperationOutcome", "{what} at {path}");
            let said = answer.text();
            assert!(!said.contains("root:") && !said.contains("Oddfellow"), "{what} at {path}: {said}");
        }
    }
    let good = source.send("POST", "/fhir/$process-message", &[KIND], LETTER.as_bytes());
    assert_eq!(good.status, 201, "the next document goes through: {}", good.text());
    let converted = administrator.send("POST", "/convert?to=fhir-r4", &[KIND], LETTER.as_bytes());
    assert_eq!((converted.status, &converted.json()["type"]), (200, &json!("document")), "{}", converted.text());
    let as_xml = source.send("POST", "/ingest/letters", &[("Content-Type", "text/xml")], LETTER.as_bytes());
    assert_eq!(as_xml.status, 200, "the same bytes under a plainer name: {}", as_xml.text());
    let as_text = source.send("POST", "/ingest/letters", &[("Content-Type", "text/plain")], LETTER.as_bytes());
    assert_eq!(as_text.status, 415, "{}", as_text.text());
}
