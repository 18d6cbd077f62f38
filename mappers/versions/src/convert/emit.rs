//! Where a value goes in the object at hand or above it, and what was kept beside one that says less.

use model::json::{Json, Object};
use model::outcome::Issue;
use model::types::{Element, Kind, Shape, Type};
use smol_str::{SmolStr, format_smolstr};

use super::coerce;
use super::object::{Given, Into_, Item, Of, below, lexeme};
use super::put::{self, Out};
use super::value::{Change, To};
use super::{Fate, Place, Run, Spot};
use crate::rows::{Map, Rule, Via};

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
            let to = To { element, of_type, path: &path };
            let Some((name, out)) = self.value(Change { given, to, at, spot: &spot }, &name, rule) else { continue };
            let mut full: Vec<SmolStr> = parents.to_vec();
            if let Some(rule) = fresh {
                let mut inner = Object::new();
                if put::put(self.map.to, &mut inner, holder, &[name], out).is_ok() {
                    if let Some(beside) = &rule.beside {
                        let said = match beside.system.as_str() {
                            "" => Json::from(beside.code.as_str()),
                            _ => concept(&beside.system, &beside.code),
                        };
                        inner.insert(beside.member.clone(), said);
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
            let to = To { element, of_type, path: &path };
            if let Some((_, out)) = self.value(Change { given, to, at, spot: &spot }, &name, Some(rule)) {
                self.postpone(rule, out);
                return true;
            }
        }
        false
    }

    /// The value for an element, with its JSON name; none if it cannot be one.
    fn value(&mut self, change: Change<'_>, name: &SmolStr, rule: Option<&'static Rule>) -> Option<(SmolStr, Out)> {
        let Change { given: Given { item, of }, to, at, spot } = change;
        if let Some(found) = self.restored(item, of, to, rule) {
            self.item_leaves(item, at, &spot.clone().whole());
            return Some(found);
        }
        // What was counted for a value that then does not fit is not counted.
        let before = (self.loss.mapped.len(), self.loss.kept.len(), self.loss.dropped.len(), self.issues.len());
        let pending = self.pending.len();
        let made = self.converted(change, rule).filter(|(out, _)| !out.is_empty());
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
