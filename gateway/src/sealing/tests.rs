use std::sync::Arc;

use ledger::commitment::Label;
use ledger::entry::Kind;
use model::time::{FixedClock, Instant};
use store::{Arrival, Commit, Commits, ExchangeChange, ExchangeId, ExchangeKind};

use super::*;
use crate::config::Config;
use crate::keys::{self, DataDirectory, Keys};

const NOW: Instant = Instant::MIN;

struct Site {
    folder: tempfile::TempDir,
    data: DataDirectory,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(folder.path()).unwrap();
        Self { folder, data }
    }

    fn keys(&self) -> Keys {
        self.data.keys(None, Some("test.example/log")).unwrap()
    }

    fn open(&self, store: &Store) -> (Ledger, Option<Sealer>) {
        Ledger::open(&self.folder.path().join("ledger"), self.keys().ledger, &Config::embedded(), store).unwrap()
    }
}

fn memory() -> Store {
    Store::open(&store::Config::memory(), Arc::new(FixedClock(NOW))).unwrap()
}

fn add(store: &Store, ledger: &Ledger, records: usize) {
    let id = ExchangeId::from_random(keys::random().unwrap());
    let arrival = Arrival {
        kind: ExchangeKind::Arrival,
        source: "test".to_owned(),
        format: "hl7v2".to_owned(),
        received: NOW,
        message_control_id: None,
        sending_application: None,
        sending_facility: None,
        raw: bytes::Bytes::new(),
        sha256: [0; 32],
    };
    let record = || ledger.record(id, Kind::Arrival, "stored", NOW).commit(Label::In, &[7; 32]).unwrap().build();
    let commit = Commit {
        exchanges: vec![ExchangeChange::open(id, arrival)],
        ledger: (0..records).map(|_| record()).collect(),
        ..Commit::default()
    };
    store.commit_blocking(commit).unwrap();
}

#[test]
fn what_is_durable_is_sealed_and_has_a_receipt() {
    let (site, store) = (Site::new(), memory());
    let (ledger, sealer) = site.open(&store);
    add(&store, &ledger, 3);
    assert_eq!(ledger.receipt(0).unwrap(), None);
    assert!(sealer.unwrap().seal(&store).is_ok());
    assert_eq!(ledger.sealed_size(), 3);
    assert!(ledger.checkpoint().unwrap().starts_with("test.example/log\n3\n"));
    let receipt = ledger.receipt(2).unwrap().unwrap();
    let mut trusted = ledger::checkpoint::TrustedKeys::none();
    trusted.add_plain(*ledger.public_key());
    assert!(ledger::command::verify_receipt(receipt.as_bytes(), &trusted, None).is_ok());
    assert_eq!(ledger.receipt(3).unwrap(), None);
}

#[test]
fn a_store_older_than_the_log_is_refused() {
    let site = Site::new();
    let store = memory();
    let (ledger, sealer) = site.open(&store);
    add(&store, &ledger, 3);
    let mut sealer = sealer.unwrap();
    assert!(sealer.seal(&store).is_ok());
    drop(sealer);
    drop(ledger);
    let restored = memory();
    let (ledger, sealer) = site.open(&restored);
    assert!(sealer.is_none());
    assert!(ledger.is_refusing());
    assert!(matches!(ledger.status(), Status::Refusing(reason) if reason.contains("3 records")));
}

#[test]
fn an_altered_checkpoint_is_refused() {
    let site = Site::new();
    let store = memory();
    let (ledger, sealer) = site.open(&store);
    add(&store, &ledger, 1);
    let mut sealer = sealer.unwrap();
    assert!(sealer.seal(&store).is_ok());
    drop(sealer);
    drop(ledger);
    let path = site.folder.path().join("ledger/checkpoint");
    let note = std::fs::read_to_string(&path).unwrap().replacen("\n1\n", "\n2\n", 1);
    std::fs::write(&path, note).unwrap();
    let (ledger, sealer) = site.open(&store);
    assert!(sealer.is_none() && ledger.is_refusing());
}

#[test]
fn records_hold_no_content_and_two_never_alike() {
    let (site, store) = (Site::new(), memory());
    let (ledger, _sealer) = site.open(&store);
    let id = ExchangeId::from_random([1; 16]);
    let build = || {
        ledger.record(id, Kind::Arrival, "stored", NOW).commit_content(Label::Patient, b"Patient/1").unwrap().build()
    };
    let (one, other) = (build(), build());
    assert_ne!(one.bytes, other.bytes, "the salt differs");
    assert!(!String::from_utf8_lossy(&one.bytes).contains("Patient/1"));
    assert_eq!(one.salts.len(), 1);
}
