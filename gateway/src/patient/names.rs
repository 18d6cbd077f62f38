//! What people, organisations and partners are called, where the store knows it.

use model::id::Reference;
use model::json::{Json, Limits, parse};
use store::Resources;

use crate::app::App;

/// The name and postal address of a person or organisation of the directory; nothing is told of patients.
pub(super) fn of(app: &App, reference: &str) -> Option<(String, Option<String>)> {
    const DIRECTORY: [&str; 6] =
        ["Practitioner", "PractitionerRole", "Organization", "CareTeam", "Device", "HealthcareService"];
    let reference = Reference::parse(reference).ok()?;
    if !DIRECTORY.contains(&reference.resource_type.as_str()) {
        return None;
    }
    let stored = app.store.read(reference.resource_type.as_str(), reference.id.as_str()).ok()??;
    if stored.deleted {
        return None;
    }
    let json = parse(&stored.body, &Limits::default()).ok()?;
    Some((name(&json)?, json.items("address").first().and_then(address)))
}

fn name(resource: &Json) -> Option<String> {
    match resource.get("name") {
        Some(Json::String(text)) => Some(text.to_string()),
        Some(Json::Array(names)) => names.iter().find_map(human),
        _ => resource
            .text_at(&["practitioner", "display"])
            .or_else(|| resource.items("deviceName").first().and_then(|it| it.text_at(&["name"])))
            .map(str::to_owned),
    }
    .filter(|text| !text.trim().is_empty())
}

fn human(name: &Json) -> Option<String> {
    if let Some(text) = name.text_at(&["text"]) {
        return Some(text.to_owned());
    }
    let texts = |member: &str| name.items(member).iter().filter_map(Json::as_str).collect::<Vec<_>>();
    let mut parts = texts("prefix");
    parts.extend(texts("given"));
    parts.extend(name.text_at(&["family"]));
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn address(address: &Json) -> Option<String> {
    if let Some(text) = address.text_at(&["text"]) {
        return Some(text.to_owned());
    }
    let mut parts: Vec<&str> = address.items("line").iter().filter_map(Json::as_str).collect();
    parts.extend(["postalCode", "city", "state", "country"].iter().filter_map(|member| address.text_at(&[member])));
    (!parts.is_empty()).then(|| parts.join(", "))
}
