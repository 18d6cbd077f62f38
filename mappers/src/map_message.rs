//! From a message to a Bundle: runs the tables, adds the Provenance, puts the entries together.

use formats::hl7v2::Message;
use model::bundle::put_entry;
use model::id::ResourceId;
use model::json::{Json, Object};
use model::outcome::Issue;
use smol_str::SmolStrBuilder;

use crate::eval::{Eval, Resource, reference};
use crate::input::Input;
use crate::package::Package;
use crate::trace::Account;
use crate::types::{Context, Mapped, Merge};

/// System of the identifier that names the mapping package in a Provenance.
pub(crate) const PACKAGE_SYSTEM: &str = "urn:anchorline:mapping-package";

pub(crate) fn map_message(package: &Package, message: &Message, context: &Context<'_>, account: Account) -> Mapped {
    let compiled = package.compiled();
    let input = Input::new(message, compiled);
    let mut eval = Eval::new(compiled, &input, context, account);
    let fallback = compiled.fallback.and_then(|number| compiled.messages.get(number));
    let known = compiled.message_type(&message.message_code(), &message.trigger(), &message.structure());
    let table = known.and_then(|(number, _)| compiled.messages.get(*number));
    if table.is_none() {
        let text = "no table for this message type: its segments are read one by one";
        eval.issues.push(Issue::warning("not-supported", text).at("MSH-9"));
    }
    if lacks_patient(message) {
        let text = "expected a segment PID: what the message says of a patient is about nobody";
        eval.issues.push(Issue::warning("required", text).at("PID").rule("patient-missing"));
    }
    if let Some(table) = table.or(fallback) {
        eval.run(table, fallback);
    }
    let patient = eval.first_of("Patient").and_then(|resource| ResourceId::parse(&resource.id).ok());
    let merges = merges(&eval.resources);
    add_provenance(package, &mut eval.resources);
    let (resources, mut trace, issues) = (eval.resources, eval.trace, eval.issues);
    trace.finish(&input, resources.iter().map(|resource| resource.name.clone()), compiled);
    Mapped { bundle: bundle(resources), issues, patient, merges, trace }
}

/// Message codes whose every structure needs a PID (HL7 v2.8.2 chapters 3, 4A, 6, 7, 9, 11, 12); for the others the
/// patient group as a whole is optional.
const ABOUT_A_PATIENT: [&str; 9] = ["ADT", "BAR", "DFT", "MDM", "ORU", "PPR", "PGL", "REF", "VXU"];

/// Segments that stand in a patient group, so after a PID.
const OF_A_PATIENT: [&str; 14] =
    ["PD1", "PV1", "PV2", "NK1", "AL1", "IAM", "DG1", "DRG", "PR1", "IN1", "GT1", "MRG", "ACC", "DB1"];

/// Whether there is no PID where the standard wants one. A bed's status (ADT^A20) is about no patient.
pub(crate) fn lacks_patient(message: &Message) -> bool {
    if message.segments().any(|segment| segment.name() == "PID") {
        return false;
    }
    let by_type = ABOUT_A_PATIENT.contains(&message.message_code().as_str()) && message.trigger() != "A20";
    by_type || message.segments().any(|segment| OF_A_PATIENT.contains(&segment.name()))
}

/// Patients that link to the one that replaces them.
fn merges(resources: &[Resource]) -> Vec<Merge> {
    let mut out = Vec::new();
    for resource in resources.iter().filter(|resource| resource.kind == "Patient") {
        let links = resource.object.get("link").and_then(Json::as_array).unwrap_or_default();
        for link in links.iter().filter(|link| link.get("type").and_then(Json::as_str) == Some("replaced-by")) {
            let survivor = link.text_at(&["other", "reference"]).and_then(|text| text.strip_prefix("Patient/"));
            if let (Some(Ok(survivor)), Ok(retired)) =
                (survivor.map(ResourceId::parse), ResourceId::parse(&resource.id))
            {
                out.push(Merge { survivor, retired });
            }
        }
    }
    out
}

/// Says in the Provenance what was made and by which package. FHIR R4 provenance.html.
fn add_provenance(package: &Package, resources: &mut [Resource]) {
    let targets: Vec<Json> = resources
        .iter()
        .filter(|resource| !matches!(resource.kind.as_str(), "Bundle" | "Provenance"))
        .map(|resource| reference(&resource.name))
        .collect();
    let Some(provenance) = resources.iter_mut().find(|resource| resource.kind == "Provenance") else { return };
    let object = &mut provenance.object;
    object.insert("target", Json::Array(targets));
    let agents = object.get_or_insert_with("agent", || Json::Array(Vec::new()));
    if let Some(agents) = agents.as_array_mut() {
        agents.push(package.assembler().clone());
    }
}

/// The agent of a Provenance that says which package made the resources.
pub(crate) fn assembler(name: &str, version: &str, digest: &str) -> Json {
    let who = Json::object([
        (
            "identifier",
            Json::object([("system", Json::from(PACKAGE_SYSTEM)), ("value", Json::from(format!("sha256:{digest}")))]),
        ),
        ("display", Json::from(format!("{name} {version}"))),
    ]);
    let kind = Json::object([(
        "coding",
        Json::array([Json::object([
            ("system", Json::from("http://terminology.hl7.org/CodeSystem/provenance-participant-type")),
            ("code", Json::from("assembler")),
        ])]),
    )]);
    Json::object([("type", kind), ("who", who)])
}

/// The transaction Bundle: a PUT for each resource, the Bundle's own elements as the tables filled them.
fn bundle(resources: Vec<Resource>) -> Json {
    let mut top = Object::new();
    let mut entries = Vec::with_capacity(resources.len());
    for resource in resources {
        if resource.kind == "Bundle" {
            top = resource.object;
            continue;
        }
        let mut full_url = SmolStrBuilder::new();
        full_url.push_str("urn:uuid:");
        full_url.push_str(&resource.id);
        entries.push(put_entry(full_url.finish(), resource.name, Json::Object(resource.object)));
    }
    let mut out = Object::with_capacity(8);
    out.insert("resourceType", "Bundle");
    for (name, value) in top.into_iter().filter(|(name, _)| name != "resourceType") {
        out.insert(name, value);
    }
    out.insert("type", "transaction");
    if !entries.is_empty() {
        out.insert("entry", Json::Array(entries));
    }
    Json::Object(out)
}
