//! A value of one element as a value of another, and the decision whether it fits.

use model::json::{Json, Object};
use model::outcome::Issue;
use model::types::{Element, Kind, Primitive, Shape, ShapeId, Type};
use smol_str::{SmolStr, format_smolstr};

use super::coerce;
use super::object::{Given, Into_, Item, Of, below, lexeme};
use super::put::{self, Out};
use super::{Fate, Place, Run, Spot};
use crate::rows::{Map, Rule, Via};

/// The element of the target that a value goes to.
#[derive(Clone, Copy)]
struct To<'t> {
    element: &'static Element,
    of_type: &'static Type,
    /// `Encounter.hospitalization.origin`.
    path: &'t str,
}

impl Run {
    /// Puts a value at a path that starts at the type of the object at hand; whether it could stand there.
    pub(super) fn emit(
        &mut self,
        given: Given<'_>,
        steps: &[SmolStr],
        rule: Option<&'static Rule>,
        into: &mut Into_<'_>,
        at: &Place<'_>,
    ) -> bool {
        let path = &self.map.to.shape(into.id).path;
        let root = path.split('.').next().unwrap_or_default();
        match below(path, root, steps) {
            Some(rest) => self.emit_relative(given, rest, rule, into, at),
            None => self.emit_above(given, steps, rule, root, at),
        }
    }

    /// Puts a value at a path below the object at hand.
    pub(super) fn emit_relative(
        &mut self,
        given: Given<'_>,
        steps: &[SmolStr],
        rule: Option<&'static Rule>,
        into: &mut Into_<'_>,
        at: &Place<'_>,
    ) -> bool {
        let shape = self.map.to.shape(into.id);
        let Some((last, parents)) = steps.split_last() else { return false };
        let Some(holder) = put::descend(self.map.to, shape, parents) else { return false };
        for (name, element, of_type) in candidates(holder, last, given.of) {
            // Full already: the first value stays.
            let fresh = rule.filter(|rule| rule.is_fresh && !parents.is_empty());
            let present = if fresh.is_some() { None } else { object_at(into.object, parents) };
            if !element.repeats() && present.is_some_and(|object| put::has(object, element)) {
                continue;
            }
            let index = element.repeats().then(|| present.map_or(0, |object| put::count(object, &name)));
            let mut spot = into.spot.clone();
            let mut inner = shape;
            for parent in parents {
                let repeats = inner.find(parent).is_some_and(|(_, element, _)| element.repeats());
                spot = spot.member(parent, repeats.then_some(0));
                inner = put::descend(self.map.to, inner, std::slice::from_ref(parent)).unwrap_or(inner);
            }
            let spot = spot.member(element.name, index);
            let path = format!("{}.{}", holder.path, element.name);
            let Some((name, out)) = self.value(given, To { element, of_type, path: &path }, &name, rule, at, &spot)
            else {
                continue;
            };
            let mut full: Vec<SmolStr> = parents.to_vec();
            if let Some(rule) = fresh {
                let mut inner = Object::new();
                if put::put(self.map.to, &mut inner, holder, &[name], out).is_ok() {
                    if let Some(beside) = &rule.beside {
                        inner.insert(beside.member.clone(), concept(&beside.system, &beside.code));
                    }
                    let inner = Out::of(put::tidy(inner, holder).into());
                    return put::put(self.map.to, into.object, shape, &full, inner).is_ok();
                }
                continue;
            }
            full.push(name);
            if put::put(self.map.to, into.object, shape, &full, out).is_ok() {
                return true;
            }
        }
        false
    }

    /// A value for an element above the object at hand: put there once that object is done.
    fn emit_above(
        &mut self,
        given: Given<'_>,
        steps: &[SmolStr],
        rule: Option<&'static Rule>,
        root: &str,
        at: &Place<'_>,
    ) -> bool {
        let map = self.map;
        let (Some(rule), Some((_, shape))) = (rule, map.to.find(root)) else { return false };
        let Some((last, parents)) = steps.split_last() else { return false };
        let Some(holder) = put::descend(map.to, shape, parents) else { return false };
        for (name, element, of_type) in candidates(holder, last, given.of) {
            let path = format!("{}.{}", holder.path, element.name);
            let spot = Spot::root(self.account, &path, None).whole();
            if let Some((_, out)) =
                self.value(given, To { element, of_type, path: &path }, &name, Some(rule), at, &spot)
            {
                self.postpone(rule, out);
                return true;
            }
        }
        false
    }

    /// The value for an element, with its JSON name; none if it cannot be one.
    fn value(
        &mut self,
        given: Given<'_>,
        to: To<'_>,
        name: &SmolStr,
        rule: Option<&'static Rule>,
        at: &Place<'_>,
        spot: &Spot,
    ) -> Option<(SmolStr, Out)> {
        let Given { item, of } = given;
        if let Some(found) = self.restored(item, of, to, rule) {
            self.item_leaves(item, at, &spot.clone().whole());
            return Some(found);
        }
        // What was counted for a value that then does not fit is not counted.
        let before = (self.loss.mapped.len(), self.loss.kept.len(), self.loss.dropped.len(), self.issues.len());
        let pending = self.pending.len();
        let made = self.converted(given, to, rule, at, spot).filter(|(out, _)| !out.is_empty());
        let Some((mut out, is_lossless)) = made else {
            self.loss.mapped.truncate(before.0);
            self.loss.kept.truncate(before.1);
            self.loss.dropped.truncate(before.2);
            self.issues.truncate(before.3);
            self.pending.truncate(pending);
            return None;
        };
        if !is_lossless {
            self.attach(&mut out, item, of, at);
        }
        Some((name.clone(), out))
    }

    /// The value, and whether the way back gives the same again.
    fn converted(
        &mut self,
        given: Given<'_>,
        to: To<'_>,
        rule: Option<&'static Rule>,
        at: &Place<'_>,
        spot: &Spot,
    ) -> Option<(Out, bool)> {
        let Given { item, of } = given;
        let via = rule.map_or(&Via::Plain, |rule| &rule.via);
        let system = rule.and_then(|rule| rule.system.as_ref());
        if let Via::Code(name) = via {
            return self.by_code(given, to, name, system, at, spot);
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
            _ => self.coerced(given, to, via, system, at, spot),
        }
    }

    /// A value of a type that is not alike.
    fn coerced(
        &mut self,
        given: Given<'_>,
        to: To<'_>,
        via: &Via,
        system: Option<&SmolStr>,
        at: &Place<'_>,
        spot: &Spot,
    ) -> Option<(Out, bool)> {
        let Given { item, of } = given;
        if of.of_type.name == "CodeableReference" && self.map.to.find("CodeableReference").is_none() {
            return self.half(given, to, via, at, spot);
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
    fn half(&mut self, given: Given<'_>, to: To<'_>, via: &Via, at: &Place<'_>, spot: &Spot) -> Option<(Out, bool)> {
        let Given { item, of } = given;
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
        let (out, is_lossless) = self.converted(
            Given { item: Item { value: Some(part), companion: None, index: None }, of: inner },
            to,
            None,
            &place,
            &spot,
        )?;
        // Own id and extensions, or the other half without a row of its own.
        let is_partial = matches!(via, Via::Concept | Via::Reference);
        let is_whole =
            object.iter().all(|(member, _)| member == name || is_partial && matches!(member, "concept" | "reference"));
        Some((out, is_lossless && is_whole))
    }

    /// A code by a map, from and to whatever holds a code.
    fn by_code(
        &mut self,
        given: Given<'_>,
        to: To<'_>,
        name: &str,
        system: Option<&SmolStr>,
        at: &Place<'_>,
        spot: &Spot,
    ) -> Option<(Out, bool)> {
        let Given { item, of } = given;
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

    /// Keeps a value beside one that says less.
    fn attach(&mut self, out: &mut Out, item: Item<'_>, of: Of, at: &Place<'_>) {
        let url = format!("{}{}", self.map.from_version.extension_base(), of.path());
        let packed = self.with_fate(Fate::Silent, |run| run.pack(item, &url, of, at, &Spot::root(false, "", None)));
        let Some(packed) = packed else { return };
        let holder = match &mut out.value {
            Some(Json::Object(object)) => object,
            _ => out.companion.get_or_insert_default(),
        };
        if let Json::Array(items) = holder.get_or_insert_with("extension", || Json::Array(Vec::new())) {
            items.push(packed.into());
        }
    }

    /// The value of the target's own version that was kept beside the one at hand, if that still says the same.
    fn restored(&mut self, item: Item<'_>, of: Of, to: To<'_>, rule: Option<&'static Rule>) -> Option<(SmolStr, Out)> {
        let holder = match item.value {
            Some(Json::Object(object)) => object,
            _ => item.companion?,
        };
        let base = self.map.to_version.extension_base();
        let is_it = |extension: &&Json| {
            extension.text_at(&["url"]).and_then(|url| url.strip_prefix(base)).is_some_and(|path| path == to.path)
        };
        let extensions = holder.get("extension").and_then(Json::as_array)?;
        let kept = extensions.iter().find(is_it)?.as_object()?;
        let place = Place::Root("");
        let (name, mut out) = self.with_fate(Fate::Silent, |run| run.decode(kept, to.element, &place))?;
        if let (Some(current), Some(candidate)) = (item.value.filter(|value| value.as_object().is_none()), &out.value) {
            let says = self.again(candidate, of, to, rule);
            if says.as_ref().map(lexeme) != Some(lexeme(current)) {
                self.issues
                    .push(Issue::warning("conflict", "the value kept beside this one says something else: not used"));
                return None;
            }
        }
        // Extensions that stood beside the kept one belong to the value.
        let rest: Vec<Json> = extensions.iter().filter(|each| !is_it(each)).cloned().collect();
        if let (Some(Json::Object(object)), false) = (&mut out.value, rest.is_empty()) {
            let present = object.get("extension").and_then(Json::as_array).unwrap_or_default();
            let more: Vec<Json> = rest.into_iter().filter(|each| !present.contains(each)).collect();
            if let (false, Json::Array(items)) =
                (more.is_empty(), object.get_or_insert_with("extension", || Json::Array(Vec::new())))
            {
                items.extend(more);
            }
        }
        Some((name, out))
    }

    /// What a value of the target becomes in the source, as far as a scalar can be compared.
    fn again(&self, candidate: &Json, of: Of, to: To<'_>, rule: Option<&'static Rule>) -> Option<Json> {
        let system = rule.and_then(|rule| rule.system.as_ref());
        if let Some(Via::Code(name)) = rule.map(|rule| &rule.via) {
            let codes = self.map.code_map(name)?;
            let code = match candidate {
                Json::Object(_) => coerce::shape(candidate, to.of_type.name, "code", system)?,
                scalar => Json::String(lexeme(scalar)),
            };
            return codes.back(code.as_str()?).map(Json::from);
        }
        match (to.of_type.kind, of.of_type.kind) {
            (Kind::Primitive(from), Kind::Primitive(into)) => {
                let back = Map::between(self.map.to_version, self.map.from_version)?;
                let back = candidate.as_str().and_then(|text| Run::new(back, false).undone(text, to.path));
                back.map(Json::String).or_else(|| coerce::scalar(candidate, from, into))
            }
            _ => coerce::shape(candidate, to.of_type.name, of.of_type.name, system),
        }
    }
}

fn concept(system: &SmolStr, code: &SmolStr) -> Json {
    let coding = Object::of([("system", Json::String(system.clone())), ("code", Json::String(code.clone()))]);
    Json::Object(Object::of([("coding", Json::array([Json::Object(coding)]))]))
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

/// The elements that a name may mean for a value, the best first: itself, or the types of a choice that it names.
fn candidates(shape: &'static Shape, name: &SmolStr, of: Of) -> Vec<(SmolStr, &'static Element, &'static Type)> {
    if let Some((_, element, of_type)) = shape.find(name) {
        return vec![(name.clone(), element, of_type)];
    }
    let Some(element) = shape.elements.iter().find(|element| element.is_choice && element.name == name.as_str()) else {
        return Vec::new();
    };
    let mut found: Vec<_> = put::names(element).map(|(name, of_type)| (name, element, of_type)).collect();
    let from = of.of_type.name;
    found.sort_by_key(|(_, _, of_type)| match of_type.name {
        name if name == from => 0,
        name if coerce::is_alike(name, from) => 1,
        _ => 2,
    });
    found
}

fn object_at<'o>(object: &'o Object, steps: &[SmolStr]) -> Option<&'o Object> {
    steps.iter().try_fold(object, |object, step| match object.get(step)? {
        Json::Array(items) => items.first()?.as_object(),
        other => other.as_object(),
    })
}

/// The name of an extension's value of a type: `valueCodeableConcept`.
pub(super) fn value_name(of_type: &str) -> SmolStr {
    let mut letters = of_type.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase()).unwrap_or_default();
    format_smolstr!("value{first}{}", letters.as_str())
}
