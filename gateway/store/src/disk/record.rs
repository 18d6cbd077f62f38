//! What stands in the journal's items and in the index's values.

use bytes::Bytes;
use model::time::Instant;

use crate::codec::{Codec, Malformed, Reader, codec, codec_enum};
use crate::exchange::{
    Exchange, ExchangeId, ExchangeKind, ExchangeState, ExchangeSummary, RepeatKey, ResourceRef, Stage,
};
use crate::grant::Grant;
use crate::journal::Pointer;
use crate::ledger_queue::Salt;
use crate::outbox::{Delivery, DeliveryState};
use crate::resource::{Author, Cursor, IndexRow, Method, NewVersion, PatientLink, RowKind, Stored};

/// Item kinds; the numbers stand on disk and never change their meaning.
pub(crate) mod kind {
    /// Begins a commit: [`super::CommitItem`].
    pub(crate) const COMMIT: u8 = 1;
    /// [`super::VersionItem`] as releases before the search over every parameter wrote it.
    pub(crate) const VERSION_1: u8 = 2;
    /// [`super::ExchangeItem`]: the state of an exchange after the commit.
    pub(crate) const EXCHANGE: u8 = 3;
    /// Bytes that an exchange points to: the raw message, its answer, its detail.
    pub(crate) const BLOB: u8 = 4;
    /// A list of issues.
    pub(crate) const ISSUES: u8 = 5;
    /// A list of [`crate::ResourceRef`].
    pub(crate) const RESOURCES: u8 = 6;
    /// [`super::LedgerItem`].
    pub(crate) const LEDGER: u8 = 7;
    /// [`crate::Grant`] as it is after the commit.
    pub(crate) const GRANT: u8 = 8;
    /// [`crate::PatientLink`].
    pub(crate) const LINK: u8 = 9;
    /// [`crate::PatientLink`] that holds no longer.
    pub(crate) const UNLINK: u8 = 10;
    /// [`super::VersionItem`].
    pub(crate) const VERSION: u8 = 11;
    /// [`super::RowsItem`].
    pub(crate) const ROWS: u8 = 12;
}

pub(crate) struct CommitItem {
    pub(crate) at: Instant,
}
codec!(CommitItem { at });

#[derive(Debug, Clone)]
pub(crate) struct VersionItem {
    pub(crate) resource_type: String,
    pub(crate) id: String,
    pub(crate) version: u64,
    pub(crate) last_updated: Instant,
    pub(crate) deleted: bool,
    pub(crate) author: Author,
    pub(crate) patients: Vec<String>,
    /// Digest of the rules that made `index`; `None`: they are older than digests, and the version has no postings but
    /// those of a [`RowsItem`].
    pub(crate) rules: Option<u32>,
    pub(crate) index: Vec<IndexRow>,
    pub(crate) previous: Option<Pointer>,
    /// The [`RowsItem`] that the previous version had last: tells its postings without asking the index.
    pub(crate) previous_anew: Option<Pointer>,
    pub(crate) method: Method,
    /// Whether `index` holds the rows with postings alone.
    pub(crate) lean: bool,
    pub(crate) body: Bytes,
}
codec!(VersionItem {
    resource_type,
    id,
    version,
    last_updated,
    deleted,
    author,
    patients,
    rules,
    index,
    previous,
    previous_anew,
    method,
    lean,
    body
});

/// A version as earlier releases wrote it: its parameters were numbers below 256 of their own, and no digest stood by them.
struct VersionItem1 {
    resource_type: String,
    id: String,
    version: u64,
    last_updated: Instant,
    deleted: bool,
    author: Author,
    patients: Vec<String>,
    index: Vec<IndexRow1>,
    previous: Option<Pointer>,
    body: Bytes,
}
codec!(VersionItem1 { resource_type, id, version, last_updated, deleted, author, patients, index, previous, body });

struct IndexRow1 {
    param: u8,
    kind: RowKind,
    value: Bytes,
}
codec!(IndexRow1 { param, kind, value });

impl From<VersionItem1> for VersionItem {
    fn from(old: VersionItem1) -> Self {
        let row = |row: IndexRow1| IndexRow { param: row.param.into(), kind: row.kind, value: row.value.to_vec() };
        Self {
            resource_type: old.resource_type,
            id: old.id,
            version: old.version,
            last_updated: old.last_updated,
            deleted: old.deleted,
            author: old.author,
            patients: old.patients,
            rules: None,
            index: old.index.into_iter().map(row).collect(),
            previous: old.previous,
            previous_anew: None,
            method: if old.deleted { Method::Delete } else { Method::Put },
            lean: false,
            body: old.body,
        }
    }
}

impl VersionItem {
    /// Reads an item of either kind of version; `None` if it is of another kind.
    pub(crate) fn of_kind(kind: u8, payload: Bytes) -> Option<Result<Self, Malformed>> {
        match kind {
            kind::VERSION => Some(Self::decoded(payload)),
            kind::VERSION_1 => Some(VersionItem1::decoded(payload).map(Self::from)),
            _ => None,
        }
    }

    /// Reads a version in the older form where no item kind says so.
    pub(crate) fn take_older(from: &mut Reader) -> Result<Self, Malformed> {
        VersionItem1::take(from).map(Self::from)
    }

    /// The item as earlier releases wrote it.
    #[cfg(test)]
    pub(crate) fn older(self) -> Vec<u8> {
        let row = |row: IndexRow| IndexRow1 { param: row.param as u8, kind: row.kind, value: row.value.into() };
        VersionItem1 {
            resource_type: self.resource_type,
            id: self.id,
            version: self.version,
            last_updated: self.last_updated,
            deleted: self.deleted,
            author: self.author,
            patients: self.patients,
            index: self.index.into_iter().map(row).collect(),
            previous: self.previous,
            body: self.body,
        }
        .encoded()
    }

    pub(crate) fn new(
        new: &NewVersion,
        version: u64,
        last_updated: Instant,
        rules: u32,
        current: Option<CurrentRow>,
    ) -> Self {
        Self {
            resource_type: new.resource_type.clone(),
            id: new.id.clone(),
            version,
            last_updated,
            deleted: new.deleted,
            author: new.author.clone(),
            patients: new.patients.clone(),
            rules: Some(rules),
            index: new.index.clone(),
            previous: current.map(|row| row.pointer),
            previous_anew: current.and_then(|row| row.anew),
            method: new.method,
            lean: new.lean,
            body: new.body.clone(),
        }
    }

    pub(crate) fn stored(self, position: u64) -> Stored {
        Stored {
            resource_type: self.resource_type,
            id: self.id,
            version: self.version,
            last_updated: self.last_updated,
            deleted: self.deleted,
            author: self.author,
            patients: self.patients,
            index: self.index,
            body: self.body,
            method: self.method,
            lean: self.lean,
            cursor: Cursor(position),
        }
    }
}

/// An exchange as it stands after a commit. What may be long is pointed to, so that an attempt of a delivery does not
/// write it again.
#[derive(Debug, Clone)]
pub(crate) struct ExchangeItem {
    pub(crate) id: ExchangeId,
    pub(crate) number: u64,
    pub(crate) kind: ExchangeKind,
    pub(crate) source: String,
    pub(crate) format: String,
    pub(crate) received: Instant,
    pub(crate) opened: Instant,
    pub(crate) changed: Instant,
    pub(crate) message_control_id: Option<String>,
    pub(crate) sending_application: Option<String>,
    pub(crate) sending_facility: Option<String>,
    pub(crate) sha256: [u8; 32],
    pub(crate) state: ExchangeState,
    pub(crate) patient: Option<String>,
    pub(crate) stages: Vec<Stage>,
    pub(crate) issue_count: u32,
    pub(crate) issues: Vec<Pointer>,
    pub(crate) resources: Vec<Pointer>,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) ledger: Vec<(u64, Pointer)>,
    pub(crate) raw: Option<Pointer>,
    pub(crate) answer: Option<Pointer>,
    pub(crate) detail: Option<Pointer>,
}
codec!(ExchangeItem {
    id,
    number,
    kind,
    source,
    format,
    received,
    opened,
    changed,
    message_control_id,
    sending_application,
    sending_facility,
    sha256,
    state,
    patient,
    stages,
    issue_count,
    issues,
    resources,
    deliveries,
    ledger,
    raw,
    answer,
    detail
});

impl ExchangeItem {
    /// Of an exchange just opened, without what it points to.
    pub(crate) fn opened(exchange: Exchange) -> Self {
        Self {
            id: exchange.id,
            number: exchange.number,
            kind: exchange.kind,
            source: exchange.source,
            format: exchange.format,
            received: exchange.received,
            opened: exchange.opened,
            changed: exchange.changed,
            message_control_id: exchange.message_control_id,
            sending_application: exchange.sending_application,
            sending_facility: exchange.sending_facility,
            sha256: exchange.sha256,
            state: exchange.state,
            patient: exchange.patient,
            stages: Vec::new(),
            issue_count: 0,
            issues: Vec::new(),
            resources: Vec::new(),
            deliveries: Vec::new(),
            ledger: Vec::new(),
            raw: None,
            answer: None,
            detail: None,
        }
    }

    /// The exchange without what is pointed to.
    pub(crate) fn exchange(self) -> Exchange {
        Exchange {
            id: self.id,
            number: self.number,
            kind: self.kind,
            source: self.source,
            format: self.format,
            received: self.received,
            opened: self.opened,
            changed: self.changed,
            message_control_id: self.message_control_id,
            sending_application: self.sending_application,
            sending_facility: self.sending_facility,
            sha256: self.sha256,
            state: self.state,
            patient: self.patient,
            stages: self.stages,
            issues: Vec::new(),
            resources: Vec::new(),
            deliveries: self.deliveries,
            ledger: self.ledger.into_iter().map(|(index, _)| index).collect(),
            answer: None,
            detail: None,
        }
    }

    pub(crate) fn repeat_key(&self) -> Option<RepeatKey> {
        Some(RepeatKey {
            source: self.source.clone(),
            sending_application: self.sending_application.clone().unwrap_or_default(),
            sending_facility: self.sending_facility.clone().unwrap_or_default(),
            message_control_id: self.message_control_id.clone()?,
        })
    }

    pub(crate) fn line(&self, pointer: Pointer) -> Line {
        let deliveries = self.deliveries.iter();
        Line {
            id: self.id,
            kind: self.kind,
            source: self.source.clone(),
            received: self.received,
            opened: self.opened,
            message_control_id: self.message_control_id.clone(),
            state: self.state,
            patient: self.patient.clone(),
            ledger: self.ledger.first().map(|(index, _)| *index),
            issues: self.issue_count,
            deliveries: deliveries
                .map(|delivery| LineDelivery {
                    destination: crate::index::keys::destination(&delivery.destination),
                    state: delivery.state,
                    due: delivery.due,
                })
                .collect(),
            pointer,
        }
    }
}

/// Value of an exchange's row: what lists filter by, and where the whole is.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) id: ExchangeId,
    pub(crate) kind: ExchangeKind,
    pub(crate) source: String,
    pub(crate) received: Instant,
    pub(crate) opened: Instant,
    pub(crate) message_control_id: Option<String>,
    pub(crate) state: ExchangeState,
    pub(crate) patient: Option<String>,
    pub(crate) ledger: Option<u64>,
    pub(crate) issues: u32,
    pub(crate) deliveries: Vec<LineDelivery>,
    pub(crate) pointer: Pointer,
}
codec!(Line {
    id,
    kind,
    source,
    received,
    opened,
    message_control_id,
    state,
    patient,
    ledger,
    issues,
    deliveries,
    pointer
});

/// What the outbox rows of an exchange were made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineDelivery {
    pub(crate) destination: [u8; 8],
    pub(crate) state: DeliveryState,
    pub(crate) due: Option<Instant>,
}
codec!(LineDelivery { destination, state, due });

impl Line {
    pub(crate) fn summary(self, number: u64) -> ExchangeSummary {
        ExchangeSummary {
            id: self.id,
            number,
            kind: self.kind,
            source: self.source,
            received: self.received,
            message_control_id: self.message_control_id,
            state: self.state,
            patient: self.patient,
            ledger: self.ledger,
            issues: self.issues,
        }
    }
}

pub(crate) struct LedgerItem {
    pub(crate) index: u64,
    pub(crate) exchange: ExchangeId,
    pub(crate) bytes: Bytes,
    pub(crate) salts: Vec<Salt>,
}
codec!(LedgerItem { index, exchange, bytes, salts });

/// Value of a current version's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CurrentRow {
    pub(crate) version: u64,
    pub(crate) deleted: bool,
    pub(crate) pointer: Pointer,
    /// The [`RowsItem`] that says which postings the version has; `None`: those of its own rows.
    pub(crate) anew: Option<Pointer>,
}
codec!(CurrentRow { version, deleted, pointer, anew });

/// The rows of a live version under later rules than it was written by: they take the place of its own.
#[derive(Debug, Clone)]
pub(crate) struct RowsItem {
    pub(crate) version: Pointer,
    /// The item of this kind that held before.
    pub(crate) before: Option<Pointer>,
    pub(crate) rules: u32,
    /// Of the version's own rows those that hold no longer, by their place.
    pub(crate) removed: Vec<u32>,
    pub(crate) added: Vec<IndexRow>,
}
codec!(RowsItem { version, before, rules, removed, added });

impl RowsItem {
    /// What changes `own` into `anew`.
    pub(crate) fn between(current: CurrentRow, rules: u32, own: &[IndexRow], anew: &[IndexRow]) -> Self {
        let places = (0_u32..).zip(own).filter(|(_, row)| !anew.contains(row));
        Self {
            version: current.pointer,
            before: current.anew,
            rules,
            removed: places.map(|(place, _)| place).collect(),
            added: anew.iter().filter(|row| !own.contains(row)).cloned().collect(),
        }
    }

    pub(crate) fn of(self, own: Vec<IndexRow>) -> Vec<IndexRow> {
        let kept = (0_u32..).zip(own).filter(|(place, _)| !self.removed.contains(place)).map(|(_, row)| row);
        let mut rows: Vec<IndexRow> = kept.collect();
        rows.extend(self.added);
        rows
    }
}

/// Value of a patient's row: what one group of commits wrote about the patient.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PatientRow {
    pub(crate) exchanges: Vec<u64>,
    pub(crate) entries: Vec<PatientEntry>,
}
codec!(PatientRow { exchanges, entries });

/// A live version about a patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PatientEntry {
    pub(crate) tag: [u8; 2],
    pub(crate) pointer: Pointer,
    /// See `disk::sketch`.
    pub(crate) sketch: Bytes,
}
codec!(PatientEntry { tag, pointer, sketch });

/// Value of a grant's row.
pub(crate) struct GrantRow {
    pub(crate) declared: Instant,
    pub(crate) expires: Instant,
    pub(crate) ended: Option<Instant>,
    pub(crate) pointer: Pointer,
}
codec!(GrantRow { declared, expires, ended, pointer });

codec!(Grant { id, patient, person, holder, declared, expires, ended, exchange, detail });
codec!(PatientLink { replaced, replaced_by });
codec!(ResourceRef { resource_type, id, version });
codec!(Stage { name, at, outcome });
codec!(Salt { label, salt });
codec!(Author { source, exchange });
codec!(Delivery { exchange, destination, number, state, due, attempts, decision, last_error, recorded, changed });
codec_enum!(DeliveryState { Pending = 0, Delivered = 1, Withheld = 2, Dead = 3 });
codec_enum!(ExchangeKind { Arrival = 0, Write = 1, Export = 2, Emergency = 3, EmergencyUse = 4, AuditDigest = 5 });
codec_enum!(ExchangeState {
    Accepted = 0,
    Held = 1,
    Stored = 2,
    Delivering = 3,
    Done = 4,
    Withheld = 5,
    PartlyWithheld = 6,
    Dead = 7,
    Refused = 8,
});
codec_enum!(Method { Put = 0, Post = 1, Patch = 2, Delete = 3 });
codec_enum!(RowKind { Key = 0, Detail = 1 });

impl Codec for ExchangeId {
    fn put(&self, out: &mut Vec<u8>) {
        self.bits().put(out);
    }

    fn take(from: &mut Reader) -> Result<Self, Malformed> {
        Codec::take(from).map(Self::from_random)
    }
}

impl Codec for IndexRow {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.param.to_be_bytes());
        self.kind.put(out);
        (self.value.len() as u64).put(out);
        out.extend_from_slice(&self.value);
    }

    fn take(from: &mut Reader) -> Result<Self, Malformed> {
        let (param, kind) = (u32::from_be_bytes(from.array()?), RowKind::take(from)?);
        Ok(Self { param, kind, value: Bytes::take(from)?.to_vec() })
    }
}
