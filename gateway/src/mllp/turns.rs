//! Whose turn it is: the messages of one sender are processed in the order in which their last byte came in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Lane, OwnedMutexGuard};

/// Senders after which those that nobody waits for are let go.
const SWEEP: usize = 1024;

/// A lane for each sender; whoever asked first goes first.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Arc<Lane<()>>>>);

impl Turns {
    /// Waits for the turn of a sender, and holds it until the guard is dropped; `None` after `patience`.
    pub(crate) async fn hold(&self, sender: &str, patience: Duration) -> Option<OwnedMutexGuard<()>> {
        let lane = {
            let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if lanes.len() >= SWEEP {
                lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
            }
            lanes.entry(sender.to_owned()).or_default().clone()
        };
        tokio::time::timeout(patience, lane.lock_owned()).await.ok()
    }

    /// How many hold or wait for the turn of a sender.
    #[cfg(test)]
    pub(super) fn asked(&self, sender: &str) -> usize {
        let lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.get(sender).map_or(0, |lane| Arc::strong_count(lane).saturating_sub(1))
    }
}
