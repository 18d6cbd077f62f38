//! Messages that are stored but not done: after a restart, and when a person asks for it.

use model::outcome::Issue;
use store::{
    Commit, Commits, DeliveryChange, DeliveryState, Exchange, ExchangeChange, ExchangeId, ExchangeKind, ExchangeState,
    Exchanges, StateChange,
};

use super::{Cause, Refusal, arrive, process};
use crate::app::App;

/// Exchanges read at a time.
const CHUNK: usize = 256;

/// Processes what was accepted before the last stop but not yet mapped; how many.
///
/// # Errors
/// [`store::Error`] if the store cannot be read. One message that cannot be processed does not stop the others.
pub async fn resume(app: &App) -> Result<u64, store::Error> {
    let (mut from, mut done) = (0, 0);
    loop {
        let waiting = app.store.in_state(ExchangeState::Accepted, from, CHUNK)?;
        let Some(last) = waiting.last() else { return Ok(done) };
        from = last.number + 1;
        for summary in &waiting {
            if summary.kind != ExchangeKind::Arrival {
                continue;
            }
            let Some(exchange) = app.store.exchange(&summary.id)? else { continue };
            match again(app, &exchange).await {
                Ok(()) => done += 1,
                Err(refusal) => {
                    tracing::warn!(exchange = %exchange.id, cause = refusal.cause().as_str(), "not processed")
                }
            }
        }
    }
}

/// Does again what an exchange did not come through with: maps a held or refused message anew, and gives dead and
/// withheld deliveries another chance. The id stays.
///
/// # Errors
/// [`Cause::NotFound`] for an unknown id, [`Cause::Conflict`] if there is nothing to replay, else as [`super::process`].
pub async fn replay(app: &App, id: &ExchangeId) -> Result<(), Refusal> {
    let exchange = app.store.exchange(id)?;
    let exchange =
        exchange.ok_or_else(|| Refusal::new(Cause::NotFound, Issue::error("not-found", "no such exchange")))?;
    if exchange.kind != ExchangeKind::Arrival {
        return Err(Refusal::new(
            Cause::Conflict,
            Issue::error("conflict", "only what a source has sent can be replayed"),
        ));
    }
    let stuck = exchange
        .deliveries
        .iter()
        .any(|delivery| matches!(delivery.state, DeliveryState::Dead | DeliveryState::Withheld));
    match exchange.state {
        ExchangeState::Dead | ExchangeState::Withheld | ExchangeState::PartlyWithheld if stuck => {
            deliver_again(app, &exchange).await
        }
        ExchangeState::Delivering => {
            Err(Refusal::new(Cause::Conflict, Issue::error("conflict", "its deliveries are under way")))
        }
        _ => match again(app, &exchange).await {
            Err(refusal) if refusal.exchange().is_none() => Err(refusal),
            // Held or refused again is a result, which the exchange shows.
            _ => Ok(()),
        },
    }
}

async fn again(app: &App, exchange: &Exchange) -> Result<(), Refusal> {
    let raw = app.store.raw(&exchange.id)?.unwrap_or_default();
    let arrived = arrive::stored(app, exchange, raw)?;
    process(app, arrived).await.map(|_| ())
}

async fn deliver_again(app: &App, exchange: &Exchange) -> Result<(), Refusal> {
    let deliveries = exchange
        .deliveries
        .iter()
        .filter(|delivery| matches!(delivery.state, DeliveryState::Dead | DeliveryState::Withheld))
        .map(|delivery| DeliveryChange {
            attempts: Some(0),
            ..DeliveryChange::new(exchange.id, delivery.destination.as_str(), DeliveryState::Pending)
        })
        .collect();
    let change = ExchangeChange { state: Some(StateChange::FromDeliveries), ..ExchangeChange::update(exchange.id) };
    app.store.commit(Commit { exchanges: vec![change], deliveries, ..Commit::default() }).await?;
    app.outbox.send_modify(|commits| *commits += 1);
    Ok(())
}
