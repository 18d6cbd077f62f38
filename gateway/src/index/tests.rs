//! What is found by the rows of our own.

use model::json::{Limits, parse};

use super::*;

fn resource(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn has(rows: &[IndexRow], term: &Term) -> bool {
    term.passes(rows)
}

#[test]
fn finds_a_patient_by_day_of_birth_and_family_name() {
    let rows = rows(&resource(
        r#"{"resourceType":"Patient","id":"p","birthDate":"1957-03-08","name":[{"family":"Müller"}],
            "identifier":[{"system":"urn:x","value":"4711"}]}"#,
    ));
    for term in [born("1957-03-08"), family("MUELLER")] {
        assert!(has(&rows, &term), "{term:?}");
    }
    assert!(!has(&rows, &born("1957-03-09")));
}

#[test]
fn finds_by_the_parameters_of_a_search() {
    let pairs = [("identifier".to_owned(), "4711".to_owned()), ("name".to_owned(), "muller".to_owned())];
    let patient = model::id::ResourceType::parse("Patient").unwrap();
    let query = search::parse(&[patient], &pairs, &search::Options::new(&parameters::current())).unwrap();
    let rows = rows(&resource(
        r#"{"resourceType":"Patient","id":"p","identifier":[{"system":"urn:x","value":"4711"}],"name":[{"family":"Müller"}]}"#,
    ));
    assert_eq!(query.terms().count(), 2);
    assert!(query.terms().all(|term| has(&rows, &condition(term)) && term.holds(&read(&rows))));
}

#[test]
fn identifiers_of_an_earlier_release_stay() {
    use store::Derive;
    let row = |param| IndexRow { param, value: b"7\0urn:mrn".to_vec(), kind: RowKind::Key };
    let kept = Derivation.kept("Patient", &row(IDENTIFIER_BEFORE)).unwrap();
    assert!(has(&[kept], &condition(&search::identified(Some("urn:mrn"), "7"))));
    assert_eq!(Derivation.kept("Observation", &row(IDENTIFIER_BEFORE)), None);
}

#[test]
fn marks_the_consents_that_count_for_everybody() {
    let of_patient = r#"{"resourceType":"Consent","id":"a","patient":{"reference":"Patient/p"}}"#;
    let of_nobody = r#"{"resourceType":"Consent","id":"b","patient":{"display":"somebody"}}"#;
    assert!(!has(&rows(&resource(of_patient)), &for_everybody()));
    assert!(has(&rows(&resource(of_nobody)), &for_everybody()));
}

#[test]
fn leads_to_what_a_section_shows_first() {
    let value = |text: &str| summary_value("p", &resource(text)).unwrap();
    let allergy = |criticality: &str, date: &str| {
        value(&format!(
            r#"{{"resourceType":"AllergyIntolerance","id":"a","criticality":"{criticality}","recordedDate":"{date}","patient":{{"reference":"Patient/p"}}}}"#
        ))
    };
    assert!(allergy("high", "1960-01-01") > allergy("low", "2026-01-01"));
    assert!(allergy("low", "2026-01-01") > allergy("low", "1969-12-31"));
    assert!(allergy("low", "2026-01-01").starts_with(&summary_prefix("p", Section::Allergies)));
    // Another patient's rows are not among them, also where one id begins like the other.
    assert!(!allergy("low", "2026").starts_with(&summary_prefix("", Section::Allergies)));
    let of = |code: &str, date: &str| {
        value(&format!(
            r#"{{"resourceType":"Observation","id":"o","code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},"effectiveDateTime":"{date}"}}"#
        ))
    };
    let end = summary_prefix("p", Section::Results).len() + GROUP_BYTES;
    assert_eq!(of("1", "2026")[..end], of("1", "2025")[..end]);
    assert_ne!(of("1", "2026")[..end], of("2", "2026")[..end]);
    assert!(of("1", "2026-02") > of("1", "2026-01"));
}

#[test]
fn what_an_earlier_release_wrote_gets_the_rows_of_this_one() {
    use store::Derive as _;
    let body = br#"{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/p"},"code":{"text":"Asthma"}}"#;
    assert_eq!(Derivation.rows("Condition", body), rows(&resource(std::str::from_utf8(body).unwrap())));
    assert!(Derivation.rows("Condition", b"no json").is_empty());
    // What the body does not tell stays.
    let told = searched("Practitioner/a", Instant::from_millis(5));
    assert_eq!(Derivation.kept("AuditEvent", &told), Some(told));
    assert_eq!(Derivation.kept("Condition", &key(SUMMARY, b"x".to_vec())), None);
}

#[test]
fn finds_reviews_that_are_open() {
    let review = r#"{"resourceType":"Task","id":"t","status":"requested","code":{"coding":[{"system":"urn:gateway:task","code":"break-glass-review"}]},"restriction":{"period":{"end":"2026-03-09T10:00:00Z"}}}"#;
    let found = |text: &str| rows(&resource(text)).iter().filter(|row| row.param == review_param()).count();
    assert_eq!((found(review), found(&review.replace("requested", "completed"))), (1, 0));
}
