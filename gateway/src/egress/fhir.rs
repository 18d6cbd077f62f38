//! A partner's endpoint by HTTP: a transaction Bundle by POST to a FHIR base (FHIR R4 http.html, "batch/transaction"), or a
//! document by POST to an address.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use model::json::{Json, Limits, parse};
use model::outcome::issue_type;
use model::time::{Clock, Instant};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::send::{ANSWER_LIMIT_BYTES, Failure, Outgoing};
use crate::config::PeerAddress;

/// What the partner takes and what it is asked to answer in.
const FHIR_JSON: &str = "application/fhir+json";
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// A partner that asks for a longer wait is asked again after this one.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Longest text of a failure, roughly.
const MOST_SAID: usize = 240;

/// What C-CDA documents are sent as.
const CDA_XML: &str = "application/cda+xml";

/// What an endpoint takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Bundles of FHIR, each answered by one.
    Bundles,
    /// C-CDA documents; the answer is the status.
    Documents,
}

/// A client of one endpoint. A connection for each message: deliveries are rare beside arrivals, and a connection kept
/// open is one more way for a message to be lost between "sent" and "taken".
#[derive(Clone)]
pub(super) struct Client {
    address: PeerAddress,
    takes: Takes,
    tls: Option<Arc<ClientConfig>>,
    clock: Arc<dyn Clock>,
}

impl Client {
    pub(super) fn new(
        address: &PeerAddress,
        takes: Takes,
        tls: Option<Arc<ClientConfig>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { address: address.clone(), takes, tls, clock }
    }

    pub(super) async fn send(&self, outgoing: Outgoing) -> Result<(), Failure> {
        let stream = connect(&self.address).await?;
        match &self.tls {
            None => self.exchange(stream, outgoing).await,
            Some(config) => self.exchange(secure(stream, &self.address, config).await?, outgoing).await,
        }
    }

    async fn exchange<S>(&self, stream: S, outgoing: Outgoing) -> Result<(), Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| Failure::Broken)?;
        // Ends with the request: the sender is dropped at the end of this function.
        let driver = tokio::spawn(connection);
        let path = if self.address.path.is_empty() { "/" } else { self.address.path.as_str() };
        let (size, limit) = (outgoing.bytes.len(), answer_limit(outgoing.bytes.len()));
        let (sent, asked) = match self.takes {
            Takes::Bundles => (FHIR_JSON, FHIR_JSON),
            Takes::Documents => (CDA_XML, "*/*"),
        };
        let request = Request::post(path)
            .header(http::header::HOST, format!("{}:{}", self.address.host, self.address.port))
            .header(CONTENT_TYPE, sent)
            .header(ACCEPT, asked)
            // What was written is known here; patient data need not travel back.
            .header(PREFER, "return=minimal")
            // What the partner has seen under this id is the same message again (RFC 9110 has no such field; it is ours).
            .header("x-request-id", outgoing.control_id)
            .body(Full::new(outgoing.bytes))
            .map_err(|_| Failure::Refused("the address is no URL path".to_owned()))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|_| Failure::Broken)?;
            let (head, body) = response.into_parts();
            let after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let after = after.and_then(|text| retry_after(text, self.clock.now()));
            let body = Limited::new(body, limit).collect().await;
            let body = body.map_err(|_| Failure::Garbage("a body that is too long or breaks off"))?.to_bytes();
            judge(self.takes, head.status, after, &body, size)
        };
        let answer = answer.await;
        drop(sender);
        driver.abort();
        answer
    }
}

/// Most of an answer that is read: a partner that sends back what it was given is still understood.
fn answer_limit(sent: usize) -> usize {
    sent.saturating_mul(4).saturating_add(ANSWER_LIMIT_BYTES).min(64 << 20)
}

/// How long a partner asks to be left alone (RFC 9110, section 10.2.3): seconds or a date, at most [`LONGEST_WAIT`].
fn retry_after(text: &str, now: Instant) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => LONGEST_WAIT,
        Err(_) => {
            let at = http_date(text)?;
            if at > now { at.since(now) } else { Duration::ZERO }
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

/// `Sun, 01 Mar 2026 10:00:00 GMT` (RFC 9110, section 5.6.7); its two obsolete forms are not read.
fn http_date(text: &str) -> Option<Instant> {
    let mut words = text.split(' ').skip(1);
    let mut word = || words.next();
    let (day, month, year, time) = (word()?, word()?, word()?, word()?);
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = names.iter().position(|name| *name == month)? + 1;
    Instant::parse(&format!("{year}-{month:02}-{day}T{time}Z")).ok()
}

/// What an answer means. A transaction is answered 200 with a Bundle; a partner that only queues answers 202.
fn judge(takes: Takes, status: StatusCode, after: Option<Duration>, body: &[u8], sent: usize) -> Result<(), Failure> {
    let said = || said(&format!("HTTP {}", status.as_u16()), parse(body, &limits(body)).ok().as_ref());
    match status {
        StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::NO_CONTENT => Ok(()),
        StatusCode::OK if takes == Takes::Documents => not_refused(body),
        StatusCode::OK => taken(body),
        StatusCode::PAYLOAD_TOO_LARGE => Err(Failure::TooLarge(sent)),
        status if passes(status.as_u16()) => Err(match after {
            Some(after) => Failure::Busy { said: said(), after },
            None => Failure::NotNow(said()),
        }),
        status if status.is_client_error() => Err(Failure::Refused(said())),
        _ => Err(Failure::Garbage("a status that is no answer to a transaction")),
    }
}

/// Whether what failed with this status may succeed later: the partner's troubles, its limits, rights that somebody gives,
/// and conflicts with writers that are faster.
fn passes(status: u16) -> bool {
    matches!(status, 401 | 403 | 408 | 409 | 425 | 429 | 500..=599)
}

/// Whoever takes documents answers 200 with whatever it likes; an outcome that names an error is none the less one.
fn not_refused(body: &[u8]) -> Result<(), Failure> {
    match parse(body, &limits(body)) {
        Ok(outcome) if outcome.get("resourceType").and_then(Json::as_str) == Some("OperationOutcome") => taken(body),
        _ => Ok(()),
    }
}

/// Whether a body says that all of it was done: a Bundle without a failed entry, or nothing in particular. A page for people,
/// another resource and an outcome that names an error come from something that is not the endpoint we mean.
fn taken(body: &[u8]) -> Result<(), Failure> {
    if body.trim_ascii().is_empty() {
        return Ok(());
    }
    let answer = parse(body, &limits(body)).map_err(|_| Failure::Garbage("200 and no FHIR"))?;
    if answer.as_object().is_none() {
        return Err(Failure::Garbage("200 and no FHIR"));
    }
    let failed = |issue: &Json| matches!(issue.text_at(&["severity"]), Some("error" | "fatal"));
    match answer.get("resourceType").and_then(Json::as_str) {
        None => Ok(()),
        Some("Bundle") => entries_taken(&answer),
        Some("OperationOutcome") if !answer.items("issue").iter().any(failed) => Ok(()),
        Some("OperationOutcome") => Err(Failure::Garbage("200 and an outcome that names an error")),
        Some(_) => Err(Failure::Garbage("200 and another resource than a Bundle")),
    }
}

/// A batch is answered 200 whatever became of its entries: each says for itself. The first that will never be taken counts,
/// else the first that may be later.
fn entries_taken(answer: &Json) -> Result<(), Failure> {
    let mut later = None;
    for (index, entry) in answer.items("entry").iter().enumerate() {
        let Some(status) = entry.text_at(&["response", "status"]) else { continue };
        let code: u16 = status.get(..3).and_then(|code| code.parse().ok()).unwrap_or_default();
        if matches!(code, 200..=299 | 304) {
            continue;
        }
        let said = said(&format!("entry {index}: HTTP {code}"), entry.at(&["response", "outcome"]));
        if !passes(code) {
            return Err(Failure::Refused(said));
        }
        later.get_or_insert(Failure::NotNow(said));
    }
    later.map_or(Ok(()), Err)
}

/// What a partner says is wrong, as far as it cannot be about a person: codes of the standard and places, never its words.
fn said(status: &str, outcome: Option<&Json>) -> String {
    let mut text = status.to_owned();
    let outcome = outcome.filter(|found| found.text_at(&["resourceType"]) == Some("OperationOutcome"));
    let issues = outcome.map(|outcome| outcome.items("issue")).unwrap_or_default();
    for issue in issues.iter().filter(|issue| !matches!(issue.text_at(&["severity"]), Some("warning" | "information")))
    {
        let Some(code) = issue.text_at(&["code"]).and_then(issue_type) else { continue };
        let places = issue.items("expression").iter().filter_map(Json::as_str).find(|place| is_path(place));
        text.push_str(if text.len() == status.len() { ": " } else { "; " });
        text.push_str(code);
        if let Some(place) = places {
            text.push_str(" at ");
            text.push_str(place);
        }
        if text.len() > MOST_SAID {
            break;
        }
    }
    text
}

/// `Bundle.entry[3].resource.name[0].family`: names of elements and indices alone. A longer expression could quote a value.
fn is_path(text: &str) -> bool {
    let is_step = |step: &str| {
        let (name, index) = step.split_once('[').map_or((step, None), |(name, rest)| (name, Some(rest)));
        let is_name = !name.is_empty() && name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphabetic());
        let is_number = |rest: &str| {
            rest.strip_suffix(']')
                .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit()))
        };
        is_name && index.is_none_or(is_number)
    };
    text.len() <= 120 && text.split('.').all(is_step) && text.split('.').next().is_some_and(is_known_type)
}

/// An expression begins with a type of the standard, and so does no name of a person.
fn is_known_type(step: &str) -> bool {
    model::id::ResourceType::parse(step.split('[').next().unwrap_or_default()).is_ok()
}

fn limits(body: &[u8]) -> Limits {
    Limits { bytes: body.len().max(1), ..Limits::default() }
}

pub(super) async fn connect(address: &PeerAddress) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
    let stream = stream.map_err(|error| Failure::Connect(error.kind()))?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

pub(super) async fn secure(
    stream: TcpStream,
    address: &PeerAddress,
    config: &Arc<ClientConfig>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Failure> {
    let name = ServerName::try_from(address.host.clone())
        .map_err(|_| Failure::Garbage("a name that no certificate can hold"))?;
    let connector = TlsConnector::from(config.clone());
    connector.connect(name, stream).await.map_err(|error| Failure::Connect(error.kind()))
}

#[cfg(test)]
mod tests;
