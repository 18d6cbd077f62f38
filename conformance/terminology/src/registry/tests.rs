use super::*;

#[track_caller]
fn check(system: &str, code: &str, display: Option<&str>) {
    let concepts = code_system(system).unwrap();
    let found = concepts.find(code).and_then(|concept| concepts.display(concept).map(|text| text.into_owned()));
    assert_eq!(found.as_deref(), display, "{code}");
}

#[test]
fn countries_have_three_codes() {
    check("urn:iso:std:iso:3166", "CH", Some("Switzerland"));
    check("urn:iso:std:iso:3166", "CHE", Some("Switzerland"));
    check("urn:iso:std:iso:3166", "756", Some("Switzerland"));
    check("urn:iso:std:iso:3166", "ch", None);
    check("urn:iso:std:iso:3166", "XX", None);
}

#[test]
fn parts_of_countries_and_currencies_are_known() {
    check("urn:iso:std:iso:3166:-2", "US-CA", Some("California"));
    check("urn:iso:std:iso:3166:-2", "US-XX", None);
    check("urn:iso:std:iso:4217", "EUR", Some("Euro"));
    check("urn:iso:std:iso:4217", "DEM", Some("DEM"));
    check("urn:iso:std:iso:4217", "EUX", None);
    assert!(code_system("urn:iso:std:iso:4217").unwrap().len() > 160);
    assert!(code_system("urn:iso:std:iso:3166:-2").unwrap().len() > 4_000);
    assert!(code_system("http://example.org").is_none());
}
