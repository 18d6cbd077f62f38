//! How often a person may break the glass: a pure counter over sliding windows.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// So many in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How many.
    pub count: usize,
    /// In how long.
    pub per: Duration,
}

/// The limits of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Grants (`[consent] btg_rate`).
    pub grants: Window,
    /// Searches for a patient.
    pub finds: Window,
}

impl Default for Limits {
    /// Five grants and twenty searches an hour.
    fn default() -> Self {
        let hour = Duration::from_secs(3600);
        Self { grants: Window { count: 5, per: hour }, finds: Window { count: 20, per: hour } }
    }
}

/// Too often; asking again makes sense after this long, a whole number of seconds and at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected fewer emergency requests; retry after {} s", .0.as_secs())]
pub struct RetryAfter(pub Duration);

/// What a person did within the windows. Holds who and when, nothing else; forgets what is over.
///
/// Only what was granted counts: ask first, record after. After a restart, record the grants the store still knows.
#[derive(Clone, Debug, Default)]
pub struct EmergencyLimiter {
    limits: Limits,
    grants: BTreeMap<String, VecDeque<i64>>,
    finds: BTreeMap<String, VecDeque<i64>>,
}

impl EmergencyLimiter {
    /// With these limits and no history.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Whether a person may declare now. `now` is in milliseconds since 1970.
    ///
    /// # Errors
    /// [`RetryAfter`] once the limit is reached.
    pub fn may_declare(&self, person: &str, now: i64) -> Result<(), RetryAfter> {
        within(self.limits.grants, self.grants.get(person), now)
    }

    /// Counts a grant. Moments may come in any order.
    pub fn record_grant(&mut self, person: &str, at: i64, now: i64) {
        record(self.limits.grants, &mut self.grants, person, at, now);
    }

    /// Counts a search for a patient, or says that it may not be made. `now` is in milliseconds since 1970.
    ///
    /// # Errors
    /// [`RetryAfter`] once the limit is reached; such a search does not count.
    pub fn find(&mut self, person: &str, now: i64) -> Result<(), RetryAfter> {
        within(self.limits.finds, self.finds.get(person), now)?;
        record(self.limits.finds, &mut self.finds, person, now, now);
        Ok(())
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn within(window: Window, moments: Option<&VecDeque<i64>>, now: i64) -> Result<(), RetryAfter> {
    let begin = now.saturating_sub(millis(window.per));
    let counted: Vec<i64> = moments.into_iter().flatten().copied().filter(|moment| *moment > begin).collect();
    if counted.len() < window.count {
        return Ok(());
    }
    // The place is free once the oldest that still counts against it has left the window.
    let leaving = counted.len().saturating_sub(window.count);
    let oldest = counted.get(leaving).copied().unwrap_or(now);
    let wait = oldest.saturating_sub(begin).max(1);
    let seconds = u64::try_from(wait).unwrap_or(0).div_ceil(1000).max(1);
    Err(RetryAfter(Duration::from_secs(seconds)))
}

fn record(window: Window, all: &mut BTreeMap<String, VecDeque<i64>>, person: &str, at: i64, now: i64) {
    let begin = now.saturating_sub(millis(window.per));
    // People are few; looking through all keeps the memory bounded by who was active within the window.
    all.retain(|_, moments| {
        moments.retain(|moment| *moment > begin);
        !moments.is_empty()
    });
    if at > begin {
        let moments = all.entry(person.to_owned()).or_default();
        let place = moments.partition_point(|moment| *moment <= at);
        moments.insert(place, at);
    }
}

#[cfg(test)]
mod tests;
