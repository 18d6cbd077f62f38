use model::json::{Limits, parse};

use super::*;

const COMPOSITION: &str = r#"{"resourceType":"Composition","id":"c","identifier":{"system":"urn:oid:2.999","value":"1"},
    "text":{"div":"all"},"section":[
    {"title":"Problems","text":{"div":"p"},"entry":[{"reference":"Condition/1"}]},
    {"title":"Story","text":{"div":"s"}},
    {"title":"Outer","text":{"div":"o"},"section":[{"title":"Inner","text":{"div":"i"}}]}]}"#;

fn json(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn composition(is_whole: bool) -> Json {
    let made = bundle(vec![json(COMPOSITION)], "n", Json::from("2025-01-01"), is_whole);
    made.at(&["entry", "0", "resource"]).unwrap().clone()
}

#[test]
fn a_document_is_another_than_the_one_it_is_made_of() {
    let whole = composition(true);
    assert_eq!(whole.text_at(&["identifier", "value"]), Some("urn:uuid:n"));
    assert_eq!(whole.text_at(&["relatesTo", "0", "code"]), Some("transforms"));
    assert_eq!(whole.text_at(&["relatesTo", "0", "targetIdentifier", "value"]), Some("1"));
    assert_eq!(whole.items("section").len(), 3, "nothing is left out of what is released as a whole");
}

#[test]
fn where_something_stays_no_narrative_goes() {
    let part = composition(false);
    assert!(!part.to_text().contains("div"), "{part}");
    let titles: Vec<_> = part.items("section").iter().filter_map(|section| section.text_at(&["title"])).collect();
    assert_eq!(titles, ["Problems"]);
}

#[test]
fn a_document_holds_what_is_about_its_patient_and_about_nobody() {
    let about = |id: &str| json(&format!(r#"{{"resourceType":"Condition","subject":{{"reference":"Patient/{id}"}}}}"#));
    assert!(is_of(&about("p"), "p") && !is_of(&about("q"), "p"));
    assert!(is_of(&json(r#"{"resourceType":"Organization","id":"o"}"#), "p"));
}
