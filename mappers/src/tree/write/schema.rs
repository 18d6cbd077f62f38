//! What the CDA R2 schema asks of elements whatever rows have written: one code, a time for each author, a signature.

use super::kept::{add, agrees};
use super::node::{Child, Node};

/// Makes an element and all below it what the schema asks.
pub(super) fn settle(node: &mut Node) {
    authors(node);
    match node.name.as_str() {
        "patient" => {
            renamed(node, "raceCode", "sdtc:raceCode");
            renamed(node, "ethnicGroupCode", "sdtc:ethnicGroupCode");
        }
        "representedCustodianOrganization" => {
            for name in ["name", "telecom", "addr"] {
                one(node, name);
            }
        }
        "legalAuthenticator" | "authenticator" => {
            if !has(node, "signatureCode") {
                node.push(Node::new("signatureCode").with("code", "S"));
            }
            timed(node);
        }
        // Translations and what has several codes by the schema stay as they are.
        "CD" | "value" | "code" => {}
        // What an entry's participants do stands in the namespace of the extensions.
        "act" | "observation" | "procedure" | "substanceAdministration" | "supply" | "encounter" | "organizer" => {
            one_code(node);
            for part in node.elements_mut().filter(|part| matches!(part.name.as_str(), "performer" | "participant")) {
                part.elements_mut()
                    .filter(|child| child.name == "functionCode")
                    .for_each(|child| child.name = "sdtc:functionCode".into());
                one_function(part);
            }
        }
        _ => one_code(node),
    }
    node.elements_mut().for_each(settle);
}

/// What several tables said of one function stands in one element; functions that differ stay apart.
fn one_function(node: &mut Node) {
    let mut made: Vec<Child> = Vec::with_capacity(node.children.len());
    for child in std::mem::take(&mut node.children) {
        let Child::Element(left) = child else {
            made.push(child);
            continue;
        };
        let of_it = |known: &&mut Child| matches!(known, Child::Element(known) if is_one_function(known, &left));
        match made.iter_mut().find(of_it) {
            Some(Child::Element(known)) => add(known, left),
            _ => made.push(Child::Element(left)),
        }
    }
    node.children = made;
}

/// Whether two elements say one function: the same code, or the second no more than where it stands in the narrative.
fn is_one_function(known: &Node, left: &Node) -> bool {
    let (code, own) = (known.attribute("code"), left.attribute("code"));
    known.name == "sdtc:functionCode"
        && left.name == known.name
        && left.attribute("nullFlavor").is_none()
        && (own.is_some() && own == code || own.is_none() && left.words().is_empty())
        && agrees(known, left)
}

fn has(node: &Node, name: &str) -> bool {
    node.elements().any(|child| child.name == name)
}

fn timed(node: &mut Node) {
    if !has(node, "time") {
        node.push(Node::new("time").with("nullFlavor", "NI"));
    }
}

/// A time for each author: one that stands without its author is the first author's that has none, or of one not named.
fn authors(node: &mut Node) {
    let is_loose = |author: &Node| author.name == "author" && !has(author, "assignedAuthor");
    let mut loose = Vec::new();
    node.children.retain_mut(|child| match child {
        Child::Element(author) if is_loose(author) => {
            loose.append(&mut author.children);
            false
        }
        _ => true,
    });
    let mut loose = loose.into_iter();
    for author in node.elements_mut().filter(|child| child.name == "author") {
        if !has(author, "time") {
            author.children.extend(loose.next());
        }
        timed(author);
    }
    for time in loose {
        let mut author = Node::new("author");
        let mut assigned = Node::new("assignedAuthor");
        assigned.push(Node::new("id").with("nullFlavor", "NI"));
        author.children.push(time);
        author.push(assigned);
        timed(&mut author);
        node.push(author);
    }
}

/// Keeps the first of a name: the schema has room for no other.
fn one(node: &mut Node, name: &str) {
    let mut found = false;
    node.children.retain(|child| match child {
        Child::Element(child) if child.name == name => !std::mem::replace(&mut found, true),
        _ => true,
    });
}

/// Gives all but the first of a name the name that the schema has for further ones.
fn renamed(node: &mut Node, name: &str, further: &'static str) {
    for child in node.elements_mut().filter(|child| child.name == name).skip(1) {
        child.name = further.into();
    }
}

/// Further codes of an element stand as translations of its first.
fn one_code(node: &mut Node) {
    let Some(first) = node.children.iter().position(is_code) else { return };
    let mut others = Vec::new();
    let mut at = 0;
    node.children.retain(|child| {
        at += 1;
        let further = is_code(child) && at - 1 > first;
        if let (Child::Element(other), true) = (child, further) {
            others.push(other.clone());
        }
        !further
    });
    let Some(Child::Element(first)) = node.children.get_mut(first) else { return };
    for mut other in others {
        let same = |known: &Node| {
            known.attribute("code") == other.attribute("code")
                && known.attribute("codeSystem") == other.attribute("codeSystem")
        };
        if same(first) || first.elements().any(|known| known.name == "translation" && same(known)) {
            continue;
        }
        other.name = "translation".into();
        first.push(other);
    }
}

fn is_code(child: &Child) -> bool {
    matches!(child, Child::Element(node) if node.name == "code")
}
