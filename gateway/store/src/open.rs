//! One type for every backend: the gateway names no engine.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use model::time::{Clock, Instant};
use tokio::sync::watch;

use crate::commit::{Commit, Committed};
use crate::config::{Backend, Config};
use crate::disk::DiskStore;
use crate::error::Error;
use crate::exchange::{
    Exchange, ExchangeDetail, ExchangeId, ExchangePage, ExchangeQuery, ExchangeState, ExchangeSummary, Opening, Repeat,
    RepeatKey,
};
use crate::grant::Grant;
use crate::ledger_queue::LedgerRecord;
use crate::memory::MemoryStore;
use crate::outbox::{Claim, Delivery};
use crate::reindex::Reindex;
use crate::resource::{Cursor, KeyRow, PatientLink, Search, Span, Step, Stored};
use crate::traits::{Commits, Exchanges, Grants, LedgerQueue, Outbox, Resources};

/// An open store of either backend. Clones share it; the last one dropped closes it.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Memory(MemoryStore),
    Disk(DiskStore),
}

impl Store {
    /// Opens the store, making its directory if there is none. Blocks while the journal's tail is read.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process holds the directory, [`Error::Damaged`] if the journal is damaged before its
    /// end. A torn end is what a power cut leaves and no error; a damaged index is rebuilt.
    pub fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let engine = match config.backend {
            Backend::Memory => Engine::Memory(MemoryStore::new(clock, config.derive.clone())),
            Backend::Sled => Engine::Disk(DiskStore::open(config, clock)?),
        };
        Ok(Self { engine })
    }
}

impl Store {
    pub(crate) fn reindexer(&self) -> &dyn Reindex {
        match &self.engine {
            Engine::Memory(engine) => engine,
            Engine::Disk(engine) => engine,
        }
    }

    /// Why commits are refused at present, `None` while they are taken: for readiness. Never older than some seconds.
    pub fn refusal(&self) -> Option<String> {
        match &self.engine {
            Engine::Memory(_) => None,
            Engine::Disk(engine) => engine.refusal(),
        }
    }
}

/// Passes a call to the engine that is open.
macro_rules! engine {
    ($store:expr, $engine:ident => $call:expr) => {
        match &$store.engine {
            Engine::Memory($engine) => $call,
            Engine::Disk($engine) => $call,
        }
    };
}

impl Commits for Store {
    async fn commit(&self, commit: Commit) -> Result<Committed, Error> {
        engine!(self, engine => engine.commit(commit).await)
    }

    fn commit_blocking(&self, commit: Commit) -> Result<Committed, Error> {
        engine!(self, engine => engine.commit_blocking(commit))
    }
}

impl Resources for Store {
    fn read(&self, resource_type: &str, id: &str) -> Result<Option<Stored>, Error> {
        engine!(self, engine => engine.read(resource_type, id))
    }

    fn place(&self, resource_type: &str, id: &str) -> Result<Option<Cursor>, Error> {
        engine!(self, engine => engine.place(resource_type, id))
    }

    fn vread(&self, resource_type: &str, id: &str, version: u64) -> Result<Option<Stored>, Error> {
        engine!(self, engine => engine.vread(resource_type, id, version))
    }

    fn history(&self, resource_type: &str, id: &str, before: Option<u64>, limit: usize) -> Result<Vec<Stored>, Error> {
        engine!(self, engine => engine.history(resource_type, id, before, limit))
    }

    fn visit(&self, search: &Search, visitor: &mut dyn FnMut(Stored) -> ControlFlow<()>) -> Result<(), Error> {
        engine!(self, engine => engine.visit(search, visitor))
    }

    fn history_of(
        &self,
        types: &[&str],
        span: &Span,
        visitor: &mut dyn FnMut(Stored) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        engine!(self, engine => engine.history_of(types, span, visitor))
    }

    fn descend(
        &self,
        resource_type: &str,
        param: u32,
        prefix: &[u8],
        visitor: &mut dyn FnMut(KeyRow) -> Step,
    ) -> Result<(), Error> {
        engine!(self, engine => engine.descend(resource_type, param, prefix, visitor))
    }

    fn follow(&self, row: &KeyRow) -> Result<Option<Stored>, Error> {
        engine!(self, engine => engine.follow(row))
    }

    fn links(&self, patient: &str) -> Result<Vec<PatientLink>, Error> {
        engine!(self, engine => engine.links(patient))
    }

    fn revision(&self, resource_type: &str) -> u64 {
        engine!(self, engine => engine.revision(resource_type))
    }

    fn link_revision(&self) -> u64 {
        engine!(self, engine => engine.link_revision())
    }
}

impl Exchanges for Store {
    fn exchange(&self, id: &ExchangeId) -> Result<Option<Exchange>, Error> {
        engine!(self, engine => engine.exchange(id))
    }

    fn exchanges(&self, query: &ExchangeQuery) -> Result<ExchangePage, Error> {
        engine!(self, engine => engine.exchanges(query))
    }

    fn raw(&self, id: &ExchangeId) -> Result<Option<Bytes>, Error> {
        engine!(self, engine => engine.raw(id))
    }

    fn repeats(&self, key: &RepeatKey) -> Result<Vec<Repeat>, Error> {
        engine!(self, engine => engine.repeats(key))
    }

    fn in_state(&self, state: ExchangeState, from: u64, limit: usize) -> Result<Vec<ExchangeSummary>, Error> {
        engine!(self, engine => engine.in_state(state, from, limit))
    }

    fn details(&self, from: u64, limit: usize) -> Result<Vec<ExchangeDetail>, Error> {
        engine!(self, engine => engine.details(from, limit))
    }

    fn opening(&self, id: &ExchangeId) -> Result<Vec<Opening>, Error> {
        engine!(self, engine => engine.opening(id))
    }
}

impl Outbox for Store {
    fn claim(&self, destination: &str, now: Instant, limit: usize) -> Result<Claim, Error> {
        engine!(self, engine => engine.claim(destination, now, limit))
    }

    fn release(&self, destination: &str) {
        engine!(self, engine => engine.release(destination));
    }

    fn pending(&self, destination: &str) -> Result<u64, Error> {
        engine!(self, engine => engine.pending(destination))
    }

    fn dead(&self, destination: &str, from: u64, limit: usize) -> Result<Vec<Delivery>, Error> {
        engine!(self, engine => engine.dead(destination, from, limit))
    }
}

impl LedgerQueue for Store {
    fn ledger_size(&self) -> u64 {
        engine!(self, engine => engine.ledger_size())
    }

    fn ledger_records(&self, from: u64, limit: usize) -> Result<Vec<LedgerRecord>, Error> {
        engine!(self, engine => engine.ledger_records(from, limit))
    }

    fn ledger_watch(&self) -> watch::Receiver<u64> {
        engine!(self, engine => engine.ledger_watch())
    }
}

impl Grants for Store {
    fn grant(&self, id: &str) -> Result<Option<Grant>, Error> {
        engine!(self, engine => engine.grant(id))
    }

    fn open_grants(&self, now: Instant) -> Result<Vec<Grant>, Error> {
        engine!(self, engine => engine.open_grants(now))
    }

    fn grants_of(&self, person: &str, since: Instant) -> Result<Vec<Grant>, Error> {
        engine!(self, engine => engine.grants_of(person, since))
    }
}
