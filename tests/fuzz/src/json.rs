//! Any bytes as JSON: no panic, and what is read is written as the same value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::json::{Limits, parse};

fuzz_target!(|raw: &[u8]| {
    let limits = Limits::default();
    let Ok(value) = parse(raw, &limits) else { return };
    let written = value.to_bytes();
    let again = parse(&written, &limits).expect("what is written reads back");
    assert!(again == value);
    assert_eq!(again.to_bytes(), written);
});
