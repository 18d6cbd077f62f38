//! Any readable document through the embedded package: no panic, every leaf accounted for, two runs agree, and what comes
//! back from FHIR is a document again.
#![no_main]

use std::sync::OnceLock;

use formats::cda::{Document, Limits};
use libfuzzer_sys::fuzz_target;
use mappers::{CONVERT_NAMESPACE, Context, Packages, RenderContext};

static PACKAGES: OnceLock<Packages> = OnceLock::new();

fuzz_target!(|raw: &[u8]| {
    let packages = PACKAGES.get_or_init(|| Packages::embedded().expect("the embedded packages load"));
    let package = packages.named("ccda-base").expect("the package for documents");
    let Ok(document) = Document::parse(raw, &Limits::default()) else { return };
    let context = Context { namespace: &CONVERT_NAMESPACE, source: "", timezone: None, authorities: &[], received: None };
    let mapped = package.map_cda(&document, &context);
    assert_eq!(mapped.loss().total(), document.leaves() as usize);
    let bytes = mapped.bundle.to_bytes();
    let counted = package.map_cda_counted(&document, &context);
    assert_eq!(counted.bundle.to_bytes(), bytes, "an account changes nothing else");
    assert_eq!(counted.loss_counts(), mapped.loss_counts());
    model::json::parse(&bytes, &model::json::Limits::default()).expect("the output reads back");
    let written = package.write_cda(&mapped.bundle, &RenderContext::default());
    if !written.bytes.is_empty() {
        Document::parse(&written.bytes, &Limits::default()).expect("what is written reads back");
    }
});
