use model::json::{Limits, parse};
use search::words;

use super::{holds, narrative};

#[test]
fn a_narrative_is_its_text() {
    let of = |div: &str| words(&narrative(div)).collect::<Vec<_>>();
    assert_eq!(of("<div><b>low</b>spirits &amp; more</div>"), ["low", "spirits", "more"]);
    assert_eq!(of("a <b title=\"cancer\"/> b <unclosed"), ["a", "b"]);
}

#[track_caller]
fn check(wanted: &[&str], whole: bool, expect: bool) {
    let text = r#"{"resourceType":"Condition","text":{"div":"<div>Low spirits</div>"},
        "code":{"text":"Winter depression, Müller"},"content":{"data":"spring"},"count":72.5}"#;
    let resource = parse(text.as_bytes(), &Limits::default()).unwrap();
    let wanted: Vec<String> = wanted.iter().map(|word| (*word).to_owned()).collect();
    assert_eq!(holds(&wanted, &resource, whole), expect, "{wanted:?}");
}

#[test]
fn every_word_has_to_be_there() {
    check(&["low"], false, true);
    check(&["low", "spirits"], false, true);
    check(&["low", "winter"], false, false);
    check(&["low", "winter"], true, true);
    check(&["muller"], true, true);
    check(&["winter"], false, false);
    check(&["wint"], true, false);
    check(&["div"], true, false);
    check(&["spring"], true, false);
    check(&["72", "5"], true, true);
}
