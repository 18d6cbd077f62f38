//! From matches to one page of them, in either direction.

use std::collections::{HashSet, VecDeque};
use std::ops::ControlFlow;

use store::Order;

use super::SCAN_MOST;
use super::cursor::{Part, Place};
use super::matches::{Looked, Matches};
use crate::api::outcome::Failure;
use crate::api::release::Released;

/// The matches of one page, and where its neighbours begin.
#[derive(Debug, Default)]
pub(in crate::api::fhir) struct Found {
    /// What may leave, in the order of the search.
    pub(in crate::api::fhir) released: Vec<Released>,
    /// The page before this one, if there may be one.
    pub(in crate::api::fhir) previous: Option<Part>,
    /// The page behind this one, if there may be one.
    pub(in crate::api::fhir) next: Option<Part>,
    /// How many matches there are, where looking for the page has shown it.
    pub(in crate::api::fhir) total: Option<u64>,
}

/// The page `part` of `count` matches in the store's own order; `order` is that of the search.
pub(super) fn page(matches: &Matches<'_>, order: Order, part: &Part, count: usize) -> Result<Found, Failure> {
    let (backwards, from) = match part {
        Part::First => (false, None),
        Part::After(place) => (false, Some(place.position)),
        Part::Before(place) => (true, Some(place.position)),
        Part::Last => (true, None),
    };
    let way = if backwards { turned(order) } else { order };
    let mut shown: VecDeque<(Released, u64)> = VecDeque::new();
    let (mut last, mut more) = (None, false);
    let looked = matches.each(way, from, &mut |held, released| {
        let position = held.cursor().0;
        match released {
            Some(_) if shown.len() >= count => {
                // One more that may leave: there is a page behind, and it begins after the last one shown.
                more = true;
                return ControlFlow::Break(());
            }
            Some(released) if backwards => shown.push_front((released, position)),
            Some(released) => shown.push_back((released, position)),
            None => {}
        }
        last = Some(position);
        ControlFlow::Continue(())
    })?;
    more |= looked == Looked::AtMost;
    let place = |position: u64| Place { key: Vec::new(), position };
    let first = shown.front().map(|(_, position)| place(*position));
    let end = shown.back().map(|(_, position)| place(*position));
    // Beyond what was looked at, shown or not.
    let beyond = last.filter(|_| more).map(place);
    let (previous, next) = match part {
        Part::First => (None, beyond.map(Part::After)),
        Part::After(from) => (Some(Part::Before(first.unwrap_or_else(|| from.clone()))), beyond.map(Part::After)),
        Part::Before(from) => (beyond.map(Part::Before), Some(Part::After(end.unwrap_or_else(|| from.clone())))),
        Part::Last => (beyond.map(Part::Before), None),
    };
    // Only where the page holds everything: it then counts what is to be seen anyway.
    let total = (from.is_none() && !more).then_some(shown.len() as u64);
    Ok(Found { released: shown.into_iter().map(|(released, _)| released).collect(), previous, next, total })
}

fn turned(order: Order) -> Order {
    match order {
        Order::NewestFirst => Order::OldestFirst,
        Order::OldestFirst => Order::NewestFirst,
    }
}

/// How many matches may be seen: each is decided, none is shown. `None` if there are too many to look at.
pub(super) fn counted(searches: &[Matches<'_>]) -> Result<Option<u64>, Failure> {
    let (mut counted, mut seen) = (0_u64, HashSet::new());
    for matches in searches {
        let looked = matches.each(Order::NewestFirst, None, &mut |held, released| {
            // Two searches may find the same.
            let is_new = released.is_some() && (searches.len() == 1 || seen.insert(held.cursor()));
            counted += u64::from(is_new);
            ControlFlow::Continue(())
        })?;
        if looked == Looked::AtMost {
            return Ok(None);
        }
    }
    Ok(Some(counted))
}

/// What is answered where more would have to be looked at than is done for one request.
pub(super) fn too_costly(what: &str) -> Failure {
    let text = format!("more than {SCAN_MOST} resources would have to be looked at to {what}; narrow the search");
    Failure::new(http::StatusCode::BAD_REQUEST, "too-costly", text)
}
