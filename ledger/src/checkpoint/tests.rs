use super::*;

const ORIGIN: &str = "hospital.example/ledger";

fn log_key(origin: &str, secret: u8) -> LogKey {
    LogKey::new(Origin::parse(origin).unwrap(), SigningKey::from_secret(&[secret; 32]).unwrap()).unwrap()
}

fn trusting(key: &LogKey) -> TrustedKeys {
    let mut keys = TrustedKeys::none();
    keys.add_file(&key.verifier().to_string()).unwrap();
    keys
}

fn note() -> String {
    log_key(ORIGIN, 1).sign(7, Hash::leaf(b"root")).note().to_owned()
}

#[test]
fn a_signed_checkpoint_verifies_with_its_key_in_either_form() {
    let key = log_key(ORIGIN, 1);
    let signed = trusting(&key).verify(note().as_bytes()).unwrap();
    assert_eq!((signed.size(), signed.root(), signed.checkpoint().origin.as_str()), (7, Hash::leaf(b"root"), ORIGIN));
    let mut plain = TrustedKeys::none();
    plain.add_file(&key.public().to_pem().unwrap()).unwrap();
    assert_eq!(plain.verify(note().as_bytes()).unwrap(), signed);
    assert_eq!(key.sign(7, Hash::leaf(b"root")), signed);
}

#[test]
fn without_the_logs_key_nothing_verifies() {
    assert!(TrustedKeys::none().verify(note().as_bytes()).is_err());
    assert!(trusting(&log_key(ORIGIN, 2)).verify(note().as_bytes()).is_err());
    assert!(trusting(&log_key("other.example", 1)).verify(note().as_bytes()).is_err());
}

#[test]
fn one_trusted_log_cannot_speak_for_another() {
    let other = log_key("other.example", 3);
    let text = format!("{ORIGIN}\n7\n{}\n", Hash::leaf(b"root").to_base64());
    let signature = SigningKey::from_secret(&[3; 32]).unwrap().sign(text.as_bytes());
    let line = note::signature_line(other.verifier().name(), other.verifier().id(), &signature);
    assert!(trusting(&other).verify(format!("{text}\n{line}").as_bytes()).is_err());
}

#[test]
fn lines_of_unknown_keys_are_ignored_and_wrong_lines_of_known_keys_are_not() {
    let keys = trusting(&log_key(ORIGIN, 1));
    let unknown = note::signature_line("witness.example", [1, 2, 3, 4], &[0; 80]);
    let post_quantum = note::signature_line(ORIGIN, [9, 9, 9, 9], &[0; 5000]);
    assert!(keys.verify(format!("{}{unknown}{post_quantum}", note()).as_bytes()).is_ok());
    let wrong = note::signature_line(ORIGIN, log_key(ORIGIN, 1).verifier().id(), b"no signature");
    assert!(keys.verify(format!("{}{wrong}", note()).as_bytes()).is_err());
}

#[test]
fn a_witness_alone_does_not_make_a_checkpoint() {
    let signing = SigningKey::from_secret(&[8; 32]).unwrap();
    let witness = VerifierKey::new(ORIGIN, Algorithm::EcdsaCosignature(signing.public())).unwrap();
    let text = format!("{ORIGIN}\n7\n{}\n", Hash::leaf(b"root").to_base64());
    let signature = signing.sign(note::cosigned_message(5, &text).as_bytes());
    let line = note::signature_line(ORIGIN, witness.id(), &[5_u64.to_be_bytes().to_vec(), signature].concat());
    let mut keys = TrustedKeys::none();
    keys.add(witness.clone());
    assert!(keys.verify(format!("{text}\n{line}").as_bytes()).is_err());
    keys.add(log_key(ORIGIN, 1).verifier().clone());
    let both = keys.verify(format!("{}{line}", note()).as_bytes()).unwrap();
    assert_eq!(both.signers().iter().map(|signer| signer.cosigned_at).collect::<Vec<_>>(), [None, Some(5)]);
}

#[test]
fn every_flipped_byte_of_a_checkpoint_is_refused() {
    let keys = trusting(&log_key(ORIGIN, 1));
    let note = note().into_bytes();
    for at in 0..note.len() {
        for mask in [1, 0x20, 0x80] {
            let mut other = note.clone();
            other[at] ^= mask;
            let refusal = keys.verify(&other).expect_err(&format!("byte {at}"));
            assert!(refusal.to_string().starts_with("checkpoint"), "{refusal}");
        }
        assert!(keys.verify(&note[..at]).is_err());
    }
}

#[test]
fn only_three_or_more_full_lines_are_a_checkpoint() {
    let root = Hash::empty_root().to_base64();
    assert!(Checkpoint::parse(&format!("o\n0\n{root}\n")).is_ok());
    let extended = Checkpoint::parse(&format!("o\n0\n{root}\nmore\n")).unwrap();
    assert_eq!(extended.extensions, ["more"]);
    assert_eq!(extended.to_text(), format!("o\n0\n{root}\nmore\n"));
    for text in [
        format!("o\n0\n{root}"),
        format!("\n0\n{root}\n"),
        format!("o\n00\n{root}\n"),
        format!("o\n+1\n{root}\n"),
        format!("o\n18446744073709551616\n{root}\n"),
        format!("o\n0\n{root}\n\nmore\n"),
        "o\n0\nAAAA\n".to_owned(),
        "o\n0\n".to_owned(),
    ] {
        assert!(Checkpoint::parse(&text).is_err(), "{text:?}");
    }
}

#[test]
fn key_files_hold_pem_or_verifier_keys() {
    let mut keys = TrustedKeys::none();
    assert!(keys.add_file("").is_err());
    assert!(keys.add_file("# only a comment\n").is_err());
    assert!(keys.add_file("no key").is_err());
    let both = format!("# two logs\n{}\n\n{}\n", log_key("a", 1).verifier(), log_key("b", 2).verifier());
    assert!(keys.add_file(&both).is_ok());
    assert!(keys.add_file(&SigningKey::from_secret(&[1; 32]).unwrap().to_pem().unwrap()).is_err());
}
