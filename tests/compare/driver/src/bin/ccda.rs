//! `ccda FILE...`: reads a document and makes the FHIR Bundle and its JSON, loss and explanation off; says how many
//! resources. 0 is a file that is refused.

use std::hint::black_box;

use formats::cda::{Document, Limits};
use mappers::{Context, Packages};

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let packages = Packages::embedded().expect("the embedded packages load");
    let package = packages.of_format("ccda", &[]).expect("a package for documents");
    driver::measure(&files, |bytes| {
        let Ok(document) = Document::parse(bytes, &Limits::default()) else { return 0 };
        let mapped = package.map_cda_counted(&document, &Context::default());
        black_box(mapped.bundle.to_bytes());
        model::bundle::resources(&mapped.bundle).count()
    });
}
