use std::collections::BTreeMap;
use std::convert::Infallible;

use super::*;
use crate::command;
use crate::entry::Origin;
use crate::error::Error;
use crate::log::Log;
use crate::sign::SigningKey;
use crate::store::MemoryStore;

type Files = BTreeMap<String, Vec<u8>>;

fn exported(size: u64) -> (Files, TrustedKeys) {
    let origin = Origin::parse("hospital.example/ledger").unwrap();
    let mut log = Log::open(MemoryStore::default(), SigningKey::from_secret(&[1; 32]).unwrap(), origin).unwrap();
    let records: Vec<_> = (0..size).map(|index| format!("{index:03}")).collect();
    log.append_and_seal(0, &records).unwrap();
    let mut keys = TrustedKeys::none();
    keys.add(log.key().verifier().clone());
    let mut files = Files::new();
    command::export(&log.view(), |path, bytes| {
        files.insert(path.to_owned(), bytes.to_vec());
        Ok::<_, Error>(())
    })
    .unwrap();
    (files, keys)
}

fn refusal(files: &Files, keys: &TrustedKeys) -> Option<String> {
    let fetch = |path: &str| Ok::<_, Infallible>(files.get(path).cloned());
    verify(fetch, keys, |_, _| ()).err().map(|error| error.to_string())
}

#[track_caller]
fn names(files: &Files, keys: &TrustedKeys, expected: &str) {
    let line = refusal(files, keys).unwrap_or_else(|| panic!("not detected; expected {expected}"));
    assert!(line.starts_with(&format!("{expected}:")), "{line}; expected {expected}");
    assert!(!line.contains('\n'));
}

#[test]
fn a_sound_log_verifies_at_every_interesting_size() {
    for size in [1, 2, 255, 256, 257, 511, 512, 513, 66_000] {
        let (files, keys) = exported(size);
        assert_eq!(refusal(&files, &keys), None, "{size}");
    }
}

#[test]
fn an_empty_log_has_nothing_to_show() {
    let fetch = |_: &str| Ok::<_, Infallible>(None);
    assert!(verify(fetch, &TrustedKeys::none(), |_, _| ()).unwrap_err().to_string().starts_with("checkpoint:"));
}

/// Every entry of the test has three bytes and a length of two.
const ENTRY: usize = 5;

#[test]
fn every_flipped_byte_of_every_file_is_detected_and_named() {
    // Two bundles, one of them full: all kinds of tile, and few enough bytes to flip each.
    let (mut files, keys) = exported(260);
    let paths: Vec<_> = files.keys().cloned().collect();
    assert_eq!(paths.len(), 6);
    for path in paths {
        let sound = files[&path].clone();
        for at in 0..sound.len() {
            // Each file at its byte level, the large ones at every 31st: the run stays short.
            if sound.len() > 1000 && at % 31 != 0 {
                continue;
            }
            let mut other = sound.clone();
            other[at] ^= 0x04;
            files.insert(path.clone(), other);
            let expected = match path.as_str() {
                "checkpoint" => "checkpoint".to_owned(),
                "tile/0/000" => format!("index {}", at / 32),
                "tile/0/001.p/4" => format!("index {}", 256 + at / 32),
                "tile/1/000.p/1" => "index 0".to_owned(),
                "tile/entries/000" => format!("index {}", at / ENTRY),
                _ => format!("index {}", 256 + at / ENTRY),
            };
            names(&files, &keys, &expected);
        }
        files.insert(path, sound);
    }
    assert_eq!(refusal(&files, &keys), None);
}

#[test]
fn missing_cut_and_lengthened_files_are_named() {
    let (files, keys) = exported(600);
    let with = |path: &str, change: &dyn Fn(&mut Files, &str)| {
        let mut files = files.clone();
        change(&mut files, path);
        files
    };
    let remove = |files: &mut Files, path: &str| drop(files.remove(path));
    names(&with("checkpoint", &remove), &keys, "checkpoint");
    names(&with("tile/0/001", &remove), &keys, "index 256");
    names(&with("tile/entries/001", &remove), &keys, "index 256");
    names(&with("tile/entries/002.p/88", &remove), &keys, "index 512");
    names(&with("tile/1/000.p/2", &remove), &keys, "index 0");
    let cut = |files: &mut Files, path: &str| {
        files.get_mut(path).unwrap().pop();
    };
    names(&with("tile/0/001", &cut), &keys, "index 511");
    names(&with("tile/entries/002.p/88", &cut), &keys, "index 599");
    names(&with("tile/1/000.p/2", &cut), &keys, "index 256");
    names(&with("checkpoint", &cut), &keys, "checkpoint");
    let lengthen = |files: &mut Files, path: &str| files.get_mut(path).unwrap().push(0);
    names(&with("tile/0/001", &lengthen), &keys, "index 511");
    names(&with("tile/entries/001", &lengthen), &keys, "index 511");
    names(&with("tile/1/000.p/2", &lengthen), &keys, "index 256");
    let empty = |files: &mut Files, path: &str| files.get_mut(path).unwrap().clear();
    names(&with("tile/entries/001", &empty), &keys, "index 256");
}

#[test]
fn swapped_entries_and_tiles_are_named() {
    let (files, keys) = exported(600);
    let mut swapped = files.clone();
    let (first, second) = (files["tile/0/000"].clone(), files["tile/0/001"].clone());
    swapped.insert("tile/0/000".to_owned(), second);
    swapped.insert("tile/0/001".to_owned(), first);
    names(&swapped, &keys, "index 0");
    let mut entries = files;
    let bundle = entries.get_mut("tile/entries/001").unwrap();
    let (left, right) = bundle[10 * ENTRY..12 * ENTRY].split_at_mut(ENTRY);
    left.swap_with_slice(right);
    names(&entries, &keys, "index 266");
}

#[test]
fn an_entry_rewritten_with_its_leaf_hash_is_caught_by_the_level_above() {
    let (mut files, keys) = exported(600);
    files.get_mut("tile/entries/001").unwrap()[10 * ENTRY + 2..11 * ENTRY].copy_from_slice(b"XYZ");
    files.get_mut("tile/0/001").unwrap()[10 * 32..11 * 32].copy_from_slice(Hash::leaf(b"XYZ").as_bytes());
    names(&files, &keys, "index 256");
    // In the unfinished tile only the root tells.
    let (mut files, keys) = exported(600);
    files.get_mut("tile/entries/002.p/88").unwrap()[2..ENTRY].copy_from_slice(b"XYZ");
    files.get_mut("tile/0/002.p/88").unwrap()[..32].copy_from_slice(Hash::leaf(b"XYZ").as_bytes());
    names(&files, &keys, "checkpoint");
}

#[test]
fn of_several_faults_the_lowest_is_named() {
    let (mut files, keys) = exported(600);
    files.get_mut("tile/entries/002.p/88").unwrap()[2] ^= 1;
    names(&files, &keys, "index 512");
    files.get_mut("tile/0/001").unwrap()[3 * 32] ^= 1;
    names(&files, &keys, "index 259");
    files.get_mut("tile/1/000.p/2").unwrap()[0] ^= 1;
    names(&files, &keys, "index 0");
}

#[test]
fn a_fetch_that_fails_is_not_a_fault_of_the_log() {
    let (files, keys) = exported(5);
    let fetch = |path: &str| if path.starts_with("tile") { Err("down") } else { Ok(files.get(path).cloned()) };
    assert!(matches!(verify(fetch, &keys, |_, _| ()), Err(FsckError::Fetch { source: "down", .. })));
}
