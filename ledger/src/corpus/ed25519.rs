//! The vectors whose logs and witnesses sign with Ed25519.

use super::*;
use crate::fsck;
use crate::note::Note;
use crate::receipt::Receipt;
use crate::store::{CHECKPOINT, DirectoryReader, Source};
use crate::witness::{Request, Witnessed};

fn vkey_of(file: PathBuf) -> TrustedKeys {
    let mut keys = TrustedKeys::none();
    keys.add_file(&std::fs::read_to_string(file).unwrap()).unwrap();
    keys
}

#[test]
fn the_published_small_log_verifies_at_every_size() {
    let Some(corpus) = corpus("the_published_small_log_verifies_at_every_size") else { return };
    let log = corpus.join("tlog-tiles/small-log");
    let keys = vkey_of(log.join("vkey"));
    let reader = DirectoryReader::new(&log);
    for size in 0..=8 {
        let note = std::fs::read(log.join(format!("checkpoint.{size}"))).unwrap();
        let fetch = |path: &str| if path == CHECKPOINT { Ok(Some(note.clone())) } else { reader.read(path) };
        let verified = fsck::verify(fetch, &keys, |_, _| ());
        assert_eq!(verified.unwrap_or_else(|error| panic!("size {size}: {error}")).size(), size);
    }
}

#[test]
fn published_receipts_verify_with_their_record_and_with_no_other() {
    let Some(corpus) = corpus("published_receipts_verify_with_their_record_and_with_no_other") else { return };
    let keys = vkey_of(corpus.join("tlog-tiles/small-log/vkey"));
    let bundle = std::fs::read(corpus.join("tlog-tiles/small-log/tile/entries/000.p/8")).unwrap();
    let entries: Vec<_> = tile::Entries::of(&bundle).collect();
    let mut count = 0;
    for file in std::fs::read_dir(corpus.join("tlog-proof")).unwrap() {
        let file = std::fs::read(file.unwrap().path()).unwrap();
        let receipt = Receipt::parse(&file).unwrap();
        assert_eq!(receipt.to_text().as_bytes(), file);
        for (entry, index) in entries.iter().zip(0..) {
            assert_eq!(receipt.verify(&keys, Some(entry)).is_ok(), index == receipt.index);
        }
        count += 1;
    }
    assert_eq!(count, 21);
}

#[test]
fn the_signed_note_example_verifies() {
    let Some(corpus) = corpus("the_signed_note_example_verifies") else { return };
    let bytes = std::fs::read(corpus.join("signed-note/spec-example.note")).unwrap();
    let vkey = std::fs::read_to_string(corpus.join("signed-note/spec-example.vkey")).unwrap();
    let key = VerifierKey::parse(&vkey).unwrap();
    assert_eq!(key.to_string(), vkey.trim_end());
    let note = Note::parse(&bytes).unwrap();
    assert_eq!(note.text, "This is an example message.\n");
    let line = &note.signatures[0];
    assert!(key.made(line) && key.verifies(note.text, &line.bytes));
    assert!(!key.verifies("This is another message.\n", &line.bytes));
}

#[derive(Deserialize)]
struct WitnessSet {
    log_vkey: String,
    witness_vkey: String,
    witness_seed_hex: String,
    in_order: Vec<WitnessCase>,
}

#[derive(Deserialize)]
struct WitnessCase {
    case: String,
    request: String,
    status: u16,
    time: Option<u64>,
    response: Option<String>,
}

#[test]
fn witness_requests_get_the_specified_answers() {
    let Some(corpus) = corpus("witness_requests_get_the_specified_answers") else { return };
    let set: WitnessSet = json(corpus.join("witness/add-checkpoint.json"));
    let logs = [VerifierKey::parse(&set.log_vkey).unwrap()];
    let witness = VerifierKey::parse(&set.witness_vkey).unwrap();
    let seed: [u8; 32] = text::unhex(&set.witness_seed_hex).unwrap();
    let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let mut last = Witnessed::default();
    for case in &set.in_order {
        let decided = Request::parse(case.request.as_bytes()).and_then(|request| request.decide(&logs, last));
        let (status, body) = match decided {
            Ok(accepted) => {
                last = accepted.to_store();
                let time = case.time.unwrap();
                let signature = pair.sign(accepted.message(time).as_bytes());
                let bytes = [time.to_be_bytes().as_slice(), signature.as_ref()].concat();
                let line = crate::note::signature_line(witness.name(), witness.id(), &bytes);
                let (_, note) = case.request.split_once("\n\n").unwrap();
                let mut keys = TrustedKeys::none();
                keys.add(logs[0].clone());
                keys.add(witness.clone());
                let cosigned = keys.verify(format!("{note}{line}").as_bytes()).unwrap();
                assert_eq!(cosigned.signers()[1].cosigned_at, case.time);
                (200, Some(line))
            }
            Err(rejection) => (rejection.status(), rejection.body().map(|(body, _)| body)),
        };
        assert_eq!(status, case.status, "{}", case.case);
        if case.response.is_some() {
            assert_eq!(body, case.response, "{}", case.case);
        }
    }
    assert_eq!(set.in_order.len(), 9);
}
