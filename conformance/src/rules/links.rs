//! The links of a resource: its References, and its uris that may name another entry of the Bundle around.

use model::json::{Json, Object};
use model::resource::resource_type;
use model::types::{self, Kind, Primitive, Shape, Table};

use super::document;
use super::read::choice;
use crate::place::Place;
use crate::report::Report;
use crate::scope::Scope;

/// One link, as the walk finds it.
#[derive(Clone, Copy)]
pub(super) struct Link<'r> {
    /// What it says; never empty, never local (`#x`).
    pub(super) text: &'r str,
    /// What it stands in.
    pub(super) kind: LinkKind,
}

/// What a link stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkKind {
    /// `Reference.reference`
    Reference,
    /// A primitive of type uri or url.
    Uri,
    /// The value of the extension narrativeLink.
    Narrative,
}

/// Calls `see` for every link of a resource but those inside of Bundles in it.
pub(super) fn each<'r>(resource: &'r Json, place: &Place<'_>, see: &mut dyn FnMut(Link<'r>, &Place<'_>)) {
    Walk { table: types::r4(), see }.resource(resource, place, 0);
}

/// Whether any Reference leads out of the resource.
pub(super) fn refers_outwards(resource: &Json) -> bool {
    let mut any = false;
    each(resource, &Place::Root("Resource"), &mut |link, _| any |= link.kind == LinkKind::Reference);
    any
}

const DEPTH: usize = 64;

/// FHIR R4 extension-narrativelink.html
const NARRATIVE_LINK: &str = "http://hl7.org/fhir/StructureDefinition/narrativeLink";

struct Walk<'r, 's> {
    table: &'static Table,
    see: &'s mut dyn FnMut(Link<'r>, &Place<'_>),
}

impl<'r> Walk<'r, '_> {
    fn resource(&mut self, resource: &'r Json, place: &Place<'_>, depth: usize) {
        let name = model::resource::resource_type(resource).unwrap_or_default();
        if depth > 0 && name == "Bundle" {
            return;
        }
        if let (Some(shape), Some(object)) = (self.table.resource(name), resource.as_object()) {
            self.object(shape, object, place, depth);
        }
    }

    fn object(&mut self, shape: &'static Shape, object: &'r Object, place: &Place<'_>, depth: usize) {
        if depth > DEPTH {
            return;
        }
        for (member, value) in object.iter() {
            let plain = member.strip_prefix('_').unwrap_or(member);
            let Some((_, element, of_type)) = shape.find(plain) else { continue };
            let of = element.is_choice.then_some(of_type.name);
            let here = Place::Member { parent: place, name: element.name, of_type: of };
            let mut item = |value: &'r Json, here: &Place<'_>| match of_type.kind {
                _ if plain.len() < member.len() => {
                    if let Some(companion) = value.as_object() {
                        self.object(self.table.element(), companion, here, depth + 1);
                    }
                }
                Kind::Primitive(Primitive::Uri | Primitive::Url) if is_link(shape, element.name) => {
                    let is_narrative =
                        shape.path == "Extension" && object.get("url").and_then(Json::as_str) == Some(NARRATIVE_LINK);
                    let kind = if is_narrative { LinkKind::Narrative } else { LinkKind::Uri };
                    self.link(value, kind, here);
                }
                Kind::Primitive(_) => {}
                Kind::Reference(id, _) => {
                    let Some(reference) = value.as_object() else { return };
                    if let Some(text) = reference.get("reference") {
                        self.link(text, LinkKind::Reference, here);
                    }
                    self.object(self.table.shape(id), reference, here, depth + 1);
                }
                Kind::Object(id) => {
                    if let Some(inner) = value.as_object() {
                        self.object(self.table.shape(id), inner, here, depth + 1);
                    }
                }
                Kind::Resource => self.resource(value, here, depth + 1),
            };
            match value {
                Json::Array(items) => {
                    for (index, value) in items.iter().enumerate() {
                        item(value, &here.item(index));
                    }
                }
                value => item(value, &here),
            }
        }
    }

    fn link(&mut self, value: &'r Json, kind: LinkKind, place: &Place<'_>) {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty() && !text.starts_with('#')) {
            (self.see)(Link { text, kind }, place);
        }
    }
}

/// Namespaces and addresses of machines are no links.
fn is_link(shape: &Shape, name: &str) -> bool {
    !matches!(
        (shape.path.as_str(), name),
        (_, "system")
            | ("Extension", "url")
            | ("Bundle.entry", "fullUrl")
            | ("MessageHeader.source" | "MessageHeader.destination", "endpoint")
            | ("Endpoint", "address")
            | ("Reference", "type")
    )
}

/// The URL of an extension that is a fragment names something of the resource that it stands in: a contained resource,
/// an element, a place of the narrative.
pub(super) fn fragment(scope: &Scope<'_>, extension: &Json, place: &Place<'_>, report: &mut Report) {
    let Some(("uri" | "url", value)) = choice(extension, "value") else { return };
    let Some(fragment) = value.as_str().and_then(|url| url.strip_prefix('#')) else { return };
    let around = scope.container.unwrap_or(scope.resource);
    // Definitions name elements of definitions.
    if resource_type(around) != Some("StructureDefinition")
        && document::count_ids(scope.resolver, around, fragment) == 0
    {
        let expected = "expected the fragment to be the id of something in the resource";
        report.error("invalid", expected, &place.member("value"));
    }
}
