//! The record of a run as lists and as JSON text.

use std::collections::HashMap;

use formats::hl7v2::Place;
use model::json::{Json, write_string};
use smallvec::SmallVec;
use smol_str::SmolStr;

use super::{At, Fate, NO_INDEX, NO_PIECE, NO_RULE, Node, Trace};
use crate::quick::Quick;

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

const NULL: &str = "null: the sender says there is no value, so the element is absent";
const UNREAD: &str = "no rule reads it";

/// What became of one piece.
enum End<'t> {
    At(Fate, Node),
    Dropped(&'t str),
}

impl Trace {
    pub(crate) fn loss(&self) -> Loss {
        let mut loss = Loss::default();
        let mut paths = Paths::new(self);
        self.ends(|place, end| {
            let mut at = String::new();
            push_place(&mut at, place);
            match end {
                End::At(Fate::Mapped, node) => loss.mapped.push((at, paths.of(node).to_owned())),
                End::At(Fate::Kept, node) => loss.kept.push((at, paths.of(node).to_owned())),
                End::Dropped(why) => loss.dropped.push((at, why.to_owned())),
            }
        });
        loss
    }

    /// Appends [`Trace::loss`] as JSON text.
    pub(crate) fn write_loss(&self, out: &mut Vec<u8>) {
        let [mut mapped, mut kept, mut dropped] = [const { Vec::new() }; 3];
        mapped.reserve(self.places.len() * 96);
        let mut paths = Paths::new(self);
        let mut at = String::with_capacity(32);
        self.ends(|place, end| {
            at.clear();
            push_place(&mut at, place);
            let (list, name, other): (&mut Vec<u8>, _, _) = match end {
                End::At(Fate::Mapped, node) => (&mut mapped, "to", paths.of(node)),
                End::At(Fate::Kept, node) => (&mut kept, "where", paths.of(node)),
                End::Dropped(why) => (&mut dropped, "why", why),
            };
            list.extend_from_slice(if list.is_empty() { b"{\"at\":" } else { b",{\"at\":" });
            write_string(&at, list);
            list.push(b',');
            write_string(name, list);
            list.push(b':');
            write_string(other, list);
            list.push(b'}');
        });
        let mut total = String::new();
        push_number(&mut total, self.places.len() + self.nulls.len());
        out.reserve(mapped.len() + kept.len() + dropped.len() + 64);
        for part in [
            b"{\"total\":",
            total.as_bytes(),
            b",\"mapped\":[",
            &mapped,
            b"],\"kept\":[",
            &kept,
            b"],\"dropped\":[",
            &dropped,
            b"]}",
        ] {
            out.extend_from_slice(part);
        }
    }

    /// Each piece in the order of the message, then the nulls.
    fn ends<'t>(&'t self, mut take: impl FnMut(&At, End<'t>)) {
        let mut ends: Vec<Option<(Fate, Node)>> = vec![None; self.places.len()];
        for event in &self.events {
            let Some(slot) = ends.get_mut(event.piece as usize) else { continue };
            match slot {
                Some((Fate::Mapped, _)) => {}
                Some((Fate::Kept, _)) if event.fate == Fate::Kept => {}
                _ => *slot = Some((event.fate, event.node)),
            }
        }
        let mut why: Vec<Option<&SmolStr>> = vec![None; if self.dropped.is_empty() { 0 } else { self.places.len() }];
        for (piece, reason) in &self.dropped {
            if let Some(slot) = why.get_mut(*piece as usize) {
                slot.get_or_insert(reason);
            }
        }
        for (piece, (place, end)) in self.places.iter().zip(&ends).enumerate() {
            match (end, why.get(piece).copied().flatten()) {
                (Some((fate, node)), _) => take(place, End::At(*fate, *node)),
                (None, Some(reason)) => take(place, End::Dropped(reason)),
                (None, None) => take(place, End::Dropped(UNREAD)),
            }
        }
        for place in &self.nulls {
            take(place, End::Dropped(NULL));
        }
    }

    pub(crate) fn explain(&self) -> Vec<Explained> {
        let mut paths = Paths::new(self);
        let text = |piece: &u32| {
            let mut at = String::new();
            push_place(&mut at, self.places.get(*piece as usize)?);
            Some(at)
        };
        let made = self.made(&mut paths).into_iter();
        made.map(|made| Explained {
            to: paths.of(made.node).to_owned(),
            from: made.pieces.iter().filter_map(text).collect(),
            rule: self.rule(made.rule),
        })
        .collect()
    }

    /// Appends [`Trace::explain`] as JSON text.
    pub(crate) fn write_explain(&self, out: &mut Vec<u8>) {
        let mut paths = Paths::new(self);
        let made = self.made(&mut paths);
        out.reserve(made.len() * 128);
        out.push(b'[');
        let mut text = String::with_capacity(64);
        for (number, made) in made.iter().enumerate() {
            out.extend_from_slice(if number == 0 { b"{\"to\":" } else { b",{\"to\":" });
            write_string(paths.of(made.node), out);
            out.extend_from_slice(b",\"from\":[");
            for (n, place) in made.pieces.iter().filter_map(|piece| self.places.get(*piece as usize)).enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                text.clear();
                push_place(&mut text, place);
                write_string(&text, out);
            }
            out.extend_from_slice(b"],\"rule\":");
            text.clear();
            self.push_rule(&mut text, made.rule);
            write_string(&text, out);
            out.push(b'}');
        }
        out.push(b']');
    }

    fn rule(&self, rule: u32) -> String {
        let mut out = String::new();
        self.push_rule(&mut out, rule);
        out
    }

    fn push_rule(&self, out: &mut String, rule: u32) {
        match &self.compiled {
            Some(compiled) if rule != NO_RULE => {
                let Some((file, line)) = compiled.rules.get(rule as usize) else { return };
                out.push_str(file);
                out.push(':');
                push_number(out, *line);
            }
            _ => out.push_str("engine"),
        }
    }

    /// What each rule made at each path, in the order of the run, and the pieces it was made of.
    fn made(&self, paths: &mut Paths<'_>) -> Vec<Made> {
        let mut of_node = Sorted::new(self.elements.len(), self.events.len());
        for event in &self.events {
            let made = of_node.entry(event.node, event.node, event.rule);
            if event.piece != NO_PIECE && !made.pieces.contains(&event.piece) {
                made.pieces.push(event.piece);
            }
        }
        // Nodes of the same path are one: a row that runs again names its path again.
        let mut of_path = Sorted::new(self.elements.len(), of_node.made.len());
        for made in of_node.made {
            let same = of_path.entry(paths.same(made.node), made.node, made.rule);
            for piece in made.pieces {
                if !same.pieces.contains(&piece) {
                    same.pieces.push(piece);
                }
            }
        }
        of_path.made
    }
}

/// What rules made, in the order in which it was met, and found again by a node and the rule.
///
/// Nearly always one rule makes a node: a list for each node costs less than a hash of both.
struct Sorted {
    made: Vec<Made>,
    /// The first of each node.
    first: Vec<u32>,
    /// The next of the same node.
    next: Vec<u32>,
}

/// The end of a list.
const END: u32 = u32::MAX;

impl Sorted {
    fn new(nodes: usize, made: usize) -> Self {
        Self { made: Vec::with_capacity(made), first: vec![END; nodes], next: Vec::with_capacity(made) }
    }

    /// What a rule made at a node, noted as made at `at` if it is new.
    fn entry(&mut self, node: Node, at: Node, rule: u32) -> &mut Made {
        let number = u32::try_from(self.made.len()).unwrap_or(END);
        let mut slot = self.first.get_mut(node as usize);
        while let Some(place) = slot {
            let there = *place;
            if there == END {
                *place = number;
                break;
            }
            if self.made.get(there as usize).is_some_and(|made| made.rule == rule) {
                #[expect(clippy::indexing_slicing, reason = "it was there just above")]
                return &mut self.made[there as usize];
            }
            slot = self.next.get_mut(there as usize);
        }
        self.next.push(END);
        self.made.push(Made { node: at, rule, pieces: SmallVec::new() });
        #[expect(clippy::indexing_slicing, reason = "one was pushed just above")]
        &mut self.made[number as usize]
    }
}

/// An element, the rule that made it, and the pieces it was made of.
struct Made {
    node: Node,
    rule: u32,
    pieces: SmallVec<[u32; 4]>,
}

/// The paths of nodes, each put together once.
struct Paths<'t> {
    trace: &'t Trace,
    text: String,
    /// Where in `text` each node's path stands; an empty range where it is not put together yet.
    ranges: Vec<(usize, usize)>,
    /// The first node of each path, by the first node of the path above, the name and the index.
    first: HashMap<(Node, &'t str, u32), Node, Quick>,
    /// The first node of each node's path, once it is known.
    same: Vec<Node>,
}

impl<'t> Paths<'t> {
    fn new(trace: &'t Trace) -> Self {
        let nodes = trace.elements.len();
        let (text, first) = (String::with_capacity(nodes * 48), HashMap::default());
        Self { trace, text, ranges: vec![(0, 0); nodes], first, same: vec![Node::MAX; nodes] }
    }

    /// `Type/id#FHIRPath`
    fn of(&mut self, node: Node) -> &str {
        let (from, to) = self.range(node);
        self.text.get(from..to).unwrap_or_default()
    }

    fn range(&mut self, node: Node) -> (usize, usize) {
        let known = self.ranges.get(node as usize).copied().unwrap_or_default();
        let Some(element) = self.trace.elements.get(node as usize) else { return known };
        if known.1 > known.0 {
            return known;
        }
        // Paths are at most as deep as rows within datatypes within datatypes.
        let above = if element.root { (0, 0) } else { self.range(element.parent) };
        let from = self.text.len();
        if element.root {
            let name = self.trace.resources.get(element.parent as usize).map_or("", SmolStr::as_str);
            self.text.push_str(name);
            self.text.push('#');
        } else {
            self.text.extend_from_within(above.0..above.1);
            self.text.push('.');
        }
        self.text.push_str(element.name.strip_prefix('_').unwrap_or(&element.name));
        if element.index != NO_INDEX {
            self.text.push('[');
            push_number(&mut self.text, element.index as usize);
            self.text.push(']');
        }
        let range = (from, self.text.len());
        if let Some(slot) = self.ranges.get_mut(node as usize) {
            *slot = range;
        }
        range
    }

    /// The first node that has the same path.
    fn same(&mut self, node: Node) -> Node {
        let Some(element) = self.trace.elements.get(node as usize) else { return node };
        match self.same.get(node as usize) {
            Some(known) if *known != Node::MAX => return *known,
            _ => {}
        }
        // A resource by its number, apart from the nodes: two numbers may be the same resource, but not the same name.
        let name = element.name.strip_prefix('_').unwrap_or(&element.name);
        let key = if element.root {
            (Node::MAX - element.parent, name, element.index)
        } else {
            (self.same(element.parent), name, element.index)
        };
        let first = *self.first.entry(key).or_insert(node);
        if let Some(slot) = self.same.get_mut(node as usize) {
            *slot = first;
        }
        first
    }
}

/// As [`Place`] prints itself.
fn push_place(out: &mut String, at: &At) {
    match at {
        At::Piece(place) => push_piece(out, place),
        At::Path(path) => out.push_str(path),
    }
}

fn push_piece(out: &mut String, place: &Place) {
    let bracketed = |out: &mut String, number: Option<u32>| {
        if let Some(number) = number {
            out.push('[');
            push_number(out, number as usize);
            out.push(']');
        }
    };
    out.push_str(place.segment.as_str());
    bracketed(out, place.ordinal);
    if place.field == 0 {
        return;
    }
    out.push('-');
    push_number(out, place.field as usize);
    bracketed(out, place.repetition);
    if place.component.is_some() || place.subcomponent.is_some() {
        out.push('.');
        push_number(out, place.component.unwrap_or(1) as usize);
    }
    if let Some(subcomponent) = place.subcomponent {
        out.push('.');
        push_number(out, subcomponent as usize);
    }
}

fn push_number(out: &mut String, number: usize) {
    if number >= 10 {
        push_number(out, number / 10);
    }
    // A remainder by 10 is a digit.
    out.push(char::from(b'0' + (number % 10) as u8));
}

#[cfg(test)]
mod tests;
