use crate::answer::{CodeCheck, Coding, DisplayCheck, Membership, Reason};
use crate::testing::terminology;

fn defined() -> crate::Terminology {
    terminology(&[
        r#"{"resourceType":"CodeSystem","url":"http://example.org/cs","version":"1","content":"complete",
            "property":[{"code":"status","uri":"http://hl7.org/fhir/concept-properties#status","type":"code"}],
            "concept":[
              {"code":"a","display":"Alpha","designation":[{"language":"de","value":"Anfang"}],"concept":[{"code":"a1"}]},
              {"code":"b","property":[{"code":"status","valueCode":"retired"}]},
              {"code":"c","property":[{"code":"notSelectable","valueBoolean":true}]}]}"#,
        r#"{"resourceType":"CodeSystem","url":"http://example.org/part","content":"fragment","concept":[{"code":"x"}]}"#,
        r#"{"resourceType":"CodeSystem","url":"http://example.org/ci","content":"complete","caseSensitive":false,
            "concept":[{"code":"Kg"}]}"#,
    ])
}

#[track_caller]
fn check(coding: Coding<'_>, expect: CodeCheck) {
    assert_eq!(defined().validate(&coding), expect);
}

#[test]
fn knows_a_code_with_its_display_in_any_language_and_case() {
    let known = |display, active, selectable| CodeCheck::Known { display, active, selectable };
    let cs = |code| Coding::new("http://example.org/cs", code);
    check(cs("a"), known(DisplayCheck::Absent, true, true));
    check(Coding { display: Some("alpha"), ..cs("a") }, known(DisplayCheck::Matches, true, true));
    check(Coding { display: Some(" ANFANG"), ..cs("a") }, known(DisplayCheck::Matches, true, true));
    let differs = DisplayCheck::Differs(vec!["Alpha".into(), "Anfang".into()]);
    check(Coding { display: Some("Beta"), ..cs("a") }, known(differs, true, true));
    check(Coding { display: Some("Beta"), ..cs("a1") }, known(DisplayCheck::Unknown, true, true));
    check(cs("b"), known(DisplayCheck::Absent, false, true));
    check(cs("c"), known(DisplayCheck::Absent, true, false));
}

#[test]
fn tells_an_unknown_code_from_an_unknown_system() {
    check(Coding::new("http://example.org/cs", "z"), CodeCheck::UnknownCode);
    check(Coding::new("http://example.org/cs", "A"), CodeCheck::UnknownCode);
    check(Coding::new("http://example.org/other", "z"), CodeCheck::UnknownSystem);
    check(Coding::new("http://example.org/part", "z"), CodeCheck::Incomplete);
    check(Coding { version: Some("2"), ..Coding::new("http://example.org/cs", "a") }, CodeCheck::UnknownVersion);
    check(Coding::code("a"), CodeCheck::UnknownSystem);
}

#[test]
fn folds_case_where_the_system_says_so() {
    let known = CodeCheck::Known { display: DisplayCheck::Absent, active: true, selectable: true };
    check(Coding::new("http://example.org/ci", "KG"), known);
}

#[test]
fn checks_open_systems_by_rule() {
    let known = CodeCheck::Known { display: DisplayCheck::Absent, active: true, selectable: true };
    check(Coding::new("urn:ietf:bcp:13", "text/plain; charset=utf-8"), known.clone());
    check(Coding::new("urn:ietf:bcp:47", "de-CH-1996"), known.clone());
    check(Coding::new("http://unitsofmeasure.org", "mm[Hg]"), known);
    check(Coding::new("http://unitsofmeasure.org", "mmHg"), CodeCheck::UnknownCode);
    check(Coding::new("http://loinc.org", "8480-6"), CodeCheck::UnknownSystem);
    check(Coding::new("http://loinc.org", "8480-7"), CodeCheck::Malformed("the check digit of a LOINC code"));
    check(Coding::new("http://snomed.info/sct", "73211009"), CodeCheck::UnknownSystem);
    check(
        Coding::new("http://snomed.info/sct", "73211008"),
        CodeCheck::Malformed("the check digit of a SNOMED CT identifier"),
    );
}

#[test]
fn a_form_that_the_system_does_not_have_is_an_unknown_code() {
    check(Coding::new("http://snomed.info/sct", "73211009x"), CodeCheck::UnknownCode);
    check(Coding::new("http://loinc.org", "glucose level"), CodeCheck::UnknownCode);
}

#[test]
fn an_unknown_value_set_is_no_error() {
    let answer = defined().member("http://example.org/none", &Coding::code("a"));
    assert_eq!(answer, Membership::Unknown(Reason::ValueSet("http://example.org/none".into())));
}
