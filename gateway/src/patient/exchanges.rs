//! `/exchanges` for patients: every exchange about them, without other people's data and without what operators need.

use std::collections::BTreeMap;

use http::StatusCode;
use model::json::{Json, Object};
use store::{Exchange, ExchangeKind, ExchangeQuery, ExchangeState, Exchanges, Resources};

use super::{Asked, Subject, names, themselves, words};
use crate::api::outcome::Failure;
use crate::api::{Call, Who, answer};
use crate::app::App;
use crate::layers::Response;

const PAGE: usize = 50;
const PAGE_MOST: usize = 500;

/// `GET /exchanges` by a patient
pub(crate) fn list(call: &Call, who: &Who) -> Result<Response, Failure> {
    let subject = themselves(who)?;
    let asked = Asked::parse(&call.query, false)?;
    if asked.patient.is_some() {
        return Err(Failure::forbidden("a patient sees their own exchanges: leave out patient"));
    }
    let limit = asked.count.unwrap_or(PAGE).clamp(1, PAGE_MOST);
    let (mut total, mut found) = (0, Vec::new());
    for record in &subject.records {
        let page = call.app.store.exchanges(&ExchangeQuery {
            patient: Some(record.clone()),
            since: asked.since,
            until: asked.until,
            before: asked.before,
            limit: limit.saturating_add(1),
            ..ExchangeQuery::default()
        })?;
        total += page.total;
        found.extend(page.exchanges);
    }
    found.sort_by_key(|line| std::cmp::Reverse(line.number));
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().map(|line| line.number).filter(|_| more);
    let mut lines = Vec::with_capacity(found.len());
    for line in found {
        if let Some(exchange) = call.app.store.exchange(&line.id)? {
            lines.push(view(&call.app, &subject, &exchange)?);
        }
    }
    let mut body = Object::new();
    body.insert("total", total);
    body.insert("exchanges", Json::Array(lines));
    if let Some(next) = next {
        body.insert("next", next.to_string());
    }
    Ok(answer::json(StatusCode::OK, &body.into()))
}

/// `GET /exchanges/{id}` by a patient; `None` for one that is not about them, which answers like an unknown one.
pub(crate) fn one(call: &Call, who: &Who, exchange: &Exchange) -> Result<Option<Response>, Failure> {
    let subject = themselves(who)?;
    let own = exchange.patient.as_ref().is_some_and(|patient| subject.records.contains(patient));
    Ok(match own {
        true => Some(answer::json(StatusCode::OK, &view(&call.app, &subject, exchange)?)),
        false => None,
    })
}

/// What a patient sees of an exchange: counts of their own data only.
fn view(app: &App, subject: &Subject, exchange: &Exchange) -> Result<Json, Failure> {
    let mut types: BTreeMap<&str, u64> = BTreeMap::new();
    for written in &exchange.resources {
        if matches!(written.resource_type.as_str(), "AuditEvent" | "Provenance") {
            continue;
        }
        let stored = app.store.vread(&written.resource_type, &written.id, written.version)?;
        if stored.is_some_and(|stored| subject.is_all_of(&stored.patients)) {
            *types.entry(&written.resource_type).or_default() += 1;
        }
    }
    let resources = types.into_iter().map(|(name, count)| {
        Json::object([
            ("type", Json::from(name)),
            ("words", Json::from(words::kind(name))),
            ("count", Json::from(count)),
        ])
    });
    let own =
        |source: &str| source.strip_prefix("Patient/").is_some_and(|id| subject.records.iter().any(|it| it == id));
    let is_named = |source: &str| source.contains('/') || app.config.sources.iter().any(|known| known.name == source);
    let from = match exchange.source.as_str() {
        source if own(source) => "you".to_owned(),
        source if source.starts_with("Patient/") => "another person with a patient's token".to_owned(),
        source if is_named(source) => names::of(app, source).map_or_else(|| source.to_owned(), |(name, _)| name),
        // The id of a token is nobody's name, and not for others to see.
        _ => "somebody who gave no name".to_owned(),
    };
    let deliveries = exchange.deliveries.iter().map(|delivery| {
        let destination = app.config.destinations.iter().find(|known| known.name == delivery.destination);
        let known = destination.and_then(|it| it.recipient.iter().find_map(|reference| names::of(app, reference)));
        let name = known.map_or_else(|| delivery.destination.clone(), |(name, _)| name);
        Json::object([
            ("to", Json::from(name.as_str())),
            ("state", Json::from(delivery.state.as_str())),
            ("decision", delivery.decision.as_deref().map_or(Json::Null, |text| Json::from(decision(text)))),
            ("changed", Json::from(delivery.changed.to_rfc3339().as_str())),
        ])
    });
    let mut body = Object::new();
    body.insert("id", exchange.id.to_string());
    body.insert("kind", kind(exchange.kind));
    body.insert("from", from);
    body.insert("received", exchange.received.to_rfc3339());
    body.insert("state", exchange.state.as_str());
    body.insert("words", state(exchange.state));
    body.insert("resources", Json::array(resources));
    body.insert("deliveries", Json::array(deliveries));
    let index = exchange.ledger.first();
    body.insert("ledger", index.map_or(Json::Null, |index| Json::object([("index", Json::from(*index))])));
    body.insert("receipt", format!("/ledger/receipts/{}", exchange.id));
    Ok(body.into())
}

/// The first word of a decision, in plain words: the rest names consents and places in them, also of others.
fn decision(text: &str) -> &'static str {
    let denied = |reason: &str| text.split(['(', ';']).next().is_some_and(|head| head.contains(reason));
    match text.split([':', ' ']).next() {
        Some("permit") => "sent",
        Some("redact") => "sent in part; the rest stays here",
        _ if denied("indeterminate-consent") => "not sent: a consent is not fully understood",
        _ if denied("admin-policy") => "not sent: a rule of this organisation refuses it",
        _ if denied("implicit-policy") => "not sent: no consent allows it",
        _ if denied("consent") => "not sent: a consent refuses it",
        _ => "not sent",
    }
}

fn kind(kind: ExchangeKind) -> &'static str {
    match kind {
        ExchangeKind::Arrival => "message about you",
        ExchangeKind::Write => "entry in your record",
        ExchangeKind::Export => "export",
        ExchangeKind::Emergency => "emergency access declared",
        ExchangeKind::EmergencyUse => "record read in an emergency",
        _ => "other",
    }
}

fn state(state: ExchangeState) -> &'static str {
    match state {
        ExchangeState::Accepted => "received, being worked on",
        ExchangeState::Held => "waits for a person",
        ExchangeState::Stored => "kept here",
        ExchangeState::Delivering => "on its way",
        ExchangeState::Done => "done",
        ExchangeState::Withheld => "kept here; nobody else got it",
        ExchangeState::PartlyWithheld => "kept here; some got it, some did not",
        ExchangeState::Dead => "could not be delivered everywhere",
        ExchangeState::Refused => "not taken in",
    }
}
