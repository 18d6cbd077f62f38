use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::{canonical, json};

#[track_caller]
fn read(xml: &str) -> Document {
    parse(xml.as_bytes(), &Limits::default()).expect(xml)
}

#[track_caller]
fn tree(text: &str) -> Json {
    json::parse(text.as_bytes(), &Limits::default()).expect(text)
}

/// The XML of a Patient gives this JSON and no finding; writing gives XML that reads as the same.
#[track_caller]
fn check(inner: &str, expect: &str) {
    let document = read(&format!("<Patient xmlns=\"http://hl7.org/fhir\">{inner}</Patient>"));
    assert_eq!(document.resource.to_text(), format!("{{\"resourceType\":\"Patient\"{expect}}}"));
    assert_eq!(document.issues, []);
    for layout in [Layout::Compact, Layout::Indented] {
        let written = write(&document.resource, layout).expect(inner);
        assert_eq!(read(&written), document, "{written}");
    }
}

/// The findings about the XML of a Patient: place and text.
#[track_caller]
fn finds(inner: &str, expect: &[(&str, &str)]) -> Json {
    let document = read(&format!("<Patient xmlns=\"http://hl7.org/fhir\">{inner}</Patient>"));
    let found: Vec<(&str, &str)> =
        document.issues.iter().map(|issue| (issue.at.as_deref().unwrap_or(""), issue.diagnostics.as_str())).collect();
    assert_eq!(found, expect);
    document.resource
}

#[track_caller]
fn refused(xml: impl AsRef<[u8]>, kind: impl Into<ErrorKind>, line: usize, column: usize) {
    let error = parse(xml.as_ref(), &Limits::default()).expect_err("refused");
    assert_eq!((error.kind, error.line, error.column), (kind.into(), line, column));
}

#[test]
fn values_have_the_json_of_their_type() {
    check("<active value=\"true\"/>", ",\"active\":true");
    check("<active value=\"yes\"/>", ",\"active\":\"yes\"");
    check("<multipleBirthInteger value=\"2\"/>", ",\"multipleBirthInteger\":2");
    check("<multipleBirthInteger value=\"02\"/>", ",\"multipleBirthInteger\":\"02\"");
    check("<birthDate value=\"1970-03\"/>", ",\"birthDate\":\"1970-03\"");
    check(
        "<extension url=\"urn:x\"><valueDecimal value=\"1.500\"/></extension>",
        ",\"extension\":[{\"url\":\"urn:x\",\"valueDecimal\":1.500}]",
    );
}

#[test]
fn what_repeats_is_an_array() {
    check(
        "<name><given value=\"A\"/><given value=\"B\"/></name><name><text value=\"C\"/></name>",
        ",\"name\":[{\"given\":[\"A\",\"B\"]},{\"text\":\"C\"}]",
    );
    check("<contact><name><family value=\"F\"/></name></contact>", ",\"contact\":[{\"name\":{\"family\":\"F\"}}]");
}

#[test]
fn ids_and_extensions_of_values_stand_in_companions() {
    check(
        "<birthDate id=\"b\" value=\"1970\"><extension url=\"urn:x\"><valueCode value=\"c\"/></extension></birthDate>",
        ",\"birthDate\":\"1970\",\"_birthDate\":{\"id\":\"b\",\"extension\":[{\"url\":\"urn:x\",\"valueCode\":\"c\"}]}",
    );
    check("<birthDate id=\"b\"/>", ",\"_birthDate\":{\"id\":\"b\"}");
    check(
        "<name id=\"n\"><given value=\"A\"/><given id=\"g\"/><given value=\"C\"/></name>",
        ",\"name\":[{\"id\":\"n\",\"given\":[\"A\",null,\"C\"],\"_given\":[null,{\"id\":\"g\"},null]}]",
    );
    check("<name><given id=\"g\"/></name>", ",\"name\":[{\"_given\":[{\"id\":\"g\"}]}]");
    check(
        "<name><given id=\"g\"/><given value=\"B\"/></name>",
        ",\"name\":[{\"given\":[null,\"B\"],\"_given\":[{\"id\":\"g\"},null]}]",
    );
    check("<id id=\"x\" value=\"p1\"/>", ",\"id\":\"p1\",\"_id\":{\"id\":\"x\"}");
}

#[test]
fn resources_stand_in_resources() {
    check(
        "<contained><Organization><id value=\"o\"/></Organization></contained><contained><Basic/></contained>",
        ",\"contained\":[{\"resourceType\":\"Organization\",\"id\":\"o\"},{\"resourceType\":\"Basic\"}]",
    );
    let bundle = "<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"collection\"/>\
        <entry><resource><Basic><id value=\"b\"/></Basic></resource></entry></Bundle>";
    assert_eq!(
        read(bundle).resource.to_text(),
        r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Basic","id":"b"}}]}"#,
    );
}

#[test]
fn white_space_in_values_survives_only_as_references() {
    check(
        "<name><text value=\"a&#10;b&#x9;c&#13;d &lt;&amp;&gt;&quot;&apos;\"/></name>",
        ",\"name\":[{\"text\":\"a\\nb\\tc\\rd <&>\\\"'\"}]",
    );
    check("<name><text value='a\r\nb\tc'/></name>", ",\"name\":[{\"text\":\"a b c\"}]");
}

#[test]
fn a_narrative_keeps_its_text() {
    let div = "<div xmlns='http://www.w3.org/1999/xhtml'>a &#160;<br /><!-- c --> <p  class=\"x\">b</p></div>";
    let json = Json::from(div).to_text();
    check(
        &format!("<text><status value=\"generated\"/>{div}</text>"),
        &format!(",\"text\":{{\"status\":\"generated\",\"div\":{json}}}"),
    );
}

#[test]
fn a_narrative_brings_its_namespace_along() {
    let xml = "<Patient xmlns=\"http://hl7.org/fhir\" xmlns:h=\"http://www.w3.org/1999/xhtml\"><text>\
        <h:div><h:p class='a&quot;'>x\r\ny<h:br/></h:p></h:div></text></Patient>";
    let document = read(xml);
    assert_eq!(document.issues, []);
    assert_eq!(
        document.resource.text_at(&["text", "div"]),
        Some("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p class=\"a&quot;\">x\ny<br/></p></div>"),
    );
}

#[test]
fn a_carriage_return_in_a_narrative_survives() {
    let patient = tree(
        "{\"resourceType\":\"Patient\",\"text\":{\"div\":\"<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\">a\\r\\nb</div>\"}}",
    );
    let xml = write(&patient, Layout::Compact).expect("XML");
    assert!(!xml.contains('\r'));
    assert_eq!(read(&xml).resource, patient);
}

#[test]
fn what_the_tables_do_not_know_is_kept_by_name() {
    check("<foo value=\"1\"/>", ",\"foo\":\"1\"");
    check(
        "<foo><bar id=\"i\" value=\"1\"/><bar value=\"2\"/></foo>",
        ",\"foo\":{\"bar\":[\"1\",\"2\"],\"_bar\":[{\"id\":\"i\"},null]}",
    );
    check("<foo><extension url=\"urn:x\"/></foo>", ",\"foo\":{\"extension\":[{\"url\":\"urn:x\"}]}");
    check("<foo><url value=\"1\"/><url value=\"2\"/></foo>", ",\"foo\":{\"url\":[\"1\",\"2\"]}");
    check("<birthDate value=\"1970\"/><birthDate value=\"1971\"/>", ",\"birthDate\":[\"1970\",\"1971\"]");
    check("<birthDate/>", ",\"_birthDate\":{}");
    check("<birthDate value=\"\"/>", ",\"birthDate\":\"\"");
    check("<name/>", ",\"name\":[{}]");
    let other = read("<Appointmnt xmlns=\"http://hl7.org/fhir\"><id value=\"a\"/><x/></Appointmnt>");
    assert_eq!(other.resource.to_text(), r#"{"resourceType":"Appointmnt","id":"a","x":{}}"#);
}

#[test]
fn reports_what_a_tree_cannot_hold() {
    finds(
        "text<active value=\"true\"/>more",
        &[("Patient", "text between elements: FHIR has values in attributes only")],
    );
    finds(
        "<name><![CDATA[x]]></name>",
        &[("Patient.name[0]", "text between elements: FHIR has values in attributes only")],
    );
    finds(
        "<birthDate value=\"1970\"/><active value=\"true\"/>",
        &[("Patient.active", "expected the elements in the order of the specification")],
    );
    finds(
        "<name><given value=\"A\"/><prefix value=\"B\"/><given value=\"C\"/></name>",
        &[("Patient.name[0].given[1]", "expected the elements in the order of the specification")],
    );
    finds(
        "<name value=\"x\" use=\"y\"/>",
        &[
            ("Patient.name[0]", "an attribute 'value' that FHIR does not have here"),
            ("Patient.name[0]", "an attribute that FHIR does not have here"),
        ],
    );
    finds("<active xmlns=\"\" value=\"true\"/>", &[("Patient.active", "expected the namespace http://hl7.org/fhir")]);
    finds("<text><div>x</div></text>", &[("Patient.text.div", "expected the namespace http://www.w3.org/1999/xhtml")]);
    finds(
        "<extension><url value=\"urn:x\"/></extension>",
        &[("Patient.extension[0].url", "expected an attribute, found an element")],
    );
    finds(
        "<multipleBirthInteger value=\"1\"/><maritalStatus/>",
        &[("Patient.maritalStatus", "expected the elements in the order of the specification")],
    );
    let patient = finds(
        "<contained><Basic/><Basic/></contained>",
        &[("Patient.contained[0]", "expected one resource, found several")],
    );
    assert_eq!(patient.items("contained").len(), 2);
    let patient = finds(
        "<resourceType value=\"Group\"/><_active value=\"1\"/>",
        &[("Patient.resourceType", "expected an element of FHIR"), ("Patient._active", "expected an element of FHIR")],
    );
    assert_eq!(patient.to_text(), r#"{"resourceType":"Patient"}"#);
}

#[test]
fn findings_are_bounded() {
    let document = read(&format!("<Patient xmlns=\"http://hl7.org/fhir\">{}</Patient>", "<name>x</name>".repeat(1000)));
    assert_eq!(document.issues.len(), Document::ISSUES);
    assert_eq!(document.issues.last().map(|issue| issue.code), Some("too-costly"));
}

#[test]
fn writes_elements_in_the_order_of_the_specification() {
    let patient = tree(
        r#"{"birthDate":"1970","zoo":true,"_active":{"id":"a"},"resourceType":"Patient","id":"p","active":false,
        "extension":[{"valueString":"x","url":"urn:x","id":"e"}]}"#,
    );
    assert_eq!(
        write(&patient, Layout::Compact).expect("XML"),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Patient xmlns=\"http://hl7.org/fhir\"><id value=\"p\"/>\
         <extension id=\"e\" url=\"urn:x\"><valueString value=\"x\"/></extension><active id=\"a\" value=\"false\"/>\
         <birthDate value=\"1970\"/><zoo value=\"true\"/></Patient>",
    );
}

#[test]
fn writes_nothing_that_would_be_lost() {
    let fails = |json: &str, at: &str, kind| {
        let error = write(&tree(json), Layout::Compact).expect_err(json);
        assert_eq!((error.at.as_str(), error.kind), (at, kind));
    };
    fails("{}", "(root)", WriteErrorKind::Resource);
    fails(r#"{"resourceType":"Patient","birthDate":null}"#, "Patient.birthDate", WriteErrorKind::Shape);
    fails(r#"{"resourceType":"Patient","name":[[]]}"#, "Patient.name", WriteErrorKind::Shape);
    fails(r#"{"resourceType":"Patient","name":[{"given":[null]}]}"#, "Patient.name.given", WriteErrorKind::Shape);
    fails(r#"{"resourceType":"Patient","name":[{"_id":{}}]}"#, "Patient.name", WriteErrorKind::Shape);
    fails(r#"{"resourceType":"Patient","a b":1}"#, "Patient.a b", WriteErrorKind::Name);
    fails(r#"{"resourceType":"Patient","language":"\u0000"}"#, "Patient.language", WriteErrorKind::Character);
    for div in ["a", "<p/>", "<div>&nbsp;</div>", "<div/><div/>", " <div/>", "<div><p></div>", "<!DOCTYPE div><div/>"] {
        let json = Json::from(div).to_text();
        let text = format!("{{\"resourceType\":\"Patient\",\"text\":{{\"div\":{json}}}}}");
        fails(&text, "Patient.text.div", WriteErrorKind::Narrative);
    }
}

#[test]
fn refuses_what_is_no_xml() {
    use ::xml::ErrorKind as X;
    use ErrorKind as K;
    let patient = |inner: &str| format!("<Patient xmlns=\"http://hl7.org/fhir\">{inner}</Patient>");
    refused("", X::Empty, 1, 1);
    refused(" \n ", X::Empty, 2, 2);
    refused("{}", X::Outside, 1, 1);
    refused("<a", X::UnexpectedEnd, 1, 3);
    refused("<Patient xmlns='http://hl7.org/fhir'>\n<active>", X::UnexpectedEnd, 2, 9);
    refused(patient("<active></Active>"), X::EndTag, 1, 46);
    refused(patient("<active value='1' value='2'/>"), X::DuplicateAttribute, 1, 56);
    refused(patient("<active value='1'id='2'/>"), X::Attribute, 1, 55);
    refused(patient("<active value=1/>"), X::Attribute, 1, 52);
    refused(patient("<active value='<'/>"), X::Attribute, 1, 53);
    refused(patient("<active value='&nbsp;'/>"), X::Entity, 1, 53);
    refused(patient("<active value='&;'/>"), X::Reference, 1, 53);
    refused(patient("<active value='& b'/>"), X::Reference, 1, 53);
    refused(patient("<active value='&#0;'/>"), X::Character, 1, 53);
    refused(patient("<active value='&#xD800;'/>"), X::Character, 1, 53);
    refused(patient("<x:active/>"), X::Prefix, 1, 38);
    refused(patient("<active x:y=''/>"), X::Prefix, 1, 46);
    refused(patient("<!-- a -- b -->"), X::Comment, 1, 45);
    refused(patient("]]>"), X::CDataEnd, 1, 38);
    refused(patient("<?xml version='1.0'?>"), X::Declaration, 1, 38);
    refused(patient("\u{1}"), X::Character, 1, 38);
    refused(patient("\u{FFFE}"), X::Character, 1, 38);
    refused(format!("{}<a/>", patient("")), X::SecondRoot, 1, 48);
    refused(format!("{} x", patient("")), X::Outside, 1, 49);
    refused(format!("<?xml version='2.0'?>{}", patient("")), X::Declaration, 1, 7);
    refused(format!("<?xml version='1.0' encoding='ISO-8859-1'?>{}", patient("")), K::Encoding, 1, 21);
    refused(b"<Patient xmlns='http://hl7.org/fhir'>\xC0\x80</Patient>", K::Encoding, 1, 38);
    refused(b"\xFF\xFE<\0a\0/\0>\0", K::Encoding, 1, 1);
    refused("<ClinicalDocument xmlns='urn:hl7-org:v3'/>", K::NotFhir, 1, 1);
}

#[test]
fn takes_a_byte_order_mark_comments_and_instructions() {
    let xml = "\u{FEFF}<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n<!-- a --><?b c?>\n\
        <f:Patient xmlns:f='http://hl7.org/fhir'><!-- d --><f:active value='true'></f:active><?e?></f:Patient>\n<!---->";
    let document = read(xml);
    assert_eq!(
        (document.resource.to_text().as_str(), document.issues.len()),
        (r#"{"resourceType":"Patient","active":true}"#, 0)
    );
}

#[test]
fn bombs_are_refused_at_once() {
    use ::xml::ErrorKind as X;
    use ErrorKind as K;
    refused("<!DOCTYPE lolz [<!ENTITY a \"b\">]><Patient xmlns='http://hl7.org/fhir'/>", X::DocumentType, 1, 1);
    let deep = format!("<Basic xmlns='http://hl7.org/fhir'>{}", "<extension url='a'>".repeat(100_000));
    assert!(matches!(parse(deep.as_bytes(), &Limits::default()).expect_err("deep").kind, K::Xml(X::TooDeep { .. })));
    let deep = format!("<Patient xmlns='http://hl7.org/fhir'><text>{}", "<div>".repeat(100_000));
    assert!(matches!(parse(deep.as_bytes(), &Limits::default()).expect_err("deep").kind, K::Xml(X::TooDeep { .. })));
    let deep = format!("<Patient xmlns='http://hl7.org/fhir'>{}", "<x>".repeat(100_000));
    assert!(matches!(parse(deep.as_bytes(), &Limits::default()).expect_err("deep").kind, K::Xml(X::TooDeep { .. })));
    let attributes: String = (0..10_000).map(|n| format!(" a{n}=''")).collect();
    let wide = format!("<Patient xmlns='http://hl7.org/fhir'{attributes}/>");
    assert!(matches!(
        parse(wide.as_bytes(), &Limits::default()).expect_err("wide").kind,
        K::Xml(X::TooManyAttributes { .. })
    ));
    let names: String = (0..10_000).map(|n| format!("<a{n}/>")).collect();
    let wide = format!("<Patient xmlns='http://hl7.org/fhir'>{names}</Patient>");
    assert!(matches!(parse(wide.as_bytes(), &Limits::default()).expect_err("wide").kind, K::TooManyNames { .. }));
    let limits = Limits { bytes: 100, ..Limits::default() };
    assert!(matches!(parse(deep.as_bytes(), &limits).expect_err("long").kind, K::TooLong { limit: 100 }));
}

#[test]
fn a_tree_that_is_read_is_no_deeper_than_the_limit() {
    for depth in [5, 9, 64] {
        let limits = Limits { depth, ..Limits::default() };
        for count in 1..80 {
            let xml = format!(
                "<Basic xmlns='http://hl7.org/fhir'>{}{}</Basic>",
                "<extension url='a'>".repeat(count),
                "</extension>".repeat(count)
            );
            if let Ok(document) = parse(xml.as_bytes(), &limits) {
                json::parse(&document.resource.to_bytes(), &limits).expect("not deeper");
            }
        }
    }
}

#[test]
fn finds_the_place_of_an_element() {
    let xml = "<Bundle xmlns='http://hl7.org/fhir'>\n<entry/>\n<entry><resource>\n<Observation>\n\
        <extension id='e'\n url='u'/>\n<component><valueQuantity/></component>\n</Observation></resource></entry></Bundle>";
    let place = |path: &str| locate(xml.as_bytes(), path).map(|place| (place.line, place.column));
    assert_eq!(place("Bundle"), Some((1, 1)));
    assert_eq!(place("Bundle.entry"), Some((2, 1)));
    assert_eq!(place("Bundle.entry[1]"), Some((3, 1)));
    assert_eq!(place("Bundle.entry[1].resource"), Some((3, 8)));
    assert_eq!(place("Bundle.entry[1].resource.extension[0].url"), Some((6, 2)));
    assert_eq!(place("Bundle.entry[1].resource.component[0].value.ofType(Quantity)"), Some((7, 12)));
    assert_eq!(place("Bundle.entry[2]"), None);
    assert_eq!(place("Bundle.entry[0].resource"), None);
}

/// The published examples, or none without the corpus.
fn examples() -> Vec<PathBuf> {
    fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = std::fs::read_dir(directory) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "json" || extension == "xml") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    match std::env::var_os("ANCHORLINE_CORPUS") {
        Some(corpus) => {
            for part in ["examples", "bundles", "validator/cases"] {
                collect(&Path::new(&corpus).join("fhir-r4").join(part), &mut found);
            }
        }
        None => eprintln!("skipped: ANCHORLINE_CORPUS is not set"),
    }
    found.sort();
    found
}

/// The same tree whatever the order of members; digits count.
fn canonical_bytes(value: &Json) -> Vec<u8> {
    canonical::bytes(value)
}

#[test]
fn every_published_example_survives_both_ways() {
    let limits = Limits { bytes: usize::MAX, ..Limits::default() };
    let (mut trees, mut texts, mut unwritable) = (0, 0, Vec::new());
    let mut wrong = Vec::new();
    for path in examples() {
        let bytes = std::fs::read(&path).expect("readable");
        let name = path.display().to_string();
        let is_example = !name.contains("validator");
        let resource = if path.extension().is_some_and(|extension| extension == "xml") {
            let document = match parse(&bytes, &limits) {
                Ok(document) => document,
                Err(error) if is_example => panic!("{name}: {error}"),
                Err(_) => continue,
            };
            if is_example && !document.issues.is_empty() {
                wrong.push(format!("{name}: {}", document.issues[0]));
            }
            texts += 1;
            document.resource
        } else {
            match json::parse(&bytes, &limits) {
                Ok(resource) => resource,
                Err(error) if is_example => panic!("{name}: {error}"),
                Err(_) => continue,
            }
        };
        trees += 1;
        match write(&resource, Layout::Compact) {
            Err(error) => unwritable.push(format!("{name}: {error}")),
            Ok(xml) => {
                let again = parse(xml.as_bytes(), &limits).expect("what is written reads back");
                if canonical_bytes(&again.resource) != canonical_bytes(&resource) {
                    let (left, right) = (resource.pretty(), again.resource.pretty());
                    let other = left.lines().zip(right.lines()).find(|(left, right)| left != right);
                    wrong.push(format!("{name}: another tree: {other:?}"));
                }
                let indented = write(&again.resource, Layout::Indented).expect("XML");
                if write(&again.resource, Layout::Compact).ok().as_deref() != Some(xml.as_str())
                    || parse(indented.as_bytes(), &limits).expect("XML").resource != again.resource
                {
                    wrong.push(format!("{name}: another XML"));
                }
            }
        }
    }
    eprintln!("{trees} trees, {texts} of them from XML; {} have no XML", unwritable.len());
    for line in unwritable.iter().chain(&wrong) {
        eprintln!("{line}");
    }
    assert!(unwritable.iter().chain(&wrong).all(|line| line.contains("validator")), "an example did not survive");
}

#[test]
fn the_json_and_xml_of_a_published_example_are_the_same_tree() {
    // The other pairs of the corpus come from different editions of their examples.
    for path in examples().into_iter().filter(|path| path.ends_with("r4-xml-json/organization-1.xml")) {
        let other = path.with_extension("json");
        let from_xml = read(&std::fs::read_to_string(&path).expect("readable")).resource;
        let from_json = tree(&std::fs::read_to_string(&other).expect("readable"));
        assert_eq!(from_xml.pretty(), from_json.pretty());
    }
}

/// Well-formed content of odd mixtures: known and unknown names, companions, narratives, namespaces.
fn content() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "<given value=\"A&#13;\n\"/>",
        "<given id='g'/>",
        "<given/>",
        "<valueDecimal value='1.0'/>",
        "<valueString/>",
        "<id value='i'/>",
        "<active value='true'/>",
        "<active/>",
        "<url value='x'/>",
        "<_x/>",
        "<x xmlns=''/>",
        "<resourceType/>",
        "<div xmlns='http://www.w3.org/1999/xhtml'>a\r\n&#xD;<br/><!-- c --></div>",
        "<h:div xmlns:h='http://www.w3.org/1999/xhtml'>&amp;<h:p a='&lt;'>b</h:p></h:div>",
        "&#xD;",
        "x",
        "<!-- c -->",
        "<![CDATA[<]]>",
        "<?p q?>",
    ])
    .prop_map(str::to_owned);
    let tag = prop::sample::select(vec![
        "name",
        "given",
        "foo value='1'",
        "foo",
        "extension url='u'",
        "text",
        "contained",
        "Basic",
        "birthDate id='b'",
        "contact",
        "maritalStatus",
        "div xmlns='http://www.w3.org/1999/xhtml'",
    ]);
    let element = leaf.prop_recursive(4, 24, 5, move |inner| {
        (tag.clone(), prop::collection::vec(inner, 0..5)).prop_map(|(tag, children)| {
            let name = tag.split(' ').next().unwrap_or(tag);
            format!("<{tag}>{}</{name}>", children.concat())
        })
    });
    prop::collection::vec(element, 0..5).prop_map(|elements| elements.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_read_is_written_as_the_same(inner in content()) {
        let xml = format!("<Patient xmlns=\"http://hl7.org/fhir\">{inner}</Patient>");
        let document = parse(xml.as_bytes(), &Limits::default()).expect("well formed");
        if let Ok(written) = write(&document.resource, Layout::Indented)
        {
            let again = parse(written.as_bytes(), &Limits::default()).expect("what is written reads back");
            prop_assert_eq!(canonical_bytes(&again.resource), canonical_bytes(&document.resource), "{}", written);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,80}") {
        let _ = parse(text.as_bytes(), &Limits::default());
        let _ = locate(text.as_bytes(), "Patient.name[0].given");
    }
}
