//! The clinical statement that a resource is written as: the table that fits what it says and where it stands.

use model::json::Object;
use smol_str::SmolStr;

use super::node::Node;
use super::values::{Found, each, lexeme};
use super::{Writer, place, written};
use crate::map::Way;
use crate::tree::path::{End, Path};
use crate::tree::table::{Match, Place, Source, Table, Via};

impl<'b> Writer<'_, 'b> {
    /// A resource by whatever table reads what it becomes.
    pub(super) fn dispatch(&mut self, path: &Path, found: Found<'b>, node: &mut Node) -> bool {
        let Some(target) = self.library.find(found.json) else { return false };
        let in_section = node.name == "section";
        if in_section {
            let code = node.elements().find(|child| child.name == "code").and_then(|code| code.attribute("code"));
            self.section = code.map(str::to_owned);
        }
        if in_section && self.members.contains(target) {
            self.passed.insert(target);
            return true;
        }
        let around = self.open.last().copied();
        if !in_section && around.is_some_and(|around| self.members.is_below(self.library, target, around)) {
            return true;
        }
        let mut above = path.clone();
        let Some(last) = above.steps.pop() else { return false };
        let name = last.name.as_deref().filter(|_| !in_section);
        let Some(made) = self.statement(target, in_section, name) else { return false };
        above.end = End::Element;
        let holder = if above.steps.is_empty() { Some(node) } else { place::open(node, &above, true) };
        match holder {
            Some(holder) => {
                holder.push(made);
                true
            }
            None => false,
        }
    }

    /// The clinical statement of a resource, of an element of this name if one is asked for.
    fn statement(&mut self, target: usize, in_section: bool, name: Option<&str>) -> Option<Node> {
        let kind = self.library.kind(target);
        let object = self.library.resources.get(target)?.as_object()?;
        let around = self.open.last().map(|number| self.library.kind(*number)).unwrap_or_default();
        let (element, entry, number) = self.tables.order.iter().find_map(|(element, at)| {
            if name.is_some_and(|name| name != element) {
                return None;
            }
            let entry = self.tables.entries.get(element)?.get(*at)?;
            let number = *entry.tables.first()?;
            let table = self.tables.tables.get(number)?;
            let fits = table.root == kind
                && table.identity.is_some()
                && matches(table, object, around, self.section.as_deref());
            fits.then_some((element, entry, number))
        })?;
        let table = self.tables.tables.get(number)?;
        let mut node = Node::new(element.clone());
        if let Some(oid) = entry.templates.first() {
            place::template(&mut node, oid);
        }
        let above = std::mem::take(&mut self.above);
        let entered = self.enter(table, target, &mut node);
        let inner = std::mem::replace(&mut self.above, above);
        if !entered {
            return None;
        }
        match table.wrap.filter(|_| in_section) {
            Some(wrap) => self.wrapped(wrap, node, inner),
            None => Some(node),
        }
    }

    /// The act that stands around a statement in a section.
    fn wrapped(&mut self, number: usize, inner: Node, above: Vec<(Path, String)>) -> Option<Node> {
        let table = self.tables.tables.get(number)?;
        let of = |(element, at): &(SmolStr, usize)| {
            let entry = self.tables.entries.get(element)?.get(*at)?;
            entry.tables.contains(&number).then(|| (element.clone(), entry.templates.first().cloned()))
        };
        let (element, template) = self.tables.order.iter().find_map(of)?;
        let mut node = Node::new(element);
        if let Some(oid) = template {
            place::template(&mut node, &oid);
        }
        let holder = table.rows.iter().filter(|row| matches!(row.via, Via::Dispatch(_))).find_map(|row| {
            let Source::Path(path) = &row.source else { return None };
            let mut holder = path.clone();
            let takes = holder.steps.pop().is_some_and(|last| last.name.is_none_or(|name| name == inner.name));
            takes.then_some(holder)
        });
        if let Some(holder) = holder {
            place::open(&mut node, &holder, true)?.push(inner);
        }
        for (path, text) in above {
            if path.ancestor().is_some_and(|step| place::fits(&node, step)) {
                place::put(&mut node, &path.below(), false, &text);
            }
        }
        let none = Object::new();
        for row in table.rows.iter().filter(|row| row.way == Way::Backward) {
            if let (Source::Path(path), Via::Written(text)) = (&row.source, &row.via)
                && self.may(row, &none, &node)
            {
                written(&mut node, path, text);
            }
        }
        Some(node)
    }
}

/// Whether a resource, written inside one of a type or in a section, is what a table's `match` rows ask for.
pub(super) fn matches(table: &Table, object: &Object, around: &str, section: Option<&str>) -> bool {
    let asked = |wanted: &&Match| match &wanted.place {
        Some(Place::Inside(kind, negated)) => (kind == around) != *negated,
        _ => true,
    };
    table.matches.iter().filter(asked).all(|wanted| {
        if let Some(Place::Section(codes)) = &wanted.place {
            return section.is_some_and(|code| codes.iter().any(|known| known == code));
        }
        wanted.any.iter().any(|wanted| {
            let mut held = false;
            each(object, &wanted.target.steps, wanted.target.anchor, &mut |found| {
                held |= wanted.values.is_empty()
                    || lexeme(found.json).is_some_and(|text| wanted.values.iter().any(|value| *value == text));
            });
            held != wanted.negated
        })
    })
}
