use crate::json::{Limits, parse};

use super::*;

fn patient() -> Json {
    parse(br#"{"resourceType":"Patient","id":"p1"}"#, &Limits::default()).expect("JSON")
}

#[test]
fn a_transaction_puts_by_id() {
    let bundle = transaction([Request::put(patient()).expect("id").known_as("urn:uuid:1")]);
    assert_eq!(
        bundle.to_text(),
        r#"{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"p1"},"request":{"method":"PUT","url":"Patient/p1"}}]}"#
    );
    let entry = entries(&bundle).next().expect("entry");
    assert_eq!((entry.index, entry.method(), entry.url()), (0, Some("PUT"), Some("Patient/p1")));
    assert_eq!((entry.full_url(), entry.resource()), (Some("urn:uuid:1"), Some(&patient())));
    assert!(Request::put(Json::object([("resourceType", Json::from("Patient"))])).is_none());
}

#[test]
fn empty_bundles_have_no_entry() {
    assert_eq!(transaction([]).to_text(), r#"{"resourceType":"Bundle","type":"transaction"}"#);
    let empty = searchset(Some(0), [("self", "http://x/Patient".to_owned())], []);
    assert_eq!(
        empty.to_text(),
        r#"{"resourceType":"Bundle","type":"searchset","total":0,"link":[{"relation":"self","url":"http://x/Patient"}]}"#
    );
    assert_eq!(entries(&empty).len(), 0);
}

#[test]
fn documents_have_identifier_and_timestamp() {
    let bundle = document(("urn:x", "1"), Instant::from_millis(0), [("urn:uuid:2".to_owned(), patient())]);
    assert!(bundle.to_text().starts_with(
        r#"{"resourceType":"Bundle","identifier":{"system":"urn:x","value":"1"},"type":"document","timestamp":"1970-01-01T00:00:00.000Z","entry":["#
    ));
    assert_eq!(resources(&bundle).count(), 1);
}

#[test]
fn answers_and_hits_carry_their_parts() {
    let answer = Response { status: "201 Created".into(), etag: Some("W/\"1\"".into()), ..Response::default() };
    assert!(
        transaction_response([answer]).to_text().contains(r#""response":{"status":"201 Created","etag":"W/\"1\""}"#)
    );
    let hit = Hit { full_url: "http://x/Patient/p1".into(), resource: patient(), mode: SearchMode::Include };
    assert!(searchset(None, [], [hit]).to_text().contains(r#""search":{"mode":"include"}"#));
}
