//! What rows of a flat extract cost, on one thread: `cargo bench -p mappers --bench flat`.
//!
//! The extract is the invented clinic's results with their patients: 15 columns, a Patient and an Observation a row.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use formats::flat::{Reader, Rows};
use mappers::flat::{Alone, Table};
use mappers::{Context, Package, Packages};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS: usize = 1000;

fn main() {
    divan::main();
}

/// A package of one table of 15 columns.
fn packages() -> Packages {
    let files = [
        ("clinic/package.toml", include_str!("flat/package.toml")),
        ("clinic/rows/rows-Patient.csv", include_str!("flat/rows-Patient.csv")),
        ("clinic/rows/rows-Observation.csv", include_str!("flat/rows-Observation.csv")),
        ("clinic/codes/Sex.csv", include_str!("flat/Sex.csv")),
        ("clinic/codes/Flag.csv", include_str!("flat/Flag.csv")),
    ];
    match Packages::load(files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))) {
        Ok(packages) => packages,
        Err(errors) => panic!("{errors:?}"),
    }
}

/// So many invented rows.
fn sample() -> Vec<u8> {
    let mut out =
        String::from("patient,family,given,born,sex,street,city,zip,order,test,test_name,value,unit,flag,drawn\n");
    for row in 0..ROWS {
        out.push_str(&format!(
            "P{},Family{row},Given,1958-11-{:02},F,Lane {row},Town,1401,O{row},2345-7,Glucose,5.{:02},mmol/L,N,2024-06-{:02}T07:35:00Z\n",
            row / 4,
            row % 28 + 1,
            row % 100,
            row % 28 + 1
        ));
    }
    out.into_bytes()
}

fn read(table: &Table<'_>, bytes: &[u8]) -> Rows {
    let mut reader = Reader::new(table.dialect().clone());
    reader.push(bytes);
    reader.finish();
    let mut rows = Rows::default();
    reader.read(&mut rows, usize::MAX);
    rows
}

fn with(run: impl FnOnce(&Package, &Table<'_>, &[u8])) {
    let packages = packages();
    let bytes = sample();
    if let Some(package) = packages.named("clinic")
        && let Some(table) = package.flat_tables().first()
    {
        run(package, table, &bytes);
    }
}

#[divan::bench]
fn read_rows(bencher: Bencher<'_, '_>) {
    with(|_, table, bytes| {
        bencher.counter(ItemsCount::new(ROWS)).bench_local(|| read(table, black_box(bytes)).len());
    });
}

fn mapped(bencher: Bencher<'_, '_>, reports: bool) {
    with(|package, table, bytes| {
        let all = read(table, bytes);
        let Ok((shape, _)) = table.shape(all.row(0).as_ref()) else { return };
        let mut rows = Rows::default();
        for row in all.iter().skip(1) {
            rows.push(row.number(), row.cells());
        }
        let context = Context::default();
        bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
            let mut mapper = package.flat_mapper(&context, reports);
            let mut out = Vec::with_capacity(2 << 20);
            mapper.map(table.number, &shape, black_box(&rows), &Alone, |unit| {
                for resource in unit.resources {
                    resource.write(&mut out);
                }
                if reports {
                    black_box(unit.loss());
                }
            });
            out.len()
        });
    });
}

#[divan::bench]
fn map_and_write(bencher: Bencher<'_, '_>) {
    mapped(bencher, false);
}

#[divan::bench]
fn map_and_write_with_loss(bencher: Bencher<'_, '_>) {
    mapped(bencher, true);
}
