//! References: their form, and what they lead to within what was given. FHIR R4 references.html.

use model::id::ResourceType;
use model::json::Json;
use model::resource::resource_type;

use super::read::text;
use crate::place::Place;
use crate::report::Report;
use crate::resolve::{Named, Target, is_absolute};
use crate::scope::Scope;

pub(super) fn check(scope: &Scope<'_>, value: &Json, place: &Place<'_>, report: &mut Report) {
    let Some(reference) = text(value, "reference") else {
        let has = |name: &str| value.get(name).is_some();
        if !has("display") && !has("identifier") && !has("extension") && !has("_reference") {
            report.warning("structure", "expected a reference, an identifier or at least a display", place);
        }
        return;
    };
    if reference.chars().any(char::is_whitespace) {
        report.error("invalid", "expected a reference without white space", place);
        return;
    }
    if reference.starts_with('#') {
        if scope.resolver.resolve(scope, reference) == Target::Missing
            && !(reference == "#" && scope.container.is_none())
        {
            report.error("structure", "expected a contained resource of that id", place);
        }
        return;
    }
    if let Some((name, query)) = reference.split_once('?')
        && ResourceType::parse(name).is_ok()
    {
        if !is_query(query) {
            report.error("invalid", "expected a search as name=value, joined by &", place);
        }
        return;
    }
    if scope.bundle.is_none() && !is_absolute(reference) && Named::parse(reference).is_none() {
        report.warning("invalid", "expected Type/id, an absolute URL, a URN or #id", place);
    }
    if let Some((bundle, entry)) = scope.bundle {
        bundled(scope, bundle, entry, reference, place, report);
    } else if scope.options.references_must_exist && scope.resolver.resolve(scope, reference) == Target::Outside {
        report.error("structure", "expected the reference to lead to a resource that was given", place);
    }
}

/// bundle.html, "Resolving references in Bundles".
fn bundled(scope: &Scope<'_>, bundle: &Json, entry: usize, reference: &str, place: &Place<'_>, report: &mut Report) {
    let own = bundle.items("entry").get(entry).and_then(|entry| text(entry, "fullUrl"));
    let is_relative = !is_absolute(reference);
    let Some(index) = scope.resolver.bundle(bundle) else { return };
    if is_relative {
        if own.is_none() {
            return;
        }
        if !matches!(reference.matches('/').count(), 1 | 3) {
            report.error("invalid", "expected a relative reference to be Type/id", place);
            return;
        }
    }
    let expected_type = Named::parse(reference).filter(|_| is_relative).map(|named| named.type_name);
    match scope.resolver.resolve(scope, reference) {
        Target::Bundled { resource, .. } => {
            if expected_type.is_some_and(|name| resource_type(resource) != Some(name)) {
                report.error("required", "expected the entry to have the type that the reference names", place);
            }
        }
        Target::Ambiguous => report.error("forbidden", "expected one entry with that fullUrl", place),
        _ => {
            if reference.starts_with("urn:") {
                report.warning("required", "expected the Bundle to have an entry with that URN as fullUrl", place);
            }
            let Some(named) = Named::parse(reference).filter(|_| is_relative) else { return };
            let count = index.named(named.type_name, named.id).count();
            if count > 0 {
                let text = "an entry has the type and the id, but by its fullUrl it is not what the reference means";
                report.warning("required", text, place);
            }
            if count > 1 {
                report.warning("required", "more than one entry has the type and the id of the reference", place);
            }
        }
    }
}

fn is_query(query: &str) -> bool {
    !query.is_empty()
        && query.split('&').all(|pair| {
            let name = pair.split_once('=').map(|(name, value)| (name, !value.contains('=')));
            name.is_some_and(|(name, fits)| {
                let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':' | b'.');
                fits && !name.is_empty() && name.bytes().all(is_letter)
            })
        })
}
