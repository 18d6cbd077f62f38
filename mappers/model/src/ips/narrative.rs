//! The narrative of a section: a list with one line a resource, all text escaped.

use crate::json::Json;
use crate::resource::{id, resource_type};

use super::Given;

/// The XHTML of a section. What the content refers to is looked up in `given`.
pub(super) fn section(title: &str, content: &[&Json], given: &Given<'_>) -> String {
    let mut html = String::from("<div xmlns=\"http://www.w3.org/1999/xhtml\"><h5>");
    escape(title, &mut html);
    html.push_str("</h5>");
    if content.is_empty() {
        html.push_str("<p>This record holds no information about this.</p>");
    } else {
        html.push_str("<ul>");
        for resource in content {
            html.push_str("<li>");
            escape(&line(resource, given), &mut html);
            html.push_str("</li>");
        }
        html.push_str("</ul>");
    }
    html.push_str("</div>");
    html
}

/// What a person reads about one resource: what, how much, state, when, remarks.
fn line(resource: &Json, given: &Given<'_>) -> String {
    let name = resource_type(resource).unwrap_or_default();
    let mut parts = vec![what(resource, name, given)];
    parts.extend(value(resource));
    for component in resource.items("component") {
        let label = component.get("code").and_then(concept).unwrap_or_else(|| "component".to_owned());
        parts.extend(value(component).map(|value| format!("{label} {value}")));
    }
    parts.extend(resource.items("interpretation").iter().filter_map(concept));
    let codes = ["clinicalStatus", "verificationStatus", "dataAbsentReason"];
    parts.extend(codes.iter().filter_map(|name| resource.get(name).and_then(concept)));
    if name != "Condition" && name != "AllergyIntolerance" {
        parts.extend(resource.text_at(&["status"]).map(str::to_owned));
    }
    parts.extend(resource.text_at(&["criticality"]).map(|text| format!("criticality {text}")));
    for reaction in resource.items("reaction") {
        parts
            .extend(reaction.items("manifestation").iter().filter_map(concept).map(|text| format!("reaction: {text}")));
    }
    for dosage in resource.items("dosage").iter().chain(resource.items("dosageInstruction")) {
        parts.extend(dosage.text_at(&["text"]).map(str::to_owned));
    }
    parts.extend(resource.text_at(&["conclusion"]).map(str::to_owned));
    parts.extend(when(resource).map(str::to_owned));
    parts.extend(resource.items("note").iter().filter_map(|note| note.text_at(&["text"])).map(str::to_owned));
    parts.join(", ")
}

/// The thing itself: the code of the resource, in the element that its type has for it.
fn what(resource: &Json, name: &str, given: &Given<'_>) -> String {
    const ELEMENTS: [&str; 6] =
        ["code", "medicationCodeableConcept", "vaccineCode", "medicationReference", "device", "provision"];
    let found = ELEMENTS.iter().find_map(|element| {
        let value = resource.get(element)?;
        concept(value)
            .or_else(|| reference(value, resource, given))
            .or_else(|| value.items("code").iter().find_map(concept))
    });
    let fallback = || {
        let title = resource.text_at(&["title"]).or_else(|| resource.text_at(&["description"])).map(str::to_owned);
        title.or_else(|| resource.items("category").iter().find_map(concept))
    };
    found.or_else(fallback).unwrap_or_else(|| format!("{name} without a description"))
}

/// The text of a CodeableConcept: its text, else a display, else a code.
fn concept(value: &Json) -> Option<String> {
    let codings = value.items("coding");
    let display = || codings.iter().find_map(|coding| coding.text_at(&["display"]));
    let code = || codings.iter().find_map(|coding| coding.text_at(&["code"]));
    value.text_at(&["text"]).or_else(display).or_else(code).map(str::to_owned)
}

/// The text of a Reference: its display, else the name of its target, contained or given.
fn reference(value: &Json, container: &Json, given: &Given<'_>) -> Option<String> {
    if let Some(display) = value.text_at(&["display"]) {
        return Some(display.to_owned());
    }
    let text = value.text_at(&["reference"])?;
    let target = match text.strip_prefix('#') {
        Some(local) => container.items("contained").iter().find(|each| id(each) == Some(local))?,
        None => given.find(text)?,
    };
    let device_name = || target.at(&["deviceName", "0", "name"]).and_then(Json::as_str).map(str::to_owned);
    target.get("code").or_else(|| target.get("type")).and_then(concept).or_else(device_name)
}

/// `value[x]` of an Observation or a component, digits as they came.
fn value(resource: &Json) -> Option<String> {
    if let Some(quantity) = resource.get("valueQuantity") {
        return self::quantity(quantity);
    }
    if let Some(value) = resource.get("valueCodeableConcept") {
        return concept(value);
    }
    if let Some(range) = resource.get("valueRange") {
        let end = |name: &str| range.get(name).and_then(quantity).unwrap_or_default();
        return Some(format!("{} to {}", end("low"), end("high")));
    }
    if let Some(ratio) = resource.get("valueRatio") {
        let part = |name: &str| ratio.get(name).and_then(quantity).unwrap_or_default();
        return Some(format!("{} : {}", part("numerator"), part("denominator")));
    }
    ["valueString", "valueDateTime", "valueTime", "valueInteger", "valueBoolean"].iter().find_map(|name| match resource
        .get(name)?
    {
        Json::String(text) => Some(text.to_string()),
        Json::Number(number) => Some(number.as_str().to_owned()),
        Json::Bool(value) => Some(if *value { "yes".to_owned() } else { "no".to_owned() }),
        _ => None,
    })
}

fn quantity(value: &Json) -> Option<String> {
    let number = value.get("value")?.as_number()?.as_str();
    let comparator = value.text_at(&["comparator"]).unwrap_or_default();
    let unit = value.text_at(&["unit"]).or_else(|| value.text_at(&["code"])).unwrap_or_default();
    Some(format!("{comparator}{number} {unit}").trim_end().to_owned())
}

/// When it happened or held, as it was written.
pub(super) fn when(resource: &Json) -> Option<&str> {
    const DATES: [&str; 12] = [
        "effectiveDateTime",
        "effectiveInstant",
        "occurrenceDateTime",
        "performedDateTime",
        "onsetDateTime",
        "timingDateTime",
        "authoredOn",
        "recordedDate",
        "dateAsserted",
        "dateTime",
        "created",
        "issued",
    ];
    const PERIODS: [&str; 6] =
        ["effectivePeriod", "performedPeriod", "onsetPeriod", "timingPeriod", "period", "occurrencePeriod"];
    let date = DATES.iter().find_map(|name| resource.text_at(&[name]));
    date.or_else(|| PERIODS.iter().find_map(|name| resource.text_at(&[name, "start"])))
}

/// What makes two observations the same measurement: the first coding, else the text.
pub(super) fn code_key(observation: &Json) -> Option<String> {
    let code = observation.get("code")?;
    match code.items("coding").first() {
        Some(coding) => {
            let system = coding.text_at(&["system"]).unwrap_or_default();
            Some(format!("{system}|{}", coding.text_at(&["code"])?))
        }
        None => code.text_at(&["text"]).map(str::to_owned),
    }
}

/// A HumanName in one line.
pub(super) fn human_name(name: &Json) -> Option<String> {
    if let Some(text) = name.text_at(&["text"]) {
        return Some(text.to_owned());
    }
    let given = name.items("given").iter().filter_map(Json::as_str);
    let parts: Vec<&str> = given.chain(name.text_at(&["family"])).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn escape(text: &str, html: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            // XML 1.0 has no other control characters, not even escaped.
            '\t' | '\n' | '\r' => html.push(' '),
            control if control < ' ' || matches!(control, '\u{FFFE}' | '\u{FFFF}') => html.push('\u{FFFD}'),
            other => html.push(other),
        }
    }
}
