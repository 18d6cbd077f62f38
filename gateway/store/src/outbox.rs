//! Deliveries: one row for each exchange and destination, without content.

use model::time::Instant;

use crate::exchange::ExchangeId;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// To be decided and sent, now or at its due time.
    Pending,
    /// Taken by the destination.
    Delivered,
    /// Not permitted to leave.
    Withheld,
    /// Given up until a person replays it.
    Dead,
}

impl DeliveryState {
    /// The state's public name.
    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Pending => "pending",
            DeliveryState::Delivered => "delivered",
            DeliveryState::Withheld => "withheld",
            DeliveryState::Dead => "dead",
        }
    }
}

/// What a commit does to the delivery of one exchange to one destination.
///
/// An unknown pair opens a delivery; setting a known one to [`DeliveryState::Pending`] is a retry or a replay. A retry
/// keeps its place in the destination's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryChange {
    /// The exchange.
    pub exchange: ExchangeId,
    /// The destination's configured name.
    pub destination: String,
    /// New state.
    pub state: DeliveryState,
    /// Not before this time, for a pending one; `None`: at once.
    pub due: Option<Instant>,
    /// How many attempts were made so far; `None` leaves it.
    pub attempts: Option<u32>,
    /// The decision as shown to people (`permit`, `deny: …`); `None` leaves it.
    pub decision: Option<String>,
    /// What the last attempt ended with, without patient data; `None` leaves it.
    pub last_error: Option<String>,
    /// SHA-256 of the bytes last recorded for sending, so that a retry of the same bytes adds no record; `None` leaves it.
    pub recorded: Option<[u8; 32]>,
}

impl DeliveryChange {
    /// A change to `state`; the other members are left as they are until set.
    pub fn new(exchange: ExchangeId, destination: impl Into<String>, state: DeliveryState) -> Self {
        Self {
            exchange,
            destination: destination.into(),
            state,
            due: None,
            attempts: None,
            decision: None,
            last_error: None,
            recorded: None,
        }
    }
}

/// A delivery as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The exchange.
    pub exchange: ExchangeId,
    /// The destination's configured name.
    pub destination: String,
    /// Place in the destination's order: the number of its exchange.
    pub number: u64,
    /// Where it stands.
    pub state: DeliveryState,
    /// Not before this time; `None`: at once.
    pub due: Option<Instant>,
    /// Attempts so far.
    pub attempts: u32,
    /// The decision as shown to people.
    pub decision: Option<String>,
    /// What the last attempt ended with.
    pub last_error: Option<String>,
    /// SHA-256 of the bytes last recorded for sending.
    pub recorded: Option<[u8; 32]>,
    /// When it last changed.
    pub changed: Instant,
}

impl Delivery {
    /// Applies `change` to the deliveries of exchange number `number`, opening one where there is none.
    pub(crate) fn apply(deliveries: &mut Vec<Delivery>, number: u64, change: &DeliveryChange, at: Instant) {
        let found = deliveries.iter().position(|delivery| delivery.destination == change.destination);
        let mut delivery = match found {
            Some(place) => deliveries.remove(place),
            None => Delivery {
                exchange: change.exchange,
                destination: change.destination.clone(),
                number,
                state: change.state,
                due: None,
                attempts: 0,
                decision: None,
                last_error: None,
                recorded: None,
                changed: at,
            },
        };
        delivery.state = change.state;
        delivery.due = change.due;
        delivery.changed = at;
        if let Some(attempts) = change.attempts {
            delivery.attempts = attempts;
        }
        if let Some(decision) = &change.decision {
            delivery.decision = Some(decision.clone());
        }
        if let Some(last_error) = &change.last_error {
            delivery.last_error = Some(last_error.clone());
        }
        if let Some(recorded) = change.recorded {
            delivery.recorded = Some(recorded);
        }
        deliveries.insert(found.unwrap_or(deliveries.len()), delivery);
    }
}

/// What a destination's worker may do now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// Due deliveries from the head of the destination's queue, in order. They are given to nobody else until they
    /// change in a commit or are released.
    pub deliveries: Vec<Delivery>,
    /// When the head falls due, if it is not due now.
    pub next_due: Option<Instant>,
}
