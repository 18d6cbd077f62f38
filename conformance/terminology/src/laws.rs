//! Laws that hold for any definitions: random value sets that import each other, over a code system that is complete,
//! one that is a fragment, and one that is not there.

use std::sync::Arc;

use proptest::prelude::*;

use crate::testing::{json, resources};
use crate::{Coding, ExpandRequest, Membership, Options, Terminology};

const COMPLETE: &str = r#"{"resourceType":"CodeSystem","url":"all","content":"complete","caseSensitive":false,
    "property":[{"code":"kind"},{"code":"status"}],"concept":[
    {"code":"c0","concept":[{"code":"c1","concept":[{"code":"c2"}]},{"code":"c3","property":[{"code":"kind","valueCode":"x"}]}]},
    {"code":"c4","property":[{"code":"status","valueCode":"retired"},{"code":"parent","valueCode":"c1"}]},
    {"code":"C5","property":[{"code":"notSelectable","valueBoolean":true}]}]}"#;
const FRAGMENT: &str = r#"{"resourceType":"CodeSystem","url":"part","content":"fragment",
    "concept":[{"code":"p0","concept":[{"code":"p1"}]}]}"#;

/// Every code that the value sets may speak of, and some that they do not.
fn universe() -> Vec<(&'static str, String)> {
    let complete = (0..7).map(|number| ("all", format!("c{number}")));
    let others = ["part", "far"].into_iter().flat_map(|system| (0..3).map(move |number| (system, number)));
    complete.chain(others.map(|(system, number)| (system, format!("{}{number}", initial(system))))).collect()
}

/// What the codes of a system begin with.
fn initial(system: &str) -> char {
    match system {
        "all" => 'c',
        "part" => 'p',
        _ => 'f',
    }
}

fn clause() -> impl Strategy<Value = String> {
    let system = prop::sample::select(vec!["all", "part", "far"]);
    let codes = prop::collection::vec(0..7_usize, 1..4);
    let op = prop::sample::select(vec!["is-a", "descendent-of", "is-not-a", "generalizes", "in", "not-in", "="]);
    let imports = prop::collection::vec(0..4_usize, 0..2);
    (system, codes, op, 0..6_usize, imports).prop_map(|(system, codes, op, form, imports)| {
        let name = |number: &usize| format!("{}{number}", initial(system));
        let mut parts = Vec::new();
        if form != 0 {
            parts.push(format!(r#""system":"{system}""#));
        }
        match form {
            1 | 2 => {
                let listed = codes.iter().map(|code| format!(r#"{{"code":"{}"}}"#, name(code)));
                parts.push(format!(r#""concept":[{}]"#, listed.collect::<Vec<_>>().join(",")));
            }
            3 => {
                let value = name(codes.first().unwrap());
                parts.push(format!(r#""filter":[{{"property":"concept","op":"{op}","value":"{value}"}}]"#));
            }
            4 => parts.push(r#""filter":[{"property":"kind","op":"exists","value":"true"}]"#.to_owned()),
            _ => {}
        }
        if form == 0 || !imports.is_empty() {
            let imports = imports.iter().map(|number| format!(r#""v{number}""#)).collect::<Vec<_>>();
            let imports = if imports.is_empty() { vec![r#""v3""#.to_owned()] } else { imports };
            parts.push(format!(r#""valueSet":[{}]"#, imports.join(",")));
        }
        format!("{{{}}}", parts.join(","))
    })
}

fn value_set() -> impl Strategy<Value = String> {
    let includes = prop::collection::vec(clause(), 1..4);
    let excludes = prop::collection::vec(clause(), 0..2);
    let stored = prop::option::of(prop::collection::vec(0..13_usize, 1..5));
    (includes, excludes, any::<bool>(), stored).prop_map(|(includes, excludes, inactive, stored)| {
        let mut parts = vec![format!(
            r#""compose":{{"inactive":{inactive},"include":[{}],"exclude":[{}]}}"#,
            includes.join(","),
            excludes.join(",")
        )];
        if let Some(stored) = stored {
            let universe = universe();
            let contains = stored.iter().map(|place| {
                let (system, code) = &universe[*place];
                format!(r#"{{"system":"{system}","code":"{code}"}}"#)
            });
            parts.push(format!(r#""expansion":{{"contains":[{}]}}"#, contains.collect::<Vec<_>>().join(",")));
        }
        parts.join(",")
    })
}

/// The body of a value set with imports of those before it alone: sets that import each other in a circle have no
/// answer that both ways must give.
fn downwards(body: &str, number: usize) -> String {
    let before = if number == 0 { r#""base""#.to_owned() } else { format!(r#""v{}""#, number - 1) };
    (number..10).fold(body.to_owned(), |body, other| body.replace(&format!(r#""v{other}""#), &before))
}

fn service(value_sets: &[String]) -> Terminology {
    let sets = value_sets.iter().enumerate();
    let sets = sets.map(|(number, body)| {
        let body = downwards(body, number);
        format!(r#"{{"resourceType":"ValueSet","url":"v{number}",{body}}}"#)
    });
    let base = r#"{"resourceType":"ValueSet","url":"base","compose":{"include":[{"system":"all"}]}}"#.to_owned();
    let all = [COMPLETE.to_owned(), FRAGMENT.to_owned(), base].into_iter().chain(sets);
    Terminology::new(Arc::new(resources(all.map(|text| json(&text)))), Options::default())
}

fn listed(service: &Terminology, url: &str) -> Option<Vec<(String, String)>> {
    let request = ExpandRequest { exclude_nested: true, ..ExpandRequest::default() };
    let all = service.expand(url, &request).ok()?.contains.into_iter();
    Some(all.filter_map(|one| Some((one.system?.to_string(), one.code?.to_lowercase()))).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// What is listed is a member, and what is not listed is none.
    #[test]
    fn expansion_and_membership_agree(value_sets in prop::collection::vec(value_set(), 4)) {
        let service = service(&value_sets);
        for number in 0..4 {
            let url = format!("v{number}");
            let Some(listed) = listed(&service, &url) else { continue };
            for (system, code) in universe() {
                let answer = service.member(&url, &Coding::new(system, &code));
                let is_listed = listed.contains(&(system.to_owned(), code.clone()));
                let expect = if is_listed { Membership::In } else { Membership::NotIn };
                prop_assert_eq!(answer, expect, "{} {} {}", url, system, code);
            }
        }
    }

    /// The order in which value sets are asked for changes no answer, also where they import each other in a ring.
    #[test]
    fn answers_do_not_depend_on_what_was_asked_before(value_sets in prop::collection::vec(value_set(), 4)) {
        let (forwards, backwards) = (service(&value_sets), service(&value_sets));
        let ask = |service: &Terminology, number: usize| {
            let url = format!("v{number}");
            let answers = universe().into_iter().map(|(system, code)| service.member(&url, &Coding::new(system, &code)));
            answers.map(|answer| std::mem::discriminant(&answer)).collect::<Vec<_>>()
        };
        let one: Vec<_> = (0..4).map(|number| ask(&forwards, number)).collect();
        let mut other: Vec<_> = (0..4).rev().map(|number| ask(&backwards, number)).collect();
        other.reverse();
        prop_assert_eq!(one, other);
    }

    /// An excluded enumeration is out, whatever else the value set says.
    #[test]
    fn what_is_excluded_is_out(include in clause(), others in prop::collection::vec(value_set(), 4), code in 0..6_usize) {
        let first = format!(
            r#""compose":{{"include":[{include}],"exclude":[{{"system":"all","concept":[{{"code":"c{code}"}}]}}]}}"#
        );
        let value_sets: Vec<String> = std::iter::once(first).chain(others.into_iter().skip(1)).collect();
        let service = service(&value_sets);
        prop_assert_eq!(service.member("v0", &Coding::new("all", &format!("c{code}"))), Membership::NotIn);
    }
}
