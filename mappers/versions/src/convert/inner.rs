//! An object of the source that the target does not have: rows say where its elements go.

use model::json::{Json, Object};
use model::types::{Kind, ShapeId};
use smol_str::format_smolstr;

use super::object::{Given, Into_, Item, Members, Of, items};
use super::{Place, Run, put};
use crate::rows::{Beside, Rule, Via};

impl Run {
    /// An element that the target does not have, but rows give its elements a place in the object around it.
    pub(super) fn through(&mut self, item: Item<'_>, of: Of, into: &mut Into_<'_>, at: &Place<'_>) -> bool {
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
        // An item of which no row speaks is kept whole: its elements belong together.
        let is_meant = |rule: &Rule| {
            let value = Item { value: object.get(&rule.member), companion: None, index: None };
            fits(rule) && self.holds(rule, object, value)
        };
        if !is_bare || !is_named || !is_first || !map.rules(inner).iter().any(is_meant) {
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
        map.to_version == crate::Version::R4
            && map.rules(inner).iter().all(|rule| rule.is_fresh || matches!(rule.via, Via::Drop(_)) || gathers(rule))
    }

    /// An item of an array that stands for one value of the target, as a row with `[+]` says.
    pub(super) fn fresh(&mut self, item: Item<'_>, of: Of, into: &mut Into_<'_>, at: &Place<'_>) -> bool {
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
}

/// Whether an item says what a row wants beside its value.
fn says(object: &Object, beside: &Beside) -> bool {
    let is_it = |coding: &Json| {
        coding.text_at(&["system"]) == Some(&beside.system) && coding.text_at(&["code"]) == Some(&beside.code)
    };
    object.get(&beside.member).is_some_and(|concept| matches!(concept.items("coding"), [only] if is_it(only)))
}
