//! What can be asked of the list of exchanges.

use model::time::Instant;

use super::*;

#[test]
fn reads_every_filter_of_the_list() {
    let (query, unmapped) = parse_query(
        "message-control-id=A1&source=lab&patient=Patient/p&state=held,dead&since=2026-03-01&until=2026-03-02T00:00:00Z&unmapped=true&_count=7",
    )
    .unwrap();
    assert_eq!(unmapped.as_deref(), Some(""));
    assert_eq!(query.message_control_id.as_deref(), Some("A1"));
    assert_eq!(query.patient.as_deref(), Some("p"));
    assert_eq!(query.states, [ExchangeState::Held, ExchangeState::Dead]);
    assert_eq!(query.since, Some(Instant::parse("2026-03-01T00:00:00Z").unwrap()));
    assert_eq!(query.limit, 7);
}

#[test]
fn names_what_it_does_not_know() {
    for (text, named) in [
        ("colour=red", "colour"),
        ("state=lost", "state"),
        ("since=soon", "since"),
        ("_count=x", "_count"),
        ("unmapped=everything", "PID-10"),
    ] {
        let failure = parse_query(text).unwrap_err();
        assert_eq!(failure.status(), StatusCode::BAD_REQUEST);
        assert!(failure.issues()[0].diagnostics.contains(named), "{text}: {}", failure.issues()[0].diagnostics);
    }
}

#[test]
fn a_place_asks_for_everything_below_it() {
    let place = |text: &str| parse_query(&format!("unmapped={text}")).unwrap().1;
    assert_eq!(place("PID-10").as_deref(), Some("PID-10"));
    assert_eq!(place("ZX1").as_deref(), Some("ZX1"));
    assert_eq!(place("PV1-7.3").as_deref(), Some("PV1-7.3"));
    assert_eq!(place("false"), None);
    for wrong in ["PID-", "PID-x", "PI-1", "PID-1.", "PID-1.2.3", "PIDX-1"] {
        assert!(parse_query(&format!("unmapped={wrong}")).is_err(), "{wrong}");
    }
}
