//! The store on disk: journal, index over it, one writer.

pub(crate) mod group;
mod lock;
mod outbox;
mod plan;
mod read;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod rows;
mod sketch;
mod source;
mod space;
mod writer;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use model::time::Clock;
use tokio::sync::{oneshot, watch};

use crate::commit::{Commit, Committed};
use crate::config::Config;
use crate::error::Error;
use crate::index::{Engine, Index, OpenIndex};
use crate::journal::Journal;
use crate::revisions::Revisions;
use crate::traits::Commits;

use replay::Replayed;
pub(crate) use space::Space;
use writer::{Request, Writer};

/// How long rows stay in memory before they go to disk: each time costs some syncs and a table to merge.
const INTERVAL: Duration = Duration::from_secs(5);

/// A store on disk. Clones share it; dropping the last one waits for the writer and closes the files.
#[derive(Clone)]
pub(crate) struct DiskStore {
    open: Arc<Open>,
}

struct Open {
    shared: Arc<Shared>,
    queue: Option<SyncSender<Request>>,
    writer: Option<JoinHandle<()>>,
    indexers: Vec<JoinHandle<()>>,
    /// Held until everything else is closed.
    _lock: File,
}

/// What readers, the writer and the indexer share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) journal: Arc<Journal>,
    pub(crate) index: Index,
    exchanges: AtomicU64,
    ledger: watch::Sender<u64>,
    pub(crate) revisions: Revisions,
    claims: Mutex<HashMap<String, HashSet<u64>>>,
    /// Why commits are refused at present.
    refusal: Mutex<Option<String>>,
}

impl DiskStore {
    /// Opens or makes the store under `config.directory`.
    ///
    /// # Errors
    /// As [`crate::Store::open`].
    pub(crate) fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Self::open_on(config, clock, Space::of(&config.directory))
    }

    pub(crate) fn open_on(config: &Config, clock: Arc<dyn Clock>, space: Space) -> Result<Self, Error> {
        let (directory, lock) = lock(config)?;
        let journal = Arc::new(Journal::open(&directory.join("journal"), config.segment_bytes)?);
        let opened = OpenIndex::open(&directory.join("index"), journal.id(), config.cache_bytes, config.open_timeout)?;
        let applied = opened.applied;
        let index = Index::new(Engine::new(journal.id(), opened), config.cache_bytes, config.derive.clone());
        let replayed = replay::replay(&journal, &index, applied)?;
        let Replayed { applied, next } = replayed;
        let tail = journal.tail(applied.position, applied.sequence)?;
        let shared = Arc::new(Shared {
            config: config.clone(),
            journal,
            index,
            exchanges: AtomicU64::new(next.exchange),
            ledger: watch::Sender::new(next.ledger),
            revisions: Revisions::default(),
            claims: Mutex::default(),
            refusal: Mutex::default(),
        });
        let (queue, requests) = sync_channel(config.queue.max(1));
        let writer = Writer::new(Arc::clone(&shared), clock, space, tail, replayed);
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
            thread.map_err(|error| Error::io("start the store's threads", error))
        };
        let writer = spawn("store-writer", Box::new(move || writer.run(&requests)))?;
        let (mover, filler) = (Arc::clone(&shared), Arc::clone(&shared));
        let indexers = vec![
            spawn("store-index", Box::new(move || mover.index.run(INTERVAL)))?,
            spawn("store-seen", Box::new(move || filler.index.fill_seen()))?,
        ];
        let open = Open { shared, queue: Some(queue), writer: Some(writer), indexers, _lock: lock };
        let store = Self { open: Arc::new(open) };
        // On a thread of its own: this may be called on a runtime, where waiting for a commit is not allowed.
        let brought_up = std::thread::scope(|scope| scope.spawn(|| store.bring_up()).join());
        brought_up.map_err(|_| Error::Closed)??;
        Ok(store)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.open.shared
    }

    pub(crate) fn refusal(&self) -> Option<String> {
        self.shared().refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn send(&self, commit: Commit) -> Result<oneshot::Receiver<Result<Committed, Error>>, Error> {
        let (answer, receiver) = oneshot::channel();
        let queue = self.open.queue.as_ref().ok_or(Error::Closed)?;
        match queue.try_send(Request { commit, answer }) {
            Ok(()) => Ok(receiver),
            Err(TrySendError::Full(_)) => Err(Error::Busy),
            Err(TrySendError::Disconnected(_)) => Err(Error::Closed),
        }
    }
}

impl Commits for DiskStore {
    async fn commit(&self, commit: Commit) -> Result<Committed, Error> {
        self.send(commit)?.await.unwrap_or(Err(Error::Closed))
    }

    fn commit_blocking(&self, commit: Commit) -> Result<Committed, Error> {
        self.send(commit)?.blocking_recv().unwrap_or(Err(Error::Closed))
    }
}

impl Shared {
    /// Notes whether commits are taken, and says so in the log when that changes.
    fn note<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        let reason = result.as_ref().err().map(ToString::to_string);
        let mut refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        match (&reason, refusal.is_some()) {
            (Some(reason), false) => tracing::error!(%reason, "commits are refused"),
            (None, true) => tracing::info!("commits are taken again"),
            _ => {}
        }
        *refusal = reason;
        drop(refusal);
        result
    }

    /// Claims end when their deliveries change.
    fn end_claims(&self, deliveries: &[(String, u64)]) {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        for (destination, number) in deliveries {
            if let Some(open) = claims.get_mut(destination) {
                open.remove(number);
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
        self.shared.index.stop();
        for indexer in self.indexers.drain(..) {
            let _ = indexer.join();
        }
        if let Err(error) = self.shared.index.engine().sync() {
            tracing::warn!(%error, "index was not synced at closing; it is caught up from the journal");
        }
        self.shared.index.engine().close();
    }
}

/// Makes the store's directory where missing and takes its lock, which lasts as long as the file is held.
pub(crate) fn lock(config: &Config) -> Result<(PathBuf, File), Error> {
    let directory = store_directory(&config.directory);
    std::fs::create_dir_all(&directory).map_err(|error| Error::io("make the store's directory", error))?;
    let lock = lock::take(&directory, config.lock_timeout)?;
    Ok((directory, lock))
}

/// The store's own directory inside the data directory.
pub(crate) fn store_directory(data: &Path) -> PathBuf {
    data.join("store")
}

#[cfg(test)]
mod tests;
