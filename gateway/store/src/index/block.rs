//! Rows packed into blocks: one sled row holds some dozens of ours.
//!
//! sled splits a page at 16 rows whatever their size and keeps some hundred bytes in memory for each page for ever, so
//! small rows would let the process grow with the store (measured). A block's key is a lower bound of its rows and at
//! most the first of them; it reaches to the next block's key. Keys are written as the length they share with the row
//! before and the rest.

use bytes::Bytes;
use sled::IVec;

use super::Rows;
use crate::codec::{Codec, Malformed, Reader};

/// A block that grows beyond this many bytes is split.
pub(super) const BLOCK_BYTES: usize = 3584;

/// Rows of a block, in order.
pub(super) type Block = Vec<(IVec, IVec)>;

pub(super) fn decode(bytes: &[u8]) -> Result<Block, Malformed> {
    let mut reader = Reader::new(Bytes::copy_from_slice(bytes));
    let mut rows = Block::new();
    let mut key: Vec<u8> = Vec::new();
    while !reader.is_empty() {
        let shared = usize::try_from(u64::take(&mut reader)?).map_err(|_| Malformed)?;
        if shared > key.len() {
            return Err(Malformed);
        }
        key.truncate(shared);
        key.extend_from_slice(&Bytes::take(&mut reader)?);
        let value = Bytes::take(&mut reader)?;
        rows.push((IVec::from(&key[..]), IVec::from(&value[..])));
    }
    Ok(rows)
}

/// Finds one row without building the others.
pub(super) fn find(bytes: &[u8], wanted: &[u8]) -> Result<Option<IVec>, Malformed> {
    let mut reader = Reader::new(Bytes::copy_from_slice(bytes));
    let mut key: Vec<u8> = Vec::new();
    while !reader.is_empty() {
        let shared = usize::try_from(u64::take(&mut reader)?).map_err(|_| Malformed)?;
        if shared > key.len() {
            return Err(Malformed);
        }
        key.truncate(shared);
        key.extend_from_slice(&Bytes::take(&mut reader)?);
        let value = Bytes::take(&mut reader)?;
        match key.as_slice().cmp(wanted) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => return Ok(Some(IVec::from(&value[..]))),
            std::cmp::Ordering::Greater => return Ok(None),
        }
    }
    Ok(None)
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

/// The changes of `rows` in order, for walking them block by block.
pub(super) struct Changes<'a> {
    rest: std::iter::Peekable<std::collections::btree_map::Iter<'a, IVec, Option<IVec>>>,
}

impl<'a> Changes<'a> {
    pub(super) fn of(rows: &'a Rows) -> Self {
        Self { rest: rows.iter().peekable() }
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
