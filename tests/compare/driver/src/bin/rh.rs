//! `rh CACHE FILE...`: the crate rh-validator with every package of this cache.

use rh_validator::{FhirValidator, FhirVersion, Severity};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, files) = arguments.split_first().expect("a cache");
    let validator = FhirValidator::new(FhirVersion::R4, Some(folder)).expect("a validator");
    driver::measure(files, |bytes| {
        let resource: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
        let result = validator.validate_auto(&resource).expect("a result");
        result.issues.iter().filter(|issue| matches!(issue.severity, Severity::Error)).count()
    });
}
