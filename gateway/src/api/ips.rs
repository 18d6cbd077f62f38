//! What a patient's summary is made of, and the document (HL7 IPS 2.0.0 by `model::ips`).

use model::id::Reference;
use model::ips::{Summary, summary};
use model::json::{Json, Limits, parse};
use model::resource::{id, references, resource_type, rewrite_references};
use model::time::Instant;
use store::{Resources, Stored};

use crate::api::outcome::Failure;
use crate::app::App;
use crate::merges;

/// Types outside of the patient's compartment that a summary may refer to.
const DIRECTORY: [&str; 6] = ["Device", "Location", "Medication", "Organization", "Practitioner", "PractitionerRole"];

/// Everything stored about a patient, what was stored under numbers merged into this one, and what it refers to.
///
/// An allergy under an old number of the same person must not be missing at the bedside: such resources are read as if
/// they named the number that stands for both. Nothing here is decided yet.
pub(crate) fn record(app: &App, patient: &str) -> Result<Vec<Json>, Failure> {
    let records = merges::person(&app.store, patient)?;
    let mut found: Vec<Json> = Vec::new();
    for record in &records {
        found.extend(app.store.of_patient(record, &[])?.iter().filter_map(json));
    }
    as_one_person(&mut found, patient, &records);
    // What an audit log holds about a patient is no part of the record.
    found.retain(|resource| {
        !matches!(resource_type(resource), Some("AuditEvent" | "Provenance" | "Communication" | "Task"))
    });
    let directory = directory(app, &found)?;
    found.extend(directory);
    Ok(found)
}

/// Has everything that was stored under one of these records name this patient, and leaves the other records' Patients out.
pub(crate) fn as_one_person(resources: &mut Vec<Json>, patient: &str, records: &[String]) {
    if records.len() < 2 {
        return;
    }
    let new = format!("Patient/{patient}");
    let others: Vec<String> =
        records.iter().filter(|record| *record != patient).map(|record| format!("Patient/{record}")).collect();
    resources.retain(|resource| {
        let is_other = id(resource).is_some_and(|own| own != patient && records.iter().any(|record| record == own));
        resource_type(resource) != Some("Patient") || !is_other
    });
    let mut seen = std::collections::HashSet::new();
    resources.retain(|resource| {
        let name = (resource_type(resource).map(str::to_owned), id(resource).map(str::to_owned));
        seen.insert(name)
    });
    for resource in resources.iter_mut().filter(|resource| resource_type(resource) != Some("Patient")) {
        rewrite_references(resource, &mut |target| others.iter().any(|other| other == target).then(|| new.clone()));
    }
}

/// The directory resources that these refer to.
pub(crate) fn directory(app: &App, resources: &[Json]) -> Result<Vec<Json>, Failure> {
    let mut wanted: Vec<Reference> = resources
        .iter()
        .flat_map(references)
        .filter_map(|found| Reference::parse(found.target).ok())
        .filter(|reference| DIRECTORY.contains(&reference.resource_type.as_str()))
        .collect();
    wanted.sort();
    wanted.dedup();
    let mut found = Vec::new();
    for reference in wanted {
        let stored = app.store.read(reference.resource_type.as_str(), reference.id.as_str())?;
        // One that belongs to a patient (a Device worn) is in the record already.
        found.extend(stored.filter(|stored| !stored.deleted && stored.patients.is_empty()).as_ref().and_then(json));
    }
    Ok(found)
}

/// The document; `None` if the Patient is not among the resources.
pub(crate) fn document(app: &App, base: &str, patient: &str, resources: &[Json], now: Instant) -> Option<Json> {
    let is_own = |resource: &&Json| resource_type(resource) == Some("Patient") && id(resource) == Some(patient);
    let own = resources.iter().find(is_own)?;
    let author = author(app);
    let random = || uuid::Uuid::from_bytes(crate::keys::random::<16>().unwrap_or_default());
    Some(summary(&Summary {
        patient: own,
        resources,
        author: &author,
        generated: now,
        document: random(),
        composition: random(),
        base,
    }))
}

/// Who answers for a summary: the custodian where it is known, else this gateway.
fn author(app: &App) -> Json {
    let custodian = app.config.consent.custodian.iter().find_map(|reference| {
        let reference = Reference::parse(reference).ok()?;
        let stored = app.store.read(reference.resource_type.as_str(), reference.id.as_str()).ok()??;
        if stored.deleted { None } else { json(&stored) }
    });
    custodian.unwrap_or_else(|| {
        let name = Json::object([("name", Json::from("Anchorline")), ("type", Json::from("model-name"))]);
        Json::object([
            ("resourceType", Json::from("Device")),
            ("id", Json::from("anchorline")),
            ("deviceName", Json::array([name])),
        ])
    })
}

fn json(stored: &Stored) -> Option<Json> {
    parse(&stored.json(), &Limits::default()).ok()
}
