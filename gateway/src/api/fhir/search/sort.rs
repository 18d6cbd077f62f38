//! `_sort` by more than the time of the last change: everything that is found is put in order, by what leaves of it.
//!
//! Each page sorts anew: an order that was kept would show what has been withheld meanwhile. A place in it is the values
//! that a match is sorted by, so a page goes on where the last one ended even if that match has changed.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use model::id::Reference;
use search::{IndexRow, SortBy, SortKey};
use store::Order;

use super::cursor::{Part, Place};
use super::matches::{Looked, Matches};
use super::walk::{self, Found};
use crate::api::outcome::Failure;
use crate::api::release::Held;

#[cfg(test)]
mod tests;

/// Bytes of one value that are compared; what is alike in them follows in the store's order.
const VALUE_MOST: usize = 128;

/// What the store's own order is enough for.
pub(super) fn own_order(keys: &[SortKey]) -> Option<Order> {
    match keys.first() {
        None => Some(Order::NewestFirst),
        // No two were written at one place, so further keys change nothing.
        Some(SortKey { by: SortBy::LastUpdated, descending: true, .. }) => Some(Order::NewestFirst),
        Some(SortKey { by: SortBy::LastUpdated, .. }) => Some(Order::OldestFirst),
        Some(_) => None,
    }
}

struct Entry {
    place: Place,
    reference: Reference,
    version: u64,
}

/// The page `part` of `count` matches of all these searches together, sorted.
pub(super) fn page(searches: &[Matches<'_>], keys: &[SortKey], part: &Part, count: usize) -> Result<Found, Failure> {
    let mut entries = gathered(searches, keys)?;
    entries.sort_by(|one, other| order(&one.place, &other.place));
    entries.dedup_by(|one, other| one.reference == other.reference);
    let total = entries.len();
    let (from, to) = bounds(&entries, part, count);
    let mut found = Found { total: Some(total as u64), ..Found::default() };
    let page = entries.get(from..to).unwrap_or_default();
    if let (Some(first), true) = (page.first(), from > 0) {
        found.previous = Some(Part::Before(first.place.clone()));
    }
    if let (Some(last), true) = (page.last(), to < total) {
        found.next = Some(Part::After(last.place.clone()));
    }
    for entry in page {
        for matches in searches {
            let held = matches.evaluation().asking.live(&entry.reference)?;
            // What was changed meanwhile is no longer what was put in order.
            if let Some(held) = held.filter(|held| held.version() == entry.version)
                && let Some(released) = matches.released(&held)?
            {
                found.released.push(released);
                break;
            }
        }
    }
    Ok(found)
}

fn gathered(searches: &[Matches<'_>], keys: &[SortKey]) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    for matches in searches {
        let mut failed = None;
        let looked = matches.each(Order::NewestFirst, None, &mut |held, released| {
            let Some(released) = released else { return ControlFlow::Continue(()) };
            let rows = if keys.is_empty() { Ok(Vec::new()) } else { matches.evaluation().rows(held, &released) };
            match rows {
                Ok(rows) => entries.extend(entry(held, &rows, keys)),
                Err(failure) => failed = Some(failure),
            }
            if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if let Some(failure) = failed {
            return Err(failure);
        }
        if looked == Looked::AtMost {
            return Err(walk::too_costly("put them in order"));
        }
    }
    Ok(entries)
}

fn entry(held: &Held, rows: &[IndexRow], keys: &[SortKey]) -> Option<Entry> {
    let position = held.cursor().0;
    let mut key = Vec::new();
    for by in keys {
        let time = position.to_be_bytes();
        let value = match by.by {
            SortBy::Id => Some(held.id().as_bytes()),
            SortBy::LastUpdated => Some(&time[..]),
            SortBy::Rows(_) => by.value(rows),
        };
        put(&mut key, value, by.descending);
    }
    Some(Entry {
        place: Place { key, position },
        reference: Reference::parse(&held.reference()).ok()?,
        version: held.version(),
    })
}

/// Adds a value so that bytes sort as values do; what has none comes last in both directions.
fn put(key: &mut Vec<u8>, value: Option<&[u8]>, descending: bool) {
    let Some(value) = value else {
        key.push(1);
        return;
    };
    key.push(0);
    let turned = |byte: u8| if descending { !byte } else { byte };
    for byte in value.iter().take(VALUE_MOST) {
        key.push(turned(*byte));
        if *byte == 0 {
            key.push(turned(0xff));
        }
    }
    key.extend([turned(0), turned(0)]);
}

/// By the keys; what is alike in them, the newest first.
fn order(one: &Place, other: &Place) -> Ordering {
    one.key.cmp(&other.key).then(other.position.cmp(&one.position))
}

/// Which of the sorted entries are the page.
fn bounds(entries: &[Entry], part: &Part, count: usize) -> (usize, usize) {
    let total = entries.len();
    match part {
        Part::First => (0, count.min(total)),
        Part::After(place) => {
            let from = entries.partition_point(|entry| order(&entry.place, place) != Ordering::Greater);
            (from, from.saturating_add(count).min(total))
        }
        Part::Before(place) => {
            let to = entries.partition_point(|entry| order(&entry.place, place) == Ordering::Less);
            (to.saturating_sub(count), to)
        }
        Part::Last => (total.saturating_sub(count), total),
    }
}
