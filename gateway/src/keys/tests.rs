use super::*;

#[test]
fn keys_are_made_once_and_are_for_the_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let first = DataDirectory::open(folder.path()).unwrap();
    let keys = first.keys(None, None).unwrap();
    let again = first.keys(None, None).unwrap();
    assert_eq!(keys.token.id(), again.token.id());
    assert_eq!(keys.namespace, again.namespace);
    assert_eq!(keys.ledger.origin(), again.ledger.origin());
    assert_eq!(keys.ledger.public().to_sec1(), again.ledger.public().to_sec1());
    #[cfg(unix)]
    for entry in fs::read_dir(folder.path().join("keys")).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_second_process_is_told_that_the_directory_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let _held = DataDirectory::open(folder.path()).unwrap();
    assert!(matches!(DataDirectory::open(folder.path()), Err(KeyError::InUse { .. })));
}

#[test]
fn a_log_keeps_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDirectory::open(folder.path()).unwrap();
    assert_eq!(data.keys(None, Some("site.example/log")).unwrap().ledger.origin().as_str(), "site.example/log");
    assert_eq!(data.keys(None, None).unwrap().ledger.origin().as_str(), "site.example/log");
    assert!(matches!(data.keys(None, Some("other.example/log")), Err(KeyError::Origin { .. })));
}

#[test]
fn a_damaged_key_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDirectory::open(folder.path()).unwrap();
    fs::write(folder.path().join("keys").join(ID_NAMESPACE), "nonsense").unwrap();
    assert!(matches!(data.keys(None, None), Err(KeyError::Form { .. })));
}
