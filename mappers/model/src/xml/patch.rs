//! XML Patch (RFC 5261) on the XML form of a resource.
//!
//! The resource is written as XML, changed there, and read again: what comes out is as any XML that is sent, order of
//! elements included. Paths are those of RFC 5261, section 4.1, with one addition: a predicate may compare an attribute
//! below (`f:identifier[f:system/@value='urn:x']`), as FHIR keeps its values in attributes. A name without a prefix is of
//! the default namespace of the patch; where it declares none, of FHIR.

mod select;
mod tree;

use xml::Token;

use self::select::{Found, Selector};
use self::tree::{Element, Node};
use super::{FHIR, Fault, Layout, lexer};
use crate::json::{Json, Limits};
use crate::patch::{MOST_OPERATIONS, PatchError, PatchErrorKind};

/// A patch that can be applied.
#[derive(Clone, Debug)]
pub struct XmlPatch(Vec<Operation>);

#[derive(Clone, Debug)]
struct Operation {
    what: What,
    at: Selector,
}

#[derive(Clone, Debug)]
enum What {
    Add(Where, Vec<Node>),
    AddAttribute(String, String),
    Replace(Vec<Node>),
    Remove,
}

/// Where new nodes go. RFC 5261, section 4.3.
#[derive(Clone, Copy, Debug)]
enum Where {
    Append,
    Prepend,
    Before,
    After,
}

impl XmlPatch {
    /// Reads a patch document, `diff` with `add`, `replace` and `remove`.
    ///
    /// # Errors
    /// Everything that is not as RFC 5261 asks, operation by operation; only the first if the text is no XML.
    pub fn read(bytes: &[u8]) -> Result<Self, Vec<PatchError>> {
        let broken = |Fault(kind, offset)| {
            let place = crate::json::position_of(bytes, offset);
            vec![PatchError::malformed(format!("line {}, column {}", place.line, place.column), kind.to_string())]
        };
        let mut lexer = lexer(bytes).map_err(broken)?;
        let (mut operations, mut errors) = (Vec::new(), Vec::new());
        loop {
            match lexer.next().map_err(|fault| broken(fault.into()))? {
                Token::Start(tag) if lexer.depth() == 1 && tag.name != "diff" => {
                    return Err(vec![PatchError::malformed("", "expected a diff element")]);
                }
                Token::Start(_) if lexer.depth() == 1 => {}
                Token::Start(tag) => {
                    let place = format!("diff/*[{}]", operations.len() + errors.len() + 1);
                    let name = tag.name;
                    let attributes = tree::attributes(&lexer);
                    let written = attributes.iter().find(|(name, _)| name == "sel").map_or("", |(_, value)| value);
                    let at = Selector::parse(written, |prefix| match (lexer.namespace(prefix), prefix) {
                        (Some(""), "") => Some(FHIR.to_owned()),
                        (found, _) => found.map(str::to_owned),
                    });
                    let content = tree::children(&mut lexer).map_err(broken)?;
                    match at
                        .ok_or_else(|| PatchError::malformed(format!("{place}/@sel"), "expected a path of RFC 5261"))
                        .and_then(|at| operation(name, at, &attributes, content, &place))
                    {
                        Ok(operation) => operations.push(operation),
                        Err(error) => errors.push(error),
                    }
                    if operations.len() + errors.len() > MOST_OPERATIONS {
                        let text = format!("expected at most {MOST_OPERATIONS} operations");
                        return Err(vec![PatchError { kind: PatchErrorKind::TooLarge, at: "diff".to_owned(), text }]);
                    }
                }
                Token::Text(text) if lexer.depth() == 1 && !text.is_blank => {
                    errors.push(PatchError::malformed("diff", "expected operations, found text"));
                }
                Token::Over => break,
                _ => {}
            }
        }
        if errors.is_empty() { Ok(Self(operations)) } else { Err(errors) }
    }

    /// Applies every operation in its order.
    ///
    /// # Errors
    /// The first operation that does not fit; or everything that is wrong with the XML that comes out.
    pub fn apply(&self, resource: &Json) -> Result<Json, Vec<PatchError>> {
        let text = super::write(resource, Layout::Compact)
            .map_err(|error| vec![PatchError::unfit(error.at, "the resource has no XML form")])?;
        let fault = |_| vec![PatchError::unfit("diff", "the resource has no XML form")];
        let mut root = tree::read(text.as_bytes()).map_err(fault)?;
        for (number, operation) in (1..).zip(&self.0) {
            let place = format!("diff/*[{number}]");
            operation.apply(&mut root, &place).map_err(|error| vec![error])?;
        }
        let text = root.to_text();
        let limits = Limits { bytes: Limits::BYTES, ..Limits::default() };
        let document = super::parse(text.as_bytes(), &limits)
            .map_err(|error| vec![PatchError::unfit("diff", format!("what comes out is no FHIR: {}", error.kind))])?;
        if document.issues.is_empty() {
            return Ok(document.resource);
        }
        let wrong = |issue: crate::outcome::Issue| PatchError::unfit(issue.at.unwrap_or_default(), issue.diagnostics);
        Err(document.issues.into_iter().map(wrong).collect())
    }
}

fn operation(
    name: &str,
    at: Selector,
    attributes: &[(String, String)],
    content: Vec<Node>,
    place: &str,
) -> Result<Operation, PatchError> {
    let said = |name: &str| attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let what = match name {
        "add" => match (said("type"), said("pos")) {
            (Some(kind), None) => {
                let Some(name) = kind.strip_prefix('@').filter(|name| xml::is_name(name)) else {
                    return Err(PatchError::malformed(
                        format!("{place}/@type"),
                        "expected @ and the name of an attribute",
                    ));
                };
                What::AddAttribute(name.to_owned(), tree::text_of(&content))
            }
            (None, None) => What::Add(Where::Append, content),
            (None, Some("prepend")) => What::Add(Where::Prepend, content),
            (None, Some("before")) => What::Add(Where::Before, content),
            (None, Some("after")) => What::Add(Where::After, content),
            _ => return Err(PatchError::malformed(format!("{place}/@pos"), "expected prepend, before or after")),
        },
        "replace" => What::Replace(content),
        "remove" => What::Remove,
        _ => return Err(PatchError::malformed(place, "expected add, replace or remove")),
    };
    Ok(Operation { what, at })
}

impl Operation {
    fn apply(&self, root: &mut Element, place: &str) -> Result<(), PatchError> {
        let unfit = |text: &str| PatchError::unfit(place, text);
        let found = self.at.find(root);
        let [found] = found.as_slice() else {
            return Err(PatchError::unfit(
                format!("{place}/@sel"),
                if found.is_empty() { "nothing is at this path" } else { "more than one node is at this path" },
            ));
        };
        match (&self.what, found) {
            (What::AddAttribute(name, value), Found::Node(way)) => {
                let element = tree::element_at(root, way).ok_or_else(|| unfit("expected an element at this path"))?;
                if element.attribute(name).is_some() {
                    return Err(unfit("the attribute is there already"));
                }
                element.attributes.push((name.clone(), value.clone()));
                Ok(())
            }
            (What::Add(position, nodes), Found::Node(way)) => add(root, *position, nodes, way, place),
            (What::Replace(nodes), Found::Node(way)) => replace(root, nodes, way, place),
            (What::Remove, Found::Node(way)) => {
                let Some((last, above)) = way.split_last() else {
                    return Err(unfit("the whole resource cannot be removed"));
                };
                let parent = tree::element_at(root, above).ok_or_else(|| unfit("nothing is at this path"))?;
                if *last < parent.children.len() {
                    parent.children.remove(*last);
                }
                Ok(())
            }
            (What::Replace(nodes), Found::Attribute(way, name)) => {
                let element = tree::element_at(root, way).ok_or_else(|| unfit("nothing is at this path"))?;
                if let Some((_, value)) = element.attributes.iter_mut().find(|(known, _)| known == name) {
                    *value = tree::text_of(nodes);
                }
                Ok(())
            }
            (What::Remove, Found::Attribute(way, name)) => {
                let element = tree::element_at(root, way).ok_or_else(|| unfit("nothing is at this path"))?;
                element.attributes.retain(|(known, _)| known != name);
                Ok(())
            }
            (What::Add(..) | What::AddAttribute(..), Found::Attribute(..)) => {
                Err(unfit("nothing can be added to an attribute"))
            }
        }
    }
}

fn add(root: &mut Element, position: Where, nodes: &[Node], way: &[usize], place: &str) -> Result<(), PatchError> {
    let nowhere = || PatchError::unfit(place, "nothing can be added here");
    let (holder, index) = match position {
        Where::Append | Where::Prepend => {
            let element = tree::element_at(root, way).ok_or_else(nowhere)?;
            let index = if matches!(position, Where::Append) { element.children.len() } else { 0 };
            (element, index)
        }
        Where::Before | Where::After => {
            let (last, above) = way.split_last().ok_or_else(nowhere)?;
            let behind = usize::from(matches!(position, Where::After));
            (tree::element_at(root, above).ok_or_else(nowhere)?, last + behind)
        }
    };
    let index = index.min(holder.children.len());
    holder.children.splice(index..index, nodes.iter().cloned());
    Ok(())
}

fn replace(root: &mut Element, nodes: &[Node], way: &[usize], place: &str) -> Result<(), PatchError> {
    let one = nodes.iter().filter(|node| !node.is_blank()).collect::<Vec<_>>();
    let is_text = matches!(tree::node_at(root, way), Some(Node::Text(_)));
    if is_text {
        if let Some((last, above)) = way.split_last()
            && let Some(parent) = tree::element_at(root, above)
            && let Some(slot) = parent.children.get_mut(*last)
        {
            *slot = Node::Text(tree::escaped(&tree::text_of(nodes)));
        }
        return Ok(());
    }
    let [Node::Element(new)] = one.as_slice() else {
        return Err(PatchError::unfit(place, "expected one element to put in the place of the other"));
    };
    let old = tree::element_at(root, way).ok_or_else(|| PatchError::unfit(place, "nothing is at this path"))?;
    *old = new.clone();
    Ok(())
}
