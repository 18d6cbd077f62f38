//! What counts as recovered, how a corpus is found and summed up, and the ratchet over the real one.

use model::json::{Json, Limits, parse};

use super::facts::{Found, Outputs, read};
use super::*;

mod corpus_run;

const BUNDLE: &str = r#"{"resourceType":"Bundle","type":"transaction","identifier":{"value":"CTRL 1"},"entry":[
    {"fullUrl":"urn:uuid:9","resource":{"resourceType":"Patient","id":"p","birthDate":"1980-01-02",
     "text":{"div":"<div>secret</div>"},"name":[{"family":"Muster","given":["Erika  Maria"]}],
     "telecom":[{"value":"+49 (30) 555-0101"}],"managingOrganization":{"reference":"Organization/o1"}}},
    {"resource":{"resourceType":"Observation","code":{"coding":[{"code":"2823-3"}]},"valueQuantity":{"value":4.50},
     "effectiveDateTime":"2024-01-02T03:04:05+01:00","contained":[{"resourceType":"Specimen","type":{"text":"Serum"}}]}}]}"#;

fn json(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).expect("valid JSON")
}

#[track_caller]
fn check(kind: &str, resources: &str, all: &str, expect: bool) {
    let facts = format!(
        r#"{{"facts":[{{"tier":"core","kind":"{kind}","resources":["{resources}"],"src":"X-1","all":{all}}}]}}"#
    );
    let facts = read(facts.as_bytes()).expect("a readable fact");
    let mut outputs = Outputs::default();
    outputs.add(&json(BUNDLE));
    assert_eq!(facts.iter().all(|fact| outputs.find(fact) == Found::InElements), expect);
}

#[test]
fn compares_text_without_case_and_with_white_space_folded() {
    check("text", "Patient", r#"["MUSTER"]"#, true);
    check("text", "Patient", r#"["erika maria"]"#, true);
    check("text", "Patient", r#"["Muste"]"#, false);
}

#[test]
fn finds_long_text_inside_of_longer_text_only() {
    check("text", "Patient", r#"["ika Maria"]"#, true);
    check("text", "Patient", r#"["a Maria"]"#, false);
    check("code", "Patient", r#"["ika Maria"]"#, false);
}

#[test]
fn wants_all_values_in_one_resource_of_an_allowed_type() {
    check("number", "Observation", r#"["2823-3","4.5"]"#, true);
    check("text", "Observation", r#"["2823-3","Muster"]"#, false);
    check("text", "Observation", r#"["Muster"]"#, false);
    check("text", "*", r#"["Muster"]"#, true);
    check("text", "Specimen", r#"["serum"]"#, true);
}

#[test]
fn compares_numbers_dates_and_digits_by_their_own_rules() {
    check("number", "Observation", r#"["04.500"]"#, true);
    check("number", "Observation", r#"["4.51"]"#, false);
    check("date", "Observation", r#"["2024-01-02"]"#, true);
    check("date", "Observation", r#"["2024-01-03"]"#, false);
    check("digits", "Patient", r#"["0049305550101"]"#, true);
    check("digits", "Patient", r#"["5550102"]"#, false);
}

#[test]
fn counts_neither_narrative_nor_references_but_the_bundle_itself() {
    check("text", "Patient", r#"["<div>secret</div>"]"#, false);
    check("text", "Patient", r#"["Organization/o1"]"#, false);
    check("text", "*", r#"["ctrl 1"]"#, true);
    check("text", "*", r#"["urn:uuid:9"]"#, false);
}

#[test]
fn tells_what_is_only_kept_in_an_extension() {
    let facts =
        r#"{"facts":[{"tier":"core","kind":"text","resources":["Patient"],"src":"X-1","all":["Muster","N1"]}]}"#;
    let facts = read(facts.as_bytes()).unwrap();
    let mut outputs = Outputs::default();
    outputs.add(&json(
        r#"{"resourceType":"Patient","name":[{"family":"Muster","extension":[{"url":"u","valueString":"N1"}]}]}"#,
    ));
    assert!(facts.iter().all(|fact| outputs.find(fact) == Found::WithExtensions));
}

#[test]
fn lets_a_translation_stand_for_the_first_value() {
    let facts = r#"{"facts":[{"tier":"core","kind":"text","resources":["Observation"],"src":"X-1",
        "all":["LOCAL","4.50"],"any_of_first":["LOCAL","2823-3"]}]}"#;
    let facts = read(facts.as_bytes()).unwrap();
    let mut outputs = Outputs::default();
    outputs.add(&json(BUNDLE));
    assert!(facts.iter().all(|fact| outputs.find(fact) == Found::InElements));
}

#[test]
fn refuses_facts_of_an_unknown_form() {
    assert!(read(b"{\"facts\":[{\"tier\":\"core\",\"kind\":\"odour\"}]}").is_err());
    assert!(read(b"{\"facts\":[{\"tier\":\"dear\",\"kind\":\"text\"}]}").is_err());
    assert!(read(b"nonsense").is_err());
}

fn file(message_type: &str, found: usize, all: usize) -> FileScore {
    FileScore {
        set: "s".to_owned(),
        input: "i<1>.hl7".to_owned(),
        message_type: message_type.to_owned(),
        messages: 1,
        described: true,
        outcome: Outcome::Converted,
        facts: [Tally { found, all }, Tally::default(), Tally::default(), Tally::default()],
        in_elements: [Tally { found, all }, Tally::default(), Tally::default(), Tally::default()],
        missed: Vec::new(),
        kept: Vec::new(),
        remarked: false,
        loss: Loss { pieces: 10, mapped: 7, kept: 2, dropped: 1, unbalanced: 0 },
        round_trip: RoundTrip { pieces: 10, equal: 5, added: 0 },
        deterministic: true,
        invalid: Vec::new(),
        as_expected: None,
        output_leaves: 20,
    }
}

fn report(files: Vec<FileScore>) -> Report {
    Report { files, other_kinds: Default::default() }
}

#[test]
fn sums_micro_and_macro() {
    let total = report(vec![file("ADT^A01", 9, 10), file("ORU^R01", 0, 2)]).total();
    assert_eq!(total.tier(facts::Tier::Core).percent(), "75.00");
    assert_eq!(total.core_macro, 4_500);
    assert_eq!(total.loss.pieces, 20);
}

#[test]
fn fails_the_ratchet_exactly_when_a_figure_drops() {
    let kept = ratchet(&report(vec![file("ADT^A01", 9, 10)]));
    assert_eq!(compare_with_ratchet(&report(vec![file("ADT^A01", 9, 10)]), &kept), Vec::<String>::new());
    assert_eq!(compare_with_ratchet(&report(vec![file("ADT^A01", 10, 10)]), &kept), Vec::<String>::new());
    let worse = compare_with_ratchet(&report(vec![file("ADT^A01", 8, 10)]), &kept);
    assert_eq!(
        worse,
        [
            "served: core was 9000, is 8000",
            "served: coreInElements was 9000, is 8000",
            "ADT^A01: core was 9000, is 8000",
            "ADT^A01: coreInElements was 9000, is 8000"
        ]
    );
    let mut silent = file("ADT^A01", 9, 10);
    silent.loss.unbalanced = 1;
    assert_eq!(compare_with_ratchet(&report(vec![silent]), &kept).len(), 2);
    assert_eq!(
        compare_with_ratchet(&report(vec![file("ADT^A03", 9, 10)]), &kept),
        ["ADT^A01: no input of this type any more"]
    );
}

#[test]
fn writes_a_page_that_needs_nothing_else() {
    let mut bad = file("ADT^A01", 1, 10);
    bad.outcome = Outcome::Refused("no & reason".to_owned());
    let page = report(vec![bad, file("ORU^R01", 1, 1)]).to_html();
    assert!(page.contains("i&lt;1&gt;.hl7") && page.contains("no &amp; reason"), "{page}");
    assert!(!page.contains("http") && !page.contains("<script"), "{page}");
}
