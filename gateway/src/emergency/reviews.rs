//! `GET /emergency/reviews`: which emergency accesses nobody has reviewed yet. A list of its own, as reviews that are
//! forgotten make break-glass an open door.

use auth::Role;
use http::StatusCode;
use model::json::{Json, Limits, Object, parse};
use model::time::Instant;
use store::{Error, Grants, KeyRow, Resources, Step, Store};

use crate::api::outcome::Failure;
use crate::api::{Call, Who, answer};
use crate::index;
use crate::layers::Response;

/// Reviews shown; the numbers count all.
const MOST: usize = 200;
/// Rows counted: more open reviews than this are as many.
const MOST_COUNTED: usize = 10_000;

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
pub(crate) fn count(store: &Store, now: Instant) -> Result<Open, Error> {
    let mut counted = Open::default();
    for (due, _) in rows(store)? {
        counted.open += 1;
        counted.overdue += u64::from(due <= now.millis().unsigned_abs());
    }
    Ok(counted)
}

/// When each open review is due, the earliest first, and the Task.
fn rows(store: &Store) -> Result<Vec<(u64, Json)>, Error> {
    let mut rows: Vec<KeyRow> = Vec::new();
    store.descend("Task", index::review_param(), b"", &mut |row| {
        rows.push(row);
        if rows.len() < MOST_COUNTED { Step::Next } else { Step::Stop }
    })?;
    let mut found = Vec::new();
    for row in rows.iter().rev() {
        let Some(stored) = store.follow(row)? else { continue };
        // A row of the version before it was closed leads to one that is closed.
        let Ok(task) = parse(&stored.body, &Limits::default()) else { continue };
        if let Some(due) = index::open_review(&task)
            && row.value == due.to_be_bytes()
        {
            found.push((due, task));
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
    let rows = rows(&call.app.store)?;
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
