//! `POST /fhir`: a transaction of creates and updates, all or nothing (FHIR R4 http.html, "batch/transaction").

use std::collections::HashMap;

use auth::{Access, Action as Reach};
use bytes::Bytes;
use http::StatusCode;
use model::bundle::{Response as EntryResponse, entries, transaction_response};
use model::id::{Reference, ResourceType};
use model::json::Json;
use model::resource::rewrite_references;
use store::{Effect, Expect};

use super::format_only;
use super::write::{LEDGER_EXCHANGE, may_create, may_update, set_id, version_of};
use crate::api::format;
use crate::api::outcome::Failure;
use crate::api::{Call, Who, answer};
use crate::audit::{Kind, random_id};
use crate::layers::Response;
use crate::pipeline::{self, FhirChange, FhirWrite};

/// Entries of one transaction.
const MOST: usize = 5_000;

/// One entry on its way into the store.
struct Planned {
    resource: Json,
    reference: Reference,
    expect: Expect,
    created: bool,
}

/// `POST /fhir`
pub(in crate::api) async fn transaction(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    format_only(call)?;
    let sent = format::body(call).await?;
    let bundle = sent.tree;
    if model::resource::resource_type(&bundle) != Some("Bundle") {
        return Err(Failure::bad("expected a Bundle").at("resourceType"));
    }
    if bundle.get("type").and_then(Json::as_str) != Some("transaction") {
        return Err(Failure::new(StatusCode::BAD_REQUEST, "not-supported", "only transactions are taken here")
            .at("Bundle.type"));
    }
    if entries(&bundle).len() > MOST {
        return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too-long", format!("more than {MOST} entries")));
    }
    let mut planned = plan(&bundle)?;
    let renamed = resolve(&bundle, &planned);
    for one in &mut planned {
        rewrite_references(&mut one.resource, &mut |target| renamed.get(target).cloned());
    }
    for (index, one) in planned.iter_mut().enumerate() {
        let place = format!("Bundle.entry[{index}]");
        decide(call, who, one).map_err(|failure| failure.at(place))?;
    }
    let exchange = pipeline::exchange_id()?;
    let now = call.app.clock.now();
    let mut event = who.event(Kind::Operation, now).exchange(exchange).detail("operation", "transaction");
    let mut changes = Vec::with_capacity(planned.len());
    for one in &planned {
        let patients = model::resource::patients_of(&one.resource);
        event = event.entity_of(&one.reference.to_string(), patients.iter().map(model::id::ResourceId::as_str));
        let body = Bytes::from(one.resource.to_bytes());
        changes.push(FhirChange { resource: one.resource.clone(), body, expect: one.expect.clone() });
    }
    let write = FhirWrite {
        raw: sent.raw,
        content_type: sent.format.media_type().to_owned(),
        received_at: now,
        source: who.source().map_or_else(|| who.person(), str::to_owned),
        changes,
        audit: event.versions(),
    };
    let written = pipeline::write(&call.app, exchange, write)
        .await
        .map_err(|refusal| Failure::from(refusal).without_location())?;
    let answers = planned.iter().zip(&written.versions).map(|(one, version)| EntryResponse {
        status: if version.effect == Effect::Created { "201 Created" } else { "200 OK" }.to_owned(),
        location: Some(format!("{}/_history/{}", one.reference, version.version)),
        etag: Some(format!("W/\"{}\"", version.version)),
        last_modified: Some(version.last_updated),
        ..EntryResponse::default()
    });
    let mut response = answer::fhir(StatusCode::OK, transaction_response(answers).to_bytes());
    answer::header(&mut response, LEDGER_EXCHANGE, &written.exchange.to_string());
    Ok(response)
}

/// What each entry asks for. Everything this gateway does not do yet is named, nothing is passed over.
fn plan(bundle: &Json) -> Result<Vec<Planned>, Failure> {
    let mut planned: Vec<Planned> = Vec::new();
    for entry in entries(bundle) {
        let place = format!("Bundle.entry[{}]", entry.index);
        let refuse = |code, text: &str| Failure::new(StatusCode::BAD_REQUEST, code, text.to_owned()).at(place.as_str());
        let mut resource = entry.resource().cloned().ok_or_else(|| refuse("required", "expected a resource"))?;
        let url = entry.url().ok_or_else(|| refuse("required", "expected request.url"))?;
        if entry.json.at(&["request", "ifNoneExist"]).is_some() || url.contains('?') {
            return Err(refuse("not-supported", "conditions inside a transaction are not supported"));
        }
        let name = model::resource::resource_type(&resource).unwrap_or_default();
        let resource_type =
            ResourceType::parse(name).map_err(|_| refuse("structure", "expected a resource type of FHIR R4"))?;
        let url_type = url.split('/').next().unwrap_or_default();
        if url_type != name {
            return Err(refuse("invalid", "the resource is of another type than request.url"));
        }
        let wanted = match entry.json.text_at(&["request", "ifMatch"]) {
            Some(etag) => Some(version_of(etag).map_err(|failure| failure.at(place.as_str()))?),
            None => None,
        };
        let created = match entry.method() {
            Some("POST") => {
                set_id(&mut resource, &random_id());
                true
            }
            Some("PUT") => false,
            _ => return Err(refuse("not-supported", "only POST and PUT are taken inside a transaction")),
        };
        let id = model::resource::id(&resource).unwrap_or_default();
        let text = if created { format!("{resource_type}/{id}") } else { url.to_owned() };
        let reference = Reference::parse(&text).map_err(|_| refuse("invalid", "expected request.url as Type/id"))?;
        if reference.id.as_str() != id {
            return Err(refuse("invalid", "the id of the resource must be that of request.url"));
        }
        if planned.iter().any(|known| known.reference == reference) {
            return Err(refuse("duplicate", "two entries write the same resource"));
        }
        let expect = wanted.map_or(Expect::Any, Expect::Version);
        planned.push(Planned { resource, reference, expect, created });
    }
    Ok(planned)
}

/// What references between entries become once ids are given (http.html, "Transaction Processing Rules").
fn resolve(bundle: &Json, planned: &[Planned]) -> HashMap<String, String> {
    let urls = entries(bundle).map(|entry| entry.full_url().map(str::to_owned));
    urls.zip(planned).filter_map(|(url, one)| Some((url?, one.reference.to_string()))).collect()
}

/// As for a single write.
fn decide(call: &Call, who: &Who, one: &mut Planned) -> Result<(), Failure> {
    if who.must(Reach::Write(one.reference.resource_type.as_str()))? == Access::Refused {
        return Err(Failure::forbidden("the roles of this caller do not reach this"));
    }
    if one.created {
        one.expect = Expect::Absent;
        return may_create(call, who, &one.resource);
    }
    let wanted = if let Expect::Version(version) = one.expect { Some(version) } else { None };
    one.expect = may_update(call, who, &one.resource, (one.reference.resource_type, &one.reference.id), wanted)?;
    Ok(())
}
