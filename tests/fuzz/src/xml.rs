//! Any bytes as FHIR XML: no panic, and what is read and can be written is read back as the same tree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::json::Limits;
use model::xml::{Layout, locate, parse, write};

fuzz_target!(|raw: &[u8]| {
    let limits = Limits::default();
    let Ok(document) = parse(raw, &limits) else { return };
    for issue in &document.issues {
        let _ = locate(raw, issue.at.as_deref().unwrap_or_default());
    }
    let json = document.resource.to_bytes();
    assert!(model::json::parse(&json, &limits).expect("no deeper than JSON may be") == document.resource);
    let Ok(written) = write(&document.resource, Layout::Compact) else { return };
    let again = parse(written.as_bytes(), &limits).expect("what is written reads back");
    assert_eq!(model::canonical::bytes(&again.resource), model::canonical::bytes(&document.resource));
});
