//! read and vread (FHIR R4 http.html, "read", "vread").

use auth::Action;
use consent::Interaction;
use http::StatusCode;
use model::id::Reference;
use store::ExchangeId;

use super::precondition::is_known;
use super::{binary, format_only, only_format, target};
use crate::api::outcome::Failure;
use crate::api::release::{Asking, Current, Held, Released};
use crate::api::{Call, Who, answer, format};
use crate::audit::{Event, Kind, Outcome};
use crate::emergency::summary::name_exchange;
use crate::layers::Response;

/// `GET /fhir/{type}/{id}`
pub(in crate::api) async fn read(call: &Call, who: &Who) -> Result<Response, Failure> {
    one(call, who, Version::Current).await
}

/// `GET /fhir/{type}/{id}/_history/{version}`
pub(in crate::api) async fn vread(call: &Call, who: &Who) -> Result<Response, Failure> {
    one(call, who, Version::Number(call.params.text("version").parse().ok())).await
}

/// Which version of a resource is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Version {
    Current,
    /// `None` for what no version can be called.
    Number(Option<u64>),
}

/// Answers with one version, or as for an unknown id.
async fn one(call: &Call, who: &Who, version: Version) -> Result<Response, Failure> {
    let (resource_type, id) = target(call)?;
    let is_binary = resource_type.as_str() == "Binary";
    match is_binary {
        // Whoever asks for neither JSON nor XML asks for the content itself.
        true => only_format(call)?,
        false => format_only(call)?,
    }
    who.must(Action::Read(resource_type.as_str()))?;
    let (released, exchange) = released(call, who, version, &Reference::new(resource_type, id)).await?;
    let mut response = match is_known(call, released.version(), released.last_updated()) {
        true => answer::empty(StatusCode::NOT_MODIFIED),
        false if is_binary && format::wanted(call).is_none() => binary::content(&released)?,
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
    version: Version,
    target: &Reference,
) -> Result<(Released, Option<ExchangeId>), Failure> {
    let (kind, interaction) = match version {
        Version::Current => (Kind::Read, Interaction::Read),
        Version::Number(_) => (Kind::Vread, Interaction::Vread),
    };
    let (resource_type, id, reference) = (target.resource_type.as_str(), target.id.as_str(), target.to_string());
    let asking = Asking::new(&call.app, who, interaction)?;
    let found = match version {
        Version::Current => asking.look_up(resource_type, id)?,
        Version::Number(Some(version)) => asking.version(resource_type, id, version)?.map(Current::Read),
        Version::Number(None) => None,
    };
    let (released, gone) = match &found {
        Some(Current::Read(held)) if held.is_deleted() => (None, asking.could_have_read(held)?),
        Some(found) => (asking.release_current(found)?, false),
        None => {
            asking.release_nothing(resource_type, id)?;
            (None, false)
        }
    };
    let patients = found.iter().flat_map(Current::patients);
    let event = patients.fold(who.event(kind, call.app.clock.now()), |event, patient| event.patient(patient.as_str()));
    let event = match &released {
        Some(released) => event.entity(format!("{reference}/_history/{}", released.version())),
        None => refused(event, found.as_slice(), &reference),
    };
    let exchange = asking.record(event, released.as_slice()).await?;
    let Some(released) = released else {
        asking.settle().await;
        return Err(match gone {
            true => Failure::new(StatusCode::GONE, "deleted", format!("{reference} was deleted")),
            false => Failure::unknown(&reference),
        });
    };
    Ok((released, exchange))
}

/// Names the patients of what was looked up.
pub(super) fn about(mut event: Event, held: &[Held]) -> Event {
    for patient in held.iter().flat_map(Held::patients) {
        event = event.patient(patient.as_str());
    }
    event
}

/// The event of a refusal: as many members for an id that is not there as for one that is withheld.
pub(super) fn refused<T>(event: Event, found: &[T], reference: &str) -> Event {
    let event = if found.is_empty() { event.detail("known", "no") } else { event };
    event.entity(reference).outcome(Outcome::Refused, "not released")
}
