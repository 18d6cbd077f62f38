//! Validation of an ordinary Patient and of Bundles of them, by form alone and with all definitions; a US Core Patient
//! against US Core where `$ANCHORLINE_CORPUS` holds the package.
#![expect(clippy::expect_used, reason = "a benchmark may stop with a message")]

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use conformance::validate::{Level, Options, Validator};
use definitions::{Definitions, Package};
use divan::Bencher;
use divan::counter::ItemsCount;
use model::json::{Json, Limits, parse};

fn main() {
    divan::main();
}

fn patient() -> Json {
    parse(include_bytes!("patient.json"), &Limits::default()).expect("JSON")
}

fn bundle(count: usize) -> Json {
    model::bundle::collection((0..count).map(|at| (format!("http://example.org/Patient/{at}"), patient())))
}

fn options(level: Level) -> Options<'static> {
    Options { level, ..Options::default() }
}

#[divan::bench]
fn one_patient_by_form(bencher: Bencher<'_, '_>) {
    let (patient, options) = (patient(), options(Level::Structure));
    bencher.bench(|| Validator::r4().validate(divan::black_box(&patient), &options));
}

#[divan::bench]
fn one_patient(bencher: Bencher<'_, '_>) {
    let (patient, options) = (patient(), options(Level::Profile));
    bencher.bench(|| Validator::r4().validate(divan::black_box(&patient), &options));
}

/// About 60 KB.
#[divan::bench]
fn bundle_of_28(bencher: Bencher<'_, '_>) {
    let (bundle, options) = (bundle(28), options(Level::Profile));
    bencher.counter(ItemsCount::new(28usize)).bench(|| Validator::r4().validate(divan::black_box(&bundle), &options));
}

#[divan::bench]
fn bundle_of_200_by_form(bencher: Bencher<'_, '_>) {
    let (bundle, options) = (bundle(200), options(Level::Structure));
    bencher.counter(ItemsCount::new(200usize)).bench(|| Validator::r4().validate(divan::black_box(&bundle), &options));
}

#[divan::bench]
fn us_core_patient(bencher: Bencher<'_, '_>) {
    static US_CORE: LazyLock<Option<(Validator, Json)>> = LazyLock::new(|| {
        let corpus = PathBuf::from(std::env::var_os("ANCHORLINE_CORPUS")?).join("fhir-r4");
        let package = corpus.join("definitions/hl7.fhir.us.core-6.1.0-definitions.tgz");
        let package = Package::read_file(&package).expect("the package");
        let validator = Validator::of(Arc::new(Definitions::r4().with(vec![package])));
        let patient = std::fs::read(corpus.join("examples/us-core-6.1.0/Patient-example.json")).expect("the example");
        Some((validator, parse(&patient, &Limits::default()).expect("JSON")))
    });
    let Some((validator, patient)) = US_CORE.as_ref() else { return };
    let options = options(Level::Profile);
    bencher.bench(|| validator.validate(divan::black_box(patient), &options));
}
