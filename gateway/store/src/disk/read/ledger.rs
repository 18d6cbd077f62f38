//! Records on their way to the ledger, in the order of their indices.

use super::row;
use tokio::sync::watch;

use crate::disk::DiskStore;
use crate::disk::record::{LedgerItem, kind};
use crate::error::Error;
use crate::index::{Direction, Flow, keys};
use crate::ledger_queue::LedgerRecord;
use crate::traits::LedgerQueue;

impl LedgerQueue for DiskStore {
    fn ledger_size(&self) -> u64 {
        *self.shared().ledger.borrow()
    }

    fn ledger_records(&self, from: u64, limit: usize) -> Result<Vec<LedgerRecord>, Error> {
        let shared = self.shared();
        let after = from.checked_sub(1).map(keys::ledger);
        let mut records = Vec::new();
        let mut failed = None;
        shared.index.walk(keys::LEDGER, after.as_deref(), Direction::Up, &mut |key, value| {
            if records.len() >= limit {
                return Ok(Flow::Stop);
            }
            let pointer = row(value)?;
            let item: LedgerItem = shared.journal.decoded(pointer, kind::LEDGER)?;
            // A gap would shift every leaf behind it: better no record than a wrong one.
            if item.index != keys::trailing_number(key) || item.index != from + records.len() as u64 {
                failed = Some(shared.journal.damaged(pointer.position, "ledger record has another index"));
                return Ok(Flow::Stop);
            }
            records.push(LedgerRecord { index: item.index, exchange: item.exchange, bytes: item.bytes });
            Ok(Flow::On)
        })?;
        failed.map_or(Ok(records), Err)
    }

    fn ledger_watch(&self) -> watch::Receiver<u64> {
        self.shared().ledger.subscribe()
    }
}
