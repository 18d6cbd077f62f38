//! Loads a store with synthetic exchanges of eight resources of 1 KB and says what it costs.
//!
//! `cargo run --release -p store --example load -- DIRECTORY MESSAGES CALLERS`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use model::time::{Clock as _, SystemClock};
use store::{
    Arrival, Author, Commit, Commits as _, Config, DeliveryChange, DeliveryState, ExchangeChange, ExchangeId,
    ExchangeKind, Expect, IndexRow, NewLedgerRecord, NewVersion, RowKind, Salt, Stage, StateChange, Store,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, messages, callers] = arguments.as_slice() else {
        return Err("usage: load DIRECTORY MESSAGES CALLERS".into());
    };
    let (messages, callers): (u64, u64) = (messages.parse()?, callers.parse()?);
    let store = Store::open(&Config::sled(directory), Arc::new(SystemClock))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let next = Arc::new(AtomicU64::new(0));
    let offset = u64::from(std::process::id()) << 32;
    let start = Instant::now();
    let cpu = cpu_time();
    let mut tasks = Vec::new();
    for _ in 0..callers {
        let (store, next) = (store.clone(), Arc::clone(&next));
        tasks.push(runtime.spawn(async move {
            let mut worst = Duration::ZERO;
            loop {
                let message = next.fetch_add(1, Ordering::Relaxed);
                if message >= messages {
                    return Ok::<_, store::Error>(worst);
                }
                let began = Instant::now();
                store.commit(exchange(offset + message)).await?;
                worst = worst.max(began.elapsed());
                store.commit(delivered(offset + message)).await?;
            }
        }));
    }
    let watched = Arc::clone(&next);
    let watch = runtime.spawn(async move {
        let step = (messages / 8).max(1);
        let mut mark = step;
        while mark <= messages {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if watched.load(Ordering::Relaxed) >= mark {
                eprintln!("{mark} messages: RSS {} MiB, {:.1} s", rss() >> 20, start.elapsed().as_secs_f64());
                mark += step;
            }
        }
    });
    let mut worst = Duration::ZERO;
    for task in tasks {
        worst = worst.max(runtime.block_on(task)??);
    }
    runtime.block_on(watch)?;
    let (wall, cpu) = (start.elapsed(), cpu_time() - cpu);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / messages as f64;
    eprintln!(
        "{messages} messages, {callers} callers: {:.0} exchanges/s (two commits each), {:.0} us wall and {:.0} us CPU each, worst {:.1} ms",
        messages as f64 / wall.as_secs_f64(),
        each(wall),
        each(cpu),
        worst.as_secs_f64() * 1e3,
    );
    drop(store);
    eprintln!("closed after {:.1} s, RSS {} MiB", start.elapsed().as_secs_f64(), rss() >> 20);
    Ok(())
}

/// An id spread over the whole range, the same for the same number.
fn spread(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn id(message: u64) -> ExchangeId {
    let bits = (u128::from(spread(message)) << 64) | u128::from(spread(!message));
    ExchangeId::from_random(bits.to_be_bytes())
}

fn exchange(message: u64) -> Commit {
    let now = SystemClock.now();
    let exchange = id(message);
    let author = Author { source: "lab".to_owned(), exchange: Some(exchange) };
    let person = message % 20_000;
    let patient = format!("{:016x}-patient", spread(person));
    let types = [
        "Patient",
        "Encounter",
        "DiagnosticReport",
        "Observation",
        "Observation",
        "Observation",
        "Provenance",
        "AuditEvent",
    ];
    let mut resources = Vec::new();
    for (place, name) in (0_u64..).zip(types) {
        let own = if place == 0 { patient.clone() } else { format!("{:016x}-{place}", spread(message * 8 + place)) };
        let filler = if place == 0 { person } else { message };
        let body = format!(r#"{{"resourceType":"{name}","id":"{own}","text":"{filler:0>900}"}}"#);
        let key = |param: u32, value: String| IndexRow { param, value: value.into_bytes(), kind: RowKind::Key };
        let detail = |param: u32, value: String| IndexRow { param, value: value.into_bytes(), kind: RowKind::Detail };
        let mut index = vec![detail(9, "2024-01-01".to_owned()), detail(10, format!("Patient/{patient}"))];
        if place < 3 {
            index.push(key(1, format!("urn:hospital|{own}")));
        }
        if place == 0 {
            index.extend([
                key(2, format!("family{person}")),
                key(3, "given".to_owned()),
                key(4, "1970-01-01".to_owned()),
            ]);
        }
        resources.push(NewVersion {
            resource_type: name.to_owned(),
            id: own,
            expect: Expect::SameSource,
            body: Bytes::from(body),
            index,
            patients: vec![patient.clone()],
            deleted: false,
            author: author.clone(),
            skip_unchanged: true,
            method: store::Method::Put,
            lean: false,
        });
    }
    let raw = Bytes::from(vec![b'x'; 1500]);
    let arrival = Arrival {
        kind: ExchangeKind::Arrival,
        source: "lab".to_owned(),
        format: "hl7v2".to_owned(),
        received: now,
        message_control_id: Some(format!("{message:012}")),
        sending_application: Some("LAB".to_owned()),
        sending_facility: Some("NORTH".to_owned()),
        raw,
        sha256: [message as u8; 32],
    };
    let stage = |name: &str| Stage { name: name.to_owned(), at: now, outcome: "ok".to_owned() };
    let mut change = ExchangeChange::open(exchange, arrival);
    change.state = Some(StateChange::FromDeliveries);
    change.patient = Some(patient);
    change.stages = ["accept", "parse", "map", "validate", "commit"].map(stage).to_vec();
    change.answer = Some(Bytes::from(vec![b'a'; 120]));
    Commit {
        resources,
        exchanges: vec![change],
        deliveries: vec![DeliveryChange::new(exchange, "registry", DeliveryState::Pending)],
        ledger: vec![record(exchange)],
        ..Commit::default()
    }
}

fn record(exchange: ExchangeId) -> NewLedgerRecord {
    let salts = ["in", "out", "patient"].map(|label| Salt { label: label.to_owned(), salt: Bytes::from(vec![1; 32]) });
    NewLedgerRecord { exchange, bytes: Bytes::from(vec![b'r'; 480]), salts: salts.to_vec() }
}

fn delivered(message: u64) -> Commit {
    let exchange = id(message);
    let mut change = ExchangeChange::update(exchange);
    change.state = Some(StateChange::FromDeliveries);
    Commit {
        exchanges: vec![change],
        deliveries: vec![DeliveryChange::new(exchange, "registry", DeliveryState::Delivered)],
        ledger: vec![record(exchange)],
        ..Commit::default()
    }
}

fn rss() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// User and system time of this process, in ticks of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}
