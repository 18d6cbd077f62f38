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
    check("<text representation=\"B64\"> aGVsbG8= </text>", Some("aGVsbG8="));
    check("<text representation=\"B64\">aGVsbG8</text>", Some("aGVsbG8="));
    check("<text> hello </text>", Some("aGVsbG8="));
}

#[test]
fn files_are_told_apart_by_their_content() {
    let id = |file: &str| {
        let text = format!(
            "<ClinicalDocument><component><nonXMLBody><text mediaType=\"application/pdf\" representation=\"B64\">{file}</text>\
             </nonXMLBody></component></ClinicalDocument>"
        );
        let document = Document::parse(text.as_bytes(), &Limits::default()).expect("a document");
        let packages = crate::Packages::embedded().expect("the program's own packages");
        let mapped = packages.named("ccda-base").expect("embedded").map_cda(&document, &crate::Context::default());
        let of = |json: &model::json::Json| json.text_at(&["resource", "resourceType"]) == Some("DocumentReference");
        let entry = mapped.bundle.items("entry").iter().find(|entry| of(entry)).expect("a DocumentReference");
        entry.text_at(&["resource", "id"]).expect("an id").to_owned()
    };
    let (long, other) = ("QUJD".repeat(3000), "QUJE".repeat(3000));
    assert_eq!(id(&long), id(&long));
    assert_ne!(id(&long), id(&other));
    assert_ne!(id("QUJD"), id("QUJE"));
}
