//! Resources written into what refers to them.

use super::node::Node;
use super::values::Found;
use super::{Writer, place};
use crate::map::Way;
use crate::tree::path::Path;
use crate::tree::table::{Row, Source, Table, Via};

/// How deep resources are written into each other.
const DEEPEST: usize = 24;

impl<'b> Writer<'_, 'b> {
    /// A resource by the table that a row names, at the row's path.
    pub(super) fn resource(
        &mut self,
        row: &Row,
        path: &Path,
        number: usize,
        found: Found<'b>,
        node: &mut Node,
    ) -> bool {
        let Some(table) = self.tables.tables.get(number) else { return false };
        let Some(target) = self.library.find(found.json) else { return self.named(row, path, number, found, node) };
        if self.library.kind(target) != table.root {
            return self.alone(row, path, table, found, node);
        }
        let mut scratch = Node::new("scratch");
        let Some(there) = place::open(&mut scratch, path, false) else { return false };
        let outer = std::mem::take(&mut self.beside);
        let entered = self.enter(table, target, there);
        let beside = std::mem::replace(&mut self.beside, outer);
        if !entered || !place::join(node, path, row.each, there.clone()) {
            return false;
        }
        for (from, made) in beside {
            let around = from.ancestor().and_then(|step| step.name.as_ref());
            let at = path.steps.iter().position(|step| step.name.as_ref() == around);
            match at.and_then(|at| place::last(node, path.steps.get(..=at).unwrap_or_default())) {
                Some(holder) => place::merge(holder, made),
                None => self.beside.push((from, made)),
            }
        }
        true
    }

    /// A practitioner or an organization that stands where a document has both in one: as that part of a role.
    fn alone(&mut self, row: &Row, path: &Path, table: &Table, found: Found<'b>, node: &mut Node) -> bool {
        if table.root != "PractitionerRole" {
            return false;
        }
        for part in table.rows.iter().filter(|part| part.way != Way::Forward) {
            let (Source::Path(inner), Via::Resource(number)) = (&part.source, &part.via) else { continue };
            if self.tables.tables.get(*number).is_none_or(|table| table.root == "PractitionerRole") {
                continue;
            }
            let mut scratch = Node::new("scratch");
            let Some(there) = place::open(&mut scratch, path, false) else { return false };
            if self.resource(part, inner, *number, found, there) {
                let made = there.clone();
                return place::join(node, path, row.each, made);
            }
        }
        false
    }

    /// Runs a table over a resource into an element; `false` where it is being written already.
    pub(super) fn enter(&mut self, table: &Table, target: usize, node: &mut Node) -> bool {
        if self.open.contains(&target) || self.open.len() > DEEPEST {
            return false;
        }
        let Some(object) = self.library.resources.get(target).and_then(|json| json.as_object()) else { return false };
        self.written.insert(target);
        self.open.push(target);
        // What is said of a resource in one place is said again in another that refers to it.
        let taken = std::mem::take(&mut self.taken);
        self.rows(table, object, node);
        self.kept(object, node);
        let own = std::mem::replace(&mut self.taken, taken);
        self.taken.join(own);
        self.open.pop();
        true
    }
}
