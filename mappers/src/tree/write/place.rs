//! Makes the elements that a source path names: predicates become attributes and templates.

use smol_str::SmolStr;

use super::node::{Child, Node};
use crate::tree::path::{End, Path, Step, Test};

/// Elements that stand for one relation: the next one needs another.
const HOLDERS: [&str; 11] = [
    "entryRelationship",
    "component",
    "entry",
    "participant",
    "performer",
    "author",
    "informant",
    "specimen",
    "referenceRange",
    "precondition",
    "informationRecipient",
];

/// What may stand in a relation beside its statement.
const BESIDE: [&str; 7] =
    ["sequenceNumber", "seperatableInd", "priorityNumber", "templateId", "time", "functionCode", "sdtc:functionCode"];

/// The element at a path below another, made where it is not there; `new` makes the last one anew, with its relation.
pub(super) fn open<'n>(node: &'n mut Node, path: &Path, new: bool) -> Option<&'n mut Node> {
    if !path.is_below() {
        return None;
    }
    let mut here = node;
    let holder = path.steps.iter().rposition(is_holder);
    let anew = holder.unwrap_or_else(|| path.steps.len().saturating_sub(1));
    for (at, step) in path.steps.iter().enumerate() {
        here = child(here, step, path.steps.get(at + 1), new && at == anew)?;
    }
    Some(here)
}

/// Whether a step leads through a relation.
pub(super) fn is_holder(step: &Step) -> bool {
    step.name.as_ref().is_some_and(|name| HOLDERS.contains(&name.as_str()))
}

/// The element that was written last at these steps.
pub(super) fn last<'n>(node: &'n mut Node, steps: &[Step]) -> Option<&'n mut Node> {
    let mut here = node;
    for step in steps {
        here = here.elements_mut().filter(|child| step.name.as_ref().is_some_and(|name| *name == child.name)).last()?;
    }
    Some(here)
}

/// Writes a text where a path ends; `false` where another text stands already.
pub(super) fn put(node: &mut Node, path: &Path, new: bool, text: &str) -> bool {
    let end = path.end.clone();
    let Some(there) = open(node, path, new) else { return false };
    write(there, &end, text)
}

/// Whether a path goes through a relation of a kind that stands there already.
pub(super) fn leads_elsewhere(node: &Node, path: &Path) -> bool {
    let mut here = node;
    for step in &path.steps {
        let mut same = here.elements().filter(|child| step.name.as_ref().is_some_and(|name| *name == child.name));
        let Some(next) = same.next() else { return false };
        if is_holder(step) {
            return true;
        }
        here = next;
    }
    false
}

/// Writes a text where a path ends, its numbers counted as they stood in the document it came from.
pub(super) fn put_counted(node: &mut Node, path: &Path, text: &str) -> bool {
    let mut here = node;
    for step in &path.steps {
        let Some(name) = step.name.clone() else { return false };
        let number = step.tests.iter().find_map(|test| match test {
            Test::Number(number) => Some(*number),
            _ => None,
        });
        let named = |child: &Child| matches!(child, Child::Element(there) if there.name == name);
        let count = here.children.iter().filter(|child| named(child)).count();
        let number = number.unwrap_or(1);
        if number > count + 1 {
            return false;
        }
        if number > count {
            here.push(Node::new(name.clone()));
        }
        let at = here
            .children
            .iter()
            .enumerate()
            .filter(|(_, child)| named(child))
            .map(|(at, _)| at)
            .nth(number.saturating_sub(1));
        match at.and_then(|at| here.children.get_mut(at)) {
            Some(Child::Element(next)) => here = next,
            _ => return false,
        }
    }
    write(here, &path.end, text)
}

/// Writes a text into an element.
pub(super) fn write(node: &mut Node, end: &End, text: &str) -> bool {
    match end {
        End::Attribute(name) => match node.attribute(name) {
            Some(there) => there == text,
            None => {
                node.set(name.clone(), text);
                true
            }
        },
        End::Element | End::Text => {
            if node.children.iter().any(|child| matches!(child, Child::Text(_))) {
                return false;
            }
            node.children.push(Child::Text(text.to_owned()));
            true
        }
    }
}

/// Whether something stands at a path.
pub(super) fn stands(node: &Node, path: &Path) -> bool {
    fn walk(node: &Node, steps: &[Step], end: &End) -> bool {
        match steps.split_first() {
            None => match end {
                End::Attribute(name) => node.attribute(name).is_some(),
                End::Element | End::Text => true,
            },
            Some((step, rest)) => node.elements().any(|child| fits(child, step) && walk(child, rest, end)),
        }
    }
    path.is_below() && walk(node, &path.steps, &path.end)
}

/// The texts at a path.
pub(super) fn texts(node: &Node, path: &Path) -> Vec<String> {
    fn walk(node: &Node, steps: &[Step], end: &End, out: &mut Vec<String>) {
        match steps.split_first() {
            None => match end {
                End::Attribute(name) => out.extend(node.attribute(name).map(str::to_owned)),
                End::Element | End::Text => {
                    out.push(node.attribute("value").map_or_else(|| node.words(), str::to_owned))
                }
            },
            Some((step, rest)) => {
                for child in node.elements().filter(|child| fits(child, step)) {
                    walk(child, rest, end, out);
                }
            }
        }
    }
    let mut out = Vec::new();
    if path.is_below() {
        walk(node, &path.steps, &path.end, &mut out);
    }
    out
}

fn child<'n>(node: &'n mut Node, step: &Step, next: Option<&Step>, fresh: bool) -> Option<&'n mut Node> {
    let name = step.name.clone()?;
    // A relation that leads elsewhere already is none to use.
    let free = |there: &Node| {
        let mut held = there.elements().filter(|child| !BESIDE.contains(&child.name.as_str())).peekable();
        !is_holder(step) || held.peek().is_none() || next.is_none_or(|next| held.any(|child| fits(child, next)))
    };
    let usable = |child: &Child| matches!(child, Child::Element(there) if fits(there, step) && free(there));
    let found = node.children.iter().position(usable);
    let at = match found.filter(|_| !fresh) {
        Some(at) => at,
        None => {
            let mut made = Node::new(name);
            for test in &step.tests {
                satisfy(&mut made, test);
            }
            node.push(made);
            node.children.len() - 1
        }
    };
    match node.children.get_mut(at) {
        Some(Child::Element(node)) => Some(node),
        _ => None,
    }
}

/// Whether an element is one that a step means: it is told by what is written already.
pub(super) fn fits(node: &Node, step: &Step) -> bool {
    if step.name.as_ref().is_some_and(|name| *name != node.name) {
        return false;
    }
    step.tests.iter().all(|test| match test {
        Test::Attribute { name, values, negated } => {
            let there = node.attribute(name);
            let held = there.is_some_and(|there| values.is_empty() || values.iter().any(|value| value == there));
            if *negated { !held } else { held || (values.is_empty() && there.is_none()) }
        }
        Test::Template { oids, negated } => oids.iter().any(|oid| node.has_template(oid)) != *negated,
        Test::Path { paths, values, negated } => {
            let held = paths.iter().any(|path| {
                if values.is_empty() {
                    stands(node, path)
                } else {
                    texts(node, path).iter().any(|text| values.iter().any(|value| value == text))
                }
            });
            // What only has to be there is being written.
            held != *negated || (values.is_empty() && !*negated)
        }
        Test::Written { path, value } => {
            let there = texts(node, path);
            there.is_empty() || there.iter().any(|text| text == value)
        }
        Test::Number(_) | Test::Unread => true,
    })
}

/// Makes an element what a predicate asks.
pub(super) fn satisfy(node: &mut Node, test: &Test) {
    match test {
        Test::Attribute { name, values, negated: false } => {
            if let Some(value) = values.first() {
                node.set(name.clone(), value.as_str());
            }
        }
        Test::Template { oids, negated: false } => {
            if let Some(oid) = oids.first() {
                template(node, oid);
            }
        }
        Test::Path { paths, values, negated: false } => {
            if let (Some(path), Some(value)) = (paths.first(), values.first()) {
                put(node, path, false, value);
            }
        }
        Test::Written { path, value } => {
            put(node, path, false, value);
        }
        _ => {}
    }
}

/// Adds a template's id; `OID:EXTENSION` is a version of it.
pub(super) fn template(node: &mut Node, oid: &SmolStr) {
    let (root, extension) =
        oid.split_once(':').map_or((oid.as_str(), None), |(root, extension)| (root, Some(extension)));
    let mut id = Node::new("templateId").with("root", root);
    if let Some(extension) = extension {
        id.set("extension", extension);
    }
    node.push(id);
}

/// Puts an element at a path; several rows may fill one, and what stands already stays. Whether there was a place.
pub(super) fn join(node: &mut Node, path: &Path, new: bool, made: Node) -> bool {
    let slot = open(node, path, new);
    slot.map(|slot| merge(slot, made)).is_some()
}

/// Adds to an element what another says beside.
pub(super) fn merge(slot: &mut Node, made: Node) {
    for (name, value) in made.attributes {
        if slot.attribute(&name).is_none() {
            slot.set(name, value);
        }
    }
    for child in made.children {
        if !slot.children.contains(&child) {
            match (&child, slot.children.iter().any(|child| matches!(child, Child::Text(_)))) {
                (Child::Text(_), true) => {}
                _ => slot.children.push(child),
            }
        }
    }
}
