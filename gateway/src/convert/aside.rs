//! Large files inside an input, set aside on disk while it is translated: memory does not grow with them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;

use formats::aside::{FILE_FROM_BYTES, Files, Shelf, Sieve, Sieved};
use model::json::{Json, Piece};

use super::{Body, CHUNK_BYTES, Format, Part, Whole, Work, ccda, single};

/// Whether a translation can do without the files in an input.
pub(super) fn can_do_without(from: Format, to: Format) -> bool {
    (from, to) == (Format::Ccda, Format::FhirR4)
}

/// A file without a name, below the system's folder for such (`TMPDIR`): it goes with this value, and with the process. Made
/// when the first bytes come.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    file: Option<File>,
    length: u64,
}

impl Shelf for Scratch {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        // Reading moves the place, and a failed attempt may have written some.
        file.seek(SeekFrom::Start(self.length))?;
        file.write_all(bytes)?;
        self.length = self.length.saturating_add(bytes.len() as u64);
        Ok(())
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut file) = self.file.as_ref() else { return Ok(0) };
        file.seek(SeekFrom::Start(at))?;
        loop {
            match file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

/// FHIR in which texts stand for files that lie elsewhere. Holds patient data.
#[derive(Debug)]
pub struct Parted {
    resource: Json,
    files: Files<Scratch>,
}

impl Parted {
    /// Writes it with its files, piece by piece.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.resource.pieces_around(&mut |piece| match piece {
            Piece::Written(bytes) => out.write_all(bytes),
            Piece::Aside(token) => self.files.read(token, &mut |bytes| out.write_all(bytes)),
        })
    }
}

/// Translates an input without its files, and gives them back where it is written.
pub(super) fn convert(
    work: &Work<'_>,
    read: Whole,
    input: &mut dyn Read,
    room: (u64, u64),
    take: &mut dyn FnMut(Part) -> ControlFlow<()>,
) -> io::Result<()> {
    let sieved = sieve(input, room)?;
    let part = if sieved.files.is_empty() {
        single(work.finish(read(work, sieved.kept.into())))
    } else {
        match without(work, sieved)? {
            Ok(part) => part,
            Err(sieved) if sieved.length() > ccda::limit_bytes() as u64 => single(Err(vec![ccda::too_long()])),
            Err(sieved) => {
                let whole = sieved.whole()?;
                drop(sieved);
                single(work.finish(read(work, whole.into())))
            }
        }
    };
    let _ = take(part);
    Ok(())
}

fn sieve(input: &mut dyn Read, (expected_bytes, limit_bytes): (u64, u64)) -> io::Result<Sieved<Scratch>> {
    // A longer document is translated if most of it are files, or not at all.
    let expected = usize::try_from(expected_bytes).unwrap_or(usize::MAX).min(ccda::limit_bytes());
    let mut sieve = Sieve::new(FILE_FROM_BYTES, Scratch::default()).with_room(expected);
    let (mut chunk, mut length) = (vec![0; CHUNK_BYTES], 0_u64);
    loop {
        let read = match input.read(&mut chunk) {
            Ok(0) => return sieve.finish(),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        length = length.saturating_add(read as u64);
        if length > limit_bytes {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        sieve.push(chunk.get(..read).unwrap_or_default())?;
    }
}

/// The translation without the files; what was sieved back where only the whole tells what it says.
fn without(work: &Work<'_>, sieved: Sieved<Scratch>) -> io::Result<Result<Part, Sieved<Scratch>>> {
    // Two times what is kept would be more than the whole.
    if (sieved.kept.len() as u64).saturating_mul(2) > sieved.length() {
        return Ok(Err(sieved));
    }
    let Some(read) = ccda::read_without(work, sieved.kept.clone(), &sieved.files) else { return Ok(Err(sieved)) };
    let mut output = match work.finish(read) {
        Ok(output) => output,
        Err(issues) => return Ok(Ok(single(Err(issues)))),
    };
    output.body = match output.body {
        Body::Resource(resource) => Body::Parted(Parted { resource, files: sieved.into_files() }),
        // What is written already has what stands for the files in it.
        _ => return Ok(Err(sieved)),
    };
    Ok(Ok(single(Ok(output))))
}

#[cfg(test)]
mod tests;
