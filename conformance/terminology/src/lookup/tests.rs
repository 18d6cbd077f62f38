use super::*;
use crate::testing::terminology;

fn service() -> Terminology {
    terminology(&[
        r#"{"resourceType":"CodeSystem","url":"http://example.org/cs","version":"1","name":"Example","content":"complete",
        "concept":[{"code":"a","display":"Alpha","definition":"The first","designation":[{"language":"el","value":"Άλφα"}],
        "property":[{"code":"weight","valueDecimal":1.50}],"concept":[{"code":"b","display":"Beta"}]},{"code":"c"}]}"#,
        r#"{"resourceType":"ValueSet","url":"http://example.org/vs",
        "compose":{"include":[{"system":"http://example.org/cs","concept":[{"code":"b"}]}]}}"#,
        r#"{"resourceType":"ValueSet","url":"http://example.org/open","compose":{"include":[{"system":"http://example.org/none"}]}}"#,
    ])
}

#[test]
fn lookup_gives_texts_properties_and_neighbours() {
    let found = service().lookup(&Coding::new("http://example.org/cs", "a")).unwrap();
    assert_eq!((found.name.as_deref(), found.version.as_deref()), (Some("Example"), Some("1")));
    assert_eq!((found.display.as_deref(), found.definition.as_deref()), (Some("Alpha"), Some("The first")));
    assert_eq!(found.designations.len(), 1);
    let expect = [
        ("weight", Value::Decimal("1.50".into())),
        ("inactive", Value::Boolean(false)),
        ("child", Value::Code("b".into())),
    ];
    assert_eq!(found.properties, expect.map(|(name, value)| (SmolStr::new(name), value)));
    let missing = service().lookup(&Coding::new("http://example.org/cs", "z"));
    assert_eq!(missing, Err(LookupError::UnknownCode));
    let unknown = service().lookup(&Coding::new("http://example.org/none", "z"));
    assert_eq!(unknown, Err(LookupError::Undecided(Reason::System("http://example.org/none".into()))));
}

#[test]
fn subsumption_has_four_outcomes() {
    let ask = |one, other| service().subsumes("http://example.org/cs", None, one, other);
    assert_eq!(ask("a", "a"), Ok(Subsumption::Equivalent));
    assert_eq!(ask("a", "b"), Ok(Subsumption::Subsumes));
    assert_eq!(ask("b", "a"), Ok(Subsumption::SubsumedBy));
    assert_eq!(ask("b", "c"), Ok(Subsumption::NotSubsumed));
    assert_eq!(ask("b", "z"), Err(LookupError::UnknownCode));
}

#[test]
fn validation_takes_the_best_coding_of_a_concept() {
    let service = service();
    let cs = |code| Coding::new("http://example.org/cs", code);
    let ask = |value_set, codings: &[Coding<'_>]| {
        let answer = service.validate_code(value_set, codings);
        (answer.result, answer.coding)
    };
    assert_eq!(ask(None, &[cs("a")]), (Some(true), Some(0)));
    assert_eq!(ask(None, &[Coding { display: Some("Beta"), ..cs("a") }]), (Some(false), Some(0)));
    assert_eq!(ask(None, &[Coding { display: Some("άλφα"), ..cs("a") }]), (Some(true), Some(0)));
    let vs = Some("http://example.org/vs");
    assert_eq!(ask(vs, &[cs("a"), cs("b")]), (Some(true), Some(1)));
    assert_eq!(ask(vs, &[cs("a")]), (Some(false), Some(0)));
    let open = Some("http://example.org/open");
    assert_eq!(ask(open, &[cs("a"), Coding::new("http://example.org/none", "x")]), (None, Some(1)));
    assert_eq!(ask(vs, &[]), (Some(false), None));
}

#[test]
fn displays_fall_back_from_region_to_language() {
    let service = service();
    let coding = Coding::new("http://example.org/cs", "a");
    assert_eq!(service.display(&coding, Some("el-CY")).as_deref(), Some("Άλφα"));
    assert_eq!(service.display(&coding, Some("de")).as_deref(), Some("Alpha"));
}
