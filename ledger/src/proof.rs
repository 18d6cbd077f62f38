//! Inclusion and consistency proofs: made from stored hashes, verified from nothing. RFC 6962 sections 2.1.1 and 2.1.2.

use crate::tree::{Hash, Peaks};

/// Where a proof's hashes come from: the roots of complete subtrees.
pub trait Subtrees {
    /// Why a hash is not to be had.
    type Error;

    /// The root over the leaves `index * 2^height` to `(index + 1) * 2^height`.
    ///
    /// # Errors
    /// If the store cannot give it.
    fn subtree(&self, height: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The inclusion proof of leaf `index` in a tree of `size`: PATH(m, D\[n\]).
///
/// `Ok(None)` if the tree has no such leaf.
///
/// # Errors
/// What the source of the hashes reports.
pub fn inclusion<S: Subtrees + ?Sized>(source: &S, index: u64, size: u64) -> Result<Option<Vec<Hash>>, S::Error> {
    if index >= size {
        return Ok(None);
    }
    let mut ranges = Vec::new();
    let (mut low, mut high) = (0_u64, size);
    while high.saturating_sub(low) > 1 {
        let middle = low.saturating_add(split(high.saturating_sub(low)));
        if index < middle {
            ranges.push((middle, high));
            high = middle;
        } else {
            ranges.push((low, middle));
            low = middle;
        }
    }
    ranges.iter().rev().map(|range| range_root(source, *range)).collect::<Result<_, _>>().map(Some)
}

/// The consistency proof from a tree of `old` to one of `new`: PROOF(m, D\[n\]).
///
/// `Ok(None)` unless `old <= new`; empty for equal sizes and for `old` 0 (C2SP tlog-witness, "add-checkpoint").
///
/// # Errors
/// What the source of the hashes reports.
pub fn consistency<S: Subtrees + ?Sized>(source: &S, old: u64, new: u64) -> Result<Option<Vec<Hash>>, S::Error> {
    if old > new {
        return Ok(None);
    }
    if old == 0 || old == new {
        return Ok(Some(Vec::new()));
    }
    let mut ranges = Vec::new();
    let (mut low, mut high) = (0_u64, new);
    // SUBPROOF: `old` stays within (low, high]; the old tree's own root is known to the reader while low is 0.
    while high != old {
        let middle = low.saturating_add(split(high.saturating_sub(low)));
        if old <= middle {
            ranges.push((middle, high));
            high = middle;
        } else {
            ranges.push((low, middle));
            low = middle;
        }
    }
    if low != 0 {
        ranges.push((low, high));
    }
    ranges.iter().rev().map(|range| range_root(source, *range)).collect::<Result<_, _>>().map(Some)
}

/// The largest power of two below `n`, which is at least 2.
fn split(n: u64) -> u64 {
    let top = n.saturating_sub(1).checked_ilog2().unwrap_or(0);
    1_u64.checked_shl(top).unwrap_or(1)
}

/// The root over leaves `low..high`, where `low` is a multiple of the largest complete subtree within.
fn range_root<S: Subtrees + ?Sized>(source: &S, (low, high): (u64, u64)) -> Result<Hash, S::Error> {
    let mut parts = Vec::new();
    let mut at = low;
    while at < high {
        let height = high.saturating_sub(at).checked_ilog2().unwrap_or(0);
        parts.push(source.subtree(height, at.checked_shr(height).unwrap_or(0))?);
        at = at.saturating_add(1_u64.checked_shl(height).unwrap_or(1));
    }
    let (last, larger) = match parts.split_last() {
        Some((last, larger)) => (*last, larger),
        None => return Ok(Hash::empty_root()),
    };
    Ok(larger.iter().rev().fold(last, |right, left| Hash::node(left, &right)))
}

/// The root that an inclusion proof leads to, or `None` if it has the wrong length or the tree no such leaf.
///
/// RFC 9162, section 2.1.3.2 ("Verifying an Inclusion Proof"); the tree is the same as RFC 6962's.
pub fn root_of_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut node, mut last, mut hash) = (index, size.saturating_sub(1), leaf);
    for sibling in proof {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            hash = Hash::node(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = Hash::node(&hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    (last == 0).then_some(hash)
}

/// Whether the proof shows that `leaf` stands at `index` of the tree of this size and root.
pub fn verify_inclusion(leaf: Hash, index: u64, size: u64, root: Hash, proof: &[Hash]) -> bool {
    root_of_inclusion(leaf, index, size, proof) == Some(root)
}

/// Whether the proof shows that the tree of size `new` begins with the whole tree of size `old`.
///
/// RFC 9162, section 2.1.4.2 ("Verifying Consistency between Two Tree Heads"). From size 0 nothing can be shown, as every
/// tree begins with the empty one: refused, unless both sizes are 0.
pub fn verify_consistency(old: u64, old_root: Hash, new: u64, new_root: Hash, proof: &[Hash]) -> bool {
    if old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return false;
    }
    // A complete old tree is a node of the new one, so its root is not repeated in the proof.
    let mut rest = proof.iter();
    let first = if old.is_power_of_two() { Some(&old_root) } else { rest.next() };
    let Some(first) = first else { return false };
    let (mut node, mut last) = (old.saturating_sub(1), new.saturating_sub(1));
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let (mut from_old, mut from_new) = (*first, *first);
    for hash in rest {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            from_old = Hash::node(hash, &from_old);
            from_new = Hash::node(hash, &from_new);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            from_new = Hash::node(&from_new, hash);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && from_old == old_root && from_new == new_root
}

/// Leaf hashes held in memory, as a source of proofs: for tests and for small trees.
impl Subtrees for [Hash] {
    type Error = std::convert::Infallible;

    fn subtree(&self, height: u32, index: u64) -> Result<Hash, Self::Error> {
        let width = 1_usize.checked_shl(height).unwrap_or(0);
        let start = usize::try_from(index).ok().and_then(|index| index.checked_mul(width)).unwrap_or(usize::MAX);
        let mut peaks = Peaks::default();
        self.iter().skip(start).take(width).for_each(|hash| peaks.push(*hash));
        Ok(peaks.root())
    }
}

#[cfg(test)]
mod tests;
