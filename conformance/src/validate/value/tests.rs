use model::json::{Limits, parse};

use super::*;

fn json(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

#[test]
fn fixed_values_are_exact_but_for_order_and_digits() {
    assert!(equals(&json(r#"{"a":1.0,"b":"x"}"#), &json(r#"{"b":"x","a":1.00}"#)));
    assert!(!equals(&json(r#"{"a":1}"#), &json(r#"{"a":1,"b":2}"#)));
    assert!(!equals(&json("[1,2]"), &json("[2,1]")));
}

#[test]
fn patterns_ask_for_a_part() {
    let pattern = json(r#"{"coding":[{"system":"s","code":"c"}]}"#);
    assert!(contains(
        &pattern,
        &json(r#"{"text":"t","coding":[{"code":"x"},{"code":"c","system":"s","display":"d"}]}"#)
    ));
    assert!(!contains(&pattern, &json(r#"{"coding":[{"system":"s"},{"code":"c"}]}"#)));
}

#[test]
fn dates_are_in_order_where_their_precision_says_so() {
    let order = |left: &str, right: &str| compare(&Json::from(left), &Json::from(right));
    assert_eq!(order("2020", "2021-03"), Some(Ordering::Less));
    assert_eq!(order("2021-03-04", "2021"), Some(Ordering::Equal));
    assert_eq!(order("10:00:00", "09:59:00"), Some(Ordering::Greater));
    assert_eq!(compare(&json("1e3"), &json("999.5")), Some(Ordering::Greater));
}
