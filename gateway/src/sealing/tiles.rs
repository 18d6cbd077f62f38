//! Where the tiles of the log are: on disk, or in memory beside a store that is.

use ledger::store::{DirectoryStore, Durability, LogStore, MemoryStore, Source, StoreError, TileFile};
use ledger::tile::TileId;

#[derive(Debug)]
pub(super) enum Tiles {
    Directory(DirectoryStore),
    Memory(MemoryStore),
}

impl Source for Tiles {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Directory(tiles) => tiles.read(path),
            Self::Memory(tiles) => tiles.read(path),
        }
    }
}

impl LogStore for Tiles {
    fn write(&self, files: &[TileFile]) -> Result<(), StoreError> {
        match self {
            Self::Directory(tiles) => tiles.write(files),
            Self::Memory(tiles) => tiles.write(files),
        }
    }

    fn publish(&self, note: &str) -> Result<(), StoreError> {
        match self {
            Self::Directory(tiles) => tiles.publish(note),
            Self::Memory(tiles) => tiles.publish(note),
        }
    }

    fn retire(&self, tiles: &[TileId]) {
        match self {
            Self::Directory(store) => store.retire(tiles),
            Self::Memory(store) => store.retire(tiles),
        }
    }

    fn sweep(&self, size: u64) {
        match self {
            Self::Directory(tiles) => tiles.sweep(size),
            Self::Memory(tiles) => tiles.sweep(size),
        }
    }

    fn durability(&self) -> Durability {
        match self {
            Self::Directory(tiles) => tiles.durability(),
            Self::Memory(tiles) => tiles.durability(),
        }
    }
}
