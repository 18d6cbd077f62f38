//! Last stage: everything about a message becomes durable in one transaction, or nothing does.

use std::time::Instant as Timer;

use bytes::Bytes;
use ledger::commitment::Label;
use ledger::entry::Kind;
use model::json::Json;
use model::outcome::Issue;
use model::resource::{id, patients_of, resource_type};
use model::time::Instant;
use store::{
    Arrival as Opening, Author, Commit, Commits, DeliveryChange, DeliveryState, ExchangeChange, ExchangeId,
    ExchangeKind, ExchangeState, Expect, NewVersion, Stage, StateChange,
};

use super::arrive::{Arrived, Header};
use super::gaps::Gaps;
use super::map::Mapped;
use super::merge::{self, Unsettled};
use super::validate::{Invalid, Validated};
use super::{Cause, Outcome, Refusal, issues, provenance, rollback, supersede};
use crate::app::App;
use crate::audit;

/// What a repeat of a message that was taken is answered; a refused one has the word of its cause.
const TAKEN: &str = "accepted";

/// Proof that a message is durable. Made only here.
#[derive(Debug)]
pub struct Committed {
    outcome: Outcome,
}

impl Committed {
    /// What a transport tells of it.
    pub fn into_outcome(self) -> Outcome {
        self.outcome
    }
}

/// Bytes that are kept although they were not understood.
pub(super) struct Kept<'a> {
    pub(super) exchange: ExchangeId,
    pub(super) source: &'a str,
    pub(super) format: &'a str,
    pub(super) raw: Bytes,
    pub(super) sha256: [u8; 32],
    pub(super) received_at: Instant,
    pub(super) header: Header,
}

/// A message as it will be written.
#[derive(Debug)]
pub(super) struct Assembled {
    commit: Commit,
    outcome: Outcome,
    /// Where each resource stands in the input, for conflicts.
    places: Vec<(String, String, String)>,
}

/// Why a message is not written as it is.
pub(super) enum Unassembled {
    /// It waits for a person.
    Held(Box<Arrived>, Invalid),
    /// Nothing can be written now.
    Failed(Refusal),
}

impl From<Refusal> for Unassembled {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(refusal)
    }
}

/// Puts together resources, Provenance, AuditEvent, one undecided delivery for each destination, the ledger record and
/// the exchange. CPU only.
///
/// # Errors
/// [`Unassembled`]: a person has to look at what it says of merged records, or nothing can be written at all.
pub(super) fn assemble(app: &App, mut arrived: Arrived, validated: Validated) -> Result<Assembled, Unassembled> {
    let started = Timer::now();
    let mut mapped = validated.into_mapped();
    let is_late = supersede::settle(&app.store, &arrived.source.name, &mut mapped).map_err(Refusal::from)?;
    let plan = match merge::settle(&app.store, &mut mapped) {
        Ok(plan) => plan,
        Err(Unsettled::Held(found)) => {
            let mut issues = mapped.issues;
            issues.extend(found);
            return Err(Unassembled::Held(Box::new(arrived), Invalid { issues, started }));
        }
        Err(Unsettled::Store(error)) => return Err(Refusal::from(error).into()),
    };
    // Behind the merges, which may rename patients; before the commit, so that a person looks at it instead.
    let mut withdrawn = Vec::new();
    for entry in &mapped.entries {
        if let Some(why) = rollback::refusal(&app.store, &entry.resource).map_err(Refusal::from)? {
            withdrawn.push(Issue::error("conflict", why).at(entry.place.clone()));
        }
    }
    if !withdrawn.is_empty() {
        let mut issues = mapped.issues;
        issues.extend(withdrawn);
        return Err(Unassembled::Held(Box::new(arrived), Invalid { issues, started }));
    }
    let now = app.clock.now();
    let has_provenance = provenance::complete(&mut mapped.entries, &arrived);
    let replayed = arrived.opened.is_some_and(|state| state != ExchangeState::Accepted);
    let patient = mapped.patient.clone();
    let record = record(app, &arrived, if replayed { "replayed" } else { "stored" }, patient.as_deref(), &mapped, now)?;
    let author = Author { source: arrived.source.name.clone(), exchange: Some(arrived.exchange) };

    let mut resources: Vec<NewVersion> = Vec::with_capacity(mapped.entries.len() + 2);
    let mut places = Vec::new();
    for entry in &mapped.entries {
        let version = version(&entry.resource, author.clone(), entry.expect.clone());
        if entry.expect != Expect::Any {
            places.push((version.resource_type.clone(), version.id.clone(), entry.place.clone()));
        }
        resources.push(version);
    }
    merge::index(&app.store, &plan, &mapped.entries, &mut resources).map_err(Refusal::from)?;
    let target = |version: &NewVersion| format!("{}/{}", version.resource_type, version.id);
    let targets: Vec<String> = if has_provenance { Vec::new() } else { resources.iter().map(target).collect() };
    if !has_provenance && let Some(provenance) = provenance::of(app, &arrived, mapped.rules.as_ref(), &targets, now) {
        resources.push(version(&provenance, author, Expect::Any));
    }
    let mut event =
        audit::Event::new(audit::Kind::Receive, now).source(arrived.source.name.as_str()).exchange(arrived.exchange);
    if let Some(patient) = &patient {
        event = event.patient(patient.as_str());
    }
    resources.extend(event.versions());

    let rules = mapped
        .rules
        .as_ref()
        .map_or_else(|| "as it stands".to_owned(), |rules| format!("{} {}", rules.name, rules.version));
    let made = format!("{} resources by {rules}, {} issues", mapped.entries.len(), mapped.issues.len());
    arrived.stages.push(stage("map", mapped.mapped_at, &made));
    arrived.stages.push(stage("validate", now, "ok"));
    arrived.stages.push(stage("commit", now, "ok"));
    let deliveries = arrived
        .source
        .destinations
        .iter()
        .map(|destination| DeliveryChange::new(arrived.exchange, destination.as_str(), DeliveryState::Pending));
    // Whoever is to have the document has the newer one.
    let deliveries: Vec<_> = deliveries.filter(|_| !is_late).collect();
    let has_deliveries = !deliveries.is_empty();

    let mut findings = std::mem::take(&mut arrived.issues);
    findings.extend(mapped.issues.iter().cloned());
    let mut change = change(&arrived, findings.iter());
    change.state = Some(StateChange::FromDeliveries);
    change.patient = patient;
    change.answer = Some(Bytes::from_static(TAKEN.as_bytes()));
    change.detail = detail(&mapped);
    let commit = Commit {
        resources,
        exchanges: vec![change],
        deliveries,
        ledger: vec![record],
        unlinks: plan.unlinks,
        links: plan.links,
        ..Commit::default()
    };
    let outcome = Outcome {
        exchange: arrived.exchange,
        state: if has_deliveries { ExchangeState::Delivering } else { ExchangeState::Stored },
        issues: findings,
        ledger_index: None,
        received_at: arrived.received_at,
        parts: Vec::new(),
    };
    app.metrics.stage("assemble", started.elapsed());
    Ok(Assembled { commit, outcome, places })
}

/// Writes it: everything, or nothing.
///
/// # Errors
/// [`Refusal`] if the store refuses: nothing was written then. [`Cause::Conflict`] names the entry.
pub(super) async fn commit(app: &App, assembled: Assembled) -> Result<Committed, Refusal> {
    let started = Timer::now();
    let Assembled { commit, outcome, places } = assembled;
    let has_deliveries = !commit.deliveries.is_empty();
    let committed = app.store.commit(commit).await.map_err(|error| name_entry(error, &places))?;
    app.metrics.stage("commit", started.elapsed());
    if has_deliveries {
        app.outbox.send_modify(|commits| *commits += 1);
    }
    Ok(Committed { outcome: Outcome { ledger_index: committed.ledger.first().copied(), ..outcome } })
}

/// Makes the bytes durable before anything is made of them.
pub(super) async fn accept(app: &App, arrived: &mut Arrived) -> Result<(), Refusal> {
    arrived.stages.push(stage("accept", app.clock.now(), "ok"));
    let mut change = change(arrived, std::iter::empty());
    change.state = Some(StateChange::Set(ExchangeState::Accepted));
    app.store.commit(Commit { exchanges: vec![change], ..Commit::default() }).await?;
    arrived.opened = Some(ExchangeState::Accepted);
    arrived.stages.clear();
    Ok(())
}

/// Keeps a message for a person, with the findings; the refusal to answer with.
pub(super) async fn hold(app: &App, mut arrived: Arrived, invalid: Invalid) -> Refusal {
    arrived.stage(app, "validate", invalid.started, format!("{} issues: held", invalid.issues.len()));
    let mut findings = std::mem::take(&mut arrived.issues);
    findings.extend(invalid.issues);
    end(app, arrived, ExchangeState::Held, Refusal::of(Cause::Held, findings)).await
}

/// Keeps a message that could be read but is not taken.
pub(super) async fn refuse(app: &App, mut arrived: Arrived, refusal: Refusal) -> Refusal {
    arrived.stages.push(stage("map", app.clock.now(), refusal.cause().as_str()));
    let state = if refusal.cause() == Cause::Held { ExchangeState::Held } else { ExchangeState::Refused };
    end(app, arrived, state, refusal).await
}

/// Keeps bytes that could not be read, or are of nobody.
pub(super) async fn refuse_unread(app: &App, kept: Kept<'_>, refusal: Refusal) -> Refusal {
    let now = app.clock.now();
    let mut change = ExchangeChange::open(
        kept.exchange,
        Opening {
            kind: ExchangeKind::Arrival,
            source: kept.source.to_owned(),
            format: kept.format.to_owned(),
            received: kept.received_at,
            message_control_id: kept.header.message_control_id,
            sending_application: kept.header.sending_application,
            sending_facility: kept.header.sending_facility,
            raw: kept.raw,
            sha256: kept.sha256,
        },
    );
    change.state = Some(StateChange::Set(ExchangeState::Refused));
    change.stages = vec![stage("parse", now, refusal.cause().as_str())];
    change.issues = refusal.issues().iter().map(issues::write).collect();
    change.answer = Some(Bytes::from_static(refusal.cause().as_str().as_bytes()));
    let record = app.ledger.record(kept.exchange, Kind::Arrival, "refused", now).commit(Label::In, &kept.sha256);
    let record = match record {
        Ok(record) => record.build(),
        Err(error) => return error.into(),
    };
    let commit = Commit { exchanges: vec![change], ledger: vec![record], ..Commit::default() };
    match app.store.commit(commit).await {
        Ok(_) => refusal.kept_as(kept.exchange),
        Err(error) => error.into(),
    }
}

async fn end(app: &App, mut arrived: Arrived, state: ExchangeState, refusal: Refusal) -> Refusal {
    let now = app.clock.now();
    let record =
        app.ledger.record(arrived.exchange, Kind::Arrival, state.as_str(), now).commit(Label::In, &arrived.sha256);
    let record = match record {
        Ok(record) => record.build(),
        Err(error) => return error.into(),
    };
    let mut findings = std::mem::take(&mut arrived.issues);
    if state == ExchangeState::Refused {
        findings.extend(refusal.issues().iter().cloned());
    } else {
        findings = refusal.issues().to_vec();
    }
    let mut change = change(&arrived, findings.iter());
    change.state = Some(StateChange::Set(state));
    change.answer = Some(Bytes::from_static(refusal.cause().as_str().as_bytes()));
    let event = audit::Event::new(audit::Kind::Receive, now)
        .source(arrived.source.name.as_str())
        .exchange(arrived.exchange)
        .outcome(audit::Outcome::Refused, state.as_str());
    let commit =
        Commit { resources: event.versions(), exchanges: vec![change], ledger: vec![record], ..Commit::default() };
    match app.store.commit(commit).await {
        Ok(_) => refusal.kept_as(arrived.exchange),
        Err(error) => error.into(),
    }
}

/// What the exchange of a message becomes, whether it is in the store already or not.
fn change<'i>(arrived: &Arrived, findings: impl Iterator<Item = &'i Issue>) -> ExchangeChange {
    let mut change = match arrived.opened {
        Some(state) => ExchangeChange { expect: Some(state), ..ExchangeChange::update(arrived.exchange) },
        None => ExchangeChange::open(
            arrived.exchange,
            Opening {
                kind: ExchangeKind::Arrival,
                source: arrived.source.name.clone(),
                format: arrived.source.format.as_str().to_owned(),
                received: arrived.received_at,
                message_control_id: arrived.header.message_control_id.clone(),
                sending_application: arrived.header.sending_application.clone(),
                sending_facility: arrived.header.sending_facility.clone(),
                raw: arrived.raw.clone(),
                sha256: arrived.sha256,
            },
        ),
    };
    change.stages.clone_from(&arrived.stages);
    change.issues = findings.map(issues::write).collect();
    change
}

fn record(
    app: &App,
    arrived: &Arrived,
    outcome: &str,
    patient: Option<&str>,
    mapped: &Mapped,
    now: Instant,
) -> Result<store::NewLedgerRecord, Refusal> {
    let mut record =
        app.ledger.record(arrived.exchange, Kind::Arrival, outcome, now).commit(Label::In, &arrived.sha256)?;
    if let Some(rules) = &mapped.rules {
        record = record.rules(&rules.digest);
    }
    if let Some(patient) = patient {
        record = record.commit_content(Label::Patient, format!("Patient/{patient}").as_bytes())?;
    }
    Ok(record.build())
}

/// A resource as a version to write.
pub(super) fn version(resource: &Json, author: Author, expect: Expect) -> NewVersion {
    NewVersion {
        resource_type: resource_type(resource).unwrap_or_default().to_owned(),
        id: id(resource).unwrap_or_default().to_owned(),
        expect,
        body: Bytes::from(resource.to_bytes()),
        index: crate::index::rows(resource),
        patients: patients_of(resource).iter().map(|id| id.as_str().to_owned()).collect(),
        deleted: false,
        author,
        // The same message content again adds no version: history shows changes, not deliveries.
        skip_unchanged: true,
        method: store::Method::Put,
        lean: false,
    }
}

fn stage(name: &str, at: Instant, outcome: &str) -> Stage {
    Stage { name: name.to_owned(), at, outcome: outcome.to_owned() }
}

fn detail(mapped: &Mapped) -> Option<String> {
    let [total, done, kept, dropped] = mapped.loss?;
    let rules = mapped.rules.as_ref()?;
    let count = |number: usize| Json::from(number as u64);
    let loss = [("total", count(total)), ("mapped", count(done)), ("kept", count(kept)), ("dropped", count(dropped))];
    let package = [
        ("name", Json::from(rules.name.as_str())),
        ("version", Json::from(rules.version.as_str())),
        ("digest", Json::from(rules.digest.as_str())),
    ];
    let members = [("package", Json::object(package)), ("loss", Json::object(loss))];
    let gaps = mapped.gaps.iter().flat_map(Gaps::members);
    Some(Json::object(members.into_iter().chain(gaps)).to_text())
}

/// A conflict is about one resource: its place in the input tells the sender which.
fn name_entry(error: store::Error, places: &[(String, String, String)]) -> Refusal {
    let store::Error::Conflict(
        store::Conflict::Author { resource_type: kind, id } | store::Conflict::Version { resource_type: kind, id, .. },
    ) = &error
    else {
        return error.into();
    };
    let place = places.iter().find(|(known_kind, known_id, _)| known_kind == kind && known_id == id);
    let place = place.map_or_else(|| format!("{kind}/{id}"), |(_, _, place)| place.clone());
    let text = "the id is taken by a resource of another source";
    Refusal::new(Cause::Conflict, Issue::error("conflict", text).at(place))
}
