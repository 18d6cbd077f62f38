//! Tile paths, tile bytes and entry bundles. C2SP tlog-tiles.

use crate::error::Error;
use crate::tree::{self, Hash, TILE_WIDTH};

/// The most bytes an entry may have: bundles count it in 16 bits (C2SP tlog-tiles, "Log entries").
pub const MAX_ENTRY: usize = 65_535;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Hashes of a level, 0 for leaf hashes.
    Hashes(u8),
    /// The entries themselves.
    Entries,
}

/// Names one tile of a log: `tile/L/N`, `tile/L/N.p/W`, `tile/entries/N`, `tile/entries/N.p/W`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    kind: Kind,
    index: u64,
    width: u16,
}

impl TileId {
    /// The tile of `kind` at `index` with `width` members; `None` unless the width is 1 to 256 and the level below 64.
    pub fn new(kind: Kind, index: u64, width: u64) -> Option<Self> {
        let level_fits = !matches!(kind, Kind::Hashes(level) if level > 63);
        let width = u16::try_from(width).ok().filter(|w| (1..=TILE_WIDTH).contains(&u64::from(*w)));
        Some(Self { kind, index, width: width.filter(|_| level_fits)? })
    }

    /// What it holds.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its index within its level.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many members it has, 1 to 256.
    pub fn width(&self) -> u64 {
        u64::from(self.width)
    }

    /// Whether all 256 members are there.
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// The full tile this is the beginning of.
    pub fn full(self) -> Self {
        Self { width: 256, ..self }
    }

    /// The level of hashes it stands on: entries bundle like level 0.
    pub fn level(&self) -> u8 {
        match self.kind {
            Kind::Hashes(level) => level,
            Kind::Entries => 0,
        }
    }

    /// The first entry it covers; `None` beyond 2^64.
    pub fn first_entry(&self) -> Option<u64> {
        let bits = u32::from(self.level()).checked_add(1)?.checked_mul(8)?;
        let scale = 1_u64.checked_shl(bits);
        if self.index == 0 { Some(0) } else { self.index.checked_mul(scale?) }
    }

    /// Whether a tree of `size` has all the members it names.
    pub fn is_within(&self, size: u64) -> bool {
        let end = self.index.checked_mul(TILE_WIDTH).and_then(|start| start.checked_add(self.width()));
        end.is_some_and(|end| end <= tree::complete(size, usize::from(self.level())))
    }

    /// Reads a path; only the one spelling of C2SP tlog-tiles, "Merkle Tree" is accepted.
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => Kind::Entries,
            level => Kind::Hashes(u8::try_from(crate::text::decimal(level)?).ok()?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, crate::text::decimal(width).filter(|w| *w < TILE_WIDTH)?),
            None => (rest, TILE_WIDTH),
        };
        let mut index: u64 = 0;
        for element in number.split('/') {
            let digits = element.strip_prefix('x').unwrap_or(element);
            if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        }
        let tile = Self::new(kind, index, width)?;
        // The number of elements and each `x` have one right form: compare with what we would write.
        (tile.to_string() == path).then_some(tile)
    }
}

impl std::fmt::Display for TileId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            Kind::Entries => f.write_str("tile/entries/")?,
            Kind::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        let mut groups = Vec::new();
        let mut rest = self.index;
        loop {
            groups.push(rest % 1000);
            rest /= 1000;
            if rest == 0 {
                break;
            }
        }
        let mut groups = groups.iter().rev().peekable();
        while let Some(group) = groups.next() {
            match groups.peek() {
                Some(_) => write!(f, "x{group:03}/")?,
                None => write!(f, "{group:03}")?,
            }
        }
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// Every tile of a tree of `size`, lowest level first, then the entry bundles.
pub fn tiles_of(size: u64) -> impl Iterator<Item = TileId> {
    let levels = (0..tree::depth(size)).filter_map(|level| u8::try_from(level).ok()).map(Kind::Hashes);
    levels.chain([Kind::Entries]).flat_map(move |kind| row_of(kind, size))
}

/// The tiles of one kind in a tree of `size`, in order; the last may be partial.
pub fn row_of(kind: Kind, size: u64) -> impl Iterator<Item = TileId> {
    let level = match kind {
        Kind::Hashes(level) => usize::from(level),
        Kind::Entries => 0,
    };
    let full = tree::complete(size, level) / TILE_WIDTH;
    let partial = TileId::new(kind, full, tree::partial_width(size, level));
    (0..full).filter_map(move |index| TileId::new(kind, index, TILE_WIDTH)).chain(partial)
}

/// The bytes of a tile of hashes.
pub fn hash_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// The whole hashes at the start of a tile's bytes; a rest of fewer than 32 bytes is left out.
pub fn hashes_in(bytes: &[u8]) -> Vec<Hash> {
    let (hashes, _) = bytes.as_chunks::<32>();
    hashes.iter().map(|hash| Hash::new(*hash)).collect()
}

/// Adds an entry to a bundle: its length in two bytes, big-endian, then its bytes.
///
/// # Errors
/// [`Error::RecordSize`] of none or more than [`MAX_ENTRY`] bytes.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), Error> {
    let length = u16::try_from(entry.len()).ok().filter(|length| *length > 0);
    let length = length.ok_or(Error::RecordSize { found: entry.len() })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries of a bundle in order; ends at the first one that is cut short, see [`Entries::rest`].
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Entries<'a> {
    /// The entries of these bytes.
    pub fn of(bundle: &'a [u8]) -> Self {
        Self { rest: bundle }
    }

    /// What is not read yet: after the last entry of a sound bundle, nothing.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        self.rest = rest;
        Some(entry)
    }
}

/// The first `width` members of a tile's bytes: a partial tile is the beginning of the fuller one.
///
/// `None` if there are not so many.
pub fn beginning(kind: Kind, bytes: &[u8], width: u64) -> Option<&[u8]> {
    let length = match kind {
        Kind::Hashes(_) => usize::try_from(width).ok()?.checked_mul(32)?,
        Kind::Entries => {
            let mut entries = Entries::of(bytes);
            for _ in 0..width {
                entries.next()?;
            }
            bytes.len().checked_sub(entries.rest().len())?
        }
    };
    bytes.get(..length)
}

#[cfg(test)]
mod tests;
