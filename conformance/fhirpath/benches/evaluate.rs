//! What an expression costs: reading it, a simple invariant, a heavy one, all of a Patient.

#![expect(clippy::expect_used, reason = "a sample that does not read is a broken benchmark")]

use divan::{Bencher, black_box};
use fhirpath::{AsRule, Context, Expression, Item, Node};
use model::json::{Json, Limits, parse};

fn main() {
    divan::main();
}

fn patient() -> Json {
    parse(include_bytes!("../../benches/patient.json"), &Limits::default()).expect("the sample is JSON")
}

const SIMPLE: &str = "name.exists() or telecom.exists() or address.exists() or organization.exists()";

/// dom-3 of R4.
const HEAVY: &str = "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) | %resource.descendants().as(uri) | %resource.descendants().as(url))) or descendants().where(reference = '#').exists() or descendants().where(as(canonical) = '#').exists() or descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()";

/// The invariants that R4 puts on a Patient itself: those of Element, DomainResource and Patient.
const PATIENT: &[&str] = &[
    "contained.contained.empty()",
    HEAVY,
    "contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()",
    "contained.meta.security.empty()",
    "text.`div`.exists()",
    "hasValue() or (children().count() > id.count())",
    "contact.all(name.exists() or telecom.exists() or address.exists() or organization.exists())",
];

#[divan::bench(args = [SIMPLE, HEAVY])]
fn read(bencher: Bencher, text: &str) {
    bencher.bench(|| Expression::parse(black_box(text)));
}

#[divan::bench(args = ["name.given", "name.exists() or telecom.exists()", "name.where(use = 'official').given.first()", HEAVY])]
fn evaluate(bencher: Bencher, text: &str) {
    let patient = patient();
    let node = Node::resource(&patient);
    let context = Context::new(node).with_as(AsRule::Each);
    let compiled = Expression::parse(text).expect("the expression reads");
    bencher.bench_local(|| compiled.evaluate(black_box(&context), &[Item::Node(node)]));
}

#[divan::bench(args = ["name.exists() or telecom.exists()", "identifier.all(system.exists() and value.exists())", "hasValue() or (children().count() > id.count())"])]
fn test(bencher: Bencher, text: &str) {
    let patient = patient();
    let node = Node::resource(&patient);
    let context = Context::new(node).with_as(AsRule::Each);
    let compiled = Expression::parse(text).expect("the expression reads");
    bencher.bench_local(|| compiled.test(black_box(&context), node));
}

/// dom-3 with ten contained resources that are all referred to.
#[divan::bench]
fn heavy_with_contained(bencher: Bencher) {
    let contained: Vec<String> =
        (0..10).map(|id| format!(r#"{{"resourceType":"Organization","id":"o{id}","name":"Clinic"}}"#)).collect();
    let authors: Vec<String> = (0..10).map(|id| format!(r##"{{"reference":"#o{id}"}}"##)).collect();
    let text = format!(
        r#"{{"resourceType":"DocumentReference","status":"current","contained":[{}],"author":[{}],"content":[]}}"#,
        contained.join(","),
        authors.join(",")
    );
    let tree = parse(text.as_bytes(), &Limits::default()).expect("the sample is JSON");
    let node = Node::resource(&tree);
    let compiled = Expression::parse(HEAVY).expect("the expression reads");
    bencher.bench_local(|| {
        let context = Context::new(node).with_as(AsRule::Each);
        assert_eq!(compiled.test(black_box(&context), node), Ok(true));
    });
}

#[divan::bench]
fn invariants_of_a_patient(bencher: Bencher) {
    let patient = patient();
    let node = Node::resource(&patient);
    let context = Context::new(node).with_as(AsRule::Each);
    let all: Vec<Expression> = PATIENT.iter().map(|text| Expression::parse(text).expect("it reads")).collect();
    bencher.bench_local(|| all.iter().filter(|each| each.test(black_box(&context), node) == Ok(true)).count());
}
