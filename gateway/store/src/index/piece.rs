//! Bytes of rows as the trees give them.

use std::cmp::Ordering;
use std::ops::Deref;

use sled::IVec;

/// A key or a value, shared with the tree that holds it: a search reads hundreds, and copying them was a third of a walk.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Sled(IVec),
    Lsm(fjall::Slice),
}

/// A row's key and value; `None` deletes.
pub(super) type Row = (Piece, Option<Piece>);

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Sled(bytes) => bytes,
            Self::Lsm(bytes) => bytes,
        }
    }
}

impl From<IVec> for Piece {
    fn from(bytes: IVec) -> Self {
        Self::Sled(bytes)
    }
}

impl From<fjall::Slice> for Piece {
    fn from(bytes: fjall::Slice) -> Self {
        Self::Lsm(bytes)
    }
}

impl PartialEq for Piece {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Piece {}

impl PartialOrd for Piece {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Piece {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}
