use crate::answer::{Coding, Membership, Reason};
use crate::testing::terminology;

const SYSTEM: &str = r#"{"resourceType":"CodeSystem","url":"http://example.org/cs","content":"complete",
    "property":[{"code":"kind","type":"code"},{"code":"status","uri":"http://hl7.org/fhir/concept-properties#status"}],
    "concept":[
      {"code":"animal","concept":[
        {"code":"dog","property":[{"code":"kind","valueCode":"tame"}]},
        {"code":"wolf","property":[{"code":"kind","valueCode":"wild"}],"concept":[{"code":"grey-wolf"}]}]},
      {"code":"plant","property":[{"code":"status","valueCode":"retired"}]}]}"#;
const PART: &str = r#"{"resourceType":"CodeSystem","url":"http://example.org/part","content":"example",
    "concept":[{"code":"x"}]}"#;

/// Wraps a compose, asks for `system|code` or `code`, and compares `in`, `out` or `unknown`.
#[track_caller]
fn check(compose: &str, coding: &str, expect: &str) {
    let value_set = format!(r#"{{"resourceType":"ValueSet","url":"http://example.org/vs","compose":{compose}}}"#);
    let other = r#"{"resourceType":"ValueSet","url":"http://example.org/dogs","version":"2",
        "compose":{"include":[{"system":"http://example.org/cs","concept":[{"code":"dog"},{"code":"plant"}]}]}}"#;
    let terminology = terminology(&[SYSTEM, PART, other, &value_set]);
    let coding = match coding.split_once('|') {
        Some((system, code)) => Coding { system: Some(system), ..Coding::code(code) },
        None => Coding::code(coding),
    };
    let answer = match terminology.member("http://example.org/vs", &coding) {
        Membership::In => "in".to_owned(),
        Membership::NotIn => "out".to_owned(),
        Membership::Unknown(reason) => format!("unknown: {reason}"),
    };
    assert!(answer.starts_with(expect), "{answer}");
}

#[test]
fn enumerations_are_matched_by_system_and_code() {
    let compose = r#"{"include":[{"system":"http://example.org/none","concept":[{"code":"a"}]}]}"#;
    check(compose, "http://example.org/none|a", "in");
    check(compose, "http://example.org/none|A", "out");
    check(compose, "http://example.org/other|a", "out");
    check(compose, "a", "in");
    check(compose, "b", "out");
}

#[test]
fn a_whole_system_is_as_decidable_as_its_definition() {
    check(r#"{"include":[{"system":"http://example.org/cs"}]}"#, "http://example.org/cs|grey-wolf", "in");
    check(r#"{"include":[{"system":"http://example.org/cs"}]}"#, "http://example.org/cs|cat", "out");
    check(r#"{"include":[{"system":"http://example.org/part"}]}"#, "http://example.org/part|x", "in");
    check(r#"{"include":[{"system":"http://example.org/part"}]}"#, "http://example.org/part|y", "unknown");
    check(r#"{"include":[{"system":"http://example.org/none"}]}"#, "http://example.org/none|y", "unknown");
    check(r#"{"include":[{"system":"http://example.org/none"}]}"#, "http://example.org/cs|y", "out");
}

#[test]
fn filters_follow_the_hierarchy() {
    let filter = |op: &str, value: &str| {
        format!(
            r#"{{"include":[{{"system":"http://example.org/cs","filter":[{{"property":"concept","op":"{op}","value":"{value}"}}]}}]}}"#
        )
    };
    for (op, value, code, expect) in [
        ("is-a", "animal", "animal", "in"),
        ("is-a", "animal", "grey-wolf", "in"),
        ("is-a", "animal", "plant", "out"),
        ("descendent-of", "animal", "animal", "out"),
        ("descendent-of", "animal", "grey-wolf", "in"),
        ("is-not-a", "animal", "plant", "in"),
        ("is-not-a", "animal", "dog", "out"),
        ("generalizes", "grey-wolf", "wolf", "in"),
        ("generalizes", "grey-wolf", "dog", "out"),
        ("child-of", "animal", "wolf", "in"),
        ("child-of", "animal", "grey-wolf", "out"),
        ("descendent-leaf", "animal", "wolf", "out"),
        ("descendent-leaf", "animal", "grey-wolf", "in"),
        ("in", "dog, plant", "dog", "in"),
        ("not-in", "dog,plant", "dog", "out"),
        ("=", "dog", "dog", "in"),
        ("is-a", "no-such", "dog", "out"),
    ] {
        check(&filter(op, value), &format!("http://example.org/cs|{code}"), expect);
    }
}

#[test]
fn filters_compare_properties() {
    let filter = |property: &str, op: &str, value: &str| {
        format!(
            r#"{{"include":[{{"system":"http://example.org/cs","filter":[{{"property":"{property}","op":"{op}","value":"{value}"}}]}}]}}"#
        )
    };
    for (property, op, value, code, expect) in [
        ("kind", "=", "tame", "dog", "in"),
        ("kind", "=", "tame", "wolf", "out"),
        ("kind", "regex", "t.m.", "dog", "in"),
        ("kind", "regex", "t.m", "dog", "out"),
        ("kind", "in", "tame,wild", "wolf", "in"),
        ("kind", "not-in", "tame", "wolf", "in"),
        ("kind", "exists", "true", "plant", "out"),
        ("kind", "exists", "false", "plant", "in"),
        ("code", "regex", ".*wolf", "grey-wolf", "in"),
        ("inactive", "=", "true", "plant", "in"),
        ("inactive", "=", "true", "dog", "out"),
        ("no-such", "=", "x", "dog", "unknown: a filter on no-such with ="),
        ("constraint", "=", "< 73211009", "dog", "unknown"),
        ("code", "regex", "(", "dog", "unknown"),
    ] {
        check(&filter(property, op, value), &format!("http://example.org/cs|{code}"), expect);
    }
}

#[test]
fn units_are_filtered_by_what_they_measure() {
    let compose = r#"{"include":[{"system":"http://unitsofmeasure.org",
        "filter":[{"property":"canonical","op":"=","value":"m"}]}]}"#;
    check(compose, "http://unitsofmeasure.org|[in_i]", "in");
    check(compose, "http://unitsofmeasure.org|kg", "out");
    check(compose, "http://unitsofmeasure.org|inch", "out");
    check(r#"{"include":[{"system":"http://unitsofmeasure.org"}]}"#, "http://unitsofmeasure.org|{score}", "in");
    let other = compose.replace("canonical", "property");
    check(&other, "http://unitsofmeasure.org|kg", "unknown: a filter on property with =");
}

#[test]
fn excludes_take_away_and_inactive_concepts_can_be_left_out() {
    let exclude = r#"{"include":[{"system":"http://example.org/cs"}],
        "exclude":[{"system":"http://example.org/cs","concept":[{"code":"dog"}]}]}"#;
    check(exclude, "http://example.org/cs|dog", "out");
    check(exclude, "http://example.org/cs|wolf", "in");
    let unknown =
        r#"{"include":[{"system":"http://example.org/cs"}],"exclude":[{"valueSet":["http://example.org/no"]}]}"#;
    check(unknown, "http://example.org/cs|dog", "unknown");
    check(unknown, "http://example.org/cs|cat", "out");
    let inactive = r#"{"inactive":false,"include":[{"system":"http://example.org/cs"}]}"#;
    check(inactive, "http://example.org/cs|plant", "out");
    check(inactive, "http://example.org/cs|dog", "in");
}

#[test]
fn imports_narrow_their_include() {
    let import = r#"{"include":[{"valueSet":["http://example.org/dogs|2"]}]}"#;
    check(import, "http://example.org/cs|dog", "in");
    check(import, "http://example.org/cs|wolf", "out");
    let both = r#"{"include":[{"system":"http://example.org/cs","filter":[{"property":"concept","op":"is-a","value":"animal"}],
        "valueSet":["http://example.org/dogs"]}]}"#;
    check(both, "http://example.org/cs|dog", "in");
    check(both, "http://example.org/cs|plant", "out");
    check(both, "http://example.org/cs|wolf", "out");
}

#[test]
fn cycles_and_depth_end() {
    check(
        r#"{"include":[{"valueSet":["http://example.org/vs"]}]}"#,
        "a",
        "unknown: value set http://example.org/vs imports",
    );
    let chain: Vec<String> = (0..100)
        .map(|n| {
            format!(
                r#"{{"resourceType":"ValueSet","url":"http://example.org/{n}","compose":{{"include":[
                {{"valueSet":["http://example.org/{}"]}},{{"valueSet":["http://example.org/{}"]}}]}}}}"#,
                n + 1,
                n + 1
            )
        })
        .collect();
    let terminology = terminology(&chain.iter().map(String::as_str).collect::<Vec<_>>());
    let deep = terminology.member("http://example.org/0", &Coding::code("a"));
    assert!(matches!(deep, Membership::Unknown(Reason::Depth(_) | Reason::Steps(_))), "{deep:?}");
    let wide = terminology.expand("http://example.org/0", &crate::ExpandRequest::default());
    assert_eq!(wide, Err(crate::ExpandError::Undecided(Reason::Depth(32))));
    let near = terminology.member("http://example.org/99", &Coding::code("a"));
    assert_eq!(near, Membership::Unknown(Reason::ValueSet("http://example.org/100".into())));
}

#[test]
fn contained_value_sets_are_found() {
    let terminology = terminology(&[]);
    let value_set = crate::testing::json(
        r##"{"resourceType":"ValueSet","contained":[{"resourceType":"ValueSet","id":"in",
        "compose":{"include":[{"system":"http://example.org/x","concept":[{"code":"a"}]}]}}],
        "compose":{"include":[{"valueSet":["#in"]}]}}"##,
    );
    let compiled = terminology.compile(&value_set);
    assert_eq!(terminology.member_of(&compiled, &Coding::new("http://example.org/x", "a")), Membership::In);
    assert_eq!(terminology.member_of(&compiled, &Coding::new("http://example.org/x", "b")), Membership::NotIn);
}

#[test]
fn the_stored_expansion_answers_where_the_compose_cannot() {
    let of = |extra: &str| {
        format!(
            r#"{{"resourceType":"ValueSet","url":"http://example.org/vs","compose":{{"include":[{{"system":"http://example.org/none"}}]}},
            "expansion":{{{extra}"contains":[{{"system":"http://example.org/none","code":"g","abstract":true,
            "contains":[{{"system":"http://example.org/none","code":"a"}}]}}]}}}}"#
        )
    };
    let ask = |extra: &str, code: &str| {
        terminology(&[&of(extra)]).member("http://example.org/vs", &Coding::new("http://example.org/none", code))
    };
    assert_eq!(ask("", "a"), Membership::In);
    assert_eq!(ask("", "b"), Membership::NotIn);
    assert_eq!(ask(r#""total":2000,"#, "a"), Membership::In);
    assert!(matches!(ask(r#""total":2000,"#, "b"), Membership::Unknown(_)));
}
