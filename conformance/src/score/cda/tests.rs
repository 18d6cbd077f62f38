use super::*;

const DOCUMENT: &str = r#"<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"><code code="34133-9"/>
<author><assignedAuthor><assignedAuthoringDevice><softwareName>Quay EHR</softwareName></assignedAuthoringDevice></assignedAuthor></author>
<component><structuredBody><component><section><code code="48765-2"/><text><list><item>one</item></list></text>
<entry><act><templateId root="2.16.840.1.113883.10.20.22.4.30"/><statusCode code="active"/></act></entry>
<entry
 typeCode="DRIV"><observation><templateId root="1.2"/><templateId root="2.16.840.1.113883.10.20.22.4.7"/><value unit="mg"/></observation></entry>
</section></component></structuredBody></component></ClinicalDocument>"#;

fn document() -> Document {
    Document::parse(DOCUMENT.as_bytes(), &Limits::default()).expect("a readable document")
}

#[test]
fn tells_type_and_program() {
    let read = read(DOCUMENT.as_bytes()).map_err(|_| ()).expect("a readable document");
    assert_eq!((read.kind().as_str(), read.sender().as_str()), ("34133-9", "Quay EHR"));
    assert!(super::read(b"<ClinicalDocument>").is_err());
    assert!(super::read(b"<other xmlns='urn:hl7-org:v3'/>").is_err());
}

#[test]
fn names_places_from_the_nearest_template() {
    let document = document();
    let places: Vec<_> = (0..document.leaves()).filter_map(|leaf| place(&document, leaf)).collect();
    for expected in [
        "ClinicalDocument/author/assignedAuthor/assignedAuthoringDevice/softwareName/text()",
        "section(48765-2)/text/text()",
        "act(2.16.840.1.113883.10.20.22.4.30)/statusCode/@code",
        "observation(2.16.840.1.113883.10.20.22.4.7)/value/@unit",
    ] {
        assert!(places.iter().any(|place| place == expected), "{expected} is not in {places:?}");
    }
}

#[test]
fn takes_out_the_last_entry() {
    let read = Read { document: document(), text: Some(DOCUMENT.to_owned()) };
    let (less, at) = read.one_entry_less(DOCUMENT).expect("an entry");
    assert!(!less.contains("22.4.7") && less.contains("22.4.30"), "{less}");
    assert_eq!(at, "/ClinicalDocument/component/structuredBody/component/section/entry[2]");
}

#[test]
fn hides_texts_and_values_but_no_names() {
    assert_eq!(masked(r#"<a b="Ashby 1"><c>Quay</c></a>"#), r#"<a b="xxxxx 9"><c>xxxx</c></a>"#);
    assert_eq!(masked("no <markup"), "xx xxxxxx");
}

#[test]
fn sums_up_documents_and_examples_apart() {
    let of = |name: &str, bytes, facts, variant| group(Path::new(name), bytes, facts, variant);
    assert_eq!(of("a.xml", 9, true, false), "full documents");
    assert_eq!(of("a.xml", 500_000, true, false), "large documents");
    assert_eq!(of("a.wrapped.xml", 9, true, false), "wrapped examples");
    assert_eq!(of("a.xml", 9, true, true), "wire variants");
    assert_eq!(of("a.xml", 9, false, false), "without facts");
}
