//! Which version a resource is of.

use std::collections::BTreeSet;

use model::json::{Json, Object};
use model::outcome::Issue;
use model::types::{Kind, Shape, ShapeId, Table};

use crate::version::Version;

/// What is known of a resource's version.
#[derive(Clone, Debug)]
pub struct Detected {
    /// The version to go on with: the one that fits best; of several that fit equally R4, else the newest.
    pub version: Version,
    /// Those that fit equally well; one if it is certain.
    pub candidates: Vec<Version>,
    /// Whether it says so itself, or its shape fits one version without a fault and no other.
    pub is_certain: bool,
    /// Why it is not certain, or that it says another version than it has the shape of.
    pub issue: Option<Issue>,
}

/// Looks at what a resource says of itself (`meta.profile`, `fhirVersion` of a definition) and at its shape.
pub fn detect(resource: &Json) -> Detected {
    if let Some(version) = said(resource) {
        return Detected { version, candidates: vec![version], is_certain: true, issue: None };
    }
    let misfits: Vec<(usize, Version)> =
        Version::ALL.into_iter().map(|version| (misfits(resource, version.table()), version)).collect();
    let least = misfits.iter().map(|(count, _)| *count).min().unwrap_or_default();
    let candidates: Vec<Version> =
        misfits.iter().filter(|(count, _)| *count == least).map(|(_, version)| *version).collect();
    let version = match candidates.as_slice() {
        many if many.contains(&Version::R4) => Version::R4,
        many => many.last().copied().unwrap_or(Version::R4),
    };
    let names: Vec<String> = candidates.iter().map(ToString::to_string).collect();
    let issue = (candidates.len() > 1 && !candidates.contains(&Version::R4)).then(|| {
        Issue::warning("business-rule", format!("its shape is that of {}: taken for {version}", names.join(" and of ")))
    });
    let is_certain = least == 0 && candidates.len() == 1;
    Detected { version, candidates, is_certain, issue }
}

/// What the resource says itself; in a Bundle its first entries count too.
fn said(resource: &Json) -> Option<Version> {
    let base = "http://hl7.org/fhir/";
    let of_url = |url: &str| {
        let number = url.split_once('|').map(|(_, number)| number).filter(|_| url.starts_with(base));
        number.or_else(|| url.strip_prefix(base)?.split('/').next()).and_then(Version::parse)
    };
    let profiles = resource.get("meta").map(|meta| meta.items("profile")).unwrap_or_default();
    let own = profiles.iter().filter_map(Json::as_str).find_map(of_url);
    own.or_else(|| {
        let kind = resource.text_at(&["resourceType"]);
        let is_definition = matches!(kind, Some("StructureDefinition" | "CapabilityStatement" | "Conformance"));
        resource.text_at(&["fhirVersion"]).filter(|_| is_definition).and_then(Version::parse)
    })
    .or_else(|| resource.items("entry").iter().take(16).filter_map(|entry| entry.get("resource")).find_map(said))
}

/// How many elements a version does not have, or has in another form.
pub(crate) fn misfits(resource: &Json, table: &'static Table) -> usize {
    let Some(object) = resource.as_object() else { return 1 };
    match resource.text_at(&["resourceType"]).and_then(|kind| table.resource(kind)) {
        // A type that is not there is worth more than any element.
        None => 1000,
        Some(shape) => of_object(object, shape, table),
    }
}

fn of_object(object: &Object, shape: &'static Shape, table: &'static Table) -> usize {
    let mut seen = BTreeSet::new();
    let mut count = 0;
    for (name, value) in object.iter() {
        let bare = name.strip_prefix('_').unwrap_or(name);
        if bare == "resourceType" && shape.is_resource || !seen.insert(bare) || name.starts_with('_') {
            continue;
        }
        let Some((_, element, of_type)) = shape.find(bare) else {
            count += 1;
            continue;
        };
        if element.repeats() != value.as_array().is_some() {
            count += 1;
        }
        let values = match value {
            Json::Array(items) => items.as_slice(),
            single => std::slice::from_ref(single),
        };
        for each in values {
            count += of_value(each, of_type.kind, table);
        }
    }
    let is_missing = |element: &&model::types::Element| {
        element.min > 0 && !object.iter().any(|(name, _)| name.trim_start_matches('_').starts_with(element.name))
    };
    count + shape.elements.iter().filter(is_missing).count()
}

fn of_value(value: &Json, kind: Kind, table: &'static Table) -> usize {
    let shape = |id: ShapeId| table.shape(id);
    match (kind, value) {
        (_, Json::Null) => 0,
        (Kind::Resource, resource) => misfits(resource, table),
        (Kind::Object(id) | Kind::Reference(id, _), Json::Object(object)) => of_object(object, shape(id), table),
        (Kind::Primitive(_), Json::Object(_)) | (Kind::Object(_) | Kind::Reference(..), _) => 1,
        (Kind::Primitive(_), _) => 0,
    }
}
