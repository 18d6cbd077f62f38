//! Reading what a command was given: files, or standard input for `-`.

use std::io::{BufWriter, Read, Write};
use std::path::Path;

use super::Failure;

/// Largest input a command reads whole. Batch files of HL7 v2 are read piece by piece and may be larger.
pub(crate) const INPUT_LIMIT_BYTES: u64 = 1 << 30;

/// The bytes of a file, or of standard input for `-`.
///
/// # Errors
/// One line with the path as given and what the system said; the size limit is said, too.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(INPUT_LIMIT_BYTES + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(INPUT_LIMIT_BYTES + 1).read_to_end(&mut bytes))
    };
    match read {
        Err(error) => Err(Failure::Refused(format!("{}: {error}", path.display()))),
        Ok(length) if length as u64 > INPUT_LIMIT_BYTES => {
            Err(Failure::Refused(format!("{}: larger than {} MiB", path.display(), INPUT_LIMIT_BYTES >> 20)))
        }
        Ok(_) => Ok(bytes),
    }
}

/// A file to be read piece by piece, or standard input for `-`.
///
/// # Errors
/// One line with the path as given and what the system said.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Read>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    match std::fs::File::open(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(unread(path, &error)),
    }
}

/// The failure of reading a file.
pub(crate) fn unread(path: &Path, error: &std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::FileTooLarge {
        return Failure::Refused(format!("{}: larger than {} MiB", path.display(), INPUT_LIMIT_BYTES >> 20));
    }
    Failure::Refused(format!("{}: {error}", path.display()))
}

/// Writes a whole file.
///
/// # Errors
/// One line with the path and what the system said.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|error| Failure::Refused(format!("{}: {error}", path.display())))
}

/// Writes a file piece by piece.
///
/// # Errors
/// One line with the path and what the system said.
pub(crate) fn write_by(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), Failure> {
    let written = std::fs::File::create(path).and_then(|file| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.flush()
    });
    written.map_err(|error| Failure::Refused(format!("{}: {error}", path.display())))
}
