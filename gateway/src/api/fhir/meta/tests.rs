//! Labels on and off.

use model::json::{Limits, parse};

use super::*;

fn tree(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

#[track_caller]
fn check(resource: &str, adds: bool, meta: &str, expect: &str) {
    let mut resource = tree(resource);
    MetaChange::of(&tree(meta), adds).unwrap().apply(&mut resource);
    assert_eq!(resource.to_text(), expect);
}

#[test]
fn what_is_there_is_not_added_again() {
    check(
        r#"{"resourceType":"Basic","id":"a","code":{}}"#,
        true,
        r#"{"tag":[{"system":"urn:s","code":"x"}],"profile":["urn:p"]}"#,
        r#"{"resourceType":"Basic","id":"a","meta":{"profile":["urn:p"],"tag":[{"system":"urn:s","code":"x"}]},"code":{}}"#,
    );
    check(
        r#"{"resourceType":"Basic","meta":{"tag":[{"system":"urn:s","code":"x","display":"X"}]}}"#,
        true,
        r#"{"tag":[{"system":"urn:s","code":"x"},{"system":"urn:s","code":"y"}]}"#,
        r#"{"resourceType":"Basic","meta":{"tag":[{"system":"urn:s","code":"x","display":"X"},{"system":"urn:s","code":"y"}]}}"#,
    );
}

#[test]
fn what_is_taken_off_leaves_nothing_empty() {
    check(
        r#"{"resourceType":"Basic","meta":{"security":[{"system":"urn:s","code":"R"}]},"code":{}}"#,
        false,
        r#"{"security":[{"system":"urn:s","code":"R"}],"tag":[{"code":"none"}]}"#,
        r#"{"resourceType":"Basic","code":{}}"#,
    );
}

#[test]
fn what_is_the_gateways_own_is_not_changed() {
    assert!(MetaChange::of(&tree(r#"{"versionId":"7"}"#), true).is_err());
}
