//! Reading: rows lead to journal items, and what an item says is always tested against the row of the current version.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use model::time::Instant;
use tokio::sync::watch;

use crate::codec::Codec;
use crate::disk::record::{CurrentRow, ExchangeItem, GrantRow, LedgerItem, Line, PatientRow, VersionItem, kind};
use crate::disk::{DiskStore, Shared};
use crate::error::Error;
use crate::exchange::{
    Exchange, ExchangeDetail, ExchangeId, ExchangePage, ExchangeQuery, ExchangeState, ExchangeSummary, Opening, Repeat,
    RepeatKey, ResourceRef,
};
use crate::grant::Grant;
use crate::index::{Direction, Flow, keys};
use crate::journal::Pointer;
use crate::ledger_queue::LedgerRecord;
use crate::resource::{KeyRow, Match, Order, PatientLink, RowKind, Search, Step, Stored, Term, Test};
use crate::traits::{Exchanges, Grants, LedgerQueue, Resources};

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

    /// Shows the versions that may match, in the search's order, to `visit`.
    fn candidates(&self, search: &Search, visit: &mut dyn FnMut(Pointer) -> Result<Flow, Error>) -> Result<(), Error> {
        let mut found: BTreeSet<Pointer> = BTreeSet::new();
        let keyed = search.terms.iter().find_map(|term| match term {
            Term::AnyOf(matches) if matches.iter().all(|wanted| wanted.kind == RowKind::Key) => Some(matches),
            _ => None,
        });
        if !search.ids.is_empty() && !search.types.is_empty() {
            for (resource_type, id) in search.types.iter().flat_map(|name| search.ids.iter().map(move |id| (name, id)))
            {
                found.extend(self.current_row(&keys::current(resource_type, id))?.map(|row| row.pointer));
            }
        } else if let (Some(matches), false) = (keyed, search.types.is_empty()) {
            for (resource_type, wanted) in search.types.iter().flat_map(|t| matches.iter().map(move |m| (t, m))) {
                self.with_term(resource_type, wanted, &mut found)?;
            }
        } else if !search.patients.is_empty() {
            let tags: Vec<[u8; 2]> = search.types.iter().map(|name| keys::type_tag(name)).collect();
            for patient in &search.patients {
                self.index.walk(&keys::patient(patient), None, Direction::Up, &mut |_, value| {
                    let entries = row::<PatientRow>(value)?.entries.into_iter();
                    found.extend(
                        entries.filter(|(tag, _)| tags.is_empty() || tags.contains(tag)).map(|(_, pointer)| pointer),
                    );
                    Ok(Flow::On)
                })?;
            }
        } else if let [resource_type] = search.types.as_slice() {
            return self.of_type(resource_type, search, visit);
        } else {
            let prefixes = search.types.iter().map(|name| keys::of_type(name)).collect::<Vec<_>>();
            for prefix in if prefixes.is_empty() { vec![b"t".to_vec()] } else { prefixes } {
                self.index.walk(&prefix, None, Direction::Up, &mut |_, value| {
                    found.extend(row::<Vec<Pointer>>(value)?);
                    Ok(Flow::On)
                })?;
            }
        }
        let mut each = |pointer: &Pointer| visit(*pointer);
        let pointers: &mut dyn Iterator<Item = &Pointer> = match search.order {
            Order::NewestFirst => &mut found.iter().rev(),
            Order::OldestFirst => &mut found.iter(),
        };
        for pointer in pointers {
            if each(pointer)? == Flow::Stop {
                break;
            }
        }
        Ok(())
    }

    /// All versions of one type in order, without holding their pointers.
    fn of_type(
        &self,
        resource_type: &str,
        search: &Search,
        visit: &mut dyn FnMut(Pointer) -> Result<Flow, Error>,
    ) -> Result<(), Error> {
        let direction = match search.order {
            Order::NewestFirst => Direction::Down,
            Order::OldestFirst => Direction::Up,
        };
        // The row that holds the place to go on from begins at or before it, so only the walk down can be cut.
        let after = search.after.filter(|_| direction == Direction::Down);
        let after = after.map(|cursor| keys::type_at(resource_type, cursor.0));
        self.index.walk(&keys::of_type(resource_type), after.as_deref(), direction, &mut |_, value| {
            let mut pointers: Vec<Pointer> = row(value)?;
            if direction == Direction::Down {
                pointers.reverse();
            }
            for pointer in pointers {
                if visit(pointer)? == Flow::Stop {
                    return Ok(Flow::Stop);
                }
            }
            Ok(Flow::On)
        })
    }

    /// Current versions that once had a key row passing the test.
    fn with_term(&self, resource_type: &str, wanted: &Match, found: &mut BTreeSet<Pointer>) -> Result<(), Error> {
        let prefix_of = |value: &[u8]| keys::term(resource_type, wanted.param, value);
        let (prefix, after, high) = match &wanted.test {
            Test::Equals(value) => (keys::term_is(resource_type, wanted.param, value), None, None),
            Test::Prefix(value) => (prefix_of(value), None, None),
            Test::Between(low, high) => {
                let high = high.as_ref().map(|high| keys::term_is(resource_type, wanted.param, high));
                (prefix_of(b""), low.as_ref().map(|low| prefix_of(low)), high)
            }
            Test::Span { prefix, .. } => (prefix_of(prefix), None, None),
            Test::Suffix(_) | Test::Contains(_) | Test::Present => (prefix_of(b""), None, None),
        };
        let mut resources: BTreeSet<[u8; 16]> = BTreeSet::new();
        self.index.walk(&prefix, after.as_deref(), Direction::Up, &mut |key, _| {
            let Some((value, resource)) = key.split_last_chunk::<16>() else { return Ok(Flow::On) };
            if high.as_deref().is_some_and(|high| value > high) {
                return Ok(Flow::Stop);
            }
            resources.insert(*resource);
            Ok(Flow::On)
        })?;
        for resource in resources {
            found.extend(self.current_row(&keys::current_of(&resource))?.map(|row| row.pointer));
        }
        Ok(())
    }
}

impl Resources for DiskStore {
    fn read(&self, resource_type: &str, id: &str) -> Result<Option<Stored>, Error> {
        let newest = self.shared().newest(resource_type, id)?;
        Ok(newest.map(|(item, pointer)| item.stored(pointer.position)))
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
        shared.candidates(search, &mut |pointer| {
            let due = search.after.is_none_or(|after| match search.order {
                Order::NewestFirst => pointer.position < after.0,
                Order::OldestFirst => pointer.position > after.0,
            });
            if !due {
                return Ok(Flow::On);
            }
            let item = shared.version(pointer)?;
            // Times rise with positions: beyond the range nothing in this order is inside it.
            let beyond = match search.order {
                Order::NewestFirst => search.updated_since.is_some_and(|since| item.last_updated < since),
                Order::OldestFirst => search.updated_until.is_some_and(|until| item.last_updated >= until),
            };
            if beyond {
                return Ok(Flow::Stop);
            }
            let current = shared.current_row(&keys::current(&item.resource_type, &item.id))?;
            if current.is_none_or(|current| current.pointer != pointer) {
                return Ok(Flow::On);
            }
            let stored = item.stored(pointer.position);
            if search.passes(&stored) && visitor(stored).is_break() {
                return Ok(Flow::Stop);
            }
            Ok(Flow::On)
        })
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
            index.walk_in(chunk, &all, after.as_deref(), Direction::Down, &mut |key, _| {
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
                let Some(row) = keys::key_row(resource_type, key) else { return Ok(Flow::On) };
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
        let current = shared.current_row(&keys::current_of(&row.resource))?.filter(|current| !current.deleted);
        current.map(|current| Ok(shared.version(current.pointer)?.stored(current.pointer.position))).transpose()
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

impl Exchanges for DiskStore {
    fn exchange(&self, id: &ExchangeId) -> Result<Option<Exchange>, Error> {
        let shared = self.shared();
        let Some(item) = shared.exchange_of(id)? else { return Ok(None) };
        let mut issues: Vec<String> = Vec::new();
        for pointer in &item.issues {
            issues.extend(shared.journal.decoded::<Vec<String>>(*pointer, kind::ISSUES)?);
        }
        let mut resources = Vec::new();
        for pointer in &item.resources {
            resources.extend(shared.journal.decoded::<Vec<ResourceRef>>(*pointer, kind::RESOURCES)?);
        }
        let answer = shared.blob(item.answer)?;
        let detail = shared.blob(item.detail)?.map(|detail| String::from_utf8_lossy(&detail).into_owned());
        Ok(Some(Exchange { issues, resources, answer, detail, ..item.exchange() }))
    }

    fn exchanges(&self, query: &ExchangeQuery) -> Result<ExchangePage, Error> {
        let shared = self.shared();
        let mut page = ExchangePage::default();
        if let Some(numbers) = self.narrowed(query)? {
            for number in numbers.into_iter().rev() {
                let Some(line) = shared.line(number)? else { continue };
                let line = line.summary(number);
                if query.passes(&line) {
                    page.add(query, line);
                }
            }
            return Ok(page);
        }
        let everything =
            query.source.is_none() && query.since.is_none() && query.until.is_none() && query.states.is_empty();
        let all = shared.exchanges.load(Ordering::Acquire);
        let after = query.before.filter(|_| everything).map(keys::line);
        shared.index.walk(keys::EXCHANGES, after.as_deref(), Direction::Down, &mut |key, value| {
            let line: Line = row(value)?;
            // An exchange is received before it is opened: once that is too early, so is all before it.
            if query.since.is_some_and(|since| line.opened < since) {
                return Ok(Flow::Stop);
            }
            let line = line.summary(keys::trailing_number(key));
            if query.passes(&line) {
                page.add(query, line);
            }
            let enough = everything && (query.limit == 0 || page.next.is_some());
            Ok(if enough { Flow::Stop } else { Flow::On })
        })?;
        if everything {
            page.total = all;
        }
        Ok(page)
    }

    fn raw(&self, id: &ExchangeId) -> Result<Option<Bytes>, Error> {
        match self.shared().exchange_of(id)? {
            Some(item) => Ok(Some(self.shared().blob(item.raw)?.unwrap_or_default())),
            None => Ok(None),
        }
    }

    fn repeats(&self, key: &RepeatKey) -> Result<Vec<Repeat>, Error> {
        let shared = self.shared();
        let mut repeats = Vec::new();
        shared.index.walk(&keys::repeat(key), None, Direction::Down, &mut |row_key, _| {
            let Some(line) = shared.line(keys::trailing_number(row_key))? else { return Ok(Flow::On) };
            let item = shared.exchange_item(&line)?;
            if item.repeat_key().as_ref() == Some(key) {
                repeats.push(Repeat {
                    exchange: item.id,
                    sha256: item.sha256,
                    received: item.received,
                    state: item.state,
                    answer: shared.blob(item.answer)?,
                });
            }
            Ok(if repeats.len() < Repeat::MOST { Flow::On } else { Flow::Stop })
        })?;
        Ok(repeats)
    }

    fn in_state(&self, state: ExchangeState, from: u64, limit: usize) -> Result<Vec<ExchangeSummary>, Error> {
        let shared = self.shared();
        let after = from.checked_sub(1).map(|before| keys::open_at(state, before));
        let mut found = Vec::new();
        shared.index.walk(&keys::open(state), after.as_deref(), Direction::Up, &mut |key, _| {
            if found.len() >= limit {
                return Ok(Flow::Stop);
            }
            let number = keys::trailing_number(key);
            let line = shared.line(number)?.filter(|line| line.state == state);
            found.extend(line.map(|line| line.summary(number)));
            Ok(Flow::On)
        })?;
        Ok(found)
    }

    fn details(&self, from: u64, limit: usize) -> Result<Vec<ExchangeDetail>, Error> {
        let shared = self.shared();
        let after = from.checked_sub(1).map(keys::line);
        let mut found = Vec::new();
        shared.index.walk(keys::EXCHANGES, after.as_deref(), Direction::Up, &mut |key, value| {
            if found.len() >= limit {
                return Ok(Flow::Stop);
            }
            let item = shared.exchange_item(&row(value)?)?;
            let detail = shared.blob(item.detail)?.map(|detail| String::from_utf8_lossy(&detail).into_owned());
            found.push(ExchangeDetail {
                id: item.id,
                number: keys::trailing_number(key),
                source: item.source,
                sending_application: item.sending_application,
                sending_facility: item.sending_facility,
                received: item.received,
                state: item.state,
                patient: item.patient,
                detail,
            });
            Ok(Flow::On)
        })?;
        Ok(found)
    }

    fn opening(&self, id: &ExchangeId) -> Result<Vec<Opening>, Error> {
        let Some(item) = self.shared().exchange_of(id)? else { return Ok(Vec::new()) };
        let open = |(index, pointer): &(u64, Pointer)| {
            let item: LedgerItem = self.shared().journal.decoded(*pointer, kind::LEDGER)?;
            Ok(Opening { index: *index, salts: item.salts })
        };
        item.ledger.iter().map(open).collect()
    }
}

impl DiskStore {
    /// Numbers of the exchanges that may match, where a row gives them; `None`: all have to be looked at.
    fn narrowed(&self, query: &ExchangeQuery) -> Result<Option<BTreeSet<u64>>, Error> {
        let index = &self.shared().index;
        let mut numbers = BTreeSet::new();
        if let Some(control_id) = &query.message_control_id {
            index.walk(&keys::control_id(control_id), None, Direction::Up, &mut |key, _| {
                numbers.insert(keys::trailing_number(key));
                Ok(Flow::On)
            })?;
        } else if let Some(patient) = &query.patient {
            index.walk(&keys::patient(patient), None, Direction::Up, &mut |_, value| {
                numbers.extend(row::<PatientRow>(value)?.exchanges);
                Ok(Flow::On)
            })?;
        } else if !query.states.is_empty() && query.states.iter().all(|state| state.is_open()) {
            for state in &query.states {
                index.walk(&keys::open(*state), None, Direction::Up, &mut |key, _| {
                    numbers.insert(keys::trailing_number(key));
                    Ok(Flow::On)
                })?;
            }
        } else {
            return Ok(None);
        }
        Ok(Some(numbers))
    }
}

impl LedgerQueue for DiskStore {
    fn ledger_size(&self) -> u64 {
        *self.shared().ledger.borrow()
    }

    fn ledger_records(&self, from: u64, limit: usize) -> Result<Vec<LedgerRecord>, Error> {
        let shared = self.shared();
        let after = from.checked_sub(1).map(keys::ledger);
        let mut records = Vec::new();
        let mut failed = None;
        shared.index.walk(keys::LEDGER, after.as_deref(), Direction::Up, &mut |key, value| {
            if records.len() >= limit {
                return Ok(Flow::Stop);
            }
            let pointer = row(value)?;
            let item: LedgerItem = shared.journal.decoded(pointer, kind::LEDGER)?;
            // A gap would shift every leaf behind it: better no record than a wrong one.
            if item.index != keys::trailing_number(key) || item.index != from + records.len() as u64 {
                failed = Some(shared.journal.damaged(pointer.position, "ledger record has another index"));
                return Ok(Flow::Stop);
            }
            records.push(LedgerRecord { index: item.index, exchange: item.exchange, bytes: item.bytes });
            Ok(Flow::On)
        })?;
        failed.map_or(Ok(records), Err)
    }

    fn ledger_watch(&self) -> watch::Receiver<u64> {
        self.shared().ledger.subscribe()
    }
}

impl Grants for DiskStore {
    fn grant(&self, id: &str) -> Result<Option<Grant>, Error> {
        let Some(person) = self.shared().index.get(&keys::grant_id(id))? else { return Ok(None) };
        let Some(value) = self.shared().index.get(&keys::grant(&row(&person)?, id))? else { return Ok(None) };
        let row: GrantRow = row(&value)?;
        self.shared().journal.decoded(row.pointer, kind::GRANT).map(Some)
    }

    fn open_grants(&self, now: Instant) -> Result<Vec<Grant>, Error> {
        self.grants_where(keys::GRANTS, &|row| row.ended.is_none() && now < row.expires)
    }

    fn grants_of(&self, person: &str, since: Instant) -> Result<Vec<Grant>, Error> {
        let own = self.grants_where(&keys::grants_of(&keys::hash(&[person])), &|row| row.declared >= since)?;
        Ok(own.into_iter().filter(|grant| grant.person == person).collect())
    }
}

impl DiskStore {
    fn grants_where(&self, prefix: &[u8], wanted: &dyn Fn(&GrantRow) -> bool) -> Result<Vec<Grant>, Error> {
        let mut grants = Vec::new();
        self.shared().index.walk(prefix, None, Direction::Up, &mut |_, value| {
            let row: GrantRow = row(value)?;
            if wanted(&row) {
                grants.push(self.shared().journal.decoded(row.pointer, kind::GRANT)?);
            }
            Ok(Flow::On)
        })?;
        Ok(Grant::oldest_first(grants))
    }
}
