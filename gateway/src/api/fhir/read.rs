//! read, vread and history (FHIR R4 http.html, "read", "vread", "history").

use std::time::{Duration, Instant};

use auth::Action;
use consent::Interaction;
use http::StatusCode;
use http::header::IF_NONE_MATCH;
use model::json::{Json, Object};
use store::{ExchangeId, Resources, Stored};

use super::{format_only, target};
use crate::api::outcome::Failure;
use crate::api::release::{Asking, Released};
use crate::api::{Call, Who, answer};
use crate::audit::{Event, Kind, Outcome};
use crate::emergency::summary::name_exchange;
use crate::layers::Response;

/// Versions of a history.
const HISTORY: usize = 200;
/// What answers 404 does so in steps of this: what is left of the difference between withheld and unknown is lost in it.
const STEP: Duration = Duration::from_millis(10);

/// `GET /fhir/{type}/{id}`
pub(in crate::api) async fn read(call: &Call, who: &Who) -> Result<Response, Failure> {
    format_only(call)?;
    let (resource_type, id) = target(call)?;
    who.must(Action::Read(resource_type.as_str()))?;
    let stored = call.app.store.read(resource_type.as_str(), id.as_str())?;
    one(call, who, stored, Kind::Read, Interaction::Read, &format!("{resource_type}/{id}")).await
}

/// `GET /fhir/{type}/{id}/_history/{version}`
pub(in crate::api) async fn vread(call: &Call, who: &Who) -> Result<Response, Failure> {
    format_only(call)?;
    let (resource_type, id) = target(call)?;
    who.must(Action::Read(resource_type.as_str()))?;
    let stored = match call.params.text("version").parse() {
        Ok(version) => call.app.store.vread(resource_type.as_str(), id.as_str(), version)?,
        Err(_) => None,
    };
    one(call, who, stored, Kind::Vread, Interaction::Vread, &format!("{resource_type}/{id}")).await
}

/// Answers with one version, or as for an unknown id.
async fn one(
    call: &Call,
    who: &Who,
    stored: Option<Stored>,
    kind: Kind,
    interaction: Interaction,
    reference: &str,
) -> Result<Response, Failure> {
    let (released, exchange) = released(call, who, stored, kind, interaction, reference).await?;
    let etag = format!("W/\"{}\"", released.version());
    let unchanged = call.header(IF_NONE_MATCH).is_some_and(|known| known.split(',').any(|one| one.trim() == etag));
    let mut response = match unchanged {
        true => answer::empty(StatusCode::NOT_MODIFIED),
        false => answer::fhir(StatusCode::OK, released.bytes().clone()),
    };
    answer::version(&mut response, released.version(), released.last_updated());
    if let Some(exchange) = exchange {
        name_exchange(&mut response, exchange);
    }
    Ok(response)
}

/// One version that may leave, recorded; with the exchange of the grant it is read under.
///
/// # Errors
/// As for an unknown id. Recorded either way, so that the two take the same time.
pub(super) async fn released(
    call: &Call,
    who: &Who,
    stored: Option<Stored>,
    kind: Kind,
    interaction: Interaction,
    reference: &str,
) -> Result<(Released, Option<ExchangeId>), Failure> {
    let started = Instant::now();
    let asking = Asking::new(&call.app, who, interaction)?;
    let (released, gone) = match &stored {
        Some(stored) if stored.deleted => (None, could_read(call, &asking, stored)?),
        Some(stored) => (asking.release(stored)?, false),
        None => {
            let (resource_type, id) = reference.split_once('/').unwrap_or_default();
            asking.release_nothing(resource_type, id)?;
            (None, false)
        }
    };
    let mut event = who.event(kind, call.app.clock.now());
    for patient in stored.iter().flat_map(|stored| &stored.patients) {
        event = event.patient(patient.as_str());
    }
    let event = match &released {
        Some(released) => traced(event.entity(format!("{reference}/_history/{}", released.version())), released),
        // As many members for an id that is not there as for one that is withheld.
        None => {
            let event = if stored.is_none() { event.detail("known", "no") } else { event };
            event.entity(reference).outcome(Outcome::Refused, "not released")
        }
    };
    let exchange = asking.record(event, released.as_slice()).await?;
    let Some(released) = released else {
        to_the_next_step(started).await;
        return Err(match gone {
            true => Failure::new(StatusCode::GONE, "deleted", format!("{reference} was deleted")),
            false => Failure::unknown(reference),
        });
    };
    Ok((released, exchange))
}

/// Waits for the next multiple of [`STEP`] since `started`.
async fn to_the_next_step(started: Instant) {
    let step = STEP.as_micros().max(1);
    let over = started.elapsed().as_micros() % step;
    let wait = u64::try_from(step - over).unwrap_or(0);
    tokio::time::sleep(Duration::from_micros(wait)).await;
}

/// `GET /fhir/{type}/{id}/_history`
pub(in crate::api) async fn history(call: &Call, who: &Who) -> Result<Response, Failure> {
    format_only(call)?;
    let (resource_type, id) = target(call)?;
    who.must(Action::Read(resource_type.as_str()))?;
    let reference = format!("{resource_type}/{id}");
    let asking = Asking::new(&call.app, who, Interaction::History)?;
    let versions = call.app.store.history(resource_type.as_str(), id.as_str(), None, HISTORY)?;
    let (mut entries, mut released) = (Vec::new(), Vec::new());
    let mut event = who.event(Kind::History, call.app.clock.now()).entity(reference.as_str());
    for stored in &versions {
        for patient in &stored.patients {
            event = event.patient(patient.as_str());
        }
        if stored.deleted {
            if could_read(call, &asking, stored)? {
                entries.push(history_entry(call, stored, None)?);
            }
        } else if let Some(one) = asking.release(stored)? {
            event = traced(event, &one);
            entries.push(history_entry(call, stored, Some(&one))?);
            released.push(one);
        }
    }
    if entries.is_empty() {
        event = event.outcome(Outcome::Refused, "not released");
    }
    let exchange = asking.record(event, &released).await?;
    if entries.is_empty() {
        return Err(Failure::unknown(&reference));
    }
    let mut bundle = Object::new();
    bundle.insert("resourceType", "Bundle");
    bundle.insert("type", "history");
    bundle.insert("total", entries.len() as u64);
    let own = Json::object([
        ("relation", Json::from("self")),
        ("url", Json::from(format!("{}/{reference}/_history", call.base()).as_str())),
    ]);
    bundle.insert("link", Json::array([own]));
    bundle.insert("entry", Json::Array(entries));
    let mut response = answer::fhir(StatusCode::OK, Json::from(bundle).to_bytes());
    if let Some(exchange) = exchange {
        name_exchange(&mut response, exchange);
    }
    Ok(response)
}

/// 410 and history entries of a deletion are for those who could have read what was deleted.
fn could_read(call: &Call, asking: &Asking<'_>, deleted: &Stored) -> Result<bool, Failure> {
    let before = call.app.store.history(&deleted.resource_type, &deleted.id, Some(deleted.version), 1)?;
    match before.first() {
        Some(before) if !before.deleted => Ok(asking.release(before)?.is_some()),
        _ => Ok(false),
    }
}

fn history_entry(call: &Call, stored: &Stored, released: Option<&Released>) -> Result<Json, Failure> {
    let reference = format!("{}/{}", stored.resource_type, stored.id);
    let (method, status) = match (released, stored.version) {
        (None, _) => ("DELETE", "204"),
        (Some(_), 1) => ("PUT", "201"),
        (Some(_), _) => ("PUT", "200"),
    };
    let mut entry = Object::new();
    entry.insert("fullUrl", format!("{}/{reference}", call.base()));
    if let Some(released) = released {
        entry.insert("resource", released.json()?);
    }
    entry.insert("request", Json::object([("method", Json::from(method)), ("url", Json::from(reference.as_str()))]));
    entry.insert(
        "response",
        Json::object([
            ("status", Json::from(status)),
            ("etag", Json::from(format!("W/\"{}\"", stored.version).as_str())),
            ("lastModified", Json::from(stored.last_updated.to_rfc3339().as_str())),
        ]),
    );
    Ok(entry.into())
}

/// Notes the consents that decided.
pub(super) fn traced(mut event: Event, released: &Released) -> Event {
    for consent in released.trace() {
        event = event.detail("consent", consent.as_str());
    }
    event
}
