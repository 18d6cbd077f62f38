use std::cell::Cell;

use consent::Settings;
use model::time::Instant;
use store::{Author, Method};

use super::*;

fn stored(place: u64, text: &str) -> Stored {
    Stored {
        resource_type: "Observation".to_owned(),
        id: "o".to_owned(),
        version: 3,
        last_updated: Instant::from_millis(0),
        deleted: false,
        author: Author { source: String::new(), exchange: None },
        patients: Vec::new(),
        index: Vec::new(),
        body: Bytes::from(format!(r#"{{"resourceType":"Observation","id":"o","note":[{{"text":"{text}"}}]}}"#)),
        method: Method::Put,
        lean: false,
        cursor: Cursor(place),
    }
}

/// Versions, and how many were read.
struct Reads {
    versions: Versions,
    count: Cell<usize>,
}

impl Reads {
    fn of_bytes(bytes: u64) -> Self {
        Self { versions: Versions::of_bytes(bytes), count: Cell::new(0) }
    }

    /// Asks for a version: whether it had to be read.
    fn asks(&self, stored: &Stored) -> bool {
        let before = self.count.get();
        let read = |json: &Json| {
            self.count.set(before + 1);
            Known::of(json, &Settings::default(), None)
        };
        self.versions.of(stored, read).unwrap();
        self.count.get() > before
    }

    fn bytes(&self) -> usize {
        self.versions.shards.iter().map(|shard| lock(shard).bytes).sum()
    }
}

#[test]
fn a_version_is_read_once_and_leaves_with_its_own_number() {
    let reads = Reads::of_bytes(1 << 20);
    assert!(reads.asks(&stored(1, "a")) && reads.asks(&stored(2, "b")));
    assert!(!reads.asks(&stored(1, "a")) && !reads.asks(&stored(2, "b")));
    let version = reads.versions.of(&stored(2, "b"), |_| unreachable!()).unwrap();
    let text = String::from_utf8(version.text.to_vec()).unwrap();
    assert!(text.contains(r#""versionId":"3""#) && text.contains(r#""text":"b""#), "{text}");
}

#[test]
fn what_was_made_up_is_not_kept() {
    let reads = Reads::of_bytes(1 << 20);
    assert!(reads.asks(&stored(0, "a")) && reads.asks(&stored(0, "b")));
    assert_eq!(reads.bytes(), 0);
}

#[test]
fn what_is_no_resource_is_an_error_each_time() {
    let reads = Reads::of_bytes(1 << 20);
    let broken = Stored { body: Bytes::from_static(b"{"), ..stored(1, "") };
    for _ in 0..2 {
        assert!(reads.versions.of(&broken, |_| unreachable!()).is_none());
    }
}

#[test]
fn memory_is_bounded_and_what_is_in_use_stays() {
    let most = 1 << 20;
    let reads = Reads::of_bytes(most);
    let (hot, long) = (stored(1, "hot"), "x".repeat(1_000));
    reads.asks(&hot);
    for place in 2..20_000 {
        reads.asks(&stored(place, &long));
        assert!(!reads.asks(&hot), "after {place}");
        assert!(reads.bytes() <= most as usize);
    }
    assert!(reads.bytes() > most as usize / 2);
    assert!(reads.asks(&stored(2, &long)), "what nobody asked for again went");
    let kept: usize = reads.versions.shards.iter().map(|shard| lock(shard).kept.len()).sum();
    let ordered: usize = reads.versions.shards.iter().map(|shard| lock(shard).order.len()).sum();
    assert_eq!(kept, ordered);
}

#[test]
fn one_that_would_take_the_place_of_all_others_is_not_kept() {
    let reads = Reads::of_bytes(64 << 10);
    let large = stored(1, &"x".repeat(10_000));
    assert!(reads.asks(&large) && reads.asks(&large));
    assert_eq!(reads.bytes(), 0);
}
