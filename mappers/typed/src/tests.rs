use model::id::{Reference, ResourceId};
use model::json::Json;
use model::time::Instant;

use super::*;

const DEVICE: Party<'_> = Party { reference: Some("Device/gateway"), identifier: None, display: Some("gateway") };

fn at() -> Instant {
    Instant::parse("2026-03-09T10:11:12.340Z").expect("instant")
}

fn patient() -> ResourceId {
    ResourceId::parse("p1").expect("id")
}

#[track_caller]
fn text(json: &Json, path: &[&str], expect: &str) {
    assert_eq!(json.text_at(path), Some(expect), "{}", json.pretty());
}

/// Compares with the file that the structure tests of `conformance` hold against R4.
#[track_caller]
fn golden(name: &str, json: &Json) {
    let path = format!("{}/examples/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let found = json.pretty() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &found).expect("writes the golden file");
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap_or_default(),
        found,
        "{path}: run with UPDATE_GOLDEN=1 and read the diff"
    );
}

#[test]
fn an_emergency_declaration_is_a_security_alert_with_purpose_btg() {
    let consent = Reference::parse("Consent/c1").expect("reference");
    let patient = patient();
    let user = AuditAgent {
        role: AuditRole::User,
        who: Party { display: Some("Dr. Example"), ..Party::reference("Practitioner/d1") },
        roles: &[],
        requestor: true,
        address: Some("127.0.0.1"),
        location: Some("emergency room"),
    };
    let event = AuditEvent {
        id: "a1",
        kind: AuditKind::EmergencyStarted,
        recorded: at(),
        outcome: AuditOutcome::Success,
        purposes: &[Code::BREAK_THE_GLASS],
        agents: &[user],
        observer: DEVICE,
        patient: Some(&patient),
        entities: &[AuditEntity::Consent(&consent, Some(2)), AuditEntity::Detail("reason", "patient unresponsive")],
        exchange: Some("x-1"),
    };
    let json = audit_event(&event).expect("builds");
    text(&json, &["resourceType"], "AuditEvent");
    text(&json, &["type", "code"], "110113");
    text(&json, &["subtype", "0", "code"], "110127");
    text(&json, &["action"], "E");
    text(&json, &["outcome"], "0");
    text(&json, &["recorded"], "2026-03-09T10:11:12.340Z");
    text(&json, &["purposeOfEvent", "0", "coding", "0", "code"], "BTG");
    text(&json, &["agent", "0", "purposeOfUse", "0", "coding", "0", "code"], "BTG");
    text(&json, &["agent", "0", "network", "type"], "2");
    text(&json, &["source", "observer", "reference"], "Device/gateway");
    text(&json, &["entity", "0", "what", "reference"], "Patient/p1");
    text(&json, &["entity", "1", "what", "identifier", "value"], "x-1");
    text(&json, &["entity", "2", "what", "reference"], "Consent/c1/_history/2");
    text(&json, &["entity", "3", "detail", "0", "valueString"], "patient unresponsive");
    assert_eq!(model::resource::patients_of(&json), [patient]);
    golden("audit-emergency", &json);
}

#[test]
fn a_refused_search_keeps_the_query_as_base64() {
    let client = AuditAgent {
        role: AuditRole::Destination,
        who: Party::identifier("", "client-7"),
        roles: &[],
        requestor: true,
        address: None,
        location: None,
    };
    let event = AuditEvent {
        id: "a2",
        kind: AuditKind::Rest(Interaction::Search),
        recorded: at(),
        outcome: AuditOutcome::Refused("wrong role"),
        purposes: &[],
        agents: &[client],
        observer: DEVICE,
        patient: None,
        entities: &[AuditEntity::Query("Patient?name=x")],
        exchange: None,
    };
    let json = audit_event(&event).expect("builds");
    text(&json, &["subtype", "0", "code"], "search");
    text(&json, &["outcome"], "4");
    text(&json, &["outcomeDesc"], "wrong role");
    text(&json, &["entity", "0", "query"], "UGF0aWVudD9uYW1lPXg=");
    assert!(json.get("purposeOfEvent").is_none());
    golden("audit-search", &json);
}

#[test]
fn provenance_names_message_and_package() {
    let json = provenance(&Provenance {
        id: "v1",
        targets: &["Patient/p1".to_owned(), "Observation/o1".to_owned()],
        occurred: Some(at()),
        recorded: at(),
        reasons: &[],
        agents: &[ProvenanceAgent::Author(Party::named("sending system")), ProvenanceAgent::Assembler(DEVICE)],
        sources: &[
            ProvenanceSource::Exchange("x-1"),
            ProvenanceSource::Package { name: "hl7v2-base", version: "0.1.0", digest: "00ff" },
        ],
    })
    .expect("builds");
    text(&json, &["target", "1", "reference"], "Observation/o1");
    text(&json, &["occurredDateTime"], "2026-03-09T10:11:12.340Z");
    text(&json, &["agent", "1", "type", "coding", "0", "code"], "assembler");
    text(&json, &["entity", "0", "role"], "source");
    text(&json, &["entity", "1", "what", "identifier", "value"], "hl7v2-base@0.1.0#sha256=00ff");
    golden("provenance", &json);
}

#[test]
fn an_emergency_leaves_a_notice_and_a_review() {
    let patient = patient();
    let notice = communication(&Notice {
        id: "n1",
        patient: &patient,
        sent: at(),
        sender: DEVICE,
        about: &["AuditEvent/a1".to_owned()],
        reasons: &[Code::BREAK_THE_GLASS],
        text: "Your record was opened in an emergency.",
    })
    .expect("builds");
    text(&notice, &["status"], "preparation");
    text(&notice, &["subject", "reference"], "Patient/p1");
    text(&notice, &["payload", "0", "contentString"], "Your record was opened in an emergency.");
    golden("communication", &notice);
    let review = task(&Review {
        id: "t1",
        patient: &patient,
        authored: at(),
        due: Some(at()),
        requester: Party::reference("Practitioner/d1"),
        focus: Some("AuditEvent/a1"),
        description: "Review this access",
        reason: Some(Code::BREAK_THE_GLASS),
    })
    .expect("builds");
    text(&review, &["status"], "requested");
    text(&review, &["intent"], "order");
    text(&review, &["for", "reference"], "Patient/p1");
    text(&review, &["restriction", "period", "end"], "2026-03-09T10:11:12.34Z");
    golden("task", &review);
}

#[test]
fn capabilities_are_those_of_r4() {
    let json = capability_statement(&CapabilityStatement {
        id: "metadata",
        date: at(),
        software: "Anchorline",
        version: "0.1.0",
        description: "a gateway",
        url: Some("https://localhost:8443/fhir"),
        formats: &["json"],
        patch_formats: &[],
        security: "development tokens",
        security_services: &["OAuth"],
        types: &[ServedType {
            name: "Patient",
            profiles: &["http://example.org/StructureDefinition/registered-patient"],
            interactions: &["read", "vread", "search-type"],
            search: &[SearchParameter { name: "identifier", kind: "token", definition: None }],
            operations: &[Operation { name: "summary", definition: "http://example.org/OperationDefinition/summary" }],
            includes: &[],
            reverse_includes: &[],
            versioned_update: false,
            update_create: true,
            conditional_create: false,
            conditional_read: true,
            conditional_update: false,
            conditional_delete: false,
        }],
        system_interactions: &["transaction"],
        operations: &[],
        documentation: "what else is to be said",
    })
    .expect("builds");
    text(&json, &["fhirVersion"], "4.0.1");
    text(&json, &["rest", "0", "mode"], "server");
    text(&json, &["rest", "0", "resource", "0", "conditionalRead"], "full-support");
    text(&json, &["rest", "0", "resource", "0", "type"], "Patient");
    let profile = "http://example.org/StructureDefinition/registered-patient";
    text(&json, &["rest", "0", "resource", "0", "supportedProfile", "0"], profile);
    text(&json, &["rest", "0", "resource", "0", "interaction", "2", "code"], "search-type");
    text(&json, &["rest", "0", "resource", "0", "searchParam", "0", "type"], "token");
    text(&json, &["rest", "0", "interaction", "0", "code"], "transaction");
    golden("capability-statement", &json);
}

#[test]
fn sample_consents_have_one_rule() {
    let patient = patient();
    let json = consent_sample(&ConsentSample {
        id: "c1",
        patient: &patient,
        given: at(),
        organization: Party::reference("Organization/h1"),
        effect: ConsentEffect::Deny,
        recipients: &[Party::reference("Organization/lab")],
        actions: &[Code::new("http://terminology.hl7.org/CodeSystem/consentaction", "disclose", "Disclose")],
        purposes: &[Code::new("http://terminology.hl7.org/CodeSystem/v3-ActReason", "TREAT", "treatment")],
        classes: &[],
        period: (Some(at()), None),
    })
    .expect("builds");
    text(&json, &["status"], "active");
    text(&json, &["provision", "type"], "deny");
    text(&json, &["provision", "actor", "0", "reference", "reference"], "Organization/lab");
    text(&json, &["provision", "purpose", "0", "code"], "TREAT");
    assert!(json.at(&["provision", "class"]).is_none());
    golden("consent", &json);
}
