use model::json::{Json, Limits, parse as parse_json};
use proptest::prelude::*;

use super::*;
use crate::row::extract;

fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
    query.split('&').filter(|it| !it.is_empty()).map(pair).collect()
}

fn read(resource_type: &str, query: &str) -> Result<Query, SearchError> {
    parse(resource_type, &pairs(query), &Options { base: "https://here.example/fhir", ..Options::default() })
}

#[track_caller]
fn refused(resource_type: &str, query: &str, says: &str) {
    let error = read(resource_type, query).unwrap_err().to_string();
    assert!(error.contains(says), "{error}");
}

fn json(text: &str) -> Json {
    parse_json(text.as_bytes(), &Limits::default()).unwrap()
}

#[track_caller]
fn finds(resource: &str, query: &str, expected: bool) {
    let json = json(resource);
    let text = |name: &str| json.get(name).unwrap().as_str().unwrap().to_owned();
    let (resource_type, id) = (text("resourceType"), text("id"));
    let query = read(&resource_type, query).unwrap();
    let updated = Instant::parse("2026-06-15T10:00:00Z").unwrap();
    let found = query.matches(&resource_type, &id, &extract(&resource_type, &json), updated);
    assert_eq!(found, expected, "{query:?}");
    assert!(!found || !query.is_empty());
}

const PATIENT: &str =
    r#"{"resourceType":"Patient","id":"p","identifier":[{"system":"urn:mrn","value":"7,1"},{"value":"8"}]}"#;
const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/p"}}"#;
const SAMPLE: &str = r#"{"resourceType":"Observation","id":"s","subject":{"reference":"Device/d"}}"#;

#[test]
fn finds_by_id() {
    finds(PATIENT, "_id=p", true);
    finds(PATIENT, "_id=q,p", true);
    finds(PATIENT, "_id=q", false);
    finds(PATIENT, "_id=p,q&_id=q", false);
}

#[test]
fn finds_by_identifier_with_and_without_system() {
    for (query, expected) in [
        (r"identifier=urn:mrn|7\,1", true),
        (r"identifier=7\,1", true),
        ("identifier=urn:mrn|", true),
        ("identifier=|8", true),
        ("identifier=8", true),
        ("identifier=nothing,8", true),
        (r"identifier=|7\,1", false),
        ("identifier=urn:mrn|8", false),
        ("identifier=7", false),
        ("identifier=urn:other|", false),
        ("identifier=8&identifier=nothing", false),
    ] {
        finds(PATIENT, query, expected);
    }
}

#[test]
fn finds_by_patient_and_subject_in_every_spelling() {
    for (query, expected) in [
        ("patient=p", true),
        ("patient=Patient/p", true),
        ("patient:Patient=p", true),
        ("patient=https://here.example/fhir/Patient/p", true),
        ("subject=Patient/p", true),
        ("subject=p", true),
        ("subject:Patient=p", true),
        ("patient=x,p", true),
        ("patient=p&subject=Patient/p", true),
        ("subject:Device=p", false),
        ("patient=Device/p", false),
        ("patient=https://other.example/fhir/Patient/p", false),
        ("patient=x", false),
    ] {
        finds(OBSERVATION, query, expected);
    }
    finds(SAMPLE, "subject=Device/d", true);
    finds(SAMPLE, "subject=d", true);
    finds(SAMPLE, "patient=d", false);
}

#[test]
fn names_the_patients_a_store_can_begin_with() {
    let patients = |query: &str| read("Observation", query).unwrap().patients;
    assert_eq!(patients("patient=a,b"), Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(patients("patient=a,b&subject=Patient/a"), Some(vec!["a".to_owned()]));
    assert_eq!(patients("subject=a"), None, "the subject may be of any type");
    assert_eq!(patients("subject=Patient/a,Device/d"), None);
    assert_eq!(patients("_id=a"), None);
    assert!(read("Observation", "patient=https://other.example/Patient/a").unwrap().is_empty());
}

#[test]
fn finds_by_the_last_change() {
    for (query, expected) in [
        ("_lastUpdated=2026-06-15", true),
        ("_lastUpdated=gt2026-06-14&_lastUpdated=lt2026-06-16", true),
        ("_lastUpdated=2020,2026", true),
        ("_lastUpdated=ne2026", false),
        ("_lastUpdated=gt2026-06-15", false),
    ] {
        finds(PATIENT, query, expected);
    }
    let query = read("Patient", "_lastUpdated=ge2026&_lastUpdated=lt2027").unwrap();
    let at = |text: &str| Some(Instant::parse(text).unwrap());
    assert_eq!(query.updated_between(), (at("2026-01-01T00:00:00Z"), at("2026-12-31T23:59:59.999Z")));
    assert_eq!(read("Patient", "_lastUpdated=ne2026").unwrap().updated_between(), (None, None));
}

#[test]
fn administrative_types_are_found_by_patient() {
    for (resource, query) in [
        (r#"{"resourceType":"Consent","id":"c","patient":{"reference":"Patient/p"}}"#, "patient=p"),
        (r#"{"resourceType":"Task","id":"t","for":{"reference":"Patient/p"}}"#, "patient=p"),
        (r#"{"resourceType":"Communication","id":"m","subject":{"reference":"Patient/p"}}"#, "subject=Patient/p"),
        (
            r#"{"resourceType":"AuditEvent","id":"a","entity":[{"what":{"reference":"Patient/p"}}]}"#,
            "patient=Patient/p",
        ),
        (r#"{"resourceType":"AuditEvent","id":"a","agent":[{"who":{"reference":"Patient/p"}}]}"#, "patient=p"),
        (r#"{"resourceType":"Provenance","id":"v","target":[{"reference":"Observation/o"}]}"#, "target=Observation/o"),
    ] {
        finds(resource, query, true);
    }
}

#[test]
fn unknown_parameters_and_modifiers_are_named() {
    refused(
        "Patient",
        "nmae=x",
        "parameter 'nmae' is not supported for Patient; supported are _id, _lastUpdated, identifier",
    );
    refused("Patient", "patient=p", "'patient'");
    refused("Observation", "code=1", "'code'");
    refused("Patient", "identifier:exact=x", "modifier 'exact' of parameter 'identifier'");
    refused("Observation", "patient:missing=true", "modifier 'missing'");
    refused("Patient", "_lastUpdated:above=2020", "modifier 'above'");
    refused("Patient", "_id:not=x", "modifier 'not'");
    refused("Patient", "_elements=name", "'_elements'");
    refused("Patient", &format!("{}=x", "n".repeat(500)), &"n".repeat(64));
}

#[test]
fn values_that_cannot_be_read_are_errors_even_when_lenient() {
    for (resource_type, query) in [
        ("Patient", "_id="),
        ("Patient", "_id=a b"),
        ("Patient", "identifier="),
        ("Patient", "identifier=|"),
        ("Patient", r"identifier=a\n"),
        ("Patient", "_lastUpdated=soon"),
        ("Patient", "_count=-1"),
        ("Patient", "_count=ten"),
        ("Observation", "patient="),
        ("Observation", "patient=No/Such/Thing"),
        ("Observation", "patient=p,"),
    ] {
        let lenient = Options { handling: Handling::Lenient, ..Options::default() };
        let error = parse(resource_type, &pairs(query), &lenient).unwrap_err();
        assert!(matches!(error, SearchError::Value { .. }), "{query}: {error}");
    }
}

#[test]
fn lenient_leaves_out_what_it_does_not_know_and_says_so() {
    let lenient = Options { handling: Handling::Lenient, ..Options::default() };
    let query = parse("Patient", &pairs("nmae=x&_id=p&identifier:exact=1&_format=json"), &lenient).unwrap();
    assert_eq!(query.ignored, ["nmae", "identifier:exact"]);
    assert_eq!(query.used, [("_id".to_owned(), "p".to_owned())]);
    assert!(query.terms.is_empty());
}

#[test]
fn count_and_order() {
    let query = read("Patient", "").unwrap();
    assert_eq!((query.count, query.sort), (50, Sort::NewestFirst));
    assert_eq!(read("Patient", "_count=0").unwrap().count, 0);
    assert_eq!(read("Patient", "_count=7").unwrap().count, 7);
    assert_eq!(read("Patient", "_count=99999999999999999999999").unwrap().count, 1000);
    assert_eq!(read("Patient", "_sort=_lastUpdated").unwrap().sort, Sort::OldestFirst);
}

#[test]
fn every_type_has_the_parameters_of_all_resources() {
    let names = |resource_type: &str| parameters(resource_type).into_iter().map(|it| it.name).collect::<Vec<_>>();
    assert_eq!(names("Binary"), ["_id", "_lastUpdated"]);
    assert_eq!(names("Observation"), ["_id", "_lastUpdated", "identifier", "patient", "subject"]);
    assert_eq!(names("Provenance"), ["_id", "_lastUpdated", "patient", "target"]);
}

proptest! {
    #[test]
    fn no_query_panics(name in "(_id|_lastUpdated|identifier|patient|subject|_count|_sort|_page|x)(:[a-zA-Z]{0,8})?", value in r"[\\|,:/a-z0-9é \-]{0,20}") {
        let pair = vec![(name, value)];
        for resource_type in ["Patient", "Observation", "NoSuchType", ""] {
            let _ = parse(resource_type, &pair, &Options::default());
        }
    }

    #[test]
    fn what_is_extracted_is_found_again(system in "[a-z:,|$\\\\]{0,6}", value in "[a-z0-9,|$\\\\é]{1,6}") {
        let mut identifier = vec![("value", Json::from(value.as_str()))];
        if !system.is_empty() {
            identifier.push(("system", Json::from(system.as_str())));
        }
        let patient = Json::object([("resourceType", Json::from("Patient")), ("identifier", Json::array([Json::object(identifier)]))]);
        let escape = |text: &str| text.chars().flat_map(|letter| {
            let escaped = matches!(letter, '\\' | ',' | '|' | '$');
            escaped.then_some('\\').into_iter().chain([letter])
        }).collect::<String>();
        let rows = extract("Patient", &patient);
        for text in [format!("{}|{}", escape(&system), escape(&value)), escape(&value)] {
            let query = parse("Patient", &[("identifier".to_owned(), text.clone())], &Options::default()).unwrap();
            prop_assert!(query.matches("Patient", "p", &rows, Instant::MIN), "{}", text);
        }
    }
}

#[test]
fn follows_references_of_the_matches_alone() {
    let query = read(
        "Encounter",
        "_include=Encounter:diagnosis&_include=Encounter:subject:Patient&_revinclude=Observation:encounter",
    )
    .unwrap();
    assert_eq!(query.includes.iter().map(|it| it.parameter).collect::<Vec<_>>(), ["diagnosis", "subject"]);
    assert_eq!(query.reverse_includes.iter().map(|it| it.source.as_str()).collect::<Vec<_>>(), ["Observation"]);
    assert_eq!(query.used.len(), 3, "they are in the self link");
    for text in
        ["_include=*", "_include=Observation:encounter", "_include=Encounter:status", "_revinclude=Encounter:subject"]
    {
        refused("Encounter", text, &format!("'{}' is not supported", text.split_once('=').unwrap().1));
    }
    refused("Encounter", "_include:iterate=Encounter:part-of", "modifier 'iterate' of parameter '_include'");
    refused("Encounter", "_revinclude:recurse=Encounter:part-of", "modifier 'recurse' of parameter '_revinclude'");
}

#[test]
fn what_cannot_be_sorted_or_summed_up_is_named_or_left_out() {
    for (text, says) in [
        ("_sort=code", "'code'"),
        ("_sort=-_lastUpdated,code", "'-_lastUpdated,code'"),
        ("_total=exact", "'exact'"),
        ("_summary=true", "'true'"),
        ("_elements=code", "'_elements'"),
    ] {
        refused("Observation", text, says);
        let lenient = Options { handling: Handling::Lenient, ..Options::default() };
        let query = parse("Observation", &pairs(text), &lenient).unwrap();
        assert_eq!((query.used.len(), query.ignored.len()), (0, 1), "{text}");
    }
}

#[test]
fn tells_how_a_total_is_asked_for() {
    let total = |text: &str| read("Observation", text).unwrap().total;
    assert_eq!(total(""), Total::AsKnown);
    assert_eq!(
        (total("_total=none"), total("_total=estimate"), total("_total=accurate")),
        (Total::Silent, Total::Counted, Total::Counted)
    );
    assert!(read("Observation", "_summary=count").unwrap().only_count);
    assert!(read("Observation", "_count=0").unwrap().only_count);
    assert!(!read("Observation", "_summary=false&_count=1").unwrap().only_count);
}
