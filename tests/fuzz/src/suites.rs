//! Any text as a path of a TestScript and as a file that users write: no panic, no endless run.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use model::json::{Json, parse};
use suites::{path, table};

const PATIENT: &[u8] = br#"{"resourceType":"Patient","id":"p","name":[{"use":"official","family":"Beispiel","given":["Nora"]}],
"extension":[{"url":"w","valueQuantity":{"value":1.50}}],"contained":[{"resourceType":"Organization","id":"o"}]}"#;

static TREE: LazyLock<Json> = LazyLock::new(|| parse(PATIENT, &Default::default()).expect("the sample is JSON"));

fuzz_target!(|text: &str| {
    let _ = path::values(&TREE, text);
    let _ = table::yaml(text);
    let _ = table::toml(text);
});
