//! create and update (FHIR R4 http.html, "create", "update", "Managing Resource Contention"). Every write is an exchange.

use auth::{Access, Action as Reach, Permission};
use bytes::Bytes;
use consent::{Action, Interaction, is_admin_policy};
use http::header::{IF_MATCH, LOCATION};
use http::{HeaderName, StatusCode};
use model::id::{ResourceId, ResourceType};
use model::json::{Json, Object};
use model::outcome::operation_outcome;
use store::{Effect, Expect};

use super::condition::{self, Found};
use super::{format_only, resource_type, target};
use crate::api::format::{self, Sent};
use crate::api::outcome::Failure;
use crate::api::release::{Asking, Held, just_written};
use crate::api::{Call, Who, answer};
use crate::audit::{Kind, Outcome, random_id};
use crate::layers::Response;
use crate::pipeline::{self, Cause, FhirChange, FhirWrite, Written};

/// Names the exchange a write became.
pub(super) const LEDGER_EXCHANGE: HeaderName = HeaderName::from_static("ledger-exchange");
const IF_NONE_EXIST: HeaderName = HeaderName::from_static("if-none-exist");

/// `POST /fhir/{type}`
pub(in crate::api) async fn create(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    format_only(call)?;
    let resource_type = resource_type(call)?;
    who.must(Reach::Write(resource_type.as_str()))?;
    let sent = format::body(call).await?;
    must_be(&sent.tree, resource_type)?;
    let mut resource = sent.tree.clone();
    if let Some(existing) = matching(call, who, resource_type).await? {
        return Ok(existing);
    }
    let id = random_id();
    set_id(&mut resource, &id);
    if let Err(failure) = may_create(call, who, &resource) {
        return Err(refused(call, who, Kind::Create, &resource, failure).await);
    }
    let body = Bytes::from(resource.to_bytes());
    let change = FhirChange { resource, body, expect: Expect::Absent };
    let written = write(call, who, sent, Kind::Create, change).await?;
    answer_with(call, resource_type, &id, &written)
}

/// `PUT /fhir/{type}/{id}`
pub(in crate::api) async fn update(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    format_only(call)?;
    let (resource_type, id) = target(call)?;
    who.must(Reach::Write(resource_type.as_str()))?;
    let sent = format::body(call).await?;
    must_be(&sent.tree, resource_type)?;
    if model::resource::id(&sent.tree) != Some(id.as_str()) {
        return Err(
            Failure::bad("the id of the resource must be that of the address").at(format!("{resource_type}.id"))
        );
    }
    let wanted = if_match(call)?;
    let expect = match may_update(call, who, &sent.tree, (resource_type, &id), wanted) {
        Ok(expect) => expect,
        Err(failure) => return Err(refused(call, who, Kind::Update, &sent.tree, failure).await),
    };
    let change = FhirChange { body: sent.json(), resource: sent.tree.clone(), expect };
    let written = write(call, who, sent, Kind::Update, change).await.map_err(|failure| {
        // The caller asked for a version: FHIR has 412 for that, and 409 for what happened behind its back.
        let lost = wanted.is_some() && failure.status() == StatusCode::CONFLICT;
        let text = "the resource is at another version than If-Match says";
        if lost { Failure::new(StatusCode::PRECONDITION_FAILED, "conflict", text) } else { failure }
    })?;
    answer_with(call, resource_type, id.as_str(), &written)
}

/// `PUT /fhir/{type}?…`: replaces the one resource that the condition finds, or creates one.
pub(in crate::api) async fn conditional_update(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    format::acceptable(call)?;
    let resource_type = resource_type(call)?;
    who.must(Reach::Write(resource_type.as_str()))?;
    let sent = format::body(call).await?;
    must_be(&sent.tree, resource_type)?;
    let own = match model::resource::id(&sent.tree) {
        Some(id) => Some(ResourceId::parse(id).map_err(|_| Failure::bad("expected an id as FHIR has it"))?),
        None => None,
    };
    let (id, wanted) = match condition::find(call, who, resource_type, &call.query).await? {
        Found::Several => return Err(condition::several("the condition")),
        Found::One(known) if own.as_ref().is_some_and(|own| *own != known.reference.id) => {
            return Err(Failure::bad("the id of the resource must be that of the one the condition finds")
                .at(format!("{resource_type}.id")));
        }
        // What the condition found is what is replaced.
        Found::One(known) => (Some(known.reference.id), Some(if_match(call)?.unwrap_or(known.version))),
        Found::Nothing => (own, if_match(call)?),
    };
    let mut resource = sent.tree.clone();
    let (id, kind, expect) = match id {
        Some(id) => {
            set_id(&mut resource, id.as_str());
            let expect = match may_update(call, who, &resource, (resource_type, &id), wanted) {
                Ok(expect) => expect,
                Err(failure) => return Err(refused(call, who, Kind::Update, &resource, failure).await),
            };
            (id.to_string(), Kind::Update, expect)
        }
        None => {
            let id = random_id();
            set_id(&mut resource, &id);
            if let Err(failure) = may_create(call, who, &resource) {
                return Err(refused(call, who, Kind::Create, &resource, failure).await);
            }
            (id, Kind::Create, Expect::Absent)
        }
    };
    let body = Bytes::from(resource.to_bytes());
    let written = write(call, who, sent, kind, FhirChange { resource, body, expect }).await?;
    answer_with(call, resource_type, &id, &written)
}

/// Refuses a resource that is not of the type of the address.
fn must_be(resource: &Json, resource_type: ResourceType) -> Result<(), Failure> {
    match model::resource::resource_type(resource) {
        Some(name) if name == resource_type.as_str() => Ok(()),
        Some(_) => Err(Failure::bad("the resource is of another type than the address").at("resourceType")),
        None => Err(Failure::new(StatusCode::BAD_REQUEST, "structure", "expected a resource with resourceType")),
    }
}

pub(super) fn set_id(resource: &mut Json, id: &str) {
    if let Some(object) = resource.as_object_mut() {
        if object.contains_key("id") {
            object.insert("id", id);
            return;
        }
        // Behind resourceType, where readers look for it.
        let mut made = Object::new();
        made.insert("resourceType", object.get("resourceType").cloned().unwrap_or(Json::Null));
        made.insert("id", id);
        for (name, value) in object.iter().filter(|(name, _)| *name != "resourceType") {
            made.insert(name, value.clone());
        }
        *object = made;
    }
}

/// Whether the caller may write this new content.
pub(super) fn may_create(call: &Call, who: &Who, resource: &Json) -> Result<(), Failure> {
    let name = model::resource::resource_type(resource).unwrap_or_default();
    if is_admin_policy(resource) {
        who.must(Reach::WriteAdminPolicy)?;
    }
    let access = who.must(Reach::Write(name))?;
    within_scope(who, Permission::Create, resource)?;
    no_rollback(call, who, resource)?;
    let action = match access {
        Access::Direct => return Ok(()),
        // What patients may do with their own Consents is to correct them; a first one is no different.
        Access::Own => Action::Correct,
        Access::Decided | Access::Refused => Action::Collect,
    };
    let asking = Asking::new(&call.app, who, Interaction::Write)?;
    if asking.permits_write(resource, action)? { Ok(()) } else { Err(not_allowed()) }
}

/// Whether the caller may replace, or choose, this id; what must hold when it is written.
pub(super) fn may_update(
    call: &Call,
    who: &Who,
    resource: &Json,
    target: (ResourceType, &ResourceId),
    wanted: Option<u64>,
) -> Result<Expect, Failure> {
    let (resource_type, id) = target;
    let asking = Asking::new(&call.app, who, Interaction::Write)?;
    let current = asking.current(resource_type.as_str(), id.as_str())?.filter(|held| !held.is_deleted());
    if is_admin_policy(resource) {
        who.must(Reach::WriteAdminPolicy)?;
    }
    if let Some(current) = &current {
        untouchable(who, current)?;
    }
    let access = who.must(Reach::Write(resource_type.as_str()))?;
    within_scope(who, Permission::Update, resource)?;
    if let Some(current) = &current
        && !who.covers(Permission::Update, resource_type.as_str(), current.patients())
    {
        return Err(not_allowed());
    }
    if access == Access::Direct {
        // A version that is guessed must not open what another source has written.
        let of_another = |current: &Held| who.source().is_some() && !asking.has_written(current);
        if !who.is_open() && current.as_ref().is_some_and(of_another) {
            return Err(Failure::new(StatusCode::CONFLICT, "conflict", "the id is taken by another source"));
        }
        no_rollback(call, who, resource)?;
        if current.is_none() && who.may(Reach::ChooseId) == Access::Refused {
            return Err(not_allowed());
        }
        return Ok(match wanted {
            Some(version) => Expect::Version(version),
            // A source must not overwrite what another source has written under the same id.
            None if who.source().is_some() && !who.is_open() => Expect::SameSource,
            None => Expect::Any,
        });
    }
    // Unknown, withheld and not permitted are one answer: an id must not be tried out.
    let Some(current) = current else { return Err(not_allowed()) };
    if asking.permits_change(&current)? && asking.permits_write(resource, Action::Correct)? {
        // What was decided is the version that was looked at.
        Ok(Expect::Version(wanted.unwrap_or(current.version())))
    } else {
        Err(not_allowed())
    }
}

/// 403 unless the scopes of the token let the caller write this content.
fn within_scope(who: &Who, permission: Permission, resource: &Json) -> Result<(), Failure> {
    let name = model::resource::resource_type(resource).unwrap_or_default();
    let patients: Vec<String> =
        model::resource::patients_of(resource).iter().map(|id| id.as_str().to_owned()).collect();
    if who.covers(permission, name, &patients) { Ok(()) } else { Err(not_allowed()) }
}

/// 409 for a Consent of a source that would take the place of a later one.
fn no_rollback(call: &Call, who: &Who, resource: &Json) -> Result<(), Failure> {
    if who.source().is_none() || who.is_open() {
        return Ok(());
    }
    match pipeline::rollback::refusal(&call.app.store, resource)? {
        Some(why) => Err(Failure::new(StatusCode::CONFLICT, "conflict", why)),
        None => Ok(()),
    }
}

/// What nobody changes: the audit log; and the review of an emergency access by the person who declared it.
fn untouchable(who: &Who, current: &Held) -> Result<(), Failure> {
    if current.resource_type() == "AuditEvent" && !who.is_open() {
        return Err(Failure::forbidden("an audit event is never changed"));
    }
    // By any of the references they go by: another token may name another one first.
    let refs = who.caller().map(auth::Caller::refs).unwrap_or_default();
    if current.is_review_of(&who.person()) || refs.iter().any(|name| current.is_review_of(name)) {
        return Err(Failure::forbidden("somebody other than the person who declared the access reviews it"));
    }
    Ok(())
}

/// Puts a refused write on record, under the patients it names as far as they are known here; gives the refusal to answer
/// with. Unknown, withheld and not permitted write alike.
pub(super) async fn refused(call: &Call, who: &Who, kind: Kind, resource: &Json, failure: Failure) -> Failure {
    let patients = model::resource::patients_of(resource);
    let mut event = who
        .event(kind, call.app.clock.now())
        .asked(patients.iter().map(ResourceId::as_str))
        .outcome(Outcome::Refused, "not permitted");
    if let Some(reference) = model::resource::reference_to(resource) {
        event = event.entity(reference.to_string());
    }
    let recorded = async {
        let asking = Asking::new(&call.app, who, Interaction::Write)?;
        asking.record(event, &[]).await
    };
    match recorded.await {
        Ok(_) => failure,
        Err(unrecorded) => unrecorded,
    }
}

/// One text for every id that is not the caller's to write, whether it is there or not.
fn not_allowed() -> Failure {
    Failure::forbidden("this caller may not write this, or may not choose an id")
}

pub(super) fn if_match(call: &Call) -> Result<Option<u64>, Failure> {
    let Some(value) = call.header(IF_MATCH) else { return Ok(None) };
    version_of(value).map(Some)
}

/// The version of an ETag as FHIR has it: `W/"7"`.
pub(super) fn version_of(etag: &str) -> Result<u64, Failure> {
    let text = etag.trim();
    let text = text.strip_prefix("W/").unwrap_or(text);
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    inner.parse().map_err(|_| Failure::bad("If-Match: expected one version as W/\"7\""))
}

/// A conditional create whose condition finds something (http.html, "Conditional create"). What the caller may not read
/// is not found.
async fn matching(call: &Call, who: &Who, resource_type: ResourceType) -> Result<Option<Response>, Failure> {
    let Some(wanted) = call.header(IF_NONE_EXIST) else { return Ok(None) };
    match condition::find(call, who, resource_type, wanted).await? {
        Found::Nothing => Ok(None),
        Found::Several => Err(condition::several("If-None-Exist")),
        Found::One(known) => {
            let mut response = match &known.released {
                Some(released) => answer::fhir(StatusCode::OK, released.bytes().clone()),
                None => answer::empty(StatusCode::OK),
            };
            answer::version(&mut response, known.version, known.last_updated);
            let location = format!("{}/{}/_history/{}", call.base(), known.reference, known.version);
            answer::header(&mut response, LOCATION, &location);
            Ok(Some(response))
        }
    }
}

async fn write(call: &Call, who: &Who, sent: Sent, kind: Kind, change: FhirChange) -> Result<Written, Failure> {
    let exchange = pipeline::exchange_id()?;
    let now = call.app.clock.now();
    let mut event = who.event(kind, now).exchange(exchange);
    if let Some(reference) = model::resource::reference_to(&change.resource) {
        event = event.entity(reference.to_string());
    }
    for patient in model::resource::patients_of(&change.resource) {
        event = event.patient(patient.as_str());
    }
    let write = FhirWrite {
        raw: sent.raw,
        content_type: sent.format.media_type().to_owned(),
        received_at: now,
        source: who.source().map_or_else(|| who.person(), str::to_owned),
        changes: vec![change],
        audit: event.versions(),
    };
    pipeline::write(&call.app, exchange, write).await.map_err(|refusal| {
        let invalid = refusal.cause() == Cause::Invalid;
        let failure = Failure::from(refusal);
        if invalid { failure } else { failure.without_location() }
    })
}

fn answer_with(call: &Call, resource_type: ResourceType, id: &str, written: &Written) -> Result<Response, Failure> {
    let Some(version) = written.versions.first() else { return Err(Failure::unknown("what was written")) };
    let status = if version.effect == Effect::Created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = if call.prefers("return=minimal") {
        answer::empty(status)
    } else if call.prefers("return=OperationOutcome") {
        answer::fhir(status, operation_outcome(&[]).to_bytes())
    } else {
        // What the caller has just written: no more than it knows already.
        answer::fhir(status, just_written(&call.app, (resource_type.as_str(), id), written)?)
    };
    answer::version(&mut response, version.version, version.last_updated);
    let location = format!("{}/{resource_type}/{id}/_history/{}", call.base(), version.version);
    answer::header(&mut response, LOCATION, &location);
    answer::header(&mut response, LEDGER_EXCHANGE, &written.exchange.to_string());
    Ok(response)
}
