use std::cell::Cell;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::fsck;
use crate::store::{DirectoryReader, DirectoryStore, MemoryStore};

mod damage;

const ORIGIN: &str = "hospital.example/ledger";

fn key() -> SigningKey {
    SigningKey::from_secret(&[0x11; 32]).unwrap()
}

fn log_key() -> LogKey {
    LogKey::new(Origin::parse(ORIGIN).unwrap(), key()).unwrap()
}

fn keys() -> TrustedKeys {
    let mut keys = TrustedKeys::none();
    keys.add(log_key().verifier().clone());
    keys
}

fn records(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    range.map(|index| format!("exchange-{index}").into_bytes()).collect()
}

fn open<S: LogStore>(store: S) -> Result<Log<S>, Error> {
    Log::open(store, key(), Origin::parse(ORIGIN).unwrap())
}

fn directory(root: &Path, durability: Durability) -> Result<Log<DirectoryStore>, Error> {
    open(DirectoryStore::open(root, durability).unwrap())
}

/// Feeds and seals the records up to `size` from wherever the log stands.
fn feed<S: LogStore>(log: &mut Log<S>, size: u64) -> Result<Option<SignedCheckpoint>, Error> {
    log.append_and_seal(log.size(), &records(log.size()..size))
}

#[track_caller]
fn verifies(root: &Path, size: u64) {
    let reader = DirectoryReader::new(root);
    let verified = fsck::verify(|path| reader.read(path), &keys(), |_, _| ()).unwrap();
    let leaves: Vec<_> = records(0..size).iter().map(|record| Hash::leaf(record)).collect();
    assert_eq!(verified.size(), size);
    assert_eq!(verified.root(), tree::root_of(&leaves).unwrap());
}

#[test]
fn sealed_records_survive_reopening() {
    let folder = tempfile::tempdir().unwrap();
    for size in [1, 2, 255, 256, 257, 300, 512, 1000, 1024] {
        let durability = if size % 2 == 0 { Durability::Here } else { Durability::Caller };
        let mut log = directory(folder.path(), durability).unwrap();
        assert_eq!(log.recovery(), Recovery::Sound);
        let checkpoint = feed(&mut log, size).unwrap().unwrap();
        assert_eq!((checkpoint.size(), log.size()), (size, size));
        let receipt = Receipt::parse(log.receipt(size - 1).unwrap().as_bytes()).unwrap();
        receipt.verify(&keys(), Some(&records(size - 1..size)[0])).unwrap();
        drop(log);
        verifies(folder.path(), size);
    }
}

#[test]
fn an_empty_log_has_no_checkpoint_and_shows_nothing() {
    let mut log = open(MemoryStore::default()).unwrap();
    assert_eq!(log.append_and_seal(0, &records(0..0)).unwrap(), None);
    assert_eq!(log.view().read(CHECKPOINT).unwrap(), None);
    assert!(matches!(log.receipt(0), Err(Error::NotSealed { index: 0, size: 0 })));
}

#[test]
fn records_must_come_from_the_next_index_on() {
    let mut log = open(MemoryStore::default()).unwrap();
    feed(&mut log, 3).unwrap();
    assert!(matches!(log.append_and_seal(4, &records(4..5)), Err(Error::Gap { expected: 3, found: 4 })));
    assert!(matches!(log.append_and_seal(2, &records(2..5)), Err(Error::Gap { expected: 3, found: 2 })));
    let too_long = vec![0; tile::MAX_ENTRY + 1];
    assert!(matches!(log.append_and_seal(3, &[b"good".to_vec(), too_long]), Err(Error::RecordSize { .. })));
    assert_eq!(log.size(), 3);
    feed(&mut log, 5).unwrap();
    assert_eq!(log.view().entry(3).unwrap(), b"exchange-3");
}

#[test]
fn a_view_shows_what_its_checkpoint_covers_and_no_more() {
    let mut log = open(MemoryStore::default()).unwrap();
    feed(&mut log, 300).unwrap();
    let old = log.view();
    feed(&mut log, 600).unwrap();
    assert_eq!(old.size(), 300);
    assert_eq!(old.read("tile/0/001").unwrap(), None);
    assert_eq!(old.read("tile/0/001.p/45").unwrap(), None);
    assert_eq!(old.read("tile/0/001.p/44").unwrap().unwrap().len(), 44 * 32);
    assert_eq!(old.read("tile/0/001.p/3").unwrap().unwrap().len(), 3 * 32);
    assert_eq!(old.read("tile/9/000").unwrap(), None);
    assert_eq!(old.read("keys/ledger.pem").unwrap(), None);
    assert!(matches!(old.entry(300), Err(Error::NotSealed { index: 300, size: 300 })));
    let new = log.view();
    assert_eq!(new.read("tile/0/001.p/44").unwrap(), old.read("tile/0/001.p/44").unwrap());
    assert_eq!(Entries::of(&new.read("tile/entries/001").unwrap().unwrap()).count(), 256);
    for size in [1, 44, 256, 300, 512] {
        let proof = new.consistency(size).unwrap();
        let leaves: Vec<_> = records(0..size).iter().map(|record| Hash::leaf(record)).collect();
        let (root, last) = (tree::root_of(&leaves).unwrap(), new.checkpoint().unwrap());
        assert!(proof::verify_consistency(size, root, last.size(), last.root(), &proof), "{size}");
    }
}

#[test]
fn a_larger_log_proves_every_kind_of_index() {
    let mut log = open(MemoryStore::default()).unwrap();
    feed(&mut log, 70_000).unwrap();
    for index in [0, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999] {
        let receipt = Receipt::parse(log.receipt(index).unwrap().as_bytes()).unwrap();
        let verified = receipt.verify(&keys(), None).unwrap();
        assert_eq!(verified.record, format!("exchange-{index}").into_bytes());
    }
    let again = open_memory_again(log);
    assert_eq!((again.size(), again.recovery()), (70_000, Recovery::Sound));
}

fn open_memory_again(log: Log<MemoryStore>) -> Log<MemoryStore> {
    let Log { store, view, .. } = log;
    drop(view);
    open(Arc::into_inner(store).unwrap()).unwrap()
}

/// A store that fails at the `left`-th file from now on, as a process that is killed there.
struct Failing<'a, S> {
    inner: &'a S,
    left: Cell<u32>,
}

impl<S> Failing<'_, S> {
    fn step(&self) -> Result<(), StoreError> {
        let left = self.left.get().checked_sub(1);
        left.map(|left| self.left.set(left)).ok_or_else(|| StoreError::Missing { path: "killed".to_owned() })
    }
}

impl<S: Source> Source for Failing<'_, S> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.read(path)
    }
}

impl<S: LogStore> LogStore for Failing<'_, S> {
    fn write(&self, files: &[TileFile]) -> Result<(), StoreError> {
        files.iter().try_for_each(|file| {
            self.step()?;
            self.inner.write(std::slice::from_ref(file))
        })
    }

    fn publish(&self, note: &str) -> Result<(), StoreError> {
        self.step()?;
        self.inner.publish(note)?;
        // Killed after the rename, before the caller hears of it.
        self.step()
    }

    fn retire(&self, tiles: &[TileId]) {
        if self.step().is_ok() {
            self.inner.retire(tiles);
        }
    }

    fn sweep(&self, size: u64) {
        self.inner.sweep(size);
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }
}

#[test]
fn a_kill_at_any_step_of_a_seal_loses_nothing_that_was_sealed() {
    for durability in [Durability::Here, Durability::Caller] {
        for (before, after) in [(0, 1), (0, 300), (250, 260), (255, 256), (500, 900)] {
            for step in 0.. {
                let folder = tempfile::tempdir().unwrap();
                feed(&mut directory(folder.path(), durability).unwrap(), before).unwrap();
                let store = DirectoryStore::open(folder.path(), durability).unwrap();
                let mut log = open(Failing { inner: &store, left: Cell::new(step) }).unwrap();
                let killed = feed(&mut log, after).is_err();
                let through = log.store.left.get() > 0;
                drop(log);
                drop(store);
                let mut log = directory(folder.path(), durability).unwrap();
                assert_eq!(log.recovery(), Recovery::Sound);
                assert!([before, after].contains(&log.size()), "step {step}: {}", log.size());
                feed(&mut log, after + 20).unwrap();
                drop(log);
                verifies(folder.path(), after + 20);
                if !killed && through {
                    break;
                }
            }
        }
    }
}

#[test]
fn after_a_failed_seal_the_same_log_goes_on_from_what_is_on_disk() {
    let store = MemoryStore::default();
    let mut log = open(Failing { inner: &store, left: Cell::new(1) }).unwrap();
    assert!(matches!(feed(&mut log, 3), Err(Error::Store(_))));
    assert_eq!(log.size(), 0);
    log.store.left.set(100);
    feed(&mut log, 3).unwrap();
    // The tiles are written, the checkpoint is not.
    log.store.left.set(2);
    assert!(matches!(feed(&mut log, 4), Err(Error::Store(_))));
    assert_eq!((log.view().size(), log.size()), (3, 3));
    log.store.left.set(100);
    assert_eq!(feed(&mut log, 4).unwrap().unwrap().size(), 4);
    // The checkpoint is written, and the write reported as failed.
    log.store.left.set(3);
    assert!(matches!(feed(&mut log, 5), Err(Error::Store(_))));
    assert_eq!((log.view().size(), log.size()), (4, 4));
    log.store.left.set(100);
    assert!(matches!(feed(&mut log, 6), Err(Error::Reopen)));
    assert_eq!((log.view().size(), log.size()), (5, 5));
    assert_eq!(feed(&mut log, 6).unwrap().unwrap().size(), 6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn however_records_are_grouped_the_log_is_the_same(cuts in proptest::collection::vec(1_u64..700, 0..6)) {
        let mut grouped = open(MemoryStore::default()).unwrap();
        let mut cuts = cuts;
        cuts.sort_unstable();
        for cut in cuts {
            feed(&mut grouped, cut).unwrap();
        }
        let last = feed(&mut grouped, 700).unwrap().unwrap();
        let mut whole = open(MemoryStore::default()).unwrap();
        prop_assert_eq!(feed(&mut whole, 700).unwrap().unwrap(), last);
        for tile in tile::tiles_of(700) {
            prop_assert_eq!(whole.read_tile(&tile.to_string()).unwrap(), grouped.read_tile(&tile.to_string()).unwrap());
        }
    }
}
