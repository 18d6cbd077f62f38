//! `$summary` of a patient, each resource decided by itself.

use auth::Action;
use consent::Interaction;
use http::StatusCode;

use super::read::{about, refused};
use super::target;
use crate::api::outcome::Failure;
use crate::api::release::Asking;
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
