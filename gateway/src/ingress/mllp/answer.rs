//! Acknowledgements: the code, the exchange, and for what is not taken an ERR for each reason.

use formats::hl7v2::{AckCode, AckError, Acknowledgement, Control, Message, Origin, Severity, ack, ack_with};
use formats::mllp::MllpError;
use model::outcome::{self, Issue};
use model::time::Instant;
use store::ExchangeId;

use crate::app::App;
use crate::pipeline::{Accepted, Outcome, Refusal};

/// Errors told in one acknowledgement; the exchange has all.
const MOST_ERRORS: usize = 20;

/// An acknowledgement, not yet framed.
pub(super) struct Answer {
    pub(super) code: AckCode,
    /// Its own MSH-10.
    pub(super) control_id: String,
    pub(super) bytes: Vec<u8>,
}

/// `AA`, or `AE` and `AR` with their reasons. Of a repeat the same bytes as the first time.
pub(super) fn application(app: &App, raw: &[u8], answer: &Result<Outcome, Refusal>, control: Control) -> Answer {
    match answer {
        Ok(outcome) => positive(raw, AckCode::ApplicationAccept, outcome.exchange, outcome.received_at, control),
        Err(refusal) => negative(app, raw, refusal.cause().ack(), refusal, control),
    }
}

/// `CA`, or `CE` and `CR` with their reasons.
pub(super) fn commit(app: &App, raw: &[u8], accepted: &Result<Accepted, Refusal>, control: Control) -> Answer {
    match accepted {
        Ok(Accepted::New(arrived)) => {
            positive(raw, AckCode::CommitAccept, arrived.exchange(), app.clock.now(), control)
        }
        Ok(Accepted::Repeat(outcome)) => {
            positive(raw, AckCode::CommitAccept, outcome.exchange, outcome.received_at, control)
        }
        Err(refusal) => negative(app, raw, refusal.cause().commit_ack(), refusal, control),
    }
}

/// `AR` for a frame of which nothing is left to answer to.
pub(super) fn bad_frame(app: &App, error: &MllpError) -> Answer {
    let error = AckError { at: None, condition: 207, severity: Severity::Error, code: None, text: error.to_string() };
    let code = AckCode::ApplicationReject;
    let now = app.clock.now();
    let control_id = own_control_id(None, now);
    let acknowledgement =
        Acknowledgement { code, control_id: &control_id, time: &time(now), text: "", errors: &[error] };
    let bytes = ack(&Origin::guess(b""), &acknowledgement);
    Answer { code, control_id, bytes }
}

/// The answer to a message that says nothing but how a link stands.
pub(super) fn link(raw: &[u8], code: AckCode, now: Instant, control: Control) -> Answer {
    let control_id = own_control_id(None, now);
    let acknowledgement = Acknowledgement { code, control_id: &control_id, time: &time(now), text: "", errors: &[] };
    let bytes = ack_with(&Origin::guess(raw), &acknowledgement, control);
    Answer { code, control_id, bytes }
}

/// `CA` for an acknowledgement that is a message of its own.
pub(crate) fn commit_accept(raw: &[u8], now: Instant) -> Vec<u8> {
    link(raw, AckCode::CommitAccept, now, Control::default()).bytes
}

/// What an acknowledgement says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    /// MSA-1.
    pub(crate) code: String,
    /// MSA-2.
    pub(crate) control_id: String,
    /// MSH-15 asks for a commit acknowledgement.
    pub(crate) wants_commit: bool,
}

impl Answered {
    /// Whether an application answers, and not only what took the message in.
    pub(crate) fn is_application(&self) -> bool {
        matches!(self.code.as_str(), "AA" | "AE" | "AR")
    }
}

/// Reads an acknowledgement; `None` for what has no MSA.
pub(crate) fn answered(raw: &[u8]) -> Option<Answered> {
    let message = Message::parse(raw).ok()?.message;
    let msa = message.segment("MSA")?;
    let (code, control_id) = (msa.field(1).raw().to_owned(), msa.field(2).raw().to_owned());
    let wants_commit = matches!(message.accept_acknowledgement().as_str(), "AL" | "SU");
    Some(Answered { code, control_id, wants_commit })
}

fn positive(raw: &[u8], code: AckCode, exchange: ExchangeId, at: Instant, control: Control) -> Answer {
    let text = format!("exchange {exchange}");
    let mut control_id = own_control_id(Some(exchange), at);
    if control.is_message {
        // Another message than the commit acknowledgement of the same exchange.
        control_id.replace_range(..1, "R");
    }
    let acknowledgement = Acknowledgement { code, control_id: &control_id, time: &time(at), text: &text, errors: &[] };
    let bytes = ack_with(&Origin::guess(raw), &acknowledgement, control);
    Answer { code, control_id, bytes }
}

fn negative(app: &App, raw: &[u8], code: AckCode, refusal: &Refusal, control: Control) -> Answer {
    let errors = errors(refusal);
    let now = app.clock.now();
    let text = match refusal.exchange() {
        Some(exchange) => format!("{}: exchange {exchange}", refusal.cause().as_str()),
        None => refusal.cause().as_str().to_owned(),
    };
    let mut control_id = own_control_id(refusal.exchange(), now);
    if control.is_message {
        control_id.replace_range(..1, "R");
    }
    let acknowledgement =
        Acknowledgement { code, control_id: &control_id, time: &time(now), text: &text, errors: &errors };
    let bytes = ack_with(&Origin::guess(raw), &acknowledgement, control);
    Answer { code, control_id, bytes }
}

/// An ERR for each reason; what is only worth knowing is with the exchange.
pub(super) fn errors(refusal: &Refusal) -> Vec<AckError> {
    let reasons = refusal.issues().iter().filter(|issue| issue.is_error()).take(MOST_ERRORS);
    let errors: Vec<AckError> = reasons.map(error).collect();
    if errors.is_empty() { refusal.issues().first().map(error).into_iter().collect() } else { errors }
}

fn error(issue: &Issue) -> AckError {
    let severity = match issue.severity {
        outcome::Severity::Fatal | outcome::Severity::Error => Severity::Error,
        outcome::Severity::Warning => Severity::Warning,
        outcome::Severity::Information => Severity::Information,
    };
    let at = issue.at.as_deref();
    let text = match at.filter(|at| !is_place(at)) {
        Some(at) => format!("{at}: {}", issue.diagnostics),
        None => issue.diagnostics.clone(),
    };
    let code = issue.rule.clone().or_else(|| Some(issue.code.to_owned()));
    AckError { at: at.filter(|at| is_place(at)).map(str::to_owned), condition: condition(issue), severity, code, text }
}

/// HL7 table 0357 (message error condition codes) for a FHIR issue type.
fn condition(issue: &Issue) -> u16 {
    match (issue.code, issue.at.as_deref()) {
        ("not-supported", Some("MSH-9")) => 200,
        ("structure", _) => 100,
        ("required", _) => 101,
        ("value" | "invalid", _) => 102,
        ("code-invalid", _) => 103,
        ("not-found", _) => 204,
        ("duplicate", _) => 205,
        ("lock-error" | "conflict", _) => 206,
        _ => 207,
    }
}

/// Whether a place is one of HL7 v2 (`PID-3`), and no FHIRPath.
fn is_place(at: &str) -> bool {
    let (segment, rest) = at.split_at_checked(3).unwrap_or((at, "?"));
    segment.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        && (rest.is_empty() || rest.starts_with(['-', '[']))
}

/// MSH-10 of our own: at most 20 characters, as before v2.7.
fn own_control_id(exchange: Option<ExchangeId>, at: Instant) -> String {
    match exchange {
        Some(exchange) => exchange.to_string().chars().take(20).collect(),
        None => at.millis().to_string(),
    }
}

/// `YYYYMMDDHHMMSS.mmm+0000`
pub(super) fn time(at: Instant) -> String {
    let digits: String = at.to_rfc3339().chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    format!("{digits}+0000")
}
