use crate::json::{Json, Limits, parse};

use super::*;

fn read(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).expect("JSON")
}

#[test]
fn sorts_by_utf16_and_keeps_lexemes() {
    let value = read(r#"{"\ufb33":1,"😀":2,"é":3,"b":{"z":1.50,"a":1E5},"a":[2,1],"\r":4}"#);
    let expected = "{\"\\r\":4,\"a\":[2,1],\"b\":{\"a\":1E5,\"z\":1.50},\"é\":3,\"😀\":2,\"\u{fb33}\":1}";
    assert_eq!(String::from_utf8(bytes(&value)).expect("UTF-8"), expected);
}

#[test]
fn same_ignores_order_but_not_digits() {
    assert!(same(&read(r#"{"a":1,"b":"\u0041"}"#), &read(r#"{ "b":"A", "a":1 }"#)));
    assert!(!same(&read("[1.5]"), &read("[1.50]")));
    assert!(!same(&read("[1,2]"), &read("[2,1]")));
}
