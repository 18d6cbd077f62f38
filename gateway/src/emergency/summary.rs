//! `GET /emergency/grants/{id}/summary`: the International Patient Summary, from the local store alone, after its
//! reading was recorded.

use bytes::Bytes;
use consent::Interaction;
use http::header::{CACHE_CONTROL, HeaderName};
use http::{HeaderValue, StatusCode};
use ledger::commitment::Label;
use ledger::entry::Kind as RecordKind;
use model::json::{Json, Limits, parse};
use model::time::Instant;
use store::{Commit, ExchangeId, ExchangeKind, Grant};

use super::declare::{ended, exchange, use_event};
use super::{AuditWritten, page};
use crate::api::outcome::Failure;
use crate::api::release::Asking;
use crate::api::{Call, Who, answer, ips};
use crate::app::App;
use crate::audit::Event;
use crate::layers::Response;
use crate::pipeline::Refusal;

/// Names the exchange whose receipt proves this access.
const EXCHANGE: HeaderName = HeaderName::from_static("exchange");

/// `GET /emergency/grants/{id}/summary`
pub(crate) async fn summary(call: &Call, who: &Who) -> Result<Response, Failure> {
    let as_page = page::asked_for(call)?;
    let now = call.app.clock.now();
    let grant = own_grant(call, who)?;
    if !grant.is_open(now) {
        return Err(ended());
    }
    super::declare::authorised(&call.app, who)?;
    let started = std::time::Instant::now();
    let (written, exchange) = record_use(&call.app, who, &grant, now, None).await?;
    call.app.metrics.stage("emergency-record", started.elapsed());
    let started = std::time::Instant::now();
    // A large record takes milliseconds of reading and deciding: the others of this thread do not wait for it.
    let (app, reader, base, of) = (call.app.clone(), who.clone(), call.base(), grant.clone());
    let document = tokio::task::spawn_blocking(move || read(&app, &written, &reader, &base, &of, now))
        .await
        .map_err(|_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", "an error of the gateway"))??;
    call.app.metrics.stage("emergency-summary", started.elapsed());
    // Ended meanwhile by its holder or an administrator: what was read stays here.
    if !own_grant(call, who)?.is_open(call.app.clock.now()) {
        return Err(ended());
    }
    call.app.metrics.emergency("summary");
    let mut response = match as_page {
        false => answer::fhir(StatusCode::OK, document.to_bytes()),
        true => page::answer(&document, &who.person(), now, Some(grant.expires), Some(exchange)),
    };
    name_exchange(&mut response, exchange);
    Ok(response)
}

/// The grant of the path, if it is this holder's. Somebody else's answers like an unknown one.
pub(super) fn own_grant(call: &Call, who: &Who) -> Result<Grant, Failure> {
    let grant = call.app.emergency.grant(&call.app.store, call.params.text("id"))?;
    grant
        .filter(|grant| who.holder().is_some_and(|holder| holder == grant.holder) && grant.person == who.person())
        .ok_or_else(|| Failure::unknown("this grant"))
}

/// Puts a use on record: audit event, exchange and ledger record, durable when this returns; with it what `more` tells of
/// the request.
pub(crate) async fn record_use(
    app: &App,
    who: &Who,
    grant: &Grant,
    now: Instant,
    more: Option<Event>,
) -> Result<(AuditWritten, ExchangeId), Failure> {
    let id = crate::pipeline::exchange_id()?;
    let record = app
        .ledger
        .record(id, RecordKind::EmergencyUse, "read", now)
        .commit_content(Label::Patient, format!("Patient/{}", grant.patient).as_bytes())
        .map_err(Refusal::from)?
        .build();
    let commit = Commit {
        resources: std::iter::once(use_event(who, grant, id, now))
            .chain(more)
            .flat_map(|event| event.versions())
            .collect(),
        exchanges: vec![exchange(id, ExchangeKind::EmergencyUse, &grant.person, now, Bytes::new(), &grant.patient)],
        ledger: vec![record],
        ..Commit::default()
    };
    Ok((app.emergency.write(&app.store, commit).await?, id))
}

/// Reads the record and makes the summary of what break-glass lets out. Takes the proof that the reading is on record.
fn read(app: &App, _: &AuditWritten, who: &Who, base: &str, grant: &Grant, now: Instant) -> Result<Json, Failure> {
    let asking = Asking::new(app, who, Interaction::Summary)?;
    let own = asking.current("Patient", &grant.patient)?.filter(|held| !held.is_deleted());
    let own = own.ok_or_else(|| Failure::unknown("this patient"))?;
    let gathered = ips::gather(app, &asking, &own)?;
    ips::document(app, base, &grant.patient, &gathered, now).ok_or_else(|| Failure::unknown("this patient"))
}

/// A grant as the decision knows it.
pub(crate) fn declared(grant: &Grant) -> consent::Btg {
    let reason = parse(grant.detail.as_bytes(), &Limits::default())
        .ok()
        .and_then(|detail| detail.get("reason").and_then(Json::as_str).map(str::to_owned))
        .unwrap_or_default();
    consent::Btg { declared: true, reason, started: grant.declared }
}

/// Sets the `Exchange` header and forbids every cache.
pub(crate) fn name_exchange(response: &mut Response, exchange: ExchangeId) {
    answer::header(response, EXCHANGE, &exchange.to_string());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
