use super::*;
use crate::tile::push_entry;
use crate::tree::Hash;

fn hashes(path: &str, count: usize) -> TileFile {
    let bytes = (0..count).flat_map(|index| *Hash::leaf(&index.to_be_bytes()).as_bytes()).collect();
    TileFile { tile: TileId::parse(path).unwrap(), bytes }
}

fn open(root: &Path) -> DirectoryStore {
    DirectoryStore::open(root, Durability::Here).unwrap()
}

#[test]
fn a_directory_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let second = DirectoryStore::open(folder.path(), Durability::Here).unwrap_err();
    assert!(matches!(second, StoreError::Locked { .. }), "{second}");
    drop(first);
    open(folder.path());
}

#[test]
fn tiles_and_checkpoint_are_read_back_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let tile = hashes("tile/1/x001/000", 256);
    store.write(std::slice::from_ref(&tile)).unwrap();
    store.publish("one").unwrap();
    store.publish("two").unwrap();
    assert_eq!(store.read("tile/1/x001/000").unwrap(), Some(tile.bytes));
    assert_eq!(store.read(CHECKPOINT).unwrap().unwrap(), b"two");
    assert_eq!(store.read("tile/1/000").unwrap(), None);
    fs::write(folder.path().join("secret"), "x").unwrap();
    for path in ["secret", "lock", "tmp", "../secret", "tile/0/../../secret", ""] {
        assert_eq!(store.read(path).unwrap(), None, "{path}");
    }
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_partial_tile_is_cut_from_a_wider_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let wide = hashes("tile/0/000.p/9", 9);
    let mut bundle = Vec::new();
    (0..9).for_each(|index| push_entry(&mut bundle, format!("entry {index}").as_bytes()).unwrap());
    let entries = TileFile { tile: TileId::parse("tile/entries/000.p/9").unwrap(), bytes: bundle };
    store.write(&[wide.clone(), entries]).unwrap();
    assert_eq!(store.read("tile/0/000.p/4").unwrap().unwrap(), wide.bytes[..128]);
    assert_eq!(tile::Entries::of(&store.read("tile/entries/000.p/4").unwrap().unwrap()).count(), 4);
    assert_eq!(store.read("tile/0/000.p/10").unwrap(), None);
    store.write(&[hashes("tile/0/000", 256)]).unwrap();
    assert_eq!(store.read("tile/0/000.p/200").unwrap().unwrap().len(), 200 * 32);
}

#[test]
fn retired_and_stale_partial_tiles_leave_no_empty_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store
        .write(&[hashes("tile/0/000.p/3", 3), hashes("tile/0/000.p/5", 5), hashes("tile/entries/000.p/7", 1)])
        .unwrap();
    store.retire(&[TileId::parse("tile/0/000.p/3").unwrap()]);
    assert!(!folder.path().join("tile/0/000.p/3").exists());
    store.sweep(5);
    assert!(folder.path().join("tile/0/000.p/5").exists());
    assert!(!folder.path().join("tile/entries/000.p").exists());
    store.sweep(256);
    assert!(!folder.path().join("tile/0/000.p").exists());
}

#[test]
fn what_an_interrupted_write_left_is_cleared_at_opening() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("tmp")).unwrap();
    fs::write(folder.path().join("tmp/17"), "half").unwrap();
    open(folder.path());
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_place_that_cannot_be_written_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    fs::write(folder.path().join("tile"), "in the way").unwrap();
    let error = store.write(&[hashes("tile/0/000", 256)]).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert!(error.to_string().contains("tile"), "{error}");
}
