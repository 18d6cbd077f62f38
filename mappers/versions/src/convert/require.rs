//! What the target requires and the source did not say.

use model::json::{Json, Number, Object};
use model::outcome::Issue;
use model::types::{Element, Kind, Primitive, ShapeId};
use smol_str::SmolStr;

use super::object::{Into_, Item, Of};
use super::put::{self, Out};
use super::{Place, Run};
use crate::rows::{Default_, choice_name};

/// FHIR R4 extension-data-absent-reason.html; the same in all versions but DSTU2.
const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

impl Run {
    /// Fills required elements that nothing has filled: by a default of a row, else with the reason that it is unknown.
    ///
    /// Goes through the whole resource, but not into resources inside: they had their turn.
    pub(super) fn require(&mut self, to: ShapeId, out: &mut Object, place: &Place<'_>) {
        let shape = self.map.to.shape(to);
        for (name, value) in out.iter_mut() {
            let Some((_, element, of_type)) = shape.find(name) else { continue };
            let (Kind::Object(id) | Kind::Reference(id, _)) = of_type.kind else { continue };
            match value {
                Json::Object(object) => self.require(id, object, &place.member(element.name, None)),
                Json::Array(items) => {
                    for (index, object) in items.iter_mut().enumerate() {
                        if let Json::Object(object) = object {
                            self.require(id, object, &place.member(element.name, Some(index)));
                        }
                    }
                }
                _ => {}
            }
        }
        // In an extension absence means something else.
        if matches!(shape.path.as_str(), "Extension" | "Narrative" | "Element") {
            return;
        }
        let defaults = self.map.defaults(to);
        let mut has_new = false;
        for element in &shape.elements {
            // Some elements are required by a rule only: a default says so.
            let is_said = |each: &Default_| {
                put::names(element).any(|(name, _)| name == each.member)
                    && each.unless.as_ref().is_none_or(|other| !out.contains_key(other))
            };
            let is_asked = element.min > 0 || defaults.iter().any(is_said);
            if !is_asked || put::has(out, element) {
                continue;
            }
            let is_of = |member: &str| put::names(element).any(|(name, _)| name == member) || member == element.name;
            let found = defaults.iter().find(|each| is_of(&each.member));
            let (value, rule) = match found {
                Some(default) => (default.value.clone(), Some(default.label.clone())),
                None => (None, None),
            };
            let name = found.map_or_else(|| first_name(element), |default| default.member.clone());
            let Some((_, _, of_type)) = shape.find(&name) else { continue };
            let made = match (&value, of_type.kind) {
                (Some(value), Kind::Primitive(primitive)) => scalar(value, primitive).map(Out::of),
                (Some(value), _) => Some(Out::of(concept(value, of_type.name))),
                (None, Kind::Primitive(Primitive::Xhtml)) | (None, Kind::Resource) => None,
                (None, Kind::Primitive(_)) => Some(Out { value: None, companion: Some(absent()) }),
                (None, Kind::Object(id) | Kind::Reference(id, _)) => {
                    let mut object = absent();
                    self.require(id, &mut object, &place.member(element.name, None));
                    Some(Out::of(object.into()))
                }
            };
            let Some(made) = made else { continue };
            if put::put(self.map.to, out, shape, &[name], made).is_ok() {
                has_new = true;
                let text = match &value {
                    Some(_) => format!("{} requires it: set to a default", self.map.to_version),
                    None => format!("{} requires it: absent with the reason unknown", self.map.to_version),
                };
                let mut issue = Issue::warning("required", text).at(place.member(element.name, None).to_string());
                if let Some(rule) = rule {
                    issue = issue.rule(rule);
                }
                self.issues.push(issue);
            }
        }
        if has_new {
            *out = put::tidy(std::mem::take(out), shape);
        }
    }

    /// Whether an item only says that a required element is unknown, and the target does not need that.
    pub(super) fn is_filler(&self, item: Item<'_>, of: Of, into: &Into_<'_>) -> bool {
        if of.element.min == 0 {
            return false;
        }
        let is_it = match (item.value, item.companion) {
            (None, Some(companion)) => is_absent(companion),
            (Some(Json::Object(object)), None) => is_absent(object) || is_hollow(object),
            _ => false,
        };
        if !is_it {
            return false;
        }
        let shape = self.map.to.shape(into.id);
        let same = shape.elements.iter().find(|element| element.name == of.element.name);
        same.is_none_or(|element| element.min == 0 || !element.repeats() && put::has(into.object, element))
    }
}

/// The types that say absence best stand first.
fn first_name(element: &Element) -> SmolStr {
    if !element.is_choice {
        return SmolStr::new_static(element.name);
    }
    let liked = ["CodeableConcept", "string", "dateTime"];
    let best = liked.iter().find_map(|name| element.types.iter().find(|each| each.name == *name));
    best.or_else(|| element.types.first()).map(|of_type| choice_name(element.name, of_type)).unwrap_or_default()
}

fn absent() -> Object {
    let reason = Object::of([("url", Json::from(ABSENT)), ("valueCode", Json::from("unknown"))]);
    Object::of([("extension", Json::array([Json::Object(reason)]))])
}

fn is_absent(object: &Object) -> bool {
    let [extension] = object.get("extension").and_then(Json::as_array).unwrap_or_default() else { return false };
    object.len() == 1
        && extension.text_at(&["url"]) == Some(ABSENT)
        && extension.text_at(&["valueCode"]) == Some("unknown")
}

/// An object that is absent and whose required parts are so too.
fn is_hollow(object: &Object) -> bool {
    object
        .get("extension")
        .and_then(Json::as_array)
        .is_some_and(|items| items.len() == 1 && items.iter().all(|each| each.text_at(&["url"]) == Some(ABSENT)))
        && object.iter().all(|(name, value)| {
            name == "extension"
                || match value {
                    Json::Object(inner) => is_absent(inner) || is_hollow(inner),
                    Json::Array(items) => items
                        .iter()
                        .all(|item| item.as_object().is_some_and(|inner| is_absent(inner) || is_hollow(inner))),
                    _ => false,
                }
        })
}

fn scalar(text: &SmolStr, of_type: Primitive) -> Option<Json> {
    match of_type {
        Primitive::Boolean => text.parse().ok().map(Json::Bool),
        Primitive::Decimal | Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt => {
            Number::parse(text).ok().map(Json::Number)
        }
        _ => Some(Json::String(text.clone())),
    }
}

/// `system|code|display` as a Coding or a CodeableConcept.
fn concept(text: &str, of_type: &str) -> Json {
    let mut parts = text.split('|');
    let named = ["system", "code", "display"]
        .into_iter()
        .filter_map(|name| Some((name, Json::from(parts.next().filter(|it| !it.is_empty())?))));
    let coding = Json::object(named);
    match of_type {
        "Coding" => coding,
        _ => Json::Object(Object::of([("coding", Json::array([coding]))])),
    }
}
