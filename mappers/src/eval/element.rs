//! Complex elements and resources that a datatype's table builds.

use model::id::uuid_v5;
use model::json::{Json, Object};
use model::outcome::Severity;
use smol_str::SmolStr;
use uuid::Uuid;

use crate::build::{self, Indexes, Located, Shared};
use crate::input::Cursor;
use crate::map::{Row, SELF, Table, Via};
use crate::trace::{Fate, NO_INDEX, NO_PIECE, Node};

use super::identity::names;
use super::put::{coding, put, reference};
use super::rows::Filling;
use super::{Eval, Here, LEXEME};

impl<'a> Eval<'a, '_> {
    /// Builds a complex element by a datatype's table.
    pub(super) fn element(
        &mut self,
        row: &Row,
        table: usize,
        map: Option<usize>,
        here: Here,
        object: &mut Object,
        to: &Located,
    ) {
        let Some(inner) = self.compiled.tables.get(table) else { return };
        let Some(value) = here.value else { return };
        let steps = &row.target.steps;
        let (indexes, at) = (&to.indexes, to.node);
        let existing = if to.exists { build::find(object, steps, indexes) } else { None };
        let mut built = match existing {
            Some(Json::Object(existing)) => existing.clone(),
            _ => Object::with_capacity(4),
        };
        let before = built.len();
        self.part_table(inner, here, &mut built, at, map, row.rule);
        if built.len() == before {
            return;
        }
        self.keep_parts(inner, value, &mut built, at);
        put(object, steps, indexes, Json::Object(built));
        self.settle(row, object, indexes, at, here);
        self.drop_repeat(row, object, indexes, at);
        self.distinguish(row, object, indexes, here);
        self.trace.record(NO_PIECE, at, row.rule, Fate::Mapped);
    }

    /// Takes an appended item out again if the array has the same one.
    pub(super) fn drop_repeat(&mut self, row: &Row, object: &mut Object, indexes: &Indexes, at: Node) {
        if let Some(same) = build::drop_repeat(object, &row.target.steps, indexes) {
            self.trace.set_index(at, same);
        }
    }

    /// Runs a datatype's rows into an element; with a vocabulary map its code comes first.
    pub(super) fn part_table(
        &mut self,
        table: &'a Table,
        here: Here,
        built: &mut Object,
        at: Node,
        map: Option<usize>,
        rule: u32,
    ) {
        let Some(mut value) = here.value else { return };
        let code_map = map.and_then(|map| self.compiled.maps.get(map));
        let coded = matches!(table.root.as_str(), "CodeableConcept" | "Coding");
        let mut mapped = None;
        // A code that the table does not have may not go by the table's name.
        let mut known = false;
        if let (Some(code_map), true) = (code_map, coded) {
            let first = self.input.part(value, 1, 0);
            let code = self.input.text(self.input.part(first, 1, 0));
            let system = self.input.part(value, 3, 0);
            match code_map.forward(&code) {
                Some(concept) => {
                    let same = code_map.backward(Some(&concept.system), &concept.target).map(SmolStr::as_str)
                        == Some(code.trim());
                    let plain = value.hi == first.hi || (self.input.part(value, 2, 0).is_empty() && system.is_empty());
                    // A bare code of the table stays one: the way back must not add what the sender did not say.
                    let bare = same && plain && code_map.table.as_ref() == Some(&concept.system);
                    let display = if bare { &SmolStr::default() } else { &concept.display };
                    mapped = Some((coding(&concept.system, &concept.target, display), first));
                    if same && (plain || table.root == "Coding") {
                        value.lo = first.hi;
                    }
                }
                None if !code.trim().is_empty() => {
                    known = code_map.knows(&code);
                    let text = format!("the code is not in {}", code_map.name);
                    self.issue_at(Severity::Information, "code-invalid", &text, first, rule);
                }
                None => {}
            }
            if let (Some((coding, first)), "Coding") = (&mapped, table.root.as_str()) {
                let from_map = value.lo == first.hi;
                if let (true, Json::Object(coding)) = (from_map, coding) {
                    for (name, member) in coding.iter() {
                        built.insert(name, member.clone());
                    }
                    self.mapped(*first, at, rule);
                    return;
                }
                if let Json::Object(coding) = coding {
                    for (name, member) in coding.iter() {
                        built.insert(name, member.clone());
                    }
                    self.mapped(*first, at, rule);
                    build::extend(
                        built,
                        SmolStr::new_static(LEXEME),
                        "valueString",
                        Json::from(self.input.text(*first).trim()),
                    );
                    return;
                }
            }
        }
        let from = self.trace.len();
        let here = Here { value: Some(value), ..here };
        let mut shared = Shared::new();
        let mut to = Filling { object: built, owner: SELF, node: at, shared: &mut shared, map };
        for row in table.rows_for(self.input.present_in(value)) {
            self.row(row, &mut to, here);
        }
        if let (Some(code_map), true) = (code_map, coded) {
            self.finish_codes(code_map.table.as_ref().filter(|_| known), table, built, at, mapped, from, rule);
        }
    }

    /// Gives the sender's own code its table as system and puts the mapped code before it.
    #[expect(clippy::too_many_arguments, reason = "the parts of one object, borrowed apart")]
    pub(super) fn finish_codes(
        &mut self,
        system: Option<&SmolStr>,
        table: &'a Table,
        built: &mut Object,
        at: Node,
        mapped: Option<(Json, Cursor)>,
        from: Node,
        rule: u32,
    ) {
        if let (Some(system), None) = (system, &mapped) {
            let own = match table.root.as_str() {
                "Coding" => Some(&mut *built),
                _ => built
                    .get_mut("coding")
                    .and_then(Json::as_array_mut)
                    .and_then(|items| items.first_mut())
                    .and_then(Json::as_object_mut),
            };
            if let Some(own) = own
                .filter(|own| own.contains_key("code") && !own.contains_key("system") && !own.contains_key("_system"))
            {
                own.insert("system", Json::String(system.clone()));
            }
        }
        let Some((coding, first)) = mapped else { return };
        if table.root != "CodeableConcept" {
            return;
        }
        let name = SmolStr::new_static("coding");
        let list = built.get_or_insert_with("coding", || Json::Array(Vec::new()));
        let Some(items) = list.as_array_mut() else { return };
        let key = |item: &Json| (item.get("system").cloned(), item.get("code").cloned());
        let same = items.iter().position(|item| key(item) == key(&coding));
        let index = match same {
            Some(same) => u32::try_from(same).unwrap_or(NO_INDEX),
            None => {
                items.insert(0, coding);
                self.trace.shift(from, at, "coding");
                0
            }
        };
        let node = self.trace.child(at, &name, index);
        self.mapped(first, node, rule);
    }

    /// Makes a resource of the rows that go through the reference to it; nothing if they find nothing.
    pub(super) fn made(&mut self, row: &Row, to: &mut Filling<'_>, here: Here) {
        let Via::New(kind) = &row.via else { return };
        let at = build::locate(to.object, to.owner, &row.target.steps, to.shared, &mut self.trace, to.node);
        if at.exists {
            return;
        }
        let own = self.add(kind, Uuid::nil(), SELF);
        let Some(resource) = self.resources.get_mut(own) else { return };
        let (node, mut made) = (resource.node, std::mem::take(&mut resource.object));
        let id_name = SmolStr::new_static("id");
        made.insert(id_name.clone(), "");
        let before = made.len();
        self.through(row.through, &mut made, node, here);
        if made.len() == before {
            self.take_back(own);
            return;
        }
        // What it says is what it is: the same content is the same resource.
        let content = Json::Object(made.clone()).to_text();
        let mut id = uuid_v5(self.context.namespace, &[self.context.source, kind, &content]);
        let mut found = own;
        if let Some(earlier) = self.ids.get(&id) {
            if self.take_back(own) {
                self.trace.set_resource(node, u32::try_from(earlier).unwrap_or(u32::MAX));
                found = earlier;
            } else {
                let again = format!("again {own}");
                id = uuid_v5(self.context.namespace, &[self.context.source, kind, &content, &again]);
            }
        }
        if found == own {
            self.ids.rename(own, id);
            if let Some(resource) = self.resources.get_mut(own) {
                (resource.id, resource.name) = names(kind, id);
                made.insert(id_name, resource.id.clone());
                resource.object = made;
            }
        }
        let Some(resource) = self.resources.get(found) else { return };
        put(to.object, &row.target.steps, &at.indexes, reference(&resource.name));
        self.settle(row, to.object, &at.indexes, at.node, here);
        self.drop_repeat(row, to.object, &at.indexes, at.node);
        self.trace.record(NO_PIECE, at.node, row.rule, Fate::Mapped);
    }

    /// Runs the rows that go through a reference into the resource it leads to.
    fn through(&mut self, table: Option<usize>, object: &mut Object, node: Node, here: Here) {
        let compiled = self.compiled;
        let Some(table) = table.and_then(|number| compiled.tables.get(number)) else { return };
        let present = match here.value {
            Some(value) => self.input.present_in(value),
            None => self.input.present(here.segment),
        };
        let mut shared = Shared::new();
        let mut to = Filling { object, owner: SELF, node, shared: &mut shared, map: None };
        for row in table.rows_for(present) {
            self.row(row, &mut to, here);
        }
    }

    /// Builds or finds the resource a datatype's table makes; gives back a reference to it.
    pub(super) fn nested_resource(
        &mut self,
        number: usize,
        here: Here,
        through: Option<usize>,
        outer: Here,
    ) -> Option<Json> {
        let compiled = self.compiled;
        let table = compiled.tables.get(number)?;
        let identity = table.identity.as_ref()?;
        let value = here.value?;
        let id = self.seed(&table.root, identity, here)?;
        let own = self.add(&table.root, id, SELF);
        let resource = self.resources.get_mut(own)?;
        let (node, name) = (resource.node, resource.name.clone());
        let mut object = std::mem::take(&mut resource.object);
        let before = object.len();
        let mut shared = Shared::new();
        let mut to = Filling { object: &mut object, owner: SELF, node, shared: &mut shared, map: None };
        for row in table.rows_for(self.input.present_in(value)) {
            self.row(row, &mut to, here);
        }
        self.keep_parts(table, value, &mut object, node);
        // What other fields say of it is said of the first, where the field repeats.
        if self.input.pieces(value.range()).first().is_some_and(|piece| piece.repetition <= 1) {
            self.through(through, &mut object, node, outer);
        }
        let built = object.len() > before;
        if let Some(resource) = self.resources.get_mut(own) {
            resource.object = object;
        }
        if !built {
            // Nothing was said of it: as if it had not been tried.
            self.take_back(own);
            return None;
        }
        if let Some(earlier) = self.ids.get(&id).filter(|earlier| *earlier < own) {
            let equal = match (self.resources.get(earlier), self.resources.get(own)) {
                (Some(left), Some(right)) => left.object == right.object,
                _ => false,
            };
            if equal && self.take_back(own) {
                self.trace.set_resource(node, u32::try_from(earlier).unwrap_or(u32::MAX));
                return Some(reference(&name));
            }
            // The name of the id is put together anew: ids were made meanwhile.
            self.seed(&table.root, identity, here)?;
            return self.renamed(own, &table.root, here);
        }
        Some(reference(&name))
    }

    /// The same identifier with other content: both are kept, under ids of their own.
    fn renamed(&mut self, own: usize, kind: &SmolStr, here: Here) -> Option<Json> {
        let at = format!("{}[{own}]", self.segment_place(here.segment));
        for part in &self.message {
            self.name.push(part);
        }
        self.name.push(&at);
        let id = self.name.uuid(self.context.namespace);
        self.ids.rename(own, id);
        let resource = self.resources.get_mut(own)?;
        (resource.id, resource.name) = names(kind, id);
        resource.object.insert(SmolStr::new_static("id"), Json::String(resource.id.clone()));
        Some(reference(&resource.name))
    }
}
