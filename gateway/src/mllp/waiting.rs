//! Application acknowledgements that partners owe us: HL7 v2.8.2 chapter 2, "Enhanced acknowledgement rules".
//!
//! A partner that has answered `CA` is responsible for the message; what it makes of it comes later, on the same
//! connection or on one that it opens. Nothing is sent again meanwhile, nor when nothing comes in time.

use std::time::Duration;

use model::time::Instant;
use serde::{Deserialize, Serialize};
use store::{
    Commit, Commits, DeliveryChange, DeliveryState, ExchangeChange, ExchangeId, Exchanges, Stage, StateChange,
};
use tokio::sync::watch;

use super::shelf::ShelfError;
use crate::app::App;

/// How long one whose time has passed can still be answered.
const LATE: Duration = Duration::from_secs(30 * 86_400);
/// How often time limits are looked at.
const POLL: Duration = Duration::from_millis(500);

/// Said of a delivery that the partner has accepted and not yet processed.
pub(crate) const WAITING: &str = "accepted: the application acknowledgement is awaited";
const OVERDUE: &str = "accepted, not confirmed: no application acknowledgement in time";

/// A message that a partner has, or may have, and not yet answered for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Awaited {
    pub(crate) exchange: String,
    pub(crate) destination: String,
    /// Milliseconds; when waiting ends.
    pub(crate) until: i64,
    /// The delivery is recorded as accepted: from then on an answer changes it.
    pub(crate) accepted: bool,
    /// An answer that came before that.
    pub(crate) answer: Option<String>,
    /// The time has passed.
    pub(crate) overdue: bool,
    /// Silence is an answer: only errors were asked for.
    pub(crate) silent: bool,
}

/// Remembers, before a message is sent, that an answer to it may come at any time. The answer that came to an earlier
/// attempt, if one did: then there is nothing to send.
///
/// # Errors
/// [`ShelfError`]; the message must not be sent.
pub(crate) async fn expect(app: &App, control_id: &str, awaited: Awaited) -> Result<Option<String>, ShelfError> {
    let change = move |before: Option<&Awaited>| match before {
        Some(before) if !before.accepted && before.exchange == awaited.exchange => Some(before.clone()),
        _ => Some(awaited),
    };
    let (_, after) = app.mllp.waiting.change(control_id, change).await?;
    Ok(after.and_then(|awaited| awaited.answer))
}

/// The delivery is recorded as accepted; an answer that was faster is applied now.
pub(crate) async fn accepted(app: &App, control_id: &str, until: Instant) {
    let until = until.millis();
    let change = move |before: Option<&Awaited>| {
        before.map(|before| Awaited { accepted: true, until, answer: None, ..before.clone() })
    };
    match app.mllp.waiting.change(control_id, change).await {
        Ok((Some(before), _)) => {
            if let Some(answer) = &before.answer {
                conclude(app, control_id, &before, answer).await;
            }
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "an application acknowledgement may be overlooked"),
    }
}

/// Nothing more is waited for.
pub(crate) async fn forget(app: &App, control_id: &str) {
    if let Err(error) = app.mllp.waiting.remove(control_id).await {
        tracing::warn!(%error, "an application acknowledgement is still waited for");
    }
}

/// Takes an application acknowledgement, whichever way it came; whether a delivery of ours was waiting for it.
pub(crate) async fn settle(app: &App, control_id: &str, code: &str) -> bool {
    if !matches!(code, "AA" | "AE" | "AR") || app.mllp.waiting.get(control_id).is_none() {
        return false;
    }
    let answer = code.to_owned();
    let change = move |before: Option<&Awaited>| {
        before.map(|before| match before.accepted {
            true => before.clone(),
            false => Awaited { answer: Some(answer), ..before.clone() },
        })
    };
    match app.mllp.waiting.change(control_id, change).await {
        Ok((Some(before), _)) if before.accepted => conclude(app, control_id, &before, code).await,
        Ok((before, _)) => before.is_some(),
        Err(error) => {
            tracing::warn!(%error, "an application acknowledgement could not be kept");
            false
        }
    }
}

/// Writes the answer to the delivery; whether that is durable.
async fn conclude(app: &App, control_id: &str, awaited: &Awaited, code: &str) -> bool {
    let (state, error, outcome) = match code {
        "AA" => (DeliveryState::Delivered, String::new(), "confirmed"),
        // The partner took the message over and could not process it: sending it again is for a person to decide.
        _ => (DeliveryState::Dead, format!("the partner's application answered {code}"), "dead"),
    };
    let written = change(app, awaited, state, &error, code).await;
    if written {
        app.metrics.delivery(&awaited.destination, outcome);
        forget(app, control_id).await;
    }
    written
}

/// Changes a delivery that stands as delivered; one that a person has set going again is left alone.
async fn change(app: &App, awaited: &Awaited, state: DeliveryState, error: &str, outcome: &str) -> bool {
    let Some(id) = ExchangeId::parse(&awaited.exchange) else { return true };
    let exchange = match app.store.exchange(&id) {
        Ok(Some(exchange)) => exchange,
        Ok(None) => return true,
        Err(error) => {
            tracing::warn!(%error, "an exchange could not be read");
            return false;
        }
    };
    let delivery = exchange.deliveries.iter().find(|delivery| delivery.destination == awaited.destination);
    if delivery.is_none_or(|delivery| delivery.state != DeliveryState::Delivered) {
        return true;
    }
    let delivery = DeliveryChange {
        last_error: Some(error.to_owned()),
        ..DeliveryChange::new(id, awaited.destination.as_str(), state)
    };
    let stage = Stage {
        name: "acknowledge".to_owned(),
        at: app.clock.now(),
        outcome: format!("{}: {outcome}", awaited.destination),
    };
    let exchange =
        ExchangeChange { state: Some(StateChange::FromDeliveries), stages: vec![stage], ..ExchangeChange::update(id) };
    let commit = Commit { exchanges: vec![exchange], deliveries: vec![delivery], ..Commit::default() };
    match app.store.commit(commit).await {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(%error, exchange = %id, "an application acknowledgement could not be recorded");
            false
        }
    }
}

/// Ends what has waited long enough, until `stop`.
pub(super) async fn run(app: App, mut stop: watch::Receiver<bool>) {
    resume(&app).await;
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(POLL) => {}
        }
        expire(&app).await;
    }
}

/// After a crash between the delivery's record and ours the record holds.
async fn resume(app: &App) {
    let open = app.mllp.waiting.find(|key, awaited| (!awaited.accepted).then(|| (key.to_owned(), awaited.clone())));
    for (control_id, awaited) in open {
        let Some(id) = ExchangeId::parse(&awaited.exchange) else { continue };
        let delivered = app.store.exchange(&id).ok().flatten().is_some_and(|exchange| {
            let delivered = |delivery: &store::Delivery| {
                delivery.destination == awaited.destination && delivery.last_error.as_deref() == Some(WAITING)
            };
            exchange.deliveries.iter().any(delivered)
        });
        if delivered {
            accepted(app, &control_id, Instant::from_millis(awaited.until)).await;
        }
    }
}

async fn expire(app: &App) {
    let now = app.clock.now();
    let (due, late) = (now.millis(), now.before(LATE).millis());
    let ended = app.mllp.waiting.find(|key, awaited| {
        let ended = if awaited.overdue || !awaited.accepted { awaited.until <= late } else { awaited.until <= due };
        ended.then(|| (key.to_owned(), awaited.clone()))
    });
    for (control_id, awaited) in ended {
        if awaited.overdue || !awaited.accepted {
            forget(app, &control_id).await;
            continue;
        }
        let (text, outcome) = if awaited.silent { ("", "no error in time") } else { (OVERDUE, "no answer in time") };
        if change(app, &awaited, DeliveryState::Delivered, text, outcome).await {
            app.metrics.delivery(&awaited.destination, if awaited.silent { "confirmed" } else { "unconfirmed" });
            let mark = |before: Option<&Awaited>| before.map(|before| Awaited { overdue: true, ..before.clone() });
            if let Err(error) = app.mllp.waiting.change(&control_id, mark).await {
                tracing::warn!(%error, "a time limit could not be recorded");
            }
        }
    }
}
