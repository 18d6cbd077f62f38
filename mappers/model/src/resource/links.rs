//! Links from one resource to another, wherever a transaction has to follow them.

use crate::json::{Json, Object};
use crate::types::{Kind, Primitive, Shape, r4};

/// Gives every link of a resource to a function that may answer with another text to stand there.
///
/// Links are references, elements of type uri, url, oid and uuid, and what a narrative links to or shows (FHIR R4 http.html,
/// "Transaction Processing Rules"). Canonicals are none: they name content, not a place.
pub fn rewrite_links(resource: &mut Json, rewrite: &mut dyn FnMut(&str) -> Option<String>) {
    let shape = shape_of(resource);
    if let Some(object) = resource.as_object_mut() {
        of_object(object, shape, rewrite);
    }
}

fn shape_of(resource: &Json) -> Option<&'static Shape> {
    r4().resource(resource.get("resourceType")?.as_str()?)
}

fn of_object(object: &mut Object, shape: Option<&'static Shape>, rewrite: &mut dyn FnMut(&str) -> Option<String>) {
    let is_reference = shape.is_none_or(|shape| shape.path == "Reference");
    for (name, member) in object.iter_mut() {
        if name == "reference" && is_reference {
            of_value(member, Link::Text, rewrite);
            continue;
        }
        let link = match shape.and_then(|shape| shape.find(name)).map(|(_, _, found)| found.kind) {
            Some(Kind::Primitive(Primitive::Uri | Primitive::Url | Primitive::Oid | Primitive::Uuid)) => Link::Text,
            Some(Kind::Primitive(Primitive::Xhtml)) => Link::Narrative,
            Some(Kind::Primitive(_)) => continue,
            Some(Kind::Object(id) | Kind::Reference(id, _)) => Link::Inside(Some(r4().shape(id))),
            Some(Kind::Resource) => Link::Resource,
            None if name.starts_with('_') => Link::Inside(Some(r4().element())),
            None => Link::Inside(None),
        };
        of_value(member, link, rewrite);
    }
}

#[derive(Clone, Copy)]
enum Link {
    Text,
    Narrative,
    Inside(Option<&'static Shape>),
    Resource,
}

fn of_value(value: &mut Json, link: Link, rewrite: &mut dyn FnMut(&str) -> Option<String>) {
    match (value, link) {
        (Json::Array(items), _) => items.iter_mut().for_each(|item| of_value(item, link, rewrite)),
        (Json::String(text), Link::Text) => {
            if let Some(other) = rewrite(text) {
                *text = other.into();
            }
        }
        (Json::String(text), Link::Narrative) => {
            if let Some(other) = of_narrative(text, rewrite) {
                *text = other.into();
            }
        }
        (Json::Object(object), Link::Inside(shape)) => of_object(object, shape, rewrite),
        (resource @ Json::Object(_), Link::Resource) => rewrite_links(resource, rewrite),
        _ => {}
    }
}

/// `href` and `src` of a narrative.
fn of_narrative(text: &str, rewrite: &mut dyn FnMut(&str) -> Option<String>) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    let mut changed = false;
    loop {
        let found = ["href=", "src="].iter().filter_map(|name| rest.find(name).map(|at| at + name.len())).min();
        let Some(start) = found else { break };
        let (before, behind) = rest.split_at_checked(start)?;
        out.push_str(before);
        rest = behind;
        let Some(quote) = behind.chars().next().filter(|quote| matches!(quote, '"' | '\'')) else { continue };
        let inner = behind.get(1..)?;
        let Some(end) = inner.find(quote) else { break };
        let (target, tail) = inner.split_at_checked(end)?;
        out.push(quote);
        match rewrite(target) {
            // What comes in is an address of ours: it holds no sign that XML would have to escape.
            Some(other) => {
                changed = true;
                out.push_str(&other);
            }
            None => out.push_str(target),
        }
        rest = tail;
    }
    out.push_str(rest);
    changed.then_some(out)
}
