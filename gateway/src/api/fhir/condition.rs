//! Conditions of writes: conditional create and update, conditional references (FHIR R4 http.html, "Conditional create",
//! "Conditional update", "Transaction Processing Rules"). They find what the caller may read, and nothing else: a match
//! that is withheld is no match.

use std::ops::ControlFlow;

use ::search::Query;
use consent::Interaction;
use http::StatusCode;
use model::id::{Reference, ResourceType};
use model::time::Instant;
use store::Order;

use super::search;
use super::search::evaluate::Evaluation;
use super::search::matches::{Judged, Matches};
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
    let base = call.base();
    let asking = Asking::new(&call.app, who, Interaction::Search)?;
    let query = search::parse(call, &asking, &[resource_type], &pairs, &base)?;
    // Left out or about the answer alone: it would hold for everything.
    if query.clauses.is_empty() && query.ids.is_none() && query.updated_between() == (None, None) {
        return Err(Failure::bad("a condition: expected search parameters"));
    }
    let found = known(call, &asking, &query, &base)?;
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

/// The first two that are found.
fn known(call: &Call, asking: &Asking<'_>, query: &Query, base: &str) -> Result<Vec<Known>, Failure> {
    let registry = call.app.parameters.registry();
    let evaluation = Evaluation::new(asking, &registry, base);
    let matches = Matches::new(&evaluation, query)?;
    let (mut found, mut failed) = (Vec::new(), None);
    matches.visit(Order::NewestFirst, None, &mut |held| {
        let released = match matches.judged(held) {
            Ok(Judged::Nothing) => return ControlFlow::Continue(()),
            Ok(Judged::Match(released)) => Some(released),
            Ok(Judged::Own) => None,
            Err(failure) => {
                failed = Some(failure);
                return ControlFlow::Break(());
            }
        };
        let reference = Reference::parse(&held.reference()).ok();
        let (version, last_updated) = (held.version(), held.last_updated());
        found.extend(reference.map(|reference| Known { reference, version, last_updated, released }));
        if found.len() < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    failed.map_or(Ok(found), Err)
}

/// 412, as FHIR has it for a condition that finds more than one.
pub(super) fn several(what: &str) -> Failure {
    Failure::new(StatusCode::PRECONDITION_FAILED, "multiple-matches", format!("{what} finds more than one"))
}
