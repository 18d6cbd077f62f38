//! Leaves that came from a document and had no home, written where they stood.

use model::json::{Json, Object};

use super::node::{Child, Node};
use super::{Writer, order, place};
use crate::tree::keep::KEPT;
use crate::tree::path::{Path, parse};

/// A leaf: its extension, its path, its text.
type Leaf<'b> = (&'b Json, Path, &'b str);

impl<'b> Writer<'_, 'b> {
    /// Writes what is kept with a resource into its element.
    pub(super) fn kept(&mut self, object: &'b Object, node: &mut Node) {
        let items = object.get("extension").and_then(Json::as_array).unwrap_or_default();
        let before = node.clone();
        let mut relations: Vec<(&str, Vec<Leaf<'b>>)> = Vec::new();
        for item in items {
            let url = item.text_at(&["url"]).and_then(|url| url.strip_prefix(KEPT));
            let (Some(url), Some(text)) = (url, item.text_at(&["valueString"])) else { continue };
            let Ok(path) = parse(url) else { continue };
            if path.ancestor().is_some() {
                self.above.push((path, text.to_owned()));
                self.taken.take_all(item);
                continue;
            }
            // A namespace that the document does not declare cannot be written, nor what the schema has no place for.
            let mut names = path.steps.iter().filter_map(|step| step.name.as_deref());
            let foreign = names.clone().next().is_some_and(|name| order::is_foreign(&node.name, name));
            if foreign || names.any(|name| name.starts_with("other:")) {
                continue;
            }
            if path.steps.first().is_some_and(place::is_holder) {
                let head = url.split('/').next().unwrap_or(url);
                match relations.iter_mut().find(|(known, _)| *known == head) {
                    Some((_, leaves)) => leaves.push((item, path, text)),
                    None => relations.push((head, vec![(item, path, text)])),
                }
                continue;
            }
            // Which of several it was of is not known any more.
            if !place::leads_elsewhere(&before, &path)
                && !place::stands(&before, &path)
                && place::put_counted(node, &path, text)
            {
                self.taken.take_all(item);
            }
        }
        for (_, leaves) in relations {
            if relation(&leaves, &before, node) {
                leaves.iter().for_each(|(item, ..)| self.taken.take_all(item));
            }
        }
    }
}

/// Writes the leaves of one relation: those of a statement that no table read as another relation, those that a table
/// left of one into the only one that says the same code. Whether it could be told.
fn relation(leaves: &[Leaf<'_>], before: &Node, node: &mut Node) -> bool {
    let Some(name) = leaves.first().and_then(|(_, path, _)| path.steps.first()?.name.clone()) else { return false };
    let mut made = Node::new(name.clone());
    for (_, path, text) in leaves {
        let mut path = path.clone();
        path.steps.remove(0);
        if !place::put_counted(&mut made, &path, text) {
            return false;
        }
    }
    let whole =
        made.attribute("typeCode").is_some() || made.elements().any(|inner| inner.attribute("moodCode").is_some());
    let stands = before.elements().any(|there| there.name == name);
    if whole || !stands {
        node.push(made);
        return true;
    }
    let alone = name == "participant" && before.elements().filter(|there| there.name == name).count() == 1;
    let mut places = node.children.iter_mut().filter_map(|child| match child {
        Child::Element(there) if there.name == name && is_of(there, &made, alone) => Some(there),
        _ => None,
    });
    match (places.next(), places.next()) {
        (Some(there), None) => {
            add(there, made);
            true
        }
        _ => false,
    }
}

/// Whether what is left of a relation is of this one: their statements have the same code, or of the only participant
/// one says none; and nothing contradicts.
fn is_of(there: &Node, left: &Node, alone: bool) -> bool {
    let statement = |node: &Node| {
        let inner =
            node.elements().find(|inner| !matches!(inner.name.as_str(), "templateId" | "time" | "sequenceNumber"))?;
        let code = inner.elements().find(|child| child.name == "code").and_then(|code| code.attribute("code"));
        Some((inner.name.clone(), code.map(str::to_owned)))
    };
    let same = match (statement(there), statement(left)) {
        (Some((name, Some(code))), Some((left, Some(wanted)))) => name == left && code == wanted,
        (Some((name, _)), Some((left, _))) => name == left && alone,
        _ => false,
    };
    same && agrees(there, left)
}

/// Whether nothing of an element contradicts another.
pub(super) fn agrees(there: &Node, left: &Node) -> bool {
    let attributes =
        left.attributes.iter().all(|(name, value)| there.attribute(name).is_none_or(|known| known == value));
    attributes
        && left.elements().all(|child| {
            let mut known = there.elements().filter(|known| known.name == child.name).peekable();
            child.name == "id" || known.peek().is_none() || known.any(|known| agrees(known, child))
        })
}

/// Adds what is left of an element to what stands of it.
pub(super) fn add(there: &mut Node, left: Node) {
    for (name, value) in left.attributes {
        if there.attribute(&name).is_none() {
            there.set(name, value);
        }
    }
    for child in left.children {
        match child {
            Child::Element(child) if child.name == "id" => {
                there.children.retain(|known| !matches!(known, Child::Element(id) if id.name == "id" && id.attribute("nullFlavor").is_some()));
                there.push(child);
            }
            Child::Element(child) => {
                let known = |known: &Child| matches!(known, Child::Element(known) if known.name == child.name && agrees(known, &child));
                let at = there.children.iter().position(known);
                match at.and_then(|at| there.children.get_mut(at)) {
                    Some(Child::Element(known)) => add(known, child),
                    _ => there.push(child),
                }
            }
            Child::Text(text) => {
                if !there.children.iter().any(|known| matches!(known, Child::Text(_))) {
                    there.children.push(Child::Text(text));
                }
            }
        }
    }
}
