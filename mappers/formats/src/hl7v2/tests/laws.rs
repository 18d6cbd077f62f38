use proptest::prelude::*;

use super::*;

/// Text that is rich in what the lexer has to tell apart.
fn wire() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"MSH|^~\\&|".to_vec()),
        Just(b"PID|1||".to_vec()),
        Just(b"BHS|^~\\&|".to_vec()),
        Just(b"BTS|1".to_vec()),
        Just(b"FHS|^~\\&".to_vec()),
        Just(b"\rMSH|^~\\&|A|||||||1\r".to_vec()),
        Just(b"\rADD|".to_vec()),
        Just(b"\rDSC|P|F\r".to_vec()),
        Just(b"\\M2442\\".to_vec()),
        Just(b"\x1B$B".to_vec()),
        Just(b"\"\"".to_vec()),
        Just(b"\\X41\\".to_vec()),
        Just(b"\\.br\\".to_vec()),
        Just("ä€".as_bytes().to_vec()),
        Just(b"\xFC\xFF".to_vec()),
        proptest::collection::vec(prop_oneof![Just(b'|'), Just(b'^'), Just(b'~'), Just(b'&'), Just(b'\\')], 0..4),
        proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(0x0B), Just(0x1C), Just(0)], 0..3),
        "[A-Za-z0-9 ]{0,8}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Everything a reader can ask of bytes; nothing may panic.
fn ask_everything(raw: &[u8]) {
    let batch = split_batch(raw);
    for part in &batch.messages {
        let _ = Origin::guess(&part.bytes);
        let Ok(parsed) = Message::parse(&part.bytes) else { continue };
        let message = &parsed.message;
        assert_eq!(message.write(), part.bytes.as_ref());
        for segment in message.segments() {
            for leaf in segment.leaves() {
                let found = message.text().get(leaf.start..).expect("leaf begins in the text");
                assert!(found.starts_with(leaf.raw));
                let _ = leaf.place.to_string();
            }
            for component in segment.fields().flat_map(|f| f.repetitions()).flat_map(|r| r.components()) {
                let _ = (component.place(), component.text(), component.whole_text());
            }
        }
    }
}

/// The fields with their separators are the segment again, so nothing between them can get lost.
fn fields_tile(message: &Message) {
    let separator = char::from(message.delimiters().field).to_string();
    for segment in message.segments() {
        let fields: Vec<_> = segment.fields().map(|field| field.raw()).collect();
        let again = match segment.name() {
            "MSH" | "FHS" | "BHS" if fields.len() < 2 => segment.raw().to_owned(),
            "MSH" | "FHS" | "BHS" => format!("{}{separator}{}", segment.name(), fields[1..].join(&separator)),
            "???" => fields.join(&separator),
            name if fields.is_empty() => name.to_owned(),
            name => format!("{name}{separator}{}", fields.join(&separator)),
        };
        assert_eq!(again, segment.raw());
    }
}

/// The leaves of a field are its text without delimiters.
fn leaves_cover(message: &Message) {
    let d = message.delimiters();
    let delimiters: Vec<char> =
        [d.component, d.repetition, d.subcomponent].into_iter().flatten().map(char::from).collect();
    for segment in message.segments() {
        for field in segment.fields() {
            let leaves: String =
                segment.leaves().filter(|l| l.place.field as usize == field.number()).map(|l| l.raw).collect();
            let literal = matches!(segment.name(), "MSH" | "FHS" | "BHS") && field.number() <= 2;
            let expect = if literal { field.raw().to_owned() } else { field.raw().replace(delimiters.as_slice(), "") };
            assert_eq!(leaves, expect);
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
        ask_everything(&raw);
    }

    #[test]
    fn no_wire_like_bytes_make_it_panic(raw in wire()) {
        ask_everything(&raw);
        ask_everything(&[b"MSH|^~\\&|A\r".as_slice(), &raw].concat());
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_messages(raw in wire(), wide in 0..5usize, step in 1usize..40) {
        let text = String::from_utf8_lossy(&raw).into_owned();
        let raw: Vec<u8> = match wide {
            0 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            1 => text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
            _ => raw,
        };
        super::streams::check_as_whole(&raw, step);
    }

    #[test]
    fn parts_stand_in_the_payload_in_their_order(raw in wire()) {
        let batch = split_batch(&raw);
        let mut rest = raw.as_slice();
        for part in &batch.messages {
            prop_assert!(!batch.is_batch || part.bytes.starts_with(b"MSH") || crate::hl7v2::charset::is_wide(&raw));
            if !crate::hl7v2::charset::is_wide(crate::hl7v2::message::unframe(&raw)) {
                let at = memchr::memmem::find(rest, &part.bytes);
                prop_assert!(at.is_some());
                let end = at.unwrap_or_default().saturating_add(part.bytes.len());
                rest = rest.get(end..).unwrap_or_default();
            }
        }
        prop_assert!(batch.is_batch || batch.messages.len() == 1 && batch.messages[0].bytes == raw);
    }

    #[test]
    fn continuations_keep_every_message(parts in proptest::collection::vec(wire(), 0..6)) {
        let mut continuations = Continuations::new(3, 2000);
        let mut whole = Vec::new();
        for (number, part) in (1..).zip(&parts) {
            whole.extend(continuations.push(number, part.clone()));
            prop_assert!(continuations.open() <= 3 && continuations.held() <= 2000);
        }
        whole.extend(continuations.finish());
        prop_assert_eq!(whole.iter().map(|whole| whole.parts).sum::<usize>(), parts.len());
    }

    #[test]
    fn fields_and_leaves_hold_the_whole_message(raw in wire()) {
        let raw = [b"MSH|^~\\&|A\r".as_slice(), &raw].concat();
        let message = Message::parse(&raw).expect("it has a header").message;
        fields_tile(&message);
        leaves_cover(&message);
    }

    #[test]
    fn unescape_takes_back_escape(text in any::<String>()) {
        let d = Delimiters { truncation: Some(b'#'), ..Delimiters::default() };
        let escaped = escape(&text, &d);
        prop_assert_eq!(unescape(&escaped, &d, Charset::UTF_8), text.as_str());
    }

    #[test]
    fn escaped_text_holds_no_delimiter(text in any::<String>()) {
        let d = Delimiters::default();
        let escaped = escape(&text, &d).into_owned();
        prop_assert!(!escaped.contains(['|', '^', '~', '&', '\r', '\n']));
    }

    #[test]
    fn what_is_built_reads_back(values in proptest::collection::btree_map((3u16..9, 1u16..4, 1u16..4, 1u16..4), "[ -~äß€\n]{1,6}", 0..12)) {
        let mut out = MessageBuilder::new(Delimiters::default());
        out.segment("MSH");
        let segment = out.segment("ZZ1");
        for ((f, r, c, s), text) in &values {
            segment.set(*f, *r, *c, *s, text);
        }
        let message = Message::parse(&out.to_bytes()).expect("a readable message").message;
        for ((f, r, c, s), text) in &values {
            let field = message.segment("ZZ1").expect("ZZ1").field(usize::from(*f));
            let found = field.repetition(usize::from(*r)).component(usize::from(*c)).subcomponent(usize::from(*s)).text().into_owned();
            // The null value is the one text that cannot be sent as text.
            prop_assert_eq!(&found, if text == "\"\"" { "" } else { text });
        }
        prop_assert_eq!(message.segment("ZZ1").map_or(0, |z| z.leaves().count()), values.len());
    }
}
