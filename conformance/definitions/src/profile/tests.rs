use model::json::{Limits, parse};

use super::*;

fn profile(elements: &str) -> Result<Profile, ProfileError> {
    let text = format!(
        r#"{{"resourceType":"StructureDefinition","url":"urn:p","type":"Observation","kind":"resource",
        "derivation":"constraint","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Observation",
        "snapshot":{{"element":[{elements}]}}}}"#
    );
    compile(&parse(text.as_bytes(), &Limits::default()).unwrap())
}

fn ids(profile: &Profile, list: &[ElementId]) -> Vec<String> {
    list.iter().map(|id| profile.element(*id).id.clone()).collect()
}

#[test]
fn slices_stand_apart_from_children() {
    let found = profile(
        r#"{"path":"Observation"},
        {"path":"Observation.category","min":0,"max":"*","slicing":{"rules":"closed","ordered":true,
            "discriminator":[{"type":"pattern","path":"$this"}]}},
        {"path":"Observation.category.coding","min":0,"max":"*"},
        {"path":"Observation.category","sliceName":"a","min":1,"max":"1","base":{"path":"Observation.category","min":0,"max":"*"}},
        {"path":"Observation.category.coding","min":1,"max":"*"},
        {"path":"Observation.category","sliceName":"a/b","min":0,"max":"1"},
        {"path":"Observation.category","sliceName":"c","min":0,"max":"1"},
        {"path":"Observation.code","min":1,"max":"1","type":[{"code":"CodeableConcept"}],
            "patternCodeableConcept":{"text":"x"}}"#,
    )
    .unwrap();
    let root = found.root();
    assert_eq!(ids(&found, &root.children), ["Observation.category", "Observation.code"]);
    let (category, element) = found.child(ElementId::ROOT, "category").unwrap();
    assert_eq!(ids(&found, &element.slices), ["Observation.category:a", "Observation.category:c"]);
    assert_eq!(ids(&found, &element.children), ["Observation.category.coding"]);
    let slicing = element.slicing.as_ref().unwrap();
    assert_eq!((slicing.rules, slicing.ordered), (SlicingRules::Closed, true));
    assert_eq!(slicing.discriminators[0].kind, DiscriminatorKind::Pattern);
    let (_, slice) = found.slice(category, "a").unwrap();
    assert_eq!((slice.min, slice.max, slice.base_max), (1, Some(1), None));
    assert_eq!(ids(&found, &slice.children), ["Observation.category:a.coding"]);
    assert_eq!(ids(&found, &slice.slices), ["Observation.category:a/b"]);
    let (_, code) = found.child(ElementId::ROOT, "code").unwrap();
    assert_eq!(code.pattern.as_ref().unwrap().type_name, "CodeableConcept");
}

#[test]
fn typed_name_is_a_slice_of_its_choice() {
    let found = profile(
        r#"{"path":"Observation"},
        {"path":"Observation.value[x]","min":0,"max":"1","type":[{"code":"Quantity"},{"code":"dateTime"}]},
        {"path":"Observation.valueQuantity","min":0,"max":"1","type":[{"code":"Quantity"}]},
        {"path":"Observation.valueQuantity.code","min":1,"max":"1","type":[{"code":"code"}]}"#,
    )
    .unwrap();
    let (value, element) = found.child(ElementId::ROOT, "value").unwrap();
    assert!(element.is_choice && element.children.is_empty());
    let (_, slice) = found.slice(value, "valueQuantity").unwrap();
    assert_eq!((slice.name.as_str(), slice.children.len()), ("value", 1));
}

#[test]
fn content_of_another_element() {
    let found = profile(
        r##"{"path":"Observation"},
        {"path":"Observation.referenceRange","min":0,"max":"*"},
        {"path":"Observation.component","min":0,"max":"*"},
        {"path":"Observation.component.referenceRange","min":0,"max":"*","contentReference":"#Observation.referenceRange"}"##,
    )
    .unwrap();
    let range = found.elements.last().unwrap();
    assert_eq!(range.content_reference, Some(ContentReference::Here(ElementId(1))));
}

#[test]
fn broken_snapshots_are_refused() {
    for elements in [
        "",
        "{}",
        r#"{"path":"Observation.code"}"#,
        r#"{"path":"Observation"},{"path":"Observation.a.b"}"#,
        r#"{"path":"Observation"},{"path":"Patient.name"}"#,
    ] {
        assert!(matches!(profile(elements), Err(ProfileError::Broken(_))), "{elements}");
    }
}

#[test]
fn names_of_choice_types() {
    assert_eq!(element::choice_type("DateTime"), "dateTime");
    assert_eq!(element::choice_type("Quantity"), "Quantity");
    assert_eq!(element::choice_type("Base64Binary"), "base64Binary");
}

#[test]
fn further_bindings_are_read_in_all_forms() {
    let found = profile(
        r#"{"path":"Observation"},{"path":"Observation.code","min":1,"max":"1","type":[{"code":"CodeableConcept"}],
        "binding":{"strength":"example","valueSet":"urn:vs","additional":[{"purpose":"required","valueSet":"urn:c"}],
        "extension":[{"url":"http://hl7.org/fhir/tools/StructureDefinition/additional-binding","extension":[
            {"url":"purpose","valueCode":"maximum"},{"url":"valueSet","valueCanonical":"urn:a"}]},
        {"url":"http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.binding.additional","extension":[
            {"url":"purpose","valueCode":"required"},{"url":"valueSet","valueCanonical":"urn:b"},
            {"url":"any","valueBoolean":true},{"url":"usage"}]}]}}"#,
    )
    .unwrap();
    let (_, code) = found.child(ElementId::ROOT, "code").unwrap();
    let further = &code.binding.as_ref().unwrap().additional;
    let sets: Vec<_> = further.iter().map(|each| (each.value_set.as_str(), each.any, each.in_context)).collect();
    assert_eq!(sets, [("urn:a", false, false), ("urn:b", true, true), ("urn:c", false, false)]);
}
