use super::*;
use crate::testing::terminology;

const MAP: &str = r#"{"resourceType":"ConceptMap","url":"http://example.org/map","sourceUri":"http://example.org/vs-a",
    "targetUri":"http://example.org/vs-b","group":[
    {"source":"a","target":"b","element":[
      {"code":"1","target":[{"code":"one","display":"One","equivalence":"equal"}]},
      {"code":"2","target":[{"code":"few","equivalence":"wider","comment":"no better"},
        {"code":"pair","equivalence":"equal","dependsOn":[{"property":"kind","value":"shoe"}],
         "product":[{"property":"count","value":"2"}]}]},
      {"code":"3","target":[{"equivalence":"unmatched"}]}],
     "unmapped":{"mode":"fixed","code":"other","display":"Other"}},
    {"source":"p","target":"q","unmapped":{"mode":"provided"}},
    {"source":"r","target":"s","unmapped":{"mode":"other-map","url":"http://example.org/more"}}]}"#;
const MORE: &str = r#"{"resourceType":"ConceptMap","url":"http://example.org/more","group":[
    {"source":"r","target":"s","element":[{"code":"x","target":[{"code":"y","equivalence":"equal"}]}],
     "unmapped":{"mode":"other-map","url":"http://example.org/map"}}]}"#;

/// Translates `system|code` and compares `equivalence code` joined by commas.
#[track_caller]
fn check(coding: &str, request: TranslateRequest<'_>, expect: &str) {
    let (system, code) = coding.split_once('|').unwrap();
    let request = TranslateRequest { coding: Coding::new(system, code), ..request };
    let answer = match terminology(&[MAP, MORE]).translate(&request) {
        Ok(found) => {
            let all = found.matches.iter();
            let all = all.map(|one| format!("{} {}", one.equivalence, one.code.as_deref().unwrap_or("-")));
            let all: Vec<_> = all.collect();
            format!("{}: {}", found.result, all.join(", "))
        }
        Err(why) => why.to_string(),
    };
    assert_eq!(answer, expect);
}

fn by_map() -> TranslateRequest<'static> {
    TranslateRequest { map: Some("http://example.org/map"), ..TranslateRequest::default() }
}

#[test]
fn codes_translate_with_their_equivalence() {
    check("a|1", by_map(), "true: equal one");
    check("a|2", by_map(), "true: wider few");
    check("a|3", by_map(), "false: unmatched -");
    let shoe = [Dependency { property: "kind".into(), system: None, value: "shoe".into() }];
    check("a|2", TranslateRequest { depends_on: &shoe, ..by_map() }, "true: wider few, equal pair");
}

#[test]
fn unmapped_codes_follow_the_group() {
    check("a|9", by_map(), "true: inexact other");
    check("p|9", by_map(), "true: equal 9");
    check("r|x", by_map(), "true: equal y");
    check("r|z", by_map(), "concept map http://example.org/more is not loaded");
    check("z|1", by_map(), "false: ");
}

#[test]
fn maps_are_found_by_their_ends_and_read_backwards() {
    let ends = TranslateRequest {
        source: Some("http://example.org/vs-a|1"),
        target: Some("http://example.org/vs-b"),
        ..TranslateRequest::default()
    };
    check("a|1", ends, "true: equal one");
    check("a|1", TranslateRequest { target: Some("http://example.org/vs-c"), ..ends }, "false: ");
    check("b|few", TranslateRequest { direction: Direction::Reverse, ..by_map() }, "true: narrower 2");
    check("a|1", TranslateRequest { target_system: Some("x"), ..by_map() }, "false: ");
    let none = TranslateRequest { map: Some("http://example.org/none"), ..TranslateRequest::default() };
    check("a|1", none, "concept map http://example.org/none is not loaded");
}
