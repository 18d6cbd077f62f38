use super::*;
use crate::samples::{condition, json, labelled, now, provision, request};

fn released(rule: &str, resources: &[Json]) -> Released {
    let (policies, request, settings) = (Policies::compile(&[provision(rule)], &[]), request(), Settings::default());
    let context =
        Context { policies: &policies, request: &request, settings: &settings, now: now(), links: None, map: None };
    let candidate = |json: &Json| Candidate {
        text: Some(json.to_bytes().into()),
        json: json.clone(),
        selected_by: Vec::new(),
        follows: None,
    };
    release_all(&context, resources.iter().map(candidate))
}

const NO_PSY: &str =
    r#"{"type":"permit","provision":[{"type":"deny","securityLabel":[{"system":"@act","code":"PSY"}]}]}"#;

#[test]
fn what_is_untouched_leaves_as_the_bytes_it_was_stored_as() {
    let stored: Arc<[u8]> = b"{ \"resourceType\" : \"Condition\" }".as_slice().into();
    let (policies, request, settings) =
        (Policies::compile(&[provision(r#"{"type":"permit"}"#)], &[]), request(), Settings::default());
    let context =
        Context { policies: &policies, request: &request, settings: &settings, now: now(), links: None, map: None };
    let permitted = release(&context, condition(""), Some(stored.clone())).unwrap();
    assert_eq!(permitted.get().bytes(), stored.as_ref());
    assert!(!permitted.get().redacted);
}

#[test]
fn each_resource_is_decided_by_itself() {
    let other = json(&labelled(&["R", "PSY"]).to_text().replace(r#""id":"x""#, r#""id":"y""#));
    let found = released(NO_PSY, &[condition(""), other]);
    assert_eq!(found.permitted.get().len(), 1);
    assert_eq!(found.withheld.iter().map(|it| it.reference.as_str()).collect::<Vec<_>>(), ["Condition/y"]);
}

#[test]
fn a_selection_that_rests_on_something_withheld_is_withheld() {
    let (policies, request, settings) = (Policies::compile(&[provision(NO_PSY)], &[]), request(), Settings::default());
    let context =
        Context { policies: &policies, request: &request, settings: &settings, now: now(), links: None, map: None };
    let secret = labelled(&["PSY"]);
    let patient = json(r#"{"resourceType":"Patient","id":"p"}"#);
    let candidate = |selected_by| Candidate { json: patient.clone(), text: None, selected_by, follows: None };
    let found = release_all(&context, [candidate(vec![&secret])]);
    assert_eq!(found.withheld[0].decision.effect, Effect::Deny(Reason::Selection));
    assert!(release_all(&context, [candidate(vec![])]).withheld.is_empty());
}

#[test]
fn a_redacted_resource_does_not_leave_as_its_stored_text() {
    let labelled_part = condition(
        r#","text":{"div":"secret"},"note":[{"text":"secret","extension":[{"url":"http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label","valueCoding":{"system":"@act","code":"PSY"}}]}]"#,
    );
    let found = released(NO_PSY, &[labelled_part]);
    let content = &found.permitted.get()[0];
    assert_eq!(content.removed, ["note[0]"]);
    assert!(content.redacted && content.text.is_none());
    let bytes = String::from_utf8(content.bytes().into_owned()).unwrap();
    assert!(!bytes.contains("secret") && bytes.contains("REDACTED"), "{bytes}");
}

#[test]
fn a_label_on_the_resource_itself_decides_it_as_a_whole() {
    let whole = condition(
        r#","extension":[{"url":"http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label","valueCoding":{"system":"@act","code":"PSY"}}]"#,
    );
    assert_eq!(released(NO_PSY, &[whole]).withheld.len(), 1);
}

#[test]
fn the_map_is_run_where_the_site_says_so_and_its_absence_closes() {
    let icd = json(
        &condition("")
            .to_text()
            .replace("http://loinc.org", "http://hl7.org/fhir/sid/icd-10-cm")
            .replace("1-1", "F32.1"),
    );
    let policies =
        Policies::compile(&[provision(r#"{"type":"permit","securityLabel":[{"system":"@conf","code":"N"}]}"#)], &[]);
    let (request, settings) = (request(), Settings { labelling: Labelling::Map, ..Settings::default() });
    let map = SensitivityMap::embedded();
    let permits = |resource: &Json, map: Option<&SensitivityMap>| {
        let context =
            Context { policies: &policies, request: &request, settings: &settings, now: now(), links: None, map };
        release(&context, resource.clone(), None).is_ok()
    };
    assert!(!permits(&icd, Some(&map)));
    assert!(permits(&condition(""), Some(&map)));
    assert!(!permits(&condition(""), None));
    let local = json(&condition("").to_text().replace("http://loinc.org", "urn:local"));
    assert!(!permits(&local, Some(&map)), "nobody has looked at this code system");
}

#[test]
fn the_version_of_the_map_goes_with_each_decision() {
    let policies = Policies::compile(&[], &[]);
    let map = SensitivityMap::embedded();
    let (request, mut settings) = (request(), Settings { labelling: Labelling::Map, ..Settings::default() });
    let decided = |settings: &Settings, map: Option<&SensitivityMap>| {
        let context = Context { policies: &policies, request: &request, settings, now: now(), links: None, map };
        let decision = context.decide(&context.facts(&condition("")));
        (decision.to_json().get("map").and_then(Json::as_str).map(str::to_owned), decision.map)
    };
    let version = map.version();
    assert_eq!(decided(&settings, Some(&map)), (Some(version.to_string()), Some(version.clone())));
    assert_eq!(decided(&settings, None), (None, None), "the map did not run");
    settings.labelling = Labelling::Complete;
    assert_eq!(decided(&settings, Some(&map)), (None, None));
}

#[test]
fn permitted_things_are_put_together_and_taken_apart() {
    let found = released(r#"{"type":"permit"}"#, &[condition("")]);
    let parts: Vec<Permitted<Content>> = found.permitted.split().collect();
    assert_eq!(Permitted::gather(parts).into_inner().len(), 1);
}
