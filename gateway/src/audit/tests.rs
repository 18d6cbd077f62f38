//! What an audit event says, and that it is R4.

use super::*;

fn check(event: &Event, expected: &[(&[&str], &str)]) -> Json {
    let resource = event.resource();
    for (path, text) in expected {
        let mut at = &resource;
        for step in *path {
            at = match step.parse::<usize>() {
                Ok(index) => at.item(index).unwrap(),
                Err(_) => at.get(step).unwrap_or_else(|| panic!("{step} of {path:?} in {}", resource.pretty())),
            };
        }
        assert_eq!(at.as_str(), Some(*text), "{path:?} in {}", resource.pretty());
    }
    resource
}

fn now() -> Instant {
    Instant::parse("2026-03-01T10:00:00Z").unwrap()
}

#[test]
fn names_who_did_what_to_whom_and_why() {
    let event = Event::new(Kind::Declare, now())
        .by(Who::Reference("Practitioner/a".into()))
        .token("jti-1")
        .purpose("BTG")
        .reason("unconscious after a fall")
        .patient("p1");
    check(
        &event,
        &[
            (&["type", "code"], "110113"),
            (&["subtype", "0", "code"], "110127"),
            (&["outcome"], "0"),
            (&["purposeOfEvent", "0", "coding", "0", "code"], "BTG"),
            (&["purposeOfEvent", "0", "text"], "unconscious after a fall"),
            (&["agent", "0", "who", "reference"], "Practitioner/a"),
            (&["agent", "0", "altId"], "jti-1"),
            (&["entity", "0", "what", "reference"], "Patient/p1"),
            (&["recorded"], "2026-03-01T10:00:00.000Z"),
        ],
    );
    assert_eq!(event.version().patients, ["p1"]);
}

#[test]
fn keeps_of_a_query_its_digest_alone() {
    let event = Event::new(Kind::Search, now()).query("identifier=urn:x|4711");
    let text = event.resource().to_text();
    assert!(!text.contains("4711") && text.contains("query-sha256"), "{text}");
}

#[test]
fn says_how_a_refusal_ended() {
    let event = Event::new(Kind::Find, now()).outcome(Outcome::Refused, "rate limit");
    check(&event, &[(&["outcome"], "4"), (&["outcomeDesc"], "rate limit"), (&["type", "code"], "110112")]);
}

#[test]
fn is_valid_r4_of_every_kind() {
    for kind in Kind::ALL {
        let event = Event::new(kind, now())
            .source("lab")
            .recipient(Who::Identifier("urn:x".into(), "y".into()))
            .purpose("TREAT")
            .patient("p1")
            .entity("Observation/o/_history/1")
            .exchange(ExchangeId::from_random([7; 16]))
            .detail("decision", "permit")
            .outcome(Outcome::Failed, "no answer");
        let issues = conformance::validate::form(&event.resource());
        assert!(!model::outcome::any_error(&issues), "{kind:?}: {issues:?}");
    }
}

#[test]
fn draws_ids_of_the_form_of_a_uuid() {
    let (one, other) = (random_id(), random_id());
    assert_ne!(one, other);
    assert!(one.len() == 36 && one.as_bytes()[14] == b'4', "{one}");
}
