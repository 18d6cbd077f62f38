//! What every resource keeps: its language and that of its text, labels once, contained resources that are used.

use std::collections::BTreeSet;

use model::json::Json;
use model::resource::id;

use super::read::text;
use crate::place::Place;
use crate::report::Report;
use crate::scope::Scope;
use crate::xhtml;

pub(super) fn check(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    let resource = scope.resource;
    language(resource, place, report);
    labels(resource, place, report);
    contained(scope, place, report);
    if scope.options.no_experimental && resource.get("experimental") == Some(&Json::Bool(true)) {
        report.error("business-rule", "expected nothing experimental here", place);
    }
    if scope.container.is_none() && text(resource, "version").is_some_and(|version| version.contains('#')) {
        report.warning("business-rule", "expected no # in the version", place);
    }
}

/// narrative.html, "xml:lang": the language of the resource is that of its text.
fn language(resource: &Json, place: &Place<'_>, report: &mut Report) {
    let Some(language) = text(resource, "language") else { return };
    let Some(document) = resource.text_at(&["text", "div"]).and_then(|div| xhtml::read(div).ok()) else { return };
    let (plain, xml) = document.languages();
    if plain.is_none() && xml.is_none() {
        report.warning("business-rule", "expected lang and xml:lang on the narrative, as the resource has one", place);
        return;
    }
    for (name, given) in [("lang", plain), ("xml:lang", xml)] {
        match given {
            None => report.warning("business-rule", format!("expected {name} on the narrative too"), place),
            Some(given) if given != language => {
                let expected = format!("expected {name} of the narrative to be the language of the resource");
                report.warning("business-rule", expected, place);
            }
            Some(_) => {}
        }
    }
}

/// Security labels are a set.
fn labels(resource: &Json, place: &Place<'_>, report: &mut Report) {
    let Some(meta) = resource.get("meta") else { return };
    let mut seen = BTreeSet::new();
    for (at, label) in meta.items("security").iter().enumerate() {
        if !seen.insert((text(label, "system"), text(label, "code"))) {
            let expected = "expected the security label once";
            report.error("business-rule", expected, &place.member("meta").member("security").item(at));
        }
    }
}

/// dom-3, and that no two contained resources have the same id. References, canonicals, uris and the narrative count.
fn contained(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    let inner = scope.resource.items("contained");
    if inner.is_empty() || !scope.options.contained {
        return;
    }
    let mut used = BTreeSet::new();
    local_links(scope.resource, &mut used, 0);
    let list = place.member("contained");
    let mut ids = BTreeSet::new();
    for (at, one) in inner.iter().enumerate() {
        let Some(own) = id(one) else { continue };
        if !ids.insert(own) {
            report.error("duplicate", "expected contained resources to have ids of their own", &list.item(at));
        }
        let refers_back = || {
            let mut found = BTreeSet::new();
            local_links(one, &mut found, 0);
            found.contains("")
        };
        if !used.contains(own) && !refers_back() {
            let expected = "expected something to refer to the contained resource, or it to its container (dom-3)";
            report.error("invalid", expected, &list.item(at));
        }
    }
}

/// Every text that starts with `#`, without it.
fn local_links<'r>(value: &'r Json, found: &mut BTreeSet<&'r str>, depth: usize) {
    if depth > 64 {
        return;
    }
    match value {
        Json::String(text) => {
            found.extend(text.strip_prefix('#').map(|local| local.split('|').next().unwrap_or_default()));
        }
        Json::Array(items) => items.iter().for_each(|item| local_links(item, found, depth + 1)),
        Json::Object(object) => {
            for (name, member) in object.iter() {
                match member.as_str() {
                    Some(div) if name == "div" => in_narrative(div, found),
                    _ => local_links(member, found, depth + 1),
                }
            }
        }
        _ => {}
    }
}

fn in_narrative<'r>(div: &'r str, found: &mut BTreeSet<&'r str>) {
    for quote in ['"', '\''] {
        for name in ["href=", "src="] {
            let pieces = div.split(name).skip(1);
            found.extend(pieces.filter_map(|piece| piece.strip_prefix(quote)?.strip_prefix('#')?.split(quote).next()));
        }
    }
}
