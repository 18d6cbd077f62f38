//! The sensitivity map over the FHIR interface: what a code says, whether anybody has looked at it, and the
//! organisation's own value sets; and the settings for what the texts leave open.

use std::fs;

use serde_json::{Value, json};
use tests::http::Http;
use tests::process::{Gateway, configuration, run};

const VALUE_SET: &str = r#"{"resourceType":"ValueSet","url":"urn:own:hiv","version":"1",
    "compose":{"include":[{"system":"urn:lab","concept":[{"code":"H1"}]}]}}"#;
const TABLE: &str = "system,match,code,label,source\nurn:lab,system,,reviewed,our catalogue\n";

/// A folder with an own value set and an own table, and a configuration that names them.
fn own_rules() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hiv.json"), VALUE_SET).unwrap();
    fs::write(folder.path().join("lab.csv"), TABLE).unwrap();
    let at = folder.path().display();
    let consent = format!(
        "[consent]\nimplicit_policy = \"permit-treatment\"\nlabelling = \"map\"\nsensitivity = [\"HIV={at}/hiv.json\", \"{at}/lab.csv\"]\n"
    );
    (folder, configuration(&consent))
}

#[test]
fn a_code_decides_and_one_that_nobody_has_looked_at_is_restricted() {
    let (_folder, configuration) = own_rules();
    let gateway = Gateway::start(&configuration);
    let http = Http::to(gateway.http.unwrap());
    let administrator = http.with(&gateway.administrator());
    let clinician = http.with(&gateway.clinician("Practitioner/c"));
    administrator.store(&json!({"resourceType": "Patient", "id": "p"}));
    let icd = "http://hl7.org/fhir/sid/icd-10-cm";
    let coded = |system: &str, code: &str| json!({"coding": [{"system": system, "code": code}]});
    let cases = [
        ("hypertension", coded(icd, "I10"), true),
        ("depression", coded(icd, "F32.1"), false),
        ("nobody", coded("urn:elsewhere", "X"), false),
        ("words", json!({"text": "low spirits"}), false),
        ("catalogue", coded("urn:lab", "G7"), true),
        ("own", coded("urn:lab", "H1"), false),
        (
            "translated",
            json!({"coding": [{"system": "urn:elsewhere", "code": "X"}, {"system": icd, "code": "I10"}]}),
            true,
        ),
    ];
    for (id, code, _) in &cases {
        administrator.store(&json!({"resourceType": "Condition", "id": id, "subject": {"reference": "Patient/p"}, "code": code,
            "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]}}));
    }
    for (id, _, released) in &cases {
        let answer = clinician.get(&format!("/fhir/Condition/{id}"));
        assert_eq!(answer.status, if *released { 200 } else { 404 }, "{id}");
    }
    let found = clinician.get("/fhir/Condition?patient=p").json();
    assert_eq!(found["entry"].as_array().unwrap().len(), cases.iter().filter(|(_, _, released)| *released).count());

    let ready = http.get("/health/ready").json();
    assert_eq!(ready["labelling"], "map");
    let map = &ready["sensitivity_map"];
    assert!(map["version"].as_str().unwrap().starts_with("sha256:"), "{map}");
    let lists = |name: &str, wanted: &str| map[name].as_array().unwrap().iter().any(|it| it == wanted);
    assert!(lists("files", "hiv.json") && lists("files", "lab.csv") && lists("reviewed", "urn:lab"), "{map}");

    // A permit of all but one topic: R alone does not keep back what nobody has labelled.
    administrator.store(&json!({"resourceType": "Consent", "id": "c", "status": "active", "patient": {"reference": "Patient/p"},
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}], "dateTime": "2026-01-01",
        "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
        "provision": {"type": "permit", "provision": [{"type": "deny", "securityLabel": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}]}]}}));
    for (id, status) in [("depression", 404), ("own", 200), ("nobody", 200), ("hypertension", 200)] {
        assert_eq!(clinician.get(&format!("/fhir/Condition/{id}")).status, status, "{id}");
    }
}

#[test]
fn rules_that_are_not_understood_stop_the_start_with_file_and_place() {
    let (folder, configuration) = own_rules();
    let filter = VALUE_SET
        .replace(r#""concept":[{"code":"H1"}]"#, r#""filter":[{"property":"concept","op":"is-a","value":"1"}]"#);
    fs::write(folder.path().join("hiv.json"), filter).unwrap();
    fs::write(folder.path().join("lab.csv"), format!("{TABLE}urn:lab,code,1,AIDS,x\n")).unwrap();
    let file = folder.path().join("anchorline.toml");
    fs::write(&file, configuration).unwrap();
    let file = file.to_str().unwrap();
    let data = folder.path().join("data");
    let checked = run(&["check-config", file, "--data", data.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(1), "{said}");
    assert!(said.contains("hiv.json: compose.include[0].filter: expected listed codes"), "{said}");
    assert!(said.contains("lab.csv: line 3: expected none, or a sensitivity code of v3 ActCode"), "{said}");
    let served = run(&["serve", "--config", file, "--data", data.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&served.stderr).into_owned();
    assert!(!served.status.success() && said.contains("lab.csv: line 3"), "{said}");
}

#[test]
fn an_organisation_can_see_and_measure_what_its_map_labels() {
    let (folder, _) = own_rules();
    let sample = folder.path().join("sample.ndjson");
    let line = |id: &str, system: &str, code: &str, label: &str| {
        json!({"resourceType": "Condition", "id": id, "code": {"coding": [{"system": system, "code": code}]},
            "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": label}]}})
    };
    let lines =
        [line("a", "urn:lab", "H1", "HIV"), line("b", "urn:lab", "G7", "HIV"), line("c", "urn:elsewhere", "X", "PSY")];
    fs::write(&sample, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let hiv = format!("HIV={}/hiv.json", folder.path().display());
    let lab = format!("{}/lab.csv", folder.path().display());
    let output =
        run(&["consent", "label", "--sensitivity", &hiv, "--sensitivity", &lab, "--measure", sample.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> =
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!((&lines[0]["labels"], &lines[0]["restricted"]), (&json!(["HIV"]), &json!(true)));
    assert_eq!(lines[0]["why"][0]["because"], "H1 (urn:own:hiv|1)");
    assert_eq!((&lines[1]["labels"], &lines[1]["restricted"]), (&json!([]), &json!(false)));
    assert_eq!(lines[2]["why"][0]["because"], "nobody has looked at this code");
    assert_eq!(
        lines[3]["labels"]["HIV"],
        json!({"both": 1, "map_only": 0, "record_only": 1, "precision": "100.0 %", "recall": "50.0 %"})
    );
}

#[test]
fn a_consent_of_r5_is_carried_over_or_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let convert = |consent: &Value| {
        let file = folder.path().join("r5.json");
        fs::write(&file, consent.to_string()).unwrap();
        run(&["consent", "convert", file.to_str().unwrap()])
    };
    let mut consent = json!({"resourceType": "Consent", "status": "active", "subject": {"reference": "Patient/p"},
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]}],
        "decision": "deny", "provision": [{"purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}]}]});
    let carried = convert(&consent);
    let r4: Value = serde_json::from_slice(&carried.stdout).unwrap();
    assert_eq!(
        (&r4["provision"]["type"], &r4["provision"]["provision"][0]["type"]),
        (&json!("deny"), &json!("permit"))
    );
    consent["provision"][0]["expression"] = json!({"language": "text/cql", "expression": "true"});
    let refused = convert(&consent);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
    assert!(said.contains("provision[0].expression"), "{said}");
}

#[test]
fn what_the_texts_leave_open_is_decided_as_the_configuration_says() {
    let others =
        "[consent]\npurposes = \"any\"\nlabel_cover = \"any\"\ninheritance = \"narrow\"\nbase_policy = \"literal\"\n";
    for (settings, expected) in [("", [404, 404, 200, 404]), (others, [200, 200, 404, 200])] {
        let gateway = Gateway::start(&configuration(settings));
        let http = Http::to(gateway.http.unwrap());
        let administrator = http.with(&gateway.administrator());
        let put = |resource: Value| {
            let path =
                format!("/fhir/{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
            let answer = administrator.put(&path, &resource);
            assert!(matches!(answer.status, 200 | 201), "{path}: {}", answer.text());
        };
        let act = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
        let why = |code: &str| json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": code}]);
        let other = json!([{"role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]},
            "reference": {"reference": "Practitioner/other"}}]);
        let points = [
            ("purposes", json!({"type": "permit", "purpose": why("TREAT")}), vec!["TREAT", "HMARKT"]),
            ("labels", json!({"type": "permit", "securityLabel": [{"system": act, "code": "PSY"}]}), vec!["TREAT"]),
            (
                "inheritance",
                json!({"type": "permit", "purpose": why("TREAT"), "provision": [{"type": "permit", "purpose": why("HRESCH")}]}),
                vec!["HRESCH"],
            ),
            ("base", json!({"type": "permit", "actor": other}), vec!["TREAT"]),
        ];
        for ((point, provision, purposes), status) in points.into_iter().zip(expected) {
            let patient = json!({"reference": format!("Patient/{point}")});
            put(json!({"resourceType": "Patient", "id": point}));
            put(json!({"resourceType": "Condition", "id": point, "subject": patient, "meta": {"security": [
                {"system": act, "code": "PSY"}, {"system": act, "code": "HIV"}]}}));
            let mut consent = json!({"resourceType": "Consent", "id": point, "status": "active", "patient": patient,
                "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
                "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}], "dateTime": "2026-01-01",
                "policy": [{"uri": "urn:policy"}], "provision": provision});
            if point == "base" {
                consent["policyRule"] = json!({"coding": [{"system": act, "code": "OPTIN"}]});
            }
            put(consent);
            let mut arguments = vec!["--role", "clinician", "--actor", "Practitioner/c"];
            for purpose in &purposes {
                arguments.extend(["--purpose", purpose]);
            }
            let clinician = http.with(&gateway.token(&arguments));
            assert_eq!(clinician.get(&format!("/fhir/Condition/{point}")).status, status, "{point}: {settings:?}");
        }
    }
}
