//! The way out: one worker for each destination, in the order of arrival.
//!
//! ```text
//! claim → decide (consents of this moment) → filter → Permitted → render → record (durable) → Recorded → send
//! ```
//! Each attempt decides anew: a consent withdrawn while a partner was down withholds what was permitted before. Nothing is
//! rendered that is not [`consent::Permitted`], nothing is sent that is not [`Recorded`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::json::Json;
use model::time::Instant;
use sha2::{Digest, Sha256};
use store::{
    Commit, Commits, Delivery, DeliveryChange, DeliveryState, Exchange, ExchangeChange, Exchanges, Outbox, StateChange,
};
use tokio::sync::{mpsc, watch};

use crate::app::App;
use crate::config::{Acknowledgement, Application, Destination};
use crate::mllp::Awaited;

mod decide;
mod document;
mod fhir;
mod mllp;
mod parts;
mod record;
mod render;
mod send;
#[cfg(test)]
mod tests;

pub(crate) use mllp::Client as MllpClient;
pub use record::Recorded;
pub(crate) use send::Outgoing;
pub use send::{Failure, Sender, Sent};

use decide::Verdict;

/// Deliveries claimed at a time; each is finished before the next begins.
const CLAIM: usize = 16;
/// How often a worker looks without being woken: commits of another clock, and the end of a full disk.
const POLL: Duration = Duration::from_secs(5);
/// Application acknowledgements that wait to be recorded; more are read when these are done.
const HEARD: usize = 64;
/// Wait after the store refused.
const STORE_WAIT: Duration = Duration::from_secs(1);

/// Delivers to one destination until `stop`.
pub async fn run(app: App, destination: Destination, mut stop: watch::Receiver<bool>) {
    let (heard, mut later) = mpsc::channel::<mllp::Heard>(HEARD);
    let sender = match Sender::new(&destination, heard, app.clock.clone()) {
        Ok(sender) => sender,
        Err(error) => {
            tracing::error!(destination = destination.name, %error, "a destination cannot be reached at all");
            app.metrics.alarm("destination");
            return;
        }
    };
    let hearing = app.clone();
    // Owned by this worker: it ends with it, and there is nothing in it that is not durable elsewhere.
    let _listening = tokio::spawn(async move {
        while let Some(heard) = later.recv().await {
            crate::mllp::settle(&hearing, &heard.control_id, &heard.code).await;
        }
    });
    let mut commits = app.outbox.subscribe();
    loop {
        commits.borrow_and_update();
        if stands_still(&app) {
            if pause(STORE_WAIT, &mut stop).await {
                return;
            }
            continue;
        }
        let claim = match app.store.claim(&destination.name, app.clock.now(), CLAIM) {
            Ok(claim) => claim,
            Err(error) => {
                tracing::warn!(destination = destination.name, %error, "the outbox could not be read");
                if pause(STORE_WAIT, &mut stop).await {
                    return;
                }
                continue;
            }
        };
        if claim.deliveries.is_empty() {
            let now = app.clock.now();
            let wait = claim.next_due.map_or(POLL, |due| due.since(now).clamp(Duration::from_millis(5), POLL));
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                _ = commits.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
            continue;
        }
        for delivery in claim.deliveries {
            if *stop.borrow() {
                app.store.release(&destination.name);
                return;
            }
            if stands_still(&app) {
                app.store.release(&destination.name);
                break;
            }
            let ended = attempt(&app, &destination, &sender, &delivery).await;
            let Err(error) = ended else { continue };
            // What comes after in the order must wait for this one: give all back and claim again.
            if let Next::StoreFailed(error) = error {
                tracing::warn!(destination = destination.name, %error, "a delivery could not be recorded");
                app.store.release(&destination.name);
                if pause(STORE_WAIT, &mut stop).await {
                    return;
                }
            } else {
                app.store.release(&destination.name);
            }
            break;
        }
    }
}

/// Whether nothing may leave now: what cannot be anchored truthfully does not, nor what cannot be put on record. A retry
/// whose record is there already would be sent again and again, as its end could not be kept.
fn stands_still(app: &App) -> bool {
    app.ledger.is_refusing() || app.store.refusal().is_some()
}

/// Why the deliveries after this one are not begun.
enum Next {
    /// It is tried again later.
    Later,
    StoreFailed(store::Error),
}

/// [`Decided::json`] as the ledger's commitment and the audit event hold it.
fn digest_of(decision: &Decided) -> [u8; 32] {
    Sha256::digest(decision.json.to_bytes()).into()
}

impl From<store::Error> for Next {
    fn from(error: store::Error) -> Self {
        Self::StoreFailed(error)
    }
}

/// One attempt: decided, recorded, sent, and its end made durable.
async fn attempt(app: &App, destination: &Destination, sender: &Sender, delivery: &Delivery) -> Result<(), Next> {
    let Some(exchange) = app.store.exchange(&delivery.exchange)? else {
        return Ok(());
    };
    let now = app.clock.now();
    let attempts = delivery.attempts.saturating_add(1);
    let verdict = match decide::decide(app, destination, &exchange, now) {
        Ok(verdict) => verdict,
        Err(decide::DecideError::Store(error)) => return Err(error.into()),
        Err(decide::DecideError::Damaged) => {
            let change = DeliveryChange {
                attempts: Some(attempts),
                ..end(delivery, DeliveryState::Dead, "a stored resource could not be read back")
            };
            return finish(app, destination, &exchange, change, "dead").await;
        }
    };
    let permitted = match verdict {
        Verdict::Withhold(decision) => {
            let change = record::withheld(app, destination, &exchange, delivery, &decision, attempts, now);
            commit(app, change?, &exchange).await?;
            app.metrics.delivery(&destination.name, "withheld");
            // The decision itself names consents, whose ids a client may have chosen: it stays out of the log.
            tracing::info!(exchange = %exchange.id, destination = destination.name, "withheld");
            return Ok(());
        }
        Verdict::Release(permitted) => permitted,
    };
    let decision = permitted.decision.clone();
    let rendered = match render::render(app, destination, &exchange, permitted, sender.most_bytes()) {
        Ok(rendered) => rendered,
        Err(reason) => {
            let change = DeliveryChange { attempts: Some(attempts), ..end(delivery, DeliveryState::Dead, reason) };
            return finish(app, destination, &exchange, change, "dead").await;
        }
    };
    let recorded = record::record(app, destination, &exchange, delivery, rendered, &decision, now).await?;
    let control_id = recorded.control_id();
    let awaited = awaited(destination, &exchange, now);
    let is_awaited = awaited.is_some();
    let sent = match awaited {
        None => sender.send(&recorded).await,
        Some(awaited) => match crate::mllp::expect(app, control_id, awaited).await {
            Ok(None) => sender.send(&recorded).await,
            // The answer to an attempt that seemed to fail has come by another way: there is nothing to send again.
            Ok(Some(answer)) if answer == "AA" => Ok(Sent::Processed),
            Ok(Some(answer)) => Err(Failure::Refused(answer)),
            Err(error) => Err(Failure::NotNow(error.to_string())),
        },
    };
    match sent {
        Ok(sent) => {
            let waits = is_awaited && sent == Sent::Accepted;
            let change = DeliveryChange {
                attempts: Some(attempts),
                decision: Some(decision.text.clone()),
                last_error: Some(if waits { crate::mllp::WAITING.to_owned() } else { String::new() }),
                ..DeliveryChange::new(exchange.id, destination.name.as_str(), DeliveryState::Delivered)
            };
            finish(app, destination, &exchange, change, if waits { "accepted" } else { "delivered" }).await?;
            if waits {
                let until = app.clock.now().after(destination.mllp.application_timeout);
                crate::mllp::accepted(app, control_id, until).await;
            } else if is_awaited {
                crate::mllp::forget(app, control_id).await;
            }
            Ok(())
        }
        Err(failure) => {
            tracing::warn!(exchange = %exchange.id, destination = destination.name, %failure, attempts, "not delivered");
            let last = attempts >= destination.retry.attempts || !failure.is_retryable();
            let mut change = if last {
                DeliveryChange { attempts: Some(attempts), ..end(delivery, DeliveryState::Dead, &failure.to_string()) }
            } else {
                later(destination, delivery, attempts, now, (&failure.to_string(), failure.asks_to_wait()))
            };
            change.decision = Some(decision.text.clone());
            if last && is_awaited {
                crate::mllp::forget(app, control_id).await;
            }
            finish(app, destination, &exchange, change, if last { "dead" } else { "retry" }).await?;
            if last { Ok(()) } else { Err(Next::Later) }
        }
    }
}

/// What is remembered of a message whose application acknowledgement may come later.
fn awaited(destination: &Destination, exchange: &Exchange, now: Instant) -> Option<Awaited> {
    match destination.mllp.acknowledgement {
        Acknowledgement::Original | Acknowledgement::Enhanced(Application::Never) => None,
        Acknowledgement::Enhanced(asked) => Some(Awaited {
            exchange: exchange.id.to_string(),
            destination: destination.name.clone(),
            until: now.after(destination.mllp.application_timeout).millis(),
            accepted: false,
            answer: None,
            overdue: false,
            silent: asked == Application::Error,
        }),
    }
}

fn end(delivery: &Delivery, state: DeliveryState, error: &str) -> DeliveryChange {
    DeliveryChange {
        last_error: Some(error.to_owned()),
        ..DeliveryChange::new(delivery.exchange, delivery.destination.as_str(), state)
    }
}

/// Waits longer each time, with up to half of it at random: partners that come back are not met by everybody at once. Never
/// less than the partner asked for.
fn later(
    destination: &Destination,
    delivery: &Delivery,
    attempts: u32,
    now: Instant,
    (error, least): (&str, Duration),
) -> DeliveryChange {
    let doubled = destination.retry.first.saturating_mul(1 << attempts.saturating_sub(1).min(20));
    let wait = doubled.min(destination.retry.longest);
    let share = crate::keys::random::<1>().map_or(128, |[byte]| u32::from(byte));
    let wait = (wait - (wait / 2) * share / 255).max(least);
    DeliveryChange {
        due: Some(now.after(wait)),
        attempts: Some(attempts),
        ..end(delivery, DeliveryState::Pending, error)
    }
}

async fn finish(
    app: &App,
    destination: &Destination,
    exchange: &Exchange,
    change: DeliveryChange,
    outcome: &str,
) -> Result<(), Next> {
    commit(app, Commit { deliveries: vec![change], ..Commit::default() }, exchange).await?;
    app.metrics.delivery(&destination.name, outcome);
    Ok(())
}

/// Commits a change of a delivery, with the state of its exchange that follows from it.
async fn commit(app: &App, mut commit: Commit, exchange: &Exchange) -> Result<store::Committed, store::Error> {
    commit
        .exchanges
        .push(ExchangeChange { state: Some(StateChange::FromDeliveries), ..ExchangeChange::update(exchange.id) });
    app.store.commit(commit).await
}

/// Whether `stop` came first.
async fn pause(wait: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => true,
        () = tokio::time::sleep(wait) => false,
    }
}

/// What was decided about one patient's data.
#[derive(Debug, Clone, Default)]
pub(crate) struct OfPatient {
    /// How many resources of each type leave.
    pub(crate) released: BTreeMap<String, usize>,
    /// How many stay.
    pub(crate) withheld: usize,
    /// The provisions that decided.
    pub(crate) traces: BTreeSet<String>,
}

/// A decision as deliveries and records hold it.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    /// For people: `permit: …` or `deny: …`, with the consents that decided. No patient data.
    pub(crate) text: String,
    /// All of it, for the record's commitment.
    pub(crate) json: Json,
    /// What the decision is about, patient by patient.
    pub(crate) patients: BTreeMap<String, OfPatient>,
    /// Whether no resource stays. Elements may still have been taken out of one: that its content says.
    pub(crate) is_whole: bool,
}
