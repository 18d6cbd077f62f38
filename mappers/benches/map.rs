//! What a map and its way back cost for typical messages: `cargo bench -p mappers`.
//!
//! The allocator is the program's own. Parsing is measured apart: a message is parsed once and used many times.

use divan::{Bencher, black_box};
use formats::hl7v2::Message;
use mappers::{CONVERT_NAMESPACE, Context, Packages, RenderContext};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An admission of 10 segments (1.5 KB) and a report of 12 results (1.8 KB); invented.
const TYPICAL: [(&str, &[u8]); 2] =
    [("adt", include_bytes!("messages/adt-a01.hl7")), ("oru", include_bytes!("messages/oru-r01.hl7"))];

const CONTEXT: Context<'static> =
    Context { namespace: &CONVERT_NAMESPACE, source: "", timezone: None, received: None, authorities: &[] };

fn main() {
    divan::main();
}

fn raw(name: &str) -> &'static [u8] {
    TYPICAL.iter().find(|(known, _)| *known == name).map_or(&[], |(_, raw)| raw)
}

fn with(name: &str, run: impl FnOnce(&mappers::Package, &Message)) {
    let (Ok(packages), Ok(parsed)) = (Packages::embedded(), Message::parse(raw(name))) else { return };
    if let Some(package) = packages.named("hl7v2-base") {
        // A package is compiled at its first use.
        package.map(&parsed.message, &CONTEXT);
        run(package, &parsed.message);
    }
}

#[divan::bench(args = ["adt", "oru"])]
fn parse(bencher: Bencher<'_, '_>, name: &str) {
    let raw = raw(name);
    bencher.counter(divan::counter::BytesCount::new(raw.len())).bench_local(|| Message::parse(black_box(raw)).is_ok());
}

#[divan::bench(args = ["adt", "oru"])]
fn map(bencher: Bencher<'_, '_>, name: &str) {
    with(name, |package, message| bencher.bench_local(|| package.map_counted(black_box(message), &CONTEXT)));
}

#[divan::bench(args = ["adt", "oru"])]
fn map_and_write(bencher: Bencher<'_, '_>, name: &str) {
    with(name, |package, message| {
        bencher.bench_local(|| package.map_counted(black_box(message), &CONTEXT).bundle.to_bytes());
    });
}

#[divan::bench(args = ["adt", "oru"])]
fn map_and_write_with_loss_and_explain(bencher: Bencher<'_, '_>, name: &str) {
    with(name, |package, message| {
        bencher.bench_local(|| {
            let mapped = package.map(black_box(message), &CONTEXT);
            let (mut loss, mut explain) = (Vec::new(), Vec::new());
            mapped.write_loss(&mut loss);
            mapped.write_explain(&mut explain);
            (mapped.bundle.to_bytes(), loss, explain)
        });
    });
}

#[divan::bench(args = ["adt", "oru"])]
fn render(bencher: Bencher<'_, '_>, name: &str) {
    with(name, |package, message| {
        let bundle = package.map(message, &CONTEXT).bundle;
        bencher.bench_local(|| package.render(black_box(&bundle), &RenderContext::default()));
    });
}
