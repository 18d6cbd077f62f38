//! Why something was not taken: whose fault, whether to try again, and the codes each transport answers with.

use formats::hl7v2::AckCode;
use model::outcome::Issue;
use store::ExchangeId;

use crate::keys::KeyError;

/// What kind of refusal it is: by this a transport chooses its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// No configured source is meant. Sender's fault.
    UnknownSource,
    /// A format this release does not read. Sender's fault.
    UnsupportedFormat,
    /// The bytes are not what they are said to be. Sender's fault.
    Unreadable,
    /// No mapping package serves the message type. Sender's fault, or the operator's.
    UnknownType,
    /// Mapped, but not valid or without a patient: kept for a person.
    Held,
    /// The content breaks a rule and nothing was kept: FHIR writes.
    Invalid,
    /// A resource has moved on, or belongs to another source.
    Conflict,
    /// What is named does not exist.
    NotFound,
    /// There is no room on the disk. Operator's fault; retryable.
    Full,
    /// Too much at once, or it took too long; retryable.
    Busy,
    /// The ledger refuses: nothing may be taken in that cannot be anchored. Operator's fault; retryable.
    Ledger,
    /// The store failed. Retryable.
    Storage,
}

impl Cause {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::UnknownSource | Self::NotFound => 404,
            Self::UnsupportedFormat => 415,
            Self::Unreadable => 400,
            Self::UnknownType | Self::Held | Self::Invalid => 422,
            Self::Conflict => 409,
            Self::Full => 507,
            Self::Busy | Self::Ledger | Self::Storage => 503,
        }
    }

    /// The code of an application acknowledgement (HL7 table 0008): `AR` where sending it again cannot help.
    pub fn ack(self) -> AckCode {
        match self {
            Self::UnknownSource | Self::UnsupportedFormat | Self::Unreadable | Self::UnknownType => {
                AckCode::ApplicationReject
            }
            _ => AckCode::ApplicationError,
        }
    }

    /// The code of a commit acknowledgement.
    pub fn commit_ack(self) -> AckCode {
        match self.ack() {
            AckCode::ApplicationReject => AckCode::CommitReject,
            _ => AckCode::CommitError,
        }
    }

    /// Whether the same message may be taken later.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Full | Self::Busy | Self::Ledger | Self::Storage)
    }

    /// One word for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownSource => "unknown-source",
            Self::UnsupportedFormat => "unsupported-format",
            Self::Unreadable => "unreadable",
            Self::UnknownType => "unknown-type",
            Self::Held => "held",
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
            Self::NotFound => "not-found",
            Self::Full => "full",
            Self::Busy => "busy",
            Self::Ledger => "ledger",
            Self::Storage => "storage",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        [
            Self::UnknownSource,
            Self::UnsupportedFormat,
            Self::Unreadable,
            Self::UnknownType,
            Self::Held,
            Self::Invalid,
            Self::Conflict,
            Self::NotFound,
            Self::Full,
            Self::Busy,
            Self::Ledger,
            Self::Storage,
        ]
        .into_iter()
        .find(|cause| cause.as_str() == word)
    }
}

/// Something was not taken.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .cause.as_str())]
pub struct Refusal {
    cause: Cause,
    issues: Vec<Issue>,
    exchange: Option<ExchangeId>,
}

impl Refusal {
    /// A refusal for one reason.
    pub fn new(cause: Cause, issue: Issue) -> Self {
        Self { cause, issues: vec![issue], exchange: None }
    }

    /// A refusal for these findings.
    pub fn of(cause: Cause, issues: Vec<Issue>) -> Self {
        Self { cause, issues, exchange: None }
    }

    /// The exchange under which the refused content is kept.
    #[must_use]
    pub fn kept_as(mut self, exchange: ExchangeId) -> Self {
        self.exchange = Some(exchange);
        self
    }

    /// What kind of refusal it is.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// The findings, at least one.
    pub fn issues(&self) -> &[Issue] {
        &self.issues
    }

    /// The exchange under which the refused content is kept, if it is.
    pub fn exchange(&self) -> Option<ExchangeId> {
        self.exchange
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.cause.status()
    }

    /// After how many seconds the same request may succeed.
    pub fn retry_after(&self) -> Option<u64> {
        self.cause.is_retryable().then_some(if self.cause == Cause::Busy { 1 } else { 10 })
    }
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        let (cause, code, text) = match &error {
            store::Error::Conflict(conflict) => (Cause::Conflict, "conflict", conflict.to_string()),
            store::Error::NotFound { what } => (Cause::NotFound, "not-found", format!("{what} is unknown")),
            store::Error::TooLarge { .. } => (Cause::Invalid, "too-long", error.to_string()),
            store::Error::Full { .. } => (Cause::Full, "no-store", "there is no room to store more".to_owned()),
            store::Error::Busy => (Cause::Busy, "throttled", "too much is waiting to be stored".to_owned()),
            _ => (Cause::Storage, "no-store", "the store does not answer".to_owned()),
        };
        if matches!(cause, Cause::Storage | Cause::Full) {
            tracing::error!(%error, "the store refused");
        }
        Self::new(cause, Issue::error(code, text))
    }
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        tracing::error!(%error, "no salt for a commitment");
        Self::new(Cause::Storage, Issue::error("exception", "the system gives no random bytes"))
    }
}
