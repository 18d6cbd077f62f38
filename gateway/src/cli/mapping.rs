//! Mapping packages as commands name them: by name, or by folder.

use std::path::PathBuf;

use conformance::lint::{self, Files};
use mappers::{BASE, Packages};

use super::Failure;

/// The packages of a command line, ready to be used.
pub(super) struct Given {
    /// Names in the order given, the base package last; empty if none was given.
    pub(super) names: Vec<String>,
    /// Files of those given as folders.
    pub(super) files: Files,
    /// These and the embedded ones.
    pub(super) packages: Packages,
}

/// Reads the folders among `given`, and those beside them that they extend; everything else is the name of an embedded
/// package.
///
/// # Errors
/// Everything that keeps a package from being loaded, as a fault of usage.
pub(super) fn packages(given: &[String]) -> Result<Given, Failure> {
    let (mut names, mut files) = (Vec::new(), Files::new());
    for given in given {
        let path = PathBuf::from(given);
        if !path.is_dir() {
            names.push(given.clone());
            continue;
        }
        let full = path.canonicalize().map_err(|error| Failure::Usage(format!("{given}: {error}")))?;
        let name = full.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.extend(lint::with_bases(&full).map_err(|error| Failure::Usage(super::chain(&error)))?);
        names.push(name);
    }
    if !names.is_empty() && !names.iter().any(|name| name == BASE) {
        names.push(BASE.to_owned());
    }
    let packages = Packages::load(files.clone())
        .map_err(|errors| Failure::Usage(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
    Ok(Given { names, files, packages })
}
