//! Any bytes as a resource file: no panic, and the verdict is that of the findings.
#![no_main]

use conformance::file;
use conformance::validate::{Options, Validator};
use libfuzzer_sys::fuzz_target;
use model::json::Limits;

fuzz_target!(|raw: &[u8]| {
    let report = file::file(Validator::r4(), "x", raw, &Limits::default(), &Options::default());
    assert_eq!(report.valid, !report.issues.iter().any(|issue| issue.is_error()));
});
