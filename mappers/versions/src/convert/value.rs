//! A value of one element as a value of another, and whether the way back gives the same again.

use model::json::{Json, Object};
use model::outcome::Issue;
use model::types::{Element, Kind, Primitive, ShapeId, Type};
use smol_str::SmolStr;

use super::coerce;
use super::object::{Given, Item, Of, lexeme};
use super::put::Out;
use super::{Place, Run, Spot};
use crate::rows::{Map, Rule, Via};

/// The element of the target that a value goes to.
#[derive(Clone, Copy)]
pub(super) struct To<'t> {
    pub(super) element: &'static Element,
    pub(super) of_type: &'static Type,
    /// `Encounter.hospitalization.origin`.
    pub(super) path: &'t str,
}

/// A value, the element it is to become, and where both stand.
#[derive(Clone, Copy)]
pub(super) struct Change<'c> {
    pub(super) given: Given<'c>,
    pub(super) to: To<'c>,
    pub(super) at: &'c Place<'c>,
    pub(super) spot: &'c Spot,
}

impl Run {
    /// The value, and whether the way back gives the same again.
    pub(super) fn converted(&mut self, change: Change<'_>, rule: Option<&'static Rule>) -> Option<(Out, bool)> {
        let Change { given: Given { item, of }, to, at, spot } = change;
        let via = rule.map_or(&Via::Plain, |rule| &rule.via);
        let system = rule.and_then(|rule| rule.system.as_ref());
        if let Via::Code(name) = via {
            return self.by_code(change, name, system);
        }
        match (of.of_type.kind, to.of_type.kind) {
            (Kind::Primitive(from), Kind::Primitive(into)) => {
                let (value, is_lossless) = match item.value {
                    None => (None, true),
                    Some(value) => {
                        let (value, is_lossless) = self.scalar(value, from, into, to)?;
                        self.leaf(at, spot);
                        (Some(value), is_lossless)
                    }
                };
                let companion = item.companion.map(|companion| self.companion(companion, at, spot));
                Some((Out { value, companion }, is_lossless))
            }
            (Kind::Resource, Kind::Resource) => {
                self.resource(item.value?, at, spot).map(|resource| (Out::of(resource), true))
            }
            (Kind::Object(from) | Kind::Reference(from, _), Kind::Object(into) | Kind::Reference(into, _))
                if self.is_alike(of.of_type, to.of_type) || rule.is_some() && self.is_structure(from, into) =>
            {
                let object = item.value?.as_object()?;
                if let Kind::Reference(_, targets) = to.of_type.kind
                    && !self.may_lead_to(object, targets)
                {
                    return None;
                }
                let mut object = self.object(object, from, into, at, spot);
                self.mend_reference(&mut object, to.of_type.name, at);
                if to.of_type.name == "Coding" {
                    split_version(&mut object);
                }
                Some((Out::of(object.into()), true))
            }
            _ => self.coerced(change, via, system),
        }
    }

    /// A value of a type that is not alike.
    fn coerced(&mut self, change: Change<'_>, via: &Via, system: Option<&SmolStr>) -> Option<(Out, bool)> {
        let Change { given: Given { item, of }, to, at, spot } = change;
        if of.of_type.name == "CodeableReference" && self.map.to.find("CodeableReference").is_none() {
            return self.half(change, via);
        }
        let name = of.of_type.name;
        // First as a value of the same type in the other version, then as one of the other type.
        let spot = spot.clone().whole();
        let (value, companion) = match of.of_type.kind {
            Kind::Primitive(_) => {
                let value = item.value?.clone();
                self.leaf(at, &spot);
                (value, item.companion.map(|companion| self.companion(companion, at, &spot)))
            }
            Kind::Object(from) | Kind::Reference(from, _) => {
                let object = item.value?.as_object()?;
                if self.map.from.shape(from).path.contains('.') {
                    return None;
                }
                let (into, _) = self.map.to.find(name)?;
                if let (Kind::Reference(..), Some((_, targets))) = (of.of_type.kind, targets_of(to.element))
                    && !self.may_lead_to(object, targets)
                {
                    return None;
                }
                (Json::Object(self.object(object, from, into, at, &spot)), None)
            }
            Kind::Resource => return None,
        };
        // A text is no code of a required binding.
        if to.element.binding.is_some()
            && matches!((name, to.of_type.name), ("string" | "markdown", "CodeableConcept" | "Coding"))
        {
            return None;
        }
        let result = coerce::shape(&value, name, to.of_type.name, system)?;
        let is_lossless = coerce::shape(&result, to.of_type.name, name, system).is_some_and(|back| back == value);
        match (to.of_type.kind, companion) {
            (Kind::Primitive(_), companion) => {
                let primitive = result.as_object().is_none() && result.as_array().is_none();
                let result = self.checked(result, to)?;
                primitive.then_some((Out { value: Some(result), companion }, is_lossless))
            }
            (Kind::Reference(..), None) => {
                let Json::Object(mut object) = result else { return None };
                self.mend_reference(&mut object, "Reference", at);
                Some((Out::of(object.into()), is_lossless))
            }
            (_, None) => Some((Out::of(result), is_lossless)),
            // The companion of a primitive has no place in an object that holds it: the whole is kept beside.
            (_, Some(companion)) => Some((Out::of(result), companion.is_empty() && is_lossless)),
        }
    }

    /// The concept or the reference of a CodeableReference, for a version that has no such type.
    fn half(&mut self, change: Change<'_>, via: &Via) -> Option<(Out, bool)> {
        let Change { given: Given { item, of }, to, at, spot } = change;
        let object = item.value?.as_object()?;
        let name = match (via, to.of_type.name) {
            (Via::Concept, _) => "concept",
            (Via::Reference, _) => "reference",
            (_, "Reference") => "reference",
            _ if object.contains_key("concept") => "concept",
            _ => return None,
        };
        let Kind::Object(id) = of.of_type.kind else { return None };
        let shape = self.map.from.shape(id);
        let (_, element, of_type) = shape.find(name)?;
        let part = object.get(name)?;
        let place = at.member(element.name, None);
        let spot = spot.clone().whole();
        let inner = Of { shape, element, of_type };
        let given = Given { item: Item { value: Some(part), companion: None, index: None }, of: inner };
        let (out, is_lossless) = self.converted(Change { given, to, at: &place, spot: &spot }, None)?;
        // Own id and extensions, or the other half without a row of its own.
        let is_partial = matches!(via, Via::Concept | Via::Reference);
        let is_whole =
            object.iter().all(|(member, _)| member == name || is_partial && matches!(member, "concept" | "reference"));
        Some((out, is_lossless && is_whole))
    }

    /// A code by a map, from and to whatever holds a code.
    fn by_code(&mut self, change: Change<'_>, name: &str, system: Option<&SmolStr>) -> Option<(Out, bool)> {
        let Change { given: Given { item, of }, to, at, spot } = change;
        let map = self.map.code_map(name)?;
        let value = item.value?;
        let codings: Vec<&Json> = match of.of_type.name {
            "CodeableConcept" => value.items("coding").iter().collect(),
            "Coding" => vec![value],
            _ => Vec::new(),
        };
        let found = if codings.is_empty() {
            let code = lexeme(value);
            map.get(&code).map(|target| (code, SmolStr::new(target)))
        } else {
            let of_system = |coding: &&&Json| {
                system.is_none()
                    || coding.text_at(&["system"]).is_none_or(|uri| Some(uri) == system.map(SmolStr::as_str))
            };
            let code = |coding: &&Json| {
                let code = coding.text_at(&["code"])?;
                Some((SmolStr::new(code), SmolStr::new(map.get(code)?)))
            };
            codings.iter().filter(of_system).find_map(code)
        };
        let (code, target) = found?;
        let spot = spot.clone().whole();
        let text = Json::String(target.clone());
        let result = match to.of_type.kind {
            Kind::Primitive(Primitive::Boolean) => coerce::scalar(&text, Primitive::Code, Primitive::Boolean)?,
            Kind::Primitive(primitive) => coerce::scalar(&text, Primitive::Code, primitive)?,
            _ => coerce::shape(&text, "code", to.of_type.name, system)?,
        };
        self.item_leaves(item, at, &spot);
        let is_bare = match value {
            Json::Object(_) => {
                let whole = coerce::shape(&Json::String(code.clone()), "code", of.of_type.name, system);
                whole.as_ref() == Some(value)
            }
            _ => item.companion.is_none(),
        };
        let is_lossless = is_bare && map.back(&target) == Some(&code);
        Some((Out::of(result), is_lossless))
    }

    /// A scalar for an element; whether nothing of it is lost.
    fn scalar(&mut self, value: &Json, from: Primitive, into: Primitive, to: To<'_>) -> Option<(Json, bool)> {
        if let Some(text) = value.as_str()
            && let Some(changed) = self.rewritten(text, to.path)
        {
            let back = Map::between(self.map.to_version, self.map.from_version)
                .and_then(|map| Run::new(map, false).undone(&changed, to.path));
            let is_lossless = back.as_deref() == Some(text);
            return Some((Json::String(changed), is_lossless));
        }
        if to.path == "Narrative.div"
            && let Some(mended) = value.as_str().and_then(with_namespace)
        {
            self.issues
                .push(Issue::warning("structure", "expected the namespace of XHTML on the div: added").at(to.path));
            return Some((Json::from(mended), true));
        }
        let scalar = coerce::scalar(value, from, into)?;
        let is_lossless = from == into || coerce::scalar(&scalar, into, from).as_ref() == Some(value);
        let checked = self.checked(scalar.clone(), to)?;
        let is_same = checked == scalar;
        Some((checked, is_lossless && is_same))
    }

    /// A code that the target's required binding has; the name of a renamed type as it is called there.
    fn checked(&self, value: Json, to: To<'_>) -> Option<Json> {
        if !matches!(to.of_type.kind, Kind::Primitive(Primitive::Code)) {
            return Some(value);
        }
        let (Some(set), Some(code)) =
            (to.element.binding.and_then(|index| self.map.to.value_set(index)), value.as_str())
        else {
            return Some(value);
        };
        if set.has_code(code) {
            return Some(value);
        }
        let renamed = self.map.from.resource(code).and_then(|_| self.map.type_of(code))?;
        set.has_code(renamed).then(|| Json::from(renamed))
    }

    pub(super) fn companion(&mut self, companion: &Object, at: &Place<'_>, spot: &Spot) -> Object {
        let (Some((from, _)), Some((to, _))) = (self.map.from.find("Element"), self.map.to.find("Element")) else {
            return companion.clone();
        };
        self.object(companion, from, to, at, spot)
    }

    fn is_alike(&self, from: &Type, to: &Type) -> bool {
        let path = |kind: Kind, table: &'static model::types::Table| match kind {
            Kind::Object(id) | Kind::Reference(id, _) => Some(table.shape(id).path.as_str()),
            _ => None,
        };
        match (path(from.kind, self.map.from), path(to.kind, self.map.to)) {
            (Some(from), Some(to)) => from.contains('.') && to.contains('.') || coerce::is_alike(from, to),
            _ => false,
        }
    }

    /// Whether one is an element with elements and the other a data type that a row says is the same.
    fn is_structure(&self, from: ShapeId, to: ShapeId) -> bool {
        let (from, to) = (&self.map.from.shape(from).path, &self.map.to.shape(to).path);
        let is_one = |path: &str| matches!(path, "ContactDetail" | "Dosage" | "ExtendedContactDetail");
        from.contains('.') && is_one(to) || to.contains('.') && is_one(from)
    }
}

/// A row of code systems may say the version that still has the codes: `URI|3.0.2`.
fn split_version(coding: &mut Object) {
    let parts = coding.get("system").and_then(Json::as_str).and_then(|system| system.split_once('|'));
    let Some((system, version)) = parts.map(|(system, version)| (SmolStr::new(system), SmolStr::new(version))) else {
        return;
    };
    coding.insert("system", system);
    if !coding.contains_key("version") {
        coding.insert("version", version);
    }
}

/// A narrative that says no namespace, with the only one it can have. FHIR R4 narrative.html.
fn with_namespace(text: &str) -> Option<String> {
    let rest = text.trim_start().strip_prefix("<div")?;
    let (tag, _) = rest.split_once('>')?;
    (!tag.contains("xmlns")).then(|| format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"{rest}"))
}

fn targets_of(element: &'static Element) -> Option<(usize, &'static str)> {
    element.types.iter().enumerate().find_map(|(at, each)| match each.kind {
        Kind::Reference(_, targets) => Some((at, targets)),
        _ => None,
    })
}
