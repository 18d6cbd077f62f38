//! Which group of the message a segment belongs to, and which resources are at hand there.
//!
//! The groups of a message table are read leniently: a segment is taken where it stands, the nearest group that has it
//! wins. HL7 v2.8.2 chapter 2 says where segments belong; senders say otherwise.

use smol_str::SmolStr;

use crate::map::{AliasId, MessageRow, MessageTable, SegmentId};

/// Which table a group is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// The message's own.
    Own,
    /// The fallback, for what the message's own table does not have.
    Fallback,
}

/// One open group.
#[derive(Debug)]
struct Open {
    group: usize,
    /// Number of the furthest opening row met.
    progress: Option<usize>,
    resources: Vec<(AliasId, usize)>,
    /// Items of arrays that segments of the group have made: the resource's role, the array, the item.
    items: Vec<(AliasId, SmolStr, u32)>,
    segments: Vec<(SegmentId, u32)>,
    counts: Vec<(SegmentId, u32)>,
    /// Segments met in this group itself.
    met: u32,
    layer: Layer,
}

impl Open {
    fn new(group: usize, layer: Layer) -> Self {
        let (resources, items, segments, counts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { group, progress: None, resources, items, segments, counts, met: 0, layer }
    }
}

/// The open groups, the message first.
#[derive(Debug)]
pub(crate) struct Scopes {
    open: Vec<Open>,
}

impl Scopes {
    pub(crate) fn new() -> Self {
        Self { open: vec![Open::new(0, Layer::Own)] }
    }

    /// Finds the row for a segment, but for those denied, and opens or closes groups for it.
    pub(crate) fn enter<'t>(
        &mut self,
        table: &'t MessageTable,
        layer: Layer,
        segment: SegmentId,
        denied: &[&MessageRow],
    ) -> Option<&'t MessageRow> {
        let mut best: Option<(usize, bool, usize)> = None;
        for (number, row) in table.rows_of(segment) {
            if denied.iter().any(|denied| std::ptr::eq(*denied, row)) {
                continue;
            }
            let (depth, inside) = self.attach(table, layer, row.group);
            if best.is_none_or(|(best, was_inside, _)| depth > best || (depth == best && inside && !was_inside)) {
                best = Some((depth, inside, number));
            }
        }
        let (depth, inside, number) = best?;
        let row = table.rows.get(number)?;
        self.open.truncate(depth + 1);
        if inside {
            let again =
                row.opens && self.open.get(depth).and_then(|open| open.progress).is_some_and(|met| met >= number);
            if again && depth > 0 {
                self.open.pop();
                self.open.push(Open::new(row.group, layer));
            }
        } else {
            self.descend(table, layer, row.group);
        }
        if let Some(open) = self.open.last_mut()
            && row.opens
        {
            open.progress = Some(number);
        }
        Some(row)
    }

    /// Whether a segment belongs to a group that the fallback table has opened below the patient (a note to an order).
    pub(crate) fn stays(&self, fallback: &MessageTable, segment: SegmentId) -> bool {
        let below =
            |group: usize| fallback.groups.get(group).and_then(|group| group.parent).is_some_and(|parent| parent != 0);
        let open = |group: usize| self.open.iter().any(|open| open.layer == Layer::Fallback && open.group == group);
        fallback.rows_of(segment).any(|(_, row)| below(row.group) && open(row.group))
    }

    /// How deep the nearest open ancestor of a group is, and whether it is the group itself.
    fn attach(&self, table: &MessageTable, layer: Layer, group: usize) -> (usize, bool) {
        let mut at = Some(group);
        while let Some(number) = at {
            if let Some(depth) = self.open.iter().rposition(|open| open.layer == layer && open.group == number) {
                return (depth, number == group);
            }
            at = table.groups.get(number).and_then(|group| group.parent);
        }
        let own = self.open.iter().filter(|open| open.layer == Layer::Own).count();
        (own.saturating_sub(1), false)
    }

    fn descend(&mut self, table: &MessageTable, layer: Layer, group: usize) {
        let mut chain = Vec::new();
        let mut at = Some(group);
        while let Some(number) = at {
            if self.open.iter().any(|open| open.layer == layer && open.group == number) {
                break;
            }
            chain.push(number);
            at = table.groups.get(number).and_then(|group| group.parent);
        }
        self.open.extend(chain.into_iter().rev().map(|number| Open::new(number, layer)));
    }

    /// The nearest resource of a role.
    pub(crate) fn resource(&self, alias: AliasId) -> Option<usize> {
        let of = |open: &Open| open.resources.iter().rev().find(|(kind, _)| *kind == alias).map(|(_, number)| *number);
        self.open.iter().rev().find_map(of)
    }

    /// The resource of a role in the innermost group alone.
    pub(crate) fn own_resource(&self, alias: AliasId) -> Option<usize> {
        let open = self.open.last()?;
        open.resources.iter().rev().find(|(kind, _)| *kind == alias).map(|(_, number)| *number)
    }

    pub(crate) fn add_resource(&mut self, alias: AliasId, number: usize) {
        if let Some(open) = self.open.last_mut() {
            open.resources.push((alias, number));
        }
    }

    /// The latest item of an array that a segment of the open groups has made.
    pub(crate) fn item(&self, alias: AliasId, array: &str) -> Option<u32> {
        let of = |open: &Open| {
            let mut latest = open.items.iter().rev();
            latest.find(|(kind, name, _)| *kind == alias && name == array).map(|(_, _, index)| *index)
        };
        self.open.iter().rev().find_map(of)
    }

    pub(crate) fn add_item(&mut self, alias: AliasId, array: &SmolStr, index: u32) {
        if let Some(open) = self.open.last_mut() {
            open.items.push((alias, array.clone(), index));
        }
    }

    /// The latest segment of a name within the open groups.
    pub(crate) fn segment(&self, segment: SegmentId) -> Option<u32> {
        let of = |open: &Open| open.segments.iter().rev().find(|(name, _)| *name == segment).map(|(_, number)| *number);
        self.open.iter().rev().find_map(of)
    }

    /// Notes a segment; gives back its number among those of its name in the group around it.
    pub(crate) fn add_segment(&mut self, segment: SegmentId, number: u32) -> u32 {
        let Some(open) = self.open.last_mut() else { return 1 };
        match open.segments.iter_mut().find(|(name, _)| *name == segment) {
            Some((_, latest)) => *latest = number,
            None => open.segments.push((segment, number)),
        }
        open.met += 1;
        // A segment that opens a group of its own is counted in the group above.
        let depth = self.open.len().saturating_sub(2);
        let repeats = self.open.last().is_some_and(|open| open.met == 1) && self.open.len() > 1;
        let holder = if repeats { self.open.get_mut(depth) } else { self.open.last_mut() };
        let Some(holder) = holder else { return 1 };
        match holder.counts.iter_mut().find(|(name, _)| *name == segment) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                holder.counts.push((segment, 1));
                1
            }
        }
    }
}
