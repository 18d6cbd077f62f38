//! Resources that are to be written as rows, on disk: by their numbers, names and what they refer to.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use mappers::flat::{Pool, kept_columns, references};
use model::json::{Json, Limits, parse};
use sha2::{Digest, Sha256};
use store::Scratch;

/// Resources that are held as read.
const HELD: usize = 2048;

/// Resources on disk. Holds patient data.
pub struct Spooled {
    scratch: Scratch,
    count: Cell<usize>,
    held: RefCell<HashMap<usize, Arc<Json>>>,
    columns: BTreeMap<String, BTreeSet<String>>,
    /// The first thing that went wrong while resources were looked up.
    failure: RefCell<Option<io::Error>>,
}

impl std::fmt::Debug for Spooled {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Spooled").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Spooled {
    /// An empty one.
    ///
    /// # Errors
    /// What the disk says.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            scratch: Scratch::new()?,
            count: Cell::new(0),
            held: RefCell::default(),
            columns: BTreeMap::new(),
            failure: RefCell::default(),
        })
    }

    /// Adds a resource; `url` is the `fullUrl` of its entry.
    ///
    /// # Errors
    /// What the disk says.
    pub fn add(&mut self, url: Option<&str>, resource: &Json) -> io::Result<()> {
        let number = self.count.get() as u64;
        self.count.set(self.count.get() + 1);
        let kind = resource.text_at(&["resourceType"]).unwrap_or_default();
        let place = number.to_be_bytes();
        self.scratch.put(&key(b'r', &[&place]), &resource.to_bytes())?;
        self.scratch.put(&key(b'k', &[&hash(kind), &place]), &[])?;
        let own = resource.text_at(&["id"]).map(|id| format!("{kind}/{id}"));
        for name in url.map(str::to_owned).into_iter().chain(own) {
            self.scratch.put(&key(b'n', &[&hash(&name)]), &place)?;
        }
        if let Some(url) = url {
            self.scratch.put(&key(b'u', &[&place]), url.as_bytes())?;
        }
        let mut targets: BTreeSet<&str> = BTreeSet::new();
        references(resource, &mut |to| {
            targets.insert(to);
        });
        for to in targets {
            self.scratch.put(&key(b'f', &[&hash(to), &hash(kind), &place]), &[])?;
        }
        let columns = &mut self.columns;
        kept_columns(resource, &mut |table, column| {
            columns.entry(table.to_owned()).or_default().insert(column);
        });
        Ok(())
    }

    /// What went wrong while resources were looked up.
    ///
    /// # Errors
    /// That.
    pub fn check(self) -> io::Result<()> {
        self.failure.into_inner().map_or(Ok(()), Err)
    }

    fn noted<T>(&self, result: io::Result<T>) -> Option<T> {
        match result {
            Ok(found) => Some(found),
            Err(error) => {
                self.failure.borrow_mut().get_or_insert(error);
                None
            }
        }
    }

    /// The numbers at the end of the keys that begin so, until `take` is false.
    fn numbers(&self, prefix: &[u8], take: &mut dyn FnMut(usize) -> bool) {
        let each = self.scratch.each(prefix, &mut |key, _| last(key).is_some_and(&mut *take));
        self.noted(each);
    }
}

impl Pool for Spooled {
    fn len(&self) -> usize {
        self.count.get()
    }

    fn resource(&self, number: usize) -> Option<Arc<Json>> {
        if let Some(held) = self.held.borrow().get(&number) {
            return Some(Arc::clone(held));
        }
        let bytes = self.noted(self.scratch.get(&key(b'r', &[&(number as u64).to_be_bytes()])))??;
        let read = parse(&bytes, &Limits::default()).map_err(io::Error::other);
        let json = Arc::new(self.noted(read)?);
        let mut held = self.held.borrow_mut();
        if held.len() >= HELD {
            held.clear();
        }
        held.insert(number, Arc::clone(&json));
        Some(json)
    }

    fn next(&self, kind: &str, from: usize) -> Option<usize> {
        let prefix = key(b'k', &[&hash(kind)]);
        let start = key(b'k', &[&hash(kind), &(from as u64).to_be_bytes()]);
        let first = self.noted(self.scratch.next(&prefix, &start))??;
        last(&first)
    }

    fn named(&self, reference: &str) -> Option<usize> {
        let value = self.noted(self.scratch.get(&key(b'n', &[&hash(reference)])))??;
        last(&value)
    }

    fn referring(&self, number: usize, kind: &str, take: &mut dyn FnMut(usize) -> bool) {
        let url = self.noted(self.scratch.get(&key(b'u', &[&(number as u64).to_be_bytes()]))).flatten();
        let url = url.and_then(|url| String::from_utf8(url).ok());
        let own = self.resource(number).and_then(|resource| {
            Some(format!("{}/{}", resource.text_at(&["resourceType"])?, resource.text_at(&["id"])?))
        });
        let mut going = true;
        for name in own.into_iter().chain(url) {
            if going {
                self.numbers(&key(b'f', &[&hash(&name), &hash(kind)]), &mut |number| {
                    going = take(number);
                    going
                });
            }
        }
    }

    fn columns(&self, table: &str) -> BTreeSet<String> {
        self.columns.get(table).cloned().unwrap_or_default()
    }
}

/// A key of parts of one length for each kind, so that none begins another's.
fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![kind];
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// Names may be of any length.
fn hash(text: &str) -> [u8; 16] {
    let mut out = [0; 16];
    out.iter_mut().zip(Sha256::digest(text.as_bytes())).for_each(|(slot, byte)| *slot = byte);
    out
}

fn last(key: &[u8]) -> Option<usize> {
    usize::try_from(u64::from_be_bytes(*key.last_chunk()?)).ok()
}
