//! What opening the embedded definitions costs, and what a lookup costs afterwards.

use std::time::Instant;

use definitions::{Definitions, Package};

/// The types that a typical Patient touches.
const TYPES: &[&str] = &[
    "Patient",
    "DomainResource",
    "Resource",
    "Meta",
    "Narrative",
    "Extension",
    "Element",
    "HumanName",
    "Identifier",
    "CodeableConcept",
    "Coding",
    "ContactPoint",
    "Address",
    "Period",
    "Reference",
    "BackboneElement",
    "string",
    "code",
    "uri",
    "boolean",
    "date",
    "dateTime",
    "id",
    "xhtml",
    "Attachment",
    "markdown",
    "canonical",
    "instant",
];

fn main() {
    // Cold first: the measures of divan are of warm code.
    let start = Instant::now();
    let set = Definitions::r4();
    assert!(set.find(Some("ValueSet"), "http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1").is_some());
    eprintln!("cold: open and one value set {:?}", start.elapsed());
    for name in TYPES {
        assert!(set.base(name).is_some());
    }
    eprintln!("cold: and {} types compiled {:?}", TYPES.len(), start.elapsed());
    divan::main();
}

#[divan::bench]
fn find_base() -> bool {
    Definitions::r4().base(divan::black_box("Patient")).is_some()
}

#[divan::bench]
fn find_profile() -> bool {
    Definitions::r4().profile(divan::black_box("http://hl7.org/fhir/StructureDefinition/Patient")).is_ok()
}

#[divan::bench]
fn one_package_over_r4() -> bool {
    let text = br#"{"resourceType":"ValueSet","url":"urn:vs"}"#;
    let package = Package::read_bytes("vs.json", text).unwrap_or_default();
    Definitions::r4().with(vec![package]).find(None, "urn:vs").is_some()
}
