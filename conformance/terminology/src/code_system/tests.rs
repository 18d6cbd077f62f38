use crate::CodeSystem;
use crate::answer::{CodeCheck, Coding};
use crate::concepts::{Concept, Concepts};
use crate::testing::{json, terminology};

#[test]
fn hierarchies_come_from_nesting_and_from_properties() {
    let system = CodeSystem::compile(
        &json(
            r#"{"resourceType":"CodeSystem","url":"u","content":"complete","property":[
            {"code":"up","uri":"http://hl7.org/fhir/concept-properties#parent"}],"concept":[
            {"code":"a","concept":[{"code":"b"}]},{"code":"c","property":[{"code":"child","valueCode":"b"},
            {"code":"up","valueCode":"a"}]},{"code":"a","display":"again"}]}"#,
        ),
        &[],
    )
    .unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|code| system.find(code).unwrap());
    assert_eq!((system.len(), system.parents(b), system.parents(c)), (3, vec![a, c], vec![a]));
    assert!(system.is_a(b, c) && system.is_a(b, a) && !system.is_a(a, b));
    assert_eq!(system.closure(a).len(), 3);
    assert_eq!((system.code(Concept(9)), system.is_a(Concept(9), a)), (None, false));
}

#[test]
fn cycles_of_a_broken_definition_end() {
    let system = CodeSystem::compile(
        &json(
            r#"{"resourceType":"CodeSystem","url":"u","content":"complete","concept":[
            {"code":"a","property":[{"code":"parent","valueCode":"b"}]},{"code":"b","property":[{"code":"parent","valueCode":"a"}]}]}"#,
        ),
        &[],
    )
    .unwrap();
    assert_eq!(system.closure(Concept(0)).len(), 2);
    assert!(system.is_a(Concept(0), Concept(1)));
}

#[test]
fn supplements_add_texts_and_never_codes() {
    let service = terminology(&[
        r#"{"resourceType":"CodeSystem","url":"u","content":"complete","concept":[{"code":"a","display":"A"}]}"#,
        r#"{"resourceType":"CodeSystem","url":"s","content":"supplement","supplements":"u","concept":[
            {"code":"a","designation":[{"language":"de","value":"Ah"}]},{"code":"b"}]}"#,
    ]);
    let answer = service.validate(&Coding { display: Some("ah"), ..Coding::new("u", "a") });
    assert!(matches!(answer, CodeCheck::Known { display: crate::DisplayCheck::Matches, .. }));
    assert_eq!(service.validate(&Coding::new("u", "b")), CodeCheck::UnknownCode);
}

#[test]
fn a_national_person_identifier_names_its_country() {
    let service =
        terminology(&[r#"{"resourceType":"CodeSystem","url":"http://terminology.hl7.org/CodeSystem/v2-0203",
        "content":"complete","concept":[{"code":"NNxxx"},{"code":"MR"}]}"#]);
    let ask = |code| service.validate(&Coding::new("http://terminology.hl7.org/CodeSystem/v2-0203", code));
    assert!(matches!(ask("NNFIN"), CodeCheck::Known { .. }));
    assert_eq!(ask("NNfin"), CodeCheck::Unlisted);
    assert_eq!(ask("MRFIN"), CodeCheck::Unlisted);
}
