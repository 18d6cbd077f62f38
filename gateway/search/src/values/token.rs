//! Tokens: the code, a zero byte, the system. FHIR R4 search.html, "token".

use model::json::Json;

use crate::parameter::Parameter;
use crate::row::Test;
use crate::values::string;
use crate::values::{Sink, Value};

/// The system of `true` and `false`.
const SPECIAL: &str = "http://terminology.hl7.org/CodeSystem/special-values";

pub(crate) fn rows(value: &Value<'_>, sink: &mut Sink<'_>) {
    let text = |json: &Json, name: &str| json.text_at(&[name]).map(str::to_owned);
    let json = value.json;
    match value.of {
        "CodeableConcept" => {
            json.items("coding").iter().for_each(|coding| of_coding(coding, sink));
            put_text(json.text_at(&["text"]), sink);
        }
        "Coding" => of_coding(json, sink),
        "Identifier" => {
            let system = text(json, "system").unwrap_or_default();
            let value = text(json, "value").unwrap_or_default();
            put(&system, &value, sink);
            for coding in json.get("type").map(|of| of.items("coding")).unwrap_or_default() {
                let of_system = coding.text_at(&["system"]).unwrap_or_default();
                let Some(code) = coding.text_at(&["code"]) else { continue };
                if !value.is_empty() {
                    let form = of_type(of_system, code, &value);
                    let param = sink.parameter.of_type;
                    sink.put_as(param, form);
                }
            }
            put_text(json.at(&["type", "text"]).and_then(Json::as_str), sink);
        }
        "ContactPoint" => {
            let value = text(json, "value").unwrap_or_default();
            put("", &value, sink);
            put(&text(json, "system").unwrap_or_default(), &value, sink);
        }
        "boolean" => {
            let value = value.text().unwrap_or_default();
            put("", value, sink);
        }
        "Reference" => of_reference(json, sink),
        _ => {
            let Some(code) = value.text() else { return };
            put("", code, sink);
        }
    }
}

fn of_reference(json: &Json, sink: &mut Sink<'_>) {
    put("", json.text_at(&["reference"]).unwrap_or_default(), sink);
}

fn of_coding(coding: &Json, sink: &mut Sink<'_>) {
    let text = |name: &str| coding.text_at(&[name]).unwrap_or_default();
    put(text("system"), text("code"), sink);
    put_text(coding.text_at(&["display"]), sink);
}

fn put_text(text: Option<&str>, sink: &mut Sink<'_>) {
    if let Some(text) = text {
        let param = sink.parameter.text;
        sink.put_as(param, string::form(text));
    }
}

fn put(system: &str, code: &str, sink: &mut Sink<'_>) {
    if !(system.is_empty() && code.is_empty()) {
        sink.put(form(system, code));
    }
}

pub(crate) fn form(system: &str, code: &str) -> Vec<u8> {
    let mut value = Vec::with_capacity(code.len().saturating_add(system.len()).saturating_add(1));
    value.extend(code.bytes().filter(|byte| *byte != 0));
    value.push(0);
    value.extend(system.bytes().filter(|byte| *byte != 0));
    value
}

fn of_type(system: &str, code: &str, value: &str) -> Vec<u8> {
    [system, "|", code, "|", value].concat().into_bytes()
}

/// A value of a query, its parts unescaped: `code`, `system|code`, `|code` or `system|`.
pub(crate) fn test(parts: &[String]) -> Option<Test> {
    Some(match parts {
        [code] if !code.is_empty() => Test::Prefix(form("", code)),
        [system, code] if !code.is_empty() => Test::Equals(form(system, code)),
        [system, _] if !system.is_empty() => Test::Suffix(form(system, "")),
        _ => return None,
    })
}

/// What else a value with a system finds: a plain code is of the systems of the value set that binds it, `true` and
/// `false` are of their own.
pub(crate) fn implied(parameter: &Parameter, parts: &[String]) -> Vec<Test> {
    let [system, code] = parts else { return Vec::new() };
    let plain = |code: &str| Test::Equals(form("", code));
    if system == SPECIAL {
        let all = ["true", "false"].into_iter();
        return all.filter(|known| code.is_empty() || code == known).map(plain).collect();
    }
    match code.as_str() {
        "" => parameter.codes_of(system).map(plain).collect(),
        code if !system.is_empty() && parameter.has_code(system, code) => vec![plain(code)],
        _ => Vec::new(),
    }
}

/// A value of a query with `:of-type`: `system|code|value`.
pub(crate) fn test_of_type(parts: &[String]) -> Option<Test> {
    match parts {
        [system, code, value] if !code.is_empty() && !value.is_empty() => {
            Some(Test::Equals(of_type(system, code, value)))
        }
        _ => None,
    }
}

/// The tests of what is not this: bytes that stand before it and behind it.
pub(crate) fn other_than(test: &Test) -> Vec<Test> {
    let (below, above) = match test {
        // A code ends with its zero byte, so nothing stands between the code without that byte and with it.
        Test::Prefix(prefix) => {
            let code = prefix.get(..prefix.len().saturating_sub(1)).unwrap_or_default();
            (code.to_vec(), [code, &[1]].concat())
        }
        Test::Equals(value) => {
            // No text holds 0xff, so this is above all that stands before the value.
            let mut below = value.clone();
            let last = below.pop().unwrap_or_default();
            below.extend([last.saturating_sub(1), 0xff]);
            (below, [value.as_slice(), &[0]].concat())
        }
        _ => return Vec::new(),
    };
    vec![Test::Between(Some(vec![0]), Some(below)), Test::Between(Some(above), None)]
}
