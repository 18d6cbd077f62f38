//! Reading and writing of FHIR XML: a Bundle of about 60 KB in JSON.

#![expect(clippy::expect_used, reason = "a benchmark may stop with a message")]

use divan::Bencher;
use divan::counter::BytesCount;
use model::json::{self, Json, Limits};
use model::xml::{Layout, parse, write};

fn main() {
    divan::main();
}

/// A Bundle of 80 Observations as XML.
fn bundle(layout: Layout) -> String {
    let observation = br#"{"fullUrl":"urn:uuid:0b9aeb3c-5ddf-4f0a-8a53-3a1f2f2f9b10","resource":{"resourceType":"Observation","id":"0b9aeb3c-5ddf-4f0a-8a53-3a1f2f2f9b10","identifier":[{"system":"urn:oid:2.999.1","value":"4711-1"}],"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"2823-3","display":"Potassium [Moles/volume] in Serum or Plasma"}],"text":"Potassium \"serum\""},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2026-03-09T10:11:12+01:00","valueQuantity":{"value":4.50,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}}}"#;
    let entry = json::parse(observation, &Limits::default()).expect("JSON");
    let bundle = Json::object([
        ("resourceType", Json::from("Bundle")),
        ("type", Json::from("collection")),
        ("entry", Json::array(vec![entry; 80])),
    ]);
    write(&bundle, layout).expect("XML")
}

#[divan::bench(args = [Layout::Compact, Layout::Indented])]
fn read(bencher: Bencher<'_, '_>, layout: Layout) {
    let text = bundle(layout);
    bencher
        .counter(BytesCount::new(text.len()))
        .bench(|| parse(divan::black_box(text.as_bytes()), &Limits::default()).expect("XML"));
}

#[divan::bench(name = "write")]
fn write_compact(bencher: Bencher<'_, '_>) {
    let text = bundle(Layout::Compact);
    let tree = parse(text.as_bytes(), &Limits::default()).expect("XML").resource;
    bencher
        .counter(BytesCount::new(text.len()))
        .bench(|| write(divan::black_box(&tree), Layout::Compact).expect("XML"));
}

#[divan::bench]
fn locate(bencher: Bencher<'_, '_>) {
    let text = bundle(Layout::Indented);
    bencher.bench(|| {
        model::xml::locate(divan::black_box(text.as_bytes()), "Bundle.entry[79].resource.code.coding[0].code")
    });
}
