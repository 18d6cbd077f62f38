//! An object of the source as an object of the target.

use model::json::{Json, Object};
use model::types::{Element, Kind, Shape, ShapeId, Type};
use smol_str::{SmolStr, format_smolstr};

use super::put::{self, Out};
use super::{Fate, Pending, Place, Run, Spot};
use crate::rows::{Beside, Rule, Via, When};

/// One value of an element, with its companion if it is a primitive.
#[derive(Clone, Copy)]
pub(super) struct Item<'j> {
    pub(super) value: Option<&'j Json>,
    pub(super) companion: Option<&'j Object>,
    pub(super) index: Option<usize>,
}

/// An element of the source with its name and type.
#[derive(Clone, Copy)]
pub(super) struct Of {
    pub(super) shape: &'static Shape,
    pub(super) element: &'static Element,
    pub(super) of_type: &'static Type,
}

impl Of {
    /// `Encounter.hospitalization.origin`, without the type of a choice.
    pub(super) fn path(self) -> String {
        format!("{}.{}", self.shape.path, self.element.name)
    }
}

/// Whose members go into the object at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Members {
    /// Those of what it is made of: elements of the same name are the same.
    Own,
    /// Those of an object inside that the target does not have: only rows say what they are here.
    OfInner,
}

/// A value together with the element it stands in.
#[derive(Clone, Copy)]
pub(super) struct Given<'j> {
    pub(super) item: Item<'j>,
    pub(super) of: Of,
}

/// Where values go: the object in the making.
pub(super) struct Into_<'o> {
    pub(super) id: ShapeId,
    pub(super) object: &'o mut Object,
    pub(super) spot: &'o Spot,
}

impl Run {
    /// A whole object.
    pub(super) fn object(
        &mut self,
        source: &Object,
        from: ShapeId,
        to: ShapeId,
        place: &Place<'_>,
        spot: &Spot,
    ) -> Object {
        let mut out = Object::with_capacity(source.len());
        self.fill(source, from, to, place, spot, &mut out);
        put::tidy(out, self.map.to.shape(to))
    }

    /// Puts what an object says into another.
    pub(super) fn fill(
        &mut self,
        source: &Object,
        from: ShapeId,
        to: ShapeId,
        place: &Place<'_>,
        spot: &Spot,
        out: &mut Object,
    ) {
        let mut into = Into_ { id: to, object: out, spot };
        // What an extension holds of the target's own version comes first where only one value can stand.
        let unpacked = self.unpack_single(source, &mut into, place);
        self.members(source, from, &mut into, place, Members::Own);
        self.extensions(source, &unpacked, &mut into, place);
        self.settle(&mut into);
    }

    /// The members but extensions, those that rows name first, in the order of the rows.
    fn members(&mut self, source: &Object, from: ShapeId, into: &mut Into_<'_>, place: &Place<'_>, whose: Members) {
        let map = self.map;
        let rules = map.rules(from);
        let mut names: Vec<(usize, &str)> = Vec::with_capacity(source.len());
        for (name, _) in source.iter() {
            let bare = match name.strip_prefix('_') {
                // A companion is read with its value.
                Some(bare) if source.contains_key(bare) => continue,
                Some(bare) => bare,
                None => name,
            };
            let is_type = bare == "resourceType" && map.from.shape(from).is_resource;
            if is_type || matches!(bare, "extension" | "modifierExtension") {
                continue;
            }
            // What goes into an object that other members make comes after them.
            let first = rules.iter().find(|rule| rule.member == bare);
            let is_deep = first.is_some_and(|rule| self.depth_below(rule, into.id) > 1);
            let order = first.map_or(usize::MAX - 1, |rule| if is_deep { usize::MAX } else { rule.order });
            names.push((order, bare));
        }
        if !rules.is_empty() {
            names.sort_by_key(|(order, _)| *order);
        }
        for (_, name) in names {
            let value = source.get(name);
            let companion = source.get(&format_smolstr!("_{name}"));
            self.member(source, (name, value, companion), (from, whose), into, place);
        }
    }

    fn member(
        &mut self,
        source: &Object,
        (name, value, companion): (&str, Option<&Json>, Option<&Json>),
        (from, whose): (ShapeId, Members),
        into: &mut Into_<'_>,
        place: &Place<'_>,
    ) {
        let map = self.map;
        let shape = map.from.shape(from);
        let Some((_, element, of_type)) = shape.find(name) else {
            self.unknown(name, value, companion, shape, into, place);
            return;
        };
        let of = Of { shape, element, of_type };
        let rules: Vec<&'static Rule> = map.rules(from).iter().filter(|rule| rule.member == name).collect();
        for item in items(value, companion) {
            let at = place.member(element.name, item.index);
            if self.is_filler(item, of, into) {
                self.gone(item, &at, "stands for a value that is not there");
                continue;
            }
            let is_placed = self.fresh(item, of, into, &at)
                || self.by_rules(source, item, of, &rules, into, &at)
                || whose == Members::Own && self.plain(item, of, name, into, &at)
                || self.through(item, of, into, &at);
            if !is_placed {
                self.keep(item, of, into, &at);
            }
        }
    }

    /// Asks the rows for an item; whether one of them took it.
    fn by_rules(
        &mut self,
        source: &Object,
        item: Item<'_>,
        of: Of,
        rules: &[&'static Rule],
        into: &mut Into_<'_>,
        at: &Place<'_>,
    ) -> bool {
        let mut taken_by = 0;
        let mut halves: Vec<&str> = Vec::new();
        let root = self.root_of(into);
        // Several places of the target may have the same shape: a row that leads below the object at hand is meant.
        let (near, far): (Vec<&'static Rule>, Vec<&'static Rule>) = rules
            .iter()
            .copied()
            .filter(|rule| rule.target.as_ref().is_none_or(|target| target.root == root))
            .partition(|rule| rule.target.is_none() || self.depth_below(rule, into.id) > 0);
        let chosen = if near.is_empty() { far } else { near };
        for rule in chosen {
            if rule.is_fresh
                && rule.beside.is_some()
                && rule.target.as_ref().is_some_and(|target| target.steps.len() == 1)
            {
                // Only for an item that says so.
                continue;
            }
            if !self.holds(rule, source, item) {
                continue;
            }
            self.rule = Some(rule.label.clone());
            let taken = match &rule.via {
                Via::Drop(reason) => {
                    self.gone(item, at, reason);
                    true
                }
                Via::Modifier => {
                    self.keep_as(item, of, true, into, at);
                    true
                }
                _ => rule
                    .target
                    .as_ref()
                    .is_some_and(|target| self.emit(Given { item, of }, &target.steps, Some(rule), into, at)),
            };
            self.rule = None;
            taken_by += usize::from(taken);
            if taken {
                halves.push(if matches!(rule.via, Via::Concept) { "concept" } else { "reference" });
            }
            // The concept and the reference of one item go by a row each.
            if taken && !(matches!(rule.via, Via::Concept | Via::Reference) && of.of_type.name == "CodeableReference") {
                return true;
            }
        }
        let object = item.value.and_then(Json::as_object).filter(|_| of.of_type.name == "CodeableReference");
        let left = object.map(|object| {
            object.iter().filter(|(name, _)| matches!(*name, "concept" | "reference") && !halves.contains(name))
        });
        if let (1.., Some(mut left)) = (taken_by, left)
            && let Some((name, value)) = left.next()
        {
            // One half found no place: the whole is kept beside.
            let spot = into.spot.member("extension", Some(put::count(into.object, "extension")));
            self.with_fate(Fate::Silent, |run| run.keep(item, of, into, at));
            self.with_fate(Fate::Kept, |run| run.all(value, &at.member(name, None), &spot));
        }
        taken_by > 0
    }

    /// How many steps a row leads below the object at hand; none: elsewhere.
    fn depth_below(&self, rule: &Rule, into: ShapeId) -> usize {
        let path = &self.map.to.shape(into).path;
        rule.target.as_ref().and_then(|target| below(path, &target.root, &target.steps)).map_or(0, <[SmolStr]>::len)
    }

    fn root_of(&self, into: &Into_<'_>) -> SmolStr {
        let path = &self.map.to.shape(into.id).path;
        path.split('.').next().unwrap_or_default().into()
    }

    fn holds(&self, rule: &Rule, source: &Object, item: Item<'_>) -> bool {
        let one = |when: &When| match when {
            When::Type(types) => {
                let kind = item.value.and_then(Json::as_object).and_then(|reference| self.reference_type(reference));
                kind.is_none_or(|kind| types.contains(&kind))
            }
            When::Is(name, values) => source.get(name).map(lexeme).is_some_and(|said| values.contains(&said)),
            When::Has(name) => source.contains_key(name),
            When::HasNot(name) => !source.contains_key(name),
        };
        rule.when.iter().all(one)
    }

    /// The same element of the target, or the same with another type.
    fn plain(&mut self, item: Item<'_>, of: Of, name: &str, into: &mut Into_<'_>, at: &Place<'_>) -> bool {
        let shape = self.map.to.shape(into.id);
        if shape.find(name).is_some() && self.emit_relative(Given { item, of }, &[SmolStr::new(name)], None, into, at) {
            return true;
        }
        // A choice that was none, or none that was a choice, or one of other types.
        let same = shape.elements.iter().find(|element| element.name == of.element.name);
        let is_other = same.is_some_and(|element| element.is_choice || of.element.is_choice);
        is_other && self.emit_relative(Given { item, of }, &[SmolStr::new_static(of.element.name)], None, into, at)
    }

    /// An element that the target does not have, but rows give its elements a place in the object around it.
    fn through(&mut self, item: Item<'_>, of: Of, into: &mut Into_<'_>, at: &Place<'_>) -> bool {
        let map = self.map;
        let (Kind::Object(inner), Some(object)) = (of.of_type.kind, item.value.and_then(Json::as_object)) else {
            return false;
        };
        let root = self.root_of(into);
        let fits = |rule: &Rule| !rule.is_fresh && self.depth_below(rule, into.id) > 0;
        // Only the first of several has a place there, and only if it is nothing but its elements.
        let is_bare = !object.contains_key("id")
            && !object.contains_key("extension")
            && !object.contains_key("modifierExtension");
        let is_first = item.index.is_none_or(|index| index == 0) || self.gathers(inner, &root);
        // Extensions name elements of a data type by the type, which does not say where it stood.
        let is_named = map.from.shape(inner).path.contains('.')
            || object.iter().all(|(name, _)| {
                map.rules(inner).iter().any(|rule| rule.member == name.trim_start_matches('_') && fits(rule))
            });
        if !is_bare || !is_named || !is_first || !map.rules(inner).iter().any(fits) {
            return false;
        }
        self.members(object, inner, into, at, Members::OfInner);
        true
    }

    /// Whether rows take the elements of all items of an array together: to R4 only, as the way back would not part them.
    fn gathers(&self, inner: ShapeId, root: &str) -> bool {
        let map = self.map;
        let gathers = |rule: &Rule| {
            rule.target.as_ref().filter(|target| target.root == root).is_some_and(|target| {
                let holder = map.to.find(root).map(|(_, shape)| shape);
                let last = target.steps.last();
                let parents = target.steps.get(..target.steps.len().saturating_sub(1)).unwrap_or_default();
                let holder = holder.and_then(|shape| put::descend(map.to, shape, parents));
                holder
                    .zip(last)
                    .and_then(|(holder, last)| holder.find(last))
                    .is_some_and(|(_, element, _)| element.repeats())
            })
        };
        map.to_version == crate::Version::R4 && map.rules(inner).iter().all(|rule| rule.is_fresh || gathers(rule))
    }

    /// An item of an array that stands for one value of the target, as a row with `[+]` says.
    fn fresh(&mut self, item: Item<'_>, of: Of, into: &mut Into_<'_>, at: &Place<'_>) -> bool {
        let map = self.map;
        let (Kind::Object(inner), Some(object)) = (of.of_type.kind, item.value.and_then(Json::as_object)) else {
            return false;
        };
        let rules = map.rules(inner);
        if !rules.iter().any(|rule| rule.is_fresh) {
            return false;
        }
        let root = self.root_of(into);
        let is_it = |rule: &&Rule| {
            rule.is_fresh
                && rule.target.as_ref().is_some_and(|target| {
                    target.root == root && !put::has_step(map.to.shape(into.id), into.object, target)
                })
                && object.contains_key(&rule.member)
                && rule.beside.as_ref().is_none_or(|beside| says(object, beside))
                && self.holds(rule, object, Item { value: object.get(&rule.member), companion: None, index: None })
        };
        let Some(rule) = rules.iter().find(is_it) else { return false };
        // What says which row it is goes with it; an item that says more is kept whole.
        let is_known = |name: &str| {
            rules.iter().any(|other| other.is_fresh && other.member == name)
                || rule.beside.as_ref().is_some_and(|beside| beside.member == name)
        };
        if !object.iter().all(|(name, _)| is_known(name)) {
            return false;
        }
        let mut rest = object.clone();
        if let Some(beside) = &rule.beside
            && let Some(value) = rest.remove(&beside.member)
        {
            let spot = into
                .spot
                .member(rule.target.as_ref().and_then(|target| target.steps.last()).map_or("", |step| step), None);
            self.all(&value, &at.member(&beside.member, None), &spot);
        }
        for other in rules.iter().filter(|other| other.is_fresh && other.beside == rule.beside) {
            let (Some(target), Some((_, element, of_type))) =
                (&other.target, map.from.shape(inner).find(&other.member))
            else {
                continue;
            };
            if target.root != root {
                continue;
            }
            let inner = Of { shape: map.from.shape(inner), element, of_type };
            for item in items(rest.get(&other.member), rest.get(&format_smolstr!("_{}", other.member))) {
                let place = at.member(element.name, item.index);
                self.rule = Some(other.label.clone());
                if !self.emit(Given { item, of: inner }, &target.steps, Some(other), into, &place) {
                    self.keep(item, inner, into, &place);
                }
                self.rule = None;
            }
        }
        true
    }

    /// Values that a row puts into an object above the one that had them.
    pub(super) fn settle(&mut self, into: &mut Into_<'_>) {
        if self.pending.is_empty() {
            return;
        }
        let path = &self.map.to.shape(into.id).path;
        for pending in std::mem::take(&mut self.pending) {
            match below(path, &pending.target.root, &pending.target.steps) {
                None => self.pending.push(pending),
                Some(steps) => {
                    let steps = steps.to_vec();
                    let shape = self.map.to.shape(into.id);
                    if put::put(self.map.to, into.object, shape, &steps, pending.out).is_err() {
                        self.issues.push(
                            model::outcome::Issue::warning(
                                "business-rule",
                                "a second value for an element that has one",
                            )
                            .at(format!("{}.{}", path, steps.join("."))),
                        );
                    }
                }
            }
        }
    }

    /// A member that the version at hand does not have.
    fn unknown(
        &mut self,
        name: &str,
        value: Option<&Json>,
        companion: Option<&Json>,
        shape: &'static Shape,
        into: &mut Into_<'_>,
        place: &Place<'_>,
    ) {
        let text = format!("{} has no such element", self.map.from_version);
        self.issues.push(model::outcome::Issue::warning("structure", text).at(place.member(name, None).to_string()));
        if let Some((_, element, of_type)) = self.map.to.shape(into.id).find(name)
            && !put::has(into.object, element)
            && let Some(value) = value.filter(|value| fits(value, element, of_type))
        {
            // Written as the other version has it: a mixture, taken for what it says.
            into.object.insert(name, value.clone());
            if let Some(companion) = companion {
                into.object.insert(format_smolstr!("_{name}"), companion.clone());
            }
            for item in items(Some(value), companion) {
                let spot = into.spot.member(name, item.index);
                self.item_leaves(item, &place.member(name, item.index), &spot.whole());
            }
            return;
        }
        for item in items(value, companion) {
            let at = place.member(name, item.index);
            let url = format!("{}{}.{name}", self.map.from_version.extension_base(), shape.path);
            let packed = item.value.and_then(|value| super::keep::guess(value, &url));
            self.add_extension(packed, item, false, into, &at);
        }
    }

    /// Puts an extension on the object at hand, or says that it cannot have one.
    pub(super) fn add_extension(
        &mut self,
        packed: Option<Object>,
        item: Item<'_>,
        is_modifier: bool,
        into: &mut Into_<'_>,
        at: &Place<'_>,
    ) {
        let shape = self.map.to.shape(into.id);
        let name =
            if is_modifier && shape.find("modifierExtension").is_some() { "modifierExtension" } else { "extension" };
        match packed.filter(|_| shape.find(name).is_some()) {
            Some(packed) => {
                let spot = into.spot.member(name, Some(put::count(into.object, name)));
                let _ = put::put(self.map.to, into.object, shape, &[SmolStr::new_static(name)], Out::of(packed.into()));
                self.with_fate(Fate::Kept, |run| run.item_leaves(item, at, &spot));
            }
            None => {
                let text = format!("{} has no place for it", self.map.to_version);
                self.issues.push(model::outcome::Issue::warning("not-supported", text.as_str()).at(at.to_string()));
                self.gone(item, at, &text);
            }
        }
    }

    /// Counts the pieces of an item at one place.
    pub(super) fn item_leaves(&mut self, item: Item<'_>, at: &Place<'_>, spot: &Spot) {
        if let Some(value) = item.value {
            self.all(value, at, spot);
        }
        if let Some(companion) = item.companion {
            for (name, value) in companion.iter() {
                self.all(value, &at.member(name, None), spot);
            }
        }
    }

    fn gone(&mut self, item: Item<'_>, at: &Place<'_>, why: &str) {
        if let Some(value) = item.value {
            self.drop(value, at, why);
        }
        if let Some(companion) = item.companion {
            for (name, value) in companion.iter() {
                self.drop(value, &at.member(name, None), why);
            }
        }
    }

    pub(super) fn postpone(&mut self, rule: &Rule, out: Out) {
        if let Some(target) = rule.target.clone() {
            self.pending.push(Pending { target, out });
        }
    }
}

/// Whether an item says what a row wants beside its value.
fn says(object: &Object, beside: &Beside) -> bool {
    let is_it = |coding: &Json| {
        coding.text_at(&["system"]) == Some(&beside.system) && coding.text_at(&["code"]) == Some(&beside.code)
    };
    object.get(&beside.member).is_some_and(|concept| matches!(concept.items("coding"), [only] if is_it(only)))
}

/// Whether a value has the JSON form of an element.
fn fits(value: &Json, element: &Element, of_type: &Type) -> bool {
    let one = |value: &Json| match of_type.kind {
        Kind::Primitive(_) => !matches!(value, Json::Object(_) | Json::Array(_)),
        _ => value.as_object().is_some(),
    };
    match value {
        Json::Array(items) => element.repeats() && items.iter().all(one),
        single => !element.repeats() && one(single),
    }
}

/// The steps that are left below a path (`Encounter.hospitalization`), if the target is below it.
pub(super) fn below<'s>(path: &str, root: &str, steps: &'s [SmolStr]) -> Option<&'s [SmolStr]> {
    let mut parts = path.split('.');
    if parts.next() != Some(root) {
        return None;
    }
    let mut rest = steps;
    for part in parts {
        let (first, tail) = rest.split_first()?;
        if first != part {
            return None;
        }
        rest = tail;
    }
    (!rest.is_empty()).then_some(rest)
}

/// The values of a member with their companions.
pub(super) fn items<'j>(value: Option<&'j Json>, companion: Option<&'j Json>) -> Vec<Item<'j>> {
    let is_array = |json: Option<&Json>| matches!(json, Some(Json::Array(_)));
    if !is_array(value) && !is_array(companion) {
        return vec![Item { value, companion: companion.and_then(Json::as_object), index: None }];
    }
    let values = value.and_then(Json::as_array).unwrap_or_default();
    let companions = companion.and_then(Json::as_array).unwrap_or_default();
    let item = |index: usize| Item {
        value: values.get(index).filter(|value| !matches!(value, Json::Null)),
        companion: companions.get(index).and_then(Json::as_object),
        index: Some(index),
    };
    (0..values.len().max(companions.len()))
        .map(item)
        .filter(|item| item.value.is_some() || item.companion.is_some())
        .collect()
}

/// The text of a scalar.
pub(super) fn lexeme(value: &Json) -> SmolStr {
    match value {
        Json::String(text) => text.clone(),
        Json::Bool(true) => SmolStr::new_static("true"),
        Json::Bool(false) => SmolStr::new_static("false"),
        Json::Number(number) => number.as_str().into(),
        _ => SmolStr::default(),
    }
}
