//! What is wrong or doubtful in a mapping package, before a message meets it.
//!
//! Errors: whatever the strict loader refuses (unknown names, targets that R4 does not have, duplicate keys), examples
//! that no longer give what is expected, examples whose output is not valid, pieces of an example that are accounted
//! for nowhere. Warnings: tables that nothing refers to, codes without a target, examples without an expectation.
//! Information: rows that no example has ever used.

mod examples;
mod tables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mappers::Packages;
use model::json::Json;
use model::outcome::Severity;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub severity: Severity,
    /// A stable word for programs, such as `unused-table`.
    pub code: &'static str,
    /// `package/file`.
    pub file: String,
    /// Line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// One sentence, without values of examples.
    pub message: String,
}

impl Finding {
    /// Whether a package with it must not be used.
    pub fn is_error(&self) -> bool {
        matches!(self.severity, Severity::Error | Severity::Fatal)
    }

    /// `{"severity", "code", "file", "line", "message"}`
    pub fn to_json(&self) -> Json {
        Json::object([
            ("severity", Json::from(self.severity.as_str())),
            ("code", Json::from(self.code)),
            ("file", Json::from(self.file.as_str())),
            ("line", Json::from(self.line as u64)),
            ("message", Json::from(self.message.as_str())),
        ])
    }

    /// One line for a person.
    pub fn to_line(&self) -> String {
        let place = if self.line > 0 { format!("{}:{}", self.file, self.line) } else { self.file.clone() };
        format!("{place}: {}: {} ({})", self.severity.as_str(), self.message, self.code)
    }
}

/// Why a package could not be looked at. Fault of the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LintError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder has no name, so the package has none.
    #[error("{path}: expected the folder of a package")]
    NoName {
        /// Which.
        path: PathBuf,
    },
}

/// Files by `package/path`.
type Files = BTreeMap<String, Vec<u8>>;

/// Looks at packages, each the folder with its `package.toml`; gravest findings first, then by file and line.
///
/// The embedded packages are there to be extended; one that lies beside a given folder is read from there.
///
/// # Errors
/// [`LintError`] where a folder cannot be read. What is wrong inside of it is a finding.
pub fn lint(folders: &[PathBuf]) -> Result<Vec<Finding>, LintError> {
    let mut files = Files::new();
    let mut names = Vec::new();
    for folder in folders {
        let name = package_name(folder)?;
        read(folder, &name, &mut files)?;
        names.push(name);
    }
    let mut bases = Files::new();
    for folder in folders {
        neighbours(folder, &files, &mut bases)?;
    }
    let mut findings = tables::findings(&names, &files, &bases);
    let all = bases.into_iter().chain(files.clone());
    match Packages::load(all) {
        Ok(packages) => {
            for name in &names {
                if let Some(package) = packages.named(name) {
                    examples::findings(package, name, &files, &mut findings);
                }
            }
        }
        Err(errors) => findings.extend(errors.into_iter().map(|error| Finding {
            severity: Severity::Error,
            code: "load",
            file: error.file,
            line: error.line,
            message: error.message,
        })),
    }
    let rank = |severity: Severity| match severity {
        Severity::Fatal => 0,
        Severity::Error => 1,
        Severity::Warning => 2,
        Severity::Information => 3,
    };
    findings.sort_by(|a, b| {
        let key = |f: &Finding| (rank(f.severity), f.file.clone(), f.line, f.code, f.message.clone());
        key(a).cmp(&key(b))
    });
    Ok(findings)
}

fn package_name(folder: &Path) -> Result<String, LintError> {
    let full = folder.canonicalize().map_err(|source| LintError::Read { path: folder.to_owned(), source })?;
    match full.file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok(name.to_owned()),
        None => Err(LintError::NoName { path: folder.to_owned() }),
    }
}

fn read(folder: &Path, prefix: &str, out: &mut Files) -> Result<(), LintError> {
    let error = |source| LintError::Read { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(error)? {
        let entry = entry.map_err(error)?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            read(&path, &format!("{prefix}/{name}"), out)?;
        } else {
            let bytes = std::fs::read(&path).map_err(|source| LintError::Read { path: path.clone(), source })?;
            out.insert(format!("{prefix}/{name}"), bytes);
        }
    }
    Ok(())
}

/// The packages that lie beside and are extended, directly or by another.
fn neighbours(folder: &Path, given: &Files, bases: &mut Files) -> Result<(), LintError> {
    let mut name = package_name(folder)?;
    let Some(parent) = folder.canonicalize().ok().and_then(|full| full.parent().map(Path::to_owned)) else {
        return Ok(());
    };
    loop {
        let manifest = format!("{name}/package.toml");
        let Some(base) = given.get(&manifest).or_else(|| bases.get(&manifest)).and_then(|bytes| extends(bytes)) else {
            return Ok(());
        };
        let manifest = format!("{base}/package.toml");
        if given.contains_key(&manifest) || bases.contains_key(&manifest) {
            return Ok(());
        }
        let beside = parent.join(&base);
        if !beside.is_dir() {
            return Ok(());
        }
        read(&beside, &base, bases)?;
        name = base;
    }
}

/// The value of `extends` in a manifest; the loader reads it properly, here it only says where to look.
fn extends(manifest: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(manifest).ok()?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("extends"))?;
    Some(line.trim_start().strip_prefix('=')?.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests;
