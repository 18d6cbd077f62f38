//! Conditions of writes: conditional create, update, patch and delete, conditional references (FHIR R4 http.html,
//! "Conditional create", "Conditional update", "Conditional delete", "Transaction Processing Rules"). They find what the
//! caller may read, and nothing else: a match that is withheld is no match.

use std::collections::HashMap;
use std::ops::ControlFlow;

use ::search::Query;
use consent::Interaction;
use http::StatusCode;
use model::id::{Reference, ResourceType};
use model::time::Instant;
use store::{Commit, Commits, NewVersion, Order};
use tokio::sync::MutexGuard;

use super::precondition::Wanted;
use super::search;
use super::search::evaluate::Evaluation;
use super::search::matches::{Judged, Matches};
use crate::api::outcome::Failure;
use crate::api::query::{joined, pairs};
use crate::api::release::{Asking, Released};
use crate::api::{Call, Who};
use crate::audit::Kind;

/// Parameters that say how an answer looks and choose nothing (FHIR R4 search.html, "Search result parameters").
const OF_RESULTS: [&str; 13] = [
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_include:iterate",
    "_revinclude:iterate",
    "_summary",
    "_total",
    "_elements",
    "_contained",
    "_containedType",
    "_format",
    "_pretty",
];

/// The one resource that a condition finds.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) reference: Reference,
    pub(super) version: u64,
    pub(super) last_updated: Instant,
    /// `None` for what a source has written itself: it knows that it is there and may not read it.
    pub(super) released: Option<Released>,
}

/// What a condition finds.
#[derive(Clone)]
pub(super) enum Found {
    Nothing,
    One(Box<Known>),
    Several,
}

impl Known {
    /// What a write of it wants: the version that was found, unless the request asks for one itself.
    pub(super) fn or_asked(&self, asked: Wanted) -> Wanted {
        if asked == Wanted::Anything { Wanted::Version(self.version) } else { asked }
    }
}

/// What a condition is known by: two that say the same are one, in whatever order they say it.
pub(super) type Key = (ResourceType, String);

/// Looks conditions up for one request. What goes on record about them rides in the commit of what they are for.
pub(super) struct Conditions<'a> {
    call: &'a Call,
    who: &'a Who,
    asking: Asking<'a>,
    known: HashMap<Key, Found>,
    trail: Vec<NewVersion>,
}

/// What the condition of one write finds, when it finds no more than one.
pub(super) struct Single<'a> {
    pub(super) known: Option<Known>,
    /// The look-up, to be recorded by itself or with the write.
    pub(super) conditions: Conditions<'a>,
    /// Held until the commit: of two that find nothing one would find what the other is about to write.
    pub(super) lane: Vec<MutexGuard<'a, ()>>,
}

/// Looks up the condition of one write; `what` names it.
///
/// # Errors
/// 412 where several are found, which is then on record; 400 as [`key`] and [`Conditions::find`].
pub(super) async fn single<'a>(
    call: &'a Call,
    who: &'a Who,
    (resource_type, condition): (ResourceType, &str),
    what: &str,
) -> Result<Single<'a>, Failure> {
    let key = key(resource_type, condition)?;
    let lane = call.app.conditions.hold_all([&key]).await;
    let mut conditions = Conditions::new(call, who)?;
    let known = match conditions.find(&key).await? {
        Found::Nothing => None,
        Found::One(known) => Some(*known),
        Found::Several => {
            conditions.record().await?;
            return Err(several(what));
        }
    };
    Ok(Single { known, conditions, lane })
}

/// The key of `Type?parameter=value`, or of what stands behind the question mark.
///
/// # Errors
/// 400 for a condition that cannot be read, or that holds for everything.
pub(super) fn key(resource_type: ResourceType, condition: &str) -> Result<Key, Failure> {
    let condition = condition.strip_prefix(resource_type.as_str()).unwrap_or(condition).trim_start_matches('?');
    let mut pairs = pairs(condition)?;
    if pairs.iter().all(|(name, _)| OF_RESULTS.contains(&name.as_str())) {
        return Err(Failure::bad("a condition: expected search parameters"));
    }
    pairs.sort_unstable();
    Ok((resource_type, joined(&pairs)))
}

impl<'a> Conditions<'a> {
    pub(super) fn new(call: &'a Call, who: &'a Who) -> Result<Self, Failure> {
        let asking = Asking::new(&call.app, who, Interaction::Search)?;
        Ok(Self { call, who, asking, known: HashMap::new(), trail: Vec::new() })
    }

    /// What a condition finds; each is looked up once.
    ///
    /// # Errors
    /// 400 for a parameter that is not known: to leave one out would let the condition hold for something else.
    pub(super) async fn find(&mut self, key: &Key) -> Result<Found, Failure> {
        if let Some(found) = self.known.get(key) {
            return Ok(found.clone());
        }
        let (resource_type, text) = key;
        let found = self.look_up(*resource_type, text)?;
        let released: Vec<Released> = found.iter().filter_map(|known| known.released.clone()).collect();
        let event = self.who.event(Kind::Search, self.call.app.clock.now()).query(text);
        match self.asking.to_record(&event, &released)? {
            Some(event) => self.trail.extend(event.versions()),
            None => drop(self.asking.record(event, &released).await?),
        }
        let mut found = found.into_iter();
        let found = match (found.next(), found.next()) {
            (Some(one), None) => Found::One(Box::new(one)),
            (None, _) => Found::Nothing,
            (Some(_), Some(_)) => Found::Several,
        };
        self.known.insert(key.clone(), found.clone());
        Ok(found)
    }

    /// At most two.
    fn look_up(&self, resource_type: ResourceType, text: &str) -> Result<Vec<Known>, Failure> {
        let base = self.call.base();
        let query = search::parse(self.call, &self.asking, &[resource_type], &pairs(text)?, &base)?;
        if let Some(name) = query.ignored.first() {
            let name: String = name.chars().filter(|letter| letter.is_ascii_graphic()).take(64).collect();
            let text = format!("a condition is never read leniently, and '{name}' is not known here");
            return Err(Failure::new(StatusCode::BAD_REQUEST, "not-supported", text));
        }
        // About the answer alone: it would hold for everything.
        if query.clauses.is_empty() && query.ids.is_none() && query.updated_between() == (None, None) {
            return Err(Failure::bad("a condition: expected search parameters"));
        }
        known(self.call, &self.asking, &query, &base)
    }

    /// What is to go on record with what the conditions were for.
    pub(super) fn into_trail(self) -> Vec<NewVersion> {
        self.trail
    }

    /// Puts the look-ups on record where nothing else is written. Nothing is answered before.
    pub(super) async fn record(self) -> Result<(), Failure> {
        record(self.call, self.trail).await
    }
}

/// Puts look-ups on record by themselves.
pub(super) async fn record(call: &Call, trail: Vec<NewVersion>) -> Result<(), Failure> {
    if !trail.is_empty() {
        call.app.store.commit(Commit { resources: trail, ..Commit::default() }).await?;
    }
    Ok(())
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
