//! The International Patient Summary: a document Bundle of what is known about one patient.
//!
//! HL7 IPS 2.0.0, profiles Bundle-uv-ips and Composition-uv-ips: the sections and their LOINC codes. A pure function:
//! it takes the resources that may be shown, keeps them as they are and says in each section's narrative what they
//! hold. Nothing is translated and nothing is judged: a section without content says that this record has none, not
//! that there is none.

mod narrative;
mod page;
mod section;

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::bundle;
use crate::json::{Json, Object};
use crate::resource::{id, references, resource_type};
use crate::time::Instant;
pub use page::{Opened, STYLE, page};
pub use section::{Place, Section, place};

/// What a summary is made of.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a> {
    /// The Patient, with its id.
    pub patient: &'a Json,
    /// What may be shown of this patient, and what that refers to (medications, devices, practitioners …). Resources
    /// without type or id are left out; so are types that no section has, unless something shown refers to them.
    pub resources: &'a [Json],
    /// Sections of which the record holds more than was given.
    pub cut: &'a [(Section, Cut)],
    /// Who answers for the summary: an Organization or Device, with its id.
    pub author: &'a Json,
    /// When the summary was made.
    pub generated: Instant,
    /// The id of the document and of its identifier (RFC 9562).
    pub document: Uuid,
    /// The id of the Composition.
    pub composition: Uuid,
    /// The base of the full URLs, for example `https://gateway.example.org/fhir`; no `/` at its end.
    pub base: &'a str,
}

/// Why a section does not hold all of what is on record for it; its text says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// There is more than a summary shows.
    More,
    /// The time for it was over.
    Time,
}

/// Builds the document Bundle: Composition, Patient, author, then the content in the order of the sections, then what
/// it refers to.
///
/// The sections for problems, allergies and medications are always there (with `emptyReason` if they hold nothing), the
/// others if they hold something. Left out are resources entered in error, and of observations with the same code all
/// but the latest. A Patient without name or date of birth says that they are unknown.
pub fn summary(summary: &Summary<'_>) -> Json {
    let patient = with_unknowns(summary.patient);
    let name = patient_name(&patient);
    let mut shown: Vec<&Json> = vec![&patient, summary.author];
    let mut sections = Vec::new();
    let given = Given::new(summary.resources);
    let mut placed = placed(summary.resources);
    let contacts: Vec<String> = patient.items("contact").iter().filter_map(narrative::contact).collect();
    for section in Section::ALL {
        let content = placed.remove(&section).unwrap_or_default();
        let has_contacts = section == Section::Contacts && !contacts.is_empty();
        if content.is_empty() && !section.facts().required && !has_contacts {
            continue;
        }
        let cut = summary.cut.iter().find(|(of, _)| *of == section).map(|(_, cut)| *cut);
        let text = narrative::section(section, &content, &given, cut);
        let text = if has_contacts { with_contacts(&content, &contacts, text) } else { text };
        sections.push(section_json(section, &content, text));
        shown.extend(content);
    }
    add_referenced(&mut shown, &given);
    let composition = composition(summary, &name, sections);
    let mut seen = HashSet::new();
    let mut entries = vec![(format!("{}/Composition/{}", summary.base, summary.composition), composition)];
    for resource in shown {
        if let Some(reference) = local_reference(resource)
            && seen.insert(reference.clone())
        {
            entries.push((format!("{}/{reference}", summary.base), resource.clone()));
        }
    }
    let identifier = format!("urn:uuid:{}", summary.document);
    let document = bundle::document(("urn:ietf:rfc:3986", &identifier), summary.generated, entries);
    with_head(document, &summary.document, "http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips")
}

/// The resources of each section, what weighs most first, then the newest; of those of one group only the latest.
fn placed(resources: &[Json]) -> HashMap<Section, Vec<&Json>> {
    let mut all: Vec<(Place, &Json)> =
        resources.iter().filter_map(|resource| Some((place(resource)?, resource))).collect();
    // Stable: what has no date stays in the order given, behind what has one.
    all.sort_by_key(|(place, _)| (place.section, Reverse(place.rank), Reverse(place.at)));
    let mut groups = HashSet::new();
    let mut sections: HashMap<Section, Vec<&Json>> = HashMap::new();
    for (place, resource) in all {
        if place.group.is_none_or(|group| groups.insert((place.section, group))) {
            sections.entry(place.section).or_default().push(resource);
        }
    }
    sections
}

/// HL7 IPS 2.0.0, Patient-uv-ips, requires a name and a date of birth: where the record has none, the summary says so.
fn with_unknowns(patient: &Json) -> Json {
    let mut patient = patient.clone();
    let unknown = || {
        Json::object([(
            "extension",
            Json::array([Json::object([
                ("url", Json::from("http://hl7.org/fhir/StructureDefinition/data-absent-reason")),
                ("valueCode", Json::from("unknown")),
            ])]),
        )])
    };
    let no_name = patient.items("name").iter().all(|name| narrative::human_name(name).is_none());
    if let Some(object) = patient.as_object_mut() {
        if !object.contains_key("birthDate") && !object.contains_key("_birthDate") {
            object.insert("_birthDate", unknown());
        }
        if no_name {
            object.insert("name", Json::array([Json::object([("_text", unknown())])]));
        }
    }
    patient
}

fn with_contacts(content: &[&Json], contacts: &[String], text: String) -> String {
    let text = if content.is_empty() { narrative::headed(Section::Contacts) } else { text };
    narrative::contacts(contacts, text)
}

const LOINC: &str = "http://loinc.org";

fn composition(summary: &Summary<'_>, name: &str, sections: Vec<Json>) -> Json {
    let subject = local_reference(summary.patient).unwrap_or_default();
    let author = local_reference(summary.author).unwrap_or_default();
    let composition = Json::object([
        ("resourceType", Json::from("Composition")),
        ("status", Json::from("final")),
        ("type", concept(LOINC, "60591-5", "Patient summary Document")),
        ("subject", reference(&subject)),
        ("date", Json::from(summary.generated.to_rfc3339())),
        ("author", Json::array([reference(&author)])),
        ("title", Json::from(format!("Patient summary of {name}"))),
        ("section", Json::Array(sections)),
    ]);
    let profile = "http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips";
    with_head(composition, &summary.composition, profile)
}

fn section_json(section: Section, content: &[&Json], text: String) -> Json {
    let facts = section.facts();
    let mut object = Object::new();
    object.insert("title", facts.title);
    object.insert(
        "code",
        match facts.code {
            Some((code, display)) => concept(LOINC, code, display),
            None => Json::object([("text", Json::from(facts.title))]),
        },
    );
    object.insert("text", Json::object([("status", Json::from("generated")), ("div", Json::from(text))]));
    // A Device has no place among the entries of its section (DeviceUseStatement, DocumentReference): its text tells of it.
    let listed = content.iter().filter(|resource| resource_type(resource) != Some("Device"));
    let entries: Vec<Json> =
        listed.filter_map(|resource| local_reference(resource)).map(|text| reference(&text)).collect();
    if !entries.is_empty() {
        object.insert("entry", Json::Array(entries));
    } else if facts.required {
        // Not `nilknown`: that would be a clinical statement, and nobody made it.
        object.insert("emptyReason", concept(EMPTY_REASON, "unavailable", "Unavailable"));
    }
    object.into()
}

/// FHIR R4 codesystem-list-empty-reason.html.
const EMPTY_REASON: &str = "http://terminology.hl7.org/CodeSystem/list-empty-reason";

/// What was given, by reference: a record can be large, and every line may refer to something.
struct Given<'a>(HashMap<String, &'a Json>);

impl<'a> Given<'a> {
    fn new(resources: &'a [Json]) -> Self {
        Self(resources.iter().filter_map(|resource| Some((local_reference(resource)?, resource))).collect())
    }

    /// The resource that a relative reference, with or without version, points to.
    fn find(&self, reference: &str) -> Option<&'a Json> {
        self.0.get(reference.split("/_history/").next()?).copied()
    }
}

/// Types outside of the sections that a summary may refer to: who, where and with what.
pub const SUPPORT: [&str; 9] = [
    "Device",
    "HealthcareService",
    "Location",
    "Medication",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "RelatedPerson",
    "Specimen",
];

/// Adds what the shown resources refer to, and what that refers to, as far as it was given. Only types that describe
/// who, where and with what: clinical content comes in by its section or not at all.
fn add_referenced<'a>(shown: &mut Vec<&'a Json>, given: &Given<'a>) {
    let mut at = 0;
    let mut added = HashSet::new();
    while let Some(resource) = shown.get(at).copied() {
        at += 1;
        for found in references(resource) {
            let Some(other) = given.find(found.target) else { continue };
            let supports = resource_type(other).is_some_and(|name| SUPPORT.contains(&name));
            if supports && added.insert((resource_type(other), id(other))) {
                shown.push(other);
            }
        }
    }
}

/// `Type/id`.
fn local_reference(resource: &Json) -> Option<String> {
    Some(format!("{}/{}", resource_type(resource)?, id(resource)?))
}

fn reference(target: &str) -> Json {
    Json::object([("reference", Json::from(target))])
}

fn concept(system: &str, code: &str, display: &str) -> Json {
    let coding =
        Json::object([("system", Json::from(system)), ("code", Json::from(code)), ("display", Json::from(display))]);
    Json::object([("coding", Json::array([coding]))])
}

/// Puts id and profile behind the type.
fn with_head(resource: Json, id: &Uuid, profile: &str) -> Json {
    let Json::Object(object) = resource else { return resource };
    let mut out = Object::new();
    for (name, value) in object {
        out.insert(name, value);
        if out.len() == 1 {
            out.insert("id", id.to_string());
            out.insert("meta", Json::object([("profile", Json::array([Json::from(profile)]))]));
        }
    }
    out.into()
}

fn patient_name(patient: &Json) -> String {
    let name = patient.items("name").first();
    name.and_then(narrative::human_name).unwrap_or_else(|| "a patient without a name".to_owned())
}

#[cfg(test)]
mod tests;
