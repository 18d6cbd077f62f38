//! Invented records: patients who permit treatment, each with an encounter and vital signs.

use std::sync::atomic::{AtomicU64, Ordering};

use ::tests::http::Http;
use serde_json::{Value, json};

/// Observations of each patient, and how many codes they have.
pub(crate) const OBSERVATIONS: usize = 60;
pub(crate) const CODES: usize = 12;
/// Resources of each patient.
pub(crate) const EACH: usize = OBSERVATIONS + 3;
/// Records written side by side.
const SEEDERS: usize = 4;

/// A synthetic vital sign of about 1.1 KB.
pub(crate) fn observed(id: Option<&str>, patient: usize, number: usize) -> Value {
    let code = (8_000 + number % CODES).to_string();
    let mut made = json!({
        "resourceType": "Observation",
        "meta": { "profile": ["http://example.org/StructureDefinition/vital-sign"] },
        "identifier": [{ "system": "urn:example:lab", "value": format!("R{patient}-{number}") }],
        "status": "final",
        "category": [{ "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs",
            "display": "Vital Signs" }] }],
        "code": { "coding": [{ "system": "http://loinc.org", "code": code, "display": "Invented measurement" }],
            "text": "Invented measurement" },
        "subject": { "reference": format!("Patient/p-{patient}"), "display": "P" },
        "encounter": { "reference": format!("Encounter/e-{patient}") },
        "effectiveDateTime": format!("2026-01-{:02}T08:{:02}:00+01:00", number % 28 + 1, number % 60),
        "issued": "2026-02-01T09:00:00.000+01:00",
        "performer": [{ "reference": "Practitioner/d" }],
        "valueQuantity": { "value": 60 + number % 40, "unit": "mm[Hg]", "system": "http://unitsofmeasure.org",
            "code": "mm[Hg]" },
        "referenceRange": [{ "low": { "value": 50 }, "high": { "value": 90 }, "text": "50 to 90" }]
    });
    if let (Some(id), Some(object)) = (id, made.as_object_mut()) {
        object.insert("id".into(), json!(id));
    }
    made
}

pub(crate) fn transaction(entries: usize, patient: usize, number: usize) -> Value {
    let entry = |index: usize| {
        json!({
            "fullUrl": format!("urn:uuid:00000000-0000-4000-8000-{index:012}"),
            "resource": observed(None, patient, number + index),
            "request": { "method": "POST", "url": "Observation" }
        })
    };
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": (0..entries).map(entry).collect::<Vec<_>>() })
}

/// Patients who permit treatment, each with a record.
pub(crate) fn seed(patients: usize, administrator: &Http) -> Result<(), String> {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let seed = || -> Result<(), String> {
            loop {
                let patient = next.fetch_add(1, Ordering::Relaxed) as usize;
                if patient >= patients {
                    return Ok(());
                }
                seed_one(patient, administrator)?;
            }
        };
        let threads: Vec<_> = (0..SEEDERS).map(|_| scope.spawn(seed)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a seeder failed".to_owned())?)
    })
}

fn seed_one(patient: usize, administrator: &Http) -> Result<(), String> {
    let own = json!({ "reference": format!("Patient/p-{patient}") });
    let put = |resource: Value| {
        let url = format!(
            "{}/{}",
            resource.get("resourceType").and_then(Value::as_str).unwrap_or_default(),
            resource.get("id").and_then(Value::as_str).unwrap_or_default()
        );
        json!({ "resource": resource, "request": { "method": "PUT", "url": url } })
    };
    let mut entries = vec![
        put(json!({ "resourceType": "Patient", "id": format!("p-{patient}"), "birthDate": "1980-01-01",
            "gender": "female", "name": [{ "family": format!("Invented{patient}"), "given": ["A"] }] })),
        put(json!({ "resourceType": "Encounter", "id": format!("e-{patient}"), "status": "finished",
            "class": { "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB" },
            "subject": own })),
        put(json!({
            "resourceType": "Consent", "id": format!("c-{patient}"), "status": "active",
            "scope": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy" }] },
            "category": [{ "coding": [{ "system": "http://loinc.org", "code": "59284-0" }] }],
            "patient": own, "dateTime": "2026-01-01T00:00:00Z",
            "policyRule": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN" }] },
            "provision": { "type": "permit", "provision": [
                { "type": "deny", "purpose": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HMARKT" }] },
                { "type": "deny", "securityLabel": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY" }] }
            ] }
        })),
    ];
    entries.extend((0..OBSERVATIONS).map(|number| {
        let id = format!("o-{patient}-{number}");
        put(observed(Some(&id), patient, number))
    }));
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
    let answer = administrator.post("/fhir", &bundle);
    if answer.status != 200 {
        return Err(format!("the record of a patient: {} {}", answer.status, answer.text()));
    }
    Ok(())
}
