//! A large code system on disk: one file, read in place.
//!
//! The file is made once from a release that the user has a licence for (see [`crate::import`]) and never changed. Codes
//! are kept in memory, sorted, with the places of what belongs to them: some 35 bytes a concept. Everything else (texts,
//! properties, parents, children, all ancestors) is read where it stands with positioned reads, so that membership costs
//! no read, subsumption and display one. Ids are places in the order of codes.
//!
//! Layout: magic, sections, footer, footer length, footer CRC-32, magic. Numbers are little endian. The footer is text,
//! a line an entry, fields between tabs.

mod build;
mod file;
mod open;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::concepts::Concepts;

pub use build::Builder;
pub use open::Release;

/// Ends a release file and begins it; the digit is the version of the layout.
const MAGIC: &[u8; 8] = b"ANCTERM1";
/// The file name extension of a release.
const EXTENSION: &str = "terminology";
/// Separates fields of a record. Not allowed in FHIR strings, nor in the texts of any code system.
const UNIT: char = '\u{1f}';

/// Kinds of a concept's records.
const DISPLAY: u8 = 0;
const DEFINITION: u8 = 1;
const DESIGNATION: u8 = 2;
const PROPERTY: u8 = 3;

/// Bits of a concept's flags.
const INACTIVE: u8 = 1;
const ABSTRACT: u8 = 2;

/// Why a release cannot be made or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The disk's fault.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Not a release file, of another version, or damaged; import it again.
    #[error("{} is no intact release file: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was expected.
        why: &'static str,
    },
    /// More concepts or content than the layout has room for.
    #[error("the code system has more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// A file of the publisher's release is not there.
    #[error("{} has no file {name}", folder.display())]
    MissingFile {
        /// Where it was looked for.
        folder: PathBuf,
        /// Its name, `*` for any text.
        name: &'static str,
    },
    /// A file of the publisher's release is not laid out as expected.
    #[error("{}, line {line}: expected {expected}", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What should be there.
        expected: &'static str,
    },
    /// The version cannot be told from the files.
    #[error("the version cannot be told from the release: name it")]
    Version,
}

impl ReleaseError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// Where releases lie: `FHIR_TERMINOLOGY_CACHE`, else `.fhir/terminology` in the home folder; none if neither is known.
pub fn default_directory() -> Option<PathBuf> {
    match std::env::var_os("FHIR_TERMINOLOGY_CACHE").filter(|path| !path.is_empty()) {
        Some(path) => Some(PathBuf::from(path)),
        None => std::env::home_dir().map(|home| home.join(".fhir").join("terminology")),
    }
}

/// Opens all releases of a folder, sorted by code system and version. A file that is not intact is in the second list;
/// a folder that does not exist has none.
///
/// # Errors
/// `ReleaseError::Io` if the folder cannot be listed.
pub fn open_all(folder: &Path) -> Result<(Vec<Arc<Release>>, Vec<ReleaseError>), ReleaseError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
        Err(other) => return Err(ReleaseError::io(folder)(other)),
    };
    let (mut releases, mut problems) = (Vec::new(), Vec::new());
    for entry in entries {
        let path = entry.map_err(ReleaseError::io(folder))?.path();
        if path.extension().is_none_or(|extension| extension != EXTENSION) {
            continue;
        }
        match Release::open(&path) {
            Ok(release) => releases.push(Arc::new(release)),
            Err(problem) => problems.push(problem),
        }
    }
    releases.sort_by(|one, other| (one.url(), one.version()).cmp(&(other.url(), other.version())));
    problems.sort_by_key(ToString::to_string);
    Ok((releases, problems))
}

#[cfg(test)]
mod tests;
