//! Any bytes as a payload of several messages: however a stream is cut, it gives what the whole gives; parts stand in
//! the payload in their order; the continuation assembler loses no message and keeps its bounds.
#![no_main]

use formats::hl7v2::{Continuations, Message, Split, Splitter, split_batch};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((step, raw)) = input.split_first() else { return };
    let whole = split_batch(raw);
    let found = read(raw, usize::from(*step).max(1), 1 << 20);
    assert_eq!(found.len(), whole.messages.len());
    for (split, part) in found.iter().zip(&whole.messages) {
        assert_eq!((split.number, split.of_batch), (part.number, whole.is_batch));
        assert_eq!(split.bytes.as_deref(), Some(part.bytes.as_ref()));
    }
    if !whole.is_batch {
        assert_eq!(whole.messages.len(), 1);
        assert_eq!(whole.messages[0].bytes, raw);
    }
    // Bytes of a message over the limit are nowhere held.
    for split in read(raw, usize::from(*step).max(1), 64) {
        assert!(split.bytes.is_none_or(|bytes| bytes.len() <= 64));
    }
    assemble(&found);
});

fn read(raw: &[u8], step: usize, limit: usize) -> Vec<Split> {
    let mut splitter = Splitter::new(limit);
    let mut found = Vec::new();
    for piece in raw.chunks(step) {
        splitter.push(piece);
        found.extend(std::iter::from_fn(|| splitter.next()));
        assert!(splitter.held() <= 2 * limit + 512 + 4 * step);
    }
    splitter.finish();
    found.extend(std::iter::from_fn(|| splitter.next()));
    found
}

fn assemble(found: &[Split]) {
    let mut continuations = Continuations::new(3, 1000);
    let mut whole = Vec::new();
    for split in found {
        whole.extend(continuations.push(split.number, split.bytes.clone().unwrap_or_default()));
        assert!(continuations.open() <= 3 && continuations.held() <= 1000);
    }
    whole.extend(continuations.finish());
    assert_eq!(whole.iter().map(|whole| whole.parts).sum::<usize>(), found.len());
    for joined in whole {
        if let Ok(parsed) = Message::parse(&joined.bytes) {
            assert_eq!(parsed.message.write(), joined.bytes);
        }
    }
}
