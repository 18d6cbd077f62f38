//! Any stream as MLLP: no panic, and how it is cut into packets makes no difference.
#![no_main]

use formats::mllp::{Decoder, Frame, MllpError, encode};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 64;

fuzz_target!(|input: &[u8]| {
    let Some((step, stream)) = input.split_first() else { return };
    let whole = decode(stream, stream.len().max(1));
    assert_eq!(decode(stream, usize::from(*step).max(1)), whole);
    for frame in whole.into_iter().flatten() {
        assert!(frame.len() <= LIMIT);
        // A frame may hold a 0x1C that ends nothing; framing it again must give it back.
        assert_eq!(decode(&encode(&frame), 3).pop(), Some(Ok(frame)));
    }
});

fn decode(stream: &[u8], step: usize) -> Vec<Result<Frame, MllpError>> {
    let mut decoder = Decoder::new(LIMIT);
    let mut out = Vec::new();
    for packet in stream.chunks(step) {
        decoder.push(packet);
        out.extend(std::iter::from_fn(|| decoder.next()));
    }
    out
}
