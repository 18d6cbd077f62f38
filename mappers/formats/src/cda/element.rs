//! An element and what is asked of it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use super::document::{AttributeNode, Document, NO_LEAF, Node};
use crate::aside::File;

/// An element of a document; cheap to copy.
#[derive(Clone, Copy)]
pub struct Element<'d> {
    document: &'d Document,
    id: u32,
}

/// An attribute of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'d> {
    /// By the rule of [`Element::name`], but without namespace for what has no prefix: `code`, `xsi:type`, `sdtc:valueSet`.
    pub name: &'d str,
    /// The value, references resolved.
    pub value: &'d str,
    /// Its number as a leaf, if it is one.
    pub leaf: Option<u32>,
}

/// What stands in an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'d> {
    /// An element.
    Element(Element<'d>),
    /// A text between elements or comments, white space as it stands; its leaf, if it is one.
    Text(&'d str, Option<u32>),
}

impl<'d> Element<'d> {
    pub(super) fn new(document: &'d Document, id: u32) -> Self {
        Self { document, id }
    }

    fn node(self) -> &'d Node {
        self.document.node(self.id)
    }

    /// Its number in document order, from 0.
    pub fn id(self) -> u32 {
        self.id
    }

    /// The document that it belongs to.
    pub fn document(self) -> &'d Document {
        self.document
    }

    /// `code` for an element of `urn:hl7-org:v3` or of no namespace, `sdtc:raceCode` for one of `urn:hl7-org:sdtc`,
    /// `other:NAME` for one of any other.
    pub fn name(self) -> &'d str {
        self.document.names.text(self.node().name)
    }

    /// The element around it; `None` for the root.
    pub fn parent(self) -> Option<Element<'d>> {
        let parent = self.node().parent;
        (parent != self.id).then(|| Self::new(self.document, parent))
    }

    /// The elements in it, in order.
    pub fn children(self) -> impl Iterator<Item = Element<'d>> {
        let end = self.node().end;
        let mut at = self.id.saturating_add(1);
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let child = Self::new(self.document, at);
            // An element ends after itself, so this always goes on.
            at = child.node().end.max(at.saturating_add(1));
            Some(child)
        })
    }

    /// The numbers of the children of this name where there are so many children that they are listed by name;
    /// `None`: look through them.
    pub fn listed(self, name: &str) -> Option<&'d [u32]> {
        const FEW: u32 = 256;
        if self.node().end.saturating_sub(self.id) < FEW {
            return None;
        }
        self.document.listed(self.id, name)
    }

    /// The value of an attribute, references resolved and white space at its ends kept. Of `xsi:type` the name without its
    /// prefix, which depends on the sender: `PQ`.
    pub fn attribute(self, name: &str) -> Option<&'d str> {
        self.find(name).map(|attribute| self.document.span(attribute.value))
    }

    /// The leaf of an attribute; `None` if there is none of that name or it has no value.
    pub fn attribute_leaf(self, name: &str) -> Option<u32> {
        self.find(name).and_then(|attribute| some_leaf(attribute.leaf))
    }

    fn find(self, name: &str) -> Option<&'d AttributeNode> {
        let names = &self.document.names;
        self.document.attributes_of(self.id).iter().find(|attribute| names.text(attribute.name) == name)
    }

    /// Its attributes in order, without namespace declarations.
    pub fn attributes(self) -> impl Iterator<Item = Attribute<'d>> {
        let document = self.document;
        document.attributes_of(self.id).iter().map(|attribute| Attribute {
            name: document.names.text(attribute.name),
            value: document.span(attribute.value),
            leaf: some_leaf(attribute.leaf),
        })
    }

    /// Its own texts that are more than white space, and their leaves.
    pub fn texts(self) -> impl Iterator<Item = (&'d str, u32)> {
        self.content().filter_map(|content| match content {
            Content::Text(text, leaf) => Some((text, leaf?)),
            Content::Element(_) => None,
        })
    }

    /// Whether it has a text of its own that is more than white space.
    pub fn has_text(self) -> bool {
        self.text_leaves().next().is_some()
    }

    /// The leaves of its own texts that are more than white space.
    pub fn text_leaves(self) -> impl Iterator<Item = u32> {
        self.text_indexes().filter_map(move |index| some_leaf(self.document.texts.get(index as usize)?.leaf))
    }

    /// The file set aside that is all its text, if one is ([`Document::without_files`]).
    pub fn file(self) -> Option<&'d File> {
        let text = self.node().texts.start;
        (!self.document.aside.is_empty() && self.text_indexes().next() == Some(text))
            .then(|| self.document.file(text))?
    }

    /// Elements and texts in it, in order, white space included.
    pub fn content(self) -> impl Iterator<Item = Content<'d>> {
        let document = self.document;
        self.pieces().map(move |piece| match piece {
            Piece::Element(child) => Content::Element(child),
            Piece::Text(index) => {
                let text = document.texts.get(index as usize);
                Content::Text(text.map_or("", |text| document.span(text.value)), text.and_then(|t| some_leaf(t.leaf)))
            }
        })
    }

    /// Its own texts, white space included, as places in the document's list.
    pub(super) fn text_indexes(self) -> impl Iterator<Item = u32> {
        self.pieces().filter_map(|piece| match piece {
            Piece::Text(index) => Some(index),
            Piece::Element(_) => None,
        })
    }

    /// Children and own texts in order: the texts of the subtree stand in one list, those of a child together.
    fn pieces(self) -> impl Iterator<Item = Piece<'d>> {
        let mut children = self.children().peekable();
        let mut texts = self.node().texts.clone();
        std::iter::from_fn(move || {
            let limit = children.peek().map_or(texts.end, |child| child.node().texts.start);
            if texts.start < limit {
                return texts.next().map(Piece::Text);
            }
            let child = children.next()?;
            texts.start = child.node().texts.end;
            Some(Piece::Element(child))
        })
    }

    /// All text in it and below it, in order, white space as it stands.
    pub fn text(self) -> Cow<'d, str> {
        let texts = self.node().texts.clone();
        let texts = self.document.texts.get(texts.start as usize..texts.end as usize).unwrap_or_default();
        match texts {
            [] => Cow::Borrowed(""),
            [text] => Cow::Borrowed(self.document.span(text.value)),
            texts => Cow::Owned(texts.iter().map(|text| self.document.span(text.value)).collect()),
        }
    }

    /// The leaves of the element and all below it.
    pub fn leaf_range(self) -> Range<u32> {
        self.node().leaves.clone()
    }

    /// Where it stands: an absolute XPath; `[n]` only where there are several of that name.
    pub fn xpath(self) -> String {
        self.document.places().element_path(self.document, self.id)
    }

    /// The line where its start tag begins, from 1.
    pub fn line(self) -> u32 {
        self.document.line(self.node().at)
    }
}

enum Piece<'d> {
    Element(Element<'d>),
    Text(u32),
}

fn some_leaf(leaf: u32) -> Option<u32> {
    (leaf != NO_LEAF).then_some(leaf)
}

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.id == other.id
    }
}

impl Eq for Element<'_> {}

/// Its name and number, never its content.
impl fmt::Debug for Element<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}#{}", self.name(), self.id)
    }
}
