//! Any bytes as HL7 v2: no panic, nothing lost, and what is built from the pieces reads back the same.
#![no_main]

use formats::hl7v2::{
    AckCode, AckError, Acknowledgement, Message, MessageBuilder, Origin, Severity, ack, escape, split_batch, unescape,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let batch = split_batch(raw);
    for part in &batch.messages {
        answer(&part.bytes);
        let Ok(parsed) = Message::parse(&part.bytes) else { continue };
        assert_eq!(parsed.message.write(), part.bytes.as_ref());
        read(&parsed.message);
        rebuild(&parsed.message);
    }
});

/// Every piece lies in the text where it says, and the fields tile the segment.
fn read(message: &Message) {
    let mut segments = 0;
    for segment in message.segments() {
        segments += segment.raw().len();
        let fields: usize = segment.fields().map(|field| field.raw().len()).sum();
        assert!(fields <= segment.raw().len());
        for leaf in segment.leaves() {
            let text = message.text().get(leaf.start..).expect("a leaf begins in the text");
            assert!(text.starts_with(leaf.raw));
            let _ = leaf.place.to_string();
        }
        for field in segment.fields() {
            let _ = (field.text(), field.whole_text());
            for component in field.repetitions().flat_map(|repetition| repetition.components()) {
                let text = component.whole_text();
                if message.delimiters().escape.is_some() {
                    let escaped = escape(&text, message.delimiters());
                    let back = unescape(&escaped, message.delimiters(), message.charset());
                    assert_eq!(back, text);
                }
            }
        }
    }
    assert!(segments <= message.text().len());
}

/// The leaves written at their places are the same leaves again.
fn rebuild(message: &Message) {
    let d = *message.delimiters();
    if [d.component, d.repetition, d.subcomponent, d.escape].contains(&None) {
        return;
    }
    let number = |n: Option<u32>| u16::try_from(n.unwrap_or(1)).ok().filter(|n| *n < 500);
    for segment in message.segments().filter(|s| s.name() != "???" && s.name() != "MSH" && s.position() > 0) {
        let mut out = MessageBuilder::new(d);
        out.segment("MSH");
        let target = out.segment("ZZ1");
        let mut expect = Vec::new();
        for leaf in segment.leaves() {
            let place = leaf.place;
            let (Some(f), Some(r), Some(c), Some(s)) = (
                number(Some(place.field)),
                number(place.repetition),
                number(place.component),
                number(place.subcomponent),
            ) else {
                return;
            };
            let text = leaf.raw.to_owned();
            target.set(f, r, c, s, &text);
            expect.push(text);
        }
        let again = Message::parse(&out.to_bytes()).expect("what is built reads back").message;
        let built = again.segment("ZZ1").expect("the segment is there");
        let found: Vec<_> =
            built.leaves().map(|leaf| unescape(leaf.raw, &d, again.charset()).into_owned()).collect();
        assert_eq!(found, expect);
    }
}

/// Whatever came, the sender gets an answer that it can read.
fn answer(raw: &[u8]) {
    let error = AckError {
        code: None,
        at: Some("PID-3[2].1".to_owned()),
        condition: 101,
        severity: Severity::Error,
        text: "expected a value".to_owned(),
    };
    let acknowledgement = Acknowledgement {
        code: AckCode::ApplicationError,
        control_id: "1",
        time: "20240101000000",
        text: "",
        errors: &[error],
    };
    let bytes = ack(&Origin::guess(raw), &acknowledgement);
    let answer = Message::parse(&bytes).expect("an acknowledgement reads back").message;
    assert!(answer.segment("MSA").is_some());
}
