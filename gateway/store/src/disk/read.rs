//! Reading: rows lead to journal items, and what an item says is always tested against the row of the current version.

use std::ops::ControlFlow;

use bytes::Bytes;
use model::time::Instant;

use crate::codec::Codec;
use crate::disk::plan::Walk;
use crate::disk::record::{CurrentRow, ExchangeItem, Line, RowsItem, VersionItem, kind};
use crate::disk::rows::minute_of;
use crate::disk::sketch::Demand;
use crate::disk::source::{Sorted, Source};
use crate::disk::{DiskStore, Shared, source};
use crate::error::Error;
use crate::exchange::ExchangeId;
use crate::index::{Direction, Flow, keys};
use crate::journal::Pointer;
use crate::resource::{Cursor, KeyRow, Order, PatientLink, Search, Span, Step, Stored};
use crate::traits::Resources;

mod exchanges;
mod grants;
mod ledger;
mod reindex;

/// Rows read at a time by a walk that may skip: few where groups are large, more where they are passed by.
const FEW: usize = 4;
const MANY: usize = 64;

/// Reads a value of the index.
pub(super) fn row<T: Codec>(value: &[u8]) -> Result<T, Error> {
    T::decoded(Bytes::copy_from_slice(value)).map_err(|_| Error::unreadable_row())
}

impl Shared {
    fn current_row(&self, key: &[u8]) -> Result<Option<CurrentRow>, Error> {
        self.index.get(key)?.map(|value| row(&value)).transpose()
    }

    fn version(&self, pointer: Pointer) -> Result<VersionItem, Error> {
        self.journal.version(pointer)
    }

    /// The newest version and its pointer.
    fn newest(&self, resource_type: &str, id: &str) -> Result<Option<(VersionItem, Pointer)>, Error> {
        let Some(row) = self.current_row(&keys::current(resource_type, id))? else { return Ok(None) };
        let item = self.version(row.pointer)?;
        Ok((item.resource_type == resource_type && item.id == id).then_some((item, row.pointer)))
    }

    pub(super) fn line(&self, number: u64) -> Result<Option<Line>, Error> {
        self.index.get(&keys::line(number))?.map(|value| row(&value)).transpose()
    }

    pub(super) fn exchange_item(&self, line: &Line) -> Result<ExchangeItem, Error> {
        self.journal.decoded(line.pointer, kind::EXCHANGE)
    }

    fn exchange_of(&self, id: &ExchangeId) -> Result<Option<ExchangeItem>, Error> {
        let Some(number) = self.index.get(&keys::exchange(id))? else { return Ok(None) };
        let Some(line) = self.line(keys::trailing_number(&number))? else { return Ok(None) };
        self.exchange_item(&line).map(Some)
    }

    fn blob(&self, pointer: Option<Pointer>) -> Result<Option<Bytes>, Error> {
        pointer.map(|pointer| self.journal.payload(pointer, kind::BLOB)).transpose()
    }

    /// A version as it is shown: with the rows that the rules of now make of it. Of a lean one all are made where
    /// `whole` is asked.
    fn shown(&self, mut item: VersionItem, pointer: Pointer, whole: bool) -> Result<Stored, Error> {
        let rules = self.index.rules();
        if item.deleted {
            return Ok(item.stored(pointer.position));
        }
        let hold = rules.hold(&item.resource_type, item.rules);
        if item.lean && whole {
            item.index = rules.anew(&item.resource_type, &item.body, &item.index);
            item.lean = false;
        } else if !hold {
            let current = self.current_row(&keys::current(&item.resource_type, &item.id))?;
            let anew = current.filter(|current| current.pointer == pointer).and_then(|current| current.anew);
            let anew = anew.map(|anew| self.journal.decoded::<RowsItem>(anew, kind::ROWS)).transpose()?;
            match anew {
                Some(anew) if rules.hold(&item.resource_type, Some(anew.rules)) => item.index = anew.of(item.index),
                _ => {
                    item.index = rules.anew(&item.resource_type, &item.body, &item.index);
                    item.lean = false;
                }
            }
        }
        Ok(item.stored(pointer.position))
    }

    /// Where a walk may begin that wants nothing newer, or older, than a time: by the minutes' first commits.
    fn place_of(&self, time: Instant, direction: Direction) -> Result<Option<u64>, Error> {
        let minute = minute_of(time);
        let mut place = None;
        let mut first = |_: &[u8], value: &[u8]| {
            place = Some(row::<u64>(value)?);
            Ok(Flow::Stop)
        };
        match direction {
            // The first commit of a later minute: everything wanted is before it.
            Direction::Down => {
                self.index.walk_in(1, keys::MINUTES, Some(&keys::minute(minute)), Direction::Up, &mut first)?;
            }
            Direction::Up => {
                let after = minute.checked_add(1).map(keys::minute);
                self.index.walk_in(1, keys::MINUTES, after.as_deref(), Direction::Down, &mut first)?;
            }
        }
        Ok(place)
    }

    /// The walk of a search or a history.
    fn walk(
        &self,
        order: Order,
        after: Option<Cursor>,
        since: Option<Instant>,
        until: Option<Instant>,
    ) -> Result<Walk<'_>, Error> {
        let index = &self.index;
        let after = after.map(|after| after.0);
        Ok(match order {
            Order::NewestFirst => {
                let place = until.map(|until| self.place_of(until, Direction::Down)).transpose()?.flatten();
                let after = after.into_iter().chain(place).min();
                Walk { index, direction: Direction::Down, after }
            }
            Order::OldestFirst => {
                let place = since.map(|since| self.place_of(since, Direction::Up)).transpose()?.flatten();
                let after = after.into_iter().chain(place).max();
                Walk { index, direction: Direction::Up, after }
            }
        })
    }

    /// The versions that may match, in the search's order.
    fn candidates(&self, search: &Search) -> Result<Box<dyn Source + '_>, Error> {
        let walk = self.walk(search.order, search.after, search.updated_since, search.updated_until)?;
        if search.types.is_empty() && search.ids.is_empty() && search.terms.is_empty() && !search.patients.is_empty() {
            return Ok(walk.patients(&search.patients, None, &Demand::default()));
        }
        let types = if search.types.is_empty() { self.types()? } else { search.types.clone() };
        if !search.ids.is_empty() {
            let mut found = Vec::new();
            for (resource_type, id) in types.iter().flat_map(|name| search.ids.iter().map(move |id| (name, id))) {
                found.extend(self.current_row(&keys::current(resource_type, id))?.map(|row| row.pointer));
            }
            found.retain(|pointer| {
                walk.after.is_none_or(|after| match walk.direction {
                    Direction::Down => pointer.position < after,
                    Direction::Up => pointer.position > after,
                })
            });
            found.sort_unstable();
            found.dedup();
            return Ok(Box::new(Sorted::of(walk, found)));
        }
        let sources = types.iter().map(|name| walk.matching(name, &search.terms, &search.patients));
        Ok(source::any_of(walk, sources.collect::<Result<_, _>>()?))
    }

    /// The types of which anything was ever written.
    pub(super) fn types(&self) -> Result<Vec<String>, Error> {
        let mut types: Vec<String> = Vec::new();
        loop {
            let after = types.last().map(|name| [&keys::of_type(name)[..], &[0xff; 9]].concat());
            let mut next = None;
            self.index.walk_in(1, b"t", after.as_deref(), Direction::Up, &mut |key, _| {
                next = keys::type_of(key);
                Ok(Flow::Stop)
            })?;
            match next {
                Some(name) => types.push(name),
                None => return Ok(types),
            }
        }
    }
}

impl Resources for DiskStore {
    fn read(&self, resource_type: &str, id: &str) -> Result<Option<Stored>, Error> {
        let newest = self.shared().newest(resource_type, id)?;
        newest.map(|(item, pointer)| self.shared().shown(item, pointer, false)).transpose()
    }

    fn place(&self, resource_type: &str, id: &str) -> Result<Option<Cursor>, Error> {
        let current = self.shared().current_row(&keys::current(resource_type, id))?;
        Ok(current.map(|current| Cursor(current.pointer.position)))
    }

    fn vread(&self, resource_type: &str, id: &str, version: u64) -> Result<Option<Stored>, Error> {
        let Some((mut item, mut pointer)) = self.shared().newest(resource_type, id)? else { return Ok(None) };
        while item.version > version {
            let Some(previous) = item.previous else { return Ok(None) };
            item = self.shared().version(previous)?;
            pointer = previous;
        }
        Ok((item.version == version).then(|| item.stored(pointer.position)))
    }

    fn history(&self, resource_type: &str, id: &str, before: Option<u64>, limit: usize) -> Result<Vec<Stored>, Error> {
        let mut versions = Vec::new();
        let mut next = self.shared().newest(resource_type, id)?;
        while let Some((item, pointer)) = next {
            if versions.len() >= limit {
                break;
            }
            let previous = item.previous;
            if before.is_none_or(|before| item.version < before) {
                versions.push(item.stored(pointer.position));
            }
            next = match previous {
                Some(previous) => Some((self.shared().version(previous)?, previous)),
                None => None,
            };
        }
        Ok(versions)
    }

    fn visit(&self, search: &Search, visitor: &mut dyn FnMut(Stored) -> ControlFlow<()>) -> Result<(), Error> {
        let shared = self.shared();
        // Upwards a resource that is written anew meanwhile would be met again.
        let end = shared.index.end();
        let whole = search.asks_details();
        let mut candidates = shared.candidates(search)?;
        while let Some(pointer) = candidates.peek()? {
            candidates.pass();
            if pointer.position >= end {
                match search.order {
                    Order::NewestFirst => continue,
                    Order::OldestFirst => break,
                }
            }
            let item = shared.version(pointer)?;
            // Times rise with positions: beyond the range nothing in this order is inside it.
            let beyond = match search.order {
                Order::NewestFirst => search.updated_since.is_some_and(|since| item.last_updated < since),
                Order::OldestFirst => search.updated_until.is_some_and(|until| item.last_updated >= until),
            };
            if beyond {
                break;
            }
            let stored = shared.shown(item, pointer, whole)?;
            if search.passes(&stored) && visitor(stored).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn history_of(
        &self,
        types: &[&str],
        span: &Span,
        visitor: &mut dyn FnMut(Stored) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let shared = self.shared();
        let walk = shared.walk(Order::NewestFirst, span.after, span.since, span.until)?;
        let mut types: Vec<String> = match types {
            [] => shared.types()?,
            types => types.iter().map(|name| (*name).to_owned()).collect(),
        };
        types.sort();
        types.dedup();
        let mut versions = source::any_of(walk, types.iter().map(|name| walk.history(name)).collect());
        while let Some(pointer) = versions.peek()? {
            versions.pass();
            let item = shared.version(pointer)?;
            if span.since.is_some_and(|since| item.last_updated < since) {
                break;
            }
            if span.until.is_none_or(|until| item.last_updated < until)
                && visitor(item.stored(pointer.position)).is_break()
            {
                break;
            }
        }
        Ok(())
    }

    fn descend(
        &self,
        resource_type: &str,
        param: u32,
        prefix: &[u8],
        visitor: &mut dyn FnMut(KeyRow) -> Step,
    ) -> Result<(), Error> {
        let index = &self.shared().index;
        let all = keys::term(resource_type, param, prefix);
        let mut after: Option<Vec<u8>> = None;
        let mut chunk = FEW;
        loop {
            let mut groups = 0;
            let (mut behind, mut passed) = (None::<Vec<u8>>, 0);
            let mut next = None;
            index.walk_in(chunk, &all, after.as_deref(), Direction::Down, &mut |key, value| {
                if let Some(skipped) = &behind
                    && key.starts_with(skipped)
                {
                    passed += 1;
                    if passed < chunk {
                        return Ok(Flow::On);
                    }
                    // Too many to pass by: what is behind them is looked up.
                    next = behind.take();
                    return Ok(Flow::Stop);
                }
                let posted = keys::posted_value(resource_type, key).zip(source::pointer(key, value));
                let Some((value, Pointer { position, length })) = posted else { return Ok(Flow::On) };
                let row = KeyRow { value, position, length };
                (behind, passed) = (None, 0);
                groups += 1;
                Ok(match visitor(row) {
                    Step::Next => Flow::On,
                    Step::Behind(value) => {
                        behind = Some(keys::term(resource_type, param, &value));
                        Flow::On
                    }
                    Step::Stop => Flow::Stop,
                })
            })?;
            match next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
            chunk = if groups > 1 { (chunk * 2).min(MANY) } else { (chunk / 2).max(FEW) };
        }
    }

    fn follow(&self, row: &KeyRow) -> Result<Option<Stored>, Error> {
        let shared = self.shared();
        let pointer = Pointer { position: row.position, length: row.length };
        let item = shared.version(pointer)?;
        let current = shared.current_row(&keys::current(&item.resource_type, &item.id))?;
        let current = current.filter(|current| current.pointer == pointer && !current.deleted);
        current.map(|_| shared.shown(item, pointer, false)).transpose()
    }

    fn links(&self, patient: &str) -> Result<Vec<PatientLink>, Error> {
        let mut links: Vec<PatientLink> = Vec::new();
        self.shared().index.walk(&keys::links(patient), None, Direction::Up, &mut |_, value| {
            let link: PatientLink = self.shared().journal.decoded(row(value)?, kind::LINK)?;
            if (link.replaced == patient || link.replaced_by == patient) && !links.contains(&link) {
                links.push(link);
            }
            Ok(Flow::On)
        })?;
        links.sort();
        Ok(links)
    }

    fn revision(&self, resource_type: &str) -> u64 {
        self.shared().revisions.of(resource_type)
    }

    fn link_revision(&self) -> u64 {
        self.shared().revisions.of_links()
    }
}
