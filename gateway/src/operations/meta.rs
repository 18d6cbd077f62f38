//! `$meta` (FHIR R4 resource-operation-meta.html): profiles, tags and labels of a resource, of a type, of everything, as far
//! as the caller may read what bears them.

use std::ops::ControlFlow;

use auth::Action;
use consent::Interaction;
use http::StatusCode;
use model::id::{Reference, ResourceId, ResourceType};
use model::json::{Json, Object};
use store::Search;

use super::input::{Input, parameter, parameters};
use super::table;
use crate::api::outcome::Failure;
use crate::api::release::{Asking, Released};
use crate::api::router::Endpoint;
use crate::api::{Call, Who, answer, fhir};
use crate::audit::Kind;
use crate::layers::Response;

/// Resources looked at for the labels of a type.
const LOOKED_AT: usize = 20_000;

/// `/fhir/$meta`, `/fhir/{type}/$meta`, `/fhir/{type}/{id}/$meta`
pub(crate) async fn meta(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    let operation = table::of(Endpoint::Meta).ok_or_else(|| Failure::unknown("this address"))?;
    Input::read(call, operation, None).await?;
    let meta = match (call.params.text("type"), call.params.text("id")) {
        ("", _) => of_several(call, who, None).await?,
        (kind, "") => of_several(call, who, Some(known(kind)?)).await?,
        (kind, id) => {
            let kind = known(kind)?;
            who.must(Action::Read(kind.as_str()))?;
            let id = ResourceId::parse(id).map_err(|_| Failure::unknown("this id"))?;
            let resource = fhir::stored(call, who, &Reference::new(kind, id)).await?;
            resource.get("meta").cloned().unwrap_or_else(|| Json::from(Object::new()))
        }
    };
    Ok(answer::fhir(StatusCode::OK, parameters([parameter("return", "valueMeta", meta)]).to_bytes()))
}

fn known(kind: &str) -> Result<ResourceType, Failure> {
    ResourceType::parse(kind)
        .map_err(|_| Failure::new(StatusCode::NOT_FOUND, "not-supported", "the path names no resource type of FHIR R4"))
}

/// Everything that stands on some resource of a type, or of any.
async fn of_several(call: &Call, who: &Who, kind: Option<ResourceType>) -> Result<Json, Failure> {
    if let Some(kind) = kind {
        who.must(Action::Read(kind.as_str()))?;
    }
    let asking = Asking::new(&call.app, who, Interaction::Search)?;
    let search = Search { types: kind.iter().map(|kind| kind.as_str().to_owned()).collect(), ..Search::default() };
    let mut found: Vec<(&'static str, Vec<Json>)> =
        ["profile", "security", "tag"].map(|name| (name, Vec::new())).to_vec();
    let (mut looked_at, mut cut, mut failed) = (0, false, None);
    let mut released: Vec<Released> = Vec::new();
    asking.visit(&search, &mut |held| {
        looked_at += 1;
        if looked_at > LOOKED_AT {
            cut = true;
            return ControlFlow::Break(());
        }
        let one = match asking.release(&held).and_then(|one| one.map(|one| Ok((one.json()?, one))).transpose()) {
            Ok(Some(one)) => one,
            Ok(None) => return ControlFlow::Continue(()),
            Err(failure) => {
                failed = Some(failure);
                return ControlFlow::Break(());
            }
        };
        let (json, one) = one;
        let mut new = false;
        for (name, known) in &mut found {
            for value in json.get("meta").map(|meta| meta.items(name)).unwrap_or_default() {
                if !known.contains(value) {
                    known.push(value.clone());
                    new = true;
                }
            }
        }
        // What added nothing tells nothing.
        if new {
            released.push(one);
        }
        ControlFlow::Continue(())
    })?;
    if let Some(failure) = failed {
        return Err(failure);
    }
    if cut {
        let text = format!("more than {LOOKED_AT} resources would have to be looked at; ask for the $meta of one");
        return Err(Failure::new(StatusCode::BAD_REQUEST, "too-costly", text));
    }
    let event = who.event(Kind::Operation, call.app.clock.now()).detail("operation", "$meta");
    asking.record(event, &released).await?;
    if released.is_empty() {
        asking.settle().await;
    }
    let mut meta = Object::new();
    for (name, values) in found {
        if !values.is_empty() {
            meta.insert(name, Json::Array(values));
        }
    }
    Ok(meta.into())
}
