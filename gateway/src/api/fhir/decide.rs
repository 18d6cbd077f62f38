//! Whether a caller may create, replace, patch or delete a resource, and what has to hold when it is written.

use auth::{Access, Action as Reach, Permission};
use consent::{Action, is_admin_policy};
use http::StatusCode;
use model::id::{Reference, ResourceId};
use model::json::Json;
use store::Expect;

use super::precondition::{Wanted, unnamed};
use crate::api::outcome::Failure;
use crate::api::release::{Asking, Held, Seen};
use crate::api::{Call, Who};
use crate::pipeline;

/// Whether the caller may write this new content.
pub(super) fn may_create(call: &Call, who: &Who, asking: &Asking<'_>, resource: &Json) -> Result<(), Failure> {
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
    if asking.permits_write(resource, action)? { Ok(()) } else { Err(not_allowed()) }
}

/// Whether the caller may replace, or choose, this id; what must hold when it is written.
pub(super) fn may_update(
    call: &Call,
    who: &Who,
    asking: &Asking<'_>,
    resource: &Json,
    target: &Reference,
    wanted: Wanted,
) -> Result<Expect, Failure> {
    let resource_type = target.resource_type.as_str();
    let current = asking.live(target)?;
    if is_admin_policy(resource) {
        who.must(Reach::WriteAdminPolicy)?;
    }
    if let Some(current) = &current {
        untouchable(who, current)?;
    }
    let access = who.must(Reach::Write(resource_type))?;
    within_scope(who, Permission::Update, resource)?;
    if let Some(current) = &current
        && !who.covers(Permission::Update, resource_type, current.patients())
    {
        return Err(not_allowed());
    }
    if access == Access::Direct {
        if of_another(who, asking, current.as_ref()) {
            return Err(Failure::new(StatusCode::CONFLICT, "conflict", "the id is taken by another source"));
        }
        no_rollback(call, who, resource)?;
        if current.is_none() && who.may(Reach::ChooseId) == Access::Refused {
            return Err(not_allowed());
        }
        return Ok(match wanted {
            Wanted::Version(version) => Expect::Version(version),
            Wanted::Absent => Expect::Absent,
            Wanted::Unnamed if current.is_some() => return Err(unnamed()),
            Wanted::Unnamed => Expect::Absent,
            // A source must not overwrite what another source has written under the same id.
            Wanted::Anything if who.source().is_some() && !who.is_open() => Expect::SameSource,
            Wanted::Anything => Expect::Any,
        });
    }
    // Unknown, withheld and not permitted are one answer: an id must not be tried out.
    let Some(current) = current else { return Err(not_allowed()) };
    if asking.permits_change(&current)? && asking.permits_write(resource, Action::Correct)? {
        // What was decided is the version that was looked at.
        Ok(match wanted {
            Wanted::Version(version) => Expect::Version(version),
            Wanted::Absent => Expect::Absent,
            Wanted::Unnamed => return Err(unnamed()),
            Wanted::Anything => Expect::Version(current.version()),
        })
    } else {
        Err(not_allowed())
    }
}

/// What a caller may change by parts or delete.
pub(super) enum Changeable {
    /// This version; `Json` is asked for patches only.
    Here(Box<Held>, Json),
    /// It was deleted, and the caller could have read it.
    Gone,
    /// For this caller there is nothing.
    Nothing,
}

/// The current version, if the caller may read it: what is withheld is not there. A source may change what it wrote
/// itself.
///
/// # Errors
/// 403 for who may read it and not change it.
pub(super) fn may_change(
    who: &Who,
    asking: &Asking<'_>,
    target: &Reference,
    permission: Permission,
) -> Result<Changeable, Failure> {
    let resource_type = target.resource_type.as_str();
    let Some(held) = asking.current(resource_type, target.id.as_str())? else {
        asking.release_nothing(resource_type, target.id.as_str())?;
        return Ok(Changeable::Nothing);
    };
    if held.is_deleted() {
        let known = asking.could_have_read(&held)? || asking.has_written(&held);
        return Ok(if known { Changeable::Gone } else { Changeable::Nothing });
    }
    let json = match asking.seen(&held)? {
        Seen::Whole(json) => json,
        Seen::Nothing => return Ok(Changeable::Nothing),
        // A patch could find out what was taken out, and a deletion would take it along.
        Seen::Part => return Err(not_allowed()),
    };
    untouchable(who, &held)?;
    let access = who.must(Reach::Write(resource_type))?;
    if !who.covers(permission, resource_type, held.patients()) {
        return Err(not_allowed());
    }
    if is_admin_policy(&json) {
        who.must(Reach::WriteAdminPolicy)?;
    }
    if access == Access::Direct {
        if of_another(who, asking, Some(&held)) {
            return Err(Failure::new(StatusCode::CONFLICT, "conflict", "another source has written this"));
        }
    } else if !asking.permits_change(&held)? {
        return Err(not_allowed());
    }
    Ok(Changeable::Here(Box::new(held), json))
}

/// A version that is guessed must not open what another source has written.
fn of_another(who: &Who, asking: &Asking<'_>, current: Option<&Held>) -> bool {
    !who.is_open() && who.source().is_some() && current.is_some_and(|current| !asking.has_written(current))
}

/// 403 unless the scopes of the token let the caller write this content.
fn within_scope(who: &Who, permission: Permission, resource: &Json) -> Result<(), Failure> {
    let name = model::resource::resource_type(resource).unwrap_or_default();
    let patients: Vec<String> =
        model::resource::patients_of(resource).iter().map(ResourceId::as_str).map(str::to_owned).collect();
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

/// One text for every id that is not the caller's to write, whether it is there or not.
pub(super) fn not_allowed() -> Failure {
    Failure::forbidden("this caller may not write this, or may not choose an id")
}
