//! What it costs to make the rows of a resource: `cargo bench -p search`.
#![expect(clippy::unwrap_used, reason = "a benchmark over its own texts")]

use divan::Bencher;
use model::json::{Limits, parse};
use search::Registry;

fn main() {
    divan::main();
}

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"f206","status":"final",
    "identifier":[{"system":"urn:oid:2.16.840.1.113883.4.642.1.1","value":"o-206"}],
    "category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}],
    "code":{"coding":[{"system":"http://loinc.org","code":"2823-3","display":"Potassium"}],"text":"Potassium"},
    "subject":{"reference":"Patient/4d8e1c9a"},"encounter":{"reference":"Encounter/7f10"},
    "performer":[{"reference":"Practitioner/9c1d"}],"effectiveDateTime":"2026-03-01T10:00:00+01:00","issued":"2026-03-01T11:00:00+01:00",
    "valueQuantity":{"value":4.50,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"},
    "interpretation":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"N"}]}],
    "referenceRange":[{"low":{"value":3.5,"unit":"mmol/L"},"high":{"value":5.1,"unit":"mmol/L"}}],
    "meta":{"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab"]}}"#;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p","active":true,"gender":"female","birthDate":"1974-12-25",
    "identifier":[{"system":"urn:mrn","value":"7","type":{"coding":[{"system":"urn:t","code":"MR"}],"text":"Record"}}],
    "name":[{"family":"Miller","given":["Anna","Eva"]}],"telecom":[{"system":"phone","value":"555 1"}],
    "address":[{"line":["Way 1"],"city":"Town","country":"DE","postalCode":"1"}],"generalPractitioner":[{"reference":"Practitioner/g"}]}"#;

#[divan::bench(args = ["Observation", "Patient"])]
fn rows(bencher: Bencher, name: &str) {
    let text = if name == "Patient" { PATIENT } else { OBSERVATION };
    let json = parse(text.as_bytes(), &Limits::default()).unwrap();
    let registry = Registry::standard();
    assert!(registry.extract(name, &json).len() > 10);
    bencher.bench(|| registry.extract(name, &json));
}

#[divan::bench]
fn compile_a_type() -> usize {
    Registry::with(Vec::new()).0.extract("Observation", &model::json::Json::Null).len()
}
