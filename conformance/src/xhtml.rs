//! Narrative XHTML as a flat tree, and the rules it has to keep. FHIR R4 narrative.html.
//!
//! The reader takes what an XML reader would take (one `div`, closed tags, quoted attributes, known entities) and
//! nothing else. The rules are those of txt-1: elements and attributes for formatting only, no active content, and
//! the nesting that HTML 4.0 asks for.

mod entities;
mod nesting;
mod read;
mod rules;

pub(crate) use read::{Document, Node, read};
pub(crate) use rules::{Finding, check};

/// The namespace of every narrative.
pub(crate) const NAMESPACE: &str = "http://www.w3.org/1999/xhtml";

impl<'a> Document<'a> {
    /// Whether it says anything (txt-2): text that is not white space, or an image.
    pub(crate) fn has_content(&self) -> bool {
        self.nodes.iter().any(|node| match node {
            Node::Text { blank, .. } => !blank,
            Node::Element { name, .. } => *name == "img",
            Node::Comment { .. } => false,
        })
    }

    /// Every `id`, and every `name` of an `a`, in document order. An `a` whose two are the same counts once.
    pub(crate) fn anchors(&self) -> impl Iterator<Item = &'a str> {
        self.nodes.iter().flat_map(|node| {
            let id = node.attribute("id");
            let name = if node.name() == Some("a") { node.attribute("name") } else { None };
            [id, name.filter(|name| id != Some(*name))].into_iter().flatten()
        })
    }

    /// The languages of the sections right below the root: `div` with `xml:lang`.
    pub(crate) fn language_sections(&self) -> Vec<&'a str> {
        let mut found: Vec<&'a str> = Vec::new();
        for node in self.children(0).filter(|node| node.name() == Some("div")) {
            found.extend(node.attribute("xml:lang").filter(|language| !found.contains(language)));
        }
        found
    }

    /// Whether there is content beside the language sections.
    pub(crate) fn mixes_languages(&self) -> bool {
        let is_section = |node: &Node<'_>| node.name() == Some("div") && node.attribute("xml:lang").is_some();
        self.children(0).any(is_section)
            && self.children(0).any(|node| match node {
                Node::Text { blank, .. } => !blank,
                Node::Element { .. } => !is_section(node),
                Node::Comment { .. } => false,
            })
    }

    /// `lang` and `xml:lang` of the root, or of its first language section where there is nothing else.
    pub(crate) fn languages(&self) -> (Option<&'a str>, Option<&'a str>) {
        let of = |node: &Node<'a>| (node.attribute("lang"), node.attribute("xml:lang"));
        let root = self.nodes.first().map_or((None, None), of);
        if root != (None, None) || self.mixes_languages() {
            return root;
        }
        self.children(0).find(|node| node.attribute("xml:lang").is_some()).map_or(root, of)
    }
}

#[cfg(test)]
mod tests;
