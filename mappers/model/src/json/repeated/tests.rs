use super::*;

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found = repeated(text.as_bytes(), 10);
    let paths: Vec<&str> = found.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, expected);
}

#[test]
fn every_repeated_member_is_named_by_its_path() {
    check(r#"{"resourceType":"Patient","id":"a","id":"b"}"#, &["Patient.id"]);
    check(
        r#"{"resourceType":"Patient","name":[{"family":"a"},{"family":"b","given":["x"],"family":"c"}],"id":1,"i\u0064":2}"#,
        &["Patient.name[1].family", "Patient.id"],
    );
    check(
        r#"{"resourceType":"Bundle","entry":[{"resource":{"a":{"b":1,"b":[{"c":1,"c":1}]}}}]}"#,
        &["Bundle.entry[0].resource.a.b", "Bundle.entry[0].resource.a.b[0].c"],
    );
    check(r#"{"id":"a","id":"b"}"#, &["Resource.id"]);
    check(r#"[{"op":"add","op":"add"}]"#, &["Resource.op"]);
    check(r#"{"resourceType":"Patient","a":1,"b":{"a":1}}"#, &[]);
}

#[test]
fn names_that_are_no_elements_are_not_shown() {
    check(r#"{"resourceType":"Patient","Ida Ash":1,"Ida Ash":2}"#, &["Patient"]);
    check(r#"{"resourceType":"Ida Ash","a":1,"a":2}"#, &["Resource.a"]);
}

#[test]
fn texts_that_are_no_json_give_what_was_found_before_that() {
    check(r#"{"a":1,"a":2,]"#, &["Resource.a"]);
    for text in ["", "{", "}", "\"", "{\"a", "[[[", "{\"a\":\"\\", "{1:2}", "]", "{\"a\"}", "{\"a\" \"a\" \"a\"}"] {
        check(text, &[]);
    }
    assert!(repeated("[".repeat(1_000_000).as_bytes(), 10).is_empty());
    assert_eq!(repeated(r#"{"a":1,"a":1,"a":1,"a":1}"#.as_bytes(), 2).len(), 2);
}
