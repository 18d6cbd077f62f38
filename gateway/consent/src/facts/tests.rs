use super::*;
use crate::samples::{condition, json};

#[track_caller]
fn time(resource: &str, from: &str, to: &str) {
    let facts = ResourceFacts::from(&json(resource));
    let span = facts.time.expect("a time");
    assert_eq!((span.from.to_rfc3339(), span.to.to_rfc3339()), (from.to_owned(), to.to_owned()));
}

#[test]
fn the_directory_list_is_in_order() {
    assert!(DIRECTORY.is_sorted());
}

#[test]
fn the_clinical_time_comes_before_the_time_of_writing_and_of_storing() {
    time(
        r#"{"resourceType":"Observation","effectivePeriod":{"start":"2022-07-01","end":"2022-07-03"},"issued":"2023-01-01T00:00:00Z"}"#,
        "2022-07-01T00:00:00.000Z",
        "2022-07-03T23:59:59.999Z",
    );
    time(
        r#"{"resourceType":"Condition","recordedDate":"2023","meta":{"lastUpdated":"2026-01-01T00:00:00Z"}}"#,
        "2023-01-01T00:00:00.000Z",
        "2023-12-31T23:59:59.999Z",
    );
    time(
        r#"{"resourceType":"Condition","meta":{"lastUpdated":"2026-01-01T00:00:00Z"}}"#,
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T00:00:00.999Z",
    );
}

#[test]
fn a_time_that_cannot_be_read_is_none_and_is_not_replaced_by_another() {
    for resource in [
        r#"{"resourceType":"Observation","effectiveDateTime":"yesterday","issued":"2023-01-01T00:00:00Z"}"#,
        r#"{"resourceType":"Observation","effectiveTiming":{"event":["2022"]},"issued":"2023-01-01T00:00:00Z"}"#,
        r#"{"resourceType":"AllergyIntolerance"}"#,
    ] {
        assert_eq!(ResourceFacts::from(&json(resource)).time, None, "{resource}");
    }
}

#[test]
fn finds_codings_anywhere_but_not_units_and_labels() {
    let facts = ResourceFacts::from(&condition(
        r#","meta":{"tag":[{"system":"urn:t","code":"tag"}]},"category":[{"coding":[{"code":"bare"}]}],
        "extension":[{"url":"u","valueCoding":{"system":"urn:e","code":"inner"}}],
        "component":[{"valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"mg"}}]"#,
    ));
    let mut codes: Vec<&str> = facts.codes.iter().map(|found| found.code.as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["1-1", "bare", "inner"]);
}

#[test]
fn knows_profile_mime_type_and_document_type() {
    let facts = ResourceFacts::from(&json(
        r#"{"resourceType":"DocumentReference","id":"d","meta":{"profile":["urn:profile|2.0"]},
        "type":{"coding":[{"system":"http://loinc.org","code":"34133-9"}]},
        "content":[{"attachment":{"contentType":"Text/PDF; charset=utf-8"}}]}"#,
    ));
    for (kind, code) in [
        (ClassKind::Type, "DocumentReference"),
        (ClassKind::Profile, "urn:profile"),
        (ClassKind::Mime, "text/pdf"),
        (ClassKind::Document, "34133-9"),
    ] {
        assert!(facts.classes.contains(&class_key(kind, code)), "{code}");
    }
}

#[test]
fn finds_authors_and_what_is_referred_to() {
    let facts = ResourceFacts::from(&json(
        r#"{"resourceType":"Procedure","id":"d","subject":{"reference":"Patient/p"},
        "performer":[{"actor":{"reference":"Practitioner/a/_history/2"}}],"encounter":{"reference":"Encounter/e"}}"#,
    ));
    assert_eq!(facts.authors, ["Practitioner/a"]);
    assert_eq!(facts.references, ["Patient/p", "Practitioner/a", "Encounter/e"]);
}

#[test]
fn links_tell_who_refers_to_a_resource_and_who_a_provenance_names() {
    let links = Links::of(&[
        json(r#"{"resourceType":"Encounter","id":"e","diagnosis":[{"condition":{"reference":"Condition/x"}}]}"#),
        json(
            r#"{"resourceType":"Provenance","id":"v","target":[{"reference":"Condition/x/_history/1"}],
            "agent":[{"who":{"reference":"Practitioner/b"}}]}"#,
        ),
    ]);
    let mut facts = ResourceFacts::from(&condition(""));
    facts.link(&links);
    assert!(facts.referrers.contains(&SmolStr::new("Encounter/e")));
    assert_eq!(facts.authors, ["Practitioner/b"]);
}

#[test]
fn nothing_is_made_of_what_is_no_resource() {
    for text in ["{}", "[]", r#"{"resourceType":1,"id":2}"#, r#"{"resourceType":"Patient"}"#] {
        assert_eq!(ResourceFacts::from(&json(text)).patients().count(), 0, "{text}");
    }
}
