//! The elements of a document being written, and their text.

use smol_str::SmolStr;

use super::order;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::tree) struct Node {
    pub(in crate::tree) name: SmolStr,
    pub(in crate::tree) attributes: Vec<(SmolStr, String)>,
    pub(in crate::tree) children: Vec<Child>,
}

/// What stands in an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tree) enum Child {
    Element(Node),
    Text(String),
}

impl Node {
    pub(in crate::tree) fn new(name: impl Into<SmolStr>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// An element with text alone.
    pub(in crate::tree) fn text(name: impl Into<SmolStr>, text: impl Into<String>) -> Self {
        let mut node = Self::new(name);
        node.children.push(Child::Text(text.into()));
        node
    }

    pub(in crate::tree) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    pub(in crate::tree) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(in crate::tree) fn set(&mut self, name: impl Into<SmolStr>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match self.attributes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, there)) => *there = value,
            None => self.attributes.push((name, value)),
        }
    }

    pub(in crate::tree) fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|child| match child {
            Child::Element(node) => Some(node),
            Child::Text(_) => None,
        })
    }

    pub(in crate::tree) fn elements_mut(&mut self) -> impl Iterator<Item = &mut Self> {
        self.children.iter_mut().filter_map(|child| match child {
            Child::Element(node) => Some(node),
            Child::Text(_) => None,
        })
    }

    pub(in crate::tree) fn push(&mut self, node: Self) {
        self.children.push(Child::Element(node));
    }

    /// Whether it has a template; `OID:EXTENSION` is a version of it.
    pub(in crate::tree) fn has_template(&self, oid: &str) -> bool {
        let (root, extension) = oid.split_once(':').map_or((oid, None), |(root, extension)| (root, Some(extension)));
        self.elements().any(|id| {
            id.name == "templateId"
                && id.attribute("root") == Some(root)
                && extension.is_none_or(|extension| id.attribute("extension") == Some(extension))
        })
    }

    /// Whether it says nothing: no text, and no attribute but those of structure.
    pub(in crate::tree) fn is_empty(&self) -> bool {
        self.children.is_empty() && self.attributes.iter().all(|(name, _)| name == "xsi:type")
    }

    /// Its text, and that of everything below.
    pub(in crate::tree) fn words(&self) -> String {
        let mut out = String::new();
        for child in &self.children {
            match child {
                Child::Text(text) => out.push_str(text),
                Child::Element(node) => out.push_str(&node.words()),
            }
        }
        out
    }

    /// Puts children in the order of the schema, all the way down.
    pub(in crate::tree) fn sort(&mut self) {
        if order::is_mixed(&self.name) {
            return;
        }
        let parent = self.name.clone();
        let rank = |child: &Child| match child {
            Child::Element(node) => order::rank(&parent, &node.name),
            Child::Text(_) => 0,
        };
        self.children.sort_by_key(rank);
        self.elements_mut().for_each(Self::sort);
    }

    /// Appends the element as XML.
    pub(in crate::tree) fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            escape(value, true, out);
            out.push('"');
        }
        if self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for child in &self.children {
            match child {
                Child::Element(node) => node.write(out),
                Child::Text(text) => escape(text, false, out),
            }
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}

/// XML 1.0, section 2.4: what may not stand as it is; characters that XML does not know are left out (section 2.2).
fn escape(text: &str, attribute: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\n' | '\t' | '\r' if attribute => out.push_str(&format!("&#{};", u32::from(c))),
            '\n' | '\t' => out.push(c),
            '\r' => out.push_str("&#13;"),
            c if c < ' ' || matches!(c, '\u{FFFE}' | '\u{FFFF}') => {}
            c => out.push(c),
        }
    }
}
