//! Random commits and questions: both backends must answer alike, also over a reopening.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Commit(Box<Commit>),
    Tick(i64),
    Reopen,
}

fn name(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(of).prop_map(str::to_owned)
}

fn expect() -> impl Strategy<Value = Expect> {
    prop_oneof![
        6 => Just(Expect::Any),
        1 => Just(Expect::Absent),
        1 => (1_u64..4).prop_map(Expect::Version),
        2 => Just(Expect::SameSource),
    ]
}

fn new_version() -> impl Strategy<Value = NewVersion> {
    let names =
        (name(&["Patient", "Observation"]), name(&["a", "b", "c"]), name(&["x", "xy", "z"]), name(&["lab", "ward"]));
    let rest = (
        expect(),
        any::<bool>(),
        proptest::option::of(0_u8..6),
        0..10_u8,
        proptest::collection::vec(name(&["p", "q"]), 0..3),
    );
    (names, rest).prop_map(|((kind, id, text, source), (expect, skip_unchanged, exchange, fate, patients))| {
        let exchange = exchange.map(exchange_id);
        let deleted = fate == 0;
        let mut index = version(&kind, &id, &text).index;
        index.extend(patients.iter().map(|patient: &String| row(5, &format!("Patient/{patient}"), RowKind::Key)));
        index.push(row(3, &format!("c{}\0urn:{}", fate % 3, fate % 2), RowKind::Key));
        if fate > 6 {
            index.push(row(6, "", RowKind::Key));
        }
        NewVersion {
            expect,
            skip_unchanged,
            patients,
            deleted,
            index,
            author: Author { source, exchange },
            ..version(&kind, &id, &text)
        }
    })
}

fn state() -> impl Strategy<Value = Option<StateChange>> {
    let set = proptest::sample::select(&ExchangeState::ALL[..]).prop_map(StateChange::Set);
    proptest::option::of(prop_oneof![set, Just(StateChange::FromDeliveries)])
}

fn exchange_change() -> impl Strategy<Value = ExchangeChange> {
    let texts = (name(&["lab", "ward"]), name(&["m1", "m2"]), proptest::option::of(name(&["p", "q"])));
    (0_u8..6, any::<bool>(), state(), texts, proptest::collection::vec(name(&["one", "two"]), 0..3)).prop_map(
        |(id, opens, state, (source, control_id, patient), issues)| ExchangeChange {
            arrival: opens.then(|| arrival(&source, &control_id)),
            state,
            patient,
            answer: issues.first().map(|answer| Bytes::from(answer.clone())),
            detail: issues.last().cloned(),
            issues,
            ..ExchangeChange::update(exchange_id(id))
        },
    )
}

fn delivery_change() -> impl Strategy<Value = DeliveryChange> {
    use DeliveryState::{Dead, Delivered, Pending, Withheld};
    let states = proptest::sample::select(&[Pending, Pending, Delivered, Dead, Withheld][..]);
    (0_u8..6, name(&["north", "south"]), states, proptest::option::of(0_i64..40)).prop_map(|(id, to, state, due)| {
        DeliveryChange {
            due: due.map(Instant::from_millis),
            attempts: due.and_then(|due| u32::try_from(due).ok()),
            ..DeliveryChange::new(exchange_id(id), to, state)
        }
    })
}

fn link() -> impl Strategy<Value = PatientLink> {
    let names = (name(&["p", "q", "r"]), name(&["p", "q", "r"]));
    names.prop_map(|(replaced, replaced_by)| PatientLink { replaced, replaced_by })
}

fn commit() -> impl Strategy<Value = Commit> {
    let record = (0_u8..6).prop_map(|id| NewLedgerRecord {
        exchange: exchange_id(id),
        bytes: Bytes::from(vec![id]),
        salts: vec![Salt { label: "in".to_owned(), salt: Bytes::from(vec![id; 32]) }],
    });
    let parts = (
        proptest::collection::vec(new_version(), 0..4),
        proptest::collection::vec(exchange_change(), 0..2),
        proptest::collection::vec(delivery_change(), 0..2),
        proptest::collection::vec(record, 0..2),
        proptest::collection::vec(link(), 0..2),
        proptest::collection::vec(link(), 0..2),
    );
    parts.prop_map(|(resources, exchanges, deliveries, ledger, unlinks, links)| Commit {
        resources,
        exchanges,
        deliveries,
        ledger,
        unlinks,
        links,
        ..Commit::default()
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => commit().prop_map(|commit| Step::Commit(Box::new(commit))),
        3 => (0_i64..5).prop_map(Step::Tick),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..80)
}

fn compare(both: &Both, now: i64) {
    for (kind, id) in ["Patient", "Observation"].into_iter().flat_map(|kind| ["a", "b", "c"].map(|id| (kind, id))) {
        both.ask(|store| store.history(kind, id, None, 100).map(plain));
        both.ask(|store| Ok(store.vread(kind, id, 2)?.map(|stored| stored.body)));
        let ids = Search { types: vec![kind.to_owned()], ids: vec![id.to_owned()], ..Search::default() };
        both.ask(|store| Ok(plain(store.search(&ids, 10)?.entries)));
    }
    for test in [Test::Equals(b"x".to_vec()), Test::Prefix(b"x".to_vec()), Test::Between(Some(b"xy".to_vec()), None)] {
        for (order, kind) in [(Order::NewestFirst, RowKind::Key), (Order::OldestFirst, RowKind::Detail)] {
            let param = if kind == RowKind::Key { 1 } else { 2 };
            let terms = vec![Term::AnyOf(vec![Match { param, test: test.clone(), kind }])];
            let search = Search { types: vec!["Patient".to_owned()], terms, order, ..Search::default() };
            both.ask(|store| Ok(plain(store.search(&search, 100)?.entries)));
        }
    }
    let key = |param: u32, test: Test| Match { param, test, kind: RowKind::Key };
    let equals = |param: u32, value: &str| key(param, Test::Equals(value.as_bytes().to_vec()));
    let code = || key(3, Test::Prefix(b"c1\0".to_vec()));
    for terms in [
        vec![Term::AnyOf(vec![equals(5, "Patient/p")]), Term::AnyOf(vec![code()])],
        vec![Term::AnyOf(vec![equals(1, "x"), equals(1, "z")]), Term::NoneOf(vec![code(), equals(5, "Patient/q")])],
        vec![Term::NoneOf(vec![key(6, Test::Present)])],
        vec![Term::Either(vec![vec![Term::AnyOf(vec![code()])], vec![Term::AnyOf(vec![key(6, Test::Present)])]])],
        vec![Term::AnyOf(vec![key(3, Test::Suffix(b"urn:1".to_vec()))]), Term::AnyOf(vec![equals(1, "xy")])],
    ] {
        for types in [vec!["Patient".to_owned()], Vec::new()] {
            for order in [Order::NewestFirst, Order::OldestFirst] {
                let search = Search { types: types.clone(), terms: terms.clone(), order, ..Search::default() };
                both.ask(|store| Ok(plain(store.search(&search, 100)?.entries)));
                let search = Search { patients: vec!["q".to_owned()], ..search };
                both.ask(|store| Ok(plain(store.search(&search, 100)?.entries)));
            }
        }
    }
    both.ask(|store| {
        let mut all = Vec::new();
        store.history_of(&[], &Span::default(), &mut |stored| {
            all.push(stored);
            ControlFlow::Continue(())
        })?;
        Ok(plain(all))
    });
    for patient in ["p", "q"] {
        both.ask(|store| store.of_patient(patient, &[]).map(plain));
        both.ask(|store| store.links(patient));
        both.ask(|store| {
            store.exchanges(&ExchangeQuery { patient: Some(patient.to_owned()), limit: 3, ..ExchangeQuery::default() })
        });
    }
    both.ask(|store| store.details(0, 2));
    both.ask(|store| store.details(1, 10));
    both.ask(|store| store.links("r"));
    for id in 0..6 {
        both.ask(|store| store.exchange(&exchange_id(id)));
        both.ask(|store| store.opening(&exchange_id(id)));
        both.ask(|store| store.raw(&exchange_id(id)));
    }
    for state in ExchangeState::ALL {
        both.ask(|store| store.in_state(state, 1, 10));
        both.ask(|store| store.exchanges(&ExchangeQuery { states: vec![state], limit: 2, ..ExchangeQuery::default() }));
    }
    for destination in ["north", "south"] {
        both.ask(|store| store.claim(destination, Instant::from_millis(now), 3));
        [&both.memory, both.disk()].into_iter().for_each(|store| store.release(destination));
        both.ask(|store| store.pending(destination));
        both.ask(|store| store.dead(destination, 0, 10));
    }
    both.ask(|store| store.ledger_records(0, 1000));
    both.ask(|store| store.repeats(&exchange_key("lab", "m1")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn backends_answer_alike(steps in steps()) {
        let mut both = Both::new();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Commit(commit) => drop(both.commit(*commit)),
                Step::Tick(by) => {
                    now += by;
                    both.clock.set(now);
                }
                Step::Reopen => both.reopen(),
            }
        }
        compare(&both, now);
        both.reopen();
        compare(&both, now);
        both.disk = None;
        prop_assert_eq!(crate::check(&both.config(), &mut |_, _| {}).unwrap().problems, Vec::<String>::new());
    }
}
