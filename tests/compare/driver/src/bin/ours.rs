//! `ours CACHE FILE...`: US Core from this cache of FHIR packages.

use std::path::Path;
use std::sync::Arc;

use conformance::file;
use conformance::validate::{Options, Validator};
use definitions::{Definitions, cache};
use model::json::Limits;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, files) = arguments.split_first().expect("a cache");
    let guide = cache::closure(Path::new(folder), "hl7.fhir.us.core#6.1.0").expect("US Core is installed");
    let validator = Validator::of(Arc::new(Definitions::r4().with(guide.packages)));
    driver::measure(files, |bytes| {
        let (resource, _) = file::read(bytes, &Limits::default()).expect("FHIR");
        let issues = validator.validate(&resource, &Options::default());
        issues.iter().filter(|issue| issue.is_error()).count()
    });
}
