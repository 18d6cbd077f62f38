//! What goes into the journal comes out of it.

use super::*;

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

#[test]
fn reads_back_the_whole_commit() {
    let exchange = ExchangeId::from_random([9; 16]);
    let declared = at("2026-03-01T10:00:00.123Z");
    let arrival = Arrival {
        kind: ExchangeKind::Emergency,
        source: "Practitioner/a".into(),
        format: "application/json".into(),
        received: declared,
        message_control_id: None,
        sending_application: None,
        sending_facility: None,
        raw: Bytes::from_static(b"{\"patient\":\"Patient/p\"}"),
        sha256: [3; 32],
    };
    let mut change = ExchangeChange::open(exchange, arrival);
    change.state = Some(StateChange::Set(ExchangeState::Done));
    change.patient = Some("p".into());
    change.stages.push(Stage { name: "declare".into(), at: declared, outcome: "ok".into() });
    let commit = Commit {
        resources: vec![NewVersion {
            resource_type: "AuditEvent".into(),
            id: "e".into(),
            expect: Expect::Absent,
            body: Bytes::from_static(br#"{"resourceType":"AuditEvent","id":"e","outcomeDesc":"\u00e4"}"#),
            index: Vec::new(),
            patients: vec!["p".into()],
            deleted: false,
            author: Author { source: "anchorline".into(), exchange: Some(exchange) },
            skip_unchanged: false,
            method: store::Method::Put,
            lean: false,
        }],
        exchanges: vec![change],
        ledger: vec![NewLedgerRecord {
            exchange,
            bytes: Bytes::from_static(b"{}"),
            salts: vec![Salt { label: "in".into(), salt: Bytes::from_static(&[1; 32]) }],
        }],
        grants: vec![
            GrantChange::Open(Grant {
                id: "g".into(),
                patient: "p".into(),
                person: "Practitioner/a".into(),
                holder: "jti".into(),
                declared,
                expires: at("2026-03-01T11:00:00Z"),
                ended: None,
                exchange,
                detail: "{}".into(),
            }),
            GrantChange::End { id: "h".into(), at: declared },
        ],
        ..Commit::default()
    };
    assert_eq!(read(&write(&commit)), Some(commit));
}

#[test]
fn leaves_out_what_is_none_of_ours() {
    assert_eq!(read(b"not json"), None);
    assert_eq!(read(br#"{"grants":[{"id":"g"}]}"#), None);
}
