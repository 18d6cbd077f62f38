use super::{ElementPatch, JsonPatch, PatchError, PatchErrorKind, Paths};
use crate::json::{Json, Limits, parse};
use crate::xml::XmlPatch;

fn read(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn json(resource: &str, patch: &str) -> Result<String, PatchError> {
    let mut tree = read(resource);
    JsonPatch::read(&read(patch)).map_err(|mut errors| errors.remove(0))?.apply(&mut tree)?;
    Ok(tree.to_text())
}

#[track_caller]
fn check(resource: &str, patch: &str, expect: &str) {
    assert_eq!(json(resource, patch).unwrap(), expect);
}

#[track_caller]
fn refuses(resource: &str, patch: &str, kind: PatchErrorKind, at: &str) {
    let error = json(resource, patch).unwrap_err();
    assert_eq!((error.kind, error.at.as_str()), (kind, at));
}

#[test]
fn adds_removes_replaces_moves_and_copies() {
    check(r#"{"a":1}"#, r#"[{"op":"add","path":"/b","value":[]}]"#, r#"{"a":1,"b":[]}"#);
    check(r#"{"a":[1,3]}"#, r#"[{"op":"add","path":"/a/1","value":2}]"#, r#"{"a":[1,2,3]}"#);
    check(r#"{"a":[1]}"#, r#"[{"op":"add","path":"/a/-","value":2}]"#, r#"{"a":[1,2]}"#);
    check(r#"{"a":1,"b":2}"#, r#"[{"op":"remove","path":"/a"}]"#, r#"{"b":2}"#);
    check(r#"{"a":1}"#, r#"[{"op":"replace","path":"/a","value":null}]"#, r#"{"a":null}"#);
    check(r#"{"a":{"b":1},"c":{"d":2}}"#, r#"[{"op":"move","from":"/a/b","path":"/c/b"}]"#, r#"{"c":{"d":2,"b":1}}"#);
    check(r#"{"a":[1]}"#, r#"[{"op":"copy","from":"/a","path":"/b"}]"#, r#"{"a":[1],"b":[1]}"#);
    check(
        r#"{"a/b":1,"m~n":2}"#,
        r#"[{"op":"remove","path":"/a~1b"},{"op":"test","path":"/m~0n","value":2}]"#,
        r#"{"m~n":2}"#,
    );
}

#[test]
fn keeps_the_digits_of_numbers_it_does_not_touch() {
    check(r#"{"v":72.50,"w":1e3}"#, r#"[{"op":"add","path":"/x","value":0.10}]"#, r#"{"v":72.50,"w":1e3,"x":0.10}"#);
}

#[test]
fn compares_numbers_by_value_and_objects_without_order() {
    let tests = r#"[{"op":"test","path":"/v","value":72.5},{"op":"test","path":"/o","value":{"b":2,"a":10e-1}},
        {"op":"test","path":"/z","value":-0.0}]"#;
    check(r#"{"v":72.50,"o":{"a":1,"b":2},"z":0}"#, tests, r#"{"v":72.50,"o":{"a":1,"b":2},"z":0}"#);
    refuses(r#"{"v":1}"#, r#"[{"op":"test","path":"/v","value":"1"}]"#, PatchErrorKind::TestFailed, "[0].value");
    refuses(
        r#"{"v":1e99999999999999999999}"#,
        r#"[{"op":"test","path":"/v","value":1}]"#,
        PatchErrorKind::TestFailed,
        "[0].value",
    );
}

#[test]
fn takes_along_what_a_removal_leaves_empty() {
    check(r#"{"t":"P","n":[{"f":"x"}]}"#, r#"[{"op":"remove","path":"/n/0/f"}]"#, r#"{"t":"P"}"#);
    // Only at the end: a later operation may fill it again.
    check(r#"{"n":[1]}"#, r#"[{"op":"remove","path":"/n/0"},{"op":"add","path":"/n/0","value":2}]"#, r#"{"n":[2]}"#);
}

#[test]
fn refuses_what_does_not_fit() {
    refuses("{}", r#"[{"op":"add","path":"/a/b","value":1}]"#, PatchErrorKind::Unfit, "[0].path");
    refuses(r#"{"a":[1]}"#, r#"[{"op":"add","path":"/a/2","value":1}]"#, PatchErrorKind::Unfit, "[0].path");
    refuses(r#"{"a":[1]}"#, r#"[{"op":"remove","path":"/a/00"}]"#, PatchErrorKind::Unfit, "[0].path");
    refuses(r#"{"a":[1]}"#, r#"[{"op":"remove","path":"/a/-"}]"#, PatchErrorKind::Unfit, "[0].path");
    refuses("{}", r#"[{"op":"replace","path":"/a","value":1}]"#, PatchErrorKind::Unfit, "[0].path");
    refuses("{}", r#"[{"op":"remove","path":""}]"#, PatchErrorKind::Unfit, "[0].path");
    refuses(r#"{"a":{"b":1}}"#, r#"[{"op":"move","from":"/a","path":"/a/b"}]"#, PatchErrorKind::Unfit, "[0].from");
}

#[test]
fn names_every_operation_that_is_malformed() {
    let patch = read(
        r#"[{"op":"add","path":"a","value":1},{"op":"spam","path":""},{"op":"add","path":"/a"},7,{"op":"test","path":"/~2","value":1}]"#,
    );
    let places: Vec<_> = JsonPatch::read(&patch).unwrap_err().into_iter().map(|error| error.at).collect();
    assert_eq!(places, ["[0].path", "[1].op", "[2].value", "[3]", "[4].path"]);
    assert!(JsonPatch::read(&read("{}")).is_err());
}

#[test]
fn copies_no_more_than_a_resource_may_hold() {
    let double = r#"{"op":"copy","from":"/a","path":"/a/-"}"#;
    let patch = format!("[{}]", vec![double; 200].join(","));
    refuses(r#"{"a":[1]}"#, &patch, PatchErrorKind::TooLarge, "[17]");
    let deeper = r#"{"op":"copy","from":"/a","path":"/a/0"}"#;
    let patch = format!("[{}]", vec![deeper; 500].join(","));
    assert_eq!(json(r#"{"a":[]}"#, &patch).unwrap_err().kind, PatchErrorKind::TooLarge);
}

/// Every value of a path of plain names, as an engine would place it.
struct Plain;

impl Paths for Plain {
    fn places(&self, resource: &Json, expression: &str) -> Result<Vec<String>, String> {
        let mut found = vec![(resource.text_at(&["resourceType"]).unwrap_or_default().to_owned(), resource)];
        for step in expression.split('.').skip(1) {
            let (name, index) = step
                .split_once('[')
                .map_or((step, None), |(name, index)| (name, index.trim_end_matches(']').parse::<usize>().ok()));
            let mut next = Vec::new();
            for (path, value) in found {
                let key = value.as_object().and_then(|object| {
                    object
                        .iter()
                        .map(|(key, _)| key)
                        .find(|key| *key == name || key.starts_with(name) && name == "value")
                });
                match key.and_then(|key| value.get(key)) {
                    Some(Json::Array(items)) => {
                        next.extend(items.iter().enumerate().map(|(at, item)| (format!("{path}.{name}[{at}]"), item)))
                    }
                    Some(one) => next.push((format!("{path}.{name}"), one)),
                    None => {}
                }
            }
            found = match index {
                Some(index) => next.into_iter().skip(index).take(1).collect(),
                None => next,
            };
        }
        Ok(found.into_iter().map(|(path, _)| path).collect())
    }
}

fn parameters(operations: &[&[(&str, &str)]]) -> Json {
    let operation = |parts: &[(&str, &str)]| {
        let parts: Vec<String> = parts
            .iter()
            .map(|(name, value)| match *name {
                "value" => format!(r#"{{"name":"value",{value}}}"#),
                "index" | "source" | "destination" => format!(r#"{{"name":"{name}","valueInteger":{value}}}"#),
                "type" => format!(r#"{{"name":"type","valueCode":"{value}"}}"#),
                _ => format!(r#"{{"name":"{name}","valueString":"{value}"}}"#),
            })
            .collect();
        format!(r#"{{"name":"operation","part":[{}]}}"#, parts.join(","))
    };
    let all: Vec<String> = operations.iter().map(|parts| operation(parts)).collect();
    read(&format!(r#"{{"resourceType":"Parameters","parameter":[{}]}}"#, all.join(",")))
}

#[track_caller]
fn element(resource: &str, operations: &[&[(&str, &str)]], expect: &str) {
    let mut tree = read(resource);
    ElementPatch::read(&parameters(operations)).unwrap().apply(&mut tree, &Plain).unwrap();
    assert_eq!(tree.to_text(), expect);
}

#[track_caller]
fn element_refuses(resource: &str, operations: &[&[(&str, &str)]], text: &str) {
    let mut tree = read(resource);
    let error = ElementPatch::read(&parameters(operations)).unwrap().apply(&mut tree, &Plain).unwrap_err();
    assert!(error.text.contains(text), "{error}");
}

#[test]
fn changes_elements_by_their_path() {
    element(
        r#"{"resourceType":"Patient","birthDate":"1920-01-01"}"#,
        &[&[("type", "replace"), ("path", "Patient.birthDate"), ("value", r#""valueDate":"1930-01-01""#)]],
        r#"{"resourceType":"Patient","birthDate":"1930-01-01"}"#,
    );
    element(
        r#"{"resourceType":"Patient"}"#,
        &[&[("type", "add"), ("path", "Patient"), ("name", "name"), ("value", r#""valueHumanName":{"text":"a"}"#)]],
        r#"{"resourceType":"Patient","name":[{"text":"a"}]}"#,
    );
    element(
        r#"{"resourceType":"Patient","name":[{"given":["a","b"]}]}"#,
        &[&[("type", "insert"), ("path", "Patient.name[0].given"), ("index", "1"), ("value", r#""valueString":"x""#)]],
        r#"{"resourceType":"Patient","name":[{"given":["a","x","b"]}]}"#,
    );
    element(
        r#"{"resourceType":"Patient","name":[{"given":["a","b","c"],"_given":[null,{"id":"of-b"},null]}]}"#,
        &[&[("type", "move"), ("path", "Patient.name[0].given"), ("source", "1"), ("destination", "0")]],
        r#"{"resourceType":"Patient","name":[{"given":["b","a","c"],"_given":[{"id":"of-b"},null,null]}]}"#,
    );
    element(
        r#"{"resourceType":"Patient","contact":[{"name":{"text":"a"}}],"active":true}"#,
        &[&[("type", "delete"), ("path", "Patient.contact[0].name.text")]],
        r#"{"resourceType":"Patient","active":true}"#,
    );
    element(
        r#"{"resourceType":"Patient"}"#,
        &[&[("type", "delete"), ("path", "Patient.birthDate")]],
        r#"{"resourceType":"Patient"}"#,
    );
}

#[test]
fn changes_choices_extensions_of_primitives_and_elements_of_no_type() {
    element(
        r#"{"resourceType":"Observation","valueQuantity":{"value":72.50}}"#,
        &[&[("type", "replace"), ("path", "Observation.value"), ("value", r#""valueString":"high""#)]],
        r#"{"resourceType":"Observation","valueString":"high"}"#,
    );
    element(
        r#"{"resourceType":"Observation"}"#,
        &[&[
            ("type", "add"),
            ("path", "Observation"),
            ("name", "value"),
            ("value", r#""valueQuantity":{"value":1.50}"#),
        ]],
        r#"{"resourceType":"Observation","valueQuantity":{"value":1.50}}"#,
    );
    element(
        r#"{"resourceType":"Patient","birthDate":"1920"}"#,
        &[&[
            ("type", "add"),
            ("path", "Patient.birthDate"),
            ("name", "extension"),
            ("value", r#""valueExtension":{"url":"urn:x","valueCode":"y"}"#),
        ]],
        r#"{"resourceType":"Patient","birthDate":"1920","_birthDate":{"extension":[{"url":"urn:x","valueCode":"y"}]}}"#,
    );
    element(
        r#"{"resourceType":"Patient"}"#,
        &[&[
            ("type", "add"),
            ("path", "Patient"),
            ("name", "contact"),
            ("value", r#""part":[{"name":"gender","valueCode":"male"},{"name":"name","valueHumanName":{"text":"b"}}]"#),
        ]],
        r#"{"resourceType":"Patient","contact":[{"gender":"male","name":{"text":"b"}}]}"#,
    );
}

#[test]
fn refuses_element_operations_that_do_not_fit() {
    let patient = r#"{"resourceType":"Patient","birthDate":"1920","name":[{"text":"a"},{"text":"b"}]}"#;
    let add = |name| [("type", "add"), ("path", "Patient"), ("name", name), ("value", r#""valueDate":"1930""#)];
    element_refuses(patient, &[&add("birthDate")], "there already");
    element_refuses(patient, &[&add("nonsense")], "no element of this name");
    element_refuses(patient, &[&[("type", "delete"), ("path", "Patient.name")]], "more than one");
    element_refuses(patient, &[&[("type", "delete"), ("path", "Patient")]], "whole resource");
    let value = ("value", r#""valueHumanName":{"text":"c"}"#);
    element_refuses(
        patient,
        &[&[("type", "insert"), ("path", "Patient.name"), ("index", "3"), value]],
        "behind the end",
    );
    element_refuses(patient, &[&[("type", "insert"), ("path", "Patient.birthDate"), ("index", "0"), value]], "no list");
    element_refuses(patient, &[&[("type", "replace"), ("path", "Patient.photo"), value]], "no element");
    let far = [("type", "move"), ("path", "Patient.name"), ("source", "0"), ("destination", "2")];
    element_refuses(patient, &[&far], "places of the list");
}

#[test]
fn names_every_part_that_is_malformed() {
    let errors = |text: &str| ElementPatch::read(&read(text)).unwrap_err().len();
    assert_eq!(errors(r#"{"resourceType":"Patient"}"#), 1);
    assert_eq!(errors(r#"{"resourceType":"Parameters","parameter":[{"name":"x"},{"name":"operation"}]}"#), 5);
    assert_eq!(
        errors(
            r#"{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"move"},
            {"name":"path","valueString":"Patient.name"},{"name":"source","valueInteger":-1},{"name":"spam"}]}]}"#
        ),
        3
    );
}

fn xml(resource: &str, operations: &str) -> Result<String, Vec<PatchError>> {
    let diff = format!(r#"<diff xmlns:f="http://hl7.org/fhir">{operations}</diff>"#);
    Ok(XmlPatch::read(diff.as_bytes())?.apply(&read(resource))?.to_text())
}

#[track_caller]
fn xml_check(resource: &str, operations: &str, expect: &str) {
    assert_eq!(xml(resource, operations).unwrap(), expect);
}

#[test]
fn patches_the_xml_form() {
    let patient =
        r#"{"resourceType":"Patient","active":true,"name":[{"family":"a"},{"family":"b"}],"birthDate":"1920"}"#;
    xml_check(
        patient,
        r#"<replace sel="f:Patient/f:birthDate/@value">1930-01</replace>"#,
        r#"{"resourceType":"Patient","active":true,"name":[{"family":"a"},{"family":"b"}],"birthDate":"1930-01"}"#,
    );
    xml_check(
        patient,
        r#"<remove sel="/f:Patient/f:name[1]"/><add sel="f:Patient/f:name" pos="after"><f:gender value="male"/></add>"#,
        r#"{"resourceType":"Patient","active":true,"name":[{"family":"b"}],"gender":"male","birthDate":"1920"}"#,
    );
    xml_check(
        patient,
        r#"<add sel="f:Patient/f:name[f:family/@value='b']"><f:given value="x &amp; y"/></add><remove sel="f:Patient/f:active"/>"#,
        r#"{"resourceType":"Patient","name":[{"family":"a"},{"family":"b","given":["x & y"]}],"birthDate":"1920"}"#,
    );
    xml_check(
        patient,
        r#"<add sel="f:Patient/f:name[2]" type="@id">n2</add><replace sel="f:Patient/f:name[1]"><f:name><f:text value="t"/></f:name></replace>"#,
        r#"{"resourceType":"Patient","active":true,"name":[{"text":"t"},{"id":"n2","family":"b"}],"birthDate":"1920"}"#,
    );
    // Without a prefix, and nothing declared: of FHIR.
    xml_check(
        r#"{"resourceType":"Observation","valueQuantity":{"value":72.50}}"#,
        r#"<add sel="Observation/valueQuantity/value" pos="after"><f:unit value="kg"/></add>"#,
        r#"{"resourceType":"Observation","valueQuantity":{"value":72.50,"unit":"kg"}}"#,
    );
}

#[test]
fn refuses_xml_operations_that_do_not_fit() {
    let patient = r#"{"resourceType":"Patient","name":[{"family":"a"},{"family":"b"}]}"#;
    let text = |operations: &str| xml(patient, operations).unwrap_err().remove(0).text;
    assert!(text(r#"<remove sel="f:Patient/f:name"/>"#).contains("more than one"));
    assert!(text(r#"<remove sel="f:Patient/f:photo"/>"#).contains("nothing is at"));
    assert!(text(r#"<remove sel="f:Patient"/>"#).contains("whole resource"));
    assert!(text(r#"<remove sel="//f:name"/>"#).contains("path of RFC 5261"));
    assert!(text(r#"<remove sel="x:Patient"/>"#).contains("path of RFC 5261"));
    assert!(text(r#"<spam sel="f:Patient"/>"#).contains("add, replace or remove"));
    assert!(text(r#"<add sel="f:Patient" pos="beside"/>"#).contains("prepend"));
    assert!(text(r#"<replace sel="f:Patient/f:name[1]">text</replace>"#).contains("one element"));
    // What comes out is read like any XML: the order of elements counts.
    assert!(xml(patient, r#"<add sel="f:Patient"><f:active value="true"/></add>"#).is_err());
    assert!(XmlPatch::read(b"<!DOCTYPE a><diff/>").is_err());
    assert!(XmlPatch::read(b"<other/>").is_err());
}

/// Each case of the corpus: what comes out, or that nothing does.
#[test]
fn applies_the_published_json_patches() {
    let Some(corpus) = std::env::var_os("ANCHORLINE_CORPUS") else {
        eprintln!("skipped: published JSON patches (ANCHORLINE_CORPUS is not set)");
        return;
    };
    let cases = std::path::Path::new(&corpus).join("fhir-r4/patch/json-patch-tests.json");
    let cases = read(&std::fs::read_to_string(cases).unwrap());
    let (mut applied, mut refused) = (0, 0);
    for case in cases.as_array().unwrap() {
        let name = case.get("comment").and_then(Json::as_str).unwrap_or_default();
        let text = |member: &str| case.get(member).map(Json::to_text);
        let found = json(&text("doc").unwrap(), &text("patch").unwrap());
        match text("expected") {
            Some(expected) => {
                assert_eq!(found.as_deref(), Ok(expected.as_str()), "{name}");
                applied += 1;
            }
            None => {
                assert!(case.get("error").is_some(), "{name}: the case expects nothing");
                assert!(found.is_err(), "{name}: {found:?}");
                refused += 1;
            }
        }
    }
    assert!(applied > 0 && refused > 0, "{applied} {refused}");
}
