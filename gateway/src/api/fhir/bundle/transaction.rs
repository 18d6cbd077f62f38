//! A transaction: deletes, creates, changes and reads in that order, all or nothing in one commit.
//!
//! Everything is read, looked up, decided and validated before anything is written. Reads are answered after the commit;
//! those of resources that the transaction does not write are tried before it too, so that one that fails refuses all.

mod names;
mod plan;

use bytes::Bytes;
use consent::Interaction;
use http::StatusCode;
use model::bundle::{Response as EntryResponse, transaction_response};
use model::json::{Json, Limits, parse};
use model::outcome::{Issue, Severity, operation_outcome};
use store::{Effect, VersionWritten};

use self::names::Names;
use self::plan::{Plan, Planned};
use super::entry::{Entry, Turn};
use super::{done_alone, status_text};
use crate::api::fhir::condition::{Conditions, Known};
use crate::api::fhir::write::{LEDGER_EXCHANGE, Preference, author, refused};
use crate::api::format::Sent;
use crate::api::outcome::Failure;
use crate::api::release::Asking;
use crate::api::{Call, Who, answer};
use crate::audit::Kind;
use crate::layers::Response;
use crate::pipeline::{self, Content, FhirChange, FhirWrite};

pub(super) async fn process(call: &Call, who: &Who, sent: Sent, entries: Vec<Json>) -> Result<Response, Failure> {
    let mut problems = Problems::default();
    let read = entries.into_iter().enumerate().map(|(index, json)| Entry::read(call, index, json));
    let mut entries: Vec<Entry> = read.filter_map(|entry| problems.kept(entry)).collect();
    problems.none()?;
    let mut planned: Vec<Planned> = entries
        .iter_mut()
        .filter_map(|entry| problems.at(&entry.place.clone(), Planned::of(call, who, entry)))
        .collect();
    problems.none()?;
    // Held until the commit: of two that find nothing one would find what the other is about to write.
    let _lanes = call.app.conditions.hold_all(planned.iter().filter_map(|one| one.key.as_ref())).await;
    let mut conditions = Conditions::new(call, who)?;
    let prepared = prepare(call, who, &entries, &mut planned, &mut conditions).await;
    let changes = match prepared {
        Ok(changes) => changes,
        Err(failure) => {
            conditions.record().await?;
            return Err(failure);
        }
    };
    let has_writes = changes.iter().any(Option::is_some);
    if has_writes {
        let mut failed = Problems::default();
        for (entry, one) in entries.iter().zip(&planned) {
            if one.plan == Plan::Read && !planned.iter().any(|other| other.is_read_by(entry)) {
                let tried = done_alone(call, who, entry).await;
                failed.read(&entry.place, &tried);
            }
        }
        failed.none()?;
    }
    let written = commit(call, who, sent, &planned, changes, conditions).await?;
    let mut answers = Vec::with_capacity(planned.len());
    let mut failed = Problems::default();
    for ((entry, one), version) in entries.iter().zip(&planned).zip(&written.versions) {
        answers.push(match &one.plan {
            Plan::Read => {
                let answer = done_alone(call, who, entry).await;
                if !has_writes {
                    failed.read(&entry.place, &answer);
                }
                answer
            }
            _ => answered(call, one, version.as_ref())?,
        });
    }
    failed.none()?;
    let mut response = answer::fhir(StatusCode::OK, transaction_response(answers).to_bytes());
    if let Some(exchange) = written.exchange {
        answer::header(&mut response, LEDGER_EXCHANGE, &exchange.to_string());
    }
    Ok(response)
}

/// Looks up, names, rewrites and decides: the change of each entry, if it has one.
async fn prepare(
    call: &Call,
    who: &Who,
    entries: &[Entry],
    planned: &mut [Planned],
    conditions: &mut Conditions<'_>,
) -> Result<Vec<Option<FhirChange>>, Failure> {
    let mut problems = Problems::default();
    for one in planned.iter_mut() {
        let settled = one.settle(conditions).await;
        problems.at(&one.place.clone(), settled);
    }
    problems.none()?;
    let asking = Asking::new(&call.app, who, Interaction::Write)?;
    let mut names = Names::of(entries, planned, &asking, &mut problems)?;
    problems.none()?;
    names.look_up(planned, conditions, &mut problems).await;
    problems.none()?;
    for (entry, one) in entries.iter().zip(planned.iter_mut()) {
        if let Some(resource) = &mut one.resource {
            names.rewrite(entry, resource);
        }
    }
    let mut changes = Vec::with_capacity(planned.len());
    let mut forbidden = Vec::new();
    for (entry, one) in entries.iter().zip(planned.iter_mut()) {
        let change = one.change(call, who, &asking, |resource| names.rewrite(entry, resource));
        if let Err(failure) = &change
            && failure.status() == StatusCode::FORBIDDEN
        {
            forbidden.push((one.kind(), one.stub()));
        }
        changes.push(problems.at(&one.place.clone(), change).flatten());
    }
    let failure = problems.none();
    for (kind, resource) in forbidden {
        if let Err(failure) = failure.clone() {
            let answer = refused(call, who, kind, &resource, failure.clone()).await;
            if answer.status() != failure.status() {
                return Err(answer);
            }
        }
    }
    failure.map(|()| changes)
}

/// What a transaction has written: a version for each entry that writes.
struct Done {
    exchange: Option<store::ExchangeId>,
    versions: Vec<Option<VersionWritten>>,
}

/// Writes all changes, in their order, in one commit.
async fn commit(
    call: &Call,
    who: &Who,
    sent: Sent,
    planned: &[Planned],
    changes: Vec<Option<FhirChange>>,
    conditions: Conditions<'_>,
) -> Result<Done, Failure> {
    let mut order: Vec<(Turn, usize, FhirChange)> = changes
        .into_iter()
        .enumerate()
        .filter_map(|(index, change)| Some((planned.get(index)?.turn, index, change?)))
        .collect();
    order.sort_by_key(|(turn, index, _)| (*turn, *index));
    let mut versions: Vec<Option<VersionWritten>> = planned.iter().map(|_| None).collect();
    if order.is_empty() {
        conditions.record().await?;
        return Ok(Done { exchange: None, versions });
    }
    let exchange = pipeline::exchange_id()?;
    let now = call.app.clock.now();
    let mut event = who.event(Kind::Operation, now).exchange(exchange).detail("operation", "transaction");
    for (_, index, change) in &order {
        let Some(reference) = planned.get(*index).and_then(|one| one.reference.as_ref()) else { continue };
        event = match &change.content {
            Content::Written { resource, .. } => {
                let patients = model::resource::patients_of(resource);
                event.entity_of(&reference.to_string(), patients.iter().map(model::id::ResourceId::as_str))
            }
            Content::Deleted { patients, .. } => {
                event.entity_of(&reference.to_string(), patients.iter().map(String::as_str))
            }
        };
    }
    let trail = conditions.into_trail();
    let mut audit = trail.clone();
    audit.extend(event.versions());
    let (places, changes): (Vec<usize>, Vec<FhirChange>) =
        order.into_iter().map(|(_, index, change)| (index, change)).unzip();
    let write = FhirWrite {
        raw: sent.raw,
        content_type: sent.format.media_type().to_owned(),
        received_at: now,
        source: author(who),
        changes,
        audit,
    };
    let written = match pipeline::write(&call.app, exchange, write).await {
        Ok(written) => written,
        Err(refusal) => {
            crate::api::fhir::condition::record(call, trail).await?;
            return Err(lost(refusal, planned));
        }
    };
    for (index, version) in places.into_iter().zip(written.versions) {
        if let Some(slot) = versions.get_mut(index) {
            *slot = Some(version);
        }
    }
    Ok(Done { exchange: Some(exchange), versions })
}

/// A conflict at the entry it is about: 412 where that entry asked for a version.
fn lost(refusal: pipeline::Refusal, planned: &[Planned]) -> Failure {
    let at = refusal.issues().first().and_then(|issue| issue.at.clone());
    let failure = Failure::from(refusal).without_location();
    if failure.status() != StatusCode::CONFLICT {
        return failure;
    }
    let lost = planned.iter().find(|one| one.reference.as_ref().map(ToString::to_string) == at);
    match lost {
        Some(one) if one.asks_for_a_version() => {
            crate::api::fhir::precondition::other_version().at(format!("{}.request", one.place))
        }
        Some(one) => failure.at(one.place.clone()),
        None => failure,
    }
}

fn answered(call: &Call, one: &Planned, version: Option<&VersionWritten>) -> Result<EntryResponse, Failure> {
    let preference = Preference::said(call);
    let say = |text: &str| {
        let issue = Issue::new(Severity::Information, "informational", text);
        (preference == Some(Preference::Outcome)).then(|| operation_outcome(&[issue]))
    };
    if let Plan::Known(known) = &one.plan {
        return found(known, preference, say("the condition finds this resource; nothing was written"));
    }
    let Some((version, reference)) = version.zip(one.reference.as_ref()) else {
        let outcome = say("there was nothing to delete");
        let status = if outcome.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT };
        return Ok(EntryResponse { status: status_text(status), outcome, ..EntryResponse::default() });
    };
    let etag = Some(format!("W/\"{}\"", version.version));
    if version.effect == Effect::Deleted {
        let outcome = say("deleted");
        let status = if outcome.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT };
        return Ok(EntryResponse { status: status_text(status), etag, outcome, ..EntryResponse::default() });
    }
    let status = if version.effect == Effect::Created { StatusCode::CREATED } else { StatusCode::OK };
    let resource = match preference {
        Some(Preference::Representation) => one.written.as_ref().and_then(|body| {
            let text = model::resource::with_meta(body, version.version, &version.last_updated);
            parse(&text, &Limits { bytes: text.len().max(1), ..Limits::default() }).ok()
        }),
        _ => None,
    };
    Ok(EntryResponse {
        status: status_text(status),
        location: Some(format!("{reference}/_history/{}", version.version)),
        etag,
        last_modified: Some(version.last_updated),
        outcome: say("written"),
        resource,
    })
}

fn found(known: &Known, preference: Option<Preference>, outcome: Option<Json>) -> Result<EntryResponse, Failure> {
    let resource = match (&known.released, preference) {
        (Some(released), Some(Preference::Representation)) => Some(released.json()?),
        _ => None,
    };
    Ok(EntryResponse {
        status: status_text(StatusCode::OK),
        location: Some(format!("{}/_history/{}", known.reference, known.version)),
        etag: Some(format!("W/\"{}\"", known.version)),
        last_modified: Some(known.last_updated),
        outcome,
        resource,
    })
}

/// Everything that keeps a transaction from being done; the status is that of the first.
#[derive(Default)]
struct Problems {
    status: Option<StatusCode>,
    issues: Vec<Issue>,
}

impl Problems {
    /// The value, or its problems noted where they are.
    fn at<T>(&mut self, place: &str, result: Result<T, Failure>) -> Option<T> {
        result.map_err(|failure| self.add(Some(place), &failure)).ok()
    }

    fn kept<T>(&mut self, result: Result<T, Failure>) -> Option<T> {
        result.map_err(|failure| self.add(None, &failure)).ok()
    }

    fn add(&mut self, place: Option<&str>, failure: &Failure) {
        self.status.get_or_insert(failure.status());
        self.issues.extend(failure.issues().iter().cloned().map(|mut issue| {
            if let Some(place) = place {
                issue.at = Some(below(place, issue.at.as_deref()));
            }
            issue
        }));
    }

    /// A read that fails.
    fn read(&mut self, place: &str, answer: &EntryResponse) {
        let status = answer.status.get(..3).and_then(|code| code.parse::<u16>().ok()).unwrap_or(500);
        if status < 400 {
            return;
        }
        self.status.get_or_insert(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST));
        let said = answer.outcome.iter().flat_map(|outcome| outcome.items("issue"));
        let texts: Vec<&str> = said.filter_map(|issue| issue.text_at(&["diagnostics"])).collect();
        let text = format!("the read fails with {status}: {}", texts.join("; "));
        self.issues.push(Issue::error("processing", text).at(place));
    }

    fn none(&mut self) -> Result<(), Failure> {
        match self.status {
            None => Ok(()),
            Some(status) => Err(Failure::of(status, std::mem::take(&mut self.issues))),
        }
    }
}

/// A place in a resource as a place in the Bundle.
fn below(place: &str, at: Option<&str>) -> String {
    match at {
        Some(at) if at.starts_with("Bundle.") => at.to_owned(),
        Some(at) if at.starts_with(|letter: char| letter.is_ascii_uppercase()) => {
            let rest = at.find(['.', '[']).and_then(|from| at.get(from..)).unwrap_or_default();
            format!("{place}.resource{rest}")
        }
        Some(at) if !at.is_empty() => format!("{place}.resource.{at}"),
        _ => place.to_owned(),
    }
}

/// The text that is stored of a resource.
fn body_of(resource: &Json) -> Bytes {
    Bytes::from(resource.to_bytes())
}
