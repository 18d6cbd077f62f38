//! Objects and their elements: names, cardinality, choices, companions, bindings.

use model::json::{Json, Object};
use model::outcome::Issue;
use model::types::{Element, Kind, Primitive, Shape, Type};

use super::reference::is_scheme;
use crate::place::Place;

use super::{Walk, primitive, xhtml};

impl<'r> Walk<'r, '_> {
    /// Checks the members of an object against the elements it may have.
    pub(super) fn object(&mut self, shape: &'static Shape, object: &'r Object, place: &Place<'_>) {
        if object.is_empty() {
            self.error("structure", "expected at least one member: an absent element is left out", place);
            return;
        }
        let has_companions = object.iter().any(|(name, _)| name.starts_with('_'));
        // A bit for every element that is there; the table's test makes sure that 128 suffice.
        let mut seen: u128 = 0;
        for (name, value) in object.iter() {
            if name == "resourceType" && shape.is_resource {
                continue;
            }
            let plain = name.strip_prefix('_').unwrap_or(name);
            let Some((index, element, of_type)) = shape.find(plain) else {
                self.error("structure", format!("unknown element{}", printable(name)), place);
                continue;
            };
            let is_companion = plain.len() < name.len();
            if is_companion && !matches!(of_type.kind, Kind::Primitive(_)) {
                self.error(
                    "structure",
                    format!("unknown element{}: only primitives have a companion", printable(name)),
                    place,
                );
                continue;
            }
            // With the value there, the companion is looked at together with it.
            if is_companion && object.contains_key(plain) {
                continue;
            }
            let bit = 1u128 << (index % 128);
            if seen & bit != 0 {
                self.error("structure", format!("expected only one of {}[x]", element.name), place);
            }
            seen |= bit;
            let companion = if is_companion {
                Some(value)
            } else if has_companions {
                object.iter().find(|(other, _)| other.strip_prefix('_') == Some(plain)).map(|(_, value)| value)
            } else {
                None
            };
            let name = if element.is_choice { element.name } else { plain };
            let of = element.is_choice.then_some(of_type.name);
            let here = Place::Member { parent: place, name, of_type: of };
            let value = if is_companion { None } else { Some(value) };
            self.values(element, of_type, value, companion, &here);
        }
        for (index, element) in shape.elements.iter().enumerate() {
            if element.min > 0 && seen & (1u128 << (index % 128)) == 0 {
                let choice = if element.is_choice { "[x]" } else { "" };
                self.error("required", format!("expected the element {}{choice}", element.name), place);
            }
        }
        self.own_rules(shape, object, place);
    }

    /// Rules of the data types that belong to their form.
    fn own_rules(&mut self, shape: &Shape, object: &Object, place: &Place<'_>) {
        if shape.path == "Extension" {
            let has_value = object.iter().any(|(name, _)| name.trim_start_matches('_').starts_with("value"));
            if has_value == object.contains_key("extension") {
                self.error("invariant", "expected either a value or extensions (ext-1)", place);
            }
        } else if shape.path == "Bundle.entry" && self.alone {
            let url = object.get("fullUrl").and_then(Json::as_str);
            if url.is_some_and(|url| !url.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme))) {
                self.error("value", "expected fullUrl to be an absolute URL or a URN", place);
            }
        }
        if !shape.is_resource && object.len() == 1 && object.contains_key("id") {
            self.error("invariant", "expected a value or children beside the id (ele-1)", place);
        }
    }

    /// The value or values of one element; `None` where only the companion is there.
    fn values(
        &mut self,
        element: &'static Element,
        of_type: &'static Type,
        value: Option<&'r Json>,
        companion: Option<&'r Json>,
        place: &Place<'_>,
    ) {
        if !element.repeats() {
            if matches!(value, Some(Json::Array(_))) || matches!(companion, Some(Json::Array(_))) {
                self.error("structure", "expected a single value, not an array", place);
                return;
            }
            if value == Some(&Json::Null) {
                self.error("structure", "expected a value: null stands in arrays only", place);
                return;
            }
            self.item(element, of_type, value, companion, place);
            return;
        }
        let Some(values) = self.array(value, place) else { return };
        let Some(companions) = self.array(companion, place) else { return };
        if companions.len() > values.len() && value.is_some() {
            self.error("structure", "expected as many values as companions, null where there is none", place);
        }
        let count = values.len().max(companions.len());
        if count > usize::from(element.max) && element.max < u16::MAX {
            self.error("structure", format!("expected at most {} values", element.max), place);
        }
        if count < usize::from(element.min) {
            self.error("required", format!("expected at least {} values", element.min), place);
        }
        for index in 0..count {
            let here = Place::Item { parent: place, index };
            let companion = companions.get(index).filter(|companion| **companion != Json::Null);
            self.item(element, of_type, values.get(index), companion, &here);
        }
    }

    /// The items of an array; none for what is absent. `None` after a problem has been noted.
    fn array(&mut self, value: Option<&'r Json>, place: &Place<'_>) -> Option<&'r [Json]> {
        match value {
            None => Some(&[]),
            Some(Json::Array(items)) if items.is_empty() => {
                self.error("structure", "expected at least one item: an absent element is left out", place);
                None
            }
            Some(Json::Array(items)) => Some(items),
            Some(_) => {
                self.error("structure", "expected an array", place);
                None
            }
        }
    }

    fn item(
        &mut self,
        element: &'static Element,
        of_type: &'static Type,
        value: Option<&'r Json>,
        companion: Option<&'r Json>,
        place: &Place<'_>,
    ) {
        match of_type.kind {
            Kind::Primitive(Primitive::Xhtml) if !self.alone && value.is_some_and(|value| value.as_str().is_some()) => {
            }
            Kind::Primitive(kind) => {
                let value = value.filter(|value| **value != Json::Null);
                self.companion(value.is_some(), companion, place);
                let Some(value) = value else { return };
                match primitive::check(kind, value) {
                    Some((code, expected)) => self.error(code, expected, place),
                    None if kind == Primitive::Xhtml => self.narrative(value, place),
                    None => self.code(element, value, place),
                }
            }
            Kind::Object(id) => {
                let Some(object) = self.as_object(value, place) else { return };
                self.object(self.table.shape(id), object, place);
                if self.alone && element.binding.is_some() {
                    self.concept(element, of_type, object, place);
                }
            }
            Kind::Reference(id, targets) => {
                let Some(object) = self.as_object(value, place) else { return };
                self.object(self.table.shape(id), object, place);
                self.reference(object, targets, place);
            }
            Kind::Resource => match value {
                Some(resource) if element.name == "contained" => self.contained(resource, place),
                Some(resource) => self.independent(resource, place),
                None => {}
            },
        }
    }

    fn as_object(&mut self, value: Option<&'r Json>, place: &Place<'_>) -> Option<&'r Object> {
        let object = value.and_then(Json::as_object);
        if object.is_none() {
            self.error("structure", "expected an object", place);
        }
        object
    }

    /// The companion of a primitive: `id` and `extension`. FHIR R4 json.html, "JSON representation of primitive elements".
    fn companion(&mut self, has_value: bool, companion: Option<&'r Json>, place: &Place<'_>) {
        match companion {
            None if has_value => {}
            None => self.error("structure", "expected a value: null only where the companion has extensions", place),
            Some(Json::Object(object)) => {
                if has_value || object.len() > 1 || !object.contains_key("id") {
                    for (name, _) in object.iter().filter(|(name, _)| !matches!(*name, "id" | "extension")) {
                        self.error("structure", format!("unknown element{}", printable(name)), place);
                    }
                    self.companion_members(object, place);
                } else {
                    self.error("invariant", "expected a value or children beside the id (ele-1)", place);
                }
            }
            Some(_) => self.error("structure", "expected the companion to be an object", place),
        }
    }

    fn companion_members(&mut self, object: &'r Object, place: &Place<'_>) {
        if object.is_empty() {
            self.error("structure", "expected at least one member: an absent element is left out", place);
        }
        for (name, value) in object.iter() {
            if let Some((_, element, of_type)) = self.table.element().find(name) {
                let here = Place::Member { parent: place, name: element.name, of_type: None };
                self.values(element, of_type, Some(value), None, &here);
            }
        }
    }

    /// txt-2, which published examples of R4 do not keep: a warning.
    fn narrative(&mut self, value: &Json, place: &Place<'_>) {
        if !value.as_str().is_some_and(xhtml::has_content) {
            self.problem(Issue::warning("invariant", "expected some content in the narrative (txt-2)"), place);
        }
    }

    /// A primitive against its required binding.
    fn code(&mut self, element: &Element, value: &Json, place: &Place<'_>) {
        if !self.alone {
            return;
        }
        let Some(set) = element.binding.and_then(|binding| self.table.value_set(binding)) else { return };
        if value.as_str().is_some_and(|code| !set.has_code(code)) {
            self.error("code-invalid", format!("expected a code of the value set {}", set.name), place);
        }
    }

    /// A Coding or CodeableConcept against its required binding: one coding of the set is enough.
    fn concept(&mut self, element: &Element, of_type: &Type, object: &Object, place: &Place<'_>) {
        let Some(set) = element.binding.and_then(|binding| self.table.value_set(binding)) else { return };
        let fits = |coding: &Object| {
            let part = |name: &str| coding.get(name).and_then(Json::as_str);
            part("system").zip(part("code")).is_some_and(|(system, code)| set.has(system, code))
        };
        // Extensions in place of codings (data-absent-reason) are for profiles to judge.
        let holds = match of_type.name {
            "Coding" => fits(object) || !object.contains_key("code"),
            "CodeableConcept" => match object.get("coding").and_then(Json::as_array) {
                Some(codings) => codings.iter().filter_map(Json::as_object).any(fits),
                None => object.contains_key("extension"),
            },
            _ => true,
        };
        if !holds {
            let text = format!("expected a coding of the value set {}, which is required", set.name);
            self.error("code-invalid", text, place);
        }
    }
}

/// A member name for a message, if it looks like a name and not like content.
fn printable(name: &str) -> String {
    let is_name = name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name { format!(" {name}") } else { String::new() }
}
