//! What a map and its way back cost: `cargo bench -p mappers`.

use formats::hl7v2::Message;
use mappers::{CONVERT_NAMESPACE, Context, Packages, RenderContext};

const ADMISSION: &[u8] = include_bytes!("../packages/hl7v2-base/examples/adt-a01.hl7");

fn main() {
    divan::main();
}

/// A report of 24 numeric results.
fn report() -> Vec<u8> {
    let mut text = String::from(
        "MSH|^~\\&|LABSYS|QUAYLAB|GATE|REGION|20240312140000+0100||ORU^R01^ORU_R01|QL-0001|P|2.5.1\r\
         PID|1||N100234^^^NORTHGATE&2.999.1.1&ISO^MR||Lindqvist^Astrid||19790423|F\r\
         OBR|1|P-881^WARDSYS|F-3301^QUAYLAB|24323-8^Comprehensive metabolic panel^LN|||20240312091500+0100||||||||||||||||||F\r",
    );
    for n in 1..=24 {
        text.push_str(&format!(
            "OBX|{n}|NM|{n}-3^Analyte {n}^LN||{n}.50|mmol/L^^UCUM|3.5-5.1|N^Normal^HL70078|||F|||20240312091500+0100\r"
        ));
    }
    text.into_bytes()
}

fn map(bencher: divan::Bencher<'_, '_>, raw: &[u8]) {
    let (Ok(packages), Ok(parsed)) = (Packages::embedded(), Message::parse(raw)) else { return };
    let Some(package) = packages.named("hl7v2-base") else { return };
    let context =
        Context { namespace: &CONVERT_NAMESPACE, source: "", timezone: None, authorities: &[], received: None };
    bencher.bench_local(|| package.map(divan::black_box(&parsed.message), &context));
}

#[divan::bench]
fn map_adt(bencher: divan::Bencher<'_, '_>) {
    map(bencher, ADMISSION);
}

#[divan::bench]
fn map_oru_24_obx(bencher: divan::Bencher<'_, '_>) {
    map(bencher, &report());
}

#[divan::bench]
fn render_adt(bencher: divan::Bencher<'_, '_>) {
    let (Ok(packages), Ok(parsed)) = (Packages::embedded(), Message::parse(ADMISSION)) else { return };
    let Some(package) = packages.named("hl7v2-base") else { return };
    let context =
        Context { namespace: &CONVERT_NAMESPACE, source: "", timezone: None, authorities: &[], received: None };
    let bundle = package.map(&parsed.message, &context).bundle;
    bencher.bench_local(|| package.render(divan::black_box(&bundle), &RenderContext::default()));
}
