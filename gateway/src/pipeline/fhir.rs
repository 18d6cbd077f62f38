//! FHIR R4 as it comes: any Bundle or a single resource, ids kept or scoped to the source.

use std::collections::HashMap;
use std::time::Instant as Timer;

use model::bundle::entries;
use model::id::{Reference, ResourceId, ResourceType, uuid_v5};
use model::json::{Json, Object};
use model::outcome::Issue;
use model::resource::{id, patients_of, resource_type, rewrite_references};
use store::Expect;

use super::arrive::Arrived;
use super::map::{Entry, Mapped};
use super::{Cause, Refusal};
use crate::app::App;
use crate::config::Ids;

/// Under which system a scoped resource keeps the id it came with; the source's name follows.
const SOURCE_ID_SYSTEM: &str = "urn:gateway:source-id:";

/// R4 types whose `identifier` is a list: a scoped resource of another type keeps its old id in its Provenance only.
const WITHOUT_IDENTIFIER_LIST: [&str; 10] = [
    "Binary",
    "Bundle",
    "Composition",
    "QuestionnaireResponse",
    "Provenance",
    "AuditEvent",
    "OperationOutcome",
    "Parameters",
    "MessageHeader",
    "Linkage",
];

/// Takes FHIR as it stands.
///
/// # Errors
/// [`Cause::Held`] with a finding for each entry that cannot be taken.
pub(super) fn take(app: &App, arrived: &Arrived, json: &Json, started: Timer) -> Result<Mapped, Refusal> {
    let mut issues = Vec::new();
    let found = resources(json, &mut issues);
    let names = names(app, arrived, &found, &mut issues);
    if !issues.is_empty() {
        return Err(Refusal::of(Cause::Held, issues));
    }
    let mut taken = Vec::with_capacity(found.len());
    for (item, name) in found.into_iter().zip(&names) {
        let mut resource = item.resource.clone();
        rewrite(app, arrived, &mut resource, name, &names);
        taken.push(Entry { resource, expect: Expect::SameSource, place: item.place });
    }
    let patient = taken.iter().find_map(|entry| patients_of(&entry.resource).into_iter().next());
    Ok(Mapped {
        entries: taken,
        issues: Vec::new(),
        patient: patient.map(|id| id.as_str().to_owned()),
        merges: Vec::new(),
        unmerges: Vec::new(),
        rules: None,
        loss: None,
        gaps: None,
        started,
        mapped_at: app.clock.now(),
    })
}

struct Item<'j> {
    resource: &'j Json,
    full_url: Option<&'j str>,
    place: String,
}

/// What an entry is called before and after.
struct Name {
    kind: ResourceType,
    old: Option<String>,
    new: ResourceId,
    full_url: Option<String>,
}

fn resources<'j>(json: &'j Json, issues: &mut Vec<Issue>) -> Vec<Item<'j>> {
    if resource_type(json) != Some("Bundle") {
        return vec![Item {
            resource: json,
            full_url: None,
            place: resource_type(json).unwrap_or("Resource").to_owned(),
        }];
    }
    let mut found = Vec::new();
    for entry in entries(json) {
        let place = format!("Bundle.entry[{}]", entry.index);
        match (entry.resource(), entry.method().unwrap_or("PUT")) {
            (Some(resource), "PUT" | "POST") => found.push(Item { resource, full_url: entry.full_url(), place }),
            (_, "DELETE" | "PATCH") => {
                issues.push(
                    Issue::error("not-supported", "expected resources to keep: a source cannot delete or patch")
                        .at(place),
                );
            }
            (_, "GET" | "HEAD") => {}
            _ => issues.push(Issue::error("required", "expected a resource").at(place)),
        }
    }
    found
}

fn names(app: &App, arrived: &Arrived, items: &[Item<'_>], issues: &mut Vec<Issue>) -> Vec<Name> {
    let mut names = Vec::with_capacity(items.len());
    let mut seen: HashMap<(ResourceType, ResourceId), usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let Some(kind) = resource_type(item.resource).and_then(|name| ResourceType::parse(name).ok()) else {
            issues.push(
                Issue::error("structure", "expected the name of an R4 resource type")
                    .at(format!("{}.resourceType", item.place)),
            );
            continue;
        };
        let old = id(item.resource).map(str::to_owned);
        let new = match (&old, arrived.source.ids) {
            (Some(old), Ids::Kept) => ResourceId::parse(old).ok(),
            (Some(old), Ids::Scoped) => Some(scoped(app, &arrived.source.name, kind, old)),
            // Without an id it is new each time: named by the exchange, so that a repeated attempt finds it again.
            (None, _) => {
                let exchange = arrived.exchange.to_string();
                Some(uuid_v5(&app.namespace, &["entry", &exchange, &index.to_string()]).into())
            }
        };
        let Some(new) = new else {
            issues.push(
                Issue::error("value", "expected an id of 1 to 64 letters, digits, `-` and `.`")
                    .at(format!("{}.id", item.place)),
            );
            continue;
        };
        if let Some(first) = seen.insert((kind, new.clone()), index) {
            let text = format!("expected each resource once, found that of entry {first} again");
            issues.push(Issue::error("duplicate", text).at(item.place.clone()));
        }
        names.push(Name { kind, old, new, full_url: item.full_url.map(str::to_owned) });
    }
    names
}

fn scoped(app: &App, source: &str, kind: ResourceType, old: &str) -> ResourceId {
    uuid_v5(&app.namespace, &[source, &format!("{}/{old}", kind.as_str())]).into()
}

fn rewrite(app: &App, arrived: &Arrived, resource: &mut Json, name: &Name, names: &[Name]) {
    rewrite_references(resource, &mut |target| {
        if let Some(found) = names.iter().find(|name| name.full_url.as_deref() == Some(target)) {
            return Some(format!("{}/{}", found.kind, found.new));
        }
        let reference = Reference::parse(target).ok()?;
        match arrived.source.ids {
            Ids::Kept => None,
            Ids::Scoped => {
                let id = scoped(app, &arrived.source.name, reference.resource_type, reference.id.as_str());
                Some(format!("{}/{id}", reference.resource_type))
            }
        }
    });
    let Some(object) = resource.as_object_mut() else { return };
    if let Some(old) = name.old.as_deref().filter(|old| *old != name.new.as_str()) {
        keep_old_id(object, arrived, name.kind, old);
    }
    set_id(object, name.new.as_str());
}

fn keep_old_id(object: &mut Object, arrived: &Arrived, kind: ResourceType, old: &str) {
    if WITHOUT_IDENTIFIER_LIST.contains(&kind.as_str()) {
        return;
    }
    let identifier = Json::object([
        ("system", Json::from(format!("{SOURCE_ID_SYSTEM}{}", arrived.source.name))),
        ("value", Json::from(format!("{kind}/{old}"))),
    ]);
    if let Some(list) = object.get_or_insert_with("identifier", || Json::Array(Vec::new())).as_array_mut() {
        list.push(identifier);
    }
}

/// Sets the id; a new one stands behind `resourceType`, where readers look for it.
fn set_id(object: &mut Object, new: &str) {
    if object.contains_key("id") {
        object.insert("id", new);
        return;
    }
    let members: Vec<_> = object.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
    let mut made = Object::new();
    for (name, value) in members {
        let is_type = name == "resourceType";
        made.insert(name, value);
        if is_type {
            made.insert("id", new);
        }
    }
    *object = made;
}
