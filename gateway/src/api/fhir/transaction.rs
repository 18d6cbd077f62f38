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

use super::condition::{self, Found, Known};
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
    place: String,
    resource: Json,
    reference: Reference,
    expect: Expect,
    created: bool,
    /// What the condition of a create found: nothing is written then.
    known: Option<Box<Known>>,
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
    let mut planned = plan(call, who, &bundle).await?;
    let mut renamed = resolve(&bundle, &planned);
    conditional_references(call, who, &planned, &mut renamed).await?;
    for one in &mut planned {
        rewrite_references(&mut one.resource, &mut |target| renamed.get(target).cloned());
    }
    for one in planned.iter_mut().filter(|one| one.known.is_none()) {
        let place = one.place.clone();
        decide(call, who, one).map_err(|failure| failure.at(place))?;
    }
    let exchange = pipeline::exchange_id()?;
    let now = call.app.clock.now();
    let mut event = who.event(Kind::Operation, now).exchange(exchange).detail("operation", "transaction");
    let mut changes = Vec::with_capacity(planned.len());
    for one in planned.iter().filter(|one| one.known.is_none()) {
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
    let mut versions = written.versions.iter();
    let answers = planned.iter().filter_map(|one| {
        let (status, version, last_updated) = match &one.known {
            Some(known) => ("200 OK", known.version, known.last_updated),
            None => {
                let version = versions.next()?;
                let status = if version.effect == Effect::Created { "201 Created" } else { "200 OK" };
                (status, version.version, version.last_updated)
            }
        };
        Some(EntryResponse {
            status: status.to_owned(),
            location: Some(format!("{}/_history/{version}", one.reference)),
            etag: Some(format!("W/\"{version}\"")),
            last_modified: Some(last_updated),
            ..EntryResponse::default()
        })
    });
    let mut response = answer::fhir(StatusCode::OK, transaction_response(answers).to_bytes());
    answer::header(&mut response, LEDGER_EXCHANGE, &written.exchange.to_string());
    Ok(response)
}

/// What each entry asks for. Everything this gateway does not do yet is named, nothing is passed over.
async fn plan(call: &Call, who: &Who, bundle: &Json) -> Result<Vec<Planned>, Failure> {
    let mut planned: Vec<Planned> = Vec::new();
    for entry in entries(bundle) {
        let place = format!("Bundle.entry[{}]", entry.index);
        let refuse = |code, text: &str| Failure::new(StatusCode::BAD_REQUEST, code, text.to_owned()).at(place.as_str());
        let mut resource = entry.resource().cloned().ok_or_else(|| refuse("required", "expected a resource"))?;
        let url = entry.url().ok_or_else(|| refuse("required", "expected request.url"))?;
        let (url, condition) = url.split_once('?').map_or((url, None), |(url, condition)| (url, Some(condition)));
        let name = model::resource::resource_type(&resource).unwrap_or_default();
        let resource_type =
            ResourceType::parse(name).map_err(|_| refuse("structure", "expected a resource type of FHIR R4"))?;
        let url_type = url.split('/').next().unwrap_or_default();
        if url_type != name {
            return Err(refuse("invalid", "the resource is of another type than request.url"));
        }
        who.must(Reach::Write(name)).map_err(|failure| failure.at(place.as_str()))?;
        let mut wanted = match entry.json.text_at(&["request", "ifMatch"]) {
            Some(etag) => Some(version_of(etag).map_err(|failure| failure.at(place.as_str()))?),
            None => None,
        };
        let found = match (entry.method(), entry.json.text_at(&["request", "ifNoneExist"]), condition) {
            (Some("POST"), Some(condition), None) | (Some("PUT"), None, Some(condition)) => {
                condition::find(call, who, resource_type, condition)
                    .await
                    .map_err(|failure| failure.at(place.as_str()))?
            }
            (_, None, None) => Found::Nothing,
            _ => {
                return Err(refuse(
                    "not-supported",
                    "expected ifNoneExist with POST, or a condition in the url of a PUT",
                ));
            }
        };
        let known = match found {
            Found::Nothing => None,
            Found::One(known) => Some(known),
            Found::Several => return Err(condition::several("the condition").at(place.as_str())),
        };
        let own = model::resource::id(&resource).map(str::to_owned);
        let (text, created, known) = match (entry.method(), known) {
            (Some("POST"), Some(known)) => (known.reference.to_string(), false, Some(known)),
            (Some("POST"), None) => {
                let id = random_id();
                set_id(&mut resource, &id);
                (format!("{resource_type}/{id}"), true, None)
            }
            (Some("PUT"), Some(found)) => {
                if own.is_some_and(|own| own != found.reference.id.as_str()) {
                    return Err(refuse(
                        "invalid",
                        "the id of the resource must be that of the one the condition finds",
                    ));
                }
                set_id(&mut resource, found.reference.id.as_str());
                wanted = wanted.or(Some(found.version));
                (found.reference.to_string(), false, None)
            }
            (Some("PUT"), None) if condition.is_some() && own.is_none() => {
                let id = random_id();
                set_id(&mut resource, &id);
                (format!("{resource_type}/{id}"), true, None)
            }
            (Some("PUT"), None) if condition.is_some() => {
                (format!("{resource_type}/{}", own.unwrap_or_default()), false, None)
            }
            (Some("PUT"), None) => (url.to_owned(), false, None),
            _ => return Err(refuse("not-supported", "only POST and PUT are taken inside a transaction")),
        };
        let reference = Reference::parse(&text).map_err(|_| refuse("invalid", "expected request.url as Type/id"))?;
        if known.is_none() && model::resource::id(&resource) != Some(reference.id.as_str()) {
            return Err(refuse("invalid", "the id of the resource must be that of request.url"));
        }
        if known.is_none() && planned.iter().any(|other| other.known.is_none() && other.reference == reference) {
            return Err(refuse("duplicate", "two entries write the same resource"));
        }
        let expect = wanted.map_or(Expect::Any, Expect::Version);
        planned.push(Planned { place, resource, reference, expect, created, known });
    }
    Ok(planned)
}

/// References that say what they mean by a condition (`Patient?identifier=…`): it must find one resource that the caller
/// may read.
async fn conditional_references(
    call: &Call,
    who: &Who,
    planned: &[Planned],
    renamed: &mut HashMap<String, String>,
) -> Result<(), Failure> {
    for one in planned.iter().filter(|one| one.known.is_none()) {
        for found in model::resource::references(&one.resource) {
            let Some((name, condition)) = found.target.split_once('?') else { continue };
            let Ok(resource_type) = ResourceType::parse(name) else { continue };
            if renamed.contains_key(found.target) {
                continue;
            }
            let place = format!("{}.resource.{}", one.place, found.path);
            match condition::find(call, who, resource_type, condition)
                .await
                .map_err(|failure| failure.at(place.as_str()))?
            {
                Found::One(known) => {
                    renamed.insert(found.target.to_owned(), known.reference.to_string());
                }
                Found::Several => return Err(condition::several("the reference").at(place)),
                Found::Nothing => {
                    let text = "the reference finds nothing that this caller may read";
                    return Err(Failure::new(StatusCode::PRECONDITION_FAILED, "not-found", text).at(place));
                }
            }
        }
    }
    Ok(())
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
