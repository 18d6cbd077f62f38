//! Conditions of writes: conditional create and update, conditional references (FHIR R4 http.html, "Conditional create",
//! "Conditional update", "Transaction Processing Rules"). They find what the caller may read, and nothing else: a match
//! that is withheld is no match.

use std::ops::ControlFlow;

use consent::Interaction;
use http::StatusCode;
use model::id::{Reference, ResourceType};
use model::time::Instant;
use store::Order;

use super::search;
use super::search::matches::Matches;
use crate::api::outcome::Failure;
use crate::api::query::pairs;
use crate::api::release::{Asking, Released};
use crate::api::{Call, Who};
use crate::audit::Kind;

/// The one resource that a condition finds.
pub(super) struct Known {
    pub(super) reference: Reference,
    pub(super) version: u64,
    pub(super) last_updated: Instant,
    /// `None` for what a source has written itself: it knows that it is there and may not read it.
    pub(super) released: Option<Released>,
}

/// What a condition finds.
pub(super) enum Found {
    Nothing,
    One(Box<Known>),
    Several,
}

/// Looks a condition up, `Type?parameter=value` or what stands behind the question mark, and puts that on record.
///
/// # Errors
/// 400 for a condition that cannot be read, or that holds for everything.
pub(super) async fn find(
    call: &Call,
    who: &Who,
    resource_type: ResourceType,
    condition: &str,
) -> Result<Found, Failure> {
    let condition = condition.strip_prefix(resource_type.as_str()).unwrap_or(condition).trim_start_matches('?');
    let pairs = pairs(condition)?;
    if pairs.iter().all(|(name, _)| name.starts_with('_') && name != "_id" && name != "_lastUpdated") {
        return Err(Failure::bad("a condition: expected search parameters"));
    }
    let base = call.base();
    let query = search::parse(call, resource_type.as_str(), &pairs, &base)?;
    let asking = Asking::new(&call.app, who, Interaction::Search)?;
    let mut found: Vec<Known> = Vec::new();
    let mut failed = None;
    let matches = Matches::new(&asking, &query);
    matches.visit(Order::NewestFirst, None, &mut |held| {
        let known = matches.released(held).map(|released| {
            let is_known = released.is_some() || asking.has_written(held);
            let reference = Reference::parse(&held.reference()).ok().filter(|_| is_known)?;
            Some(Known { reference, version: held.version(), last_updated: held.last_updated(), released })
        });
        match known {
            Ok(known) => found.extend(known),
            Err(failure) => failed = Some(failure),
        }
        if failed.is_none() && found.len() < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if let Some(failure) = failed {
        return Err(failure);
    }
    let released: Vec<Released> = found.iter().filter_map(|known| known.released.clone()).collect();
    let event = who.event(Kind::Search, call.app.clock.now()).query(condition);
    asking.record(event, &released).await?;
    let mut found = found.into_iter();
    Ok(match (found.next(), found.next()) {
        (Some(one), None) => Found::One(Box::new(one)),
        (None, _) => Found::Nothing,
        (Some(_), Some(_)) => Found::Several,
    })
}

/// 412, as FHIR has it for a condition that finds more than one.
pub(super) fn several(what: &str) -> Failure {
    Failure::new(StatusCode::PRECONDITION_FAILED, "multiple-matches", format!("{what} finds more than one"))
}
