use super::*;

#[test]
fn index_is_sound_and_every_definition_parses() {
    let pack = Pack::r4();
    assert!(pack.entries.is_sorted_by(|left, right| pack.url(left) < pack.url(right)));
    for entry in pack.entries() {
        let json = pack.parse(entry).unwrap_or_else(|| panic!("{}", pack.url(entry)));
        assert_eq!(json.text_at(&["resourceType"]), Some(pack.kind(entry)));
        assert_eq!(json.text_at(&["version"]), pack.version(entry));
        if pack.kind(entry) != "NamingSystem" {
            assert_eq!(json.text_at(&["url"]), Some(pack.url(entry)));
        }
    }
}

#[test]
fn pack_holds_the_whole_core_package() {
    let pack = Pack::r4();
    let count = |kind: &str| pack.entries().iter().filter(|entry| pack.kind(entry) == kind).count();
    let kinds = [
        ("StructureDefinition", 655),
        ("ValueSet", 1316),
        ("CodeSystem", 1062),
        ("ConceptMap", 80),
        ("SearchParameter", 1400),
        ("OperationDefinition", 47),
        ("CompartmentDefinition", 6),
        ("NamingSystem", 2),
    ];
    for (kind, expect) in kinds {
        assert_eq!(count(kind), expect, "{kind}");
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    for url in ["", "http://hl7.org/fhir/StructureDefinition/Patien", "zzz"] {
        assert_eq!(Pack::r4().find(url).count(), 0);
    }
    assert_eq!(Pack::r4().find("http://hl7.org/fhir/StructureDefinition/Patient").count(), 1);
}
