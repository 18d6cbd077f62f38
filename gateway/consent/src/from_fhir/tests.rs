use super::*;
use crate::samples::{consent, json, provision};

#[track_caller]
fn misunderstood(consent: &Json, at: &str) {
    let error = understand(consent).expect_err("this consent must not be understood");
    assert_eq!(error.at, at, "{error}");
}

#[test]
fn names_the_element_it_does_not_know() {
    misunderstood(&consent(r#","onlyIf":"x""#), "onlyIf");
    misunderstood(&consent(r#","implicitRules":"urn:x""#), "implicitRules");
    misunderstood(&consent(r#","modifierExtension":[{"url":"urn:x","valueBoolean":true}]"#), "modifierExtension");
    misunderstood(&provision(r#"{"type":"permit","onlyIf":"x"}"#), "provision.onlyIf");
    misunderstood(
        &provision(r#"{"type":"permit","purpose":[{"system":"@reason","code":"TREAT","limit":"x"}]}"#),
        "provision.purpose[0].limit",
    );
    misunderstood(
        &provision(r#"{"type":"permit","provision":[{"type":"deny","modifierExtension":[{"url":"u"}]}]}"#),
        "provision.provision[0].modifierExtension",
    );
}

#[test]
fn refuses_repeating_elements_that_are_empty_or_no_array() {
    misunderstood(&provision(r#"{"type":"permit","purpose":[]}"#), "provision.purpose");
    misunderstood(
        &provision(r#"{"type":"permit","purpose":{"system":"@reason","code":"TREAT"}}"#),
        "provision.purpose",
    );
    misunderstood(&provision(r#"{"type":"permit","provision":{"type":"deny"}}"#), "provision.provision");
    misunderstood(&provision(r#"{"type":"permit","action":[{}]}"#), "provision.action[0]");
    misunderstood(&provision(r#"{"type":"permit","actor":[null]}"#), "provision.actor[0]");
}

#[test]
fn refuses_values_of_the_wrong_kind() {
    misunderstood(&provision("[]"), "provision");
    misunderstood(&provision(r#"{"type":["permit"]}"#), "provision.type");
    misunderstood(&consent(r#","verification":[{"verified":"true"}]"#), "verification[0].verified");
    misunderstood(&consent(r#","dateTime":"12 May""#), "dateTime");
}

#[test]
fn refuses_periods_that_end_before_they_begin_or_are_no_dates() {
    misunderstood(&provision(r#"{"type":"permit","period":{"start":"2026-02","end":"2026-01"}}"#), "provision.period");
    misunderstood(&provision(r#"{"type":"permit","dataPeriod":{"start":"2026-02-30"}}"#), "provision.dataPeriod.start");
    misunderstood(&provision(r#"{"type":"permit","period":{}}"#), "provision.period");
}

#[test]
fn refuses_types_meanings_and_roles_it_does_not_know() {
    misunderstood(&provision(r#"{"type":"allow"}"#), "provision.type");
    misunderstood(&provision(r#"{"type":"permit","provision":[{}]}"#), "provision.provision[0]");
    misunderstood(
        &provision(r#"{"type":"permit","provision":[{"purpose":[{"system":"@reason","code":"BTG"}]}]}"#),
        "provision.provision[0].type",
    );
    misunderstood(
        &provision(r#"{"type":"permit","data":[{"meaning":"nearby","reference":{"reference":"Encounter/e"}}]}"#),
        "provision.data",
    );
    for actor in [
        r#"{"reference":{"reference":"Practitioner/a"}}"#,
        r#"{"role":{"coding":[{"system":"@part","code":"IRCP"}]}}"#,
        r#"{"role":{"coding":[{"system":"@part","code":"AUT"}]},"reference":{"reference":"Practitioner/a"}}"#,
        r#"{"role":{"coding":[{"system":"urn:x","code":"IRCP"}]},"reference":{"reference":"Practitioner/a"}}"#,
        r##"{"role":{"coding":[{"system":"@part","code":"IRCP"}]},"reference":{"reference":"#group"}}"##,
        r#"{"role":{"coding":[{"system":"@part","code":"IRCP"}]},"reference":{"display":"Dr A"}}"#,
        r#"{"role":{"coding":[{"system":"@part","code":"IRCP"},{"system":"@part","code":"CST"}]},"reference":{"reference":"Practitioner/a"}}"#,
    ] {
        misunderstood(&provision(&format!(r#"{{"type":"permit","actor":[{actor}]}}"#)), "provision.actor");
    }
}

#[test]
fn refuses_codings_that_say_no_code() {
    misunderstood(&provision(r#"{"type":"deny","code":[{"text":"the accident"}]}"#), "provision.code");
    misunderstood(&provision(r#"{"type":"deny","securityLabel":[{"display":"secret"}]}"#), "provision.securityLabel");
    misunderstood(&json(r#"{"resourceType":"Consent","status":"active"}"#), "scope");
}

#[test]
fn follows_eight_levels_and_no_more() {
    let nest = |levels: usize| {
        (1..levels)
            .fold(r#"{"type":"permit"}"#.to_owned(), |inner, _| format!(r#"{{"type":"permit","provision":[{inner}]}}"#))
    };
    assert!(understand(&provision(&nest(8))).is_ok());
    assert!(understand(&provision(&nest(9))).is_err());
    assert!(understand(&provision(&nest(25))).is_err());
}

#[test]
fn ignores_ordinary_extensions_but_not_those_that_narrow() {
    let with =
        |url: &str| provision(&format!(r#"{{"type":"permit","extension":[{{"url":"{url}","valueString":"x"}}]}}"#));
    assert!(understand(&with("urn:example:note")).is_ok());
    misunderstood(&with("https://g.co/fhir/medicalrecords/DataSource"), "provision.extension");
    let inside = r#"{"type":"permit","extension":[{"url":"urn:x","extension":[{"url":"https://g.co/fhir/medicalrecords/Environment"}]}]}"#;
    misunderstood(&provision(inside), "provision.extension");
    let beside = r#"{"type":"permit","_type":{"extension":[{"url":"https://g.co/fhir/medicalrecords/DataTag"}]}}"#;
    misunderstood(&provision(beside), "provision._type");
}

#[test]
fn understands_what_an_ordinary_consent_carries_besides() {
    let full = consent(
        r#","meta":{"versionId":"3"},"language":"en","text":{"status":"generated","div":"<div>x</div>"},
        "identifier":[{"system":"urn:x","value":"7","period":{"start":"2020"}}],"category":[{"text":"privacy"}],
        "dateTime":"2026-01-01","_dateTime":{"id":"d"},"performer":[{"reference":"Patient/p"}],
        "organization":[{"reference":"Organization/o"}],"sourceAttachment":{"title":"form"},
        "policy":[{"authority":"urn:a","uri":"urn:b"}],"verification":[{"verified":true,"verificationDate":"2026-01-02"}],
        "provision":{"id":"root","type":"permit"}"#,
    );
    let understood = understand(&full).unwrap();
    assert!(understood.privacy && !understood.permits_void);
    assert_eq!(understood.identifiers.len(), 1);
}

#[test]
fn reads_the_status_apart_from_the_rest() {
    let with = |status: &str| json(&format!(r#"{{"resourceType":"Consent","status":{status}}}"#));
    assert_eq!(status(&with(r#""active""#)), Status::Active);
    assert_eq!(status(&with(r#""entered-in-error""#)), Status::NotActive);
    for unreadable in [r#""Active""#, "1", "null", r#"["active"]"#] {
        assert_eq!(status(&with(unreadable)), Status::Unreadable, "{unreadable}");
    }
}
