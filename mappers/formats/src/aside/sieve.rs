//! What a document is without its files, found as its bytes come in.

use std::io;
use std::ops::Range;

use super::run::Run;
use super::{File, Files, MARK, Shelf, each};

/// Longer tags are not looked at for what their text is.
const TAG_BYTES: usize = 4 << 10;

/// Sets aside the texts of elements of `representation="B64"` (CDA R2, "ED").
pub struct Sieve<S> {
    from: usize,
    shelf: S,
    shelved: u64,
    /// The shelf has refused bytes: all stay here.
    is_full: bool,
    kept: Vec<u8>,
    files: Vec<File>,
    run: Option<Run>,
}

/// A document without its files.
pub struct Sieved<S> {
    /// Its bytes, with a [`MARK`] for each file.
    pub kept: Vec<u8>,
    /// What the marks stand for, in order.
    pub files: Vec<File>,
    shelf: S,
}

impl<S: Shelf> Sieve<S> {
    /// Sets aside what is of at least so many bytes.
    pub fn new(from: usize, shelf: S) -> Self {
        Self { from, shelf, shelved: 0, is_full: false, kept: Vec::new(), files: Vec::new(), run: None }
    }

    /// Makes room for a document of so many bytes: growing step by step would take half as much again where no files are in it.
    #[must_use]
    pub fn with_room(mut self, bytes: usize) -> Self {
        self.kept.reserve_exact(bytes);
        self
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// Where what lies on the shelf cannot be read.
    pub fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if let Some(mut run) = self.run.take() {
                let length = bytes.iter().position(|byte| !is_letter(*byte)).unwrap_or(bytes.len());
                let (letters, rest) = bytes.split_at(length);
                self.extend(&mut run, letters)?;
                match rest.first() {
                    None => self.run = Some(run),
                    next => self.end(run, next.copied())?,
                }
                bytes = rest;
                continue;
            }
            let opener = memchr::memchr2(b'>', b'[', bytes);
            let (passed, rest) = bytes.split_at(opener.map_or(bytes.len(), |at| at.saturating_add(1)));
            self.kept.extend_from_slice(passed);
            if opener.is_some() && !self.is_full && self.opens() {
                self.run = Some(Run::default());
            }
            bytes = rest;
        }
        Ok(())
    }

    /// There are no more.
    ///
    /// # Errors
    /// As [`Sieve::push`].
    pub fn finish(mut self) -> io::Result<Sieved<S>> {
        if let Some(run) = self.run.take() {
            self.end(run, None)?;
        }
        Ok(Sieved { kept: self.kept, files: self.files, shelf: self.shelf })
    }

    /// Whether a file may begin behind what is kept.
    fn opens(&self) -> bool {
        let recent = self.kept.get(self.kept.len().saturating_sub(TAG_BYTES)..).unwrap_or_default();
        let tag = recent.strip_suffix(b"<![CDATA[").unwrap_or(recent);
        let inner = tag.strip_suffix(b">").filter(|tag| !tag.ends_with(b"/")).unwrap_or_default();
        let start = memchr::memrchr(b'<', inner).unwrap_or(inner.len());
        memchr::memmem::find(inner.get(start..).unwrap_or_default(), b"representation").is_some()
    }

    fn extend(&mut self, run: &mut Run, letters: &[u8]) -> io::Result<()> {
        if run.place.is_none() {
            run.bytes.extend_from_slice(letters);
            if run.bytes.len() < self.from {
                return Ok(());
            }
            let bytes = std::mem::take(&mut run.bytes);
            run.place = Some(self.shelved..self.shelved);
            return self.shelve(run, &bytes);
        }
        self.shelve(run, letters)
    }

    /// Puts bytes on the shelf, or what has been put there back if it has no room.
    fn shelve(&mut self, run: &mut Run, bytes: &[u8]) -> io::Result<()> {
        if self.is_full {
            self.kept.extend_from_slice(bytes);
            return Ok(());
        }
        let place = run.place.clone().unwrap_or(self.shelved..self.shelved);
        if self.shelf.put(bytes).is_err() {
            self.is_full = true;
            self.put_back(place)?;
            self.kept.extend_from_slice(bytes);
            return Ok(());
        }
        run.take(bytes);
        self.shelved = self.shelved.saturating_add(bytes.len() as u64);
        run.place = Some(place.start..self.shelved);
        Ok(())
    }

    fn end(&mut self, run: Run, next: Option<u8>) -> io::Result<()> {
        if self.is_full {
            return Ok(());
        }
        let Some(place) = run.place.clone() else {
            self.kept.extend_from_slice(&run.bytes);
            return Ok(());
        };
        // A document that breaks off is refused without its files.
        let is_end = matches!(next, None | Some(b'<' | b']'));
        if !is_end || run.length() < self.from {
            return self.put_back(place);
        }
        match run.finish(place, self.kept.len()) {
            Ok(file) => {
                self.kept.push(MARK);
                self.files.push(file);
                Ok(())
            }
            Err(place) => self.put_back(place),
        }
    }

    fn put_back(&mut self, place: Range<u64>) -> io::Result<()> {
        let kept = &mut self.kept;
        // Growing step by step would take half as much again.
        kept.reserve(usize::try_from(place.end.saturating_sub(place.start)).unwrap_or_default());
        each(&self.shelf, &place, &mut |piece| {
            kept.extend_from_slice(piece);
            Ok(())
        })
    }
}

impl<S: Shelf> Sieved<S> {
    /// How many bytes the document has.
    pub fn length(&self) -> u64 {
        let aside = self.files.iter().map(|file| file.place.end.saturating_sub(file.place.start)).sum::<u64>();
        // Each mark stands for its file.
        (self.kept.len() as u64).saturating_add(aside).saturating_sub(self.files.len() as u64)
    }

    /// The document as it came.
    ///
    /// # Errors
    /// Where what lies on the shelf cannot be read.
    pub fn whole(&self) -> io::Result<Vec<u8>> {
        let mut whole = Vec::with_capacity(usize::try_from(self.length()).unwrap_or_default());
        let mut from = 0;
        for file in &self.files {
            whole.extend_from_slice(self.kept.get(from..file.at).unwrap_or_default());
            from = file.at.saturating_add(1);
            each(&self.shelf, &file.place, &mut |piece| {
                whole.extend_from_slice(piece);
                Ok(())
            })?;
        }
        whole.extend_from_slice(self.kept.get(from..).unwrap_or_default());
        Ok(whole)
    }

    /// The files on their shelf.
    pub fn into_files(self) -> Files<S> {
        Files::new(self.shelf, &self.files)
    }
}

/// A letter of base64 or white space between.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_' | b' ' | b'\t' | b'\n' | b'\r')
}
