//! Export and import: the store's whole history as a stream that knows neither segments nor positions.
//!
//! Layout: `ALEXPRT2`, then records of `length u32, crc32 u32, payload` (little endian), one for each commit, oldest
//! first; at the end a record of length 0 whose checksum field holds the number of commits modulo 2^32. A payload is a
//! [`Portable`] in the form of `codec`: what `docs/storage.md` describes member by member.

use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use model::time::Instant;

use crate::codec::{Codec, Malformed, Reader, codec};
use crate::config::Config;
use crate::disk::group::Group;
use crate::disk::record::{CommitItem, ExchangeItem, LedgerItem, VersionItem, kind};
use crate::disk::replay::{self, Items, Replayed};
use crate::disk::{self};
use crate::error::Error;
use crate::exchange::ResourceRef;
use crate::grant::Grant;
use crate::index::{Applied, Engine, Index, OpenIndex};
use crate::journal::{Frame, Journal, Pointer};
use crate::resource::PatientLink;

const MAGIC: &[u8; 8] = b"ALEXPRT2";
/// What streams of releases before the search over every parameter begin with: their versions have the older form.
const MAGIC_1: &[u8; 8] = b"ALEXPRT1";

/// One commit with everything assigned. Pointers in it are void; what they led to and is new stands beside.
pub(crate) struct Portable {
    pub(crate) at: Instant,
    pub(crate) versions: Vec<VersionItem>,
    pub(crate) ledger: Vec<LedgerItem>,
    pub(crate) exchanges: Vec<PortableExchange>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) links: Vec<PatientLink>,
    pub(crate) unlinks: Vec<PatientLink>,
}

impl Codec for Portable {
    fn put(&self, out: &mut Vec<u8>) {
        self.at.put(out);
        self.versions.put(out);
        self.ledger.put(out);
        self.exchanges.put(out);
        self.grants.put(out);
        self.links.put(out);
        // At the end and only where there are any: what was exported before there were any is read alike.
        if !self.unlinks.is_empty() {
            self.unlinks.put(out);
        }
    }

    fn take(from: &mut Reader) -> Result<Self, Malformed> {
        let at = Codec::take(from)?;
        let versions = Codec::take(from)?;
        Self::rest(at, versions, from)
    }
}

impl Portable {
    /// Reads a commit as releases with the older form of versions exported it.
    fn older(bytes: Bytes) -> Result<Self, Malformed> {
        let mut from = Reader::of(bytes);
        let at = Codec::take(&mut from)?;
        let count = u64::take(&mut from)?;
        let mut versions = Vec::new();
        for _ in 0..count {
            versions.push(VersionItem::take_older(&mut from)?);
        }
        let commit = Self::rest(at, versions, &mut from)?;
        if from.is_empty() { Ok(commit) } else { Err(Malformed) }
    }

    fn rest(at: Instant, versions: Vec<VersionItem>, from: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self {
            at,
            versions,
            ledger: Codec::take(from)?,
            exchanges: Codec::take(from)?,
            grants: Codec::take(from)?,
            links: Codec::take(from)?,
            unlinks: if from.is_empty() { Vec::new() } else { Codec::take(from)? },
        })
    }

    fn empty(at: Instant) -> Self {
        Self {
            at,
            versions: Vec::new(),
            ledger: Vec::new(),
            exchanges: Vec::new(),
            grants: Vec::new(),
            links: Vec::new(),
            unlinks: Vec::new(),
        }
    }
}

/// The state of an exchange after a commit and what the commit added to it.
pub(crate) struct PortableExchange {
    pub(crate) item: ExchangeItem,
    pub(crate) raw: Option<Bytes>,
    pub(crate) answer: Option<Bytes>,
    pub(crate) detail: Option<Bytes>,
    pub(crate) issues: Vec<Vec<String>>,
    pub(crate) resources: Vec<Vec<ResourceRef>>,
}
codec!(PortableExchange { item, raw, answer, detail, issues, resources });

/// What an export or import moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortableReport {
    /// Commits.
    pub commits: u64,
    /// Bytes of the stream.
    pub bytes: u64,
}

/// Writes the whole history of a store that nobody has open.
///
/// `progress` is called now and then with journal bytes done and journal bytes in all.
///
/// # Errors
/// [`Error::Locked`] if a process has the store open, [`Error::Damaged`] if the journal is, [`Error::Io`] if the stream
/// cannot be written.
pub fn export(
    config: &Config,
    to: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<PortableReport, Error> {
    let (directory, _lock) = disk::lock(config)?;
    let journal = Journal::open(&directory.join("journal"), config.segment_bytes)?;
    let total = journal.disk_bytes();
    let written = |error| Error::io("write the export", error);
    let mut report = PortableReport { commits: 0, bytes: MAGIC.len() as u64 };
    to.write_all(MAGIC).map_err(written)?;
    let mut frames = journal.frames(journal.start(), 0);
    while let Some(frame) = frames.next()? {
        for commit in commits_of(&journal, &frame)? {
            let payload = commit.encoded();
            let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            to.write_all(&length.to_le_bytes()).map_err(written)?;
            to.write_all(&crc32fast::hash(&payload).to_le_bytes()).map_err(written)?;
            to.write_all(&payload).map_err(written)?;
            report.commits += 1;
            report.bytes += 8 + u64::from(length);
        }
        progress(frame.position, total);
    }
    to.write_all(&0_u32.to_le_bytes()).map_err(written)?;
    to.write_all(&(report.commits as u32).to_le_bytes()).map_err(written)?;
    to.flush().map_err(written)?;
    report.bytes += 8;
    Ok(report)
}

fn commits_of(journal: &Journal, frame: &Frame) -> Result<Vec<Portable>, Error> {
    let mut commits: Vec<(u64, Portable)> = Vec::new();
    for item in Items::of(frame) {
        let (pointer, kind, payload) =
            item.ok_or_else(|| journal.damaged(frame.position, "item fails its checksum"))?;
        let unreadable = |_| journal.damaged(pointer.position, "item is not readable");
        if kind == kind::COMMIT {
            let at = CommitItem::decoded(payload).map_err(unreadable)?.at;
            commits.push((pointer.position, Portable::empty(at)));
            continue;
        }
        let Some((start, commit)) = commits.last_mut() else {
            return Err(journal.damaged(pointer.position, "item stands before any commit"));
        };
        match kind {
            kind::VERSION | kind::VERSION_1 => {
                let item = VersionItem::of_kind(kind, payload).unwrap_or(Err(Malformed)).map_err(unreadable)?;
                commit.versions.push(VersionItem { previous: None, previous_anew: None, ..item });
            }
            kind::LEDGER => commit.ledger.push(LedgerItem::decoded(payload).map_err(unreadable)?),
            kind::GRANT => commit.grants.push(Grant::decoded(payload).map_err(unreadable)?),
            kind::LINK => commit.links.push(PatientLink::decoded(payload).map_err(unreadable)?),
            kind::UNLINK => commit.unlinks.push(PatientLink::decoded(payload).map_err(unreadable)?),
            kind::EXCHANGE => {
                let item = ExchangeItem::decoded(payload).map_err(unreadable)?;
                commit.exchanges.push(portable(journal, item, *start)?);
            }
            _ => {}
        }
    }
    Ok(commits.into_iter().map(|(_, commit)| commit).collect())
}

/// An exchange with what its commit, which begins at `start`, added.
fn portable(journal: &Journal, item: ExchangeItem, start: u64) -> Result<PortableExchange, Error> {
    let new = |pointer: &Pointer| pointer.position >= start;
    let blob =
        |pointer: Option<Pointer>| pointer.filter(new).map(|pointer| journal.payload(pointer, kind::BLOB)).transpose();
    let issues = item.issues.iter().copied().filter(new).map(|pointer| journal.decoded(pointer, kind::ISSUES));
    let resources = item.resources.iter().copied().filter(new).map(|pointer| journal.decoded(pointer, kind::RESOURCES));
    Ok(PortableExchange {
        raw: blob(item.raw)?,
        answer: blob(item.answer)?,
        detail: blob(item.detail)?,
        issues: issues.collect::<Result<_, _>>()?,
        resources: resources.collect::<Result<_, _>>()?,
        item: ExchangeItem {
            issues: Vec::new(),
            resources: Vec::new(),
            ledger: Vec::new(),
            raw: None,
            answer: None,
            detail: None,
            ..item
        },
    })
}

/// Reads a stream into a store that is still empty. When this returns `Ok` all of it survives a power cut.
///
/// # Errors
/// [`Error::NotEmpty`] if the store holds anything; [`Error::Damaged`] naming the stream's offset if a record fails its
/// checksum, does not fit what came before, or the stream ends early: the directory is then to be thrown away.
pub fn import(config: &Config, from: &mut dyn Read, progress: &mut dyn FnMut(u64)) -> Result<PortableReport, Error> {
    let (directory, _lock) = disk::lock(config)?;
    let journal = Arc::new(Journal::open(&directory.join("journal"), config.segment_bytes)?);
    let opened = OpenIndex::open(&directory.join("index"), journal.id(), config.cache_bytes, config.open_timeout)?;
    let applied = opened.applied;
    let index = Index::new(Engine::new(journal.id(), opened), config.cache_bytes, config.derive.clone());
    let Replayed { mut applied, mut next } = replay::replay(&journal, &index, applied)?;
    if applied.sequence != 0 {
        return Err(Error::NotEmpty);
    }
    let mut tail = journal.tail(applied.position, applied.sequence)?;
    let mut stream = Stream { from, offset: 0, read: Portable::decoded };
    match stream.take(MAGIC.len())? {
        begin if begin == MAGIC[..] => {}
        begin if begin == MAGIC_1[..] => stream.read = Portable::older,
        _ => return Err(stream.damaged("stream does not begin as an export")),
    }
    let mut report = PortableReport::default();
    let mut buffer = Vec::new();
    let mut waiting = stream.next(report.commits)?;
    while let Some(first) = waiting.take() {
        let room = first.encoded().len() as u64 * 2 + 4096;
        let base = tail.payload_position(&journal, room.min(journal.frame_limit()))?;
        let mut group = Group::new(&journal, &index, base, next, buffer);
        let mut commit = first;
        loop {
            if !group.import(&commit, tail.room(&journal))? {
                if group.commits() == 0 {
                    return Err(Error::TooLarge { bytes: journal.frame_limit() + 1, limit: journal.frame_limit() });
                }
                waiting = Some(commit);
                break;
            }
            applied.at = applied.at.max(commit.at);
            report.commits += 1;
            if group.payload_bytes() >= config.group_bytes {
                waiting = stream.next(report.commits)?;
                break;
            }
            match stream.next(report.commits)? {
                Some(next) => commit = next,
                None => break,
            }
        }
        let last = tail.place().0;
        let (rows, counters, mut used) = group.finish()?;
        tail.append(&journal, &mut used)?;
        (next, buffer) = (counters, used);
        let (position, sequence) = tail.place();
        applied = Applied { position, sequence, last, at: applied.at };
        index.put(rows, applied);
        if index.is_full() {
            index.move_down()?;
        }
        progress(stream.offset);
    }
    index.move_down()?;
    index.engine().sync()?;
    report.bytes = stream.offset;
    Ok(report)
}

struct Stream<'a> {
    from: &'a mut dyn Read,
    offset: u64,
    /// Reads a record in the form that the stream's beginning names.
    read: fn(Bytes) -> Result<Portable, Malformed>,
}

impl Stream<'_> {
    /// The next commit, `None` after the last.
    fn next(&mut self, before: u64) -> Result<Option<Portable>, Error> {
        let length = self.number()?;
        let checksum = self.number()?;
        if length == 0 {
            return if checksum == before as u32 { Ok(None) } else { Err(self.damaged("stream lacks commits")) };
        }
        let payload = self.take(length as usize)?;
        if crc32fast::hash(&payload) != checksum {
            return Err(self.damaged("record fails its checksum"));
        }
        (self.read)(Bytes::from(payload)).map(Some).map_err(|_| self.damaged("record is not readable"))
    }

    fn number(&mut self) -> Result<u32, Error> {
        let bytes = self.take(4)?;
        Ok(bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)))
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, Error> {
        // Read by and by: a length that is wrong must not allocate what is not there.
        let mut bytes = Vec::new();
        let read = (&mut *self.from).take(length as u64).read_to_end(&mut bytes);
        read.map_err(|error: io::Error| Error::io("read the import", error))?;
        if bytes.len() < length {
            return Err(self.damaged("stream ends early"));
        }
        self.offset += length as u64;
        Ok(bytes)
    }

    fn damaged(&self, what: &'static str) -> Error {
        Error::Damaged { file: "import".to_owned(), offset: self.offset, what }
    }
}
