use super::*;
use crate::policy::Policies;
use crate::samples::{condition, json, now, provision, request};

const INLINE: &str = "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label";

fn decided(rule: &str, resource: &Json, links: Option<&Links>) -> Result<Option<Permitted<Whole>>, Decision> {
    let (policies, request, settings) = (Policies::compile(&[provision(rule)], &[]), request(), Settings::default());
    let context = Context { policies: &policies, request: &request, settings: &settings, now: now(), links, map: None };
    release_known(&context, &Known::of(resource, &settings, None))
}

#[test]
fn elements_with_labels_of_their_own_are_left_to_the_resource() {
    let note = format!(
        r#","note":[{{"text":"t","extension":[{{"url":"{INLINE}","valueCoding":{{"system":"@act","code":"PSY"}}}}]}}]"#
    );
    assert!(matches!(decided(r#"{"type":"permit"}"#, &condition(&note), None), Ok(None)));
    assert!(matches!(decided(r#"{"type":"permit"}"#, &condition(""), None), Ok(Some(_))));
    assert!(decided(r#"{"type":"deny"}"#, &condition(""), None).is_err());
}

#[test]
fn what_other_resources_say_is_asked_anew() {
    let deny = r#"{"type":"permit","provision":[{"type":"deny","data":[{"meaning":"related","reference":{"reference":"Encounter/e"}}]}]}"#;
    let encounter =
        json(r#"{"resourceType":"Encounter","id":"e","diagnosis":[{"condition":{"reference":"Condition/x"}}]}"#);
    assert!(decided(deny, &condition(""), Some(&Links::default())).is_ok());
    assert!(decided(deny, &condition(""), Some(&Links::of([&encounter]))).is_err());
    assert!(decided(deny, &condition(""), None).is_err(), "not looked up is not nothing");
}

#[test]
fn what_it_takes_rises_with_what_it_holds() {
    let of = |members: &str| Known::of(&condition(members), &Settings::default(), None).bytes();
    let coding = r#","bodySite":[{"coding":[{"system":"http://example.org/a/long/name/of/a/system","code":"c"}]}]"#;
    assert!(of(coding) > of("") + 40);
    assert!(of(r#","asserter":{"reference":"Practitioner/a","display":"A"}"#) > of(""));
}
