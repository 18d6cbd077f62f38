use super::*;
use crate::testing::terminology;

const SYSTEM: &str = r#"{"resourceType":"CodeSystem","url":"http://example.org/cs","version":"3","content":"complete",
    "property":[{"code":"status","uri":"http://hl7.org/fhir/concept-properties#status"}],
    "concept":[
      {"code":"animal","display":"Animal","property":[{"code":"notSelectable","valueBoolean":true}],"concept":[
        {"code":"dog","display":"Dog","designation":[{"language":"de","value":"Hund"},{"language":"fr-CH","value":"Chien"}]},
        {"code":"wolf","display":"Wolf","concept":[{"code":"grey-wolf","display":"Grey wolf"}]}]},
      {"code":"plant","display":"Plant","property":[{"code":"status","valueCode":"retired"}]}]}"#;

/// Expands a compose and compares codes in the form `a(b,c),d`; `*` marks abstract, `-` inactive ones.
#[track_caller]
fn check(compose: &str, request: &ExpandRequest<'_>, expect: &str) {
    let value_set = format!(r#"{{"resourceType":"ValueSet","url":"http://example.org/vs","compose":{compose}}}"#);
    let answer = terminology(&[SYSTEM, &value_set]).expand("http://example.org/vs", request);
    assert_eq!(answer.map_or_else(|why| why.to_string(), |expansion| print(&expansion.contains)), expect);
}

fn print(contains: &[Contains]) -> String {
    let one = |entry: &Contains| {
        let below = print(&entry.contains);
        let below = if below.is_empty() { below } else { format!("({below})") };
        let marks = [("*", entry.abstract_), ("-", entry.inactive)];
        let marks: String = marks.iter().filter(|(_, set)| *set).map(|(mark, _)| *mark).collect();
        format!("{}{marks}{below}", entry.code.clone().unwrap_or_default())
    };
    contains.iter().map(one).collect::<Vec<_>>().join(",")
}

const ALL: &str = r#"{"include":[{"system":"http://example.org/cs"}]}"#;

#[test]
fn lists_a_hierarchy_nested_or_flat() {
    check(ALL, &ExpandRequest::default(), "animal*(dog,wolf(grey-wolf)),plant-");
    let flat = ExpandRequest { exclude_nested: true, ..ExpandRequest::default() };
    check(ALL, &flat, "animal*,dog,wolf,grey-wolf,plant-");
    let active = ExpandRequest { active_only: true, ..ExpandRequest::default() };
    check(ALL, &active, "animal*(dog,wolf(grey-wolf))");
}

#[test]
fn pages_and_filters_flat() {
    let page = ExpandRequest { offset: 1, count: Some(2), ..ExpandRequest::default() };
    check(ALL, &page, "dog,wolf");
    let filter = ExpandRequest { filter: Some("WOLF gr"), ..ExpandRequest::default() };
    check(ALL, &filter, "grey-wolf");
    let other_language = ExpandRequest { filter: Some("hund"), ..ExpandRequest::default() };
    check(ALL, &other_language, "dog");
    let total = terminology(&[
        SYSTEM,
        r#"{"resourceType":"ValueSet","url":"v","compose":{"include":[{"system":"http://example.org/cs"}]}}"#,
    ])
    .expand("v", &page)
    .unwrap();
    assert_eq!((total.total, total.offset, total.used), (5, 1, vec!["http://example.org/cs|3".into()]));
}

#[test]
fn excludes_and_repeated_codes_count_once() {
    let compose = r#"{"include":[{"system":"http://example.org/cs","concept":[{"code":"wolf"},{"code":"dog"}]},
        {"system":"http://example.org/cs"}],
        "exclude":[{"system":"http://example.org/cs","filter":[{"property":"concept","op":"is-a","value":"wolf"}]}]}"#;
    check(compose, &ExpandRequest::default(), "dog,animal*,plant-");
}

#[test]
fn names_the_limit_and_what_is_missing() {
    let small = ExpandRequest { limit: 3, ..ExpandRequest::default() };
    check(ALL, &small, "more than 3 codes");
    let missing = r#"{"include":[{"system":"http://example.org/none"}]}"#;
    check(missing, &ExpandRequest::default(), "cannot be expanded: code system http://example.org/none is not loaded");
    let open = r#"{"include":[{"system":"http://unitsofmeasure.org"}]}"#;
    check(
        open,
        &ExpandRequest::default(),
        "cannot be expanded: code system http://unitsofmeasure.org has no list of its codes",
    );
}

#[test]
fn displays_come_in_the_language_asked_for() {
    let service = terminology(&[
        SYSTEM,
        r#"{"resourceType":"ValueSet","url":"v","compose":{"include":[{"system":"http://example.org/cs","concept":[
            {"code":"dog","display":"Hound"},{"code":"wolf"}]}]}}"#,
        r#"{"resourceType":"CodeSystem","url":"s","content":"supplement","language":"it","supplements":"http://example.org/cs",
            "concept":[{"code":"wolf","display":"Lupo"}]}"#,
    ]);
    let displays = |language| {
        let request = ExpandRequest { language, ..ExpandRequest::default() };
        let all = service.expand("v", &request).unwrap().contains;
        all.into_iter().filter_map(|entry| entry.display).collect::<Vec<_>>()
    };
    assert_eq!(displays(None), ["Hound", "Wolf"]);
    assert_eq!(displays(Some("de-AT")), ["Hund", "Wolf"]);
    assert_eq!(displays(Some("it")), ["Hound", "Lupo"]);
}

#[test]
fn a_stored_expansion_gives_no_code_that_the_definition_rules_out() {
    let service = terminology(&[r#"{"resourceType":"ValueSet","url":"v",
        "compose":{"include":[{"system":"far"}],"exclude":[{"system":"far","concept":[{"code":"b"}]}]},
        "expansion":{"contains":[{"system":"far","code":"a"},{"system":"far","code":"b"},{"system":"other","code":"c"}]}}"#]);
    assert_eq!(print(&service.expand("v", &ExpandRequest::default()).unwrap().contains), "a");
}

#[test]
fn a_chain_of_any_length_is_no_danger() {
    let concepts: Vec<String> = (0..20_000)
        .map(|number| format!(r#"{{"code":"{}","property":[{{"code":"parent","valueCode":"{number}"}}]}}"#, number + 1))
        .collect();
    let system = format!(
        r#"{{"resourceType":"CodeSystem","url":"s","content":"complete","concept":[{{"code":"0"}},{}]}}"#,
        concepts.join(",")
    );
    let all = r#"{"resourceType":"ValueSet","url":"v","compose":{"include":[{"system":"s"}]}}"#;
    let service = terminology(&[&system, all]);
    let expansion = service.expand("v", &ExpandRequest::default()).unwrap();
    assert_eq!((expansion.total, expansion.contains.len()), (20_001, 20_001_usize.div_ceil(NESTING)));
    assert_eq!(service.subsumes("s", None, "0", "20000"), Ok(crate::Subsumption::Subsumes));
}

mod laws {
    use proptest::prelude::*;

    use crate::testing::{json, resources};
    use crate::{Coding, ExpandRequest, Membership, Options, Subsumption, Terminology};

    /// A forest of up to 20 concepts: each names its parent among the earlier ones, or none.
    fn forest() -> impl Strategy<Value = Vec<Option<usize>>> {
        (1..20_usize).prop_flat_map(|nodes| {
            let parents: Vec<_> = (0..nodes)
                .map(|place| if place == 0 { Just(None).boxed() } else { prop::option::of(0..place).boxed() })
                .collect();
            parents
        })
    }

    fn service(forest: &[Option<usize>], include: (&str, usize), exclude: (&str, usize)) -> Terminology {
        let concepts: Vec<String> = forest
            .iter()
            .enumerate()
            .map(|(place, parent)| {
                let parent =
                    parent.map(|parent| format!(r#","property":[{{"code":"parent","valueCode":"c{parent}"}}]"#));
                format!(r#"{{"code":"c{place}"{}}}"#, parent.unwrap_or_default())
            })
            .collect();
        let system = format!(
            r#"{{"resourceType":"CodeSystem","url":"cs","content":"complete","concept":[{}]}}"#,
            concepts.join(",")
        );
        let filter = |(op, at): (&str, usize)| {
            format!(
                r#"{{"system":"cs","filter":[{{"property":"concept","op":"{op}","value":"c{}"}}]}}"#,
                at % forest.len()
            )
        };
        let value_set = format!(
            r#"{{"resourceType":"ValueSet","url":"vs","compose":{{"include":[{}],"exclude":[{}]}}}}"#,
            filter(include),
            filter(exclude)
        );
        Terminology::new(std::sync::Arc::new(resources([json(&system), json(&value_set)])), Options::default())
    }

    const OPS: [&str; 5] = ["is-a", "descendent-of", "is-not-a", "generalizes", "child-of"];

    proptest! {
        #[test]
        fn expansion_and_membership_agree(
            forest in forest(), include in (0..5_usize, 0..20_usize), exclude in (0..5_usize, 0..20_usize),
        ) {
            let service = service(&forest, (OPS[include.0], include.1), (OPS[exclude.0], exclude.1));
            let request = ExpandRequest { exclude_nested: true, ..ExpandRequest::default() };
            let listed: Vec<_> = service.expand("vs", &request).unwrap().contains.into_iter().filter_map(|one| one.code).collect();
            for place in 0..forest.len() {
                let code = format!("c{place}");
                let answer = service.member("vs", &Coding::new("cs", &code));
                prop_assert_eq!(answer == Membership::In, listed.iter().any(|one| *one == code));
            }
            let nested = service.expand("vs", &ExpandRequest::default()).unwrap();
            prop_assert_eq!(nested.total, listed.len());
        }

        #[test]
        fn subsumption_is_transitive(forest in forest(), picks in [0..20_usize, 0..20, 0..20]) {
            let service = service(&forest, ("is-a", 0), ("is-a", 0));
            let [a, b, c] = picks.map(|pick| format!("c{}", pick % forest.len()));
            let above = |one: &str, other: &str| {
                matches!(service.subsumes("cs", None, one, other), Ok(Subsumption::Subsumes | Subsumption::Equivalent))
            };
            prop_assert!(!(above(&a, &b) && above(&b, &c)) || above(&a, &c));
            prop_assert!(!(above(&a, &b) && above(&b, &a)) || a == b);
        }
    }
}
