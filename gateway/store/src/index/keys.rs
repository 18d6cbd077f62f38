//! Keys of index rows. The first byte says the kind; numbers are big endian so that rows sort by them.
//!
//! | row | key | value |
//! | --- | --- | --- |
//! | meta | `0` | format, journal id, applied position, sequence, last commit time |
//! | current version | `r` hash16(type, id) | version, deleted, pointer, rows made anew |
//! | of a patient | `p` hash8(patient) position | exchange number, entries (type tag, pointer, sketch) |
//! | of a type | `t` type 0 position | pointers |
//! | posting | `x` type 0 param4 value 0 0 position8 | length of the version's item, sketch of its other rows |
//! | live version | `x` type 0 0000 0 0 position8 | length of the version's item |
//! | absolute URL | `v` hash16(type, param, value) | –; there is, or was, a posting of this value |
//! | version without postings | `o` hash16(type, id) | as its current version |
//! | minute | `c` minute8 | position of the first commit in it |
//! | exchange id | `e` id16 | number |
//! | exchange line | `E` number8 | line with pointer to the newest state |
//! | control id | `k` hash8(control id) hash8(source, application, facility) number8 | – |
//! | open exchange | `u` state number8 | – |
//! | pending delivery | `d` hash8(destination) number8 | due |
//! | dead delivery | `D` hash8(destination) number8 | – |
//! | ledger record | `l` index8 | pointer |
//! | grant | `g` hash8(person) id | declared, expires, ended, pointer |
//! | grant id | `G` id | hash8(person) |
//! | merge | `m` hash8(patient) hash8(other) | pointer |

use std::ops::{Bound, RangeBounds};

use sha2::{Digest as _, Sha256};

use super::Direction;
use crate::exchange::{ExchangeId, ExchangeState, RepeatKey};

/// Sorts before every other row.
pub(crate) const META: &[u8] = b"0";
pub(crate) const EXCHANGES: &[u8] = b"E";
pub(crate) const LEDGER: &[u8] = b"l";
pub(crate) const GRANTS: &[u8] = b"g";

/// Longest value kept in a key; longer ones share their first bytes and are told apart by the version's own rows.
pub(crate) const VALUE_LIMIT: usize = 128;

/// SHA-256 over parts with their lengths, cut to `N` bytes.
pub(crate) fn hash<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    let mut out = [0; N];
    for (byte, value) in out.iter_mut().zip(digest) {
        *byte = value;
    }
    out
}

/// Two bytes by which entries of other types are passed over without reading them.
pub(crate) fn type_tag(resource_type: &str) -> [u8; 2] {
    hash(&[resource_type])
}

pub(crate) fn current(resource_type: &str, id: &str) -> Vec<u8> {
    current_of(&hash(&[resource_type, id]))
}

pub(crate) fn current_of(resource: &[u8; 16]) -> Vec<u8> {
    [b"r", &resource[..]].concat()
}

pub(crate) fn patient(patient: &str) -> Vec<u8> {
    [b"p", &hash::<8>(&[patient])[..]].concat()
}

pub(crate) fn patient_at(name: &str, position: u64) -> Vec<u8> {
    [&patient(name)[..], &position.to_be_bytes()].concat()
}

pub(crate) fn of_type(resource_type: &str) -> Vec<u8> {
    [b"t", resource_type.as_bytes(), b"\0"].concat()
}

/// The type of a row of a type.
pub(crate) fn type_of(key: &[u8]) -> Option<String> {
    let name = key.strip_prefix(b"t")?.split(|byte| *byte == 0).next()?;
    std::str::from_utf8(name).ok().map(str::to_owned)
}

pub(crate) fn type_at(resource_type: &str, position: u64) -> Vec<u8> {
    [&of_type(resource_type)[..], &position.to_be_bytes()].concat()
}

/// The prefix of the key terms of one parameter whose value begins so.
///
/// Zero bytes are escaped and [`TERM_END`] follows a value, so that rows sort by value and no value hides another.
pub(crate) fn term(resource_type: &str, param: u32, value: &[u8]) -> Vec<u8> {
    let mut key = [b"x", resource_type.as_bytes(), b"\0", &param.to_be_bytes()].concat();
    for byte in value.iter().take(VALUE_LIMIT) {
        key.push(*byte);
        if *byte == 0 {
            key.push(0xff);
        }
    }
    key
}

/// The prefix of the key terms of exactly this value.
pub(crate) fn term_is(resource_type: &str, param: u32, value: &[u8]) -> Vec<u8> {
    [&term(resource_type, param, value)[..], &TERM_END].concat()
}

/// The posting of a version that stands at `position`.
pub(crate) fn posting(resource_type: &str, param: u32, value: &[u8], position: u64) -> Vec<u8> {
    [&term_is(resource_type, param, value)[..], &position.to_be_bytes()].concat()
}

/// The prefix of the list that a row is a posting of; the row of a current version is a list of one.
pub(crate) fn list_of(key: &[u8]) -> Option<&[u8]> {
    match key.first()? {
        b'x' => key.split_last_chunk::<8>().map(|(list, _)| list),
        b'r' => Some(key),
        _ => None,
    }
}

/// Whether a value is an absolute URL. References are looked for both ways, and few are written so: whether there is one is
/// asked by a row of its own, as opening a list to find it empty costs twenty times as much.
pub(crate) fn is_absolute(value: &[u8]) -> bool {
    let colon = value.iter().position(|byte| matches!(byte, b':' | 0));
    colon.and_then(|colon| value.get(colon..)).is_some_and(|rest| rest.starts_with(b"://") && !rest.contains(&0))
}

/// The row that says that there may be postings of an absolute URL.
pub(crate) fn absolute(resource_type: &str, param: u32, value: &[u8]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    // No type and no number of a parameter holds what ends it.
    hasher.update(resource_type.as_bytes());
    hasher.update([0]);
    hasher.update(param.to_be_bytes());
    hasher.update(value);
    let mut key = vec![b'v'];
    key.extend(hasher.finalize().iter().take(16));
    key
}

/// Whether a value stands in its posting whole.
pub(crate) fn is_whole(value: &[u8]) -> bool {
    value.len() < VALUE_LIMIT
}

/// The value of a posting whose key this is; `None` if the key is none.
pub(crate) fn posted_value(resource_type: &str, key: &[u8]) -> Option<Vec<u8>> {
    let (rest, _) = key.split_last_chunk::<8>()?;
    // Kind, type, its end and the parameter stand before the value.
    let mut escaped = rest.strip_suffix(&TERM_END)?.get(resource_type.len() + 6..)?.iter();
    let mut value = Vec::with_capacity(escaped.len());
    while let Some(byte) = escaped.next() {
        value.push(*byte);
        if *byte == 0 {
            escaped.next();
        }
    }
    Some(value)
}

/// Versions of earlier releases that have no postings yet.
pub(crate) const OLDER: &[u8] = b"o";

pub(crate) fn older(resource_type: &str, id: &str) -> Vec<u8> {
    [OLDER, &hash::<16>(&[resource_type, id])[..]].concat()
}

pub(crate) const MINUTES: &[u8] = b"c";

pub(crate) fn minute(number: u64) -> Vec<u8> {
    [MINUTES, &number.to_be_bytes()].concat()
}

const TERM_END: [u8; 2] = [0, 0];

/// The parameter under which every live version has a posting, its value empty: what a type is walked by.
pub(crate) const LIVE: u32 = 0;

pub(crate) fn exchange(id: &ExchangeId) -> Vec<u8> {
    [b"e", &id.bits()[..]].concat()
}

pub(crate) fn line(number: u64) -> Vec<u8> {
    [EXCHANGES, &number.to_be_bytes()].concat()
}

pub(crate) fn control_id(message_control_id: &str) -> Vec<u8> {
    [b"k", &hash::<8>(&[message_control_id])[..]].concat()
}

pub(crate) fn repeat(key: &RepeatKey) -> Vec<u8> {
    let sender = hash::<8>(&[&key.source, &key.sending_application, &key.sending_facility]);
    [&control_id(&key.message_control_id)[..], &sender].concat()
}

pub(crate) fn repeat_at(key: &RepeatKey, number: u64) -> Vec<u8> {
    [&repeat(key)[..], &number.to_be_bytes()].concat()
}

pub(crate) fn open(state: ExchangeState) -> Vec<u8> {
    vec![b'u', state as u8]
}

pub(crate) fn open_at(state: ExchangeState, number: u64) -> Vec<u8> {
    [&open(state)[..], &number.to_be_bytes()].concat()
}

pub(crate) fn destination(name: &str) -> [u8; 8] {
    hash(&[name])
}

pub(crate) fn pending(destination: &[u8; 8]) -> Vec<u8> {
    [b"d", &destination[..]].concat()
}

pub(crate) fn pending_at(destination: &[u8; 8], number: u64) -> Vec<u8> {
    [&pending(destination)[..], &number.to_be_bytes()].concat()
}

pub(crate) fn dead(destination: &[u8; 8]) -> Vec<u8> {
    [b"D", &destination[..]].concat()
}

pub(crate) fn dead_at(destination: &[u8; 8], number: u64) -> Vec<u8> {
    [&dead(destination)[..], &number.to_be_bytes()].concat()
}

pub(crate) fn ledger(index: u64) -> Vec<u8> {
    [LEDGER, &index.to_be_bytes()].concat()
}

pub(crate) fn grants_of(person: &[u8; 8]) -> Vec<u8> {
    [GRANTS, &person[..]].concat()
}

pub(crate) fn grant(person: &[u8; 8], id: &str) -> Vec<u8> {
    [&grants_of(person)[..], id.as_bytes()].concat()
}

pub(crate) fn grant_id(id: &str) -> Vec<u8> {
    [b"G", id.as_bytes()].concat()
}

pub(crate) fn links(patient: &str) -> Vec<u8> {
    [b"m", &hash::<8>(&[patient])[..]].concat()
}

pub(crate) fn link(patient: &str, other: &str, side: u8) -> Vec<u8> {
    [&links(patient)[..], &hash::<8>(&[other]), &[side]].concat()
}

/// The number at the end of a key.
pub(crate) fn trailing_number(key: &[u8]) -> u64 {
    key.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// A range of keys still to be walked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    low: Bound<Vec<u8>>,
    high: Bound<Vec<u8>>,
}

impl Range {
    /// All keys that begin with `prefix`.
    pub(crate) fn of(prefix: &[u8]) -> Self {
        let mut end = prefix.to_vec();
        while end.last() == Some(&0xff) {
            end.pop();
        }
        let high = match end.last_mut() {
            Some(last) => {
                *last += 1;
                Bound::Excluded(end)
            }
            None => Bound::Unbounded,
        };
        Self { low: Bound::Included(prefix.to_vec()), high }
    }

    /// Leaves what comes strictly after `key` in the walk's direction, if anything does.
    pub(crate) fn cut(&mut self, key: &[u8], direction: Direction) {
        let bound = Bound::Excluded(key.to_vec());
        match direction {
            Direction::Up => self.low = bound,
            Direction::Down => self.high = bound,
        }
        // A cut beyond the other end leaves nothing; the maps panic on a range that ends before it begins.
        if let (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) =
            (&self.low, &self.high)
            && low >= high
        {
            self.high = Bound::Excluded(low.clone());
            self.low = Bound::Included(low.clone());
        }
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        RangeBounds::<[u8]>::contains(&self.bounds(), key)
    }

    pub(crate) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (self.low.as_ref().map(Vec::as_slice), self.high.as_ref().map(Vec::as_slice))
    }
}
