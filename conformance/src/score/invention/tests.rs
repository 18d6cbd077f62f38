use model::json::{Limits, parse};

use super::*;

/// Places whose values nothing says.
#[track_caller]
fn check(said: &[&str], output: &str, expect: &[&str]) {
    let mut input = Said::default();
    said.iter().for_each(|text| input.add(text));
    let output = parse(output.as_bytes(), &Limits::default()).expect("JSON");
    let mut invented = Vec::new();
    let tally = count(&output, &input, &Tables::default(), &mut invented);
    assert_eq!(invented, expect);
    assert_eq!(tally.all - tally.found, expect.len());
}

#[test]
fn knows_what_the_input_says_in_other_forms() {
    check(&["20240312081500+0100"], r#"{"a": "2024-03-12T08:15:00+01:00", "b": "2024-03-12"}"#, &[]);
    check(&["4.50", "<0.5"], r#"{"a": 4.50, "b": 0.5}"#, &[]);
    check(&["2.999.1"], r#"{"system": "urn:oid:2.999.1"}"#, &[]);
    check(&["31", "5550101"], r#"{"value": "31 5550101"}"#, &[]);
    check(&["Lindqvist"], r#"{"family": "LINDQVIST"}"#, &[]);
}

#[test]
fn names_what_nothing_says() {
    check(
        &["M"],
        r#"{"resourceType": "Patient", "gender": "male", "birthDate": "1970-01-01"}"#,
        &["Patient.gender", "Patient.birthDate"],
    );
    check(&["20240312"], r#"{"at": "2024-03-13"}"#, &[".at"]);
    check(&["20240312"], r#"{"at": "2024-03-12T00:00:00Z"}"#, &[".at"]);
}

#[test]
fn does_not_count_what_is_the_converters_own() {
    check(&[], r#"{"resourceType": "Patient", "id": "x1", "link": {"reference": "Patient/1"}}"#, &[]);
}

#[test]
fn reads_what_tables_may_add() {
    let path = "p/codes/Sex.csv".to_owned();
    let text = b"code,system,target,display,equivalence,guide\nF,,female,Female,,own\n".to_vec();
    let tables = Tables::of([(&path, &text)]);
    assert!(tables.has("female") && !tables.has("male"));
}
