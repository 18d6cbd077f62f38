//! Break-glass: find the patient, declare, read the summary. It needs nothing but the local store, and not even that to
//! take commits: destinations, sealing and the network may all be down.
//!
//! Audit first: what is read takes an [`AuditWritten`], and only [`audit::write`](write) makes one.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::time::Instant;
use store::{
    Commit, Commits, Conflict, EmergencyJournal, Error, ExchangeId, Grant, GrantChange, Grants, Resources, Step, Store,
};

use crate::index;
use crate::metrics::Metrics;

pub mod declare;
mod entry;
pub mod find;
pub mod likeness;
pub(crate) mod page;
pub(crate) mod reviews;
pub mod summary;

#[cfg(test)]
mod tests;

/// How long the store may take to keep an entry before the journal is asked: somebody is waiting at a bedside.
const STORE_TIMEOUT: Duration = Duration::from_secs(3);
/// How often a journal that holds entries is tried again.
const REPLAY_INTERVAL: Duration = Duration::from_secs(5);

/// The state of the emergency path. Clones share it.
#[derive(Clone)]
pub struct Emergency {
    journal: Arc<EmergencyJournal>,
    finds: Arc<Mutex<auth::EmergencyLimiter>>,
    declaring: Arc<[tokio::sync::Mutex<()>; 64]>,
    overlay: Arc<Mutex<Overlay>>,
    closed: Arc<Mutex<reviews::Closed>>,
    metrics: Metrics,
}

/// What the store does not hold yet: grants that stand in the journal alone, and whether even that refused.
#[derive(Default)]
struct Overlay {
    grants: HashMap<String, Grant>,
    ended: HashMap<String, Instant>,
    exchanges: HashSet<ExchangeId>,
    unwritten: bool,
}

/// Proof that an access was recorded where a power cut does not reach it, or that everything possible was tried.
///
/// Private members and one maker: nothing of a record can be read on this path without one.
#[derive(Debug)]
pub struct AuditWritten {
    kept: Kept,
}

/// Where the record of an access is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// In the store.
    Store,
    /// In the emergency journal; it goes to the store when that takes commits again.
    Journal,
    /// On standard error alone: the disk refused both. An alarm was raised.
    StandardError,
}

impl AuditWritten {
    /// Where the record is.
    pub fn kept(&self) -> Kept {
        self.kept
    }
}

fn exchanges_of(commit: &Commit) -> Vec<ExchangeId> {
    commit.exchanges.iter().map(|change| change.id).collect()
}

impl Emergency {
    /// The path over this journal. Grants that stand in the journal alone are open again.
    ///
    /// # Errors
    /// What the journal says if it cannot be read.
    pub fn new(journal: EmergencyJournal, metrics: Metrics) -> Result<Self, Error> {
        let emergency = Self {
            journal: Arc::new(journal),
            finds: Arc::default(),
            declaring: Arc::new(std::array::from_fn(|_| tokio::sync::Mutex::default())),
            overlay: Arc::default(),
            closed: Arc::default(),
            metrics,
        };
        let (entries, _) = emergency.journal.entries()?;
        for commit in entries.iter().filter_map(|bytes| entry::read(bytes)) {
            emergency.remember(&commit.grants, &exchanges_of(&commit));
        }
        Ok(emergency)
    }

    /// Whether the last record could be kept nowhere; `/health/ready` is then 503.
    pub fn has_unwritten(&self) -> bool {
        self.overlay().unwritten
    }

    /// Counts a search of a person's, or says how long to wait.
    ///
    /// Counted twice: by the rows of the audit events, which a restart does not forget, and in memory, where two searches
    /// side by side are two and those are counted that stand in the journal.
    pub(crate) fn may_find(&self, store: &Store, person: &str, now: Instant) -> Result<Result<(), Duration>, Error> {
        let window = auth::Limits::default().finds;
        let begin = now.before(window.per).millis().unsigned_abs();
        let mut times: Vec<u64> = Vec::new();
        store.descend("AuditEvent", index::searched_param(), &index::searched_prefix(person), &mut |row| {
            let at = row.value.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
            if at <= begin || times.len() >= window.count {
                return Step::Stop;
            }
            // A row is a search, also where two fell into one millisecond: its first event alone has one.
            times.push(at);
            Step::Next
        })?;
        if let (true, Some(oldest)) = (times.len() >= window.count, times.last()) {
            return Ok(Err(Duration::from_millis(oldest.saturating_sub(begin))));
        }
        let mut finds = self.finds.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(finds.find(person, now.millis()).map_err(|wait| wait.0))
    }

    /// How many entries stand in the journal alone.
    pub fn waiting(&self) -> usize {
        self.journal.entries().map_or(0, |(entries, _)| entries.len())
    }

    /// Held from the check of the rate to the grant: two declarations of a person side by side must not both be the last
    /// allowed. Others do not wait for them, unless they fall into the same of 64 drawers.
    pub(crate) async fn declaring(&self, person: &str) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let drawer = person.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        match self.declaring.get(drawer % self.declaring.len()) {
            Some(lock) => Some(lock.lock().await),
            None => None,
        }
    }

    /// Makes a commit durable: in the store, else in the journal, else on standard error with an alarm.
    ///
    /// # Errors
    /// [`Error::Conflict`] and [`Error::NotFound`], which say that the commit itself does not hold; what concerns the
    /// disk or the store's health never comes back as an error.
    pub async fn write(&self, store: &Store, commit: Commit) -> Result<AuditWritten, Error> {
        // Encoded before the store is asked: should it refuse, nothing may fail for want of memory or time.
        let fallback = entry::write(&commit);
        let (grants, exchanges) = (commit.grants.clone(), exchanges_of(&commit));
        match tokio::time::timeout(STORE_TIMEOUT, store.commit(commit)).await {
            Ok(Ok(_)) => {
                self.overlay().unwritten = false;
                return Ok(AuditWritten { kept: Kept::Store });
            }
            Ok(Err(error @ (Error::Conflict(_) | Error::NotFound { .. }))) => return Err(error),
            Ok(Err(error)) => tracing::warn!(%error, "the store refused an emergency record; the journal takes it"),
            Err(_) => tracing::warn!("the store did not answer in time; the journal takes an emergency record"),
        }
        self.metrics.emergency("journal");
        self.metrics.alarm("emergency-journal");
        let journal = self.journal.clone();
        let appended = tokio::task::spawn_blocking(move || {
            let result = journal.append(&fallback);
            (result, fallback)
        });
        let kept = match appended.await {
            Ok((Ok(()), _)) => Kept::Journal,
            Ok((Err(error), _)) => {
                self.last_resort(&grants, &error.to_string());
                Kept::StandardError
            }
            Err(_) => {
                self.last_resort(&grants, "the journal's thread ended");
                Kept::StandardError
            }
        };
        self.remember(&grants, &exchanges);
        Ok(AuditWritten { kept })
    }

    /// Availability for life: the summary is given, and what could not be kept is said where an operator sees it.
    fn last_resort(&self, grants: &[GrantChange], why: &str) {
        self.overlay().unwritten = true;
        self.metrics.alarm("emergency-audit-not-kept");
        let ids: Vec<&str> = grants
            .iter()
            .map(|change| match change {
                GrantChange::Open(grant) => grant.id.as_str(),
                GrantChange::End { id, .. } => id.as_str(),
            })
            .collect();
        tracing::error!(alarm = true, grants = ?ids, why, "an emergency access is recorded in this line alone");
    }

    fn remember(&self, grants: &[GrantChange], exchanges: &[ExchangeId]) {
        let mut overlay = self.overlay();
        overlay.exchanges.extend(exchanges);
        for change in grants {
            match change {
                GrantChange::Open(grant) => drop(overlay.grants.insert(grant.id.clone(), grant.clone())),
                GrantChange::End { id, at } => drop(overlay.ended.insert(id.clone(), *at)),
            }
        }
    }

    /// Whether an exchange stands in the journal alone: it is known, but the ledger has no record of it yet.
    pub fn is_waiting(&self, id: &ExchangeId) -> bool {
        self.overlay().exchanges.contains(id)
    }

    /// A grant, wherever it stands.
    ///
    /// # Errors
    /// What the store says, where the grant is not in the journal.
    pub fn grant(&self, store: &Store, id: &str) -> Result<Option<Grant>, Error> {
        let overlaid = self.overlay().grants.get(id).cloned();
        let grant = match overlaid {
            Some(grant) => Some(grant),
            None => store.grant(id)?,
        };
        Ok(grant.map(|grant| self.with_end(grant)))
    }

    /// The grants that are open now of a person, as holder of this token.
    ///
    /// # Errors
    /// What the store says.
    pub fn open_grants(&self, store: &Store, person: &str, holder: &str, now: Instant) -> Result<Vec<Grant>, Error> {
        // By person: those of one are few, those ever declared are many.
        let mut open = store.grants_of(person, Instant::MIN)?;
        open.extend(self.overlay().grants.values().cloned());
        let mut mine: Vec<Grant> = open
            .into_iter()
            .filter(|grant| grant.person == person && grant.holder == holder)
            .map(|grant| self.with_end(grant))
            .filter(|grant| grant.is_open(now))
            .collect();
        mine.sort_by(|left, right| left.id.cmp(&right.id));
        mine.dedup_by(|left, right| left.id == right.id);
        Ok(mine)
    }

    /// How many grants a person declared since then, and when the first of them was.
    ///
    /// # Errors
    /// What the store says.
    pub fn declared_since(
        &self,
        store: &Store,
        person: &str,
        since: Instant,
    ) -> Result<(usize, Option<Instant>), Error> {
        let mut times: Vec<(String, Instant)> =
            store.grants_of(person, since)?.into_iter().map(|grant| (grant.id, grant.declared)).collect();
        let overlay = self.overlay();
        let more = overlay.grants.values().filter(|grant| grant.person == person && grant.declared >= since);
        times.extend(more.map(|grant| (grant.id.clone(), grant.declared)));
        drop(overlay);
        times.sort();
        times.dedup_by(|left, right| left.0 == right.0);
        Ok((times.len(), times.iter().map(|(_, declared)| *declared).min()))
    }

    fn with_end(&self, mut grant: Grant) -> Grant {
        if grant.ended.is_none() {
            grant.ended = self.overlay().ended.get(&grant.id).copied();
        }
        grant
    }

    /// Puts what stands in the journal into the store, until `stop`. Replaying twice writes nothing twice.
    pub async fn run(&self, store: &Store, mut stop: tokio::sync::watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(REPLAY_INTERVAL) => {}
            }
            if let Err(error) = self.replay(store).await {
                tracing::warn!(%error, "the emergency journal could not be put into the store yet");
            }
        }
    }

    /// Puts what stands in the journal into the store, once.
    ///
    /// # Errors
    /// What the store or the journal says; what was not replayed stays in the journal.
    pub async fn replay(&self, store: &Store) -> Result<(), Error> {
        let (entries, mark) = self.journal.entries()?;
        if entries.is_empty() {
            return Ok(());
        }
        for bytes in &entries {
            let Some(commit) = entry::read(bytes) else {
                tracing::error!("an entry of the emergency journal is none of ours and was left out");
                continue;
            };
            let (changed, exchanges) = (commit.grants.clone(), exchanges_of(&commit));
            match store.commit(commit).await {
                // The same entry was replayed before a crash.
                Ok(_)
                | Err(Error::Conflict(Conflict::ExchangeExists | Conflict::GrantExists | Conflict::Version { .. })) => {
                }
                Err(error) => return Err(error),
            }
            let mut overlay = self.overlay();
            overlay.exchanges.retain(|id| !exchanges.contains(id));
            for change in changed {
                match change {
                    GrantChange::Open(grant) => drop(overlay.grants.remove(&grant.id)),
                    GrantChange::End { id, .. } => drop(overlay.ended.remove(&id)),
                }
            }
        }
        self.journal.replayed(mark)?;
        self.overlay().unwritten = false;
        tracing::info!(entries = entries.len(), "the emergency journal was put into the store");
        Ok(())
    }

    fn overlay(&self) -> std::sync::MutexGuard<'_, Overlay> {
        self.overlay.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
