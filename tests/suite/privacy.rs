//! Patients with marks that occur nowhere else go through every path; no mark may be in a log, a metric or an error.

use serde_json::json;
use tests::http::Http;
use tests::mllp::Mllp;
use tests::process::{Gateway, configuration, wait_until};

const MARKS: [&str; 6] = ["Zqmarkfamily", "Zqmarkgiven", "ZQMRN77", "Zqmarkstreet", "Zqmarkdrug", "Zqmarkreason"];

fn admission(control: &str, family: &str) -> String {
    format!(
        "MSH|^~\\&|MARK|NORTH|ANCHORLINE|GATEWAY|20260301101500+0100||ADT^A01^ADT_A01|{control}|P|2.5.1\r\
         EVN|A01|20260301101400+0100\r\
         PID|1||ZQMRN77^^^NORTH^MR||{family}^Zqmarkgiven||19800101|F|||1 Zqmarkstreet^^Millbrook\r\
         PV1|1|I|W1^2^A|||||||||||||||||V1^^^NORTH^VN\r\
         AL1|1|DA|^Zqmarkdrug|SV\r"
    )
}

#[test]
fn no_patient_data_in_logs_metrics_or_errors() {
    let mut gateway = Gateway::start(&configuration(
        "[[source]]\nname = \"ward\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\ndestinations = [\"down\"]\n\n\
         [[source]]\nname = \"portal\"\ntransport = \"http\"\nformat = \"hl7v2\"\n\n\
         [[destination]]\nname = \"down\"\ntransport = \"mllp\"\naddress = \"127.0.0.1:1\"\nformat = \"hl7v2\"\n\
         recipient = [\"Organization/down\"]\nroles = [\"IRCP\"]\npurpose = [\"TREAT\"]\n",
    ));
    let http = Http::to(gateway.http.unwrap());
    let administrator = http.with(&gateway.administrator());
    let mut shown = Vec::new();
    let mut mllp = Mllp::connect(gateway.mllp.unwrap()).unwrap();
    for message in [
        admission("M1", "Zqmarkfamily"),
        admission("M1", "Zqmarkfamily"),
        admission("M1", "Zqmarkfamily2"),
        admission("M2", "Zqmarkfamily").replace("ADT^A01^ADT_A01", "Zqmarkreason"),
        admission("M3", "Zqmarkfamily").replace("19800101", "Zqmarkreason"),
        admission("M4", "Zqmarkfamily").replace("PID|", "XID|"),
        "Zqmarkfamily is no message".to_owned(),
    ] {
        shown.push(mllp.send(&message).unwrap_or_default());
    }
    let source = http.with(&gateway.token(&["--role", "source", "--purpose", "TREAT", "--actor", "Device/portal"]));
    for body in [admission("M5", "Zqmarkfamily"), "MSH|Zqmarkfamily".to_owned(), String::new()] {
        let answer = source.send("POST", "/ingest/portal", &[("Content-Type", "application/hl7-v2")], body.as_bytes());
        shown.push(answer.text());
    }
    for (path, body) in [
        (
            "/fhir/Patient",
            json!({"resourceType": "Patient", "name": [{"family": "Zqmarkfamily"}], "birthDate": "Zqmarkreason"}),
        ),
        ("/fhir/Patient", json!({"resourceType": "Patient", "Zqmarkfamily": 1})),
        ("/fhir/Zqmarkfamily", json!({"resourceType": "Zqmarkfamily"})),
        ("/emergency/declare", json!({"patient": "Patient/Zqmarkfamily", "reason": "Zqmarkreason is here"})),
        ("/emergency/find", json!({"family": "Zqmarkfamily", "given": "Zqmarkgiven", "birthDate": "1980-01-01"})),
    ] {
        let answer = administrator.post(path, &body);
        assert!(answer.status >= 400, "{path}: {}", answer.status);
        shown.push(answer.text());
    }
    // What a caller asks for may come back to that caller in an error; the content that is stored may not.
    let asked = ["Zqmarkfamily", "Zqmarkreason"];
    let metrics = administrator.get("/metrics");
    assert_eq!(metrics.status, 200);
    shown.push(metrics.text());
    wait_until("the delivery was tried", || gateway.log().contains("down"));
    assert_eq!(gateway.terminate(), Some(0));
    let log = gateway.log();
    for mark in MARKS {
        assert!(!log.contains(mark), "{mark} is in the log:\n{}", lines_with(&log, mark));
    }
    for text in &shown {
        for mark in MARKS.iter().filter(|mark| !asked.contains(mark)) {
            assert!(!text.contains(*mark), "{mark} is in an answer: {text}");
        }
    }
    for mark in MARKS {
        assert!(!metrics.text().contains(mark), "{mark} is in the metrics");
    }
    assert!(
        !ledger_bytes(&gateway).windows(6).any(|bytes| bytes.eq_ignore_ascii_case(b"zqmark")),
        "a mark is in the ledger"
    );
}

fn lines_with(log: &str, mark: &str) -> String {
    log.lines().filter(|line| line.contains(mark)).take(5).collect::<Vec<_>>().join("\n")
}

fn ledger_bytes(gateway: &Gateway) -> Vec<u8> {
    let mut folders = vec![gateway.data().join("ledger")];
    let mut bytes = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                bytes.extend(std::fs::read(path).unwrap());
            }
        }
    }
    bytes
}
