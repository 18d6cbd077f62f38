//! search (FHIR R4 search.html): each match is decided by itself, pages are refilled, and no number, order, chain or word
//! tells of what was left out.

use std::borrow::Cow;

use consent::Interaction;
use http::StatusCode;
use model::id::ResourceType;
use model::outcome::Issue;
use search::{Clause, Handling, Options, Query, Term, Total};

use super::include::{self, Included};
use crate::api::outcome::Failure;
use crate::api::query::pairs;
use crate::api::release::Asking;
use crate::api::{Call, Who, answer};
use crate::audit::Kind;
use crate::emergency::summary::name_exchange;
use crate::layers::Response;

mod bundle;
mod codes;
pub(super) mod cursor;
pub(super) mod evaluate;
pub(super) mod links;
pub(super) mod matches;
mod scope;
mod sort;
mod walk;
mod words;

use bundle::{Shown, bundle};
use codes::Codes;
use cursor::Part;
use evaluate::Evaluation;
use links::Links;
use matches::Matches;
use scope::Scope;

pub use cursor::Seal;

/// Matches looked at for one page; a caller who may see none of very many is not let to scan them all at once.
pub(super) const SCAN_MOST: usize = 20_000;

/// An id of nobody.
const NOBODY: &str = "nobody";

/// `POST …/_search`
pub(in crate::api) async fn by_form(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    let kind = call.content_type();
    let body = call.body().await?;
    // Everything may stand in the address.
    if kind.as_deref() != Some("application/x-www-form-urlencoded") && !(kind.is_none() && body.is_empty()) {
        let text = "a search by POST takes application/x-www-form-urlencoded";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text));
    }
    let form = std::str::from_utf8(&body).map_err(|_| Failure::bad("the form is no UTF-8"))?;
    let joined = if call.query.is_empty() { form.to_owned() } else { format!("{}&{form}", call.query) };
    // What the form asks for holds for the answer as if it stood in the address.
    call.query.clone_from(&joined);
    search(call, who).await
}

/// `GET /fhir/{type}?…`, `GET /fhir?…`, `GET /fhir/{compartment}/{id}/{type}?…`
pub(in crate::api) async fn search(call: &Call, who: &Who) -> Result<Response, Failure> {
    let scope = Scope::of(call)?;
    let pairs = pairs(&call.query)?;
    crate::api::format::acceptable(call)?;
    let base = call.base();
    let asking = Asking::new(&call.app, who, Interaction::Search)?;
    let mut query = parse(call, &asking, &scope.types(), &pairs, &base)?;
    scope.reached(who, &mut query)?;
    let address = scope.address(&base);
    let links = Links::new(call, who, &address, &query.used);
    let part = links.part(query.page.as_deref())?;
    let find = || shown(call, &asking, &scope, &query, &base, &part);
    // What may take long must not keep others waiting for this thread.
    let shown = if is_quick(&query) { find()? } else { tokio::task::block_in_place(find)? };

    let asked = query.patients.iter().flatten().map(String::as_str).chain(scope.patient());
    let event =
        who.event(Kind::Search, call.app.clock.now()).query(&call.query).detail("type", scope.named()).asked(asked);
    let leaving = match shown.included.is_empty() {
        true => Cow::Borrowed(&shown.found.released[..]),
        false => Cow::Owned([&shown.found.released[..], &shown.included[..]].concat()),
    };
    let exchange = asking.record(event, &leaving).await?;
    if leaving.is_empty() {
        // Nothing there, or nothing to be seen: one answer, at one time.
        asking.settle().await;
    }

    let mut response = answer::fhir(StatusCode::OK, bundle(&base, (&links, &part), &shown)?);
    if let Some(exchange) = exchange {
        name_exchange(&mut response, exchange);
    }
    Ok(response)
}

/// Whether the store finds what is asked at once: by values, in its own order, and no more than a page.
fn is_quick(query: &Query) -> bool {
    let is_keyed = |clause: &Clause| matches!(clause, Clause::Rows(Term::AnyOf(_)));
    let found_at_once = query.ids.is_some() || query.clauses.iter().any(is_keyed);
    let follows = !(query.includes.is_empty() && query.reverse_includes.is_empty());
    let counts = query.only_count || query.total == Total::Counted;
    found_at_once
        && query.clauses.iter().all(is_keyed)
        && sort::own_order(&query.sort).is_some()
        && !(follows || counts)
}

/// Finds the matches of a page, what comes along with them, and how many there are.
fn shown(
    call: &Call,
    asking: &Asking<'_>,
    scope: &Scope,
    query: &Query,
    base: &str,
    part: &Part,
) -> Result<Shown, Failure> {
    let registry = call.app.parameters.registry();
    let evaluation = Evaluation::new(asking, &registry, base);
    let queries = scope.searches(query.clone(), &evaluation)?;
    let searches = queries.iter().map(|query| Matches::new(&evaluation, query)).collect::<Result<Vec<_>, Failure>>()?;
    let mut shown = Shown::default();
    if !query.ignored.is_empty() {
        let text = format!("not known here and left out: {}", query.ignored.join(", "));
        shown.said.push(Issue::warning("not-supported", text));
    }
    let counted = || walk::counted(&searches)?.ok_or_else(|| walk::too_costly("count them"));
    if query.only_count {
        shown.total = Some(counted()?);
        return Ok(shown);
    }
    shown.found = match (searches.as_slice(), sort::own_order(&query.sort)) {
        ([matches], Some(order)) => walk::page(matches, order, part, query.count)?,
        _ => sort::page(&searches, &query.sort, part, query.count)?,
    };
    // Without further work a total is known only where everything was looked at anyway.
    shown.total = match (query.total, shown.found.total) {
        (Total::Silent, _) | (Total::AsKnown, None) => None,
        (_, Some(known)) => Some(known),
        (Total::Counted, None) => Some(counted()?),
    };
    if !(query.includes.is_empty() && query.reverse_includes.is_empty()) {
        let Included { released, cut, .. } = include::follow(asking, &registry, query, base, &shown.found.released)?;
        shown.included = released;
        if cut {
            let text = "not everything that _include and _revinclude name is on this page";
            shown.said.push(Issue::warning("too-costly", text));
        }
    }
    Ok(shown)
}

/// Reads a query under what the request prefers. Who asks by one number of a person finds what stands under the others.
pub(super) fn parse(
    call: &Call,
    asking: &Asking<'_>,
    types: &[ResourceType],
    pairs: &[(String, String)],
    base: &str,
) -> Result<Query, Failure> {
    let handling = if call.prefers("handling=lenient") { Handling::Lenient } else { Handling::Strict };
    let registry = call.app.parameters.registry();
    let host = Codes { asking, terminology: call.app.validation.validator().terminology(), base };
    let options = Options { base, handling, host: &host, now: call.app.clock.now(), ..Options::new(&registry) };
    let read = || search::parse(types, pairs, &options);
    let in_codes = |name: &str| [":in", ":not-in", ":above", ":below"].iter().any(|it| name.ends_with(it));
    // Codes may be asked of another server, which is waited for; a `_filter` may ask for them too.
    let waits = pairs.iter().any(|(name, _)| in_codes(name) || name == "_filter");
    let read = if waits { tokio::task::block_in_place(read) } else { read() };
    let mut query = read.map_err(|errors| {
        let issue = |error: &search::SearchError| {
            Issue::error(error.code(), error.to_string()).at(error.parameter().to_owned())
        };
        Failure::of(StatusCode::BAD_REQUEST, errors.iter().map(issue).collect())
    })?;
    query.widen(|patient| asking.person(patient))?;
    Ok(query)
}
