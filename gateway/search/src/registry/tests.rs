use std::collections::BTreeMap;

use fhirpath::{Strictness, Type};
use model::json::{Limits, parse};

use super::*;

fn definition(text: &str) -> Definition {
    Definition::read(&parse(text.as_bytes(), &Limits::default()).unwrap()).unwrap()
}

#[test]
fn every_expression_of_r4_compiles_and_fits_its_type() {
    let registry = Registry::standard();
    let mut count = 0;
    for name in ResourceType::all() {
        for parameter in registry.parameters(name) {
            let expression = parameter.source.expression().unwrap_or_else(|| panic!("{name} {}", parameter.code));
            expression
                .check(Type::find(name.as_str()), Strictness::Lenient)
                .unwrap_or_else(|error| panic!("{name} {}: {error}", parameter.code));
            assert_eq!(parameter.kind == Kind::Composite, parameter.components.len() >= 2, "{name} {}", parameter.code);
            for component in &parameter.components {
                assert!(component.source.expression().is_some(), "{name} {}", parameter.code);
            }
            count += 1;
        }
    }
    assert!(count > 2_500, "{count}");
}

#[test]
fn no_two_names_of_a_type_have_one_number() {
    let registry = Registry::standard();
    for name in ResourceType::all() {
        let mut known: BTreeMap<u32, String> = BTreeMap::new();
        let own = [
            "anchorline:attached",
            "anchorline:summary",
            "anchorline:review",
            "anchorline:searched",
            "anchorline:birth",
            "anchorline:family",
            "anchorline:for-everybody",
        ];
        for own in own {
            assert!(known.insert(crate::row::number(own), own.to_owned()).is_none());
        }
        for parameter in registry.parameters(name) {
            for (number, variant) in parameter.numbers().into_iter().zip(["", ":text", ":of-type", ":identifier"]) {
                let other = known.insert(number, format!("{}{variant}", parameter.code));
                assert!(other.is_none(), "{name}: {} and {other:?}", parameter.code);
            }
        }
    }
}

#[test]
fn a_custom_parameter_is_found_by() {
    let nickname = r#"{"resourceType":"SearchParameter","url":"http://example.org/sp/nickname","code":"nickname","type":"string","base":["Patient"],
        "expression":"Patient.name.where(use='nickname').given"}"#;
    let (registry, problems) = Registry::with(vec![definition(nickname)]);
    assert!(problems.is_empty());
    let patient = ResourceType::parse("Patient").unwrap();
    assert!(registry.find(patient, "nickname").is_some());
    assert!(registry.find(ResourceType::parse("Person").unwrap(), "nickname").is_none());
    assert_ne!(registry.rules("Patient"), Registry::standard().rules("Patient"));
    assert_eq!(registry.rules("Person"), Registry::standard().rules("Person"));
    let json = parse(br#"{"resourceType":"Patient","name":[{"use":"nickname","given":["Bob"]}]}"#, &Limits::default())
        .unwrap();
    let rows = registry.extract("Patient", &json);
    assert!(rows.iter().any(|row| row.param == crate::row::number("nickname") && row.value == b"bob\0Bob"));
}

#[test]
fn an_extension_is_found_by_its_value() {
    let race = r#"{"resourceType":"SearchParameter","url":"http://example.org/sp/colour","code":"colour","type":"token","base":["Patient"],
        "expression":"Patient.extension('urn:colour')"}"#;
    let (registry, _) = Registry::with(vec![definition(race)]);
    let json = parse(br#"{"resourceType":"Patient","extension":[{"url":"urn:colour","valueCoding":{"system":"urn:c","code":"red"}}]}"#, &Limits::default()).unwrap();
    let rows = registry.extract("Patient", &json);
    assert!(rows.iter().any(|row| row.value == b"red\0urn:c"), "{rows:?}");
}

#[test]
fn what_r4_serves_stays_and_what_contradicts_it_is_refused() {
    let derived = r#"{"resourceType":"SearchParameter","url":"http://example.org/sp/patient","code":"patient","type":"reference","base":["Condition"],
        "derivedFrom":"http://hl7.org/fhir/SearchParameter/clinical-patient","expression":"Condition.subject"}"#;
    let (registry, problems) = Registry::with(vec![definition(derived)]);
    assert!(registry.custom().is_empty() && problems.is_empty());
    let other = derived.replace("derivedFrom", "purpose");
    let problems = Registry::with(vec![definition(&other)]).1;
    assert!(problems[0].to_string().contains("has a parameter of that code already"), "{problems:?}");
    let kind = derived.replace("reference", "token");
    assert!(!Registry::with(vec![definition(&kind)]).1.is_empty());
    let parts = r#"{"resourceType":"SearchParameter","url":"http://example.org/sp/c","code":"c-d","type":"composite","base":["Condition"],
        "expression":"Condition","component":[{"definition":"urn:none","expression":"code"},{"definition":"http://hl7.org/fhir/SearchParameter/clinical-code","expression":"code"}]}"#;
    let (registry, problems) = Registry::with(vec![definition(parts)]);
    assert!(registry.custom().is_empty(), "it is left out");
    assert!(problems[0].text.contains("urn:none is not known"), "{problems:?}");
}

#[test]
fn what_others_find_together_needs_no_rows() {
    let registry = Registry::standard();
    let served = |name: &str, code: &str| {
        let of = ResourceType::parse(name).unwrap();
        let parameter = registry.find(of, code).unwrap();
        let by = parameter.rows_of(parameter.param);
        let codes = registry.parameters(of).iter().filter(|it| by.contains(&it.param)).map(|it| it.code.as_str());
        codes.collect::<Vec<_>>().join(" ")
    };
    for (name, code, by) in [
        ("Observation", "combo-code", "code component-code"),
        ("Observation", "combo-value-quantity", "component-value-quantity value-quantity"),
        ("Observation", "combo-code-value-quantity", "code-value-quantity component-code-value-quantity"),
        ("Observation", "patient", "subject"),
        ("Observation", "code", "code"),
        ("Patient", "phonetic", "name"),
        ("Patient", "email", "email"),
        ("Immunization", "patient", "patient"),
    ] {
        assert_eq!(served(name, code), by, "{name} {code}");
    }
}
