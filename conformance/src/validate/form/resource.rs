//! Resources as wholes: their type, and what they contain. FHIR R4 references.html, "Contained Resources".

use std::collections::HashSet;

use model::json::{Json, Object};

use crate::place::Place;

use super::Walk;

impl<'r> Walk<'r, '_> {
    /// A resource that stands by itself: at the top, in a Bundle entry, in Parameters.
    pub(super) fn independent(&mut self, resource: &'r Json, place: &Place<'_>) {
        let outer = std::mem::take(&mut self.contained);
        let inner = resource.items("contained");
        self.contained = inner
            .iter()
            .filter_map(|each| Some((model::resource::id(each)?, model::resource::resource_type(each)?)))
            .collect();
        self.resource(resource, place);
        if !inner.is_empty() && self.inside && self.alone {
            self.unreferenced(resource, inner, place);
        }
        self.contained = outer;
    }

    fn resource(&mut self, resource: &'r Json, place: &Place<'_>) {
        let Some(object) = resource.as_object() else {
            self.error("structure", "expected an object: a resource", place);
            return;
        };
        let Some(name) = object.get("resourceType") else {
            self.error("required", "expected resourceType", place);
            return;
        };
        match name.as_str().and_then(|name| self.table.resource(name)) {
            Some(shape) => self.object(shape, object, place),
            None => self.error("structure", "expected resourceType to be a resource type of R4", place),
        }
    }

    /// One item of `contained`.
    pub(super) fn contained(&mut self, resource: &'r Json, place: &Place<'_>) {
        if !self.inside {
            return;
        }
        self.resource(resource, place);
        let Some(object) = resource.as_object() else { return };
        if !object.contains_key("id") {
            self.error("required", "expected an id: without it nothing can refer to a contained resource", place);
        }
        if object.contains_key("contained") {
            self.error("invariant", "expected no contained resource in a contained resource (dom-2)", place);
        }
        if let Some(meta) = object.get("meta").and_then(Json::as_object) {
            self.contained_meta(meta, place);
        }
    }

    fn contained_meta(&mut self, meta: &Object, place: &Place<'_>) {
        if meta.contains_key("versionId") || meta.contains_key("lastUpdated") {
            self.error("invariant", "expected no version in a contained resource (dom-4)", place);
        }
        if meta.contains_key("security") {
            self.error("invariant", "expected no security label on a contained resource (dom-5)", place);
        }
    }

    /// dom-3: something refers to each contained resource, or it refers to its container.
    fn unreferenced(&mut self, resource: &'r Json, contained: &'r [Json], place: &Place<'_>) {
        let mut used = HashSet::new();
        local_references(resource, &mut used);
        let list = Place::Member { parent: place, name: "contained", of_type: None };
        for (index, each) in contained.iter().enumerate() {
            let Some(id) = model::resource::id(each) else { continue };
            let refers_back = || {
                let mut own = HashSet::new();
                local_references(each, &mut own);
                own.contains("")
            };
            if !used.contains(id) && !refers_back() {
                let here = Place::Item { parent: &list, index };
                self.error("invariant", "expected a reference to the contained resource (dom-3)", &here);
            }
        }
    }
}

/// Every text that starts with `#`, without it: References, canonicals and URIs can all be local.
fn local_references<'r>(value: &'r Json, found: &mut HashSet<&'r str>) {
    match value {
        Json::String(text) => found.extend(text.strip_prefix('#')),
        Json::Array(items) => items.iter().for_each(|item| local_references(item, found)),
        Json::Object(object) => object.iter().for_each(|(_, member)| local_references(member, found)),
        _ => {}
    }
}
