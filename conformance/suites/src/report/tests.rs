use std::sync::Arc;
use std::time::Duration;

use model::json::{Limits, parse};

use crate::client::{Answer, Client, Exchange, Options, Request};
use crate::result::{Outcome, Report, Step, SuiteResult, Test, Weight};

fn report() -> Report {
    let options = Options { bearer: Some("secret-token".to_owned()), ..Options::default() };
    let mask = Client::new(options).unwrap().mask();
    let request = Request::new("POST", "https://h/fhir/Patient?name=<Lee>")
        .header("Authorization", "Bearer secret-token")
        .body("application/fhir+json", "x".repeat(5_000));
    let exchange = Arc::new(Exchange {
        request,
        answer: Ok(Answer { status: 500, ..Answer::default() }),
        took: Duration::from_millis(12),
    });
    let failed = Step::failed("a <step> & \"more\"", "201", "500, saying secret-token \u{1} ]]>").with(&exchange);
    let test = |name: &str, weight, steps| Test {
        group: "group & co".to_owned(),
        name: name.to_owned(),
        weight,
        steps,
        took: Duration::from_millis(1500),
    };
    Report {
        targets: vec!["https://h/fhir".to_owned()],
        started: model::time::Instant::from_millis(1_700_000_000_000),
        took: Duration::from_secs(2),
        suites: vec![SuiteResult {
            name: "sample".to_owned(),
            about: "A sample".to_owned(),
            tests: vec![
                test("good", Weight::Shall, vec![Step::passed("fine")]),
                test("bad", Weight::Shall, vec![failed.clone(), Step::skipped("later", "something before it failed")]),
                test("soft", Weight::Should, vec![failed]),
                test("broken", Weight::Shall, vec![Step::error("asked", "no answer")]),
                test("not tried", Weight::Shall, vec![Step::skipped("x", "the setup failed")]),
            ],
        }],
        mask,
    }
}

#[test]
fn no_report_shows_a_secret() {
    let report = report();
    for text in [report.to_text(), report.to_json().to_text(), report.to_junit(), report.to_html()] {
        assert!(!text.contains("secret-token"), "{text}");
        assert!(text.contains("curl -sS"), "{text}");
        assert!(text.contains("$TOKEN"), "{text}");
    }
}

#[test]
fn json_counts_and_names_every_step() {
    let json = parse(report().to_json().to_text().as_bytes(), &Limits::default()).unwrap();
    assert_eq!(json.text_at(&["outcome"]), Some("failed"));
    assert_eq!(
        json.at(&["counts"]).unwrap().to_text(),
        r#"{"tests":5,"passed":1,"failed":1,"errors":1,"warnings":1,"skipped":1}"#
    );
    let step = json.at(&["suites", "0", "tests", "1", "steps", "0"]).unwrap();
    assert_eq!(step.text_at(&["expected"]), Some("201"));
    assert_eq!(step.at(&["status"]).unwrap().to_text(), "500");
    assert_eq!(json.text_at(&["suites", "0", "tests", "2", "outcome"]), Some("warning"));
}

#[test]
fn junit_is_what_build_servers_read() {
    let junit = report().to_junit();
    assert!(junit.starts_with(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"anchorline conformance\" tests=\"5\""
    ));
    for part in [
        "<testsuite name=\"sample\" timestamp=\"2023-11-14T22:13:20\" tests=\"5\" failures=\"1\" errors=\"1\" skipped=\"1\"",
        "<testcase classname=\"group &amp; co\" name=\"good\" time=\"1.500\"/>",
        "<failure message=\"a &lt;step&gt; &amp; &quot;more&quot;: 500",
        "<error message=\"asked: no answer\">",
        "<skipped message=",
        "<system-out>SHOULD does not hold",
    ] {
        assert!(junit.contains(part), "{part} in {junit}");
    }
    assert!(!junit.contains('\u{1}'));
}

#[test]
fn the_page_is_whole_and_loads_nothing() {
    let html = report().to_html();
    assert!(
        html.contains("Not passed") && html.contains("1 of 5 tests hold, 1 failed, 1 could not be tried"),
        "{html}"
    );
    for forbidden in ["<script", "src=", "http-equiv", "url(", "<link"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    assert!(html.contains("What has to be mended"));
    assert!(!html.contains("<Lee>") && !html.contains("<step>"));
}

#[test]
fn long_bodies_stand_in_files() {
    let report = report();
    let files = report.bodies();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].content.len(), 5_000);
    assert!(report.to_html().contains(&format!("@{}", files[0].name)));
}

#[test]
fn text_has_one_line_a_test_and_a_last_word() {
    let text = report().to_text();
    assert!(text.contains("    passed   good\n") && text.contains("    warning  soft"), "{text}");
    let last = text.lines().last().unwrap();
    assert_eq!(last, "failed: 5 tests, 1 passed, 1 failed, 1 errors, 1 warnings, 1 skipped in 2.0 s");
}

#[test]
fn outcomes_are_ordered_from_best_to_worst() {
    assert!(
        Outcome::Skipped < Outcome::Passed && Outcome::Warning < Outcome::Failed && Outcome::Failed < Outcome::Error
    );
}
