use proptest::prelude::*;

use super::*;

#[track_caller]
fn reads(path: &str, kind: Kind, index: u64, width: u64) {
    let tile = TileId::parse(path).unwrap();
    assert_eq!((tile.kind(), tile.index(), tile.width()), (kind, index, width));
    assert_eq!(tile.to_string(), path);
}

#[test]
fn paths_are_read_as_specified() {
    reads("tile/0/000", Kind::Hashes(0), 0, 256);
    reads("tile/3/x001/x234/067", Kind::Hashes(3), 1_234_067, 256);
    reads("tile/1/x001/000.p/112", Kind::Hashes(1), 1000, 112);
    reads("tile/entries/999.p/1", Kind::Entries, 999, 1);
}

#[test]
fn other_spellings_of_a_path_are_none() {
    let paths = [
        "tile/0/0",
        "tile/0/x000/000",
        "tile/00/000",
        "tile/64/000",
        "tile/0/001/234",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/data/000",
        "tile/0/../../keys",
        "tile/0/00a",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/x/000",
        "",
        "tile/-1/000",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    ];
    for path in paths {
        assert_eq!(TileId::parse(path), None, "{path}");
    }
}

#[test]
fn a_tile_knows_what_it_covers() {
    let tile = |path| TileId::parse(path).unwrap();
    assert_eq!(tile("tile/entries/002").first_entry(), Some(512));
    assert_eq!(tile("tile/0/002.p/3").first_entry(), Some(512));
    assert_eq!(tile("tile/1/002").first_entry(), Some(2 * 65_536));
    assert_eq!(tile("tile/63/000").first_entry(), Some(0));
    assert_eq!(tile("tile/63/001").first_entry(), None);
    assert!(tile("tile/0/000.p/5").is_within(5));
    assert!(!tile("tile/0/000.p/6").is_within(5));
    assert!(tile("tile/1/000.p/1").is_within(256));
    assert!(!tile("tile/1/000.p/1").is_within(255));
}

#[test]
fn a_tree_has_the_tiles_worked_out_in_the_specification() {
    let paths: Vec<_> = tiles_of(256).map(|tile| tile.to_string()).collect();
    assert_eq!(paths, ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]);
    assert_eq!(tiles_of(0).count(), 0);
}

#[test]
fn bundles_take_entries_of_1_to_65535_bytes() {
    let mut bundle = Vec::new();
    assert!(push_entry(&mut bundle, &[]).is_err());
    assert!(push_entry(&mut bundle, &vec![0; MAX_ENTRY + 1]).is_err());
    push_entry(&mut bundle, &vec![7; MAX_ENTRY]).unwrap();
    assert_eq!(bundle.len(), MAX_ENTRY + 2);
    assert_eq!(Entries::of(&bundle).next().unwrap().len(), MAX_ENTRY);
}

proptest! {
    #[test]
    fn every_tile_has_one_path(level in 0_u8..64, index: u64, width in 1_u64..=256, entries: bool) {
        let kind = if entries { Kind::Entries } else { Kind::Hashes(level) };
        let tile = TileId::new(kind, index, width).unwrap();
        prop_assert_eq!(TileId::parse(&tile.to_string()), Some(tile));
    }

    #[test]
    fn any_text_as_a_path_is_answered(path in ".{0,60}") {
        let _ = TileId::parse(&path);
    }

    #[test]
    fn bundles_give_back_their_entries(entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..60), 0..20)) {
        let mut bundle = Vec::new();
        entries.iter().for_each(|entry| push_entry(&mut bundle, entry).unwrap());
        let read: Vec<_> = Entries::of(&bundle).map(<[u8]>::to_vec).collect();
        prop_assert_eq!(&read, &entries);
        let half = entries.len() as u64 / 2;
        let start = beginning(Kind::Entries, &bundle, half).unwrap();
        prop_assert_eq!(Entries::of(start).count() as u64, half);
        prop_assert_eq!(beginning(Kind::Entries, &bundle, entries.len() as u64 + 1), None);
    }

    #[test]
    fn any_bytes_as_a_bundle_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut entries = Entries::of(&bytes);
        let read: usize = entries.by_ref().map(|entry| entry.len() + 2).sum();
        prop_assert_eq!(read + entries.rest().len(), bytes.len());
    }
}
