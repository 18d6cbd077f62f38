use super::*;

#[track_caller]
fn check(system: &str, valid: &[&str], invalid: &[&str]) {
    let rule = Rule::of(system).unwrap();
    for code in valid {
        assert_eq!(rule.check(code), Verdict::Valid, "{code}");
    }
    for code in invalid {
        assert!(matches!(rule.check(code), Verdict::Invalid(_)), "{code}");
    }
}

#[test]
fn media_types_are_type_and_subtype() {
    check(
        "urn:ietf:bcp:13",
        &["text/plain", "application/fhir+json", "text/cql; charset=utf-8", "image/*", "application/vnd.x.y-1"],
        &["text", "text/", "/plain", "text/pl ain", "text/plain;charset", "json", ""],
    );
}

#[test]
fn language_tags_are_well_formed() {
    check(
        "urn:ietf:bcp:47",
        &[
            "en",
            "en-US",
            "zh-Hant-TW",
            "de-CH-1996",
            "sl-rozaj-biske",
            "x-private",
            "en-a-bbb-x-a",
            "i-klingon",
            "es-419",
        ],
        &[
            "",
            "e",
            "en_US",
            "en-",
            "abcdefghi",
            "en-US-",
            "en-a",
            "en-x",
            "123",
            "zh-Hant-TWXY-",
            "xx",
            "en-BX",
            "en-Xxxx",
            "english",
        ],
    );
}

#[test]
fn uris_have_a_scheme() {
    check("urn:ietf:rfc:3986", &["http://a.b/c", "urn:oid:1.2.3", "mailto:a@b"], &["a", "", "http:", "1a:b", "a: b"]);
}

#[test]
fn forms_and_check_digits_are_checked() {
    let check = |system: &str, codes: &[&str], expect: fn(Form) -> bool| {
        for code in codes {
            assert!(expect(form(system, code)), "{code}: {:?}", form(system, code));
        }
    };
    let possible = |found| found == Form::Possible;
    let digit = |found| matches!(found, Form::CheckDigit(_));
    let impossible = |found| found == Form::Impossible;
    let loinc = "http://loinc.org";
    check(loinc, &["8480-6", "8462-4", "2823-3", "LP7751-3", "LA6576-8", "39156-5", "MTHU000083"], possible);
    check(loinc, &["8480-5", "2823-0"], digit);
    check(loinc, &["84806", "8480-", "8480-66", "", "-6", "8480-x", "L P"], impossible);
    let snomed = "http://snomed.info/sct";
    let expression = "128045006:{363698007=56459004}";
    check(snomed, &["73211009", "138875005", "900000000000207008", expression, "=== 1", "73211009 |x|"], possible);
    check(snomed, &["73211008", "44054007"], digit);
    check(snomed, &["12345", "0123456", "73211009x", "abc", "", "1234567890123456789"], impossible);
}
