//! Whether time tells a withheld resource from one that never was: many requests for both, in turns, through the running
//! program with its audit log on a disk, compared by a two-sample Kolmogorov-Smirnov test.
//!
//! `cargo run --release -p tests --bin timing -- --samples 10000`
//!
//! Prints one JSON object: for each way the medians, the statistic and p; exit 1 if a p is not above 0.01.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use ::tests::http::Http;
use ::tests::measured::{self, HTTP_ALONE, Site, read_answer};
use serde_json::{Value, json};

/// Ids of each kind; requests go through them in turn.
const IDS: usize = 40;

struct Options {
    samples: usize,
    connections: usize,
    program: PathBuf,
    ways: Vec<String>,
}

/// The ways, with what stands for the id.
const WAYS: [(&str, &str); 8] = [
    ("read", "/fhir/Observation/{o}"),
    ("read-patient", "/fhir/Patient/{p}"),
    ("vread", "/fhir/Observation/{o}/_history/1"),
    ("history", "/fhir/Observation/{o}/_history"),
    ("everything", "/fhir/Patient/{p}/$everything"),
    ("summary", "/fhir/Patient/{p}/$summary"),
    ("document", "/fhir/Composition/{c}/$document"),
    ("search", "/fhir/Observation?_id={o}"),
];

fn main() -> ExitCode {
    match options(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok((report, holds)) => {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{report:#}");
            if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let ways = WAYS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut options = Options { samples: 10_000, connections: 8, program: measured::program(), ways };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse::<usize>().map_err(|_| format!("{name}: expected a number"));
        match name.as_str() {
            "--samples" => options.samples = number()?.max(10),
            "--connections" => options.connections = number()?.max(1),
            "--program" => options.program = value.into(),
            "--ways" => options.ways = value.split(',').map(str::to_owned).collect(),
            _ => return Err(format!("unknown option {name}")),
        }
    }
    match options.ways.iter().find(|way| !WAYS.iter().any(|(name, _)| name == way)) {
        Some(unknown) => Err(format!("--ways: no way is called {unknown}")),
        None => Ok(options),
    }
}

fn run(options: &Options) -> Result<(Value, bool), String> {
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let site = Site::new(&options.program, scratch.path(), None, HTTP_ALONE)?;
    let server = site.start()?;
    let address = server.address("http")?;
    seed(&Http::to(address).with(&site.token(&["--role", "administrator", "--purpose", "HOPERAT"])?))?;
    let clinician = ["--role", "clinician", "--purpose", "TREAT", "--actor", "Practitioner/c", "--ttl", "12h"];
    let token = site.token(&clinician)?;
    let (mut report, mut holds) = (serde_json::Map::new(), true);
    for (name, path) in WAYS.iter().filter(|(name, _)| options.ways.iter().any(|way| way == name)) {
        let (mut withheld, mut unknown) = sample(options, address, &token, path)?;
        withheld.sort_unstable();
        unknown.sort_unstable();
        let statistic = distance(&withheld, &unknown);
        let p = probability(statistic, withheld.len(), unknown.len());
        holds &= p > 0.01;
        let at = |times: &[u64], share: usize| times.get(times.len() * share / 100).copied();
        report.insert(
            (*name).to_owned(),
            json!({"samples": withheld.len(), "withheld_us": {"p50": at(&withheld, 50), "p95": at(&withheld, 95)},
                   "unknown_us": {"p50": at(&unknown, 50), "p95": at(&unknown, 95)}, "d": statistic, "p": p}),
        );
        eprintln!("{name}: p = {p:.4}");
    }
    Ok((Value::Object(report), holds))
}

/// Patients who permitted nothing, each with an Observation and a Composition.
fn seed(administrator: &Http) -> Result<(), String> {
    for number in 0..IDS {
        let subject = json!({"reference": format!("Patient/{}", id('p', 'w', number))});
        let resources = [
            json!({"resourceType": "Patient", "id": id('p', 'w', number), "birthDate": "1980-01-01",
                   "name": [{"family": "Invented", "given": ["A"]}]}),
            json!({"resourceType": "Observation", "id": id('o', 'w', number), "status": "final",
                   "code": {"text": "x"}, "subject": subject}),
            json!({"resourceType": "Composition", "id": id('c', 'w', number), "status": "final",
                   "type": {"text": "x"}, "date": "2026-01-01", "title": "x", "subject": subject,
                   "author": [{"reference": "Practitioner/c"}]}),
        ];
        for resource in resources {
            let member = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
            let path = format!("/fhir/{}/{}", member("resourceType"), member("id"));
            let answer = administrator.put(&path, &resource);
            if answer.status != 201 {
                return Err(format!("{path}: {} {}", answer.status, answer.text()));
            }
        }
    }
    Ok(())
}

/// An id of a resource (`p`, `o`, `c`) that is withheld (`w`) or unknown (`u`); all of one length.
fn id(resource: char, kind: char, number: usize) -> String {
    format!("{resource}-{kind}-{number:04}")
}

/// Times in microseconds, withheld and unknown, asked in turns on some connections.
fn sample(options: &Options, address: SocketAddr, token: &str, path: &str) -> Result<(Vec<u64>, Vec<u64>), String> {
    let each = options.samples.div_ceil(options.connections);
    let threads: Vec<_> = (0..options.connections)
        .map(|thread| {
            let (token, path) = (token.to_owned(), path.to_owned());
            std::thread::spawn(move || ask(address, &token, &path, each, thread))
        })
        .collect();
    let (mut withheld, mut unknown) = (Vec::new(), Vec::new());
    for thread in threads {
        let (one, other) = thread.join().map_err(|_| "a connection failed")?.map_err(|error| error.to_string())?;
        withheld.extend(one);
        unknown.extend(other);
    }
    Ok((withheld, unknown))
}

fn ask(
    address: SocketAddr,
    token: &str,
    path: &str,
    each: usize,
    thread: usize,
) -> std::io::Result<(Vec<u64>, Vec<u64>)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (mut withheld, mut unknown) = (Vec::with_capacity(each), Vec::with_capacity(each));
    // The first ones warm up caches.
    for round in 0..each + 20 {
        // Which of the two comes first changes by no pattern that anything in between could follow.
        let first = (round.wrapping_mul(2_654_435_761) >> 7) & 1;
        for turn in [first, 1 - first] {
            let kind = if turn == 0 { 'w' } else { 'u' };
            let number = (round * 7 + thread * 5) % IDS;
            let path = ['o', 'p', 'c']
                .iter()
                .fold(path.to_owned(), |path, name| path.replace(&format!("{{{name}}}"), &id(*name, kind, number)));
            let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n");
            let started = Instant::now();
            stream.write_all(request.as_bytes())?;
            read_answer(&mut stream)?;
            let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            if round >= 20 {
                if turn == 0 { withheld.push(micros) } else { unknown.push(micros) }
            }
        }
    }
    Ok((withheld, unknown))
}

/// The largest distance of the two empirical distributions. Both are sorted.
fn distance(one: &[u64], other: &[u64]) -> f64 {
    let (mut left, mut right, mut largest) = (0, 0, 0.0_f64);
    while left < one.len() && right < other.len() {
        let (Some(first), Some(second)) = (one.get(left), other.get(right)) else { break };
        let at = *first.min(second);
        while one.get(left).is_some_and(|value| *value <= at) {
            left += 1;
        }
        while other.get(right).is_some_and(|value| *value <= at) {
            right += 1;
        }
        largest = largest.max((left as f64 / one.len() as f64 - right as f64 / other.len() as f64).abs());
    }
    largest
}

/// The probability of such a distance between samples of one distribution (Kolmogorov's series, asymptotic).
fn probability(distance: f64, one: usize, other: usize) -> f64 {
    let size = (one as f64 * other as f64 / (one as f64 + other as f64)).sqrt();
    let lambda = (size + 0.12 + 0.11 / size) * distance;
    let term = |k: i32| (if k % 2 == 1 { 2.0 } else { -2.0 }) * (-2.0 * f64::from(k * k) * lambda * lambda).exp();
    if lambda < 0.2 { 1.0 } else { (1..=100).map(term).sum::<f64>().clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_equal_samples_from_shifted_ones() {
        let one: Vec<u64> = (0..5_000).map(|it| it * 7_919 % 10_007).collect();
        let sorted = |shift: u64| {
            let mut times: Vec<u64> = one.iter().map(|it| it + shift).collect();
            times.sort_unstable();
            times
        };
        let p = |shift| probability(distance(&sorted(0), &sorted(shift)), one.len(), one.len());
        assert!(p(0) > 0.99);
        assert!(p(20) > 0.01);
        assert!(p(1_000) < 1e-6);
    }
}
