//! What a search for a patient takes and shows.

use std::sync::Arc;

use bytes::Bytes;
use model::time::{FixedClock, Instant};
use store::{Author, Commits, Config, Expect, NewVersion, PatientLink};

use super::*;

fn patient(id: &str, family: &str, given: &str, birth: &str, number: &str) -> NewVersion {
    let text = format!(
        r#"{{"resourceType":"Patient","id":"{id}","identifier":[{{"system":"urn:oid:1","value":"{number}"}}],"name":[{{"family":"{family}","given":["{given}"]}}],"gender":"female","birthDate":"{birth}","telecom":[{{"value":"secret"}}]}}"#
    );
    let json = parse(text.as_bytes(), &Limits::default()).unwrap();
    NewVersion {
        resource_type: "Patient".into(),
        id: id.into(),
        expect: Expect::Any,
        body: Bytes::from(text),
        index: index::rows(&json),
        patients: vec![id.into()],
        deleted: false,
        author: Author { source: "lab".into(), exchange: None },
        skip_unchanged: false,
        method: store::Method::Put,
        lean: false,
    }
}

async fn store() -> Store {
    let clock = Arc::new(FixedClock(Instant::parse("2026-03-01T10:00:00Z").unwrap()));
    let store = Store::open(&Config::memory(), clock).unwrap();
    let resources = vec![
        patient("a", "Müller", "Anna", "1957-03-08", "4711"),
        patient("b", "Mueller", "Anna", "1957-03-09", "4712"),
        patient("c", "Okafor", "Ben", "1957-03-08", "4713"),
        patient("old", "Müller", "Anna", "1957-03-08", "4700"),
    ];
    let links = vec![PatientLink { replaced: "old".into(), replaced_by: "a".into() }];
    store.commit(Commit { resources, links, ..Commit::default() }).await.unwrap();
    store
}

async fn found(body: &str) -> Vec<String> {
    let known = read(body.as_bytes()).unwrap();
    let found = candidates(&store().await, &known).unwrap();
    found.iter().map(|(score, patient)| format!("{} {score:.2}", id(patient))).collect()
}

#[tokio::test]
async fn finds_by_number_with_and_without_its_system() {
    assert_eq!(found(r#"{"identifier":{"system":"urn:oid:1","value":"4711"}}"#).await, ["a 1.00"]);
    assert_eq!(found(r#"{"identifier":{"value":"4711"}}"#).await, ["a 1.00"]);
    assert!(found(r#"{"identifier":{"system":"urn:oid:2","value":"4711"}}"#).await.is_empty());
}

#[tokio::test]
async fn finds_the_record_that_stands_for_a_merged_one() {
    assert_eq!(found(r#"{"identifier":{"value":"4700"}}"#).await, ["a 1.00"]);
}

#[tokio::test]
async fn orders_by_likeness_and_leaves_out_who_is_somebody_else() {
    let body = r#"{"family":"Mueller","given":"Anna","birthDate":"1957-03-08"}"#;
    assert_eq!(found(body).await, ["a 1.00", "b 0.86"]);
}

#[tokio::test]
async fn shows_nothing_but_what_tells_people_apart() {
    let known = read(br#"{"identifier":{"value":"4711"}}"#).unwrap();
    let found = candidates(&store().await, &known).unwrap();
    let shown = show(found[0].0, &found[0].1).to_text();
    let expected =
        r#"{"patient":"Patient/a","family":"Müller","given":"Anna","birthYear":1957,"gender":"female","score":1.00}"#;
    assert_eq!(shown, expected);
}

#[test]
fn asks_for_enough_to_go_by() {
    for (body, place) in [
        (r#"{"family":"Mueller"}"#, None),
        (r#"{"identifier":{"system":"urn:x"}}"#, Some("identifier.value")),
        (r#"{"family":"M","given":"A","birthDate":"yesterday"}"#, Some("birthDate")),
        (r#"{"wearable":"x"}"#, Some("wearable")),
    ] {
        let failure = read(body.as_bytes()).unwrap_err();
        assert_eq!(failure.status(), StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(failure.issues()[0].at.as_deref(), place, "{body}");
    }
    assert_eq!(read(b"[").unwrap_err().status(), StatusCode::BAD_REQUEST);
}
