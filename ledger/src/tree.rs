//! The Merkle tree of RFC 6962 section 2.1: hashes, roots, and the right edge a growing log keeps.

use sha2::{Digest as _, Sha256};

use crate::text;

/// Hashes in a full tile (C2SP tlog-tiles, "Merkle Tree").
pub const TILE_WIDTH: u64 = 256;

/// A SHA-256 value: a leaf hash, a node or a root.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Wraps 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The root of the empty tree: SHA-256 of nothing. RFC 6962, section 2.1.
    pub fn empty_root() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// SHA-256 of bytes as they are, without a tree prefix.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The leaf hash of an entry: SHA-256(0x00 || entry). RFC 6962, section 2.1.
    pub fn leaf(entry: &[u8]) -> Self {
        Self(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
    }

    /// The hash of a node: SHA-256(0x01 || left || right). RFC 6962, section 2.1.
    pub fn node(left: &Self, right: &Self) -> Self {
        let mut input = [1; 65];
        for (to, from) in input.iter_mut().skip(1).zip(left.0.iter().chain(&right.0)) {
            *to = *from;
        }
        Self(Sha256::digest(input).into())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hexadecimal digits.
    pub fn to_hex(&self) -> String {
        text::hex(&self.0)
    }

    /// Reads 64 lower-case hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        text::unhex(text).map(Self)
    }

    /// Standard base64, as checkpoints and proofs write it.
    pub fn to_base64(&self) -> String {
        text::base64(&self.0)
    }

    /// Reads the standard base64 of 32 bytes.
    pub fn from_base64(text: &str) -> Option<Self> {
        text::unbase64(text)?.try_into().ok().map(Self)
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// The root of a tree over these hashes, or `None` of none: RFC 6962's MTH with the hashes as leaves.
pub fn root_of(hashes: &[Hash]) -> Option<Hash> {
    let mut peaks = Peaks::default();
    hashes.iter().for_each(|hash| peaks.push(*hash));
    peaks.fold(None)
}

/// The complete subtrees of a growing tree, largest first: at most one of each size.
#[derive(Debug, Clone, Default)]
pub struct Peaks {
    count: u64,
    peaks: Vec<Hash>,
}

impl Peaks {
    /// Adds the next hash.
    pub fn push(&mut self, mut hash: Hash) {
        // Each trailing one bit of the count is a complete subtree that the new hash completes into a larger one.
        for _ in 0..self.count.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = Hash::node(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.count = self.count.saturating_add(1);
    }

    /// How many hashes were pushed.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The root, with `right` (a smaller subtree to the right of all of these) hashed in first.
    pub fn fold(&self, right: Option<Hash>) -> Option<Hash> {
        self.peaks.iter().rev().fold(right, |right, left| match right {
            Some(right) => Some(Hash::node(left, &right)),
            None => Some(*left),
        })
    }

    /// The root of the tree; of none, the empty root.
    pub fn root(&self) -> Hash {
        self.fold(None).unwrap_or_else(Hash::empty_root)
    }
}

/// The right edge of a tiled tree: the hashes of the unfinished tile of each level.
///
/// All a log must hold to grow: at most 255 hashes a level, eight levels for 2^64 entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

/// A tile that became full: its level, its index in the level, its 256 hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullTile {
    /// Level, 0 for leaf hashes.
    pub level: u8,
    /// Index within the level.
    pub index: u64,
    /// Its 256 hashes.
    pub hashes: Vec<Hash>,
}

impl Edge {
    /// An edge of `size` entries from the unfinished tiles of each level, lowest first.
    ///
    /// `None` if a level does not hold as many hashes as a tree of that size leaves unfinished.
    pub fn from_levels(size: u64, levels: Vec<Vec<Hash>>) -> Option<Self> {
        let fits = (0..levels.len().max(depth(size)))
            .all(|level| levels.get(level).map_or(0, Vec::len) as u64 == partial_width(size, level));
        fits.then_some(Self { size, levels })
    }

    /// The number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the unfinished tile of each level, lowest first.
    pub fn levels(&self) -> &[Vec<Hash>] {
        &self.levels
    }

    /// Adds a leaf hash; tiles that it fills are handed to `full`, lowest level first.
    pub fn push(&mut self, leaf: Hash, full: &mut impl FnMut(FullTile)) {
        self.size = self.size.saturating_add(1);
        let mut hash = leaf;
        let mut count = self.size;
        for level in 0..=u8::MAX {
            let at = usize::from(level);
            if self.levels.len() <= at {
                self.levels.push(Vec::new());
            }
            let Some(tile) = self.levels.get_mut(at) else { return };
            tile.push(hash);
            if (tile.len() as u64) < TILE_WIDTH {
                return;
            }
            let hashes = std::mem::take(tile);
            hash = root_of(&hashes).unwrap_or_else(Hash::empty_root);
            count /= TILE_WIDTH;
            full(FullTile { level, index: count.saturating_sub(1), hashes });
        }
    }

    /// The root of the whole tree. RFC 6962, section 2.1.
    pub fn root(&self) -> Hash {
        // A hash of a level is a complete subtree, larger than all below it: fold the levels from the lowest up.
        let mut right = None;
        for tile in &self.levels {
            let mut peaks = Peaks::default();
            tile.iter().for_each(|hash| peaks.push(*hash));
            right = peaks.fold(right);
        }
        right.unwrap_or_else(Hash::empty_root)
    }
}

/// Hashes in the unfinished tile of a level in a tree of `size`. C2SP tlog-tiles, "Partial Tiles".
pub fn partial_width(size: u64, level: usize) -> u64 {
    complete(size, level) % TILE_WIDTH
}

/// Hashes of a level that a tree of `size` has: `floor(size / 256^level)`.
pub fn complete(size: u64, level: usize) -> u64 {
    u32::try_from(level.saturating_mul(8)).ok().and_then(|bits| size.checked_shr(bits)).unwrap_or(0)
}

/// The levels of tiles a tree of `size` has.
pub fn depth(size: u64) -> usize {
    (0..8).find(|level| complete(size, *level) == 0).unwrap_or(8)
}

#[cfg(test)]
mod tests;
