//! Operations on one resource that show what belongs to it, each resource decided by itself; `$summary` of a patient.

use auth::Action;
use consent::Interaction;
use http::StatusCode;
use model::id::Reference;
use store::ExchangeId;

use super::read::{about, refused};
use super::target;
use crate::api::outcome::Failure;
use crate::api::release::{Asking, Held, Released};
use crate::api::{Call, Who, answer, ips};
use crate::audit::Kind;
use crate::emergency::page;
use crate::emergency::summary::name_exchange;
use crate::layers::Response;

/// What an operation gathers, with everything of it that leaves; `None` for who may not see what it is asked of.
pub(super) type Gathered<T> = Option<(T, Vec<Released>)>;

/// Gathers what an operation shows of one resource and puts it on record; with the exchange of the grant it is seen under.
///
/// # Errors
/// As for an unknown id where nothing is gathered. Recorded either way, so that the two take the same time.
pub(super) async fn shown<T>(
    call: &Call,
    who: &Who,
    (interaction, name): (Interaction, &'static str),
    target: &Reference,
    gather: impl FnOnce(&Asking<'_>, &Held) -> Result<Gathered<T>, Failure>,
) -> Result<(T, Option<ExchangeId>), Failure> {
    let asking = Asking::new(&call.app, who, interaction)?;
    let held = asking.live(target)?;
    let gathered = match &held {
        Some(held) => gather(&asking, held)?,
        None => {
            asking.release_nothing(target.resource_type.as_str(), target.id.as_str())?;
            None
        }
    };
    let event = about(who.event(Kind::Operation, call.app.clock.now()), held.as_slice()).detail("operation", name);
    let reference = target.to_string();
    let Some((shown, leaving)) = gathered else {
        asking.record(refused(event, held.as_slice(), &reference), &[]).await?;
        asking.settle().await;
        return Err(Failure::unknown(&reference));
    };
    let exchange = asking.record(event.entity(reference), &leaving).await?;
    Ok((shown, exchange))
}

/// `GET /fhir/Patient/{id}/$summary`
pub(in crate::api) async fn summary(call: &Call, who: &Who) -> Result<Response, Failure> {
    let as_page = page::asked_for(call)?;
    let (resource_type, id) = target(call)?;
    who.must(Action::Read(resource_type.as_str()))?;
    let target = Reference::new(resource_type, id);
    let gather = |asking: &Asking<'_>, patient: &Held| {
        let gathered = ips::gather(&call.app, asking, patient)?;
        let leaving = gathered.released.clone();
        Ok((!leaving.is_empty()).then_some((gathered, leaving)))
    };
    let (gathered, exchange) = shown(call, who, (Interaction::Summary, "$summary"), &target, gather).await?;
    let now = call.app.clock.now();
    let document = ips::document(&call.app, &call.base(), target.id.as_str(), &gathered, now)
        .ok_or_else(|| Failure::unknown(&target.to_string()))?;
    let mut response = match as_page {
        false => answer::fhir(StatusCode::OK, document.to_bytes()),
        true => page::answer(&document, &who.person(), now, None, exchange),
    };
    if let Some(exchange) = exchange {
        name_exchange(&mut response, exchange);
    }
    Ok(response)
}
