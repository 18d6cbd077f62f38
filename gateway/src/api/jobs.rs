//! `Prefer: respond-async` (FHIR R4 async.html, RFC 7240): what may take long is done without its caller, who asks for it
//! at an address of its own.
//!
//! A job goes the way of the request that started it, under the same caller, consents and records. Its answer is wrapped in
//! a batch-response Bundle of one entry, so that a 404 of what was asked for and a 404 of the job cannot be taken for one
//! another. Consents are asked when it runs; if those that decided have changed by the time it is fetched, it runs anew.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LOCATION, EXPIRES, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use model::bundle::batch_response;
use model::json::Json;

use super::inner::Request;
use super::outcome::Failure;
use super::router::{Endpoint, Route};
use super::{Call, Who, answer, fhir, format, inner};
use crate::layers::Response;
use crate::policies::Basis;

mod held;

pub use held::Jobs;
use held::{State, Ticket, Work};

/// How long one may run.
const RUNS: Duration = Duration::from_secs(10 * 60);
/// The largest answer.
const BYTES: usize = 32 << 20;
/// Seconds until it is worth to ask again: for one that runs, for one that others run before, for a place.
const SOON: u64 = 1;
const LATER: u64 = 5;
const MUCH_LATER: u64 = 30;

const PROGRESS: HeaderName = HeaderName::from_static("x-progress");
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Starts a job if that is preferred and what is asked can be one: 202 with its address. `None`: answered at once.
///
/// # Errors
/// 429 if there are too many, or what is wrong with the body.
pub(super) async fn start(call: &mut Call, route: &'static Route, who: &Who) -> Result<Option<Response>, Failure> {
    // Break-glass is no work for later, and nothing of it may leave behind the end of the grant.
    if !call.prefers("respond-async") || !route.may_wait() || who.is_break_glass() {
        return Ok(None);
    }
    let body = call.body().await?;
    call.ready = Some(body.clone());
    if route.endpoint == Endpoint::Transaction && !reads_alone(call, &body) {
        return Ok(None);
    }
    let id = super::exchanges::hex(&crate::keys::random::<16>().map_err(|_| busy())?);
    let request = Arc::new(Request::of(call, route, body));
    let work: Work = Arc::new(move |ticket, who| Box::pin(run(Arc::clone(&request), who, ticket)));
    call.app.jobs.start(id.clone(), who.clone(), work).map_err(|_| busy())?;
    let mut response = answer::empty(StatusCode::ACCEPTED);
    answer::header(&mut response, CONTENT_LOCATION, &format!("{}/_jobs/{id}", call.base()));
    answer::header(&mut response, APPLIED, "respond-async");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(SOON));
    Ok(Some(response))
}

/// `GET /fhir/_jobs/{job}`
pub(super) fn state(call: &Call, who: &Who) -> Result<Response, Failure> {
    fhir::format_only(call)?;
    let id = call.params.text("job");
    let jobs = &call.app.jobs;
    let done = match jobs.state(id, who).ok_or_else(unknown)? {
        State::Waiting => return Ok(under_way("waits for others", LATER)),
        State::Running(since) => {
            let seconds = (call.app.clock.now().millis() - since.millis()).max(0) / 1000;
            return Ok(under_way(&format!("runs for {seconds} s"), SOON));
        }
        State::Done(done) => done,
    };
    if !done.basis.holds(&call.app.policies, &call.app.store)? {
        jobs.again(id, who);
        return Ok(under_way("runs anew: consents have changed", SOON));
    }
    let mut response = answer::fhir(StatusCode::OK, done.body.clone());
    answer::header(&mut response, EXPIRES, &answer::http_date(done.until));
    Ok(response)
}

/// `DELETE /fhir/_jobs/{job}`
pub(super) fn end(call: &Call, who: &Who) -> Result<Response, Failure> {
    fhir::format_only(call)?;
    if call.app.jobs.end(call.params.text("job"), who) {
        Ok(answer::empty(StatusCode::ACCEPTED))
    } else {
        Err(unknown())
    }
}

fn under_way(progress: &str, seconds: u64) -> Response {
    let mut response = answer::empty(StatusCode::ACCEPTED);
    answer::header(&mut response, PROGRESS, progress);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn unknown() -> Failure {
    Failure::unknown("this job")
}

fn busy() -> Failure {
    let text = "too many jobs run or wait to be fetched; fetch and delete them, or ask without respond-async";
    Failure::new(StatusCode::TOO_MANY_REQUESTS, "throttled", text).retry_after(MUCH_LATER)
}

/// Whether a body is a batch of reads. What writes is never left to a job: a restart would end it, and nobody could say
/// what was done.
fn reads_alone(call: &Call, body: &Bytes) -> bool {
    let Ok(sent) = format::tree_of(call, body.clone()) else { return false };
    let reads = |entry: &Json| {
        let method = entry.text_at(&["request", "method"]).and_then(|text| Method::from_bytes(text.as_bytes()).ok());
        method.is_some_and(|method| method == Method::GET || method == Method::HEAD)
    };
    sent.tree.get("type").and_then(Json::as_str) == Some("batch") && sent.tree.items("entry").iter().all(reads)
}

/// Does the work of a job and hands its answer in.
async fn run(request: Arc<Request>, who: Who, ticket: Ticket) {
    let call = request.call();
    ticket.begins(call.app.clock.now());
    let basis = Arc::new(Basis::default());
    let who = who.decided_by(Arc::clone(&basis));
    let answered = within(RUNS, answered(&request, &who)).await;
    let mut body = wrapped(call, answered).await;
    if body.len() > BYTES {
        let text = format!("the answer is larger than {} MiB; ask for less, or for pages", BYTES >> 20);
        body = wrapped(call, Failure::new(StatusCode::BAD_REQUEST, "too-costly", text).into()).await;
    }
    let text = "there is no room for more results; fetch and delete others, then ask again";
    let full = Failure::new(StatusCode::SERVICE_UNAVAILABLE, "throttled", text);
    let full = wrapped(call, full.into()).await;
    ticket.done(call.app.clock.now(), body, full, basis);
}

async fn wrapped(call: &Call, response: Response) -> Bytes {
    Bytes::from(batch_response([fhir::bundle::as_entry(call, response, false).await]).to_bytes())
}

/// The answer as the same request would have had it at once, in JSON.
async fn answered(request: &Request, who: &Who) -> Response {
    inner::answer(&mut request.again(), who).await.unwrap_or_else(Response::from)
}

async fn within(time: Duration, work: impl Future<Output = Response>) -> Response {
    match tokio::time::timeout(time, work).await {
        Ok(response) => response,
        Err(_) => {
            let text = format!("not done within {} s; ask for less", time.as_secs());
            Failure::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", text).into()
        }
    }
}

#[cfg(test)]
mod tests;
