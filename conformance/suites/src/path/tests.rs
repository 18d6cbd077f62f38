use model::json::{Json, Limits, parse};

use super::{number, values};

fn resource() -> Json {
    let text = r#"{"resourceType":"Bundle","id":"b1","type":"searchset","total":2,"entry":[
        {"fullUrl":"urn:a","resource":{"resourceType":"Patient","id":"p1","active":true,
         "extension":[{"url":"urn:x","valueCode":"one"},{"url":"urn:y","valueCode":"two"}],
         "name":[{"id":"n1","family":"Lee","given":["Ann","B."]},{"use":"old","family":"Ray"}],
         "telecom":[{"system":"phone","value":"1"},{"system":"email","value":"2"}]}},
        {"fullUrl":"urn:b","resource":{"resourceType":"Observation","id":"o1","valueQuantity":{"value":1.50}}}]}"#;
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

#[track_caller]
fn check(path: &str, expected: &[&str]) {
    assert_eq!(values(&resource(), path).unwrap(), expected, "{path}");
}

#[test]
fn reads_the_xpath_of_scripts() {
    check("fhir:Bundle/fhir:type/@value", &["searchset"]);
    check("Bundle/id", &["b1"]);
    check("/Bundle/entry/resource/Patient/name/family", &["Lee", "Ray"]);
    check("/fhir:Bundle/fhir:entry[2]/fhir:resource/fhir:Observation/fhir:id/@value", &["o1"]);
    check("//fhir:Patient/fhir:name[1]/@id", &["n1"]);
    check("//Patient/telecom[system/@value='email']/value/@value", &["2"]);
    check("//Patient/name[use/@value = 'old' and family]/family", &["Ray"]);
    check("//extension[@url='urn:y']/valueCode/@value", &["two"]);
    check("count(/Bundle/entry)", &["2"]);
    check("count(//given) = 2", &["true"]);
    check("not(//Patient/contact)", &["true"]);
    check("//Observation//value/@value", &["1.50"]);
    check("/Bundle/entry[last()]/fullUrl", &["urn:b"]);
    check("//*[starts-with(@value, 'Le')]", &["Lee"]);
    check("Patient/id", &[]);
}

#[test]
fn reads_jsonpath() {
    check("$.type", &["searchset"]);
    check("$.entry[0].resource.name[*].family", &["Lee", "Ray"]);
    check("$['entry'][-1].resource.id", &["o1"]);
    check("$..family", &["Lee", "Ray"]);
    check("$.entry[0].resource.telecom[?(@.system=='email')].value", &["2"]);
    check("$.entry[?(@.resource.active)].fullUrl", &["urn:a"]);
    check("$.none", &[]);
}

#[test]
fn says_what_it_cannot_read() {
    for path in
        ["", "Patient/", "Patient/name[", "$.a[", "$.", "../Patient", "id(1)", "ancestor::x/y(", "$[?(a)]", "a b"]
    {
        assert!(values(&resource(), path).is_err(), "{path}");
    }
    let deep = format!("a{}", "[a".repeat(5_000));
    assert!(values(&resource(), &deep).is_err());
    let brackets = "(".repeat(50_000);
    assert!(values(&resource(), &brackets).is_err());
}

#[test]
fn compares_numbers_without_losing_digits() {
    use std::cmp::Ordering::{Equal, Greater, Less};
    for (left, right, order) in [
        ("1.50", "1.5", Equal),
        ("10", "9", Greater),
        ("-2", "1", Less),
        ("-2", "-3", Greater),
        ("0.1", "0.09", Greater),
        ("-0", "0", Equal),
        ("123456789012345678901", "123456789012345678902", Less),
    ] {
        assert_eq!(number::compare(left, right), Some(order), "{left} {right}");
    }
    assert_eq!(number::compare("a", "1"), None);
    assert_eq!(number::compare_ordered("2024-01-01", "2024-02-01"), Some(Less));
}

/// Texts made by cutting and joining pieces of paths: whatever comes, an answer or an error.
#[test]
fn no_text_makes_it_panic() {
    const PIECES: [&str; 24] = [
        "Patient", "/", "//", "[", "]", "(", ")", "@", "value", "='", "'", "\"", "$", "..", ".", "*", "?(", "count",
        "not", " or ", " and ", "1", "-", "\u{e9}",
    ];
    let resource = resource();
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..(state >> 60) + 1 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(PIECES[usize::try_from(state >> 33).unwrap() % PIECES.len()]);
        }
        let _ = values(&resource, &text);
    }
}
