//! What no row reads stays with the nearest resource, under the path it has there.

use formats::cda::Element;
use model::json::{Json, Object};
use smol_str::SmolStr;

use super::run::Run;
use crate::build;
use crate::trace::{Fate, NO_RULE, Node};

/// Extension that holds a leaf no row has a home for: its path below the resource's element follows.
pub(crate) const KEPT: &str = "urn:anchorline:cda:";

/// Attributes that say how an element is built, which the tables read by choosing by them.
const STRUCTURE: [&str; 11] = [
    "classCode",
    "moodCode",
    "typeCode",
    "determinerCode",
    "inversionInd",
    "contextConductionInd",
    "contextControlCode",
    "xsi:type",
    "mediaType",
    "representation",
    "ID",
];

/// What is dropped of a statement that no table has read: where it points to in the narrative.
const POINTERS: [&str; 1] = ["ID"];

/// Why a leaf of structure is in no element.
const BY_STRUCTURE: SmolStr = SmolStr::new_static("structure: says which table reads the element");
/// Why a pointer into the narrative is in no element.
const BY_NARRATIVE: SmolStr = SmolStr::new_static("a pointer into the narrative, which the section keeps as a whole");
/// Why a null is in no element.
const BY_NULL: SmolStr =
    SmolStr::new_static("nullFlavor: the document says there is no value, so the element is absent");

/// How far below what is kept stands.
#[derive(Clone, Copy, Default)]
struct Depth {
    elements: usize,
    /// In a statement that no table has read.
    unread: bool,
}

impl<'d> Run<'_, 'd> {
    /// Keeps with a finished resource what is left of an element.
    pub(super) fn keep_with(&mut self, number: usize, element: Element<'d>) {
        self.keep_as(number, element, String::new());
    }

    /// Keeps with the first resource made inside an element what is left of that element: as an ancestor's.
    pub(super) fn keep_around(&mut self, number: usize, element: Element<'d>) {
        self.keep_as(number, element, format!("~{}/", element.name()));
    }

    fn keep_as(&mut self, number: usize, element: Element<'d>, mut path: String) {
        let Some(resource) = self.resources.get_mut(number) else { return };
        let (mut object, node) = (std::mem::take(&mut resource.object), resource.node);
        if element.leaf_range().any(|leaf| self.is_unused(leaf)) {
            self.keep_below(element, &mut path, &mut object, node, Depth::default());
        }
        if let Some(resource) = self.resources.get_mut(number) {
            resource.object = object;
        }
    }

    /// Keeps the leaves of an element and below that nothing was made of.
    pub(super) fn keep_rest(&mut self, element: Element<'d>, object: &mut Object, node: Node) {
        if !element.leaf_range().any(|leaf| self.is_unused(leaf)) {
            return;
        }
        let mut path = String::new();
        self.keep_below(element, &mut path, object, node, Depth::default());
    }

    fn keep_below(&mut self, element: Element<'d>, path: &mut String, object: &mut Object, node: Node, depth: Depth) {
        // What no table has read is kept with what says which kind of statement it is: the way back writes it again.
        let unread = depth.unread || self.is_unread(element);
        let is_template = element.name() == "templateId" && !unread;
        let structure: &[&str] = if unread { &POINTERS } else { &STRUCTURE };
        for attribute in element.attributes() {
            let Some(leaf) = attribute.leaf.filter(|leaf| self.is_unused(*leaf)) else { continue };
            if is_template || structure.contains(&attribute.name) {
                self.consume(leaf);
                self.trace.drop_piece(leaf, &BY_STRUCTURE);
                continue;
            }
            if attribute.name == "nullFlavor" {
                self.consume(leaf);
                self.trace.drop_piece(leaf, &BY_NULL);
                continue;
            }
            let pointer = element.name() == "reference" && attribute.name == "value";
            if pointer && attribute.value.strip_prefix('#').is_some_and(|id| self.document.with_id(id).is_some()) {
                self.consume(leaf);
                self.trace.drop_piece(leaf, &BY_NARRATIVE);
                continue;
            }
            let url = format!("{KEPT}{path}@{}", attribute.name);
            self.keep(leaf, &url, attribute.value, object, node);
        }
        if element.text_leaves().any(|leaf| self.is_unused(leaf)) {
            let url = format!("{KEPT}{path}text()");
            if let Some((file, leaf)) = element.file().zip(element.text_leaves().next()) {
                self.keep(leaf, &url, &file.text_token(), object, node);
            } else {
                let texts: Vec<(&str, u32)> = element.texts().filter(|(_, leaf)| self.is_unused(*leaf)).collect();
                for (text, leaf) in texts {
                    self.keep(leaf, &url, text.trim(), object, node);
                }
            }
        }
        if depth.elements > 200 {
            return;
        }
        let mut counts: Vec<(&str, u32)> = Vec::new();
        for child in element.children() {
            let count = match counts.iter_mut().find(|(name, _)| *name == child.name()) {
                Some((_, count)) => {
                    *count += 1;
                    *count
                }
                None => {
                    counts.push((child.name(), 1));
                    1
                }
            };
            if !child.leaf_range().any(|leaf| self.is_unused(leaf)) {
                continue;
            }
            let length = path.len();
            path.push_str(child.name());
            if count > 1 {
                path.push_str(&format!("[{count}]"));
            }
            path.push('/');
            self.keep_below(child, path, object, node, Depth { elements: depth.elements + 1, unread });
            path.truncate(length);
        }
    }

    /// Whether an element leads to a statement, below the one at hand, that no table has read.
    fn is_unread(&self, element: Element<'d>) -> bool {
        let statement = |element: Element<'d>| self.tables.entries.contains_key(element.name());
        matches!(element.name(), "entryRelationship" | "component")
            && element.children().any(statement)
            && !element.children().any(|child| statement(child) && self.is_read(child.id()))
    }

    fn keep(&mut self, leaf: u32, url: &str, text: &str, object: &mut Object, node: Node) {
        self.consume(leaf);
        let index = build::extend(object, url, "valueString", Json::from(text));
        let at = self.trace.child(node, &SmolStr::new_static("extension"), index);
        self.trace.record(leaf, at, NO_RULE, Fate::Kept);
    }
}
