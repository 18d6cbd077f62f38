use formats::cda::{Document, Limits};

use super::*;

#[test]
fn base64_is_packed_and_what_is_none_is_refused() {
    for (text, expect) in [
        ("aGVsbG8=", "aGVsbG8="),
        ("\n  aGVs\r\n  bG8=\n", "aGVsbG8="),
        ("aGVsbG8", "aGVsbG8="),
        ("aGVsbA", "aGVsbA=="),
        ("a-_b", "a+/b"),
        ("aGVsbA=\n=", "aGVsbA=="),
    ] {
        assert_eq!(packed(text).as_deref(), Some(expect), "{text}");
    }
    for text in ["", "  ", "a", "aGVsb", "aGVsbG8==", "aGVs=bG8", "aG=\nVs", "see the file.", "aGV*", "aGVé"] {
        assert_eq!(packed(text), None, "{text}");
    }
}

#[test]
fn an_element_says_whether_it_is_base64() {
    let check = |text: &str, expect: Option<&str>| {
        let document = Document::parse(text.as_bytes(), &Limits::default()).expect("a document");
        assert_eq!(attachment(document.root()).as_deref(), expect, "{text}");
    };
    check("<text representation=\"B64\">aGVs\nbG8=</text>", Some("aGVsbG8="));
    check("<text representation=\"b64\"><![CDATA[aGVsbG8=]]></text>", Some("aGVsbG8="));
    check("<text representation=\"B64\">none at all, sorry</text>", None);
    check("<text> hello </text>", Some("aGVsbG8="));
}
