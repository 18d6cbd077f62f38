//! HTTP to an outside terminology server, for code that does not wait in async.
//!
//! A thread of its own carries the questions; who asks waits for at most the time allowed. The policy (cache, breaker, how
//! many at once) is `terminology::remote`'s. Only codings and canonicals of value sets leave the house.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use model::json::Limits;
use model::time::SystemClock;
use suites::client::{Client, Options, Request};
use terminology::remote::{Policy, Remote, Server, Transport, TransportError, wire};
use tokio::sync::mpsc;

#[cfg(test)]
mod tests;

/// Questions waiting to be sent; the policy lets fewer be under way.
const WAITING: usize = 32;

/// Largest answer that is read: a large expansion.
const ANSWER_LIMIT_BYTES: usize = 16 << 20;

/// The server at this address cannot be used. Fault of the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// No address.
    #[error("expected the address of a FHIR endpoint such as https://tx.example/r4")]
    Address,
    /// No TLS.
    #[error("certificates")]
    Tls(#[from] suites::client::TlsError),
    /// No thread.
    #[error("the thread for the terminology server")]
    Thread(#[from] std::io::Error),
}

/// Asks the FHIR terminology server at `base`. Plain HTTP is for loopback only; `authorities` are certificates to trust
/// instead of the machine's own.
///
/// # Errors
/// [`ServerError`]. Nothing is sent yet: a server that is not there shows as questions without an answer.
pub fn connect(base: &str, authorities: Option<&Path>, policy: Policy) -> Result<Arc<dyn Remote>, ServerError> {
    let base = base.trim_end_matches('/').to_owned();
    let uri: http::Uri = base.parse().map_err(|_| ServerError::Address)?;
    let host = uri.host().ok_or(ServerError::Address)?.trim_matches(['[', ']']);
    let is_loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if is_loopback => {}
        _ => return Err(ServerError::Address),
    }
    let client = Client::new(Options {
        timeout: policy.timeout,
        body_limit_bytes: ANSWER_LIMIT_BYTES,
        authorities: authorities.map(Path::to_owned),
        bases: vec![base.clone()],
        ..Options::default()
    })?;
    let (sender, questions) = mpsc::channel(WAITING);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // It ends when the last sender is dropped, and with it the validator that asks.
    std::thread::Builder::new()
        .name("terminology".to_owned())
        .spawn(move || runtime.block_on(serve(Arc::new(client), base, questions)))?;
    Ok(Arc::new(Server::new(Http { questions: sender }, SystemClock, policy)))
}

struct Question {
    operation: &'static str,
    body: Vec<u8>,
    answer: SyncSender<Option<wire::Response>>,
}

struct Http {
    questions: mpsc::Sender<Question>,
}

impl Transport for Http {
    fn post(&self, request: &wire::Request, timeout: Duration) -> Result<wire::Response, TransportError> {
        let (answer, receiver) = sync_channel(1);
        let question = Question { operation: request.operation, body: request.body.to_bytes(), answer };
        // A full queue is a server that does not keep up.
        self.questions.try_send(question).map_err(|_| TransportError)?;
        receiver.recv_timeout(timeout).ok().flatten().ok_or(TransportError)
    }
}

async fn serve(client: Arc<Client>, base: String, mut questions: mpsc::Receiver<Question>) {
    let mut under_way = tokio::task::JoinSet::new();
    while let Some(question) = questions.recv().await {
        while under_way.try_join_next().is_some() {}
        let (client, url) = (Arc::clone(&client), format!("{base}/{}", question.operation));
        under_way.spawn(async move {
            let request = Request::new("POST", url)
                .header("Accept", "application/fhir+json")
                .body("application/fhir+json", question.body);
            let exchange = client.send(request).await;
            let response = exchange.answer.as_ref().ok().map(|answer| wire::Response {
                status: answer.status,
                body: model::json::parse(&answer.body, &LIMITS).ok(),
            });
            // Who asked may have given up.
            let _ = question.answer.try_send(response);
        });
    }
}

/// An answer is as large as the client lets it be.
const LIMITS: Limits = Limits { bytes: ANSWER_LIMIT_BYTES, depth: Limits::DEPTH };
