//! Reading and writing of JSON trees: a Bundle of about 60 KB.

#![expect(clippy::expect_used, reason = "a benchmark may stop with a message")]

use divan::Bencher;
use divan::counter::BytesCount;
use model::json::{Json, Limits, parse};

fn main() {
    divan::main();
}

/// A Bundle of 80 Observations, compact or indented.
fn bundle(indented: bool) -> Vec<u8> {
    let observation = br#"{"fullUrl":"urn:uuid:0b9aeb3c-5ddf-4f0a-8a53-3a1f2f2f9b10","resource":{"resourceType":"Observation","id":"0b9aeb3c-5ddf-4f0a-8a53-3a1f2f2f9b10","identifier":[{"system":"urn:oid:2.999.1","value":"4711-1"}],"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"2823-3","display":"Potassium [Moles/volume] in Serum or Plasma"}],"text":"Potassium \"serum\""},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2026-03-09T10:11:12+01:00","valueQuantity":{"value":4.50,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}}}"#;
    let entry = parse(observation, &Limits::default()).expect("JSON");
    let bundle = Json::object([
        ("resourceType", Json::from("Bundle")),
        ("type", Json::from("collection")),
        ("entry", Json::array(vec![entry; 80])),
    ]);
    if indented { bundle.pretty().into_bytes() } else { bundle.to_bytes() }
}

#[divan::bench(args = [false, true])]
fn read(bencher: Bencher<'_, '_>, indented: bool) {
    let text = bundle(indented);
    bencher
        .counter(BytesCount::new(text.len()))
        .bench(|| parse(divan::black_box(&text), &Limits::default()).expect("JSON"));
}

#[divan::bench]
fn write(bencher: Bencher<'_, '_>) {
    let tree = parse(&bundle(false), &Limits::default()).expect("JSON");
    bencher.counter(BytesCount::new(tree.to_bytes().len())).bench(|| divan::black_box(&tree).to_bytes());
}

#[divan::bench]
fn canonical(bencher: Bencher<'_, '_>) {
    let tree = parse(&bundle(false), &Limits::default()).expect("JSON");
    bencher.counter(BytesCount::new(tree.to_bytes().len())).bench(|| model::canonical::bytes(divan::black_box(&tree)));
}
