//! Complex elements that a datatype's table builds.

use formats::cda::Element;
use model::json::{Json, Object};
use model::outcome::Severity;
use smol_str::SmolStr;

use super::run::{Filling, Run};
use super::table::{Row, Table};
use crate::build::{self, Indexes, Located};
use crate::concept::Concept;
use crate::eval::{coding, put};
use crate::path::At;
use crate::trace::{Fate, NO_INDEX, NO_PIECE};

impl<'a, 'd> Run<'a, 'd> {
    /// Builds a complex element; whether it said anything.
    pub(super) fn element(
        &mut self,
        row: &'a Row,
        table: &'a Table,
        map: Option<usize>,
        element: Element<'d>,
        to: &mut Filling<'_>,
        at: &Located,
    ) -> bool {
        if self.depth >= 64 {
            return false;
        }
        let steps = &row.target.steps;
        let existing = if at.exists { build::find(to.object, steps, &at.indexes) } else { None };
        let mut built = match existing {
            Some(Json::Object(existing)) => existing.clone(),
            _ => Object::with_capacity(4),
        };
        let (before, said) = (built.clone(), self.said);
        let mut shared = Vec::new();
        let mut inner = Filling { object: &mut built, resource: to.resource, node: at.node, shared: &mut shared };
        self.depth += 1;
        self.rows(table, element, &mut inner);
        self.depth -= 1;
        if let Some(map) = map {
            self.mapped_code(row, map, table, element, &mut built, at);
        }
        if built == before || self.said == said {
            return self.said > said;
        }
        put(to.object, steps, &at.indexes, Json::Object(built));
        self.settle(row, to.object, &at.indexes);
        self.drop_repeat(row, to.object, &at.indexes, at.node);
        self.trace.record(NO_PIECE, at.node, row.rule, Fate::Mapped);
        true
    }

    /// Puts what a vocabulary map makes of an element's code before the code itself.
    fn mapped_code(
        &mut self,
        row: &'a Row,
        map: usize,
        table: &Table,
        element: Element<'d>,
        built: &mut Object,
        at: &Located,
    ) {
        let Some(code) = element.attribute("code").map(str::trim).filter(|code| !code.is_empty()) else { return };
        let Some(map) = self.compiled.maps.get(map) else { return };
        let Some(concept) = map.forward(code) else {
            if !map.knows(code) {
                let text = format!("the code is not in {}", map.name);
                self.issue(Severity::Information, "code-invalid", &text, element, row.rule);
            }
            return;
        };
        let leaf = element.attribute_leaf("code");
        if table.root == "Coding" {
            let Json::Object(made) = made_of(concept) else { return };
            for (name, value) in made {
                built.insert(name, value);
            }
            leaf.into_iter().for_each(|leaf| self.mapped(leaf, at.node, row.rule));
            self.said += 1;
            return;
        }
        let list = built.get_or_insert_with("coding", || Json::Array(Vec::new()));
        let Some(items) = list.as_array_mut() else { return };
        let key = |item: &Json| (item.get("system").cloned(), item.get("code").cloned());
        let coding = made_of(concept);
        if !items.iter().any(|item| key(item) == key(&coding)) {
            items.insert(0, coding);
        }
        leaf.into_iter().for_each(|leaf| self.mapped(leaf, at.node, row.rule));
        self.said += 1;
    }

    /// Takes an appended item out again if the array has the same one.
    fn drop_repeat(&mut self, row: &Row, object: &mut Object, indexes: &Indexes, at: u32) {
        let Some((last, before)) = row.target.steps.split_last() else { return };
        if !matches!(last.at, At::Append) || indexes.get(before.len()) == 0 {
            return;
        }
        let items = if before.is_empty() {
            object.get_mut(&last.name)
        } else {
            build::slot(object, before, indexes).and_then(|value| value.get_mut(&last.name))
        };
        let Some(items) = items.and_then(Json::as_array_mut) else { return };
        let Some((newest, others)) = items.split_last() else { return };
        if let Some(same) = others.iter().position(|item| item == newest) {
            items.pop();
            self.trace.set_index(at, u32::try_from(same).unwrap_or(NO_INDEX));
        }
    }
}

fn made_of(concept: &Concept) -> Json {
    let empty = SmolStr::default();
    coding(&concept.system, &concept.target, if concept.display.is_empty() { &empty } else { &concept.display })
}
