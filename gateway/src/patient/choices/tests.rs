//! Choices to Consent and back, exactly; and what is no choice.

use conformance::validate::{Options, Validator};
use model::json::{Limits, parse};

use super::*;

fn json(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn made(choices: &Choices) -> Json {
    let given = Instant::parse("2026-03-01T10:00:00Z").unwrap();
    choices.consent("c1", &ResourceId::parse("p1").unwrap(), given, &["Organization/h".to_owned()])
}

/// Every share, emergency and research with every set of topics.
fn every() -> Vec<Choices> {
    let named = Share::Named(vec![
        Party { reference: "Practitioner/a".into(), display: Some("Dr. <Ann> & Co".into()) },
        Party { reference: "Organization/o".into(), display: None },
    ]);
    let mut all = Vec::new();
    for share in [Share::Treating, named, Share::Nobody] {
        for topics in 0..64_u32 {
            for flags in 0..8_u32 {
                let keep_back = Topic::ALL.into_iter().enumerate().filter(|(place, _)| topics >> place & 1 == 1);
                all.push(Choices {
                    share: share.clone(),
                    keep_back: keep_back.map(|(_, topic)| topic).collect(),
                    emergency: if flags & 1 == 0 { Emergency::Allow } else { Emergency::Refuse },
                    research: flags & 2 != 0,
                    until: (flags & 4 != 0).then(|| "2027-02-28".to_owned()),
                });
            }
        }
    }
    all
}

#[test]
fn every_choice_comes_back_as_it_was_made() {
    for choices in every() {
        let consent = made(&choices);
        assert_eq!(Choices::of(&consent), Some(choices.clone()), "{}", consent.pretty());
        assert_eq!(Choices::read(&choices.json()), Ok(choices.clone()));
        let mut revoked = consent.clone();
        revoked.as_object_mut().unwrap().insert("status", "inactive");
        assert_eq!(Choices::of(&revoked), Some(choices));
    }
}

#[test]
fn every_choice_is_a_valid_consent_that_the_decision_understands() {
    for choices in every().into_iter().step_by(7) {
        let consent = made(&choices);
        let issues = Validator::r4().validate(&consent, &Options::default());
        assert!(!model::outcome::any_error(&issues), "{issues:?}\n{}", consent.pretty());
        let compiled = consent::Policies::compile(&[consent], &[]);
        assert_eq!(compiled.misunderstood().count(), 0);
    }
}

#[test]
fn what_somebody_changed_is_no_choice_any_more() {
    let choices = Choices::read(&json(r#"{"share":"treating","emergency":"allow","research":false}"#)).unwrap();
    let consent = made(&choices);
    for (name, value) in [
        ("verification", r#"[{"verified":true}]"#),
        ("dateTime", r#""2026-03""#),
        ("policyRule", r#"{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTIN"}]}"#),
        ("identifier", r#"[{"system":"urn:x","value":"c1"}]"#),
    ] {
        let mut other = consent.clone();
        other.as_object_mut().unwrap().insert(name, json(value));
        assert_eq!(Choices::of(&other), None, "{name}");
    }
    let mut wider = consent;
    let provision = wider.as_object_mut().unwrap().get_mut("provision").unwrap();
    provision.as_object_mut().unwrap().insert("type", "permit");
    assert_eq!(Choices::of(&wider), None);
}

#[track_caller]
fn refused(text: &str, at: &str) {
    let error = Choices::read(&json(text)).expect_err(text);
    assert_eq!(error.at, at, "{text}");
}

#[test]
fn names_what_is_no_choice() {
    for (text, at) in [
        ("[]", "choices"),
        (r#"{"share":"all","emergency":"allow","research":false}"#, "share"),
        (r#"{"share":"named","emergency":"allow","research":false}"#, "with"),
        (r#"{"share":"named","with":[],"emergency":"allow","research":false}"#, "with"),
        (r#"{"share":"named","with":[{"reference":"Patient/p2"}],"emergency":"allow","research":false}"#, "with"),
        (
            r#"{"share":"treating","with":[{"reference":"Practitioner/a"}],"emergency":"allow","research":false}"#,
            "with",
        ),
        (
            r#"{"share":"named","with":[{"reference":"Practitioner/a"},{"reference":"Practitioner/a"}],"emergency":"allow","research":false}"#,
            "with",
        ),
        (
            r#"{"share":"named","with":[{"reference":"Practitioner/a","display":""}],"emergency":"allow","research":false}"#,
            "with",
        ),
        (r#"{"share":"treating","keep_back":["hair"],"emergency":"allow","research":false}"#, "keep_back"),
        (r#"{"share":"treating","keep_back":"hiv","emergency":"allow","research":false}"#, "keep_back"),
        (r#"{"share":"treating","research":false}"#, "emergency"),
        (r#"{"share":"treating","emergency":"allow"}"#, "research"),
        (r#"{"share":"treating","emergency":"allow","research":false,"until":"2027"}"#, "until"),
        (r#"{"share":"treating","emergency":"allow","research":false,"until":"2027-02-30"}"#, "until"),
        (r#"{"share":"treating","emergency":"allow","research":false,"patient":"Patient/p2"}"#, "choices"),
    ] {
        refused(text, at);
    }
}

#[test]
fn says_them_as_sentences() {
    let text = r#"{"share":"named","with":[{"reference":"Practitioner/a","display":"Dr. Ann"},{"reference":"Organization/o"}],
        "keep_back":["hiv","mental-health"],"emergency":"refuse","research":true,"until":"2027-01-01"}"#;
    let sentence = Choices::read(&json(text)).unwrap().sentence();
    for part in ["Dr. Ann and Organization/o", "mental health and HIV", "Not even in an emergency", "2027-01-01"] {
        assert!(sentence.contains(part), "{sentence}");
    }
}
