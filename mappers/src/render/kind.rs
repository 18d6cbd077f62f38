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
    let replaced = of("Patient").iter().any(|patient| {
        patient.items("link").iter().any(|link| link.get("type").and_then(Json::as_str) == Some("replaced-by"))
    });
    let text = |code: &str, trigger: &str| (code.to_owned(), trigger.to_owned());
    if replaced {
        return text("ADT", "A40");
    }
    if !of("DiagnosticReport").is_empty() || (!of("Observation").is_empty() && of("Encounter").is_empty()) {
        return text("ORU", "R01");
    }
    match of("Encounter")
        .first()
        .map(|encounter| (encounter.text_at(&["status"]), encounter.text_at(&["class", "code"])))
    {
        Some((Some("finished"), _)) => text("ADT", "A03"),
        Some((Some("in-progress"), Some("IMP" | "ACUTE" | "NONAC"))) => text("ADT", "A01"),
        Some((Some("planned" | "arrived" | "in-progress"), _)) => text("ADT", "A04"),
        _ => text("ADT", "A08"),
    }
}

/// MSH-9.1 as the header's tag of table 0076 says it.
fn message_code(header: &Json) -> Option<&str> {
    let tags = header.get("meta").map(|meta| meta.items("tag")).unwrap_or_default();
    let tag = tags.iter().find(|tag| tag.get("system").and_then(Json::as_str) == Some(MESSAGE_CODE))?;
    tag.get("code").and_then(Json::as_str)
}
