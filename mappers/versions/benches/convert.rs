//! What a conversion costs: `cargo bench -p versions`.

#![expect(clippy::expect_used, reason = "a benchmark may stop with a message")]

use divan::Bencher;
use divan::counter::BytesCount;
use model::json::{Json, Limits, parse};
use versions::{Options, Version, convert};

fn main() {
    divan::main();
}

const STU3: &str = include_str!("../tests/examples/stu3-encounter.json");
const R5: &str = include_str!("../tests/examples/r5-encounter.json");
const R4: &str = include_str!("../tests/expected/r5-encounter.json");

fn measure(bencher: Bencher<'_, '_>, text: &str, from: Version, to: Version, account: bool) {
    let resource: Json = parse(text.as_bytes(), &Limits::default()).expect("the example is JSON");
    let options = Options { account };
    bencher
        .counter(BytesCount::of_str(text))
        .bench(|| convert(&resource, from, to, &options).expect("the example converts"));
}

#[divan::bench]
fn stu3_to_r4(bencher: Bencher<'_, '_>) {
    measure(bencher, STU3, Version::Stu3, Version::R4, false);
}

#[divan::bench]
fn stu3_to_r4_with_account(bencher: Bencher<'_, '_>) {
    measure(bencher, STU3, Version::Stu3, Version::R4, true);
}

#[divan::bench]
fn r5_to_r4(bencher: Bencher<'_, '_>) {
    measure(bencher, R5, Version::R5, Version::R4, false);
}

#[divan::bench]
fn r4_to_r5(bencher: Bencher<'_, '_>) {
    measure(bencher, R4, Version::R4, Version::R5, false);
}
