//! history of a resource, of a type, of everything (FHIR R4 http.html, "history").
//!
//! Each version is decided by itself, by the consents of now; a deletion is shown to who could have read what was deleted.
//! The history of everything leaves out the audit log, which every page of it would lengthen: it has its own.

use std::ops::ControlFlow;

use auth::Action;
use consent::Interaction;
use http::StatusCode;
use model::id::{Reference, ResourceType};
use model::json::{Json, Object};
use model::time::{Instant, PartialDateTime};
use store::{Cursor, Span};

use super::read::{about, refused};
use super::search::SCAN_MOST;
use super::search::cursor::Part;
use super::search::links::Links;
use super::{resource_type, target};
use crate::api::outcome::Failure;
use crate::api::query::{pairs, unknown_parameter};
use crate::api::release::{Asking, Held, Released};
use crate::api::{Call, Who, answer, format};
use crate::audit::Kind;
use crate::emergency::summary::name_exchange;
use crate::layers::Response;

/// Versions of one page, unless `_count` says another number.
const PAGE: usize = 100;
/// Versions of one page at most.
const PAGE_MOST: usize = 1_000;

/// Whose history is asked for.
enum Of {
    Instance(Reference),
    Type(ResourceType),
    Everything,
}

/// Which part of it.
#[derive(Default)]
struct Asked {
    count: usize,
    since: Option<Instant>,
    /// A period: its first instant, and the first behind it.
    at: Option<(Instant, Instant)>,
    page: Option<String>,
    /// As they were sent, for links.
    used: Vec<(String, String)>,
}

/// `GET /fhir/{type}/{id}/_history`
pub(in crate::api) async fn instance(call: &Call, who: &Who) -> Result<Response, Failure> {
    let (resource_type, id) = target(call)?;
    who.must(Action::Read(resource_type.as_str()))?;
    answered(call, who, &Of::Instance(Reference::new(resource_type, id))).await
}

/// `GET /fhir/{type}/_history`
pub(in crate::api) async fn of_type(call: &Call, who: &Who) -> Result<Response, Failure> {
    let resource_type = resource_type(call)?;
    who.must(Action::Read(resource_type.as_str()))?;
    answered(call, who, &Of::Type(resource_type)).await
}

/// `GET /fhir/_history`. What the caller's roles and scopes do not reach is not shown.
pub(in crate::api) async fn system(call: &Call, who: &Who) -> Result<Response, Failure> {
    answered(call, who, &Of::Everything).await
}

/// One version that is shown: with its text, unless it is a deletion.
struct Shown {
    held: Held,
    released: Option<Released>,
}

async fn answered(call: &Call, who: &Who, of: &Of) -> Result<Response, Failure> {
    let asked = asked(call)?;
    let address = match of {
        Of::Instance(reference) => format!("{}/{reference}/_history", call.base()),
        Of::Type(resource_type) => format!("{}/{resource_type}/_history", call.base()),
        Of::Everything => format!("{}/_history", call.base()),
    };
    let links = Links::new(call, who, &address, &asked.used);
    let after = match links.part(asked.page.as_deref())? {
        Part::After(place) => Some(place.position),
        _ => None,
    };
    let asking = Asking::new(&call.app, who, Interaction::History)?;
    let event = who.event(Kind::History, call.app.clock.now());
    let (page, event) = match of {
        Of::Instance(reference) => {
            let versions = asking.history(reference, after, PAGE_MOST + 1)?;
            let event = about(event, &versions);
            let name = reference.to_string();
            let (refusal, event) = (refused(event.clone(), &versions, &name), event.entity(name));
            if versions.is_empty() {
                asking.release_nothing(reference.resource_type.as_str(), reference.id.as_str())?;
            }
            match page_of_instance(&asking, &asked, versions)? {
                Some(page) => (page, event),
                None => {
                    asking.record(refusal, &[]).await?;
                    asking.settle().await;
                    return Err(Failure::unknown(&reference.to_string()));
                }
            }
        }
        Of::Type(resource_type) => {
            let name = resource_type.as_str();
            (page_of_types(&asking, &asked, &[name], after)?, event.detail("type", name))
        }
        Of::Everything => {
            let types = call.app.store.types()?;
            let types: Vec<&str> = types.iter().map(String::as_str).filter(|name| *name != "AuditEvent").collect();
            let page = if types.is_empty() { Page::default() } else { page_of_types(&asking, &asked, &types, after)? };
            (page, event)
        }
    };
    // Nothing is asked to be shown, so nothing follows.
    let page = Page { next: page.next.filter(|_| asked.count > 0), ..page };
    let released: Vec<Released> = page.shown.iter().filter_map(|one| one.released.clone()).collect();
    let exchange = asking.record(event, &released).await?;
    if page.shown.is_empty() {
        // Nothing there, or nothing to be seen: one answer, at one time.
        asking.settle().await;
    }
    let mut response = answer::fhir(StatusCode::OK, bundle(call, &links, after, &page)?);
    if let Some(exchange) = exchange {
        name_exchange(&mut response, exchange);
    }
    Ok(response)
}

/// One page.
#[derive(Default)]
struct Page {
    shown: Vec<Shown>,
    /// Where the next one begins, if there may be more.
    next: Option<u64>,
}

impl Shown {
    /// `None` for what the caller may not see.
    fn of(asking: &Asking<'_>, held: Held) -> Result<Option<Self>, Failure> {
        if held.is_deleted() {
            return Ok(asking.could_have_read(&held)?.then_some(Self { held, released: None }));
        }
        Ok(asking.release(&held)?.map(|released| Self { held, released: Some(released) }))
    }
}

/// Of versions, newest first; `None` if the caller may see none of them.
fn page_of_instance(asking: &Asking<'_>, asked: &Asked, versions: Vec<Held>) -> Result<Option<Page>, Failure> {
    let (mut page, mut is_known) = (Page::default(), false);
    let (mut looked, many) = (0, versions.len() > PAGE_MOST);
    let mut last = None;
    for held in versions {
        let (at, version, is_deleted) = (held.last_updated(), held.version(), held.is_deleted());
        let Some(shown) = Shown::of(asking, held)? else { continue };
        is_known = true;
        let (before, behind) = match asked.at {
            Some((start, end)) => (at < start, at >= end),
            None => (asked.since.is_some_and(|since| at < since), false),
        };
        if behind {
            continue;
        }
        // The version that was current when the period began counts too.
        if before && (asked.at.is_none() || is_deleted) {
            break;
        }
        if looked == asked.count {
            page.next = last;
            return Ok(Some(page));
        }
        looked += 1;
        last = Some(version);
        page.shown.push(shown);
        if before {
            return Ok(Some(page));
        }
    }
    if many && page.next.is_none() {
        page.next = last;
    }
    Ok(is_known.then_some(page))
}

fn page_of_types(asking: &Asking<'_>, asked: &Asked, types: &[&str], after: Option<u64>) -> Result<Page, Failure> {
    let (mut page, mut failed) = (Page::default(), None);
    let (mut scanned, mut last) = (0, None);
    let span = Span {
        since: asked.since.filter(|_| asked.at.is_none()),
        until: asked.at.map(|(_, end)| end),
        after: after.map(Cursor),
    };
    asking.history_of(types, &span, &mut |held| {
        let position = held.cursor().0;
        scanned += 1;
        if scanned > SCAN_MOST {
            page.next = last;
            return ControlFlow::Break(());
        }
        let shown = match counts(asking, asked, &held) {
            Ok(true) => Shown::of(asking, held),
            Ok(false) => Ok(None),
            Err(failure) => Err(failure),
        };
        match shown {
            Ok(Some(_)) if page.shown.len() >= asked.count => {
                page.next = last;
                return ControlFlow::Break(());
            }
            Ok(Some(shown)) => page.shown.push(shown),
            Ok(None) => {}
            Err(failure) => {
                failed = Some(failure);
                return ControlFlow::Break(());
            }
        }
        last = Some(position);
        ControlFlow::Continue(())
    })?;
    failed.map_or(Ok(page), Err)
}

/// Whether a version was current at some time of the period that was asked for.
fn counts(asking: &Asking<'_>, asked: &Asked, held: &Held) -> Result<bool, Failure> {
    let Some((start, _)) = asked.at else { return Ok(true) };
    if held.last_updated() >= start {
        return Ok(true);
    }
    if held.is_deleted() {
        return Ok(false);
    }
    let next = asking.version(held.resource_type(), held.id(), held.version() + 1)?;
    Ok(next.is_none_or(|next| next.last_updated() >= start))
}

/// Reads the parameters (http.html, "history").
fn asked(call: &Call) -> Result<Asked, Failure> {
    format::acceptable(call)?;
    let mut asked = Asked { count: PAGE, ..Asked::default() };
    let bad =
        |name: &str, text: &str| Failure::new(StatusCode::BAD_REQUEST, "value", format!("parameter '{name}': {text}"));
    for (name, value) in pairs(&call.query)? {
        match name.as_str() {
            "_count" => {
                let count: usize = value.parse().map_err(|_| bad(&name, "expected a number"))?;
                asked.count = count.min(PAGE_MOST);
            }
            "_since" => {
                let since = PartialDateTime::parse(&value).map_err(|_| bad(&name, "expected an instant"))?;
                asked.since = Some(since.earliest());
            }
            "_at" => {
                let at = PartialDateTime::parse(&value).map_err(|_| bad(&name, "expected a date or time"))?;
                let end = at.latest().after(std::time::Duration::from_millis(1));
                asked.at = Some((at.earliest(), end));
            }
            "_page" => {
                asked.page = Some(value);
                continue;
            }
            // How an answer is written is not a matter of this place.
            "_format" | "_pretty" | "_summary" | "_elements" => {}
            _ if call.prefers("handling=lenient") => continue,
            _ => {
                return Err(unknown_parameter(
                    &name,
                    "_count, _since, _at, _page, _format, _pretty, _summary, _elements",
                ));
            }
        }
        asked.used.push((name, value));
    }
    if asked.at.is_some() && asked.since.is_some() {
        return Err(Failure::bad("_at and _since cannot both be asked"));
    }
    Ok(asked)
}

fn bundle(call: &Call, links: &Links<'_>, after: Option<u64>, page: &Page) -> Result<Vec<u8>, Failure> {
    let link = |relation: &str, after: Option<u64>| {
        let url = links.to(&after.map_or(Part::First, Part::behind))?;
        Ok::<_, Failure>(Json::object([("relation", Json::from(relation)), ("url", Json::from(url))]))
    };
    let mut bundle = Object::new();
    bundle.insert("resourceType", "Bundle");
    bundle.insert("type", "history");
    let mut links = vec![link("self", after)?];
    if after.is_some() || page.next.is_some() {
        links.push(link("first", None)?);
    } else {
        // On one page: nothing that is withheld is counted.
        bundle.insert("total", page.shown.len() as u64);
    }
    if page.next.is_some() {
        links.push(link("next", page.next)?);
    }
    bundle.insert("link", Json::Array(links));
    if !page.shown.is_empty() {
        let entries = page.shown.iter().map(|one| entry(call, &one.held, one.released.as_ref()));
        bundle.insert("entry", Json::Array(entries.collect::<Result<_, _>>()?));
    }
    Ok(Json::from(bundle).to_bytes())
}

/// One version as an entry; a deletion has no resource.
fn entry(call: &Call, held: &Held, released: Option<&Released>) -> Result<Json, Failure> {
    let reference = held.reference();
    let method = match (released, held.method()) {
        (None, _) | (_, store::Method::Delete) => "DELETE",
        (Some(_), store::Method::Post) => "POST",
        (Some(_), store::Method::Patch) => "PATCH",
        (Some(_), store::Method::Put) => "PUT",
    };
    let status = match (released, held.version()) {
        (None, _) => "204 No Content",
        (Some(_), 1) => "201 Created",
        (Some(_), _) => "200 OK",
    };
    let url = if method == "POST" { held.resource_type() } else { reference.as_str() };
    let mut entry = Object::new();
    entry.insert("fullUrl", format!("{}/{reference}", call.base()));
    if let Some(released) = released {
        entry.insert("resource", released.json()?);
    }
    entry.insert("request", Json::object([("method", Json::from(method)), ("url", Json::from(url))]));
    entry.insert(
        "response",
        Json::object([
            ("status", Json::from(status)),
            ("etag", Json::from(format!("W/\"{}\"", held.version()).as_str())),
            ("lastModified", Json::from(held.last_updated().to_rfc3339().as_str())),
        ]),
    );
    Ok(entry.into())
}
