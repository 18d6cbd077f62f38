//! Which message a Bundle becomes.

use model::json::Json;

use crate::compile::Compiled;
use crate::reverse::Library;
use crate::types::RenderContext;

/// System of the tag that says MSH-9.1: HL7 table 0076.
const MESSAGE_CODE: &str = "http://terminology.hl7.org/CodeSystem/v2-0076";

/// MSH-9.1 and MSH-9.2: as asked, else as the MessageHeader says, else by what the Bundle holds.
pub(super) fn message_type(compiled: &Compiled, library: &Library<'_>, context: &RenderContext) -> (String, String) {
    if !context.message_code.is_empty() && !context.trigger.is_empty() {
        return (context.message_code.clone(), context.trigger.clone());
    }
    let of = |kind: &str| {
        let found = library.resources.iter().filter(|json| model::resource::resource_type(json) == Some(kind));
        found.copied().collect::<Vec<_>>()
    };
    let header = of("MessageHeader");
    let event = header.first().and_then(|header| header.text_at(&["eventCoding", "code"]));
    let kept = header.first().and_then(|header| message_code(header));
    if let Some(event) = event {
        let by_event = compiled.types.keys().find(|kind| kind.ends_with(&format!("^{event}")));
        let code = kept.or_else(|| by_event.and_then(|kind| kind.split_once('^')).map(|(code, _)| code));
        if let Some(code) = code {
            return (code.to_owned(), event.to_owned());
        }
    }
    let (code, trigger) = by_content(library, &of);
    (code.to_owned(), trigger.to_owned())
}

/// The message that says what a Bundle without a header holds.
fn by_content<'j>(library: &Library<'_>, of: &dyn Fn(&str) -> Vec<&'j Json>) -> (&'static str, &'static str) {
    let has = |kind: &str| !of(kind).is_empty();
    let linked = |patient: &&Json, how: &str| {
        patient.items("link").iter().any(|link| link.get("type").and_then(Json::as_str) == Some(how))
    };
    if of("Patient").iter().any(|patient| linked(patient, "replaced-by")) {
        return ("ADT", "A40");
    }
    let orders = [
        ("DiagnosticReport", ("ORU", "R01")),
        ("Appointment", ("SIU", "S12")),
        ("Immunization", ("VXU", "V04")),
        ("MedicationDispense", ("RDS", "O13")),
        ("MedicationRequest", ("RDE", "O11")),
        ("ChargeItem", ("DFT", "P03")),
    ];
    if let Some((_, kind)) = orders.iter().find(|(kind, _)| has(kind)) {
        return *kind;
    }
    if has("ServiceRequest") {
        let laboratory = of("ServiceRequest").iter().any(|request| is_laboratory(request)) || has("Specimen");
        return if laboratory { ("OML", "O21") } else { ("ORM", "O01") };
    }
    if has("DocumentReference") {
        return ("MDM", "T02");
    }
    let encounters = of("Encounter");
    let Some(encounter) = encounters.first() else {
        return match (has("Observation"), library.creates("Patient"), has("Patient")) {
            (true, _, _) => ("ORU", "R01"),
            (_, true, _) => ("ADT", "A28"),
            (_, _, true) => ("ADT", "A31"),
            _ => ("ADT", "A08"),
        };
    };
    match (encounter.text_at(&["status"]), encounter.text_at(&["class", "code"])) {
        (Some("finished"), _) => ("ADT", "A03"),
        (Some("in-progress"), Some("IMP" | "ACUTE" | "NONAC")) => ("ADT", "A01"),
        (Some("planned" | "arrived" | "in-progress"), _) => ("ADT", "A04"),
        _ => ("ADT", "A08"),
    }
}

/// Whether an order is one for the laboratory, by its category.
fn is_laboratory(request: &Json) -> bool {
    let codings = request.items("category").iter().flat_map(|category| category.items("coding"));
    codings
        .filter_map(|coding| coding.get("code").and_then(Json::as_str))
        .any(|code| matches!(code, "laboratory" | "LAB" | "108252007"))
}

/// MSH-9.1 as the header's tag of table 0076 says it.
fn message_code(header: &Json) -> Option<&str> {
    let tags = header.get("meta").map(|meta| meta.items("tag")).unwrap_or_default();
    let tag = tags.iter().find(|tag| tag.get("system").and_then(Json::as_str) == Some(MESSAGE_CODE))?;
    tag.get("code").and_then(Json::as_str)
}
