//! What a reference names without leading to it: a person, an organization, a place by its name or number alone.
//!
//! FHIR that others wrote says many authors and performers so. The document says as much of them as the reference does.

use model::json::{Json, Object};

use super::Writer;
use super::node::Node;
use super::values::Found;
use crate::reverse::Library;
use crate::tree::path::Path;
use crate::tree::table::Row;

impl<'b> Writer<'_, 'b> {
    /// Writes what a reference says itself, as the resource that the table of a row is for.
    pub(super) fn named(&mut self, row: &Row, path: &Path, number: usize, found: Found<'b>, node: &mut Node) -> bool {
        let (Some(table), Some(reference)) = (self.tables.tables.get(number), found.json.as_object()) else {
            return false;
        };
        let Some((kind, resource)) = stand_in(reference, &table.root) else { return false };
        let library = Library::new(&resource);
        let link = Json::object([("reference", Json::from(format!("{kind}/named")))]);
        let Some(base) = link.as_object() else { return false };
        let mut writer = Writer::new(self.compiled, &library, self.authorities);
        if !writer.resource(row, path, number, Found { json: &link, base, item: None, lexeme: None }, node) {
            return false;
        }
        // The address leads nowhere in a document, and an identifier's system may have no OID: both stay listed.
        for name in ["display", "type"] {
            reference.get(name).into_iter().for_each(|json| self.taken.take(json));
        }
        let (said, made) = (reference.get("identifier"), resource.get("identifier").and_then(|items| items.item(0)));
        if let (Some(said), Some(made)) = (said, made) {
            self.taken.take_like(said, made, &writer.taken);
        }
        true
    }
}

/// A resource of what a Reference says: of the type it names, or else of the one wanted.
fn stand_in(reference: &Object, wanted: &str) -> Option<(String, Json)> {
    let address = reference.get("reference").and_then(Json::as_str).unwrap_or_default();
    let told = || {
        let (kind, _) = address.rsplit('/').nth(1).map(|kind| (kind, ()))?;
        kind.starts_with(|c: char| c.is_ascii_uppercase()).then_some(kind)
    };
    let kind = reference.get("type").and_then(Json::as_str).or_else(told).unwrap_or(wanted);
    // Of a role the reference says who has it.
    let kind = if kind == "PractitionerRole" { "Practitioner" } else { kind };
    let mut out = Object::of([("resourceType", Json::from(kind)), ("id", Json::from("named"))]);
    if let Some(identifier) = reference.get("identifier").filter(|_| kind != "HealthcareService") {
        out.insert("identifier", Json::array([identifier.clone()]));
    }
    let display = reference.get("display").and_then(Json::as_str).filter(|text| !text.trim().is_empty());
    if display.is_none() && !out.contains_key("identifier") {
        return None;
    }
    if let Some(text) = display {
        let text = || Json::object([("text", Json::from(text))]);
        match kind {
            "Practitioner" | "RelatedPerson" | "Patient" => out.insert("name", Json::array([text()])),
            "Organization" | "Location" => out.insert("name", Json::from(display.unwrap_or_default())),
            "Device" => {
                let name = Json::from(display.unwrap_or_default());
                let name = Json::object([("name", name), ("type", Json::from("other"))]);
                out.insert("deviceName", Json::array([name]));
                out.insert("type", text())
            }
            "Medication" => out.insert("code", text()),
            "Specimen" => out.insert("type", text()),
            _ => return None,
        };
    }
    Some((kind.to_owned(), Json::Object(out)))
}
