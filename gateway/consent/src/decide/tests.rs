use std::time::Duration;

use model::json::Json;

use super::*;
use crate::facts::Links;
use crate::obligation::Obligation;
use crate::request::{Interaction, Purpose};
use crate::samples::{admin, condition, consent, decision, emergency, json, labelled, now, provision, request};
use crate::settings::{BtgMode, Labelling};

#[track_caller]
fn check(consents: &[Json], request: &AccessRequest, resource: &Json, expected: Result<(), Reason>) {
    let found = decision(consents, request, resource);
    let effect = match found.effect {
        Effect::Permit(_) => Ok(()),
        Effect::Deny(reason) => Err(reason),
    };
    assert_eq!(effect, expected, "{:?}", found.matched);
}

fn permit() -> Json {
    provision(r#"{"type":"permit"}"#)
}

fn opt_out() -> Json {
    consent(r#","policyRule":{"coding":[{"system":"@act","code":"OPTOUT"}]}"#)
}

fn as_settings(settings: &Settings, consents: &[Json], request: &AccessRequest, resource: &Json) -> Decision {
    decide(&Policies::compile(consents, &[]), request, &ResourceFacts::from(resource), settings, now())
}

#[test]
fn asks_for_an_actor_and_a_purpose() {
    let mut nobody = request();
    nobody.actor.refs.clear();
    check(&[permit()], &nobody, &condition(""), Err(Reason::NoActor));
    let mut purposeless = request();
    purposeless.purposes.clear();
    check(&[permit()], &purposeless, &condition(""), Err(Reason::NoPurpose));
}

#[test]
fn every_patient_and_every_purpose_must_be_permitted() {
    let shared = json(
        r#"{"resourceType":"Appointment","id":"x","participant":[{"actor":{"reference":"Patient/p"}},{"actor":{"reference":"Patient/q"}}]}"#,
    );
    check(&[permit()], &request(), &shared, Err(Reason::ImplicitPolicy));
    let other = json(&permit().to_text().replace("Patient/p", "Patient/q"));
    check(&[permit(), other], &request(), &shared, Ok(()));
    let treatment = provision(r#"{"type":"permit","purpose":[{"system":"@reason","code":"TREAT"}]}"#);
    let mut asked = request();
    asked.purposes.push(Purpose::parse("HMARKT"));
    check(&[treatment], &asked, &condition(""), Err(Reason::ImplicitPolicy));
}

#[test]
fn the_directory_is_open_unless_a_policy_denies_and_other_data_need_a_patient() {
    let practitioner = json(r#"{"resourceType":"Practitioner","id":"a"}"#);
    check(&[], &request(), &practitioner, Ok(()));
    for name in ["Endpoint", "HealthcareService", "OrganizationAffiliation"] {
        let entry = json(&format!(r#"{{"resourceType":"{name}","id":"a"}}"#));
        check(&[], &request(), &entry, Ok(()));
        check(&[admin(r#"{"type":"deny"}"#)], &request(), &entry, Err(Reason::AdminPolicy));
    }
    for name in ["Schedule", "Slot"] {
        let entry = json(&format!(r#"{{"resourceType":"{name}","id":"a","comment":"somebody comes at ten"}}"#));
        check(&[], &request(), &entry, Err(Reason::NoPatient));
    }
    check(&[admin(r#"{"type":"deny"}"#)], &request(), &practitioner, Err(Reason::AdminPolicy));
    check(
        &[admin(r#"{"type":"permit"}"#)],
        &request(),
        &json(r#"{"resourceType":"Task","id":"t"}"#),
        Err(Reason::NoPatient),
    );
    let implant = json(r#"{"resourceType":"Device","id":"d","patient":{"reference":"Patient/p"}}"#);
    check(&[], &request(), &implant, Err(Reason::ImplicitPolicy));
}

#[test]
fn any_deny_denies_and_an_unread_consent_denies() {
    let deny = provision(r#"{"type":"deny"}"#);
    check(&[permit(), deny.clone()], &request(), &condition(""), Err(Reason::Consent));
    check(&[permit(), admin(r#"{"type":"deny"}"#)], &request(), &condition(""), Err(Reason::AdminPolicy));
    let unread = provision(r#"{"type":"allow"}"#);
    check(&[permit(), unread.clone()], &request(), &condition(""), Err(Reason::Indeterminate));
    check(&[permit(), unread, deny], &request(), &condition(""), Err(Reason::Consent));
}

#[test]
fn actors_match_by_reference_and_by_identifier() {
    let with = |target: &str| {
        provision(&format!(
            r#"{{"type":"permit","actor":[{{"role":{{"coding":[{{"system":"@part","code":"IRCP"}}]}},"reference":{target}}}]}}"#
        ))
    };
    check(&[with(r#"{"reference":"Organization/o"}"#)], &request(), &condition(""), Ok(()));
    check(&[with(r#"{"reference":"Organization/other"}"#)], &request(), &condition(""), Err(Reason::ImplicitPolicy));
    let mut asked = request();
    asked.actor.identifiers.push(model::id::Identifier::new("urn:npi", "1"));
    check(&[with(r#"{"identifier":{"system":"urn:npi","value":"1"}}"#)], &asked, &condition(""), Ok(()));
    check(
        &[with(r#"{"identifier":{"system":"urn:npi","value":"2"}}"#)],
        &asked,
        &condition(""),
        Err(Reason::ImplicitPolicy),
    );
}

#[test]
fn a_custodian_rule_looks_at_the_holder_and_holds_where_the_holder_is_not_known() {
    let rule = provision(
        r#"{"type":"permit","provision":[{"type":"deny","actor":[
        {"role":{"coding":[{"system":"@part","code":"CST"}]},"reference":{"reference":"Organization/h"}}]}]}"#,
    );
    let held_by = |custodian: Option<&str>| {
        let mut asked = request();
        asked.custodian = custodian.map(|it| vec![it.into()]);
        decision(std::slice::from_ref(&rule), &asked, &condition("")).is_permit()
    };
    assert!(!held_by(Some("Organization/h")));
    assert!(held_by(Some("Organization/other")));
    assert!(!held_by(None));
    let unnamed = json(
        &rule
            .to_text()
            .replace(r#"{"reference":"Organization/h"}"#, r#"{"identifier":{"system":"urn:x","value":"h"}}"#),
    );
    check(&[unnamed], &request(), &condition(""), Err(Reason::Consent));
}

#[test]
fn codings_without_a_system_deny_by_code_and_never_permit() {
    for criterion in [
        r#""purpose":[{"code":"TREAT"}]"#,
        r#""action":[{"coding":[{"code":"access"}]}]"#,
        r#""class":[{"code":"Condition"}]"#,
        r#""code":[{"coding":[{"code":"1-1"}]}]"#,
        r#""actor":[{"role":{"coding":[{"code":"IRCP"}]},"reference":{"reference":"Practitioner/a"}}]"#,
    ] {
        let rule = |kind: &str| provision(&format!(r#"{{"type":"{kind}",{criterion}}}"#));
        check(&[rule("permit")], &request(), &condition(""), Err(Reason::ImplicitPolicy));
        check(&[permit(), rule("deny")], &request(), &condition(""), Err(Reason::Consent));
    }
}

#[test]
fn a_class_of_an_unknown_system_denies_always_and_permits_never() {
    let rule = |kind: &str| provision(&format!(r#"{{"type":"{kind}","class":[{{"system":"urn:own","code":"x"}}]}}"#));
    check(&[rule("permit")], &request(), &condition(""), Err(Reason::ImplicitPolicy));
    check(&[permit(), rule("deny")], &request(), &condition(""), Err(Reason::Consent));
}

#[test]
fn data_periods_permit_what_they_contain_and_deny_what_they_touch() {
    let rule = |kind: &str| provision(&format!(r#"{{"type":"{kind}","dataPeriod":{{"start":"2022","end":"2022"}}}}"#));
    let inside = condition(r#","recordedDate":"2022-05""#);
    let across = condition(r#","onsetPeriod":{"start":"2021-12-31","end":"2022-01-02"}"#);
    let outside = condition(r#","recordedDate":"2023-01-01""#);
    check(&[rule("permit")], &request(), &inside, Ok(()));
    check(&[rule("permit")], &request(), &across, Err(Reason::ImplicitPolicy));
    check(&[rule("permit")], &request(), &condition(""), Err(Reason::ImplicitPolicy));
    check(&[permit(), rule("deny")], &request(), &across, Err(Reason::Consent));
    check(&[permit(), rule("deny")], &request(), &condition(""), Err(Reason::Consent));
    check(&[permit(), rule("deny")], &request(), &outside, Ok(()));
}

#[test]
fn related_data_are_unknown_until_they_are_looked_up() {
    let deny = |meaning: &str| {
        let rule = provision(&format!(
            r#"{{"type":"permit","provision":[{{"type":"deny","data":[{{"meaning":"{meaning}","reference":{{"reference":"Encounter/e"}}}}]}}]}}"#
        ));
        Policies::compile(&[rule], &[])
    };
    let encounter =
        json(r#"{"resourceType":"Encounter","id":"e","diagnosis":[{"condition":{"reference":"Condition/x"}}]}"#);
    let permits = |meaning: &str, resource: &Json, links: Option<&Links>| {
        let mut facts = ResourceFacts::from(resource);
        if let Some(links) = links {
            facts.link(links);
        }
        decide(&deny(meaning), &request(), &facts, &Settings::default(), now()).is_permit()
    };
    let (known, none) = (Links::of([&encounter]), Links::default());
    assert!(!permits("related", &condition(""), None));
    assert!(permits("related", &condition(""), Some(&none)));
    assert!(!permits("related", &condition(""), Some(&known)));
    assert!(permits("dependents", &condition(""), Some(&known)));
    let refers = condition(r#","encounter":{"reference":"Encounter/e"}"#);
    assert!(!permits("dependents", &refers, Some(&none)));
    assert!(!permits("related", &refers, Some(&none)));
    assert!(permits("instance", &refers, Some(&none)));
}

#[test]
fn the_implicit_policy_never_reaches_above_normal() {
    let settings = |implicit_policy| Settings { implicit_policy, ..Settings::default() };
    let permits = |policy, purpose: &str, resource: &Json| {
        let mut asked = request();
        asked.purposes = vec![Purpose::parse(purpose)];
        as_settings(&settings(policy), &[], &asked, resource).is_permit()
    };
    assert!(permits(ImplicitPolicy::PermitTreatment, "COC", &labelled(&["N"])));
    assert!(!permits(ImplicitPolicy::PermitTreatment, "HPAYMT", &labelled(&["N"])));
    assert!(!permits(ImplicitPolicy::PermitTreatment, "TREAT", &labelled(&["PSY"])));
    assert!(permits(ImplicitPolicy::PermitAll, "HPAYMT", &condition("")));
    assert!(!permits(ImplicitPolicy::PermitAll, "HPAYMT", &labelled(&["R"])));
    assert!(!permits(ImplicitPolicy::Deny, "TREAT", &labelled(&["U"])));
    let mut researcher = request();
    researcher.actor.roles = vec!["researcher".into()];
    let treatment = settings(ImplicitPolicy::PermitTreatment);
    assert!(!as_settings(&treatment, &[], &researcher, &condition("")).is_permit());
    let unlabelled = Settings { labelling: Labelling::Unavailable, ..treatment };
    assert!(!as_settings(&unlabelled, &[], &request(), &condition("")).is_permit());
}

#[test]
fn break_glass_opens_below_very_restricted_with_its_obligations() {
    let found = decision(&[opt_out()], &emergency(), &labelled(&["R", "PSY"]));
    assert!(found.btg);
    let owed: Vec<String> = found.obligations().iter().map(|it| it.to_string()).collect();
    assert_eq!(owed, ["audit:BTG", "notify-patient", "post-review", "no-redisclosure", "expires"]);
    let ends = Instant::parse("2026-06-15T10:50:00Z").unwrap();
    assert!(found.obligations().iter().any(|it| it == Obligation::ExpiresAt(ends)));
    check(&[opt_out()], &emergency(), &labelled(&["V"]), Err(Reason::Consent));
    check(&[provision(r#"{"type":"allow"}"#)], &emergency(), &condition(""), Ok(()));
    check(&[], &emergency(), &condition(""), Ok(()));
}

#[test]
fn break_glass_is_not_used_where_consent_permits() {
    let found = decision(&[permit()], &emergency(), &labelled(&["V"]));
    assert!(found.is_permit() && !found.btg && found.obligations().is_empty());
}

#[test]
fn a_deny_that_names_the_emergency_holds_against_break_glass() {
    for code in ["BTG", "ETREAT"] {
        let rule = format!(r#"{{"type":"deny","purpose":[{{"system":"@reason","code":"{code}"}}]}}"#);
        check(&[provision(&rule)], &emergency(), &condition(""), Err(Reason::Consent));
        check(&[admin(&rule)], &emergency(), &condition(""), Err(Reason::AdminPolicy));
    }
    let wider = provision(r#"{"type":"deny","purpose":[{"system":"@reason","code":"TREAT"}]}"#);
    check(&[wider], &emergency(), &condition(""), Ok(()));
}

#[test]
fn break_glass_asks_for_everything_it_needs() {
    #[track_caller]
    fn refused(change: impl FnOnce(&mut AccessRequest)) {
        let mut request = emergency();
        change(&mut request);
        let found = decision(&[opt_out()], &request, &condition(""));
        assert!(!found.is_permit() && !found.btg);
    }
    refused(|it| it.btg = None);
    refused(|it| it.btg.as_mut().unwrap().declared = false);
    refused(|it| it.btg.as_mut().unwrap().reason = "  short   ".to_owned());
    refused(|it| it.btg.as_mut().unwrap().started = now().before(Duration::from_secs(3601)));
    refused(|it| it.btg.as_mut().unwrap().started = now().after(Duration::from_secs(1)));
    refused(|it| it.actor.emergency_authorised = false);
    refused(|it| it.action = Action::Disclose);
    refused(|it| it.patient = None);
    refused(|it| it.patient = Some("Patient/q".into()));
    refused(|it| it.purposes = vec![Purpose::parse("ETREAT")]);
    refused(|it| it.purposes.push(Purpose::parse("TREAT")));
    for interaction in [Interaction::Export, Interaction::Forward, Interaction::Subscription, Interaction::Write] {
        refused(|it| it.interaction = interaction);
    }
    for btg in [BtgMode::ConsentOnly, BtgMode::Off] {
        let settings = Settings { btg, ..Settings::default() };
        assert!(!as_settings(&settings, &[opt_out()], &emergency(), &condition("")).is_permit());
    }
}

#[test]
fn patients_reach_their_own_data_whatever_their_consents_say() {
    let own = |bound: &str| {
        let mut asked = request();
        asked.actor.refs = vec!["Patient/p".into()];
        asked.actor.bound_patient = Some(bound.into());
        asked.purposes = vec![Purpose::parse("PATRQT")];
        asked
    };
    check(&[opt_out()], &own("Patient/p"), &labelled(&["R", "PSY"]), Ok(()));
    check(&[opt_out()], &own("Patient/p"), &labelled(&["V"]), Err(Reason::Consent));
    check(&[opt_out()], &own("Patient/q"), &condition(""), Err(Reason::Consent));
    check(&[opt_out(), admin(r#"{"type":"deny"}"#)], &own("Patient/p"), &condition(""), Err(Reason::AdminPolicy));
    let mut writing = own("Patient/p");
    writing.action = Action::Correct;
    check(&[opt_out()], &writing, &condition(""), Err(Reason::Consent));
    check(&[opt_out()], &writing, &permit(), Ok(()));
    let mut relative = own("Patient/p");
    relative.actor.refs = vec!["RelatedPerson/r".into()];
    check(&[opt_out()], &relative, &condition(""), Err(Reason::Consent));
}

#[test]
fn the_trace_names_consent_version_and_place() {
    let rule = json(
        &provision(r#"{"type":"permit","provision":[{"type":"deny"}]}"#)
            .to_text()
            .replace(r#""status""#, r#""meta":{"versionId":"4"},"status""#),
    );
    let found = decision(&[rule], &request(), &condition(""));
    assert_eq!(found.trace().collect::<Vec<_>>(), ["Consent/c/_history/4#provision.provision[0]: deny"]);
    let text = found.to_json().to_text();
    assert!(text.starts_with(r#"{"decision":"deny","reason":"consent","btg":false"#), "{text}");
}
