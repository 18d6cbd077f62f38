use super::*;
use crate::decide::Reason;
use crate::from_fhir;
use crate::request::Purpose;
use crate::samples::{condition, decision, json, labelled, request};

/// An R5 consent of patient `p`; `members` are added and begin with a comma.
fn r5(members: &str) -> Json {
    json(&format!(
        r#"{{"resourceType":"Consent","id":"c","meta":{{"versionId":"2"}},"status":"active","subject":{{"reference":"Patient/p"}},
        "category":[{{"coding":[{{"system":"@act","code":"IDSCL"}}]}}],"date":"2026-01-01"{members}}}"#
    ))
}

fn converted(members: &str) -> Json {
    let found = convert(&r5(members)).unwrap();
    from_fhir::understand(&found.consent).unwrap();
    found.consent
}

#[track_caller]
fn refused(members: &str, says: &[&str]) {
    let consent = r5(members);
    let found: Vec<String> = convert(&consent).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(found, says);
    // What could not be carried denies, as it stands.
    let decided = decision(&[consent], &request(), &condition(""));
    assert_eq!(decided.effect, crate::decide::Effect::Deny(Reason::Indeterminate));
}

#[test]
fn the_base_decision_becomes_the_root_and_each_level_is_the_opposite() {
    let consent = converted(
        r#","decision":"permit","period":{"start":"2026"},"provision":[{"securityLabel":[{"system":"@act","code":"PSY"}],
        "provision":[{"purpose":[{"system":"@reason","code":"TREAT"}]}]}]"#,
    );
    let root = consent.get("provision").unwrap();
    assert_eq!(root.get("type").and_then(Json::as_str), Some("permit"));
    assert_eq!(root.text_at(&["period", "start"]), Some("2026"));
    let deny = &root.items("provision")[0];
    assert_eq!(deny.get("type").and_then(Json::as_str), Some("deny"));
    assert_eq!(deny.items("provision")[0].get("type").and_then(Json::as_str), Some("permit"));

    let permits = |purpose: &str, labels: &[&str]| {
        let mut asked = request();
        asked.purposes = vec![Purpose::parse(purpose)];
        decision(std::slice::from_ref(&consent), &asked, &labelled(labels)).is_permit()
    };
    assert!(permits("HPAYMT", &["N"]));
    assert!(!permits("HPAYMT", &["PSY"]));
    assert!(permits("TREAT", &["PSY"]));
}

#[test]
fn a_base_deny_has_permits_below_it() {
    let consent = converted(
        r#","decision":"deny","provision":[{"actor":[{"role":{"coding":[{"system":"@part","code":"IRCP"}]},
        "reference":{"reference":"Practitioner/a"}}],"resourceType":[{"system":"@type","code":"Condition"}]}]"#,
    );
    assert!(decision(std::slice::from_ref(&consent), &request(), &condition("")).is_permit());
    let mut other = request();
    other.actor.refs = vec!["Practitioner/b".into()];
    assert!(!decision(&[consent], &other, &condition("")).is_permit());
}

#[test]
fn what_only_describes_is_left_out_and_named() {
    let found = convert(&r5(
        r#","decision":"deny","text":{"status":"generated"},"manager":[{"reference":"Organization/o"}],
        "policyText":[{"reference":"DocumentReference/d"}],"verification":[{"verified":true,"verificationDate":["2025","2026"],
        "verificationType":{"text":"letter"}}]"#,
    ))
    .unwrap();
    assert_eq!(found.left_out, ["text", "manager", "policyText", "verification[0].verificationType"]);
    let verification = &found.consent.items("verification")[0];
    assert_eq!(verification.get("verificationDate").and_then(Json::as_str), Some("2026"));
}

#[test]
fn every_other_home_is_found() {
    let consent = converted(
        r#","decision":"deny","grantor":[{"reference":"Patient/p"}],"grantee":[{"reference":"Organization/o"}],
        "regulatoryBasis":[{"coding":[{"system":"@act","code":"OPTOUT"}]}],"policyBasis":{"url":"urn:policy"},
        "identifier":[{"system":"urn:x","value":"1"}]"#,
    );
    assert_eq!(consent.items("performer").len(), 2);
    assert_eq!(consent.items("policy")[0].get("uri").and_then(Json::as_str), Some("urn:policy"));
    assert_eq!(consent.get("policyRule").unwrap().items("coding").len(), 1);
    assert_eq!(consent.text_at(&["patient", "reference"]), Some("Patient/p"));
    assert_eq!(consent.get("dateTime").and_then(Json::as_str), Some("2026-01-01"));
    assert_eq!(
        consent.get("scope").unwrap().items("coding")[0].get("code").and_then(Json::as_str),
        Some("patient-privacy")
    );
}

#[test]
fn what_decides_and_has_no_home_is_refused_with_its_place() {
    let no_home = "expected an element that R4 has a home for";
    refused("", &["decision: expected permit or deny"]);
    refused(r#","decision":"maybe""#, &["decision: expected permit or deny"]);
    refused(
        r#","decision":"permit","provision":[{"expression":{"language":"text/cql","expression":"true"}}]"#,
        &[&format!("provision[0].expression: {no_home}")],
    );
    refused(
        r#","decision":"permit","modifierExtension":[{"url":"urn:x","valueBoolean":true}]"#,
        &[&format!("modifierExtension: {no_home}")],
    );
    refused(r#","decision":"permit","implicitRules":"urn:x""#, &[&format!("implicitRules: {no_home}")]);
    refused(
        r#","decision":"permit","policyBasis":{"reference":{"reference":"DocumentReference/d"}}"#,
        &["policyBasis.reference: expected a url, which is all that R4 has a home for"],
    );
    refused(
        r#","decision":"deny","provision":[{"documentType":[{"system":"http://loinc.org","code":"1-1"}],"resourceType":[{"system":"@type","code":"Condition"}]}]"#,
        &["provision[0].resourceType: expected documentType or resourceType: R4 has one list for both"],
    );
    refused(
        r#","decision":"permit","provision":[{"purpose":[{"system":"@reason","code":"TREAT"}],"provision":[{"purpose":[{"system":"@reason","code":"HRESCH"}]}]}]"#,
        &["provision[0].provision[0].purpose: expected no criterion that a provision above gives as well"],
    );
    let deep = (0..9).fold("{}".to_owned(), |inner, _| format!(r#"{{"provision":[{inner}]}}"#));
    let found = convert(&r5(&format!(r#","decision":"deny","provision":[{deep}]"#))).unwrap_err();
    assert!(found[0].to_string().ends_with("expected at most eight levels of provisions"));
}

#[test]
fn a_consent_that_does_not_say_what_it_is_about_is_refused() {
    let with = |category: &str| {
        let text = r5(r#","decision":"permit""#).to_text().replace("IDSCL", category);
        convert(&json(&text)).map_err(|faults| faults[0].to_string())
    };
    assert!(with("INFA").is_ok());
    assert_eq!(with("ACD").unwrap_err(), "category: expected a code that says what the consent is about");
    let both = json(&r5(r#","decision":"permit""#).to_text().replace(
        r#""code":"IDSCL"}"#,
        r#""code":"IDSCL"},{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"research"}"#,
    ));
    assert_eq!(convert(&both).unwrap_err()[0].to_string(), "category: expected one scope");
}

#[test]
fn a_status_that_r4_has_not_is_refused_and_one_that_is_over_is_carried() {
    let with = |status: &str| convert(&json(&r5(r#","decision":"permit""#).to_text().replace("active", status)));
    assert!(with("unknown").is_err());
    assert_eq!(with("not-done").unwrap().consent.get("status").and_then(Json::as_str), Some("rejected"));
    assert!(convert(&json(r#"{"resourceType":"Patient"}"#)).is_err());
    assert!(convert(&Json::Null).is_err());
}
