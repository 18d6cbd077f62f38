use super::*;
use crate::samples::json;

const SETS: &str = r#"{"resourceType":"ValueSet","url":"urn:own:psy","version":"2",
    "useContext":[{"code":{"code":"focus"},"valueCodeableConcept":{"coding":[{"system":"@act","code":"PSY"}]}}],
    "compose":{"include":[{"system":"urn:local","concept":[{"code":"A"},{"code":"B"}]}]}}"#;

fn added(text: &str, label: Option<&str>) -> Result<SensitivityMap, String> {
    let mut map = SensitivityMap::default();
    map.add_definitions("own.json", &json(text), label).map(|_| map).map_err(|error| error.to_string())
}

fn labels(map: &SensitivityMap, code: &str) -> Vec<String> {
    let mut found = Vec::new();
    map.each_rule("urn:local", code, &mut |rule| {
        found.push(format!("{} {}", rule.label.as_deref().unwrap_or("none"), rule.source));
    });
    found
}

#[track_caller]
fn refused(text: &str, label: Option<&str>, says: &str) {
    assert_eq!(added(text, label).unwrap_err(), says);
}

#[test]
fn a_value_set_brings_the_label_it_names_or_the_one_it_is_given() {
    assert_eq!(labels(&added(SETS, None).unwrap(), "B"), ["PSY urn:own:psy|2"]);
    assert_eq!(labels(&added(SETS, Some("HIV")).unwrap(), "A"), ["HIV urn:own:psy|2"]);
    assert!(labels(&added(SETS, None).unwrap(), "C").is_empty());
    refused(
        &SETS.replace("@act", "urn:else"),
        None,
        "useContext: expected a coding of v3 ActCode that says which label the set brings, or LABEL= before the path",
    );
    refused(SETS, Some("AIDS"), "useContext: expected a sensitivity code of v3 ActCode");
}

#[test]
fn an_expansion_counts_before_what_it_was_made_of() {
    let set = r#"{"resourceType":"ValueSet","id":"x","compose":{"include":[{"system":"urn:local","filter":[{}]}]},
        "expansion":{"total":2,"contains":[{"display":"group","contains":[{"system":"urn:local","code":"A"}]},
        {"system":"urn:local","code":"B"}]}}"#;
    let map = added(set, Some("SUD")).unwrap();
    assert_eq!((labels(&map, "A").len(), labels(&map, "B").len()), (1, 1));
    let whole = "expansion: expected a whole expansion, not a page or a part of one";
    refused(&set.replace(r#""total":2"#, r#""total":3"#), Some("SUD"), whole);
    refused(&set.replace(r#""total":2"#, r#""offset":10"#), Some("SUD"), whole);
    let unclosed =
        r#""extension":[{"url":"http://hl7.org/fhir/StructureDefinition/valueset-unclosed","valueBoolean":true}]"#;
    refused(&set.replace(r#""total":2"#, unclosed), Some("SUD"), whole);
    refused(&set.replace(r#","code":"B""#, ""), Some("SUD"), "expansion.contains[1]: expected a system and a code");
}

#[test]
fn what_would_have_to_be_evaluated_is_refused_with_its_place() {
    let set = |include: &str| format!(r#"{{"resourceType":"ValueSet","compose":{{"include":[{include}]}}}}"#);
    let expand = "expected listed codes: filters and other sets are not evaluated here, so expand the set first";
    let first = r#"{"system":"urn:local","concept":[{"code":"A"}]}"#;
    refused(
        &set(&format!(
            r#"{first},{{"system":"http://snomed.info/sct","filter":[{{"property":"concept","op":"is-a","value":"1"}}]}}"#
        )),
        Some("PSY"),
        &format!("compose.include[1].filter: {expand}"),
    );
    refused(&set(r#"{"valueSet":["urn:x"]}"#), Some("PSY"), &format!("compose.include[0].valueSet: {expand}"));
    refused(
        &set(r#"{"system":"http://loinc.org"}"#),
        Some("PSY"),
        "compose.include[0].concept: expected listed codes, not a whole code system",
    );
    refused(&set(r#"{"concept":[{"code":"A"}]}"#), Some("PSY"), "compose.include[0].system: expected a code system");
    refused(
        &set(r#"{"system":"urn:local","concept":[{"code":"A"},{"display":"B"}]}"#),
        Some("PSY"),
        "compose.include[0].concept[1].code: expected a code",
    );
    refused(
        r#"{"resourceType":"ValueSet","compose":{"exclude":[{}],"include":[]}}"#,
        Some("PSY"),
        "compose.exclude: expected listed codes only; expand the set first",
    );
    refused(r#"{"resourceType":"ValueSet"}"#, Some("PSY"), "compose: expected compose or expansion");
    refused(r#"{"resourceType":"ValueSet","compose":{}}"#, Some("PSY"), "compose: expected at least one code");
    refused(r#"{"resourceType":"CodeSystem"}"#, None, "resourceType: expected ValueSet, ConceptMap or Bundle");
    refused(r#"{"resourceType":"Bundle","entry":[{}]}"#, None, "entry[0].resource: expected a resource");
}

#[test]
fn a_bundle_of_them_is_read_and_a_fault_in_it_is_found() {
    let bundle =
        |set: &str| format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{SETS}}},{{"resource":{set}}}]}}"#);
    assert_eq!(labels(&added(&bundle(SETS), None).unwrap(), "A").len(), 1);
    refused(
        &bundle(&SETS.replace(r#""concept""#, r#""filter""#)),
        None,
        "entry[1].resource.compose.include[0].filter: expected listed codes: filters and other sets are not evaluated here, so expand the set first",
    );
}

#[test]
fn a_concept_map_brings_the_label_each_code_is_mapped_to() {
    let text = r#"{"resourceType":"ConceptMap","url":"urn:own:map","group":[{"source":"urn:local","target":"@act","element":[
        {"code":"A","target":[{"code":"HIV","equivalence":"wider"},{"code":"STD","equivalence":"wider"}]},
        {"code":"B","target":[{"equivalence":"unmatched"}]},{"code":"C"}]}]}"#;
    let map = added(text, None).unwrap();
    assert_eq!(labels(&map, "A"), ["HIV urn:own:map", "STD urn:own:map"]);
    assert_eq!(labels(&map, "B"), ["none urn:own:map"]);
    assert_eq!(labels(&map, "C"), ["none urn:own:map"]);
    refused(&text.replace("@act", "urn:x"), None, "group[0].target: expected v3 ActCode as the target");
    refused(
        &text.replace("STD", "N"),
        None,
        "group[0].element[0].target[1].code: expected a sensitivity code of v3 ActCode",
    );
    refused(text, Some("HIV"), "resourceType: expected a ValueSet: a ConceptMap says itself which label a code brings");
}
