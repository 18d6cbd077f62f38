//! Documents that are made to harm, and the bounds that stop them.

use xml::ErrorKind;

use super::*;

#[track_caller]
fn beyond(text: &str, limits: Limits) -> Refused {
    Document::parse(text.as_bytes(), &limits).expect_err("a document beyond its limits")
}

#[test]
fn refuses_a_document_type_before_anything_of_it_is_read() {
    let bomb = "<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY b 'b'><!ENTITY c '&b;&b;'>]>\n<a>&c;</a>";
    let refused = refused(bomb.as_bytes());
    assert_eq!((refused.kind, refused.line, refused.column), (Refusal::Xml(ErrorKind::DocumentType), 2, 1));
    assert_eq!(refused.code(), "not-supported");
    assert_eq!(refused.to_string(), "line 2, column 1: a document type declaration is not taken");
}

#[test]
fn refuses_entities_that_only_a_document_type_declares() {
    assert_eq!(refused(b"<a>\n &xxe;</a>").kind, Refusal::Xml(ErrorKind::Entity));
    assert_eq!((refused(b"<a>\n &xxe;</a>").line, refused("<a>\n é&xxe;</a>".as_bytes()).column), (2, 3));
}

#[test]
fn refuses_what_is_cut_off() {
    let whole = "<a x='1'><b>text &amp; more</b><!-- c --><![CDATA[d]]></a>";
    for end in 0..whole.len() {
        assert!(Document::parse(&whole.as_bytes()[..end], &Limits::default()).is_err(), "cut at {end}");
    }
}

#[test]
fn keeps_its_bounds() {
    let limits = Limits { bytes: 200, depth: 3, elements: 4, attributes: 2, text: 10, names: 5, name: 8 };
    assert!(Document::parse(b"<a><b><c x='1234567890'>1234567890</c></b><b/></a>", &limits).is_ok());
    for (text, kind, code) in [
        (format!("<a>{}</a>", " ".repeat(194)), Refusal::TooLong { limit: 200 }, "too-long"),
        ("<a><b><c><d/></c></b></a>".into(), Refusal::Xml(ErrorKind::TooDeep { limit: 3 }), "too-costly"),
        ("<a><b/><b/><b/><b/></a>".into(), Refusal::TooManyElements { limit: 4 }, "too-costly"),
        ("<a x='' y='' z=''/>".into(), Refusal::Xml(ErrorKind::TooManyAttributes { limit: 2 }), "too-costly"),
        ("<a>12345678901</a>".into(), Refusal::TextTooLong { limit: 10 }, "too-long"),
        ("<a x='12345678901'/>".into(), Refusal::TextTooLong { limit: 10 }, "too-long"),
        ("<a>12345<![CDATA[678901]]></a>".into(), Refusal::TextTooLong { limit: 10 }, "too-long"),
        ("<a b=''><c d='' e=''><f/></c></a>".into(), Refusal::TooManyNames { limit: 5 }, "too-costly"),
        ("<a123456789/>".into(), Refusal::NameTooLong { limit: 8 }, "too-costly"),
    ] {
        let refused = beyond(&text, limits);
        assert_eq!((refused.kind, refused.code()), (kind, code), "{text}");
    }
}

#[test]
fn counts_bytes_of_the_decoded_text_too() {
    let text = format!("<a>{}</a>", "語".repeat(100));
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let limits = Limits { bytes: 250, ..Limits::default() };
    assert!(bytes.len() <= limits.bytes);
    assert_eq!(Document::parse(&bytes, &limits).expect_err("too long").kind, Refusal::TooLong { limit: 250 });
}

#[test]
fn reads_many_names_siblings_and_texts_in_time_that_grows_with_them() {
    // Each of these would take hours if a place were found by counting from the front.
    let siblings = format!("<a>{}</a>", "x<b/>".repeat(200_000));
    let document = parse(&siblings);
    let total: usize = (0..document.leaves()).map(|leaf| document.leaf_path(leaf).len()).sum();
    assert!(total > 200_000);
    let names: String = (0..4000).map(|n| format!("<n{n}/>")).collect();
    assert_eq!(parse(&format!("<a>{}</a>", names.repeat(50))).len(), 200_001);
    let ids: String = (0..100_000).map(|n| format!("<b ID='i{n}'/>")).collect();
    let document = parse(&format!("<a>{ids}</a>"));
    assert!((0..100_000).all(|n| document.with_id(&format!("i{n}")).is_some()));
}

#[test]
fn refuses_without_a_word_of_the_document() {
    let said = refused(b"<patient><name>Muster</nome></patient>").to_string();
    assert_eq!(said, "line 1, column 22: the end tag is not that of the open element");
}
