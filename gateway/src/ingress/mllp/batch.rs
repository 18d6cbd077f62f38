//! A batch answered by a batch. HL7 v2.8.2 chapter 2, "Acknowledging batches": BHS, an acknowledgement for each message
//! with its own MSH and MSA, BTS.

use model::time::Instant;

use super::answer::{Answer, time};

/// What the answer takes from BHS, or from FHS where there is none.
pub(super) struct BatchHeader {
    separator: u8,
    /// BHS-2 to BHS-6 and BHS-11, raw.
    fields: [Vec<u8>; 6],
}

/// The first batch header of a payload; `None` where several messages came without one.
pub(super) fn header(payload: &[u8]) -> Option<BatchHeader> {
    let lines = || payload.split(|byte| matches!(byte, b'\r' | b'\n')).map(<[u8]>::trim_ascii_start);
    let named = |name: &'static [u8]| lines().find(move |line| line.starts_with(name));
    let line = named(b"BHS").or_else(|| named(b"FHS"))?;
    let separator = line.get(3).copied().filter(u8::is_ascii_punctuation)?;
    let fields: Vec<&[u8]> = line.split(|byte| *byte == separator).collect();
    // BHS-1 is the separator itself: BHS-n stands at n - 1.
    let field = |number: usize| fields.get(number - 1).copied().unwrap_or_default().to_vec();
    Some(BatchHeader { separator, fields: [2, 3, 4, 5, 6, 11].map(field) })
}

/// The batch of answers, in order.
pub(super) fn answer(header: &BatchHeader, answers: &[Answer], now: Instant) -> Vec<u8> {
    let [delimiters, application, facility, our_application, our_facility, control_id] = &header.fields;
    let (at, own, count) = (time(now), format!("B{}", now.millis()), answers.len().to_string());
    let none: &[u8] = b"";
    let first: [&[u8]; 12] = [
        b"BHS",
        delimiters,
        our_application,
        our_facility,
        application,
        facility,
        at.as_bytes(),
        none,
        none,
        none,
        own.as_bytes(),
        control_id,
    ];
    let mut out = first.join(&header.separator);
    out.push(b'\r');
    for answer in answers {
        out.extend_from_slice(&answer.bytes);
    }
    out.extend_from_slice(b"BTS");
    out.push(header.separator);
    out.extend_from_slice(count.as_bytes());
    out.push(b'\r');
    out
}
