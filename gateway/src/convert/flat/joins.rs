//! The rows of tables that others are joined with: in memory as long as they are few, else on disk by their keys.

use std::collections::HashMap;
use std::io;
use std::sync::Mutex;

use formats::flat::{Row, Rows};
use mappers::flat::{Joined, Memory, Shape, Table};
use model::outcome::Issue;
use sha2::{Digest, Sha256};
use store::Scratch;

use super::{Input, Log, Request, Source, StreamError};

/// Finds rows by key. Holds patient data.
pub(super) enum Joins {
    Memory(Memory),
    Disk(Disk),
}

/// Rows on disk.
pub(super) struct Disk {
    scratch: Scratch,
    shapes: HashMap<usize, Shape>,
    /// Tables whose rows add to those of others: several may have one key.
    adding: Vec<usize>,
    /// The first thing that went wrong while rows were looked up, on whatever thread.
    failure: Mutex<Option<io::Error>>,
}

impl Joins {
    /// Reads the tables that others are joined with.
    pub(super) fn read(
        request: &Request<'_>,
        sources: &mut [Box<dyn Source>],
        log: &mut Log,
    ) -> Result<Self, StreamError> {
        let tables: Vec<(Table<'_>, usize)> = if request.assigned.tables.len() < 2 {
            Vec::new()
        } else {
            let wanted: Vec<usize> =
                Memory::wanted(request.assigned.package).iter().map(|table| table.number).collect();
            request.assigned.tables.iter().filter(|(table, _)| wanted.contains(&table.number)).copied().collect()
        };
        let mut memory = Memory::default();
        let mut found = Vec::new();
        if each(&tables, sources, &mut |table, shape, rows| {
            match shape {
                Some(shape) => memory.open(table, shape.clone()),
                None => {
                    let fits = memory.add(table, rows, request.memory_bytes);
                    found.append(&mut memory.take_issues());
                    return Ok(fits);
                }
            }
            Ok(true)
        })? {
            log.extend(found);
            return Ok(Self::Memory(memory));
        }
        // Too much: what is in memory goes, and the files are read again.
        drop(memory);
        let mut disk = Disk {
            scratch: Scratch::new()?,
            shapes: HashMap::new(),
            adding: tables.iter().filter(|(table, _)| table.adds()).map(|(table, _)| table.number).collect(),
            failure: Mutex::new(None),
        };
        each(&tables, sources, &mut |table, shape, rows| {
            if let Some(shape) = shape {
                disk.shapes.insert(table.number, shape.clone());
                return Ok(true);
            }
            for row in rows.iter() {
                log.extend(disk.add(table, &row)?);
            }
            Ok(true)
        })?;
        Ok(Self::Disk(disk))
    }

    /// What went wrong while rows were looked up.
    pub(super) fn check(self) -> io::Result<()> {
        let Self::Disk(disk) = self else { return Ok(()) };
        let failure = disk.failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        failure.map_or(Ok(()), Err)
    }
}

/// What takes a table's shape, then its rows; false ends the reading.
type Take<'t> = dyn FnMut(&Table<'_>, Option<&Shape>, &Rows) -> Result<bool, StreamError> + 't;

/// Reads tables one after the other; false where `take` has ended it.
fn each(
    tables: &[(Table<'_>, usize)],
    sources: &mut [Box<dyn Source>],
    take: &mut Take<'_>,
) -> Result<bool, StreamError> {
    let mut rows = Rows::default();
    for (table, number) in tables {
        let Some(source) = sources.get_mut(*number) else { continue };
        let mut input = Input::open(table, source.open()?)?;
        rows.clear();
        take(table, Some(&input.shape), &rows)?;
        while input.rows(&mut rows)? {
            if !take(table, None, &rows)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

impl Disk {
    fn add(&self, table: &Table<'_>, row: &Row<'_>) -> Result<Option<Issue>, StreamError> {
        let Some(shape) = self.shapes.get(&table.number) else { return Ok(None) };
        let adds = table.adds();
        let key = if adds { table.parent_key(shape, row) } else { table.key(shape, row) };
        let Some(key) = key else { return Ok((!adds).then(|| table.key_missing(row.number()))) };
        let mut at = place(table.number, &key);
        if adds {
            at.extend(row.number().to_be_bytes());
        } else if self.scratch.get(&at)?.is_some() {
            return Ok(Some(table.key_taken(row.number())));
        }
        self.scratch.put(&at, &packed(row))?;
        Ok(None)
    }

    fn found(&self, table: usize, key: &str, rows: &mut Rows) -> io::Result<()> {
        let at = place(table, key);
        if self.adding.contains(&table) {
            return self.scratch.each(&at, &mut |_, value| {
                unpack(value, rows);
                true
            });
        }
        if let Some(value) = self.scratch.get(&at)? {
            unpack(&value, rows);
        }
        Ok(())
    }
}

impl Joined for Joins {
    fn find(&self, table: usize, key: &str, rows: &mut Rows) {
        match self {
            Self::Memory(memory) => memory.find(table, key, rows),
            Self::Disk(disk) => {
                if let Err(error) = disk.found(table, key, rows) {
                    let mut failure = disk.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    failure.get_or_insert(error);
                }
            }
        }
    }

    fn shape(&self, table: usize) -> Option<&Shape> {
        match self {
            Self::Memory(memory) => memory.shape(table),
            Self::Disk(disk) => disk.shapes.get(&table),
        }
    }
}

/// Where the rows of a key stand: of one length for each table, so that no key begins another's.
fn place(table: usize, key: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(48);
    out.extend((table as u64).to_be_bytes());
    out.extend(Sha256::digest(key.as_bytes()));
    out
}

/// Number and cells of a row.
fn packed(row: &Row<'_>) -> Vec<u8> {
    let mut out = row.number().to_le_bytes().to_vec();
    for cell in row.cells() {
        // A row has at most 1 MiB.
        out.extend((cell.len() as u32).to_le_bytes());
        out.extend(cell.as_bytes());
    }
    out
}

fn unpack(value: &[u8], rows: &mut Rows) {
    let Some((number, mut rest)) = value.split_first_chunk() else { return };
    let mut cells = Vec::new();
    while let Some((length, more)) = rest.split_first_chunk() {
        let Some((cell, after)) = more.split_at_checked(u32::from_le_bytes(*length) as usize) else { return };
        cells.push(std::str::from_utf8(cell).unwrap_or_default());
        rest = after;
    }
    rows.push(u64::from_le_bytes(*number), cells);
}
