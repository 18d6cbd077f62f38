//! From a Bundle to a CDA document: the same rows the other way.
//!
//! A row finds its value at the target, turns it back and writes it at the source path; predicates of the path become
//! attributes and templates, conditions on a place become what stands there. Rows marked `<` write what only a document
//! has. What no row writes is listed, never dropped in silence.

use std::collections::BTreeSet;

use model::json::{Json, Object};
use model::outcome::{Issue, Severity};

use super::path::Path;
use super::table::{Row, Source, Table, Tables, Term, Test, Via};
use crate::compile::Compiled;
use crate::function::Authorities;
use crate::map::{SELF, Way};
use crate::package::Package;
use crate::reverse::Library;
use crate::trace::Loss;
use crate::types::{RenderContext, Rendered};

mod compose;
mod kept;
mod loss;
mod members;
mod named;
mod narrative;
mod node;
mod order;
mod place;
mod require;
mod resource;
mod schema;
mod statement;
mod value;
mod values;

pub(crate) use require::{Requirement, Write};

use members::Members;
use node::Node;
use values::{Found, Taken, each, has_constants, lexeme, says};

struct Writer<'a, 'b> {
    compiled: &'a Compiled,
    tables: &'a Tables,
    library: &'b Library<'b>,
    authorities: Authorities<'a>,
    taken: Taken,
    /// Resources written so far.
    written: BTreeSet<usize>,
    /// Those being written, the innermost last.
    open: Vec<usize>,
    issues: Vec<Issue>,
    /// What is to be written into the element around, by the step that names it.
    above: Vec<(Path, String)>,
    /// Elements that stand in the participation around, each in a holder.
    beside: Vec<(Path, Node)>,
    /// The code of the section being written.
    section: Option<String>,
    /// What stands with others, and what of it a section has passed over.
    members: Members,
    passed: BTreeSet<usize>,
}

/// Writes a document of a Bundle.
pub(crate) fn write_document(
    package: &Package,
    bundle: &Json,
    context: &RenderContext,
    account: Option<&mut Loss>,
) -> Rendered {
    let compiled: &Compiled = package.compiled();
    let mut issues = Vec::new();
    let composed = compose::composed(bundle, compiled, context, &mut issues);
    let bundle = composed.as_ref().unwrap_or(bundle);
    let library = Library::new(bundle);
    let authorities = Authorities { source: &context.authorities, package: compiled.authorities() };
    let home = library.resources.iter().position(|json| model::resource::resource_type(json) == Some("Composition"));
    let entry = compiled.tree.entries.get("ClinicalDocument").and_then(|entries| entries.first());
    let (Some(home), Some(entry)) = (home, entry) else {
        let text = "expected a Bundle with a patient, and a package that writes documents";
        issues.push(Issue::error("not-supported", text));
        return Rendered { bytes: Vec::new(), issues };
    };
    let mut members = Members::of(&library);
    let (mut writer, mut root) = loop {
        let mut writer = Writer::new(compiled, &library, authorities);
        writer.members = members;
        let root = writer.document(bundle, home, &entry.tables);
        members = std::mem::take(&mut writer.members);
        // What a section left to a resource whose table has no place for it stands in the section after all.
        if !members.release(&writer.passed, &writer.written) {
            break (writer, root);
        }
    };
    writer.issues.splice(0..0, issues);
    schema::settle(&mut root);
    require::complete(&mut root, &compiled.tree);
    compose::narratives(&mut root);
    schema::settle(&mut root);
    root.sort();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    root.write(&mut text);
    text.push('\n');
    writer.unwritten(account);
    Rendered { bytes: text.into_bytes(), issues: writer.issues }
}

impl<'a, 'b> Writer<'a, 'b> {
    fn new(compiled: &'a Compiled, library: &'b Library<'b>, authorities: Authorities<'a>) -> Self {
        Self {
            compiled,
            tables: &compiled.tree,
            library,
            authorities,
            taken: Taken::default(),
            written: BTreeSet::new(),
            open: Vec::new(),
            issues: Vec::new(),
            above: Vec::new(),
            beside: Vec::new(),
            section: None,
            members: Members::default(),
            passed: BTreeSet::new(),
        }
    }

    /// The document of a Bundle and its Composition, as rows have it.
    fn document(&mut self, bundle: &'b Json, home: usize, tables: &[usize]) -> Node {
        let mut root = Node::new("ClinicalDocument");
        for (name, value) in [
            ("xmlns", "urn:hl7-org:v3"),
            ("xmlns:sdtc", "urn:hl7-org:sdtc"),
            ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
        ] {
            root.set(name, value);
        }
        for number in tables {
            let Some(table) = self.tables.tables.get(*number) else { continue };
            let object = match table.root.as_str() {
                "Bundle" => bundle.as_object(),
                "Composition" => self.library.resources.get(home).and_then(|json| json.as_object()),
                _ => None,
            };
            let Some(object) = object else { continue };
            if table.root == "Composition" {
                self.written.insert(home);
                self.open.push(home);
            }
            self.rows(table, object, &mut root);
            self.kept(object, &mut root);
        }
        root
    }

    /// Writes what a table's rows find in an object.
    fn rows(&mut self, table: &Table, object: &'b Object, node: &mut Node) {
        for row in &table.rows {
            if row.way == Way::Forward {
                self.implied(row, object);
                continue;
            }
            if row.role != SELF {
                self.elsewhere(row, node);
                continue;
            }
            self.row(row, object, node);
        }
    }

    /// What a row makes of an element around is said by where the resource stands.
    fn implied(&mut self, row: &Row, object: &'b Object) {
        let Source::Path(path) = &row.source else { return };
        let Via::Code(map) = row.via else { return };
        if path.ancestor().is_none() {
            return;
        }
        let map = self.compiled.maps.get(map);
        for found in self.found(row, object) {
            let known =
                lexeme(found.json).is_some_and(|code| map.is_some_and(|map| map.backward(None, &code).is_some()));
            if known && has_constants(found.base, &row.with) {
                self.taken.take_all(found.item.unwrap_or(found.json));
            }
        }
    }

    /// A row that fills another resource than the table's: that resource's, if there is one of its type.
    fn elsewhere(&mut self, row: &Row, node: &mut Node) {
        let kind = self.compiled.alias_type(row.role);
        let around = self.open.iter().rev().find(|number| self.library.kind(**number) == kind).copied();
        let number =
            around.or_else(|| (0..self.library.resources.len()).find(|number| self.library.kind(*number) == kind));
        let object = number.and_then(|number| self.library.resources.get(number)).and_then(|json| json.as_object());
        if let Some(object) = object {
            self.row(row, object, node);
        }
    }

    fn row(&mut self, row: &Row, object: &'b Object, node: &mut Node) {
        let Source::Path(path) = &row.source else {
            // What a constant says is said by the table that is chosen; a reference, by what stands around.
            if row.way != Way::Backward {
                for found in self.found(row, object) {
                    if let Via::Literal(said) = &row.via
                        && !says(found.json, said)
                    {
                        continue;
                    }
                    self.taken.take_all(found.json);
                    if matches!(row.source, Source::Constant) && has_constants(found.base, &row.with) {
                        self.taken.take_all(found.json);
                        self.conditions(&row.when, node);
                    }
                }
            }
            return;
        };
        if !self.may(row, object, node) {
            return;
        }
        match &row.via {
            Via::Written(text) => return written(node, path, text),
            Via::Drop(_) | Via::Absent(_) | Via::Copy(_) | Via::Literal(_) | Via::Reference => return,
            Via::Rows(number) => return self.rows_below(row, path, *number, object, node),
            _ => {}
        }
        for found in self.found(row, object) {
            // A row for this way alone says again what another has said.
            let done = row.way != Way::Backward && self.taken.has(found.json);
            if done || !has_constants(found.base, &row.with) {
                continue;
            }
            if self.value(row, path, found, node) {
                self.take(row, found.json);
                for with in &row.with {
                    if let Some(there) = crate::reverse::resolve(found.base, &with.target.steps, None, None) {
                        self.taken.take_all(there);
                    }
                }
                self.conditions(&row.when, node);
                if !row.each {
                    break;
                }
            }
        }
    }

    /// Takes what a row has written: of an element that rows of its own write, what they take, and of a reference that
    /// leads nowhere, what it says.
    fn take(&mut self, row: &Row, json: &Json) {
        let is_partial = match row.via {
            Via::Table { .. } => true,
            Via::Resource(_) => self.library.find(json).is_none(),
            _ => false,
        };
        if is_partial {
            self.taken.take(json);
        } else {
            self.taken.take_all(json);
        }
    }

    fn found(&self, row: &Row, object: &'b Object) -> Vec<Found<'b>> {
        let mut found = Vec::new();
        each(object, &row.target.steps, row.target.anchor, &mut |value| found.push(value));
        found
    }

    /// Whether the conditions of a row allow it on the way back: what it must not find is not written yet.
    fn may(&self, row: &Row, object: &Object, node: &Node) -> bool {
        row.when.iter().all(|term| match &term.test {
            Test::Any(paths) if term.negated || row.way == Way::Backward => {
                paths.iter().any(|path| place::stands(node, path)) != term.negated
            }
            Test::In(path, values) if term.negated || row.way == Way::Backward => {
                place::texts(node, path).iter().any(|text| values.iter().any(|value| value == text)) != term.negated
            }
            Test::Filled(target) if row.way == Way::Backward => {
                let mut there = false;
                each(object, &target.steps, target.anchor, &mut |_| there = true);
                there != term.negated
            }
            _ => true,
        })
    }

    /// Writes what a row's conditions ask for.
    fn conditions(&mut self, when: &[Term], node: &mut Node) {
        for term in when.iter().filter(|term| !term.negated) {
            if let Test::In(path, values) = &term.test
                && let Some(value) = values.first()
                && place::texts(node, path).is_empty()
            {
                place::put(node, path, false, value);
            }
        }
    }

    /// The rows of another table, into the element that the path names.
    fn rows_below(&mut self, row: &Row, path: &Path, number: usize, object: &'b Object, node: &mut Node) {
        let Some(table) = self.tables.tables.get(number) else { return };
        if path.steps.is_empty() {
            self.rows(table, object, node);
            return;
        }
        let mut scratch = Node::new("scratch");
        let Some(there) = place::open(&mut scratch, path, false) else { return };
        let bare = there.clone();
        self.rows(table, object, there);
        if *there == bare {
            return;
        }
        let made = there.clone();
        if let Some(slot) = place::open(node, path, false) {
            *slot = made;
            self.conditions(&row.when, node);
        }
    }

    /// Says which resources no row has written, and lists what of the others was left.
    fn unwritten(&mut self, account: Option<&mut Loss>) {
        for (number, json) in self.library.resources.iter().enumerate() {
            let kind = model::resource::resource_type(json).unwrap_or_default();
            if self.written.contains(&number) || matches!(kind, "Bundle" | "Provenance" | "Composition") {
                continue;
            }
            let id = json.text_at(&["id"]).unwrap_or_default();
            let text = "no section of the document has a place for this resource";
            self.issues.push(Issue::new(Severity::Warning, "not-supported", text).at(format!("{kind}/{id}")));
        }
        if let Some(account) = account {
            loss::account(self.library, &self.taken, &self.written, account);
        }
    }
}

/// Writes what only a document has: a text, or an element that has to stand.
fn written(node: &mut Node, path: &Path, text: &str) {
    if text.is_empty() {
        place::open(node, path, false);
    } else {
        place::put(node, path, false, text);
    }
}
