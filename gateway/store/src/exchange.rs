//! Exchanges: what happened to one arrival, write, export or emergency use.

use std::fmt;

use bytes::Bytes;
use model::time::Instant;

use crate::ledger_queue::Salt;
use crate::outbox::{Delivery, DeliveryState};

/// Id of an exchange: 128 random bits, written as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId([u8; 16]);

impl ExchangeId {
    /// Makes an id from 128 bits that the caller drew at random.
    pub fn from_random(bits: [u8; 16]) -> Self {
        Self(bits)
    }

    /// Reads the 32 hex digits that [`fmt::Display`] writes; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return None;
        }
        let mut bits = [0; 16];
        for (byte, pair) in bits.iter_mut().zip(digits.chunks_exact(2)) {
            for digit in pair {
                let value = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return None,
                };
                *byte = (*byte << 4) | value;
            }
        }
        Some(Self(bits))
    }

    /// The 16 bytes.
    pub fn bits(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an exchange is an exchange of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExchangeKind {
    /// A message of a configured source.
    Arrival,
    /// A write through the FHIR interface.
    Write,
    /// Data leaving on request (bulk export, subscription).
    Export,
    /// The declaration of an emergency grant.
    Emergency,
    /// One use of an emergency grant.
    EmergencyUse,
    /// The running digest of the audit log, anchored at a seal.
    AuditDigest,
}

/// Where an exchange stands. The names are those of the public interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExchangeState {
    /// Durable, not yet processed.
    Accepted,
    /// Waiting for a person.
    Held,
    /// Processed and stored; nothing to deliver or not yet begun.
    Stored,
    /// At least one delivery is pending.
    Delivering,
    /// Delivered everywhere.
    Done,
    /// Withheld from every destination.
    Withheld,
    /// Withheld from some destinations, delivered to the others.
    PartlyWithheld,
    /// At least one delivery was given up.
    Dead,
    /// Not taken.
    Refused,
}

impl ExchangeState {
    /// Every state, in the order of the public interface.
    pub const ALL: [ExchangeState; 9] = [
        ExchangeState::Accepted,
        ExchangeState::Held,
        ExchangeState::Stored,
        ExchangeState::Delivering,
        ExchangeState::Done,
        ExchangeState::Withheld,
        ExchangeState::PartlyWithheld,
        ExchangeState::Dead,
        ExchangeState::Refused,
    ];

    /// The state's public name.
    pub fn as_str(self) -> &'static str {
        match self {
            ExchangeState::Accepted => "accepted",
            ExchangeState::Held => "held",
            ExchangeState::Stored => "stored",
            ExchangeState::Delivering => "delivering",
            ExchangeState::Done => "done",
            ExchangeState::Withheld => "withheld",
            ExchangeState::PartlyWithheld => "partly-withheld",
            ExchangeState::Dead => "dead",
            ExchangeState::Refused => "refused",
        }
    }

    /// The state of a public name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether somebody or something still has to act: such exchanges are found without scanning.
    pub fn is_open(self) -> bool {
        {
            use ExchangeState::{Accepted, Dead, Delivering, Held};
            matches!(self, Accepted | Held | Delivering | Dead)
        }
    }
}

/// What opens an exchange: who sent what, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// What it is an exchange of.
    pub kind: ExchangeKind,
    /// Configured source, or the caller's actor for a write.
    pub source: String,
    /// Media type or format name of `raw`.
    pub format: String,
    /// When the last byte came in.
    pub received: Instant,
    /// MSH-10 or its like.
    pub message_control_id: Option<String>,
    /// Sending application (MSH-3) as received.
    pub sending_application: Option<String>,
    /// Sending facility (MSH-4) as received.
    pub sending_facility: Option<String>,
    /// The bytes as received; empty where there are none.
    pub raw: Bytes,
    /// SHA-256 of `raw`, by which repeats are told.
    pub sha256: [u8; 32],
}

/// One step of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Name of the step, such as `parse`.
    pub name: String,
    /// When it ended.
    pub at: Instant,
    /// How it ended, such as `ok` or `2 warnings`; no patient data.
    pub outcome: String,
}

/// How the state of an exchange changes in a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateChange {
    /// The state is set.
    Set(ExchangeState),
    /// The writer derives the state from all deliveries of the exchange after this commit's changes, so that two
    /// destinations ending at the same time cannot leave a stale state: any pending: `delivering`; else any dead: `dead`;
    /// else all withheld: `withheld`; else any withheld: `partly-withheld`; else, with deliveries: `done`; without: `stored`.
    FromDeliveries,
}

impl StateChange {
    /// The state that results with these deliveries.
    pub(crate) fn after(self, deliveries: &[Delivery]) -> ExchangeState {
        match self {
            StateChange::Set(state) => state,
            StateChange::FromDeliveries => derived_state(deliveries),
        }
    }
}

/// What a commit does to one exchange. Lists are appended to what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeChange {
    /// Which exchange.
    pub id: ExchangeId,
    /// Set to open a new exchange; a [`crate::Conflict::ExchangeExists`] if it is there already.
    pub arrival: Option<Arrival>,
    /// The commit is refused ([`crate::Conflict::ExchangeState`]) unless the exchange is in this state.
    pub expect: Option<ExchangeState>,
    /// New state; a new exchange without one is `accepted`.
    pub state: Option<StateChange>,
    /// Id part of the patient it is about.
    pub patient: Option<String>,
    /// Steps to append.
    pub stages: Vec<Stage>,
    /// Findings to append, each one JSON object.
    pub issues: Vec<String>,
    /// The answer that a repeat gets; replaces an earlier one.
    pub answer: Option<Bytes>,
    /// A JSON object of the gateway's (mapping report, decision digest); replaces an earlier one.
    pub detail: Option<String>,
}

impl ExchangeChange {
    /// Opens an exchange.
    pub fn open(id: ExchangeId, arrival: Arrival) -> Self {
        Self { arrival: Some(arrival), ..Self::update(id) }
    }

    /// A change of an exchange that exists; everything is left as it is until set.
    pub fn update(id: ExchangeId) -> Self {
        Self {
            id,
            arrival: None,
            expect: None,
            state: None,
            patient: None,
            stages: Vec::new(),
            issues: Vec::new(),
            answer: None,
            detail: None,
        }
    }
}

/// A resource version written by an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRef {
    /// Type of the resource.
    pub resource_type: String,
    /// Its id.
    pub id: String,
    /// The version that the exchange wrote, or found unchanged.
    pub version: u64,
}

/// An exchange as it stands, without its bytes ([`crate::Exchanges::raw`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Its id.
    pub id: ExchangeId,
    /// Position in the order in which exchanges were opened, from 0, dense.
    pub number: u64,
    /// What it is an exchange of.
    pub kind: ExchangeKind,
    /// Configured source or actor.
    pub source: String,
    /// Format of the raw bytes.
    pub format: String,
    /// When the last byte came in.
    pub received: Instant,
    /// When it was first committed.
    pub opened: Instant,
    /// When it last changed.
    pub changed: Instant,
    /// MSH-10 or its like.
    pub message_control_id: Option<String>,
    /// MSH-3 as received.
    pub sending_application: Option<String>,
    /// MSH-4 as received.
    pub sending_facility: Option<String>,
    /// SHA-256 of the raw bytes.
    pub sha256: [u8; 32],
    /// Where it stands.
    pub state: ExchangeState,
    /// Id part of the patient it is about.
    pub patient: Option<String>,
    /// Steps, oldest first.
    pub stages: Vec<Stage>,
    /// Findings, oldest first, each one JSON object.
    pub issues: Vec<String>,
    /// Resources written, in order.
    pub resources: Vec<ResourceRef>,
    /// One for each destination.
    pub deliveries: Vec<Delivery>,
    /// Indexes of its ledger records, oldest first; the first is the arrival's.
    pub ledger: Vec<u64>,
    /// What a repeat is answered.
    pub answer: Option<Bytes>,
    /// The gateway's JSON object.
    pub detail: Option<String>,
}

/// The line of an exchange in a list: what filters and the console need, read without the whole exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeSummary {
    /// Its id.
    pub id: ExchangeId,
    /// Position in the order in which exchanges were opened.
    pub number: u64,
    /// What it is an exchange of.
    pub kind: ExchangeKind,
    /// Configured source or actor.
    pub source: String,
    /// When the last byte came in.
    pub received: Instant,
    /// MSH-10 or its like.
    pub message_control_id: Option<String>,
    /// Where it stands.
    pub state: ExchangeState,
    /// Id part of the patient it is about.
    pub patient: Option<String>,
    /// Index of the arrival's ledger record.
    pub ledger: Option<u64>,
    /// Number of findings.
    pub issues: u32,
}

/// What the gateway noted about an exchange, and who sent what it was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeDetail {
    /// Its id.
    pub id: ExchangeId,
    /// Position in the order in which exchanges were opened.
    pub number: u64,
    /// Configured source or actor.
    pub source: String,
    /// MSH-3 as received.
    pub sending_application: Option<String>,
    /// MSH-4 as received.
    pub sending_facility: Option<String>,
    /// When the last byte came in.
    pub received: Instant,
    /// Where it stands.
    pub state: ExchangeState,
    /// Id part of the patient it is about.
    pub patient: Option<String>,
    /// The gateway's JSON object.
    pub detail: Option<String>,
}

/// What to list; an absent member does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExchangeQuery {
    /// Exact source.
    pub source: Option<String>,
    /// Exact MSH-10.
    pub message_control_id: Option<String>,
    /// Id part of the patient.
    pub patient: Option<String>,
    /// Any of these states; empty: all.
    pub states: Vec<ExchangeState>,
    /// Received at or after.
    pub since: Option<Instant>,
    /// Received before.
    pub until: Option<Instant>,
    /// Only numbers under this one: [`ExchangePage::next`] of the page before.
    pub before: Option<u64>,
    /// Largest number of lines; 0 counts only.
    pub limit: usize,
}

/// One page of exchanges, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExchangePage {
    /// How many match, over all pages.
    pub total: u64,
    /// The lines.
    pub exchanges: Vec<ExchangeSummary>,
    /// Where the next page begins, if there is one.
    pub next: Option<u64>,
}

impl ExchangePage {
    /// Counts a match, newest first, and keeps it if it belongs to this page.
    pub(crate) fn add(&mut self, query: &ExchangeQuery, line: ExchangeSummary) {
        self.total += 1;
        if query.before.is_some_and(|before| line.number >= before) {
            return;
        }
        if self.exchanges.len() < query.limit {
            self.exchanges.push(line);
        } else if self.next.is_none() {
            self.next = self.exchanges.last().map(|last| last.number);
        }
    }
}

/// By what a repeat is found: same source, sender and control id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepeatKey {
    /// Configured source.
    pub source: String,
    /// MSH-3.
    pub sending_application: String,
    /// MSH-4.
    pub sending_facility: String,
    /// MSH-10.
    pub message_control_id: String,
}

/// An earlier exchange under the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// The earlier exchange.
    pub exchange: ExchangeId,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// When it was received.
    pub received: Instant,
    /// Where it stands now.
    pub state: ExchangeState,
    /// What it was answered, once it was.
    pub answer: Option<Bytes>,
}

impl Repeat {
    /// How many earlier exchanges one lookup gives.
    pub(crate) const MOST: usize = 32;

    pub(crate) fn of(exchange: &Exchange) -> Self {
        Self {
            exchange: exchange.id,
            sha256: exchange.sha256,
            received: exchange.received,
            state: exchange.state,
            answer: exchange.answer.clone(),
        }
    }
}

/// The salts of one ledger record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Index of the record.
    pub index: u64,
    /// Its salts.
    pub salts: Vec<Salt>,
}

impl Exchange {
    /// The exchange that `arrival` opens.
    pub(crate) fn opened(id: ExchangeId, number: u64, arrival: &Arrival, at: Instant) -> Self {
        Self {
            id,
            number,
            kind: arrival.kind,
            source: arrival.source.clone(),
            format: arrival.format.clone(),
            received: arrival.received,
            opened: at,
            changed: at,
            message_control_id: arrival.message_control_id.clone(),
            sending_application: arrival.sending_application.clone(),
            sending_facility: arrival.sending_facility.clone(),
            sha256: arrival.sha256,
            state: ExchangeState::Accepted,
            patient: None,
            stages: Vec::new(),
            issues: Vec::new(),
            resources: Vec::new(),
            deliveries: Vec::new(),
            ledger: Vec::new(),
            answer: None,
            detail: None,
        }
    }

    /// Applies everything of `change` but its arrival, and its state last: it may depend on this commit's deliveries.
    pub(crate) fn apply(&mut self, change: &ExchangeChange) {
        if let Some(patient) = &change.patient {
            self.patient = Some(patient.clone());
        }
        self.stages.extend(change.stages.iter().cloned());
        self.issues.extend(change.issues.iter().cloned());
        if let Some(answer) = &change.answer {
            self.answer = Some(answer.clone());
        }
        if let Some(detail) = &change.detail {
            self.detail = Some(detail.clone());
        }
        if let Some(state) = change.state {
            self.state = state.after(&self.deliveries);
        }
    }

    /// The line of this exchange in a list.
    pub(crate) fn summary(&self) -> ExchangeSummary {
        ExchangeSummary {
            id: self.id,
            number: self.number,
            kind: self.kind,
            source: self.source.clone(),
            received: self.received,
            message_control_id: self.message_control_id.clone(),
            state: self.state,
            patient: self.patient.clone(),
            ledger: self.ledger.first().copied(),
            issues: u32::try_from(self.issues.len()).unwrap_or(u32::MAX),
        }
    }

    /// The key under which repeats of this exchange are found, if it has a control id.
    pub(crate) fn repeat_key(&self) -> Option<RepeatKey> {
        Some(RepeatKey {
            source: self.source.clone(),
            sending_application: self.sending_application.clone().unwrap_or_default(),
            sending_facility: self.sending_facility.clone().unwrap_or_default(),
            message_control_id: self.message_control_id.clone()?,
        })
    }
}

impl ExchangeQuery {
    /// Whether a line passes the filters; paging is not looked at.
    pub(crate) fn passes(&self, line: &ExchangeSummary) -> bool {
        self.source.as_ref().is_none_or(|source| *source == line.source)
            && (self.message_control_id.is_none() || self.message_control_id == line.message_control_id)
            && (self.patient.is_none() || self.patient == line.patient)
            && (self.states.is_empty() || self.states.contains(&line.state))
            && self.since.is_none_or(|since| line.received >= since)
            && self.until.is_none_or(|until| line.received < until)
    }
}

/// See [`StateChange::FromDeliveries`].
fn derived_state(deliveries: &[Delivery]) -> ExchangeState {
    let count = |state| deliveries.iter().filter(|delivery| delivery.state == state).count();
    if deliveries.is_empty() {
        ExchangeState::Stored
    } else if count(DeliveryState::Pending) > 0 {
        ExchangeState::Delivering
    } else if count(DeliveryState::Dead) > 0 {
        ExchangeState::Dead
    } else {
        match count(DeliveryState::Withheld) {
            0 => ExchangeState::Done,
            withheld if withheld == deliveries.len() => ExchangeState::Withheld,
            _ => ExchangeState::PartlyWithheld,
        }
    }
}
