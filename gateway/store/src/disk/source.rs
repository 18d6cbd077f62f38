//! Lists of versions that a search walks together: under one value, gathered, of any of several, of all of them.

use std::collections::VecDeque;

use crate::disk::plan::Walk;
use crate::disk::sketch::Demand;
use crate::error::Error;
use crate::index::{Direction, Flow, Listed, Ticket, Whole, keys};
use crate::journal::Pointer;

/// Rows that a list reads first, and at most, at a time.
const FIRST: usize = 128;
const MOST: usize = 512;
/// Rows read after a jump: the next one is likely a jump too.
const JUMP: usize = 8;
/// A list that long, all of it known, is walked alone: reading so few versions costs less than other lists.
pub(super) const FEW: usize = 32;
/// Jumps after which a list that is always jumped in is let go: versions are read instead.
const TIRED: u32 = 24;

/// Versions in order; each call may read the index.
pub(super) trait Source {
    /// The version it stands at.
    fn peek(&mut self) -> Result<Option<Pointer>, Error>;
    /// Goes to the next one.
    fn pass(&mut self);
    /// Goes on to the first one at or beyond a position.
    fn seek(&mut self, position: u64) -> Result<(), Error>;
    /// How many it has, where that is known to be few.
    fn few(&mut self) -> Result<Option<usize>, Error> {
        Ok(None)
    }
    /// Whether its entries were already asked what else the search demands.
    fn sketched(&self) -> bool {
        false
    }
    /// Whether going on asking it costs more than it spares.
    fn tired(&self) -> bool {
        false
    }
}

pub(super) type Boxed<'a> = Box<dyn Source + 'a>;

/// The version that a posting leads to.
pub(super) fn pointer(key: &[u8], value: &[u8]) -> Option<Pointer> {
    split(key, value).map(|(pointer, _)| pointer)
}

fn split<'v>(key: &[u8], value: &'v [u8]) -> Option<(Pointer, &'v [u8])> {
    posted(keys::trailing_number(key), value)
}

fn posted(position: u64, value: &[u8]) -> Option<(Pointer, &[u8])> {
    let (mut length, mut shift) = (0_u32, 0);
    for (place, byte) in value.iter().enumerate().take(5) {
        length |= u32::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some((Pointer { position, length }, value.get(place + 1..)?));
        }
    }
    None
}

/// How rows become versions.
enum Reads<'a> {
    /// A posting each, asked by its sketch for what else is demanded.
    Postings(Demand),
    /// Rows that each hold several versions: of a patient, of a type.
    Several(Decode<'a>),
}

type Decode<'a> = Box<dyn Fn(&[u8]) -> Result<Vec<Pointer>, Error> + 'a>;

/// The versions in rows under one prefix.
pub(super) struct List<'a> {
    walk: Walk<'a>,
    prefix: Vec<u8>,
    reads: Reads<'a>,
    buffer: VecDeque<Pointer>,
    /// The key after which to go on.
    from: Option<Vec<u8>>,
    done: bool,
    /// Whether there was a row, and whether one had a sketch.
    met: bool,
    sketched: bool,
    chunk: usize,
    jumps: u32,
    near: u32,
}

impl<'a> List<'a> {
    /// The postings of one value.
    pub(super) fn of(walk: Walk<'a>, prefix: Vec<u8>, demand: Demand) -> Self {
        Self::from(walk, prefix, Reads::Postings(demand), walk.after)
    }

    /// Rows that each hold several versions.
    pub(super) fn of_several(walk: Walk<'a>, prefix: Vec<u8>, decode: Decode<'a>) -> Self {
        // A row that holds the place to go on from begins at or before it, so only the walk down can begin there.
        let after = walk.after.filter(|_| walk.direction == Direction::Down);
        Self::from(walk, prefix, Reads::Several(decode), after)
    }

    fn from(walk: Walk<'a>, prefix: Vec<u8>, reads: Reads<'a>, after: Option<u64>) -> Self {
        let from = after.map(|after| [&prefix[..], &after.to_be_bytes()].concat());
        let (buffer, done, met, sketched) = (VecDeque::new(), false, false, false);
        Self { walk, prefix, reads, buffer, from, done, met, sketched, chunk: FIRST, jumps: 0, near: 0 }
    }

    /// Takes a list whole, if it was kept; else gives the ticket to keep it with, where it is read from its beginning.
    fn whole(&mut self) -> Option<Ticket> {
        let Reads::Postings(demand) = &self.reads else { return None };
        if self.met || self.from.is_some() {
            return None;
        }
        let whole = match self.walk.index.listed(&self.prefix) {
            Listed::Whole(whole) => whole,
            Listed::Unknown(ticket) => return Some(ticket),
        };
        for (pointer, sketch) in whole.rows().filter_map(|(position, value)| posted(position, value)) {
            self.met = true;
            self.sketched |= !sketch.is_empty();
            if demand.may_pass(sketch) {
                match self.walk.direction {
                    Direction::Up => self.buffer.push_back(pointer),
                    Direction::Down => self.buffer.push_front(pointer),
                }
            }
        }
        self.done = true;
        None
    }

    fn fill(&mut self) -> Result<(), Error> {
        if !self.buffer.is_empty() || self.done {
            return Ok(());
        }
        let mut keep = self.whole().map(|ticket| (ticket, Whole::default()));
        while self.buffer.is_empty() && !self.done {
            let (mut count, mut last) = (0, None);
            let (chunk, walk, reads) = (self.chunk, self.walk, &self.reads);
            let (buffer, met, sketched) = (&mut self.buffer, &mut self.met, &mut self.sketched);
            walk.index.walk_in(chunk, &self.prefix, self.from.as_deref(), walk.direction, &mut |key, value| {
                count += 1;
                *met = true;
                match reads {
                    Reads::Postings(demand) => {
                        if let Some((_, whole)) = &mut keep {
                            whole.push(key, value);
                        }
                        if let Some((pointer, sketch)) = split(key, value) {
                            *sketched |= !sketch.is_empty();
                            if demand.may_pass(sketch) {
                                buffer.push_back(pointer);
                            }
                        }
                    }
                    Reads::Several(decode) => {
                        let mut pointers = decode(value)?;
                        pointers.retain(|pointer| walk.due(pointer.position));
                        if walk.direction == Direction::Down {
                            pointers.reverse();
                        }
                        buffer.extend(pointers);
                    }
                }
                if count < chunk {
                    return Ok(Flow::On);
                }
                last = Some(key.to_vec());
                Ok(Flow::Stop)
            })?;
            match last {
                Some(last) => {
                    self.from = Some(last);
                    // Long lists are not kept.
                    keep = None;
                }
                None => self.done = true,
            }
            self.chunk = (self.chunk * 2).min(MOST);
        }
        if let Some((ticket, whole)) = keep {
            let whole = if self.walk.direction == Direction::Down { whole.reversed() } else { whole };
            self.walk.index.keep(&self.prefix, &ticket, whole);
        }
        Ok(())
    }

    /// Has the next fill begin at a position, if that is further on.
    fn jump(&mut self, position: u64) {
        let beside = match self.walk.direction {
            Direction::Down => position.checked_add(1),
            Direction::Up => position.checked_sub(1),
        };
        let Some(beside) = beside else { return };
        let key = [&self.prefix[..], &beside.to_be_bytes()].concat();
        let further = self.from.as_ref().is_none_or(|from| match self.walk.direction {
            Direction::Down => key < *from,
            Direction::Up => key > *from,
        });
        if further {
            self.from = Some(key);
            self.jumps += 1;
            self.chunk = JUMP;
        }
    }
}

impl Source for List<'_> {
    fn peek(&mut self) -> Result<Option<Pointer>, Error> {
        self.fill()?;
        Ok(self.buffer.front().copied())
    }

    fn pass(&mut self) {
        self.buffer.pop_front();
    }

    fn seek(&mut self, position: u64) -> Result<(), Error> {
        let walk = self.walk;
        let jumps = matches!(self.reads, Reads::Postings(_));
        loop {
            if self.buffer.back().is_some_and(|last| walk.reached(last.position, position)) {
                let before = self.buffer.partition_point(|pointer| !walk.reached(pointer.position, position));
                self.buffer.drain(..before);
                self.near += 1;
                return Ok(());
            }
            self.buffer.clear();
            if jumps && !self.done {
                self.jump(position);
            }
            self.fill()?;
            // What a jump led to is at or beyond the position; rows of several are read on.
            if jumps || self.buffer.is_empty() {
                return Ok(());
            }
        }
    }

    fn few(&mut self) -> Result<Option<usize>, Error> {
        self.fill()?;
        Ok(self.done.then_some(self.buffer.len()))
    }

    fn sketched(&self) -> bool {
        // Of nothing, everything was asked.
        self.sketched || (self.done && !self.met)
    }

    fn tired(&self) -> bool {
        self.jumps > TIRED && self.jumps > self.near
    }
}

/// What was gathered, in order.
pub(super) struct Sorted<'a> {
    walk: Walk<'a>,
    rest: VecDeque<Pointer>,
}

impl<'a> Sorted<'a> {
    /// `found` in rising order.
    pub(super) fn of(walk: Walk<'a>, mut found: Vec<Pointer>) -> Self {
        if walk.direction == Direction::Down {
            found.reverse();
        }
        Self { walk, rest: found.into() }
    }
}

impl Source for Sorted<'_> {
    fn peek(&mut self) -> Result<Option<Pointer>, Error> {
        Ok(self.rest.front().copied())
    }

    fn pass(&mut self) {
        self.rest.pop_front();
    }

    fn seek(&mut self, position: u64) -> Result<(), Error> {
        let before = self.rest.partition_point(|pointer| !self.walk.reached(pointer.position, position));
        self.rest.drain(..before);
        Ok(())
    }

    fn few(&mut self) -> Result<Option<usize>, Error> {
        Ok(Some(self.rest.len()))
    }
}

/// All that any of these has.
pub(super) fn any_of<'a>(walk: Walk<'a>, mut sources: Vec<Boxed<'a>>) -> Boxed<'a> {
    match sources.pop() {
        Some(one) if sources.is_empty() => one,
        Some(last) => {
            sources.push(last);
            Box::new(Any { walk, sources })
        }
        None => Box::new(Sorted::of(walk, Vec::new())),
    }
}

struct Any<'a> {
    walk: Walk<'a>,
    sources: Vec<Boxed<'a>>,
}

impl Source for Any<'_> {
    fn peek(&mut self) -> Result<Option<Pointer>, Error> {
        let mut first: Option<Pointer> = None;
        for source in &mut self.sources {
            if let Some(one) = source.peek()?
                && first.is_none_or(|first| !self.walk.reached(one.position, first.position))
            {
                first = Some(one);
            }
        }
        Ok(first)
    }

    fn pass(&mut self) {
        let Ok(Some(first)) = self.peek() else { return };
        for source in &mut self.sources {
            if matches!(source.peek(), Ok(Some(one)) if one.position == first.position) {
                source.pass();
            }
        }
    }

    fn seek(&mut self, position: u64) -> Result<(), Error> {
        self.sources.iter_mut().try_for_each(|source| source.seek(position))
    }

    fn few(&mut self) -> Result<Option<usize>, Error> {
        let mut sum = 0;
        for source in &mut self.sources {
            match source.few()? {
                Some(few) => sum += few,
                None => return Ok(None),
            }
        }
        Ok(Some(sum))
    }

    fn sketched(&self) -> bool {
        self.sources.iter().all(|source| source.sketched())
    }

    fn tired(&self) -> bool {
        self.sources.iter().any(|source| source.tired())
    }
}

/// What every one of these has, and none of `without`.
pub(super) struct All<'a> {
    walk: Walk<'a>,
    /// The first leads.
    sources: Vec<Boxed<'a>>,
    without: Vec<Boxed<'a>>,
}

impl<'a> All<'a> {
    pub(super) fn of(walk: Walk<'a>, mut sources: Vec<Boxed<'a>>, without: Vec<Boxed<'a>>) -> Result<Boxed<'a>, Error> {
        let mut best: Option<(usize, usize)> = None;
        for (place, source) in sources.iter_mut().enumerate() {
            let few = source.few()?.unwrap_or(usize::MAX);
            // One whose entries tell of the rest is as good as a short one.
            let cost = if source.sketched() { few.min(FEW) } else { few };
            if best.is_none_or(|(_, least)| cost < least) {
                best = Some((place, cost));
            }
        }
        if let Some((place, cost)) = best {
            sources.swap(0, place);
            if cost <= FEW {
                sources.truncate(1);
            }
        }
        match sources.pop() {
            Some(one) if sources.is_empty() && without.is_empty() => Ok(one),
            Some(last) => {
                sources.push(last);
                Ok(Box::new(Self { walk, sources, without }))
            }
            None => Ok(any_of(walk, Vec::new())),
        }
    }
}

impl Source for All<'_> {
    fn peek(&mut self) -> Result<Option<Pointer>, Error> {
        let Some((lead, others)) = self.sources.split_first_mut() else { return Ok(None) };
        'next: loop {
            let Some(found) = lead.peek()? else { return Ok(None) };
            for other in others.iter_mut().filter(|other| !other.tired()) {
                other.seek(found.position)?;
                let Some(theirs) = other.peek()? else { return Ok(None) };
                if theirs.position != found.position {
                    lead.seek(theirs.position)?;
                    continue 'next;
                }
            }
            for left_out in self.without.iter_mut().filter(|left_out| !left_out.tired()) {
                left_out.seek(found.position)?;
                if left_out.peek()?.is_some_and(|theirs| theirs.position == found.position) {
                    lead.pass();
                    continue 'next;
                }
            }
            return Ok(Some(found));
        }
    }

    fn pass(&mut self) {
        if let Some(lead) = self.sources.first_mut() {
            lead.pass();
        }
    }

    fn seek(&mut self, position: u64) -> Result<(), Error> {
        self.sources.first_mut().map_or(Ok(()), |lead| lead.seek(position))
    }

    fn few(&mut self) -> Result<Option<usize>, Error> {
        let _ = self.walk;
        self.sources.first_mut().map_or(Ok(Some(0)), |lead| lead.few())
    }
}
