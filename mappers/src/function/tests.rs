use crate::concept::{CodeMap, Concept};

use super::identity::{authority_name, universal_id_parts};
use super::time::digits_of_time;
use super::*;

fn back(value: &str) -> Back<'_> {
    Back { value, authorities: Authorities::default() }
}

#[track_caller]
fn check(function: &str, value: &str, expect: &str) {
    check_with(function, value, &[], None, expect);
}

#[track_caller]
fn check_with(function: &str, value: &str, arguments: &[&str], zone: Option<&str>, expect: &str) {
    let zone = zone.map(|name| TimeZone::get(name).unwrap());
    let arguments: Vec<Cow<'_, str>> = arguments.iter().map(|text| Cow::Borrowed(*text)).collect();
    let call = Call { value, arguments: &arguments, zone: zone.as_ref(), authorities: Authorities::default() };
    let got = match (named(function).unwrap().forward)(&call) {
        Ok(output) => match output.lossy {
            Some(_) => format!("{} (lossy)", output.value),
            None => output.value.to_string(),
        },
        Err(Failure(_)) => "failure".to_owned(),
    };
    assert_eq!(got, expect, "{function}({value})");
}

#[test]
fn a_time_without_zone_keeps_only_its_date() {
    check("dateTime", "20150208113419", "2015-02-08 (lossy)");
    check("dateTime", "20150208", "2015-02-08");
    check("dateTime", "2015", "2015");
    check("dateTime", "201502", "2015-02");
}

#[test]
fn a_time_with_zone_is_an_instant() {
    check("dateTime", "20150208113419-0500", "2015-02-08T11:34:19-05:00");
    check("dateTime", "20150208113419.123+0000", "2015-02-08T11:34:19.123+00:00");
    check("instant", "201502081134+0100", "2015-02-08T11:34:00+01:00 (lossy)");
    check("instant", "20150208", "failure");
}

#[test]
fn the_zone_of_the_source_is_applied_with_its_summer_time() {
    check_with("dateTime", "20150708113419", &[], Some("Europe/Berlin"), "2015-07-08T11:34:19+02:00");
    check_with("dateTime", "20150208113419", &[], Some("Europe/Berlin"), "2015-02-08T11:34:19+01:00");
    check_with("dateTime", "20150208113419-0500", &[], Some("Europe/Berlin"), "2015-02-08T11:34:19-05:00");
}

#[test]
fn a_date_that_does_not_exist_is_refused() {
    for text in
        ["20150230", "20151301", "2015020825", "201502081160", "00000000", "abc", "20150208+99", "20150208113419-2600"]
    {
        check("dateTime", text, "failure");
    }
}

#[test]
fn a_decimal_keeps_its_digits() {
    check("decimal", "4.50", "4.50");
    check("decimal", "-0.10", "-0.10");
    check("decimal", "+4", "4 (lossy)");
    check("decimal", ".5", "0.5 (lossy)");
    check("decimal", "007", "7 (lossy)");
    check("decimal", "1e5", "failure");
    check("decimal", "", "failure");
    check("decimal", ".", "failure");
}

#[test]
fn a_number_may_carry_a_comparator() {
    assert_eq!(compared(">= 100.0"), Some((">=", "100.0")));
    assert_eq!(compared("<0.5"), Some(("<", "0.5")));
    assert_eq!(compared("=5"), None);
    assert_eq!(compared("POSITIVE"), None);
    assert_eq!(range("4.5 - 5.9"), (Some("4.5"), Some("5.9")));
    assert_eq!(range("-2--1"), (Some("-2"), Some("-1")));
    assert_eq!(range("< 5"), (None, Some("5")));
    assert_eq!(range(">=3"), (Some("3"), None));
    assert_eq!(range("1:5-1:10"), (None, None));
}

#[test]
fn a_universal_id_becomes_a_uri_and_comes_back() {
    check_with("universal_id", "1.2.840", &["ISO"], None, "urn:oid:1.2.840");
    check_with("universal_id", "http://x.org/a", &["URI"], None, "http://x.org/a");
    check_with("universal_id", "lab.example", &["DNS"], None, "urn:anchorline:authority:DNS:lab.example");
    assert_eq!(universal_id_parts(&back("urn:oid:1.2")).unwrap(), ["1.2", "ISO"]);
    assert_eq!(universal_id_parts(&back("urn:anchorline:authority:DNS:lab.example")).unwrap(), ["lab.example", "DNS"]);
}

#[test]
fn a_name_where_a_uri_belongs_is_the_name_of_an_authority() {
    assert_eq!(authority_name(&back("Harbour Lab")).unwrap(), ["Harbour Lab"]);
    assert_eq!(authority_name(&back("urn:id:HARBOUR")).unwrap(), ["HARBOUR"]);
    assert_eq!(universal_id_parts(&back("Harbour Lab")), None);
    assert_eq!(authority_name(&back("2.999.4")), None);
    assert_eq!(authority_name(&back("http://harbour.example/ids")), None);
    check_with("universal_id", "harbour.example", &["URI"], None, "urn:anchorline:authority:URI:harbour.example");
}

#[test]
fn an_oid_in_an_element_of_its_own_may_be_a_uri() {
    let parts = |text: &str| (named("bare_id").unwrap().backward.unwrap())(&back(text)).unwrap();
    assert_eq!(parts("urn:oid:2.999.4"), ["2.999.4", "ISO"]);
    assert_eq!(parts("2.999.4"), ["2.999.4"]);
}

#[test]
fn a_date_alone_is_a_day() {
    let day = |text: &str| (named("day").unwrap().backward.unwrap())(&back(text));
    assert_eq!(day("2024-06-01").unwrap(), ["20240601"]);
    assert_eq!(day("2024-06-01T10:00:00Z"), None);
}

#[test]
fn a_table_is_known_by_its_value_set_too() {
    assert_eq!(hl7_table_number("http://terminology.hl7.org/ValueSet/v2-0136"), Some("0136"));
    assert_eq!(hl7_table_number("http://terminology.hl7.org/CodeSystem/v2-0136"), Some("0136"));
}

#[test]
fn a_universal_id_may_be_any_text() {
    check_with("universal_id", "MPI Harbour", &["L"], None, "urn:anchorline:authority:L:MPI%20Harbour");
    check_with("universal_id", "not a uri", &["URI"], None, "urn:anchorline:authority:URI:not%20a%20uri");
    assert_eq!(universal_id_parts(&back("urn:anchorline:authority:L:MPI%20Harbour")).unwrap(), ["MPI Harbour", "L"]);
}

#[test]
fn a_coding_system_has_a_uri_by_name_or_oid() {
    let check = |name: &str, uri: &str| assert_eq!(system_uri(name).0, uri);
    check("HL70078", "http://terminology.hl7.org/CodeSystem/v2-0078");
    check("2.16.840.1.113883.12.78", "http://terminology.hl7.org/CodeSystem/v2-0078");
    check("2.999.4.1", "urn:oid:2.999.4.1");
    check("urn:x:y", "urn:x:y");
    check("99 LAB", "urn:anchorline:coding-system:99%20LAB");
}

#[test]
fn a_name_of_an_authority_survives_any_character() {
    check("authority", "ST. MARY'S ü", "urn:anchorline:authority:ST.%20MARY%27S%20%C3%BC");
    assert_eq!(authority_name(&back("urn:anchorline:authority:ST.%20MARY%27S%20%C3%BC")).unwrap(), ["ST. MARY'S ü"]);
}

#[test]
fn the_source_names_its_authorities_before_the_package() {
    let concept = |code: &str, target: &str| {
        let text = |text: &str| SmolStr::new(text);
        (Concept { code: text(code), system: text(""), target: text(target), display: text("") }, true)
    };
    let package = CodeMap::new(
        "AssigningAuthority",
        None,
        vec![concept("SSA", "urn:oid:2.999.1"), concept("NPI", "urn:oid:2.999.2")],
    );
    let source = [("NPI".to_owned(), "https://npi.example".to_owned())];
    let authorities = Authorities { source: &source, package: Some(&package) };
    let forward = |value| {
        let call = Call { value, arguments: &[], zone: None, authorities };
        (named("authority").unwrap().forward)(&call).unwrap().value
    };
    assert_eq!(forward("NPI"), "https://npi.example");
    assert_eq!(forward("SSA"), "urn:oid:2.999.1");
    assert_eq!(forward("LAB"), "urn:anchorline:authority:LAB");
    let backward = |value| authority_name(&Back { value, authorities });
    assert_eq!(backward("https://npi.example").unwrap(), ["NPI"]);
    assert_eq!(backward("urn:oid:2.999.1").unwrap(), ["SSA"]);
    assert_eq!(backward("urn:oid:2.999.3"), None);
}

#[test]
fn a_telephone_number_is_put_together() {
    check_with("phone", "5551234", &["1", "555", "77"], None, "+1 555 5551234 X77");
    check_with("phone", "5551234", &["", "", ""], None, "5551234");
}

#[test]
fn times_come_back_as_digits() {
    assert_eq!(digits_of_time(&back("2015-02-08T11:34:19-05:00")).unwrap(), ["20150208113419-0500"]);
    assert_eq!(digits_of_time(&back("2015-02-08T11:34:19Z")).unwrap(), ["20150208113419+0000"]);
    assert_eq!(digits_of_time(&back("2015-02")).unwrap(), ["201502"]);
    assert_eq!(digits_of_time(&back("11:34:00")).unwrap(), ["113400"]);
}

#[test]
fn data_is_turned_into_base64() {
    check_with("base64", "hello", &["A"], None, "aGVsbG8=");
    check_with("base64", "68656c6c6f", &["Hex"], None, "aGVsbG8=");
    check_with("base64", "aGVs bG8=", &["Base64"], None, "aGVsbG8=");
    check_with("base64", "???", &["Base64"], None, "failure");
}

#[test]
fn media_types_come_from_type_and_subtype() {
    check_with("mime", "AP", &["PDF"], None, "application/pdf (lossy)");
    check_with("mime", "application/pdf", &[""], None, "application/pdf");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_a_function_panic(value in ".{0,40}", argument in ".{0,10}") {
        for function in SUBJECTS.iter().flat_map(|subject| subject.iter()) {
            let arguments = vec![Cow::Borrowed(argument.as_str()); function.arguments];
            let _ = (function.forward)(&Call {
                value: &value,
                arguments: &arguments,
                zone: None,
                authorities: Authorities::default(),
            });
            if let Some(backward) = function.backward {
                let _ = backward(&back(&value));
            }
        }
    }

    #[test]
    fn escaping_a_name_is_undone(value in ".{0,40}") {
        proptest::prop_assert_eq!(unescaped(&escaped(&value)), value);
    }
}

#[test]
fn a_time_is_so_many_units_after_another() {
    let after = |value, start, unit, expect| check_with("after", value, &[start, unit], None, expect);
    after("50", "202402292340+0100", "min", "2024-03-01T00:30:00+01:00");
    after("2", "20240229234000-0500", "h", "2024-03-01T01:40:00-05:00");
    after("1", "20240229234000+0100", "d", "failure");
    after("50", "20240229234000", "min", "failure");
    after("soon", "20240229234000+0100", "min", "failure");
    after("9223372036854775807", "20240229234000+0100", "h", "failure");
}
