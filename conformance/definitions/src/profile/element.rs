//! One ElementDefinition from JSON.

use model::json::Json;
use smol_str::SmolStr;

use super::{
    AdditionalBinding, Aggregation, Binding, Constraint, ConstraintSeverity, ContentReference, Discriminator,
    DiscriminatorKind, Element, Slicing, SlicingRules, Strength, TypeRef, Value, Versioning,
};

const STRUCTURE: &str = "http://hl7.org/fhir/StructureDefinition/";
/// Further bindings, as guides for R4 write them: the tools' own extension, and that for the element of R5.
const ADDITIONAL: &[&str] = &[
    "http://hl7.org/fhir/tools/StructureDefinition/additional-binding",
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.binding.additional",
];
const SYSTEM: &str = "http://hl7.org/fhirpath/System.";

/// Reads everything that the definition says of itself; its place in the tree is the caller's.
pub(crate) fn read(json: &Json, type_name: &str) -> Option<Element> {
    let path = json.get("path")?.as_str()?;
    let last = path.rsplit('.').next().unwrap_or(path);
    let (name, is_choice) = match last.strip_suffix("[x]") {
        Some(name) => (name, true),
        None => (last, false),
    };
    let max = maximum(json.get("max"));
    let base_max = match json.at(&["base", "max"]) {
        Some(base) => maximum(Some(base)),
        None => max,
    };
    let types: Vec<TypeRef> = json.items("type").iter().filter_map(|of| type_ref(of, path, type_name)).collect();
    Some(Element {
        id: text(json, "id").unwrap_or_default(),
        path: path.to_owned(),
        name: SmolStr::new(name),
        is_choice,
        slice_name: text(json, "sliceName"),
        min: whole(json.get("min")).unwrap_or(0),
        max,
        base_max,
        types,
        slicing: json.get("slicing").map(slicing),
        content_reference: json.text_at(&["contentReference"]).map(|reference| {
            let target = reference.split_once('#').map_or(reference, |(_, target)| target);
            let type_name = SmolStr::new(target.split('.').next().unwrap_or(target));
            ContentReference::Type { type_name, path: target.to_owned() }
        }),
        fixed: value(json, "fixed"),
        pattern: value(json, "pattern"),
        min_value: value(json, "minValue"),
        max_value: value(json, "maxValue"),
        max_length: whole(json.get("maxLength")),
        regex: json.items("type").iter().find_map(|of| extension_text(of, "regex")),
        binding: json.get("binding").map(binding),
        constraints: constraints(json),
        condition: json.items("condition").iter().filter_map(Json::as_str).map(str::to_owned).collect(),
        is_modifier: flag(json, "isModifier"),
        must_support: flag(json, "mustSupport"),
        is_summary: flag(json, "isSummary"),
        ..Element::default()
    })
}

/// `*` and what is absent or no number: no limit.
fn maximum(json: Option<&Json>) -> Option<u32> {
    json?.as_str()?.parse().ok()
}

fn whole(json: Option<&Json>) -> Option<u32> {
    json?.as_number()?.as_u64().map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

fn flag(json: &Json, name: &str) -> bool {
    json.get(name).and_then(Json::as_bool).unwrap_or(false)
}

pub(super) fn text(json: &Json, name: &str) -> Option<String> {
    json.get(name)?.as_str().map(str::to_owned)
}

pub(super) fn texts(json: &Json, name: &str) -> Vec<String> {
    json.items(name).iter().filter_map(Json::as_str).map(str::to_owned).collect()
}

/// An extension by the last part of its URL, below `http://hl7.org/fhir/StructureDefinition/`.
pub(super) fn extensions<'a>(json: &'a Json, name: &str) -> impl Iterator<Item = &'a Json> {
    json.items("extension").iter().filter(move |extension| {
        extension.text_at(&["url"]).and_then(|url| url.strip_prefix(STRUCTURE)).is_some_and(|last| last == name)
    })
}

/// The `value[x]` of an extension, if it is a text.
pub(super) fn extension_value(extension: &Json) -> Option<&str> {
    let members = extension.as_object()?;
    members.iter().find(|(name, _)| name.starts_with("value")).and_then(|(_, value)| value.as_str())
}

fn extension_text(json: &Json, name: &str) -> Option<String> {
    extensions(json, name).find_map(extension_value).map(str::to_owned)
}

fn type_ref(json: &Json, path: &str, type_name: &str) -> Option<TypeRef> {
    // The code of `id` and of a primitive's value may be absent, with only an extension on it (as in STU3 to R4).
    let written = json.text_at(&["code"]);
    let code = match written {
        Some(code) if !code.starts_with(SYSTEM) => SmolStr::new(code),
        _ => system_type(json, path, type_name)?,
    };
    let aggregation = json.items("aggregation").iter().filter_map(|mode| match mode.as_str()? {
        "contained" => Some(Aggregation::Contained),
        "referenced" => Some(Aggregation::Referenced),
        "bundled" => Some(Aggregation::Bundled),
        _ => None,
    });
    Some(TypeRef {
        code,
        profiles: texts(json, "profile"),
        target_profiles: texts(json, "targetProfile"),
        aggregation: aggregation.collect(),
        versioning: match json.text_at(&["versioning"]) {
            Some("either") => Some(Versioning::Either),
            Some("independent") => Some(Versioning::Independent),
            Some("specific") => Some(Versioning::Specific),
            _ => None,
        },
    })
}

/// The FHIR type behind `http://hl7.org/fhirpath/System.String`.
fn system_type(json: &Json, path: &str, type_name: &str) -> Option<SmolStr> {
    let mut steps = path.split('.');
    let (root, name, more) = (steps.next()?, steps.next()?, steps.next());
    if more.is_none() && name == "value" && root.chars().next().is_some_and(char::is_lowercase) {
        return Some(SmolStr::new(type_name));
    }
    // R4 says `string` of the id of a resource; its type is id (resource.html#id). Of elements it is string.
    let resource = more.is_none() && name == "id" && crate::is_resource_type(root);
    if resource {
        return Some(SmolStr::new_static("id"));
    }
    if let Some(of) = extensions(json, "structuredefinition-fhir-type").find_map(extension_value) {
        return Some(SmolStr::new(of));
    }
    let system = json.text_at(&["code"])?.strip_prefix(SYSTEM)?;
    let mut letters = system.chars();
    let first = letters.next()?.to_ascii_lowercase();
    Some(SmolStr::from_iter(std::iter::once(first).chain(letters)))
}

/// `fixedUri` with prefix `fixed`: the value, and `uri`.
fn value(json: &Json, prefix: &str) -> Option<Value> {
    let members = json.as_object()?;
    let (last, value) = members.iter().find_map(|(name, value)| {
        let last = name.strip_prefix(prefix)?;
        last.chars().next().is_some_and(char::is_uppercase).then_some((last, value))
    })?;
    Some(Value { type_name: choice_type(last), value: value.clone() })
}

/// The type behind the end of a choice's JSON name: `DateTime` gives `dateTime`, `Quantity` stays.
pub(crate) fn choice_type(suffix: &str) -> SmolStr {
    let mut letters = suffix.chars();
    let Some(first) = letters.next() else { return SmolStr::default() };
    let lower = SmolStr::from_iter(std::iter::once(first.to_ascii_lowercase()).chain(letters));
    match model::types::Primitive::parse(&lower) {
        Some(_) => lower,
        None => SmolStr::new(suffix),
    }
}

fn slicing(json: &Json) -> Slicing {
    let discriminators = json.items("discriminator").iter().filter_map(|discriminator| {
        Some(Discriminator {
            kind: match discriminator.text_at(&["type"])? {
                "value" => DiscriminatorKind::Value,
                "exists" => DiscriminatorKind::Exists,
                "pattern" => DiscriminatorKind::Pattern,
                "type" => DiscriminatorKind::Type,
                "profile" => DiscriminatorKind::Profile,
                "position" => DiscriminatorKind::Position,
                _ => return None,
            },
            path: text(discriminator, "path")?,
        })
    });
    Slicing {
        discriminators: discriminators.collect(),
        rules: match json.text_at(&["rules"]) {
            Some("closed") => SlicingRules::Closed,
            Some("openAtEnd") => SlicingRules::OpenAtEnd,
            _ => SlicingRules::Open,
        },
        ordered: flag(json, "ordered"),
    }
}

fn binding(json: &Json) -> Binding {
    let canonical = |name| extension_text(json, name);
    let additional = json
        .items("extension")
        .iter()
        .filter(|extension| extension.text_at(&["url"]).is_some_and(|url| ADDITIONAL.contains(&url)));
    let additional =
        additional.filter_map(additional_binding).chain(json.items("additional").iter().filter_map(|each| {
            Some(AdditionalBinding {
                purpose: text(each, "purpose")?,
                value_set: text(each, "valueSet")?,
                any: flag(each, "any"),
                in_context: each.get("usage").is_some(),
            })
        }));
    Binding {
        strength: match json.text_at(&["strength"]) {
            Some("required") => Strength::Required,
            Some("extensible") => Strength::Extensible,
            Some("preferred") => Strength::Preferred,
            _ => Strength::Example,
        },
        // STU3 wrote the value set as a Reference or a uri; definitions converted from it still do.
        value_set: text(json, "valueSet").or_else(|| {
            json.text_at(&["valueSetReference", "reference"]).or(json.text_at(&["valueSetUri"])).map(str::to_owned)
        }),
        max_value_set: canonical("elementdefinition-maxValueSet"),
        min_value_set: canonical("elementdefinition-minValueSet"),
        additional: additional.collect(),
    }
}

fn additional_binding(json: &Json) -> Option<AdditionalBinding> {
    let part = |name: &str| {
        let found = json.items("extension").iter().find(|part| part.text_at(&["url"]) == Some(name))?;
        extension_value(found).map(str::to_owned)
    };
    let parts = json.items("extension");
    let is = |name: &str| parts.iter().find(|part| part.text_at(&["url"]) == Some(name));
    Some(AdditionalBinding {
        purpose: part("purpose")?,
        value_set: part("valueSet")?,
        any: is("any").and_then(|part| part.get("valueBoolean")).and_then(Json::as_bool).unwrap_or(false),
        in_context: is("usage").is_some(),
    })
}

/// Each key once: the first that an element has stands.
fn constraints(json: &Json) -> Vec<Constraint> {
    let mut found: Vec<Constraint> = Vec::new();
    for constraint in json.items("constraint") {
        let Some(key) = constraint.text_at(&["key"]) else { continue };
        if found.len() >= 1_000 || found.iter().any(|each| each.key == key) {
            continue;
        }
        let advice = extensions(constraint, "elementdefinition-bestpractice").next();
        found.push(Constraint {
            key: SmolStr::new(key),
            severity: match constraint.text_at(&["severity"]) {
                Some("warning") => ConstraintSeverity::Warning,
                _ => ConstraintSeverity::Error,
            },
            human: text(constraint, "human").unwrap_or_default(),
            expression: text(constraint, "expression"),
            source: text(constraint, "source"),
            best_practice: advice.is_some_and(|each| each.get("valueBoolean").and_then(Json::as_bool) != Some(false)),
        });
    }
    found
}
