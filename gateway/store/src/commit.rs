//! The one transaction.

use model::time::Instant;

use crate::exchange::ExchangeChange;
use crate::grant::GrantChange;
use crate::ledger_queue::NewLedgerRecord;
use crate::outbox::DeliveryChange;
use crate::resource::{IndexRow, NewVersion, PatientLink, VersionWritten};

/// Everything that becomes durable together, or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// Resource versions, in order; the same resource may appear more than once.
    pub resources: Vec<NewVersion>,
    /// Exchanges opened or changed, at most one change for each id. Resources are noted on their author's exchange,
    /// ledger records and deliveries on theirs: it must exist or be opened here. An arrival with a control id is kept
    /// under its repeat key.
    pub exchanges: Vec<ExchangeChange>,
    /// Deliveries opened or changed.
    pub deliveries: Vec<DeliveryChange>,
    /// Ledger records; each gets the next dense index.
    pub ledger: Vec<NewLedgerRecord>,
    /// Emergency grants opened or ended.
    pub grants: Vec<GrantChange>,
    /// Merges taken back. Before `links`; one that is not there changes nothing.
    pub unlinks: Vec<PatientLink>,
    /// Patient records merged.
    pub links: Vec<PatientLink>,
    /// Rows made anew, by the store itself.
    pub anew: Vec<RowsAnew>,
}

/// The rows of one version under other rules than it was written by. Made only by a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsAnew {
    pub(crate) resource_type: String,
    pub(crate) id: String,
    pub(crate) version: u64,
    pub(crate) rules: u32,
    pub(crate) rows: Vec<IndexRow>,
}

/// What became durable.
///
/// Made only by a store: to hold one is proof that the commit survives a power cut.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed {
    /// One for each resource of the commit, in order.
    pub versions: Vec<VersionWritten>,
    /// One for each ledger record, in order.
    pub ledger: Vec<u64>,
    /// The time of the commit, never earlier than that of the commit before.
    pub at: Instant,
}
