use std::collections::BTreeMap;
use std::path::PathBuf;

use model::json::{Limits, parse};

use super::*;

/// The corpus of decision cases, if the environment says where it is; set but missing is a failure.
fn corpus(test: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("ANCHORLINE_CORPUS") else {
        eprintln!("skipped {test}: ANCHORLINE_CORPUS is not set");
        return None;
    };
    Some(PathBuf::from(folder).join("consent"))
}

fn load(path: &std::path::Path) -> Suite {
    let bytes = std::fs::read(path).unwrap();
    Suite::read(&parse(&bytes, &Limits::default()).unwrap()).unwrap()
}

#[test]
fn answers_every_case_of_the_corpus_as_expected() {
    let Some(folder) = corpus("answers_every_case_of_the_corpus_as_expected") else { return };
    let mut failed = Vec::new();
    for file in ["decision-cases.json", "generated-cases.json"] {
        let mut topics: BTreeMap<SmolStr, (usize, usize)> = BTreeMap::new();
        for result in load(&folder.join(file)).run() {
            let counts = topics.entry(result.topic.clone()).or_default();
            counts.1 += 1;
            if result.pass == Some(true) {
                counts.0 += 1;
            } else {
                failed.push(result.json.to_text());
            }
        }
        for (topic, (passed, all)) in topics {
            eprintln!("{file} {topic}: {passed}/{all}");
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn file(case: &str) -> Json {
    crate::samples::json(&format!(r#"{{"schema_version":1,"cases":[{case}]}}"#))
}

const CASE: &str = r#"{"id":"one","topic":"t","consents":[],"resources":[],
    "request":{"time":"2026-06-15T10:00:00Z","actor":{"refs":["Practitioner/a"]},"purposes":["TREAT"],"action":"access"},
    "interaction":{"type":"read","candidates":["Condition/none"]}}"#;

#[test]
fn a_candidate_that_does_not_exist_is_withheld_like_one_that_may_not_be_seen() {
    let results = run(&file(CASE)).unwrap();
    let text = results[0].json.to_text();
    assert_eq!(
        text,
        r#"{"id":"one","decision":"deny","released":[],"withheld":["Condition/none"],"absent":[],"btg":false,"obligations":[],"matched":[],"reason":"no-candidate"}"#
    );
    assert_eq!(results[0].pass, None);
}

#[test]
fn compares_with_what_is_expected() {
    let with = |expect: &str| {
        let case = CASE.replace(r#""interaction""#, &format!(r#""expect":{expect},"interaction""#));
        run(&file(&case)).unwrap()[0].pass
    };
    assert_eq!(with(r#"{"decision":"deny","withheld":["Condition/none"],"btg":false}"#), Some(true));
    assert_eq!(with(r#"{"decision":"permit"}"#), Some(false));
    assert_eq!(with(r#"{"released":["Condition/none"]}"#), Some(false));
    assert_eq!(with(r#"{"must_contain":["x"]}"#), Some(false));
}

#[test]
fn says_which_case_cannot_be_read_and_why() {
    #[track_caller]
    fn check(json: &Json, says: &str) {
        assert_eq!(run(json).unwrap_err().to_string(), says);
    }
    check(&crate::samples::json("{}"), "file: expected schema_version 1");
    check(&crate::samples::json(r#"{"schema_version":1}"#), "file: expected an array of cases");
    check(&file(r#"{"id":"one"}"#), "case one: expected an object request");
    check(
        &file(&CASE.replace(r#""access""#, r#""look""#)),
        "case one: expected access, disclose, collect, use or correct",
    );
    check(&file(&CASE.replace("2026-06-15T10", "2026-06-15T25")), "case one: expected an instant in time");
}

#[test]
fn repeats_without_a_change() {
    let suite = Suite::read(&file(CASE)).unwrap();
    assert_eq!((suite.decisions(), suite.repeat(3)), (0, 0));
    assert_eq!(suite.run(), suite.run());
}

#[test]
fn the_example_of_the_documentation_is_as_it_says() {
    let text = include_str!("../../../../docs/consent.md");
    let (_, after) = text.split_once("```json").unwrap();
    let (example, _) = after.split_once("```").unwrap();
    let results = run(&parse(example.as_bytes(), &Limits::default()).unwrap()).unwrap();
    assert_eq!(results[0].pass, Some(true));
}

#[test]
fn each_open_point_is_shown_by_a_case_where_its_settings_differ() {
    let text = include_str!("../../cases/open-points.json");
    let results = run(&parse(text.as_bytes(), &Limits::default()).unwrap()).unwrap();
    assert_eq!(results.len(), 8);
    for pair in results.chunks(2) {
        let [ours, other] = pair else { panic!("two settings of one point") };
        assert_eq!(
            (ours.pass, other.pass),
            (Some(true), Some(true)),
            "{} {}",
            ours.json.to_text(),
            other.json.to_text()
        );
        assert_ne!(ours.json.get("decision"), other.json.get("decision"), "{} and {}", ours.id, other.id);
    }
}

#[test]
fn a_setting_that_is_no_word_of_its_point_is_refused() {
    for key in ["purposes", "label_cover", "inheritance", "base_policy"] {
        let case = CASE.replace(r#""consents""#, &format!(r#""config":{{"{key}":"both"}},"consents""#));
        let error = run(&file(&case)).unwrap_err().to_string();
        assert!(error.starts_with("case one: expected ") && error.contains(" or "), "{error}");
    }
}

#[test]
fn consents_of_r5_are_carried_over_or_deny() {
    let consent = |decision: &str| {
        format!(
            r#"{{"resourceType":"Consent","id":"c","status":"active","subject":{{"reference":"Patient/p"}},
            "category":[{{"coding":[{{"system":"@scope","code":"patient-privacy"}}]}}],"decision":"{decision}"}}"#
        )
    };
    let with = |decision: &str| {
        let case = CASE
            .replace(
                r#""resources":[]"#,
                r#""resources":[{"resourceType":"Condition","id":"none","subject":{"reference":"Patient/p"}}]"#,
            )
            .replace(r#""consents":[]"#, &format!(r#""consents_r5":[{}]"#, consent(decision)));
        let results = run(&file(&case)).unwrap();
        results[0].json.get("reason").and_then(Json::as_str).unwrap().to_owned()
    };
    assert_eq!(with("permit"), "permitted");
    assert_eq!(with("deny"), "consent");
    assert_eq!(with("perhaps"), "indeterminate-consent");
}
