//! Any JSON as a Consent, as an R5 Consent, as a resource to decide and as a value set: no panic, one answer, and a
//! consent of the patient that is not understood releases nothing.
#![no_main]

use std::sync::LazyLock;

use consent::{
    AccessRequest, Action, Actor, Context, ImplicitPolicy, Interaction, Labelling, Policies, Purpose, ResourceFacts,
    SensitivityMap, Settings, decide, r5, release,
};
use libfuzzer_sys::fuzz_target;
use model::json::{Json, Limits, parse};
use model::time::Instant;

static MAP: LazyLock<SensitivityMap> = LazyLock::new(SensitivityMap::embedded);

fuzz_target!(|raw: &[u8]| {
    let Ok(json) = parse(raw, &Limits::default()) else { return };
    let now = Instant::parse("2026-06-15T10:00:00Z").expect("an instant: written here");
    let request = AccessRequest {
        actor: Actor {
            refs: vec!["Practitioner/a".into()],
            roles: vec!["clinician".into()],
            ..Actor::default()
        },
        purposes: vec![Purpose::parse("TREAT")],
        action: Action::Access,
        custodian: None,
        btg: None,
        patient: None,
        interaction: Interaction::Read,
    };
    let resource = parse(
        br#"{"resourceType":"Condition","id":"x","subject":{"reference":"Patient/p"}}"#,
        &Limits::default(),
    )
    .expect("a resource: written here");
    let facts = ResourceFacts::from(&resource);
    let settings = Settings { implicit_policy: ImplicitPolicy::PermitAll, ..Settings::default() };

    let policies = Policies::compile(std::slice::from_ref(&json), &[]);
    let decision = decide(&policies, &request, &facts, &settings, now);
    assert_eq!(decision, decide(&policies, &request, &facts, &settings, now));
    let _ = decision.to_json().to_bytes();
    let _ = policies.next_change(now);
    let of_the_patient = json.text_at(&["patient", "reference"]) == Some("Patient/p");
    assert!(!decision.is_permit() || !of_the_patient || policies.misunderstood().next().is_none());

    // What is carried over from R5 is decided like any other.
    if let Ok(converted) = r5::convert(&json) {
        let policies = Policies::compile(std::slice::from_ref(&converted.consent), &[]);
        decide(&policies, &request, &facts, &settings, now);
    }

    let settings = Settings { labelling: Labelling::Map, ..settings };
    let policies = Policies::default();
    let context =
        Context { policies: &policies, request: &request, settings: &settings, now, links: None, map: Some(&MAP) };
    if let Ok(permitted) = release(&context, json.clone(), None) {
        let content = permitted.into_inner();
        // What is released once is released again as it is.
        let again = release(&context, content.json.clone(), None).expect("a redacted resource is no more confidential");
        assert!(again.get().json == content.json);
    }
    let _ = MAP.explain(&json);

    let mut map = SensitivityMap::default();
    let _ = map.add_definitions("fuzz", &json, Some("PSY"));
    if let Some(text) = json.get("table").and_then(Json::as_str) {
        let _ = map.add_table("fuzz", text);
    }
});
