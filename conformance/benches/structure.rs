//! Structure validation of an ordinary Patient and of a Bundle of 200 of them.
#![expect(clippy::expect_used, reason = "a benchmark may stop with a message")]

use conformance::structure::validate;
use divan::Bencher;
use divan::counter::ItemsCount;
use model::json::{Json, Limits, parse};

fn main() {
    divan::main();
}

fn patient() -> Json {
    parse(include_bytes!("patient.json"), &Limits::default()).expect("JSON")
}

#[divan::bench]
fn one_patient(bencher: Bencher<'_, '_>) {
    let patient = patient();
    bencher.counter(ItemsCount::new(1usize)).bench(|| validate(divan::black_box(&patient)));
}

#[divan::bench]
fn bundle_of_200(bencher: Bencher<'_, '_>) {
    let bundle = model::bundle::collection((0..200).map(|_| ("http://example.org/Patient/1".to_owned(), patient())));
    bencher.counter(ItemsCount::new(200usize)).bench(|| validate(divan::black_box(&bundle)));
}
