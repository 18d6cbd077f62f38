//! What bad input gets: the right code, the place and the reason; nothing lost; and the next good message goes through.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::http::Http;
use tests::mllp::{Mllp, field};
use tests::process::{Gateway, configuration, program, run, wait_until};

const WARD: &str = "[[source]]\nname = \"ward\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\n\
                    match = { sending_application = \"WARD\" }\n";

fn admission(control: &str) -> String {
    format!(
        "MSH|^~\\&|WARD|NORTH|ANCHORLINE|GATEWAY|20260301101500+0100||ADT^A01^ADT_A01|{control}|P|2.5.1\r\
         EVN|A01|20260301101400+0100\r\
         PID|1||P1^^^NORTH^MR||Beispiel^Ada||19800101|F\r\
         PV1|1|I|W1^2^A|||||||||||||||||V1^^^NORTH^VN\r"
    )
}

fn gateway() -> Gateway {
    Gateway::start(&configuration(WARD))
}

/// The acknowledgement of one message, and then of a good one on the same connection.
fn answer(gateway: &Gateway, message: &str) -> String {
    let mut mllp = Mllp::connect(gateway.mllp.unwrap()).unwrap();
    let answer = mllp.send(message).unwrap();
    let next = mllp.send(&admission(&format!("AFTER{}", message.len()))).unwrap();
    assert_eq!(field(&next, "MSA", 1), "AA", "the next message suffers: {next:?}");
    answer
}

#[track_caller]
fn check(gateway: &Gateway, message: &str, code: &str, says: &str) {
    let answer = answer(gateway, message);
    assert_eq!(field(&answer, "MSA", 1), code, "{answer:?}");
    assert!(answer.contains("\rERR|"), "no ERR: {answer:?}");
    assert!(answer.contains(says), "expected {says:?} in {answer:?}");
}

#[test]
fn refusals_name_code_place_and_reason() {
    let gateway = gateway();
    check(&gateway, "this is not HL7", "AR", "|100^");
    check(&gateway, &admission("U1").replace("ADT^A01^ADT_A01", "ZZZ^Z01^ZZZ_Z01"), "AR", "MSH^1^9");
    check(&gateway, &admission("U2").replace("|WARD|", "|ELSEWHERE|"), "AR", "ERR|");
    check(&gateway, &admission("U3").replace("ADT^A01^ADT_A01", ""), "AR", "MSH^1^9");
    check(&gateway, &admission(""), "AR", "MSH^1^10");
    let no_patient = admission("U4").replace("P1^^^NORTH^MR", "").replace("Beispiel^Ada", "");
    check(&gateway, &no_patient, "AE", "PID");
}

#[test]
fn what_can_be_read_is_kept_and_what_cannot_is_named() {
    let gateway = gateway();
    let administrator = Http::to(gateway.http.unwrap()).with(&gateway.administrator());
    let date = answer(&gateway, &admission("D1").replace("19800101", "19801399"));
    assert_eq!(field(&date, "MSA", 1), "AA", "{date:?}");
    let found = administrator.get("/exchanges?message-control-id=D1").json();
    let id = found["exchanges"][0]["id"].as_str().expect("the exchange is there").to_owned();
    let exchange = administrator.get(&format!("/exchanges/{id}")).json();
    assert!(exchange["issues"].to_string().contains("PID-7"), "{exchange}");
    let nul = answer(&gateway, &admission("D2").replace("Ada", "A\0da"));
    assert!(["AA", "AE"].contains(&field(&nul, "MSA", 1)), "{nul:?}");
    let charset = answer(&gateway, &admission("D3").replace("|P|2.5.1", "|P|2.5.1||||||NO SUCH SET"));
    assert!(["AA", "AE"].contains(&field(&charset, "MSA", 1)), "{charset:?}");
}

#[test]
fn ten_thousand_results_in_one_message_are_stored() {
    let gateway = gateway();
    let mut message = admission("BIG").replace("ADT^A01^ADT_A01", "ORU^R01^ORU_R01");
    message.push_str("OBR|1|O1^WARD|F1^LAB|24323-8^Panel^LN|||20260301093000+0100||||||||||||||||||F\r");
    for line in 1..=10_000 {
        message.push_str(&format!("OBX|{line}|NM|2345-7^Glucose^LN|{line}|{line}.50|mg/dL|||||F\r"));
    }
    let answer = answer(&gateway, &message);
    assert_eq!(field(&answer, "MSA", 1), "AA", "{answer:?}");
}

#[test]
fn a_frame_over_the_limit_is_answered_and_costs_only_itself() {
    let limit = "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"\nmllp = \"127.0.0.1:0\"\nframe_limit = \"64KiB\"\n\
                 frame_timeout = \"1s\"\n[auth]\nmode = \"development\"\n";
    let gateway = Gateway::start(&format!("{limit}\n{WARD}"));
    let mut mllp = Mllp::connect(gateway.mllp.unwrap()).unwrap();
    let mut message = admission("HUGE");
    message.push_str(&format!("NTE|1||{}\r", "x".repeat(200_000)));
    match mllp.send(&message) {
        Ok(answer) => assert!(["AR", "AE"].contains(&field(&answer, "MSA", 1)), "{answer:?}"),
        Err(error) => assert!(
            matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
            "{error}"
        ),
    }
    let mut next = Mllp::connect(gateway.mllp.unwrap()).unwrap();
    assert_eq!(field(&next.send(&admission("SMALL")).unwrap(), "MSA", 1), "AA");
}

#[test]
fn half_a_frame_and_then_silence_ends_that_connection_alone() {
    let limits = "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"\nmllp = \"127.0.0.1:0\"\nframe_timeout = \"1s\"\n\
                  [auth]\nmode = \"development\"\n";
    let gateway = Gateway::start(&format!("{limits}\n{WARD}"));
    let mut silent = Mllp::connect(gateway.mllp.unwrap()).unwrap();
    silent.send_raw(b"\x0BMSH|^~\\&|WARD|NORTH").unwrap();
    let begun = Instant::now();
    match silent.answer() {
        Ok(answer) => assert!(["AR", "AE"].contains(&field(&answer, "MSA", 1)), "{answer:?}"),
        Err(error) => assert_ne!(error.kind(), ErrorKind::WouldBlock, "the connection was left open"),
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    let mut other = Mllp::connect(gateway.mllp.unwrap()).unwrap();
    assert_eq!(field(&other.send(&admission("S1")).unwrap(), "MSA", 1), "AA");
}

#[test]
fn frames_arrive_split_and_several_at_once() {
    let gateway = gateway();
    let mut mllp = Mllp::connect(gateway.mllp.unwrap()).unwrap();
    let frame = |control: &str| {
        let mut frame = vec![0x0B];
        frame.extend(admission(control).bytes());
        frame.extend([0x1C, 0x0D]);
        frame
    };
    for byte in frame("SPLIT").chunks(7) {
        mllp.send_raw(byte).unwrap();
    }
    assert_eq!(field(&mllp.answer().unwrap(), "MSA", 2), "SPLIT");
    mllp.send_raw(&[frame("ONE"), frame("TWO"), frame("THREE")].concat()).unwrap();
    for control in ["ONE", "TWO", "THREE"] {
        let answer = mllp.answer().unwrap();
        assert_eq!((field(&answer, "MSA", 1), field(&answer, "MSA", 2)), ("AA", control));
    }
}

#[test]
fn enhanced_mode_commits_first_and_answers_as_asked() {
    let gateway = gateway();
    let mut mllp = Mllp::connect(gateway.mllp.unwrap()).unwrap();
    let enhanced = |control: &str, accept: &str, application: &str| {
        admission(control).replace("|P|2.5.1", &format!("|P|2.5.1|||{accept}|{application}"))
    };
    let commit = mllp.send(&enhanced("E1", "AL", "AL")).unwrap();
    assert_eq!(field(&commit, "MSA", 1), "CA", "{commit:?}");
    assert_eq!(field(&mllp.answer().unwrap(), "MSA", 1), "AA");
    let only_commit = mllp.send(&enhanced("E2", "AL", "NE")).unwrap();
    assert_eq!(field(&only_commit, "MSA", 1), "CA", "{only_commit:?}");
    let only_application = mllp.send(&enhanced("E3", "NE", "AL")).unwrap();
    assert_eq!((field(&only_application, "MSA", 1), field(&only_application, "MSA", 2)), ("AA", "E3"));
}

#[test]
fn a_repeat_gets_the_stored_answer_and_other_bytes_are_new() {
    let gateway = gateway();
    let mut mllp = Mllp::connect(gateway.mllp.unwrap()).unwrap();
    let first = mllp.send(&admission("R1")).unwrap();
    let repeat = mllp.send(&admission("R1")).unwrap();
    assert_eq!(field(&first, "MSA", 3), field(&repeat, "MSA", 3));
    let changed = mllp.send(&admission("R1").replace("Ada", "Grace")).unwrap();
    assert_eq!(field(&changed, "MSA", 1), "AA");
    assert_ne!(field(&first, "MSA", 3), field(&changed, "MSA", 3));
    let administrator = Http::to(gateway.http.unwrap()).with(&gateway.administrator());
    let found = administrator.get("/exchanges?message-control-id=R1").json();
    assert_eq!(found["total"], 2, "{found}");
    let id = field(&changed, "MSA", 3).trim_start_matches("exchange ").to_owned();
    let exchange = administrator.get(&format!("/exchanges/{id}")).json();
    assert!(exchange["issues"].to_string().contains("duplicate-control-id"), "{exchange}");
}

/// A partner that is down, one that answers rubbish, one that says nothing: all three hold up nobody.
#[test]
fn bad_destinations_never_reach_the_sender() {
    let rubbish = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = [rubbish.local_addr().unwrap(), silent.local_addr().unwrap()];
    std::thread::spawn(move || {
        for mut stream in rubbish.incoming().flatten() {
            let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n<html>hello</html>\x1C\x0D");
        }
    });
    let held: std::thread::JoinHandle<()> = std::thread::spawn(move || {
        let _all: Vec<_> = silent.incoming().take(50).collect();
    });
    let destination = |name: &str, address: &str| {
        format!(
            "[[destination]]\nname = \"{name}\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\naddress = \"{address}\"\n\
             recipient = [\"Organization/{name}\"]\nroles = [\"IRCP\"]\npurpose = [\"TREAT\"]\n\n"
        )
    };
    let gateway = Gateway::start(&configuration(&format!(
        "[consent]\nimplicit_policy = \"permit-all\"\n\n{}destinations = [\"down\", \"rubbish\", \"silent\"]\n\n{}{}{}",
        WARD,
        destination("down", "127.0.0.1:1"),
        destination("rubbish", &addresses[0].to_string()),
        destination("silent", &addresses[1].to_string()),
    )));
    let mut mllp = Mllp::connect(gateway.mllp.unwrap()).unwrap();
    let answer = mllp.send(&admission("X1")).unwrap();
    assert_eq!(field(&answer, "MSA", 1), "AA", "{answer:?}");
    let id = field(&answer, "MSA", 3).trim_start_matches("exchange ").to_owned();
    let administrator = Http::to(gateway.http.unwrap()).with(&gateway.administrator());
    wait_until("each destination was tried and says why not", || {
        let exchange = administrator.get(&format!("/exchanges/{id}")).json();
        let deliveries = exchange["deliveries"].as_array().cloned().unwrap_or_default();
        deliveries.len() == 3
            && deliveries
                .iter()
                .filter(|delivery| delivery["destination"] != "silent")
                .all(|delivery| delivery["attempts"].as_u64().unwrap_or(0) > 0 && delivery["last_error"].is_string())
    });
    assert_eq!(field(&mllp.send(&admission("X2")).unwrap(), "MSA", 1), "AA");
    drop(held);
}

#[test]
fn a_second_process_on_the_directory_ends_with_a_clear_reason() {
    let gateway = gateway();
    let output = Command::new(program())
        .args(["serve", "--config"])
        .arg(gateway.scratch().join("anchorline.toml"))
        .arg("--data")
        .arg(gateway.data())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("another process uses this data directory"), "{said}");
}

#[test]
fn a_damaged_journal_is_named_and_a_damaged_index_is_rebuilt() {
    let mut gateway = gateway();
    let mut mllp = Mllp::connect(gateway.mllp.unwrap()).unwrap();
    for number in 0..20 {
        assert_eq!(field(&mllp.send(&admission(&format!("J{number}"))).unwrap(), "MSA", 1), "AA");
    }
    assert_eq!(gateway.terminate(), Some(0));
    damage(&gateway.data().join("store"), |path| path.ends_with("/db"));
    let mut gateway = gateway.reopen();
    let administrator = Http::to(gateway.http.unwrap()).with(&gateway.administrator());
    for number in 0..20 {
        let found = administrator.get(&format!("/exchanges?message-control-id=J{number}")).json();
        assert_eq!(found["total"], 1, "J{number} after the index was damaged: {found}");
    }
    assert_eq!(gateway.terminate(), Some(0));
    damage(&gateway.data().join("store"), |path| path.contains("/journal/"));
    let data = gateway.data().display().to_string();
    let check = run(&["store", "check", "--data", &data]);
    let said = String::from_utf8_lossy(&check.stderr);
    assert_eq!(check.status.code(), Some(1), "{said}");
    assert!(said.contains("journal"), "the damage is not named: {said}");
    assert!(!said.contains("panicked"), "{said}");
}

/// Turns over the bytes at a third of the content of the first file that fits.
fn damage(folder: &std::path::Path, fits: impl Fn(&str) -> bool) {
    let mut folders = vec![folder.to_path_buf()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if fits(&path.display().to_string()) {
                files.push(path);
            }
        }
    }
    files.sort();
    let path = files.first().expect("a file to damage");
    let mut bytes = std::fs::read(path).unwrap();
    let content = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    let at = content / 3;
    for byte in bytes.iter_mut().skip(at).take(64) {
        *byte = !*byte;
    }
    std::fs::write(path, bytes).unwrap();
}

/// The `[store] min_free` of a disk that can never be free enough stands for a full one; the small disk is tried, too.
#[test]
fn a_full_disk_stops_acknowledging_and_says_so() {
    let gateway = Gateway::start(&configuration(&format!("[store]\nmin_free = \"1000000GiB\"\n\n{WARD}")));
    let mut mllp = Mllp::connect(gateway.mllp.unwrap()).unwrap();
    let answer = mllp.send(&admission("F1")).unwrap();
    assert_eq!(field(&answer, "MSA", 1), "AE", "{answer:?}");
    let http = Http::to(gateway.http.unwrap());
    wait_until("readiness says so", || http.get("/health/ready").status == 503);
    assert_eq!(http.get("/health/live").status, 200);
    let written = http.with(&gateway.administrator()).post("/fhir/Patient", &json!({"resourceType": "Patient"}));
    assert!([503, 507].contains(&written.status), "{}", written.status);
}

#[test]
fn a_small_disk_fills_up_and_recovers_without_a_restart() {
    let name = "a_small_disk_fills_up_and_recovers_without_a_restart";
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=160m", "tmpfs"])
        .arg(folder.path())
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        eprintln!("skipped: {name} (a small file system cannot be mounted here)");
        return;
    }
    let outcome = std::panic::catch_unwind(|| fill_and_recover(folder.path()));
    let _ = Command::new("umount").arg("-l").arg(folder.path()).status();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

fn fill_and_recover(disk: &std::path::Path) {
    let gateway = Gateway::start_at(disk, &configuration(&format!("[store]\nmin_free = \"8MiB\"\n\n{WARD}")));
    let mut mllp = Mllp::connect(gateway.mllp.unwrap()).unwrap();
    assert_eq!(field(&mllp.send(&admission("G0")).unwrap(), "MSA", 1), "AA");
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![0xFF_u8; 1]).unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(&ballast).unwrap();
    let mut refused = 0;
    wait_until("the disk is seen to be full", || {
        refused += 1;
        // Again and again: an index that is young frees what it had set aside.
        while std::io::Write::write_all(&mut file, &vec![0xFF_u8; 1 << 20]).is_ok() {}
        let answer = mllp.send(&admission(&format!("G{refused}"))).unwrap();
        field(&answer, "MSA", 1) == "AE"
    });
    let http = Http::to(gateway.http.unwrap());
    wait_until("readiness says so", || http.get("/health/ready").status == 503);
    drop(file);
    std::fs::remove_file(&ballast).unwrap();
    let mut tries = 0;
    wait_until("it acknowledges again", || {
        tries += 1;
        let answer = mllp.send(&admission(&format!("H{tries}"))).unwrap();
        field(&answer, "MSA", 1) == "AA"
    });
    wait_until("it is ready again", || http.get("/health/ready").status == 200);
}
