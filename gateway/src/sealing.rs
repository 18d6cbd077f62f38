//! The ledger as the gateway sees it: records are made here, sealed in the background, and shown as receipts.
//!
//! A record becomes durable in the commit of what it tells of; its index is final then. The [`Sealer`] follows behind:
//! it feeds the store's records to the log and signs. Nothing that is acknowledged waits for it.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ledger::checkpoint::LogKey;
use ledger::log::{Log, View};
use ledger::sequencer::Policy;
use ledger::sign::PublicKey;
use ledger::store::{DirectoryStore, Durability, MemoryStore};
use store::{LedgerQueue, Store};
use tokio::sync::watch;

mod audit;
mod record;
#[cfg(test)]
mod tests;
mod tiles;

pub use record::RecordBuilder;
use record::Recorder;
use tiles::Tiles;

use crate::config;

/// Records read from the store and given to the log at a time.
const CHUNK: usize = 4096;
/// How often within the interval the sealer looks whether the policy's number waits already.
const LOOKS: u32 = 4;
/// Wait before a failed seal is tried again, doubled up to [`LONGEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// How sealing stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Records are sealed as they come.
    On,
    /// Switched off by the configuration.
    Off,
    /// Records of the last checkpoint are fed to the log again, after a power cut tore its newest tiles.
    CatchingUp,
    /// The last seal failed; it is tried again. Everything else goes on.
    Late(String),
    /// The disk disagrees with what was signed: nothing is sealed and nothing taken in until an operator decides.
    Refusing(String),
}

/// A handle on the ledger for everybody but the sealer. Clones share it.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    recorder: Recorder,
    public: PublicKey,
    shown: RwLock<Shown>,
    sealed: watch::Sender<u64>,
}

#[derive(Debug)]
struct Shown {
    status: Status,
    view: Option<View<Tiles>>,
}

/// The one writer of the log.
#[derive(Debug)]
pub struct Sealer {
    ledger: Ledger,
    log: Log<Tiles>,
    policy: Policy,
}

impl Ledger {
    /// Opens the log in `folder` and compares it with its last checkpoint and with the store.
    ///
    /// A log that disagrees is no error here: the gateway starts, says so, refuses ingest and goes on with reads and
    /// emergency access. There is a sealer unless sealing is off or refused.
    ///
    /// # Errors
    /// [`ledger::Error`] if another process holds the folder or it cannot be read.
    pub fn open(
        folder: &Path,
        key: LogKey,
        config: &config::Config,
        store: &Store,
    ) -> Result<(Self, Option<Sealer>), ledger::Error> {
        let in_memory = config.store.backend == config::Backend::Memory;
        let policy = Policy { max_records: config.ledger.seal_size, interval: config.ledger.seal_interval };
        let handle = |status| {
            let recorder = Recorder::new(key.origin().clone());
            let shown = RwLock::new(Shown { status, view: None });
            Self(Arc::new(Inner { recorder, public: key.public(), shown, sealed: watch::Sender::new(0) }))
        };
        if !config.ledger.sealing {
            return Ok((handle(Status::Off), None));
        }
        let log = match open_log(folder, &key, policy, in_memory) {
            Ok(log) => log,
            Err(ledger::Error::Disagrees(refusal)) => return Ok((handle(Status::Refusing(refusal.to_string())), None)),
            Err(other) => return Err(other),
        };
        if let Some(reason) = restored_from_old_backup(&log, store) {
            return Ok((handle(Status::Refusing(reason)), None));
        }
        let ledger = handle(Status::On);
        ledger.show(&log);
        let sealer = Sealer { ledger: ledger.clone(), log, policy };
        Ok((ledger, Some(sealer)))
    }

    /// How sealing stands.
    pub fn status(&self) -> Status {
        self.shown(|shown| shown.status.clone())
    }

    /// Whether nothing may be taken in, since it could not be anchored truthfully.
    pub fn is_refusing(&self) -> bool {
        self.shown(|shown| matches!(shown.status, Status::Refusing(_)))
    }

    /// The name of the log.
    pub fn origin(&self) -> &str {
        self.0.recorder.origin()
    }

    /// The log's public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public
    }

    /// The last checkpoint, a signed note; `None` before the first seal.
    pub fn checkpoint(&self) -> Option<String> {
        self.shown(|shown| shown.view.as_ref()?.checkpoint().map(|checkpoint| checkpoint.note().to_owned()))
    }

    /// Number of records the last checkpoint covers.
    pub fn sealed_size(&self) -> u64 {
        self.shown(|shown| shown.view.as_ref().map_or(0, View::size))
    }

    /// What is served under `checkpoint`, `tile/L/N` and `tile/entries/N`; `None` for any other path.
    ///
    /// # Errors
    /// [`ledger::Error`] if a tile that must be there cannot be read.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ledger::Error> {
        match self.view() {
            Some(view) => view.read(path),
            None => Ok(None),
        }
    }

    /// The receipt of a record; `None` while it is not sealed.
    ///
    /// # Errors
    /// [`ledger::Error`] if a tile that must be there cannot be read.
    pub fn receipt(&self, index: u64) -> Result<Option<String>, ledger::Error> {
        match self.view().filter(|view| index < view.size()) {
            Some(view) => view.receipt(index).map(Some),
            None => Ok(None),
        }
    }

    /// Waits until the record of this index is sealed, at most `limit`; whether it is.
    pub async fn sealed(&self, index: u64, limit: Duration) -> bool {
        let mut sealed = self.0.sealed.subscribe();
        let wait = sealed.wait_for(|size| *size > index);
        matches!(tokio::time::timeout(limit, wait).await, Ok(Ok(_)))
    }

    /// Begins a record of an exchange.
    pub fn record(
        &self,
        exchange: store::ExchangeId,
        kind: ledger::entry::Kind,
        outcome: &str,
        at: model::time::Instant,
    ) -> RecordBuilder {
        self.0.recorder.record(exchange, kind, outcome, at)
    }

    fn view(&self) -> Option<View<Tiles>> {
        self.shown(|shown| shown.view.clone())
    }

    fn shown<T>(&self, read: impl FnOnce(&Shown) -> T) -> T {
        read(&self.0.shown.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_status(&self, status: Status) {
        self.0.shown.write().unwrap_or_else(PoisonError::into_inner).status = status;
    }

    fn show(&self, log: &Log<Tiles>) {
        let view = log.view();
        let size = view.size();
        {
            let mut shown = self.0.shown.write().unwrap_or_else(PoisonError::into_inner);
            shown.view = Some(view);
            shown.status = if log.is_catching_up() { Status::CatchingUp } else { Status::On };
        }
        self.0.sealed.send_replace(size);
    }
}

impl Sealer {
    /// Seals until `stop` says so, then once more, so that what was acknowledged has its receipt.
    pub async fn run(self, app: crate::app::App, mut stop: watch::Receiver<bool>) {
        let mut records = app.store.ledger_watch();
        let mut audit = audit::Digest::resume(&app);
        let ledger = self.ledger.clone();
        let mut sealer = Some(self);
        let mut retry = FIRST_RETRY;
        loop {
            let Some(mut current) = sealer.take() else { return };
            let stopping = *stop.borrow();
            records.borrow_and_update();
            // Records may be read a moment before they are counted, so the log can be ahead of the count for as long.
            if app.store.ledger_size() <= current.log.size() {
                sealer = Some(current);
                if stopping {
                    return;
                }
                tokio::select! {
                    changed = records.changed() => if changed.is_err() { return },
                    _ = stop.changed() => {}
                }
                continue;
            }
            if !stopping {
                wait_for_more(&app.store, current.log.size(), current.policy, &mut stop).await;
            }
            let store = app.store.clone();
            let work = move || {
                let sealed = current.seal(&store);
                (current, sealed)
            };
            let (back, sealed) = match tokio::task::spawn_blocking(work).await {
                Ok(ended) => ended,
                Err(error) => {
                    tracing::error!(%error, "the sealer ended; nothing is sealed until a restart");
                    app.metrics.alarm("sealer");
                    ledger.set_status(Status::Late("the sealer has ended: restart".to_owned()));
                    return;
                }
            };
            sealer = Some(back);
            match sealed {
                Ok(()) => {
                    retry = FIRST_RETRY;
                    if !stopping {
                        audit.anchor(&app).await;
                    }
                }
                Err(Failure::Refuse(reason)) => {
                    tracing::error!(reason, "sealing is refused until an operator decides");
                    app.metrics.alarm("ledger-refused");
                    ledger.set_status(Status::Refusing(reason));
                    return;
                }
                Err(Failure::Later(reason)) => {
                    tracing::warn!(reason, "a seal failed and is tried again");
                    app.metrics.alarm("seal-failed");
                    ledger.set_status(Status::Late(reason));
                    if stopping {
                        return;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(retry) => {}
                        _ = stop.changed() => {}
                    }
                    retry = (retry * 2).min(LONGEST_RETRY);
                }
            }
        }
    }

    /// Seals everything that is durable now. Blocks.
    fn seal(&mut self, store: &Store) -> Result<(), Failure> {
        loop {
            let first = self.log.size();
            let records = store.ledger_records(first, CHUNK).map_err(|error| Failure::Later(error.to_string()))?;
            if records.is_empty() {
                return Ok(());
            }
            let bytes: Vec<_> = records.iter().map(|record| record.bytes.clone()).collect();
            match self.log.append_and_seal(first, &bytes) {
                Ok(_) => self.ledger.show(&self.log),
                Err(ledger::Error::Disagrees(refusal)) => return Err(Failure::Refuse(refusal.to_string())),
                // The log has read its own store again: what it holds says where to go on.
                Err(ledger::Error::Reopen) => {}
                Err(other) => return Err(Failure::Later(other.to_string())),
            }
        }
    }
}

enum Failure {
    Later(String),
    Refuse(String),
}

/// Lets a batch gather: until the policy's number waits, or its time is over.
///
/// It looks a few times instead of waiting for each commit: to be woken by every message costs more than it brings.
async fn wait_for_more(store: &Store, sealed: u64, policy: Policy, stop: &mut watch::Receiver<bool>) {
    let full = sealed.saturating_add(u64::try_from(policy.max_records).unwrap_or(u64::MAX));
    let until = tokio::time::Instant::now() + policy.interval;
    let look = (policy.interval / LOOKS).max(Duration::from_millis(1));
    while store.ledger_size() < full && tokio::time::Instant::now() < until {
        tokio::select! {
            () = tokio::time::sleep_until(until.min(tokio::time::Instant::now() + look)) => {}
            _ = stop.changed() => return,
        }
    }
}

fn open_log(folder: &Path, key: &LogKey, policy: Policy, in_memory: bool) -> Result<Log<Tiles>, ledger::Error> {
    let tiles = if in_memory {
        Tiles::Memory(MemoryStore::default())
    } else {
        // Every record is in the store's journal before it gets here, and can be fed again.
        Tiles::Directory(DirectoryStore::open(folder, Durability::Caller)?)
    };
    // One seal takes what has gathered; the policy's number is when it begins, not how much it takes.
    Log::open_with(tiles, key.clone(), Policy { max_records: CHUNK.max(policy.max_records), ..policy })
}

/// A log that covers more than the store holds was not written by this store: sealing would fork it.
fn restored_from_old_backup(log: &Log<Tiles>, store: &Store) -> Option<String> {
    let (log, store) = (log.signed_size(), store.ledger_size());
    (log > store)
        .then(|| format!("the log covers {log} records, the store holds {store}: it was restored from an older copy"))
}
