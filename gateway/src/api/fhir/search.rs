//! search (FHIR R4 search.html): each match is decided by itself, pages are refilled, and no number tells of what was
//! left out.

use auth::Action;
use consent::Interaction;
use http::StatusCode;
use model::id::ResourceType;
use model::outcome::Issue;
use search::{Handling, Options, Query, SortBy, Total};
use store::Order;

use super::include::{self, Included};
use super::resource_type;
use crate::api::outcome::Failure;
use crate::api::query::pairs;
use crate::api::release::Asking;
use crate::api::{Call, Who, answer};
use crate::audit::Kind;
use crate::emergency::summary::name_exchange;
use crate::layers::Response;
use crate::merges;

mod bundle;
mod cursor;
pub(super) mod matches;
mod walk;

use bundle::{Links, Shown, bundle};
use cursor::Part;
use matches::Matches;

pub use cursor::Seal;

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
    let address = format!("{base}/{resource_type}");
    let binding = binding(who, &address, &query.used);
    let part = part(&call.app.pages, query.page.as_deref(), &binding)?;
    let shown = shown(&asking, &query, &base, &part)?;

    let event = who
        .event(Kind::Search, call.app.clock.now())
        .query(text)
        .detail("type", resource_type.as_str())
        .asked(query.patients.iter().flatten().map(String::as_str));
    let leaving = [&shown.found.released[..], &shown.included[..]].concat();
    let exchange = asking.record(event, &leaving).await?;
    if leaving.is_empty() {
        // Nothing there, or nothing to be seen: one answer, at one time.
        asking.settle().await;
    }

    let links = Links { address: &address, used: &query.used, part: &part, seal: &call.app.pages, binding: &binding };
    let mut response = answer::fhir(StatusCode::OK, bundle(&base, &links, &shown)?.to_bytes());
    if let Some(exchange) = exchange {
        name_exchange(&mut response, exchange);
    }
    Ok(response)
}

/// Finds the matches of a page, what comes along with them, and how many there are.
fn shown(asking: &Asking<'_>, query: &Query, base: &str, part: &Part) -> Result<Shown, Failure> {
    let matches = Matches::new(asking, query);
    let mut shown = Shown::default();
    if !query.ignored.is_empty() {
        let text = format!("not known here and left out: {}", query.ignored.join(", "));
        shown.said.push(Issue::warning("not-supported", text));
    }
    if query.only_count {
        shown.total = walk::counted(&matches)?;
        return if shown.total.is_some() { Ok(shown) } else { Err(walk::too_costly("count them")) };
    }
    let order = match query.sort.as_slice() {
        [] => Order::NewestFirst,
        [key] if key.by == SortBy::LastUpdated && key.descending => Order::NewestFirst,
        [key] if key.by == SortBy::LastUpdated => Order::OldestFirst,
        _ => return Err(not_yet("_sort")),
    };
    shown.found = walk::page(&matches, order, part, query.count)?;
    // Without further work a total is known only where the page holds everything.
    shown.total = match (query.total, shown.found.total) {
        (Total::Silent, _) => None,
        (_, Some(known)) => Some(known),
        (Total::AsKnown, None) => None,
        (Total::Counted, None) => Some(walk::counted(&matches)?.ok_or_else(|| walk::too_costly("count them"))?),
    };
    let Included { released, cut, .. } = include::follow(asking, query, base, &shown.found.released)?;
    shown.included = released;
    if cut {
        let text = "not everything that _include and _revinclude name is on this page";
        shown.said.push(Issue::warning("too-costly", text));
    }
    Ok(shown)
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
    let registry = call.app.parameters.registry();
    let options = Options { base, handling, now: call.app.clock.now(), ..Options::new(&registry) };
    let types = [ResourceType::parse(resource_type).map_err(|_| Failure::bad("expected a resource type"))?];
    let query = search::parse(&types, pairs, &options).map_err(|errors| refused(&errors))?;
    if !query.clauses.iter().all(|clause| matches!(clause, search::Clause::Rows(_))) {
        return Err(not_yet("a chain, _has, _filter, _text, _content, _list or near"));
    }
    if query.summary.is_some() || !query.elements.is_empty() {
        return Err(not_yet("_summary or _elements"));
    }
    Ok(query)
}

fn not_yet(what: &str) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, "not-supported", format!("parameter '{what}' is not supported"))
}

/// What a link is bound to: what is asked, by whom, for what purpose. It is of no use to anybody else, nor for another
/// search. It is no proof: what is on the page is decided anew.
fn binding(who: &Who, address: &str, used: &[(String, String)]) -> Vec<u8> {
    let mut binding = Vec::new();
    let purposes: Vec<String> = who.purposes().iter().map(|it| format!("{}|{}", it.system(), it.code())).collect();
    let texts = [who.person(), purposes.join(" "), address.to_owned()];
    for text in texts.iter().chain(used.iter().flat_map(|(name, value)| [name, value])) {
        binding.extend((text.len() as u64).to_be_bytes());
        binding.extend(text.as_bytes());
    }
    binding
}

fn part(seal: &Seal, page: Option<&str>, binding: &[u8]) -> Result<Part, Failure> {
    let Some(page) = page else { return Ok(Part::First) };
    seal.opened(page, binding).ok_or_else(|| {
        let text = "parameter '_page': expected the link of a page of this search";
        Failure::new(StatusCode::BAD_REQUEST, "value", text)
    })
}

fn refused(errors: &[search::SearchError]) -> Failure {
    let issues = errors.iter().map(|error| Issue::error(error.code(), error.to_string())).collect();
    Failure::of(StatusCode::BAD_REQUEST, issues)
}
