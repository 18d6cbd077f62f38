//! Load on the real program: MLLP senders against a fresh data directory, beside the floor of the same disk.
//!
//! `cargo run --release -p tests --bin load -- --senders 32 --messages 20000`
//!
//! `cargo run --release -p tests --bin load -- --emergency 50000 --senders 8` declares and reads one record of so many
//! resources, one after the other beside so many senders; with `--rate 20` so many arrive a second, while `--grants` are
//! open.
//!
//! Prints one JSON object: acknowledgements a second, latency percentiles, the server's CPU time and resident memory,
//! and how long one append with `fdatasync` on a zero-filled file takes on the same disk, measured in turns with the
//! load. Everything stays on loopback, and the program that was started is stopped again.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tests::measured::{self, Server, Site};

mod emergency;

struct Options {
    emergency: Option<usize>,
    grants: usize,
    rate: u64,
    samples: usize,
    senders: usize,
    messages: u64,
    kind: Kind,
    program: PathBuf,
    data: Option<PathBuf>,
    rss_every: u64,
    cache: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Adt,
    Oru,
}

fn main() -> ExitCode {
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
        emergency: None,
        grants: 200,
        rate: 0,
        samples: 200,
        senders: 32,
        messages: 20_000,
        kind: Kind::Adt,
        program: measured::program(),
        data: None,
        rss_every: 50_000,
        cache: "128MiB".into(),
    };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{name}: expected a number"));
        match name.as_str() {
            "--senders" => options.senders = number()? as usize,
            "--messages" => options.messages = number()?,
            "--emergency" => options.emergency = Some(number()? as usize),
            "--grants" => options.grants = number()? as usize,
            "--rate" => options.rate = number()?,
            "--samples" => options.samples = number()? as usize,
            "--rss-every" => options.rss_every = number()?.max(1),
            "--cache" => options.cache = value,
            "--program" => options.program = value.into(),
            "--data" => options.data = Some(value.into()),
            "--kind" => {
                options.kind = match value.as_str() {
                    "adt" => Kind::Adt,
                    "oru" => Kind::Oru,
                    _ => return Err("--kind: expected adt or oru".into()),
                }
            }
            _ => return Err(format!("unknown option {name}")),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<serde_json::Value, String> {
    if let Some(size) = options.emergency {
        return emergency::run(options, size);
    }
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let site = Site::new(&options.program, scratch.path(), options.data.as_deref(), &configuration(&options.cache))?;
    let floor_before = floor(scratch.path()).map_err(|error| error.to_string())?;
    let server = site.start()?;
    let (seconds, mut latencies, memory) = drive(options, &server)?;
    let usage = server.cpu_seconds();
    server.end();
    let floor_after = floor(scratch.path()).map_err(|error| error.to_string())?;
    latencies.sort_unstable();
    let at = |share: f64| latencies.get(((latencies.len() as f64 * share) as usize).min(latencies.len() - 1)).copied();
    Ok(json!({
        "senders": options.senders,
        "messages": options.messages,
        "kind": if options.kind == Kind::Adt { "ADT^A01" } else { "ORU^R01" },
        "acknowledged_per_second": (options.messages as f64 / seconds).round(),
        "latency_us": { "p50": at(0.5), "p95": at(0.95), "p99": at(0.99) },
        "server_cpu_us_per_message": usage.map(|used| (used * 1e6 / options.messages as f64).round()),
        "floor_append_fdatasync_us": { "before": floor_before.as_micros() as u64, "after": floor_after.as_micros() as u64 },
        "p50_over_floor": at(0.5).map(|p50| {
            let floor = (floor_before + floor_after).as_micros() as f64 / 2.0;
            (p50 as f64 / floor * 100.0).round() / 100.0
        }),
        "rss_mib": memory,
    }))
}

fn configuration(cache: &str) -> String {
    format!(
        "[listen]\nhttps = \"127.0.0.1:0\"\nmllp = \"127.0.0.1:0\"\n\n[store]\ncache = \"{cache}\"\n\n\
         [auth]\nmode = \"development\"\n\n\
         [[source]]\nname = \"load\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\nmatch = {{ sending_application = \"LOAD\" }}\n"
    )
}

type Driven = (f64, Vec<u64>, Vec<serde_json::Value>);

fn drive(options: &Options, server: &Server) -> Result<Driven, String> {
    let address = server.address("mllp")?;
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let workers: Vec<_> = (0..options.senders)
        .map(|_| {
            let (next, kind, total) = (Arc::clone(&next), options.kind, options.messages);
            std::thread::spawn(move || send_all(address, kind, &next, total))
        })
        .collect();
    let mut memory = Vec::new();
    let mut due = options.rss_every;
    while workers.iter().any(|worker| !worker.is_finished()) {
        let done = next.load(Ordering::Relaxed);
        if done >= due {
            memory.push(json!({ "messages": done, "rss": server.resident_mib() }));
            due += options.rss_every;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut latencies = Vec::new();
    for worker in workers {
        latencies.extend(worker.join().map_err(|_| "a sender panicked".to_owned())??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    memory.push(json!({ "messages": options.messages, "rss": server.resident_mib() }));
    Ok((seconds, latencies, memory))
}

/// One sender in original mode: the next message goes out when the last is acknowledged. Latencies in microseconds.
fn send_all(address: SocketAddr, kind: Kind, next: &AtomicU64, total: u64) -> Result<Vec<u64>, String> {
    let mut stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(|error| error.to_string())?;
    let mut latencies = Vec::new();
    let mut answer = Vec::new();
    let mut buffer = [0_u8; 4096];
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= total {
            return Ok(latencies);
        }
        let mut frame = vec![0x0B];
        frame.extend_from_slice(message(kind, number).as_bytes());
        frame.extend_from_slice(&[0x1C, 0x0D]);
        let sent = Instant::now();
        stream.write_all(&frame).map_err(|error| error.to_string())?;
        answer.clear();
        while !answer.ends_with(&[0x1C, 0x0D]) {
            let read = stream.read(&mut buffer).map_err(|error| error.to_string())?;
            if read == 0 {
                return Err("the connection was closed before an answer".into());
            }
            answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
        }
        latencies.push(sent.elapsed().as_micros() as u64);
        let text = String::from_utf8_lossy(&answer);
        if !text.contains(&format!("MSA|AA|L{number}|")) {
            return Err(format!("message L{number} was not accepted: {text:?}"));
        }
    }
}

/// A synthetic admission of about 1.2 KB, or a panel of 24 results of about 3 KB; one patient in twenty returns.
fn message(kind: Kind, number: u64) -> String {
    let patient = number / 20 * 7 + number % 7;
    let mut text = format!(
        "MSH|^~\\&|LOAD|NORTH WING|ANCHORLINE|GATEWAY|20260301101500+0100||{}|L{number}|P|2.5.1\r",
        if kind == Kind::Adt { "ADT^A01^ADT_A01" } else { "ORU^R01^ORU_R01" }
    );
    if kind == Kind::Adt {
        text.push_str("EVN|A01|20260301101400+0100|||OP7^Okafor^Ngozi\r");
    }
    text.push_str(&format!(
        "PID|1||P{patient}^^^NORTH&2.999.1.4&ISO^MR~N{patient}^^^STATE^NI||Fenwick{patient}^Orla^June^^Ms||19710{m}{d:02}|F|||\
         {street} Harbour Lane^Flat 2^Millbrook^MB^40{postal:03}^XX||^PRN^PH^^99^555^{phone:07}||en|M|||S{patient:08}\r",
        m = patient % 9 + 1,
        d = patient % 28 + 1,
        street = patient % 200 + 1,
        postal = patient % 1000,
        phone = patient % 10_000_000,
    ));
    if kind == Kind::Adt {
        text.push_str(
            "NK1|1|Fenwick^Tomas|SPO^Spouse^HL70063|12 Harbour Lane^^Millbrook^MB^40012|^PRN^PH^^99^555^7001122\r",
        );
        text.push_str(&format!(
            "PV1|1|I|W3^12^A^NORTH^^^^MAIN|E|||D11^Adeyemi^Sola^^^Dr|D12^Brandt^Lena^^^Dr||MED||||7|A0|||||V{number}^^^NORTH^VN|||\
             ||||||||||||||||||||20260301100000+0100\r"
        ));
        text.push_str("PV2||2^Semi-private|K35.80^Acute appendicitis^I10||||||||||||||||||||||N\r");
        text.push_str("AL1|1|DA^Drug allergy^HL70127|70618^Penicillin^RXNORM|SV^Severe^HL70128|Urticaria\r");
        text.push_str("DG1|1||K35.80^Acute appendicitis^I10||20260301|A|||||||||1|D11^Adeyemi^Sola\r");
        text.push_str("IN1|1|PLAN7^Harbour Basic|INS3|Harbour Mutual|1 Quay St^^Millbrook^MB^40001|||GR55||||||||Fenwick^Orla|SEL^Self|19710101\r");
    } else {
        text.push_str(&format!("PV1|1|O|LAB^1^^NORTH|||||||||||||||||V{number}^^^NORTH^VN\r"));
        text.push_str(&format!(
            "ORC|RE|O{number}^LOAD|F{number}^LAB||CM\rOBR|1|O{number}^LOAD|F{number}^LAB|24323-8^Comprehensive metabolic panel^LN|||\
             20260301093000+0100|||||||||D11^Adeyemi^Sola||||||20260301101000+0100||CH|F\r"
        ));
        for line in 1..=24 {
            text.push_str(&format!(
                "OBX|{line}|NM|2{line:03}-{c}^Analyte {line}^LN|1|{v}.{f}0|mmol/L^millimole per litre^UCUM|3.5-5.1|N|||F|||20260301095500+0100\r",
                c = line % 10,
                v = (number + line) % 90,
                f = line % 10,
            ));
        }
    }
    text
}

/// Median time of one 4 KiB append with `fdatasync` on a zero-filled file: the least a durable answer can cost here.
fn floor(folder: &Path) -> std::io::Result<Duration> {
    let path = folder.join("floor");
    let mut file: File = OpenOptions::new().create(true).write(true).truncate(true).open(&path)?;
    let block = vec![0_u8; 4096];
    for _ in 0..512 {
        file.write_all(&block)?;
    }
    file.sync_all()?;
    file.seek(SeekFrom::Start(0))?;
    let mut times = Vec::new();
    for round in 0..300_u64 {
        let begun = Instant::now();
        file.write_all(&vec![round as u8; 4096])?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    std::fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}
