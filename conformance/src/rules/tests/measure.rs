use super::{finds, finds_with, passes};

const MEASURE: &str = r#"{"resourceType":"Measure","url":"http://x.org/m","status":"active",
    "scoring":{"coding":[{"code":"proportion"}]},"group":[
    {"code":{"coding":[{"system":"s:x","code":"g"}]},"population":[
        {"code":{"coding":[{"system":"s:x","code":"p"}]},"criteria":{"language":"text/x","expression":"x"}}]}]}"#;

/// A report of a type with one group.
fn report(kind: &str, group: &str) -> String {
    format!(
        r#"{{"resourceType":"MeasureReport","status":"complete","type":"{kind}","measure":"http://x.org/m",
        "period":{{"start":"2020"}},"group":[{{{group}}}]}}"#
    )
}

const POPULATION: &str = r#""population":[{"code":{"coding":[{"system":"s:x","code":"p"}]},"count":1}]"#;

#[test]
fn a_report_has_the_groups_and_populations_of_its_measure() {
    let good = format!(r#"{POPULATION},"measureScore":{{"value":0.5}}"#);
    passes(&report("summary", &good), &[MEASURE], "error business-rule");
    let bad = |group: &str, expected: &str| finds_with(&report("summary", group), &[MEASURE], expected);
    bad(
        &format!(r#""code":{{"coding":[{{"system":"s:x","code":"z"}}]}},{POPULATION}"#),
        "expected the code of the group",
    );
    bad(
        r#""population":[{"code":{"coding":[{"system":"s:x","code":"z"}]}}]"#,
        "expected a code that a population of the measure has",
    );
    bad(r#""id":"a""#, "error business-rule at MeasureReport.group[0]: expected every population");
    finds(&report("summary", ""), "the measure is not known here");
}

#[test]
fn a_score_fits_the_scoring() {
    let bad = |score: &str, expected: &str| {
        finds_with(&report("summary", &format!(r#"{POPULATION},"measureScore":{score}"#)), &[MEASURE], expected);
    };
    bad(r#"{"value":1.5}"#, "expected a proportion between 0 and 1");
    bad(r#"{"value":0.5,"unit":"x"}"#, "expected no unit");
    bad(r#"{"unit":"x"}"#, "expected a value");
    finds_with(
        &report("summary", POPULATION),
        &[MEASURE],
        "error required at MeasureReport.group[0]: expected a score",
    );
    let collected = report("data-collection", &format!(r#"{POPULATION},"measureScore":{{"value":1}}"#));
    finds_with(&collected, &[MEASURE], "expected no score");
}

#[test]
fn subjects_are_listed_in_subject_lists_only() {
    let with = POPULATION.replace(r#""count":1"#, r#""count":2,"subjectResults":{"reference":"List/a"}"#);
    finds_with(&report("summary", &with), &[MEASURE], "expected subjects in reports of type subject-list only");
    finds_with(&report("subject-list", &with), &[MEASURE], "expected as many subjects as count says");
}

#[test]
fn criteria_in_cql_have_a_library() {
    let measure = r#"{"resourceType":"Measure","status":"active","group":[{"stratifier":[
        {"criteria":{"language":"text/cql","expression":"x"}}]}]}"#;
    finds(measure, "error invalid at Measure.group[0].stratifier[0].criteria: expected the measure to name a library");
}
