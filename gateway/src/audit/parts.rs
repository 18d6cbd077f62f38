//! The pieces an AuditEvent is put together from, and what of it never changes.

use std::sync::OnceLock;

use model::json::Json;
use model::time::Instant;
use typed::{AuditAgent, AuditEvent, AuditOutcome, AuditRole, Party};

use super::Kind;

pub(super) const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";

pub(super) fn reference(text: &str) -> Json {
    Json::object([("reference", Json::from(text))])
}

pub(super) fn coding(system: &str, code: &str, display: &str) -> Json {
    Json::object([("system", Json::from(system)), ("code", Json::from(code)), ("display", Json::from(display))])
}

pub(super) fn concept(system: &str, code: &str, display: &str) -> Json {
    Json::object([("coding", Json::array([coding(system, code, display)]))])
}

/// The members of an event that never change, made once for each kind: an exchange must not pay for them again.
pub(super) fn template(kind: Kind) -> &'static Json {
    static TEMPLATES: OnceLock<Vec<Json>> = OnceLock::new();
    static NONE: Json = Json::Null;
    let templates = TEMPLATES.get_or_init(|| Kind::ALL.into_iter().map(make_template).collect());
    Kind::ALL.iter().position(|known| *known == kind).and_then(|index| templates.get(index)).unwrap_or(&NONE)
}

/// What the builders make of a kind; the members that differ from event to event are put in by [`Event::resource`].
fn make_template(kind: Kind) -> Json {
    let agent = AuditAgent {
        role: AuditRole::User,
        who: Party::named("template"),
        roles: &[],
        requestor: true,
        address: None,
        location: None,
    };
    let event = AuditEvent {
        id: "template",
        kind: kind.typed(),
        recorded: Instant::MIN,
        outcome: AuditOutcome::Success,
        purposes: &[],
        agents: &[agent],
        observer: Party::named("Anchorline"),
        patient: None,
        entities: &[],
        exchange: None,
    };
    typed::audit_event(&event).unwrap_or_else(|error| {
        // Nothing of an event of ours can be refused by the builders; were it so, the structure test of the audit fails.
        tracing::error!(%error, "an audit template could not be built");
        Json::object([("resourceType", Json::from("AuditEvent"))])
    })
}
