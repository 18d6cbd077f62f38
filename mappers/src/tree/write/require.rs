//! What the templates of a document ask for whatever its resources say: `required.csv`.
//!
//! Where FHIR says nothing, an element that has to stand says so by its `nullFlavor`; what a template fixes is written.

use super::node::{Child, Node};
use super::place;
use crate::tree::path::{End, Path, Step, Test};
use crate::tree::table::Tables;

/// One row of `required.csv`.
#[derive(Debug)]
pub(crate) struct Requirement {
    /// The elements it is about: the first step is any element of the document, the others are children of it.
    pub(crate) element: Path,
    /// Where to write.
    pub(crate) path: Path,
    /// Nothing is written where one of these stands; empty: where the element to be written stands.
    pub(crate) unless: Vec<Path>,
    pub(crate) write: Write,
}

/// What a row does where nothing stands in its way.
#[derive(Debug)]
pub(crate) enum Write {
    /// The text; an element alone if it is empty.
    Text(String),
    /// The text, into an element of its own before those of its name: of several codes the first is the code.
    First(String),
    /// The text, whatever stands there.
    Instead(String),
    /// What stands at a path of the first element.
    Copy(Path),
    /// Takes away what stands there.
    Nothing,
}

impl Write {
    /// Reads a cell.
    ///
    /// # Errors
    /// What was expected of a path.
    pub(crate) fn parse(cell: &str) -> Result<Self, String> {
        Ok(match cell.split_at_checked(1) {
            Some(("-", "")) => Self::Nothing,
            Some(("+", rest)) => Self::First(rest.to_owned()),
            Some(("!", rest)) => Self::Instead(rest.to_owned()),
            Some(("=", rest)) => Self::Copy(crate::tree::path::parse(rest)?),
            _ => Self::Text(cell.to_owned()),
        })
    }
}

/// Writes into a document what its templates ask for. From the root down: what a row adds is looked at too.
pub(super) fn complete(node: &mut Node, tables: &Tables) {
    let own = tables.required.get(&node.name).into_iter().flatten();
    for row in own.chain(tables.required.get("*").into_iter().flatten()) {
        if let Some((first, rest)) = row.element.steps.split_first()
            && is_like(node, first)
        {
            let copied = match &row.write {
                Write::Copy(path) => find(node, &path.steps).cloned(),
                _ => None,
            };
            apply(node, rest, row, copied.as_ref());
        }
    }
    node.elements_mut().for_each(|child| complete(child, tables));
}

fn apply(node: &mut Node, steps: &[Step], row: &Requirement, copied: Option<&Node>) {
    if let Some((step, rest)) = steps.split_first() {
        let fitting = node.elements_mut().filter(|child| is_like(child, step));
        return fitting.for_each(|child| apply(child, rest, row, copied));
    }
    if matches!(row.write, Write::Nothing) {
        return remove(node, &row.path.steps, &row.path.end);
    }
    let steps = &row.path.steps;
    let stands = match (row.unless.is_empty(), &row.write) {
        (false, _) => row.unless.iter().any(|path| walk(node, &path.steps, &path.end)),
        (true, Write::Instead(_)) => false,
        (true, _) if steps.is_empty() => walk(node, steps, &row.path.end),
        (true, _) => walk(node, steps, &End::Element),
    };
    if stands {
        return;
    }
    match &row.write {
        Write::Text(text) => {
            if let Some(there) = place::open(node, &row.path, false)
                && !text.is_empty()
            {
                place::write(there, &row.path.end, text);
            }
        }
        Write::First(text) => {
            let mut made = Node::new("");
            if place::put(&mut made, &row.path, false, text) {
                made.children.append(&mut node.children);
                node.children = made.children;
            }
        }
        Write::Instead(text) => {
            if let (Some(there), End::Attribute(name)) = (place::open(node, &row.path, false), &row.path.end) {
                there.set(name.clone(), text);
            }
        }
        Write::Copy(_) => {
            if let Some(copied) = copied
                && let Some(there) = place::open(node, &row.path, false)
            {
                there.attributes.clone_from(&copied.attributes);
                there.children.clone_from(&copied.children);
            }
        }
        Write::Nothing => {}
    }
}

/// The first element at a path.
fn find<'n>(node: &'n Node, steps: &[Step]) -> Option<&'n Node> {
    let Some((step, rest)) = steps.split_first() else { return Some(node) };
    node.elements().filter(|child| is_like(child, step)).find_map(|child| find(child, rest))
}

fn remove(node: &mut Node, steps: &[Step], end: &End) {
    match (steps, end) {
        ([], End::Attribute(name)) => node.attributes.retain(|(known, _)| known != name),
        ([], _) => {}
        ([step], End::Element) => {
            node.children.retain(|child| !matches!(child, Child::Element(child) if is_like(child, step)));
        }
        ([step, rest @ ..], _) => {
            node.elements_mut().filter(|child| is_like(child, step)).for_each(|child| remove(child, rest, end));
        }
    }
}

/// Whether something stands at a path, taken at its word: nothing of it is going to be written.
fn walk(node: &Node, steps: &[Step], end: &End) -> bool {
    match steps.split_first() {
        None => match end {
            End::Attribute(name) => node.attribute(name).is_some(),
            End::Element | End::Text => true,
        },
        Some((step, rest)) => node.elements().any(|child| is_like(child, step) && walk(child, rest, end)),
    }
}

fn is_like(node: &Node, step: &Step) -> bool {
    step.name.as_ref().is_none_or(|name| *name == node.name) && step.tests.iter().all(|test| holds(node, test))
}

fn holds(node: &Node, test: &Test) -> bool {
    let one_of =
        |values: &[smol_str::SmolStr], text: &str| values.is_empty() || values.iter().any(|value| value == text);
    match test {
        Test::Attribute { name, values, negated } => {
            node.attribute(name).is_some_and(|there| one_of(values, there)) != *negated
        }
        Test::Template { oids, negated } => oids.iter().any(|oid| node.has_template(oid)) != *negated,
        Test::Path { paths, values, negated } => {
            let held = paths.iter().any(|path| match values.is_empty() {
                true => walk(node, &path.steps, &path.end),
                false => place::texts(node, path).iter().any(|text| one_of(values, text)),
            });
            held != *negated
        }
        Test::Written { .. } | Test::Number(_) | Test::Unread => true,
    }
}

#[cfg(test)]
mod tests;
