//! What an audit event says, and that it is R4.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use conformance::validate::{Options, Validator};
use model::json::{Json, Limits, parse};

use super::*;

mod balp;

/// The events as they can be read.
fn read(event: &Event) -> Vec<Json> {
    let texts = event.resources();
    texts.iter().map(|(_, _, made)| parse(&made.text, &Limits::default()).unwrap()).collect()
}

fn check(event: &Event, expected: &[(&[&str], &str)]) -> Json {
    let resource = read(event).remove(0);
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
    assert_eq!(event.versions()[0].patients, ["p1"]);
}

#[test]
fn keeps_of_a_query_its_digest_alone() {
    let event = Event::new(Kind::Search, now()).query("identifier=urn:x|4711");
    let resource = read(&event).remove(0);
    let query = resource.items("entity")[0].text_at(&["query"]).unwrap().to_owned();
    let kept = String::from_utf8(STANDARD.decode(query).unwrap()).unwrap();
    assert!(!resource.to_text().contains("4711") && kept.starts_with("sha-256:") && kept.len() == 72, "{kept}");
}

#[test]
fn says_how_a_refusal_ended() {
    let event = Event::new(Kind::Find, now()).outcome(Outcome::Refused, "rate limit");
    check(&event, &[(&["outcome"], "4"), (&["outcomeDesc"], "rate limit"), (&["type", "code"], "110112")]);
}

fn full(kind: Kind) -> Event {
    let event = Event::new(kind, now())
        .purpose("TREAT")
        .patient("p1")
        .exchange(ExchangeId::from_random([7; 16]))
        .detail("decision", "permit")
        .client(Client {
            address: Some("192.0.2.7".into()),
            server: "https://192.0.2.1:8443".into(),
            request: Some("00ff".into()),
        })
        .decided(
            "p1",
            Decided {
                permitted: true,
                traces: BTreeSet::from(["Consent/c1/_history/3#provision.provision[0]: permit".to_owned()]),
            },
        );
    let event = match kind {
        Kind::Search | Kind::Find => event.query("identifier=urn:x|4711"),
        _ => event.entity("Observation/o/_history/1"),
    };
    match kind {
        Kind::Receive => event.source("lab"),
        Kind::Disclose => {
            event.source("lab").recipient_at(Who::Partner("clinic".into()), "https://clinic.example/fhir")
        }
        _ => event.by(Who::Reference("Practitioner/a".into())).token("jti-1").roles(["clinician"]),
    }
}

#[test]
fn is_valid_r4_of_every_kind() {
    for kind in Kind::ALL {
        for event in [full(kind), full(kind).outcome(Outcome::Failed, "no answer"), full(kind).source("lab")] {
            for resource in read(&event) {
                let issues = Validator::r4().validate(&resource, &Options::default());
                assert!(!model::outcome::any_error(&issues), "{kind:?}: {issues:?}\n{}", resource.pretty());
            }
        }
    }
}

#[test]
fn gives_each_patient_an_event_that_tells_of_no_other() {
    let event = Event::new(Kind::Search, now())
        .query("code=x")
        .patient("p1")
        .detail_of("p1", "released", "Observation 2")
        .entity_of("Observation/other", ["p2"])
        .decided("p2", Decided { permitted: false, traces: BTreeSet::from(["Consent/c#provision: deny".to_owned()]) })
        .refused_of("p2");
    let versions = event.versions();
    let of = |patient: &str| versions.iter().filter(|it| it.patients == [patient]).count();
    assert_eq!((versions.len(), of("p1"), of("p2")), (3, 1, 2));
    for version in &versions {
        let text = String::from_utf8(version.body.to_vec()).unwrap();
        let other = if version.patients == ["p1"] { ["p2", "Observation/other"] } else { ["p1", "Observation 2"] };
        assert!(other.iter().all(|it| !text.contains(&format!("{it}\""))), "{text}");
        assert_eq!(text.contains("\"outcome\":\"4\""), version.patients == ["p2"], "{text}");
    }
    assert_eq!(versions[0].id, event.id());
}

#[test]
fn a_refusal_at_one_address_writes_as_much_for_nobody_as_for_somebody() {
    let refused = |event: Event| event.outcome(Outcome::Refused, "not released").versions().len();
    let unknown = refused(Event::new(Kind::Read, now()).entity("Observation/zz"));
    let withheld = refused(Event::new(Kind::Read, now()).entity("Observation/o").patient("p1"));
    let traces = BTreeSet::from(["Consent/c#provision: deny".to_owned()]);
    let denied = Event::new(Kind::Read, now()).patient("p1").decided("p1", Decided { permitted: false, traces });
    assert_eq!((unknown, withheld, refused(denied)), (2, 2, 2));
}

#[test]
fn draws_ids_of_the_form_of_a_uuid() {
    let (one, other) = (random_id(), random_id());
    assert_ne!(one, other);
    assert!(one.len() == 36 && one.as_bytes()[14] == b'4', "{one}");
}

#[test]
fn is_found_by_what_the_search_parameters_would_find() {
    for kind in Kind::ALL {
        let bare = Event::new(kind, now());
        let other = full(kind).by(Who::Identifier("urn:staff".into(), "7".into())).organisation("Organization/h");
        for event in [full(kind), full(kind).outcome(Outcome::Refused, "no"), full(kind).source("lab"), other, bare] {
            for (_, _, Made { text, index }) in event.resources() {
                let json = parse(&text, &Limits::default()).unwrap();
                let mut expected = crate::index::rows(&json);
                expected.retain(|row| row.kind == store::RowKind::Key);
                assert_eq!(index, expected, "{kind:?}: {}", json.pretty());
            }
        }
    }
}
