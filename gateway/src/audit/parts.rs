//! The pieces an AuditEvent is put together from, and what of it never changes.

use std::sync::OnceLock;

use model::id::Reference;
use model::json::Json;
use model::time::Instant;
use typed::{AuditAgent, AuditEvent, AuditOutcome, AuditRole, Party};

use super::{Kind, PARTNER_SYSTEM, Who};

pub(super) const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
pub(super) const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";

pub(super) fn agent(who: &Who, requestor: bool, role: Json, token: Option<&str>) -> Json {
    let identifier = |system: &str, value: &str| {
        let pair = [("system", Json::from(system)), ("value", Json::from(value))];
        Json::object([("identifier", Json::object(pair))])
    };
    let mut members = vec![("type", role)];
    match who {
        Who::Reference(text) if Reference::parse(text).is_ok() => {
            members.push(("who", Json::object([("reference", Json::from(text.as_str()))])));
        }
        Who::Reference(text) | Who::Unnamed(text) => {
            members.push(("who", Json::object([("display", Json::from(text.as_str()))])));
        }
        Who::Identifier(system, value) => members.push(("who", identifier(system, value))),
        Who::Partner(name) => members.push(("who", identifier(PARTNER_SYSTEM, name))),
    }
    if let Some(jti) = token {
        members.push(("altId", Json::from(jti)));
    }
    members.push(("requestor", Json::from(requestor)));
    Json::object(members)
}

pub(super) fn entity(what: Json, kind: (&str, &str), role: (&str, &str), details: &[(&str, &str)]) -> Json {
    let mut members = vec![
        ("what", what),
        ("type", coding(ENTITY_TYPE, kind.0, kind.1)),
        ("role", coding(OBJECT_ROLE, role.0, role.1)),
    ];
    if !details.is_empty() {
        let detail = |(name, value): &(&str, &str)| {
            Json::object([("type", Json::from(*name)), ("valueString", Json::from(*value))])
        };
        members.push(("detail", Json::array(details.iter().map(detail))));
    }
    Json::object(members)
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
