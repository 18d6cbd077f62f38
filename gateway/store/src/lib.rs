//! What is kept: one transaction for resources, exchanges, deliveries, ledger records and grants.
//!
//! On disk a journal of our own is the system of record; sled is the index over it and can be rebuilt from it at any time
//! (`docs/storage.md`). The store knows no FHIR: it keeps JSON text and the index rows it is given. It makes no consent
//! decision: whoever reads through it answers for what is shown to whom.

mod codec;
mod commit;
mod config;
mod disk;
mod emergency;
mod error;
mod exchange;
mod grant;
mod index;
mod journal;
mod ledger_queue;
mod maintain;
mod memory;
mod open;
mod outbox;
mod portable;
mod reindex;
mod resource;
mod revisions;
mod scratch;
#[cfg(test)]
mod suite;
mod traits;

pub use commit::{Commit, Committed, RowsAnew};
pub use config::{Backend, Config, Derive, Rules};
pub use emergency::{EmergencyJournal, Mark};
pub use error::{Conflict, Error};
pub use exchange::{
    Arrival, Exchange, ExchangeChange, ExchangeDetail, ExchangeId, ExchangeKind, ExchangePage, ExchangeQuery,
    ExchangeState, ExchangeSummary, Opening, Repeat, RepeatKey, ResourceRef, Stage, StateChange,
};
pub use grant::{Grant, GrantChange};
pub use ledger_queue::{LedgerRecord, NewLedgerRecord, Salt};
pub use maintain::{CheckReport, CompactReport, check, compact};
pub use open::Store;
pub use outbox::{Claim, Delivery, DeliveryChange, DeliveryState};
pub use portable::{PortableReport, export, import};
pub use reindex::Reindexed;
pub use resource::{
    Author, Bounds, Cursor, Effect, Expect, IndexRow, KeyRow, Match, Method, NewVersion, Order, Page, PatientLink,
    RowKind, Search, Span, Step, Stored, Term, Test, VersionWritten,
};
pub use scratch::Scratch;
pub use traits::{Commits, Exchanges, Grants, LedgerQueue, Outbox, Resources};
