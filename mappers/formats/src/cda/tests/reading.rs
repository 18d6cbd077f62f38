//! Names, values, texts, leaves and places.

use super::*;

const DOCUMENT: &str = r##"<?xml version="1.0" encoding="UTF-8"?>
<!-- made up -->
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc" xmlns:voc="urn:other"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:hl7-org:v3 CDA.xsd">
  <realmCode code="XX"/>
  <id root="2.999.1" extension=""/>
  <recordTarget><sdtc:raceCode code="1"/><voc:thing voc:kind="2"/></recordTarget>
  <component><section ID="s1"><title>First</title>
    <text>A <content ID="c1">bold &amp; new</content> word<br/> ends</text>
    <value xsi:type="v3:PQ" value="1.50" unit="mg"/></section></component>
  <component><section><title><![CDATA[Sec]]>ond</title><code nullFlavor="  "/></section></component>
</ClinicalDocument>"##;

#[test]
fn numbers_leaves_in_document_order_and_says_where_they_stand() {
    assert_eq!(
        leaves(&parse(DOCUMENT)),
        [
            "/ClinicalDocument/realmCode/@code = XX",
            "/ClinicalDocument/id/@root = 2.999.1",
            "/ClinicalDocument/recordTarget/sdtc:raceCode/@code = 1",
            "/ClinicalDocument/recordTarget/other:thing/@other:kind = 2",
            "/ClinicalDocument/component[1]/section/@ID = s1",
            "/ClinicalDocument/component[1]/section/title/text() = First",
            "/ClinicalDocument/component[1]/section/text/text()[1] = A ",
            "/ClinicalDocument/component[1]/section/text/content/@ID = c1",
            "/ClinicalDocument/component[1]/section/text/content/text() = bold & new",
            "/ClinicalDocument/component[1]/section/text/text()[2] =  word",
            "/ClinicalDocument/component[1]/section/text/text()[3] =  ends",
            "/ClinicalDocument/component[1]/section/value/@xsi:type = PQ",
            "/ClinicalDocument/component[1]/section/value/@value = 1.50",
            "/ClinicalDocument/component[1]/section/value/@unit = mg",
            "/ClinicalDocument/component[2]/section/title/text() = Second",
        ]
    );
}

#[test]
fn attributes_of_one_name_have_places_of_their_own() {
    let wire = r#"<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:v3="urn:hl7-org:v3" xmlns:a="urn:a" xmlns:b="urn:b">
        <value a:type="1" type="2" b:type="3" v3:type="4"/></ClinicalDocument>"#;
    let at = "/ClinicalDocument/value/";
    assert_eq!(
        leaves(&parse(wire)),
        ["@other:type = 1", "@type = 2", "@other:type[2] = 3", "@type[2] = 4"].map(|leaf| format!("{at}{leaf}"))
    );
}

#[test]
fn walks_up_and_down() {
    let document = parse(DOCUMENT);
    let root = document.root();
    assert_eq!((root.name(), root.parent(), root.id()), ("ClinicalDocument", None, 0));
    let names: Vec<&str> = root.children().map(Element::name).collect();
    assert_eq!(names, ["realmCode", "id", "recordTarget", "component", "component"]);
    let section = document.with_id("s1").expect("the first section");
    assert_eq!(section.parent().and_then(Element::parent), Some(root));
    assert_eq!(section.xpath(), "/ClinicalDocument/component[1]/section");
    assert_eq!(section.line(), 8);
    assert_eq!(document.element(section.id()), Some(section));
    assert_eq!(document.element(document.len() as u32), None);
    assert_eq!(document.with_id("c1").map(|e| e.text().into_owned()).as_deref(), Some("bold & new"));
    assert_eq!(document.with_id("c2"), None);
}

#[test]
fn gives_attributes_by_name_with_their_leaves() {
    let document = parse(DOCUMENT);
    let id = document.root().children().nth(1).expect("the id");
    assert_eq!((id.attribute("root"), id.attribute_leaf("root")), (Some("2.999.1"), Some(1)));
    assert_eq!((id.attribute("extension"), id.attribute_leaf("extension")), (Some(""), None));
    assert_eq!((id.attribute("code"), id.attribute_leaf("code")), (None, None));
    let all: Vec<_> = document.root().attributes().map(|a| (a.name, a.leaf)).collect();
    assert_eq!(all, [("xsi:schemaLocation", None)]);
}

#[test]
fn gives_content_in_order_with_its_white_space() {
    let document = parse("<a> <b>x</b> <c/>y<!-- z -->w</a>");
    let shown: Vec<String> = document.root().content().map(|content| format!("{content:?}")).collect();
    assert_eq!(
        shown,
        [
            "Text(\" \", None)",
            "Element(b#1)",
            "Text(\" \", None)",
            "Element(c#2)",
            "Text(\"y\", Some(1))",
            "Text(\"w\", Some(2))"
        ]
    );
    assert_eq!(document.root().text(), " x yw");
    assert_eq!(document.root().texts().collect::<Vec<_>>(), [("y", 1), ("w", 2)]);
    assert_eq!(leaves(&document), ["/a/b/text() = x", "/a/text()[3] = y", "/a/text()[4] = w"]);
}

#[test]
fn counts_the_leaves_of_an_element_as_a_range() {
    let document = parse("<a x='1'><b y='2'>t<c/></b>u<d z='3'/>v</a>");
    let ranges: Vec<_> = (0..4).filter_map(|id| document.element(id)).map(Element::leaf_range).collect();
    assert_eq!(ranges, [0..6, 1..3, 3..3, 4..5]);
}

#[test]
fn does_not_depend_on_prefixes() {
    let prefixed = parse(
        "<n1:ClinicalDocument xmlns:n1='urn:hl7-org:v3' xmlns:s='urn:hl7-org:sdtc' xmlns:i='http://www.w3.org/2001/XMLSchema-instance'>\
         <n1:value i:type='n1:CD' code='1'/><s:raceCode code='2'/><code xmlns='urn:hl7-org:v3' code='3'/></n1:ClinicalDocument>",
    );
    assert_eq!(
        leaves(&prefixed),
        [
            "/ClinicalDocument/value/@xsi:type = CD",
            "/ClinicalDocument/value/@code = 1",
            "/ClinicalDocument/sdtc:raceCode/@code = 2",
            "/ClinicalDocument/code/@code = 3",
        ]
    );
    assert_eq!(prefixed.notes(), []);
}

#[test]
fn notes_prefixes_that_are_not_declared_and_reads_the_usual_ones() {
    let document = parse("<code>\n<value xsi:type='CD' q:x='1'/>\n<sdtc:raceCode/><z:y/></code>");
    let names: Vec<&str> = document.root().children().map(Element::name).collect();
    assert_eq!(names, ["value", "sdtc:raceCode", "other:y"]);
    assert_eq!(document.root().children().next().and_then(|value| value.attribute("xsi:type")), Some("CD"));
    let notes: Vec<_> = document.notes().iter().map(|note| (note.code, note.line)).collect();
    assert_eq!(notes, [("namespace-missing", 1), ("prefix-undeclared", 2)]);
}

#[test]
fn takes_the_first_of_two_equal_ids_and_says_so() {
    let document = parse("<a xmlns='urn:hl7-org:v3'><b ID='x'/><c ID='x'/><d ID='w'/></a>");
    assert_eq!(document.with_id("x").map(Element::name), Some("b"));
    assert_eq!(document.with_id("w").map(Element::name), Some("d"));
    assert_eq!(document.notes().iter().map(|note| note.code).collect::<Vec<_>>(), ["id-duplicate"]);
}

#[test]
fn takes_bytes_that_are_given_away() {
    let document = Document::from_bytes(DOCUMENT.into(), &Limits::default()).expect("a document");
    assert_eq!(leaves(&document), leaves(&parse(DOCUMENT)));
}

#[test]
fn shows_no_content_to_the_programmer() {
    let document = parse("<a secret='123-45'>name</a>");
    let shown = format!("{document:?} {:?}", document.root());
    assert!(!shown.contains("123-45") && !shown.contains("secret"), "{shown}");
}
