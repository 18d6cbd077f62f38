//! Exchanges: one by its id, pages of them, and what one opens of the ledger.

use super::row;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::disk::DiskStore;
use crate::disk::record::{LedgerItem, Line, PatientRow, kind};
use crate::error::Error;
use crate::exchange::{
    Exchange, ExchangeDetail, ExchangeId, ExchangePage, ExchangeQuery, ExchangeState, ExchangeSummary, Opening, Repeat,
    RepeatKey, ResourceRef,
};
use crate::index::{Direction, Flow, keys};
use crate::journal::Pointer;
use crate::traits::Exchanges;

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
