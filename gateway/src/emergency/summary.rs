//! `GET /emergency/grants/{id}/summary`: the International Patient Summary, from the local store alone, after its
//! reading was recorded.

use bytes::Bytes;
use consent::{Candidate, Interaction, release_all};
use http::header::{CACHE_CONTROL, HeaderName};
use http::{HeaderValue, StatusCode};
use ledger::commitment::Label;
use ledger::entry::Kind as RecordKind;
use model::json::{Json, Limits, parse};
use model::time::Instant;
use store::{Commit, ExchangeId, ExchangeKind, Grant};

use super::AuditWritten;
use super::declare::{ended, exchange, use_event};
use crate::api::outcome::Failure;
use crate::api::{Call, Who, answer, ips};
use crate::app::App;
use crate::audit::Event;
use crate::layers::Response;
use crate::pipeline::Refusal;

/// Names the exchange whose receipt proves this access.
const EXCHANGE: HeaderName = HeaderName::from_static("exchange");

/// `GET /emergency/grants/{id}/summary`
pub(crate) async fn summary(call: &Call, who: &Who) -> Result<Response, Failure> {
    let now = call.app.clock.now();
    let grant = own_grant(call, who)?;
    if !grant.is_open(now) {
        return Err(ended());
    }
    super::declare::authorised(&call.app, who)?;
    let (written, exchange) = record_use(&call.app, who, &grant, now, None).await?;
    let body = read(call, &written, who, &grant, now)?;
    call.app.metrics.emergency("summary");
    let mut response = answer::fhir(StatusCode::OK, body);
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
        resources: std::iter::once(use_event(who, grant, id, now)).chain(more).map(|event| event.version()).collect(),
        exchanges: vec![exchange(id, ExchangeKind::EmergencyUse, &grant.person, now, Bytes::new(), &grant.patient)],
        ledger: vec![record],
        ..Commit::default()
    };
    Ok((app.emergency.write(&app.store, commit).await?, id))
}

/// Reads the record and makes the summary of what break-glass lets out. Takes the proof that the reading is on record.
fn read(call: &Call, _: &AuditWritten, who: &Who, grant: &Grant, now: Instant) -> Result<Bytes, Failure> {
    let app = &call.app;
    let policies = app.policies.of(&app.store, &[&grant.patient])?;
    let links = crate::policies::links(&app.store, &policies)?;
    let mut request = who.request(consent::Action::Access, Interaction::Summary, &app.config);
    request.btg = Some(declared(grant));
    request.patient = Some(format!("Patient/{}", grant.patient).into());
    let context = consent::Context {
        policies: &policies,
        request: &request,
        settings: &app.consent,
        now,
        links: Some(&links),
        map: Some(&app.sensitivity),
    };
    let record = ips::record(app, &grant.patient)?;
    let candidates = record.into_iter().map(|json| Candidate { json, text: None, selected_by: Vec::new() });
    let released = release_all(&context, candidates);
    let resources: Vec<Json> = released.permitted.into_inner().into_iter().map(|content| content.json).collect();
    let document = ips::document(app, &call.base(), &grant.patient, &resources, now);
    Ok(Bytes::from(document.ok_or_else(|| Failure::unknown("this patient"))?.to_bytes()))
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
