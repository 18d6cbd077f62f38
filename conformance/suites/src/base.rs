//! What every FHIR R4 server has to do: an honest CapabilityStatement, reads, searches, writes, errors.
//!
//! FHIR R4 http.html and search.html. Writing is tried where the server declares it for Patient and Observation, with
//! synthetic resources that carry a tag of the run (`urn:anchorline:conformance`); `--variable read-only=yes` leaves it
//! out, `--variable types=Patient,Observation` looks at these types only.

mod capability;
mod errors;
mod write;

use std::sync::Arc;

use model::json::Json;

use crate::client::{Answer, Exchange, Request};
use crate::context::Context;
use crate::result::{Step, SuiteResult, Weight};
use crate::run::{self, Job, Recorder};
use crate::us_core::said;
use crate::wire;

#[cfg(test)]
mod tests;

/// The system of the tags and identifiers of what the suite writes.
const TAG: &str = "urn:anchorline:conformance";
/// As many declared types are tried.
const TYPES: usize = 200;

/// Runs the suite; `run_id` keeps two runs apart.
pub async fn run(context: &Arc<Context>, run_id: &str) -> SuiteResult {
    let exchange = context.get("metadata").await;
    let statement = exchange.answer.as_ref().ok().and_then(wire::body).unwrap_or(Json::Null);
    let shared = Arc::new(Shared { context: Arc::clone(context), statement, run_id: run_id.to_owned() });
    let mut jobs = capability::jobs(&shared);
    jobs.extend(errors::jobs(&shared));
    jobs.extend(write::jobs(&shared));
    SuiteResult {
        name: "fhir-base".to_owned(),
        about: "What every FHIR R4 server has to do".to_owned(),
        tests: run::all(jobs, context.bounds).await,
    }
}

/// What all tests share.
struct Shared {
    context: Arc<Context>,
    statement: Json,
    run_id: String,
}

impl Shared {
    /// What the CapabilityStatement says of a type.
    fn declared(&self, kind: &str) -> Option<&Json> {
        self.resources().find(|resource| resource.text_at(&["type"]) == Some(kind))
    }

    fn resources(&self) -> impl Iterator<Item = &Json> {
        let rest = self.statement.items("rest").iter().filter(|rest| rest.text_at(&["mode"]) == Some("server"));
        rest.flat_map(|rest| rest.items("resource"))
    }

    /// The declared types that can be searched; of them those that the user wants to look at.
    fn searchable(&self) -> Vec<String> {
        let only = self.context.variables.get("types");
        let wanted = |kind: &&str| only.is_none_or(|only| only.split(',').any(|name| name.trim() == *kind));
        let types = self.resources().filter_map(|resource| resource.text_at(&["type"])).filter(wanted);
        types.filter(|kind| self.has(kind, "search-type")).take(TYPES).map(str::to_owned).collect()
    }

    /// Whether an interaction is declared for a type.
    fn has(&self, kind: &str, interaction: &str) -> bool {
        self.declared(kind).is_some_and(|resource| {
            resource.items("interaction").iter().any(|one| one.text_at(&["code"]) == Some(interaction))
        })
    }

    /// The first declared type that has an interaction; Patient if it does.
    fn any_with(&self, interaction: &str) -> Option<String> {
        if self.has("Patient", interaction) {
            return Some("Patient".to_owned());
        }
        let types = self.resources().filter_map(|resource| resource.text_at(&["type"]));
        types.into_iter().find(|kind| self.has(kind, interaction)).map(str::to_owned)
    }
}

/// A test of this suite.
fn job<F>(
    shared: &Arc<Shared>,
    group: &str,
    name: &str,
    weight: Weight,
    work: impl FnOnce(Probe) -> F + Send + 'static,
) -> Job
where
    F: Future<Output = ()> + Send + 'static,
{
    let shared = Arc::clone(shared);
    Job::test(group, name, weight, move |recorder| work(Probe { shared, recorder }))
}

/// One test's hands: sends, looks, takes down.
#[derive(Clone)]
struct Probe {
    shared: Arc<Shared>,
    recorder: Recorder,
}

impl Probe {
    fn context(&self) -> &Context {
        &self.shared.context
    }

    fn skip(&self, why: &str) {
        self.recorder.step(Step::skipped("not tried", why));
    }

    /// A request below the base that asks for FHIR.
    fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, self.context().url(path)).header("Accept", self.context().format.media_type())
    }

    /// A request with a resource.
    fn with(&self, method: &str, path: &str, resource: &Json) -> Request {
        let format = self.context().format;
        match wire::write(resource, format) {
            Ok(body) => self.request(method, path).body(format.media_type(), body),
            Err(_) => self.request(method, path).body("application/fhir+json", resource.to_bytes()),
        }
    }

    /// Sends and looks; gives the answer with its resource if what was looked for holds.
    async fn expect(
        &self,
        request: Request,
        expected: &str,
        look: impl FnOnce(&Seen<'_>) -> Result<(), String>,
    ) -> Option<(Answer, Json)> {
        let path = request.url.strip_prefix(self.context().base()).unwrap_or(&request.url);
        let name = format!("{} {path}", request.method);
        let exchange = self.context().client.send(request).await;
        let Ok(answer) = &exchange.answer else {
            self.recorder
                .step(Step { expected: expected.to_owned(), ..Step::error(name, said(&exchange)) }.with(&exchange));
            return None;
        };
        let body = wire::body(answer).unwrap_or(Json::Null);
        let seen = Seen { answer, body: &body, exchange: &exchange };
        match look(&seen) {
            Ok(()) => {
                self.recorder.step(Step { expected: expected.to_owned(), ..Step::passed(name) }.with(&exchange));
                Some((answer.clone(), body))
            }
            Err(got) => {
                self.recorder.step(Step::failed(name, expected, got).with(&exchange));
                None
            }
        }
    }
}

/// An answer to look at.
struct Seen<'s> {
    answer: &'s Answer,
    body: &'s Json,
    exchange: &'s Exchange,
}

impl Seen<'_> {
    fn status(&self, allowed: &[u16]) -> Result<(), String> {
        if allowed.contains(&self.answer.status) { Ok(()) } else { Err(said(self.exchange)) }
    }

    fn is(&self, kind: &str) -> Result<(), String> {
        match self.body.text_at(&["resourceType"]) {
            Some(known) if known == kind => Ok(()),
            Some(other) => Err(format!("a {other}")),
            None => Err(format!("HTTP {} without a resource", self.answer.status)),
        }
    }

    /// An error that says so as FHIR does: an OperationOutcome with an issue of severity error or fatal.
    fn refused(&self, allowed: &[u16]) -> Result<(), String> {
        self.status(allowed)?;
        self.is("OperationOutcome")?;
        let severe = |issue: &Json| matches!(issue.text_at(&["severity"]), Some("error" | "fatal"));
        if self.body.items("issue").iter().any(severe) {
            Ok(())
        } else {
            Err("an OperationOutcome without an error".to_owned())
        }
    }

    fn searchset(&self) -> Result<(), String> {
        self.status(&[200])?;
        self.is("Bundle")?;
        match self.body.text_at(&["type"]) {
            Some("searchset") => Ok(()),
            other => Err(format!("a Bundle of type {}", other.unwrap_or("none"))),
        }
    }

    fn header(&self, name: &str) -> Result<&str, String> {
        self.answer.header(name).filter(|value| !value.is_empty()).ok_or_else(|| format!("no header {name}"))
    }
}
