use proptest::prelude::*;

use super::*;

const LIMIT: usize = 100;

/// Feeds `stream` in pieces of `step` bytes and collects all that comes out.
fn decode(stream: &[u8], step: usize) -> Vec<Result<Frame, MllpError>> {
    let mut decoder = Decoder::new(LIMIT);
    let mut out = Vec::new();
    for packet in stream.chunks(step) {
        decoder.push(packet);
        out.extend(std::iter::from_fn(|| decoder.next()));
    }
    out
}

#[track_caller]
fn check(stream: &[u8], expect: &[Result<Frame, MllpError>]) {
    for step in [1, 2, 3, 7, 1000] {
        assert_eq!(decode(stream, step), expect, "in packets of {step}");
    }
}

fn frame(text: &str) -> Result<Frame, MllpError> {
    Ok(text.as_bytes().to_vec())
}

#[test]
fn finds_several_frames_however_they_are_cut() {
    check(b"\x0bMSH|1\r\x1c\r\x0bMSH|2\r\x1c\r", &[frame("MSH|1\r"), frame("MSH|2\r")]);
    check(b"\x0b\x1c\r", &[frame("")]);
}

#[test]
fn passes_over_line_ends_and_reports_noise_between_frames() {
    check(b"\r\n\x0bA\x1c\r\r\n\x0bB\x1c\r", &[frame("A"), frame("B")]);
    check(b"hello\x0bA\x1c\r", &[Err(MllpError::Garbage { bytes: 5 }), frame("A")]);
}

#[test]
fn reports_endless_noise_without_waiting_for_a_frame() {
    let mut decoder = Decoder::new(LIMIT);
    decoder.push(&[b'x'; 5000]);
    assert_eq!(decoder.next(), Some(Err(MllpError::Garbage { bytes: 5000 })));
    assert!(!decoder.in_frame());
}

#[test]
fn keeps_a_file_separator_that_ends_nothing() {
    check(b"\x0bA\x1cB\x1c\x1c\r", &[frame("A\x1cB\x1c")]);
}

#[test]
fn takes_the_next_start_for_a_missing_return() {
    check(b"\x0bA\x1c\x0bB\x1c\r", &[frame("A"), frame("B")]);
}

#[test]
fn reports_a_frame_cut_off_by_the_next() {
    check(b"\x0bMSH|1\rPI\x0bMSH|2\r\x1c\r", &[Err(MllpError::Truncated { bytes: 8 }), frame("MSH|2\r")]);
    check(b"\x0bMSH|1\rNTE|a\x0bb\r\x1c\r", &[frame("MSH|1\rNTE|a\x0bb\r")]);
}

#[test]
fn refuses_a_frame_over_the_limit_once_and_goes_on() {
    let mut stream = encode(&[b'x'; LIMIT + 1]);
    stream.extend_from_slice(&encode(&[b'y'; LIMIT]));
    check(&stream, &[Err(MllpError::TooLong { limit: LIMIT }), Ok(vec![b'y'; LIMIT])]);
}

#[test]
fn finds_the_next_start_inside_of_a_frame_over_the_limit() {
    let mut stream = b"\x0b\x0b".to_vec();
    stream.extend_from_slice(&[b'x'; LIMIT - 3]);
    stream.extend_from_slice(b"\x0bMSH|1\r\x1c\r");
    check(&stream, &[Err(MllpError::Truncated { bytes: LIMIT - 2 }), frame("MSH|1\r")]);
    stream.splice(2..2, [b'x'; LIMIT]);
    check(&stream, &[Err(MllpError::TooLong { limit: LIMIT }), frame("MSH|1\r")]);
}

#[test]
fn knows_that_half_a_frame_is_waiting() {
    let mut decoder = Decoder::new(LIMIT);
    assert!(!decoder.in_frame());
    decoder.push(b"\x0bMSH|");
    assert!(decoder.in_frame());
    assert_eq!(decoder.next(), None);
    decoder.push(b"\x1c");
    assert!(decoder.in_frame());
    decoder.push(b"\r");
    assert!(!decoder.in_frame());
}

proptest! {
    #[test]
    fn decodes_what_it_encodes(payloads in proptest::collection::vec("[ -~\r]{0,40}", 0..5), step in 1usize..50) {
        let stream: Vec<u8> = payloads.iter().flat_map(|p| encode(p.as_bytes())).collect();
        let expect: Vec<_> = payloads.iter().map(|p| frame(p)).collect();
        prop_assert_eq!(decode(&stream, step), expect);
    }

    #[test]
    fn packets_make_no_difference(stream in proptest::collection::vec(prop_oneof![Just(0x0B), Just(0x1C), Just(0x0D), Just(b'M'), Just(b'S'), Just(b'H'), any::<u8>()], 0..300), step in 1usize..20) {
        prop_assert_eq!(decode(&stream, step), decode(&stream, 1000));
    }
}
