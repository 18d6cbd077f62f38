//! Rows packed into blocks: one sled row holds some dozens of ours.
//!
//! sled splits a page at 16 rows whatever their size and keeps some hundred bytes in memory for each page for ever, so
//! small rows would let the process grow with the store (measured). A block's key is a lower bound of its rows and at
//! most the first of them; it reaches to the next block's key. Keys are written as the length they share with the row
//! before and the rest.

use sled::IVec;

use crate::codec::{Codec, Malformed};

/// A block that grows beyond this many bytes is split.
pub(super) const BLOCK_BYTES: usize = 3584;

/// Rows of a block, in order.
pub(super) type Block = Vec<(IVec, IVec)>;

pub(super) fn decode(bytes: &[u8]) -> Result<Block, Malformed> {
    decode_where(bytes, |_| true, usize::MAX)
}

/// The first rows whose keys are wanted, the others without building them.
pub(super) fn decode_where(
    bytes: &[u8],
    mut wanted: impl FnMut(&[u8]) -> bool,
    most: usize,
) -> Result<Block, Malformed> {
    let mut rows = Block::new();
    each(bytes, |key, value| {
        if wanted(key) {
            rows.push((IVec::from(key), IVec::from(value)));
        }
        rows.len() < most
    })?;
    Ok(rows)
}

/// The last rows whose keys are wanted. Read twice: reading a row costs less than building one.
pub(super) fn decode_last(bytes: &[u8], wanted: impl Fn(&[u8]) -> bool, most: usize) -> Result<Block, Malformed> {
    let mut count: usize = 0;
    each(bytes, |key, _| {
        count += usize::from(wanted(key));
        true
    })?;
    let mut left_out = count.saturating_sub(most);
    decode_where(
        bytes,
        |key| {
            let take = wanted(key) && left_out == 0;
            left_out = left_out.saturating_sub(usize::from(!take && wanted(key)));
            take
        },
        usize::MAX,
    )
}

/// Finds one row without building the others.
pub(super) fn find(bytes: &[u8], wanted: &[u8]) -> Result<Option<IVec>, Malformed> {
    let mut found = None;
    each(bytes, |key, value| {
        if key == wanted {
            found = Some(IVec::from(value));
        }
        key < wanted
    })?;
    Ok(found)
}

/// Shows the rows in order until told to stop. Nothing is allocated but the one key.
fn each(bytes: &[u8], mut show: impl FnMut(&[u8], &[u8]) -> bool) -> Result<(), Malformed> {
    let mut rest = bytes;
    let mut key: Vec<u8> = Vec::with_capacity(64);
    while !rest.is_empty() {
        let shared = number(&mut rest)?;
        if shared > key.len() {
            return Err(Malformed);
        }
        key.truncate(shared);
        let length = number(&mut rest)?;
        key.extend_from_slice(piece(&mut rest, length)?);
        let length = number(&mut rest)?;
        let value = piece(&mut rest, length)?;
        if !show(&key, value) {
            break;
        }
    }
    Ok(())
}

/// A number as [`Codec`] writes it.
fn number(rest: &mut &[u8]) -> Result<usize, Malformed> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().ok_or(Malformed)?;
        *rest = after;
        let part = u64::from(byte & 0x7f);
        if part << shift >> shift != part {
            return Err(Malformed);
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(value).map_err(|_| Malformed);
        }
    }
    Err(Malformed)
}

fn piece<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Malformed> {
    let (piece, after) = rest.split_at_checked(length).ok_or(Malformed)?;
    *rest = after;
    Ok(piece)
}

/// Writes rows as blocks of at most about [`BLOCK_BYTES`]: the key and content of each.
pub(super) fn encode(rows: &[(IVec, IVec)]) -> Vec<(IVec, Vec<u8>)> {
    let total: usize = rows.iter().map(|(key, value)| key.len() + value.len() + 4).sum();
    let pieces = if total > BLOCK_BYTES { total.div_ceil(BLOCK_BYTES * 3 / 4) } else { 1 };
    let target = total.div_ceil(pieces);
    let mut blocks: Vec<(IVec, Vec<u8>)> = Vec::with_capacity(pieces);
    let mut before: &[u8] = &[];
    let mut filled = usize::MAX;
    for (key, value) in rows {
        let size = key.len() + value.len() + 4;
        if filled >= target || blocks.is_empty() {
            blocks.push((key.clone(), Vec::with_capacity(target)));
            (before, filled) = (&[], 0);
        }
        if let Some((_, block)) = blocks.last_mut() {
            let shared = before.iter().zip(key.iter()).take_while(|(a, b)| a == b).count();
            (shared as u64).put(block);
            let rest = key.get(shared..).unwrap_or_default();
            (rest.len() as u64).put(block);
            block.extend_from_slice(rest);
            (value.len() as u64).put(block);
            block.extend_from_slice(value);
        }
        before = key;
        filled += size;
    }
    blocks
}

/// A block's rows with changes applied; both are in order.
pub(super) fn merge<'a>(block: Block, changes: impl Iterator<Item = (&'a IVec, &'a Option<IVec>)>) -> Block {
    let mut merged = Block::with_capacity(block.len());
    let mut old = block.into_iter().peekable();
    for (key, value) in changes {
        while let Some(row) = old.next_if(|(old, _)| old < key) {
            merged.push(row);
        }
        old.next_if(|(old, _)| old == key);
        if let Some(value) = value {
            merged.push((key.clone(), value.clone()));
        }
    }
    merged.extend(old);
    merged
}

/// A key and its new value; none deletes.
type Change<'a> = (&'a IVec, &'a Option<IVec>);

/// The changes of `rows` in order, for walking them block by block.
pub(super) struct Changes<'a> {
    rest: std::iter::Peekable<Box<dyn Iterator<Item = Change<'a>> + 'a>>,
}

impl<'a> Changes<'a> {
    pub(super) fn of(rows: impl Iterator<Item = Change<'a>> + 'a) -> Self {
        let rows: Box<dyn Iterator<Item = Change<'a>> + 'a> = Box::new(rows);
        Self { rest: rows.peekable() }
    }

    /// The next change without taking it.
    pub(super) fn first(&mut self) -> Option<&'a IVec> {
        self.rest.peek().map(|(key, _)| *key)
    }

    /// Takes the changes whose keys come before `end`, at most `most`.
    pub(super) fn until(&mut self, end: Option<&[u8]>, most: usize) -> Vec<(&'a IVec, &'a Option<IVec>)> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(change) = self.rest.next_if(|(key, _)| end.is_none_or(|end| key.as_ref() < end))
        {
            taken.push(change);
        }
        taken
    }
}
