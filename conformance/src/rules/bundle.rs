//! Bundles: links, full URLs, search results. FHIR R4 bundle.html. The bdl-* invariants are not repeated here.

use model::json::Json;
use model::resource::{id, resource_type};

use super::read::text;
use super::{document, links, signature};
use crate::place::Place;
use crate::report::Report;
use crate::resolve::{Named, is_absolute};
use crate::scope::Scope;

pub(super) fn check(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    let bundle = scope.resource;
    let kind = text(bundle, "type").unwrap_or_default();
    let entries = bundle.items("entry");
    check_links(bundle, kind, place, report);
    match kind {
        "document" | "message" => document::check(scope, kind, place, report),
        "searchset" if !entries.is_empty() => search_set(bundle, place, report),
        _ => {}
    }
    let list = place.member("entry");
    for (index, entry) in entries.iter().enumerate() {
        check_entry(entry, kind, &list.item(index), report);
    }
    if let Some(signature) = bundle.get("signature") {
        signature::check(signature, place, report);
    }
}

/// `fullUrl` against what the entry holds (bundle.html#bundle-unique).
fn check_entry(entry: &Json, kind: &str, place: &Place<'_>, report: &mut Report) {
    let is_optional = matches!(kind, "transaction" | "transaction-response" | "batch" | "batch-response");
    let full_url = text(entry, "fullUrl");
    let resource = entry.get("resource");
    match full_url {
        None => {
            if !is_optional {
                let expected = "expected a fullUrl: entries may be without it in transactions and batches only";
                report.error("invalid", expected, place);
            }
            let is_response = matches!(kind, "transaction-response" | "batch-response");
            let is_created = entry.text_at(&["request", "method"]) == Some("POST");
            if !is_response && !is_created && resource.is_some_and(links::refers_outwards) {
                report.error("required", "expected a fullUrl: references of the resource start from it", place);
            }
        }
        Some(url) if !is_absolute(url) => {
            report.error("invalid", "expected fullUrl to be an absolute URL or a URN", place);
        }
        Some(url) => {
            if let (Some(resource), Some(named)) = (resource, Named::parse(url)) {
                names_resource(resource, named, place, report);
            }
            let canonical = resource.and_then(|resource| text(resource, "url"));
            let is_server_url = Named::parse(url).is_some_and(|named| resource.and_then(id) == Some(named.id));
            if canonical == Some(url) && !is_server_url && !is_old_terminology(url) {
                let expected = "expected fullUrl to be where the resource is, not its canonical";
                report.error("invalid", expected, place);
            }
        }
    }
}

fn names_resource(resource: &Json, named: Named<'_>, place: &Place<'_>, report: &mut Report) {
    let Some(own_id) = id(resource) else {
        report.error("invalid", "expected the resource to have the id that its fullUrl ends in", place);
        return;
    };
    let expected = "expected fullUrl to end in the type and the id of the resource";
    if named.version.is_some() || resource_type(resource) != Some(named.type_name) {
        report.error("invalid", expected, place);
    } else if own_id != named.id {
        // Published examples have other ids.
        report.warning("invalid", expected, place);
    }
}

/// The canonicals of v2 and v3 tables before they moved look like nothing a server has.
fn is_old_terminology(url: &str) -> bool {
    url.starts_with("http://hl7.org/fhir/v3/") || url.starts_with("http://hl7.org/fhir/v2/")
}

/// Relations that belong to pages of search results stand nowhere else (http.html, "Paging").
fn check_links(bundle: &Json, kind: &str, place: &Place<'_>, report: &mut Report) {
    let list = place.member("link");
    let links = bundle.items("link");
    for (index, link) in links.iter().enumerate() {
        let Some(relation) = text(link, "relation") else { continue };
        let item = list.item(index);
        let here = item.member("relation");
        let is_page = matches!(relation, "first" | "previous" | "next" | "last");
        let is_search = matches!(kind, "searchset" | "history");
        if is_page && !is_search && !kind.is_empty() {
            report.error("invalid", "expected relations of search pages in search results and histories only", &here);
        }
        let is_repeated = links.iter().take(index).any(|earlier| text(earlier, "relation") == Some(relation));
        if is_repeated && (relation == "self" || is_page && is_search) {
            report.error("invalid", "expected the relation once", if is_search { &item } else { &here });
        }
        if relation == "stylesheet" && kind == "document" {
            stylesheet(bundle, link, &item, report);
        }
    }
}

/// documents.html, "Presentation": a style sheet is part of the document, or a URL that people have to trust.
fn stylesheet(bundle: &Json, link: &Json, place: &Place<'_>, report: &mut Report) {
    let Some(url) = text(link, "url") else { return };
    let here = place.member("url");
    if !is_absolute(url) {
        let fits = |entry: &Json| {
            let resource = entry.get("resource");
            let name = resource.and_then(|resource| Some((resource_type(resource)?, id(resource)?)));
            name.is_some() && name == url.split_once('/')
        };
        if !bundle.items("entry").iter().any(fits) {
            report.error("not-found", "expected the style sheet to be in the document", &here);
        }
    } else if url != "https://hl7.org/fhir/fhir.css" {
        report.warning("business-rule", "expected the style sheet to be part of the document", &here);
        if url.starts_with("http://") {
            report.warning("business-rule", "expected the style sheet to be fetched over TLS", &here);
        }
    }
}

/// search.html, "The Bundle": what a search answers with.
fn search_set(bundle: &Json, place: &Place<'_>, report: &mut Report) {
    let own_link = bundle.items("link").iter().find(|link| text(link, "relation") == Some("self"));
    let types = own_link.and_then(|link| text(link, "url")).map(searched_types).unwrap_or_default();
    if own_link.is_none() {
        report.warning("invalid", "expected a self link that says what the search was", place);
    } else if types.is_empty() {
        report.information("invalid", "the self link does not say which types were searched", place);
    }
    let entries = bundle.items("entry");
    let list = place.member("entry");
    let mode = |entry: &Json| entry.text_at(&["search", "mode"]).map(str::to_owned);
    let any_mode = entries.iter().any(|entry| mode(entry).is_some());
    let mut seen: Option<&str> = None;
    let mut is_unclear = false;
    for (index, entry) in entries.iter().enumerate() {
        let item = list.item(index);
        let here = item.member("resource");
        let Some(resource) = entry.get("resource") else {
            report.error("invalid", "expected a resource in every entry of a search result", &item);
            continue;
        };
        let name = resource_type(resource).unwrap_or_default();
        let has_id = id(resource).is_some();
        if any_mode {
            let mode = mode(entry);
            if mode.is_none() {
                report.warning("invalid", "expected a search mode", &item);
            }
            match mode.as_deref() {
                Some(mode @ ("match" | "include")) => {
                    if !has_id {
                        report.error("invalid", "expected the result of a search to have an id", &here);
                    }
                    if mode == "match" && !types.is_empty() && !types.contains(&name) {
                        let expected = format!("expected a resource of a searched type: {}", known(&types));
                        report.error("invalid", expected, &here);
                    }
                }
                Some("outcome") if name != "OperationOutcome" => {
                    report.error("invalid", "expected an OperationOutcome in an entry of mode outcome", &here);
                }
                _ => {}
            }
            continue;
        }
        if !has_id && name != "OperationOutcome" {
            report.warning("invalid", "expected the result of a search to have an id", &here);
        }
        if types.is_empty() {
            is_unclear = true;
        } else if !types.contains(&name) {
            is_unclear = true;
            let expected = format!("expected a resource of a searched type ({}) or a search mode", known(&types));
            report.warning("invalid", expected, &item);
        } else if name != "OperationOutcome" {
            is_unclear |= seen.is_some_and(|seen| seen != name);
            seen.get_or_insert(name);
        }
    }
    if !any_mode && is_unclear {
        report.warning("invalid", "expected search modes in the entries of a search result", place);
    } else if !any_mode {
        report.information("invalid", "the entries of the search result have no search modes", place);
    }
}

/// The types that a search URL names: its path, or `_type`.
fn searched_types(url: &str) -> Vec<&str> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let last = path.rsplit('/').next().unwrap_or_default();
    if model::id::ResourceType::parse(last).is_ok() {
        return vec![last];
    }
    query.split('&').filter_map(|pair| pair.strip_prefix("_type=")).flat_map(|list| list.split(',')).collect()
}

/// Types of R4 among what a URL says; the rest is content.
fn known(types: &[&str]) -> String {
    let known: Vec<&str> = types.iter().copied().filter(|name| model::id::ResourceType::parse(name).is_ok()).collect();
    known.join(", ")
}
