use super::{Named, is_absolute, named_type};

#[test]
fn reads_the_parts_of_a_reference() {
    let named = Named::parse("http://x.org/fhir/Patient/a/_history/2").unwrap();
    assert_eq!(
        (named.base, named.type_name, named.id, named.version),
        ("http://x.org/fhir/", "Patient", "a", Some("2"))
    );
    let named = Named::parse("Patient/a").unwrap();
    assert_eq!((named.base, named.version), ("", None));
    for text in
        ["", "Patient", "Nothing/a", "Patient/a b", "urn:uuid:a", "x/Patient/a", "Patient/a/_history/", "é/Patient/é"]
    {
        assert_eq!(Named::parse(text), None, "{text}");
    }
}

#[test]
fn knows_the_type_a_reference_names() {
    assert_eq!(named_type("Patient/a"), Some("Patient"));
    assert_eq!(named_type("https://x.org/Patient/a"), Some("Patient"));
    assert_eq!(named_type("Patient?identifier=x"), Some("Patient"));
    assert_eq!(named_type("urn:uuid:a"), None);
}

#[test]
fn tells_absolute_from_relative() {
    for text in ["http://x.org", "urn:oid:1.2", "mailto:x", "ftp+x:y"] {
        assert!(is_absolute(text), "{text}");
    }
    for text in ["Patient/a", "#a", "", ":x", "c d:e", "x:", "C:\\x", "1a:x"] {
        assert!(!is_absolute(text), "{text}");
    }
}

#[test]
fn the_search_for_targets_ends() {
    let resolver = super::Resolver::default();
    assert!(resolver.affords(1000));
    assert!(!resolver.affords(usize::MAX));
    assert!(!resolver.affords(0));
}
