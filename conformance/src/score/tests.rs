//! What counts as recovered, how a corpus is found and summed up, and the ratchet over the real one.

use model::json::{Json, Limits, parse};

use super::facts::{Found, Outputs, read};
use super::*;
use crate::validate::{Level, Options as Validation, Validator};

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

/// Judges the form of an output.
fn judge(level: Level) -> Judge {
    Judge(Arc::new(move |output: &Json| {
        Validator::r4().validate(output, &Validation { level, ..Validation::default() })
    }))
}

fn file(message_type: &str, found: usize, all: usize) -> FileScore {
    FileScore {
        format: Format::Hl7v2,
        group: "",
        unsafe_narratives: Vec::new(),
        unmapped: Vec::new(),
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
        round_trip: RoundTrip { pieces: 10, equal: 5, ..RoundTrip::default() },
        deterministic: true,
        invalid: Vec::new(),
        as_expected: None,
        output_leaves: 20,
        sender: "LAB / QUAY".to_owned(),
        package: "hl7v2-base".to_owned(),
        invention: Tally { found: 20, all: 20 },
        invented: Vec::new(),
        expected: Default::default(),
        honesty: Tally { found: 2, all: 2 },
        micros: vec![100],
    }
}

fn report(files: Vec<FileScore>) -> Report {
    Report { files, converter: "anchorline".to_owned(), ..Report::default() }
}

#[test]
fn sums_micro_and_macro() {
    let total = report(vec![file("ADT^A01", 9, 10), file("ORU^R01", 0, 2)]).total();
    assert_eq!(total.tier(facts::Tier::Core).percent(), "75.00");
    assert_eq!(total.means.first(), Some(&4_500));
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
            "served: core was 9000, is 8000 (s/i<1>.hl7 misses 2, missed 1)",
            "served: coreInElements was 9000, is 8000 (s/i<1>.hl7 misses 2, missed 1)",
            "ADT^A01: core was 9000, is 8000 (s/i<1>.hl7 misses 2, missed 1)",
            "ADT^A01: coreInElements was 9000, is 8000 (s/i<1>.hl7 misses 2, missed 1)"
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
    let mut report = report(vec![bad, file("ORU^R01", 1, 1)]);
    report.details.push(Detail {
        set: "s".to_owned(),
        input: "i<1>.hl7".to_owned(),
        before: "MSH|<script>".to_owned(),
        after: "{}".to_owned(),
        remarks: vec!["dropped \"x\"".to_owned()],
    });
    let other = Report { converter: "other".to_owned(), ..report.clone() };
    let page = report.to_html(&[other]);
    assert!(page.contains("i&lt;1&gt;.hl7") && page.contains("no &amp; reason"), "{page}");
    assert!(page.contains("Compared on the same inputs") && page.contains("MSH|&lt;script&gt;"), "{page}");
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("<script"), "{page}");
    assert!(!page.contains("style=") && !page.contains("src="), "the page has a strict policy: {page}");
}

#[test]
fn allows_exactly_its_own_style() {
    use base64::Engine;
    use sha2::Digest;
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(page::STYLE));
    assert_eq!(page::STYLE_HASH, hash);
}

#[test]
fn measures_a_folder_without_facts() {
    let packages = Packages::embedded().expect("the embedded packages load");
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../mappers/packages/hl7v2-base/examples");
    let judge: fn(&Json) -> Vec<Issue> = crate::validate::form;
    let options = Options { validate: Some(judge.into()), honesty: 1, details: 3, ..Options::default() };
    let report = score(&examples, &packages, &options, &mut |_, _| {}).expect("a readable folder");
    let total = report.total();
    assert!(total.inputs > 15 && total.refused == 0, "{}", total.to_json());
    assert_eq!(
        (total.panicked, total.not_deterministic, total.loss.unbalanced, total.invalid, total.stuffed),
        (0, 0, 0, 0, 0)
    );
    assert!(total.invention.basis_points() >= 9_950, "{}", total.invention.percent());
    assert!(total.honesty.all > 5 && total.honesty.basis_points() >= 9_500, "{}", total.honesty.percent());
    assert!(total.round_trip.equal * 100 > total.round_trip.pieces * 90, "{}", total.to_json());
    assert_eq!(report.by_package().keys().collect::<Vec<_>>(), [&"hl7v2-base"]);
    assert!(report.by_sender().contains_key("QUAYLAB / LABSYS"));
    let shown = report.to_json().to_text() + &report.to_html(&[]);
    assert!(!shown.contains("Lindqvist") && !shown.contains("Ashby"), "a name of a patient stands in the report");
}

#[test]
fn compares_with_another_converter_by_its_command_line() {
    let packages = Packages::embedded().expect("the embedded packages load");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("writable");
    write("a.hl7", "MSH|^~\\&|LAB|QUAY|||20240312||ADT^A01|1|P|2.5\rPID|1||7||Okafor\r");
    write(
        "a.facts.json",
        r#"{"facts":[{"tier":"core","kind":"text","resources":["Patient"],"src":"PID-5","all":["Okafor"]},
        {"tier":"core","kind":"text","resources":["Patient"],"src":"PID-3","all":["7"]}]}"#,
    );
    let command = r#"printf '{"resourceType":"Patient","name":[{"family":"Okafor"}],"gender":"male"}'"#;
    let command = Command::parse(command).expect("a command");
    let options = Options { converter: Some(command), ..Options::default() };
    let report = score(folder.path(), &packages, &options, &mut |_, _| {}).expect("a readable folder");
    let total = report.total();
    assert_eq!(report.converter, "printf");
    assert_eq!(total.tier(facts::Tier::Core), Tally { found: 1, all: 2 });
    assert_eq!(report.files[0].invented, Vec::<String>::new(), "male stands in a table");
    assert_eq!(total.not_deterministic, 0);
    let broken = Options { converter: Command::parse("false").ok(), ..Options::default() };
    let report = score(folder.path(), &packages, &broken, &mut |_, _| {}).expect("a readable folder");
    assert_eq!(report.total().tier(facts::Tier::Core), Tally { found: 0, all: 2 });
    assert_eq!(report.total().refused, 1);
}
