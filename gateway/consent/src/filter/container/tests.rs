use super::*;
use crate::policy::Policies;
use crate::samples::{json, now, provision, request};
use crate::settings::Settings;

const NO_PSY: &str =
    r#"{"type":"permit","provision":[{"type":"deny","securityLabel":[{"system":"@act","code":"PSY"}]}]}"#;

fn in_context<T>(rule: &str, ask: impl FnOnce(&Context<'_>) -> T) -> T {
    let (policies, request, settings) = (Policies::compile(&[provision(rule)], &[]), request(), Settings::default());
    ask(&Context { policies: &policies, request: &request, settings: &settings, now: now(), links: None, map: None })
}

fn bundle(rule: &str, bundle: &str) -> Option<String> {
    in_context(rule, |context| {
        release_bundle(context, json(bundle)).ok().map(|permitted| permitted.into_inner().json.to_text())
    })
}

/// A document with a Condition `open` and one `secret`, which is labelled; references as a sender of uuids has them.
fn document(head: &str) -> String {
    format!(
        r#"{{"resourceType":"Bundle","id":"b","type":"document"{head},"total":3,"signature":{{"data":"c2ln"}},"entry":[
        {{"fullUrl":"urn:uuid:c","resource":{{"resourceType":"Composition","id":"c","subject":{{"reference":"urn:uuid:p"}},
          "section":[{{"title":"Mind","text":{{"div":"low spirits"}},"entry":[{{"reference":"urn:uuid:s"}}]}},
                     {{"title":"Heart","text":{{"div":"pressure"}},"entry":[{{"reference":"urn:uuid:o"}}]}}]}}}},
        {{"fullUrl":"urn:uuid:p","resource":{{"resourceType":"Patient","id":"p"}}}},
        {{"fullUrl":"urn:uuid:o","resource":{{"resourceType":"Condition","id":"open","subject":{{"reference":"urn:uuid:p"}}}}}},
        {{"fullUrl":"urn:uuid:s","resource":{{"resourceType":"Condition","id":"secret","subject":{{"reference":"Patient/p"}},
          "meta":{{"security":[{{"system":"@act","code":"PSY"}}]}}}}}}]}}"#
    )
}

#[test]
fn a_document_loses_the_withheld_entry_with_its_section_and_its_counts() {
    let left = bundle(NO_PSY, &document("")).unwrap();
    for gone in ["secret", "urn:uuid:s", "low spirits", "Mind", "signature", "total"] {
        assert!(!left.contains(gone), "{gone}: {left}");
    }
    for kept in ["pressure", "urn:uuid:o", "REDACTED"] {
        assert!(left.contains(kept), "{kept}: {left}");
    }
}

#[test]
fn a_document_of_which_nothing_is_withheld_stays_whole() {
    let left = bundle(r#"{"type":"permit"}"#, &document("")).unwrap();
    assert!(left.contains("low spirits") && left.contains("signature") && !left.contains("REDACTED"), "{left}");
}

#[test]
fn a_document_goes_with_its_composition() {
    assert_eq!(bundle(r#"{"type":"deny"}"#, &document("")), None);
    let only = r#"{"type":"permit","class":[{"system":"@type","code":"Condition"}]}"#;
    assert_eq!(bundle(only, &document("")), None);
}

#[test]
fn labels_of_the_bundle_count_for_each_entry() {
    let head = r#","meta":{"security":[{"system":"@act","code":"PSY"}]}"#;
    assert_eq!(bundle(NO_PSY, &document(head)), None);
}

#[test]
fn what_names_no_patient_that_is_known_here_is_withheld() {
    let entry = |subject: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"resource":{{"resourceType":"Condition","id":"x",
            "subject":{{"reference":"{subject}"}}}}}},{{"resource":{{"resourceType":"Organization","id":"o"}}}}]}}"#
        )
    };
    let rule = r#"{"type":"permit"}"#;
    assert!(bundle(rule, &entry("Patient/p")).is_some());
    for subject in ["urn:uuid:nobody", "https://elsewhere.example/Patient/p"] {
        assert_eq!(bundle(rule, &entry(subject)), None, "{subject}");
    }
    assert_eq!(bundle(rule, r#"{"resourceType":"Bundle","type":"collection"}"#), None);
}

#[test]
fn a_binary_in_a_bundle_follows_what_names_it() {
    let with = |binary: &str, document: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"collection","entry":[
            {{"resource":{{"resourceType":"DocumentReference","id":"d","subject":{{"reference":"Patient/p"}},
              "meta":{{"security":[{document}]}},"content":[{{"attachment":{{"url":"Binary/b"}}}}]}}}},
            {{"resource":{{"resourceType":"Condition","id":"x","subject":{{"reference":"Patient/p"}}}}}},
            {{"resource":{{"resourceType":"Binary","id":"b","data":"c2VjcmV0"{binary}}}}}]}}"#
        )
    };
    let psy = r#"{"system":"@act","code":"PSY"}"#;
    let has = |text: Option<String>| text.unwrap().contains("c2VjcmV0");
    assert!(has(bundle(NO_PSY, &with("", ""))));
    assert!(!has(bundle(NO_PSY, &with("", psy))));
    let named = |target: &str| format!(r#","securityContext":{{"reference":"{target}"}}"#);
    assert!(has(bundle(NO_PSY, &with(&named("Condition/x"), psy))));
    assert!(!has(bundle(NO_PSY, &with(&named("Condition/other"), ""))));
}

#[test]
fn a_binary_follows_the_resource_and_its_own_labels() {
    let binary =
        |labels: &str| json(&format!(r#"{{"resourceType":"Binary","id":"b","meta":{{"security":[{labels}]}}}}"#));
    let (open, psy) = (crate::samples::labelled(&["N"]), crate::samples::labelled(&["PSY"]));
    let released = |binary: Json, followed: &Json| {
        in_context(NO_PSY, |context| release_following(context, binary, None, followed).is_ok())
    };
    assert!(released(binary(""), &open));
    assert!(!released(binary(""), &psy));
    assert!(!released(binary(r#"{"system":"@act","code":"PSY"}"#), &open));
}

#[track_caller]
fn tells_of(resource: &str, expect: &[&str]) {
    let told = told_of(&json(resource));
    assert_eq!(told.iter().map(ToString::to_string).collect::<Vec<_>>(), expect, "{resource}");
}

#[test]
fn a_resource_tells_of_those_it_calls_by_a_display_text() {
    tells_of(
        r#"{"resourceType":"Encounter","subject":{"reference":"Patient/p"},
            "diagnosis":[{"condition":{"reference":"Condition/a/_history/2","display":"low spirits"}}],
            "extension":[{"valueReference":{"reference":"urn:uuid:1","display":"elsewhere"}}]}"#,
        &["Condition/a"],
    );
}

#[test]
fn a_composition_tells_of_everything_it_lists() {
    tells_of(
        r#"{"resourceType":"Composition","subject":{"reference":"Patient/p"},
            "section":[{"section":[{"entry":[{"reference":"Condition/a"}]}]}]}"#,
        &["Condition/a", "Patient/p"],
    );
}
