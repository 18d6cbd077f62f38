//! What an altered or torn directory does to opening and sealing.

use std::fs;

use super::*;

/// A log of `size` entries, altered by `alter`, opened again.
fn reopened(
    size: u64,
    durability: Durability,
    alter: impl FnOnce(&Path),
) -> (tempfile::TempDir, Result<Log<DirectoryStore>, Error>) {
    let folder = tempfile::tempdir().unwrap();
    feed(&mut directory(folder.path(), durability).unwrap(), size).unwrap();
    alter(folder.path());
    let log = directory(folder.path(), durability);
    (folder, log)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[track_caller]
fn refuses(log: Result<Log<DirectoryStore>, Error>, expected: &str) {
    match log {
        Err(Error::Disagrees(refusal)) => assert!(refusal.to_string().starts_with(expected), "{refusal}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the log opened"),
    }
}

#[test]
fn an_altered_tile_of_the_right_edge_keeps_the_log_from_sealing() {
    for durability in [Durability::Here, Durability::Caller] {
        let (_folder, log) = reopened(300, durability, |root| flip(&root.join("tile/0/001.p/44"), 5 * 32));
        refuses(log, "index 261:");
        let (_folder, log) = reopened(300, durability, |root| flip(&root.join("tile/entries/001.p/44"), 5));
        refuses(log, "index 256:");
        let (_folder, log) = reopened(300, durability, |root| flip(&root.join("tile/0/000"), 40));
        refuses(log, "index 0:");
        let (_folder, log) = reopened(600, durability, |root| flip(&root.join("tile/1/000.p/2"), 40));
        refuses(log, "index 256:");
        let (_folder, log) = reopened(300, durability, |root| fs::remove_file(root.join("tile/0/000")).unwrap());
        refuses(log, "index 0:");
    }
}

#[test]
fn an_altered_checkpoint_keeps_the_log_from_sealing() {
    let (_folder, log) = reopened(3, Durability::Caller, |root| flip(&root.join(CHECKPOINT), 30));
    refuses(log, "checkpoint:");
    let other = LogKey::new(Origin::parse(ORIGIN).unwrap(), SigningKey::from_secret(&[2; 32]).unwrap()).unwrap();
    let (_folder, log) = reopened(3, Durability::Caller, |root| {
        let forged = other.sign(3, Hash::leaf(b"forged"));
        fs::write(root.join(CHECKPOINT), forged.note()).unwrap();
    });
    refuses(log, "checkpoint:");
}

#[test]
fn a_checkpoint_of_another_state_keeps_the_log_from_sealing() {
    let (_folder, log) = reopened(3, Durability::Caller, |root| {
        let signed = log_key().sign(3, Hash::leaf(b"another root"));
        fs::write(root.join(CHECKPOINT), signed.note()).unwrap();
    });
    refuses(log, "checkpoint:");
    let (_folder, log) = reopened(3, Durability::Here, |root| {
        let signed = log_key().sign(400, Hash::leaf(b"another root"));
        fs::write(root.join(CHECKPOINT), signed.note()).unwrap();
    });
    refuses(log, "index 256:");
}

#[test]
fn torn_partial_tiles_are_made_again_from_the_callers_records() {
    let tear: [fn(&Path); 4] = [
        |root| fs::write(root.join("tile/entries/001.p/44"), "").unwrap(),
        |root| fs::remove_file(root.join("tile/entries/001.p/44")).unwrap(),
        |root| fs::remove_dir_all(root.join("tile/0/001.p")).unwrap(),
        |root| {
            fs::remove_dir_all(root.join("tile/0/001.p")).unwrap();
            fs::remove_dir_all(root.join("tile/entries/001.p")).unwrap();
            fs::remove_dir_all(root.join("tile/1")).unwrap();
        },
    ];
    for (tear, held) in tear.into_iter().zip([256, 256, 300, 256]) {
        let (folder, log) = reopened(300, Durability::Caller, tear);
        let mut log = log.unwrap();
        assert_eq!(log.size(), held);
        if held < 300 {
            assert_eq!(log.recovery(), Recovery::FeedFrom(held));
            assert!(log.is_catching_up());
            assert_eq!(log.signed_size(), 300);
            assert_eq!(log.view().checkpoint(), None);
            assert_eq!(feed(&mut log, 290).unwrap(), None);
        }
        feed(&mut log, 310).unwrap();
        assert!(!log.is_catching_up());
        drop(log);
        verifies(folder.path(), 310);
    }
    let (_folder, log) = reopened(300, Durability::Here, tear[0]);
    refuses(log, "index 256:");
}

#[test]
fn other_records_fed_after_a_tear_are_refused() {
    let (folder, log) =
        reopened(300, Durability::Caller, |root| fs::remove_dir_all(root.join("tile/entries/001.p")).unwrap());
    let mut log = log.unwrap();
    let mut other = records(256..310);
    other[7] = b"rewritten".to_vec();
    assert!(matches!(log.append_and_seal(256, &other), Err(Error::Disagrees(_))));
    assert_eq!(log.view().checkpoint(), None);
    drop(log);
    // What was fed is not the log's; the signed state is still what the directory is held to.
    fs::remove_dir_all(folder.path().join("tile")).unwrap();
    let mut log = directory(folder.path(), Durability::Caller).unwrap();
    feed(&mut log, 310).unwrap();
    drop(log);
    verifies(folder.path(), 310);
}

#[test]
fn tiles_taken_away_are_made_anew_from_all_records_and_held_to_the_checkpoint() {
    for size in [3, 256, 1000] {
        let take = |root: &Path| fs::remove_dir_all(root.join("tile")).unwrap();
        let (folder, log) = reopened(size, Durability::Caller, take);
        let mut log = log.unwrap();
        assert_eq!((log.size(), log.signed_size(), log.recovery()), (0, size, Recovery::FeedFrom(0)));
        feed(&mut log, size + 10).unwrap();
        drop(log);
        verifies(folder.path(), size + 10);
        let (_folder, log) = reopened(size, Durability::Caller, take);
        let refused = log.unwrap().append_and_seal(0, &records(1..size + 11));
        assert!(matches!(refused, Err(Error::Disagrees(_))));
        let (_folder, log) = reopened(size, Durability::Here, take);
        refuses(log, "index ");
    }
}

#[test]
fn a_view_of_a_directory_is_checked_with_the_readers_keys() {
    let (folder, log) = reopened(300, Durability::Caller, |_| ());
    let _writer = log.unwrap();
    let view = View::open(DirectoryReader::new(folder.path()), &keys()).unwrap();
    assert_eq!(view.entry(299).unwrap(), b"exchange-299");
    let refused = View::open(DirectoryReader::new(folder.path()), &TrustedKeys::none()).unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::Checkpoint { .. })), "{refused}");
}
