//! Putting a group of commits together: preconditions, versions, ledger indexes, items and rows; nothing is written here.

use bytes::Bytes;
use model::time::Instant;

use crate::codec::Codec;
use crate::commit::{Commit, Committed, RowsAnew};
use crate::disk::record::{CommitItem, CurrentRow, ExchangeItem, LedgerItem, Line, RowsItem, VersionItem, kind};
use crate::disk::rows::{Before, GroupRows};
use crate::error::{Conflict, Error};
use crate::exchange::{Exchange, ExchangeChange, ExchangeId, ResourceRef};
use crate::grant::{Grant, GrantChange};
use crate::index::{Index, Rows, keys};
use crate::journal::{FRAME_HEADER, ITEM_HEADER, Journal, Pointer, open_item, put_item};
use crate::outbox::Delivery;
use crate::portable::Portable;
use crate::resource::{Current, Effect, NewVersion, VersionWritten};

/// Commits that share one frame, one sync and one answer time.
pub(crate) struct Group<'a> {
    journal: &'a Journal,
    index: &'a Index,
    /// Position of the payload's first byte.
    base: u64,
    /// The frame: room for its header, then the payload.
    buffer: Vec<u8>,
    rows: GroupRows,
    next: Counters,
    commits: usize,
}

/// What the next exchange and ledger record are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counters {
    pub(crate) exchange: u64,
    pub(crate) ledger: u64,
}

/// A commit taken into the group.
pub(crate) struct Taken {
    pub(crate) committed: Committed,
    /// Destination and number of each delivery that changed.
    pub(crate) deliveries: Vec<(String, u64)>,
}

/// An exchange that the commit in hand touches.
struct Touched {
    item: ExchangeItem,
    before: Before,
    resources: Vec<ResourceRef>,
}

impl<'a> Group<'a> {
    pub(crate) fn new(journal: &'a Journal, index: &'a Index, base: u64, next: Counters, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.resize(FRAME_HEADER as usize, 0);
        Self { journal, index, base, buffer, rows: GroupRows::default(), next, commits: 0 }
    }

    pub(crate) fn commits(&self) -> usize {
        self.commits
    }

    pub(crate) fn payload_bytes(&self) -> usize {
        self.buffer.len() - FRAME_HEADER as usize
    }

    /// The rows to apply once the frame is durable, the numbers that come next, and the buffer to use again.
    ///
    /// # Errors
    /// [`Error::Index`] if the index cannot be read; asked before the frame is written.
    pub(crate) fn finish(self) -> Result<(Rows, Counters, Vec<u8>), Error> {
        Ok((self.rows.finish(self.base - FRAME_HEADER, self.index)?, self.next, self.buffer))
    }

    /// The buffer of a group of which nothing is written.
    pub(crate) fn dropped(self) -> Vec<u8> {
        self.buffer
    }

    /// Takes a commit, unless a precondition fails or the payload would grow over `limit`; the group is then as before.
    ///
    /// `Ok(None)` means that the commit does not fit.
    pub(crate) fn take(&mut self, commit: &Commit, at: Instant, limit: u64) -> Result<Option<Taken>, Error> {
        let (length, next) = (self.buffer.len(), self.next);
        let taken = self.stage(commit, at);
        let fits = self.payload_bytes() as u64 <= limit;
        if taken.is_ok() && fits {
            self.rows.accept();
            self.commits += 1;
            return taken.map(Some);
        }
        self.rows.refuse();
        self.buffer.truncate(length);
        self.next = next;
        taken.map(|_| None)
    }

    fn stage(&mut self, commit: &Commit, at: Instant) -> Result<Taken, Error> {
        let mut touched: Vec<Touched> = Vec::with_capacity(commit.exchanges.len());
        let mut deliveries = Vec::with_capacity(commit.deliveries.len());
        self.item(kind::COMMIT, |out| CommitItem { at }.put(out));
        self.rows.at(at);
        for change in &commit.exchanges {
            self.open_exchange(&mut touched, change, at)?;
        }
        let mut versions = Vec::with_capacity(commit.resources.len());
        for new in &commit.resources {
            versions.push(self.version(&mut touched, new, at)?);
        }
        let mut ledger = Vec::with_capacity(commit.ledger.len());
        for record in &commit.ledger {
            let index = self.next.ledger;
            self.next.ledger += 1;
            let touched = self.touch(&mut touched, &record.exchange, at)?;
            let item = LedgerItem {
                index,
                exchange: record.exchange,
                bytes: record.bytes.clone(),
                salts: record.salts.clone(),
            };
            let pointer = self.item(kind::LEDGER, |out| item.put(out));
            self.rows.ledger(&item, pointer);
            touched.item.ledger.push((index, pointer));
            ledger.push(index);
        }
        for change in &commit.deliveries {
            let item = &mut self.touch(&mut touched, &change.exchange, at)?.item;
            Delivery::apply(&mut item.deliveries, item.number, change, at);
            deliveries.push((change.destination.clone(), item.number));
        }
        for change in &commit.exchanges {
            self.change_exchange(&mut touched, change, at)?;
        }
        for touched in touched {
            self.put_exchange(touched);
        }
        for change in &commit.grants {
            self.grant(change)?;
        }
        for anew in &commit.anew {
            self.anew(anew)?;
        }
        for link in &commit.unlinks {
            self.item(kind::UNLINK, |out| link.put(out));
            self.rows.unlink(link);
        }
        for link in &commit.links {
            let pointer = self.item(kind::LINK, |out| link.put(out));
            self.rows.link(link, pointer);
        }
        Ok(Taken { committed: Committed { versions, ledger, at }, deliveries })
    }

    /// Takes a commit with everything assigned, as an import brings it; `false`: it does not fit under `limit`.
    pub(crate) fn import(&mut self, commit: &Portable, limit: u64) -> Result<bool, Error> {
        let (length, next) = (self.buffer.len(), self.next);
        let taken = self.stage_import(commit);
        let fits = self.payload_bytes() as u64 <= limit;
        if taken.is_ok() && fits {
            self.rows.accept();
            self.commits += 1;
            return Ok(true);
        }
        self.rows.refuse();
        self.buffer.truncate(length);
        self.next = next;
        taken.map(|()| false)
    }

    fn stage_import(&mut self, commit: &Portable) -> Result<(), Error> {
        let refused = |what| Error::Damaged { file: "import".to_owned(), offset: 0, what };
        self.item(kind::COMMIT, |out| CommitItem { at: commit.at }.put(out));
        self.rows.at(commit.at);
        for version in &commit.versions {
            let row = self.get(&keys::current(&version.resource_type, &version.id))?;
            let row: Option<CurrentRow> = row.map(|row| self.decoded(row)).transpose()?;
            if version.version != row.map_or(0, |row| row.version) + 1 {
                return Err(refused("version number is not the next one"));
            }
            let (previous, previous_anew) = (row.map(|row| row.pointer), row.and_then(|row| row.anew));
            let item = VersionItem { previous, previous_anew, ..version.clone() };
            let item = self.index.with_derived(item);
            let before = match row {
                Some(row) => Some((self.posted(row.pointer, row.anew)?, row.pointer)),
                None => None,
            };
            let pointer = self.item(kind::VERSION, |out| item.put(out));
            self.rows.version(&item, pointer, before.as_ref().map(|(before, pointer)| (before, *pointer)));
        }
        let mut ledger = Vec::with_capacity(commit.ledger.len());
        for item in &commit.ledger {
            if item.index != self.next.ledger {
                return Err(refused("ledger index is not the next one"));
            }
            self.next.ledger += 1;
            let pointer = self.item(kind::LEDGER, |out| item.put(out));
            self.rows.ledger(item, pointer);
            ledger.push((item.exchange, item.index, pointer));
        }
        for exchange in &commit.exchanges {
            let mut touched = Vec::new();
            let old = match self.touch(&mut touched, &exchange.item.id, commit.at) {
                Ok(_) => touched.pop(),
                Err(Error::NotFound { .. }) => None,
                Err(error) => return Err(error),
            };
            if old.is_none() {
                if exchange.item.number != self.next.exchange {
                    return Err(refused("exchange number is not the next one"));
                }
                self.next.exchange += 1;
            }
            let mut item = exchange.item.clone();
            let before = match old {
                Some(old) => {
                    item.raw = old.item.raw;
                    item.answer = old.item.answer;
                    item.detail = old.item.detail;
                    item.issues = old.item.issues;
                    item.resources = old.item.resources;
                    item.ledger = old.item.ledger;
                    old.before
                }
                None => Before::Nothing,
            };
            let mut blob = |bytes: &Option<Bytes>| {
                bytes.as_ref().map(|bytes| self.item(kind::BLOB, |out| out.extend_from_slice(bytes)))
            };
            item.raw = blob(&exchange.raw).or(item.raw);
            item.answer = blob(&exchange.answer).or(item.answer);
            item.detail = blob(&exchange.detail).or(item.detail);
            for issues in &exchange.issues {
                item.issues.push(self.item(kind::ISSUES, |out| issues.put(out)));
            }
            for resources in &exchange.resources {
                item.resources.push(self.item(kind::RESOURCES, |out| resources.put(out)));
            }
            let own = ledger.iter().filter(|(id, _, _)| *id == item.id);
            item.ledger.extend(own.map(|(_, index, pointer)| (*index, *pointer)));
            let pointer = self.item(kind::EXCHANGE, |out| item.put(out));
            self.rows.exchange(&item, pointer, &before);
        }
        for grant in &commit.grants {
            let pointer = self.item(kind::GRANT, |out| grant.put(out));
            self.rows.grant(grant, pointer);
        }
        for link in &commit.unlinks {
            self.item(kind::UNLINK, |out| link.put(out));
            self.rows.unlink(link);
        }
        for link in &commit.links {
            let pointer = self.item(kind::LINK, |out| link.put(out));
            self.rows.link(link, pointer);
        }
        Ok(())
    }

    fn open_exchange(&mut self, touched: &mut Vec<Touched>, change: &ExchangeChange, at: Instant) -> Result<(), Error> {
        if let Some(arrival) = &change.arrival {
            let known = touched.iter().any(|touched| touched.item.id == change.id);
            if known || self.get(&keys::exchange(&change.id))?.is_some() {
                return Err(Error::Conflict(Conflict::ExchangeExists));
            }
            let exchange = Exchange::opened(change.id, self.next.exchange, arrival, at);
            self.next.exchange += 1;
            let mut item = ExchangeItem::opened(exchange);
            if !arrival.raw.is_empty() {
                item.raw = Some(self.item(kind::BLOB, |out| out.extend_from_slice(&arrival.raw)));
            }
            touched.push(Touched { item, before: Before::Nothing, resources: Vec::new() });
        }
        let item = &self.touch(touched, &change.id, at)?.item;
        match change.expect {
            Some(expected) if expected != item.state => Err(Error::Conflict(Conflict::ExchangeState)),
            _ => Ok(()),
        }
    }

    fn change_exchange(
        &mut self,
        touched: &mut Vec<Touched>,
        change: &ExchangeChange,
        at: Instant,
    ) -> Result<(), Error> {
        let mut issues = None;
        if !change.issues.is_empty() {
            issues = Some(self.item(kind::ISSUES, |out| change.issues.put(out)));
        }
        let answer = change.answer.as_ref().map(|answer| self.item(kind::BLOB, |out| out.extend_from_slice(answer)));
        let detail = change.detail.as_ref();
        let detail = detail.map(|detail| self.item(kind::BLOB, |out| out.extend_from_slice(detail.as_bytes())));
        let item = &mut self.touch(touched, &change.id, at)?.item;
        if let Some(patient) = &change.patient {
            item.patient = Some(patient.clone());
        }
        item.stages.extend(change.stages.iter().cloned());
        item.issues.extend(issues);
        item.issue_count = item.issue_count.saturating_add(u32::try_from(change.issues.len()).unwrap_or(u32::MAX));
        item.answer = answer.or(item.answer);
        item.detail = detail.or(item.detail);
        if let Some(state) = change.state {
            item.state = state.after(&item.deliveries);
        }
        Ok(())
    }

    fn put_exchange(&mut self, mut touched: Touched) {
        if !touched.resources.is_empty() {
            let pointer = self.item(kind::RESOURCES, |out| touched.resources.put(out));
            touched.item.resources.push(pointer);
        }
        let pointer = self.item(kind::EXCHANGE, |out| touched.item.put(out));
        self.rows.exchange(&touched.item, pointer, &touched.before);
    }

    /// The exchange among those the commit touches, read from the index the first time.
    fn touch<'t>(&self, touched: &'t mut Vec<Touched>, id: &ExchangeId, at: Instant) -> Result<&'t mut Touched, Error> {
        let place = match touched.iter().position(|touched| touched.item.id == *id) {
            Some(place) => place,
            None => {
                let number = self.get(&keys::exchange(id))?.ok_or(Error::NotFound { what: "exchange" })?;
                let line = self.get(&keys::line(keys::trailing_number(&number)))?;
                let line = line.ok_or(Error::NotFound { what: "exchange" })?;
                let line: Line = self.decoded(line)?;
                let item = self.read(line.pointer, kind::EXCHANGE)?;
                touched.push(Touched { item, before: Before::Was(line), resources: Vec::new() });
                touched.len() - 1
            }
        };
        let touched = touched.get_mut(place).ok_or(Error::NotFound { what: "exchange" })?;
        touched.item.changed = at;
        Ok(touched)
    }

    fn version(&mut self, touched: &mut Vec<Touched>, new: &NewVersion, at: Instant) -> Result<VersionWritten, Error> {
        let row = match self.get(&keys::current(&new.resource_type, &new.id))? {
            Some(row) => Some(self.decoded::<CurrentRow>(row)?),
            None => None,
        };
        // The version itself is needed for its author, its content and its rows.
        let before: Option<VersionItem> = match row {
            Some(row) => Some(self.posted(row.pointer, row.anew)?),
            None => None,
        };
        let current = before.as_ref().map(|before| Current {
            version: before.version,
            deleted: before.deleted,
            source: &before.author.source,
        });
        new.expect.check(&new.resource_type, &new.id, &new.author, current.as_ref()).map_err(Error::Conflict)?;
        let written = match &before {
            Some(before) if new.is_unchanged_from(before) => {
                VersionWritten { version: before.version, last_updated: before.last_updated, effect: Effect::Unchanged }
            }
            _ => {
                let version = before.as_ref().map_or(0, |before| before.version) + 1;
                let rules = self.index.rules().digest(&new.resource_type);
                let item = VersionItem::new(new, version, at, rules, row);
                let pointer = self.item(kind::VERSION, |out| item.put(out));
                self.rows.version(&item, pointer, before.as_ref().zip(row.map(|row| row.pointer)));
                let effect = new.effect(before.is_some_and(|before| !before.deleted));
                VersionWritten { version, last_updated: at, effect }
            }
        };
        if let Some(id) = new.author.exchange {
            self.touch(touched, &id, at)?.resources.push(new.reference(written.version));
        }
        Ok(written)
    }

    /// Gives a version the postings of other rows, unless it is superseded by now.
    fn anew(&mut self, anew: &RowsAnew) -> Result<(), Error> {
        let Some(row) = self.get(&keys::current(&anew.resource_type, &anew.id))? else { return Ok(()) };
        let current: CurrentRow = self.decoded(row)?;
        if current.version != anew.version || current.deleted {
            return Ok(());
        }
        let own = self.read_version(current.pointer)?;
        let item = RowsItem::between(current, anew.rules, &own.index, &anew.rows);
        let pointer = self.item(kind::ROWS, |out| item.put(out));
        let was = self.posted(current.pointer, current.anew)?.index;
        let current = CurrentRow { anew: Some(pointer), ..current };
        self.rows.anew(&own, current, &was, &anew.rows);
        Ok(())
    }

    /// A version with the rows that it has postings for.
    fn posted(&self, pointer: Pointer, anew: Option<Pointer>) -> Result<VersionItem, Error> {
        let mut item = self.read_version(pointer)?;
        match anew {
            Some(anew) => item.index = self.read::<RowsItem>(anew, kind::ROWS)?.of(item.index),
            None if item.rules.is_none() => item.index.clear(),
            None => {}
        }
        Ok(item)
    }

    fn grant(&mut self, change: &GrantChange) -> Result<(), Error> {
        let grant = match change {
            GrantChange::Open(grant) => {
                if self.get(&keys::grant_id(&grant.id))?.is_some() {
                    return Err(Error::Conflict(Conflict::GrantExists));
                }
                grant.clone()
            }
            GrantChange::End { id, at } => {
                let unknown = Error::NotFound { what: "grant" };
                let Some(person) = self.get(&keys::grant_id(id))? else { return Err(unknown) };
                let person = <[u8; 8]>::decoded(person).map_err(|_| Error::unreadable_row())?;
                let Some(row) = self.get(&keys::grant(&person, id))? else { return Err(unknown) };
                let row: crate::disk::record::GrantRow = self.decoded(row)?;
                let mut grant: Grant = self.read(row.pointer, kind::GRANT)?;
                grant.ended.get_or_insert(*at);
                grant
            }
        };
        let pointer = self.item(kind::GRANT, |out| grant.put(out));
        self.rows.grant(&grant, pointer);
        Ok(())
    }

    fn item(&mut self, kind: u8, write: impl FnOnce(&mut Vec<u8>)) -> Pointer {
        let position = self.base + self.payload_bytes() as u64;
        put_item(&mut self.buffer, position, kind, write)
    }

    /// A row as the commits before this one leave it.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let row = match self.rows.get(key) {
            Some(row) => row.clone(),
            None => self.index.get(key)?,
        };
        Ok(row.map(|row| Bytes::copy_from_slice(&row)))
    }

    fn decoded<T: Codec>(&self, row: Bytes) -> Result<T, Error> {
        T::decoded(row).map_err(|_| Error::unreadable_row())
    }

    /// An item from this group or from the journal.
    fn read<T: Codec>(&self, pointer: Pointer, expected: u8) -> Result<T, Error> {
        let (kind, payload) = self.read_item(pointer)?;
        let value = (kind == expected).then(|| T::decoded(payload).ok());
        value.flatten().ok_or_else(Error::unreadable_row)
    }

    fn read_version(&self, pointer: Pointer) -> Result<VersionItem, Error> {
        let (kind, payload) = self.read_item(pointer)?;
        VersionItem::of_kind(kind, payload).and_then(Result::ok).ok_or_else(Error::unreadable_row)
    }

    fn read_item(&self, pointer: Pointer) -> Result<(u8, Bytes), Error> {
        if pointer.position < self.base {
            return self.journal.item(pointer);
        }
        let start = usize::try_from(pointer.position - self.base).unwrap_or(usize::MAX);
        let start = start.saturating_add(FRAME_HEADER as usize);
        let bytes = self.buffer.get(start..start.saturating_add(pointer.length as usize)).unwrap_or_default();
        let item = open_item(pointer.position, &Bytes::copy_from_slice(bytes));
        item.filter(|(_, payload)| payload.len() + ITEM_HEADER == bytes.len()).ok_or_else(Error::unreadable_row)
    }
}

impl NewVersion {
    fn is_unchanged_from(&self, before: &VersionItem) -> bool {
        self.skip_unchanged
            && self.deleted == before.deleted
            && self.author.source == before.author.source
            && self.body == before.body
            && self.index == before.index
            && self.patients == before.patients
    }
}

impl Journal {
    /// Reads an item that must be of kind `expected`.
    pub(crate) fn decoded<T: Codec>(&self, pointer: Pointer, expected: u8) -> Result<T, Error> {
        let payload = self.payload(pointer, expected)?;
        T::decoded(payload).map_err(|_| self.damaged(pointer.position, "item is not readable"))
    }

    /// Reads an item that must be a version, in whichever form it was written.
    pub(crate) fn version(&self, pointer: Pointer) -> Result<VersionItem, Error> {
        let (kind, payload) = self.item(pointer)?;
        let read = VersionItem::of_kind(kind, payload);
        let read = read.ok_or_else(|| self.damaged(pointer.position, "item is of another kind"))?;
        read.map_err(|_| self.damaged(pointer.position, "item is not readable"))
    }

    /// The payload of an item that must be of kind `expected`.
    pub(crate) fn payload(&self, pointer: Pointer, expected: u8) -> Result<Bytes, Error> {
        let (kind, payload) = self.item(pointer)?;
        if kind == expected { Ok(payload) } else { Err(self.damaged(pointer.position, "item is of another kind")) }
    }
}
