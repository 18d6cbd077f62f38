//! What survives when the store takes nothing.

use std::sync::Arc;

use bytes::Bytes;
use model::time::FixedClock;
use store::{Config, ExchangeId, Expect, Resources};

use super::*;
use crate::audit::{Event, Kind};

fn now() -> Instant {
    Instant::parse("2026-03-01T10:00:00Z").unwrap()
}

fn open(directory: &std::path::Path) -> Emergency {
    let journal = EmergencyJournal::open(directory, EmergencyJournal::CAPACITY).unwrap();
    Emergency::new(journal, Metrics::default()).unwrap()
}

/// A store that refuses everything, as on a full disk: it wants more free space than any disk has.
fn full_store(directory: &std::path::Path) -> Store {
    let config = Config { min_free_bytes: u64::MAX, ..Config::sled(directory) };
    Store::open(&config, Arc::new(FixedClock(now()))).unwrap()
}

fn memory_store() -> Store {
    Store::open(&Config::memory(), Arc::new(FixedClock(now()))).unwrap()
}

fn grant(id: &str) -> Grant {
    Grant {
        id: id.into(),
        patient: "p".into(),
        person: "Practitioner/a".into(),
        holder: "jti:1".into(),
        declared: now(),
        expires: now().after(Duration::from_secs(3600)),
        ended: None,
        exchange: ExchangeId::from_random([7; 16]),
        detail: r#"{"reason":"unconscious patient"}"#.into(),
    }
}

fn declaration(id: &str) -> Commit {
    let event = Event::new(Kind::Declare, now()).patient("p");
    let mut version = event.versions().remove(0);
    version.expect = Expect::Absent;
    let exchange = declare::exchange(
        ExchangeId::from_random([7; 16]),
        store::ExchangeKind::Emergency,
        "Practitioner/a",
        now(),
        Bytes::from_static(b"{}"),
        "p",
    );
    Commit {
        resources: vec![version],
        exchanges: vec![exchange],
        grants: vec![GrantChange::Open(grant(id))],
        ..Commit::default()
    }
}

#[tokio::test]
async fn keeps_an_access_in_the_store_when_it_can() {
    let directory = tempfile::tempdir().unwrap();
    let (emergency, store) = (open(directory.path()), memory_store());
    assert_eq!(emergency.write(&store, declaration("g")).await.unwrap().kept(), Kept::Store);
    assert!(emergency.grant(&store, "g").unwrap().unwrap().is_open(now()));
}

#[tokio::test]
async fn keeps_an_access_in_the_journal_when_the_disk_is_full_and_hands_it_over_later() {
    let directory = tempfile::tempdir().unwrap();
    let full = full_store(&directory.path().join("full"));
    let emergency = open(directory.path());
    assert_eq!(emergency.write(&full, declaration("g")).await.unwrap().kept(), Kept::Journal);
    assert!(!emergency.has_unwritten());
    assert!(emergency.is_waiting(&ExchangeId::from_random([7; 16])));
    assert_eq!(emergency.open_grants(&full, "Practitioner/a", "jti:1", now()).unwrap().len(), 1);
    assert!(emergency.open_grants(&full, "Practitioner/a", "jti:2", now()).unwrap().is_empty());

    // A restart: the grant is open again from the journal alone.
    drop(emergency);
    let emergency = open(directory.path());
    assert_eq!(emergency.declared_since(&full, "Practitioner/a", now()).unwrap(), (1, Some(now())));
    let room = memory_store();
    emergency.replay(&room).await.unwrap();
    emergency.replay(&room).await.unwrap();
    assert!(room.grant("g").unwrap().is_some());
    assert!(!emergency.is_waiting(&ExchangeId::from_random([7; 16])));
    assert_eq!(room.of_patient("p", &["AuditEvent"]).unwrap().len(), 1);
}

#[tokio::test]
async fn a_grant_that_was_ended_in_the_journal_is_ended() {
    let directory = tempfile::tempdir().unwrap();
    let full = full_store(&directory.path().join("full"));
    let emergency = open(directory.path());
    emergency.write(&full, declaration("g")).await.unwrap();
    let end = Commit { grants: vec![GrantChange::End { id: "g".into(), at: now() }], ..Commit::default() };
    emergency.write(&full, end).await.unwrap();
    assert!(!emergency.grant(&full, "g").unwrap().unwrap().is_open(now()));
}

#[tokio::test]
async fn gives_the_access_and_raises_an_alarm_when_nothing_can_be_kept() {
    let directory = tempfile::tempdir().unwrap();
    let full = full_store(&directory.path().join("full"));
    // A journal without room for one entry.
    let journal = EmergencyJournal::open(&directory.path().join("small"), 1).unwrap();
    let emergency = Emergency::new(journal, Metrics::default()).unwrap();
    let mut large = declaration("g");
    large.resources[0].body =
        Bytes::from(format!("{{\"resourceType\":\"AuditEvent\",\"x\":\"{}\"}}", "y".repeat(4096)));
    assert_eq!(emergency.write(&full, large).await.unwrap().kept(), Kept::StandardError);
    assert!(emergency.has_unwritten());
    assert!(emergency.grant(&full, "g").unwrap().is_some());
}

#[tokio::test]
async fn a_commit_that_does_not_hold_is_an_error_and_goes_to_no_journal() {
    let directory = tempfile::tempdir().unwrap();
    let (emergency, store) = (open(directory.path()), memory_store());
    emergency.write(&store, declaration("g")).await.unwrap();
    assert!(matches!(emergency.write(&store, declaration("g")).await, Err(Error::Conflict(_))));
    assert!(emergency.journal.entries().unwrap().0.is_empty());
}

/// The commit of a search that shows two patients: an event for each, one of them counts.
fn search(person: &str, at: Instant) -> Commit {
    let event = Event::new(Kind::Find, at).patient("p").patient("q");
    let mut commit = Commit { resources: event.versions(), ..Commit::default() };
    find::count(&mut commit.resources, person, at);
    commit
}

/// Twenty searches within one millisecond are twenty, for whoever remembers nothing but the store.
#[tokio::test]
async fn searches_of_one_millisecond_are_counted_each() {
    let directory = tempfile::tempdir().unwrap();
    let on_disk = Store::open(&Config::sled(directory.path().join("store")), Arc::new(FixedClock(now()))).unwrap();
    for (store, name) in [(memory_store(), "memory"), (on_disk, "disk")] {
        let emergency = open(&directory.path().join(name));
        let most = auth::Limits::default().finds.count;
        for _ in 1..most {
            emergency.write(&store, search("Practitioner/a", now())).await.unwrap();
        }
        assert!(emergency.may_find(&store, "Practitioner/a", now()).unwrap().is_ok(), "{name}: one is left");
        emergency.write(&store, search("Practitioner/a", now())).await.unwrap();
        // A restart: nothing is in memory.
        let emergency = open(&directory.path().join(name));
        let wait = emergency.may_find(&store, "Practitioner/a", now()).unwrap();
        assert_eq!(wait, Err(Duration::from_secs(3600)), "{name}");
        assert!(emergency.may_find(&store, "Practitioner/b", now()).unwrap().is_ok(), "{name}");
    }
}
