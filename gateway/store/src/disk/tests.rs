use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::*;
use crate::suite::{Both, Hand, arrival, exchange_id, version};
use crate::*;

fn filled() -> Both {
    let both = Both::new();
    for number in 0..40_u8 {
        let id = exchange_id(number);
        let mut exchange = ExchangeChange::open(id, arrival("lab", &format!("m{number}")));
        exchange.state = Some(StateChange::FromDeliveries);
        exchange.patient = Some("p".to_owned());
        exchange.issues = vec!["{}".to_owned()];
        exchange.answer = Some(Bytes::from_static(b"AA"));
        let author = Author { source: "lab".to_owned(), exchange: Some(id) };
        let resources = ["a", "b", &format!("own{number}")].map(|id| NewVersion {
            author: author.clone(),
            patients: vec!["p".to_owned()],
            ..version("Observation", id, &"text ".repeat(100))
        });
        let record = NewLedgerRecord { exchange: id, bytes: Bytes::from(vec![number; 300]), salts: Vec::new() };
        both.commit(Commit {
            resources: resources.to_vec(),
            exchanges: vec![exchange],
            deliveries: vec![DeliveryChange::new(id, "north", DeliveryState::Pending)],
            ledger: vec![record],
            links: vec![PatientLink { replaced: format!("old{number}"), replaced_by: "p".to_owned() }],
            ..Commit::default()
        })
        .unwrap();
    }
    both
}

fn same(both: &Both) {
    both.ask(|store| store.exchanges(&ExchangeQuery { limit: 100, ..ExchangeQuery::default() }));
    both.ask(|store| store.of_patient("p", &[]).map(crate::suite::plain));
    both.ask(|store| store.history("Observation", "a", None, 100).map(crate::suite::plain));
    both.ask(|store| store.ledger_records(0, 1000));
    both.ask(|store| store.links("p"));
    both.ask(|store| store.pending("north"));
    for number in 0..40 {
        both.ask(|store| store.exchange(&exchange_id(number)));
    }
}

#[test]
fn a_lost_or_damaged_index_is_rebuilt_from_the_journal() {
    let mut both = filled();
    let index = store_directory(both.directory.path()).join("index");
    both.disk = None;
    std::fs::remove_dir_all(&index).unwrap();
    both.reopen();
    same(&both);
    both.disk = None;
    for entry in std::fs::read_dir(&index).unwrap().flatten() {
        let db = std::fs::OpenOptions::new().write(true).open(entry.path().join("db")).unwrap();
        db.write_all_at(&[0x5a; 4096], 0).unwrap();
        db.write_all_at(&[0x5a; 4096], 64 << 10).unwrap();
    }
    both.reopen();
    same(&both);
    both.disk = None;
    assert_eq!(check(&both.config(), &mut |_, _| {}).unwrap().problems, Vec::<String>::new());
}

#[test]
fn a_second_process_is_told_and_damage_is_named() {
    let mut both = filled();
    let config = Config { lock_timeout: Duration::from_millis(20), ..both.config() };
    assert!(matches!(Store::open(&config, both.clock.clone()), Err(Error::Locked { .. })));
    assert!(matches!(check(&config, &mut |_, _| {}), Err(Error::Locked { .. })));
    both.disk = None;
    let journal = store_directory(both.directory.path()).join("journal");
    let segment = std::fs::OpenOptions::new().write(true).open(journal.join(crate::journal::segment_name(0))).unwrap();
    segment.write_all_at(b"damage", 5000).unwrap();
    let report = check(&config, &mut |_, _| {}).unwrap();
    assert!(report.problems[0].starts_with("journal/000000000000.seg is damaged at byte "), "{:?}", report.problems);
    std::fs::remove_dir_all(store_directory(both.directory.path()).join("index")).unwrap();
    assert!(matches!(Store::open(&config, both.clock.clone()), Err(Error::Damaged { .. })));
}

#[test]
fn a_journal_that_ends_before_the_index_is_damage() {
    let mut both = filled();
    both.disk = None;
    let journal = store_directory(both.directory.path()).join("journal");
    for number in 1..20 {
        let _ = std::fs::remove_file(journal.join(crate::journal::segment_name(number)));
    }
    assert!(matches!(Store::open(&both.config(), both.clock.clone()), Err(Error::Damaged { .. })));
}

#[test]
fn export_and_import_keep_everything() {
    let mut both = filled();
    both.disk = None;
    let mut stream = Vec::new();
    let exported = export(&both.config(), &mut stream, &mut |_, _| {}).unwrap();
    assert_eq!((exported.commits, exported.bytes), (40, stream.len() as u64));
    let other = tempfile::tempdir().unwrap();
    let config = Config { directory: other.path().to_owned(), ..both.config() };
    assert_eq!(import(&config, &mut stream.as_slice(), &mut |_| {}).unwrap(), exported);
    assert!(matches!(import(&config, &mut stream.as_slice(), &mut |_| {}), Err(Error::NotEmpty)));
    both.disk = Some(Store::open(&config, both.clock.clone()).unwrap());
    same(&both);
    both.disk = None;
    assert_eq!(check(&config, &mut |_, _| {}).unwrap().problems, Vec::<String>::new());
    let before = compact(&config).unwrap();
    assert!(before.after_bytes > 0);
    both.disk = Some(Store::open(&config, both.clock.clone()).unwrap());
    same(&both);
    for cut in [4, 20, stream.len() / 2, stream.len() - 1] {
        let empty = tempfile::tempdir().unwrap();
        let config = Config { directory: empty.path().to_owned(), ..config.clone() };
        let refused = import(&config, &mut stream.get(..cut).unwrap(), &mut |_| {});
        assert!(matches!(refused, Err(Error::Damaged { .. })), "cut at {cut}: {refused:?}");
    }
}

#[test]
fn a_full_disk_refuses_commits_and_lets_reads_go_on_until_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let free = Arc::new(AtomicU64::new(1000));
    let seen = Arc::clone(&free);
    let space = Space::with(Box::new(move || Ok(seen.load(Ordering::Relaxed))));
    let config = Config { min_free_bytes: 500, segment_bytes: 64 << 10, ..Config::sled(directory.path()) };
    let store = DiskStore::open_on(&config, Arc::new(Hand::default()), space).unwrap();
    let commit = |id: &str| Commit { resources: vec![version("Basic", id, "x")], ..Commit::default() };
    store.commit_blocking(commit("a")).unwrap();
    free.store(499, Ordering::Relaxed);
    // What was measured last stands for a tenth of a second.
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    let refused = loop {
        match store.commit_blocking(commit("b")) {
            Err(error) => break error,
            Ok(_) => assert!(std::time::Instant::now() < deadline),
        }
    };
    assert!(matches!(refused, Error::Full { free: 499, needed: 500 }) && refused.is_retryable());
    assert!(store.read("Basic", "a").unwrap().is_some());
    assert_eq!(store.refusal().as_deref(), Some("disk is full: 499 bytes free, 500 needed"));
    free.store(1000, Ordering::Relaxed);
    store.commit_blocking(commit("c")).unwrap();
    assert_eq!(store.refusal(), None);
}

#[test]
fn a_commit_larger_than_a_segment_is_refused_and_the_next_is_taken() {
    let both = Both::new();
    let large = |bytes: usize| {
        let new = NewVersion { index: Vec::new(), ..version("Basic", "a", &"x".repeat(bytes)) };
        Commit { resources: vec![new], ..Commit::default() }
    };
    for _ in 0..9 {
        assert!(matches!(both.disk().commit_blocking(large(70 << 10)), Err(Error::TooLarge { .. })));
    }
    let journal = std::fs::read_dir(store_directory(both.directory.path()).join("journal")).unwrap();
    assert!(journal.count() <= 3, "a commit that is refused uses up no room");
    both.commit(large(55 << 10)).unwrap();
    both.commit(large(55 << 10)).unwrap();
    both.commit(large(10)).unwrap();
    assert_eq!(both.ask(|store| store.history("Basic", "a", None, 9).map(crate::suite::plain)).len(), 3);
}

#[test]
fn a_failed_index_engine_is_opened_again_inside_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config { min_free_bytes: 0, segment_bytes: 64 << 10, ..Config::sled(directory.path()) };
    let store = DiskStore::open(&config, Arc::new(Hand::default())).unwrap();
    let commit = |id: &str| Commit { resources: vec![version("Basic", id, "x")], ..Commit::default() };
    for number in 0..200 {
        store.commit_blocking(commit(&format!("before{number}"))).unwrap();
    }
    store.shared().index.fail("input/output error".to_owned());
    store.commit_blocking(commit("after")).unwrap();
    assert_eq!(store.shared().index.failure(), None);
    assert!(store.read("Basic", "after").unwrap().is_some());
    let all = store.search(&Search { types: vec!["Basic".to_owned()], ..Search::default() }, 1000).unwrap();
    assert_eq!(all.entries.len(), 201);
    // The index stands for itself too: nothing of this rests on what the process remembers.
    drop(store);
    assert_eq!(check(&config, &mut |_, _| {}).unwrap().problems, Vec::<String>::new());
}

/// What a later release finds in a body and an earlier one did not write.
struct Later;

impl Derive for Later {
    fn rules(&self, _: &str) -> u32 {
        7
    }

    fn rows(&self, resource_type: &str, _: &[u8]) -> Vec<IndexRow> {
        vec![IndexRow { param: 77, value: resource_type.as_bytes().to_vec(), kind: RowKind::Key }]
    }
}

#[test]
fn rows_that_an_earlier_release_did_not_write_are_made_by_a_reindex() {
    let mut both = filled();
    let found = |store: &Store| {
        let mut rows = 0;
        store
            .descend("Observation", 77, b"", &mut |_| {
                rows += 1;
                Step::Next
            })
            .unwrap();
        rows
    };
    assert_eq!(found(both.disk()), 0);
    both.disk = None;
    let config = Config { derive: Rules::of(Arc::new(Later)), ..both.config() };
    let store = Store::open(&config, both.clock.clone()).unwrap();
    assert_eq!(found(&store), 0);
    let ended = store.reindex("Observation", &mut |_| std::ops::ControlFlow::Break(())).unwrap();
    assert_eq!((ended.looked_at, ended.rewritten, ended.failed), (42, 42, 0));
    assert_eq!(found(&store), 42);
    let again = store.reindex("Observation", &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    assert_eq!((again.looked_at, again.rewritten), (42, 0));
    // What is superseded takes the rows along that it was given since.
    store.commit_blocking(Commit { resources: vec![version("Observation", "a", "x")], ..Commit::default() }).unwrap();
    assert_eq!(found(&store), 41);
    drop(store);
    let report = check(&config, &mut |_, _| {}).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    std::fs::remove_dir_all(both.directory.path().join("store/index")).unwrap();
    let store = Store::open(&config, both.clock.clone()).unwrap();
    assert_eq!(found(&store), 41);
}

#[test]
fn a_check_tells_of_postings_that_are_missing_or_too_many() {
    let mut both = filled();
    both.disk = None;
    let config = both.config();
    let directory = store_directory(&config.directory);
    for added in [false, true] {
        let journal = Journal::open(&directory.join("journal"), config.segment_bytes).unwrap();
        let opened = OpenIndex::open(&directory.join("index"), journal.id(), config.cache_bytes, config.open_timeout);
        let opened = opened.unwrap();
        let applied = opened.applied.unwrap();
        let index = Index::new(Engine::new(journal.id(), opened), config.cache_bytes, Rules::default());
        let mut first = None;
        let prefix = crate::index::keys::term("Observation", 1, b"");
        index
            .walk(&prefix, None, crate::index::Direction::Up, &mut |key, value| {
                first = Some((key.to_vec(), value.to_vec()));
                Ok(crate::index::Flow::Stop)
            })
            .unwrap();
        let (mut key, value) = first.unwrap();
        if added {
            *key.last_mut().unwrap() ^= 1;
        }
        let row = added.then(|| sled::IVec::from(value));
        index.put(crate::index::Rows::from([(sled::IVec::from(key), row)]), applied);
        index.move_down().unwrap();
        drop(index);
        let problems = check(&config, &mut |_, _| {}).unwrap().problems;
        assert!(problems.contains(&"index: row of kind x is missing".to_owned()), "{problems:?}");
        let too_many = problems.contains(&"index: row of kind x is not in the journal".to_owned());
        assert_eq!(too_many, added, "{problems:?}");
    }
    compact(&config).unwrap();
    assert_eq!(check(&config, &mut |_, _| {}).unwrap().problems, Vec::<String>::new());
}

#[test]
fn what_an_earlier_release_wrote_is_found_by_rows_of_now_from_the_first_search_on() {
    use crate::codec::Codec as _;
    use crate::disk::record::{CommitItem, CurrentRow, VersionItem, kind};
    use crate::journal::put_item;
    let rules = Rules::of(Arc::new(Later));
    let both = Both::with(rules);
    let Both { clock, directory, disk, .. } = both;
    drop(disk);
    std::fs::remove_dir_all(store_directory(directory.path())).unwrap();
    let config = Config {
        segment_bytes: 64 << 10,
        min_free_bytes: 0,
        derive: Rules::of(Arc::new(Later)),
        ..Config::sled(directory.path())
    };
    {
        let (place, _lock) = lock(&config).unwrap();
        let journal = Arc::new(Journal::open(&place.join("journal"), config.segment_bytes).unwrap());
        let mut tail = journal.tail(journal.start(), 0).unwrap();
        let base = tail.payload_position(&journal, 1).unwrap();
        let mut buffer = vec![0; crate::journal::FRAME_HEADER as usize];
        let mut item = |kind: u8, bytes: Vec<u8>| {
            let position = base + (buffer.len() - crate::journal::FRAME_HEADER as usize) as u64;
            put_item(&mut buffer, position, kind, |out| out.extend_from_slice(&bytes))
        };
        item(kind::COMMIT, CommitItem { at: model::time::Instant::from_millis(5) }.encoded());
        let mut current: Option<CurrentRow> = None;
        for (number, id) in ["a", "a", "b"].into_iter().enumerate() {
            let new = version("Observation", id, &number.to_string());
            let before = current.filter(|_| id == "a");
            let version = before.map_or(1, |before| before.version + 1);
            let old = VersionItem::new(&new, version, model::time::Instant::from_millis(5), 0, before);
            let pointer = item(kind::VERSION_1, old.older());
            current = Some(CurrentRow { version, deleted: false, pointer, anew: None });
        }
        tail.append(&journal, &mut buffer).unwrap();
    }
    let found = |store: &Store, param: u32, value: &str| {
        let test = Test::Equals(value.as_bytes().to_vec());
        let terms = vec![Term::AnyOf(vec![Match { param, test, kind: RowKind::Key }])];
        let search = Search { types: vec!["Observation".to_owned()], terms, ..Search::default() };
        let found = store.search(&search, 10).unwrap().entries;
        found.into_iter().map(|stored| (stored.id, stored.version)).collect::<Vec<_>>()
    };
    for _ in 0..2 {
        let store = Store::open(&config, clock.clone()).unwrap();
        assert_eq!(found(&store, 77, "Observation"), [("b".to_owned(), 1), ("a".to_owned(), 2)]);
        assert!(found(&store, 1, "2").is_empty(), "the numbers of its parameters mean nothing now");
        assert_eq!(store.history("Observation", "a", None, 9).unwrap().len(), 2);
        drop(store);
        assert_eq!(check(&config, &mut |_, _| {}).unwrap().problems, Vec::<String>::new());
    }
    let store = Store::open(&config, clock).unwrap();
    store.commit_blocking(Commit { resources: vec![version("Observation", "b", "x")], ..Commit::default() }).unwrap();
    assert_eq!(found(&store, 77, "Observation"), [("a".to_owned(), 2)]);
    drop(store);
    assert_eq!(check(&config, &mut |_, _| {}).unwrap().problems, Vec::<String>::new());
}
