//! search (FHIR R4 search.html): each match is decided by itself, pages are refilled, and no number tells of what was
//! left out.

use std::ops::ControlFlow;

use auth::Action;
use consent::Interaction;
use http::StatusCode;
use model::bundle::{Hit, SearchMode, searchset};
use model::json::Json;
use model::outcome::{Issue, operation_outcome};
use search::{Cursor, Handling, Options, Query, Sort, Total};
use store::{Order, Search};

use super::include::{self, Included};
use super::resource_type;
use crate::api::outcome::Failure;
use crate::api::query::{escaped, pairs};
use crate::api::release::{Asking, Held, Released};
use crate::api::{Call, Who, answer};
use crate::audit::Kind;
use crate::emergency::summary::name_exchange;
use crate::index;
use crate::layers::Response;
use crate::merges;

/// Matches looked at for one page; a caller who may see none of very many is not let to scan them all at once.
pub(super) const SCAN_MOST: usize = 20_000;

/// An id of nobody.
const NOBODY: &str = "nobody";

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
    let page = match query.only_count {
        true => Page { total: Some(counted(&asking, &query)?), ..Page::default() },
        false => page(&asking, &query, &base, after)?,
    };

    let event = who
        .event(Kind::Search, call.app.clock.now())
        .query(text)
        .detail("type", resource_type.as_str())
        .asked(query.patients.iter().flatten().map(String::as_str));
    let exchange = asking.record(event, &page.released).await?;
    if page.released.is_empty() {
        // Nothing there, or nothing to be seen: one answer, at one time.
        asking.settle().await;
    }

    let mut response = answer::fhir(StatusCode::OK, bundle(&base, &query, &binding, after, &page)?.to_bytes());
    if let Some(exchange) = exchange {
        name_exchange(&mut response, exchange);
    }
    Ok(response)
}

/// One page of an answer.
#[derive(Default)]
struct Page {
    /// The matches, then what came along with them.
    released: Vec<Released>,
    /// How many of them are matches.
    matches: usize,
    next: Option<Cursor>,
    total: Option<u64>,
    /// More came along than one page may hold.
    cut: bool,
}

fn page(asking: &Asking<'_>, query: &Query, base: &str, after: Option<Cursor>) -> Result<Page, Failure> {
    let found = find(asking, query, after)?;
    let Included { released: included, cut, .. } = include::follow(asking, query, base, &found.released)?;
    let matches = found.released.len();
    // Without further work a total is known only where the page holds everything: it then counts what is to be seen anyway.
    let known = (after.is_none() && found.next.is_none()).then_some(matches as u64);
    let total = match query.total {
        Total::Silent => None,
        Total::AsKnown => known,
        Total::Counted => match known {
            Some(known) => Some(known),
            None => Some(counted(asking, query)?),
        },
    };
    let released = found.released.into_iter().chain(included).collect();
    Ok(Page { released, matches, next: found.next, total, cut })
}

/// How many matches may be seen: each is decided, none is shown.
fn counted(asking: &Asking<'_>, query: &Query) -> Result<u64, Failure> {
    let mut counted = 0_u64;
    let all = each(asking, query, None, &mut |released, _| {
        counted += u64::from(released.is_some());
        ControlFlow::Continue(())
    })?;
    match all {
        Looked::AtAll => Ok(counted),
        Looked::AtMost => {
            let text =
                format!("more than {SCAN_MOST} resources would have to be looked at to count them; narrow the search");
            Err(Failure::new(StatusCode::BAD_REQUEST, "too-costly", text))
        }
    }
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

/// The matches of a page.
struct Found {
    /// What may leave.
    released: Vec<Released>,
    /// Where the next page begins, if there may be more.
    next: Option<Cursor>,
}

/// Decides match after match until the page is full.
fn find(asking: &Asking<'_>, query: &Query, after: Option<Cursor>) -> Result<Found, Failure> {
    let mut found = Found { released: Vec::new(), next: None };
    let (mut last, mut full) = (None, false);
    let looked = each(asking, query, after, &mut |released, cursor| {
        match released {
            Some(_) if found.released.len() >= query.count => {
                // One more that may leave: there is a next page, and it begins after the last one shown.
                full = true;
                return ControlFlow::Break(());
            }
            Some(released) => found.released.push(released),
            None => {}
        }
        last = Some(cursor);
        ControlFlow::Continue(())
    })?;
    if full || looked == Looked::AtMost {
        found.next = last;
    }
    Ok(found)
}

/// Whether everything was looked at that a query finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    AtAll,
    /// [`SCAN_MOST`] were, and there are more.
    AtMost,
}

/// Decides match after match: what may leave of it, and its place.
fn each(
    asking: &Asking<'_>,
    query: &Query,
    after: Option<Cursor>,
    take: &mut dyn FnMut(Option<Released>, Cursor) -> ControlFlow<()>,
) -> Result<Looked, Failure> {
    let mut failed = None;
    let looked = visit(asking, query, after, &mut |held| match asking.release(held) {
        Ok(released) => take(released, Cursor(held.cursor().0)),
        Err(failure) => {
            failed = Some(failure);
            ControlFlow::Break(())
        }
    })?;
    match failed {
        Some(failure) => Err(failure),
        None => Ok(looked),
    }
}

/// Shows each match, undecided, until the visitor breaks or [`SCAN_MOST`] were shown.
pub(super) fn visit(
    asking: &Asking<'_>,
    query: &Query,
    after: Option<Cursor>,
    visitor: &mut dyn FnMut(&Held) -> ControlFlow<()>,
) -> Result<Looked, Failure> {
    if query.is_empty() {
        asking.release_nothing(&query.resource_type, NOBODY)?;
        return Ok(Looked::AtAll);
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
    let (mut scanned, mut looked) = (0, Looked::AtAll);
    asking.visit(&plan, &mut |held| {
        if !query.passes_updated(held.last_updated()) {
            return ControlFlow::Continue(());
        }
        scanned += 1;
        if scanned > SCAN_MOST {
            looked = Looked::AtMost;
            return ControlFlow::Break(());
        }
        visitor(&held)
    })?;
    if scanned == 0 {
        // Nothing there costs what one match costs that is withheld.
        asking.release_nothing(&query.resource_type, NOBODY)?;
    }
    Ok(looked)
}

/// The answer.
fn bundle(base: &str, query: &Query, binding: &str, after: Option<Cursor>, shown: &Page) -> Result<Json, Failure> {
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
    links.extend(shown.next.map(|cursor| ("next", page(cursor))));
    let mut hits = Vec::with_capacity(shown.released.len());
    for (index, released) in shown.released.iter().enumerate() {
        hits.push(Hit {
            full_url: format!("{base}/{}", released.reference()),
            resource: released.json()?,
            mode: if index < shown.matches { SearchMode::Match } else { SearchMode::Include },
        });
    }
    let mut said = Vec::new();
    if shown.cut {
        said.push(Issue::warning("too-costly", "not everything that _include and _revinclude name is on this page"));
    }
    if !query.ignored.is_empty() {
        let text = format!("not known here and left out: {}", query.ignored.join(", "));
        said.push(Issue::warning("not-supported", text));
    }
    if !said.is_empty() {
        hits.push(Hit {
            full_url: format!("urn:uuid:{}", crate::audit::random_id()),
            resource: operation_outcome(&said),
            mode: SearchMode::Outcome,
        });
    }
    Ok(searchset(shown.total, links, hits))
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
