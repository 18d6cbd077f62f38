use super::*;

/// Reads a message whose PID-5 holds `name` as bytes, with MSH-18 as given.
#[track_caller]
fn check(label: &str, name: &[u8], expect: &str, expect_issues: &[&str]) {
    let mut raw = format!("MSH|^~\\&|A|||||||C|P|2.5||||||{label}\rPID|1||||").into_bytes();
    raw.extend_from_slice(name);
    raw.extend_from_slice(b"|x\r");
    let parsed = Message::parse(&raw).expect("a readable message");
    assert_eq!(parsed.message.segment("PID").expect("PID").field(5).whole_text(), expect);
    assert_eq!(parsed.message.segment("PID").expect("PID").field(6).text(), "x");
    assert_eq!(parsed.issues.iter().map(|i| i.code).collect::<Vec<_>>(), expect_issues);
    assert_eq!(parsed.message.write(), raw);
}

#[test]
fn reads_the_declared_character_set() {
    check("UNICODE UTF-8", "Müller".as_bytes(), "Müller", &[]);
    check("8859/1", b"M\xFCller", "Müller", &[]);
    check("ISO-8859-1", b"M\xFCller", "Müller", &[]);
    check("8859/2", b"Dvo\xF8\xE1k", "Dvořák", &[]);
    check("8859/5", b"\xB8\xD2\xD0\xDD", "Иван", &[]);
    check("8859/15", b"\xA4", "€", &[]);
    check("WINDOWS-1252", b"\x80", "€", &[]);
    check("ISO IR87", b"\x1B$B;3ED\x1B(B", "山田", &[]);
    check("~ISO IR87", b"\x1B$B;3ED\x1B(B", "山田", &[]);
    check("ASCII~8859/1", b"M\xFCller", "Müller", &[]);
}

#[test]
fn reads_the_sets_that_escape_sequences_call() {
    // JIS X 0208, 0212 and 0201, with romaji; each line begins anew.
    check("~ISO IR87~ISO IR159", b"\x1B$B;3ED\x1B(J ^\x1B$(D\x30\x21\x1B(B", "山田 ^丂", &[]);
    check("ISO IR14~ISO IR87", b"\x1B(I\x54\x4F\x40\x1B(B^\x1B$B;3\x1B(B", "ﾔﾏﾀ^山", &[]);
    check("ISO IR13~ISO IR87", b"\xD4\xCF\xC0^\x1B$B;3\x1B(B", "ﾔﾏﾀ^山", &[]);
    check("8859/1~8859/2~8859/5", b"\xFC\x1B-B\xF8\x1B-L\xB8\x1B-A\xFC", "üřИü", &[]);
    check("ASCII~KS X 1001", b"\x1B$)C\xB1\xE8^\xC8\xF1", "김^희", &[]);
    check("ASCII~GB 18030-2000", b"\x1B$AVP\x1B(B", "中", &[]);
    check("JAS2020", b"\x1B$B;3\x1B(B", "山", &[]);
    check("", b"\x1B$B;3ED\x1B(B", "山田", &["charset-undeclared"]);
    check("ISO IR87", b"\x1B$B;\x1B(B", "\u{FFFD}", &["charset-damaged"]);
}

#[test]
fn reads_the_sets_that_hl7_escapes_call() {
    check("~ISO IR87", b"\\M2442\\;3ED\\C2842\\^Taro", "山田^Taro", &[]);
    check("~ISO IR159", b"\\M242844\\\x30\x21\\C2842\\x", "丂x", &[]);
    check("8859/1~8859/2", b"\xFC\\C2D42\\\xF8\\C2D41\\\xFC", "üřü", &[]);
    check("UNICODE UTF-8", "\\C2D42\\ř\\C2842\\".as_bytes(), "ř", &[]);
    check("ASCII", b"\\C4242\\x\\M24\\y\\C28422842\\", "\\C4242\\x\\M24\\y\\C28422842\\", &[]);
}

#[test]
fn prefers_what_the_bytes_are_to_what_is_declared() {
    check("BIG-5", b"\xA4\xA4", "中", &[]);
    check("GB 18030-2000", "Müller ".as_bytes(), "M眉ller ", &[]);
    check("KS X 1001", "中".as_bytes(), "中", &["charset-mismatch"]);
    check("ISO IR87", b"\x95\x5C", "表", &["charset-mismatch"]);
    check("CNS 11643-1992", "中".as_bytes(), "中", &["charset-unknown"]);
    check("ISO IR6", b"x", "x", &[]);
}

#[test]
fn reads_utf_32_with_and_without_a_byte_order_mark() {
    let text = "MSH|^~\\&|A\rPID|1||||Müller €\r";
    for (mark, big) in [(true, false), (true, true), (false, false), (false, true)] {
        let characters = mark.then_some('\u{FEFF}').into_iter().chain(text.chars());
        let raw: Vec<u8> = characters
            .flat_map(|c| if big { u32::from(c).to_be_bytes() } else { u32::from(c).to_le_bytes() })
            .collect();
        let parsed = Message::parse(&raw).unwrap();
        assert_eq!(parsed.message.segment("PID").unwrap().field(5).text(), "Müller €");
        assert_eq!(parsed.message.write(), raw);
        assert_eq!(split_batch(&raw).messages.len(), 1);
    }
}

#[test]
fn is_not_misled_by_delimiters_inside_of_double_byte_characters() {
    // 0x5C and 0x7C are second bytes in Shift-JIS; 0x7C is one in GB 18030.
    check("SHIFT_JIS", b"\x95\x5C\x83\x7C", "表ポ", &[]);
    check("GB 18030-2000", b"\x81\x7C\xD6\xD0", "亅中", &[]);
}

#[test]
fn reads_undeclared_bytes_and_says_so() {
    check("", "Müller".as_bytes(), "Müller", &[]);
    check("", b"M\xFCller", "Müller", &["charset-undeclared"]);
    check("ASCII", b"M\xFCller", "Müller", &["charset-mismatch"]);
    check("UNICODE UTF-8", b"M\xFCller", "Müller", &["charset-mismatch"]);
    check("8859/1", "Müller".as_bytes(), "Müller", &["charset-mismatch"]);
    check("KLINGON", "Müller".as_bytes(), "Müller", &["charset-unknown"]);
}

#[test]
fn judges_each_line_of_a_mixed_feed_by_itself() {
    let raw = b"MSH|^~\\&|A\rPID|1||||M\xC3\xBCller\rNK1|1|M\xFCller\r";
    let parsed = Message::parse(raw).unwrap();
    assert_eq!(parsed.message.segment("PID").unwrap().field(5).text(), "Müller");
    assert_eq!(parsed.message.segment("NK1").unwrap().field(2).text(), "Müller");
    assert_eq!(parsed.issues[0].at.as_deref(), Some("NK1"));
}

#[test]
fn reads_utf_16_with_and_without_a_byte_order_mark() {
    let text = "MSH|^~\\&|A\rPID|1||||Müller €\r";
    for (mark, big) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut raw = Vec::new();
        let units = mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
        units.for_each(|unit| raw.extend(if big { unit.to_be_bytes() } else { unit.to_le_bytes() }));
        let parsed = Message::parse(&raw).unwrap();
        assert_eq!(parsed.message.segment("PID").unwrap().field(5).text(), "Müller €");
        assert_eq!(parsed.message.write(), raw);
        assert_eq!(split_batch(&raw).messages.len(), 1);
    }
}

#[test]
fn reads_hexadecimal_bytes_in_the_character_set_of_the_message() {
    let hex = |label: &str| {
        format!("MSH|^~\\&|A|||||||C|P|2.5||||||{label}\rPID|\\XC3BC\\|\\XFC\\|\\X0D0A\\|\\X4\\|\\XZZ\\\r")
    };
    let message = parse(&hex("UNICODE UTF-8"));
    let pid = message.segment("PID").unwrap();
    let texts: Vec<_> = pid.fields().map(|f| f.text().into_owned()).collect();
    assert_eq!(texts, ["ü", "ü", "\r\n", "\\X4\\", "\\XZZ\\"]);
    let message = parse(&hex("8859/1"));
    assert_eq!(message.segment("PID").unwrap().field(2).text(), "ü");
}
