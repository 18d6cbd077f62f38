//! What is found by the rows of our own.

use model::json::{Limits, parse};

use super::*;

fn resource(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn has(rows: &[IndexRow], term: &Term) -> bool {
    rows.iter().any(|row| term.any_of.iter().any(|wanted| wanted.param == row.param && wanted.test.passes(&row.value)))
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
    let pairs = [("identifier".to_owned(), "4711".to_owned())];
    let query = search::parse("Patient", &pairs, &search::Options::default()).unwrap();
    let rows =
        rows(&resource(r#"{"resourceType":"Patient","id":"p","identifier":[{"system":"urn:x","value":"4711"}]}"#));
    assert!(query.terms.iter().all(|term| has(&rows, &condition(term))));
}

#[test]
fn marks_the_consents_that_count_for_everybody() {
    let of_patient = r#"{"resourceType":"Consent","id":"a","patient":{"reference":"Patient/p"}}"#;
    let of_nobody = r#"{"resourceType":"Consent","id":"b","patient":{"display":"somebody"}}"#;
    assert!(!has(&rows(&resource(of_patient)), &for_everybody()));
    assert!(has(&rows(&resource(of_nobody)), &for_everybody()));
}
