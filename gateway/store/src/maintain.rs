//! Checking and compacting a store that nobody has open.

use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::codec::{Codec, Malformed};
use crate::config::Config;
use crate::disk::record::{CommitItem, ExchangeItem, LedgerItem, PatientRow, VersionItem, kind};
use crate::disk::replay::{self, Items};
use crate::disk::{self};
use crate::error::Error;
use crate::index::{Direction, Engine, Flow, Index, OpenIndex};
use crate::journal::{Frame, Journal};

/// Findings after which a check stops listing.
const MOST_PROBLEMS: usize = 20;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Commits read.
    pub commits: u64,
    /// Versions read.
    pub versions: u64,
    /// Exchanges opened.
    pub exchanges: u64,
    /// Ledger records read.
    pub ledger_records: u64,
    /// Journal bytes read.
    pub journal_bytes: u64,
    /// Index rows compared.
    pub rows: u64,
    /// What is wrong, each naming file and offset or the kind of row; empty: the store is whole.
    pub problems: Vec<String>,
}

impl CheckReport {
    fn problem(&mut self, problem: String) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// Reads the whole journal, verifies every checksum, the order of ledger records and versions, and compares the index with
/// one built anew from the journal. Needs the store closed and as much free space as the index takes.
///
/// `progress` is called now and then with bytes done and bytes in all.
///
/// # Errors
/// [`Error::Locked`] if a process has the store open; [`Error::Io`] if the disk refuses. Damage is no error but a problem
/// in the report.
pub fn check(config: &Config, progress: &mut dyn FnMut(u64, u64)) -> Result<CheckReport, Error> {
    let (directory, _lock) = disk::lock(config)?;
    let mut report = CheckReport::default();
    let journal = match Journal::open(&directory.join("journal"), config.segment_bytes) {
        Ok(journal) => journal,
        Err(error @ Error::Damaged { .. }) => {
            report.problem(error.to_string());
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    let total = journal.disk_bytes();
    let mut frames = journal.frames(journal.start(), 0);
    loop {
        let frame = match frames.next() {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(error) => {
                report.problem(error.to_string());
                return Ok(report);
            }
        };
        report.journal_bytes += frame.payload.len() as u64;
        if let Err(error) = check_frame(&journal, &frame, &mut report) {
            report.problem(error.to_string());
        }
        progress(frame.position, total);
    }
    if report.problems.is_empty() {
        check_index(config, &directory, &journal, &mut report)?;
    }
    Ok(report)
}

fn check_frame(journal: &Journal, frame: &Frame, report: &mut CheckReport) -> Result<(), Error> {
    for item in Items::of(frame) {
        let (pointer, kind, payload) =
            item.ok_or_else(|| journal.damaged(frame.position, "item fails its checksum"))?;
        let unreadable = |_| journal.damaged(pointer.position, "item is not readable");
        let expect = |holds: bool, what| if holds { Ok(()) } else { Err(journal.damaged(pointer.position, what)) };
        match kind {
            kind::COMMIT => {
                CommitItem::decoded(payload).map_err(unreadable)?;
                report.commits += 1;
            }
            kind::VERSION | kind::VERSION_1 => {
                let item = VersionItem::of_kind(kind, payload).unwrap_or(Err(Malformed)).map_err(unreadable)?;
                report.versions += 1;
                let before = match item.previous {
                    Some(previous) => {
                        expect(previous.position < pointer.position, "version follows a later one")?;
                        let before = journal.version(previous)?;
                        expect(
                            (&before.resource_type, &before.id) == (&item.resource_type, &item.id),
                            "version follows another resource",
                        )?;
                        before.version
                    }
                    None => 0,
                };
                expect(item.version == before + 1, "version number is not the next one")?;
            }
            kind::EXCHANGE => {
                let item = ExchangeItem::decoded(payload).map_err(unreadable)?;
                expect(item.number <= report.exchanges, "exchange number is not the next one")?;
                report.exchanges = report.exchanges.max(item.number + 1);
            }
            kind::LEDGER => {
                let item = LedgerItem::decoded(payload).map_err(unreadable)?;
                expect(item.index == report.ledger_records, "ledger index is not the next one")?;
                report.ledger_records += 1;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Compares the index, brought up to the journal's end, with one built from the beginning.
fn check_index(
    config: &Config,
    directory: &std::path::Path,
    journal: &Journal,
    report: &mut CheckReport,
) -> Result<(), Error> {
    let beside = directory.join("index-check");
    let _ = std::fs::remove_dir_all(&beside);
    let compared = (|| {
        let opened = OpenIndex::open(&directory.join("index"), journal.id(), config.cache_bytes, config.open_timeout)?;
        let actual = caught_up(config, journal, opened)?;
        let opened = OpenIndex::begin(&beside, config.cache_bytes, config.open_timeout)?;
        let expected = caught_up(config, journal, opened)?;
        compare(&expected, &actual, report)
    })();
    let _ = std::fs::remove_dir_all(&beside);
    match compared {
        Err(error @ (Error::Damaged { .. } | Error::Index(_))) => {
            report.problem(error.to_string());
            Ok(())
        }
        other => other,
    }
}

fn caught_up(config: &Config, journal: &Journal, opened: OpenIndex) -> Result<Index, Error> {
    let applied = opened.applied;
    let index = Index::new(Engine::new(journal.id(), opened), config.cache_bytes, config.derive.clone());
    replay::replay(journal, &index, applied)?;
    index.move_down()?;
    Ok(index)
}

/// Every kind of row.
const KINDS: &[u8] = b"DEGcdegklmoprtuvx";
/// Rows of an index held at a time.
const ROWS: usize = 512;

/// Both indexes in step: asking one for each row of the other would cost a look-up for each.
fn compare(expected: &Index, actual: &Index, report: &mut CheckReport) -> Result<(), Error> {
    for kind in KINDS {
        let label = char::from(*kind);
        let (mut expected, mut actual) = (Rows::of(expected, *kind), Rows::of(actual, *kind));
        while report.problems.len() < MOST_PROBLEMS {
            let order = match (expected.peek()?, actual.peek()?) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((wanted, _)), Some((found, _))) => wanted.cmp(found),
            };
            let wanted = if order.is_le() { expected.take() } else { None };
            let found = if order.is_ge() { actual.take() } else { None };
            report.rows += u64::from(wanted.is_some());
            match (wanted, found) {
                (Some((_, wanted)), Some((_, found))) => {
                    let same = wanted == found || (*kind == b'p' && same_patient_row(&wanted, &found));
                    if !same {
                        report.problem(format!("index: row of kind {label} differs from the journal"));
                    }
                }
                (Some(_), None) => report.problem(format!("index: row of kind {label} is missing")),
                // A replay after a crash may note an exchange of a patient once more, under the later frame.
                (None, Some((_, found)))
                    if *kind == b'p' && same_patient_row(&PatientRow::default().encoded(), &found) => {}
                // Of a value that a version had under earlier rules.
                (None, _) if *kind == b'v' => {}
                (None, _) => report.problem(format!("index: row of kind {label} is not in the journal")),
            }
        }
    }
    Ok(())
}

type Row = (Vec<u8>, Vec<u8>);

/// The rows of one kind, in order.
struct Rows<'a> {
    index: &'a Index,
    prefix: [u8; 1],
    next: VecDeque<Row>,
    after: Option<Vec<u8>>,
    done: bool,
}

impl<'a> Rows<'a> {
    fn of(index: &'a Index, kind: u8) -> Self {
        Self { index, prefix: [kind], next: VecDeque::new(), after: None, done: false }
    }

    fn peek(&mut self) -> Result<Option<&Row>, Error> {
        if self.next.is_empty() && !self.done {
            let next = &mut self.next;
            self.index.walk_in(ROWS, &self.prefix, self.after.as_deref(), Direction::Up, &mut |key, value| {
                next.push_back((key.to_vec(), value.to_vec()));
                Ok(if next.len() < ROWS { Flow::On } else { Flow::Stop })
            })?;
            self.done = self.next.len() < ROWS;
            self.after = self.next.back().map(|(key, _)| key.clone());
        }
        Ok(self.next.front())
    }

    fn take(&mut self) -> Option<Row> {
        self.next.pop_front()
    }
}

/// The same versions, and at least the expected exchanges.
fn same_patient_row(expected: &[u8], actual: &[u8]) -> bool {
    let decoded = |bytes: &[u8]| PatientRow::decoded(bytes::Bytes::copy_from_slice(bytes)).ok();
    let (Some(expected), Some(actual)) = (decoded(expected), decoded(actual)) else { return false };
    let noted: BTreeSet<u64> = actual.exchanges.into_iter().collect();
    expected.entries == actual.entries && expected.exchanges.iter().all(|number| noted.contains(number))
}

/// What compacting did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactReport {
    /// Bytes of the index before.
    pub before_bytes: u64,
    /// Bytes of the index after.
    pub after_bytes: u64,
    /// Bytes of the journal, which is kept whole: every version and every message stays.
    pub journal_bytes: u64,
}

/// Builds the index anew from the journal and drops the old one. Needs the store closed. The journal is not touched:
/// history is kept.
///
/// # Errors
/// [`Error::Locked`] if a process has the store open, [`Error::Damaged`] if the journal is.
pub fn compact(config: &Config) -> Result<CompactReport, Error> {
    let (directory, _lock) = disk::lock(config)?;
    let journal = Arc::new(Journal::open(&directory.join("journal"), config.segment_bytes)?);
    let indexes = directory.join("index");
    let before_bytes = OpenIndex::open(&indexes, journal.id(), config.cache_bytes, config.open_timeout)?.disk_bytes();
    let opened = OpenIndex::begin(&indexes, config.cache_bytes, config.open_timeout)?;
    let index = caught_up(config, &journal, opened)?;
    index.engine().sync()?;
    index.engine().close();
    // Opening drops every older one.
    let opened = OpenIndex::open(&indexes, journal.id(), config.cache_bytes, config.open_timeout)?;
    Ok(CompactReport { before_bytes, after_bytes: opened.disk_bytes(), journal_bytes: journal.disk_bytes() })
}
