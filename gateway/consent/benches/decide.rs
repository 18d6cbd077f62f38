//! How fast consents are compiled and decided. `cargo bench -p consent`

#![expect(clippy::expect_used, reason = "the samples are written here")]

use consent::{
    AccessRequest, Action, Actor, Candidate, Context, ImplicitPolicy, Interaction, Labelling, Policies, Purpose,
    ResourceFacts, SensitivityMap, Settings, decide, release_all,
};
use model::json::{Json, Limits, parse};
use model::time::Instant;

fn main() {
    if !std::env::args().any(|argument| argument == "--list" || argument == "--test") {
        percentiles();
    }
    divan::main();
}

/// How often a figure is taken.
const SAMPLES: usize = 200_000;
const FILTERS: usize = 200;
const BATCHES: usize = 200;
const BATCH: u64 = 1000;

/// What the mean hides: the slow ones. Every single decision is timed; the time of asking the clock is counted in.
#[expect(clippy::print_stdout, reason = "a bench prints")]
fn percentiles() {
    use std::time::Instant as Clock;

    let consents: Vec<Json> = (0..10).map(|number| consent(number, 20)).collect();
    let policies = Policies::compile(&consents, &[]);
    let (facts, request, settings, now) = (ResourceFacts::from(&observation(1)), request(), settings(), now());
    let mut taken: Vec<u64> = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let start = Clock::now();
        let decision = decide(divan::black_box(&policies), &request, &facts, &settings, now);
        taken.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
        divan::black_box(decision);
    }
    println!("one decision, 10 consents of 20 provisions: {}", figures(&mut taken, 1, "ns"));
    // The rate of the median of batches: a machine that does something else for a while is no property of the code.
    let mut batches: Vec<u64> = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        let start = Clock::now();
        for _ in 0..BATCH {
            divan::black_box(decide(divan::black_box(&policies), &request, &facts, &settings, now));
        }
        batches.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    batches.sort_unstable();
    let median = batches.get(BATCHES / 2).copied().unwrap_or(u64::MAX);
    println!("decisions a second on one core: {}", BATCH.saturating_mul(1_000_000_000) / median.max(1));

    let map = SensitivityMap::embedded();
    let mapped = Settings { labelling: Labelling::Map, ..settings.clone() };
    let resources: Vec<Json> = (0..1000).map(observation).collect();
    for (name, settings) in [("labels as stored", &settings), ("with the sensitivity map", &mapped)] {
        let context = Context { policies: &policies, request: &request, settings, now, links: None, map: Some(&map) };
        let mut taken: Vec<u64> = Vec::with_capacity(FILTERS);
        for _ in 0..FILTERS {
            let candidates: Vec<Candidate<'_>> = resources
                .iter()
                .map(|json| Candidate { json: json.clone(), text: None, selected_by: vec![], follows: None })
                .collect();
            let start = Clock::now();
            let released = release_all(&context, divan::black_box(candidates));
            taken.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
            assert_eq!(released.permitted.get().len(), 1000);
        }
        println!("a thousand resources filtered, {name}: {}", figures(&mut taken, 1000, "us"));
    }
}

fn figures(taken: &mut [u64], unit: u64, name: &str) -> String {
    taken.sort_unstable();
    let at = |thousandths: usize| taken.get(taken.len() * thousandths / 1000).copied().unwrap_or_default() / unit;
    format!("p50 {} {name}, p99 {} {name}, p99.9 {} {name}", at(500), at(990), at(999))
}

fn json(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).expect("the sample is JSON: written here")
}

/// A consent whose root permits treatment, with nested provisions that mostly do not match.
fn consent(number: usize, provisions: usize) -> Json {
    let v3 = "http://terminology.hl7.org/CodeSystem/v3-";
    let nested: Vec<String> = (1..provisions)
        .map(|index| {
            let kind = if index % 3 == 0 { "permit" } else { "deny" };
            let criterion = match index % 5 {
                0 => format!(r#""securityLabel":[{{"system":"{v3}ActCode","code":"HIV"}}]"#),
                1 => format!(
                    r#""actor":[{{"role":{{"coding":[{{"system":"{v3}ParticipationType","code":"IRCP"}}]}},"reference":{{"reference":"Practitioner/other-{index}"}}}}]"#
                ),
                2 => r#""class":[{"system":"http://hl7.org/fhir/resource-types","code":"MedicationRequest"}]"#.to_owned(),
                3 => format!(r#""code":[{{"coding":[{{"system":"http://loinc.org","code":"{index}-1"}}]}}]"#),
                _ => r#""dataPeriod":{"start":"2001","end":"2002"}"#.to_owned(),
            };
            format!(r#"{{"type":"{kind}",{criterion}}}"#)
        })
        .collect();
    json(&format!(
        r#"{{"resourceType":"Consent","id":"c{number}","status":"active",
        "scope":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},
        "patient":{{"reference":"Patient/p"}},"dateTime":"2026-01-01",
        "provision":{{"type":"permit","purpose":[{{"system":"{v3}ActReason","code":"TREAT"}}],"provision":[{}]}}}}"#,
        nested.join(",")
    ))
}

fn observation(number: usize) -> Json {
    json(&format!(
        r#"{{"resourceType":"Observation","id":"o{number}","meta":{{"security":[
        {{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}}]}},"status":"final",
        "code":{{"coding":[{{"system":"http://loinc.org","code":"15074-8"}}]}},"subject":{{"reference":"Patient/p"}},
        "effectiveDateTime":"2025-03-01","performer":[{{"reference":"Practitioner/b"}}],"valueString":"x"}}"#
    ))
}

fn request() -> AccessRequest {
    AccessRequest {
        actor: Actor {
            refs: ["Practitioner/a", "PractitionerRole/r", "Organization/o"].into_iter().map(Into::into).collect(),
            roles: vec!["clinician".into()],
            ..Actor::default()
        },
        purposes: vec![Purpose::parse("TREAT")],
        action: Action::Access,
        custodian: Some(Vec::new()),
        btg: None,
        patient: Some("Patient/p".into()),
        interaction: Interaction::Search,
    }
}

fn now() -> Instant {
    Instant::parse("2026-06-15T10:00:00Z").expect("an instant: written here")
}

fn settings() -> Settings {
    Settings { implicit_policy: ImplicitPolicy::PermitTreatment, ..Settings::default() }
}

/// One decision; the first figure is the number of consents, each with 20 provisions.
#[divan::bench(args = [0, 1, 10])]
fn decides(bencher: divan::Bencher<'_, '_>, consents: usize) {
    let consents: Vec<Json> = (0..consents).map(|number| consent(number, 20)).collect();
    let policies = Policies::compile(&consents, &[]);
    let (facts, request, settings, now) = (ResourceFacts::from(&observation(1)), request(), settings(), now());
    assert!(decide(&policies, &request, &facts, &settings, now).is_permit());
    bencher.bench(|| decide(divan::black_box(&policies), &request, &facts, &settings, now));
}

/// Reading the facts of one resource.
#[divan::bench]
fn reads_facts(bencher: divan::Bencher<'_, '_>) {
    let observation = observation(1);
    bencher.bench(|| ResourceFacts::from(divan::black_box(&observation)));
}

/// Compiling ten consents of 20 provisions.
#[divan::bench]
fn compiles(bencher: divan::Bencher<'_, '_>) {
    let consents: Vec<Json> = (0..10).map(|number| consent(number, 20)).collect();
    bencher.bench(|| Policies::compile(divan::black_box(&consents), &[]));
}

/// An answer of 1,000 resources, decided and filtered, against ten consents.
#[divan::bench(sample_count = 20)]
fn filters_a_thousand(bencher: divan::Bencher<'_, '_>) {
    let consents: Vec<Json> = (0..10).map(|number| consent(number, 20)).collect();
    let policies = Policies::compile(&consents, &[]);
    let (request, settings) = (request(), settings());
    let resources: Vec<Json> = (0..1000).map(observation).collect();
    let context =
        Context { policies: &policies, request: &request, settings: &settings, now: now(), links: None, map: None };
    bencher
        .with_inputs(|| {
            resources.iter().map(|json| Candidate {
                json: json.clone(),
                text: None,
                selected_by: vec![],
                follows: None,
            })
        })
        .bench_values(|candidates| release_all(&context, candidates));
}
