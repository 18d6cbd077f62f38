//! search (FHIR R4 search.html): each match is decided by itself, pages are refilled, and no number tells of what was
//! left out.

use std::ops::ControlFlow;

use auth::Action;
use consent::Interaction;
use http::StatusCode;
use model::bundle::{Hit, SearchMode, searchset};
use model::json::Json;
use model::outcome::{Issue, operation_outcome};
use search::{Cursor, Handling, Options, Query, Sort};
use store::{Order, Resources, Search};

use super::read::traced;
use super::resource_type;
use crate::api::outcome::Failure;
use crate::api::query::{escaped, pairs};
use crate::api::release::{Asking, Released};
use crate::api::{Call, Who, answer};
use crate::audit::Kind;
use crate::emergency::summary::name_exchange;
use crate::index;
use crate::layers::Response;
use crate::merges;

/// Matches looked at for one page; a caller who may see none of very many is not let to scan them all at once.
const SCAN_MOST: usize = 20_000;

/// `POST /fhir/{type}/_search`
pub(in crate::api) async fn by_form(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    if call.content_type().as_deref() != Some("application/x-www-form-urlencoded") {
        let text = "a search by POST takes application/x-www-form-urlencoded";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text));
    }
    let body = call.body().await?;
    let form = std::str::from_utf8(&body).map_err(|_| Failure::bad("the form is no UTF-8"))?;
    let joined = if call.query.is_empty() { form.to_owned() } else { format!("{}&{form}", call.query) };
    // What the form asks for holds for the answer as if it stood in the address.
    call.query.clone_from(&joined);
    search(call, who, &joined).await
}

/// `GET /fhir/{type}?…`
pub(in crate::api) async fn search(call: &Call, who: &Who, text: &str) -> Result<Response, Failure> {
    let resource_type = resource_type(call)?;
    who.must(Action::Read(resource_type.as_str()))?;
    let pairs = pairs(text)?;
    crate::api::format::acceptable(call)?;
    let base = call.base();
    let mut query = parse(call, resource_type.as_str(), &pairs, &base)?;
    // Who asks by one number of a person finds what stands under the others.
    query.widen(|patient| merges::person(&call.app.store, patient))?;
    let asking = Asking::new(&call.app, who, Interaction::Search)?;
    let binding = binding(who);
    let after = query.page(&binding).map_err(refused)?;
    let found = find(call, &asking, &query, after)?;

    let mut event = who
        .event(Kind::Search, call.app.clock.now())
        .query(text)
        .detail("type", resource_type.as_str())
        .asked(query.patients.iter().flatten().map(String::as_str));
    for released in &found.released {
        for patient in released.patients() {
            event = event.patient(patient.as_str());
        }
        event = traced(event, released);
    }
    let exchange = asking.record(event, &found.released).await?;

    let mut response = answer::fhir(StatusCode::OK, bundle(&base, &query, &binding, after, &found)?.to_bytes());
    if let Some(exchange) = exchange {
        name_exchange(&mut response, exchange);
    }
    Ok(response)
}

/// Reads a query under what the request prefers.
pub(super) fn parse(
    call: &Call,
    resource_type: &str,
    pairs: &[(String, String)],
    base: &str,
) -> Result<Query, Failure> {
    let lenient = call.prefers("handling=lenient");
    let handling = if lenient { Handling::Lenient } else { Handling::Strict };
    search::parse(resource_type, pairs, &Options { base, handling, ..Options::default() }).map_err(refused)
}

/// What a page holds.
pub(super) struct Found {
    /// What may leave.
    pub(super) released: Vec<Released>,
    /// Where the next page begins, if there may be more.
    next: Option<Cursor>,
}

/// Decides match after match until the page is full.
pub(super) fn find(call: &Call, asking: &Asking<'_>, query: &Query, after: Option<Cursor>) -> Result<Found, Failure> {
    let mut found = Found { released: Vec::new(), next: None };
    if query.is_empty() {
        return Ok(found);
    }
    let (since, until) = query.updated_between();
    let plan = Search {
        types: vec![query.resource_type.clone()],
        ids: query.ids.clone().unwrap_or_default(),
        patients: query.patients.clone().unwrap_or_default(),
        terms: query.terms.iter().map(index::condition).collect(),
        updated_since: since,
        // The latest instant itself still counts; the store's bound does not.
        updated_until: until.map(|until| until.after(std::time::Duration::from_millis(1))),
        order: match query.sort {
            Sort::NewestFirst => Order::NewestFirst,
            Sort::OldestFirst => Order::OldestFirst,
        },
        after: after.map(|cursor| store::Cursor(cursor.0)),
    };
    let (mut last, mut scanned, mut failed) = (None, 0, None);
    call.app.store.visit(&plan, &mut |stored| {
        if !query.passes_updated(stored.last_updated) {
            return ControlFlow::Continue(());
        }
        scanned += 1;
        if scanned > SCAN_MOST {
            found.next = last;
            return ControlFlow::Break(());
        }
        match asking.release(&stored) {
            Ok(Some(_)) if found.released.len() >= query.count => {
                // One more that may leave: there is a next page, and it begins after the last one shown.
                found.next = last;
                return ControlFlow::Break(());
            }
            Ok(Some(released)) => found.released.push(released),
            Ok(None) => {}
            Err(failure) => {
                failed = Some(failure);
                return ControlFlow::Break(());
            }
        }
        last = Some(Cursor(stored.cursor.0));
        ControlFlow::Continue(())
    })?;
    match failed {
        Some(failure) => Err(failure),
        None => Ok(found),
    }
}

/// The answer. A total is said only where the page holds everything: it then counts what is there to be seen anyway.
fn bundle(base: &str, query: &Query, binding: &str, after: Option<Cursor>, found: &Found) -> Result<Json, Failure> {
    let address = format!("{base}/{}", query.resource_type);
    let used: Vec<String> =
        query.used.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    let page = |cursor: Cursor| {
        let mut parts = used.clone();
        parts.push(format!("_page={}", escaped(&query.page_after(cursor, binding))));
        format!("{address}?{}", parts.join("&"))
    };
    let own = match after {
        Some(cursor) => page(cursor),
        None if used.is_empty() => address.clone(),
        None => format!("{address}?{}", used.join("&")),
    };
    let mut links = vec![("self", own)];
    links.extend(found.next.map(|cursor| ("next", page(cursor))));
    let total = (after.is_none() && found.next.is_none()).then_some(found.released.len() as u64);
    let mut hits = Vec::with_capacity(found.released.len());
    for released in &found.released {
        hits.push(Hit {
            full_url: format!("{base}/{}", released.reference()),
            resource: released.json()?,
            mode: SearchMode::Match,
        });
    }
    if !query.ignored.is_empty() {
        let text = format!("not known here and left out: {}", query.ignored.join(", "));
        hits.push(Hit {
            full_url: format!("urn:uuid:{}", crate::audit::random_id()),
            resource: operation_outcome(&[Issue::warning("not-supported", text)]),
            mode: SearchMode::Outcome,
        });
    }
    Ok(searchset(total, links, hits))
}

/// Who asks for what: the next page is of no use to anybody else.
fn binding(who: &Who) -> String {
    let purposes: Vec<String> = who.purposes().iter().map(|it| format!("{}|{}", it.system(), it.code())).collect();
    format!("{} {}", who.person(), purposes.join(" "))
}

fn refused(error: search::SearchError) -> Failure {
    let code = match error {
        search::SearchError::Value { .. } | search::SearchError::Page => "value",
        _ => "not-supported",
    };
    Failure::new(StatusCode::BAD_REQUEST, code, error.to_string())
}
