//! What a durable commit costs beside the floor: one write and one fdatasync on a file that was filled before.
//!
//! `cargo bench -p store`; the floor and the commits must come from the same run to be compared.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use model::time::SystemClock;
use store::{
    Arrival, Author, Commit, Commits as _, Config, ExchangeChange, ExchangeId, ExchangeKind, Expect, IndexRow, Match,
    NewLedgerRecord, NewVersion, Resources as _, RowKind, Search, Store, Term, Test,
};

fn main() {
    divan::main();
}

/// A directory on the disk that holds the build, not in memory.
fn directory() -> tempfile::TempDir {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    tempfile::tempdir_in(target).unwrap_or_else(|error| panic!("make a directory: {error}"))
}

fn open(directory: &tempfile::TempDir) -> Store {
    let opened = Store::open(&Config::sled(directory.path()), Arc::new(SystemClock));
    opened.unwrap_or_else(|error| panic!("open the store: {error}"))
}

static NEXT: AtomicU64 = AtomicU64::new(0);

fn spread(number: u64) -> u64 {
    let x = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

/// An exchange with eight resources of 1 KB and a ledger record.
fn commit() -> Commit {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let bits = (u128::from(spread(number)) << 64) | u128::from(number);
    let id = ExchangeId::from_random(bits.to_be_bytes());
    let patient = format!("p{:08x}", spread(number % 5_000) as u32);
    let resources = [
        "Patient",
        "Encounter",
        "DiagnosticReport",
        "Observation",
        "Observation",
        "Observation",
        "Provenance",
        "AuditEvent",
    ];
    let resources = (0_u64..).zip(resources).map(|(place, name)| {
        let own = if place == 0 { patient.clone() } else { format!("{:016x}{place}", spread(number)) };
        let key = (place < 3).then(|| IndexRow { param: 1, value: own.clone().into_bytes(), kind: RowKind::Key });
        NewVersion {
            resource_type: name.to_owned(),
            body: Bytes::from(format!(r#"{{"resourceType":"{name}","id":"{own}","text":"{:900}"}}"#, "")),
            id: own,
            expect: Expect::SameSource,
            index: key.into_iter().collect(),
            patients: vec![patient.clone()],
            deleted: false,
            author: Author { source: "lab".to_owned(), exchange: Some(id) },
            skip_unchanged: true,
            method: store::Method::Put,
            lean: false,
        }
    });
    let arrival = Arrival {
        kind: ExchangeKind::Arrival,
        source: "lab".to_owned(),
        format: "hl7v2".to_owned(),
        received: model::time::Instant::from_millis(0),
        message_control_id: Some(number.to_string()),
        sending_application: None,
        sending_facility: None,
        raw: Bytes::from(vec![b'x'; 1500]),
        sha256: [0; 32],
    };
    Commit {
        resources: resources.collect(),
        exchanges: vec![ExchangeChange::open(id, arrival)],
        ledger: vec![NewLedgerRecord { exchange: id, bytes: Bytes::from(vec![b'r'; 480]), salts: Vec::new() }],
        ..Commit::default()
    }
}

/// The floor: as many bytes as one commit, one fdatasync, on a file that neither grows nor has holes.
#[divan::bench(sample_count = 300)]
fn floor_write_and_fdatasync(bencher: Bencher) {
    let directory = directory();
    let file = File::create(directory.path().join("floor")).unwrap_or_else(|error| panic!("{error}"));
    let content = vec![7; 12_000];
    let filled =
        (0..2_000).try_for_each(|slot| file.write_all_at(&content, slot * 12_000)).and_then(|()| file.sync_all());
    filled.unwrap_or_else(|error| panic!("fill the file: {error}"));
    let mut slot = 0;
    bencher.bench_local(|| {
        slot = (slot + 1) % 2_000;
        file.write_all_at(&content, slot * 12_000).and_then(|()| file.sync_data())
    });
}

#[divan::bench(sample_count = 300)]
fn commit_by_one_caller(bencher: Bencher) {
    let directory = directory();
    let store = open(&directory);
    bencher.with_inputs(commit).bench_local_values(|commit| store.commit_blocking(commit));
}

/// One item is one commit of one of the callers.
#[divan::bench(args = [8, 32], sample_count = 20)]
fn commits_by_callers(bencher: Bencher, callers: u64) {
    const EACH: u64 = 20;
    let directory = directory();
    let store = open(&directory);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
    bencher
        .counter(ItemsCount::new(callers * EACH))
        .with_inputs(|| (0..callers).map(|_| (0..EACH).map(|_| commit()).collect()).collect::<Vec<Vec<Commit>>>())
        .bench_local_values(|work| {
            let callers = work.into_iter().map(|commits| {
                let store = store.clone();
                runtime.spawn(async move {
                    for commit in commits {
                        let _ = store.commit(commit).await;
                    }
                })
            });
            callers.collect::<Vec<_>>().into_iter().for_each(|caller| drop(runtime.block_on(caller)));
        });
}

/// A store with 2,000 exchanges.
fn filled(directory: &tempfile::TempDir) -> (Store, Vec<String>) {
    let store = open(directory);
    let mut patients = Vec::new();
    for _ in 0..2_000 {
        let commit = commit();
        patients.extend(commit.resources.first().map(|patient| patient.id.clone()));
        let _ = store.commit_blocking(commit);
    }
    (store, patients)
}

#[divan::bench]
fn read_by_id(bencher: Bencher) {
    let directory = directory();
    let (store, patients) = filled(&directory);
    let mut ids = patients.iter().cycle();
    bencher.bench_local(|| ids.next().map(|id| store.read("Patient", id)));
}

#[divan::bench]
fn search_by_key(bencher: Bencher) {
    let directory = directory();
    let (store, patients) = filled(&directory);
    let mut ids = patients.iter().cycle();
    bencher.bench_local(|| {
        let test = Test::Equals(ids.next().map(|id| id.clone().into_bytes()).unwrap_or_default());
        let terms = vec![Term::AnyOf(vec![Match { param: 1, test, kind: RowKind::Key }])];
        store.search(&Search { types: vec!["Patient".to_owned()], terms, ..Search::default() }, 10)
    });
}

#[divan::bench]
fn everything_of_a_patient(bencher: Bencher) {
    let directory = directory();
    let (store, patients) = filled(&directory);
    let mut ids = patients.iter().cycle();
    bencher.bench_local(|| ids.next().map(|id| store.of_patient(id, &[])));
}
