use proptest::prelude::*;

use super::*;
use crate::sign::SigningKey;

fn key(name: &str) -> (SigningKey, VerifierKey) {
    let signing = SigningKey::from_secret(&[9; 32]).unwrap();
    let verifier = VerifierKey::new(name, Algorithm::Ecdsa(signing.public())).unwrap();
    (signing, verifier)
}

#[test]
fn a_note_is_text_an_empty_line_and_signature_lines() {
    let line = signature_line("a.example", [1, 2, 3, 4], b"sig");
    let text = "one\n\nstill the text\n";
    let bytes = format!("{text}\n{line}{line}");
    let note = Note::parse(bytes.as_bytes()).unwrap();
    assert_eq!(note.text, text);
    assert_eq!(note.signatures.len(), 2);
    assert_eq!(note.signatures[0], Signature { name: "a.example", id: [1, 2, 3, 4], bytes: b"sig".to_vec() });
}

#[test]
fn other_forms_are_no_note() {
    let line = signature_line("a", [0; 4], b"s");
    let cases = [
        String::new(),
        "text\n".to_owned(),
        "text\n\n".to_owned(),
        format!("text\n{line}"),
        format!("text\n\n{}", line.trim_end()),
        format!("te\txt\n\n{line}"),
        format!("text\r\n\n{line}"),
        format!("text\n\n{}", line.replace('—', "-")),
        format!("text\n\n{}", line.replace("— a", "— a+b")),
        format!("text\n\n{}", line.replace("— a", "— ")),
        format!("text\n\n{}", line.replace('=', "")),
        format!("text\n\n{line}no signature\n"),
        format!("text\n\n{}", line.repeat(65)),
        format!("text\n\n{}", signature_line("a", [0; 4], b"")),
    ];
    for case in cases {
        assert!(Note::parse(case.as_bytes()).is_err(), "{case:?}");
    }
    assert!(Note::parse(format!("text\n\n{}", line.repeat(64)).as_bytes()).is_ok());
    assert!(Note::parse(b"\xff\n\n").is_err());
    assert!(Note::parse(format!("{}\n\n{line}", "x".repeat(1 << 20)).as_bytes()).is_err());
}

#[test]
fn verifier_keys_are_read_as_written_and_only_with_their_own_id() {
    let (_, ours) = key("hospital.example/ledger");
    let text = ours.to_string();
    assert_eq!(VerifierKey::parse(&text).unwrap(), ours);
    assert_eq!(VerifierKey::parse(&format!("{text}\n")).unwrap(), ours);
    assert!(VerifierKey::parse(&text.replacen("hospital", "hospitaI", 1)).is_err());
    assert!(VerifierKey::parse("").is_err());
    assert!(VerifierKey::parse("a+00000000+AQ==").is_err());
    let ed25519 = VerifierKey::new("w", Algorithm::Ed25519Cosignature([5; 32])).unwrap();
    assert_eq!(VerifierKey::parse(&ed25519.to_string()).unwrap(), ed25519);
    assert!(VerifierKey::new("a b", Algorithm::Ed25519([5; 32])).is_err());
}

#[test]
fn the_key_id_is_the_hash_of_name_type_long_id_and_point() {
    let (signing, verifier) = key("log.example");
    let mut input = b"log.example\n\xffecdsa-secp256k1-sha256".to_vec();
    input.extend(signing.public().to_sec1());
    assert_eq!(verifier.id(), crate::tree::Hash::of(&input).as_bytes()[..4]);
    let cosigner = VerifierKey::new("log.example", Algorithm::EcdsaCosignature(signing.public())).unwrap();
    assert_ne!(cosigner.id(), verifier.id());
}

#[test]
fn a_cosignature_covers_its_time() {
    let signing = SigningKey::from_secret(&[9; 32]).unwrap();
    let verifier = VerifierKey::new("w.example", Algorithm::EcdsaCosignature(signing.public())).unwrap();
    let text = "log.example\n0\nroot\n";
    let bytes = |time: u64, signed: u64| {
        [time.to_be_bytes().to_vec(), signing.sign(cosigned_message(signed, text).as_bytes())].concat()
    };
    assert!(verifier.verifies(text, &bytes(17, 17)));
    assert!(!verifier.verifies(text, &bytes(18, 17)));
    assert!(!verifier.verifies("log.example\n1\nroot\n", &bytes(17, 17)));
    assert!(!verifier.verifies(text, &bytes(1 << 63, 1 << 63)));
    assert!(!verifier.verifies(text, &[0; 7]));
}

proptest! {
    #[test]
    fn any_bytes_as_a_note_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "(— a AA==|\n|.){0,40}") {
        let _ = Note::parse(&bytes);
        let _ = Note::parse(text.as_bytes());
        let _ = VerifierKey::parse(&text);
    }
}
