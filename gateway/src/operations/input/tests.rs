//! How requests of operations are read, and what of them is refused.

use model::json::{Limits, parse};

use super::*;
use crate::operations::table::OPERATIONS;

fn operation(definition: &str) -> &'static Operation {
    OPERATIONS.iter().find(|it| it.definition.ends_with(definition)).unwrap()
}

fn by_body(of: &str, body: &str) -> Result<Input, Failure> {
    let mut input = Input::default();
    input.take(parse(body.as_bytes(), &Limits::default()).unwrap(), None)?;
    input.checked(operation(of), false)
}

fn by_query(of: &str, query: &[(&str, &str)]) -> Result<Input, Failure> {
    let given = query.iter().map(|(name, value)| Given {
        name: (*name).to_owned(),
        place: (*name).to_owned(),
        content: Content::Text((*value).to_owned()),
    });
    Input { given: given.collect() }.checked(operation(of), false)
}

#[test]
fn every_operation_honours_what_its_definition_has() {
    for operation in OPERATIONS {
        let defined = defined(operation);
        for name in operation.honours {
            assert!(defined.iter().any(|one| one.name == *name), "{} {name}", operation.definition);
        }
    }
}

#[test]
fn query_and_body_are_one_request() {
    let input = by_query("ValueSet-expand", &[("url", "urn:x"), ("count", "10"), ("activeOnly", "true")]).unwrap();
    assert_eq!(
        (input.text("url"), input.number("count"), input.boolean("activeOnly")),
        (Some("urn:x"), Some(10), Some(true))
    );
    let input = by_body(
        "CodeSystem-lookup",
        r#"{"resourceType":"Parameters","parameter":[{"name":"coding","valueCoding":{"system":"urn:s","code":"a"}},
            {"name":"property","valueCode":"parent"},{"name":"property","valueString":"child"}]}"#,
    )
    .unwrap();
    assert_eq!(input.value("coding").unwrap().text_at(&["code"]), Some("a"));
    assert_eq!(input.texts("property"), ["parent", "child"]);
}

#[test]
fn every_problem_is_named() {
    let refused = by_body(
        "ValueSet-expand",
        r#"{"resourceType":"Parameters","parameter":[{"name":"count","valueString":"ten"},{"name":"nothing","valueCode":"x"},
            {"name":"context","valueUri":"urn:x"},{"name":"filter","valueString":"a"},{"name":"filter","valueString":"b"}]}"#,
    )
    .unwrap_err();
    let texts: Vec<&str> = refused.issues().iter().map(|issue| issue.diagnostics.as_str()).collect();
    assert_eq!(texts.len(), 4, "{texts:?}");
    assert!(
        texts[0].starts_with("count: expected") && refused.issues()[0].at.as_deref() == Some("Parameters.parameter[0]")
    );
    assert!(
        texts[1].contains("'nothing' is not known")
            && texts[2].contains("'context'")
            && texts[3].contains("filter: expected once")
    );
    assert!(by_query("ValueSet-expand", &[("count", "-1")]).is_err());
    assert!(by_query("ValueSet-expand", &[("valueSet", "x")]).is_err());
}

#[test]
fn what_has_no_value_is_no_parameter() {
    let of = |parameter: &str| {
        by_body("ValueSet-expand", &format!(r#"{{"resourceType":"Parameters","parameter":[{parameter}]}}"#))
    };
    assert!(of(r#"{"name":"url"}"#).is_err());
    assert!(of(r#"{"valueUri":"urn:x"}"#).is_err());
    assert!(of(r#"{"name":"url","valueUri":"urn:x","valueString":"urn:y"}"#).is_err());
    assert!(of(r#"{"name":"url","valueUri":"urn:x"}"#).is_ok());
}
