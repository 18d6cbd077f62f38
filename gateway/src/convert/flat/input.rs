//! A file read as the rows of a table.

use std::io::{self, Read};

use formats::flat::{Reader, Rows};
use mappers::flat::{Shape, Table, issue};
use model::outcome::Issue;

use super::StreamError;

/// Rows that are mapped at once.
const BATCH_ROWS: usize = 512;

/// So much is read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// A file being read as a table.
pub(super) struct Input {
    source: Box<dyn Read + Send>,
    reader: Reader,
    pub(super) shape: Shape,
    pub(super) issues: Vec<Issue>,
    chunk: Vec<u8>,
    ended: bool,
    pub(super) read_bytes: u64,
}

impl Input {
    pub(super) fn open(table: &Table<'_>, source: Box<dyn Read + Send>) -> Result<Self, StreamError> {
        let mut reader = Reader::new(table.dialect().clone());
        let mut chunk = vec![0; CHUNK_BYTES];
        let (mut head, mut ended, mut read_bytes, mut source) = (Rows::default(), false, 0, source);
        if table.has_header() {
            while head.is_empty() && !ended {
                ended = pump(&mut *source, &mut chunk, &mut reader, &mut read_bytes)?;
                reader.read(&mut head, 1);
            }
            if head.is_empty() {
                let issue = Issue::error("structure", "expected a header, found no row").at("1");
                return Err(StreamError::Refused(Box::new(issue)));
            }
        }
        let (shape, mut issues) =
            table.shape(head.row(0).as_ref()).map_err(|issue| StreamError::Refused(Box::new(issue)))?;
        issues.extend(head.found.iter().map(issue));
        Ok(Self { source, reader, shape, issues, chunk, ended, read_bytes })
    }

    /// Fills `rows` with the next ones; false where there are none.
    pub(super) fn rows(&mut self, rows: &mut Rows) -> io::Result<bool> {
        rows.clear();
        loop {
            self.reader.read(rows, BATCH_ROWS);
            if rows.len() >= BATCH_ROWS || self.ended {
                return Ok(!rows.is_empty() || !rows.found.is_empty());
            }
            self.ended = pump(&mut *self.source, &mut self.chunk, &mut self.reader, &mut self.read_bytes)?;
        }
    }
}

/// Reads a chunk; true at the end of the input.
fn pump(source: &mut dyn Read, chunk: &mut [u8], reader: &mut Reader, count: &mut u64) -> io::Result<bool> {
    loop {
        match source.read(chunk) {
            Ok(0) => {
                reader.finish();
                return Ok(true);
            }
            Ok(read) => {
                *count += read as u64;
                reader.push(chunk.get(..read).unwrap_or_default());
                return Ok(false);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
