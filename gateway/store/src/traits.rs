//! What a store can do, cut by use.
//!
//! Reads are plain functions: they touch memory and the page cache, rarely the disk. Call them directly where one or two
//! are needed and on the blocking pool where many are.

use std::future::Future;
use std::ops::ControlFlow;

use bytes::Bytes;
use model::time::Instant;

use crate::commit::{Commit, Committed};
use crate::error::Error;
use crate::exchange::{
    Exchange, ExchangeDetail, ExchangeId, ExchangePage, ExchangeQuery, ExchangeState, ExchangeSummary, Opening, Repeat,
    RepeatKey,
};
use crate::grant::Grant;
use crate::ledger_queue::LedgerRecord;
use crate::outbox::{Claim, Delivery};
use crate::resource::{Cursor, KeyRow, Page, PatientLink, Search, Span, Step, Stored};

/// The one transaction.
pub trait Commits {
    /// Stores resources, exchange, deliveries, ledger records and grants in one transaction.
    ///
    /// When this returns `Ok`, all of it survives a power cut and every read sees it; the ledger records have their
    /// indexes but are not yet in a checkpoint. Dropping the future leaves everything or nothing.
    ///
    /// # Errors
    /// [`Error::Conflict`] and [`Error::NotFound`] if a precondition fails; [`Error::Full`] under `min_free` or on a
    /// full disk; [`Error::Busy`] if too many commits wait. Nothing was written in any of these cases. After
    /// [`Error::Io`] the commit is not acknowledged and does not come back after a restart of the store.
    fn commit(&self, commit: Commit) -> impl Future<Output = Result<Committed, Error>> + Send;

    /// The same, for callers outside an async runtime. Must not be called on one.
    fn commit_blocking(&self, commit: Commit) -> Result<Committed, Error>;
}

/// Resources by id, history and search.
pub trait Resources {
    /// The current version, also when it is a deletion; `None` if the id was never written.
    fn read(&self, resource_type: &str, id: &str) -> Result<Option<Stored>, Error>;

    /// Where the current version stands, also when it is a deletion: what is kept of a version is found by it, unread.
    fn place(&self, resource_type: &str, id: &str) -> Result<Option<Cursor>, Error>;

    /// One version.
    fn vread(&self, resource_type: &str, id: &str, version: u64) -> Result<Option<Stored>, Error>;

    /// Versions, newest first, deletions included, at most `limit`, only those under `before` if given.
    fn history(&self, resource_type: &str, id: &str, before: Option<u64>, limit: usize) -> Result<Vec<Stored>, Error>;

    /// Shows each match to `visitor` in the order asked until it breaks.
    ///
    /// A match is a current, live version. What is committed meanwhile may or may not be seen; nothing is seen twice.
    fn visit(&self, search: &Search, visitor: &mut dyn FnMut(Stored) -> ControlFlow<()>) -> Result<(), Error>;

    /// Shows every version of these types, of all where none is named, the newest first, superseded ones and deletions
    /// among them, until the visitor breaks. Rows of superseded versions are those they were written with.
    fn history_of(
        &self,
        types: &[&str],
        span: &Span,
        visitor: &mut dyn FnMut(Stored) -> ControlFlow<()>,
    ) -> Result<(), Error>;

    /// One page of at most `limit` matches.
    fn search(&self, search: &Search, limit: usize) -> Result<Page, Error> {
        let mut page = Page::default();
        let mut more = false;
        self.visit(search, &mut |stored| {
            if page.entries.len() >= limit {
                more = true;
                return ControlFlow::Break(());
            }
            page.entries.push(stored);
            ControlFlow::Continue(())
        })?;
        if more {
            page.next = page.entries.last().map(|entry| entry.cursor);
        }
        Ok(page)
    }

    /// Shows the key rows of one parameter whose value begins with `prefix`, the highest value first.
    ///
    /// Rows of live versions only; a value longer than 128 bytes is cut. Nothing but the index is read, so that a few out of
    /// very many are found in the time of the few.
    fn descend(
        &self,
        resource_type: &str,
        param: u32,
        prefix: &[u8],
        visitor: &mut dyn FnMut(KeyRow) -> Step,
    ) -> Result<(), Error>;

    /// The version that a row leads to, if it is still the current one.
    fn follow(&self, row: &KeyRow) -> Result<Option<Stored>, Error>;

    /// Every current, live version in the compartment of `patient`, newest first: for `$everything` and summaries.
    /// `types` empty: all types.
    fn of_patient(&self, patient: &str, types: &[&str]) -> Result<Vec<Stored>, Error> {
        let search = Search {
            types: types.iter().map(|name| (*name).to_owned()).collect(),
            patients: vec![patient.to_owned()],
            ..Search::default()
        };
        let mut all = Vec::new();
        self.visit(&search, &mut |stored| {
            all.push(stored);
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }

    /// Merges that name this patient on either side.
    fn links(&self, patient: &str) -> Result<Vec<PatientLink>, Error>;

    /// A number that rises with every commit that writes this type, before the commit is answered: what was read under a
    /// number is current as long as the number stands. Of this process alone.
    fn revision(&self, resource_type: &str) -> u64;

    /// The same for merges.
    fn link_revision(&self) -> u64;
}

/// Exchanges: what happened to each.
pub trait Exchanges {
    /// An exchange as it stands.
    fn exchange(&self, id: &ExchangeId) -> Result<Option<Exchange>, Error>;

    /// A page of exchanges, newest first.
    fn exchanges(&self, query: &ExchangeQuery) -> Result<ExchangePage, Error>;

    /// The bytes as received.
    fn raw(&self, id: &ExchangeId) -> Result<Option<Bytes>, Error>;

    /// Earlier exchanges under the same key, newest first, at most 32.
    fn repeats(&self, key: &RepeatKey) -> Result<Vec<Repeat>, Error>;

    /// Exchanges in `state`, oldest first, numbers from `from` on: what a restart goes on with. Only for states for which
    /// [`ExchangeState::is_open`] holds; the list of any other is empty.
    fn in_state(&self, state: ExchangeState, from: u64, limit: usize) -> Result<Vec<ExchangeSummary>, Error>;

    /// Exchanges in the order of their numbers, from `from` on, with the gateway's JSON object of each: what is counted over
    /// all of them is counted from here.
    fn details(&self, from: u64, limit: usize) -> Result<Vec<ExchangeDetail>, Error>;

    /// Salts of the exchange's ledger records, oldest first; empty if it is unknown.
    fn opening(&self, id: &ExchangeId) -> Result<Vec<Opening>, Error>;
}

/// Deliveries waiting, in each destination's order.
pub trait Outbox {
    /// Hands the due head of a destination's queue to its worker, at most `limit`.
    ///
    /// Order is kept: if the head is not due, nothing is; while earlier claims of the destination are open, nothing is.
    /// Claims are in memory: after a restart everything pending may be claimed again.
    fn claim(&self, destination: &str, now: Instant, limit: usize) -> Result<Claim, Error>;

    /// Gives claimed deliveries back unchanged.
    fn release(&self, destination: &str);

    /// How many deliveries are pending for a destination.
    fn pending(&self, destination: &str) -> Result<u64, Error>;

    /// Deliveries given up, oldest first, numbers from `from` on.
    fn dead(&self, destination: &str, from: u64, limit: usize) -> Result<Vec<Delivery>, Error>;
}

/// Ledger records for the sealer.
pub trait LedgerQueue {
    /// Number of records: the index that the next one gets.
    fn ledger_size(&self) -> u64;

    /// Durable records from index `from`, in order, at most `limit`.
    fn ledger_records(&self, from: u64, limit: usize) -> Result<Vec<LedgerRecord>, Error>;

    /// A counter that rises when records are added: wait on it instead of polling.
    fn ledger_watch(&self) -> tokio::sync::watch::Receiver<u64>;
}

/// Emergency grants.
pub trait Grants {
    /// A grant, open or ended.
    fn grant(&self, id: &str) -> Result<Option<Grant>, Error>;

    /// Grants open at `now`, oldest first.
    fn open_grants(&self, now: Instant) -> Result<Vec<Grant>, Error>;

    /// Grants a person declared at or after `since`, oldest first.
    fn grants_of(&self, person: &str, since: Instant) -> Result<Vec<Grant>, Error>;
}
