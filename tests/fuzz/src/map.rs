//! Any readable message through the embedded packages: no panic, every piece accounted for, two runs agree, and what
//! comes back from FHIR is a message again.
#![no_main]

use std::sync::OnceLock;

use formats::hl7v2::{Message, split_batch};
use libfuzzer_sys::fuzz_target;
use mappers::{CONVERT_NAMESPACE, Context, Packages, RenderContext, Selector};

static PACKAGES: OnceLock<Packages> = OnceLock::new();

fuzz_target!(|raw: &[u8]| {
    let packages = PACKAGES.get_or_init(|| Packages::embedded().expect("the embedded packages load"));
    for part in &split_batch(raw).messages {
        let Ok(parsed) = Message::parse(&part.bytes) else { continue };
        let message = &parsed.message;
        let selector = Selector { names: &[], format: "hl7v2", message };
        let Ok(package) = packages.select_by_segments(&selector) else { continue };
        let context = Context { namespace: &CONVERT_NAMESPACE, source: "", timezone: None, authorities: &[], received: None };
        let mapped = package.map(message, &context);
        let pieces: usize = message.segments().map(|segment| segment.leaves().count()).sum();
        assert_eq!(mapped.loss().total(), pieces);
        let (mut loss, mut explained) = (Vec::new(), Vec::new());
        mapped.write_loss(&mut loss);
        mapped.write_explain(&mut explained);
        assert_eq!(loss, mapped.loss().to_json().to_bytes(), "the account as text is the account");
        model::json::parse(&explained, &model::json::Limits::default()).expect("the explanation reads back");
        let bytes = mapped.bundle.to_bytes();
        assert_eq!(package.map(message, &context).bundle.to_bytes(), bytes);
        let counted = package.map_counted(message, &context);
        assert_eq!(counted.bundle.to_bytes(), bytes, "an account changes nothing else");
        assert_eq!(counted.loss_counts(), mapped.loss_counts());
        model::json::parse(&bytes, &model::json::Limits::default()).expect("the output reads back");
        let rendered = package.render(&mapped.bundle, &RenderContext::default());
        if !rendered.bytes.is_empty() {
            Message::parse(&rendered.bytes).expect("what is rendered reads back");
        }
    }
});
