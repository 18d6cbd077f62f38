use super::*;
use crate::entry::{ExchangeId, Kind as RecordKind, Origin, Outcome, Time};
use crate::log::Log;
use crate::store::{DirectoryStore, Durability};

const ORIGIN: &str = "hospital.example/ledger";

fn exchange(index: u64) -> ExchangeId {
    let mut id = [0xe0; 16];
    id[8..].copy_from_slice(&index.to_be_bytes());
    ExchangeId::new(id)
}

fn log_in(root: &Path, size: u64) -> Log<DirectoryStore> {
    let origin = Origin::parse(ORIGIN).unwrap();
    let store = DirectoryStore::open(root, Durability::Caller).unwrap();
    let mut log = Log::open(store, SigningKey::from_secret(&[1; 32]).unwrap(), origin.clone()).unwrap();
    let record = |index| {
        let outcome = Outcome::parse("stored").unwrap();
        Record::new(origin.clone(), exchange(index), Time::from_unix_ms(index), RecordKind::Arrival, outcome).to_bytes()
    };
    log.append_and_seal(0, &(0..size).map(record).collect::<Vec<_>>()).unwrap();
    log
}

#[test]
fn a_new_key_verifies_what_it_signs_in_each_form_it_is_given_out() {
    let key = keygen(&[1; 32], ORIGIN, KeyUse::Log).unwrap();
    assert_eq!(public_pem(&key.private_pem).unwrap(), key.public_pem);
    assert_eq!(verifier_key(&key.private_pem, ORIGIN, KeyUse::Log).unwrap(), key.vkey);
    let folder = tempfile::tempdir().unwrap();
    let log = log_in(folder.path(), 10);
    for file in [key.public_pem.clone(), key.vkey.to_string(), format!("{}\n", key.vkey)] {
        let keys = trusted_keys([file.as_str()]).unwrap();
        assert_eq!(verify_directory(folder.path(), &keys, |_, _| ()).unwrap().size(), 10);
        let receipt = log.receipt(4).unwrap();
        assert_eq!(verify_receipt(receipt.as_bytes(), &keys, None).unwrap().index, 4);
    }
    let witness = keygen(&[1; 32], "partner.example", KeyUse::Witness).unwrap();
    assert!(witness.vkey.is_cosignature());
    assert!(keygen(&[0; 32], ORIGIN, KeyUse::Log).is_err());
    assert!(trusted_keys([key.private_pem.as_str()]).is_err());
}

#[test]
fn an_export_is_a_whole_log_and_beside_a_writer_everything_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let _writer = log_in(folder.path(), 700);
    let key = keygen(&[1; 32], ORIGIN, KeyUse::Log).unwrap();
    let keys = trusted_keys([key.public_pem.as_str()]).unwrap();
    let view = View::open(DirectoryReader::new(folder.path()), &keys).unwrap();
    let out = tempfile::tempdir().unwrap();
    let write = |path: &str, bytes: &[u8]| {
        let path = out.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        Ok::<_, Error>(())
    };
    assert_eq!(export(&view, write).unwrap(), 8);
    assert_eq!(verify_directory(out.path(), &keys, |_, _| ()).unwrap().size(), 700);
    assert_eq!(find_exchange(&view, &exchange(655).to_string()).unwrap(), Some(655));
    assert_eq!(find_exchange(&view, &exchange(700).to_string()).unwrap(), None);
}

#[test]
fn a_live_directory_holds_just_the_files_its_checkpoint_covers() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = log_in(folder.path(), 3);
    for (first, next) in [(3, 255), (255, 257), (257, 513)] {
        let records: Vec<_> = (first..next).map(|index: u64| format!("record {index}")).collect();
        log.append_and_seal(first, &records).unwrap();
        let mut found = Vec::new();
        let mut folders = vec![folder.path().join("tile")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        let mut expected: Vec<_> = tile::tiles_of(next).map(|tile| folder.path().join(tile.to_string())).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}
