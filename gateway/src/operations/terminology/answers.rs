//! What terminology operations answer, in the forms of their definitions.

use model::json::{Json, Object};
use model::time::Instant;
use smol_str::SmolStr;
use terminology::{Contains, Designation, Expansion, Lookup, Translation, Value};

use crate::operations::input::{Input, parameter, parameters};

/// Properties that `$lookup` answers as parameters of their own (codesystem-operation-lookup.html).
const OWN: [&str; 6] = ["system", "name", "version", "display", "definition", "designation"];

/// `$lookup`. Without a choice of properties everything that is known.
pub(super) fn lookup(found: &Lookup, (system, code): (&str, &str), display: Option<SmolStr>, wanted: &[&str]) -> Json {
    let wants = |name: &str| wanted.is_empty() || wanted.contains(&name);
    let mut all = vec![parameter("name", "valueString", found.name.as_deref().unwrap_or(system))];
    if let Some(version) = &found.version {
        all.push(parameter("version", "valueString", version.as_str()));
    }
    // Required: a concept without a text is shown by its code, which the caller knows.
    all.push(parameter("display", "valueString", display.as_deref().unwrap_or(code)));
    if wants("designation") {
        all.extend(found.designations.iter().map(|one| parameter("designation", "part", Json::array(parts(one)))));
    }
    if let Some(definition) = found.definition.as_deref().filter(|_| wants("definition")) {
        all.push(property("definition", parameter("value", "valueString", definition)));
    }
    for (name, value) in &found.properties {
        if wants(name) && !OWN.contains(&name.as_str()) {
            all.push(property(name, of_value(value)));
        }
    }
    parameters(all)
}

fn property(name: &str, value: Json) -> Json {
    parameter("property", "part", Json::array([parameter("code", "valueCode", name), value]))
}

fn of_value(value: &Value) -> Json {
    match value {
        Value::Code(code) => parameter("value", "valueCode", code.as_str()),
        Value::Coding { system, code, display } => {
            parameter("value", "valueCoding", coding(system.as_deref(), None, Some(code), display.as_deref()))
        }
        Value::String(text) => parameter("value", "valueString", text.as_str()),
        Value::Boolean(truth) => parameter("value", "valueBoolean", Json::Bool(*truth)),
        Value::Integer(number) => parameter("value", "valueInteger", number_of(&number.to_string())),
        Value::Decimal(digits) => parameter("value", "valueDecimal", number_of(digits)),
        Value::DateTime(text) => parameter("value", "valueDateTime", text.as_str()),
    }
}

fn number_of(digits: &str) -> Json {
    model::json::Number::parse(digits).map_or(Json::Null, Json::Number)
}

fn parts(designation: &Designation) -> Vec<Json> {
    let mut parts = Vec::new();
    if let Some(language) = &designation.language {
        parts.push(parameter("language", "valueCode", language.as_str()));
    }
    if let Some((system, code)) = &designation.usage {
        parts.push(parameter("use", "valueCoding", coding(Some(system), None, Some(code), None)));
    }
    parts.push(parameter("value", "valueString", designation.text.as_str()));
    parts
}

fn coding(system: Option<&str>, version: Option<&str>, code: Option<&str>, display: Option<&str>) -> Json {
    let mut coding = Object::new();
    for (name, value) in [("system", system), ("version", version), ("code", code), ("display", display)] {
        if let Some(value) = value {
            coding.insert(name, value);
        }
    }
    coding.into()
}

/// `$validate-code`
pub(super) fn validity(result: bool, message: Option<String>, display: Option<SmolStr>) -> Json {
    let mut all = vec![parameter("result", "valueBoolean", Json::Bool(result))];
    if let Some(message) = message {
        all.push(parameter("message", "valueString", message.as_str()));
    }
    if let Some(display) = display {
        all.push(parameter("display", "valueString", display.as_str()));
    }
    parameters(all)
}

/// `$expand`: the value set without its definition, unless that is asked for, and what is in it.
pub(super) fn expansion(
    definition: Option<&Json>,
    canonical: &str,
    input: &Input,
    found: &Expansion,
    (id, at): (&str, Instant),
) -> Json {
    let mut set = Object::new();
    set.insert("resourceType", "ValueSet");
    let url = canonical.split('|').next().unwrap_or(canonical);
    set.insert("url", definition.and_then(|it| it.text_at(&["url"])).unwrap_or(url));
    for name in ["version", "name", "title"] {
        if let Some(text) = definition.and_then(|it| it.text_at(&[name])) {
            set.insert(name, text);
        }
    }
    set.insert("status", definition.and_then(|it| it.text_at(&["status"])).unwrap_or("unknown"));
    if input.boolean("includeDefinition") == Some(true)
        && let Some(compose) = definition.and_then(|it| it.get("compose"))
    {
        set.insert("compose", compose.clone());
    }
    let mut expansion = Object::new();
    expansion.insert("identifier", format!("urn:uuid:{id}"));
    expansion.insert("timestamp", at.to_rfc3339());
    expansion.insert("total", found.total as u64);
    if input.number("count").is_some() || input.number("offset").is_some() {
        expansion.insert("offset", found.offset as u64);
    }
    let mut said = Vec::new();
    for name in ["filter", "displayLanguage", "valueSetVersion"] {
        if let Some(text) = input.text(name) {
            said.push(parameter(name, "valueString", text));
        }
    }
    for name in ["offset", "count"] {
        if let Some(number) = input.number(name) {
            said.push(parameter(name, "valueInteger", number as u64));
        }
    }
    for name in ["activeOnly", "excludeNested", "includeDesignations", "includeDefinition"] {
        if let Some(truth) = input.boolean(name) {
            said.push(parameter(name, "valueBoolean", Json::Bool(truth)));
        }
    }
    said.extend(found.used.iter().map(|used| parameter("version", "valueUri", used.as_str())));
    if !said.is_empty() {
        expansion.insert("parameter", Json::Array(said));
    }
    if !found.contains.is_empty() {
        expansion.insert("contains", Json::array(found.contains.iter().map(contains)));
    }
    set.insert("expansion", Json::from(expansion));
    set.into()
}

fn contains(one: &Contains) -> Json {
    let mut out = Object::new();
    if let Some(system) = &one.system {
        out.insert("system", system.as_str());
    }
    if one.abstract_ {
        out.insert("abstract", Json::Bool(true));
    }
    if one.inactive {
        out.insert("inactive", Json::Bool(true));
    }
    for (name, value) in [("version", &one.version), ("code", &one.code), ("display", &one.display)] {
        if let Some(value) = value {
            out.insert(name, value.as_str());
        }
    }
    if !one.designations.is_empty() {
        let designations = one.designations.iter().map(|designation| {
            let mut out = Object::new();
            if let Some(language) = &designation.language {
                out.insert("language", language.as_str());
            }
            if let Some((system, code)) = &designation.usage {
                out.insert("use", coding(Some(system), None, Some(code), None));
            }
            out.insert("value", designation.text.as_str());
            Json::from(out)
        });
        out.insert("designation", Json::array(designations));
    }
    if !one.contains.is_empty() {
        out.insert("contains", Json::array(one.contains.iter().map(contains)));
    }
    out.into()
}

/// `$translate`
pub(super) fn translation(found: &Translation) -> Json {
    let mut all = vec![parameter("result", "valueBoolean", Json::Bool(found.result))];
    if !found.result {
        all.push(parameter("message", "valueString", "no concept map that is loaded has a translation"));
    }
    for one in &found.matches {
        let mut parts = vec![parameter("equivalence", "valueCode", one.equivalence.as_str())];
        if let Some(code) = &one.code {
            let concept = coding(one.system.as_deref(), one.version.as_deref(), Some(code), one.display.as_deref());
            parts.push(parameter("concept", "valueCoding", concept));
        }
        for product in &one.product {
            let concept = coding(product.system.as_deref(), None, Some(&product.value), None);
            let inner = [
                parameter("element", "valueUri", product.property.as_str()),
                parameter("concept", "valueCoding", concept),
            ];
            parts.push(parameter("product", "part", Json::array(inner)));
        }
        if !one.map.is_empty() {
            parts.push(parameter("source", "valueUri", one.map.as_str()));
        }
        all.push(parameter("match", "part", Json::Array(parts)));
    }
    parameters(all)
}
