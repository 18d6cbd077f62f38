//! Rows on disk for the time of one run: what is too much for memory and is of no use afterwards.

use std::io;

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use tempfile::TempDir;

/// What is kept in memory of them: blocks read last, and rows not yet written.
const CACHE_BYTES: u64 = 64 << 20;
const UNWRITTEN_BYTES: u64 = 16 << 20;
/// Before older parts of the journal are given up.
const JOURNAL_BYTES: u64 = 64 << 20;

/// Rows by key in a folder of its own below the system's folder for such (`TMPDIR`), which its owner alone may read. The
/// folder goes with this value; a process that is killed leaves it behind. May be used from several threads.
pub struct Scratch {
    rows: Keyspace,
    // Closed after its rows and before its folder goes.
    _database: Database,
    _folder: TempDir,
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Scratch").finish_non_exhaustive()
    }
}

impl Scratch {
    /// An empty one.
    ///
    /// # Errors
    /// Where no folder can be made or written.
    pub fn new() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("anchorline-").tempdir()?;
        let database = Database::builder(folder.path())
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .manual_journal_persist(true)
            .worker_threads(1)
            .open()
            .map_err(io::Error::other)?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(UNWRITTEN_BYTES);
        let rows = database.keyspace("rows", options).map_err(io::Error::other)?;
        Ok(Self { rows, _database: database, _folder: folder })
    }

    /// Sets a row; keys have at most 64 KiB.
    ///
    /// # Errors
    /// Where the disk refuses it.
    pub fn put(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.rows.insert(key, value).map_err(io::Error::other)
    }

    /// The row of a key.
    ///
    /// # Errors
    /// Where the disk cannot be read.
    pub fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(self.rows.get(key).map_err(io::Error::other)?.map(|value| value.to_vec()))
    }

    /// The first key from this one on that begins so.
    ///
    /// # Errors
    /// Where the disk cannot be read.
    pub fn next(&self, prefix: &[u8], from: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let Some(row) = self.rows.range(from..).next() else { return Ok(None) };
        let key = row.key().map_err(io::Error::other)?;
        Ok(key.starts_with(prefix).then(|| key.to_vec()))
    }

    /// Hands on the rows whose keys begin with this, in the order of their keys, until `take` is false.
    ///
    /// # Errors
    /// Where the disk cannot be read.
    pub fn each(&self, prefix: &[u8], take: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> io::Result<()> {
        for row in self.rows.prefix(prefix) {
            let (key, value) = row.into_inner().map_err(io::Error::other)?;
            if !take(&key, &value) {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_by_key_and_in_order_and_leave_nothing() {
        let scratch = Scratch::new().unwrap();
        let path = scratch._folder.path().to_owned();
        for number in (0..50_000_u32).rev() {
            let key = [&[u8::from(number % 2 == 0)][..], &number.to_be_bytes()].concat();
            scratch.put(&key, &vec![7; 1000]).unwrap();
        }
        let key = [&[1][..], &8_u32.to_be_bytes()].concat();
        assert_eq!(scratch.get(&key).unwrap().map(|value| value.len()), Some(1000));
        assert_eq!(scratch.get(&[1, 9]).unwrap(), None);
        assert_eq!(scratch.next(&[1], &[1, 0, 0, 0, 7]).unwrap(), Some(key));
        assert_eq!(scratch.next(&[0], &[0, 255]).unwrap(), None);
        let mut last: Option<Vec<u8>> = None;
        let mut count = 0;
        let each = scratch.each(&[0], &mut |key, _| {
            assert!(last.as_deref() < Some(key));
            last = Some(key.to_vec());
            count += 1;
            count < 20_000
        });
        each.unwrap();
        assert_eq!(count, 20_000);
        drop(scratch);
        assert!(!path.exists());
    }
}
