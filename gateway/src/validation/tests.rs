use std::path::Path;

use model::json::{Limits, parse};

use super::*;

fn tree(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn validation(text: &str) -> Result<Validation, LoadError> {
    Validation::open(&Config::parse(text, Path::new(".")).unwrap())
}

#[test]
fn each_source_has_its_level() {
    let validation = validation(
        "[[source]]\nname='a'\ntransport='mllp'\nformat='hl7v2'\nvalidation='off'\n\
         [[source]]\nname='b'\ntransport='mllp'\nformat='hl7v2'",
    )
    .unwrap();
    let wrong = tree(r#"{"resourceType":"Patient","id":"p","birthDate":"yesterday"}"#);
    assert_eq!(validation.source("a").check(&wrong), []);
    assert_eq!(validation.source("b").check(&wrong).len(), 1);
    assert_eq!(validation.fhir().check(&wrong).len(), 1);
}

#[test]
fn off_still_asks_for_what_storage_needs() {
    let validation = validation("[[source]]\nname='a'\ntransport='mllp'\nformat='hl7v2'\nvalidation='off'").unwrap();
    let places = |text: &str| validation.source("a").check(&tree(text)).first().map(|issue| issue.at.clone());
    assert_eq!(places(r#"{"resourceType":"Patient","id":"p"}"#), None);
    assert_eq!(places(r#"{"resourceType":"Patient"}"#), Some(Some("Patient.id".to_owned())));
    assert_eq!(places(r#"{"resourceType":"Patient","id":"a b"}"#), Some(Some("Patient.id".to_owned())));
    assert_eq!(places(r#"{"resourceType":"Appointmnt","id":"p"}"#), Some(None));
}

#[test]
fn what_is_not_there_stops_the_start() {
    let source = "[[source]]\nname='a'\ntransport='mllp'\nformat='hl7v2'\nvalidation='profile'\n";
    let unknown = validation(&format!("{source}profiles=['urn:example:nobody']"));
    assert!(matches!(unknown, Err(LoadError::Profile { url }) if url == "urn:example:nobody"));
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().display();
    let guide = validation(&format!("[validation]\ncache='{cache}'\n{source}igs=['example.guide#1.0.0']"));
    assert!(matches!(guide, Err(LoadError::Guide { name, .. }) if name == "example.guide#1.0.0"));
}
