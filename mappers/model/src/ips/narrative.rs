//! The narrative of a section: what a person at the bedside reads. All text is escaped; no markup but our own.

use std::fmt::Write;

use crate::json::Json;
use crate::resource::{id, resource_type};

use super::{Cut, Given, Section};

/// The XHTML of a section. What the content refers to is looked up in `given`.
pub(super) fn section(section: Section, content: &[&Json], given: &Given<'_>, cut: Option<Cut>) -> String {
    let mut html = String::from("<div xmlns=\"http://www.w3.org/1999/xhtml\"><h5>");
    escape(section.facts().title, &mut html);
    html.push_str("</h5>");
    if content.is_empty() {
        html.push_str("<p>This record holds no information about this. That does not mean that there is none.</p>");
    }
    match section {
        Section::Results | Section::VitalSigns => measured(content, given, &mut html),
        _ => list(content, given, &mut html),
    }
    match cut {
        Some(Cut::More) => {
            let what = match section {
                Section::Results | Section::VitalSigns | Section::SocialHistory | Section::Pregnancy => {
                    "the latest value of each kind is shown, the newest first"
                }
                _ => "what weighs most and is newest is shown",
            };
            let _ = write!(html, "<p>More is on record: {what}, {} in all.</p>", content.len());
        }
        Some(Cut::Time) => html.push_str("<p>More may be on record: not all of it was looked at in time.</p>"),
        None => {}
    }
    html.push_str("</div>");
    html
}

/// A list with one line a resource; what is dangerous stands out.
fn list(content: &[&Json], given: &Given<'_>, html: &mut String) {
    if content.is_empty() {
        return;
    }
    html.push_str("<ul>");
    for resource in content {
        html.push_str("<li>");
        let high = resource.text_at(&["criticality"]) == Some("high");
        let (first, rest) = line(resource, given);
        html.push_str(if high { "<b>" } else { "" });
        escape(&first, html);
        html.push_str(if high { "</b>" } else { "" });
        for part in rest {
            html.push_str(", ");
            escape(&part, html);
        }
        html.push_str("</li>");
    }
    html.push_str("</ul>");
}

/// Measurements as a table: what, value, reference range, when. Reports, which have no value, follow as a list.
fn measured(content: &[&Json], given: &Given<'_>, html: &mut String) {
    let (values, reports): (Vec<&Json>, Vec<&Json>) =
        content.iter().partition(|resource| resource_type(resource) == Some("Observation"));
    if !values.is_empty() {
        html.push_str(
            "<table><thead><tr><th>What</th><th>Value</th><th>Reference range</th><th>When</th></tr></thead><tbody>",
        );
        for resource in values {
            html.push_str("<tr>");
            for cell in [
                what(resource, "Observation", given),
                outcome(resource).join(", "),
                ranges(resource).join("; "),
                when(resource).unwrap_or("no date").to_owned(),
            ] {
                html.push_str("<td>");
                escape(&cell, html);
                html.push_str("</td>");
            }
            html.push_str("</tr>");
        }
        html.push_str("</tbody></table>");
    }
    list(&reports, given, html);
}

/// What a person reads about one resource: what it is, then how much, state, when, remarks.
fn line(resource: &Json, given: &Given<'_>) -> (String, Vec<String>) {
    let name = resource_type(resource).unwrap_or_default();
    let mut parts = Vec::new();
    match name {
        "Observation" => parts.extend(outcome(resource)),
        "RelatedPerson" => {
            parts.extend(resource.items("relationship").iter().filter_map(concept));
            parts.extend(telecom(resource));
        }
        _ => {}
    }
    parts.extend(resource.text_at(&["criticality"]).map(|text| format!("criticality {text}")));
    for reaction in resource.items("reaction") {
        let severity = reaction.text_at(&["severity"]).map(|text| format!(" ({text})")).unwrap_or_default();
        let shown = reaction.items("manifestation").iter().filter_map(concept);
        parts.extend(shown.map(|text| format!("reaction: {text}{severity}")));
    }
    for dosage in resource.items("dosage").iter().chain(resource.items("dosageInstruction")) {
        parts.extend(dose(dosage));
    }
    // MedicationAdministration has one dosage and no list.
    parts.extend(resource.get("dosage").filter(|dosage| dosage.as_array().is_none()).and_then(dose));
    parts.extend(resource.get("severity").and_then(concept));
    parts.extend(resource.items("bodySite").iter().filter_map(concept));
    let codes = ["clinicalStatus", "verificationStatus"];
    parts.extend(codes.iter().filter_map(|name| resource.get(name).and_then(concept)));
    if !matches!(name, "Condition" | "AllergyIntolerance" | "Observation") {
        parts.extend(resource.text_at(&["status"]).map(str::to_owned));
    }
    parts.extend(resource.text_at(&["conclusion"]).map(str::to_owned));
    parts.extend(when(resource).map(str::to_owned));
    parts.extend(resource.items("note").iter().filter_map(|note| note.text_at(&["text"])).map(str::to_owned));
    (what(resource, name, given), parts)
}

/// Value, components, interpretation, and the state where it is not final.
fn outcome(observation: &Json) -> Vec<String> {
    let mut parts: Vec<String> = value(observation).into_iter().collect();
    for component in observation.items("component") {
        let label = component.get("code").and_then(concept).unwrap_or_else(|| "component".to_owned());
        let said = value(component).or_else(|| component.get("dataAbsentReason").and_then(concept));
        parts.extend(said.map(|value| format!("{label} {value}")));
    }
    parts.extend(observation.get("dataAbsentReason").and_then(concept));
    parts.extend(observation.items("interpretation").iter().filter_map(concept));
    if parts.is_empty() && !observation.items("hasMember").is_empty() {
        parts.push("see its members".to_owned());
    }
    let status = observation.text_at(&["status"]).filter(|status| !matches!(*status, "final" | "amended"));
    parts.extend(status.map(str::to_owned));
    parts
}

/// Reference ranges of the observation, else of its components.
fn ranges(observation: &Json) -> Vec<String> {
    let own: Vec<String> = observation.items("referenceRange").iter().filter_map(range).collect();
    if !own.is_empty() {
        return own;
    }
    observation.items("component").iter().flat_map(|part| part.items("referenceRange")).filter_map(range).collect()
}

fn range(range: &Json) -> Option<String> {
    if let Some(text) = range.text_at(&["text"]) {
        return Some(text.to_owned());
    }
    match (range.get("low").and_then(quantity), range.get("high").and_then(quantity)) {
        (Some(low), Some(high)) => Some(format!("{low} to {high}")),
        (Some(low), None) => Some(format!("from {low}")),
        (None, Some(high)) => Some(format!("up to {high}")),
        (None, None) => None,
    }
}

/// How a medication is to be taken: in the words given, else dose, frequency and route.
fn dose(dosage: &Json) -> Option<String> {
    if let Some(text) = dosage.text_at(&["text"]) {
        return Some(text.to_owned());
    }
    let mut parts = Vec::new();
    for rate in dosage.items("doseAndRate") {
        parts.extend(rate.get("doseQuantity").and_then(quantity));
        parts.extend(rate.get("doseRange").map(two_ends));
    }
    parts.extend(dosage.get("dose").and_then(quantity));
    if let Some(repeat) = dosage.at(&["timing", "repeat"]) {
        let number = |name: &str| repeat.get(name).and_then(Json::as_number).map(|number| number.as_str().to_owned());
        if let (Some(period), Some(unit)) = (number("period"), repeat.text_at(&["periodUnit"])) {
            parts.push(format!("{} per {period} {unit}", number("frequency").unwrap_or_else(|| "1".to_owned())));
        }
    }
    parts.extend(dosage.at(&["timing", "code"]).and_then(concept));
    if dosage.get("asNeededBoolean").and_then(Json::as_bool) == Some(true) {
        parts.push("as needed".to_owned());
    }
    parts.extend(dosage.get("route").and_then(concept));
    (!parts.is_empty()).then(|| parts.join(" "))
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
        let title = ["title", "description", "summary"].iter().find_map(|name| resource.text_at(&[name]));
        let named = resource.items("name").iter().find_map(human_name);
        let device = || matches!(name, "Device").then(|| device(resource)).flatten();
        let kind = || resource.get("type").and_then(concept);
        let category = || resource.items("category").iter().find_map(concept);
        title.map(str::to_owned).or(named).or_else(device).or_else(kind).or_else(category)
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
    target.get("code").or_else(|| target.get("type")).and_then(concept).or_else(|| device(target))
}

fn device(device: &Json) -> Option<String> {
    let named = device.at(&["deviceName", "0", "name"]).and_then(Json::as_str).map(str::to_owned);
    device.get("type").and_then(concept).or(named)
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
        return Some(two_ends(range));
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

fn two_ends(range: &Json) -> String {
    let end = |name: &str| range.get(name).and_then(quantity).unwrap_or_default();
    format!("{} to {}", end("low"), end("high"))
}

fn quantity(value: &Json) -> Option<String> {
    let number = value.get("value")?.as_number()?.as_str();
    let comparator = value.text_at(&["comparator"]).unwrap_or_default();
    let unit = value.text_at(&["unit"]).or_else(|| value.text_at(&["code"])).unwrap_or_default();
    Some(format!("{comparator}{number} {unit}").trim_end().to_owned())
}

/// When it happened or held, as it was written.
pub(super) fn when(resource: &Json) -> Option<&str> {
    const DATES: [&str; 14] = [
        "effectiveDateTime",
        "effectiveInstant",
        "occurrenceDateTime",
        "performedDateTime",
        "onsetDateTime",
        "timingDateTime",
        "authoredOn",
        "whenHandedOver",
        "recordedDate",
        "dateAsserted",
        "dateTime",
        "created",
        "issued",
        "date",
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

/// Numbers and addresses by which somebody is reached.
pub(super) fn telecom(resource: &Json) -> Vec<String> {
    let shown = resource.items("telecom").iter().filter_map(|point| point.text_at(&["value"]));
    shown.map(str::to_owned).collect()
}

/// A contact of Patient.contact: who, in which relation, how reached.
pub(super) fn contact(contact: &Json) -> Option<String> {
    let name = contact.get("name").and_then(human_name);
    let who = name.or_else(|| contact.at(&["organization", "display"]).and_then(Json::as_str).map(str::to_owned));
    let mut parts: Vec<String> = who.into_iter().collect();
    parts.extend(contact.items("relationship").iter().filter_map(concept));
    parts.extend(telecom(contact));
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// A section's title and nothing else.
pub(super) fn headed(section: Section) -> String {
    let mut html = String::from("<div xmlns=\"http://www.w3.org/1999/xhtml\"><h5>");
    escape(section.facts().title, &mut html);
    html.push_str("</h5></div>");
    html
}

/// Contacts that stand in Patient alone, as further lines of their section.
pub(super) fn contacts(lines: &[String], section: String) -> String {
    let mut more = String::from("<ul>");
    for line in lines {
        more.push_str("<li>");
        escape(line, &mut more);
        more.push_str("</li>");
    }
    more.push_str("</ul></div>");
    match section.strip_suffix("</div>") {
        Some(before) => format!("{before}{more}"),
        None => section,
    }
}

/// Text as it may stand in XHTML.
pub(super) fn escape(text: &str, html: &mut String) {
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
