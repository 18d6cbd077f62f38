//! What senders say that the mappings have no home for: by exchange, and over time.

use serde_json::{Value, json};
use tests::http::Http;
use tests::mllp::{Mllp, field};
use tests::process::{Gateway, configuration};

fn start() -> Gateway {
    Gateway::start(&configuration("[[source]]\nname = \"ward\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\n"))
}

fn send(gateway: &Gateway, number: usize, sender: &str, class: &str, more: &str) {
    let text = format!(
        "MSH|^~\\&|{sender}|NORTH|A|B|20260301101500+0100||ADT^A01^ADT_A01|C{number}|P|2.5.1\r\
         EVN|A01|20260301101500+0100\r\
         PID|1||P-{number}^^^NORTH^MR||EXAMPLE^ANNA||19700101|F\r\
         PV1|1|{class}|W^1^A\r{more}"
    );
    let answer = Mllp::connect(gateway.mllp.unwrap()).unwrap().send(&text).unwrap();
    assert_eq!(field(&answer, "MSA", 1), "AA", "{answer:?}");
}

fn administrator(gateway: &Gateway) -> Http {
    Http::to(gateway.http.unwrap()).with(&gateway.administrator())
}

fn lines<'r>(report: &'r Value, list: &str, at: &str) -> Vec<&'r Value> {
    report[list].as_array().unwrap().iter().filter(|line| line["at"] == at).collect()
}

#[test]
fn a_gap_is_seen_by_exchange_and_by_sender_and_survives_a_restart() {
    let mut gateway = start();
    send(&gateway, 1, "ADT1", "I", "");
    for number in 2..=4 {
        send(&gateway, number, "ADT1", "ZLOCAL", "ZXX|secret value^other\r");
    }
    send(&gateway, 5, "ADT2", "I", "ZXX|secret value\r");
    let mut counted = Vec::new();
    for _ in 0..2 {
        let administrator = administrator(&gateway);
        let found = administrator.get("/exchanges?unmapped=ZXX-1").json();
        assert_eq!(found["total"], 4, "{found}");
        assert_eq!(found["exchanges"][1]["unmapped"], json!(["ZXX-1.1", "ZXX-1.2"]), "{found}");
        assert_eq!(administrator.get("/exchanges?unmapped=ZXX-9").json()["total"], 0);
        let id = found["exchanges"][1]["id"].as_str().unwrap().to_owned();
        let exchange = administrator.get(&format!("/exchanges/{id}")).json();
        assert!(
            exchange["mapping"]["unmapped"].as_array().unwrap().iter().any(|it| it["at"] == "ZXX-1.1"),
            "{exchange}"
        );
        let answer = administrator.get("/exchanges/unmapped");
        let report = answer.json();
        let line = lines(&report, "unmapped", "ZXX-1.1")[0];
        assert_eq!((&line["sending_application"], &line["exchanges"]), (&json!("ADT1"), &json!(3)), "{report}");
        assert!(line["first"]["exchange"].is_string() && line["last"]["at"].is_string());
        let of_other = administrator.get("/exchanges/unmapped?sender=ADT2").json();
        assert_eq!(lines(&of_other, "unmapped", "ZXX-1").len(), 1, "{of_other}");
        assert!(lines(&of_other, "unmapped", "ZXX-1.1").is_empty());
        assert!(
            administrator.get("/exchanges/unmapped?source=other").json()["unmapped"].as_array().unwrap().is_empty()
        );
        assert!(
            administrator.get("/exchanges/unmapped?since=2999-01-01").json()["unmapped"].as_array().unwrap().is_empty()
        );
        let code = lines(&report, "codes", "PV1-2")[0];
        assert_eq!((code["code"].as_str(), code["exchanges"].as_u64()), (Some("ZLOCAL"), Some(3)), "{report}");
        assert!(!answer.text().contains("secret") && !gateway.log().contains("secret value"));
        let table = administrator.send("GET", "/exchanges/unmapped", &[("Accept", "text/csv")], b"");
        assert_eq!(table.header("content-type"), Some("text/csv; charset=utf-8"));
        assert!(table.text().contains("ward,ADT1,NORTH,ADT^A01,ZXX-1.1,,,3,"), "{}", table.text());
        assert_eq!(administrator.get("/exchanges/unmapped?colour=red").status, 400);
        counted.push(report["unmapped"].clone());
        // The first time in order, so that the sums are written down; they are not counted twice.
        assert_eq!(gateway.terminate(), Some(0));
        assert!(gateway.data().join("unmapped.json").is_file());
        gateway = gateway.reopen();
    }
    assert_eq!(counted[0], counted[1]);
    // Without the file, or with another store's, they are counted anew.
    gateway.kill();
    std::fs::write(gateway.data().join("unmapped.json"), "half of it").unwrap();
    gateway = gateway.reopen();
    assert_eq!(administrator(&gateway).get("/exchanges/unmapped").json()["unmapped"], counted[0]);
}

#[test]
fn what_senders_leave_is_for_operators_and_auditors() {
    let gateway = start();
    send(&gateway, 1, "ADT1", "I", "ZXX|x\r");
    let http = Http::to(gateway.http.unwrap());
    assert_eq!(http.get("/exchanges/unmapped").status, 401);
    for (role, status) in [("auditor", 200), ("clinician", 403), ("source", 403), ("patient", 403)] {
        let purpose = if role == "patient" { "PATRQT" } else { "TREAT" };
        let mut arguments = vec!["--role", role, "--purpose", purpose, "--actor", "Device/ward"];
        if role == "patient" {
            arguments.extend(["--patient", "p"]);
        }
        let token = gateway.token(&arguments);
        assert_eq!(http.with(&token).get("/exchanges/unmapped").status, status, "{role}");
    }
}
