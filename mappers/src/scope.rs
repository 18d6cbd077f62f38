//! Which group of the message a segment belongs to, and which resources are at hand there.
//!
//! The groups of a message table are read leniently: a segment is taken where it stands, the nearest group that has it
//! wins. HL7 v2.8.2 chapter 2 says where segments belong; senders say otherwise.

use crate::map::{AliasId, MessageRow, MessageTable, SegmentId};

/// One open group.
#[derive(Debug)]
struct Open {
    group: usize,
    /// Number of the furthest opening row met.
    progress: Option<usize>,
    resources: Vec<(AliasId, usize)>,
    segments: Vec<(SegmentId, u32)>,
    counts: Vec<(SegmentId, u32)>,
    /// Segments met in this group itself.
    met: u32,
    /// For one segment that the table does not place.
    passing: bool,
}

impl Open {
    fn new(group: usize, passing: bool) -> Self {
        let (resources, segments, counts) = (Vec::new(), Vec::new(), Vec::new());
        Self { group, progress: None, resources, segments, counts, met: 0, passing }
    }
}

/// The open groups, the message first.
#[derive(Debug)]
pub(crate) struct Scopes {
    open: Vec<Open>,
}

impl Scopes {
    pub(crate) fn new() -> Self {
        Self { open: vec![Open::new(0, false)] }
    }

    /// Finds the row for a segment and opens or closes groups for it.
    pub(crate) fn enter<'t>(&mut self, table: &'t MessageTable, segment: SegmentId) -> Option<&'t MessageRow> {
        if self.open.last().is_some_and(|open| open.passing) {
            self.open.pop();
        }
        let mut best: Option<(usize, bool, usize)> = None;
        for (number, row) in table.rows.iter().enumerate().filter(|(_, row)| row.segment == segment) {
            let (depth, inside) = self.attach(table, row.group);
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
                self.open.push(Open::new(row.group, false));
            }
        } else {
            self.descend(table, row.group);
        }
        if let Some(open) = self.open.last_mut()
            && row.opens
        {
            open.progress = Some(number);
        }
        Some(row)
    }

    /// Opens a place for one segment the message table does not have.
    pub(crate) fn pass(&mut self) {
        if self.open.last().is_some_and(|open| open.passing) {
            self.open.pop();
        }
        let group = self.open.last().map_or(0, |open| open.group);
        self.open.push(Open::new(group, true));
    }

    /// How deep the nearest open ancestor of a group is, and whether it is the group itself.
    fn attach(&self, table: &MessageTable, group: usize) -> (usize, bool) {
        let mut at = Some(group);
        while let Some(number) = at {
            if let Some(depth) = self.open.iter().rposition(|open| open.group == number) {
                return (depth, number == group);
            }
            at = table.groups.get(number).and_then(|group| group.parent);
        }
        (0, false)
    }

    fn descend(&mut self, table: &MessageTable, group: usize) {
        let mut chain = Vec::new();
        let mut at = Some(group);
        while let Some(number) = at {
            if self.open.iter().any(|open| open.group == number) {
                break;
            }
            chain.push(number);
            at = table.groups.get(number).and_then(|group| group.parent);
        }
        self.open.extend(chain.into_iter().rev().map(|number| Open::new(number, false)));
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
