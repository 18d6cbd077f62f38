//! An object of the source as an object of the target.

use model::json::{Json, Object};
use model::types::{Element, Shape, ShapeId, Type};
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

/// Whose members go into the object at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Members {
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
        self.fill(source, from, &mut Into_ { id: to, object: &mut out, spot }, place);
        put::tidy(out, self.map.to.shape(to))
    }

    /// Puts what an object says into another.
    pub(super) fn fill(&mut self, source: &Object, from: ShapeId, into: &mut Into_<'_>, place: &Place<'_>) {
        // What an extension holds of the target's own version comes first where only one value can stand.
        let unpacked = self.unpack_single(source, into, place);
        self.members(source, from, into, place, Members::Own);
        self.extensions(source, &unpacked, into, place);
        self.settle(into);
    }

    /// The members but extensions, those that rows name first, in the order of the rows.
    pub(super) fn members(
        &mut self,
        source: &Object,
        from: ShapeId,
        into: &mut Into_<'_>,
        place: &Place<'_>,
        whose: Members,
    ) {
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
    pub(super) fn depth_below(&self, rule: &Rule, into: ShapeId) -> usize {
        let path = &self.map.to.shape(into).path;
        rule.target.as_ref().and_then(|target| below(path, &target.root, &target.steps)).map_or(0, <[SmolStr]>::len)
    }

    pub(super) fn root_of(&self, into: &Into_<'_>) -> SmolStr {
        let path = &self.map.to.shape(into.id).path;
        path.split('.').next().unwrap_or_default().into()
    }

    pub(super) fn holds(&self, rule: &Rule, source: &Object, item: Item<'_>) -> bool {
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

    pub(super) fn postpone(&mut self, rule: &Rule, out: Out) {
        if let Some(target) = rule.target.clone() {
            self.pending.push(Pending { target, out });
        }
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
