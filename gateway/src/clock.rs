//! The time of one process: it never goes back.
//!
//! A grant that is over, a token that has expired and a consent that has ended must not come to life because somebody, or
//! a time server, sets the clock of the machine back. Forwards it follows at once: what ends early opens nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use model::time::{Clock, Instant};

use crate::metrics::Metrics;

/// A clock that is further behind than this is said so; less is what time servers correct all day.
const NOTICED: Duration = Duration::from_secs(60);
/// A clock that is behind the newest entry of the store by more than this at a start was ahead before, and is right now:
/// else one wrong date would stop a gateway for years.
const CORRECTED: Duration = Duration::from_secs(24 * 60 * 60);

/// A clock that stands still while the one below it is behind.
pub struct SteadyClock {
    below: Arc<dyn Clock>,
    latest: AtomicI64,
    behind: AtomicBool,
    metrics: Metrics,
}

impl SteadyClock {
    /// Over the clock of the machine.
    pub fn new(below: Arc<dyn Clock>, metrics: Metrics) -> Self {
        let latest = AtomicI64::new(below.now().millis());
        Self { below, latest, behind: AtomicBool::new(false), metrics }
    }

    /// Goes on from the time of the newest entry of the store, if that is less than a day ahead: a restart is no way back.
    pub fn go_on_from(&self, newest: Instant) {
        let ahead = newest.since(self.below.now());
        if ahead > NOTICED {
            tracing::warn!(seconds = ahead.as_secs(), "the clock is behind the newest entry of the store");
            self.metrics.alarm("clock-behind");
        }
        if ahead <= CORRECTED {
            self.latest.fetch_max(newest.millis(), Ordering::Relaxed);
        }
    }

    /// Whether the clock of the machine is noticeably behind the time that is kept.
    pub fn is_behind(&self) -> bool {
        let _ = self.now();
        self.behind.load(Ordering::Relaxed)
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Instant {
        let now = self.below.now();
        let before = self.latest.fetch_max(now.millis(), Ordering::Relaxed);
        let latest = Instant::from_millis(before.max(now.millis()));
        let behind = latest > now && latest.since(now) > NOTICED;
        if self.behind.swap(behind, Ordering::Relaxed) != behind && behind {
            tracing::error!("the clock of the machine was set back: the gateway's time stands until it has caught up");
            self.metrics.alarm("clock-behind");
        }
        latest
    }
}

impl std::fmt::Debug for SteadyClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SteadyClock")
    }
}

#[cfg(test)]
mod tests;
