//! Small consents, resources and requests for the tests of this crate.

use model::json::{Json, Limits, parse};
use model::time::Instant;

use crate::decide::{Decision, decide};
use crate::facts::ResourceFacts;
use crate::policy::Policies;
use crate::request::{AccessRequest, Action, Actor, Btg, Interaction, Purpose};
use crate::settings::Settings;

/// Writes out the short names of code systems: `@conf`, `@act`, `@reason`, `@part`, `@scope`, `@action`, `@type`.
pub(crate) fn json(text: &str) -> Json {
    let v3 = "http://terminology.hl7.org/CodeSystem/";
    let mut text = text.to_owned();
    for (short, system) in [
        ("@conf", format!("{v3}v3-Confidentiality")),
        ("@act", format!("{v3}v3-ActCode")),
        ("@reason", format!("{v3}v3-ActReason")),
        ("@part", format!("{v3}v3-ParticipationType")),
        ("@scope", format!("{v3}consentscope")),
        ("@consentaction", format!("{v3}consentaction")),
        ("@type", "http://hl7.org/fhir/resource-types".to_owned()),
    ] {
        text = text.replace(short, &system);
    }
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

/// An active privacy consent of patient `p`; `members` are added and begin with a comma.
pub(crate) fn consent(members: &str) -> Json {
    json(&format!(
        r#"{{"resourceType":"Consent","id":"c","status":"active",
        "scope":{{"coding":[{{"system":"@scope","code":"patient-privacy"}}]}},
        "patient":{{"reference":"Patient/p"}}{members}}}"#
    ))
}

/// A consent with this root provision.
pub(crate) fn provision(provision: &str) -> Json {
    consent(&format!(r#","dateTime":"2026-01-01","provision":{provision}"#))
}

/// A policy of the site.
pub(crate) fn admin(provision: &str) -> Json {
    json(&format!(
        r#"{{"resourceType":"Consent","id":"a","status":"active",
        "scope":{{"coding":[{{"system":"@scope","code":"patient-privacy"}}]}},
        "extension":[{{"url":"urn:gateway:consent:admin-policy","valueBoolean":true}}],"provision":{provision}}}"#
    ))
}

/// A Condition of patient `p`; `members` are added and begin with a comma.
pub(crate) fn condition(members: &str) -> Json {
    json(&format!(
        r#"{{"resourceType":"Condition","id":"x","subject":{{"reference":"Patient/p"}},
        "code":{{"coding":[{{"system":"http://loinc.org","code":"1-1"}}]}}{members}}}"#
    ))
}

/// A Condition with these labels: `N`, `R` … or sensitivity codes.
pub(crate) fn labelled(codes: &[&str]) -> Json {
    let label = |code: &&str| {
        let system = if code.len() == 1 { "@conf" } else { "@act" };
        format!(r#"{{"system":"{system}","code":"{code}"}}"#)
    };
    let labels: Vec<String> = codes.iter().map(label).collect();
    condition(&format!(r#","meta":{{"security":[{}]}}"#, labels.join(",")))
}

pub(crate) fn now() -> Instant {
    Instant::parse("2026-06-15T10:00:00Z").unwrap()
}

/// A clinician who wants to read for treatment.
pub(crate) fn request() -> AccessRequest {
    AccessRequest {
        actor: Actor {
            refs: vec!["Practitioner/a".into(), "Organization/o".into()],
            roles: vec!["clinician".into()],
            ..Actor::default()
        },
        purposes: vec![Purpose::parse("TREAT")],
        action: Action::Access,
        custodian: Some(Vec::new()),
        btg: None,
        patient: Some("Patient/p".into()),
        interaction: Interaction::Read,
    }
}

/// Emergency staff with a declaration that is in order.
pub(crate) fn emergency() -> AccessRequest {
    let mut request = request();
    request.actor.emergency_authorised = true;
    request.purposes = vec![Purpose::parse("BTG")];
    request.btg = Some(Btg {
        declared: true,
        reason: "unconscious after a fall".to_owned(),
        started: Instant::parse("2026-06-15T09:50:00Z").unwrap(),
    });
    request
}

pub(crate) fn decision(consents: &[Json], request: &AccessRequest, resource: &Json) -> Decision {
    decide(&Policies::compile(consents, &[]), request, &ResourceFacts::from(resource), &Settings::default(), now())
}
