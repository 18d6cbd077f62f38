//! An object of the source as an object of the target.

use model::json::{Json, Object};
use model::types::{Element, Kind, Shape, ShapeId, Type};
use smol_str::{SmolStr, format_smolstr};

use super::put::{self, Out};
use super::{Fate, Pending, Place, Run, Spot};
use crate::rows::{Rule, Via, When};

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
        self.members(source, from, &mut into, place);
        self.extensions(source, &unpacked, &mut into, place);
        self.settle(&mut into);
    }

    /// The members but extensions, those that rows name first, in the order of the rows.
    fn members(&mut self, source: &Object, from: ShapeId, into: &mut Into_<'_>, place: &Place<'_>) {
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
            if matches!(bare, "resourceType" | "extension" | "modifierExtension") {
                continue;
            }
            let order = rules.iter().find(|rule| rule.member == bare).map_or(usize::MAX, |rule| rule.order);
            names.push((order, bare));
        }
        if !rules.is_empty() {
            names.sort_by_key(|(order, _)| *order);
        }
        for (_, name) in names {
            let value = source.get(name);
            let companion = source.get(&format_smolstr!("_{name}"));
            self.member(source, (name, value, companion), from, into, place);
        }
    }

    fn member(
        &mut self,
        source: &Object,
        (name, value, companion): (&str, Option<&Json>, Option<&Json>),
        from: ShapeId,
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
            if !self.by_rules(source, item, of, &rules, into, &at)
                && !self.plain(item, of, name, into, &at)
                && !self.through(item, of, into, &at)
            {
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
        let mut is_taken = false;
        let root = self.root_of(into);
        for rule in rules {
            if rule.target.as_ref().is_some_and(|target| target.root != root) || !self.holds(rule, source, item) {
                continue;
            }
            self.rule = Some(rule.label.clone());
            let taken = match &rule.via {
                Via::Drop(reason) => {
                    self.gone(item, at, reason);
                    true
                }
                _ => rule
                    .target
                    .as_ref()
                    .is_some_and(|target| self.emit(Given { item, of }, &target.steps, Some(rule), into, at)),
            };
            self.rule = None;
            is_taken |= taken;
            // The concept and the reference of one item go by a row each.
            if taken && !(matches!(rule.via, Via::Concept | Via::Reference) && of.of_type.name == "CodeableReference") {
                break;
            }
        }
        is_taken
    }

    fn root_of(&self, into: &Into_<'_>) -> SmolStr {
        let path = &self.map.to.shape(into.id).path;
        path.split('.').next().unwrap_or_default().into()
    }

    fn holds(&self, rule: &Rule, source: &Object, item: Item<'_>) -> bool {
        match &rule.when {
            None => true,
            Some(When::Type(types)) => {
                let kind = item.value.and_then(Json::as_object).and_then(|reference| self.reference_type(reference));
                kind.is_none_or(|kind| types.contains(&kind))
            }
            Some(When::Is(name, values)) => {
                let said = source.get(name).map(lexeme);
                said.is_some_and(|said| values.contains(&said))
            }
            Some(When::Has(name)) => source.contains_key(name),
            Some(When::HasNot(name)) => !source.contains_key(name),
        }
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
        let rules = map.rules(inner);
        let fits = |rule: &Rule| rule.target.as_ref().is_some_and(|target| target.root == root);
        // Only the first of several has a place there.
        if !map.from.shape(inner).path.contains('.')
            || item.index.is_some_and(|index| index > 0)
            || !rules.iter().any(fits)
        {
            return false;
        }
        self.members(object, inner, into, at);
        self.extensions(object, &[], into, at);
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
