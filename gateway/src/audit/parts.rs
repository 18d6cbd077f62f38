//! The pieces an AuditEvent is put together from, and what of it never changes.

use std::sync::OnceLock;

use model::json::{Json, Writer};
use model::time::Instant;
use typed::{AuditAgent, AuditEvent, AuditOutcome, AuditRole, Party};

use super::Kind;

pub(super) const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";

/// A coding: system, code, display.
pub(super) type Coding = (&'static str, &'static str, &'static str);

pub(super) fn reference(out: &mut Writer, text: &str) {
    out.object(|out| out.text_member("reference", text));
}

pub(super) fn coding(out: &mut Writer, (system, code, display): Coding) {
    out.object(|out| {
        out.text_member("system", system);
        out.text_member("code", code);
        out.text_member("display", display);
    });
}

pub(super) fn concept(out: &mut Writer, one: Coding) {
    out.object(|out| out.member("coding").array(|out| coding(out, one)));
}

pub(super) fn identifier(out: &mut Writer, system: Option<&str>, value: &str) {
    out.object(|out| {
        out.member("identifier").object(|out| {
            if let Some(system) = system {
                out.text_member("system", system);
            }
            out.text_member("value", value);
        });
    });
}

/// Members of an event by name, as text.
type Members = Vec<(&'static str, Vec<u8>)>;

/// The members of an event that never change, made once for each kind: an exchange must not pay for them again.
pub(super) fn template(kind: Kind) -> &'static [(&'static str, Vec<u8>)] {
    static TEMPLATES: OnceLock<Vec<Members>> = OnceLock::new();
    let made = |kind| {
        let event = make_template(kind);
        // In the order of the definition.
        let names = ["type", "subtype", "action"].into_iter();
        names.filter_map(|name| Some((name, event.get(name)?.to_bytes()))).collect()
    };
    let templates = TEMPLATES.get_or_init(|| Kind::ALL.into_iter().map(made).collect());
    let index = Kind::ALL.iter().position(|known| *known == kind);
    index.and_then(|index| templates.get(index)).map_or(&[], Vec::as_slice)
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
