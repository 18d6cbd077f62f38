//! XHTML of a resource as CDA narrative: the elements that both know, the text of all others.

use formats::cda::{Content, Document, Element, Limits};

use super::node::{Child, Node};

/// What stands in a section's `text`, of the XHTML of a Narrative; none where it is no XHTML or says nothing.
pub(super) fn narrative(div: &str) -> Option<Vec<Child>> {
    let document = Document::parse(div.as_bytes(), &Limits::default()).ok()?;
    let mut out = Vec::new();
    inside(document.root(), &mut out, true);
    let says = |child: &Child| match child {
        Child::Text(text) => !text.trim().is_empty(),
        Child::Element(_) => true,
    };
    out.iter().any(says).then_some(out)
}

fn inside(element: Element<'_>, out: &mut Vec<Child>, top: bool) {
    for content in element.content() {
        match content {
            Content::Text(text, _) => {
                if !(top && text.trim().is_empty()) {
                    out.push(Child::Text(text.to_owned()));
                }
            }
            Content::Element(child) => convert(child, out),
        }
    }
}

fn convert(element: Element<'_>, out: &mut Vec<Child>) {
    let name = element.name();
    let name = name.strip_prefix("other:").unwrap_or(name);
    let (to, style) = match name {
        "p" | "div" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "pre" | "blockquote" => ("paragraph", None),
        "span" => ("content", None),
        "b" | "strong" => ("content", Some("Bold")),
        "i" | "em" => ("content", Some("Italics")),
        "u" => ("content", Some("Underline")),
        "br" => ("br", None),
        "sub" => ("sub", None),
        "sup" => ("sup", None),
        "ul" | "ol" => ("list", None),
        "li" => ("item", None),
        "table" => ("table", None),
        "caption" => ("caption", None),
        "thead" => ("thead", None),
        "tbody" => ("tbody", None),
        "tfoot" => ("tfoot", None),
        "tr" => ("tr", None),
        "td" => ("td", None),
        "th" => ("th", None),
        "a" => ("linkHtml", None),
        _ => return inside(element, out, false),
    };
    let mut node = Node::new(to);
    inside(element, &mut node.children, matches!(to, "table" | "thead" | "tbody" | "tfoot" | "tr" | "list"));
    // A paragraph holds no blocks: what it would hold stands beside each other.
    let block = |child: &Child| matches!(child, Child::Element(node) if matches!(node.name.as_str(), "paragraph" | "table" | "list"));
    if to == "paragraph" && node.children.iter().any(block) {
        out.append(&mut node.children);
        return;
    }
    if matches!(to, "table" | "thead" | "tbody" | "tfoot" | "tr" | "list") {
        node.children.retain(|child| matches!(child, Child::Element(_)));
    }
    if let Some(id) = element.attribute("id").or_else(|| element.attribute("ID")) {
        node.set("ID", id);
    }
    if let Some(style) = style {
        node.set("styleCode", style);
    }
    if name == "ol" {
        node.set("listType", "ordered");
    }
    if let ("linkHtml", Some(href)) = (to, element.attribute("href")) {
        node.set("href", href);
    }
    if matches!(to, "td" | "th") {
        for span in ["colspan", "rowspan"] {
            if let Some(value) = element.attribute(span) {
                node.set(span, value);
            }
        }
    }
    out.push(Child::Element(node));
}
