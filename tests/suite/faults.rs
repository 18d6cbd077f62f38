//! The mutation test of the suites: faults planted between them and the real gateway, and how many they find.
//!
//! A fault counts as found if the run with it differs from the run without: another exit status, or a test that was
//! passed and is no longer. The run without any fault has to be passed, so that no fault is found by accident.

mod consent;
mod fhir;
mod ledger;
mod wire;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use model::time::SystemClock;
use serde_json::Value;
use suites::client::{Client, Options};
use suites::context::Context;
use suites::suite::{self, Suite};
use tests::process::{Gateway, configuration};
use tokio::runtime::Runtime;

/// The share of planted faults that has to be found.
const FOUND_PERCENT: usize = 95;
/// Longest wait for one answer: a fault may be that there is none.
const TIMEOUT: Duration = Duration::from_secs(3);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// What a run said.
pub(crate) struct Verdict {
    holds: bool,
    /// The tests that were passed.
    passed: BTreeSet<String>,
    report: Value,
}

/// Runs a suite against an endpoint.
pub(crate) fn run(suite: &Suite, base: &str, token: Option<&str>, change: impl FnOnce(&mut Context)) -> Verdict {
    let bases = vec![base.to_owned()];
    let options =
        Options { timeout: TIMEOUT, bases: bases.clone(), bearer: token.map(str::to_owned), ..Options::default() };
    let mut context = Context::new(Client::new(options).expect("a client"), bases);
    context.bounds.parallel = 8;
    change(&mut context);
    let report = RUNTIME.block_on(suite::run(&Arc::new(context), std::slice::from_ref(suite), &SystemClock));
    let holds = report.holds();
    let report: Value = serde_json::from_str(&report.to_json().to_text()).expect("a report is JSON");
    let passed = tests_of(&report)
        .filter(|test| test["outcome"] == "passed")
        .map(|test| format!("{}: {}", test["group"], test["name"]))
        .collect();
    Verdict { holds, passed, report }
}

fn tests_of(report: &Value) -> impl Iterator<Item = &Value> {
    let suites = report["suites"].as_array().into_iter().flatten();
    suites.flat_map(|suite| suite["tests"].as_array().into_iter().flatten())
}

impl Verdict {
    /// Everything that did not pass, for a test that fails.
    pub(crate) fn problems(&self) -> String {
        let mut text = String::new();
        for test in tests_of(&self.report) {
            for step in test["steps"].as_array().into_iter().flatten() {
                if step["outcome"] != "passed" && step["outcome"] != "skipped" {
                    text.push_str(&format!(
                        "{} / {}: expected {}, got {}\n",
                        test["name"], step["name"], step["expected"], step["got"]
                    ));
                }
            }
        }
        text
    }

    /// Whether everything that has to hold holds.
    pub(crate) fn holds(&self) -> bool {
        self.holds
    }

    /// Whether it differs from a run without a fault.
    pub(crate) fn differs(&self, sound: &Self) -> bool {
        self.holds != sound.holds || !sound.passed.is_subset(&self.passed)
    }
}

/// What became of the faults of one kind.
pub(crate) struct Tally {
    pub(crate) planted: usize,
    pub(crate) missed: Vec<&'static str>,
    pub(crate) took: Duration,
}

#[test]
fn suites_find_the_faults_planted_in_a_gateway() {
    let sources = "[[source]]\nname = \"ward\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\n";
    let open = Gateway::start(&configuration(sources).replace("\"development\"", "\"open\""));
    let ledger = Gateway::start(&configuration("").replace("\"development\"", "\"open\""));
    let guarded = Gateway::start(&configuration(""));
    // Side by side: much of the time is spent on waiting for answers that a fault keeps back.
    let tallies = std::thread::scope(|scope| {
        let running = [
            scope.spawn(|| fhir::tally(&open)),
            scope.spawn(|| wire::tally(&open)),
            scope.spawn(|| ledger::tally(&ledger)),
            scope.spawn(|| consent::tally(&guarded)),
        ];
        running.map(|tally| tally.join().expect("a tally ends"))
    });
    for tally in &tallies {
        eprintln!("{} planted, missed: {:?}, {:.1} s", tally.planted, tally.missed, tally.took.as_secs_f64());
    }
    let planted: usize = tallies.iter().map(|tally| tally.planted).sum();
    let missed: Vec<&str> = tallies.iter().flat_map(|tally| tally.missed.iter().copied()).collect();
    let found = planted - missed.len();
    eprintln!("{found} of {planted} planted faults found; missed: {missed:?}");
    assert!(planted >= 30, "{planted}");
    assert!(found * 100 >= planted * FOUND_PERCENT, "{found} of {planted}; missed: {missed:?}");
}
