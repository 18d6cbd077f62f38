//! Any bytes as a patch of one of the three forms, on a resource of their own or on a fixed one: no panic, an error or a
//! tree that is written and read back, and numbers that no operation names keep their digits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::json::{Json, Limits, parse};
use model::patch::{ElementPatch, JsonPatch, Paths};
use model::xml::XmlPatch;

const RESOURCE: &str = r#"{"resourceType":"Observation","id":"o","extension":[{"url":"u","valueDecimal":0.10}],"status":"final","identifier":[{"system":"s","value":"1"},{"value":"2"}],"code":{"coding":[{"code":"a"},{"code":"b"}],"text":"x"},"_issued":{"id":"i"},"valueQuantity":{"value":72.50}}"#;

/// Takes an expression for the place itself: what finds places is fuzzed as FHIRPath.
struct Steps;

impl Paths for Steps {
    fn places(&self, _: &Json, expression: &str) -> Result<Vec<String>, String> {
        Ok(expression.split(" | ").map(str::to_owned).collect())
    }
}

fuzz_target!(|raw: &[u8]| {
    let Some((kind, rest)) = raw.split_first() else { return };
    let limits = Limits::default();
    // A patch, and behind a line of its own the resource that it is for.
    let mut halves = rest.splitn(2, |byte| *byte == 0x1E);
    let patch = halves.next().unwrap_or_default();
    let resource = halves.next().and_then(|text| parse(text, &limits).ok());
    let mut resource = resource.unwrap_or_else(|| parse(RESOURCE.as_bytes(), &limits).expect("a fixed text"));
    let changed = match kind % 3 {
        0 => parse(patch, &limits)
            .ok()
            .and_then(|patch| JsonPatch::read(&patch).ok())
            .and_then(|patch| patch.apply(&mut resource).ok().map(|()| resource)),
        1 => parse(patch, &limits)
            .ok()
            .and_then(|patch| ElementPatch::read(&patch).ok())
            .and_then(|patch| patch.apply(&mut resource, &Steps).ok().map(|()| resource)),
        _ => XmlPatch::read(patch).ok().and_then(|patch| patch.apply(&resource).ok()),
    };
    let Some(changed) = changed else { return };
    let written = changed.to_bytes();
    let most = Limits { bytes: written.len().max(1), depth: Limits::MAX_DEPTH };
    assert!(parse(&written, &most).expect("what is written reads back") == changed);
});
