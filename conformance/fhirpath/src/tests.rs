//! Behaviour by expression: what stands left gives what stands right.

use model::json::{Json, Limits, parse};
use model::time::Instant;

use crate::{AsRule, Context, Expression, Item, Node, Strictness, Type};

const PATIENT: &str = r##"{
  "resourceType": "Patient", "id": "p",
  "contained": [{"resourceType": "Organization", "id": "o", "name": "Clinic"}],
  "extension": [{"url": "http://example.org/weight", "valueQuantity": {"value": 1.50, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}}],
  "active": true,
  "name": [
    {"use": "official", "family": "Beispiel", "given": ["Nora", "Anna"], "_given": [null, {"extension": [{"url": "http://example.org/x", "valueString": "y"}]}]},
    {"use": "usual", "given": ["No"]}
  ],
  "gender": "female",
  "birthDate": "1980-04-12",
  "_birthDate": {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime", "valueDateTime": "1980-04-12T14:35:45-05:00"}]},
  "deceasedBoolean": false,
  "managingOrganization": {"reference": "#o"},
  "contact": [{"name": {"family": "Muster"}}]
}"##;

fn json(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).expect("the sample is JSON")
}

/// The result as `type:text` of each item, or `error`.
fn answer(resource: &Json, expression: &str) -> String {
    let compiled = match Expression::parse(expression) {
        Ok(compiled) => compiled,
        Err(error) => return format!("syntax error: {error}"),
    };
    let again = Expression::parse(&compiled.to_string()).expect("what is printed reads back");
    assert_eq!(again, compiled, "{compiled}");
    let node = Node::resource(resource);
    let context = Context::new(node).with_now(Instant::from_millis(1_790_000_000_000));
    match compiled.evaluate(&context, &[Item::Node(node)]) {
        Err(error) => format!("error: {error}"),
        Ok(items) => {
            let text = |item: &Item<'_>| format!("{}:{}", item.type_name(), item.to_text().unwrap_or_default());
            items.iter().map(text).collect::<Vec<_>>().join(" ")
        }
    }
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    let patient = json(PATIENT);
    for (expression, expect) in cases {
        let found = answer(&patient, expression);
        let same = if *expect == "error" { found.starts_with("error") } else { found == *expect };
        assert!(same, "{expression}: expected {expect}, found {found}");
    }
}

#[test]
fn walks_paths_with_the_types_of_r4() {
    check(&[
        ("Patient.name.given", "string:Nora string:Anna string:No"),
        ("name[0].given[1]", "string:Anna"),
        ("Resource.id", "id:p"),
        ("Encounter.id", ""),
        ("gender", "code:female"),
        ("birthDate", "date:1980-04-12"),
        ("deceased", "boolean:false"),
        ("deceasedBoolean", ""),
        ("contact", "BackboneElement:"),
        ("contact.name.family", "string:Muster"),
        ("resourceType", ""),
        ("extension.value.value", "decimal:1.50"),
        ("birthDate.extension.value", "dateTime:1980-04-12T14:35:45-05:00"),
        ("name.given[1].extension('http://example.org/x').value", "string:y"),
        ("contained.type().name", "string:Organization"),
        ("managingOrganization.resolve().name", "string:Clinic"),
        ("`name`.`given`.first()", "string:Nora"),
        ("birthDate.value", "date:1980-04-12"),
    ]);
}

#[test]
fn keeps_the_digits_of_decimals() {
    check(&[
        ("1.50", "decimal:1.50"),
        ("extension.value.value.toString()", "string:1.50"),
        ("1.50 + 1", "decimal:2.50"),
        ("0.1 + 0.2", "decimal:0.3"),
        ("1.50 = 1.5", "boolean:true"),
        ("1.0000000000000000001 = 1", "boolean:false"),
        ("9007199254740993.0 + 0.0", "decimal:9007199254740993.0"),
        ("extension.value.toString()", "string:1.50 'kg'"),
    ]);
}

#[test]
fn knows_what_things_are() {
    check(&[
        ("gender is code", "boolean:true"),
        ("gender is string", "boolean:true"),
        ("gender is System.String", "boolean:false"),
        ("gender.as(string)", ""),
        ("gender.ofType(code)", "code:female"),
        ("'x' is String", "boolean:true"),
        ("'x' is string", "boolean:false"),
        ("Patient is DomainResource", "boolean:true"),
        ("Patient is System.Patient", "boolean:false"),
        ("contact is BackboneElement", "boolean:true"),
        ("1 is Nothing", "error"),
        ("name.as(HumanName)", "error"),
        ("name.ofType(HumanName).count()", "integer:2"),
        ("1.type().namespace & '.' & 1.type().name", "string:System.Integer"),
        ("active.type().namespace & '.' & active.type().name", "string:FHIR.boolean"),
        ("extension.value is Quantity", "boolean:true"),
        ("extension.value is System.Quantity", "boolean:false"),
    ]);
}

#[test]
fn has_three_truth_values() {
    let values = [("true", Some(true)), ("false", Some(false)), ("{}", None)];
    let show = |value: Option<bool>| value.map_or(String::new(), |value| format!("boolean:{value}"));
    for (left, a) in values {
        for (right, b) in values {
            let and = if a == Some(false) || b == Some(false) { Some(false) } else { a.and(b) };
            let or = if a == Some(true) || b == Some(true) { Some(true) } else { a.and(b) };
            let implies = match (a, b) {
                (Some(false), _) | (_, Some(true)) => Some(true),
                (Some(true), b) => b,
                (None, _) => None,
            };
            let xor = a.zip(b).map(|(a, b)| a != b);
            check(&[
                (&format!("{left} and {right}"), &show(and)),
                (&format!("{left} or {right}"), &show(or)),
                (&format!("{left} implies {right}"), &show(implies)),
                (&format!("{left} xor {right}"), &show(xor)),
            ]);
        }
    }
    check(&[
        ("(1).not()", "boolean:false"),
        ("{}.not()", ""),
        ("(true | false) and true", "error"),
        ("true and 'x'", "boolean:true"),
    ]);
}

#[test]
fn compares_dates_as_far_as_they_say() {
    check(&[
        ("@2012-04 = @2012-04-15", ""),
        ("@2012-04 = @2012-05-15", "boolean:false"),
        ("@2012-04-15T10:00:00Z = @2012-04-15T12:00:00+02:00", "boolean:true"),
        ("@2012-04-15T15:00:00Z = @2012-04-15T10:00:00", ""),
        ("@2012-04-15T15:00:00Z = @2012-04-17T10:00:00", "boolean:false"),
        ("@2012-04-15T15:00:00Z ~ @2012-04-15T10:00:00", "boolean:false"),
        ("@T10:30 < @T10:30:00", ""),
        ("birthDate < @2000", "boolean:true"),
        ("birthDate = @1980-04-12", "boolean:true"),
        ("now() > birthDate", "boolean:true"),
        ("today()", "date:2026-09-21"),
        ("birthDate + 1 year", "date:1981-04-12"),
        ("birthDate + 1 'mo'", "error"),
        ("@T23:30 + 45 minutes", "time:00:15"),
        ("@2014-01-31 + 1 month", "date:2014-02-28"),
        ("birthDate = '1980-04-12'", "boolean:false"),
    ]);
}

#[test]
fn measures_in_units() {
    check(&[
        ("4 'g' = 4000 'mg'", "boolean:true"),
        ("4 'g' ~ 4040 'mg'", "boolean:true"),
        ("4040 'mg' ~ 4 'g'", "boolean:true"),
        ("4.00 'g' ~ 4040 'mg'", "boolean:false"),
        ("1 'cm' = 1 's'", ""),
        ("1 'cm' ~ 1 's'", "boolean:false"),
        ("7 days = 1 'wk'", "boolean:true"),
        ("1 year = 1 'a'", ""),
        ("1 year ~ 1 'a'", "boolean:true"),
        ("1 year = 12 months", "boolean:true"),
        ("3 'm' + 3 'cm'", "Quantity:303 'cm'"),
        ("2.0 'cm' * 2.0 'm' = 0.040 'm2'", "boolean:true"),
        ("4.0 'g' / 2.0 'm' = 2 'g/m'", "boolean:true"),
        ("extension.value > 1000 'g'", "boolean:true"),
        ("extension.value = 1500 'g'", "boolean:true"),
        ("37 'Cel' = 310.15 'K'", "boolean:true"),
        ("1 'nonsense' = 1 'nonsense'", "boolean:true"),
        ("1 'nonsense' = 1 'g'", ""),
        ("1 week", "Quantity:1 week"),
        ("2 week", "Quantity:2 weeks"),
        ("'4 days'.toQuantity()", "Quantity:4 days"),
        ("'4 wk'.toQuantity()", ""),
        ("1 'kg'.toQuantity('g')", "Quantity:1000 'g'"),
    ]);
}

#[test]
fn filters_and_projects() {
    check(&[
        ("name.where(use = 'usual').given", "string:No"),
        ("name.select(given.count())", "integer:2 integer:1"),
        ("name.given.where($index > 0)", "string:Anna string:No"),
        ("name.all(given.exists())", "boolean:true"),
        ("name.all(family.exists())", "boolean:false"),
        ("(1 | 2 | 3).aggregate($total + $this, 0)", "integer:6"),
        ("(3 | 1 | 2).sort(-$this)", "integer:3 integer:2 integer:1"),
        ("name.sort(-family).use", "code:usual code:official"),
        ("name.given.combine(name.given).isDistinct()", "boolean:false"),
        ("(1 | 2 | 1).count()", "integer:2"),
        ("(1 | 2).intersect(2 | 3)", "integer:2"),
        ("1.combine(1).exclude(2)", "integer:1 integer:1"),
        ("name.single()", "error"),
        ("name.first().single().use", "code:official"),
        ("name.skip(1).use", "code:usual"),
        ("name.take(1).use", "code:official"),
        ("name.last().given", "string:No"),
        ("name.tail().given", "string:No"),
        ("2 in (1 | 2)", "boolean:true"),
        ("(1 | 2) contains 3", "boolean:false"),
        ("(1 | 2) in (1 | 2)", "error"),
        ("{} in (1 | 2)", ""),
        ("repeat(contact).name.family", "string:Muster"),
        ("children().count()", "integer:11"),
        ("descendants().where($this is HumanName).count()", "integer:3"),
        ("iif(active, 'yes', 1 / 0)", "string:yes"),
        ("iif({}, 'yes', 'no')", "string:no"),
        ("defineVariable('n', name.first()).select(%n.family & '!')", "string:Beispiel!"),
        ("name.trace('names', given).count()", "integer:2"),
        ("coalesce(photo, name.first().family)", "string:Beispiel"),
        ("%unknown", "error"),
        ("nothing()", "error"),
        ("name.where()", "error"),
    ]);
}

#[test]
fn works_on_texts() {
    check(&[
        ("'abc'.substring(1)", "string:bc"),
        ("'abc'.substring(1, 1)", "string:b"),
        ("'abc'.substring(3)", ""),
        ("'äöü'.length()", "integer:3"),
        ("'äöü'.indexOf('ü')", "integer:2"),
        ("'abc'.indexOf('x')", "integer:-1"),
        ("'abc'.replace('', 'x')", "string:xaxbxcx"),
        ("'abc'.matches('B')", "boolean:false"),
        ("'a\\nb'.matches('a.b')", "boolean:true"),
        ("'abc'.matchesFull('b')", "boolean:false"),
        (
            "'11/30/1972'.replaceMatches('\\\\b(?<month>\\\\d{1,2})/(?<day>\\\\d{1,2})', '${day}-${month}')",
            "string:30-11/1972",
        ),
        ("'ab'.replaceMatches('(a)(b)', '$2$1x')", "string:bax"),
        ("'a,b'.split(',')", "string:a string:b"),
        ("name.given.join(';')", "string:Nora;Anna;No"),
        ("'test'.encode('base64').decode('base64')", "string:test"),
        ("'?>'.encode('urlbase64')", "string:Pz4="),
        ("'test'.encode('hex')", "string:74657374"),
        ("'a<b'.escape('html').unescape('html')", "string:a<b"),
        ("'\"'.escape('json')", "string:\\\""),
        ("' a '.trim()", "string:a"),
        ("'a' & {} & 'b'", "string:ab"),
        ("'a' + {}", ""),
        ("'a' - 'b'", "error"),
        ("1.startsWith('1')", "error"),
        ("birthDate.startsWith('1980')", "boolean:true"),
        ("'ab'.toChars()", "string:a string:b"),
        ("'a' ~ 'A'", "boolean:true"),
        ("'a' = 'A'", "boolean:false"),
    ]);
}

#[test]
fn converts_between_types() {
    check(&[
        ("'1'.toInteger()", "integer:1"),
        ("'1.0'.toInteger()", ""),
        ("'yes'.toBoolean()", "boolean:true"),
        ("2.toBoolean()", ""),
        ("'2015-02-04T14'.toDateTime()", "dateTime:2015-02-04T14"),
        ("'14:34'.toTime()", "time:14:34"),
        ("'2015'.toDate()", "date:2015"),
        ("1.toDecimal()", "decimal:1"),
        ("'1e3'.convertsToDecimal()", "boolean:false"),
        ("'1.5'.toQuantity()", "Quantity:1.5 '1'"),
        ("name.first().convertsToString()", "boolean:false"),
        ("(1 | 2).toString()", "error"),
    ]);
}

#[test]
fn calculates() {
    check(&[
        ("7 div 2", "integer:3"),
        ("-7 div 2", "integer:-3"),
        ("7 mod 2", "integer:1"),
        ("2.2 mod 1.8 = 0.4", "boolean:true"),
        ("1 / 0", ""),
        ("1 / 4", "decimal:0.25"),
        ("2147483647 + 1", ""),
        ("2.power(3)", "integer:8"),
        ("2.power(-1)", "decimal:0.5"),
        ("(-1).power(0.5)", ""),
        ("81.sqrt()", "decimal:9.0"),
        ("(-1).sqrt()", ""),
        ("16.log(2)", "decimal:4.0"),
        ("100.log(10)", "decimal:2.0"),
        ("0.ln()", ""),
        ("1.exp().round(8)", "decimal:2.71828183"),
        ("3.14159.round(3)", "decimal:3.142"),
        ("(-2.5).round()", "decimal:-3"),
        ("1.9.truncate()", "integer:1"),
        ("(-1.1).ceiling()", "integer:-1"),
        ("(-5.5 'mg').abs()", "Quantity:5.5 'mg'"),
        ("1.587.lowBoundary(2)", "decimal:1.58"),
        ("(-1.587).lowBoundary(2)", "decimal:-1.59"),
        ("1.587.highBoundary()", "decimal:1.58750000"),
        ("1.587 'cm'.lowBoundary(8)", "Quantity:1.58650000 'cm'"),
        ("@2014-02.highBoundary(8)", "date:2014-02-28"),
        ("@2014-01-01T08.highBoundary(17)", "dateTime:2014-01-01T08:59:59.999-12:00"),
        ("@2014.precision()", "integer:4"),
        ("1 'cm'.comparable(1 '[in_i]')", "boolean:true"),
    ]);
}

#[test]
fn refuses_what_is_no_expression() {
    for text in [
        "",
        "1 +",
        "(1",
        "'a",
        "name.",
        "name..given",
        "2 + 2 /",
        "/* open",
        "@2014-13",
        "@T25",
        "'\\x'",
        "a b",
        "{1}",
        "$that",
        "1 is",
        "%",
        "name[",
        "`a",
        "and",
        "iif(",
        "@2015-02-30",
        "99999999999999999999999999999999999",
    ] {
        assert!(Expression::parse(text).is_err(), "{text}");
    }
}

#[test]
fn bounds_depth_and_work() {
    for text in ["(".repeat(100_000), "-".repeat(10_000) + "1", vec!["1"; 30_000].join("+"), "a.".repeat(30_000) + "a"]
    {
        assert!(Expression::parse(&text).is_err());
    }
    let long_union = vec!["1"; 2_000].join("|");
    check(&[
        (&format!("({long_union}).count()"), "integer:1"),
        ("(1|2|3|4|5|6|7|8|9).repeat($this + 1).count() > 0", "error"),
    ]);
    let mut doubling = String::from("'aaaaaaaaaaaaaaaa'");
    for _ in 0..40 {
        doubling.push_str(".replace('a', 'aa')");
    }
    check(&[(&doubling, "error")]);
    let groups = "$0".repeat(20_000);
    check(&[(
        &format!("'aaaaaaaaaa'.replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa').replaceMatches('a+', '{groups}')"),
        "error",
    )]);
    check(&[(
        "descendants().select(%resource.descendants().select(%resource.descendants().select(%resource.descendants())))",
        "error",
    )]);
    let deep = format!("{}1{}", "(".repeat(60), ")".repeat(60));
    check(&[(&deep, "integer:1")]);
}

/// The deepest expressions of every form run within the stack that threads have, in a debug build too.
#[test]
fn fits_the_stack_at_the_deepest() {
    let forms: [fn(&str) -> String; 9] = [
        |inner| format!("name.where({inner}.exists())"),
        |inner| format!("name.select({inner})"),
        |inner| format!("iif(true, {inner}, 1)"),
        |inner| format!("-{inner}"),
        |inner| format!("{inner}.first()"),
        |inner| format!("{inner} = 1"),
        |inner| format!("name.repeat({inner})"),
        |inner| format!("(1 | {inner})"),
        |inner| format!("(true and ({inner}))"),
    ];
    let deepest = move || {
        let patient = json(PATIENT);
        for form in forms {
            let mut text = String::from("name");
            loop {
                let next = form(&text);
                if Expression::parse(&next).is_err() {
                    break;
                }
                text = next;
            }
            let _ = answer(&patient, &text);
            let _ = Expression::parse(&text).unwrap().check(Type::find("Patient"), Strictness::Strict);
        }
    };
    std::thread::Builder::new().stack_size(3 << 19).spawn(deepest).unwrap().join().unwrap();
}

/// A tree as deep as readers let in.
#[test]
fn walks_deep_trees() {
    let mut text = String::from(r#"{"url": "leaf", "valueString": "x"}"#);
    for _ in 0..60 {
        text = format!(r#"{{"url": "u", "extension": [{text}]}}"#);
    }
    let text = format!(r#"{{"resourceType": "Patient", "extension": [{text}]}}"#);
    let patient = parse(text.as_bytes(), &Limits { depth: 128, ..Limits::default() }).unwrap();
    assert_eq!(answer(&patient, "descendants().where(url = 'leaf').value"), "string:x");
    assert_eq!(answer(&patient, "repeat(extension).count()"), "integer:61");
    assert_eq!(answer(&patient, "extension ~ extension and extension = extension"), "boolean:true");
}

#[test]
fn finds_faults_before_any_input() {
    let patient = Type::find("Patient");
    let lenient = |text: &str| Expression::parse(text).unwrap().check(patient, Strictness::Lenient).is_ok();
    let strict = |text: &str| Expression::parse(text).unwrap().check(patient, Strictness::Strict).is_ok();
    for text in ["name.given1", "Encounter.name.given", "contact.nom", "1.as(string1)", "name.where(givn = 'x')"] {
        assert!(lenient(text) && !strict(text), "{text}");
    }
    for text in [
        "deceasedBoolean",
        "iif(1 | 2, true, false)",
        "iif('x', 1, 2)",
        "name.foo()",
        "name.where()",
        "(deceased as boolean).unit",
        "children().first()",
    ] {
        assert!(!lenient(text), "{text}");
    }
    for text in [
        "name.given.first()",
        "deceased.is(boolean)",
        "(deceased as dateTime) + 1 year",
        "contained.name",
        "%resource.id",
        "extension('x').value.unit",
        "name.select(given | family).distinct()",
        "contact.name.given.trace('x').count() > 1",
        "managingOrganization.resolve().anything",
        "birthDate.extension.url",
        "repeat(contact).name",
        "Resource.meta",
    ] {
        assert!(strict(text), "{text}");
    }
}

#[test]
fn tests_invariants_as_fhir_says() {
    let patient = json(PATIENT);
    let node = Node::resource(&patient);
    let context = Context::new(node).with_as(AsRule::Each);
    let test = |text: &str| Expression::parse(text).unwrap().test(&context, node);
    assert_eq!(test("name.exists()"), Ok(true));
    assert_eq!(test("photo.contentType = 'x'"), Ok(false));
    assert_eq!(test("name.given.as(string).count() = 3"), Ok(true));
    assert_eq!(
        test("(name.family as String) = 'Beispiel' and active is Boolean and gender.as(String).empty()"),
        Ok(true)
    );
    assert_eq!(test("text.`div`.exists() or text.div.exists().not()"), Ok(true));
}

#[test]
fn resolves_within_a_bundle() {
    let bundle = json(
        r#"{"resourceType": "Bundle", "type": "collection", "entry": [
          {"fullUrl": "http://example.org/fhir/Patient/1", "resource": {"resourceType": "Patient", "id": "1"}},
          {"fullUrl": "urn:uuid:5", "resource": {"resourceType": "Organization", "id": "5"}},
          {"fullUrl": "http://example.org/fhir/Observation/2", "resource": {"resourceType": "Observation", "id": "2",
            "subject": {"reference": "Patient/1"}, "performer": [{"reference": "urn:uuid:5"}, {"reference": "Patient/9"}]}}]}"#,
    );
    let case = |expression: &str| answer(&bundle, expression);
    assert_eq!(case("entry.resource.subject.resolve().id"), "id:1");
    assert_eq!(case("entry.resource.performer.resolve().type().name"), "string:Organization");
    assert_eq!(case("entry.resource.where(subject.resolve() is Patient).id"), "id:2");
    assert_eq!(case("entry.resource.ofType(Observation).id"), "id:2");
}

#[test]
fn names_the_place_of_a_node() {
    let patient = json(PATIENT);
    let root = Node::resource(&patient);
    let found = |text: &str| {
        let items = Expression::parse(text).unwrap().evaluate(&Context::new(root), &[Item::Node(root)]).unwrap();
        match items.first() {
            Some(Item::Node(node)) => node.place_in(&root).unwrap_or_default(),
            _ => String::new(),
        }
    };
    assert_eq!(found("name.given[1]"), "Patient.name[0].given[1]");
    assert_eq!(found("deceased"), "Patient.deceased");
    assert_eq!(found("birthDate.extension.value"), "Patient.birthDate.extension[0].value");
    assert_eq!(found("$this"), "Patient");
}

#[test]
fn is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Expression>();
    shared::<Type>();
}

#[test]
fn a_quoted_type_name_with_dots_prints_as_it_was_read() {
    for text in ["a is `b.c`", "a as X.`b..c`", "a is FHIR.Patient", "a is X.b.c", "ofType(`=.=`)"] {
        let expression = Expression::parse(text).unwrap();
        assert_eq!(Expression::parse(&expression.to_string()).unwrap(), expression, "{text}");
    }
}
