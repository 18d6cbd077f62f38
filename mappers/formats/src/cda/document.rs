//! A document and what is asked of it as a whole.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::build;
use super::element::Element;
use super::issue::{Note, Refused};
use super::limits::Limits;
use super::names::Names;
use super::places::{Lines, Places};
use super::without::{Aside, Gaps, NotAside};
use crate::aside::{File, MARK_LETTER};

/// A CDA document: its decoded text, and the elements, attributes and texts as places in it.
pub struct Document {
    pub(super) text: String,
    /// Texts and values that are not as they stand in `text`, one after another.
    pub(super) resolved: String,
    pub(super) names: Names,
    /// In document order: the first child of an element follows it.
    pub(super) nodes: Vec<Node>,
    /// Those of an element follow one another, and those of the next element follow them.
    pub(super) attributes: Vec<AttributeNode>,
    pub(super) texts: Vec<TextNode>,
    pub(super) leaves: u32,
    /// Attributes called `ID`, sorted by value, the first in the document first.
    pub(super) ids: Vec<u32>,
    pub(super) notes: Vec<Note>,
    /// Files that are not in `text`.
    pub(super) gaps: Gaps,
    /// The texts of those files, in document order.
    pub(super) aside: Vec<Aside>,
    /// Such a text was asked for as a text.
    pub(super) is_asked: AtomicBool,
    pub(super) places: OnceLock<Places>,
    pub(super) lines: OnceLock<Lines>,
    pub(super) wide: OnceLock<Wide>,
}

/// Children by name of the elements that have many: a section of thousands of entries is asked for its code by each.
pub(super) type Wide = HashMap<u32, HashMap<Box<str>, Vec<u32>>>;

/// From how many children on an element has them listed by name.
const MANY: u32 = 128;

/// A text in `text`, or with the highest bit set in `resolved`.
#[derive(Clone, Copy, Default)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) length: u32,
}

pub(super) const IN_RESOLVED: u32 = 1 << 31;

/// Stands for a leaf where there is none.
pub(super) const NO_LEAF: u32 = u32::MAX;

pub(super) struct Node {
    pub(super) name: u32,
    /// Its own number for the root.
    pub(super) parent: u32,
    /// The first element after it that is not below it.
    pub(super) end: u32,
    /// Its first attribute.
    pub(super) attributes: u32,
    /// The texts of the element and all below it.
    pub(super) texts: Range<u32>,
    /// The leaves of the element and all below it.
    pub(super) leaves: Range<u32>,
    /// Where its start tag stands.
    pub(super) at: u32,
}

#[derive(Clone, Copy)]
pub(super) struct AttributeNode {
    pub(super) name: u32,
    pub(super) value: Span,
    pub(super) leaf: u32,
}

#[derive(Clone, Copy)]
pub(super) struct TextNode {
    pub(super) value: Span,
    pub(super) leaf: u32,
}

/// A value that is more than white space, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf<'d> {
    /// The element that has it.
    pub element: Element<'d>,
    /// The name of the attribute; `None` for a text.
    pub attribute: Option<&'d str>,
    /// The value.
    pub value: &'d str,
}

impl Document {
    /// Reads a document. The bytes are decoded once into a text of the document's own.
    ///
    /// # Errors
    /// [`Refused`] if the bytes are no well-formed XML, have a document type, or go beyond a limit.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, Refused> {
        build::document(Cow::Borrowed(bytes), limits)
    }

    /// The same for bytes that nobody needs any more: those of a document in UTF-8 become its text without a copy.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn from_bytes(bytes: Vec<u8>, limits: &Limits) -> Result<Self, Refused> {
        build::document(Cow::Owned(bytes), limits)
    }

    /// A document whose files are set aside, and is otherwise read as if they were there. Their texts are
    /// [`File::text_token`]; where one is asked for but by [`Element::file`], [`Document::is_asked`] says so.
    ///
    /// # Errors
    /// [`NotAside`]: refused as the whole document would be, or only that tells.
    pub fn without_files(kept: Vec<u8>, files: &[File], limits: &Limits) -> Result<Self, NotAside> {
        build::without_files(kept, files, limits)
    }

    /// Whether somebody has read as a text what only stands for one: what was made of it does not count.
    pub fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }

    /// The file that a text in the list of texts stands for.
    pub(super) fn file(&self, text: u32) -> Option<&File> {
        let at = self.aside.binary_search_by_key(&text, |aside| aside.text).ok()?;
        self.aside.get(at).map(|aside| &aside.file)
    }

    /// The outermost element.
    pub fn root(&self) -> Element<'_> {
        Element::new(self, 0)
    }

    /// An element by its number in document order, from 0.
    pub fn element(&self, id: u32) -> Option<Element<'_>> {
        ((id as usize) < self.nodes.len()).then(|| Element::new(self, id))
    }

    /// The number of elements; at least one.
    #[expect(clippy::len_without_is_empty, reason = "there is always a root")]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The number of leaves: attributes and texts that are more than white space.
    ///
    /// They are numbered from 0 in document order. Neither namespace declarations nor `xsi:schemaLocation` are leaves.
    pub fn leaves(&self) -> u32 {
        self.leaves
    }

    /// A leaf by its number.
    pub fn leaf(&self, leaf: u32) -> Option<Leaf<'_>> {
        self.places().leaf(self, leaf)
    }

    /// Where a leaf stands: an absolute XPath such as `/ClinicalDocument/component[2]/title/text()`.
    ///
    /// `[n]` stands only where there are several of that name. It selects exactly this leaf, if prefixes stand for what
    /// [`Element::name`] says they do; attributes of other namespaces may have one name, and are counted from the second on.
    /// Empty for a number beyond the last.
    pub fn leaf_path(&self, leaf: u32) -> String {
        self.places().leaf_path(self, leaf)
    }

    /// The first element with this value of the attribute `ID`: what `reference/@value` points to, after its `#`.
    pub fn with_id(&self, id: &str) -> Option<Element<'_>> {
        let first = self.ids.partition_point(|attribute| self.id_value(*attribute) < id);
        let attribute = *self.ids.get(first)?;
        if self.id_value(attribute) != id {
            return None;
        }
        let after = self.nodes.partition_point(|node| node.attributes <= attribute);
        self.element(u32::try_from(after.checked_sub(1)?).ok()?)
    }

    /// What was wrong with the wire and has been repaired.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    pub(super) fn id_value(&self, attribute: u32) -> &str {
        self.attributes.get(attribute as usize).map_or("", |attribute| self.span(attribute.value))
    }

    pub(super) fn span(&self, span: Span) -> &str {
        let (text, start) = match span.start & IN_RESOLVED {
            0 => (&self.text, span.start as usize),
            _ => (&self.resolved, (span.start & !IN_RESOLVED) as usize),
        };
        let text = text.get(start..start.saturating_add(span.length as usize)).unwrap_or_default();
        if span.start & IN_RESOLVED != 0 && !self.aside.is_empty() && text.starts_with(MARK_LETTER) {
            self.is_asked.store(true, Ordering::Relaxed);
        }
        text
    }

    /// The children of this name of an element that has many children.
    pub(super) fn listed(&self, element: u32, name: &str) -> Option<&[u32]> {
        let all = self.wide.get_or_init(|| {
            let mut counts = vec![0u32; self.nodes.len()];
            for (id, node) in self.nodes.iter().enumerate().skip(1) {
                if let Some(count) = counts.get_mut(node.parent as usize).filter(|_| node.parent as usize != id) {
                    *count = count.saturating_add(1);
                }
            }
            let mut wide = Wide::new();
            for (id, node) in (0u32..).zip(&self.nodes).skip(1) {
                if counts.get(node.parent as usize).is_some_and(|count| *count >= MANY) {
                    let names = wide.entry(node.parent).or_default();
                    let name = self.names.text(node.name);
                    match names.get_mut(name) {
                        Some(ids) => ids.push(id),
                        None => {
                            names.insert(name.into(), vec![id]);
                        }
                    }
                }
            }
            wide
        });
        all.get(&element).map(|names| names.get(name).map_or(&[][..], Vec::as_slice))
    }

    pub(super) fn node(&self, id: u32) -> &Node {
        // An `Element` is only made for a number that is there.
        const NONE: &Node =
            &Node { name: u32::MAX, parent: 0, end: 0, attributes: 0, texts: 0..0, leaves: 0..0, at: 0 };
        self.nodes.get(id as usize).unwrap_or(NONE)
    }

    pub(super) fn attributes_of(&self, id: u32) -> &[AttributeNode] {
        let start = self.node(id).attributes as usize;
        let next = self.nodes.get((id as usize).saturating_add(1));
        let end = next.map_or(self.attributes.len(), |next| next.attributes as usize);
        self.attributes.get(start..end).unwrap_or_default()
    }

    pub(super) fn places(&self) -> &Places {
        self.places.get_or_init(|| Places::of(self))
    }

    pub(super) fn line(&self, at: u32) -> u32 {
        self.lines.get_or_init(|| Lines::of(&self.text)).line(at).saturating_add(self.gaps.lines_before(at as usize))
    }
}

/// Never the content.
impl fmt::Debug for Document {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names.len();
        formatter.debug_struct("Document").field("elements", &self.len()).field("names", &names).finish_non_exhaustive()
    }
}
