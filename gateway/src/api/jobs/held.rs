//! Jobs, held in memory: each belongs to who started it, and to anybody else it is not there. After a restart they are gone,
//! and whoever asks for one is told so.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use model::time::Instant;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::api::Who;
use crate::policies::Basis;

#[cfg(test)]
mod tests;

/// How much is held and done at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    /// Jobs of everybody, running or waiting to be fetched.
    pub(super) jobs: usize,
    /// Of one caller.
    pub(super) each: usize,
    /// That run at once; the others wait.
    pub(super) running: usize,
    /// Bytes of all results.
    pub(super) bytes: usize,
    /// How long a result is kept.
    pub(super) kept: Duration,
}

/// Jobs take nothing from those who wait for an answer: few run at once.
pub(super) const MOST: Most =
    Most { jobs: 64, each: 8, running: 4, bytes: 128 << 20, kept: Duration::from_secs(60 * 60) };

/// What a job does: made for each run of it, under the caller who asks for it.
pub(super) type Work = Arc<dyn Fn(Ticket, Who) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Every job. Clones share them.
#[derive(Clone)]
pub struct Jobs {
    most: Most,
    held: Arc<Mutex<BTreeMap<String, Job>>>,
    places: Arc<Semaphore>,
}

struct Job {
    owner: Who,
    work: Work,
    /// Which run of it this is: one that was started anew has no use for what an earlier one found.
    run: u64,
    stage: Stage,
    task: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Stage {
    Waiting,
    Running(Instant),
    Done(Arc<Done>),
}

/// What came of a job.
#[derive(Debug)]
pub(super) struct Done {
    /// The answer, in JSON.
    pub(super) body: Bytes,
    /// The consents that decided what is in it.
    pub(super) basis: Arc<Basis>,
    /// Until when it is kept.
    pub(super) until: Instant,
}

/// How a job stands.
#[derive(Debug)]
pub(super) enum State {
    /// Others run before it.
    Waiting,
    /// It runs, since then.
    Running(Instant),
    Done(Arc<Done>),
}

/// A job is not started: there are too many, running or waiting to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

/// What a job may do about itself.
#[derive(Clone)]
pub(super) struct Ticket {
    jobs: Jobs,
    id: String,
    run: u64,
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Jobs")
    }
}

impl Default for Jobs {
    fn default() -> Self {
        Self::with(MOST)
    }
}

impl Jobs {
    fn with(most: Most) -> Self {
        Self { most, held: Arc::default(), places: Arc::new(Semaphore::new(most.running)) }
    }

    /// Starts a job under an id that nobody can guess.
    ///
    /// # Errors
    /// [`Busy`]; a job that is fetched and deleted makes room.
    pub(super) fn start(&self, id: String, owner: Who, work: Work) -> Result<(), Busy> {
        let mut held = self.held();
        held.retain(|_, job| !job.has_failed());
        let own = held.values().filter(|job| job.owner.person() == owner.person()).count();
        if held.len() >= self.most.jobs || own >= self.most.each {
            return Err(Busy);
        }
        let mut job = Job { owner: owner.clone(), work, run: 0, stage: Stage::Waiting, task: None };
        self.spawn(&mut job, &id, owner);
        held.insert(id, job);
        Ok(())
    }

    /// Starts a job anew, whose result is of no use any more.
    pub(super) fn again(&self, id: &str, owner: &Who) {
        let mut held = self.held();
        // One that runs again already is left alone.
        let is_over = |job: &&mut Job| job.owner.is_same(owner) && matches!(job.stage, Stage::Done(_));
        if let Some(job) = held.get_mut(id).filter(is_over) {
            if let Some(task) = job.task.take() {
                task.abort();
            }
            (job.run, job.stage) = (job.run + 1, Stage::Waiting);
            self.spawn(job, id, owner.clone());
        }
    }

    /// The task takes a place, works, and keeps what it found for its time.
    fn spawn(&self, job: &mut Job, id: &str, who: Who) {
        let ticket = Ticket { jobs: self.clone(), id: id.to_owned(), run: job.run };
        let work = (job.work)(ticket.clone(), who);
        let (places, kept) = (Arc::clone(&self.places), self.most.kept);
        job.task = Some(tokio::spawn(async move {
            // The semaphore is never closed.
            let place = places.acquire_owned().await;
            work.await;
            drop(place);
            tokio::time::sleep(kept).await;
            ticket.forget();
        }));
    }

    /// How a job stands; `None` for one that is unknown, over, or somebody else's.
    pub(super) fn state(&self, id: &str, owner: &Who) -> Option<State> {
        let held = self.held();
        let job = held.get(id).filter(|job| job.owner.is_same(owner) && !job.has_failed())?;
        Some(match &job.stage {
            Stage::Waiting => State::Waiting,
            Stage::Running(since) => State::Running(*since),
            Stage::Done(done) => State::Done(Arc::clone(done)),
        })
    }

    /// Gives a job up, with its result; whether there was one of this owner's.
    pub(super) fn end(&self, id: &str, owner: &Who) -> bool {
        let mut held = self.held();
        if held.get(id).is_none_or(|job| !job.owner.is_same(owner)) {
            return false;
        }
        if let Some(task) = held.remove(id).and_then(|job| job.task) {
            task.abort();
        }
        true
    }

    /// Gives every job up, for the end of the process: their tasks, which are about to end.
    pub fn end_all(&self) -> Vec<JoinHandle<()>> {
        let jobs = std::mem::take(&mut *self.held());
        let tasks: Vec<JoinHandle<()>> = jobs.into_values().filter_map(|job| job.task).collect();
        tasks.iter().for_each(JoinHandle::abort);
        tasks
    }

    /// A poisoned lock is used on: entries are put in and taken out whole.
    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Job>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Says that the work begins.
    pub(super) fn begins(&self, now: Instant) {
        if let Some(job) = self.jobs.held().get_mut(&self.id).filter(|job| job.run == self.run) {
            job.stage = Stage::Running(now);
        }
    }

    /// Hands the result in; what takes its place where there is no room for it is small.
    pub(super) fn done(&self, now: Instant, body: Bytes, instead: Bytes, basis: Arc<Basis>) {
        let mut held = self.jobs.held();
        let bytes: usize = held.values().map(Job::bytes).sum();
        let body = if bytes.saturating_add(body.len()) > self.jobs.most.bytes { instead } else { body };
        let until = now.after(self.jobs.most.kept);
        if let Some(job) = held.get_mut(&self.id).filter(|job| job.run == self.run) {
            job.stage = Stage::Done(Arc::new(Done { body, basis, until }));
        }
    }

    fn forget(&self) {
        let mut held = self.jobs.held();
        if held.get(&self.id).is_some_and(|job| job.run == self.run) {
            held.remove(&self.id);
        }
    }
}

impl Job {
    /// Whether its task ended without a word, which only a fault of this program does.
    fn has_failed(&self) -> bool {
        self.task.as_ref().is_some_and(JoinHandle::is_finished)
    }

    fn bytes(&self) -> usize {
        if let Stage::Done(done) = &self.stage { done.body.len() } else { 0 }
    }
}
