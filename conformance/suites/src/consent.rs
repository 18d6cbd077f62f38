//! Consent suites: decision cases asked over HTTP of a running system.
//!
//! A case names what is on file, who asks for what, and what may come back (docs/suites.md, "Consent"). It is seeded
//! under ids of this run, asked with a token for its actor and purposes, and compared: status, entries, total, elements
//! that had to go, texts that must not appear. A case that cannot be asked as it stands is skipped, with the reason.

mod answer;
mod case;
mod rename;
mod token;

use std::path::PathBuf;
use std::sync::Arc;

use model::json::{Json, Limits};
use model::time::Instant;

use crate::client::{Exchange, Request};
use crate::context::Context;
use crate::result::{Step, SuiteResult, Test, Weight};
use crate::run::{self, Bounds, Job, Recorder};
use case::{Case, Site};
use token::Tokens;

/// Largest file of cases that is read.
const FILE_LIMIT_BYTES: usize = 64 << 20;

/// Runs the cases of these files. `run_id` keeps the ids of two runs apart: letters and digits.
pub(crate) async fn run(context: &Arc<Context>, files: &[PathBuf], now: Instant, run_id: &str) -> SuiteResult {
    let mut result = SuiteResult {
        name: "consent".to_owned(),
        about: "Consent decisions over HTTP: what is released, what is withheld, what the answers give away".to_owned(),
        tests: Vec::new(),
    };
    let site = Arc::new(Site::of(context));
    let tokens = Arc::new(Tokens::of(context));
    // Policies of the whole site bind every case: such cases run alone, when the others are done.
    let (mut together, mut alone) = (Vec::new(), Vec::new());
    for (number, file) in files.iter().enumerate() {
        let cases = match read(file) {
            Ok(cases) => cases,
            Err(said) => {
                result.tests.push(unread(file, said));
                continue;
            }
        };
        for (index, json) in cases.into_iter().enumerate() {
            let case = Case::new(json, format!("{run_id}{number}-{index}-"));
            let list = if case.has_site_policies() { &mut alone } else { &mut together };
            let (context, site, tokens) = (Arc::clone(context), Arc::clone(&site), Arc::clone(&tokens));
            let (group, name) = (case.topic(), case.name());
            list.push(Job::test(&group, &name, Weight::Shall, |recorder| async move {
                Asked { context, site, tokens, case, now, recorder }.run().await;
            }));
        }
    }
    result.tests.extend(run::all(together, context.bounds).await);
    result.tests.extend(run::all(alone, Bounds { parallel: 1, ..context.bounds }).await);
    result
}

fn read(file: &PathBuf) -> Result<Vec<Json>, String> {
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    let limits = Limits { bytes: FILE_LIMIT_BYTES, ..Limits::default() };
    let json = model::json::parse(&bytes, &limits).map_err(|error| error.to_string())?;
    if json.get("schema_version").and_then(Json::as_number).and_then(|version| version.as_u64()) != Some(1) {
        return Err("expected {\"schema_version\": 1, \"cases\": […]}".to_owned());
    }
    json.get("cases").and_then(Json::as_array).map(<[Json]>::to_vec).ok_or_else(|| "expected an array cases".to_owned())
}

fn unread(file: &std::path::Path, said: String) -> Test {
    Test {
        group: "consent".to_owned(),
        name: format!("{} can be read", file.display()),
        steps: vec![Step::error("the file holds decision cases", said)],
        ..Test::default()
    }
}

/// One case while it is asked.
struct Asked {
    context: Arc<Context>,
    site: Arc<Site>,
    tokens: Arc<Tokens>,
    case: Case,
    now: Instant,
    recorder: Recorder,
}

impl Asked {
    async fn run(&self) {
        if let Err(why) = self.case.askable(&self.site, self.now) {
            return self.recorder.step(Step::skipped("the case can be asked here", why));
        }
        if self.seed().await {
            self.ask().await;
        }
        self.lift().await;
    }

    /// Stores what the case needs; false if something was not taken, which is a skip and no failure.
    async fn seed(&self) -> bool {
        for resource in self.case.stored() {
            let exchange = self.put(resource).await;
            match exchange.status() {
                Some(200 | 201) => {}
                Some(status @ (400 | 403 | 405 | 412 | 422)) => {
                    let kind = model::resource::resource_type(resource).unwrap_or("resource").to_owned();
                    let step =
                        Step::skipped("the case can be seeded", format!("a {kind} of the case is refused: {status}"));
                    self.recorder.step(step.with(&exchange));
                    return false;
                }
                _ => {
                    self.recorder.step(Step::error("the case can be seeded", said(&exchange)).with(&exchange));
                    return false;
                }
            }
        }
        true
    }

    async fn put(&self, resource: &Json) -> Arc<Exchange> {
        let kind = model::resource::resource_type(resource).unwrap_or_default();
        let id = model::resource::id(resource).unwrap_or_default();
        let request = Request::new("PUT", self.context.url(&format!("{kind}/{id}")))
            .header("Accept", "application/fhir+json")
            .body("application/fhir+json", resource.to_bytes());
        self.context.client.send(request).await
    }

    /// Takes policies of the whole site back: they must not bind the next case.
    async fn lift(&self) {
        for policy in self.case.lifted() {
            let exchange = self.put(&policy).await;
            if !matches!(exchange.status(), Some(200 | 201)) {
                let step = Step::error("the site's policy is taken back", said(&exchange));
                self.recorder.step(step.with(&exchange));
            }
        }
    }

    async fn ask(&self) {
        let token = match self.tokens.of_request(self.case.request()).await {
            Ok(token) => token,
            Err(why) => return self.recorder.step(Step::skipped("a token for the case's caller", why)),
        };
        if let Some(declaration) = self.case.declaration() {
            let url = format!("{}/emergency/declare", self.site.root);
            let request = Request::new("POST", url)
                .header("Authorization", &format!("Bearer {token}"))
                .body("application/json", declaration.to_bytes());
            let exchange = self.context.client.send(request).await;
            match exchange.status() {
                Some(200..=299 | 400 | 403 | 422) => {}
                other => {
                    let why = format!(
                        "the emergency cannot be declared: {}",
                        other.map_or_else(|| said(&exchange), |it| it.to_string())
                    );
                    return self.recorder.step(Step::skipped("the emergency is declared", why).with(&exchange));
                }
            }
        }
        let mut answers = Vec::new();
        for path in self.case.paths() {
            let request = Request::new("GET", self.context.url(&path))
                .header("Accept", "application/fhir+json")
                .header("Authorization", &format!("Bearer {token}"));
            answers.push(self.context.client.send(request).await);
        }
        for step in answer::judge(&self.case, &answers) {
            self.recorder.step(step);
        }
    }
}

fn said(exchange: &Exchange) -> String {
    match &exchange.answer {
        Ok(answer) => format!("status {}", answer.status),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
