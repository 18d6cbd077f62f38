//! What a row sets without a value of its own: references, constants, defaults.

use model::json::{Json, Object};
use model::outcome::{Issue, Severity};

use crate::build::{self, Indexes, Located, Shared};
use crate::map::{Place, Row, SELF, Test, Via, Way, With, WithValue};
use crate::path::Target;
use crate::trace::{Fate, NO_PIECE, Node};

use super::put::{absent, is_missing, put, reference};
use super::rows::Filling;
use super::{Eval, Here};

impl Eval<'_, '_> {
    /// Refers to a resource.
    pub(super) fn reference(&mut self, row: &Row, other: usize, to: &mut Filling<'_>, here: Here) {
        if !self.holds(&row.when, here, None) {
            return;
        }
        let Some(resource) = self.resources.get(other) else { return };
        let json = reference(&resource.name);
        let at = build::locate(to.object, to.owner, &row.target.steps, to.shared, &mut self.trace, to.node);
        if at.exists {
            return;
        }
        put(to.object, &row.target.steps, &at.indexes, json);
        self.settle(row, to.object, &at.indexes, at.node, here);
        self.drop_repeat(row, to.object, &at.indexes, at.node);
        self.trace.record(NO_PIECE, at.node, row.rule, Fate::Mapped);
    }

    pub(super) fn constant(&mut self, row: &Row, to: &mut Filling<'_>) -> Option<Located> {
        let at = build::locate(to.object, to.owner, &row.target.steps, to.shared, &mut self.trace, to.node);
        if at.exists {
            return None;
        }
        match &row.via {
            Via::Literal(json) => put(to.object, &row.target.steps, &at.indexes, json.clone()),
            Via::Copy(from) => {
                let there = build::seek(to.object, to.owner, &from.steps, to.shared);
                let copy = build::find(to.object, &from.steps, &there.indexes)?.clone();
                put(to.object, &row.target.steps, &at.indexes, copy);
            }
            Via::Absent(reason) => absent(to.object, &row.target, &at.indexes, reason),
            _ => return None,
        }
        self.trace.record(NO_PIECE, at.node, row.rule, Fate::Mapped);
        Some(at)
    }

    /// Sets the constants beside a value and credits the pieces its conditions read.
    pub(super) fn settle(&mut self, row: &Row, object: &mut Object, indexes: &Indexes, at: Node, here: Here) {
        self.credit(row, at, here);
        for with in &row.with {
            constant_beside(&row.target, with, object, indexes);
        }
    }

    /// A piece that a condition asks for by its value is said by what the row sets.
    pub(super) fn credit(&mut self, row: &Row, at: Node, here: Here) {
        if row.way != Way::Both {
            return;
        }
        for term in row.when.iter().filter(|term| !term.negated) {
            if let Test::In(place @ Place::Own { .. }, values) = &term.test {
                let value = self.first(place, here);
                if values.first().is_some_and(|first| first.as_str() == self.input.text(value)) {
                    self.mapped(value, at, row.rule);
                }
            }
        }
    }

    /// Fills required elements nothing has filled, with an issue for each.
    pub(super) fn defaults(&mut self) {
        let compiled = self.compiled;
        for (resource, table, segment) in std::mem::take(&mut self.ran) {
            let Some(table) = compiled.tables.get(table) else { continue };
            for row in &table.defaults {
                let Some(target) = self.resources.get_mut(resource) else { continue };
                if !is_missing(&target.object, &row.target.steps) {
                    continue;
                }
                let mut object = std::mem::take(&mut target.object);
                let node = target.node;
                if self.holds(&row.when, Here { segment, value: None }, None) {
                    let shared = &mut Shared::new();
                    self.constant(row, &mut Filling { object: &mut object, owner: SELF, node, shared, map: None });
                    let names: Vec<&str> = row.target.steps.iter().map(|step| step.name.as_str()).collect();
                    let name = names.join(".");
                    let text = format!("{}.{name} is required and the message does not say it", table.root);
                    let issue = Issue::new(Severity::Information, "incomplete", text).at(self.segment_place(segment));
                    self.issues.push(issue.rule(compiled.rule(row.rule)));
                }
                if let Some(target) = self.resources.get_mut(resource) {
                    target.object = object;
                }
            }
        }
    }
}

/// Sets a constant beside a target, where it does not stand yet.
pub(crate) fn constant_beside(target: &Target, with: &With, object: &mut Object, indexes: &Indexes) {
    let copy = match &with.value {
        WithValue::Literal(_) | WithValue::Absent(_) => None,
        WithValue::Copy(steps) => match build::find(object, steps, indexes) {
            Some(json) => Some(json.clone()),
            None => return,
        },
    };
    let Some(anchor) = target.steps.get(..target.anchor) else { return };
    let base = if anchor.is_empty() {
        Some(object)
    } else {
        build::slot(object, anchor, indexes).and_then(Json::as_object_mut)
    };
    let Some(base) = base else { return };
    let at = build::seek(base, SELF, &with.target.steps, &mut Shared::new());
    if at.exists {
        return;
    }
    match (&with.value, copy) {
        (WithValue::Literal(json), _) => put(base, &with.target.steps, &at.indexes, json.clone()),
        (WithValue::Absent(reason), _) => absent(base, &with.target, &at.indexes, reason),
        (_, Some(json)) => put(base, &with.target.steps, &at.indexes, json),
        _ => {}
    }
}
