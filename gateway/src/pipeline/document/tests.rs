use model::json::{Limits, parse};
use store::Expect;

use super::*;

#[test]
fn leads_references_to_where_resources_are_stored() {
    let json = |text: &str| parse(text.as_bytes(), &Limits::default()).unwrap();
    let entry = |text: &str| Entry { resource: json(text), expect: Expect::Any, place: String::new() };
    let mut entries = [
        entry(r#"{"resourceType":"Patient","id":"a"}"#),
        entry(
            r#"{"resourceType":"Composition","id":"b","subject":{"reference":"urn:uuid:a"},
            "author":[{"reference":"urn:uuid:c"}],"title":"urn:uuid:a"}"#,
        ),
        entry(r#"{"resourceType":"DocumentReference","id":"d","content":[{"attachment":{"url":"urn:uuid:a"}}]}"#),
    ];
    link(&mut entries);
    let [_, composition, reference] = &entries;
    assert_eq!(composition.resource.text_at(&["subject", "reference"]), Some("Patient/a"));
    assert_eq!(composition.resource.items("author")[0].text_at(&["reference"]), Some("urn:uuid:c"), "is nowhere here");
    assert_eq!(composition.resource.text_at(&["title"]), Some("urn:uuid:a"), "a text is no reference");
    assert_eq!(reference.resource.items("content")[0].text_at(&["attachment", "url"]), Some("Patient/a"));
}
