use super::*;

/// `SEG-F.C` style look-up of a text, on the first segment of that name.
#[track_caller]
fn check(text: &str, segment: &str, field: usize, component: usize, expect: &str) {
    let message = parse(text);
    let found = message.segment(segment).expect("the segment").field(field).component(component).text().into_owned();
    assert_eq!(found, expect);
}

#[track_caller]
fn check_leaves(text: &str, segment: &str, expect: &[(&str, &str)]) {
    let message = parse(text);
    let segment = message.segment(segment).expect("the segment");
    let found: Vec<_> = segment.leaves().map(|leaf| (leaf.place.to_string(), leaf.raw)).collect();
    let expect: Vec<_> = expect.iter().map(|(at, raw)| ((*at).to_owned(), *raw)).collect();
    assert_eq!(found, expect);
}

#[test]
fn numbers_the_fields_of_msh_as_the_standard_does() {
    let message = parse(ADT);
    let msh = message.segment("MSH").unwrap();
    assert_eq!(msh.field(1).raw(), "|");
    assert_eq!(msh.field(2).raw(), "^~\\&");
    assert_eq!(msh.field(2).text(), "^~\\&");
    assert_eq!(msh.field(3).raw(), "LAB");
    assert_eq!(msh.field_count(), 12);
    assert_eq!(message.message_code(), "ADT");
    assert_eq!(message.trigger(), "A01");
    assert_eq!(message.structure(), "ADT_A01");
    assert_eq!(message.control_id(), "C1");
    assert_eq!(message.version(), "2.5.1");
    assert_eq!(message.sending_application(), "LAB");
    assert_eq!(message.receiving_facility(), "SOUTH");
}

#[test]
fn finds_repetitions_components_and_subcomponents() {
    let message = parse(ADT);
    let ids: Vec<_> = message.segment("PID").unwrap().field(3).repetitions().collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0].component(4).subcomponent(2).text(), "1.2.3");
    assert_eq!(ids[1].component(1).text(), "0815");
    assert_eq!(ids[1].place().to_string(), "PID-3[2]");
    assert_eq!(ids[0].component(4).subcomponent(2).place().to_string(), "PID-3[1].4.2");
}

#[test]
fn answers_empty_beyond_the_end() {
    let message = parse(ADT);
    let pid = message.segment("PID").unwrap();
    assert!(pid.field(99).is_empty());
    assert!(pid.field(0).is_empty());
    assert!(pid.field(3).repetition(9).is_empty());
    assert_eq!(pid.field(3).repetition(1).component(77).text(), "");
    assert_eq!(pid.field(99).repetitions().count(), 0);
}

#[test]
fn tells_null_from_empty() {
    let message = parse(ADT);
    let second = message.segments().nth(3).unwrap();
    assert!(second.field(5).is_null());
    assert!(!second.field(5).is_empty());
    assert_eq!(second.field(5).text(), "");
    assert!(!second.field(4).is_null());
    assert!(second.field(4).is_empty());
}

#[test]
fn names_every_non_empty_piece_once() {
    check_leaves(
        ADT,
        "PID",
        &[
            ("PID-1", "1"),
            ("PID-3[1].1", "4711"),
            ("PID-3[1].4.1", "NORTH"),
            ("PID-3[1].4.2", "1.2.3"),
            ("PID-3[1].4.3", "ISO"),
            ("PID-3[1].5", "MR"),
            ("PID-3[2].1", "0815"),
            ("PID-3[2].4", "SOUTH"),
            ("PID-5.1.1", "Muster"),
            ("PID-5.1.2", "von"),
            ("PID-5.2", "Erika"),
            ("PID-7", "19800102"),
            ("PID-8", "F"),
            ("PID-11.1", "Weg 1"),
            ("PID-11.3", "Ort"),
        ],
    );
    check_leaves(ADT, "OBX", &[("OBX[1]-1", "1"), ("OBX[1]-2", "NM"), ("OBX[1]-3", "a"), ("OBX[1]-5", "1.50")]);
}

#[test]
fn counts_segments_of_a_name_only_where_there_are_several() {
    let message = parse(ADT);
    let places: Vec<_> = message.segments().map(|s| s.place().to_string()).collect();
    assert_eq!(places, ["MSH", "PID", "OBX[1]", "OBX[2]"]);
}

#[test]
fn takes_any_delimiters_the_sender_names() {
    let text = "MSH$*%/@$A*B$F$$$$$ADT*A01$1$P$2.5\rPID$1$$x*y@z%q/S/r\r";
    check(text, "MSH", 3, 2, "B");
    check(text, "PID", 3, 1, "x");
    let message = parse(text);
    let second = message.segment("PID").unwrap().field(3).repetition(2);
    assert_eq!(second.text(), "q*r");
}

#[test]
fn knows_the_truncation_character() {
    let message = parse("MSH|^~\\&#|A\rPID|1||x\\P\\#\r");
    assert_eq!(message.delimiters().truncation, Some(b'#'));
    assert_eq!(message.segment("PID").unwrap().field(3).text(), "x##");
}

#[test]
fn takes_left_out_delimiters_as_not_in_use() {
    let raw = b"MSH|^|A\rPID|1||a^b~c&d\\e\r";
    assert_eq!(issues(raw), ["delimiters-incomplete"]);
    let message = Message::parse(raw).unwrap().message;
    assert_eq!(message.segment("PID").unwrap().field(3).component(2).text(), "b~c&d\\e");
}

#[test]
fn reads_a_missing_escape_character_as_meant() {
    let raw = b"MSH|^~&|A\rPID|1||a&b^c\\T\\\r";
    assert_eq!(issues(raw), ["delimiters-incomplete"]);
    let message = Message::parse(raw).unwrap().message;
    let component = message.segment("PID").unwrap().field(3).component(1);
    assert_eq!(component.subcomponent(2).text(), "b");
    assert_eq!(message.segment("PID").unwrap().field(3).component(2).text(), "c\\T\\");
}

#[test]
fn reads_a_doubled_escape_character_as_meant() {
    let raw = b"MSH|^~\\\\&|A\rPID|1||a&b\r";
    assert_eq!(issues(raw), ["delimiters-doubled"]);
    let message = Message::parse(raw).unwrap().message;
    assert_eq!(message.segment("PID").unwrap().field(3).component(1).subcomponent(2).text(), "b");
}

#[track_caller]
fn check_refused(raw: &[u8], expect: &str) {
    let error = Message::parse(raw).expect_err("a refusal");
    assert_eq!(error.to_string(), expect);
}

#[test]
fn refuses_what_is_no_message_with_the_reason() {
    check_refused(b"", "expected an HL7 v2 message, found no content");
    check_refused(b"\x0b\r\n\x1c\r", "expected an HL7 v2 message, found no content");
    check_refused(b"\0\0\0", "expected an HL7 v2 message, found no content");
    check_refused(b"PID|1|x\r", "expected a segment MSH, found none");
    check_refused(b"This is no MSH at all", "expected a segment MSH, found none");
    check_refused(b"{\"resourceType\":\"Patient\"}", "expected a segment MSH, found none");
    check_refused(b"MSH", "MSH-1: expected a field separator after MSH, found the end");
    check_refused(b"MSH\r", "MSH-1: expected a field separator after MSH, found the end");
    check_refused(
        b"MSH MSH:9,12\r",
        "MSH-1: expected a punctuation mark of ASCII as the field separator, found another character",
    );
    check_refused(
        b"MSH|broken\r",
        "MSH-2: expected a punctuation mark of ASCII as the component separator, found another character",
    );
}

#[test]
fn reads_repeated_delimiters_in_their_first_role_and_says_so() {
    let raw = b"MSH|&&&&|A^B|||||||C\rPID|1||x&y^z~w\\T\\\r";
    assert_eq!(issues(raw), ["delimiters-repeated"]);
    let parsed = Message::parse(raw).unwrap();
    assert_eq!(parsed.issues[0].severity, Severity::Error);
    assert_eq!(parsed.issues[0].at.as_deref(), Some("MSH-2"));
    let field = parsed.message.segment("PID").unwrap().field(3);
    assert_eq!(field.component(2).text(), "y^z~w\\T\\");
    assert_eq!(parsed.message.segment("MSH").unwrap().field(2).text(), "&&&&");
    assert_eq!(parsed.message.write(), raw);

    let message = parse("MSH|^~\\~|A\rPID|1||x^y~z&w\r");
    let field = message.segment("PID").unwrap().field(3);
    assert_eq!(field.repetitions().count(), 2);
    assert_eq!(field.repetition(2).text(), "z&w");
    assert_eq!(issues(b"MSH|^^\\&|A\r"), ["delimiters-repeated"]);
    assert_eq!(issues(b"MSH|^~\\&~|A\r"), ["delimiters-too-many"]);
}

#[test]
fn splits_at_every_kind_of_line_end() {
    for end in ["\r", "\n", "\r\n"] {
        let message = parse(&ADT.replace('\r', end));
        assert_eq!(message.segments().map(|s| s.name()).collect::<Vec<_>>(), ["MSH", "PID", "OBX", "OBX"], "{end:?}");
    }
    let mixed = "MSH|^~\\&|A\rPID|1\nPV1|1\r\nOBX|1\n";
    assert_eq!(parse(mixed).segments().count(), 4);
    assert_eq!(issues(mixed.as_bytes()), [""; 0]);
}

#[test]
fn passes_over_blank_lines_and_says_so() {
    let raw = b"MSH|^~\\&|A\r\n\r\nPID|1\r\r\rPV1|1\n  \nOBX|1\r\n\r\n";
    assert_eq!(issues(raw), ["blank-lines"]);
    assert_eq!(Message::parse(raw).unwrap().message.segments().count(), 4);
}

#[test]
fn keeps_text_whose_line_end_was_not_escaped_in_its_field() {
    let raw = "MSH|^~\\&|A\rOBX|1|TX|a||first line\nsecond, longer line\nMRI\n|odd||F\rOBX|2|TX|b||x\r";
    assert_eq!(issues(raw.as_bytes()), ["line-end-in-text"]);
    let message = parse(raw);
    assert_eq!(message.segments().count(), 3);
    assert_eq!(message.segments().nth(1).unwrap().field(5).text(), "first line\nsecond, longer line\nMRI\n");
    assert_eq!(message.segments().nth(1).unwrap().field(6).text(), "odd");
}

#[test]
fn keeps_segments_with_odd_names() {
    let raw = "MSH|^~\\&|A\rzzz|1|x\rPIDX|2|y\rZPI|3\rPV1\rOBX|1\r";
    assert_eq!(issues(raw.as_bytes()), ["segment-name", "segment-name"]);
    let message = parse(raw);
    assert_eq!(message.segments().map(|s| s.name()).collect::<Vec<_>>(), ["MSH", "zzz", "???", "ZPI", "PV1", "OBX"]);
    check_leaves(raw, "zzz", &[("zzz-1", "1"), ("zzz-2", "x")]);
    check_leaves(raw, "???", &[("???-1", "PIDX"), ("???-2", "2"), ("???-3", "y")]);
}

#[test]
fn passes_over_framing_byte_order_mark_and_what_stands_before() {
    for raw in ["\u{b}MSH|^~\\&|A\rPID|1\r\u{1c}\r", "\u{feff}MSH|^~\\&|A\rPID|1\n", "  \r\nMSH|^~\\&|A\rPID|1\r"] {
        let parsed = Message::parse(raw.as_bytes()).unwrap();
        assert_eq!(parsed.message.segments().count(), 2, "{raw:?}");
        assert_eq!(parsed.message.segments().nth(1).unwrap().field(1).text(), "1");
        assert!(parsed.issues.is_empty());
        assert_eq!(parsed.message.write(), raw.as_bytes());
    }
    assert_eq!(issues(b"Dear all,\rMSH|^~\\&|A\r"), ["text-before-message"]);
}

#[test]
fn reports_control_characters_and_leaves_them_out_of_values() {
    let raw = b"MSH|^~\\&|A\rPID|1||a\0b\x01c\r";
    assert_eq!(issues(raw), ["control-characters"]);
    let message = Message::parse(raw).unwrap().message;
    let field = message.segment("PID").unwrap().field(3);
    assert_eq!(field.text(), "abc");
    assert_eq!(field.raw(), "a\0b\x01c");
    assert_eq!(parse("MSH|^~\\&|A\rPID|a\\X00\\b\r").segment("PID").unwrap().field(1).text(), "ab");
}

#[test]
fn keeps_the_whole_of_a_truncated_message() {
    for end in 9..ADT.len() {
        let cut = ADT.get(..end).expect("ADT is ASCII");
        let message = parse(cut);
        let read: String = message.segments().map(|s| s.raw()).collect();
        assert_eq!(read.replace('\r', ""), cut.replace('\r', ""));
    }
}

#[test]
fn remarks_that_the_last_line_end_is_missing() {
    assert_eq!(issues(b"MSH|^~\\&|A\rPID|1"), ["unterminated"]);
    assert_eq!(issues(b"\x0bMSH|^~\\&|A\rPID|1\r\x1c\r"), [""; 0]);
}

#[test]
fn keeps_trailing_delimiters_apart_from_values() {
    let text = "MSH|^~\\&|A||||\rPID|1||x^^^~|||\r";
    check_leaves(text, "PID", &[("PID-1", "1"), ("PID-3[1].1", "x")]);
}

#[test]
fn reads_free_text_as_one_where_asked() {
    let message = parse("MSH|^~\\&|A\rNTE|1||Smith & Sons ^ Co \\T\\ more\r");
    let field = message.segment("NTE").unwrap().field(3);
    assert_eq!(field.text(), "Smith ");
    assert_eq!(field.whole_text(), "Smith & Sons ^ Co & more");
}

#[test]
fn says_nothing_of_its_content_in_debug() {
    let shown = format!("{:?}", Message::parse(ADT.as_bytes()).unwrap());
    assert!(!shown.contains("Erika"), "{shown}");
}

#[test]
fn reads_ten_thousand_results() {
    let mut text = String::from("MSH|^~\\&|A\r");
    for n in 1..=10_000 {
        text.push_str(&format!("OBX|{n}|NM|a||{n}\r"));
    }
    let message = parse(&text);
    let last = message.segments().next_back().unwrap();
    assert_eq!(last.ordinal(), 10_000);
    assert_eq!(last.field(5).place().to_string(), "OBX[10000]-5");
}
