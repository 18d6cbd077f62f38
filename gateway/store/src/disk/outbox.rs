//! Deliveries waiting: rows hold the order and the due time, the exchange holds the rest.

use std::collections::HashSet;
use std::sync::PoisonError;

use model::time::Instant;

use crate::disk::read::row;
use crate::disk::{DiskStore, Shared};
use crate::error::Error;
use crate::index::{Direction, Flow, keys};
use crate::outbox::{Claim, Delivery, DeliveryState};
use crate::traits::Outbox;

impl Shared {
    /// The delivery of exchange `number` to a destination, if it is in `state`.
    fn delivery(&self, number: u64, destination: &str, state: DeliveryState) -> Result<Option<Delivery>, Error> {
        let Some(line) = self.line(number)? else { return Ok(None) };
        let mut deliveries = self.exchange_item(&line)?.deliveries.into_iter();
        Ok(deliveries.find(|delivery| delivery.destination == destination && delivery.state == state))
    }
}

impl Outbox for DiskStore {
    fn claim(&self, destination: &str, now: Instant, limit: usize) -> Result<Claim, Error> {
        let shared = self.shared();
        // Held over the walk: two workers asking at once must not be given the same deliveries.
        let mut claims = shared.claims.lock().unwrap_or_else(PoisonError::into_inner);
        let mut claim = Claim::default();
        if claims.get(destination).is_some_and(|open| !open.is_empty()) {
            return Ok(claim);
        }
        let prefix = keys::pending(&keys::destination(destination));
        shared.index.walk(&prefix, None, Direction::Up, &mut |key, value| {
            if claim.deliveries.len() >= limit {
                return Ok(Flow::Stop);
            }
            let due: Option<Instant> = row(value)?;
            if let Some(due) = due.filter(|due| *due > now) {
                if claim.deliveries.is_empty() {
                    claim.next_due = Some(due);
                }
                return Ok(Flow::Stop);
            }
            let delivery = shared.delivery(keys::trailing_number(key), destination, DeliveryState::Pending)?;
            claim.deliveries.extend(delivery);
            Ok(Flow::On)
        })?;
        let numbers: HashSet<u64> = claim.deliveries.iter().map(|delivery| delivery.number).collect();
        claims.insert(destination.to_owned(), numbers);
        Ok(claim)
    }

    fn release(&self, destination: &str) {
        self.shared().claims.lock().unwrap_or_else(PoisonError::into_inner).remove(destination);
    }

    fn pending(&self, destination: &str) -> Result<u64, Error> {
        let mut count = 0;
        let prefix = keys::pending(&keys::destination(destination));
        self.shared().index.walk(&prefix, None, Direction::Up, &mut |_, _| {
            count += 1;
            Ok(Flow::On)
        })?;
        Ok(count)
    }

    fn dead(&self, destination: &str, from: u64, limit: usize) -> Result<Vec<Delivery>, Error> {
        let shared = self.shared();
        let hash = keys::destination(destination);
        let after = from.checked_sub(1).map(|before| keys::dead_at(&hash, before));
        let mut dead = Vec::new();
        shared.index.walk(&keys::dead(&hash), after.as_deref(), Direction::Up, &mut |key, _| {
            if dead.len() >= limit {
                return Ok(Flow::Stop);
            }
            dead.extend(shared.delivery(keys::trailing_number(key), destination, DeliveryState::Dead)?);
            Ok(Flow::On)
        })?;
        Ok(dead)
    }
}
