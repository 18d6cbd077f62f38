use super::*;
use crate::facts::ResourceFacts;
use crate::label::SensitivityMap;
use crate::samples::json;
use crate::settings::Labelling;

/// The short names of code systems, and what the map says: the labels in order, each once.
#[track_caller]
fn check(resource: &str, expected: &[&str]) {
    let resource = expand(resource);
    let mut found: Vec<String> =
        SensitivityMap::embedded().explain(&resource).into_iter().map(|why| why.label.to_string()).collect();
    found.sort();
    found.dedup();
    assert_eq!(found, expected, "{}", resource.to_text());
    // What is explained is what is done.
    let mut facts = ResourceFacts::from(&resource);
    facts.map_labels(&resource, &SensitivityMap::embedded());
    let effective = facts.labels().effective(Labelling::Map);
    assert_eq!(effective >= Confidentiality::Restricted, !expected.is_empty());
    assert_eq!(facts.labels().is_sensitive(), expected.iter().any(|label| *label != "R"));
}

fn expand(resource: &str) -> Json {
    json(
        &resource
            .replace("@icd", "http://hl7.org/fhir/sid/icd-10-cm")
            .replace("@loinc", "http://loinc.org")
            .replace("@tho", "http://terminology.hl7.org/CodeSystem"),
    )
}

fn coded(member: &str, codings: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","id":"o","subject":{{"reference":"Patient/p"}},"{member}":{{"coding":[{codings}]}}}}"#
    )
}

#[test]
fn everyday_resources_without_a_sensitive_code_stay_as_they_are() {
    check(
        r#"{"resourceType":"Observation","id":"o","status":"final","identifier":[{"type":{"coding":[{"system":"urn:ours","code":"x"}]},"value":"1"}],
        "category":[{"coding":[{"system":"@tho/observation-category","code":"laboratory"}]}],
        "code":{"coding":[{"system":"@loinc","code":"15074-8"},{"system":"urn:our:lab","code":"GLU"}]},
        "valueQuantity":{"value":6.3,"unit":"mmol/l","system":"http://unitsofmeasure.org","code":"mmol/L"},
        "interpretation":[{"coding":[{"system":"@tho/v3-ObservationInterpretation","code":"H"}]}]}"#,
        &[],
    );
    check(
        r#"{"resourceType":"Patient","id":"p","maritalStatus":{"coding":[{"system":"urn:ours","code":"M"}]},
        "communication":[{"language":{"coding":[{"system":"urn:ietf:bcp:47","code":"fr"}]}}],
        "extension":[{"url":"urn:ours","valueCodeableConcept":{"coding":[{"system":"urn:ours","code":"x"}]}}]}"#,
        &[],
    );
    check(
        r#"{"resourceType":"Encounter","id":"e","class":{"system":"@tho/v3-ActCode","code":"AMB"},"subject":{"reference":"Patient/p"}}"#,
        &[],
    );
    check(r#"{"resourceType":"Condition","id":"c","code":{"coding":[{"system":"@icd","code":"I10"}]}}"#, &[]);
    check(
        r#"{"resourceType":"Task","id":"t","code":{"text":"review"},"reasonCode":{"coding":[{"system":"urn:ours","code":"x"}]}}"#,
        &[],
    );
    check(r#"{"resourceType":"PractitionerRole","id":"r","code":[{"text":"nurse"}]}"#, &[]);
}

#[test]
fn a_sensitive_code_labels_wherever_it_stands() {
    check(&coded("code", r#"{"system":"@icd","code":"F32.1"}"#), &["PSY"]);
    check(&coded("valueCodeableConcept", r#"{"system":"@icd","code":"B20"}"#), &["HIV"]);
    check(
        r#"{"resourceType":"Encounter","id":"e","reasonCode":[{"coding":[{"system":"@icd","code":"F10.1"}]}],
        "extension":[{"url":"urn:x","valueCoding":{"system":"@icd","code":"T74.1"}}]}"#,
        &["ETHUD", "SDV"],
    );
    check(
        r##"{"resourceType":"MedicationRequest","id":"m","medicationReference":{"reference":"#m"},
        "contained":[{"resourceType":"Medication","id":"m","code":{"coding":[{"system":"http://www.whocc.no/atc","code":"N07BC02"}]}}]}"##,
        &["OPIOIDUD"],
    );
    check(
        r#"{"resourceType":"Bundle","id":"b","type":"document","entry":[{"resource":{"resourceType":"Condition","id":"c",
        "code":{"coding":[{"system":"@icd","code":"A54.0"}]}}}]}"#,
        &["STD"],
    );
}

#[test]
fn a_clinical_code_that_nobody_has_looked_at_is_restricted() {
    let nobody = &["R"];
    check(&coded("code", r#"{"system":"urn:our:lab","code":"X1"}"#), nobody);
    check(&coded("code", r#"{"code":"X1"}"#), nobody);
    check(&coded("code", r#"{"system":"@loinc","display":"no code"}"#), nobody);
    check(&coded("valueCodeableConcept", r#"{"system":"urn:our:lab","code":"X1"}"#), nobody);
    check(
        &coded("code", r#"{"system":"@tho/data-absent-reason","code":"unknown"},{"system":"urn:ours","code":"X"}"#),
        nobody,
    );
    check(
        r#"{"resourceType":"DocumentReference","id":"d","type":{"coding":[{"system":"urn:ours","code":"letter"}]}}"#,
        nobody,
    );
    check(
        r#"{"resourceType":"Immunization","id":"i","vaccineCode":{"coding":[{"system":"http://hl7.org/fhir/sid/ndc","code":"1"}]}}"#,
        nobody,
    );
    check(
        r#"{"resourceType":"MedicationRequest","id":"m","medicationReference":{"reference":"Medication/m"}}"#,
        nobody,
    );
}

#[test]
fn a_device_counts_where_it_is_a_patients() {
    let device = |members: &str| {
        format!(
            r#"{{"resourceType":"Device","id":"d","type":{{"coding":[{{"system":"urn:ours","code":"x"}}]}}{members}}}"#
        )
    };
    check(&device(""), &[]);
    check(&device(r#","patient":{"reference":"Patient/p"}"#), &["R"]);
    check(r#"{"resourceType":"AdverseEvent","id":"a","event":{"coding":[{"system":"urn:ours","code":"x"}]}}"#, &["R"]);
}

#[test]
fn what_is_said_in_words_only_is_restricted_and_a_result_in_words_is_known_by_its_code() {
    check(r#"{"resourceType":"Condition","id":"c","code":{"text":"low spirits"}}"#, &["R"]);
    check(r#"{"resourceType":"Condition","id":"c","code":{"coding":[],"text":"low spirits"}}"#, &["R"]);
    check(r#"{"resourceType":"MedicationStatement","id":"m","medicationCodeableConcept":{"text":"drops"}}"#, &["R"]);
    check(
        r#"{"resourceType":"Observation","id":"o","code":{"coding":[{"system":"@loinc","code":"15074-8"}],"text":"glucose"},
        "valueCodeableConcept":{"text":"high"}}"#,
        &[],
    );
    check(r#"{"resourceType":"Condition","id":"c"}"#, &[]);
}

#[test]
fn a_sensitive_code_raises_a_label_of_normal_and_leaves_a_higher_one() {
    let labelled = |code: &str| {
        expand(&coded("code", r#"{"system":"@icd","code":"F32.1"}"#).replace(
            r#""id":"o""#,
            &format!(r#""id":"o","meta":{{"security":[{{"system":"@conf","code":"{code}"}}]}}"#),
        ))
    };
    for (code, expected) in [("N", Confidentiality::Restricted), ("V", Confidentiality::VeryRestricted)] {
        let resource = labelled(code);
        let mut facts = ResourceFacts::from(&resource);
        facts.map_labels(&resource, &SensitivityMap::embedded());
        assert_eq!(facts.labels().effective(Labelling::Map), expected);
    }
}

#[test]
fn says_where_and_why() {
    let resource = expand(&coded("code", r#"{"system":"@icd","code":"F32.1"}"#));
    let found = SensitivityMap::embedded().explain(&resource);
    assert_eq!(found.len(), 1);
    let why = &found[0];
    assert_eq!((why.at.as_str(), why.code.as_deref(), why.label.as_str()), ("code", Some("F32.1"), "PSY"));
    assert!(why.reason.starts_with("F3* (ICD-10 and ICD-10-CM tabular lists"), "{}", why.reason);
}
