//! What every backend has to do, run on each of them: cases here, random sequences in `random`.

mod random;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use model::time::{Clock, Instant};

use crate::*;

/// A clock that the test moves.
#[derive(Default)]
pub(crate) struct Hand(AtomicI64);

impl Hand {
    pub(crate) fn set(&self, millis: i64) {
        self.0.store(millis, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Instant {
        Instant::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// A store of each backend, on the same clock.
pub(crate) struct Both {
    pub(crate) clock: Arc<Hand>,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) memory: Store,
    pub(crate) disk: Option<Store>,
    pub(crate) rules: Rules,
}

impl Both {
    pub(crate) fn new() -> Self {
        Self::with(Rules::default())
    }

    pub(crate) fn with(rules: Rules) -> Self {
        let clock = Arc::new(Hand::default());
        let directory = tempfile::tempdir().unwrap();
        let memory = Store::open(&Config { derive: rules.clone(), ..Config::memory() }, clock.clone()).unwrap();
        let mut both = Self { clock, directory, memory, disk: None, rules };
        both.reopen();
        both
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            segment_bytes: 64 << 10,
            min_free_bytes: 0,
            cache_bytes: 8 << 20,
            derive: self.rules.clone(),
            ..Config::sled(self.directory.path())
        }
    }

    /// Closes the store on disk and opens it again; the one in memory goes on.
    pub(crate) fn reopen(&mut self) {
        self.disk = None;
        self.disk = Some(Store::open(&self.config(), self.clock.clone()).unwrap());
    }

    pub(crate) fn disk(&self) -> &Store {
        self.disk.as_ref().unwrap()
    }

    /// Commits to both and demands the same answer.
    #[track_caller]
    pub(crate) fn commit(&self, commit: Commit) -> Result<Committed, String> {
        let answers =
            [&self.memory, self.disk()].map(|store| store.commit_blocking(commit.clone()).map_err(|e| e.to_string()));
        let [memory, disk] = answers;
        assert_eq!(memory, disk);
        disk
    }

    /// Asks both and demands the same answer.
    #[track_caller]
    pub(crate) fn ask<T: PartialEq + std::fmt::Debug>(&self, question: impl Fn(&Store) -> Result<T, Error>) -> T {
        let memory = question(&self.memory).unwrap();
        let disk = question(self.disk()).unwrap();
        assert_eq!(memory, disk, "memory left, disk right");
        disk
    }
}

pub(crate) fn exchange_id(number: u8) -> ExchangeId {
    ExchangeId::from_random([number; 16])
}

pub(crate) fn arrival(source: &str, control_id: &str) -> Arrival {
    let raw = Bytes::from(format!("MSH|{source}|{control_id}"));
    Arrival {
        kind: ExchangeKind::Arrival,
        source: source.to_owned(),
        format: "hl7v2".to_owned(),
        received: Instant::from_millis(0),
        message_control_id: Some(control_id.to_owned()),
        sending_application: Some("LAB".to_owned()),
        sending_facility: None,
        sha256: [raw.len() as u8; 32],
        raw,
    }
}

pub(crate) fn version(resource_type: &str, id: &str, text: &str) -> NewVersion {
    NewVersion {
        resource_type: resource_type.to_owned(),
        id: id.to_owned(),
        expect: Expect::Any,
        body: Bytes::from(format!(r#"{{"resourceType":"{resource_type}","id":"{id}","text":"{text}"}}"#)),
        index: vec![row(1, text, RowKind::Key), row(2, text, RowKind::Detail)],
        patients: Vec::new(),
        deleted: false,
        author: Author { source: "lab".to_owned(), exchange: None },
        skip_unchanged: false,
        method: crate::Method::Put,
        lean: false,
    }
}

pub(crate) fn row(param: u32, value: &str, kind: RowKind) -> IndexRow {
    IndexRow { param, value: value.as_bytes().to_vec(), kind }
}

fn write(versions: impl IntoIterator<Item = NewVersion>) -> Commit {
    Commit { resources: versions.into_iter().collect(), ..Commit::default() }
}

fn open(id: u8, control_id: &str) -> Commit {
    Commit { exchanges: vec![ExchangeChange::open(exchange_id(id), arrival("lab", control_id))], ..Commit::default() }
}

fn ids(page: &[Stored]) -> Vec<&str> {
    page.iter().map(|stored| stored.id.as_str()).collect()
}

/// Cursors differ between backends: what they order is compared.
pub(crate) fn plain(mut all: Vec<Stored>) -> Vec<Stored> {
    all.iter_mut().for_each(|stored| stored.cursor = Cursor(0));
    all
}

#[test]
fn versions_are_numbered_kept_and_read_by_number() {
    let mut both = Both::new();
    both.clock.set(1_000);
    let first = both.commit(write([version("Patient", "a", "one"), version("Patient", "a", "two")])).unwrap();
    assert_eq!(
        first.versions.iter().map(|v| (v.version, v.effect)).collect::<Vec<_>>(),
        [(1, Effect::Created), (2, Effect::Updated)]
    );
    both.clock.set(2_000);
    let gone = NewVersion { deleted: true, body: Bytes::new(), index: Vec::new(), ..version("Patient", "a", "") };
    assert_eq!(both.commit(write([gone])).unwrap().versions[0].effect, Effect::Deleted);
    let again = both.commit(write([version("Patient", "a", "three")])).unwrap();
    assert_eq!((again.versions[0].version, again.versions[0].effect), (4, Effect::Created));
    for _ in 0..2 {
        let history = both.ask(|store| store.history("Patient", "a", None, 10).map(plain));
        assert_eq!(
            history.iter().map(|v| (v.version, v.deleted)).collect::<Vec<_>>(),
            [(4, false), (3, true), (2, false), (1, false)]
        );
        assert_eq!(both.ask(|store| store.history("Patient", "a", Some(3), 1).map(plain))[0].version, 2);
        let old = both.ask(|store| Ok(store.vread("Patient", "a", 1)?.map(|stored| stored.json()))).unwrap();
        let text = String::from_utf8(old).unwrap();
        assert!(text.contains(r#""versionId":"1""#) && text.contains("1970-01-01T00:00:01"), "{text}");
        assert!(!both.ask(|store| Ok(store.vread("Patient", "a", 5)?.is_some())));
        assert!(!both.ask(|store| Ok(store.read("Patient", "b")?.is_some())));
        both.reopen();
    }
}

#[test]
fn a_commit_is_taken_whole_or_not_at_all() {
    let both = Both::new();
    both.commit(write([version("Patient", "a", "one")])).unwrap();
    let bad = NewVersion { expect: Expect::Version(7), ..version("Patient", "b", "no") };
    let refused = both.commit(Commit {
        ledger: Vec::new(),
        ..write([version("Patient", "a", "two"), version("Basic", "c", "x"), bad])
    });
    assert_eq!(refused.unwrap_err(), "conflict: Patient/b is at version None");
    assert_eq!(both.ask(|store| Ok(store.read("Patient", "a")?.map(|stored| stored.version))), Some(1));
    assert!(!both.ask(|store| Ok(store.read("Basic", "c")?.is_some())));
    let opened = both.commit(Commit {
        deliveries: vec![DeliveryChange::new(exchange_id(9), "x", DeliveryState::Pending)],
        ..open(1, "m")
    });
    assert_eq!(opened.unwrap_err(), "exchange is unknown to the store");
    assert!(!both.ask(|store| Ok(store.exchange(&exchange_id(1))?.is_some())));
    both.commit(open(1, "m")).unwrap();
    assert_eq!(both.ask(|store| Ok(store.exchange(&exchange_id(1))?.map(|exchange| exchange.number))), Some(0));
}

#[test]
fn preconditions_look_at_the_live_version() {
    let both = Both::new();
    let with = |expect: Expect, source: &str| {
        let author = Author { source: source.to_owned(), exchange: None };
        write([NewVersion { expect, author, ..version("Patient", "a", source) }])
    };
    both.commit(with(Expect::Absent, "lab")).unwrap();
    assert!(both.commit(with(Expect::Absent, "lab")).is_err());
    assert!(both.commit(with(Expect::Version(2), "lab")).is_err());
    both.commit(with(Expect::Version(1), "lab")).unwrap();
    assert!(both.commit(with(Expect::SameSource, "ward")).unwrap_err().contains("another source"));
    both.commit(with(Expect::SameSource, "lab")).unwrap();
    both.commit(write([NewVersion { deleted: true, ..version("Patient", "a", "") }])).unwrap();
    both.commit(with(Expect::SameSource, "ward")).unwrap();
}

#[test]
fn unchanged_content_of_the_same_source_makes_no_version() {
    let both = Both::new();
    let same = || NewVersion { skip_unchanged: true, ..version("Patient", "a", "same") };
    both.commit(write([same()])).unwrap();
    both.clock.set(5_000);
    let again = both.commit(write([same(), same()])).unwrap();
    assert!(
        again.versions.iter().all(|v| v.version == 1 && v.effect == Effect::Unchanged && v.last_updated.millis() == 0)
    );
    let other = NewVersion { author: Author { source: "ward".to_owned(), exchange: None }, ..same() };
    assert_eq!(both.commit(write([other])).unwrap().versions[0].version, 2);
}

#[test]
fn search_finds_current_versions_by_every_way_in() {
    let mut both = Both::new();
    for (time, id, text, patient) in
        [(1, "a", "ab", "p"), (2, "b", "abc", "q"), (3, "c", "b", "p"), (4, "d", "ab", "p"), (5, "a", "new", "p")]
    {
        both.clock.set(time);
        let patients = vec![patient.to_owned()];
        both.commit(write([NewVersion { patients, ..version("Observation", id, text) }, version("Basic", id, text)]))
            .unwrap();
    }
    let types = vec!["Observation".to_owned()];
    let term = |param: u32, test: Test, kind: RowKind| Term::AnyOf(vec![Match { param, test, kind }]);
    let cases: Vec<(&str, Search, Vec<&str>)> = vec![
        ("type", Search::default(), vec!["a", "d", "c", "b"]),
        ("oldest first", Search { order: Order::OldestFirst, ..Search::default() }, vec!["b", "c", "d", "a"]),
        ("id", Search { ids: vec!["c".to_owned(), "x".to_owned()], ..Search::default() }, vec!["c"]),
        ("patient", Search { patients: vec!["p".to_owned()], ..Search::default() }, vec!["a", "d", "c"]),
        (
            "key",
            Search { terms: vec![term(1, Test::Equals(b"ab".to_vec()), RowKind::Key)], ..Search::default() },
            vec!["d"],
        ),
        (
            "key prefix",
            Search { terms: vec![term(1, Test::Prefix(b"ab".to_vec()), RowKind::Key)], ..Search::default() },
            vec!["d", "b"],
        ),
        (
            "key range",
            Search {
                terms: vec![term(1, Test::Between(Some(b"abc".to_vec()), Some(b"b".to_vec())), RowKind::Key)],
                ..Search::default()
            },
            vec!["c", "b"],
        ),
        (
            "detail",
            Search { terms: vec![term(2, Test::Equals(b"ab".to_vec()), RowKind::Detail)], ..Search::default() },
            vec!["d"],
        ),
        (
            "key and patient",
            Search {
                terms: vec![term(1, Test::Prefix(b"".to_vec()), RowKind::Key)],
                patients: vec!["q".to_owned()],
                ..Search::default()
            },
            vec!["b"],
        ),
        ("since", Search { updated_since: Some(Instant::from_millis(4)), ..Search::default() }, vec!["a", "d"]),
        ("until", Search { updated_until: Some(Instant::from_millis(4)), ..Search::default() }, vec!["c", "b"]),
    ];
    for _ in 0..2 {
        for (name, search, expected) in &cases {
            let search = Search { types: types.clone(), ..search.clone() };
            assert_eq!(ids(&both.ask(|store| Ok(plain(store.search(&search, 100)?.entries)))), *expected, "{name}");
            // The same, one at a time.
            let paged = both.ask(|store| {
                let (mut all, mut search) = (Vec::new(), search.clone());
                loop {
                    let page = store.search(&search, 1)?;
                    all.extend(page.entries);
                    match page.next {
                        Some(next) => search.after = Some(next),
                        None => return Ok(plain(all)),
                    }
                }
            });
            assert_eq!(ids(&paged), *expected, "{name}, paged");
        }
        let everything = both.ask(|store| Ok(plain(store.search(&Search::default(), 100)?.entries)));
        assert_eq!(everything.len(), 8);
        assert_eq!(ids(&both.ask(|store| store.of_patient("p", &[]).map(plain))), ["a", "d", "c"]);
        both.reopen();
    }
}

#[test]
fn an_exchange_tells_its_whole_story() {
    let mut both = Both::new();
    let id = exchange_id(3);
    both.clock.set(10);
    let stage =
        |name: &str, at| Stage { name: name.to_owned(), at: Instant::from_millis(at), outcome: "ok".to_owned() };
    let salts = vec![Salt { label: "in".to_owned(), salt: Bytes::from_static(&[7; 32]) }];
    let mut commit = open(3, "m1");
    commit.resources = vec![NewVersion {
        author: Author { source: "lab".to_owned(), exchange: Some(id) },
        ..version("Patient", "a", "x")
    }];
    commit.ledger = vec![NewLedgerRecord { exchange: id, bytes: Bytes::from_static(b"{1}"), salts: salts.clone() }];
    commit.deliveries = ["north", "south"].map(|name| DeliveryChange::new(id, name, DeliveryState::Pending)).to_vec();
    commit.exchanges[0].state = Some(StateChange::FromDeliveries);
    commit.exchanges[0].patient = Some("a".to_owned());
    commit.exchanges[0].stages = vec![stage("parse", 1)];
    commit.exchanges[0].issues = vec![r#"{"code":"one"}"#.to_owned()];
    commit.exchanges[0].answer = Some(Bytes::from_static(b"MSA|AA"));
    assert_eq!(both.commit(commit).unwrap().ledger, [0]);
    both.clock.set(20);
    let deliver = |name: &str, state, record: &'static [u8]| {
        let change = DeliveryChange {
            attempts: Some(1),
            decision: Some("permit".to_owned()),
            ..DeliveryChange::new(id, name, state)
        };
        let mut exchange = ExchangeChange::update(id);
        exchange.state = Some(StateChange::FromDeliveries);
        exchange.stages = vec![stage(name, 20)];
        exchange.issues = vec![r#"{"code":"two"}"#.to_owned()];
        let ledger = vec![NewLedgerRecord { exchange: id, bytes: Bytes::from_static(record), salts: salts.clone() }];
        Commit { exchanges: vec![exchange], deliveries: vec![change], ledger, ..Commit::default() }
    };
    both.commit(deliver("north", DeliveryState::Delivered, b"{2}")).unwrap();
    assert_eq!(both.ask(|store| store.exchange(&id)).unwrap().state, ExchangeState::Delivering);
    both.commit(deliver("south", DeliveryState::Withheld, b"{3}")).unwrap();
    for _ in 0..2 {
        let exchange = both.ask(|store| store.exchange(&id)).unwrap();
        assert_eq!(exchange.state, ExchangeState::PartlyWithheld);
        assert_eq!((exchange.stages.len(), exchange.issues.len(), exchange.ledger.clone()), (3, 3, vec![0, 1, 2]));
        assert_eq!(
            exchange.resources,
            [ResourceRef { resource_type: "Patient".to_owned(), id: "a".to_owned(), version: 1 }]
        );
        assert_eq!(both.ask(|store| store.raw(&id)).unwrap(), arrival("lab", "m1").raw);
        assert_eq!(
            both.ask(|store| store.opening(&id)).iter().map(|o| (o.index, o.salts.len())).collect::<Vec<_>>(),
            [(0, 1), (1, 1), (2, 1)]
        );
        assert_eq!(
            both.ask(|store| store.ledger_records(1, 10)).iter().map(|r| r.bytes.clone()).collect::<Vec<_>>(),
            ["{2}", "{3}"]
        );
        assert_eq!(both.ask(|store| Ok(store.ledger_size())), 3);
        let key = exchange_key("lab", "m1");
        assert_eq!(both.ask(|store| store.repeats(&key))[0].answer.as_deref(), Some(&b"MSA|AA"[..]));
        assert!(both.ask(|store| store.repeats(&exchange_key("ward", "m1"))).is_empty());
        both.reopen();
    }
}

fn exchange_key(source: &str, control_id: &str) -> RepeatKey {
    RepeatKey {
        source: source.to_owned(),
        sending_application: "LAB".to_owned(),
        sending_facility: String::new(),
        message_control_id: control_id.to_owned(),
    }
}

#[test]
fn exchanges_are_listed_newest_first_by_every_filter() {
    let mut both = Both::new();
    for number in 0..30_u8 {
        both.clock.set(i64::from(number));
        let source = if number % 3 == 0 { "ward" } else { "lab" };
        let mut commit = open(number, &format!("m{}", number % 10));
        commit.exchanges[0].arrival = Some(Arrival {
            received: Instant::from_millis(i64::from(number)),
            ..arrival(source, &format!("m{}", number % 10))
        });
        commit.exchanges[0].patient = (number % 2 == 0).then(|| "p".to_owned());
        let state = [ExchangeState::Accepted, ExchangeState::Held, ExchangeState::Done, ExchangeState::Stored]
            [usize::from(number % 4)];
        commit.exchanges[0].state = Some(StateChange::Set(state));
        both.commit(commit).unwrap();
    }
    both.commit(Commit {
        exchanges: vec![ExchangeChange {
            state: Some(StateChange::Set(ExchangeState::Stored)),
            expect: Some(ExchangeState::Accepted),
            ..ExchangeChange::update(exchange_id(0))
        }],
        ..Commit::default()
    })
    .unwrap();
    let queries = [
        ExchangeQuery::default(),
        ExchangeQuery { source: Some("ward".to_owned()), ..ExchangeQuery::default() },
        ExchangeQuery { message_control_id: Some("m3".to_owned()), ..ExchangeQuery::default() },
        ExchangeQuery { patient: Some("p".to_owned()), ..ExchangeQuery::default() },
        ExchangeQuery { states: vec![ExchangeState::Held, ExchangeState::Accepted], ..ExchangeQuery::default() },
        ExchangeQuery { states: vec![ExchangeState::Done], ..ExchangeQuery::default() },
        ExchangeQuery {
            since: Some(Instant::from_millis(10)),
            until: Some(Instant::from_millis(20)),
            ..ExchangeQuery::default()
        },
    ];
    for _ in 0..2 {
        for (query, total) in queries.iter().zip([30, 10, 3, 15, 15, 7, 10]) {
            for limit in [0, 1, 4, 100] {
                let mut query = ExchangeQuery { limit, ..query.clone() };
                let mut seen = 0;
                loop {
                    let page = both.ask(|store| store.exchanges(&query));
                    assert_eq!(page.total, total, "{query:?}");
                    seen += page.exchanges.len() as u64;
                    match page.next {
                        Some(next) if limit > 0 => query.before = Some(next),
                        _ => break,
                    }
                }
                assert!(limit == 0 || seen == total, "{query:?}: {seen} of {total}");
            }
        }
        let accepted = both.ask(|store| store.in_state(ExchangeState::Accepted, 5, 3));
        assert_eq!(accepted.iter().map(|line| line.number).collect::<Vec<_>>(), [8, 12, 16]);
        both.reopen();
    }
}

#[test]
fn deliveries_leave_in_order_and_wait_for_their_time() {
    let mut both = Both::new();
    for number in 0..5 {
        let mut commit = open(number, "m");
        commit.deliveries = vec![DeliveryChange::new(exchange_id(number), "north", DeliveryState::Pending)];
        both.commit(commit).unwrap();
    }
    let at = Instant::from_millis;
    let claim = |both: &Both, now: i64, limit: usize| both.ask(|store| store.claim("north", at(now), limit));
    let numbers = |claim: &Claim| claim.deliveries.iter().map(|delivery| delivery.number).collect::<Vec<_>>();
    let change = |number: u8, state, due: Option<i64>| {
        let change = DeliveryChange { due: due.map(at), ..DeliveryChange::new(exchange_id(number), "north", state) };
        Commit { deliveries: vec![change], ..Commit::default() }
    };
    assert_eq!(numbers(&claim(&both, 0, 2)), [0, 1]);
    assert!(claim(&both, 0, 2).deliveries.is_empty(), "claimed deliveries are given to nobody else");
    both.commit(change(0, DeliveryState::Delivered, None)).unwrap();
    assert!(claim(&both, 0, 2).deliveries.is_empty(), "number 1 is still claimed");
    both.commit(change(1, DeliveryState::Pending, Some(50))).unwrap();
    assert_eq!(claim(&both, 10, 9), Claim { deliveries: Vec::new(), next_due: Some(at(50)) });
    both.reopen();
    assert_eq!(numbers(&claim(&both, 50, 9)), [1, 2, 3, 4]);
    for store in [&both.memory, both.disk()] {
        store.release("north");
    }
    both.commit(change(1, DeliveryState::Dead, None)).unwrap();
    both.commit(change(2, DeliveryState::Withheld, None)).unwrap();
    assert_eq!(both.ask(|store| store.pending("north")), 2);
    assert_eq!(both.ask(|store| store.dead("north", 0, 9)).len(), 1);
    both.reopen();
    assert_eq!(both.ask(|store| store.dead("north", 1, 9))[0].number, 1);
    assert!(both.ask(|store| store.dead("north", 2, 9)).is_empty());
    both.commit(change(1, DeliveryState::Pending, None)).unwrap();
    assert_eq!(numbers(&claim(&both, 50, 9)), [1, 3, 4], "a replayed delivery goes back to its place");
}

#[test]
fn grants_and_merges_survive_and_end() {
    let mut both = Both::new();
    let at = Instant::from_millis;
    let grant = |id: &str, person: &str, declared: i64| Grant {
        id: id.to_owned(),
        patient: "p".to_owned(),
        person: person.to_owned(),
        holder: "jti".to_owned(),
        declared: at(declared),
        expires: at(declared + 100),
        ended: None,
        exchange: exchange_id(1),
        detail: "{}".to_owned(),
    };
    let grants = ["g1", "g2", "g3"].into_iter().zip([("ann", 5), ("bob", 6), ("ann", 50)]);
    for (id, (person, declared)) in grants {
        both.commit(Commit { grants: vec![GrantChange::Open(grant(id, person, declared))], ..Commit::default() })
            .unwrap();
    }
    assert!(
        both.commit(Commit { grants: vec![GrantChange::Open(grant("g1", "eve", 1))], ..Commit::default() }).is_err()
    );
    let end =
        |id: &str| Commit { grants: vec![GrantChange::End { id: id.to_owned(), at: at(60) }], ..Commit::default() };
    assert_eq!(both.commit(end("g9")).unwrap_err(), "grant is unknown to the store");
    both.commit(end("g2")).unwrap();
    let link = PatientLink { replaced: "old".to_owned(), replaced_by: "new".to_owned() };
    both.commit(Commit { links: vec![link.clone(), link.clone()], ..Commit::default() }).unwrap();
    for _ in 0..2 {
        let open = both.ask(|store| store.open_grants(at(60)));
        assert_eq!(open.iter().map(|grant| grant.id.as_str()).collect::<Vec<_>>(), ["g1", "g3"]);
        assert_eq!(both.ask(|store| store.open_grants(at(110))).len(), 1);
        assert_eq!(both.ask(|store| store.grants_of("ann", at(10))).len(), 1);
        assert_eq!(both.ask(|store| store.grant("g2")).unwrap().ended, Some(at(60)));
        assert_eq!(both.ask(|store| store.links("new")), std::slice::from_ref(&link));
        assert_eq!(both.ask(|store| store.links("old")), std::slice::from_ref(&link));
        both.reopen();
    }
}

#[test]
fn a_merge_is_taken_back_and_can_be_made_again() {
    let mut both = Both::new();
    let link = |replaced: &str, replaced_by: &str| PatientLink {
        replaced: replaced.to_owned(),
        replaced_by: replaced_by.to_owned(),
    };
    let (one, other) = (link("a", "c"), link("b", "c"));
    both.commit(Commit { links: vec![one.clone(), other.clone()], ..Commit::default() }).unwrap();
    both.commit(Commit { unlinks: vec![one.clone(), link("x", "y")], ..Commit::default() }).unwrap();
    for _ in 0..2 {
        assert_eq!(both.ask(|store| store.links("c")), std::slice::from_ref(&other));
        assert!(both.ask(|store| store.links("a")).is_empty());
        both.reopen();
    }
    // What is taken back and made again by one commit holds.
    let again = Commit { unlinks: vec![other.clone()], links: vec![one.clone(), other.clone()], ..Commit::default() };
    both.commit(again).unwrap();
    let mut stream = Vec::new();
    both.disk = None;
    crate::export(&both.config(), &mut stream, &mut |_, _| {}).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let config = Config { directory: elsewhere.path().to_owned(), ..both.config() };
    crate::import(&config, &mut stream.as_slice(), &mut |_| {}).unwrap();
    let imported = Store::open(&config, both.clock.clone()).unwrap();
    assert_eq!(imported.links("c").unwrap(), [one, other]);
}

#[test]
fn a_revision_rises_with_each_write_of_its_type() {
    let both = Both::new();
    let numbers = |name: &str| both.ask(|store| Ok((store.revision(name), store.link_revision())));
    assert_eq!(numbers("Consent"), (0, 0));
    both.commit(write([version("Consent", "a", "one"), version("Patient", "a", "one")])).unwrap();
    assert_eq!(numbers("Consent"), (1, 0));
    both.commit(write([version("Patient", "a", "two")])).unwrap();
    assert_eq!((numbers("Consent"), numbers("Patient")), ((1, 0), (2, 0)));
    let refused = NewVersion { expect: Expect::Version(7), ..version("Consent", "a", "no") };
    both.commit(write([refused])).unwrap_err();
    assert_eq!(numbers("Consent"), (1, 0));
    let link = PatientLink { replaced: "old".to_owned(), replaced_by: "new".to_owned() };
    both.commit(Commit { links: vec![link.clone()], ..Commit::default() }).unwrap();
    both.commit(Commit { unlinks: vec![link], ..Commit::default() }).unwrap();
    assert_eq!(numbers("Consent"), (1, 2));
}

#[test]
fn waiting_for_records_ends_when_one_is_durable() {
    let both = Both::new();
    for store in [&both.memory, both.disk()] {
        let mut watch = store.ledger_watch();
        let mut commit = open(1, "m");
        commit.ledger =
            vec![NewLedgerRecord { exchange: exchange_id(1), bytes: Bytes::from_static(b"r"), salts: Vec::new() }];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let seen = runtime.block_on(async {
            store.commit(commit).await.unwrap();
            *watch.wait_for(|size| *size == 1).await.unwrap()
        });
        assert_eq!(seen, 1);
    }
}

#[test]
fn key_rows_are_walked_from_the_highest_and_passed_over_in_groups() {
    let mut both = Both::new();
    let keyed = |id: &str, text: &str| NewVersion {
        index: vec![row(9, text, RowKind::Key)],
        ..version("Observation", id, "x")
    };
    let mut all: Vec<NewVersion> = (0..300).map(|n| keyed(&format!("a{n}"), &format!("p|a\0{n:03}"))).collect();
    all.extend([keyed("b", "p|b\0x1"), keyed("c", "p|c\0x1"), keyed("other", "q|a\0x1")]);
    both.commit(write(all)).unwrap();
    both.commit(write([NewVersion { deleted: true, body: Bytes::new(), index: Vec::new(), ..keyed("c", "") }]))
        .unwrap();
    for _ in 0..2 {
        let tops = both.ask(|store| {
            let mut rows = Vec::new();
            store.descend("Observation", 9, b"p|", &mut |row| {
                let group = row.value.get(..4).unwrap().to_vec();
                rows.push(row);
                Step::Behind(group)
            })?;
            let found = rows.iter().map(|row| store.follow(row)).collect::<Result<Vec<_>, _>>()?;
            Ok(found.into_iter().flatten().map(|stored| stored.id).collect::<Vec<_>>())
        });
        // The deleted one's row may be there still; what it leads to is not.
        assert_eq!(tops, ["b", "a299"]);
        let latest = both.ask(|store| {
            let mut values = Vec::new();
            store.descend("Observation", 9, b"p|a", &mut |row| {
                values.push(row.value);
                if values.len() < 40 { Step::Next } else { Step::Stop }
            })?;
            Ok(values)
        });
        assert_eq!(latest.len(), 40);
        assert_eq!((latest[0].as_slice(), latest[39].as_slice()), (&b"p|a\x00299"[..], &b"p|a\x00260"[..]));
        both.reopen();
    }
}

/// Rows made of a version's text, under rules that the test may change.
pub(crate) struct Changing(AtomicI64);

impl Derive for Changing {
    fn rules(&self, _: &str) -> u32 {
        self.0.load(Ordering::Relaxed) as u32
    }

    fn rows(&self, _: &str, body: &[u8]) -> Vec<IndexRow> {
        let json = String::from_utf8_lossy(body);
        let text = json.split(r#""text":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        let mut rows = vec![row(1, text, RowKind::Key), row(2, text, RowKind::Detail)];
        rows.push(row(30 + self.rules(""), text, RowKind::Key));
        rows
    }
}

pub(crate) fn one(param: u32, test: Test, kind: RowKind) -> Term {
    Term::AnyOf(vec![Match { param, test, kind }])
}

#[test]
fn terms_are_combined_over_types_patients_and_orders() {
    let mut both = Both::new();
    let texts = ["final", "amended", "final", "preliminary"];
    let types = ["Observation", "Condition", "Basic"];
    for number in 0_u8..120 {
        both.clock.set(i64::from(number) * 40_000);
        let name = types[usize::from(number) % 3];
        let (text, code) = (texts[usize::from(number) % 4], format!("c{}\0urn:{}", number % 5, number % 2));
        let patients = vec![["p", "q"][usize::from(number) % 2].to_owned()];
        let span = [&b"u\0"[..], &u64::from(number).to_be_bytes(), &(u64::from(number) + 3).to_be_bytes()].concat();
        let mut new = version(name, &format!("r{}", number % 90), text);
        new.index.push(row(3, &code, RowKind::Key));
        let base = if number % 4 == 1 { "https://a.example/fhir/" } else { "" };
        new.index.push(row(5, &format!("{base}Patient/{}", patients[0]), RowKind::Key));
        new.index.push(IndexRow { param: 4, value: span, kind: RowKind::Key });
        if number % 7 == 0 {
            new.index.push(row(6, "", RowKind::Key));
        }
        both.commit(write([NewVersion { patients, ..new }])).unwrap();
    }
    let code = |code: &str| one(3, Test::Prefix(format!("{code}\0").into_bytes()), RowKind::Key);
    let key = |param: u32, value: &str| one(param, Test::Equals(value.as_bytes().to_vec()), RowKind::Key);
    let either_way = |base: &str, value: &str| {
        let equal = |value: String| Match { param: 5, test: Test::Equals(value.into()), kind: RowKind::Key };
        Term::AnyOf(vec![equal(value.to_owned()), equal(format!("{base}/{value}"))])
    };
    let bounds = |from: u64, to: u64| Bounds { from: Some(from.to_be_bytes()), to: Some(to.to_be_bytes()) };
    let none = |term: Term| match term {
        Term::AnyOf(matches) => Term::NoneOf(matches),
        other => other,
    };
    let span = Test::Span { prefix: b"u\0".to_vec(), low: bounds(20, 70), high: bounds(0, 60) };
    let cases: Vec<Vec<Term>> = vec![
        vec![key(1, "final"), code("c1")],
        vec![key(5, "Patient/p"), code("c2")],
        vec![key(5, "Patient/p"), key(1, "final"), none(code("c0"))],
        vec![either_way("https://a.example/fhir", "Patient/q"), code("c1")],
        vec![either_way("https://a.example/fhir", "Patient/q")],
        vec![either_way("https://b.example/fhir", "Patient/p"), code("c2")],
        vec![key(5, "https://a.example/fhir/Patient/q"), key(1, "amended")],
        vec![key(5, "https://b.example/fhir/Patient/q")],
        vec![none(either_way("https://a.example/fhir", "Patient/q")), key(1, "amended")],
        vec![none(key(1, "final"))],
        vec![none(one(6, Test::Present, RowKind::Key))],
        vec![one(6, Test::Present, RowKind::Key)],
        vec![one(4, span.clone(), RowKind::Key)],
        vec![one(4, span.clone(), RowKind::Key), key(1, "final")],
        vec![one(3, Test::Suffix(b"\0urn:1".to_vec()), RowKind::Key)],
        vec![one(1, Test::Contains(b"mend".to_vec()), RowKind::Key)],
        vec![Term::Either(vec![vec![key(1, "amended"), code("c3")], vec![key(5, "Patient/q"), code("c4")]])],
        vec![Term::Either(vec![vec![key(1, "amended")], vec![none(code("c3"))]]), key(1, "final")],
        vec![Term::AnyOf(Vec::new())],
        vec![key(9, "nothing has this")],
        vec![one(2, Test::Equals(b"final".to_vec()), RowKind::Detail), key(5, "Patient/q")],
    ];
    let mut found = 0;
    for _ in 0..2 {
        for terms in &cases {
            for types in [vec!["Observation"], vec!["Observation", "Basic"], vec![]] {
                for (patients, order) in [
                    (vec![], Order::NewestFirst),
                    (vec!["p"], Order::OldestFirst),
                    (vec!["p", "q"], Order::NewestFirst),
                ] {
                    let search = Search {
                        types: types.iter().map(|name| (*name).to_owned()).collect(),
                        patients: patients.iter().map(|name| (*name).to_owned()).collect(),
                        terms: terms.clone(),
                        order,
                        updated_since: (order == Order::OldestFirst).then(|| Instant::from_millis(900_000)),
                        updated_until: Some(Instant::from_millis(4_500_000)),
                        ..Search::default()
                    };
                    let all = both.ask(|store| Ok(plain(store.search(&search, 100)?.entries)));
                    let paged = both.ask(|store| {
                        let (mut all, mut search) = (Vec::new(), search.clone());
                        loop {
                            let page = store.search(&search, 7)?;
                            all.extend(page.entries);
                            match page.next {
                                Some(next) => search.after = Some(next),
                                None => return Ok(plain(all)),
                            }
                        }
                    });
                    assert_eq!(all, paged);
                    found += all.len();
                }
            }
        }
        both.reopen();
    }
    assert!(found > 1_000, "{found}");
    both.disk = None;
    assert_eq!(crate::check(&both.config(), &mut |_, _| {}).unwrap().problems, Vec::<String>::new());
}

#[test]
fn postings_of_superseded_versions_are_gone() {
    let mut both = Both::new();
    let long = "x".repeat(300);
    let texts = ["one", "two\0urn:x", long.as_str(), "two\0urn:x", "three"];
    let mut first = NewVersion { patients: vec!["p".to_owned(), "p".to_owned()], ..version("Patient", "a", "zero") };
    first.index = vec![row(1, "zero", RowKind::Key)];
    // Superseded within one commit, within one group and after the rows went to disk.
    both.commit(write(texts.map(|text| {
        let index = vec![row(1, text, RowKind::Key)];
        NewVersion { index, patients: vec!["p".to_owned()], ..version("Patient", "a", "x") }
    })))
    .unwrap();
    both.reopen();
    both.commit(write([first])).unwrap();
    both.reopen();
    let values = |both: &Both| {
        both.ask(|store| {
            let mut values = Vec::new();
            store.descend("Patient", 1, b"", &mut |row| {
                values.push(String::from_utf8(row.value).unwrap());
                Step::Next
            })?;
            Ok(values)
        })
    };
    assert_eq!(values(&both), ["zero"]);
    assert_eq!(both.ask(|store| store.of_patient("p", &[]).map(plain)).len(), 1);
    both.commit(write([NewVersion { deleted: true, body: Bytes::new(), ..version("Patient", "a", "") }])).unwrap();
    both.reopen();
    assert!(values(&both).is_empty());
    assert!(both.ask(|store| store.of_patient("p", &[]).map(plain)).is_empty());
    both.disk = None;
    assert_eq!(crate::check(&both.config(), &mut |_, _| {}).unwrap().problems, Vec::<String>::new());
}

#[test]
fn a_history_of_types_and_of_everything_has_every_version_in_order() {
    let mut both = Both::new();
    for number in 0_u8..60 {
        both.clock.set(i64::from(number / 2) * 25_000);
        let name = ["Patient", "Basic", "Observation"][usize::from(number) % 3];
        let new = version(name, &format!("r{}", number % 6), &number.to_string());
        let deleted =
            NewVersion { deleted: true, body: Bytes::new(), index: Vec::new(), method: Method::Delete, ..new.clone() };
        both.commit(write([if number % 5 == 4 { deleted } else { new }])).unwrap();
    }
    let at = |millis| Some(Instant::from_millis(millis));
    for _ in 0..2 {
        for types in [vec![], vec!["Basic"], vec!["Patient", "Basic", "Patient"], vec!["Nothing"]] {
            for (since, until) in [(None, None), (at(200_000), None), (None, at(300_000)), (at(100_001), at(500_000))] {
                let whole = both.ask(|store| {
                    let mut all = Vec::new();
                    store.history_of(&types, &Span { since, until, after: None }, &mut |stored| {
                        all.push(stored);
                        ControlFlow::Continue(())
                    })?;
                    Ok(plain(all))
                });
                let paged = both.ask(|store| {
                    let (mut all, mut after) = (Vec::new(), None);
                    loop {
                        let before = all.len();
                        store.history_of(&types, &Span { since, until, after }, &mut |stored| {
                            after = Some(stored.cursor);
                            all.push(stored);
                            if all.len() < before + 4 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                        })?;
                        if all.len() == before {
                            return Ok(plain(all));
                        }
                    }
                });
                assert_eq!(whole, paged);
                assert!(whole.windows(2).all(|pair| pair[0].last_updated >= pair[1].last_updated));
                if types.is_empty() && since.is_none() && until.is_none() {
                    assert_eq!((whole.len(), whole.iter().filter(|version| version.deleted).count()), (60, 12));
                }
            }
        }
        both.reopen();
    }
    assert_eq!(both.ask(Store::types), ["Basic", "Observation", "Patient"]);
}

#[test]
fn a_reindex_brings_every_version_up_and_says_what_it_did() {
    let rules = Arc::new(Changing(AtomicI64::new(0)));
    let mut both = Both::with(Rules::of(rules.clone()));
    let made = |id: &str, text: &str| {
        let new = version("Basic", id, text);
        NewVersion { index: rules.rows("Basic", &new.body), patients: vec!["p".to_owned()], ..new }
    };
    for part in 0..7 {
        let numbers = part * 100..(part + 1) * 100;
        both.commit(write(numbers.map(|number| made(&format!("r{number}"), ["a", "b"][number % 2])))).unwrap();
    }
    both.commit(write([NewVersion { deleted: true, body: Bytes::new(), index: Vec::new(), ..made("r0", "") }]))
        .unwrap();
    let by = |param: u32| Search {
        types: vec!["Basic".to_owned()],
        terms: vec![one(param, Test::Equals(b"a".to_vec()), RowKind::Key)],
        ..Search::default()
    };
    let count = |both: &Both, param: u32| {
        let of_patient = Search { patients: vec!["p".to_owned()], ..by(param) };
        let within = both.ask(|store| Ok(plain(store.search(&of_patient, 1000)?.entries)));
        let all = both.ask(|store| Ok(plain(store.search(&by(param), 1000)?.entries)));
        assert_eq!(all, within);
        all.len()
    };
    assert_eq!((count(&both, 30), count(&both, 31)), (349, 0));
    for (now, reopened) in [(1, false), (2, true), (0, false), (3, true)] {
        rules.0.store(now, Ordering::Relaxed);
        // Read, a version has the rows of now; to be found by them, it has to be brought up.
        let read = both.ask(|store| Ok(store.read("Basic", "r2")?.map(|stored| stored.index)));
        assert_eq!(read.unwrap()[2].param, 30 + now as u32);
        both.commit(write([made("r2", "a"), made("r4", "a")])).unwrap();
        let report = both.ask(|store| store.reindex("Basic", &mut |_| ControlFlow::Continue(())));
        assert_eq!((report.looked_at, report.rewritten, report.failed), (699, 697, 0));
        if reopened {
            both.reopen();
        }
        assert_eq!(count(&both, 30 + now as u32), 349);
        assert_eq!(count(&both, 30 + (now as u32 + 1) % 4), 0);
        both.commit(write([made("r6", "b"), made("r6", "a")])).unwrap();
        assert_eq!(count(&both, 30 + now as u32), 349);
    }
    both.disk = None;
    assert_eq!(crate::check(&both.config(), &mut |_, _| {}).unwrap().problems, Vec::<String>::new());
}

#[test]
fn a_lean_version_is_found_by_rows_it_is_kept_without() {
    let mut both = Both::with(Rules::of(Arc::new(Changing(AtomicI64::new(0)))));
    let mut new = NewVersion { lean: true, ..version("AuditEvent", "a", "seen") };
    new.index = vec![row(1, "seen", RowKind::Key), row(30, "seen", RowKind::Key)];
    both.commit(write([new])).unwrap();
    for _ in 0..2 {
        for (param, kind, lean) in [(1, RowKind::Key, true), (2, RowKind::Detail, false)] {
            let terms = vec![one(param, Test::Equals(b"seen".to_vec()), kind)];
            let search = Search { types: vec!["AuditEvent".to_owned()], terms, ..Search::default() };
            let found = both.ask(|store| Ok(plain(store.search(&search, 5)?.entries)));
            assert_eq!((found.len(), found[0].lean, found[0].index.len()), (1, lean, if lean { 2 } else { 3 }));
            assert_eq!(both.ask(|store| Ok(store.rows_of(&found[0]))).len(), 3);
        }
        let report = both.ask(|store| store.reindex("AuditEvent", &mut |_| ControlFlow::Continue(())));
        assert_eq!((report.looked_at, report.rewritten), (1, 0));
        both.reopen();
    }
}
