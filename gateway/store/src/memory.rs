//! The store in memory: plain maps under one lock, written for itself so that it can judge the other backend in tests.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use model::time::{Clock, Instant};
use tokio::sync::watch;

use crate::commit::{Commit, Committed, RowsAnew};
use crate::config::Rules;
use crate::error::{Conflict, Error};
use crate::exchange::{
    Exchange, ExchangeDetail, ExchangeId, ExchangePage, ExchangeQuery, ExchangeState, ExchangeSummary, Opening, Repeat,
    RepeatKey,
};
use crate::grant::{Grant, GrantChange};
use crate::ledger_queue::{LedgerRecord, Salt};
use crate::outbox::{Claim, Delivery, DeliveryState};
use crate::reindex::{Reindex, Stale};
use crate::resource::{
    Current, Cursor, Effect, IndexRow, KeyRow, NewVersion, Order, PatientLink, RowKind, Search, Span, Step, Stored,
    VersionWritten,
};
use crate::revisions::{Revisions, Written};
use crate::traits::{Commits, Exchanges, Grants, LedgerQueue, Outbox, Resources};

/// A store that lives as long as the process. Clones share it.
#[derive(Clone)]
pub(crate) struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    ledger: watch::Sender<u64>,
    revisions: Revisions,
    rules: Rules,
}

#[derive(Default)]
struct State {
    /// Digest of the rules that each version was written by, by its cursor.
    digests: HashMap<u64, u32>,
    /// Rows that took the place of a version's own, by its cursor.
    anew: HashMap<u64, RowsAnew>,
    versions: BTreeMap<(String, String), Vec<Stored>>,
    exchanges: Vec<Kept>,
    by_id: HashMap<ExchangeId, usize>,
    ledger: Vec<(LedgerRecord, Vec<Salt>)>,
    grants: BTreeMap<String, Grant>,
    links: Vec<PatientLink>,
    claims: HashMap<String, HashSet<u64>>,
    written: u64,
    at: Option<Instant>,
}

#[derive(Clone)]
struct Kept {
    exchange: Exchange,
    raw: Bytes,
}

impl MemoryStore {
    /// An empty store.
    pub(crate) fn new(clock: Arc<dyn Clock>, rules: Rules) -> Self {
        let (state, ledger, revisions) = (Mutex::default(), watch::Sender::new(0), Revisions::default());
        Self { shared: Arc::new(Shared { clock, state, ledger, revisions, rules }) }
    }

    /// A panic under the lock cannot leave half a commit: everything is staged first.
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Commits for MemoryStore {
    async fn commit(&self, commit: Commit) -> Result<Committed, Error> {
        self.commit_blocking(commit)
    }

    fn commit_blocking(&self, commit: Commit) -> Result<Committed, Error> {
        let now = self.shared.clock.now();
        let mut written = Written::default();
        written.add(&commit);
        let mut state = self.state();
        let at = state.at.map_or(now, |last| last.max(now));
        let staged = Staged::of(&state, &commit, at)?;
        for stored in &staged.versions {
            state.digests.insert(stored.cursor.0, self.shared.rules.digest(&stored.resource_type));
        }
        let committed = staged.apply(&mut state, at);
        for anew in commit.anew {
            let newest = state.newest(&anew.resource_type, &anew.id);
            let current = newest.filter(|newest| newest.version == anew.version && !newest.deleted);
            if let Some(Cursor(cursor)) = current.map(|current| current.cursor) {
                state.anew.insert(cursor, anew);
            }
        }
        let size = state.ledger.len() as u64;
        drop(state);
        self.shared.revisions.raise(written);
        self.shared.ledger.send_if_modified(|seen| std::mem::replace(seen, size) != size);
        Ok(committed)
    }
}

/// A commit checked and worked out, nothing of it applied.
#[derive(Default)]
struct Staged {
    versions: Vec<Stored>,
    written: Vec<VersionWritten>,
    touched: BTreeMap<u64, Kept>,
    ledger: Vec<(LedgerRecord, Vec<Salt>)>,
    grants: BTreeMap<String, Grant>,
    links: Vec<PatientLink>,
    unlinks: Vec<PatientLink>,
    changed_deliveries: Vec<(String, u64)>,
}

impl Staged {
    fn of(state: &State, commit: &Commit, at: Instant) -> Result<Self, Error> {
        let mut staged = Self { links: commit.links.clone(), unlinks: commit.unlinks.clone(), ..Self::default() };
        for change in &commit.exchanges {
            if let Some(arrival) = &change.arrival {
                if staged.find(state, &change.id).is_some() {
                    return Err(Error::Conflict(Conflict::ExchangeExists));
                }
                let number = (state.exchanges.len() + staged.opened(state)) as u64;
                let exchange = Exchange::opened(change.id, number, arrival, at);
                staged.touched.insert(number, Kept { exchange, raw: arrival.raw.clone() });
            }
            let kept = staged.touch(state, &change.id, at)?;
            if change.expect.is_some_and(|expected| expected != kept.exchange.state) {
                return Err(Error::Conflict(Conflict::ExchangeState));
            }
        }
        for new in &commit.resources {
            staged.version(state, new, at)?;
        }
        for record in &commit.ledger {
            let index = (state.ledger.len() + staged.ledger.len()) as u64;
            staged.touch(state, &record.exchange, at)?.exchange.ledger.push(index);
            let kept = LedgerRecord { index, exchange: record.exchange, bytes: record.bytes.clone() };
            staged.ledger.push((kept, record.salts.clone()));
        }
        for change in &commit.deliveries {
            let exchange = &mut staged.touch(state, &change.exchange, at)?.exchange;
            let number = exchange.number;
            Delivery::apply(&mut exchange.deliveries, number, change, at);
            staged.changed_deliveries.push((change.destination.clone(), number));
        }
        for change in &commit.exchanges {
            staged.touch(state, &change.id, at)?.exchange.apply(change);
        }
        for change in &commit.grants {
            staged.grant(state, change)?;
        }
        Ok(staged)
    }

    fn opened(&self, state: &State) -> usize {
        self.touched.range(state.exchanges.len() as u64..).count()
    }

    fn find<'a>(&'a self, state: &'a State, id: &ExchangeId) -> Option<&'a Kept> {
        let staged = self.touched.values().find(|kept| kept.exchange.id == *id);
        staged.or_else(|| state.kept(id))
    }

    fn touch(&mut self, state: &State, id: &ExchangeId, at: Instant) -> Result<&mut Kept, Error> {
        let mut kept = self.find(state, id).ok_or(Error::NotFound { what: "exchange" })?.clone();
        kept.exchange.changed = at;
        let number = kept.exchange.number;
        Ok(self.touched.entry(number).insert_entry(kept).into_mut())
    }

    fn version(&mut self, state: &State, new: &NewVersion, at: Instant) -> Result<(), Error> {
        let staged = self.versions.iter().rev().find(|s| s.resource_type == new.resource_type && s.id == new.id);
        let current = staged.or_else(|| state.newest(&new.resource_type, &new.id)).cloned();
        let seen = current.as_ref().map(|current| Current {
            version: current.version,
            deleted: current.deleted,
            source: &current.author.source,
        });
        new.expect.check(&new.resource_type, &new.id, &new.author, seen.as_ref()).map_err(Error::Conflict)?;
        let unchanged = current.as_ref().filter(|current| new.is_unchanged(current));
        let written = match unchanged {
            Some(current) => VersionWritten {
                version: current.version,
                last_updated: current.last_updated,
                effect: Effect::Unchanged,
            },
            None => {
                let version = current.as_ref().map_or(0, |current| current.version) + 1;
                let effect = new.effect(current.as_ref().is_some_and(|current| !current.deleted));
                let cursor = Cursor(state.written + self.versions.len() as u64);
                self.versions.push(new.stored(version, at, cursor));
                VersionWritten { version, last_updated: at, effect }
            }
        };
        if let Some(id) = new.author.exchange {
            let resources = &mut self.touch(state, &id, at)?.exchange.resources;
            resources.push(new.reference(written.version));
        }
        self.written.push(written);
        Ok(())
    }

    fn grant(&mut self, state: &State, change: &GrantChange) -> Result<(), Error> {
        match change {
            GrantChange::Open(grant) => {
                if self.grants.contains_key(&grant.id) || state.grants.contains_key(&grant.id) {
                    return Err(Error::Conflict(Conflict::GrantExists));
                }
                self.grants.insert(grant.id.clone(), grant.clone());
            }
            GrantChange::End { id, at } => {
                let found = self.grants.get(id).or_else(|| state.grants.get(id));
                let mut grant = found.ok_or(Error::NotFound { what: "grant" })?.clone();
                grant.ended.get_or_insert(*at);
                self.grants.insert(id.clone(), grant);
            }
        }
        Ok(())
    }

    fn apply(self, state: &mut State, at: Instant) -> Committed {
        state.written += self.versions.len() as u64;
        for stored in self.versions {
            state.versions.entry((stored.resource_type.clone(), stored.id.clone())).or_default().push(stored);
        }
        for (number, kept) in self.touched {
            let place = usize::try_from(number).unwrap_or(usize::MAX);
            state.by_id.insert(kept.exchange.id, place);
            match state.exchanges.get_mut(place) {
                Some(old) => *old = kept,
                None => state.exchanges.push(kept),
            }
        }
        let ledger = self.ledger.iter().map(|(record, _)| record.index).collect();
        state.ledger.extend(self.ledger);
        state.grants.extend(self.grants);
        state.links.retain(|link| !self.unlinks.contains(link));
        state.links.extend(self.links);
        for (destination, number) in self.changed_deliveries {
            if let Some(claims) = state.claims.get_mut(&destination) {
                claims.remove(&number);
            }
        }
        state.at = Some(at);
        Committed { versions: self.written, ledger, at }
    }
}

impl State {
    /// A version with the rows that the rules of now make of it.
    fn shown(&self, stored: &Stored, rules: &Rules, whole: bool) -> Stored {
        let mut stored = stored.clone();
        let name = &stored.resource_type;
        if !stored.deleted && stored.lean && whole {
            stored.index = rules.anew(name, &stored.body, &stored.index);
            stored.lean = false;
        } else if !stored.deleted && !rules.hold(name, self.digests.get(&stored.cursor.0).copied()) {
            match self.anew.get(&stored.cursor.0) {
                Some(anew) if rules.hold(name, Some(anew.rules)) => stored.index = anew.rows.clone(),
                _ => {
                    stored.index = rules.anew(name, &stored.body, &stored.index);
                    stored.lean = false;
                }
            }
        }
        stored
    }

    /// The rows by which a version is found without being read.
    fn posted<'s>(&'s self, stored: &'s Stored) -> &'s [IndexRow] {
        self.anew.get(&stored.cursor.0).map_or(&stored.index, |anew| &anew.rows)
    }

    fn kept(&self, id: &ExchangeId) -> Option<&Kept> {
        self.by_id.get(id).and_then(|place| self.exchanges.get(*place))
    }

    fn newest(&self, resource_type: &str, id: &str) -> Option<&Stored> {
        self.all(resource_type, id).last()
    }

    fn all(&self, resource_type: &str, id: &str) -> &[Stored] {
        let key = (resource_type.to_owned(), id.to_owned());
        self.versions.get(&key).map_or(&[], Vec::as_slice)
    }

    fn deliveries(&self, destination: &str, state: DeliveryState) -> impl Iterator<Item = &Delivery> {
        self.exchanges
            .iter()
            .flat_map(|kept| &kept.exchange.deliveries)
            .filter(move |delivery| delivery.destination == destination && delivery.state == state)
    }
}

impl Resources for MemoryStore {
    fn read(&self, resource_type: &str, id: &str) -> Result<Option<Stored>, Error> {
        let state = self.state();
        Ok(state.newest(resource_type, id).map(|stored| state.shown(stored, &self.shared.rules, false)))
    }

    fn place(&self, resource_type: &str, id: &str) -> Result<Option<Cursor>, Error> {
        Ok(self.read(resource_type, id)?.map(|stored| stored.cursor))
    }

    fn vread(&self, resource_type: &str, id: &str, version: u64) -> Result<Option<Stored>, Error> {
        Ok(self.state().all(resource_type, id).iter().find(|stored| stored.version == version).cloned())
    }

    fn history(&self, resource_type: &str, id: &str, before: Option<u64>, limit: usize) -> Result<Vec<Stored>, Error> {
        let state = self.state();
        let newest_first = state.all(resource_type, id).iter().rev();
        Ok(newest_first
            .filter(|stored| before.is_none_or(|before| stored.version < before))
            .take(limit)
            .cloned()
            .collect())
    }

    fn visit(&self, search: &Search, visitor: &mut dyn FnMut(Stored) -> ControlFlow<()>) -> Result<(), Error> {
        // Collected first: the visitor may call the store again.
        let mut matches: Vec<Stored> = {
            let state = self.state();
            let newest = state.versions.values().filter_map(|versions| versions.last());
            let shown = newest.map(|stored| state.shown(stored, &self.shared.rules, search.asks_details()));
            shown.filter(|stored| search.passes(stored)).collect()
        };
        matches.sort_by_key(|stored| stored.cursor);
        if search.order == Order::NewestFirst {
            matches.reverse();
        }
        for stored in matches {
            let passed = match (search.after, search.order) {
                (None, _) => true,
                (Some(after), Order::NewestFirst) => stored.cursor < after,
                (Some(after), Order::OldestFirst) => stored.cursor > after,
            };
            if passed && visitor(stored).is_break() {
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
        let mut versions: Vec<Stored> = {
            let state = self.state();
            let all = state.versions.values().flatten();
            all.filter(|stored| {
                (types.is_empty() || types.contains(&stored.resource_type.as_str()))
                    && span.since.is_none_or(|since| stored.last_updated >= since)
                    && span.until.is_none_or(|until| stored.last_updated < until)
                    && span.after.is_none_or(|after| stored.cursor < after)
            })
            .cloned()
            .collect()
        };
        versions.sort_by_key(|stored| std::cmp::Reverse(stored.cursor));
        for stored in versions {
            if visitor(stored).is_break() {
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
        let mut rows: Vec<KeyRow> = Vec::new();
        let state = self.state();
        for stored in state.versions.values().filter_map(|versions| versions.last()) {
            let own = state.posted(stored).iter().filter(|row| {
                let live = stored.resource_type == resource_type && !stored.deleted;
                live && row.kind == RowKind::Key && row.param == param && row.value.starts_with(prefix)
            });
            let position = stored.cursor.0;
            rows.extend(own.map(|row| KeyRow { value: row.value.clone(), position, length: 0 }));
        }
        drop(state);
        rows.sort();
        let mut behind: Option<Vec<u8>> = None;
        for row in rows.into_iter().rev() {
            if behind.as_ref().is_some_and(|behind| row.value.starts_with(behind)) {
                continue;
            }
            match visitor(row) {
                Step::Next => {}
                Step::Behind(value) => behind = Some(value),
                Step::Stop => break,
            }
        }
        Ok(())
    }

    fn follow(&self, row: &KeyRow) -> Result<Option<Stored>, Error> {
        let state = self.state();
        let mut newest = state.versions.values().filter_map(|versions| versions.last());
        let found = newest.find(|stored| stored.cursor.0 == row.position && !stored.deleted);
        Ok(found.map(|stored| state.shown(stored, &self.shared.rules, false)))
    }

    fn links(&self, patient: &str) -> Result<Vec<PatientLink>, Error> {
        let mut links: Vec<PatientLink> = Vec::new();
        for link in &self.state().links {
            if (link.replaced == patient || link.replaced_by == patient) && !links.contains(link) {
                links.push(link.clone());
            }
        }
        links.sort();
        Ok(links)
    }

    fn revision(&self, resource_type: &str) -> u64 {
        self.shared.revisions.of(resource_type)
    }

    fn link_revision(&self) -> u64 {
        self.shared.revisions.of_links()
    }
}

impl Reindex for MemoryStore {
    fn types(&self) -> Result<Vec<String>, Error> {
        let mut types: Vec<String> = self.state().versions.keys().map(|(name, _)| name.clone()).collect();
        types.dedup();
        Ok(types)
    }

    fn rules(&self) -> &Rules {
        &self.shared.rules
    }

    fn stale(&self, resource_type: &str, after: Option<Cursor>) -> Result<Option<Stale>, Error> {
        let state = self.state();
        let rules = &self.shared.rules;
        let mut live: Vec<&Stored> = state.versions.values().filter_map(|versions| versions.last()).collect();
        live.retain(|stored| {
            !stored.deleted && stored.resource_type == resource_type && after.is_none_or(|after| stored.cursor > after)
        });
        live.sort_by_key(|stored| stored.cursor);
        let Some(last) = live.last() else { return Ok(None) };
        let mut part = Stale::to(last.cursor);
        for stored in live {
            part.looked_at += 1;
            let digest = match state.anew.get(&stored.cursor.0) {
                Some(anew) => Some(anew.rules),
                None => state.digests.get(&stored.cursor.0).copied(),
            };
            if !rules.hold(resource_type, digest) {
                part.anew.push(RowsAnew::of(stored, rules));
            }
        }
        Ok(Some(part))
    }
}

impl Exchanges for MemoryStore {
    fn exchange(&self, id: &ExchangeId) -> Result<Option<Exchange>, Error> {
        Ok(self.state().kept(id).map(|kept| kept.exchange.clone()))
    }

    fn exchanges(&self, query: &ExchangeQuery) -> Result<ExchangePage, Error> {
        let state = self.state();
        let mut page = ExchangePage::default();
        for line in state.exchanges.iter().rev().map(|kept| kept.exchange.summary()).filter(|line| query.passes(line)) {
            page.add(query, line);
        }
        Ok(page)
    }

    fn raw(&self, id: &ExchangeId) -> Result<Option<Bytes>, Error> {
        Ok(self.state().kept(id).map(|kept| kept.raw.clone()))
    }

    fn repeats(&self, key: &RepeatKey) -> Result<Vec<Repeat>, Error> {
        let state = self.state();
        let newest_first = state.exchanges.iter().rev().map(|kept| &kept.exchange);
        let same_key = newest_first.filter(|exchange| exchange.repeat_key().as_ref() == Some(key));
        Ok(same_key.take(Repeat::MOST).map(Repeat::of).collect())
    }

    fn in_state(&self, wanted: ExchangeState, from: u64, limit: usize) -> Result<Vec<ExchangeSummary>, Error> {
        let state = self.state();
        let oldest_first = state.exchanges.iter().map(|kept| &kept.exchange);
        let found =
            oldest_first.filter(|exchange| wanted.is_open() && exchange.state == wanted && exchange.number >= from);
        Ok(found.take(limit).map(Exchange::summary).collect())
    }

    fn details(&self, from: u64, limit: usize) -> Result<Vec<ExchangeDetail>, Error> {
        let state = self.state();
        let later = state.exchanges.iter().skip(usize::try_from(from).unwrap_or(usize::MAX));
        let detail = |kept: &Kept| ExchangeDetail {
            id: kept.exchange.id,
            number: kept.exchange.number,
            source: kept.exchange.source.clone(),
            sending_application: kept.exchange.sending_application.clone(),
            sending_facility: kept.exchange.sending_facility.clone(),
            received: kept.exchange.received,
            state: kept.exchange.state,
            patient: kept.exchange.patient.clone(),
            detail: kept.exchange.detail.clone(),
        };
        Ok(later.take(limit).map(detail).collect())
    }

    fn opening(&self, id: &ExchangeId) -> Result<Vec<Opening>, Error> {
        let state = self.state();
        let own = state.ledger.iter().filter(|(record, _)| record.exchange == *id);
        Ok(own.map(|(record, salts)| Opening { index: record.index, salts: salts.clone() }).collect())
    }
}

impl Outbox for MemoryStore {
    fn claim(&self, destination: &str, now: Instant, limit: usize) -> Result<Claim, Error> {
        let mut state = self.state();
        let mut claim = Claim::default();
        if state.claims.get(destination).is_some_and(|claims| !claims.is_empty()) {
            return Ok(claim);
        }
        for delivery in state.deliveries(destination, DeliveryState::Pending) {
            match delivery.due.filter(|due| *due > now) {
                Some(due) if claim.deliveries.is_empty() => claim.next_due = Some(due),
                None if claim.deliveries.len() < limit => {
                    claim.deliveries.push(delivery.clone());
                    continue;
                }
                _ => {}
            }
            break;
        }
        let numbers = claim.deliveries.iter().map(|delivery| delivery.number).collect();
        state.claims.insert(destination.to_owned(), numbers);
        Ok(claim)
    }

    fn release(&self, destination: &str) {
        self.state().claims.remove(destination);
    }

    fn pending(&self, destination: &str) -> Result<u64, Error> {
        Ok(self.state().deliveries(destination, DeliveryState::Pending).count() as u64)
    }

    fn dead(&self, destination: &str, from: u64, limit: usize) -> Result<Vec<Delivery>, Error> {
        let state = self.state();
        let dead = state.deliveries(destination, DeliveryState::Dead).filter(|delivery| delivery.number >= from);
        Ok(dead.take(limit).cloned().collect())
    }
}

impl LedgerQueue for MemoryStore {
    fn ledger_size(&self) -> u64 {
        self.state().ledger.len() as u64
    }

    fn ledger_records(&self, from: u64, limit: usize) -> Result<Vec<LedgerRecord>, Error> {
        let state = self.state();
        let records = state.ledger.iter().map(|(record, _)| record);
        Ok(records.skip(usize::try_from(from).unwrap_or(usize::MAX)).take(limit).cloned().collect())
    }

    fn ledger_watch(&self) -> watch::Receiver<u64> {
        self.shared.ledger.subscribe()
    }
}

impl Grants for MemoryStore {
    fn grant(&self, id: &str) -> Result<Option<Grant>, Error> {
        Ok(self.state().grants.get(id).cloned())
    }

    fn open_grants(&self, now: Instant) -> Result<Vec<Grant>, Error> {
        let open = self.state().grants.values().filter(|grant| grant.is_open(now)).cloned().collect();
        Ok(Grant::oldest_first(open))
    }

    fn grants_of(&self, person: &str, since: Instant) -> Result<Vec<Grant>, Error> {
        let state = self.state();
        let own = state.grants.values().filter(|grant| grant.person == person && grant.declared >= since);
        Ok(Grant::oldest_first(own.cloned().collect()))
    }
}
