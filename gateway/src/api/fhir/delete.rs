//! delete, by id and by condition (FHIR R4 http.html, "delete", "Conditional delete").
//!
//! A deletion is a version of its own: the earlier ones stay and can be read one by one, and an update brings the
//! resource back. Deleting what is deleted already changes nothing. What others refer to may be deleted: references
//! are kept as they were sent, so one may name what is not here at any time.

use auth::{Action as Reach, Permission};
use consent::Interaction;
use http::StatusCode;
use http::header::ETAG;
use model::id::Reference;
use model::outcome::{Issue, Severity, operation_outcome};
use store::{Expect, NewVersion};

use super::condition::{self, Single};
use super::decide::{Changeable, may_change};
use super::precondition::{self, Wanted};
use super::read::{about, refused as unread};
use super::write::{LEDGER_EXCHANGE, Preference, lost_to_another, write};
use super::{format_only, resource_type, target};
use crate::api::format::{Format, Sent};
use crate::api::outcome::Failure;
use crate::api::release::{Asking, Held};
use crate::api::{Call, Who, answer, format};
use crate::audit::Kind;
use crate::layers::Response;
use crate::pipeline::FhirChange;

/// `DELETE /fhir/{type}/{id}`
pub(in crate::api) async fn delete(call: &Call, who: &Who) -> Result<Response, Failure> {
    format_only(call)?;
    let (resource_type, id) = target(call)?;
    who.must(Reach::Write(resource_type.as_str()))?;
    let wanted = precondition::if_match(call, resource_type)?;
    one(call, who, &Reference::new(resource_type, id), wanted, Vec::new()).await
}

/// `DELETE /fhir/{type}?…`: deletes the one resource that the condition finds; several are refused (412), as
/// `/fhir/metadata` says.
pub(in crate::api) async fn conditional_delete(call: &Call, who: &Who) -> Result<Response, Failure> {
    format::acceptable(call)?;
    let resource_type = resource_type(call)?;
    who.must(Reach::Write(resource_type.as_str()))?;
    let wanted = precondition::if_match(call, resource_type)?;
    let Single { known, conditions, lane: _lane } =
        condition::single(call, who, (resource_type, &call.query), "the condition").await?;
    let Some(known) = known else {
        conditions.record().await?;
        Asking::new(&call.app, who, Interaction::Write)?.settle().await;
        return Ok(done(call, "the condition finds nothing; nothing was deleted"));
    };
    one(call, who, &known.reference, known.or_asked(wanted), conditions.into_trail()).await
}

async fn one(
    call: &Call,
    who: &Who,
    target: &Reference,
    wanted: Wanted,
    trail: Vec<NewVersion>,
) -> Result<Response, Failure> {
    let asking = Asking::new(&call.app, who, Interaction::Write)?;
    let held = match may_change(who, &asking, target, Permission::Delete) {
        Ok(Changeable::Here(held, _)) => held,
        Ok(Changeable::Gone) => return Ok(done(call, "the resource was deleted before")),
        // http.html, "delete": what does not exist is deleted. Where something may be withheld, that is no answer.
        Ok(Changeable::Nothing) if who.is_open() => return Ok(done(call, "there was nothing to delete")),
        Ok(Changeable::Nothing) => return Err(not_there(call, who, &asking, target, "delete").await),
        Err(failure) => return Err(super::write::refused(call, who, Kind::Delete, &stub(target), failure).await),
    };
    if held.is_review() {
        let failure = Failure::forbidden("the review of an emergency access is closed, never deleted");
        return Err(super::write::refused(call, who, Kind::Delete, &stub(target), failure).await);
    }
    wanted.holds_for(held.version())?;
    let change = deletion(target, &held);
    let nothing = Sent { raw: bytes::Bytes::new(), format: Format::Json, tree: model::json::Json::Null };
    let written = write(call, who, nothing, Kind::Delete, change, trail)
        .await
        .map_err(|failure| lost_to_another(failure, wanted))?;
    let mut response = done(call, "deleted");
    if let Some(version) = written.versions.first() {
        answer::header(&mut response, ETAG, &format!("W/\"{}\"", version.version));
    }
    answer::header(&mut response, LEDGER_EXCHANGE, &written.exchange.to_string());
    Ok(response)
}

/// The change that deletes a version.
pub(super) fn deletion(target: &Reference, held: &Held) -> FhirChange {
    FhirChange::delete(target.clone(), held.patients().to_vec(), Expect::Version(held.version()))
}

/// 404 as for an unknown id, recorded as a read of it would be and in the time that one takes.
pub(super) async fn not_there(
    call: &Call,
    who: &Who,
    asking: &Asking<'_>,
    target: &Reference,
    interaction: &'static str,
) -> Failure {
    let recorded = async {
        let held = asking.current(target.resource_type.as_str(), target.id.as_str())?;
        let event = who.event(Kind::Read, call.app.clock.now()).detail("interaction", interaction);
        let event = unread(about(event, held.as_slice()), held.as_slice(), &target.to_string());
        asking.record(event, &[]).await
    };
    match recorded.await {
        Ok(_) => {
            asking.settle().await;
            Failure::unknown(&target.to_string())
        }
        Err(unrecorded) => unrecorded,
    }
}

/// A resource of this name without content, for the audit event of a refusal.
pub(super) fn stub(target: &Reference) -> model::json::Json {
    model::json::Json::object([
        ("resourceType", model::json::Json::from(target.resource_type.as_str())),
        ("id", model::json::Json::from(target.id.as_str())),
    ])
}

/// 204, or 200 with an OperationOutcome where one is preferred.
fn done(call: &Call, text: &str) -> Response {
    match Preference::said(call) {
        Some(Preference::Outcome) => {
            let issue = Issue::new(Severity::Information, "informational", text);
            answer::fhir(StatusCode::OK, operation_outcome(&[issue]).to_bytes())
        }
        _ => answer::empty(StatusCode::NO_CONTENT),
    }
}
