use proptest::prelude::*;

use super::*;
use crate::entry::Origin;
use crate::log::Log;
use crate::store::MemoryStore;

fn log() -> Log<MemoryStore> {
    let origin = Origin::parse("hospital.example/ledger").unwrap();
    Log::open(MemoryStore::default(), SigningKey::from_secret(&[1; 32]).unwrap(), origin).unwrap()
}

fn grow(log: &mut Log<MemoryStore>, size: u64) {
    let records: Vec<_> = (log.size()..size).map(|index| format!("record {index}")).collect();
    log.append_and_seal(log.size(), &records).unwrap();
}

fn request(log: &Log<MemoryStore>, old: u64) -> Request {
    let view = log.view();
    let body = Request::to_body(old, &view.consistency(old).unwrap(), view.checkpoint().unwrap().note());
    Request::parse(body.as_bytes()).unwrap()
}

#[test]
fn a_growing_log_is_cosigned_and_the_cosignature_verifies_with_the_checkpoint() {
    let mut log = log();
    let witness = WitnessKey::new("partner.example/witness", SigningKey::from_secret(&[2; 32]).unwrap()).unwrap();
    let logs = [log.key().verifier().clone()];
    let mut last = Witnessed::default();
    for size in [3, 4, 300, 300, 1000] {
        grow(&mut log, size);
        let accepted = request(&log, last.size).decide(&logs, last).unwrap();
        last = accepted.to_store();
        let line = witness.cosign(&accepted, 1_800_000_000);
        let mut keys = TrustedKeys::none();
        keys.add(logs[0].clone());
        keys.add(witness.verifier().clone());
        let note = format!("{}{line}", log.view().checkpoint().unwrap().note());
        let signed = keys.verify(note.as_bytes()).unwrap();
        assert_eq!((signed.signers().len(), signed.signers()[1].cosigned_at), (2, Some(1_800_000_000)));
    }
}

#[test]
fn a_rewritten_log_is_not_cosigned() {
    let mut honest = log();
    grow(&mut honest, 300);
    let logs = [honest.key().verifier().clone()];
    let last = request(&honest, 0).decide(&logs, Witnessed::default()).unwrap().to_store();
    let mut rewritten = log();
    rewritten.append_and_seal(0, &vec!["another record"; 400]).unwrap();
    assert_eq!(request(&rewritten, 300).decide(&logs, last), Err(Rejection::Inconsistent));
    let mut same_size = log();
    same_size.append_and_seal(0, &vec!["another record"; 300]).unwrap();
    assert_eq!(request(&same_size, 300).decide(&logs, last), Err(Rejection::Fork(300)));
    grow(&mut honest, 310);
    assert_eq!(request(&honest, 0).decide(&logs, last), Err(Rejection::Stale(300)));
    assert_eq!(request(&honest, 300).decide(&[], last), Err(Rejection::UnknownLog));
}

#[test]
fn rejections_have_their_status_and_the_stale_one_its_size() {
    assert_eq!(Rejection::Stale(9).body(), Some(("9\n".to_owned(), "text/x.tlog.size")));
    let statuses = [
        (Rejection::Malformed, 400),
        (Rejection::Unsigned, 403),
        (Rejection::UnknownLog, 404),
        (Rejection::Stale(1), 409),
        (Rejection::Fork(1), 409),
        (Rejection::Inconsistent, 422),
    ];
    for (rejection, status) in statuses {
        assert_eq!(rejection.status(), status);
    }
}

#[test]
fn other_bodies_are_malformed() {
    let mut log = log();
    grow(&mut log, 3);
    let note = log.view().checkpoint().unwrap().note().to_owned();
    let hash = Hash::empty_root();
    for body in [
        String::new(),
        "old 0\n".to_owned(),
        format!("old 00\n\n{note}"),
        format!("new 0\n\n{note}"),
        format!("old 0\nnot base64\n\n{note}"),
        Request::to_body(0, &[hash; 64], &note),
        "old 0\n\nno note\n".to_owned(),
    ] {
        assert_eq!(Request::parse(body.as_bytes()), Err(Rejection::Malformed), "{body:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_as_a_request_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Request::parse(&bytes);
    }
}
