//! From items to index rows. The writer and the replay after a crash both go through here, so that the index always says
//! what the journal says.

use std::collections::BTreeMap;

use sled::IVec;

use crate::codec::Codec;
use crate::disk::record::{
    CurrentRow, ExchangeItem, GrantRow, LedgerItem, Line, LineDelivery, PatientRow, VersionItem,
};
use crate::exchange::ExchangeState;
use crate::grant::Grant;
use crate::index::{Rows, keys};
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
    types: BTreeMap<String, Vec<Pointer>>,
    /// Of the commit in hand.
    commit_patients: Vec<(String, PatientEntry)>,
    commit_types: Vec<(String, Pointer)>,
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

enum PatientEntry {
    Exchange(u64),
    Version([u8; 2], Pointer),
}

impl GroupRows {
    /// A row as this group leaves it; the outer `None`: not touched by the group.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Option<IVec>> {
        self.rows.get(key)
    }

    pub(crate) fn version(&mut self, item: &VersionItem, pointer: Pointer, previous: Option<&[IndexRow]>) {
        let resource: [u8; 16] = keys::hash(&[&item.resource_type, &item.id]);
        let row = CurrentRow { version: item.version, deleted: item.deleted, pointer };
        self.put(keys::current_of(&resource), Some(row.encoded()));
        for row in item.index.iter().filter(|row| row.kind == RowKind::Key) {
            // Rows of superseded versions stay: what they lead to is tested against the version itself.
            if !previous.is_some_and(|previous| previous.contains(row)) {
                self.put(keys::term_of(&item.resource_type, row.param, &row.value, &resource), Some(Vec::new()));
            }
        }
        self.commit_types.push((item.resource_type.clone(), pointer));
        let tag = keys::type_tag(&item.resource_type);
        for patient in &item.patients {
            self.commit_patients.push((patient.clone(), PatientEntry::Version(tag, pointer)));
        }
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
            self.commit_patients.push((patient.clone(), PatientEntry::Exchange(number)));
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
            let row = self.patients.entry(patient).or_default();
            match entry {
                PatientEntry::Exchange(number) => row.exchanges.push(number),
                PatientEntry::Version(tag, pointer) => row.entries.push((tag, pointer)),
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

    /// All rows of the group, whose frame stands at `position`.
    pub(crate) fn finish(mut self, position: u64) -> Rows {
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
                let first = entries.first().map_or(position + place, |(_, pointer)| pointer.position);
                let part = PatientRow { exchanges, entries };
                self.rows.insert(keys::patient_at(&patient, first).into(), Some(part.encoded().into()));
            }
        }
        self.rows
    }

    fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let key = IVec::from(key);
        let before = self.rows.insert(key.clone(), value.map(IVec::from));
        self.undo.push((key, before));
    }
}
