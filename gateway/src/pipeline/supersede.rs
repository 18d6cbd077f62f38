//! Versions of one document: a newer one replaces the earlier, and an earlier one that arrives late replaces nothing.
//!
//! CDA R2, "Document identification, revisions, and addenda": a revision has an id of its own, the `setId` of the original, a
//! higher `versionNumber`, and names the document it replaces (`relatedDocument`, `RPLC`). Their entries have the ids of the
//! original's: what is taken over last would count, whatever its age. Only documents of one source are compared: nobody
//! replaces what somebody else has sent.

use model::json::{Json, Limits, parse};
use model::outcome::Issue;
use model::resource::{id, resource_type};
use store::{Expect, Resources, Store, Stored};

use super::map::{Entry, Mapped};

/// Rule of the finding about a document that comes too late.
pub(super) const RULE: &str = "superseded-document";

/// Extensions by which a Composition says which version of what it is.
const SET: &str = "urn:anchorline:cda-cdaSetId";
const VERSION: &str = "http://hl7.org/fhir/us/ccda/StructureDefinition/VersionNumber";

/// Which document a Composition is.
struct Document {
    /// `system|value` of its id.
    own: Option<String>,
    set: Option<String>,
    version: Option<u64>,
    /// Ids of the documents it replaces.
    replaces: Vec<String>,
}

/// Compares a document with those of its patient that the same source has sent before; whether it comes too late, and nothing of
/// it is to be written.
///
/// # Errors
/// What the store says; nothing is written then.
pub(super) fn settle(store: &Store, source: &str, mapped: &mut Mapped) -> Result<bool, store::Error> {
    let is_composition = |entry: &Entry| resource_type(&entry.resource) == Some("Composition");
    let (Some(place), Some(patient)) = (mapped.entries.iter().position(is_composition), mapped.patient.clone()) else {
        return Ok(false);
    };
    let Some(entry) = mapped.entries.get(place) else { return Ok(false) };
    let (document, own) = (Document::of(&entry.resource), id(&entry.resource).unwrap_or_default().to_owned());
    if document.set.is_none() && document.own.is_none() {
        return Ok(false);
    }
    let mut replaced = Vec::new();
    for stored in store.of_patient(&patient, &["Composition"])? {
        let Some(other) = read(&stored).filter(|_| stored.author.source == source) else { continue };
        let before = Document::of(&other);
        if document.is_before(&before, stored.id == own) {
            let text = "a newer version of this document is stored: nothing of this one is taken over";
            mapped.issues.push(Issue::warning("business-rule", text).at("/ClinicalDocument/versionNumber").rule(RULE));
            mapped.entries.clear();
            mapped.merges.clear();
            return Ok(true);
        }
        if stored.id != own && before.is_before(&document, false) {
            replaced.push((stored, other));
        }
    }
    for (stored, other) in replaced {
        relate(&mut mapped.entries, "Composition", &format!("Composition/{}", stored.id));
        for file in files(store, &other)? {
            supersede(&mut mapped.entries, &file, source);
        }
    }
    Ok(false)
}

impl Document {
    fn of(composition: &Json) -> Self {
        let extension =
            |url: &str| composition.items("extension").iter().find(|item| item.text_at(&["url"]) == Some(url));
        let version = extension(VERSION).and_then(|version| version.text_at(&["valueString"])?.trim().parse().ok());
        let relations = composition.items("relatesTo").iter();
        let replaces = relations.filter(|relation| relation.text_at(&["code"]) == Some("replaces"));
        Self {
            own: composition.get("identifier").and_then(name),
            set: extension(SET).and_then(|set| name(set.get("valueIdentifier")?)),
            version,
            replaces: replaces.filter_map(|relation| name(relation.get("targetIdentifier")?)).collect(),
        }
    }

    /// Whether another document is a later version of this one; `same`: it has the same id.
    fn is_before(&self, other: &Self, same: bool) -> bool {
        let named = !same && self.own.as_ref().is_some_and(|own| other.replaces.contains(own));
        let one_set = self.set.is_some() && self.set == other.set;
        named || (one_set && self.version.zip(other.version).is_some_and(|(own, other)| own < other))
    }
}

fn name(identifier: &Json) -> Option<String> {
    Some(format!("{}|{}", identifier.text_at(&["system"]).unwrap_or_default(), identifier.text_at(&["value"])?))
}

fn read(stored: &Stored) -> Option<Json> {
    parse(&stored.body, &Limits::default()).ok().filter(|_| !stored.deleted)
}

/// The files that are the bodies of a document without structure: of sections that have no code.
fn files(store: &Store, composition: &Json) -> Result<Vec<Stored>, store::Error> {
    let bodies = composition.items("section").iter().filter(|section| section.get("code").is_none());
    let references =
        bodies.flat_map(|section| section.items("entry")).filter_map(|entry| entry.text_at(&["reference"]));
    let mut found = Vec::new();
    for file in references.filter_map(|reference| reference.strip_prefix("DocumentReference/")) {
        found.extend(store.read("DocumentReference", file)?.filter(|stored| !stored.deleted));
    }
    Ok(found)
}

/// Marks a file as superseded, and says so in the one that takes its place. FHIR R4 documentreference.html, `status`.
fn supersede(entries: &mut Vec<Entry>, stored: &Stored, source: &str) {
    let place = format!("DocumentReference/{}", stored.id);
    let again = entries.iter().any(|entry| {
        resource_type(&entry.resource) == Some("DocumentReference") && id(&entry.resource) == Some(stored.id.as_str())
    });
    let Some(mut file) = read(stored).filter(|_| !again && stored.author.source == source) else { return };
    relate(entries, "DocumentReference", &place);
    if let Some(object) = file.as_object_mut() {
        object.insert("status", "superseded");
    }
    entries.push(Entry { resource: file, expect: Expect::Version(stored.version), place });
}

/// Adds to the first resource of a type that it replaces another.
fn relate(entries: &mut [Entry], kind: &str, target: &str) {
    let first = entries.iter_mut().find(|entry| resource_type(&entry.resource) == Some(kind));
    let Some(object) = first.and_then(|entry| entry.resource.as_object_mut()) else { return };
    let reference = Json::object([("reference", Json::from(target))]);
    let member = if kind == "Composition" { "targetReference" } else { "target" };
    let relation = Json::object([("code", Json::from("replaces")), (member, reference)]);
    let relations = object.get_or_insert_with("relatesTo", || Json::Array(Vec::new()));
    if let Some(relations) = relations.as_array_mut()
        && !relations.contains(&relation)
    {
        relations.push(relation);
    }
}
