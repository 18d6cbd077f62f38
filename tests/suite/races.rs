//! Writers side by side, and transactions cut by SIGKILL: one success for each version, one resource for a condition, all
//! of a transaction or nothing.
//!
//! `ANCHORLINE_RACES` and `ANCHORLINE_CUTS` set more rounds than a run of the suite takes:
//! `ANCHORLINE_RACES=5000 ANCHORLINE_CUTS=200 cargo test -p tests --test suite races`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tests::http::Http;
use tests::process::run;

use crate::interactions::{is, open};

const WRITERS: usize = 8;

fn rounds(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn patient(id: &str, by: usize) -> Value {
    json!({"resourceType": "Patient", "id": id, "name": [{"family": format!("writer{by}")}]})
}

/// All writers at once, once a round; their statuses by round.
fn race(rounds: usize, write: &(dyn Fn(usize, usize) -> u16 + Sync)) -> Vec<Vec<u16>> {
    let statuses: Vec<Mutex<Vec<u16>>> = (0..rounds).map(|_| Mutex::default()).collect();
    let start = Barrier::new(WRITERS);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (statuses, start) = (&statuses, &start);
            scope.spawn(move || {
                for (round, statuses) in statuses.iter().enumerate() {
                    start.wait();
                    let status = write(round, writer);
                    statuses.lock().unwrap().push(status);
                }
            });
        }
    });
    statuses.into_iter().map(|statuses| statuses.into_inner().unwrap()).collect()
}

#[track_caller]
fn one_wins(statuses: &[Vec<u16>], lost: u16) {
    for (round, statuses) in statuses.iter().enumerate() {
        let won = statuses.iter().filter(|status| matches!(status, 200 | 201 | 204)).count();
        let others = statuses.iter().filter(|status| **status == lost).count();
        assert_eq!((won, won + others), (1, WRITERS), "round {round}: {statuses:?}");
    }
}

#[test]
fn of_writers_that_name_one_version_one_succeeds() {
    let (_gateway, http) = open();
    let rounds = rounds("ANCHORLINE_RACES", 40);
    is(&http.put("/fhir/Patient/p", &patient("p", 0)), 201);
    let statuses = race(rounds, &|round, writer| {
        let etag = format!("W/\"{}\"", round + 1);
        match writer % 4 {
            // Inside a transaction as well as alone, by update and by patch.
            0 => {
                let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
                    {"request": {"method": "PUT", "url": "Patient/p", "ifMatch": etag}, "resource": patient("p", writer)}]});
                http.post("/fhir", &bundle).status
            }
            1 => {
                let patch = format!(r#"[{{"op":"replace","path":"/name/0/family","value":"patch{writer}"}}]"#);
                let headers = [("Content-Type", "application/json-patch+json"), ("If-Match", etag.as_str())];
                http.send("PATCH", "/fhir/Patient/p", &headers, patch.as_bytes()).status
            }
            _ => {
                let headers = [("Content-Type", "application/fhir+json"), ("If-Match", etag.as_str())];
                http.send("PUT", "/fhir/Patient/p", &headers, patient("p", writer).to_string().as_bytes()).status
            }
        }
    });
    one_wins(&statuses, 412);
    assert_eq!(is(&http.get("/fhir/Patient/p"), 200)["meta"]["versionId"], (rounds + 1).to_string());
}

#[test]
fn of_creates_under_one_condition_one_creates() {
    let (_gateway, http) = open();
    let rounds = rounds("ANCHORLINE_RACES", 40);
    let statuses = race(rounds, &|round, writer| {
        let mut resource = patient("x", writer);
        resource["identifier"] = json!([{"system": "urn:race", "value": round.to_string()}]);
        let condition = format!("identifier=urn:race|{round}");
        match writer % 4 {
            0 => {
                let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
                    {"request": {"method": "POST", "url": "Patient", "ifNoneExist": condition}, "resource": resource}]});
                let answer = http.post("/fhir", &bundle).json();
                let status = answer["entry"][0]["response"]["status"].as_str().unwrap_or("500");
                status[..3].parse().unwrap()
            }
            1 => {
                resource.as_object_mut().unwrap().remove("id");
                http.put(&format!("/fhir/Patient?{condition}"), &resource).status
            }
            _ => {
                let headers = [("Content-Type", "application/fhir+json"), ("If-None-Exist", condition.as_str())];
                http.send("POST", "/fhir/Patient", &headers, resource.to_string().as_bytes()).status
            }
        }
    });
    for (round, statuses) in statuses.iter().enumerate() {
        let created = statuses.iter().filter(|status| **status == 201).count();
        let found = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!((created, found), (1, WRITERS - 1), "round {round}: {statuses:?}");
        let total = is(&http.get(&format!("/fhir/Patient?identifier=urn:race|{round}")), 200)["total"].clone();
        assert_eq!(total, 1, "round {round}");
    }
}

#[test]
fn of_creates_under_one_id_one_creates_and_of_deletes_one_deletes() {
    let (_gateway, http) = open();
    let rounds = rounds("ANCHORLINE_RACES", 40) / 2;
    let statuses = race(rounds, &|round, writer| {
        let id = format!("only-{round}");
        let headers = [("Content-Type", "application/fhir+json"), ("If-None-Match", "*")];
        http.send("PUT", &format!("/fhir/Patient/{id}"), &headers, patient(&id, writer).to_string().as_bytes()).status
    });
    one_wins(&statuses, 412);
    race(rounds, &|round, _| http.send("DELETE", &format!("/fhir/Patient/only-{round}"), &[], b"").status);
    for round in 0..rounds {
        let history = is(&http.get(&format!("/fhir/Patient/only-{round}/_history")), 200);
        let methods: Vec<_> =
            history["entry"].as_array().unwrap().iter().map(|entry| entry["request"]["method"].clone()).collect();
        assert_eq!(methods, ["DELETE", "PUT"], "round {round}");
    }
}

/// Patches without a version are applied one after the other: none is lost.
#[test]
fn patches_side_by_side_are_all_kept() {
    let (_gateway, http) = open();
    is(&http.put("/fhir/Patient/p", &patient("p", 0)), 201);
    let rounds = rounds("ANCHORLINE_RACES", 40) / 10;
    let kept = AtomicU64::new(0);
    race(rounds, &|round, writer| {
        let patch = format!(r#"[{{"op":"add","path":"/name/-","value":{{"text":"{round}-{writer}"}}}}]"#);
        let headers = [("Content-Type", "application/json-patch+json")];
        let status = http.send("PATCH", "/fhir/Patient/p", &headers, patch.as_bytes()).status;
        assert!(matches!(status, 200 | 409), "{status}");
        kept.fetch_add(u64::from(status == 200), Ordering::Relaxed);
        status
    });
    let names = is(&http.get("/fhir/Patient/p"), 200)["name"].as_array().unwrap().len() as u64;
    assert_eq!(names, 1 + kept.load(Ordering::Relaxed));
}

const ENTRIES: usize = 12;

/// A transaction that creates, changes and deletes: every entry carries the number, so that half of one would show.
fn transaction(writer: usize, number: u64) -> Value {
    let name = format!("w{writer}-{number}");
    let mut entries: Vec<Value> = (0..ENTRIES)
        .map(|entry| {
            json!({"request": {"method": "POST", "url": "Basic"}, "resource": {"resourceType": "Basic", "code": {"text": "cut"},
                "identifier": [{"system": "urn:cut", "value": name}, {"system": "urn:entry", "value": entry.to_string()}]}})
        })
        .collect();
    entries.push(json!({"request": {"method": "PUT", "url": format!("Patient/last-{writer}")},
        "resource": {"resourceType": "Patient", "id": format!("last-{writer}"), "name": [{"text": number.to_string()}]}}));
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
}

#[test]
fn a_transaction_that_is_cut_is_there_whole_or_not_at_all() {
    const SENDERS: usize = 4;
    let cuts = rounds("ANCHORLINE_CUTS", 4);
    let (mut gateway, _) = open();
    // By writer: the numbers that were acknowledged, with their exchange, and the last that was sent.
    let acknowledged: Mutex<BTreeMap<(usize, u64), String>> = Mutex::default();
    let sent: Vec<AtomicU64> = (0..SENDERS).map(|_| AtomicU64::new(0)).collect();
    for round in 0..cuts {
        let http = Http::to(gateway.http.unwrap());
        std::thread::scope(|scope| {
            for (writer, sent) in sent.iter().enumerate() {
                let (http, acknowledged) = (http.clone(), &acknowledged);
                scope.spawn(move || {
                    loop {
                        let number = sent.fetch_add(1, Ordering::Relaxed);
                        let body = transaction(writer, number).to_string();
                        let headers = [("Content-Type", "application/fhir+json")];
                        let Ok(answer) = http.try_send("POST", "/fhir", &headers, body.as_bytes()) else { return };
                        if answer.status != 200 {
                            return;
                        }
                        let exchange = answer.header("ledger-exchange").unwrap().to_owned();
                        acknowledged.lock().unwrap().insert((writer, number), exchange);
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(150 + 37 * (round as u64 % 11)));
            gateway.kill();
        });
        gateway = gateway.reopen();
        let http = Http::to(gateway.http.unwrap());
        let acknowledged = acknowledged.lock().unwrap();
        for (writer, sent) in sent.iter().enumerate() {
            // The last ones are those that may have been cut.
            let sent = sent.load(Ordering::Relaxed);
            for number in sent.saturating_sub(if round + 1 == cuts { sent } else { 3 })..sent {
                let found = is(&http.get(&format!("/fhir/Basic?identifier=urn:cut|w{writer}-{number}&_count=50")), 200);
                let there = found["entry"].as_array().map_or(0, Vec::len);
                let expected =
                    if acknowledged.contains_key(&(writer, number)) { &[ENTRIES][..] } else { &[0, ENTRIES] };
                assert!(expected.contains(&there), "w{writer}-{number}: {there} of {ENTRIES} after cut {round}");
            }
        }
    }
    // What was acknowledged is in the ledger, and the ledger is what it says.
    let http = Http::to(gateway.http.unwrap());
    for exchange in acknowledged.lock().unwrap().values().rev().take(50) {
        let exchange = is(&http.get(&format!("/exchanges/{exchange}")), 200);
        assert!(exchange["ledger"]["index"].is_number(), "{exchange}");
    }
    gateway.terminate();
    let data = gateway.data();
    let checked = run(&["store", "check", "--data", data.to_str().unwrap()]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert!(!acknowledged.lock().unwrap().is_empty());
}
