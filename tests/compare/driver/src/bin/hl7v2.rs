//! `hl7v2 parse|convert FILE...`: `parse` reads a message and every piece of it, as a parser that builds a tree does, and
//! says how many segments; `convert` makes the FHIR Bundle and its JSON, loss and explanation off, and says how many
//! resources. 0 is a file that is refused.

use std::hint::black_box;

use formats::hl7v2::{Message, unescape};
use mappers::{CONVERT_NAMESPACE, Context, Packages, Selector};

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (what, files) = arguments.split_first().expect("parse or convert");
    if what == "parse" {
        return driver::measure(files, |bytes| {
            let Ok(parsed) = Message::parse(bytes) else { return 0 };
            let message = &parsed.message;
            let read = |raw| unescape(raw, message.delimiters(), message.charset()).len();
            let texts: usize = message.segments().flat_map(|segment| segment.leaves()).map(|leaf| read(leaf.raw)).sum();
            black_box(texts);
            message.segments().count()
        });
    }
    let context =
        Context { namespace: &CONVERT_NAMESPACE, source: "", timezone: None, received: None, authorities: &[] };
    let packages = Packages::embedded().expect("the embedded packages load");
    driver::measure(files, |bytes| {
        let Ok(parsed) = Message::parse(bytes) else { return 0 };
        let selector = Selector { names: &[], format: "hl7v2", message: &parsed.message };
        let Ok(package) = packages.select_by_segments(&selector) else { return 0 };
        let mapped = package.map(&parsed.message, &context);
        black_box(mapped.bundle.to_bytes());
        model::bundle::resources(&mapped.bundle).count()
    });
}
