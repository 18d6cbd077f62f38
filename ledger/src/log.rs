//! A log in a store: opened with a check against its last checkpoint, sealed in batches, read through views.

use std::sync::Arc;
use std::time::Duration;

use crate::checkpoint::{Checkpoint, LogKey, SignedCheckpoint, TrustedKeys};
use crate::entry::Origin;
use crate::error::{Error, Refusal};
use crate::proof::{self, Subtrees};
use crate::receipt::Receipt;
use crate::sequencer::{Policy, Sequencer};
use crate::sign::SigningKey;
use crate::store::{CHECKPOINT, Durability, LogStore, Source, StoreError, TileFile};
use crate::tile::{self, Entries, Kind, TileId};
use crate::tree::{self, Edge, Hash, TILE_WIDTH};

/// The one writer of a log.
///
/// Not for sharing: the gateway's sealer owns it, and hands out [`View`]s.
#[derive(Debug)]
pub struct Log<S> {
    store: Arc<S>,
    key: LogKey,
    sequencer: Sequencer,
    unfinished: bool,
    recovery: Recovery,
    view: View<S>,
}

/// What opening a log found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Tiles and checkpoint agree.
    Sound,
    /// Tiles from this index on are not whole (a power cut) or were taken away: feed the records again from there.
    FeedFrom(u64),
}

impl<S: LogStore> Log<S> {
    /// Opens a log: reads the last checkpoint, recomputes the root from the tiles and compares.
    ///
    /// What a seal that did not finish left beyond the checkpoint is dropped: those records are to be given again, from
    /// [`Self::size`] on. With [`Durability::Caller`], torn partial tiles are not an error but lower `size`; see
    /// [`Self::recovery`]. Nor is a checkpoint without any tile: a person took them away to have them made anew. In both
    /// cases nothing is signed until the records fed again lead to the signed root. Full tiles below the right edge are not
    /// read; [`crate::fsck::verify`] reads everything.
    ///
    /// # Errors
    /// [`Error::Disagrees`] if checkpoint, signature or tiles do not fit together: nothing may be sealed, until the
    /// directory is restored or its tiles are taken away. [`Error::Store`] if the store cannot be read.
    pub fn open(store: S, key: SigningKey, origin: Origin) -> Result<Self, Error> {
        Self::open_with(store, LogKey::new(origin, key)?, Policy::default())
    }

    /// [`Self::open`] with a policy of when seals are due.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(store: S, key: LogKey, policy: Policy) -> Result<Self, Error> {
        let (sequencer, recovery) = resume(&store, &key, policy)?;
        Ok(Self::of(store, key, sequencer, recovery))
    }

    fn of(store: S, key: LogKey, sequencer: Sequencer, recovery: Recovery) -> Self {
        let store = Arc::new(store);
        let view = View::of(&store, &sequencer);
        Self { store, key, sequencer, unfinished: false, recovery, view }
    }

    /// What opening found.
    pub fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// The index of the next record to give.
    ///
    /// After opening it may be below [`Self::signed_size`]: see [`Recovery::FeedFrom`].
    pub fn size(&self) -> u64 {
        self.sequencer.size()
    }

    /// The size of the last checkpoint, also while the log is catching up with it; 0 if there is none.
    ///
    /// A caller with fewer records than this was restored from an old backup: it must not seal, or the log would fork.
    pub fn signed_size(&self) -> u64 {
        self.sequencer.last().map_or(0, SignedCheckpoint::size)
    }

    /// Whether records of the last checkpoint are still to be fed again; until then nothing is signed or shown.
    pub fn is_catching_up(&self) -> bool {
        self.sequencer.is_catching_up()
    }

    /// The key the log signs with.
    pub fn key(&self) -> &LogKey {
        &self.key
    }

    /// What readers are shown: cheap to clone, not changed by later seals.
    pub fn view(&self) -> View<S> {
        self.view.clone()
    }

    /// Gives the records from index `first` on to the log and seals them; returns the checkpoint that covers them.
    ///
    /// Takes any number; more than the policy's `max_records` become several seals, so that memory stays flat. When this
    /// returns, checkpoint and tiles are durable as the store's [`Durability`] says. `None` while the log is catching up,
    /// or still empty.
    ///
    /// # Errors
    /// [`Error::Gap`] unless `first` is [`Self::size`]. [`Error::RecordSize`] for a record no bundle can hold, before
    /// anything is written. [`Error::Store`] if tiles or checkpoint could not be written; give the records again from
    /// [`Self::size`] on. [`Error::Reopen`] if the checkpoint of the failed call before turned out to be on disk: look
    /// at [`Self::size`] and go on from there. [`Error::Disagrees`] if records fed again are not those that were sealed.
    pub fn append_and_seal<R: AsRef<[u8]>>(
        &mut self,
        first: u64,
        records: &[R],
    ) -> Result<Option<SignedCheckpoint>, Error> {
        if self.unfinished {
            self.read_again()?;
            if first != self.size() {
                return Err(Error::Reopen);
            }
        }
        let sealed = self.append(first, records).and_then(|()| self.seal_all());
        if sealed.is_err() {
            self.sequencer.forget_pending();
        }
        sealed?;
        Ok(self.view.checkpoint().cloned())
    }

    fn append<R: AsRef<[u8]>>(&mut self, first: u64, records: &[R]) -> Result<(), Error> {
        for (record, index) in records.iter().zip(first..) {
            self.sequencer.push(index, record.as_ref().to_vec(), Duration::ZERO)?;
        }
        Ok(())
    }

    fn seal_all(&mut self) -> Result<(), Error> {
        while let Some(sealing) = self.sequencer.begin()? {
            self.store.write(sealing.files())?;
            // Written durably, or made of records that the caller holds durably: see `Durability`.
            let sealed = self.sequencer.sign(sealing.confirm_durable(), &self.key)?;
            if let Some(checkpoint) = sealed.checkpoint() {
                self.unfinished = true;
                self.store.publish(checkpoint.note())?;
                self.unfinished = false;
            }
            let superseded = self.sequencer.commit(sealed, Duration::ZERO);
            self.view = View::of(&self.store, &self.sequencer);
            // Only now: until the new checkpoint stands, the old one needs them.
            self.store.retire(&superseded);
        }
        Ok(())
    }

    /// Takes up the state on disk, after it became unknown whether a checkpoint is there.
    fn read_again(&mut self) -> Result<(), Error> {
        let (sequencer, recovery) = resume(&*self.store, &self.key, self.sequencer.policy())?;
        self.view = View::of(&self.store, &sequencer);
        self.sequencer = sequencer;
        self.recovery = recovery;
        self.unfinished = false;
        Ok(())
    }

    /// The receipt of an entry under the last checkpoint, in its text form.
    ///
    /// # Errors
    /// As [`View::receipt`].
    pub fn receipt(&self, index: u64) -> Result<String, Error> {
        self.view.receipt(index)
    }

    /// What is served under a path; see [`View::read`].
    ///
    /// # Errors
    /// As [`View::read`].
    pub fn read_tile(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        self.view.read(path)
    }
}

/// Takes up a log where its last checkpoint left it.
fn resume<S: LogStore>(store: &S, key: &LogKey, policy: Policy) -> Result<(Sequencer, Recovery), Error> {
    let Some(last) = last_checkpoint(store, key)? else {
        store.sweep(0);
        return Ok((Sequencer::new(policy), Recovery::Sound));
    };
    if store.durability() == Durability::Caller && last.size() > 0 && has_no_tile(store, last.size())? {
        return Ok((Sequencer::resume(policy, Edge::default(), Vec::new(), Some(last)), Recovery::FeedFrom(0)));
    }
    let loaded = load(store, last.checkpoint(), store.durability())?;
    let held = loaded.edge.size();
    let recovery = if held < last.size() { Recovery::FeedFrom(held) } else { Recovery::Sound };
    store.write(&loaded.repairs)?;
    store.sweep(last.size());
    Ok((Sequencer::resume(policy, loaded.edge, loaded.bundle, Some(last)), recovery))
}

/// Whether neither the first nor the last tile of any row is there.
fn has_no_tile<S: Source>(store: &S, size: u64) -> Result<bool, StoreError> {
    let levels = (0..tree::depth(size)).filter_map(|level| u8::try_from(level).ok()).map(Kind::Hashes);
    for kind in levels.chain([Kind::Entries]) {
        let mut row = tile::row_of(kind, size);
        for tile in row.next().into_iter().chain(row.last()) {
            if store.read(&tile.to_string())?.is_some() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The last checkpoint with our own signature, if there is one.
fn last_checkpoint<S: Source>(store: &S, key: &LogKey) -> Result<Option<SignedCheckpoint>, Error> {
    let Some(note) = store.read(CHECKPOINT)? else { return Ok(None) };
    let mut keys = TrustedKeys::none();
    keys.add(key.verifier().clone());
    keys.verify(&note).map(Some).map_err(Error::Disagrees)
}

struct Loaded {
    edge: Edge,
    bundle: Vec<u8>,
    /// Partial tiles that a power cut tore and that could be made again from others.
    repairs: Vec<TileFile>,
}

/// The right edge of a tree as the tiles have it, compared with its checkpoint.
///
/// Hashes of the higher levels are computed from the full tiles below, leaf hashes from the entries; what is stored of
/// them is compared. A file that is missing or cut short is a torn one; a whole one with other bytes is a damaged one.
fn load<S: Source>(store: &S, checkpoint: &Checkpoint, durability: Durability) -> Result<Loaded, Error> {
    let size = checkpoint.size;
    let mut repairs = Vec::new();
    let mut bundle = Vec::new();
    let mut levels = Vec::new();
    let mut held = size;
    for level in 0..tree::depth(size) {
        let width = tree::partial_width(size, level);
        let index = tree::complete(size, level) / TILE_WIDTH;
        let Some(kind) = u8::try_from(level).ok().map(Kind::Hashes) else { break };
        let Some(tile) = TileId::new(kind, index, width) else {
            levels.push(Vec::new());
            continue;
        };
        let (hashes, first, step) = if level == 0 {
            bundle = partial_bundle(store, tile)?.unwrap_or_default();
            (Entries::of(&bundle).map(Hash::leaf).collect::<Vec<_>>(), size.saturating_sub(width), 1)
        } else {
            let below = Kind::Hashes(tile.level().saturating_sub(1));
            let children = index.saturating_mul(TILE_WIDTH)..index.saturating_mul(TILE_WIDTH).saturating_add(width);
            let roots: Result<Vec<_>, _> = children.map(|child| full_tile_root(store, below, child)).collect();
            let step = u32::from(tile.level()).checked_mul(8).and_then(|bits| 1_u64.checked_shl(bits)).unwrap_or(0);
            (roots?, tile.first_entry().unwrap_or(0), step)
        };
        let stored = store.read(&tile.to_string())?.filter(|bytes| bytes.len() as u64 == width.saturating_mul(32));
        let torn = match (stored, hashes.len() as u64 == width) {
            (Some(bytes), true) => {
                let wrong =
                    tile::hashes_in(&bytes).into_iter().zip(&hashes).position(|(stored, derived)| stored != *derived);
                if let Some(at) = wrong.and_then(|at| u64::try_from(at).ok()) {
                    let index = first.saturating_add(at.saturating_mul(step));
                    return Err(Error::Disagrees(Refusal::index(index, "tile and entries do not fit together")));
                }
                false
            }
            (None, true) => {
                repairs.push(TileFile { tile, bytes: tile::hash_bytes(&hashes) });
                true
            }
            (_, false) => {
                held = size.saturating_sub(width);
                true
            }
        };
        if torn && durability == Durability::Here {
            return Err(Error::Disagrees(Refusal::index(first, "a tile of the last seal is missing or cut short")));
        }
        levels.push(hashes);
    }
    if held < size {
        // The records of the last, unfinished bundle are the caller's to give again; what they make is compared then.
        bundle.clear();
        levels.iter_mut().take(1).for_each(Vec::clear);
    }
    let lost = || Error::Disagrees(Refusal::checkpoint("the tiles are not those of a tree of its size"));
    let edge = Edge::from_levels(held, levels).ok_or_else(lost)?;
    if held == size && edge.root() != checkpoint.root {
        return Err(Error::Disagrees(Refusal::checkpoint("the tiles lead to another root")));
    }
    Ok(Loaded { edge, bundle, repairs })
}

/// The unfinished bundle beside a partial tile of level 0, if it is whole.
fn partial_bundle<S: Source>(store: &S, tile: TileId) -> Result<Option<Vec<u8>>, Error> {
    let Some(entries) = TileId::new(Kind::Entries, tile.index(), tile.width()) else { return Ok(None) };
    let bytes = store.read(&entries.to_string())?;
    Ok(bytes.filter(|bytes| {
        tile::beginning(Kind::Entries, bytes, tile.width()).is_some_and(|all| all.len() == bytes.len())
    }))
}

fn full_tile_root<S: Source>(store: &S, kind: Kind, index: u64) -> Result<Hash, Error> {
    let tile =
        TileId::new(kind, index, TILE_WIDTH).ok_or(Error::Form { what: "tile", expected: "a level below 64" })?;
    let bytes = store.read(&tile.to_string())?.filter(|bytes| bytes.len() as u64 == TILE_WIDTH.saturating_mul(32));
    let root = bytes.and_then(|bytes| tree::root_of(&tile::hashes_in(&bytes)));
    root.ok_or_else(|| {
        Error::Disagrees(Refusal::index(tile.first_entry().unwrap_or(0), format!("{tile} is missing or cut short")))
    })
}

/// What the last checkpoint covers, for readers: tiles, entries, receipts. Shows nothing beyond it.
#[derive(Debug)]
pub struct View<S> {
    store: Arc<S>,
    shown: Option<Arc<Shown>>,
}

#[derive(Debug)]
struct Shown {
    checkpoint: SignedCheckpoint,
    edge: Edge,
    bundle: Vec<u8>,
}

impl<S> Clone for View<S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), shown: self.shown.clone() }
    }
}

impl<S: Source> View<S> {
    /// A view of a log kept by somebody else, or by another process of ours: its checkpoint is verified with `keys`.
    ///
    /// # Errors
    /// [`Error::Refused`] if the checkpoint is missing or does not hold, [`Error::Disagrees`] if the tiles do not fit it.
    pub fn open(source: S, keys: &TrustedKeys) -> Result<Self, Error> {
        let note = source.read(CHECKPOINT)?.ok_or(Refusal::checkpoint("expected one, found none"))?;
        let checkpoint = keys.verify(&note)?;
        let Loaded { edge, bundle, .. } = load(&source, checkpoint.checkpoint(), Durability::Here)?;
        Ok(Self { store: Arc::new(source), shown: Some(Arc::new(Shown { checkpoint, edge, bundle })) })
    }

    fn of(store: &Arc<S>, sequencer: &Sequencer) -> Self {
        let last = sequencer.last().filter(|last| last.size() == sequencer.size()).cloned();
        let shown = last.map(|checkpoint| {
            let (edge, bundle) = (sequencer.edge().clone(), sequencer.bundle().to_vec());
            Arc::new(Shown { checkpoint, edge, bundle })
        });
        Self { store: Arc::clone(store), shown }
    }

    /// The last checkpoint; `None` while the log is empty or catching up.
    pub fn checkpoint(&self) -> Option<&SignedCheckpoint> {
        self.shown.as_ref().map(|shown| &shown.checkpoint)
    }

    /// The number of entries it covers.
    pub fn size(&self) -> u64 {
        self.checkpoint().map_or(0, SignedCheckpoint::size)
    }

    /// What is served under a path: `checkpoint`, `tile/L/N`, `tile/entries/N` and their partial forms.
    ///
    /// `None` for any other path and for tiles the checkpoint does not cover. A partial tile is answered for as long as
    /// the log lives, cut from the full one.
    ///
    /// # Errors
    /// [`Error::Store`] if a tile that must be there is not.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(shown) = &self.shown else { return Ok(None) };
        if path == CHECKPOINT {
            return Ok(Some(shown.checkpoint.note().as_bytes().to_vec()));
        }
        match TileId::parse(path).filter(|tile| tile.is_within(self.size())) {
            Some(tile) => self.tile(shown, tile).map(Some),
            None => Ok(None),
        }
    }

    /// The bytes of a tile within the tree: of the right edge from memory, else from the store.
    fn tile(&self, shown: &Shown, tile: TileId) -> Result<Vec<u8>, Error> {
        let level = usize::from(tile.level());
        let missing = || StoreError::Missing { path: tile.to_string() };
        let unfinished = tile.index() == tree::complete(shown.edge.size(), level) / TILE_WIDTH;
        let bytes = match tile.kind() {
            Kind::Entries if unfinished => shown.bundle.clone(),
            Kind::Hashes(_) if unfinished => tile::hash_bytes(shown.edge.levels().get(level).ok_or_else(missing)?),
            _ => self.store.read(&tile.full().to_string())?.ok_or_else(missing)?,
        };
        Ok(tile::beginning(tile.kind(), &bytes, tile.width()).ok_or_else(missing)?.to_vec())
    }

    /// The bytes of an entry.
    ///
    /// # Errors
    /// [`Error::NotSealed`] if the checkpoint does not cover it; [`Error::Store`] if its bundle cannot be read.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, Error> {
        let not_sealed = Error::NotSealed { index, size: self.size() };
        let Some(shown) = self.shown.as_ref().filter(|_| index < self.size()) else { return Err(not_sealed) };
        let at = index % TILE_WIDTH;
        let tile = TileId::new(Kind::Entries, index / TILE_WIDTH, at.saturating_add(1)).ok_or(not_sealed)?;
        let bundle = self.tile(shown, tile)?;
        let entry = Entries::of(&bundle).last().map(<[u8]>::to_vec);
        entry.ok_or_else(|| StoreError::Missing { path: tile.to_string() }.into())
    }

    /// The receipt of an entry, with the entry as `extra`, in its text form.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn receipt(&self, index: u64) -> Result<String, Error> {
        let entry = self.entry(index)?;
        let proof = self.inclusion(index)?;
        let checkpoint = self.checkpoint().map(|checkpoint| checkpoint.note().to_owned()).unwrap_or_default();
        Ok(Receipt { extra: Some(entry), index, proof, checkpoint }.to_text())
    }

    /// The inclusion proof of an entry in the tree of the last checkpoint.
    ///
    /// # Errors
    /// [`Error::NotSealed`] if the checkpoint does not cover it; [`Error::Store`] if a tile cannot be read.
    pub fn inclusion(&self, index: u64) -> Result<Vec<Hash>, Error> {
        let size = self.size();
        proof::inclusion(self, index, size)?.ok_or(Error::NotSealed { index, size })
    }

    /// The consistency proof from an earlier size to the last checkpoint's.
    ///
    /// # Errors
    /// [`Error::NotSealed`] if the earlier size is the larger; [`Error::Store`] if a tile cannot be read.
    pub fn consistency(&self, old: u64) -> Result<Vec<Hash>, Error> {
        let size = self.size();
        proof::consistency(self, old, size)?.ok_or(Error::NotSealed { index: old, size })
    }
}

impl<S: Source> Subtrees for View<S> {
    type Error = Error;

    fn subtree(&self, height: u32, index: u64) -> Result<Hash, Error> {
        // A complete subtree of height h lies within one tile of level h / 8, as 2^(h % 8) neighbours.
        let (level, within) = (height / 8, height % 8);
        let start = index.checked_shl(within).unwrap_or(u64::MAX);
        let width = 1_u64.checked_shl(within).unwrap_or(1);
        let at = start % TILE_WIDTH;
        let not_sealed = Error::NotSealed { index, size: self.size() };
        let kind = u8::try_from(level).ok().map(Kind::Hashes);
        let tile = kind.and_then(|kind| TileId::new(kind, start / TILE_WIDTH, at.saturating_add(width)));
        let (Some(shown), Some(tile)) = (&self.shown, tile) else { return Err(not_sealed) };
        let hashes = tile::hashes_in(&self.tile(shown, tile)?);
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        hashes.get(at..).and_then(tree::root_of).ok_or(not_sealed)
    }
}

#[cfg(test)]
mod tests;
