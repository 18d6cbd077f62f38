//! Requirement tables against a FHIR server: interactions, searches, must-support, references, profiles.
//!
//! Made for US Core, whose certification kits keep such tables; any implementation guide can be written down in the
//! same form. Everything that is searched for is taken from the server's own data: patients are found (or named by
//! `--variable patients=ID,ID`), the resources of each profile are collected by the first search that the table
//! requires, and every further search uses values that these resources hold, so that its result is known to be wrong
//! if the resource it was taken from is not among it, or if anything in it does not answer the parameters.

mod check;
mod collect;
mod element;
mod parameter;
mod requirement;

use std::path::Path;
use std::sync::Arc;

use model::json::Json;

use crate::context::Context;
use crate::result::{Step, SuiteResult, Weight};
use crate::run::{self, Job};
use crate::wire;
use collect::Collected;
use requirement::Profile;

#[cfg(test)]
mod tests;

/// The group of the tests that belong to no profile.
const COMMON: &str = "The server";

/// Runs the tables of a file or folder.
pub async fn run(context: &Arc<Context>, tables: &Path) -> SuiteResult {
    let about = "Requirement tables: interactions, searches, must-support elements, references and profiles";
    let result = |tests| SuiteResult { name: "us-core".to_owned(), about: about.to_owned(), tests };
    let profiles = match requirement::load(tables) {
        Ok(profiles) => profiles,
        Err(said) => {
            let job = Job::test(COMMON, "The tables can be read", Weight::Shall, |recorder| async move {
                recorder.step(Step::error("read", said));
            });
            return result(run::all(vec![job], context.bounds).await);
        }
    };
    let recorder = run::Recorder::default();
    recorder.test(COMMON, "The CapabilityStatement can be read", Weight::Shall);
    let exchange = context.get("metadata").await;
    let statement = exchange.answer.as_ref().ok().filter(|answer| answer.status == 200).and_then(wire::body);
    let statement = statement.filter(|body| body.text_at(&["resourceType"]) == Some("CapabilityStatement"));
    recorder.step(match &statement {
        Some(_) => Step::passed("GET metadata").with(&exchange),
        None => Step::failed("GET metadata", "200 and a CapabilityStatement", said(&exchange)).with(&exchange),
    });
    recorder.test(COMMON, "There are patients to test with", Weight::Shall);
    let patients = collect::patients(context, &recorder).await;
    let collected = collect::all(context, &profiles, &patients).await;
    let data = Arc::new(Data { profiles, collected, statement: statement.unwrap_or(Json::Null) });
    let mut jobs = Vec::new();
    for index in 0..data.profiles.len() {
        jobs.extend(check::jobs(context, &data, index));
    }
    let mut tests = recorder.finish();
    tests.extend(run::all(jobs, context.bounds).await);
    result(tests)
}

/// What all tests of a run share.
struct Data {
    profiles: Vec<Profile>,
    collected: Collected,
    statement: Json,
}

impl Data {
    fn profile(&self, index: usize) -> Option<&Profile> {
        self.profiles.get(index)
    }

    fn resources(&self, index: usize) -> &[Json] {
        self.collected.of_profile.get(index).map(Vec::as_slice).unwrap_or_default()
    }
}

/// What came back, in a few words: status and the diagnostics of an OperationOutcome.
pub(crate) fn said(exchange: &crate::client::Exchange) -> String {
    match &exchange.answer {
        Err(error) => error.to_string(),
        Ok(answer) => {
            let outcome = wire::body(answer);
            let why = outcome.as_ref().and_then(|body| {
                let issue = body.items("issue").first()?;
                issue.text_at(&["diagnostics"]).or_else(|| issue.text_at(&["details", "text"])).map(str::to_owned)
            });
            match why {
                Some(why) => format!("HTTP {}: {why}", answer.status),
                None => format!("HTTP {}", answer.status),
            }
        }
    }
}
