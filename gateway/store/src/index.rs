//! The index: ordered rows over the journal, each derivable from it.
//!
//! Rows of a commit are first kept in memory (the overlay), where reads see them at once, and go to sled a little later,
//! sorted and merged, the journal position they reach last. What is written and superseded within that time (a delivery
//! that is done, an exchange's states) never reaches sled. After a crash the journal is replayed from the position that
//! sled holds; rows that got there earlier are written again alike. Nothing acknowledged rests on sled.

mod block;
mod engine;
pub(crate) mod keys;
mod lists;
mod lsm;
mod piece;
mod seen;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::Duration;

use sled::IVec;

use crate::config::Rules;
use crate::disk::record::VersionItem;
use crate::error::Error;
pub(crate) use engine::{Applied, Engine, OpenIndex};
use lists::Lists;
pub(crate) use lists::{Listed, Ticket, Whole};
use piece::{Piece, Row};
use seen::Seen;

/// New values of rows; `None` deletes.
pub(crate) type Rows = BTreeMap<IVec, Option<IVec>>;

/// What is called with each row's key and value.
type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<Flow, Error> + 'a;

/// Rows read at a time while walking a range.
const CHUNK: usize = 256;

/// The index of an open store.
pub(crate) struct Index {
    engine: Engine,
    overlay: RwLock<Overlay>,
    seen: Seen,
    lists: Lists,
    /// Wakes the thread that moves rows to sled, and the writer when there is room again.
    signal: Mutex<Signal>,
    changed: Condvar,
    /// Held while rows move to sled and while the engine is exchanged.
    moving: Mutex<()>,
    /// Rows in the overlay, in bytes, at which they are moved without waiting.
    full_bytes: usize,
    rules: Rules,
    /// Behind the last position of which rows are seen.
    end: AtomicU64,
}

#[derive(Default)]
struct Overlay {
    active: Rows,
    active_bytes: usize,
    active_applied: Option<Applied>,
    frozen: Option<Arc<Rows>>,
}

#[derive(Default)]
struct Signal {
    stop: bool,
    full: bool,
    failed: Option<String>,
}

/// Which way a range is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// The part of the cache that is for whole lists.
pub(super) const LISTS_SHARE: u64 = 32;

/// What a row adds to the memory of the overlay besides its bytes, roughly.
const ROW_OVERHEAD: usize = 144;

impl Index {
    pub(crate) fn new(engine: Engine, cache_bytes: u64, rules: Rules) -> Self {
        // Rows that wait longer meet more of their neighbours: fewer blocks and fewer, longer tables are written.
        let full_bytes = usize::try_from(cache_bytes / 8).unwrap_or(usize::MAX).clamp(64 << 10, 16 << 20);
        Self {
            engine,
            overlay: RwLock::default(),
            seen: Seen::of_bytes(cache_bytes / 16),
            lists: Lists::of_bytes(cache_bytes / LISTS_SHARE),
            signal: Mutex::default(),
            changed: Condvar::new(),
            moving: Mutex::default(),
            full_bytes,
            rules,
            end: AtomicU64::new(0),
        }
    }

    /// Behind the last position of which rows are seen.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Where an index stands that is opened.
    pub(crate) fn stands_at(&self, position: u64) {
        self.end.store(position, Ordering::Release);
    }

    /// A version with its rows as the rules of now make them.
    pub(crate) fn with_derived(&self, mut item: VersionItem) -> VersionItem {
        if !item.deleted && !self.rules.hold(&item.resource_type, item.rules) {
            item.index = self.rules.anew(&item.resource_type, &item.body, &item.index);
            item.rules = Some(self.rules.digest(&item.resource_type));
        }
        item
    }

    /// The rules of now.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<IVec>, Error> {
        // What is current of a resource is asked again and again: of the one that is read, of its patient.
        let Some(list) = keys::list_of(key).filter(|list| *list == key) else { return self.read(key) };
        let ticket = match self.lists.find(list) {
            Listed::Whole(whole) => return Ok(whole.rows().next().map(|(_, value)| IVec::from(value))),
            Listed::Unknown(ticket) => ticket,
        };
        let row = self.read(key)?;
        if let Some(value) = &row {
            let mut whole = Whole::default();
            whole.push(key, value);
            self.lists.keep(list, &ticket, whole);
        }
        Ok(row)
    }

    fn read(&self, key: &[u8]) -> Result<Option<IVec>, Error> {
        {
            let overlay = self.overlay.read().unwrap_or_else(PoisonError::into_inner);
            let row = overlay.active.get(key).or_else(|| overlay.frozen.as_ref().and_then(|rows| rows.get(key)));
            if let Some(row) = row {
                return Ok(row.clone());
            }
        }
        if Seen::covers(key) && self.seen.lacks(key) {
            return Ok(None);
        }
        self.noted(self.engine.get(key))
    }

    /// What is known of the postings of one value.
    pub(crate) fn listed(&self, prefix: &[u8]) -> Listed {
        self.lists.find(prefix)
    }

    /// Keeps the postings of one value, all of them, as they were read after [`Index::listed`] gave the ticket.
    pub(crate) fn keep(&self, prefix: &[u8], ticket: &Ticket, whole: Whole) {
        self.lists.keep(prefix, ticket, whole);
    }

    /// Walks the rows whose key begins with `prefix`, those beyond `after` only, until `visit` says stop.
    pub(crate) fn walk(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        self.walk_in(CHUNK, prefix, after, direction, visit)
    }

    /// The same, reading so many rows at a time: few where the walk is expected to stop soon.
    pub(crate) fn walk_in(
        &self,
        chunk: usize,
        prefix: &[u8],
        after: Option<&[u8]>,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let mut range = keys::Range::of(prefix);
        if let Some(after) = after {
            range.cut(after, direction);
        }
        loop {
            let (rows, rest) = self.chunk(&range, direction, chunk)?;
            for (key, value) in &rows {
                if let Some(value) = value
                    && visit(key, value)? == Flow::Stop
                {
                    return Ok(());
                }
            }
            match rest {
                Some(rest) => range.cut(&rest, direction),
                None => return Ok(()),
            }
        }
    }

    /// The first rows of a range from all layers in the walk's order, and the key after which to go on.
    fn chunk(
        &self,
        range: &keys::Range,
        direction: Direction,
        most: usize,
    ) -> Result<(Vec<Row>, Option<Piece>), Error> {
        let mut rest: Option<Piece> = None;
        let mut layers: Vec<Vec<Row>> = Vec::with_capacity(3);
        {
            // Newest layer first and both under one lock: rows only ever move down.
            let overlay = self.overlay.read().unwrap_or_else(PoisonError::into_inner);
            for rows in [Some(&overlay.active), overlay.frozen.as_deref()].into_iter().flatten() {
                let found = rows.range::<[u8], _>(range.bounds());
                let copy = |(key, value): (&IVec, &Option<IVec>)| (key.clone().into(), value.clone().map(Piece::from));
                layers.push(match direction {
                    Direction::Up => found.take(most).map(copy).collect(),
                    Direction::Down => found.rev().take(most).map(copy).collect(),
                });
            }
        }
        layers.push(self.noted(self.engine.range(range, direction, most))?);
        for layer in layers.iter().filter(|layer| layer.len() == most) {
            // A full layer is known up to its last key only, so the merge is.
            if let Some((last, _)) = layer.last()
                && rest.as_ref().is_none_or(|rest| match direction {
                    Direction::Up => last < rest,
                    Direction::Down => last > rest,
                })
            {
                rest = Some(last.clone());
            }
        }
        // Most ranges stand in one layer alone.
        layers.retain(|layer| !layer.is_empty());
        if layers.len() < 2 {
            return Ok((layers.pop().unwrap_or_default(), rest));
        }
        let mut merged: Vec<Row> = layers.into_iter().flatten().collect();
        // Stable: of the same row the newest layer's stays first, and the others go.
        merged.sort_by(|(one, _), (other, _)| match direction {
            Direction::Up => one.cmp(other),
            Direction::Down => other.cmp(one),
        });
        merged.dedup_by(|(later, _), (first, _)| later == first);
        if let Some(rest) = &rest {
            let known = merged.partition_point(|(key, _)| match direction {
                Direction::Up => key <= rest,
                Direction::Down => key >= rest,
            });
            merged.truncate(known);
        }
        Ok((merged, rest))
    }

    /// Has the engine opened again if it failed.
    fn noted<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::Index(reason)) = &result
            && reason != engine::REOPENING
        {
            self.fail(reason.clone());
        }
        result
    }

    /// Whether the overlay holds so much that it should be moved now.
    pub(crate) fn is_full(&self) -> bool {
        self.overlay.read().unwrap_or_else(PoisonError::into_inner).active_bytes >= self.full_bytes
    }

    /// Makes rows visible. `applied` is the journal position they reach.
    pub(crate) fn put(&self, rows: Rows, applied: Applied) {
        let bytes = {
            let mut overlay = self.overlay.write().unwrap_or_else(PoisonError::into_inner);
            for (key, value) in rows {
                if Seen::covers(&key) {
                    self.seen.add(&key);
                }
                if let Some(list) = keys::list_of(&key) {
                    // Under the lock: whoever looks for the list from now on reads this row with it.
                    self.lists.forget(list);
                }
                let added = key.len() + value.as_ref().map_or(0, |value| value.len()) + ROW_OVERHEAD;
                if overlay.active.insert(key, value).is_none() {
                    overlay.active_bytes += added;
                }
            }
            overlay.active_applied = Some(applied);
            overlay.active_bytes
        };
        self.stands_at(applied.position);
        if bytes >= self.full_bytes {
            self.signal().full = true;
            self.changed.notify_all();
        }
    }

    /// Whether so many rows wait that the writer should let sled catch up; waits at most `limit` for it.
    pub(crate) fn wait_for_room(&self, limit: Duration) -> Result<(), Error> {
        let over = |index: &Index| {
            index.overlay.read().unwrap_or_else(PoisonError::into_inner).active_bytes >= 2 * index.full_bytes
        };
        if over(self) {
            let signal = self.signal();
            let waited = self.changed.wait_timeout_while(signal, limit, |signal| signal.failed.is_none() && over(self));
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
        match (&self.signal().failed, over(self)) {
            (Some(failed), _) => Err(Error::Index(failed.clone())),
            (None, true) => Err(Error::Busy),
            (None, false) => Ok(()),
        }
    }

    /// Moves rows to sled until stopped: when the overlay is full and else once in `interval`. Runs on a thread of its own.
    pub(crate) fn run(&self, interval: Duration) {
        loop {
            let mut signal = self.signal();
            if !signal.stop && !signal.full {
                let waited = self.changed.wait_timeout_while(signal, interval, |signal| !signal.stop && !signal.full);
                signal = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            let stop = signal.stop;
            signal.full = false;
            let failed = signal.failed.is_some();
            drop(signal);
            if !failed && let Err(error) = self.move_down() {
                tracing::error!(%error, "index engine failed; it is opened again");
                self.signal().failed = Some(error.to_string());
            }
            self.changed.notify_all();
            if stop {
                return;
            }
        }
    }

    /// Reads the keys of the whole index once, so that new ones need no page read. Runs on a thread of its own.
    pub(crate) fn fill_seen(&self) {
        for prefix in [b"r", b"e", b"v"] {
            let filled = self.walk(prefix, None, Direction::Up, &mut |key, _| {
                self.seen.add(key);
                Ok(if self.signal().stop { Flow::Stop } else { Flow::On })
            });
            if filled.is_err() || self.signal().stop {
                return;
            }
        }
        self.seen.complete();
    }

    /// Moves what is in the overlay to sled.
    pub(crate) fn move_down(&self) -> Result<(), Error> {
        let _moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        let (rows, applied) = {
            let mut overlay = self.overlay.write().unwrap_or_else(PoisonError::into_inner);
            let Some(applied) = overlay.active_applied.take() else {
                return Ok(());
            };
            overlay.active_bytes = 0;
            let rows = Arc::new(std::mem::take(&mut overlay.active));
            overlay.frozen = Some(Arc::clone(&rows));
            (rows, applied)
        };
        self.engine.apply(&rows, applied)?;
        self.overlay.write().unwrap_or_else(PoisonError::into_inner).frozen = None;
        Ok(())
    }

    /// What the moving thread or a read stumbled over, if sled has to be opened again.
    pub(crate) fn failure(&self) -> Option<String> {
        self.signal().failed.clone()
    }

    /// Notes that sled has to be opened again.
    pub(crate) fn fail(&self, reason: String) {
        self.signal().failed.get_or_insert(reason);
        self.changed.notify_all();
    }

    /// Puts a freshly opened engine in place of a failed one. The overlay is emptied: the caller replays the journal
    /// from the position that the new engine holds.
    pub(crate) fn replace(&self, opened: OpenIndex) {
        let _moving = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        let mut overlay = self.overlay.write().unwrap_or_else(PoisonError::into_inner);
        *overlay = Overlay::default();
        self.engine.replace(opened);
        self.lists.clear();
        drop(overlay);
        *self.signal() = Signal::default();
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Lets [`Index::run`] move what is left and return.
    pub(crate) fn stop(&self) {
        self.signal().stop = true;
        self.changed.notify_all();
    }

    fn signal(&self) -> std::sync::MutexGuard<'_, Signal> {
        self.signal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a walk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    On,
    Stop,
}

#[cfg(test)]
mod tests;
