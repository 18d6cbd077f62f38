//! The order of a seal as a state machine without IO: records in, tiles out, and a signature only after durability.
//!
//! ```text
//! push … push → begin → Sealing ─(tiles are durable)→ Durable → sign → Sealed ─(checkpoint is durable)→ commit
//! ```
//! Dropping a step leaves the sequencer as it was before `begin`. There is no way to a signature but through
//! [`Sealing::confirm_durable`]: a checkpoint that is shown and then lost in a power cut would make the next one at that
//! size a fork, by an honest operator.

use std::time::Duration;

use crate::checkpoint::{LogKey, SignedCheckpoint};
use crate::error::{Error, Refusal};
use crate::store::TileFile;
use crate::tile::{self, Kind, TileId};
use crate::tree::{self, Edge, Hash};

/// When a seal is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// As soon as this many records wait; also the most that one seal takes.
    pub max_records: usize,
    /// As soon as the oldest has waited this long.
    pub interval: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_records: 4096, interval: Duration::from_millis(50) }
    }
}

/// When the next seal should begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Now.
    Now,
    /// At this time of the caller's clock, unless more arrives.
    At(Duration),
    /// Nothing waits.
    Idle,
}

/// The unfinished part of a log and the records that wait to be sealed.
#[derive(Debug)]
pub struct Sequencer {
    policy: Policy,
    edge: Edge,
    bundle: Vec<u8>,
    pending: Vec<Vec<u8>>,
    oldest: Option<Duration>,
    last: Option<SignedCheckpoint>,
}

/// A seal whose tiles are to be written.
#[derive(Debug)]
pub struct Sealing {
    records: usize,
    edge: Edge,
    bundle: Vec<u8>,
    files: Vec<TileFile>,
    superseded: Vec<TileId>,
}

/// A seal whose tiles are durable.
#[derive(Debug)]
pub struct Durable(Sealing);

/// A seal with its checkpoint, which is to be made durable before anybody sees it.
#[derive(Debug)]
pub struct Sealed {
    sealing: Sealing,
    checkpoint: Option<SignedCheckpoint>,
}

impl Sequencer {
    /// A sequencer of an empty log.
    pub fn new(policy: Policy) -> Self {
        Self::resume(policy, Edge::default(), Vec::new(), None)
    }

    /// A sequencer that goes on from an edge and the bytes of the unfinished entry bundle.
    ///
    /// If `last` covers more than the edge, the records up to its size have to be fed again: nothing is signed for them,
    /// and at its size the root is compared.
    pub fn resume(policy: Policy, edge: Edge, bundle: Vec<u8>, last: Option<SignedCheckpoint>) -> Self {
        Self { policy, edge, bundle, pending: Vec::new(), oldest: None, last }
    }

    /// When seals are due.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// The number of entries whose tiles are written.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The index the next record gets.
    pub fn next_index(&self) -> u64 {
        self.edge.size().saturating_add(self.pending.len() as u64)
    }

    /// Whether records of an earlier checkpoint are still to be fed again.
    pub fn is_catching_up(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.size() > self.edge.size())
    }

    /// The last checkpoint.
    pub fn last(&self) -> Option<&SignedCheckpoint> {
        self.last.as_ref()
    }

    /// The edge of what is written.
    pub fn edge(&self) -> &Edge {
        &self.edge
    }

    /// The bytes of the unfinished entry bundle.
    pub fn bundle(&self) -> &[u8] {
        &self.bundle
    }

    /// Takes the record of an index.
    ///
    /// # Errors
    /// [`Error::Gap`] unless it is the next index; [`Error::RecordSize`] if no bundle can hold it.
    pub fn push(&mut self, index: u64, record: Vec<u8>, now: Duration) -> Result<(), Error> {
        if index != self.next_index() {
            return Err(Error::Gap { expected: self.next_index(), found: index });
        }
        if record.is_empty() || record.len() > tile::MAX_ENTRY {
            return Err(Error::RecordSize { found: record.len() });
        }
        self.pending.push(record);
        self.oldest.get_or_insert(now);
        Ok(())
    }

    /// Forgets the records that wait; their indices are free again.
    pub fn forget_pending(&mut self) {
        self.pending.clear();
        self.oldest = None;
    }

    /// When to seal. `now` is of the same clock as in [`Sequencer::push`].
    pub fn due(&self, now: Duration) -> Due {
        match self.oldest {
            None => Due::Idle,
            Some(_) if self.pending.len() >= self.policy.max_records || self.is_catching_up() => Due::Now,
            Some(oldest) => {
                let at = oldest.saturating_add(self.policy.interval);
                if at <= now { Due::Now } else { Due::At(at) }
            }
        }
    }

    /// Begins a seal of what waits, or `None` if nothing does. The sequencer does not change before [`Self::commit`].
    ///
    /// # Errors
    /// [`Error::RecordSize`] never, in practice: `push` has checked it.
    pub fn begin(&self) -> Result<Option<Sealing>, Error> {
        // A seal must end where the last checkpoint does, or its root could not be compared.
        let owed = self.last.as_ref().map_or(0, |last| last.size().saturating_sub(self.edge.size()));
        let owed = usize::try_from(owed).ok().filter(|owed| *owed > 0).unwrap_or(usize::MAX);
        let records = self.pending.len().min(self.policy.max_records.max(1)).min(owed);
        if records == 0 {
            return Ok(None);
        }
        let mut sealing = Sealing {
            records,
            edge: self.edge.clone(),
            bundle: self.bundle.clone(),
            files: Vec::new(),
            superseded: Vec::new(),
        };
        self.pending.iter().take(records).try_for_each(|record| sealing.add(record))?;
        sealing.add_partial_tiles(self.edge.size());
        Ok(Some(sealing))
    }

    /// Signs a durable seal, or compares it with the checkpoint it catches up with.
    ///
    /// # Errors
    /// [`Error::Disagrees`] if the records fed again lead to another root than the one signed before.
    pub fn sign(&self, durable: Durable, key: &LogKey) -> Result<Sealed, Error> {
        let Durable(sealing) = durable;
        let (size, root) = (sealing.edge.size(), sealing.edge.root());
        let checkpoint = match &self.last {
            Some(last) if last.size() > size => None,
            Some(last) if last.size() == size && last.root() == root => None,
            Some(last) if last.size() == size => {
                let reason = "the records fed again do not lead to the signed root";
                return Err(Error::Disagrees(Refusal::checkpoint(reason)));
            }
            _ => Some(key.sign(size, root)),
        };
        Ok(Sealed { sealing, checkpoint })
    }

    /// Takes over a seal whose checkpoint is durable. Returns the partial tiles that nobody needs any more.
    pub fn commit(&mut self, sealed: Sealed, now: Duration) -> Vec<TileId> {
        let Sealing { records, edge, bundle, superseded, .. } = sealed.sealing;
        self.pending.drain(..records.min(self.pending.len()));
        self.oldest = if self.pending.is_empty() { None } else { Some(now) };
        self.edge = edge;
        self.bundle = bundle;
        if sealed.checkpoint.is_some() {
            self.last = sealed.checkpoint;
        }
        superseded
    }
}

impl Sealing {
    /// The tiles to write, full ones and the new partial ones.
    pub fn files(&self) -> &[TileFile] {
        &self.files
    }

    /// The caller's word that every tile of [`Self::files`] is durable, or can be made again from records that are.
    pub fn confirm_durable(self) -> Durable {
        Durable(self)
    }

    fn add(&mut self, record: &[u8]) -> Result<(), Error> {
        tile::push_entry(&mut self.bundle, record)?;
        let (files, bundle) = (&mut self.files, &mut self.bundle);
        self.edge.push(Hash::leaf(record), &mut |full| {
            if full.level == 0 {
                let bytes = std::mem::take(bundle);
                let tile = TileId::new(Kind::Entries, full.index, tree::TILE_WIDTH);
                files.extend(tile.map(|tile| TileFile { tile, bytes }));
            }
            let tile = TileId::new(Kind::Hashes(full.level), full.index, tree::TILE_WIDTH);
            files.extend(tile.map(|tile| TileFile { tile, bytes: tile::hash_bytes(&full.hashes) }));
        });
        Ok(())
    }

    fn add_partial_tiles(&mut self, before: u64) {
        let partial = |kind, size, level| {
            let index = tree::complete(size, level) / tree::TILE_WIDTH;
            TileId::new(kind, index, tree::partial_width(size, level))
        };
        let size = self.edge.size();
        for (level, hashes) in self.edge.levels().iter().enumerate() {
            if tree::complete(before, level) == tree::complete(size, level) {
                break;
            }
            let Ok(kind) = u8::try_from(level).map(Kind::Hashes) else { break };
            let tile = partial(kind, size, level);
            self.files.extend(tile.map(|tile| TileFile { tile, bytes: tile::hash_bytes(hashes) }));
            self.superseded.extend(partial(kind, before, level));
        }
        let tile = partial(Kind::Entries, size, 0);
        self.files.extend(tile.map(|tile| TileFile { tile, bytes: self.bundle.clone() }));
        self.superseded.extend(partial(Kind::Entries, before, 0));
    }
}

impl Sealed {
    /// The new checkpoint to make durable; `None` while an earlier one is being caught up with.
    pub fn checkpoint(&self) -> Option<&SignedCheckpoint> {
        self.checkpoint.as_ref()
    }
}

#[cfg(test)]
mod tests;
