use super::*;

/// Codes of findings about a file.
#[track_caller]
fn check(name: &str, text: &str, expect: &[(&str, usize)]) {
    let mut out = Vec::new();
    file(name, text.as_bytes(), &mut out);
    let found: Vec<_> = out.iter().map(|finding| (finding.code, finding.line)).collect();
    assert_eq!(found, expect, "{out:#?}");
}

fn hl7(obx: &str) -> String {
    format!("MSH|^~\\&|A|B|||20240312||ORU^R01|1|P|2.5\rPID|1||1||Okafor||19910707|M\r{obx}\r")
}

#[test]
fn finds_diastolic_pressure_under_the_code_of_heart_rate() {
    check(
        "x.hl7",
        &hl7("OBX|1|NM|8867-4^Diastolic blood pressure^LN||80|mm[Hg]|||||F"),
        &[("code-against-display", 3), ("unit-against-code", 3)],
    );
    let template = r#"{"template": {"components": [
        {"codes": [{"code": "8867-4", "display": "Diastolic blood pressure", "system": "http://loinc.org"}],
         "value": {"unit": "mmHg", "valueName": "diastolic"}}]}}"#;
    let mut out = Vec::new();
    file("fhirmapping.json", template.as_bytes(), &mut out);
    assert!(out.iter().any(|finding| finding.code == "code-against-display" && finding.line == 2), "{out:#?}");
}

#[test]
fn finds_it_in_code_tables_and_constants() {
    let codes = "code,system,target,display,equivalence,guide\nDBP,http://loinc.org,8867-4,,,own\nHR,http://loinc.org,8867-4,Heart rate,,own\n";
    let rows = "source,target,via,with,when,way,guide\nOBX-5,Observation.component[+].valueString,trimmed,code=http://loinc.org|8867-4|Diastolic,OBX-3.1=X,,own\nOBX-5,Observation.component[+].valueString,text,code=http://loinc.org|8867-4,OBX-3.1=8462-4,,own\n";
    let files: Files = [
        ("p/package.toml".to_owned(), Vec::new()),
        ("p/codes/Vital.csv".to_owned(), codes.as_bytes().to_vec()),
        ("p/segments/OBX-Observation.csv".to_owned(), rows.as_bytes().to_vec()),
    ]
    .into();
    let mut out = Vec::new();
    findings(&View::of("p", &files), &files, &mut out);
    let found: Vec<_> = out.iter().map(|f| (f.code, f.file.as_str(), f.line)).collect();
    assert_eq!(
        found,
        [
            ("code-against-display", "p/segments/OBX-Observation.csv", 2),
            ("codes-disagree", "p/segments/OBX-Observation.csv", 3),
            ("code-against-display", "p/codes/Vital.csv", 2),
        ]
    );
}

#[test]
fn accepts_other_ways_of_saying_the_same() {
    for obx in [
        "OBX|1|NM|8462-4^BP dias^LN||80|mmHg|||||F",
        "OBX|1|NM|8867-4^Puls^LN||72|bpm|||||F",
        "OBX|1|NM|2345-7^Glucose 2 hr post meal^LN||92|mg/dL|||||F",
        "OBX|1|NM|8867-4^Something nobody knows^LN||72|/min|||||F",
        "OBX|1|NM|2823-3^K^LN^K^Potassium^L||4.5|mmol/L|||||F",
    ] {
        check("x.hl7", &hl7(obx), &[]);
    }
}

#[test]
fn finds_units_and_values_that_cannot_be() {
    check("x.hl7", &hl7("OBX|1|NM|8480-6^Systolic^LN||1200|mm[Hg]|||||F"), &[("impossible-value", 3)]);
    check("x.hl7", &hl7("OBX|1|NM|8310-5^Body temperature^LN||98.6|Cel|||||F"), &[("impossible-value", 3)]);
    check("x.hl7", &hl7("OBX|1|NM|29463-7^Weight^LN||70|cm|||||F"), &[("unit-against-code", 3)]);
}

#[test]
fn finds_what_the_sex_contradicts() {
    check("x.hl7", &hl7("OBX|1|DT|11778-8^Delivery date estimated^LN||20240901||||||F"), &[("sex-against-code", 3)]);
}

#[test]
fn finds_times_in_an_impossible_order() {
    let bundle = r#"{"resourceType": "Bundle", "entry": [
{"resource": {"resourceType": "Patient", "birthDate": "1991-07-07"}},
{"resource": {"resourceType": "Observation", "effectiveDateTime": "1990-01-01"}},
{"resource": {"resourceType": "Encounter", "period": {"start": "2024-02-02", "end": "2024-02-01"}}}]}"#;
    check("x.json", bundle, &[("impossible-order", 3), ("impossible-order", 4)]);
}

#[test]
fn compares_category_with_code() {
    let observation = r#"{"resourceType": "Observation", "category": [{"coding": [{"code": "laboratory"}]}],
"code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}}"#;
    check("x.json", observation, &[("category-against-code", 2)]);
}

#[test]
fn holds_a_table_that_is_right_in_itself() {
    for known in SEED.iter() {
        let right = match known.system.as_str() {
            "http://loinc.org" => super::super::codes::is_loinc(&known.code),
            "http://snomed.info/sct" => terminology::check_digit::is_sctid(&known.code),
            _ => true,
        };
        assert!(right, "{} has a wrong check digit", known.code);
        assert!(!known.words.is_empty(), "{} has no words", known.code);
        for other in SEED.iter().filter(|other| other.concept != known.concept) {
            let name: Vec<String> = words(&known.concept);
            let allowed = known.is_named_in(&name) || !other.is_named_in(&name);
            assert!(allowed, "{} is taken for {}", known.concept, other.concept);
        }
    }
}
