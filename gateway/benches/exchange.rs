//! A whole exchange over real sockets: MLLP in, parse, map, validate, commit, durable acknowledgement.
//!
//! `cargo bench -p gateway --bench exchange`. Beside it stands the floor: one append with `fdatasync` on a zero-filled
//! file of the same disk, in the same run. The rates of `threads = 8` and `32` come from as many senders in original
//! mode, each waiting for its answer; `tests/load` measures the same from another process, with CPU and memory.
#![allow(clippy::expect_used, reason = "a benchmark that meets the unexpected ends")]

use std::cell::RefCell;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use gateway::config::Config;
use model::time::SystemClock;

fn main() {
    divan::main();
}

static NEXT: AtomicU64 = AtomicU64::new(1);

static GATEWAY: LazyLock<SocketAddr> = LazyLock::new(|| {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let config = Config::parse(CONFIGURATION, folder.path()).expect("the configuration holds");
            let running =
                gateway::serve::start(config, folder.path(), Arc::new(SystemClock)).await.expect("the gateway starts");
            sender.send(running.mllp().expect("MLLP listens")).expect("the benchmark waits");
            std::future::pending::<()>().await;
        });
    });
    receiver.recv_timeout(Duration::from_secs(30)).expect("the gateway is ready")
});

const CONFIGURATION: &str = "[listen]\nhttps = \"127.0.0.1:0\"\nmllp = \"127.0.0.1:0\"\n[auth]\nmode = \"development\"\n\
    [[source]]\nname = \"bench\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\n";

thread_local! {
    static CONNECTION: RefCell<Option<TcpStream>> = const { RefCell::new(None) };
}

#[divan::bench(threads = [1, 8, 32], sample_count = 100, sample_size = 8)]
fn admission(bencher: Bencher) {
    bencher.counter(ItemsCount::new(1_u32)).bench(|| exchange(admit(NEXT.fetch_add(1, Ordering::Relaxed))));
}

#[divan::bench(threads = [1, 8, 32], sample_count = 100, sample_size = 8)]
fn results(bencher: Bencher) {
    bencher.counter(ItemsCount::new(1_u32)).bench(|| exchange(report(NEXT.fetch_add(1, Ordering::Relaxed))));
}

/// The least that a durable answer costs on this disk.
#[divan::bench(sample_count = 100, sample_size = 8)]
fn floor_append_and_fdatasync(bencher: Bencher) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut file = File::create(folder.path().join("floor")).expect("a file");
    file.write_all(&vec![0; 4 << 20]).and_then(|()| file.sync_all()).expect("a zero-filled file");
    file.seek(SeekFrom::Start(0)).expect("a seekable file");
    let file = Mutex::new((file, 0_u64));
    bencher.counter(ItemsCount::new(1_u32)).bench(|| {
        let mut held = file.lock().expect("one thread");
        held.1 = (held.1 + 4096) % (4 << 20);
        let at = held.1;
        held.0.seek(SeekFrom::Start(at)).expect("a seekable file");
        held.0.write_all(&[1; 4096]).expect("room");
        held.0.sync_data().expect("a disk");
    });
}

fn exchange(message: String) {
    CONNECTION.with_borrow_mut(|connection| {
        let stream = connection.get_or_insert_with(|| {
            let stream = TcpStream::connect(*GATEWAY).expect("the gateway listens");
            stream.set_nodelay(true).expect("a socket");
            stream
        });
        let mut frame = vec![0x0B];
        frame.extend_from_slice(message.as_bytes());
        frame.extend_from_slice(&[0x1C, 0x0D]);
        stream.write_all(&frame).expect("the gateway reads");
        let (mut answer, mut buffer) = (Vec::new(), [0_u8; 2048]);
        while !answer.ends_with(&[0x1C, 0x0D]) {
            let read = stream.read(&mut buffer).expect("the gateway answers");
            assert!(read > 0, "the gateway closed the connection");
            answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
        }
        assert!(answer.windows(7).any(|bytes| bytes == b"MSA|AA|"), "{}", String::from_utf8_lossy(&answer));
    });
}

fn header(number: u64, kind: &str) -> String {
    format!("MSH|^~\\&|BENCH|NORTH|ANCHORLINE|GATEWAY|20260301101500+0100||{kind}|B{number}|P|2.5.1\r")
}

fn patient(number: u64) -> String {
    let patient = number / 20;
    format!(
        "PID|1||P{patient}^^^NORTH&2.999.1.4&ISO^MR||Fenwick{patient}^Orla^June||19710101|F|||7 Harbour Lane^^Millbrook^MB^40012\r"
    )
}

fn admit(number: u64) -> String {
    let mut text = header(number, "ADT^A01^ADT_A01");
    text.push_str("EVN|A01|20260301101400+0100\r");
    text.push_str(&patient(number));
    text.push_str(
        "NK1|1|Fenwick^Tomas|SPO^Spouse^HL70063|12 Harbour Lane^^Millbrook^MB^40012|^PRN^PH^^99^555^7001122\r",
    );
    text.push_str(&format!(
        "PV1|1|I|W3^12^A^NORTH|E|||D11^Adeyemi^Sola^^^Dr||||||||||||V{number}^^^NORTH^VN|||||||||||||||||||||||||20260301100000+0100\r"
    ));
    text.push_str("AL1|1|DA^Drug allergy^HL70127|70618^Penicillin^RXNORM|SV^Severe^HL70128|Urticaria\r");
    text.push_str("DG1|1||K35.80^Acute appendicitis^I10||20260301|A\r");
    text
}

fn report(number: u64) -> String {
    let mut text = header(number, "ORU^R01^ORU_R01");
    text.push_str(&patient(number));
    text.push_str(&format!(
        "ORC|RE|O{number}^BENCH|F{number}^LAB||CM\rOBR|1|O{number}^BENCH|F{number}^LAB|24323-8^Comprehensive metabolic panel^LN|||\
         20260301093000+0100|||||||||D11^Adeyemi^Sola||||||20260301101000+0100||CH|F\r"
    ));
    for line in 1..=24 {
        text.push_str(&format!(
            "OBX|{line}|NM|2{line:03}-1^Analyte {line}^LN|1|{}.50|mmol/L^millimole per litre^UCUM|3.5-5.1|N|||F|||20260301095500+0100\r",
            (number + line) % 90,
        ));
    }
    text
}
