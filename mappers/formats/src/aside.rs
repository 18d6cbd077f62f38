//! Files inside a document (base64 of many megabytes) set aside while it comes in, so that what is held of it in memory does
//! not grow with them: each lies on a [`Shelf`], and a single byte stands for it.
//!
//! The [`Sieve`] only proposes. What it takes for the text of an element may stand in a comment, and what looks like base64 may
//! be none: whoever reads the rest decides, and without a doubt left, or else reads the whole again ([`Sieved::whole`]).

mod packing;
mod run;
mod sieve;

use std::collections::HashMap;
use std::io;
use std::ops::Range;

use packing::Packing;
pub use sieve::{Sieve, Sieved};

/// Stands for a file in what is kept. XML does not have this character (XML 1.0, production 2), so no sender can write one.
pub const MARK: u8 = 1;

/// Begins a text that stands for a file: followed by [`AS_TEXT`] or [`AS_DATA`] and the digest of what it stands for.
pub const MARK_LETTER: char = '\u{1}';

/// The text as it stands in the document, without white space.
pub const AS_TEXT: char = 't';

/// The file in base64 as FHIR has it, all in one line.
pub const AS_DATA: char = 'd';

/// Smaller files stay where they are.
pub const FILE_FROM_BYTES: usize = 64 << 10;

/// Where files lie: bytes that are added at the end and read anywhere.
pub trait Shelf {
    /// Adds bytes at the end.
    ///
    /// # Errors
    /// Where there is no room.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Reads bytes from a place on; less than asked for only if there are no more.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// In memory, for tests.
impl Shelf for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(at).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let length = from.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), from.get(..length)) {
            to.copy_from_slice(from);
        }
        Ok(length)
    }
}

/// A file that lies on a shelf, and what is asked of it while the document is translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where its mark stands in what is kept.
    pub(crate) at: usize,
    /// Where it lies, as it was written in the document.
    pub(crate) place: Range<u64>,
    /// Line ends in it.
    pub(crate) lines: u32,
    /// Characters behind the last of them.
    pub(crate) tail: u32,
    size: u64,
    text_digest: [u8; 32],
    data_digest: [u8; 32],
    sha1: [u8; 20],
}

impl File {
    /// How many bytes the file has, decoded.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The SHA-1 of its bytes.
    pub fn sha1(&self) -> [u8; 20] {
        self.sha1
    }

    /// The SHA-256 of its text without white space.
    pub fn text_digest(&self) -> [u8; 32] {
        self.text_digest
    }

    /// What stands for its text.
    pub fn text_token(&self) -> String {
        token(AS_TEXT, &self.text_digest)
    }

    /// What stands for its base64: the same for files of the same bytes.
    pub fn data_token(&self) -> String {
        token(AS_DATA, &self.data_digest)
    }
}

fn token(kind: char, digest: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(HEX.get(usize::from(nibble)).copied().unwrap_or(b'0'));
    let digits = digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    [MARK_LETTER, kind].into_iter().chain(digits).collect()
}

/// Files on their shelf.
#[derive(Debug)]
pub struct Files<S> {
    shelf: S,
    /// By what stands for them, and whether that is the text of one.
    by_token: HashMap<String, (bool, Range<u64>)>,
}

impl<S: Shelf> Files<S> {
    fn new(shelf: S, files: &[File]) -> Self {
        let tokens = |file: &File| {
            [(file.data_token(), (false, file.place.clone())), (file.text_token(), (true, file.place.clone()))]
        };
        Self { shelf, by_token: files.iter().flat_map(tokens).collect() }
    }

    /// Hands over, piece by piece, what a token stands for.
    ///
    /// # Errors
    /// What the shelf or `take` says; [`io::ErrorKind::NotFound`] for a token of no file that lies here.
    pub fn read(&self, token: &str, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match self.by_token.get(token) {
            None => Err(io::ErrorKind::NotFound.into()),
            Some((false, place)) => self.data(place, take),
            Some((true, place)) => each(&self.shelf, place, &mut |piece| {
                piece.retain(|byte| !byte.is_ascii_whitespace());
                take(piece)
            }),
        }
    }

    fn data(&self, place: &Range<u64>, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let (mut packing, mut out) = (Packing::default(), Vec::new());
        each(&self.shelf, place, &mut |piece| {
            out.clear();
            packing.push(piece, &mut out);
            take(&out)
        })?;
        out.clear();
        if !packing.finish(&mut out) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        take(&out)
    }
}

/// Hands over a part of a shelf piece by piece.
fn each<S: Shelf>(
    shelf: &S,
    place: &Range<u64>,
    take: &mut dyn FnMut(&mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    const PIECE: usize = 64 << 10;
    let (mut at, mut piece) = (place.start, Vec::with_capacity(PIECE));
    while at < place.end {
        let left = usize::try_from(place.end.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
        piece.resize(left, 0);
        let read = shelf.read(at, &mut piece)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        piece.truncate(read);
        at = at.saturating_add(read as u64);
        take(&mut piece)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
