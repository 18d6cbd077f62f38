//! Narratives: what they are made of, where they lead, links between text and data. FHIR R4 narrative.html.

use model::json::Json;
use model::outcome::Issue;
use model::resource::{id, resource_type};

use super::document::count_ids;
use super::read::{choice, extension, extensions, text};
use crate::place::Place;
use crate::report::Report;
use crate::scope::Scope;
use crate::xhtml::{self, Document, Finding, Node};

pub(super) fn check(scope: &Scope<'_>, narrative: &Json, place: &Place<'_>, report: &mut Report) {
    let here = place.member("div");
    let Some(div) = narrative.get("div").and_then(Json::as_str) else {
        text_links(scope, narrative, None, place, report);
        return;
    };
    match xhtml::read(div) {
        Err(expected) => report.error("invalid", expected, &here),
        Ok(document) => {
            div_rules(&document, &here, report);
            internal_links(scope, &document, &here, report);
            text_links(scope, narrative, Some(&document), place, report);
        }
    }
}

fn div_rules(document: &Document<'_>, place: &Place<'_>, report: &mut Report) {
    if !document.has_content() {
        // Published examples of R4 do not keep it.
        report.warning("invariant", "expected some content in the narrative (txt-2)", place);
    }
    let found = xhtml::check(document);
    if found.iter().any(|finding| matches!(finding, Finding::Forbidden(_))) {
        report.error("invariant", "expected elements and attributes for formatting only (txt-1)", place);
    }
    for finding in found {
        let issue: Issue = finding.into_issue();
        report.problem(issue, place);
    }
}

/// `href="#x"` and `src="#x"` lead to an element, to a place in a narrative, or to a contained resource.
fn internal_links(scope: &Scope<'_>, document: &Document<'_>, place: &Place<'_>, report: &mut Report) {
    for node in &document.nodes {
        let link = match node.name() {
            Some("a") => node.attribute("href"),
            Some("img") => node.attribute("src"),
            _ => None,
        };
        let Some(target) = link.and_then(|link| link.strip_prefix('#')).filter(|target| !target.is_empty()) else {
            continue;
        };
        match targets(scope, target) {
            0 => report.error("invalid", "expected the link to lead to something in the resource", place),
            1 => {}
            _ => report.warning("invalid", "expected the link to lead to one place in the resource", place),
        }
    }
}

fn targets(scope: &Scope<'_>, target: &str) -> usize {
    let own = count_ids(scope.resolver, scope.container.unwrap_or(scope.resource), target);
    match scope.bundle {
        Some((bundle, _)) if own == 0 => count_ids(scope.resolver, bundle, target),
        _ => own,
    }
}

/// Extension textLink: which parts of the narrative say what data says.
const TEXT_LINK: &str = "http://hl7.org/fhir/StructureDefinition/textLink";

fn text_links(
    scope: &Scope<'_>,
    narrative: &Json,
    document: Option<&Document<'_>>,
    place: &Place<'_>,
    report: &mut Report,
) {
    for link in extensions(narrative, TEXT_LINK) {
        let Some(document) = document else {
            report.error("structure", "expected a narrative: its parts are linked to data", place);
            return;
        };
        for html in extensions(link, "htmlid") {
            let wanted = choice(html, "value").and_then(|(_, value)| value.as_str()).unwrap_or_default();
            if !document.nodes.iter().any(|node: &Node<'_>| node.attribute("id") == Some(wanted)) {
                report.error("structure", "expected the narrative to have an element of the linked id", place);
            }
        }
        let data = extension(link, "data").and_then(|data| choice(data, "value")).and_then(|(_, value)| value.as_str());
        let Some(data) = data else {
            report.error("structure", "expected the link to say which data it is about", place);
            continue;
        };
        match linked(scope, data) {
            0 => report.error("not-found", "expected the linked data to be there", place),
            1 => {}
            _ => report.error("invalid", "expected the link to lead to one piece of data", place),
        }
    }
}

/// How many pieces of data `#id`, `Type/id`, a full URL or one of these with a fragment lead to.
fn linked(scope: &Scope<'_>, data: &str) -> usize {
    let (url, fragment) = match data.split_once('#') {
        Some((url, fragment)) => (url, Some(fragment)),
        None => (data, None),
    };
    let entries = scope.bundle.map(|(bundle, _)| bundle.items("entry")).unwrap_or_default();
    if !scope.resolver.affords(entries.len()) {
        return 1;
    }
    if url.is_empty() {
        let fragment = fragment.unwrap_or_default();
        let own = count_ids(scope.resolver, scope.resource, fragment);
        let named = entries.iter().filter(|entry| entry.get("resource").and_then(id) == Some(fragment));
        return own
            + named
                .filter(|entry| entry.get("resource").is_some_and(|one| !std::ptr::eq(one, scope.resource)))
                .count();
    }
    let fits = |entry: &&Json| {
        let resource = entry.get("resource");
        let name = resource.and_then(|resource| Some((resource_type(resource)?, id(resource)?)));
        text(entry, "fullUrl") == Some(url) || name.is_some() && name == url.split_once('/')
    };
    let mut found = entries.iter().filter(fits);
    match (found.next(), found.next(), fragment) {
        (None, ..) => 0,
        (Some(_), Some(_), _) => 2,
        (Some(_), None, None) => 1,
        (Some(entry), None, Some(fragment)) => {
            entry.get("resource").map_or(0, |resource| count_ids(scope.resolver, resource, fragment))
        }
    }
}
