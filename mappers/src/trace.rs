//! What became of each piece of the input, and which rule made each element of the output: the record of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use formats::cda::Document;
use formats::hl7v2::{Place, SegmentName};
use smol_str::SmolStr;

use crate::compile::Compiled;
use crate::input::Input;

mod read;

pub use read::{Explained, Loss};

/// Number of a node of the output tree.
pub(crate) type Node = u32;
/// No array index.
pub(crate) const NO_INDEX: u32 = u32::MAX;
/// No piece: a constant.
pub(crate) const NO_PIECE: u32 = u32::MAX;
/// No rule: the engine itself.
pub(crate) const NO_RULE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Element {
    /// The node above; for a resource itself: its number.
    parent: u32,
    name: SmolStr,
    index: u32,
    root: bool,
}

/// A place whose pieces found no home: a field, or a component of it. Never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmapped {
    /// `SEG-F` or `SEG-F.C`, without the numbers of segments and repetitions; of a document an XPath without numbers.
    pub place: String,
    /// How many pieces are kept where nothing but the way back looks for them.
    pub kept: u32,
    /// How many no rule reads. What a rule drops on purpose does not count.
    pub dropped: u32,
}

/// Where a piece of the input stands.
#[derive(Clone, Debug)]
enum At {
    Piece(Place),
    /// An absolute XPath.
    Path(String),
}

/// What happened to a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Mapped,
    Kept,
}

/// What is known of a piece; what says more counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Nothing,
    Dropped,
    Kept,
    Mapped,
}

#[derive(Clone, Copy, Debug)]
struct Event {
    piece: u32,
    node: Node,
    rule: u32,
    fate: Fate,
}

/// A piece that was kept, or dropped without a rule.
#[derive(Clone, Copy, Debug)]
struct Homeless {
    segment: SegmentName,
    field: u32,
    component: Option<u32>,
    kept: bool,
}

/// How much is recorded of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Account {
    /// What became of each piece, so that it can be counted.
    #[default]
    Counts,
    /// Where each piece went and by which rule as well.
    Full,
}

/// The record of a run, kept small; turned into text only when asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    account: Account,
    known: Vec<Known>,
    elements: Vec<Element>,
    events: Vec<Event>,
    dropped: Vec<(u32, SmolStr)>,
    places: Vec<At>,
    nulls: Vec<At>,
    null_count: usize,
    homeless: Vec<Homeless>,
    /// The same of a document's leaves: where they stand, without numbers, and whether they are kept.
    homeless_paths: Vec<(String, bool)>,
    /// `Type/id` by number of the resource.
    resources: Vec<SmolStr>,
    compiled: Option<Arc<Compiled>>,
}

impl Trace {
    /// The record of a message with so many pieces.
    pub(crate) fn new(account: Account, pieces: usize) -> Self {
        Self { account, known: vec![Known::Nothing; pieces], ..Self::default() }
    }

    /// Says at the end of a run what the numbers in it mean.
    pub(crate) fn finish(
        &mut self,
        input: &Input<'_>,
        resources: impl Iterator<Item = SmolStr>,
        compiled: &Arc<Compiled>,
    ) {
        self.null_count = input.nulls.len();
        for (piece, known) in input.pieces.iter().zip(&self.known) {
            let kept = *known == Known::Kept;
            if kept || *known == Known::Nothing {
                self.homeless.push(Homeless {
                    segment: piece.place.segment,
                    field: piece.place.field,
                    component: piece.place.component,
                    kept,
                });
            }
        }
        if self.account == Account::Full {
            self.places = input.pieces.iter().map(|piece| At::Piece(piece.place)).collect();
            self.nulls = input.nulls.iter().map(|place| At::Piece(*place)).collect();
            self.resources = resources.collect();
            self.compiled = Some(Arc::clone(compiled));
        }
    }

    /// The same for a document made of elements, whose pieces are its leaves.
    pub(crate) fn finish_tree(&mut self, document: &Document, resources: Vec<SmolStr>, compiled: &Arc<Compiled>) {
        for (leaf, known) in (0u32..).zip(&self.known) {
            let kept = *known == Known::Kept;
            if kept || *known == Known::Nothing {
                self.homeless_paths.push((without_numbers(&document.leaf_path(leaf)), kept));
            }
        }
        if self.account == Account::Full {
            self.places = (0..document.leaves()).map(|leaf| At::Path(document.leaf_path(leaf))).collect();
            self.resources = resources;
            self.compiled = Some(Arc::clone(compiled));
        }
    }

    pub(crate) fn root(&mut self, resource: u32, kind: &SmolStr) -> Node {
        if self.account == Account::Counts {
            return 0;
        }
        self.push(Element { parent: resource, name: kind.clone(), index: NO_INDEX, root: true })
    }

    pub(crate) fn child(&mut self, parent: Node, name: &SmolStr, index: u32) -> Node {
        if self.account == Account::Counts {
            return 0;
        }
        self.push(Element { parent, name: name.clone(), index, root: false })
    }

    fn push(&mut self, element: Element) -> Node {
        self.elements.push(element);
        u32::try_from(self.elements.len() - 1).unwrap_or(u32::MAX)
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.elements.len()).unwrap_or(u32::MAX)
    }

    /// The node turned out to be another item of its array.
    pub(crate) fn set_index(&mut self, node: Node, index: u32) {
        if let Some(element) = self.elements.get_mut(node as usize) {
            element.index = index;
        }
    }

    /// An item was put before those of an array that were made since `from`.
    pub(crate) fn shift(&mut self, from: Node, parent: Node, name: &str) {
        for element in self.elements.iter_mut().skip(from as usize) {
            if !element.root && element.parent == parent && element.name == name && element.index != NO_INDEX {
                element.index += 1;
            }
        }
    }

    /// The resource of a root node turned out to be the same as another.
    pub(crate) fn set_resource(&mut self, node: Node, resource: u32) {
        if let Some(element) = self.elements.get_mut(node as usize).filter(|element| element.root) {
            element.parent = resource;
        }
    }

    pub(crate) fn record(&mut self, piece: u32, node: Node, rule: u32, fate: Fate) {
        self.know(piece, if fate == Fate::Mapped { Known::Mapped } else { Known::Kept });
        if self.account == Account::Full {
            self.events.push(Event { piece, node, rule, fate });
        }
    }

    /// What was mapped just now is kept elsewhere after all.
    pub(crate) fn keep_instead(&mut self, piece: u32, node: Node) {
        if let Some(slot) = self.known.get_mut(piece as usize) {
            *slot = Known::Kept;
        }
        if let Some(event) = self.events.iter_mut().rev().find(|event| event.piece == piece) {
            (event.node, event.fate) = (node, Fate::Kept);
        }
    }

    pub(crate) fn drop_piece(&mut self, piece: u32, why: &SmolStr) {
        self.know(piece, Known::Dropped);
        if self.account == Account::Full {
            self.dropped.push((piece, why.clone()));
        }
    }

    fn know(&mut self, piece: u32, known: Known) {
        if let Some(slot) = self.known.get_mut(piece as usize) {
            *slot = known.max(*slot);
        }
    }

    /// Pieces in all, mapped, kept and dropped, without saying which.
    pub(crate) fn counts(&self) -> [usize; 4] {
        let of = |known| self.known.iter().filter(|slot| **slot == known).count();
        let (mapped, kept) = (of(Known::Mapped), of(Known::Kept));
        let total = self.known.len() + self.null_count;
        [total, mapped, kept, total - mapped - kept]
    }

    /// The places whose pieces were kept, or dropped without a rule, in the order of their names.
    pub(crate) fn unmapped(&self) -> Vec<Unmapped> {
        let mut found: BTreeMap<(SegmentName, u32, Option<u32>), (u32, u32)> = BTreeMap::new();
        for piece in &self.homeless {
            let counts = found.entry((piece.segment, piece.field, piece.component)).or_default();
            let count = if piece.kept { &mut counts.0 } else { &mut counts.1 };
            *count = count.saturating_add(1);
        }
        let line = |((segment, field, component), (kept, dropped)): ((SegmentName, u32, Option<u32>), (u32, u32))| {
            let place = match component {
                Some(component) => format!("{}-{field}.{component}", segment.as_str()),
                None => format!("{}-{field}", segment.as_str()),
            };
            Unmapped { place, kept, dropped }
        };
        let mut paths: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
        for (path, kept) in &self.homeless_paths {
            let counts = paths.entry(path).or_default();
            let count = if *kept { &mut counts.0 } else { &mut counts.1 };
            *count = count.saturating_add(1);
        }
        let of_path =
            |(place, (kept, dropped)): (&str, (u32, u32))| Unmapped { place: place.to_owned(), kept, dropped };
        found.into_iter().map(line).chain(paths.into_iter().map(of_path)).collect()
    }
}

/// An XPath without the numbers of its steps.
fn without_numbers(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ if !inside => out.push(c),
            _ => {}
        }
    }
    out
}
