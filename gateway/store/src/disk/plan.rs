//! How a search finds its candidates: lists of positions, walked together in the order asked.
//!
//! A posting stands under its value in the order of positions, so that lists of equal values are intersected and united
//! without sorting and without reading versions. What a source gives is a superset of the matches: each version is tested
//! by its own rows when it is read. What is passed over must be no match.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::codec::Codec;
use crate::disk::record::{PatientEntry, PatientRow};
use crate::disk::sketch::Demand;
use crate::error::Error;
use crate::index::{Direction, Flow, Index, keys};
use crate::journal::Pointer;
use crate::resource::{Match, RowKind, Term, Test};

/// Rows that a list reads first, and at most, at a time.
const FIRST: usize = 128;
const MOST: usize = 512;
/// Rows read after a jump: the next one is likely a jump too.
const JUMP: usize = 8;
/// A list that long, all of it known, is walked alone: reading so few versions costs less than other lists.
const FEW: usize = 32;
/// Values under one prefix that are walked as lists, and lists that are united; more are gathered and sorted.
const VALUES: usize = 16;
/// Positions that a range is gathered to. A range of more holds so much of its type that walking the type finds it soon.
const RANGE: usize = 50_000;
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

type Boxed<'a> = Box<dyn Source + 'a>;

/// Where and which way sources are walked.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    pub(super) index: &'a Index,
    pub(super) direction: Direction,
    /// Only what comes after this position.
    pub(super) after: Option<u64>,
}

impl<'a> Walk<'a> {
    fn reached(self, position: u64, wanted: u64) -> bool {
        match self.direction {
            Direction::Up => position >= wanted,
            Direction::Down => position <= wanted,
        }
    }

    fn due(self, position: u64) -> bool {
        self.after.is_none_or(|after| after != position && self.reached(position, after))
    }

    /// Candidates of one type for these terms, in the compartments of these patients if any.
    pub(super) fn matching(self, resource_type: &str, terms: &[Term], patients: &[String]) -> Result<Boxed<'a>, Error> {
        if let Some(narrow) = self.narrow(resource_type, terms, patients)? {
            return Ok(narrow);
        }
        let mut gathered: Vec<Boxed<'a>> = Vec::new();
        for term in terms {
            if let Term::AnyOf(matches) = term
                && let Some(positions) = self.gathered(resource_type, matches)?
            {
                gathered.push(Box::new(Sorted::of(self, positions)));
            }
        }
        if gathered.is_empty() {
            return Ok(self.posting(resource_type, keys::LIVE, b"", Demand::default()));
        }
        All::of(self, gathered, Vec::new())
    }

    /// Candidates by patients, equal values and alternatives of these, if the terms have any.
    fn narrow(self, resource_type: &str, terms: &[Term], patients: &[String]) -> Result<Option<Boxed<'a>>, Error> {
        let demand = Demand::of(terms);
        let (mut sources, mut without): (Vec<Boxed<'a>>, Vec<Boxed<'a>>) = (Vec::new(), Vec::new());
        // What names a patient is tried first: few versions have it, and their sketches tell the rest.
        let (first, rest): (Vec<&Term>, Vec<&Term>) = terms.iter().partition(|term| names_patients(term));
        for term in &first {
            if let Term::AnyOf(matches) = term
                && let Some(mut source) = self.equal(resource_type, matches, &demand)?
            {
                let few = source.few()?.is_some_and(|few| few <= FEW);
                if few || source.sketched() {
                    return Ok(Some(source));
                }
                sources.push(source);
            }
        }
        if !patients.is_empty() {
            // Their entries were asked for the rest as far as sketches tell: other lists would cost more than they spare.
            return Ok(Some(self.patients(patients, Some(keys::type_tag(resource_type)), &demand)));
        }
        for term in rest {
            match term {
                Term::AnyOf(matches) => sources.extend(self.equal(resource_type, matches, &demand)?),
                Term::NoneOf(matches) => {
                    for wanted in matches {
                        // What is left out must surely have the value: a value cut short does not say so.
                        let whole = matches!(&wanted.test, Test::Equals(value) if keys::is_whole(value));
                        if whole {
                            without.extend(self.equal(
                                resource_type,
                                std::slice::from_ref(wanted),
                                &Demand::default(),
                            )?);
                        }
                    }
                }
                Term::Either(alternatives) => {
                    let any: Result<Vec<_>, Error> =
                        alternatives.iter().map(|all| self.narrow(resource_type, all, &[])).collect();
                    if let Some(any) = any?.into_iter().collect::<Option<Vec<_>>>() {
                        sources.push(any_of(self, any));
                    }
                }
            }
        }
        if sources.is_empty() { Ok(None) } else { All::of(self, sources, without).map(Some) }
    }

    /// The versions about these patients that may have what is demanded.
    pub(super) fn patients(self, patients: &[String], tag: Option<[u8; 2]>, demand: &Demand) -> Boxed<'a> {
        let one = |patient: &String| -> Boxed<'a> {
            let demand = demand.clone();
            let decode = move |value: &[u8]| {
                let row = PatientRow::decoded(Bytes::copy_from_slice(value)).map_err(|_| Error::unreadable_row())?;
                let wanted =
                    |entry: &PatientEntry| tag.is_none_or(|tag| tag == entry.tag) && demand.may_pass(&entry.sketch);
                Ok(row.entries.into_iter().filter(wanted).map(|entry| entry.pointer).collect())
            };
            Box::new(Rows::of(self, keys::patient(patient), Box::new(decode)))
        };
        any_of(self, patients.iter().map(one).collect())
    }

    /// Every version of a type, superseded ones and deletions among them.
    pub(super) fn history(self, resource_type: &str) -> Boxed<'a> {
        let decode =
            |value: &[u8]| Vec::<Pointer>::decoded(Bytes::copy_from_slice(value)).map_err(|_| Error::unreadable_row());
        Box::new(Rows::of(self, keys::of_type(resource_type), Box::new(decode)))
    }

    fn posting(self, resource_type: &str, param: u32, value: &[u8], demand: Demand) -> Boxed<'a> {
        Box::new(List::of(self, keys::term_is(resource_type, param, value), demand))
    }

    /// The versions that have one of these values, as lists; `None` if a test is for more than some values.
    fn equal(self, resource_type: &str, matches: &[Match], demand: &Demand) -> Result<Option<Boxed<'a>>, Error> {
        let mut lists: Vec<Boxed<'a>> = Vec::new();
        for wanted in matches {
            if wanted.kind != RowKind::Key {
                return Ok(None);
            }
            match &wanted.test {
                Test::Equals(value) => {
                    lists.push(self.posting(resource_type, wanted.param, value, demand.clone()));
                }
                Test::Prefix(value) => {
                    let Some(values) = self.values(&keys::term(resource_type, wanted.param, value))? else {
                        return Ok(None);
                    };
                    let list = |prefix| -> Boxed<'a> { Box::new(List::of(self, prefix, demand.clone())) };
                    lists.extend(values.into_iter().map(list));
                }
                _ => return Ok(None),
            }
        }
        if lists.len() <= VALUES {
            return Ok(Some(any_of(self, lists)));
        }
        self.gathered(resource_type, matches)
            .map(|found| found.map(|all| -> Boxed<'a> { Box::new(Sorted::of(self, all)) }))
    }

    /// The prefixes of the postings of each value under a prefix; `None` if there are many.
    fn values(self, prefix: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Error> {
        let mut values: Vec<Vec<u8>> = Vec::new();
        loop {
            let after = values.last().map(|value| [&value[..], &[0xff; 8]].concat());
            let mut next = None;
            self.index.walk_in(1, prefix, after.as_deref(), Direction::Up, &mut |key, _| {
                next = key.split_last_chunk::<8>().map(|(value, _)| value.to_vec());
                Ok(Flow::Stop)
            })?;
            match next {
                None => return Ok(Some(values)),
                Some(_) if values.len() == VALUES => return Ok(None),
                Some(value) => values.push(value),
            }
        }
    }

    /// The versions that have a value passing one of the tests; `None` where postings do not tell or are too many.
    fn gathered(self, resource_type: &str, matches: &[Match]) -> Result<Option<Vec<Pointer>>, Error> {
        let mut found: Vec<Pointer> = Vec::new();
        let mut looked_at = 0;
        for wanted in matches {
            if wanted.kind != RowKind::Key {
                return Ok(None);
            }
            let term = |value: &[u8]| keys::term(resource_type, wanted.param, value);
            let (prefix, from) = match &wanted.test {
                Test::Equals(value) => (keys::term_is(resource_type, wanted.param, value), None),
                Test::Prefix(value) => (term(value), None),
                Test::Between(low, _) => (term(b""), low.as_ref().map(|low| term(low))),
                Test::Span { prefix, low, .. } => {
                    (term(prefix), low.from.map(|from| term(&[&prefix[..], &from].concat())))
                }
                Test::Suffix(_) | Test::Contains(_) | Test::Present => (term(b""), None),
            };
            self.index.walk(&prefix, from.as_deref(), Direction::Up, &mut |key, value| {
                looked_at += 1;
                if looked_at > RANGE {
                    return Ok(Flow::Stop);
                }
                let Some(posted) = keys::posted_value(resource_type, key) else { return Ok(Flow::On) };
                if is_beyond(&wanted.test, &posted) {
                    return Ok(Flow::Stop);
                }
                // A value cut short is tested on the version itself.
                if posted.len() >= keys::VALUE_LIMIT || wanted.test.passes(&posted) {
                    found.extend(pointer(key, value).filter(|pointer| self.due(pointer.position)));
                }
                Ok(Flow::On)
            })?;
            if looked_at > RANGE {
                return Ok(None);
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(Some(found))
    }
}

/// Whether it asks for references to patients.
fn names_patients(term: &Term) -> bool {
    let names = |wanted: &Match| matches!(&wanted.test, Test::Equals(value) if value.starts_with(b"Patient/"));
    matches!(term, Term::AnyOf(matches) if !matches.is_empty() && matches.iter().all(names))
}

/// Whether no value from here on passes.
fn is_beyond(test: &Test, value: &[u8]) -> bool {
    match test {
        Test::Between(_, Some(high)) => value > &high[..],
        Test::Span { prefix, low, .. } => low.to.is_some_and(|to| {
            value.get(..prefix.len() + 8).is_some_and(|begin| begin > &[&prefix[..], &to].concat()[..])
        }),
        _ => false,
    }
}

/// The version that a posting leads to.
pub(super) fn pointer(key: &[u8], value: &[u8]) -> Option<Pointer> {
    split(key, value).map(|(pointer, _)| pointer)
}

fn split<'v>(key: &[u8], value: &'v [u8]) -> Option<(Pointer, &'v [u8])> {
    let position = keys::trailing_number(key);
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

/// The postings of one value.
struct List<'a> {
    walk: Walk<'a>,
    prefix: Vec<u8>,
    demand: Demand,
    buffer: VecDeque<Pointer>,
    /// The key after which to go on.
    from: Option<Vec<u8>>,
    done: bool,
    sketched: bool,
    chunk: usize,
    jumps: u32,
    near: u32,
}

impl<'a> List<'a> {
    fn of(walk: Walk<'a>, prefix: Vec<u8>, demand: Demand) -> Self {
        let from = walk.after.map(|after| [&prefix[..], &after.to_be_bytes()].concat());
        let buffer = VecDeque::new();
        Self { walk, prefix, demand, buffer, from, done: false, sketched: false, chunk: FIRST, jumps: 0, near: 0 }
    }

    fn fill(&mut self) -> Result<(), Error> {
        while self.buffer.is_empty() && !self.done {
            let (mut count, mut last) = (0, None);
            let (chunk, buffer, sketched, demand) = (self.chunk, &mut self.buffer, &mut self.sketched, &self.demand);
            self.walk.index.walk_in(
                chunk,
                &self.prefix,
                self.from.as_deref(),
                self.walk.direction,
                &mut |key, value| {
                    count += 1;
                    if let Some((pointer, sketch)) = split(key, value) {
                        *sketched |= !sketch.is_empty();
                        if demand.may_pass(sketch) {
                            buffer.push_back(pointer);
                        }
                    }
                    if count < chunk {
                        return Ok(Flow::On);
                    }
                    last = Some(key.to_vec());
                    Ok(Flow::Stop)
                },
            )?;
            match last {
                Some(last) => self.from = Some(last),
                None => self.done = true,
            }
            self.chunk = (self.chunk * 2).min(MOST);
        }
        Ok(())
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
        if self.buffer.back().is_some_and(|last| walk.reached(last.position, position)) {
            let before = self.buffer.partition_point(|pointer| !walk.reached(pointer.position, position));
            self.buffer.drain(..before);
            self.near += 1;
            return Ok(());
        }
        self.buffer.clear();
        if !self.done {
            let beside = match walk.direction {
                Direction::Down => position.checked_add(1),
                Direction::Up => position.checked_sub(1),
            };
            if let Some(beside) = beside {
                let key = [&self.prefix[..], &beside.to_be_bytes()].concat();
                let further = self.from.as_ref().is_none_or(|from| match walk.direction {
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
        self.fill()
    }

    fn few(&mut self) -> Result<Option<usize>, Error> {
        self.fill()?;
        Ok(self.done.then_some(self.buffer.len()))
    }

    fn sketched(&self) -> bool {
        self.sketched
    }

    fn tired(&self) -> bool {
        self.jumps > TIRED && self.jumps > self.near
    }
}

type Decode<'a> = Box<dyn Fn(&[u8]) -> Result<Vec<Pointer>, Error> + 'a>;

/// Rows that each hold several versions: of a patient, of a type.
struct Rows<'a> {
    walk: Walk<'a>,
    prefix: Vec<u8>,
    decode: Decode<'a>,
    buffer: VecDeque<Pointer>,
    from: Option<Vec<u8>>,
    done: bool,
    chunk: usize,
}

impl<'a> Rows<'a> {
    fn of(walk: Walk<'a>, prefix: Vec<u8>, decode: Decode<'a>) -> Self {
        // A row that holds the place to go on from begins at or before it, so only the walk down can begin there.
        let after = walk.after.filter(|_| walk.direction == Direction::Down);
        let from = after.map(|after| [&prefix[..], &after.to_be_bytes()].concat());
        Self { walk, prefix, decode, buffer: VecDeque::new(), from, done: false, chunk: FIRST }
    }

    fn fill(&mut self) -> Result<(), Error> {
        while self.buffer.is_empty() && !self.done {
            let (mut count, mut last) = (0, None);
            let (chunk, buffer, decode, walk) = (self.chunk, &mut self.buffer, &self.decode, self.walk);
            walk.index.walk_in(chunk, &self.prefix, self.from.as_deref(), walk.direction, &mut |key, value| {
                count += 1;
                let pointers = decode(value)?.into_iter().filter(|pointer| walk.due(pointer.position));
                let pointers: Vec<Pointer> = pointers.collect();
                match walk.direction {
                    Direction::Up => buffer.extend(pointers),
                    Direction::Down => buffer.extend(pointers.into_iter().rev()),
                }
                if count < chunk {
                    return Ok(Flow::On);
                }
                last = Some(key.to_vec());
                Ok(Flow::Stop)
            })?;
            match last {
                Some(last) => self.from = Some(last),
                None => self.done = true,
            }
            self.chunk = (self.chunk * 2).min(MOST);
        }
        Ok(())
    }
}

impl Source for Rows<'_> {
    fn peek(&mut self) -> Result<Option<Pointer>, Error> {
        self.fill()?;
        Ok(self.buffer.front().copied())
    }

    fn pass(&mut self) {
        self.buffer.pop_front();
    }

    fn seek(&mut self, position: u64) -> Result<(), Error> {
        while let Some(pointer) = self.peek()? {
            if self.walk.reached(pointer.position, position) {
                break;
            }
            self.buffer.pop_front();
        }
        Ok(())
    }

    fn few(&mut self) -> Result<Option<usize>, Error> {
        self.fill()?;
        Ok(self.done.then_some(self.buffer.len()))
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
struct All<'a> {
    walk: Walk<'a>,
    /// The first leads.
    sources: Vec<Boxed<'a>>,
    without: Vec<Boxed<'a>>,
}

impl<'a> All<'a> {
    fn of(walk: Walk<'a>, mut sources: Vec<Boxed<'a>>, without: Vec<Boxed<'a>>) -> Result<Boxed<'a>, Error> {
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
