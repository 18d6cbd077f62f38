//! `GET /emergency/reviews`: which emergency accesses nobody has reviewed yet. A list of its own, as reviews that are
//! forgotten make break-glass an open door.

use std::collections::HashSet;
use std::sync::PoisonError;
use std::time::Duration;

use auth::Role;
use http::StatusCode;
use model::json::{Json, Limits, Object, parse};
use model::time::Instant;
use store::{Error, Grants, KeyRow, Resources, Step, Store};

use super::Emergency;
use crate::api::outcome::Failure;
use crate::api::{Call, Who, answer};
use crate::index;
use crate::layers::Response;

/// Reviews shown; the numbers count all.
const MOST: usize = 200;
/// Rows looked at: reviews ever asked for, as those of closed ones stay in the index.
const MOST_ROWS: usize = 200_000;
/// After this it is looked again whether what was closed still is.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// Rows of reviews that were found closed: each is read once an hour, not at every look of an operator.
#[derive(Debug, Default)]
pub(super) struct Closed {
    rows: HashSet<KeyRow>,
    since: Option<Instant>,
}

/// How many reviews are open, and how many of them should have been done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) open: u64,
    pub(crate) overdue: u64,
}

/// Counts what is open now.
///
/// # Errors
/// What the store says.
pub(crate) fn count(emergency: &Emergency, store: &Store, now: Instant) -> Result<Open, Error> {
    let mut counted = Open::default();
    for (due, _) in rows(emergency, store, now)? {
        counted.open += 1;
        counted.overdue += u64::from(due <= now.millis().unsigned_abs());
    }
    Ok(counted)
}

/// When each open review is due, the earliest first, and the Task.
fn rows(emergency: &Emergency, store: &Store, now: Instant) -> Result<Vec<(u64, Json)>, Error> {
    let mut rows: Vec<KeyRow> = Vec::new();
    store.descend("Task", index::review_param(), b"", &mut |row| {
        rows.push(row);
        if rows.len() < MOST_ROWS { Step::Next } else { Step::Stop }
    })?;
    let mut closed = emergency.closed.lock().unwrap_or_else(PoisonError::into_inner);
    if closed.since.is_none_or(|since| now >= since.after(REMEMBERED)) {
        *closed = Closed { rows: HashSet::new(), since: Some(now) };
    }
    let mut found = Vec::new();
    for row in rows.into_iter().rev() {
        if closed.rows.contains(&row) {
            continue;
        }
        let task = store.follow(&row)?.and_then(|stored| parse(&stored.body, &Limits::default()).ok());
        // A row of the version before it was closed leads to one that is closed.
        let due = task.as_ref().and_then(index::open_review).filter(|due| row.value == due.to_be_bytes());
        match (task, due) {
            (Some(task), Some(due)) => found.push((due, task)),
            _ => drop(closed.rows.insert(row)),
        }
    }
    Ok(found)
}

/// `GET /emergency/reviews` (administrator, auditor). Nobody reads a record through it: it names whose record was opened,
/// by whom and when, which the audit log tells the same people.
pub(crate) fn list(call: &Call, who: &Who) -> Result<Response, Failure> {
    if !who.has(Role::Administrator) && !who.has(Role::Auditor) {
        return Err(Failure::forbidden("the roles of this caller do not reach this"));
    }
    let now = call.app.clock.now();
    let rows = rows(&call.app.emergency, &call.app.store, now)?;
    let overdue = rows.iter().filter(|(due, _)| *due <= now.millis().unsigned_abs()).count();
    let mut shown = Object::new();
    shown.insert("open", rows.len() as u64);
    shown.insert("overdue", overdue as u64);
    shown.insert("reviews", Json::array(rows.iter().take(MOST).map(|(due, task)| review(*due, task, now))));
    Ok(answer::json(StatusCode::OK, &shown.into()))
}

fn review(due: u64, task: &Json, now: Instant) -> Json {
    let text = |path: &[&str]| task.text_at(path).map_or(Json::Null, Json::from);
    let declarer = task.text_at(&["requester", "reference"]).or_else(|| task.text_at(&["requester", "display"]));
    let mut shown = Object::new();
    shown.insert("task", format!("Task/{}", model::resource::id(task).unwrap_or_default()));
    shown.insert("patient", text(&["for", "reference"]));
    shown.insert("declaredBy", declarer.map_or(Json::Null, Json::from));
    shown.insert("declared", text(&["authoredOn"]));
    shown.insert("due", text(&["restriction", "period", "end"]));
    shown.insert("overdue", due <= now.millis().unsigned_abs());
    shown.insert("event", text(&["focus", "reference"]));
    shown.into()
}

/// How many grants are open now.
///
/// # Errors
/// What the store says.
pub(crate) fn open_grants(store: &Store, now: Instant) -> Result<u64, Error> {
    Ok(store.open_grants(now)?.len() as u64)
}
