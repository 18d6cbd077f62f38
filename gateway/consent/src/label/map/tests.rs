use super::*;
use crate::vocabulary::LOINC;

const ICD: &str = "http://hl7.org/fhir/sid/icd-10-cm";

fn labels(map: &SensitivityMap, system: &str, code: &str) -> Vec<String> {
    let mut found = Vec::new();
    map.each_rule(canonical(system), code, &mut |rule| found.extend(rule.label.iter().map(ToString::to_string)));
    found.sort();
    found
}

#[track_caller]
fn refused(table: &str, says: &str) {
    let mut map = SensitivityMap::embedded();
    let before = map.version().clone();
    assert_eq!(map.add_table("own.csv", table).unwrap_err().to_string(), says);
    assert_eq!(*map.version(), before, "nothing is added");
}

#[test]
fn every_table_that_comes_with_the_gateway_is_read_and_every_rule_has_a_source() {
    let all: usize = TABLES
        .iter()
        .map(|(name, text)| table::read(text).unwrap_or_else(|error| panic!("{name}: {error}")).len())
        .sum();
    let map = SensitivityMap::embedded();
    assert_eq!(map.len(), all, "no rule stands twice");
    assert_eq!(map.parts().count(), TABLES.len());
    for rules in map.systems.values() {
        for rule in rules.codes.values().chain(rules.beginnings.values()).flatten() {
            assert!(rule.source.len() > 8, "{rule:?}");
        }
    }
    // A rule for a system nobody has reviewed would leave the codes beside it restricted without a word.
    for system in map.systems.keys() {
        assert!(map.reviews.contains_key(system), "{system}");
    }
}

#[test]
fn the_seed_has_every_topic() {
    let map = SensitivityMap::embedded();
    for (system, code, expected) in [
        (ICD, "F10.20", "ETHUD"),
        (ICD, "F11.20", "OPIOIDUD"),
        (ICD, "F1420", "SUD"),
        (ICD, "f32.1", "PSY"),
        (ICD, "Z21", "HIV"),
        (ICD, "T74.11XA", "SDV"),
        (ICD, "A54.01", "STD"),
        (ICD, "Z30.09", "SEX"),
        (ICD, "Z15.01", "GDIS"),
        (ICD, "Z00.3", "ADOL"),
        ("http://hl7.org/fhir/sid/icd-10", "B24", "HIV"),
        ("urn:oid:2.16.840.1.113883.6.90", "F20.9", "PSY"),
        ("http://fhir.de/CodeSystem/dimdi/icd-10-gm", "F20.0", "PSY"),
        ("http://hl7.org/fhir/sid/icd-9-cm", "30390", "ETHUD"),
        ("http://www.whocc.no/atc", "N07BC02", "OPIOIDUD"),
        (LOINC, "20447-9", "HIV"),
        ("http://snomed.info/sct", "58214004", "PSY"),
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "6813", "OPIOIDUD"),
        ("http://varnomen.hgvs.org", "NM_000059.3:c.1A>T", "GDIS"),
    ] {
        assert_eq!(labels(&map, system, code), [expected], "{system} {code}");
    }
    assert_eq!(labels(&map, ICD, "D57.1"), ["SCA", "SICKLE"]);
    assert!(labels(&map, ICD, "I10").is_empty());
    assert!(labels(&map, ICD, "F17.210").is_empty(), "tobacco");
}

#[test]
fn a_system_is_known_by_name_then_by_the_longest_beginning() {
    let map = SensitivityMap::embedded();
    for (system, review) in [
        (LOINC, Review::Reviewed),
        ("http://terminology.hl7.org/CodeSystem/v2-0074", Review::Administrative),
        ("http://hl7.org/fhir/observation-status", Review::Administrative),
        ("http://unitsofmeasure.org", Review::Administrative),
        ("http://hl7.org/fhir/sid/ndc", Review::Unreviewed),
        ("http://hl7.org/fhir/sid/cvx", Review::Reviewed),
        ("urn:local:labs", Review::Unreviewed),
    ] {
        assert_eq!(map.review(system, "x"), review, "{system}");
    }
    assert!(map.reviewed().contains(&"http://snomed.info/sct"));
    assert!(!map.reviewed().contains(&"http://unitsofmeasure.org"));
}

#[test]
fn an_own_table_adds_rules_and_says_which_systems_it_has_reviewed() {
    let mut map = SensitivityMap::embedded();
    let before = map.version().clone();
    let own = "# ours\nsystem,match,code,label,source\nurn:local:labs,system,,reviewed,\"laboratory, March\"\n\
               urn:local:labs urn:local:old,code,H1,HIV,catalogue\nurn:local:old,code,G,none,catalogue\n\
               http://loinc.org,system,,listed,only what we listed\nhttp://loinc.org,code,15074-8,none,ours\n";
    assert_eq!(map.add_table("own.csv", own), Ok(6));
    assert_ne!(*map.version(), before);
    assert!(map.version().starts_with("sha256:") && map.version().len() == 71);
    assert_eq!(labels(&map, "urn:local:old", "h1"), ["HIV"]);
    assert_eq!(map.review("urn:local:labs", "anything"), Review::Reviewed);
    assert_eq!(map.review("urn:local:old", "G"), Review::Reviewed, "a code that was looked at");
    assert_eq!(map.review("urn:local:old", "other"), Review::Unreviewed);
    assert_eq!(map.review(LOINC, "15074-8"), Review::Reviewed);
    assert_eq!(map.review(LOINC, "1-1"), Review::Listed);
    assert_eq!(map.parts().last(), Some("own.csv"));
}

#[test]
fn the_version_is_that_of_the_rules_and_not_of_their_order() {
    let with = |lines: &[&str]| {
        let mut map = SensitivityMap::embedded();
        map.add_table("own.csv", &format!("system,match,code,label,source\n{}\n", lines.join("\n"))).unwrap();
        map.version().clone()
    };
    let (one, other) = ("urn:x,code,1,HIV,a", "urn:x,code,2,PSY,b");
    assert_eq!(with(&[one, other]), with(&[other, one]));
    assert_ne!(with(&[one]), with(&[other]));
}

#[test]
fn a_table_that_is_not_understood_is_refused_with_the_line() {
    let header = "system,match,code,label,source";
    refused("", "line 1: expected the header system,match,code,label,source");
    refused("a,b,c", "line 1: expected the header system,match,code,label,source");
    refused(&format!("{header}\nurn:x,code,1"), "line 2: expected five fields: system,match,code,label,source");
    refused(&format!("{header}\n,code,1,HIV,x"), "line 2: expected a code system");
    refused(&format!("{header}\nurn:x,code,,HIV,x"), "line 2: expected a code");
    refused(&format!("{header}\nurn:x,like,1,HIV,x"), "line 2: expected code, prefix, system or systems as the match");
    refused(
        &format!("{header}\n\nurn:x,code,1,AIDS,x"),
        "line 3: expected none, or a sensitivity code of v3 ActCode, as the label",
    );
    refused(
        &format!("{header}\nurn:x,system,,yes,x"),
        "line 2: expected reviewed, listed, administrative or unreviewed as the label",
    );
    refused(&format!("{header}\nurn:x,system,1,reviewed,x"), "line 2: expected no code for a code system");
    refused(&format!("{header}\nurn:x,code,\"1,HIV,x"), "line 2: expected quotes that are closed");
}
