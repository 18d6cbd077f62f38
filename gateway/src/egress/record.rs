//! What leaves is recorded first: an AuditEvent and a ledger record, durable before the first byte.

use bytes::Bytes;
use ledger::commitment::Label;
use ledger::entry::Kind;
use model::time::Instant;
use sha2::{Digest, Sha256};
use store::{Commit, Commits, Delivery, DeliveryChange, DeliveryState, Exchange, NewLedgerRecord};

use super::render::Rendered;
use super::{Decided, digest_of};
use crate::app::App;
use crate::audit::{self, Who};
use crate::config::{Destination, DestinationTransport};

/// Bytes whose disclosure is on record. Made only here; the one thing a sender takes.
#[derive(Debug)]
pub struct Recorded {
    parts: Vec<Bytes>,
    control_id: String,
}

impl Recorded {
    /// What is sent, one after the other; mostly one.
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// MSH-10 of what is sent.
    pub fn control_id(&self) -> &str {
        &self.control_id
    }
}

/// Records the disclosure. A retry of the same bytes is on record already and adds nothing.
pub(super) async fn record(
    app: &App,
    destination: &Destination,
    exchange: &Exchange,
    delivery: &Delivery,
    rendered: Rendered,
    decision: &Decided,
    now: Instant,
) -> Result<Recorded, store::Error> {
    // One part is recorded as it is; of several the record holds all, a line each.
    let digest: [u8; 32] = Sha256::digest(rendered.parts.join(&b'\n')).into();
    let parts = rendered.parts.into_iter().map(Bytes::from).collect();
    let recorded = Recorded { parts, control_id: rendered.control_id };
    if delivery.recorded == Some(digest) {
        return Ok(recorded);
    }
    let outcome = if decision.text.starts_with("redact") { "permitted-in-part" } else { "permitted" };
    let record = ledger_record(app, exchange, outcome, decision, Some(&digest), now)?;
    let event = event(app, destination, exchange, decision, now);
    let change = DeliveryChange {
        decision: Some(decision.text.clone()),
        recorded: Some(digest),
        // Still to be sent: a crash from here on sends it again, which the partner can tell by its control id.
        ..DeliveryChange::new(exchange.id, destination.name.as_str(), DeliveryState::Pending)
    };
    app.store
        .commit(Commit {
            resources: event.versions(),
            deliveries: vec![change],
            ledger: vec![record],
            ..Commit::default()
        })
        .await?;
    Ok(recorded)
}

/// The commit that puts a refusal on record and ends the delivery.
pub(super) fn withheld(
    app: &App,
    destination: &Destination,
    exchange: &Exchange,
    delivery: &Delivery,
    decision: &Decided,
    attempts: u32,
    now: Instant,
) -> Result<Commit, store::Error> {
    let record = ledger_record(app, exchange, "denied", decision, None, now)?;
    let event = event(app, destination, exchange, decision, now).outcome(audit::Outcome::Refused, "withheld");
    let change = DeliveryChange {
        attempts: Some(attempts),
        decision: Some(decision.text.clone()),
        last_error: delivery.last_error.as_ref().map(|_| String::new()),
        ..DeliveryChange::new(exchange.id, destination.name.as_str(), DeliveryState::Withheld)
    };
    Ok(Commit { resources: event.versions(), deliveries: vec![change], ledger: vec![record], ..Commit::default() })
}

fn event(app: &App, destination: &Destination, exchange: &Exchange, decision: &Decided, now: Instant) -> audit::Event {
    let server = audit::Client { address: None, server: audit::address(&app.config), request: None };
    // The whole line names consents of every patient; the first word is true for each.
    let word = decision.text.split([':', ' ']).next().unwrap_or_default();
    let mut event = audit::Event::new(audit::Kind::Disclose, now)
        .source(exchange.source.as_str())
        .client(server)
        .recipient_at(Who::Partner(destination.name.clone()), address(destination))
        .roles(destination.roles.iter().map(String::as_str))
        .exchange(exchange.id)
        .detail("decision", word)
        // With the salt of the opening this opens the record's commitment `consent`.
        .detail("decision-sha256", hex(&digest_of(decision)));
    if let Some(organisation) = destination.recipient.iter().find(|it| it.starts_with("Organization/")) {
        event = event.organisation(organisation.as_str());
    }
    event = audit::with_map(event, app);
    for purpose in &destination.purpose {
        event = event.purpose(purpose);
    }
    for (patient, of) in &decision.patients {
        let permitted = !of.released.is_empty();
        let traces = of.traces.clone();
        event = event.patient(patient.as_str()).decided(patient, audit::Decided { permitted, traces });
        if permitted {
            let counted: Vec<String> = of.released.iter().map(|(name, count)| format!("{name} {count}")).collect();
            event = event.detail_of(patient, "released", counted.join(", "));
        } else {
            event = event.refused_of(patient);
        }
        if permitted && of.withheld > 0 {
            event = event.detail_of(patient, "withheld", "in part");
        }
    }
    event
}

/// Where a partner listens, as a URI.
fn address(destination: &Destination) -> String {
    let address = &destination.address;
    let scheme = match (destination.transport, address.tls) {
        (DestinationTransport::Fhir | DestinationTransport::Http, true) => "https",
        (DestinationTransport::Fhir | DestinationTransport::Http, false) => "http",
        (DestinationTransport::Mllp, true) => "mllps",
        (DestinationTransport::Mllp, false) => "mllp",
    };
    format!("{scheme}://{}:{}{}", address.host, address.port, address.path)
}

fn ledger_record(
    app: &App,
    exchange: &Exchange,
    outcome: &str,
    decision: &Decided,
    out: Option<&[u8; 32]>,
    now: Instant,
) -> Result<NewLedgerRecord, store::Error> {
    let no_salt = |_| store::Error::Index("the system gives no random bytes".to_owned());
    let mut record = app.ledger.record(exchange.id, Kind::Delivery, outcome, now);
    record = record.commit(Label::Consent, &digest_of(decision)).map_err(no_salt)?;
    if let Some(out) = out {
        record = record.commit(Label::Out, out).map_err(no_salt)?;
    }
    if let Some(patient) = &exchange.patient {
        record = record.commit_content(Label::Patient, format!("Patient/{patient}").as_bytes()).map_err(no_salt)?;
    }
    Ok(record.build())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
impl Recorded {
    pub(super) fn for_test(bytes: &'static [u8]) -> Self {
        Self { parts: vec![Bytes::from_static(bytes)], control_id: "1".to_owned() }
    }
}
