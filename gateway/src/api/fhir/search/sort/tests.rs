use std::cmp::Ordering;

use super::{order, put};
use crate::api::fhir::search::cursor::Place;

#[track_caller]
fn check(descending: bool, values: &[Option<&str>]) {
    let keys: Vec<Vec<u8>> = values
        .iter()
        .map(|value| {
            let mut key = Vec::new();
            put(&mut key, value.map(str::as_bytes), descending);
            // What follows must not matter where the values differ.
            key.push(7);
            key
        })
        .collect();
    assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}");
}

#[test]
fn bytes_sort_as_values_do_and_what_has_none_comes_last() {
    check(false, &[Some("a"), Some("a\0"), Some("a\0b"), Some("ab"), Some("b"), None]);
    check(true, &[Some("b"), Some("ab"), Some("a\0b"), Some("a\0"), Some("a"), None]);
}

#[test]
fn what_is_alike_stands_newest_first() {
    let place = |key: &[u8], position| Place { key: key.to_vec(), position };
    assert_eq!(order(&place(b"a", 1), &place(b"a", 2)), Ordering::Greater);
    assert_eq!(order(&place(b"a", 1), &place(b"b", 2)), Ordering::Less);
}
