//! Where elements and leaves stand, for people: made when first asked for, since most documents are read without.

use std::fmt::Write as _;

use super::document::{Document, Leaf, NO_LEAF};
use super::element::Element;

/// Numbers among siblings, and the owners of leaves.
pub(super) struct Places {
    /// For each element its number among its siblings of that name; 0 where it is the only one.
    numbers: Vec<u32>,
    leaves: Vec<Owner>,
}

/// What has a leaf.
#[derive(Clone, Copy, Default)]
struct Owner {
    element: u32,
    /// The attribute or text in the document's list.
    index: u32,
    /// The number of the text among those of its element; 0 where it is the only one, [`ATTRIBUTE`] for an attribute.
    number: u32,
}

const ATTRIBUTE: u32 = u32::MAX;

impl Places {
    pub(super) fn of(document: &Document) -> Self {
        let mut places =
            Self { numbers: vec![0; document.nodes.len()], leaves: vec![Owner::default(); document.leaves as usize] };
        // How many of each name the element at hand has; zero again after each.
        let mut counts = vec![0; document.names.len()];
        for id in 0..document.nodes.len() as u32 {
            places.number_children(Element::new(document, id), document, &mut counts);
            places.own(document, id);
        }
        places
    }

    fn number_children(&mut self, element: Element<'_>, document: &Document, counts: &mut [u32]) {
        let name = |id: u32| document.node(id).name as usize;
        for child in element.children() {
            let Some(count) = counts.get_mut(name(child.id())) else { continue };
            *count = count.saturating_add(1);
            if let Some(number) = self.numbers.get_mut(child.id() as usize) {
                *number = *count;
            }
        }
        for child in element.children() {
            let count = counts.get(name(child.id())).copied().unwrap_or_default();
            if let Some(number) = self.numbers.get_mut(child.id() as usize)
                && *number == 1
                && count == 1
            {
                *number = 0;
            }
        }
        for child in element.children() {
            if let Some(count) = counts.get_mut(name(child.id())) {
                *count = 0;
            }
        }
    }

    fn own(&mut self, document: &Document, element: u32) {
        let start = document.node(element).attributes;
        for (index, attribute) in (start..).zip(document.attributes_of(element)) {
            self.set(attribute.leaf, Owner { element, index, number: ATTRIBUTE });
        }
        let several = Element::new(document, element).text_indexes().nth(1).is_some();
        for (number, index) in (1..).zip(Element::new(document, element).text_indexes()) {
            let leaf = document.texts.get(index as usize).map_or(NO_LEAF, |text| text.leaf);
            self.set(leaf, Owner { element, index, number: if several { number } else { 0 } });
        }
    }

    fn set(&mut self, leaf: u32, owner: Owner) {
        if let Some(place) = self.leaves.get_mut(leaf as usize) {
            *place = owner;
        }
    }

    pub(super) fn leaf<'d>(&self, document: &'d Document, leaf: u32) -> Option<Leaf<'d>> {
        let owner = self.leaves.get(leaf as usize)?;
        let element = document.element(owner.element)?;
        if owner.number == ATTRIBUTE {
            let attribute = document.attributes.get(owner.index as usize)?;
            let name = document.names.text(attribute.name);
            return Some(Leaf { element, attribute: Some(name), value: document.span(attribute.value) });
        }
        let text = document.texts.get(owner.index as usize)?;
        Some(Leaf { element, attribute: None, value: document.span(text.value) })
    }

    pub(super) fn leaf_path(&self, document: &Document, leaf: u32) -> String {
        let Some(owner) = self.leaves.get(leaf as usize) else { return String::new() };
        let mut path = self.element_path(document, owner.element);
        match owner.number {
            ATTRIBUTE => {
                let name = document.attributes.get(owner.index as usize).map_or("", |a| document.names.text(a.name));
                path.push_str("/@");
                path.push_str(name);
                // Attributes of namespaces that are not known here may have one name.
                let all = document.attributes_of(owner.element).iter();
                let first = document.node(owner.element).attributes;
                let before = all.take(owner.index.saturating_sub(first) as usize);
                let before = before.filter(|attribute| document.names.text(attribute.name) == name).count();
                if before > 0 {
                    let _ = write!(path, "[{}]", before.saturating_add(1));
                }
            }
            0 => path.push_str("/text()"),
            number => {
                // A string takes whatever is written to it.
                let _ = write!(path, "/text()[{number}]");
            }
        }
        path
    }

    pub(super) fn element_path(&self, document: &Document, element: u32) -> String {
        let mut steps = Vec::new();
        let mut at = document.element(element);
        while let Some(element) = at {
            steps.push(element);
            at = element.parent();
        }
        let mut path = String::with_capacity(steps.len().saturating_mul(16));
        for element in steps.into_iter().rev() {
            path.push('/');
            path.push_str(element.name());
            match self.numbers.get(element.id() as usize) {
                None | Some(0) => {}
                Some(number) => {
                    let _ = write!(path, "[{number}]");
                }
            }
        }
        path
    }
}

/// Where the lines of a text end.
pub(super) struct Lines(Vec<u32>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        Self(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at as u32).collect())
    }

    pub(super) fn line(&self, at: u32) -> u32 {
        (self.0.partition_point(|end| *end < at) as u32).saturating_add(1)
    }
}
