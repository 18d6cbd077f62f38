//! From items to index rows. The writer and the replay after a crash both go through here, so that the index always says
//! what the journal says.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use model::time::Instant;
use sled::IVec;

use crate::codec::Codec;
use crate::disk::record::{
    CurrentRow, ExchangeItem, GrantRow, LedgerItem, Line, LineDelivery, PatientEntry, PatientRow, VersionItem,
};
use crate::disk::sketch;
use crate::error::Error;
use crate::exchange::ExchangeState;
use crate::grant::Grant;
use crate::index::{Direction, Flow, Index, Rows, keys};
use crate::journal::Pointer;
use crate::outbox::DeliveryState;
use crate::resource::{IndexRow, PatientLink, RowKind};

/// Entries in one row of a patient or a type: keeps values far below sled's segment size.
const ENTRIES: usize = 256;

/// Rows of one group of commits while it is put together.
#[derive(Default)]
pub(crate) struct GroupRows {
    rows: Rows,
    /// What rows were before the commit in hand, newest last: taken back if the commit is refused.
    undo: Vec<(IVec, Option<Option<IVec>>)>,
    patients: BTreeMap<String, PatientRow>,
    /// Entries of earlier rows that go, or get another sketch.
    amended: Vec<(String, Pointer, Option<Bytes>)>,
    minutes: Vec<u64>,
    types: BTreeMap<String, Vec<Pointer>>,
    /// Of the commit in hand.
    commit_patients: Vec<(String, Noted)>,
    commit_types: Vec<(String, Pointer)>,
}

/// The minute of a time: by it walks find the place of a time.
pub(crate) fn minute_of(at: Instant) -> u64 {
    u64::try_from(at.millis() / 60_000).unwrap_or(0)
}

/// What the index holds of an exchange before a change.
pub(crate) enum Before {
    /// Nothing: the change opens it.
    Nothing,
    /// This line.
    Was(Line),
    /// Anything, even what comes after the change: a replay writes every row of the exchange, so that the last change
    /// leaves what it would have left the first time.
    Unknown,
}

impl Before {
    fn had(&self, holds: impl FnOnce(&Line) -> bool) -> Option<bool> {
        match self {
            Before::Nothing => Some(false),
            Before::Was(line) => Some(holds(line)),
            Before::Unknown => None,
        }
    }
}

fn each_once(patients: &[String]) -> impl Iterator<Item = &String> {
    let first = |(place, patient): &(usize, &String)| !patients.iter().take(*place).any(|before| before == *patient);
    patients.iter().enumerate().filter(first).map(|(_, patient)| patient)
}

enum Noted {
    /// The version that stood there is current no longer.
    Superseded(Pointer),
    /// The version that stands there has other rows now.
    Anew(Pointer, Bytes),
    Exchange(u64),
    Version(PatientEntry),
}

impl GroupRows {
    /// A row as this group leaves it; the outer `None`: not touched by the group.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Option<IVec>> {
        self.rows.get(key)
    }

    /// A new version, in the place of `previous`, the one that was current: its pointer and the rows that have postings.
    pub(crate) fn version(&mut self, item: &VersionItem, pointer: Pointer, previous: Option<(&VersionItem, Pointer)>) {
        let row = CurrentRow { version: item.version, deleted: item.deleted, pointer, anew: None };
        self.put(keys::current(&item.resource_type, &item.id), Some(row.encoded()));
        let tag = keys::type_tag(&item.resource_type);
        if let Some((previous, old)) = previous.filter(|(previous, _)| !previous.deleted) {
            for row in previous.index.iter().filter(|row| row.kind == RowKind::Key) {
                self.put(keys::posting(&item.resource_type, row.param, &row.value, old.position), None);
            }
            self.put(keys::posting(&item.resource_type, keys::LIVE, b"", old.position), None);
            for patient in each_once(&previous.patients) {
                self.commit_patients.push((patient.clone(), Noted::Superseded(old)));
            }
        }
        self.commit_types.push((item.resource_type.clone(), pointer));
        // Until it is given rows of now, a version of an earlier release is on the list of those to do.
        let older = keys::older(&item.resource_type, &item.id);
        match previous {
            _ if item.rules.is_none() && !item.deleted => self.put(older, Some(row.encoded())),
            Some((previous, _)) if previous.rules.is_none() => self.put(older, None),
            _ => {}
        }
        if item.deleted {
            return;
        }
        if item.rules.is_some() {
            self.postings(item, pointer, &item.index);
        }
        self.put(keys::posting(&item.resource_type, keys::LIVE, b"", pointer.position), Some(pointer.length.encoded()));
        // Without postings of its own there is nothing to tell: an empty sketch lets everything through.
        let sketch = if item.rules.is_some() { Bytes::from(sketch::of(&item.index)) } else { Bytes::new() };
        for patient in each_once(&item.patients) {
            let entry = PatientEntry { tag, pointer, sketch: sketch.clone() };
            self.commit_patients.push((patient.clone(), Noted::Version(entry)));
        }
    }

    fn postings(&mut self, item: &VersionItem, pointer: Pointer, rows: &[IndexRow]) {
        let sketch = sketch::of(rows);
        for row in rows.iter().filter(|row| row.kind == RowKind::Key) {
            let mut value = pointer.length.encoded();
            if item.patients.iter().any(|patient| row.value.ends_with(patient.as_bytes())) {
                value.extend_from_slice(&sketch);
            }
            self.put(keys::posting(&item.resource_type, row.param, &row.value, pointer.position), Some(value));
            if keys::is_absolute(&row.value) {
                // It stays when the posting goes: a list that is opened in vain costs no match.
                self.put(keys::absolute(&item.resource_type, row.param, &row.value), Some(Vec::new()));
            }
        }
    }

    /// The rows of a live version, made anew: `was` are those that had postings.
    pub(crate) fn anew(&mut self, item: &VersionItem, current: CurrentRow, was: &[IndexRow], rows: &[IndexRow]) {
        for row in was.iter().filter(|row| row.kind == RowKind::Key) {
            self.put(keys::posting(&item.resource_type, row.param, &row.value, current.pointer.position), None);
        }
        self.postings(item, current.pointer, rows);
        let sketch = Bytes::from(sketch::of(rows));
        for patient in each_once(&item.patients) {
            self.commit_patients.push((patient.clone(), Noted::Anew(current.pointer, sketch.clone())));
        }
        if item.rules.is_none() {
            self.put(keys::older(&item.resource_type, &item.id), None);
        }
        self.put(keys::current(&item.resource_type, &item.id), Some(current.encoded()));
    }

    /// The time of the group's commits.
    pub(crate) fn at(&mut self, at: Instant) {
        self.minutes.push(minute_of(at));
    }

    pub(crate) fn exchange(&mut self, item: &ExchangeItem, pointer: Pointer, before: &Before) {
        let number = item.number;
        let line = item.line(pointer);
        if !matches!(before, Before::Was(_)) {
            self.put(keys::exchange(&item.id), Some(number.to_be_bytes().to_vec()));
            if let Some(key) = item.repeat_key() {
                self.put(keys::repeat_at(&key, number), Some(Vec::new()));
            }
        }
        if let Some(patient) = &item.patient
            && !matches!(before, Before::Was(old) if old.patient.as_ref() == Some(patient))
        {
            self.commit_patients.push((patient.clone(), Noted::Exchange(number)));
        }
        for state in ExchangeState::ALL.into_iter().filter(|state| state.is_open()) {
            self.flag(
                keys::open_at(state, number),
                item.state == state,
                before.had(|old| old.state == state),
                Vec::new,
            );
        }
        for delivery in &line.deliveries {
            let LineDelivery { destination, state, due } = delivery;
            let (pending, dead) = (keys::pending_at(destination, number), keys::dead_at(destination, number));
            let had = |wanted: &dyn Fn(&LineDelivery) -> bool| {
                before.had(|old| old.deliveries.iter().any(|old| old.destination == *destination && wanted(old)))
            };
            let (was_pending, same_due) =
                (had(&|old| old.state == DeliveryState::Pending), had(&|old| old.due == *due));
            // A new due time is a new value.
            let was_pending = if same_due == Some(true) {
                was_pending
            } else {
                was_pending.filter(|was| !was || *state != DeliveryState::Pending)
            };
            self.flag(pending, *state == DeliveryState::Pending, was_pending, || due.encoded());
            self.flag(dead, *state == DeliveryState::Dead, had(&|old| old.state == DeliveryState::Dead), Vec::new);
        }
        self.put(keys::line(number), Some(line.encoded()));
    }

    /// Puts or deletes a row that says by its being there that something holds; `did` is `None` where it is not known
    /// whether it did before.
    fn flag(&mut self, key: Vec<u8>, holds: bool, did: Option<bool>, value: impl FnOnce() -> Vec<u8>) {
        if did != Some(holds) {
            self.put(key, holds.then(value));
        }
    }

    pub(crate) fn ledger(&mut self, item: &LedgerItem, pointer: Pointer) {
        self.put(keys::ledger(item.index), Some(pointer.encoded()));
    }

    pub(crate) fn grant(&mut self, grant: &Grant, pointer: Pointer) {
        let person = keys::hash(&[&grant.person]);
        let row = GrantRow { declared: grant.declared, expires: grant.expires, ended: grant.ended, pointer };
        self.put(keys::grant(&person, &grant.id), Some(row.encoded()));
        self.put(keys::grant_id(&grant.id), Some(person.to_vec()));
    }

    pub(crate) fn link(&mut self, link: &PatientLink, pointer: Pointer) {
        self.put(keys::link(&link.replaced, &link.replaced_by, 0), Some(pointer.encoded()));
        self.put(keys::link(&link.replaced_by, &link.replaced, 1), Some(pointer.encoded()));
    }

    pub(crate) fn unlink(&mut self, link: &PatientLink) {
        self.put(keys::link(&link.replaced, &link.replaced_by, 0), None);
        self.put(keys::link(&link.replaced_by, &link.replaced, 1), None);
    }

    /// Keeps what the commit in hand did.
    pub(crate) fn accept(&mut self) {
        self.undo.clear();
        for (patient, entry) in self.commit_patients.drain(..) {
            match entry {
                Noted::Exchange(number) => self.patients.entry(patient).or_default().exchanges.push(number),
                Noted::Version(entry) => self.patients.entry(patient).or_default().entries.push(entry),
                Noted::Superseded(old) => self.amended.push((patient, old, None)),
                Noted::Anew(pointer, sketch) => self.amended.push((patient, pointer, Some(sketch))),
            }
        }
        for (resource_type, pointer) in self.commit_types.drain(..) {
            self.types.entry(resource_type).or_default().push(pointer);
        }
    }

    /// Takes back what the commit in hand did.
    pub(crate) fn refuse(&mut self) {
        for (key, before) in self.undo.drain(..).rev() {
            match before {
                Some(before) => self.rows.insert(key, before),
                None => self.rows.remove(&key),
            };
        }
        self.commit_patients.clear();
        self.commit_types.clear();
    }

    /// All rows of the group, whose frame stands at `position`, over those of the index.
    pub(crate) fn finish(mut self, position: u64, index: &Index) -> Result<Rows, Error> {
        for (resource_type, pointers) in std::mem::take(&mut self.types) {
            for chunk in pointers.chunks(ENTRIES) {
                let first = chunk.first().map_or(position, |pointer| pointer.position);
                self.rows.insert(keys::type_at(&resource_type, first).into(), Some(chunk.to_vec().encoded().into()));
            }
        }
        for (patient, row) in std::mem::take(&mut self.patients) {
            // Where there is no version, the frame's own position makes the key: no item stands there.
            let entries = row.entries.chunks(ENTRIES).map(<[_]>::to_vec).chain(std::iter::repeat(Vec::new()));
            let exchanges = row.exchanges.chunks(ENTRIES).map(<[_]>::to_vec).chain(std::iter::repeat(Vec::new()));
            for (place, (entries, exchanges)) in (0_u64..).zip(entries.zip(exchanges)) {
                if entries.is_empty() && exchanges.is_empty() {
                    break;
                }
                let first = entries.first().map_or(position + place, |entry| entry.pointer.position);
                let part = PatientRow { exchanges, entries };
                self.rows.insert(keys::patient_at(&patient, first).into(), Some(part.encoded().into()));
            }
        }
        self.minutes.dedup();
        for minute in std::mem::take(&mut self.minutes) {
            let key = keys::minute(minute);
            // The first commit of a minute stays it, also when a later one is replayed.
            if index.get(&key)?.is_none() {
                self.rows.entry(key.into()).or_insert_with(|| Some(position.encoded().into()));
            }
        }
        for (patient, version, sketch) in std::mem::take(&mut self.amended) {
            self.amend(&patient, version, sketch, index)?;
        }
        Ok(self.rows)
    }

    /// Takes a version out of its patient's row, or gives it another sketch there: the last row that begins at or before it.
    fn amend(&mut self, patient: &str, version: Pointer, sketch: Option<Bytes>, index: &Index) -> Result<(), Error> {
        let prefix = keys::patient(patient);
        let behind = keys::patient_at(patient, version.position + 1);
        let own = self.rows.range::<[u8], _>((Bound::Included(&prefix[..]), Bound::Excluded(&behind[..]))).next_back();
        let mut found = own.and_then(|(key, value)| Some((key.clone(), value.clone()?)));
        index.walk_in(1, &prefix, Some(&behind), Direction::Down, &mut |key, value| {
            if found.as_ref().is_none_or(|(own, _)| key > own.as_ref()) && !self.rows.contains_key(key) {
                found = Some((key.into(), value.into()));
            }
            Ok(Flow::Stop)
        })?;
        let Some((key, value)) = found else { return Ok(()) };
        let mut row = PatientRow::decoded(Bytes::copy_from_slice(&value)).map_err(|_| Error::unreadable_row())?;
        match sketch {
            None => row.entries.retain(|entry| entry.pointer != version),
            Some(sketch) => {
                let own = row.entries.iter_mut().filter(|entry| entry.pointer == version);
                own.for_each(|entry| entry.sketch = sketch.clone());
            }
        }
        let empty = row.entries.is_empty() && row.exchanges.is_empty();
        self.rows.insert(key, (!empty).then(|| row.encoded().into()));
        Ok(())
    }

    fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let key = IVec::from(key);
        let before = self.rows.insert(key.clone(), value.map(IVec::from));
        self.undo.push((key, before));
    }
}
