//! create and update, by id and by condition (FHIR R4 http.html, "create", "update", "Conditional create", "Conditional
//! update", "Managing Resource Contention"). Every write is an exchange.

use auth::Action as Reach;
use bytes::Bytes;
use consent::Interaction;
use http::StatusCode;
use http::header::{CONTENT_LOCATION, LOCATION};
use http::{HeaderName, HeaderValue};
use model::id::{Reference, ResourceId, ResourceType};
use model::json::{Json, Object};
use model::outcome::{Issue, operation_outcome};
use store::{Effect, Expect, Method, NewVersion, VersionWritten};

use super::condition::{self, Known, Single};
use super::decide::{may_create, may_update};
use super::precondition::{self, Wanted, other_version};
use super::{format_only, resource_type, target};
use crate::api::format::{self, Sent};
use crate::api::outcome::Failure;
use crate::api::release::{Asking, just_written};
use crate::api::{Call, Who, answer};
use crate::audit::{Kind, Outcome, random_id};
use crate::layers::Response;
use crate::pipeline::{self, Cause, Content, FhirChange, FhirWrite, Written};

/// Names the exchange a write became.
pub(super) const LEDGER_EXCHANGE: HeaderName = HeaderName::from_static("ledger-exchange");
pub(super) const IF_NONE_EXIST: HeaderName = HeaderName::from_static("if-none-exist");

/// `POST /fhir/{type}`
pub(in crate::api) async fn create(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    format_only(call)?;
    let resource_type = resource_type(call)?;
    who.must(Reach::Write(resource_type.as_str()))?;
    let sent = format::body(call).await?;
    must_be(&sent.tree, resource_type)?;
    let call = &*call;
    let (trail, lane) = match call.header(IF_NONE_EXIST) {
        None => (Vec::new(), Vec::new()),
        Some(wanted) => {
            let Single { known, conditions, lane } =
                condition::single(call, who, (resource_type, wanted), "If-None-Exist").await?;
            if let Some(known) = known {
                conditions.record().await?;
                return Ok(found(call, &known));
            }
            (conditions.into_trail(), lane)
        }
    };
    let mut resource = sent.tree.clone();
    let id = random_id();
    set_id(&mut resource, &id);
    let asking = Asking::new(&call.app, who, Interaction::Write)?;
    if let Err(failure) = may_create(call, who, &asking, &resource) {
        return Err(refused(call, who, Kind::Create, &resource, failure).await);
    }
    let body = Bytes::from(resource.to_bytes());
    let change = FhirChange::write(resource, body, Expect::Absent).by(Method::Post);
    let written = write(call, who, sent, Kind::Create, change, trail).await?;
    drop(lane);
    answered(call, (resource_type, &id), &written, None)
}

/// `PUT /fhir/{type}/{id}`
pub(in crate::api) async fn update(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    format_only(call)?;
    let (resource_type, id) = target(call)?;
    who.must(Reach::Write(resource_type.as_str()))?;
    let sent = format::body(call).await?;
    let call = &*call;
    must_be(&sent.tree, resource_type)?;
    if model::resource::id(&sent.tree) != Some(id.as_str()) {
        return Err(
            Failure::bad("the id of the resource must be that of the address").at(format!("{resource_type}.id"))
        );
    }
    let wanted = precondition::of_update(call, resource_type)?;
    let asking = Asking::new(&call.app, who, Interaction::Write)?;
    let reference = Reference::new(resource_type, id);
    let expect = match may_update(call, who, &asking, &sent.tree, &reference, wanted) {
        Ok(expect) => expect,
        Err(failure) => return Err(refused(call, who, Kind::Update, &sent.tree, failure).await),
    };
    let change = FhirChange::write(sent.tree.clone(), sent.json(), expect);
    let written = write(call, who, sent, Kind::Update, change, Vec::new())
        .await
        .map_err(|failure| lost_to_another(failure, wanted))?;
    answered(call, (resource_type, reference.id.as_str()), &written, None)
}

/// `PUT /fhir/{type}?…`: replaces the one resource that the condition finds, or creates one.
pub(in crate::api) async fn conditional_update(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    format::acceptable(call)?;
    let resource_type = resource_type(call)?;
    who.must(Reach::Write(resource_type.as_str()))?;
    let sent = format::body(call).await?;
    let call = &*call;
    must_be(&sent.tree, resource_type)?;
    let own = match model::resource::id(&sent.tree) {
        Some(id) => Some(ResourceId::parse(id).map_err(|_| Failure::bad("expected an id as FHIR has it"))?),
        None => None,
    };
    let asked = precondition::of_update(call, resource_type)?;
    let Single { known, conditions, lane } =
        condition::single(call, who, (resource_type, &call.query), "the condition").await?;
    let (id, wanted) = match known {
        Some(known) if own.as_ref().is_some_and(|own| *own != known.reference.id) => {
            conditions.record().await?;
            return Err(Failure::bad("the id of the resource must be that of the one the condition finds")
                .at(format!("{resource_type}.id")));
        }
        Some(known) => {
            let wanted = known.or_asked(asked);
            (Some(known.reference.id), wanted)
        }
        // An id of the client's own that is taken is not the resource that the client takes it for.
        None if asked.is_unsaid() => (own, Wanted::Absent),
        None => (own, asked),
    };
    let mut resource = sent.tree.clone();
    let asking = Asking::new(&call.app, who, Interaction::Write)?;
    let (id, kind, expect) = match id {
        Some(id) => {
            set_id(&mut resource, id.as_str());
            let reference = Reference::new(resource_type, id);
            let expect = match may_update(call, who, &asking, &resource, &reference, wanted) {
                Ok(expect) => expect,
                Err(failure) => return Err(refused(call, who, Kind::Update, &resource, failure).await),
            };
            (reference.id.to_string(), Kind::Update, expect)
        }
        None => {
            if matches!(wanted, Wanted::Version(_)) {
                conditions.record().await?;
                return Err(other_version());
            }
            let id = random_id();
            set_id(&mut resource, &id);
            if let Err(failure) = may_create(call, who, &asking, &resource) {
                return Err(refused(call, who, Kind::Create, &resource, failure).await);
            }
            (id, Kind::Create, Expect::Absent)
        }
    };
    let body = Bytes::from(resource.to_bytes());
    let change = FhirChange::write(resource, body, expect);
    let written = write(call, who, sent, kind, change, conditions.into_trail())
        .await
        .map_err(|failure| lost_to_another(failure, asked))?;
    drop(lane);
    answered(call, (resource_type, &id), &written, None)
}

/// The caller asked for a version: FHIR has 412 for that, and 409 for what happened behind its back.
pub(super) fn lost_to_another(failure: Failure, wanted: Wanted) -> Failure {
    let lost = !wanted.is_unsaid() && failure.status() == StatusCode::CONFLICT;
    if lost { other_version() } else { failure }
}

/// Refuses a resource that is not of the type of the address.
pub(super) fn must_be(resource: &Json, resource_type: ResourceType) -> Result<(), Failure> {
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
        let mut made = Object::with_capacity(object.len() + 1);
        let old = std::mem::take(object);
        made.insert("resourceType", old.get("resourceType").cloned().unwrap_or(Json::Null));
        made.insert("id", id);
        for (name, value) in old.into_iter().filter(|(name, _)| name != "resourceType") {
            made.insert(name, value);
        }
        *object = made;
    }
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

/// A conditional create whose condition finds something (http.html, "Conditional create"): nothing is written. What the
/// caller may not read is not found.
fn found(call: &Call, known: &Known) -> Response {
    let location = format!("{}/{}/_history/{}", call.base(), known.reference, known.version);
    let body = match (&known.released, Preference::of(call)) {
        (Some(released), Preference::Representation) => Some(released.bytes().clone()),
        (_, Preference::Outcome) => {
            let text = "the condition finds this resource; nothing was written";
            Some(Bytes::from(
                operation_outcome(&[Issue::new(model::outcome::Severity::Information, "informational", text)])
                    .to_bytes(),
            ))
        }
        _ => None,
    };
    let mut response = match body {
        Some(body) => answer::fhir(StatusCode::OK, body),
        None => answer::empty(StatusCode::OK),
    };
    answer::version(&mut response, known.version, known.last_updated);
    answer::header(&mut response, LOCATION, &location);
    response
}

/// Writes one change as an exchange, with what goes on record beside it.
pub(super) async fn write(
    call: &Call,
    who: &Who,
    sent: Sent,
    kind: Kind,
    change: FhirChange,
    trail: Vec<NewVersion>,
) -> Result<Written, Failure> {
    let (raw, content_type) = (sent.raw, sent.format.media_type());
    let exchange = pipeline::exchange_id()?;
    let now = call.app.clock.now();
    let mut event = who.event(kind, now).exchange(exchange);
    match &change.content {
        Content::Written { resource, .. } => {
            if let Some(reference) = model::resource::reference_to(resource) {
                event = event.entity(reference.to_string());
            }
            for patient in model::resource::patients_of(resource) {
                event = event.patient(patient.as_str());
            }
        }
        Content::Deleted { reference, patients } => {
            event = event.entity(reference.to_string());
            for patient in patients {
                event = event.patient(patient.as_str());
            }
        }
    }
    let mut audit = trail.clone();
    audit.extend(event.versions());
    let write = FhirWrite {
        raw,
        content_type: content_type.to_owned(),
        received_at: now,
        source: author(who),
        changes: vec![change],
        audit,
    };
    match pipeline::write(&call.app, exchange, write).await {
        Ok(written) => Ok(written),
        Err(refusal) => {
            // The refusal tells that the condition was looked up: that is on record all the same.
            condition::record(call, trail).await?;
            let invalid = refusal.cause() == Cause::Invalid;
            let failure = Failure::from(refusal);
            Err(if invalid { failure } else { failure.without_location() })
        }
    }
}

/// As whom a caller writes.
pub(super) fn author(who: &Who) -> String {
    who.source().map_or_else(|| who.person(), str::to_owned)
}

/// What a client wants back of a write (FHIR R4 http.html, "create/update/patch/transaction": the return preference).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preference {
    Minimal,
    Representation,
    Outcome,
}

impl Preference {
    /// The representation where nothing is said.
    pub(super) fn of(call: &Call) -> Self {
        Self::said(call).unwrap_or(Self::Representation)
    }

    pub(super) fn said(call: &Call) -> Option<Self> {
        let known = [
            ("return=minimal", Self::Minimal),
            ("return=representation", Self::Representation),
            ("return=OperationOutcome", Self::Outcome),
        ];
        known.into_iter().find(|(text, _)| call.prefers(text)).map(|(_, preference)| preference)
    }
}

/// The answer to a write of one resource. `shown`: what the caller may see of it, where that is another than what they
/// sent themselves.
pub(super) fn answered(
    call: &Call,
    (resource_type, id): (ResourceType, &str),
    written: &Written,
    shown: Option<Bytes>,
) -> Result<Response, Failure> {
    let Some(version) = written.versions.first() else { return Err(Failure::unknown("what was written")) };
    let status = if version.effect == Effect::Created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = match Preference::of(call) {
        Preference::Minimal => answer::empty(status),
        Preference::Outcome => answer::fhir(status, operation_outcome(&[]).to_bytes()),
        Preference::Representation => match shown {
            Some(shown) => answer::fhir(status, shown),
            // What the caller has just written: no more than it knows already.
            None => answer::fhir(status, just_written(&call.app, (resource_type.as_str(), id), written)?),
        },
    };
    stamp(call, &mut response, (resource_type, id), version);
    answer::header(&mut response, LEDGER_EXCHANGE, &written.exchange.to_string());
    Ok(response)
}

/// `ETag`, `Last-Modified`, and where the version is.
fn stamp(call: &Call, response: &mut Response, (kind, id): (ResourceType, &str), version: &VersionWritten) {
    answer::version(response, version.version, version.last_updated);
    let location = format!("{}/{kind}/{id}/_history/{}", call.base(), version.version);
    answer::header(response, LOCATION, &location);
    if response.status() == StatusCode::OK
        && let Ok(value) = HeaderValue::from_str(&location)
    {
        response.headers_mut().insert(CONTENT_LOCATION, value);
    }
}
