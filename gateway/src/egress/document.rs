//! The documents that a partner of C-CDA gets: one for each patient, of what consent releases about them.

use std::collections::BTreeSet;

use mappers::RenderContext;
use model::id::uuid_v5;
use model::json::{Json, Object};
use model::resource::{id, patients_of, resource_type};
use store::Exchange;

use super::render::authorities;
use crate::app::App;
use crate::config::Destination;

/// Who a document is by that nobody has written.
const SOFTWARE: &str = "Anchorline";

/// The texts of the documents, in the order of the patients; the same resources give the same bytes.
///
/// `is_whole` says that nothing was withheld. Otherwise no narrative is taken over: each section's is made of the entries
/// that are released, and a section that is nothing but narrative is left out, as nobody can tell what it mentions.
///
/// # Errors
/// One sentence for the delivery.
pub(super) fn documents(
    app: &App,
    destination: &Destination,
    exchange: &Exchange,
    resources: Vec<Json>,
    is_whole: bool,
) -> Result<Vec<Vec<u8>>, &'static str> {
    let set = app.packages.current();
    let package = set.packages().of_format("ccda", &destination.packages).map_err(|_| "no package writes C-CDA")?;
    let context = RenderContext {
        message_code: destination.document_type.clone(),
        time: Some(exchange.received),
        sending_application: SOFTWARE.to_owned(),
        authorities: authorities(app, destination, exchange),
        ..RenderContext::default()
    };
    let mut patients = BTreeSet::new();
    for resource in &resources {
        patients.extend(patients_of(resource).iter().map(|patient| patient.as_str().to_owned()));
    }
    let mut out = Vec::with_capacity(patients.len());
    for patient in &patients {
        let own: Vec<Json> = resources.iter().filter(|resource| is_of(resource, patient)).cloned().collect();
        let name = uuid_v5(&app.namespace, &["document", &destination.name, &exchange.id.to_string(), patient]);
        let time = Json::from(exchange.received.to_string());
        let written = package.write_cda(&bundle(own, &name.to_string(), time, is_whole), &context);
        // What found no place is counted, not named: places hold ids.
        let left = written.issues.iter().filter(|issue| issue.code == "not-supported").count();
        if left > 0 {
            tracing::info!(exchange = %exchange.id, destination = destination.name, left, "resources without a section");
        }
        if written.bytes.is_empty() {
            return Err("no document can be written of this");
        }
        out.push(written.bytes);
    }
    if out.is_empty() { Err("a document is about a patient, and this is about none") } else { Ok(out) }
}

/// Whether a resource belongs into the document of a patient: it is about nobody else, or about nobody.
fn is_of(resource: &Json, patient: &str) -> bool {
    patients_of(resource).iter().all(|of| of.as_str() == patient)
}

/// The resources as a document: under an id of its own, as it is not the document that came.
fn bundle(mut resources: Vec<Json>, name: &str, time: Json, is_whole: bool) -> Json {
    let identifier = Json::object([
        ("system", Json::from("urn:ietf:rfc:3986")),
        ("value", Json::from(format!("urn:uuid:{name}").as_str())),
    ]);
    let mut compositions = 0;
    resources.retain(|resource| {
        compositions += usize::from(resource_type(resource) == Some("Composition"));
        compositions <= 1 || resource_type(resource) != Some("Composition")
    });
    for composition in resources.iter_mut().filter(|it| resource_type(it) == Some("Composition")) {
        if let Some(composition) = composition.as_object_mut() {
            derive(composition, &identifier);
            if !is_whole {
                without_narrative(composition);
            }
        }
    }
    let entries = resources.into_iter().map(|resource| {
        let kind = resource_type(&resource).unwrap_or_default();
        let url = format!("{kind}/{}", id(&resource).unwrap_or_default());
        Json::object([("fullUrl", Json::from(url.as_str())), ("resource", resource)])
    });
    Json::object([
        ("resourceType", Json::from("Bundle")),
        ("type", Json::from("collection")),
        ("identifier", identifier),
        ("timestamp", time),
        ("entry", Json::array(entries)),
    ])
}

/// What is written of a document is another one, made of it (CDA R2, "ParentDocument", `XFRM`).
fn derive(composition: &mut Object, identifier: &Json) {
    let Some(origin) = composition.insert("identifier", identifier.clone()) else { return };
    let relation = Json::object([("code", Json::from("transforms")), ("targetIdentifier", origin)]);
    let relations = composition.get_or_insert_with("relatesTo", || Json::Array(Vec::new()));
    if let Some(relations) = relations.as_array_mut() {
        // What is known by our reference alone has no id that a document could name.
        relations.retain(|relation| relation.get("targetIdentifier").is_some());
        relations.push(relation);
    }
}

/// Takes out the narratives, and the sections that are nothing without them.
fn without_narrative(holder: &mut Object) {
    holder.remove("text");
    let Some(sections) = holder.get_mut("section").and_then(Json::as_array_mut) else { return };
    for section in sections.iter_mut().filter_map(Json::as_object_mut) {
        without_narrative(section);
    }
    sections.retain(|section| !section.items("entry").is_empty() || !section.items("section").is_empty());
    if sections.is_empty() {
        holder.remove("section");
    }
}

#[cfg(test)]
mod tests;
