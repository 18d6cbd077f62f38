//! Costs of the ledger, each beside the floor of a plain file append with fdatasync on the same disk.
//!
//! `cargo bench -p ledger`. Times of anything that touches the disk compare with `floor` of the same run only.

#![expect(clippy::expect_used, reason = "a bench: every one is a failure of its set-up")]

use std::fs::File;
use std::io::Write as _;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use ledger::commitment::{Label, Salt, commit};
use ledger::entry::{ExchangeId, Kind, Origin, Outcome, Record, Time};
use ledger::fsck;
use ledger::log::Log;
use ledger::receipt::Receipt;
use ledger::sign::SigningKey;
use ledger::store::{DirectoryReader, DirectoryStore, Durability, MemoryStore, Source as _};
use ledger::tree::{Edge, Hash};

fn main() {
    divan::main();
}

fn origin() -> Origin {
    Origin::parse("hospital.example/ledger").expect("the form of an origin")
}

fn key() -> SigningKey {
    SigningKey::from_secret(&[0x11; 32]).expect("a number below the group order")
}

fn record(index: u64) -> Record {
    let outcome = Outcome::parse("stored").expect("the form of an outcome");
    let id = u128::from(index).to_be_bytes();
    let record = Record::new(origin(), ExchangeId::new(id), Time::from_unix_ms(index), Kind::Arrival, outcome);
    let salt = Salt::new([7; 32]);
    [Label::In, Label::Out, Label::Patient]
        .into_iter()
        .fold(record, |record, label| record.with_commitment(label, commit(&salt, label, &id)))
        .with_rules(Hash::leaf(b"rules"))
}

fn records(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|index| record(index).to_bytes()).collect()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target folder can be written")
}

mod cpu {
    use super::*;

    #[divan::bench(args = [64, 1024, 65_536])]
    fn sha256(bencher: Bencher<'_, '_>, length: usize) {
        let bytes = vec![7; length];
        bencher.counter(BytesCount::new(length)).bench(|| Hash::of(&bytes));
    }

    #[divan::bench]
    fn commit_to_a_body_of_1_kib(bencher: Bencher<'_, '_>) {
        let salt = Salt::new([7; 32]);
        bencher.bench(|| commit(&salt, Label::In, &[7; 1024]));
    }

    #[divan::bench]
    fn record_to_bytes(bencher: Bencher<'_, '_>) {
        let record = record(1);
        bencher.bench(|| record.to_bytes());
    }

    #[divan::bench]
    fn append_1000_leaves(bencher: Bencher<'_, '_>) {
        let records = records(1000);
        bencher.counter(ItemsCount::new(records.len())).bench(|| {
            let mut edge = Edge::default();
            records.iter().for_each(|record| edge.push(Hash::leaf(record), &mut |_| ()));
            edge.root()
        });
    }

    #[divan::bench]
    fn sign(bencher: Bencher<'_, '_>) {
        let key = key();
        bencher.bench(|| key.sign(b"hospital.example/ledger\n7\nroot\n"));
    }

    #[divan::bench]
    fn verify(bencher: Bencher<'_, '_>) {
        let key = key();
        let signature = key.sign(b"hospital.example/ledger\n7\nroot\n");
        bencher.bench(|| key.public().verifies(b"hospital.example/ledger\n7\nroot\n", &signature));
    }

    fn large() -> Log<MemoryStore> {
        let mut log = Log::open(MemoryStore::default(), key(), origin()).expect("an empty store opens");
        log.append_and_seal(0, &records(100_000)).expect("memory takes all");
        log
    }

    #[divan::bench]
    fn receipt_in_a_log_of_100_000(bencher: Bencher<'_, '_>) {
        let log = large();
        let mut index = 0;
        bencher.bench_local(|| {
            index = (index + 7919) % 100_000;
            log.receipt(index)
        });
    }

    #[divan::bench]
    fn verify_a_receipt_of_a_log_of_100_000(bencher: Bencher<'_, '_>) {
        let log = large();
        let receipt = log.receipt(77_777).expect("the index is sealed");
        let mut keys = ledger::checkpoint::TrustedKeys::none();
        keys.add(log.key().verifier().clone());
        bencher.bench(|| Receipt::parse(receipt.as_bytes()).and_then(|receipt| receipt.verify(&keys, None)));
    }
}

mod disk {
    use super::*;

    const BATCHES: [u64; 4] = [1, 10, 100, 1000];

    /// The floor: the same bytes appended to a growing file, and one fdatasync.
    #[divan::bench(args = BATCHES, sample_count = 60, sample_size = 1)]
    fn floor_append_and_fdatasync(bencher: Bencher<'_, '_>, batch: u64) {
        let folder = folder();
        let records = records(batch).concat();
        let mut file = File::create(folder.path().join("floor")).expect("the folder can be written");
        bencher.counter(ItemsCount::new(batch)).bench_local(|| {
            file.write_all(&records).and_then(|()| file.sync_data()).expect("the disk takes it");
        });
    }

    fn seal(bencher: Bencher<'_, '_>, batch: u64, durability: Durability) {
        let folder = folder();
        let store = DirectoryStore::open(folder.path(), durability).expect("the folder can be written");
        let mut log = Log::open(store, key(), origin()).expect("an empty store opens");
        let records = records(batch);
        bencher.counter(ItemsCount::new(batch)).bench_local(|| {
            log.append_and_seal(log.size(), &records).expect("the disk takes it");
        });
    }

    /// As the gateway runs it: its own journal holds the records.
    #[divan::bench(args = BATCHES, sample_count = 60, sample_size = 1)]
    fn seal_with_records_durable_elsewhere(bencher: Bencher<'_, '_>, batch: u64) {
        seal(bencher, batch, Durability::Caller);
    }

    /// A log that stands alone: every tile synced before the signature.
    #[divan::bench(args = BATCHES, sample_count = 60, sample_size = 1)]
    fn seal_with_every_tile_synced(bencher: Bencher<'_, '_>, batch: u64) {
        seal(bencher, batch, Durability::Here);
    }

    fn log_of(size: u64) -> tempfile::TempDir {
        let folder = folder();
        let store = DirectoryStore::open(folder.path(), Durability::Caller).expect("the folder can be written");
        let mut log = Log::open(store, key(), origin()).expect("an empty store opens");
        log.append_and_seal(0, &records(size)).expect("the disk takes it");
        folder
    }

    #[divan::bench(sample_count = 20, sample_size = 1)]
    fn open_a_log_of_50_000(bencher: Bencher<'_, '_>) {
        let folder = log_of(50_000);
        bencher.bench_local(|| {
            let store = DirectoryStore::open(folder.path(), Durability::Caller).expect("nobody else has it open");
            Log::open(store, key(), origin()).expect("tiles and checkpoint agree").size()
        });
    }

    #[divan::bench(sample_count = 5, sample_size = 1)]
    fn fsck_a_log_of_50_000(bencher: Bencher<'_, '_>) {
        let folder = log_of(50_000);
        let reader = DirectoryReader::new(folder.path());
        let mut keys = ledger::checkpoint::TrustedKeys::none();
        keys.add_plain(key().public());
        bencher
            .counter(ItemsCount::new(50_000_u64))
            .bench_local(|| fsck::verify(|path| reader.read(path), &keys, |_, _| ()).expect("the log is sound").size());
    }
}
