use proptest::prelude::*;

use super::*;
use crate::entry::Origin;
use crate::log::Log;
use crate::sign::SigningKey;
use crate::store::MemoryStore;

fn sealed(count: usize) -> (Log<MemoryStore>, TrustedKeys) {
    let origin = Origin::parse("hospital.example/ledger").unwrap();
    let mut log = Log::open(MemoryStore::default(), SigningKey::from_secret(&[1; 32]).unwrap(), origin).unwrap();
    let records: Vec<_> = (0..count).map(|index| format!("record {index}")).collect();
    log.append_and_seal(0, &records).unwrap();
    let mut keys = TrustedKeys::none();
    keys.add(log.key().verifier().clone());
    (log, keys)
}

#[test]
fn a_receipt_proves_its_record_offline() {
    let (log, keys) = sealed(300);
    for index in [0, 1, 255, 256, 299] {
        let text = log.receipt(index).unwrap();
        let receipt = Receipt::parse(text.as_bytes()).unwrap();
        assert_eq!(receipt.to_text(), text);
        let verified = receipt.verify(&keys, None).unwrap();
        assert_eq!((verified.index, verified.checkpoint.size()), (index, 300));
        assert_eq!(verified.record, format!("record {index}").into_bytes());
        let refusal = receipt.verify(&keys, Some(b"record 7777")).unwrap_err();
        assert!(refusal.to_string().starts_with(&format!("index {index}:")), "{refusal}");
    }
}

#[test]
fn without_extra_the_record_must_be_given() {
    let (log, keys) = sealed(3);
    let mut receipt = Receipt::parse(log.receipt(1).unwrap().as_bytes()).unwrap();
    receipt.extra = None;
    let receipt = Receipt::parse(receipt.to_text().as_bytes()).unwrap();
    assert!(receipt.verify(&keys, None).unwrap_err().to_string().starts_with("index 1:"));
    assert!(receipt.verify(&keys, Some(b"record 1")).is_ok());
}

#[test]
fn every_flipped_byte_of_a_receipt_is_refused_in_one_line_that_names_it() {
    let (log, keys) = sealed(5);
    let text = log.receipt(3).unwrap().into_bytes();
    for at in 0..text.len() {
        for mask in [1, 2, 0x20, 0x80] {
            let mut other = text.clone();
            other[at] ^= mask;
            let refusal = Receipt::parse(&other).and_then(|receipt| receipt.verify(&keys, None));
            let line = refusal.expect_err(&format!("byte {at}")).to_string();
            assert!(line.starts_with("index ") || line.starts_with("checkpoint"), "{line}");
            assert!(!line.contains('\n'));
        }
        assert!(Receipt::parse(&text[..at]).and_then(|receipt| receipt.verify(&keys, None)).is_err());
    }
}

#[test]
fn an_unreadable_receipt_names_the_index_it_claims() {
    let (log, _) = sealed(5);
    let text = log.receipt(3).unwrap();
    let line = Receipt::parse(text.replace("tlog-proof@v1", "tlog-proof@v2").as_bytes()).unwrap_err().to_string();
    assert!(line.starts_with("index 3:"), "{line}");
    let line = Receipt::parse(text.replace("index 3", "index 03").as_bytes()).unwrap_err().to_string();
    assert!(line.starts_with("index 0:"), "{line}");
}

proptest! {
    #[test]
    fn any_bytes_as_a_receipt_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200), tail in "(index 1|extra AA==|\n|.){0,30}") {
        let _ = Receipt::parse(&bytes);
        let _ = Receipt::parse(format!("{HEADER}\n{tail}").as_bytes());
    }
}
