//! Which element may stand in which. HTML 4.0, chapters 7 to 11.

use super::rules::{Finding, shown};
use super::{Document, Node};

/// Checks one element against what stands in and around it.
pub(super) fn check(document: &Document<'_>, index: usize, found: &mut Vec<Finding>) {
    let Some(node) = document.nodes.get(index) else { return };
    let Some(name) = node.name() else { return };
    if index == 0 {
        return;
    }
    if let Some(parents) = parents(name) {
        let around = document.ancestors(index).next().and_then(Node::name);
        if !around.is_some_and(|around| parents.contains(&around)) {
            wrong(found, format!("expected {} to stand in {}", shown(name), parents.join(" or ")));
        }
    }
    match name {
        "br" | "hr" | "img" | "area" => {
            if document.children(index).next().is_some() {
                wrong(found, format!("expected {name} to be empty"));
            }
        }
        _ => {
            if let Some(children) = children(name) {
                let fits = |node: &Node<'_>| match node {
                    Node::Element { name, .. } => children.contains(name),
                    Node::Text { blank, .. } => *blank,
                    Node::Comment { .. } => true,
                };
                if !document.children(index).all(fits) {
                    wrong(found, format!("expected nothing in {name} but {}", children.join(", ")));
                }
            }
        }
    }
    around(document, index, name, found);
}

/// Blocks in paragraphs and phrases, and phrases in themselves.
fn around(document: &Document<'_>, index: usize, name: &str, found: &mut Vec<Finding>) {
    let is_block = matches!(name, "div" | "pre" | "table" | "ul" | "ol");
    let is_phrase = is_para(name) == Some(false);
    if !is_block && !is_phrase {
        return;
    }
    for around in document.ancestors(index).filter_map(Node::name) {
        if is_block && (is_para(around).is_some() || matches!(around, "span" | "caption" | "dd" | "dt")) {
            wrong(found, format!("expected no {name} in {}", shown(around)));
            break;
        }
        if is_phrase && around == name {
            wrong(found, format!("expected no {name} in {name}"));
            break;
        }
    }
}

fn wrong(found: &mut Vec<Finding>, expected: String) {
    found.push(Finding::Wrong { code: "structure", expected });
}

/// `Some(true)` for paragraphs and headings, `Some(false)` for phrases, which do not stand in themselves.
fn is_para(name: &str) -> Option<bool> {
    match name {
        "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "pre" | "address" => Some(true),
        "a" | "b" | "em" | "i" | "strong" | "small" | "big" | "sub" | "sup" | "code" | "tt" | "dfn" | "q" | "var"
        | "abbr" | "acronym" | "cite" | "bdo" | "kbd" | "samp" => Some(false),
        _ => None,
    }
}

fn parents(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "tr" => Some(&["table", "thead", "tfoot", "tbody"]),
        "tbody" | "thead" | "tfoot" | "caption" | "colgroup" => Some(&["table"]),
        "col" => Some(&["table", "colgroup"]),
        "th" | "td" => Some(&["tr"]),
        "li" => Some(&["ul", "ol", "dir", "menu"]),
        "dd" | "dt" => Some(&["dl"]),
        _ => None,
    }
}

fn children(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "table" => Some(&["tbody", "tr", "caption", "thead", "tfoot", "col", "colgroup"]),
        "tr" => Some(&["td", "th"]),
        "tbody" | "thead" | "tfoot" => Some(&["tr"]),
        "ul" | "ol" => Some(&["li"]),
        "dl" => Some(&["dd", "dt"]),
        "map" => Some(&["area"]),
        _ => None,
    }
}
