use super::*;
use crate::samples::json;

const INLINE: &str = r#"{"url":"http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label","valueCoding":{"system":"@conf","code":"R"}}"#;

#[track_caller]
fn check(resource: &str, expected: &str, removed: &[&str]) {
    let mut resource = json(&resource.replace("INLINE", INLINE));
    assert!(has_inline_labels(&resource));
    let found = labelled_elements(&mut resource, &mut |_| false);
    assert_eq!(resource.to_text(), expected);
    assert_eq!(found.elements, removed);
}

#[test]
fn takes_out_elements_by_their_own_labels() {
    check(
        r#"{"component":[{"id":"a"},{"id":"b","extension":[INLINE]},{"id":"c"},{"extension":[INLINE]}]}"#,
        r#"{"component":[{"id":"a"},{"id":"c"}]}"#,
        &["component[1]", "component[3]"],
    );
    check(r#"{"code":{"extension":[INLINE],"text":"x"},"status":"final"}"#, r#"{"status":"final"}"#, &["code"]);
    check(r#"{"a":{"b":[{"c":{"extension":[INLINE]}}]}}"#, r#"{"a":{"b":[{}]}}"#, &["a.b[0].c"]);
}

#[test]
fn takes_out_primitives_with_what_stands_beside_them() {
    check(
        r#"{"valueString":"x","_valueString":{"extension":[INLINE]},"status":"final"}"#,
        r#"{"status":"final"}"#,
        &["valueString"],
    );
    check(
        r#"{"given":["a","b","c"],"_given":[null,{"extension":[INLINE]},null]}"#,
        r#"{"given":["a","c"],"_given":[null,null]}"#,
        &["given[1]"],
    );
}

#[test]
fn an_array_that_has_nothing_left_goes_too() {
    check(r#"{"note":[{"text":"x","extension":[INLINE]}]}"#, "{}", &["note[0]"]);
}

#[test]
fn a_permitted_element_stays_and_its_children_are_looked_at() {
    let text = r#"{"a":{"extension":[INLINE],"b":{"extension":[INLINE]}}}"#.replace("INLINE", INLINE);
    let mut resource = json(&text);
    let mut first = true;
    let removed = labelled_elements(&mut resource, &mut |_| std::mem::replace(&mut first, false));
    assert_eq!(removed.elements, ["a.b"]);
    assert!(resource.at(&["a", "extension"]).is_some());
}

#[test]
fn sections_lose_withheld_entries_and_the_narrative_beside_them() {
    let mut composition = json(
        r#"{"resourceType":"Composition","section":[
        {"title":"Problems","text":{"div":"all"},"entry":[{"reference":"Condition/a"},{"reference":"Condition/b"}]},
        {"title":"Secret","text":{"div":"b"},"entry":[{"reference":"Condition/b"}]},
        {"title":"Other","text":{"div":"kept"},"entry":[{"reference":"Condition/a"}]},
        {"title":"Outer","text":{"div":"b inside"},"section":[{"entry":[{"reference":"Condition/b"}]}]}]}"#,
    );
    let removed = traces_of(&["Condition/b".into()], &mut composition);
    assert!(removed.traces);
    assert_eq!(
        composition.get("section").unwrap().to_text(),
        r#"[{"title":"Problems","entry":[{"reference":"Condition/a"}]},{"title":"Other","text":{"div":"kept"},"entry":[{"reference":"Condition/a"}]}]"#
    );
}

#[test]
fn references_to_what_is_withheld_lose_their_display() {
    let mut encounter = json(
        r#"{"resourceType":"Encounter","diagnosis":[{"condition":{"reference":"Condition/b","display":"secret"}}]}"#,
    );
    assert!(traces_of(&["Condition/b".into()], &mut encounter).traces);
    assert!(!encounter.to_text().contains("secret"));
    assert!(!traces_of(&["Condition/b".into()], &mut encounter).traces);
}

#[test]
fn a_mark_is_made_once_and_takes_the_narrative() {
    for (before, security) in [
        (r#"{"resourceType":"Observation","id":"o","text":{"div":"x"},"status":"final"}"#, 1),
        (r#"{"resourceType":"Observation","meta":{"security":[{"code":"N"}]},"text":{"div":"x"}}"#, 2),
        (r#"{"resourceType":"Observation","meta":{"versionId":"1"},"contained":[{"text":{"div":"x"}}]}"#, 1),
        (r#"{}"#, 1),
    ] {
        let mut resource = json(before);
        mark(&mut resource);
        let once = resource.clone();
        mark(&mut resource);
        assert_eq!(resource, once);
        assert!(!resource.to_text().contains("div"), "{before}");
        assert_eq!(resource.at(&["meta", "security"]).unwrap().as_array().unwrap().len(), security);
    }
    let mut resource = json(r#"{"resourceType":"Observation","id":"o","status":"final"}"#);
    mark(&mut resource);
    assert!(resource.to_text().starts_with(r#"{"resourceType":"Observation","id":"o","meta":{"#));
}
