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
fn another_version_of_fhir_and_another_encoding_are_not_ours() {
    check("application/fhir+json; fhirVersion=5.0", None);
    check("application/fhir+json; fhirVersion=\"4.0\"", Some(Format::Json));
    check("application/fhir+xml; charset=iso-8859-1", None);
    check("application/fhir+xml; charset=\"UTF-8\"; q=0.5", Some(Format::Xml));
}
