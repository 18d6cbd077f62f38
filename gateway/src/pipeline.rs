//! What happens to everything that comes in: accept, parse, map, validate, commit. One stage a file, each with its type.
//!
//! ```text
//! Inbound → arrive → Arrived → map → Mapped → validate → Validated → commit → Committed → the transport acknowledges
//! ```
//! Nothing is decided about disclosure here: receiving and keeping as custodian needs no consent. The commit opens one
//! undecided delivery for each destination of the source; `egress` takes it from there.

use bytes::Bytes;
use formats::hl7v2::split_batch;
use ledger::commitment::Label;
use ledger::entry::Kind;
use model::outcome::Issue;
use model::time::Instant;
use store::{ExchangeId, ExchangeState, NewLedgerRecord};

use crate::app::App;
use crate::config::{SourceFormat, Validation};

mod arrive;
mod commit;
mod document;
mod fhir;
pub(crate) mod gaps;
mod issues;
mod lanes;
mod map;
mod merge;
mod provenance;
mod refusal;
mod replay;
pub(crate) mod rollback;
mod supersede;
#[cfg(test)]
mod tests;
mod validate;
mod write;

pub use arrive::Arrived;
pub use commit::Committed;
pub use lanes::Lanes;
pub use refusal::{Cause, Refusal};
pub use replay::{replay, resume};
pub use validate::Validated;
pub use write::{Content, FhirChange, FhirWrite, Written, write};

use arrive::Arrival;

/// Messages over this size are mapped on the blocking pool: they would hold a worker for longer than a millisecond. Where
/// profiles are checked an eighth of it does.
const LARGE_BYTES: usize = 64 * 1024;

/// How a message came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// `POST /ingest/{source}`
    Http,
    /// An MLLP frame.
    Mllp,
}

impl Transport {
    /// The name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Mllp => "mllp",
        }
    }
}

/// Bytes of a configured source.
#[derive(Debug, Clone)]
pub struct Inbound {
    /// Name of the source; one that is not configured is refused, and what it sent is kept.
    pub source: String,
    /// How it came in.
    pub transport: Transport,
    /// When the last byte came in.
    pub received_at: Instant,
    /// The HTTP body after content decoding, or the bytes between the framing bytes of MLLP.
    pub raw: Bytes,
    /// Media type of an HTTP body.
    pub content_type: Option<String>,
}

/// What became of a message that was taken.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its exchange.
    pub exchange: ExchangeId,
    /// Where it stands.
    pub state: ExchangeState,
    /// Findings; none of them kept it from being taken.
    pub issues: Vec<Issue>,
    /// Index of its ledger record.
    pub ledger_index: Option<u64>,
    /// When it was received; a repeat has the time of the first.
    pub received_at: Instant,
    /// Of a batch: the exchange of each message, in order. Empty otherwise.
    pub parts: Vec<ExchangeId>,
}

/// A positive answer: everything it tells of is durable.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It was new.
    New(Outcome),
    /// It was there already; this is what was answered then.
    Repeat(Outcome),
}

impl Answer {
    /// What became of it.
    pub fn outcome(&self) -> &Outcome {
        match self {
            Self::New(outcome) | Self::Repeat(outcome) => outcome,
        }
    }
}

/// What [`accept`] leaves to do.
#[derive(Debug)]
pub enum Accepted {
    /// The bytes are durable; [`process`] does the rest.
    New(Box<Arrived>),
    /// A repeat, with its stored answer.
    Repeat(Outcome),
}

/// Takes a message through every stage; when it returns, what it answers is durable.
///
/// Dropping the future leaves everything or nothing: a repeat is then told what became of it.
///
/// # Errors
/// [`Refusal`]; with an exchange if the content is kept nevertheless (held, or refused with its reason).
pub async fn receive(app: &App, inbound: Inbound) -> Result<Answer, Refusal> {
    let is_hl7 = app.config.source(&inbound.source).is_some_and(|source| source.format == SourceFormat::Hl7v2);
    if is_hl7 && let Some(parts) = batch(&inbound.raw) {
        return receive_batch(app, &inbound, parts).await;
    }
    receive_message(app, inbound).await
}

/// [`receive`] for bytes that hold one message.
///
/// # Errors
/// As [`receive`].
pub async fn receive_message(app: &App, inbound: Inbound) -> Result<Answer, Refusal> {
    let transport = inbound.transport;
    let answer = receive_one(app, inbound).await;
    count(app, transport, &answer);
    answer
}

async fn receive_one(app: &App, inbound: Inbound) -> Result<Answer, Refusal> {
    let arrival = Arrival::read(app, inbound)?;
    // Held from the look-up of repeats to the commit: two equal messages on two connections are one and its repeat, two versions
    // of a document come one after the other.
    let lane = app.lanes.hold_all(arrival.lanes()).await;
    let answer = match arrive::arrive(app, arrival).await? {
        Accepted::Repeat(outcome) => Answer::Repeat(outcome),
        Accepted::New(arrived) => Answer::New(process(app, *arrived).await?),
    };
    drop(lane);
    Ok(answer)
}

/// Makes the bytes of a message durable and does no more: what a commit acknowledgement rests on.
///
/// # Errors
/// As [`receive`], for what can be told without mapping: unknown source or type, no MSH-9 or MSH-10, not readable.
pub async fn accept(app: &App, inbound: Inbound) -> Result<Accepted, Refusal> {
    let transport = inbound.transport;
    let arrival = Arrival::read(app, inbound)?;
    let lane = app.lanes.hold_all(arrival.lanes()).await;
    let accepted = match arrive::arrive(app, arrival).await? {
        Accepted::Repeat(outcome) => Accepted::Repeat(outcome),
        Accepted::New(mut arrived) => {
            commit::accept(app, &mut arrived).await?;
            app.metrics.exchange(transport.as_str(), ExchangeState::Accepted.as_str());
            Accepted::New(arrived)
        }
    };
    drop(lane);
    Ok(accepted)
}

/// Maps, validates and commits what has arrived.
///
/// # Errors
/// [`Refusal`] with [`Cause::Held`] if it waits for a person now, else if it could not be committed.
pub async fn process(app: &App, arrived: Arrived) -> Result<Outcome, Refusal> {
    let profiled = app.validation.source(&arrived.source.name).level == Validation::Profile;
    let large = arrived.raw.len() > if profiled { LARGE_BYTES / 8 } else { LARGE_BYTES };
    let worker = app.clone();
    let prepared = off_the_workers(app, large, move || prepare(&worker, arrived)).await?;
    let (arrived, validated) = match prepared {
        Prepared::Ready(arrived, validated) => (arrived, validated),
        Prepared::Held(arrived, invalid) => return Err(commit::hold(app, *arrived, invalid).await),
        Prepared::Refused(arrived, refusal) => return Err(commit::refuse(app, *arrived, refusal).await),
    };
    // Held from reading the links of records to the commit: a merge must not fall between the two.
    let (_shared, _alone) = match validated.merges_records() {
        true => (None, Some(app.merging.write().await)),
        false => (Some(app.merging.read().await), None),
    };
    let worker = app.clone();
    match off_the_workers(app, large, move || commit::assemble(&worker, *arrived, *validated)).await? {
        Ok(assembled) => commit::commit(app, assembled).await.map(Committed::into_outcome),
        Err(commit::Unassembled::Held(arrived, invalid)) => Err(commit::hold(app, *arrived, invalid).await),
        Err(commit::Unassembled::Failed(refusal)) => Err(refusal),
    }
}

/// Runs what takes long for a large message where nobody waits for the thread.
async fn off_the_workers<T: Send + 'static>(
    app: &App,
    large: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    if !large {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|_| {
        app.metrics.alarm("map-panic");
        Refusal::new(Cause::Storage, Issue::error("exception", "the message could not be mapped"))
    })
}

/// What mapping and validation leave to do with the store.
enum Prepared {
    Ready(Box<Arrived>, Box<Validated>),
    Held(Box<Arrived>, validate::Invalid),
    Refused(Box<Arrived>, Refusal),
}

/// Maps and validates: CPU only, no waiting.
fn prepare(app: &App, arrived: Arrived) -> Prepared {
    let mapped = match map::map(app, &arrived) {
        Ok(mapped) => mapped,
        Err(refusal) => return Prepared::Refused(Box::new(arrived), refusal),
    };
    match validate::validate(app, &arrived, mapped) {
        Ok(validated) => Prepared::Ready(Box::new(arrived), Box::new(validated)),
        Err(invalid) => Prepared::Held(Box::new(arrived), invalid),
    }
}

/// A payload with FHS, BHS or several MSH becomes one exchange for each message: a bad one does not hold up the others.
///
/// The answer is positive if every message is: then it names the first exchange, and all in `parts`.
async fn receive_batch(app: &App, inbound: &Inbound, parts: Vec<Bytes>) -> Result<Answer, Refusal> {
    let mut all = Vec::with_capacity(parts.len());
    let (mut first, mut repeat) = (None, true);
    let mut findings: Vec<Issue> = Vec::new();
    let mut refused: Option<Refusal> = None;
    for (number, raw) in (1..).zip(parts) {
        let named = |issue: &Issue| {
            let diagnostics = format!("message {number}: {}", issue.diagnostics);
            Issue { diagnostics, ..issue.clone() }
        };
        match receive_message(app, Inbound { raw, ..inbound.clone() }).await {
            Ok(answer) => {
                repeat &= matches!(answer, Answer::Repeat(_));
                let outcome = answer.outcome();
                all.push(outcome.exchange);
                findings.extend(outcome.issues.iter().map(named));
                first.get_or_insert_with(|| outcome.clone());
            }
            Err(refusal) => {
                findings.extend(refusal.issues().iter().map(named));
                all.extend(refusal.exchange());
                refused.get_or_insert(refusal);
            }
        }
    }
    match (refused, first) {
        (Some(refusal), _) => {
            let whole = Refusal::of(refusal.cause(), findings);
            Err(match all.first() {
                Some(exchange) => whole.kept_as(*exchange),
                None => whole,
            })
        }
        (None, Some(outcome)) => {
            let outcome = Outcome { issues: findings, parts: all, ..outcome };
            Ok(if repeat { Answer::Repeat(outcome) } else { Answer::New(outcome) })
        }
        (None, None) => {
            Err(Refusal::new(Cause::Unreadable, Issue::error("structure", "expected at least one message")))
        }
    }
}

/// The messages of a payload that is a batch.
pub(crate) fn batch(raw: &Bytes) -> Option<Vec<Bytes>> {
    let batch = split_batch(raw);
    if !batch.is_batch {
        return None;
    }
    let part = |bytes: std::borrow::Cow<'_, [u8]>| match bytes {
        std::borrow::Cow::Borrowed(bytes) => raw.slice_ref(bytes),
        std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
    };
    Some(batch.messages.into_iter().map(|message| part(message.bytes)).collect())
}

fn count(app: &App, transport: Transport, answer: &Result<Answer, Refusal>) {
    match answer {
        Ok(Answer::New(outcome)) => app.metrics.exchange(transport.as_str(), outcome.state.as_str()),
        Ok(Answer::Repeat(_)) => app.metrics.exchange(transport.as_str(), "repeat"),
        Err(refusal) => app.metrics.exchange(transport.as_str(), refusal.cause().as_str()),
    }
}

/// Draws the id of an exchange: 128 random bits, so that knowing one helps with no other.
///
/// # Errors
/// [`Refusal`] if the system gives no randomness.
pub fn exchange_id() -> Result<ExchangeId, Refusal> {
    Ok(ExchangeId::from_random(crate::keys::random()?))
}

/// A ledger record with a commitment to each content, for commits that are made elsewhere (emergency, export).
///
/// # Errors
/// [`Refusal`] if the system gives no randomness.
pub fn ledger_record(
    app: &App,
    exchange: ExchangeId,
    kind: Kind,
    outcome: &str,
    at: Instant,
    contents: &[(Label, &[u8])],
) -> Result<NewLedgerRecord, Refusal> {
    let mut record = app.ledger.record(exchange, kind, outcome, at);
    for (label, content) in contents {
        record = record.commit_content(*label, content)?;
    }
    Ok(record.build())
}
