//! Emergencies under load: a record is seeded, then declared and read, one after the other or at a rate.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::http::Http;
use tests::measured::{Server, Site};

use super::{Kind, Options, send_all};

/// Resources in one transaction of the seed.
const BUNDLE: usize = 400;
/// Seconds of a run at a rate.
const SECONDS: u64 = 30;

pub(super) fn run(options: &Options, size: usize) -> Result<Value, String> {
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let text = format!(
        "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"\nmllp = \"127.0.0.1:0\"\n\n[store]\ncache = \"{}\"\n\n\
         [auth]\nmode = \"development\"\n\n[consent]\nbtg_rate = \"100000/h\"\n\n\
         [[source]]\nname = \"load\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\nmatch = {{ sending_application = \"LOAD\" }}\n",
        options.cache
    );
    let site = Site::new(&options.program, scratch.path(), options.data.as_deref(), &text)?;
    let server = site.start()?;
    let report = measured(options, size, &site, &server);
    server.end();
    report
}

fn measured(options: &Options, size: usize, site: &Site, server: &Server) -> Result<Value, String> {
    let (http, mllp) = (Http::to(server.address("http")?), server.address("mllp")?);
    let administrator = http.with(&site.token(&["--role", "administrator", "--purpose", "HOPERAT"])?);
    let began = Instant::now();
    let patients = if options.rate > 0 { 20 } else { 1 };
    for patient in 0..patients {
        seed(&administrator, patient, size)?;
    }
    let seeded = began.elapsed();
    let people = if options.rate > 0 { options.grants.max(1) } else { 10 };
    let staff = (0..people).map(|number| {
        let actor = format!("Practitioner/e{number}");
        let arguments =
            ["--role", "emergency", "--purpose", "BTG", "--actor", &actor, "--emergency-authorised", "--ttl", "1h"];
        Ok(http.with(&site.token(&arguments)?))
    });
    let staff = staff.collect::<Result<Vec<Http>, String>>()?;
    let stop = Arc::new(AtomicBool::new(false));
    let traffic = traffic(options, mllp, &stop);
    let measured = match options.rate {
        0 => serial(&staff, options.samples),
        rate => arriving(&staff, patients, options.grants, rate),
    };
    stop.store(true, Ordering::Relaxed);
    let messages: u64 = traffic.into_iter().map(|worker| worker.join().unwrap_or(0)).sum();
    let mut report = measured?;
    if let Some(report) = report.as_object_mut() {
        report.insert("resources_a_record".into(), json!(size));
        report.insert("seed_seconds".into(), json!(seeded.as_secs_f64().round()));
        report.insert("ordinary_senders".into(), json!(if options.rate > 0 { 0 } else { options.senders }));
        report.insert("ordinary_messages".into(), json!(messages));
        report.insert("stages".into(), stages(&http));
        report.insert("left_behind".into(), left_behind(&http, &administrator, patients));
    }
    Ok(report)
}

/// One record: a Patient with allergies, problems, medication, and for the most part measurements of some hundred kinds.
fn seed(administrator: &Http, patient: usize, size: usize) -> Result<(), String> {
    let mut number = 0;
    while number < size {
        let mut entries = Vec::with_capacity(BUNDLE);
        while number < size && entries.len() < BUNDLE {
            let resource = resource(patient, number);
            let name = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
            let url = format!("{name}/{}", resource.get("id").and_then(Value::as_str).unwrap_or_default());
            entries.push(json!({"fullUrl": format!("https://load.example/{url}"), "resource": resource.clone(),
                                "request": {"method": "PUT", "url": url}}));
            number += 1;
        }
        let answer =
            administrator.post("/fhir", &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}));
        if answer.status != 200 {
            return Err(format!("the seed was refused: {} {}", answer.status, answer.text()));
        }
    }
    Ok(())
}

fn resource(patient: usize, number: usize) -> Value {
    let id = format!("l{patient}-{number}");
    let subject = json!({"reference": format!("Patient/l{patient}")});
    let date =
        format!("20{:02}-{:02}-{:02}T08:{:02}:00Z", number / 2400 % 26, number % 12 + 1, number % 28 + 1, number % 60);
    let clinical = |system: &str, code: &str| json!({"coding": [{"system": format!("http://terminology.hl7.org/CodeSystem/{system}"), "code": code}]});
    match number {
        0 => {
            json!({"resourceType": "Patient", "id": format!("l{patient}"), "birthDate": "1957-03-08", "gender": "female",
            "name": [{"family": format!("Fenwick{patient}"), "given": ["Orla"]}]})
        }
        1..=12 => json!({"resourceType": "AllergyIntolerance", "id": id, "patient": subject, "recordedDate": date,
            "clinicalStatus": clinical("allergyintolerance-clinical", "active"), "criticality": "high",
            "code": {"text": format!("Substance {number}")}, "reaction": [{"manifestation": [{"text": "rash"}]}]}),
        _ => match number % 25 {
            0 => json!({"resourceType": "Condition", "id": id, "subject": subject, "onsetDateTime": date,
                "clinicalStatus": clinical("condition-clinical", if number.is_multiple_of(50) { "active" } else { "resolved" }),
                "code": {"text": format!("Problem {number}")}}),
            1 => {
                json!({"resourceType": "MedicationRequest", "id": id, "subject": subject, "authoredOn": date, "intent": "order",
                "status": if number.is_multiple_of(2) { "active" } else { "completed" },
                "medicationCodeableConcept": {"text": format!("Medication {}", number % 90)},
                "dosageInstruction": [{"text": "one in the morning"}]})
            }
            2 => json!({"resourceType": "Procedure", "id": id, "subject": subject, "performedDateTime": date,
                "status": "completed", "code": {"text": format!("Procedure {number}")}}),
            3 => json!({"resourceType": "Encounter", "id": id, "subject": subject, "status": "finished",
                "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}}),
            4 => json!({"resourceType": "DiagnosticReport", "id": id, "subject": subject, "effectiveDateTime": date,
                "status": "final", "code": {"text": format!("Panel {}", number % 30)}}),
            5 => json!({"resourceType": "Immunization", "id": id, "patient": subject, "occurrenceDateTime": date,
                "status": "completed", "vaccineCode": {"text": format!("Vaccine {}", number % 20)}}),
            kind => json!({"resourceType": "Observation", "id": id, "subject": subject, "effectiveDateTime": date,
                "status": "final", "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
                    "code": if kind < 8 { "vital-signs" } else { "laboratory" }}]}],
                "code": {"coding": [{"system": "https://load.example/tests", "code": format!("T{}", number % 307),
                    "display": format!("Analyte {}", number % 307)}]},
                "valueQuantity": {"value": 4.50, "unit": "mmol/L"},
                "referenceRange": [{"low": {"value": 3.5, "unit": "mmol/L"}, "high": {"value": 5.1, "unit": "mmol/L"}}]}),
        },
    }
}

/// Senders that go on as fast as they are answered, until told to stop; each gives how many it sent.
fn traffic(options: &Options, mllp: std::net::SocketAddr, stop: &Arc<AtomicBool>) -> Vec<std::thread::JoinHandle<u64>> {
    let next = Arc::new(AtomicU64::new(0));
    let senders = if options.rate > 0 { 0 } else { options.senders };
    (0..senders)
        .map(|_| {
            let (next, stop) = (Arc::clone(&next), Arc::clone(stop));
            std::thread::spawn(move || {
                let mut sent = 0;
                while !stop.load(Ordering::Relaxed) {
                    let until = next.load(Ordering::Relaxed) + 50;
                    match send_all(mllp, Kind::Adt, &next, until) {
                        Ok(latencies) => sent += latencies.len() as u64,
                        Err(error) => {
                            eprintln!("{error}");
                            return sent;
                        }
                    }
                }
                sent
            })
        })
        .collect()
}

/// Declares and reads; how long the declaration took, and how long both.
fn emergency(staff: &Http, patient: usize) -> Result<(u64, u64), String> {
    let body = json!({"patient": format!("Patient/l{patient}"), "reason": "unconscious after a fall", "reasonCode": "unconscious"});
    let began = Instant::now();
    let declared = staff.post("/emergency/declare", &body);
    let first = began.elapsed();
    let grant = declared.json().get("id").and_then(Value::as_str).map(str::to_owned);
    let grant = grant.ok_or_else(|| format!("not declared: {} {}", declared.status, declared.text()))?;
    let summary = staff.get(&format!("/emergency/grants/{grant}/summary"));
    if summary.status != 200 || !summary.text().contains("Substance 1") {
        return Err(format!("no summary: {} {}", summary.status, summary.text().chars().take(400).collect::<String>()));
    }
    Ok((first.as_micros() as u64, began.elapsed().as_micros() as u64))
}

/// One at a time.
fn serial(staff: &[Http], samples: usize) -> Result<Value, String> {
    let mut times = Vec::new();
    for number in 0..samples {
        let Some(who) = staff.get(number % staff.len()) else { break };
        times.push(emergency(who, 0)?);
    }
    Ok(json!({"one_at_a_time": times.len(), "declare_us": shares(times.iter().map(|time| time.0).collect()),
        "declare_and_summary_us": shares(times.iter().map(|time| time.1).collect())}))
}

/// So many a second, whatever the answers do: the time of one counts from when it was due.
fn arriving(staff: &[Http], patients: usize, grants: usize, rate: u64) -> Result<Value, String> {
    for number in 0..grants {
        if let Some(who) = staff.get(number % staff.len()) {
            emergency(who, number % patients)?;
        }
    }
    let times = Arc::new(Mutex::new(Vec::new()));
    let failures = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut workers = Vec::new();
    for number in 0..rate * SECONDS {
        let due = began + Duration::from_micros(1_000_000 / rate * number);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let Some(who) = staff.get(number as usize % staff.len()).cloned() else { break };
        let (times, failures) = (Arc::clone(&times), Arc::clone(&failures));
        workers.push(std::thread::spawn(move || match emergency(&who, number as usize % patients) {
            Ok(_) => {
                let took = due.elapsed().as_micros() as u64;
                if let Ok(mut times) = times.lock() {
                    times.push(took);
                }
            }
            Err(error) => {
                eprintln!("{error}");
                failures.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for worker in workers {
        let _ = worker.join();
    }
    let times = times.lock().map(|times| times.clone()).unwrap_or_default();
    Ok(
        json!({"grants_open": grants, "arriving_a_second": rate, "arrived": times.len(), "failed": failures.load(Ordering::Relaxed),
        "declare_and_summary_us": shares(times)}),
    )
}

fn shares(mut times: Vec<u64>) -> Value {
    times.sort_unstable();
    let at =
        |share: f64| times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1))).copied();
    json!({"p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "most": times.last()})
}

/// What the grants left behind: as many notices, reviews and audit events of a declaration, and their ledger records.
fn left_behind(http: &Http, administrator: &Http, patients: usize) -> Value {
    let mut counted = [0_u64; 3];
    let mut exchanges = Vec::new();
    for patient in 0..patients {
        let bundle = |query: &str| administrator.get(&format!("/fhir/{query}&_count=1000")).json();
        let total = |query: &str| bundle(query).get("total").and_then(Value::as_u64).unwrap_or(0);
        let [notices, reviews, declared] = &mut counted;
        *notices += total(&format!("Communication?subject=Patient/l{patient}"));
        *reviews += total(&format!("Task?patient=l{patient}"));
        // DICOM 110127, Emergency Override Started, is the subtype of a declaration.
        let events = bundle(&format!("AuditEvent?patient=l{patient}"));
        for event in events.get("entry").and_then(Value::as_array).into_iter().flatten() {
            let event = event.get("resource").unwrap_or(&Value::Null);
            *declared += u64::from(event.pointer("/subtype/0/code").and_then(Value::as_str) == Some("110127"));
            let named = event.get("entity").and_then(Value::as_array).into_iter().flatten().filter_map(|entity| {
                let identifier = entity.pointer("/what/identifier")?;
                let ours = identifier.get("system").and_then(Value::as_str) == Some("urn:gateway:exchange");
                identifier.get("value").and_then(Value::as_str).filter(|_| ours).map(str::to_owned)
            });
            exchanges.extend(named);
        }
    }
    exchanges.sort();
    exchanges.dedup();
    let deadline = Instant::now() + Duration::from_secs(20);
    let sealed = |exchange: &String| loop {
        let status = http.get(&format!("/ledger/receipts/{exchange}")).status;
        if status == 200 || Instant::now() > deadline {
            break status == 200;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let receipts = exchanges.iter().filter(|exchange| sealed(exchange)).count();
    let [notices, reviews, declared] = counted;
    json!({"notices": notices, "reviews": reviews, "declarations_audited": declared,
        "exchanges_named_on_a_page_of_the_audit": exchanges.len(), "of_these_with_receipt": receipts})
}

/// What the server says of the stages: the mean of each, in microseconds.
fn stages(http: &Http) -> Value {
    let text = http.get("/metrics").text();
    let of = |line: &str, end: &str| {
        let (stage, value) =
            line.strip_prefix(&format!("anchorline_stage_seconds_{end}{{stage=\"emergency-"))?.split_once("\"} ")?;
        Some((stage.to_owned(), value.parse::<f64>().ok()?))
    };
    let counts: Vec<(String, f64)> = text.lines().filter_map(|line| of(line, "count")).collect();
    let means = text.lines().filter_map(|line| of(line, "sum")).filter_map(|(stage, sum)| {
        let (_, count) = counts.iter().find(|(known, _)| *known == stage)?;
        Some((stage, json!((sum / count * 1e6).round())))
    });
    Value::Object(means.collect())
}
