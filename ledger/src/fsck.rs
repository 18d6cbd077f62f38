//! Re-derives a whole log from what is published, and names the first index that is wrong.

use crate::checkpoint::{SignedCheckpoint, TrustedKeys};
use crate::error::Refusal;
use crate::store::CHECKPOINT;
use crate::tile::{self, Entries, Kind, TileId};
use crate::tree::{self, Edge, Hash, TILE_WIDTH};

/// Why a log was not found to be sound.
#[derive(Debug, thiserror::Error)]
pub enum FsckError<E> {
    /// The log is wrong.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nothing is known of the log: a file could not be fetched.
    #[error("fetching {path}")]
    Fetch {
        /// Which.
        path: String,
        /// Why not.
        source: E,
    },
}

/// Verifies every file of a log: checkpoint and signature, each entry against its leaf hash, each tile against the tiles
/// below, the root against all of it.
///
/// `fetch` answers `Ok(None)` for a file that is not there. Memory does not grow with the log. `progress` is told entries
/// done and entries in all, once a bundle.
///
/// # Errors
/// [`FsckError::Refused`] with the lowest entry covered by anything missing or wrong, or `checkpoint` if the note, its
/// signature or the root alone is wrong. [`FsckError::Fetch`] if `fetch` failed.
pub fn verify<E>(
    mut fetch: impl FnMut(&str) -> Result<Option<Vec<u8>>, E>,
    keys: &TrustedKeys,
    mut progress: impl FnMut(u64, u64),
) -> Result<SignedCheckpoint, FsckError<E>> {
    let mut fetch = |path: &str| fetch(path).map_err(|source| FsckError::Fetch { path: path.to_owned(), source });
    let note = fetch(CHECKPOINT)?.ok_or(Refusal::checkpoint("expected one, found none"))?;
    let checkpoint = keys.verify(&note)?;
    let size = checkpoint.size();
    let mut check = Check { size, levels: Vec::new(), lowest: None };
    let mut edge = Edge::default();
    for entries in tile::row_of(Kind::Entries, size) {
        let leaves = check.bundle(&mut fetch, entries)?;
        leaves.iter().for_each(|leaf| edge.push(*leaf, &mut |_| ()));
        progress(edge.size(), size);
    }
    if let Some((index, reason)) = check.lowest {
        return Err(Refusal::index(index, reason).into());
    }
    if edge.root() != checkpoint.root() {
        return Err(Refusal::checkpoint("the entries lead to another root than the signed one").into());
    }
    Ok(checkpoint)
}

struct Check {
    size: u64,
    /// From level 1 up: the tile being compared.
    levels: Vec<Level>,
    lowest: Option<(u64, String)>,
}

/// A tile of a higher level while the tiles below it go by.
#[derive(Default)]
struct Level {
    stored: Vec<Hash>,
    /// What the entries say its hashes are.
    derived: Vec<Option<Hash>>,
}

impl Check {
    fn wrong(&mut self, index: u64, reason: impl Into<String>) {
        if self.lowest.as_ref().is_none_or(|(lowest, _)| index < *lowest) {
            self.lowest = Some((index, reason.into()));
        }
    }

    /// Compares a bundle with its tile of leaf hashes, and that with the levels above. Returns the entries' leaf hashes.
    fn bundle<E>(
        &mut self,
        fetch: &mut impl FnMut(&str) -> Result<Option<Vec<u8>>, E>,
        entries: TileId,
    ) -> Result<Vec<Hash>, E> {
        let first = entries.first_entry().unwrap_or(u64::MAX);
        let last = first.saturating_add(entries.width().saturating_sub(1));
        let bundle = read(fetch, entries)?;
        if bundle.is_none() {
            self.wrong(first, format!("{entries} is missing"));
        }
        let bundle = bundle.unwrap_or_default();
        let mut reader = Entries::of(&bundle);
        let width = usize::try_from(entries.width()).unwrap_or(usize::MAX);
        let leaves: Vec<_> = reader.by_ref().take(width).map(Hash::leaf).collect();
        if leaves.len() == width && !reader.rest().is_empty() {
            self.wrong(last, format!("{entries} goes on after its last entry"));
        }
        let Some(tile) = TileId::new(Kind::Hashes(0), entries.index(), entries.width()) else { return Ok(leaves) };
        let stored = self.hashes(fetch, tile)?;
        for (at, index) in (0..width).zip(first..) {
            match (leaves.get(at), stored.get(at)) {
                (Some(entry), Some(hash)) if entry == hash => {}
                (Some(_), Some(_)) => self.wrong(index, "entry and leaf hash do not fit together"),
                (None, _) => self.wrong(index, format!("{entries} is cut short")),
                (_, None) => self.wrong(index, format!("{tile} is cut short")),
            }
        }
        if tile.is_full() {
            let whole = |hashes: &[Hash]| if hashes.len() == width { tree::root_of(hashes) } else { None };
            self.above(fetch, 1, tile.index(), whole(&leaves), whole(&stored))?;
        }
        Ok(leaves)
    }

    /// Compares the hash at `position` of a level with the tile below: as the entries have it, and as it is stored.
    ///
    /// If it fits either, the fault lies below and is already noted there.
    fn above<E>(
        &mut self,
        fetch: &mut impl FnMut(&str) -> Result<Option<Vec<u8>>, E>,
        level: u8,
        position: u64,
        derived: Option<Hash>,
        stored_below: Option<Hash>,
    ) -> Result<(), E> {
        let (index, at) = (position / TILE_WIDTH, position % TILE_WIDTH);
        let slot = usize::from(level).saturating_sub(1);
        if at == 0 {
            let width = tree::complete(self.size, usize::from(level)).saturating_sub(position).min(TILE_WIDTH);
            let stored = match TileId::new(Kind::Hashes(level), index, width) {
                Some(tile) => self.hashes(fetch, tile)?,
                None => Vec::new(),
            };
            self.levels.resize_with(self.levels.len().max(slot.saturating_add(1)), Level::default);
            if let Some(tile) = self.levels.get_mut(slot) {
                *tile = Level { stored, derived: Vec::new() };
            }
        }
        let Some(tile) = self.levels.get_mut(slot) else { return Ok(()) };
        tile.derived.push(derived);
        let stored = usize::try_from(at).ok().and_then(|at| tile.stored.get(at)).copied();
        let full = at.saturating_add(1) == TILE_WIDTH;
        let whole = full.then(|| {
            let derived: Option<Vec<_>> = tile.derived.iter().copied().collect();
            (derived.and_then(|hashes| tree::root_of(&hashes)), tree::root_of(&tile.stored))
        });
        if stored.is_none() || (stored != derived && stored != stored_below) {
            let bits = u32::from(level).saturating_mul(8);
            let first = position.saturating_mul(1_u64.checked_shl(bits).unwrap_or(u64::MAX));
            self.wrong(first, format!("the hash of level {level} does not fit the tile below"));
        }
        match whole {
            Some((derived, stored)) => self.above(fetch, level.saturating_add(1), index, derived, stored),
            None => Ok(()),
        }
    }

    /// The hashes of a tile; notes its absence and what is wrong with its length.
    fn hashes<E>(
        &mut self,
        fetch: &mut impl FnMut(&str) -> Result<Option<Vec<u8>>, E>,
        tile: TileId,
    ) -> Result<Vec<Hash>, E> {
        let first = tile.first_entry().unwrap_or(u64::MAX);
        let bytes = read(fetch, tile)?;
        if bytes.is_none() {
            self.wrong(first, format!("{tile} is missing"));
        }
        let bytes = bytes.unwrap_or_default();
        if bytes.len() as u64 > tile.width().saturating_mul(32) {
            let bits = u32::from(tile.level()).saturating_mul(8);
            let step = 1_u64.checked_shl(bits).unwrap_or(u64::MAX);
            let last = first.saturating_add(tile.width().saturating_sub(1).saturating_mul(step));
            self.wrong(last, format!("{tile} goes on after its last hash"));
        }
        let width = usize::try_from(tile.width()).unwrap_or(usize::MAX);
        Ok(tile::hashes_in(&bytes).into_iter().take(width).collect())
    }
}

/// A tile's bytes; a partial one from the full one if need be: a log may delete it then (tlog-tiles, "Partial Tiles").
fn read<E>(fetch: &mut impl FnMut(&str) -> Result<Option<Vec<u8>>, E>, tile: TileId) -> Result<Option<Vec<u8>>, E> {
    if let Some(bytes) = fetch(&tile.to_string())? {
        return Ok(Some(bytes));
    }
    if tile.is_full() {
        return Ok(None);
    }
    let full = fetch(&tile.full().to_string())?;
    Ok(full.and_then(|bytes| tile::beginning(tile.kind(), &bytes, tile.width()).map(<[u8]>::to_vec)))
}

#[cfg(test)]
mod tests;
