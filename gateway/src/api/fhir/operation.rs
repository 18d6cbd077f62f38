//! `$summary` and `$everything` of a patient, each resource decided by itself.

use auth::Action;
use consent::Interaction;
use http::StatusCode;
use model::bundle::{Hit, SearchMode, searchset};

use super::read::{about, refused};
use super::{format_only, target};
use crate::api::outcome::Failure;
use crate::api::release::{Asking, Released};
use crate::api::{Call, Who, answer, ips};
use crate::audit::Kind;
use crate::emergency::page;
use crate::emergency::summary::name_exchange;
use crate::layers::Response;

/// `GET /fhir/Patient/{id}/$summary`
pub(in crate::api) async fn summary(call: &Call, who: &Who) -> Result<Response, Failure> {
    let as_page = page::asked_for(call)?;
    let (resource_type, id) = target(call)?;
    who.must(Action::Read(resource_type.as_str()))?;
    let now = call.app.clock.now();
    let reference = format!("{resource_type}/{id}");
    let asking = Asking::new(&call.app, who, Interaction::Summary)?;
    let patient = asking.current(resource_type.as_str(), id.as_str())?.filter(|held| !held.is_deleted());
    let gathered = match &patient {
        Some(patient) => ips::gather(&call.app, &asking, patient)?,
        None => {
            asking.release_nothing(resource_type.as_str(), id.as_str())?;
            ips::Gathered::default()
        }
    };
    let event = about(who.event(Kind::Operation, now), patient.as_slice()).detail("operation", "$summary");
    let event = match gathered.released.is_empty() {
        true => refused(event, patient.as_slice(), &reference),
        false => event.entity(reference.as_str()),
    };
    let exchange = asking.record(event, &gathered.released).await?;
    if gathered.released.is_empty() {
        asking.settle().await;
    }
    let document = ips::document(&call.app, &call.base(), id.as_str(), &gathered, now)
        .ok_or_else(|| Failure::unknown(&reference))?;
    let mut response = match as_page {
        false => answer::fhir(StatusCode::OK, document.to_bytes()),
        true => page::answer(&document, &who.person(), now, None, exchange),
    };
    if let Some(exchange) = exchange {
        name_exchange(&mut response, exchange);
    }
    Ok(response)
}

/// `GET /fhir/Patient/{id}/$everything`
pub(in crate::api) async fn everything(call: &Call, who: &Who) -> Result<Response, Failure> {
    let (patient, released, exchange) = gather(call, who, Interaction::Everything, "$everything").await?;
    let base = call.base();
    let mut hits = Vec::with_capacity(released.len());
    for one in &released {
        let own = one.reference() == format!("Patient/{patient}");
        hits.push(Hit {
            full_url: format!("{base}/{}", one.reference()),
            resource: one.json()?,
            mode: if own { SearchMode::Match } else { SearchMode::Include },
        });
    }
    let address = format!("{base}/Patient/{patient}/$everything");
    let total = released.len() as u64;
    let mut response = answer::fhir(StatusCode::OK, searchset(Some(total), [("self", address)], hits).to_bytes());
    if let Some(exchange) = exchange {
        name_exchange(&mut response, exchange);
    }
    Ok(response)
}

/// What may leave of a patient's record, the Patient first. A withheld Patient answers like an unknown one.
async fn gather(
    call: &Call,
    who: &Who,
    interaction: Interaction,
    operation: &'static str,
) -> Result<(String, Vec<Released>, Option<store::ExchangeId>), Failure> {
    format_only(call)?;
    let (resource_type, id) = target(call)?;
    who.must(Action::Read(resource_type.as_str()))?;
    let reference = format!("{resource_type}/{id}");
    let asking = Asking::new(&call.app, who, interaction)?;
    let patient = asking.current(resource_type.as_str(), id.as_str())?.filter(|held| !held.is_deleted());
    let mut released = Vec::new();
    match &patient {
        Some(patient) => {
            if let Some(own) = asking.release(patient)? {
                released.push(own);
                for held in asking.record_of(id.as_str())? {
                    // The audit log and what the gateway itself keeps about a patient is found by its own searches.
                    let is_own = held.resource_type() == "Patient" && held.id() == id.as_str();
                    if !is_own && !matches!(held.resource_type(), "AuditEvent" | "Provenance") {
                        released.extend(asking.release(&held)?);
                    }
                }
            }
        }
        None => asking.release_nothing(resource_type.as_str(), id.as_str())?,
    }
    let event = about(who.event(Kind::Operation, call.app.clock.now()), patient.as_slice());
    let event = event.detail("operation", operation);
    let event = match released.is_empty() {
        true => refused(event, patient.as_slice(), &reference),
        false => event.entity(reference.as_str()),
    };
    let exchange = asking.record(event, &released).await?;
    if released.is_empty() {
        asking.settle().await;
        return Err(Failure::unknown(&reference));
    }
    Ok((id.as_str().to_owned(), released, exchange))
}
