//! One document in every encoding senders use, rightly and wrongly declared.

use super::*;

/// The text of `a`, and the codes of the notes.
#[track_caller]
fn read(bytes: &[u8]) -> (String, Vec<&'static str>) {
    let document = Document::parse(bytes, &Limits::default()).expect("a document that is taken");
    let codes = document.notes().iter().map(|note| note.code).filter(|code| *code != "namespace-missing").collect();
    (document.root().text().into_owned(), codes)
}

fn declared(encoding: &str, text: &[u8]) -> Vec<u8> {
    let mut bytes = format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?><a>").into_bytes();
    bytes.extend_from_slice(text);
    bytes.extend_from_slice(b"</a>");
    bytes
}

fn wide(text: &str, big: bool) -> Vec<u8> {
    text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

#[test]
fn reads_what_is_declared_rightly() {
    let expect = |bytes: &[u8], text: &str| assert_eq!(read(bytes), (text.to_owned(), vec![]));
    expect(b"<a>\xC3\xA9</a>", "é");
    expect(&declared("utf-8", "é€".as_bytes()), "é€");
    expect(&declared("ISO-8859-1", b"\xE9"), "é");
    expect(&declared("windows-1252", b"\xE9\x80"), "é€");
    expect(&declared("us-ascii", b"e"), "e");
    expect(&declared("Shift_JIS", b"\x83\x65"), "テ");
    expect(&[b"\xEF\xBB\xBF".as_slice(), &declared("UTF-8", "é".as_bytes())].concat(), "é");
    for big in [false, true] {
        let text = "<?xml version='1.0' encoding='UTF-16'?><a>é\u{1F600}</a>";
        expect(&wide(text, big), "é\u{1F600}");
        expect(&wide(&format!("\u{FEFF}{text}"), big), "é\u{1F600}");
        expect(&wide("<a>é</a>", big), "é");
    }
}

#[test]
fn notes_what_is_declared_wrongly_and_reads_it_all_the_same() {
    let expect = |bytes: &[u8], text: &str, code| assert_eq!(read(bytes), (text.to_owned(), vec![code]));
    expect(&declared("UTF-8", b"caf\xE9 \xC3\xA9"), "café é", "encoding-mismatch");
    expect(b"<a>caf\xE9</a>", "café", "encoding-mismatch");
    expect(&declared("ISO-8859-1", "é".as_bytes()), "é", "encoding-mismatch");
    expect(&declared("UTF-16", "é".as_bytes()), "é", "encoding-mismatch");
    expect(&declared("x-unheard-of", "é".as_bytes()), "é", "encoding-unknown");
    expect(&wide("<?xml version='1.0' encoding='utf-8'?><a>é</a>", false), "é", "encoding-mismatch");
    expect(&[b"\xEF\xBB\xBF".as_slice(), &declared("ISO-8859-1", b"e")].concat(), "e", "encoding-mismatch");
    expect(
        &[b"\xFF\xFE".as_slice(), &wide("<a>", false), b"\x00\xD8", &wide("</a>", false)].concat(),
        "\u{FFFD}",
        "encoding-damaged",
    );
    expect(b"\r\n <?xml version='1.0'?><a>e</a>", "e", "declaration-misplaced");
}

#[test]
fn says_on_which_line_the_first_wrong_byte_stands() {
    let document = Document::parse(b"<a xmlns='urn:hl7-org:v3'>\n\n\xE9</a>", &Limits::default()).expect("a document");
    assert_eq!(document.notes().iter().map(|note| note.line).collect::<Vec<_>>(), [3]);
}

#[test]
fn reads_every_line_end_as_a_line_feed() {
    for text in ["<a>1\n2\n\n3</a>", "<a>1\r\n2\r\n\r\n3</a>", "<a>1\r2\r\r3</a>"] {
        assert_eq!(read(text.as_bytes()).0, "1\n2\n\n3");
    }
    assert_eq!(read(b"<a>1&#13;\r\n2</a>").0, "1\r\n2");
    assert_eq!(read(b"<a>1\n</a>\r").0, "1\n");
}

#[test]
fn refuses_what_is_no_text() {
    for bytes in [b"\xFF\xFE\0\0<\0\0\0".as_slice(), b"\0\0\xFE\xFF", b"<\0\0\0a\0\0\0", b"\0\0\0<"] {
        assert_eq!(refused(bytes).kind, Refusal::Encoding);
    }
    assert_eq!(refused(b"").code(), "structure");
    assert_eq!(refused(b"MSH|^~\\&|").code(), "structure");
    assert_eq!(refused(b"\x89PNG\r\n\x1A\n\0\0").code(), "structure");
}
