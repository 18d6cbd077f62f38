use super::*;

#[track_caller]
fn check(range: &str, expect: Option<Format>) {
    assert_eq!(Format::of_range(range), expect, "{range}");
}

#[test]
fn media_types_are_read_as_clients_write_them() {
    check("application/fhir+json; fhirVersion=4.0", Some(Format::Json));
    check("application/fhir+xml;charset=utf-8", Some(Format::Xml));
    check(" text/xml ", Some(Format::Xml));
    check("*/*;q=0.1", Some(Format::Json));
    check("text/turtle", None);
    assert_eq!(Format::of("application/fhir xml"), Some(Format::Xml));
}

#[test]
fn weights_are_thousandths() {
    assert_eq!(weight("application/xml"), 1000);
    assert_eq!(weight("application/xml; q=0.25"), 250);
    assert_eq!(weight("application/xml;q=0"), 0);
    assert_eq!(weight("application/xml;q=many"), 0);
    assert_eq!(weight("application/xml;q=9"), 1000);
}

#[test]
fn what_has_no_xml_is_not_written_as_xml() {
    assert!(
        rewritten(br#"{"resourceType":"Patient","birthDate":"1980"}"#).unwrap().contains("<birthDate value=\"1980\"/>")
    );
    assert_eq!(rewritten(br#"{"resourceType":"Patient","birthDate":null}"#), None);
}
