//! What became of each piece of the input, and which rule made each element of the output.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use formats::hl7v2::{Place, SegmentName};
use model::json::Json;
use smol_str::SmolStr;

use crate::compile::Compiled;
use crate::input::Input;

/// What became of each deepest non-empty piece of the input. The three lists together are all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// `(at, to)`: the piece stands at `to`.
    pub mapped: Vec<(String, String)>,
    /// `(at, where)`: the piece has no home of its own and is kept at `where`.
    pub kept: Vec<(String, String)>,
    /// `(at, why)`: the piece is not in the output.
    pub dropped: Vec<(String, String)>,
}

impl Loss {
    /// The number of pieces.
    pub fn total(&self) -> usize {
        self.mapped.len() + self.kept.len() + self.dropped.len()
    }

    /// `{"total", "mapped": [{"at", "to"}], "kept": [{"at", "where"}], "dropped": [{"at", "why"}]}`
    pub fn to_json(&self) -> Json {
        let list =
            |rows: &[(String, String)], name: &str| {
                Json::array(rows.iter().map(|(at, other)| {
                    Json::object([("at", Json::from(at.as_str())), (name, Json::from(other.as_str()))])
                }))
            };
        Json::object([
            ("total", Json::from(self.total() as u64)),
            ("mapped", list(&self.mapped, "to")),
            ("kept", list(&self.kept, "where")),
            ("dropped", list(&self.dropped, "why")),
        ])
    }
}

/// One element of the output and what made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// `Type/id#FHIRPath`
    pub to: String,
    /// Places in the input; empty for a constant.
    pub from: Vec<String>,
    /// `package/file:line` of the row.
    pub rule: String,
}

impl Explained {
    /// `{"to", "from": [at…], "rule"}`
    pub fn to_json(&self) -> Json {
        Json::object([
            ("to", Json::from(self.to.as_str())),
            ("from", Json::array(self.from.iter().map(|at| Json::from(at.as_str())))),
            ("rule", Json::from(self.rule.as_str())),
        ])
    }
}

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
    /// `SEG-F` or `SEG-F.C`, without the numbers of segments and repetitions.
    pub place: String,
    /// How many pieces are kept where nothing but the way back looks for them.
    pub kept: u32,
    /// How many no rule reads. What a rule drops on purpose does not count.
    pub dropped: u32,
}

/// What happened to a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Mapped,
    Kept,
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
    fates: Vec<Option<Fate>>,
    elements: Vec<Element>,
    events: Vec<Event>,
    dropped: Vec<(u32, SmolStr)>,
    places: Vec<Place>,
    nulls: Vec<Place>,
    null_count: usize,
    homeless: Vec<Homeless>,
    /// `Type/id` by number of the resource.
    resources: Vec<SmolStr>,
    compiled: Option<Arc<Compiled>>,
}

impl Trace {
    /// The record of a message with so many pieces.
    pub(crate) fn new(account: Account, pieces: usize) -> Self {
        Self { account, fates: vec![None; pieces], ..Self::default() }
    }

    /// Says at the end of a run what the numbers in it mean.
    pub(crate) fn finish(
        &mut self,
        input: &Input<'_>,
        resources: impl Iterator<Item = SmolStr>,
        compiled: &Arc<Compiled>,
    ) {
        self.null_count = input.nulls.len();
        for (number, (piece, fate)) in (0u32..).zip(input.pieces.iter().zip(&self.fates)) {
            let kept = *fate == Some(Fate::Kept);
            if kept || (fate.is_none() && !self.dropped.iter().any(|(dropped, _)| *dropped == number)) {
                self.homeless.push(Homeless {
                    segment: piece.place.segment,
                    field: piece.place.field,
                    component: piece.place.component,
                    kept,
                });
            }
        }
        if self.account == Account::Full {
            self.places = input.pieces.iter().map(|piece| piece.place).collect();
            self.nulls.clone_from(&input.nulls);
            self.resources = resources.collect();
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
        if let Some(slot) = self.fates.get_mut(piece as usize)
            && *slot != Some(Fate::Mapped)
        {
            *slot = Some(fate);
        }
        if self.account == Account::Full {
            self.events.push(Event { piece, node, rule, fate });
        }
    }

    pub(crate) fn drop_piece(&mut self, piece: u32, why: &SmolStr) {
        self.dropped.push((piece, why.clone()));
    }

    fn path(&self, node: Node) -> String {
        let mut chain = Vec::new();
        let mut at = node;
        let mut resource = "";
        while let Some(element) = self.elements.get(at as usize) {
            chain.push(element);
            if element.root {
                resource = self.resources.get(element.parent as usize).map_or("", SmolStr::as_str);
                break;
            }
            at = element.parent;
        }
        let mut out = format!("{resource}#");
        for (n, element) in chain.iter().rev().enumerate() {
            if n > 0 {
                out.push('.');
            }
            out.push_str(element.name.strip_prefix('_').unwrap_or(&element.name));
            if element.index != NO_INDEX {
                // Writing to a String does not fail.
                let _ = write!(out, "[{}]", element.index);
            }
        }
        out
    }

    /// Pieces in all, mapped, kept and dropped, without saying which.
    pub(crate) fn counts(&self) -> [usize; 4] {
        let of = |fate| self.fates.iter().filter(|slot| **slot == Some(fate)).count();
        let (mapped, kept) = (of(Fate::Mapped), of(Fate::Kept));
        let total = self.fates.len() + self.null_count;
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
        found.into_iter().map(line).collect()
    }

    pub(crate) fn loss(&self) -> Loss {
        let mut fates: Vec<Option<(Fate, Node)>> = vec![None; self.places.len()];
        for event in &self.events {
            let Some(slot) = fates.get_mut(event.piece as usize) else { continue };
            match slot {
                Some((Fate::Mapped, _)) => {}
                Some((Fate::Kept, _)) if event.fate == Fate::Kept => {}
                _ => *slot = Some((event.fate, event.node)),
            }
        }
        let mut why: BTreeMap<u32, &SmolStr> = BTreeMap::new();
        for (piece, reason) in &self.dropped {
            why.entry(*piece).or_insert(reason);
        }
        let mut loss = Loss::default();
        for (piece, (place, fate)) in (0u32..).zip(self.places.iter().zip(&fates)) {
            let at = place.to_string();
            match (fate, why.get(&piece)) {
                (Some((Fate::Mapped, node)), _) => loss.mapped.push((at, self.path(*node))),
                (Some((Fate::Kept, node)), _) => loss.kept.push((at, self.path(*node))),
                (None, Some(reason)) => loss.dropped.push((at, reason.to_string())),
                (None, None) => loss.dropped.push((at, "no rule reads it".to_owned())),
            }
        }
        for place in &self.nulls {
            let why = "null: the sender says there is no value, so the element is absent".to_owned();
            loss.dropped.push((place.to_string(), why));
        }
        loss
    }

    pub(crate) fn explain(&self) -> Vec<Explained> {
        let mut order: Vec<(Node, u32)> = Vec::new();
        let mut pieces: BTreeMap<(Node, u32), Vec<u32>> = BTreeMap::new();
        for event in &self.events {
            let entry = pieces.entry((event.node, event.rule)).or_insert_with(|| {
                order.push((event.node, event.rule));
                Vec::new()
            });
            if event.piece != NO_PIECE && !entry.contains(&event.piece) {
                entry.push(event.piece);
            }
        }
        let mut out: Vec<Explained> = Vec::new();
        let mut by_path: BTreeMap<(String, u32), usize> = BTreeMap::new();
        for key in order {
            let from = pieces.get(&key).into_iter().flatten();
            let from: Vec<String> =
                from.filter_map(|piece| self.places.get(*piece as usize)).map(Place::to_string).collect();
            let to = self.path(key.0);
            match by_path.get(&(to.clone(), key.1)).and_then(|n| out.get_mut(*n)) {
                Some(same) => {
                    same.from.extend(from.into_iter().filter(|at| !same.from.contains(at)).collect::<Vec<_>>())
                }
                None => {
                    by_path.insert((to.clone(), key.1), out.len());
                    let rule = match (&self.compiled, key.1) {
                        (_, NO_RULE) | (None, _) => "engine".to_owned(),
                        (Some(compiled), rule) => compiled.rule(rule),
                    };
                    out.push(Explained { to, from, rule });
                }
            }
        }
        out
    }
}
