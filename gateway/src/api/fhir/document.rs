//! `$document` of a Composition (FHIR R4 composition-operation-document.html): the Composition and what it refers to, each
//! decided by itself.

use std::collections::{BTreeSet, VecDeque};

use auth::Action;
use consent::Interaction;
use http::StatusCode;
use model::id::{Reference, ResourceId, ResourceType};
use model::json::Json;
use model::resource::references;

use super::operation::shown;
use super::write::set_id;
use crate::api::outcome::Failure;
use crate::api::query::{pairs, unknown_parameter};
use crate::api::release::{Asking, Held, Released};
use crate::api::{Call, Who, answer, format};
use crate::audit::random_id;
use crate::emergency::summary::name_exchange;
use crate::layers::Response;

/// Resources of one document, and references that are followed for it.
const MOST: usize = 1_000;
const FOLLOWED_MOST: usize = 10_000;
const COMPOSITION: &str = "Composition";

/// `GET /fhir/Composition/{id}/$document`
pub(in crate::api) async fn document(call: &Call, who: &Who) -> Result<Response, Failure> {
    parameters(call)?;
    let id = ResourceId::parse(call.params.text("id")).map_err(|_| Failure::unknown("this id"))?;
    who.must(Action::Read(COMPOSITION))?;
    let composition = ResourceType::parse(COMPOSITION).map_err(|_| Failure::unknown("this address"))?;
    let target = Reference::new(composition, id);
    let gather = |asking: &Asking<'_>, held: &Held| match asking.release(held)? {
        Some(own) => gathered(asking, own).map(|released| Some((released.clone(), released))),
        None => Ok(None),
    };
    let (released, exchange) = shown(call, who, (Interaction::Document, "$document"), &target, gather).await?;
    let mut response = answer::fhir(StatusCode::OK, bundle(call, &released)?.to_bytes());
    if let Some(exchange) = exchange {
        name_exchange(&mut response, exchange);
    }
    Ok(response)
}

/// `persist=false` is what happens anyway; nothing is stored.
fn parameters(call: &Call) -> Result<(), Failure> {
    for (name, value) in pairs(&call.query)? {
        match (name.as_str(), value.as_str()) {
            ("_format" | "_pretty", _) | ("persist", "false") => {}
            _ if call.prefers("handling=lenient") => {}
            ("persist", _) => {
                let text = "persist: a document is not stored here; send persist=false";
                return Err(Failure::new(StatusCode::BAD_REQUEST, "not-supported", text));
            }
            _ => return Err(unknown_parameter(&name, "persist, _format, _pretty")),
        }
    }
    format::acceptable(call)
}

/// The Composition, what it refers to, and what that refers to in its turn, as far as it may leave. What is withheld was
/// taken out of the Composition before, so it is not looked for.
fn gathered(asking: &Asking<'_>, composition: Released) -> Result<Vec<Released>, Failure> {
    let mut seen: BTreeSet<String> = [composition.reference().to_owned()].into();
    let mut next: VecDeque<Reference> = targets(&composition.json()?).collect();
    let mut found = vec![composition];
    let mut followed = 0;
    while let Some(reference) = next.pop_front() {
        if !seen.insert(reference.to_string()) {
            continue;
        }
        followed += 1;
        if found.len() >= MOST || followed > FOLLOWED_MOST {
            let text = format!("the document would hold more than {MOST} resources");
            return Err(Failure::new(StatusCode::BAD_REQUEST, "too-costly", text));
        }
        let Some(held) = asking.live(&reference)? else { continue };
        if let Some(released) = asking.release(&held)? {
            next.extend(targets(&released.json()?));
            found.push(released);
        }
    }
    Ok(found)
}

fn targets(resource: &Json) -> impl Iterator<Item = Reference> {
    let found: Vec<Reference> = references(resource).filter_map(|it| Reference::parse(it.target).ok()).collect();
    found.into_iter()
}

fn bundle(call: &Call, released: &[Released]) -> Result<Json, Failure> {
    let base = call.base();
    let mut entries = Vec::with_capacity(released.len());
    for one in released {
        entries.push((format!("{base}/{}", one.reference()), one.json()?));
    }
    let id = random_id();
    let identifier = format!("urn:uuid:{id}");
    let mut bundle = model::bundle::document(("urn:ietf:rfc:3986", &identifier), call.app.clock.now(), entries);
    set_id(&mut bundle, &id);
    Ok(bundle)
}
