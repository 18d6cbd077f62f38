//! Kill and reopen: a process commits under load and is killed at random; nothing it was told is durable may be missing,
//! doubled or different, and ledger indexes stay dense.

#[cfg(test)]
mod kill {
    use std::collections::BTreeMap;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Command, Stdio};
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use model::time::{Clock as _, SystemClock};
    use store::{
        Arrival, Author, Commit, Commits as _, Config, DeliveryChange, DeliveryState, ExchangeChange, ExchangeId,
        ExchangeKind, Exchanges as _, Expect, IndexRow, LedgerQueue as _, Match, NewLedgerRecord, NewVersion,
        Outbox as _, Resources as _, RowKind, Search, Store, Stored, Term, Test,
    };

    const DIRECTORY: &str = "STORE_KILL_TEST_DIRECTORY";
    const ROUND: &str = "STORE_KILL_TEST_ROUND";
    const ROUNDS: u64 = 10;

    fn config(directory: &str) -> Config {
        Config { segment_bytes: 1 << 20, min_free_bytes: 0, cache_bytes: 16 << 20, ..Config::sled(directory) }
    }

    fn commit(round: u64, caller: u64, number: u64) -> (ExchangeId, Commit) {
        let mut bits = [0; 16];
        for (byte, value) in bits.iter_mut().zip([round, caller, number >> 16, number >> 8, number]) {
            *byte = value as u8;
        }
        let id = ExchangeId::from_random(bits);
        let arrival = Arrival {
            kind: ExchangeKind::Arrival,
            source: "lab".to_owned(),
            format: "hl7v2".to_owned(),
            received: SystemClock.now(),
            message_control_id: Some(id.to_string()),
            sending_application: None,
            sending_facility: None,
            raw: Bytes::from(id.to_string()),
            sha256: [0; 32],
        };
        let author = Author { source: "lab".to_owned(), exchange: Some(id) };
        let resource = |kind: &str, own: String| NewVersion {
            resource_type: kind.to_owned(),
            body: Bytes::from(format!(r#"{{"resourceType":"{kind}","id":"{own}","text":"{id} {}"}}"#, "x".repeat(700))),
            id: own,
            expect: Expect::Any,
            index: vec![key(1, format!("{caller}")), key(2, id.to_string())],
            patients: vec!["p".to_owned()],
            deleted: false,
            author: author.clone(),
            skip_unchanged: false,
            method: store::Method::Put,
            lean: false,
        };
        let resources = vec![resource("Patient", format!("p{caller}")), resource("Observation", id.to_string())];
        let ledger = vec![NewLedgerRecord { exchange: id, bytes: Bytes::from(id.to_string()), salts: Vec::new() }];
        let deliveries = vec![DeliveryChange::new(id, "north", DeliveryState::Pending)];
        let exchanges = vec![ExchangeChange::open(id, arrival)];
        (id, Commit { resources, exchanges, deliveries, ledger, ..Commit::default() })
    }

    fn key(param: u32, value: String) -> IndexRow {
        IndexRow { param, value: value.into_bytes(), kind: RowKind::Key }
    }

    fn found(store: &Store, resource_type: &str, param: u32, value: &str) -> Vec<Stored> {
        let wanted = Match { param, test: Test::Equals(value.as_bytes().to_vec()), kind: RowKind::Key };
        let terms = vec![Term::AnyOf(vec![wanted])];
        let search = Search { types: vec![resource_type.to_owned()], terms, ..Search::default() };
        store.search(&search, 10_000).unwrap().entries
    }

    /// The victim: runs only when the test below starts it.
    #[test]
    fn victim() {
        let (Ok(directory), Ok(round)) = (std::env::var(DIRECTORY), std::env::var(ROUND)) else { return };
        let round = round.parse().unwrap();
        let store = Store::open(&config(&directory), Arc::new(SystemClock)).unwrap();
        std::thread::scope(|scope| {
            for caller in 0..8 {
                let store = store.clone();
                scope.spawn(move || {
                    for number in 0.. {
                        let (id, commit) = commit(round, caller, number);
                        let index = store.commit_blocking(commit).unwrap().ledger[0];
                        let line = format!("\nacknowledged {id} {index}\n");
                        if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn nothing_acknowledged_is_lost_by_a_kill() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        let mut acknowledged: BTreeMap<ExchangeId, u64> = BTreeMap::new();
        for round in 0..ROUNDS {
            let mut victim = Command::new(std::env::current_exe().unwrap())
                .args(["kill::victim", "--exact", "--nocapture"])
                .env(DIRECTORY, path)
                .env(ROUND, round.to_string())
                .stdout(Stdio::piped())
                .stderr(Stdio::inherit())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
            // Some commits first, then a moment that differs from round to round.
            for line in lines.by_ref().take(50 + round as usize * 37) {
                note(&mut acknowledged, &line.unwrap());
            }
            std::thread::sleep(Duration::from_millis(round * 13 % 70));
            victim.kill().unwrap();
            for line in lines.map_while(Result::ok) {
                note(&mut acknowledged, &line);
            }
            victim.wait().unwrap();
            let store = Store::open(&config(path), Arc::new(SystemClock)).unwrap();
            examine(&store, &acknowledged);
        }
        assert!(acknowledged.len() > 500, "{}", acknowledged.len());
        let report = store::check(&config(path), &mut |_, _| {}).unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
    }

    fn note(acknowledged: &mut BTreeMap<ExchangeId, u64>, line: &str) {
        let mut words = line.split(' ');
        if let (Some("acknowledged"), Some(id), Some(index)) = (words.next(), words.next(), words.next())
            && let (Some(id), Ok(index)) = (ExchangeId::parse(id), index.parse())
        {
            acknowledged.insert(id, index);
        }
    }

    fn examine(store: &Store, acknowledged: &BTreeMap<ExchangeId, u64>) {
        let records = store.ledger_records(0, usize::MAX).unwrap();
        assert_eq!(records.len() as u64, store.ledger_size());
        let mut by_exchange = BTreeMap::new();
        for (index, record) in (0_u64..).zip(&records) {
            assert_eq!(record.index, index);
            assert!(by_exchange.insert(record.exchange, index).is_none(), "a record is doubled");
        }
        for (id, index) in acknowledged {
            assert_eq!(by_exchange.get(id), Some(index), "{id}");
            let exchange = store.exchange(id).unwrap().unwrap();
            assert_eq!((exchange.ledger, exchange.resources.len()), (vec![*index], 2));
            assert_eq!(store.raw(id).unwrap().unwrap(), id.to_string());
            let observation = store.read("Observation", &id.to_string()).unwrap().unwrap();
            assert!(String::from_utf8_lossy(&observation.body).contains(&id.to_string()));
            assert_eq!(found(store, "Observation", 2, &id.to_string()).len(), 1);
        }
        // Each caller writes its Patient anew again and again: one version has postings, and it is the current one.
        for caller in 0..8 {
            let patients = found(store, "Patient", 1, &caller.to_string());
            let current = store.read("Patient", &format!("p{caller}")).unwrap();
            assert_eq!(patients, current.into_iter().collect::<Vec<_>>());
        }
        assert_eq!(store.pending("north").unwrap(), records.len() as u64);
    }
}
