//! Resources: immutable versions, found by id, by patient and by index row.

use bytes::Bytes;
use model::time::Instant;

use crate::error::Conflict;
use crate::exchange::{ExchangeId, ResourceRef};

/// Whether a search parameter has a row of its own in the index or is tested while reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKind {
    /// A row of its own: found at once over all patients. For identifiers, names, references that are searched alone.
    Key,
    /// Kept with the version and tested against what the patient or type gives: for what is searched within one patient.
    Detail,
}

/// One value of one search parameter of one resource, extracted by the caller: the store knows no FHIRPath.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexRow {
    /// The parameter, numbered by the caller; numbers are kept on disk and must not change meaning.
    pub param: u32,
    /// The value in a byte order that sorts as the parameter does.
    pub value: Vec<u8>,
    /// Whether the row gets an entry of its own in the index.
    pub kind: RowKind,
}

/// What has to hold of the current version for a write to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Any,
    /// There is no live version (never written, or deleted).
    Absent,
    /// The live version has this number.
    Version(u64),
    /// There is no live version, or its source is the author's: ids are kept while free or of the same source.
    SameSource,
}

/// Who wrote a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Configured source or actor.
    pub source: String,
    /// The exchange that carried it.
    pub exchange: Option<ExchangeId>,
}

/// A version to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// Type of the resource.
    pub resource_type: String,
    /// Its id.
    pub id: String,
    /// Precondition.
    pub expect: Expect,
    /// JSON text without `meta.versionId` and `meta.lastUpdated`, which are spliced in on reading. Empty when deleted.
    pub body: Bytes,
    /// What it is found by.
    pub index: Vec<IndexRow>,
    /// Ids of the patients in whose compartment it is; a Patient names itself.
    pub patients: Vec<String>,
    /// Whether this version deletes the resource.
    pub deleted: bool,
    /// Who writes it.
    pub author: Author,
    /// Whether content equal to the current version's, of the same source, makes no new version.
    pub skip_unchanged: bool,
    /// By which interaction it is written: a history tells it.
    pub method: Method,
    /// Whether `index` holds the [`RowKind::Key`] rows alone: the others are made when something asks for them.
    pub lean: bool,
}

/// The interaction that wrote a version (FHIR R4 http, "history": `Bundle.entry.request.method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// An update, and what came by a message.
    #[default]
    Put,
    /// A create.
    Post,
    /// A patch.
    Patch,
    /// A delete.
    Delete,
}

impl NewVersion {
    /// Whether this write would only repeat `current`.
    pub(crate) fn is_unchanged(&self, current: &Stored) -> bool {
        self.skip_unchanged
            && self.deleted == current.deleted
            && self.author.source == current.author.source
            && self.body == current.body
            && self.index == current.index
            && self.patients == current.patients
    }

    /// What writing it does, given whether there is a live version.
    pub(crate) fn effect(&self, live: bool) -> Effect {
        match (self.deleted, live) {
            (true, _) => Effect::Deleted,
            (false, true) => Effect::Updated,
            (false, false) => Effect::Created,
        }
    }

    /// The version as it is kept.
    pub(crate) fn stored(&self, version: u64, last_updated: Instant, cursor: Cursor) -> Stored {
        Stored {
            resource_type: self.resource_type.clone(),
            id: self.id.clone(),
            version,
            last_updated,
            deleted: self.deleted,
            author: self.author.clone(),
            patients: self.patients.clone(),
            index: self.index.clone(),
            body: self.body.clone(),
            method: self.method,
            lean: self.lean,
            cursor,
        }
    }

    /// How an exchange names the version it wrote.
    pub(crate) fn reference(&self, version: u64) -> ResourceRef {
        ResourceRef { resource_type: self.resource_type.clone(), id: self.id.clone(), version }
    }
}

/// What became of one [`NewVersion`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionWritten {
    /// The version that now is current.
    pub version: u64,
    /// When that version was written (`meta.lastUpdated`).
    pub last_updated: Instant,
    /// What happened.
    pub effect: Effect,
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// There was no live version before.
    Created,
    /// A live version was superseded.
    Updated,
    /// The content was the same; no version was added.
    Unchanged,
    /// The resource is deleted now.
    Deleted,
}

/// One version as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Type of the resource.
    pub resource_type: String,
    /// Its id.
    pub id: String,
    /// Version number, from 1.
    pub version: u64,
    /// When it was written.
    pub last_updated: Instant,
    /// Whether this version is the deletion.
    pub deleted: bool,
    /// Who wrote it.
    pub author: Author,
    /// Patients in whose compartment it is.
    pub patients: Vec<String>,
    /// What it is found by.
    pub index: Vec<IndexRow>,
    /// JSON text as written, without the spliced members.
    pub body: Bytes,
    /// The interaction that wrote it.
    pub method: Method,
    /// Whether `index` holds the [`RowKind::Key`] rows alone; `Store::rows_of` has all.
    pub lean: bool,
    /// Place in the order of all versions: what paging goes by.
    pub cursor: Cursor,
}

impl Stored {
    /// The JSON text with `meta.versionId` and `meta.lastUpdated`; every other byte as written.
    pub fn json(&self) -> Vec<u8> {
        model::resource::with_meta(&self.body, self.version, &self.last_updated)
    }
}

/// A place in the order in which versions were written; opaque, stable over restarts, not over export and import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor(pub u64);

/// A key row: a value, and the version that has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyRow {
    /// The value, cut to its first 128 bytes.
    pub value: Vec<u8>,
    pub(crate) position: u64,
    pub(crate) length: u32,
}

/// How a walk over key rows goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// With the next row.
    Next,
    /// Behind all rows whose value begins so.
    Behind(Vec<u8>),
    /// Not at all.
    Stop,
}

/// How one value is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// The value is exactly this.
    Equals(Vec<u8>),
    /// The value begins so.
    Prefix(Vec<u8>),
    /// The value ends so.
    Suffix(Vec<u8>),
    /// This stands somewhere in the value up to its first zero byte, that byte included: what ends in one is an end of the
    /// part before it.
    Contains(Vec<u8>),
    /// The value is at least the first and at most the second; `None` is open.
    Between(Option<Vec<u8>>, Option<Vec<u8>>),
    /// The value is `prefix`, then the eight bytes of a low end, then those of a high end, each within its bounds.
    Span {
        /// What stands before the two ends.
        prefix: Vec<u8>,
        /// Where the low end may be.
        low: Bounds,
        /// Where the high end may be.
        high: Bounds,
    },
    /// Any value, also an empty one.
    Present,
}

/// Where an end of a [`Test::Span`] may be; both included, `None` is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// At least this.
    pub from: Option<[u8; 8]>,
    /// At most this.
    pub to: Option<[u8; 8]>,
}

impl Bounds {
    /// Whether an end is inside.
    pub fn hold(&self, end: &[u8; 8]) -> bool {
        self.from.is_none_or(|from| *end >= from) && self.to.is_none_or(|to| *end <= to)
    }
}

impl Test {
    /// Whether `value` passes.
    pub fn passes(&self, value: &[u8]) -> bool {
        match self {
            Test::Equals(expected) => value == expected,
            Test::Prefix(prefix) => value.starts_with(prefix),
            Test::Suffix(suffix) => value.ends_with(suffix),
            Test::Contains(part) => {
                let text = value.split_inclusive(|byte| *byte == 0).next().unwrap_or_default();
                part.is_empty() || text.windows(part.len()).any(|window| window == part)
            }
            Test::Between(low, high) => {
                low.as_deref().is_none_or(|low| value >= low) && high.as_deref().is_none_or(|high| value <= high)
            }
            Test::Span { prefix, low, high } => {
                let ends = value.strip_prefix(&prefix[..]).and_then(|ends| ends.split_first_chunk::<8>());
                ends.and_then(|(first, rest)| Some((first, <&[u8; 8]>::try_from(rest).ok()?)))
                    .is_some_and(|(first, last)| low.hold(first) && high.hold(last))
            }
            Test::Present => true,
        }
    }
}

/// One alternative of a [`Term`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The parameter.
    pub param: u32,
    /// The comparison.
    pub test: Test,
    /// As the parameter's rows were written.
    pub kind: RowKind,
}

impl Match {
    /// Whether one of a version's rows passes.
    pub fn passes(&self, rows: &[IndexRow]) -> bool {
        rows.iter().any(|row| row.param == self.param && self.test.passes(&row.value))
    }
}

/// A condition on a version's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// Any of the alternatives holds (the comma of a FHIR search).
    AnyOf(Vec<Match>),
    /// None of them does.
    NoneOf(Vec<Match>),
    /// Any of the alternatives holds, each of which is all of its terms.
    Either(Vec<Vec<Term>>),
}

impl Term {
    fn asks_details(&self) -> bool {
        match self {
            Term::AnyOf(matches) | Term::NoneOf(matches) => matches.iter().any(|wanted| wanted.kind == RowKind::Detail),
            Term::Either(alternatives) => alternatives.iter().flatten().any(Term::asks_details),
        }
    }

    /// Whether a version with these rows is meant.
    pub fn passes(&self, rows: &[IndexRow]) -> bool {
        match self {
            Term::AnyOf(matches) => matches.iter().any(|wanted| wanted.passes(rows)),
            Term::NoneOf(matches) => !matches.iter().any(|wanted| wanted.passes(rows)),
            Term::Either(alternatives) => alternatives.iter().any(|all| all.iter().all(|term| term.passes(rows))),
        }
    }
}

/// The order of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Newest version first.
    #[default]
    NewestFirst,
    /// Oldest version first.
    OldestFirst,
}

/// What to look for among the current, live versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Only these types; empty: all.
    pub types: Vec<String>,
    /// Only these ids; empty: all.
    pub ids: Vec<String>,
    /// In the compartment of any of these patients; empty: not asked.
    pub patients: Vec<String>,
    /// All of these hold (the ampersand of a FHIR search).
    pub terms: Vec<Term>,
    /// `meta.lastUpdated` at or after.
    pub updated_since: Option<Instant>,
    /// `meta.lastUpdated` before.
    pub updated_until: Option<Instant>,
    /// The order.
    pub order: Order,
    /// Only what comes after this in the order.
    pub after: Option<Cursor>,
}

/// A part of a history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// `meta.lastUpdated` at or after.
    pub since: Option<Instant>,
    /// `meta.lastUpdated` before.
    pub until: Option<Instant>,
    /// Only what comes after this in the order.
    pub after: Option<Cursor>,
}

/// One page of a search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The versions.
    pub entries: Vec<Stored>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// One patient record was merged into another (HL7 v2 ADT^A40; FHIR R4 Patient.link).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PatientLink {
    /// Id of the record that is no longer used.
    pub replaced: String,
    /// Id of the record that stands for both.
    pub replaced_by: String,
}

impl Expect {
    /// Whether a write by `author` may follow `current`, the newest version of the resource.
    pub(crate) fn check(
        &self,
        resource_type: &str,
        id: &str,
        author: &Author,
        current: Option<&Current<'_>>,
    ) -> Result<(), Conflict> {
        let live = current.filter(|current| !current.deleted);
        let holds = match self {
            Expect::Any => true,
            Expect::Absent => live.is_none(),
            Expect::Version(version) => live.is_some_and(|live| live.version == *version),
            Expect::SameSource => {
                if live.is_some_and(|live| live.source != author.source) {
                    return Err(Conflict::Author { resource_type: resource_type.to_owned(), id: id.to_owned() });
                }
                true
            }
        };
        if holds {
            return Ok(());
        }
        Err(Conflict::Version {
            resource_type: resource_type.to_owned(),
            id: id.to_owned(),
            current: live.map(|live| live.version),
        })
    }
}

/// What [`Expect`] looks at.
pub(crate) struct Current<'a> {
    pub(crate) version: u64,
    pub(crate) deleted: bool,
    pub(crate) source: &'a str,
}

impl Search {
    /// Whether a condition looks at rows that a lean version is written without.
    pub(crate) fn asks_details(&self) -> bool {
        self.terms.iter().any(Term::asks_details)
    }

    /// Whether a current, live version is a match; `after` is not looked at.
    pub(crate) fn passes(&self, stored: &Stored) -> bool {
        let any = |wanted: &[String], value: &str| wanted.is_empty() || wanted.iter().any(|name| name == value);
        !stored.deleted
            && any(&self.types, &stored.resource_type)
            && any(&self.ids, &stored.id)
            && (self.patients.is_empty() || stored.patients.iter().any(|patient| self.patients.contains(patient)))
            && self.updated_since.is_none_or(|since| stored.last_updated >= since)
            && self.updated_until.is_none_or(|until| stored.last_updated < until)
            && self.terms.iter().all(|term| term.passes(&stored.index))
    }
}
