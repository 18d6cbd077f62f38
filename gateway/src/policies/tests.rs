//! Which consents count for whom, from the next request on.

use std::sync::Arc;

use bytes::Bytes;
use model::time::{FixedClock, Instant};
use store::{Author, Commit, Commits, Config, Expect, NewVersion, PatientLink};

use super::*;

fn store() -> Store {
    let clock = Arc::new(FixedClock(Instant::parse("2026-03-01T10:00:00Z").unwrap()));
    Store::open(&Config::memory(), clock).unwrap()
}

fn consent(id: &str, members: &str) -> NewVersion {
    let text = format!(
        r#"{{"resourceType":"Consent","id":"{id}","status":"active","scope":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},"dateTime":"2026-01-01","provision":{{"type":"permit"}},{members}}}"#
    );
    let json = parse(text.as_bytes(), &Limits::default()).unwrap();
    NewVersion {
        resource_type: "Consent".into(),
        id: id.into(),
        expect: Expect::Any,
        index: index::rows(&json),
        patients: model::resource::patients_of(&json).iter().map(|id| id.as_str().to_owned()).collect(),
        body: Bytes::from(text),
        deleted: false,
        author: Author { source: "test".into(), exchange: None },
        skip_unchanged: false,
    }
}

async fn put(store: &Store, resources: Vec<NewVersion>) {
    store.commit(Commit { resources, ..Commit::default() }).await.unwrap();
}

#[tokio::test]
async fn sees_a_consent_from_the_next_request_on_and_no_other_patients() {
    let (store, policies) = (store(), Policies::default());
    assert!(policies.of(&store, &["p"]).unwrap().is_empty());
    put(&store, vec![consent("c", r#""patient":{"reference":"Patient/p"}"#)]).await;
    assert_eq!(policies.of(&store, &["p"]).unwrap().len(), 1);
    assert!(policies.of(&store, &["q"]).unwrap().is_empty());
    put(&store, vec![consent("d", r#""patient":{"reference":"Patient/p"}"#)]).await;
    assert_eq!(policies.of(&store, &["p"]).unwrap().len(), 2);
}

#[tokio::test]
async fn keeps_a_compilation_while_nothing_was_written() {
    let (store, policies) = (store(), Policies::default());
    put(&store, vec![consent("c", r#""patient":{"reference":"Patient/p"}"#)]).await;
    let first = policies.of(&store, &["p"]).unwrap();
    assert!(Arc::ptr_eq(&first, &policies.of(&store, &["p"]).unwrap()));
    put(&store, vec![consent("c", r#""patient":{"reference":"Patient/p"},"patientInstructions":"x""#)]).await;
    assert!(!Arc::ptr_eq(&first, &policies.of(&store, &["p"]).unwrap()));
}

#[tokio::test]
async fn counts_policies_of_the_site_for_everybody() {
    let (store, policies) = (store(), Policies::default());
    let marked = r#""extension":[{"url":"urn:gateway:consent:admin-policy","valueBoolean":true}]"#;
    put(&store, vec![consent("site", marked)]).await;
    assert_eq!(policies.of(&store, &["p"]).unwrap().len(), 1);
    assert_eq!(policies.of(&store, &[]).unwrap().len(), 1);
}

#[tokio::test]
async fn counts_a_consent_of_a_merged_number_for_the_number_that_stands() {
    let (store, policies) = (store(), Policies::default());
    put(&store, vec![consent("c", r#""patient":{"reference":"Patient/old"}"#)]).await;
    let links = vec![PatientLink { replaced: "old".into(), replaced_by: "new".into() }];
    store.commit(Commit { links, ..Commit::default() }).await.unwrap();
    // Twice: as it stands, and as if it named the other number.
    assert_eq!(policies.of(&store, &["new"]).unwrap().len(), 2);
}
