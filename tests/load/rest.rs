//! What a FHIR request costs: the real program with consent, audit and ledger on, in turns with a plain hyper server that
//! answers bytes of the same length.
//!
//! `cargo run --release -p tests --bin rest`
//!
//! Options: `--requests N` of each kind and round, `--rounds N`, `--connections N`, `--kinds read,search,...`,
//! `--patients N` (of 63 resources each), `--program PATH`. With `--rate N` so many searches a second arrive for
//! `--seconds N`, whether or not the one before was answered, and the store is closed and opened again. Prints one JSON
//! object: for each kind the server's CPU time a request, beside that of the floor, and the latencies seen by the client,
//! which shares the machine. Everything stays on loopback.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::tests::http::Http;
use ::tests::measured::{self, HTTP_ALONE, Server, Site, read_answer};
use serde_json::{Map, Value, json};

#[path = "rest/floor.rs"]
mod floor;
#[path = "rest/records.rs"]
mod records;

use records::{CODES, EACH, OBSERVATIONS, observed, seed, transaction};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    NotModified,
    Vread,
    Search,
    SearchByType,
    Create,
    Update,
    Transaction(usize),
}

const KINDS: [(&str, Kind); 9] = [
    ("read", Kind::Read),
    ("read-not-modified", Kind::NotModified),
    ("vread", Kind::Vread),
    ("search", Kind::Search),
    ("search-by-type", Kind::SearchByType),
    ("create", Kind::Create),
    ("update", Kind::Update),
    ("transaction-100", Kind::Transaction(100)),
    ("transaction-500", Kind::Transaction(500)),
];

struct Options {
    requests: u64,
    rounds: usize,
    connections: usize,
    patients: usize,
    rate: u64,
    seconds: u64,
    kinds: Vec<String>,
    program: PathBuf,
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("--floor") {
        return floor::serve();
    }
    match options(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(report) => {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{report:#}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        requests: 20_000,
        rounds: 3,
        connections: 8,
        patients: 200,
        rate: 0,
        seconds: 30,
        kinds: KINDS.iter().map(|(name, _)| (*name).to_owned()).collect(),
        program: measured::program(),
    };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse::<usize>().map_err(|_| format!("{name}: expected a number"));
        match name.as_str() {
            "--requests" => options.requests = number()?.max(1) as u64,
            "--rounds" => options.rounds = number()?.max(1),
            "--connections" => options.connections = number()?.max(1),
            "--patients" => options.patients = number()?.max(1),
            "--rate" => options.rate = number()? as u64,
            "--seconds" => options.seconds = number()?.max(1) as u64,
            "--kinds" => options.kinds = value.split(',').map(str::to_owned).collect(),
            "--program" => options.program = value.into(),
            _ => return Err(format!("unknown option {name}")),
        }
    }
    match options.kinds.iter().find(|kind| !KINDS.iter().any(|(name, _)| name == kind)) {
        Some(unknown) => Err(format!("--kinds: no kind is called {unknown}")),
        None => Ok(options),
    }
}

fn run(options: &Options) -> Result<Value, String> {
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let site = Site::new(&options.program, scratch.path(), None, HTTP_ALONE)?;
    let begun = Instant::now();
    let mut gateway = site.start()?;
    let first_start = begun.elapsed();
    let token = |role: &str, purpose: &str| {
        site.token(&["--role", role, "--purpose", purpose, "--actor", "Practitioner/d", "--ttl", "12h"])
    };
    let administrator = Http::to(gateway.address("http")?).with(&token("administrator", "HOPERAT")?);
    let seeded = Instant::now();
    seed(options.patients, &administrator)?;
    let (seeded, seeding) = (seeded.elapsed(), gateway.cpu_seconds());
    let token = token("clinician", "TREAT")?;
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let floor = Server::spawn(Command::new(own).arg("--floor"))?;
    let mut report = Map::new();
    report.insert("first_start_ms".into(), json!(first_start.as_millis() as u64));
    for (name, kind) in KINDS.iter().filter(|(name, _)| options.kinds.iter().any(|wanted| wanted == name)) {
        let (mut ours, mut least) = (Vec::new(), Vec::new());
        for round in 0..options.rounds {
            ours.push(measure(options, &gateway, *kind, &token, round)?);
            least.push(measure(options, &floor, *kind, &token, round)?);
        }
        report.insert((*name).to_owned(), json!({ "gateway": summed(&ours), "floor": summed(&least) }));
        eprintln!("{name}: {}", report.get(*name).unwrap_or(&Value::Null));
    }
    let resources = options.patients * EACH;
    report.insert(
        "seeded".into(),
        json!({ "resources": resources, "seconds": seeded.as_secs(),
            "cpu_us_each": seeding.map(|cpu| (cpu * 1e6 / resources as f64).round()) }),
    );
    report.insert("rss_mib".into(), json!(gateway.resident_mib()));
    if options.rate > 0 {
        report.insert("at_rate".into(), at_rate(options, &gateway, &token)?);
        gateway.end();
        let begun = Instant::now();
        gateway = site.start()?;
        report.insert("reopen_ms".into(), json!(begun.elapsed().as_millis() as u64));
        report.insert("at_rate_reopened".into(), at_rate(options, &gateway, &token)?);
        report.insert("disk_mib".into(), json!(bytes_under(site.data()) >> 20));
    }
    Ok(Value::Object(report))
}

/// Searches that arrive at a fixed rate: latencies count from when each was due.
fn at_rate(options: &Options, server: &Server, token: &str) -> Result<Value, String> {
    let total = options.rate * options.seconds;
    let next = Arc::new(AtomicU64::new(0));
    let (address, patients) = (server.address("http")?, options.patients);
    let before = server.cpu_seconds().ok_or("no CPU time")?;
    let begun = Instant::now();
    let gap = Duration::from_secs(1) / u32::try_from(options.rate).unwrap_or(u32::MAX);
    let threads: Vec<_> = (0..options.connections)
        .map(|_| {
            let (next, token) = (Arc::clone(&next), token.to_owned());
            std::thread::spawn(move || -> std::io::Result<Vec<u64>> {
                let mut stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                let mut latencies = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= total {
                        return Ok(latencies);
                    }
                    let due = begun + gap * u32::try_from(number).unwrap_or(u32::MAX);
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let request =
                        request(Kind::Search, address, &token, patients, (number as usize).wrapping_mul(7_919));
                    stream.write_all(&request)?;
                    let status = read_answer(&mut stream)?;
                    latencies.push(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX));
                    if status != 200 {
                        return Err(std::io::Error::other(format!("search: status {status}")));
                    }
                }
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for thread in threads {
        latencies.extend(thread.join().map_err(|_| "a connection failed")?.map_err(|error| error.to_string())?);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = server.cpu_seconds().ok_or("no CPU time")? - before;
    let rss = server.resident_mib();
    let round = summed(&[Round { cpu, seconds, latencies }]);
    Ok(json!({ "search": round, "rss_mib": rss }))
}

fn bytes_under(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => bytes_under(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

/// One round: CPU time of the server, wall time, latencies.
struct Round {
    cpu: f64,
    seconds: f64,
    latencies: Vec<u64>,
}

/// The round with the median CPU time; latencies of all.
fn summed(rounds: &[Round]) -> Value {
    let mut cpu: Vec<f64> = rounds.iter().map(|round| round.cpu * 1e6 / round.latencies.len().max(1) as f64).collect();
    cpu.sort_by(f64::total_cmp);
    let mut latencies: Vec<u64> = rounds.iter().flat_map(|round| round.latencies.iter().copied()).collect();
    latencies.sort_unstable();
    let at = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied();
    let seconds: f64 = rounds.iter().map(|round| round.seconds).sum();
    let rounded = |value: f64| (value * 10.0).round() / 10.0;
    json!({
        "cpu_us": cpu.get(cpu.len() / 2).copied().map(rounded),
        "cpu_us_least": cpu.first().copied().map(rounded),
        "per_second": (latencies.len() as f64 / seconds).round(),
        "p50_us": at(0.5), "p99_us": at(0.99),
    })
}

fn measure(options: &Options, server: &Server, kind: Kind, token: &str, round: usize) -> Result<Round, String> {
    let total = match kind {
        Kind::Transaction(entries) => (options.requests / entries as u64 / 4).max(5),
        Kind::Create | Kind::Update => options.requests / 4,
        _ => options.requests,
    };
    let address = server.address("http")?;
    // A few to fill caches, outside the measurement.
    drive(options, address, kind, token, (total / 20).max(2), round + 1_000)?;
    let before = server.cpu_seconds().ok_or("no CPU time")?;
    let begun = Instant::now();
    let latencies = drive(options, address, kind, token, total, round)?;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = server.cpu_seconds().ok_or("no CPU time")? - before;
    Ok(Round { cpu, seconds, latencies })
}

fn drive(
    options: &Options,
    address: SocketAddr,
    kind: Kind,
    token: &str,
    total: u64,
    round: usize,
) -> Result<Vec<u64>, String> {
    let next = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..options.connections)
        .map(|_| {
            let (next, token, patients) = (Arc::clone(&next), token.to_owned(), options.patients);
            std::thread::spawn(move || ask(address, kind, &token, patients, round, &next, total))
        })
        .collect();
    let mut latencies = Vec::new();
    for thread in threads {
        latencies.extend(thread.join().map_err(|_| "a connection failed")?.map_err(|error| error.to_string())?);
    }
    Ok(latencies)
}

fn ask(
    address: SocketAddr,
    kind: Kind,
    token: &str,
    patients: usize,
    round: usize,
    next: &AtomicU64,
    total: u64,
) -> std::io::Result<Vec<u64>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed) as usize;
        if number as u64 >= total {
            return Ok(latencies);
        }
        let request = request(kind, address, token, patients, number.wrapping_mul(7_919).wrapping_add(round * 31));
        let begun = Instant::now();
        stream.write_all(&request)?;
        let status = read_answer(&mut stream)?;
        latencies.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        if !matches!(status, 200 | 201 | 304) {
            return Err(std::io::Error::other(format!("{kind:?}: status {status}")));
        }
    }
}

fn request(kind: Kind, address: SocketAddr, token: &str, patients: usize, number: usize) -> Vec<u8> {
    let patient = number % patients;
    let observation = format!("Observation/o-{patient}-{}", number / patients % OBSERVATIONS);
    let (method, path, body) = match kind {
        Kind::Read | Kind::NotModified => ("GET", format!("/fhir/{observation}"), String::new()),
        Kind::Vread => ("GET", format!("/fhir/{observation}/_history/1"), String::new()),
        Kind::Search => {
            let code = number / patients % CODES;
            let path =
                format!("/fhir/Observation?patient=Patient/p-{patient}&code=http%3A%2F%2Floinc.org%7C{}", 8_000 + code);
            ("GET", path, String::new())
        }
        Kind::SearchByType => {
            let day = number / patients % 28 + 1;
            (
                "GET",
                format!("/fhir/Observation?patient=Patient/p-{patient}&date=ge2026-01-{day:02}&_count=10"),
                String::new(),
            )
        }
        Kind::Create => ("POST", "/fhir/Observation".to_owned(), observed(None, patient, number).to_string()),
        Kind::Update => {
            let id = observation.trim_start_matches("Observation/");
            ("PUT", format!("/fhir/{observation}"), observed(Some(id), patient, number).to_string())
        }
        Kind::Transaction(entries) => ("POST", "/fhir".to_owned(), transaction(entries, patient, number).to_string()),
    };
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n");
    if kind == Kind::NotModified {
        head.push_str("If-None-Match: W/\"1\"\r\n");
    }
    if method != "GET" {
        head.push_str(&format!("Content-Type: application/fhir+json\r\nContent-Length: {}\r\n", body.len()));
    }
    format!("{head}\r\n{body}").into_bytes()
}
