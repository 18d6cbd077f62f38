//! What a resource says about itself, as far as the rules ask for it.

use std::collections::HashMap;

use model::json::Json;
use model::resource::{self, patients_of};
use model::time::PartialDateTime;
use smol_str::{SmolStr, SmolStrBuilder, format_smolstr};

use crate::from_fhir::Span;
use crate::label::{INLINE_LABEL, Labels, SensitivityMap};
use crate::vocabulary::{LOINC, canonical};

/// Resource types that belong to no patient and hold the site's directory. A Schedule and its Slots do not: they may be a
/// patient's or a relative's, and their comments are about who comes.
const DIRECTORY: [&str; 13] = [
    "CodeSystem",
    "ConceptMap",
    "Device",
    "Endpoint",
    "HealthcareService",
    "Location",
    "Medication",
    "NamingSystem",
    "Organization",
    "OrganizationAffiliation",
    "Practitioner",
    "PractitionerRole",
    "ValueSet",
];

/// Elements that say who a resource comes from.
const AUTHORS: [&str; 7] = ["asserter", "author", "performer", "recorder", "requester", "sender", "agent"];

/// Where the time of what is described stands, in order; then when it was written down; then when it was stored.
/// A name that ends in an `x` is a choice element.
const TIMES: [&str; 24] = [
    "effectivex",
    "onsetx",
    "performedx",
    "occurrencex",
    "occuredx",
    "period",
    "servicedx",
    "billablePeriod",
    "collection.collectedx",
    "started",
    "start",
    "whenHandedOver",
    "sent",
    "date",
    "startx",
    "authored",
    "authoredOn",
    "recordedDate",
    "recorded",
    "dateAsserted",
    "assertedDate",
    "created",
    "issued",
    "meta.lastUpdated",
];

/// A coding found in a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundCode {
    /// System and code as one key; no key where the coding names no system.
    pub(crate) key: Option<SmolStr>,
    pub(crate) code: SmolStr,
}

/// What the rules need to know of a resource; made once per resource, decided as often as needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceFacts {
    pub(crate) resource_type: SmolStr,
    pub(crate) id: SmolStr,
    pub(crate) version: Option<SmolStr>,
    pub(crate) reference: SmolStr,
    pub(crate) patients: Vec<SmolStr>,
    pub(crate) labels: Labels,
    pub(crate) time: Option<Span>,
    pub(crate) authors: Vec<SmolStr>,
    pub(crate) codes: Vec<FoundCode>,
    pub(crate) classes: Vec<SmolStr>,
    pub(crate) references: Vec<SmolStr>,
    pub(crate) referrers: Vec<SmolStr>,
    pub(crate) linked: bool,
}

impl From<&Json> for ResourceFacts {
    /// Reads a resource. What cannot be read is absent, and absence denies.
    fn from(json: &Json) -> Self {
        let resource_type = SmolStr::new(resource::resource_type(json).unwrap_or_default());
        let id = SmolStr::new(resource::id(json).unwrap_or_default());
        let mut labels = Labels::default();
        read_labels(json, &mut labels);
        let mut found = Found::default();
        found.walk(json, "");
        let authors = AUTHORS.iter().filter(|name| **name != "agent" || resource_type == "Provenance");
        let mut facts = Self {
            reference: joined([&resource_type, "/", &id]),
            version: json.text_at(&["meta", "versionId"]).map(SmolStr::new),
            patients: patients_of(json).iter().map(|patient| joined(["Patient/", patient.as_str(), ""])).collect(),
            labels,
            time: clinical_time(json),
            authors: authors.filter_map(|name| json.get(name)).flat_map(references_in).collect(),
            codes: found.codes,
            classes: classes(json, &resource_type, found.content_types),
            references: found.references,
            referrers: Vec::new(),
            linked: false,
            resource_type,
            id,
        };
        facts.references.retain(|reference| *reference != facts.reference);
        facts
    }
}

impl ResourceFacts {
    /// `Type/id` of the resource.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The resource type.
    pub fn resource_type(&self) -> &str {
        &self.resource_type
    }

    /// The version that was read, if the resource says it.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The patients (`Patient/id`) the resource belongs to.
    pub fn patients(&self) -> impl Iterator<Item = &str> {
        self.patients.iter().map(SmolStr::as_str)
    }

    /// The security labels that count for the whole resource.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Takes up what other resources say about this one; without it a deny about related or authored data holds.
    pub fn link(&mut self, links: &Links) {
        self.linked = true;
        self.referrers = links.referrers.get(&self.reference).cloned().unwrap_or_default();
        self.authors.extend(links.agents.get(&self.reference).into_iter().flatten().cloned());
    }

    /// Adds the labels that the codes of the resource bring; `json` is the resource these facts were read from.
    pub fn map_labels(&mut self, json: &Json, map: &SensitivityMap) {
        map.run(json, &mut self.labels);
    }

    /// The same, as if nobody had looked what other resources say; of facts that were linked to nothing.
    pub(crate) fn unlinked(&self) -> Self {
        Self { linked: false, ..self.clone() }
    }

    /// Gives back memory that is not used: for facts that are kept.
    pub(crate) fn shrink(&mut self) {
        for texts in [&mut self.patients, &mut self.authors, &mut self.classes, &mut self.references] {
            texts.shrink_to_fit();
        }
        self.codes.shrink_to_fit();
    }

    /// The memory behind it, roughly.
    pub(crate) fn heap_bytes(&self) -> usize {
        // A short text lies in its place; a longer one has an allocation with two counts.
        let behind = |text: &SmolStr| if text.is_heap_allocated() { text.len() + 24 } else { 0 };
        let own = [Some(&self.resource_type), Some(&self.id), self.version.as_ref(), Some(&self.reference)];
        let lists = [&self.patients, &self.authors, &self.classes, &self.references, &self.referrers];
        let texts = own.into_iter().flatten().map(behind).sum::<usize>()
            + lists.into_iter().flatten().map(|text| behind(text) + size_of::<SmolStr>()).sum::<usize>();
        let code =
            |found: &FoundCode| found.key.as_ref().map_or(0, behind) + behind(&found.code) + size_of::<FoundCode>();
        texts + self.codes.iter().map(code).sum::<usize>() + self.labels.heap_bytes()
    }

    /// The same resource with the labels of one of its elements.
    pub(crate) fn with_labels(&self, labels: Labels) -> Self {
        Self { labels, ..self.clone() }
    }

    /// Whether the type is one of the directory.
    pub(crate) fn is_directory(&self) -> bool {
        is_directory(&self.resource_type)
    }
}

/// Whether a type holds the site's directory.
pub(crate) fn is_directory(resource_type: &str) -> bool {
    DIRECTORY.binary_search(&resource_type).is_ok()
}

/// What instances say about other resources: which they refer to, and who a Provenance names.
///
/// [`crate::Policies::related_instances`] lists the instances whose references are needed; resources that are decided
/// together can all be given.
#[derive(Clone, Debug, Default)]
pub struct Links {
    referrers: HashMap<SmolStr, Vec<SmolStr>>,
    agents: HashMap<SmolStr, Vec<SmolStr>>,
}

impl Links {
    /// Reads the references of these resources.
    pub fn of<'a>(resources: impl IntoIterator<Item = &'a Json>) -> Self {
        let mut links = Self::default();
        for resource in resources {
            links.add(resource);
        }
        links
    }

    /// Whether any of them says something about this one (`Type/id`).
    pub(crate) fn speak_of(&self, reference: &str) -> bool {
        self.referrers.contains_key(reference) || self.agents.contains_key(reference)
    }

    /// Reads the references of one more resource.
    pub fn add(&mut self, json: &Json) {
        let own = format_smolstr!(
            "{}/{}",
            resource::resource_type(json).unwrap_or_default(),
            resource::id(json).unwrap_or_default()
        );
        for reference in references_in(json) {
            self.referrers.entry(reference).or_default().push(own.clone());
        }
        if resource::resource_type(json) == Some("Provenance") {
            let agents = json.get("agent").map(references_in).unwrap_or_default();
            for target in json.get("target").map(references_in).unwrap_or_default() {
                self.agents.entry(target).or_default().extend(agents.iter().cloned());
            }
        }
    }
}

/// Joins a code system and a code to one key.
pub(crate) const SEPARATOR: &str = "\u{1f}";

/// Three texts as one. Every resource takes a dozen of these; formatting them was half of what its facts cost.
fn joined(parts: [&str; 3]) -> SmolStr {
    let mut text = SmolStrBuilder::new();
    parts.into_iter().for_each(|part| text.push_str(part));
    text.finish()
}

/// The key of a coding.
pub(crate) fn coding_key(system: &str, code: &str) -> SmolStr {
    joined([canonical(system), SEPARATOR, code])
}

/// The reference without a version: `Type/id/_history/3` names the same resource as `Type/id`.
pub(crate) fn unversioned(reference: &str) -> SmolStr {
    SmolStr::new(reference.split_once("/_history/").map_or(reference, |(instance, _)| instance))
}

fn references_in(json: &Json) -> Vec<SmolStr> {
    let mut found = Vec::new();
    collect_references(json, &mut found);
    found
}

/// Every `reference` text that is not to a contained resource, once.
fn collect_references(json: &Json, found: &mut Vec<SmolStr>) {
    match json {
        Json::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        Json::Object(object) => {
            for (name, value) in object.iter() {
                match value {
                    Json::String(target) if name == "reference" => add_reference(target, found),
                    other => collect_references(other, found),
                }
            }
        }
        _ => {}
    }
}

fn add_reference(target: &str, found: &mut Vec<SmolStr>) {
    let target = target.split_once("/_history/").map_or(target, |(instance, _)| instance);
    if !target.starts_with('#') && !found.iter().any(|known| known == target) {
        found.push(SmolStr::new(target));
    }
}

/// The labels of a resource and of all that are inside of it: contained ones, and the entries of a Bundle. The highest
/// counts for the whole (Healthcare Privacy and Security Classification System, "high water mark").
fn read_labels(json: &Json, labels: &mut Labels) {
    if let Some(security) = json.at(&["meta", "security"]) {
        match security.as_array() {
            Some(codings) => codings.iter().for_each(|coding| labels.add(coding)),
            // Not an array: a label that cannot be read.
            None => labels.add(&Json::Null),
        }
    }
    inline_labels(json, labels);
    let entries = json.items("entry").iter().filter_map(|entry| entry.get("resource"));
    json.items("contained").iter().chain(entries).for_each(|inner| read_labels(inner, labels));
}

/// Adds the inline labels that an element carries itself. Returns whether it has any.
pub(crate) fn inline_labels(element: &Json, labels: &mut Labels) -> bool {
    let mut any = false;
    for extension in element.items("extension") {
        if extension.get("url").and_then(Json::as_str) == Some(INLINE_LABEL) {
            any = true;
            labels.add(extension.get("valueCoding").unwrap_or(&Json::Null));
        }
    }
    any
}

/// One walk over the whole resource for what may stand anywhere.
#[derive(Default)]
struct Found {
    codes: Vec<FoundCode>,
    content_types: Vec<SmolStr>,
    references: Vec<SmolStr>,
}

impl Found {
    fn walk(&mut self, json: &Json, name: &str) {
        match json {
            Json::Array(items) => items.iter().for_each(|item| self.walk(item, name)),
            Json::Object(object) => {
                // A Quantity has system and code of its unit; it is no Coding. Labels are read apart.
                if name == "meta" {
                    collect_references(json, &mut self.references);
                    return;
                }
                if let Some(code) = object.get("code").and_then(Json::as_str)
                    && !object.contains_key("value")
                    && (name == "coding" || object.contains_key("system") || name.ends_with("Coding"))
                {
                    let system = object.get("system").and_then(Json::as_str);
                    let key = system.map(|system| coding_key(system, code));
                    self.codes.push(FoundCode { key, code: SmolStr::new(code) });
                }
                if let Some(content_type) = object.get("contentType").and_then(Json::as_str) {
                    let bare = content_type.split(';').next().unwrap_or_default().trim();
                    self.content_types.push(SmolStr::new(bare.to_ascii_lowercase()));
                }
                for (member, value) in object.iter() {
                    match value {
                        Json::String(target) if member == "reference" => add_reference(target, &mut self.references),
                        other => self.walk(other, member),
                    }
                }
            }
            _ => {}
        }
    }
}

/// What `Consent.provision.class` can name, each with a letter for its kind.
fn classes(json: &Json, resource_type: &str, content_types: Vec<SmolStr>) -> Vec<SmolStr> {
    let mut classes = vec![class_key(ClassKind::Type, resource_type)];
    for profile in json.at(&["meta", "profile"]).and_then(Json::as_array).unwrap_or_default() {
        if let Some(profile) = profile.as_str() {
            let canonical = profile.split('|').next().unwrap_or_default();
            classes.push(class_key(ClassKind::Profile, canonical));
        }
    }
    classes.extend(content_types.iter().map(|content_type| class_key(ClassKind::Mime, content_type)));
    if matches!(resource_type, "Composition" | "DocumentReference" | "DocumentManifest") {
        for coding in json.get("type").map(|kind| kind.items("coding")).unwrap_or_default() {
            let system = coding.get("system").and_then(Json::as_str).map(canonical);
            if let (Some(LOINC), Some(code)) = (system, coding.get("code").and_then(Json::as_str)) {
                classes.push(class_key(ClassKind::Document, code));
            }
        }
    }
    classes
}

/// The kinds of class a provision can name.
#[derive(Clone, Copy)]
pub(crate) enum ClassKind {
    Type,
    Profile,
    Mime,
    Document,
}

/// The key of a class.
pub(crate) fn class_key(kind: ClassKind, code: &str) -> SmolStr {
    let letter = match kind {
        ClassKind::Type => "t",
        ClassKind::Profile => "p",
        ClassKind::Mime => "m",
        ClassKind::Document => "d",
    };
    joined([letter, SEPARATOR, code])
}

/// The time a resource is about. The first element of the list that is there decides; if it cannot be read as a time,
/// the resource has none.
fn clinical_time(json: &Json) -> Option<Span> {
    for place in TIMES {
        let mut at = json;
        let mut steps = place.split('.').peekable();
        while let Some(step) = steps.next() {
            if steps.peek().is_none() {
                if let Some(value) = time_member(at, step) {
                    return value.span();
                }
                break;
            }
            match at.get(step) {
                Some(next) => at = next,
                None => break,
            }
        }
    }
    None
}

enum TimeValue<'a> {
    Moment(&'a Json),
    Period(&'a Json),
    Other,
}

impl TimeValue<'_> {
    fn span(self) -> Option<Span> {
        match self {
            Self::Moment(value) => {
                let moment = PartialDateTime::parse(value.as_str()?).ok()?;
                Some(Span { from: moment.earliest(), to: moment.latest() })
            }
            Self::Period(value) => Span::read(value).ok(),
            Self::Other => None,
        }
    }
}

fn time_member<'a>(json: &'a Json, name: &str) -> Option<TimeValue<'a>> {
    if let Some(choice) = name.strip_suffix('x') {
        if !json.as_object().is_some_and(|object| object.iter().any(|(member, _)| member.starts_with(choice))) {
            return None;
        }
        let member = |kind: &str| json.get(&format_smolstr!("{choice}{kind}"));
        if let Some(value) = member("DateTime").or_else(|| member("Instant")).or_else(|| member("Date")) {
            return Some(TimeValue::Moment(value));
        }
        if let Some(value) = member("Period") {
            return Some(TimeValue::Period(value));
        }
        return member("Timing").map(|_| TimeValue::Other);
    }
    match json.get(name)? {
        value @ Json::String(_) => Some(TimeValue::Moment(value)),
        value @ Json::Object(_) if name.to_ascii_lowercase().ends_with("period") => Some(TimeValue::Period(value)),
        _ => Some(TimeValue::Other),
    }
}

#[cfg(test)]
mod tests;
