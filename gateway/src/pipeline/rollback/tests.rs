use std::sync::Arc;

use bytes::Bytes;
use model::time::{FixedClock, Instant};
use store::{Author, Commit, Commits, Config, Expect, NewVersion};

use super::*;

fn consent(id: &str, more: &str) -> Json {
    let text = format!(r#"{{"resourceType":"Consent","id":"{id}","patient":{{"reference":"Patient/p"}}{more}}}"#);
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

async fn stored(contents: &[Json]) -> Store {
    let store = Store::open(&Config::memory(), Arc::new(FixedClock(Instant::from_millis(0)))).unwrap();
    for content in contents {
        let version = NewVersion {
            resource_type: "Consent".to_owned(),
            id: id(content).unwrap().to_owned(),
            expect: Expect::Any,
            body: Bytes::from(content.to_bytes()),
            index: crate::index::rows(content),
            patients: vec!["p".to_owned()],
            deleted: false,
            author: Author { source: "registry".to_owned(), exchange: None },
            skip_unchanged: false,
            method: store::Method::Put,
            lean: false,
        };
        store.commit(Commit { resources: vec![version], ..Commit::default() }).await.unwrap();
    }
    store
}

const FIRST: &str = r#","status":"active","dateTime":"2024-01-01""#;
const SECOND: &str = r#","status":"inactive","dateTime":"2025-01-01""#;
const NAMED: &str = r#","identifier":[{"system":"urn:form","value":"7"}]"#;

#[track_caller]
fn check(store: &Store, candidate: &Json, refused: bool) {
    let found = refusal(store, candidate).unwrap();
    assert_eq!(found.is_some(), refused, "{found:?}: {}", candidate.to_text());
}

#[tokio::test]
async fn what_is_older_or_was_replaced_does_not_come_back() {
    let store = stored(&[consent("c", FIRST), consent("c", SECOND)]).await;
    check(&store, &consent("c", FIRST), true);
    check(&store, &consent("c", r#","status":"active","dateTime":"2024-12-31""#), true);
    check(&store, &consent("c", r#","status":"active""#), true);
    check(&store, &consent("c", r#","status":"active","dateTime":"soon""#), true);
    check(&store, &consent("c", SECOND), false);
    check(&store, &consent("c", r#","status":"active","dateTime":"2025-06-01""#), false);
    check(&store, &consent("new", FIRST), false);
    // Without dates the content alone tells.
    let store = stored(&[consent("c", r#","status":"active""#), consent("c", r#","status":"inactive""#)]).await;
    check(&store, &consent("c", r#","status":"active""#), true);
    check(&store, &consent("c", r#","status":"active","meta":{"versionId":"9"}"#), true);
    check(&store, &consent("c", r#","status":"active","dateTime":"2025""#), false);
}

#[tokio::test]
async fn a_revoked_instrument_does_not_come_back_under_another_id() {
    let store = stored(&[consent("c", &format!("{FIRST}{NAMED}")), consent("c", &format!("{SECOND}{NAMED}"))]).await;
    check(&store, &consent("other", &format!("{FIRST}{NAMED}")), true);
    check(&store, &consent("other", FIRST), false);
    check(&store, &consent("other", &format!(r#","status":"active","dateTime":"2026-01-01"{NAMED}"#)), false);
}
