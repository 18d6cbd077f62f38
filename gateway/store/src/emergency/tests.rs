use super::*;

fn texts(journal: &EmergencyJournal) -> Vec<String> {
    let (entries, _) = journal.entries().unwrap();
    entries.iter().map(|entry| String::from_utf8_lossy(entry).into_owned()).collect()
}

#[test]
fn entries_survive_reopening_until_they_are_replayed() {
    let directory = tempfile::tempdir().unwrap();
    let journal = EmergencyJournal::open(directory.path(), 4096).unwrap();
    journal.append(b"first").unwrap();
    journal.append(b"second").unwrap();
    drop(journal);
    let journal = EmergencyJournal::open(directory.path(), 4096).unwrap();
    assert_eq!(texts(&journal), ["first", "second"]);
    let (_, mark) = journal.entries().unwrap();
    journal.append(b"third").unwrap();
    journal.replayed(mark).unwrap();
    drop(journal);
    let journal = EmergencyJournal::open(directory.path(), 4096).unwrap();
    assert_eq!(texts(&journal), ["third"]);
}

#[test]
fn room_is_used_again_once_all_is_replayed_and_nothing_old_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let journal = EmergencyJournal::open(directory.path(), 4096).unwrap();
    for round in 0..50 {
        let mut taken = 0;
        while journal.append(format!("round {round} entry {taken}").as_bytes()).is_ok() {
            taken += 1;
        }
        assert!(taken > 50, "round {round}: {taken}");
        let (entries, mark) = journal.entries().unwrap();
        assert_eq!(entries.len(), taken + usize::from(round > 0));
        journal.replayed(mark).unwrap();
        assert!(texts(&journal).is_empty());
        journal.append(b"x").unwrap();
        let journal = EmergencyJournal::open(directory.path(), 4096).unwrap();
        assert_eq!(texts(&journal), ["x"]);
    }
}

#[test]
fn a_full_journal_says_so_and_keeps_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let journal = EmergencyJournal::open(directory.path(), 4096).unwrap();
    journal.append(b"kept").unwrap();
    assert!(matches!(journal.append(&[0; 5000]), Err(Error::Full { .. })));
    assert_eq!(texts(&journal), ["kept"]);
}

#[test]
fn damage_is_named_and_a_torn_entry_ends_reading() {
    let directory = tempfile::tempdir().unwrap();
    let journal = EmergencyJournal::open(directory.path(), 4096).unwrap();
    journal.append(b"whole").unwrap();
    journal.append(b"torn!").unwrap();
    let file = OpenOptions::new().write(true).open(directory.path().join(NAME)).unwrap();
    file.write_all_at(b"?", FRAMES + 8 + 5 + 8).unwrap();
    drop(journal);
    assert_eq!(texts(&EmergencyJournal::open(directory.path(), 4096).unwrap()), ["whole"]);
    file.write_all_at(&[7; 1024], 0).unwrap();
    assert!(matches!(EmergencyJournal::open(directory.path(), 4096), Err(Error::Damaged { .. })));
}
