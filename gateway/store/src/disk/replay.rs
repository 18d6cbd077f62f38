//! Working journal frames into the index: after a crash from where sled stands, for a new index from the beginning.

use bytes::Bytes;
use model::time::Instant;

use crate::codec::{Codec, Malformed};
use crate::disk::group::Counters;
use crate::disk::record::{CommitItem, CurrentRow, ExchangeItem, LedgerItem, Line, RowsItem, VersionItem, kind};
use crate::disk::rows::{Before, GroupRows};
use crate::error::Error;
use crate::index::{Applied, Direction, Flow, Index, Rows, keys};
use crate::journal::{Frame, ITEM_HEADER, Journal, Pointer, item_header, open_item};

/// Where journal and index stand after a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Replayed {
    pub(crate) applied: Applied,
    pub(crate) next: Counters,
}

/// Brings the index up to the journal's tail.
///
/// # Errors
/// [`Error::Damaged`] if the journal is damaged in the replayed part or ends before what the index holds.
pub(crate) fn replay(journal: &Journal, index: &Index, applied: Option<Applied>) -> Result<Replayed, Error> {
    let start = Applied { position: journal.start(), sequence: 0, last: 0, at: Instant::from_millis(0) };
    let mut applied = applied.unwrap_or(start);
    check_last(journal, applied)?;
    let history = if applied.sequence == 0 { History::Whole } else { History::Tail };
    let mut frames = journal.frames(applied.position, applied.sequence);
    let mut count: u64 = 0;
    while let Some(frame) = frames.next()? {
        let (rows, at) = rows_of(journal, index, &frame, history)?;
        let (position, sequence) = frames.place();
        applied = Applied { position, sequence, last: frame.position, at: at.unwrap_or(applied.at) };
        index.put(rows, applied);
        if index.is_full() {
            index.move_down()?;
        }
        count += 1;
        if count.is_multiple_of(10_000) {
            tracing::info!(frames = count, position, "catching the index up from the journal");
        }
    }
    index.stands_at(applied.position);
    Ok(Replayed { applied, next: counters(index)? })
}

/// Where a replay begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum History {
    /// At the beginning, into an empty index: rows come out as they did when they were first written.
    Whole,
    /// Somewhere: the index may already hold some of what follows.
    Tail,
}

/// What the index and the group so far hold of an exchange.
fn before(index: &Index, rows: &GroupRows, number: u64) -> Result<Before, Error> {
    let key = keys::line(number);
    let line = match rows.get(&key) {
        Some(row) => row.clone(),
        None => index.get(&key)?,
    };
    match line {
        Some(line) => {
            Line::decoded(Bytes::copy_from_slice(&line)).map(Before::Was).map_err(|_| Error::unreadable_row())
        }
        None => Ok(Before::Nothing),
    }
}

/// The frame that the index saw last must be where it was.
fn check_last(journal: &Journal, applied: Applied) -> Result<(), Error> {
    if applied.sequence == 0 {
        return Ok(());
    }
    let last = journal.frames(applied.last, applied.sequence - 1).next()?;
    if last.is_some_and(|frame| frame.position == applied.last) {
        return Ok(());
    }
    Err(journal.damaged(applied.last, "journal ends before what the index holds"))
}

/// What comes next, told by the last rows.
pub(crate) fn counters(index: &Index) -> Result<Counters, Error> {
    let after_last = |prefix: &[u8]| {
        let mut next = 0;
        let mut first = |key: &[u8], _: &[u8]| {
            next = keys::trailing_number(key) + 1;
            Ok(Flow::Stop)
        };
        index.walk(prefix, None, Direction::Down, &mut first)?;
        Ok::<_, Error>(next)
    };
    Ok(Counters { exchange: after_last(keys::EXCHANGES)?, ledger: after_last(keys::LEDGER)? })
}

fn rows_of(
    journal: &Journal,
    index: &Index,
    frame: &Frame,
    history: History,
) -> Result<(Rows, Option<Instant>), Error> {
    let mut rows = GroupRows::default();
    let mut at = None;
    for item in Items::of(frame) {
        let (pointer, kind, payload) =
            item.ok_or_else(|| journal.damaged(frame.position, "item fails its checksum"))?;
        let unreadable = |_| journal.damaged(pointer.position, "item is not readable");
        match kind {
            kind::COMMIT => {
                rows.accept();
                let time = CommitItem::decoded(payload).map_err(unreadable)?.at;
                rows.at(time);
                at = Some(time);
            }
            kind::VERSION | kind::VERSION_1 => {
                let read = VersionItem::of_kind(kind, payload).unwrap_or(Err(Malformed));
                let item = read.map_err(unreadable)?;
                let before = match item.previous {
                    Some(previous) => Some((posted(journal, previous, item.previous_anew)?, previous)),
                    None => None,
                };
                rows.version(&item, pointer, before.as_ref().map(|(before, pointer)| (before, *pointer)));
            }
            kind::EXCHANGE => {
                let item = ExchangeItem::decoded(payload).map_err(unreadable)?;
                let before = match history {
                    History::Whole => before(index, &rows, item.number)?,
                    History::Tail => Before::Unknown,
                };
                rows.exchange(&item, pointer, &before);
            }
            kind::LEDGER => rows.ledger(&LedgerItem::decoded(payload).map_err(unreadable)?, pointer),
            kind::GRANT => rows.grant(&Codec::decoded(payload).map_err(unreadable)?, pointer),
            kind::LINK => rows.link(&Codec::decoded(payload).map_err(unreadable)?, pointer),
            kind::UNLINK => rows.unlink(&Codec::decoded(payload).map_err(unreadable)?),
            kind::ROWS => {
                let anew = RowsItem::decoded(payload).map_err(unreadable)?;
                let item = journal.version(anew.version)?;
                let was = posted(journal, anew.version, anew.before)?.index;
                let version = item.version;
                let current = CurrentRow { version, deleted: false, pointer: anew.version, anew: Some(pointer) };
                rows.anew(&item, current, &was, &anew.of(item.index.clone()));
            }
            kind::BLOB | kind::ISSUES | kind::RESOURCES => {}
            _ => return Err(journal.damaged(pointer.position, "item is of an unknown kind")),
        }
    }
    rows.accept();
    Ok((rows.finish(frame.position, index)?, at))
}

/// A version with the rows that it had postings for.
pub(crate) fn posted(journal: &Journal, pointer: Pointer, anew: Option<Pointer>) -> Result<VersionItem, Error> {
    let mut item = journal.version(pointer)?;
    match anew {
        Some(anew) => item.index = journal.decoded::<RowsItem>(anew, kind::ROWS)?.of(item.index),
        None if item.rules.is_none() => item.index.clear(),
        None => {}
    }
    Ok(item)
}

/// The items of a frame in order; `None` for what is not readable, after which it ends.
pub(crate) struct Items {
    position: u64,
    rest: Bytes,
}

impl Items {
    pub(crate) fn of(frame: &Frame) -> Self {
        Self { position: frame.payload_position(), rest: frame.payload.clone() }
    }
}

impl Iterator for Items {
    type Item = Option<(Pointer, u8, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let position = self.position;
        let length = item_header(&self.rest).map(|(_, length, _)| length.saturating_add(ITEM_HEADER));
        let Some(length) = length.filter(|length| *length <= self.rest.len()) else {
            self.rest.clear();
            return Some(None);
        };
        let bytes = self.rest.split_to(length);
        self.position += length as u64;
        let pointer = Pointer { position, length: u32::try_from(length).unwrap_or(u32::MAX) };
        let item = open_item(position, &bytes).map(|(kind, payload)| (pointer, kind, payload));
        if item.is_none() {
            self.rest.clear();
        }
        Some(item)
    }
}
