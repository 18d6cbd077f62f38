//! Loads a store with synthetic resources as a FHIR server writes them, with rows for every search parameter, and says
//! what writing, searching and opening cost.
//!
//! `cargo run --release -p store --example resources -- load DIRECTORY RESOURCES PER_COMMIT CALLERS`
//! `cargo run --release -p store --example resources -- search DIRECTORY RATE SECONDS`
//! `cargo run --release -p store --example resources -- check DIRECTORY`
//! `cargo run --release -p store --example resources -- update DIRECTORY COUNT CALLERS`

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use model::time::{Clock as _, SystemClock};
use store::{
    Arrival, Author, Commit, Commits as _, Config, ExchangeChange, ExchangeId, ExchangeKind, Expect, IndexRow, Match,
    NewLedgerRecord, NewVersion, Resources as _, RowKind, Salt, Search, StateChange, Store, Term, Test,
};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["load", directory, count, per, callers] => {
            load(directory, count.parse()?, per.parse()?, callers.parse()?, false)
        }
        ["update", directory, count, callers] => load(directory, count.parse()?, 1, callers.parse()?, true),
        ["search", directory, rate, seconds] => search(directory, rate.parse()?, seconds.parse()?),
        ["check", directory] => {
            let began = Instant::now();
            let report = store::check(&Config::sled(directory), &mut |_, _| {})?;
            eprintln!("{report:?} after {:.1} s, RSS {} MiB", began.elapsed().as_secs_f64(), rss() >> 20);
            Ok(())
        }
        _ => Err("usage: resources load DIRECTORY RESOURCES PER_COMMIT CALLERS | search DIRECTORY RATE SECONDS | update DIRECTORY COUNT CALLERS | check DIRECTORY".into()),
    }
}

fn open(directory: &str) -> Result<Store, Failure> {
    let began = Instant::now();
    let store = Store::open(&Config::sled(directory), Arc::new(SystemClock))?;
    eprintln!("open after {:.2} s, RSS {} MiB", began.elapsed().as_secs_f64(), rss() >> 20);
    Ok(store)
}

fn load(directory: &str, count: u64, per: u64, callers: u64, again: bool) -> Result<(), Failure> {
    let store = open(directory)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut first = 0;
    if !again {
        // Goes on where an earlier load ended.
        while store.read(name_of(first + 20).0, &name_of(first + 20).1)?.is_some() {
            first += 100_000;
        }
    }
    let next = Arc::new(AtomicU64::new(0));
    let (start, cpu) = (Instant::now(), cpu_time());
    let mut tasks = Vec::new();
    for _ in 0..callers {
        let (store, next) = (store.clone(), Arc::clone(&next));
        tasks.push(runtime.spawn(async move {
            let mut times = Vec::new();
            loop {
                let number = next.fetch_add(per, Ordering::Relaxed);
                if number >= count {
                    return Ok::<_, store::Error>(times);
                }
                let commit = commit(first + number, per, again);
                let began = Instant::now();
                store.commit(commit).await?;
                times.push(began.elapsed());
            }
        }));
    }
    let watched = Arc::clone(&next);
    let watch = runtime.spawn(async move {
        let step = (count / 10).max(1);
        let mut mark = step;
        while mark <= count {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if watched.load(Ordering::Relaxed) >= mark {
                let time = start.elapsed().as_secs_f64();
                eprintln!("{mark} resources: RSS {} MiB, {time:.1} s, {:.0}/s", rss() >> 20, mark as f64 / time);
                mark += step;
            }
        }
    });
    let mut times = Vec::new();
    for task in tasks {
        times.extend(runtime.block_on(task)??);
    }
    runtime.block_on(watch)?;
    let (wall, cpu) = (start.elapsed(), cpu_time() - cpu);
    times.sort();
    let part =
        |share: f64| times.get((times.len() as f64 * share) as usize).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    eprintln!(
        "{count} resources, {per} a commit, {callers} callers: {:.0}/s, {:.0} us of CPU each; a commit p50 {:.2} p99 {:.2} worst {:.1} ms",
        count as f64 / wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / count as f64,
        part(0.5),
        part(0.99),
        part(0.9999),
    );
    drop(store);
    eprintln!(
        "closed after {:.1} s, RSS {} MiB, {:.0} us of CPU each",
        start.elapsed().as_secs_f64(),
        rss() >> 20,
        (cpu_time()).as_secs_f64() * 1e6 / count as f64
    );
    Ok(())
}

/// Makes a search of a number.
type Asked = fn(u64) -> Search;

/// Searches at a fixed rate: by patient and code, first pages of 20.
fn search(directory: &str, rate: u64, seconds: u64) -> Result<(), Failure> {
    let store = open(directory)?;
    // What an opened store does for itself is not counted.
    std::thread::sleep(Duration::from_secs(5));
    let kinds: [(&str, Asked); 5] = [
        ("patient and code", |n| observations(n, true)),
        ("patient", |n| observations(n, false)),
        ("code, newest 20", |n| by(vec![equals("code", code(n))])),
        ("code and status of few", |n| {
            by(vec![equals("code", code(n)), equals("status", b"preliminary\0urn:status".to_vec())])
        }),
        ("identifier", |n| by(vec![equals("identifier", format!("id{}\0urn:mrn", n % 100_000).into_bytes())])),
    ];
    for (name, search) in kinds {
        let (start, cpu) = (Instant::now(), thread_time());
        let mut times = Vec::new();
        let mut found = 0;
        for number in 0..rate * seconds {
            let due = start + Duration::from_secs_f64(number as f64 / rate as f64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let wanted = search(spread(number));
            let mut page = 0;
            store.visit(&wanted, &mut |_| {
                page += 1;
                if page < 20 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            found += page;
            times.push(due.elapsed());
        }
        let cpu = thread_time() - cpu;
        times.sort();
        let part =
            |share: f64| times.get((times.len() as f64 * share) as usize).map_or(0.0, |time| time.as_secs_f64() * 1e3);
        eprintln!(
            "{name}: {:.0} us of CPU, p50 {:.2} p99 {:.2} worst {:.2} ms, {:.1} found each, RSS {} MiB",
            cpu.as_secs_f64() * 1e6 / times.len() as f64,
            part(0.5),
            part(0.99),
            part(0.9999),
            found as f64 / times.len() as f64,
            rss() >> 20
        );
    }
    Ok(())
}

fn by(terms: Vec<Term>) -> Search {
    Search { types: vec!["Observation".to_owned()], terms, ..Search::default() }
}

fn observations(n: u64, coded: bool) -> Search {
    let mut terms = vec![equals("patient", format!("Patient/{}", patient(n)).into_bytes())];
    if coded {
        terms.push(Term::AnyOf(vec![Match {
            param: param("code"),
            test: Test::Prefix(code(n).split_inclusive(|b| *b == 0).next().unwrap_or_default().to_vec()),
            kind: RowKind::Key,
        }]));
    }
    by(terms)
}

fn equals(name: &str, value: Vec<u8>) -> Term {
    Term::AnyOf(vec![Match { param: param(name), test: Test::Equals(value), kind: RowKind::Key }])
}

const PATIENTS: u64 = 20_000;

fn spread(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn patient(n: u64) -> String {
    format!("{:016x}-patient", spread(n % PATIENTS))
}

fn code(n: u64) -> Vec<u8> {
    format!("{}-4\0http://loinc.org", 1000 + (n / PATIENTS) % 60).into_bytes()
}

fn one_of(names: &[&'static str], n: u64) -> &'static str {
    names.iter().cycle().nth(n as usize % 12).copied().unwrap_or_default()
}

fn param(name: &str) -> u32 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash | 1
}

/// Of a hundred resources 2 are Patients, 8 Encounters, 10 Conditions, the others Observations.
fn name_of(number: u64) -> (&'static str, String) {
    match number % 100 {
        0 | 50 => ("Patient", patient(number / 50)),
        1..9 => ("Encounter", format!("{:016x}-e", spread(number))),
        9..19 => ("Condition", format!("{:016x}-c", spread(number))),
        _ => ("Observation", format!("{:016x}-o", spread(number))),
    }
}

fn resource(number: u64, author: &Author, again: bool) -> NewVersion {
    let (name, own) = name_of(number);
    let n = spread(number ^ 0x55);
    let whose = if name == "Patient" { own.clone() } else { patient(n) };
    let time = (number * 30_000 + n % 86_400_000).to_be_bytes();
    let span = |prefix: &[u8], low: [u8; 8]| [prefix, &low, &low].concat();
    let token = |code: &str, system: &str| [code.as_bytes(), &[0], system.as_bytes()].concat();
    let mut index: Vec<IndexRow> = Vec::new();
    let mut key = |name: &str, value: Vec<u8>| index.push(IndexRow { param: param(name), value, kind: RowKind::Key });
    let about = format!("Patient/{whose}").into_bytes();
    key("_profile", b"http://example.org/StructureDefinition/base".to_vec());
    key("identifier", token(&format!("id{number}"), "urn:mrn"));
    match name {
        "Patient" => {
            for (name, value) in
                [("family", "family"), ("given", "given"), ("address-city", "city"), ("address-postalcode", "zip")]
            {
                key(name, format!("{value}{}\0{value}{}", n % 5000, n % 5000).into_bytes());
                key("name", format!("{value}{}\0{value}{}", n % 5000, n % 5000).into_bytes());
            }
            key("gender", token(if n & 1 == 0 { "male" } else { "female" }, "urn:gender"));
            key("birthdate", span(b"", (n % 30_000).to_be_bytes()));
            key("telecom", token(&format!("555{number}"), "phone"));
            key("phone", token(&format!("555{number}"), "phone"));
            key("active", token("true", "urn:boolean"));
            key("language", token("en", "urn:ietf:bcp:47"));
            key("general-practitioner", format!("Practitioner/{}", n % 300).into_bytes());
            key("organization", format!("Organization/{}", n % 20).into_bytes());
        }
        "Encounter" => {
            key("patient", about.clone());
            key("subject", about);
            key("status", token("finished", "urn:encounter-status"));
            key("class", token(one_of(&["AMB", "IMP", "EMER"], n), "urn:act"));
            key("type", token(&format!("type{}", n % 60), "http://snomed.info/sct"));
            key("date", span(b"", time));
            key("participant", format!("Practitioner/{}", n % 300).into_bytes());
            key("practitioner", format!("Practitioner/{}", n % 300).into_bytes());
            key("participant-type", token("PPRF", "urn:participation"));
            key("location", format!("Location/{}", n % 100).into_bytes());
            key("service-provider", format!("Organization/{}", n % 20).into_bytes());
            key("reason-code", token(&format!("{}", 100_000 + n % 2000), "http://snomed.info/sct"));
            key("length", span(b"min\0", (n % 600).to_be_bytes()));
        }
        "Condition" => {
            key("patient", about.clone());
            key("subject", about);
            key("encounter", format!("Encounter/{:016x}-e", spread(number - number % 100 + 1)).into_bytes());
            key("clinical-status", token("active", "urn:clinical"));
            key("verification-status", token("confirmed", "urn:verification"));
            key("category", token("problem-list-item", "urn:category"));
            key("code", token(&format!("{}", 100_000 + n % 2000), "http://snomed.info/sct"));
            key("code", token(&format!("I{}", n % 1000), "http://hl7.org/fhir/sid/icd-10"));
            key("onset-date", span(b"", time));
            key("recorded-date", span(b"", time));
            key("asserter", format!("Practitioner/{}", n % 300).into_bytes());
            key("severity", token("moderate", "http://snomed.info/sct"));
            key("anchorline:summary", [whose.as_bytes(), &[0x1f, 3, 9], &time].concat());
        }
        _ => {
            let status = if n.is_multiple_of(5000) { "preliminary" } else { "final" };
            let value = (n % 4000).to_be_bytes();
            let code = code(n);
            key("patient", about.clone());
            key("subject", about);
            key("encounter", format!("Encounter/{:016x}-e", spread(number - number % 100 + 1)).into_bytes());
            key("status", token(status, "urn:status"));
            key("category", token(one_of(&["laboratory", "vital-signs"], n), "urn:category"));
            key("code", code.clone());
            key("combo-code", code);
            key("date", span(b"", time));
            key("issued", span(b"", time));
            key("performer", format!("Practitioner/{}", n % 300).into_bytes());
            key("value-quantity", span(b"mmol/L\0", value));
            key("combo-value-quantity", span(b"mmol/L\0", value));
            key("specimen", format!("Specimen/{:016x}", spread(number)).into_bytes());
            key("interpretation", token(one_of(&["N", "H", "L"], n), "urn:interpretation"));
            key("anchorline:summary", [whose.as_bytes(), &[0x1f, 7], &(n % 150).to_be_bytes(), &time].concat());
            index.push(IndexRow {
                param: param("code-value-quantity"),
                value: span(b"718-7", value),
                kind: RowKind::Detail,
            });
            index.push(IndexRow {
                param: param("combo-code-value-quantity"),
                value: span(b"718-7", value),
                kind: RowKind::Detail,
            });
        }
    }
    let text = if again { "again" } else { "first" };
    NewVersion {
        resource_type: name.to_owned(),
        body: Bytes::from(format!(
            r#"{{"resourceType":"{name}","id":"{own}","text":"{text}","filler":"{number:0>1100}"}}"#
        )),
        id: own,
        expect: Expect::Any,
        index,
        patients: vec![whose],
        deleted: false,
        author: author.clone(),
        skip_unchanged: false,
        method: store::Method::Put,
        lean: false,
    }
}

/// What is written of a request beside its resource: exchange, record of the ledger, audit event.
fn commit(first: u64, count: u64, again: bool) -> Commit {
    let now = SystemClock.now();
    let bits = (u128::from(spread(first ^ now.millis().unsigned_abs())) << 64) | u128::from(spread(!first));
    let exchange = ExchangeId::from_random(bits.to_be_bytes());
    let author = Author { source: "Practitioner/1".to_owned(), exchange: Some(exchange) };
    let number = |place: u64| if again { spread(first + place) % 100_000 } else { first + place };
    let mut resources: Vec<NewVersion> = (0..count).map(|place| resource(number(place), &author, again)).collect();
    let audited = resources.first().map(|resource| resource.patients.clone()).unwrap_or_default();
    let key =
        |name: &str, value: String| IndexRow { param: param(name), value: value.into_bytes(), kind: RowKind::Key };
    let id = format!("{:032x}", bits);
    resources.push(NewVersion {
        resource_type: "AuditEvent".to_owned(),
        body: Bytes::from(format!(r#"{{"resourceType":"AuditEvent","id":"{id}","filler":"{first:0>1200}"}}"#)),
        id,
        expect: Expect::Absent,
        index: vec![
            key("patient", format!("Patient/{}", audited.first().cloned().unwrap_or_default())),
            key("agent", "Practitioner/1".to_owned()),
            key("entity", format!("Observation/{first}")),
        ],
        patients: audited,
        deleted: false,
        author: author.clone(),
        skip_unchanged: false,
        method: store::Method::Post,
        lean: false,
    });
    let arrival = Arrival {
        kind: ExchangeKind::Write,
        source: "Practitioner/1".to_owned(),
        format: "fhir-r4".to_owned(),
        received: now,
        message_control_id: None,
        sending_application: None,
        sending_facility: None,
        raw: Bytes::new(),
        sha256: [first as u8; 32],
    };
    let mut change = ExchangeChange::open(exchange, arrival);
    change.state = Some(StateChange::Set(store::ExchangeState::Done));
    let salts = ["in", "out", "patient"].map(|label| Salt { label: label.to_owned(), salt: Bytes::from(vec![1; 32]) });
    Commit {
        resources,
        exchanges: vec![change],
        ledger: vec![NewLedgerRecord { exchange, bytes: Bytes::from(vec![b'r'; 480]), salts: salts.to_vec() }],
        ..Commit::default()
    }
}

fn rss() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// User and system time of this process, in ticks of 10 ms.
fn cpu_time() -> Duration {
    cpu_time_in("/proc/self/stat")
}

/// The same of the calling thread alone.
fn thread_time() -> Duration {
    cpu_time_in("/proc/thread-self/stat")
}

fn cpu_time_in(file: &str) -> Duration {
    let stat = std::fs::read_to_string(file).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}
