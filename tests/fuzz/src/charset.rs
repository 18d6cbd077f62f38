//! Any bytes in any character set: decoding never fails, nothing of a message gets lost, and escape sequences, those
//! that call character sets among them, never fail either.
#![no_main]

use formats::hl7v2::{Charset, Delimiters, Message, escape, unescape};
use libfuzzer_sys::fuzz_target;

const LABELS: [&str; 24] = [
    "",
    "ASCII",
    "8859/1",
    "8859/2",
    "8859/5",
    "8859/6",
    "8859/7",
    "8859/8",
    "8859/9",
    "8859/15",
    "ISO IR6",
    "~ISO IR14~ISO IR87",
    "ISO IR87~ISO IR159",
    "ISO IR13~ISO IR87",
    "GB 18030-2000",
    "KS X 1001",
    "BIG-5",
    "UNICODE UTF-8",
    "UNICODE UTF-16",
    "SHIFT_JIS",
    "8859/1~8859/2~8859/5",
    "ASCII~KS X 1001",
    "CNS 11643-1992",
    "JAS2020",
];

fuzz_target!(|input: &[u8]| {
    let Some((label, value)) = input.split_first() else { return };
    let label = LABELS[usize::from(*label) % LABELS.len()];
    let mut raw = format!("MSH|^~\\&|A|||||||C|P|2.5||||||{label}\rZZ1|").into_bytes();
    raw.extend_from_slice(value);
    raw.push(b'\r');
    let message = Message::parse(&raw).expect("it has a header").message;
    assert_eq!(message.write(), raw);
    assert!(message.segments().next().is_some());
    for segment in message.segments() {
        for leaf in segment.leaves() {
            let text = unescape(leaf.raw, message.delimiters(), message.charset());
            let written = message.charset().encode(&text);
            assert!(text.is_empty() || !written.is_empty());
        }
    }
    escapes(value, message.charset());
});

/// What is escaped reads back the same, with any delimiters that are complete; what is not escaped is read somehow.
fn escapes(value: &[u8], charset: Charset) {
    let text = String::from_utf8_lossy(value);
    for delimiters in [
        Delimiters::default(),
        Delimiters { truncation: Some(b'#'), ..Delimiters::default() },
        Delimiters {
            field: b'$',
            component: Some(b'.'),
            repetition: Some(b'%'),
            escape: Some(b'/'),
            subcomponent: Some(b'@'),
            truncation: None,
        },
    ] {
        let escaped = escape(&text, &delimiters);
        assert_eq!(unescape(&escaped, &delimiters, Charset::UTF_8), text);
        // A set of two-byte characters may make one of two; a formatting command 256 blanks of six characters.
        assert!(unescape(&text, &delimiters, charset).len() <= 64 * text.len() + 64);
    }
}
