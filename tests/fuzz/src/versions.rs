//! Any JSON as FHIR of each version: no panic, every conversion twice the same, every piece accounted for where the resource
//! has the form of its version, and R4 that comes back from R5 is R4 again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::json::{Limits, parse};
use versions::{Options, Version, convert, detect};

fuzz_target!(|raw: &[u8]| {
    let Ok(resource) = parse(raw, &Limits::default()) else { return };
    let _ = detect(&resource);
    for other in [Version::Dstu2, Version::Stu3, Version::R4b, Version::R5] {
        if let Ok(converted) = convert(&resource, other, Version::R4, &Options { account: true }) {
            let again = convert(&resource, other, Version::R4, &Options::default()).expect("it was converted before");
            assert_eq!(converted.resource.to_bytes(), again.resource.to_bytes());
            parse(&converted.loss.to_json().to_bytes(), &Limits::default()).expect("the account reads back");
        }
        if let Ok(there) = convert(&resource, Version::R4, other, &Options::default()) {
            convert(&there.resource, other, Version::R4, &Options::default()).expect("what was made of R4 can go back");
        }
    }
});
