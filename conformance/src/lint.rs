//! What is wrong or doubtful in a mapping package, before a message meets it.
//!
//! In turn: what the strict loader refuses; rows that can never do anything, proven from the tables; what rows build
//! against the types of R4; codes against their systems; clinical plausibility; the package's own examples. All codes
//! of findings stand in `docs/mapping-quality.md`. A finding names rows, elements and codes of tables, never the
//! content of an example.

mod clinical;
mod codes;
pub(crate) mod documents;
mod examples;
mod reach;
mod systems;
mod tables;
mod target;
pub(crate) mod view;
mod when;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mappers::Packages;
use model::json::Json;
use model::outcome::{Issue, Severity};

use crate::validate::{Level, Options, Validator};

use view::View;

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
    /// What to do about it, where that can be said.
    pub suggestion: Option<String>,
}

impl Finding {
    fn new(severity: Severity, code: &'static str, file: &str, line: usize, message: String) -> Self {
        Self { severity, code, file: file.to_owned(), line, message, suggestion: None }
    }

    fn suggest(mut self, suggestion: &str) -> Self {
        self.suggestion = Some(suggestion.to_owned());
        self
    }

    /// Whether a package with it must not be used.
    pub fn is_error(&self) -> bool {
        matches!(self.severity, Severity::Error | Severity::Fatal)
    }

    /// `{"severity", "code", "file", "line", "message", "suggestion"?}`
    pub fn to_json(&self) -> Json {
        let mut members = vec![
            ("severity", Json::from(self.severity.as_str())),
            ("code", Json::from(self.code)),
            ("file", Json::from(self.file.as_str())),
            ("line", Json::from(self.line as u64)),
            ("message", Json::from(self.message.as_str())),
        ];
        members.extend(self.suggestion.as_deref().map(|suggestion| ("suggestion", Json::from(suggestion))));
        Json::object(members)
    }

    /// One line for a person.
    pub fn to_line(&self) -> String {
        let place = if self.line > 0 { format!("{}:{}", self.file, self.line) } else { self.file.clone() };
        let suggestion = self.suggestion.as_ref().map(|text| format!("; {text}")).unwrap_or_default();
        format!("{place}: {}: {}{suggestion} ({})", self.severity.as_str(), self.message, self.code)
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
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The packages do not load; fault of their author.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Load(Vec<mappers::LoadError>),
    /// The folder has no name, so the package has none.
    #[error("{path}: expected the folder of a package")]
    NoName {
        /// Which.
        path: PathBuf,
    },
}

/// Files by `package/path`.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Judges an output.
type Validate<'v> = &'v dyn Fn(&Json) -> Vec<Issue>;

/// Looks at packages, each the folder with its `package.toml`; gravest findings first, then by file and line.
///
/// The embedded packages are there to be extended; one that lies beside a given folder is read from there. A path to a
/// single file is looked at for clinical plausibility alone: an example, a FHIR resource, or the mapping of another
/// program in JSON.
///
/// # Errors
/// [`LintError`] where a folder cannot be read. What is wrong inside of it is a finding.
pub fn lint(paths: &[PathBuf]) -> Result<Vec<Finding>, LintError> {
    let mut files = Files::new();
    let mut names = Vec::new();
    let mut findings = Vec::new();
    for path in paths {
        if path.is_file() {
            let bytes = std::fs::read(path).map_err(|source| LintError::Read { path: path.clone(), source })?;
            clinical::file(&path.to_string_lossy(), &bytes, &mut findings);
            continue;
        }
        let name = package_name(path)?;
        read(path, &name, &mut files)?;
        names.push(name);
    }
    let mut bases = Files::new();
    for folder in paths.iter().filter(|path| path.is_dir()) {
        neighbours(folder, &files, &mut bases)?;
    }
    findings.extend(lint_files(&names, &files, &bases));
    sort(&mut findings);
    Ok(findings)
}

/// Like [`lint`], for packages in memory: `files` of those to be looked at, `bases` of those that lie beside.
pub fn lint_files(names: &[String], files: &Files, bases: &Files) -> Vec<Finding> {
    let mut all = Packages::embedded_files();
    let given: Vec<&str> =
        names.iter().map(String::as_str).chain(bases.keys().filter_map(|p| p.split('/').next())).collect();
    all.retain(|path, _| path.split('/').next().is_none_or(|package| !given.contains(&package)));
    let loaded: Vec<_> = bases.iter().chain(files).map(|(path, bytes)| (path.clone(), bytes.clone())).collect();
    all.extend(loaded.iter().cloned());
    let mut findings = Vec::new();
    for name in names {
        let view = View::of(name, &all);
        if documents::is_one(&view, &all) {
            documents::findings(&view, &all, &mut findings);
            codes::findings(&view, &systems::R4, &mut findings);
            continue;
        }
        tables::findings(&view, &all, &mut findings);
        reach::findings(&view, &mut findings);
        target::findings(&view, &mut findings);
        codes::findings(&view, &systems::R4, &mut findings);
        clinical::findings(&view, &all, &mut findings);
    }
    match Packages::load(loaded) {
        Ok(packages) => {
            for name in names {
                if let Some(package) = packages.named(name) {
                    examples::findings(package, name, files, &validate, &mut findings);
                }
            }
        }
        Err(errors) => findings.extend(errors.into_iter().map(|error| Finding {
            severity: Severity::Error,
            code: "load",
            file: error.file,
            line: error.line,
            message: error.message,
            suggestion: None,
        })),
    }
    sort(&mut findings);
    findings
}

/// The form of an output: elements, cardinality, types, closed value sets. Profiles are the score's matter.
fn validate(output: &Json) -> Vec<Issue> {
    Validator::r4().validate(output, &Options { level: Level::Structure, ..Options::default() })
}

fn sort(findings: &mut Vec<Finding>) {
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
    findings.dedup();
}

fn package_name(folder: &Path) -> Result<String, LintError> {
    let full = folder.canonicalize().map_err(|source| LintError::Read { path: folder.to_owned(), source })?;
    match full.file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok(name.to_owned()),
        None => Err(LintError::NoName { path: folder.to_owned() }),
    }
}

/// Writes `expected/` of packages anew from what their examples give now; says which files changed.
///
/// # Errors
/// [`LintError`] where a folder cannot be read or written; [`LintError::Load`] where the packages do not load.
pub fn accept(paths: &[PathBuf]) -> Result<Vec<PathBuf>, LintError> {
    let mut changed = Vec::new();
    for folder in paths.iter().filter(|path| path.is_dir()) {
        let name = package_name(folder)?;
        let files = with_bases(folder)?;
        let packages = Packages::load(files.clone()).map_err(LintError::Load)?;
        let Some(package) = packages.named(&name) else { continue };
        for (path, now) in mappers::expectations(package, &files) {
            if files.get(&path) == Some(&now) {
                continue;
            }
            let file = folder.join(path.strip_prefix(&format!("{name}/")).unwrap_or(&path));
            let write = || {
                file.parent().map_or(Ok(()), std::fs::create_dir_all)?;
                std::fs::write(&file, &now)
            };
            write().map_err(|source| LintError::Write { path: file.clone(), source })?;
            changed.push(file);
        }
    }
    Ok(changed)
}

/// The files of a package and of those beside it that it extends, by `NAME/path`.
///
/// # Errors
/// [`LintError::Read`] where a file or folder cannot be read.
pub fn with_bases(folder: &Path) -> Result<Files, LintError> {
    let mut files = Files::new();
    read(folder, &package_name(folder)?, &mut files)?;
    let mut bases = Files::new();
    neighbours(folder, &files, &mut bases)?;
    files.extend(bases);
    Ok(files)
}

/// Reads a folder with all below it into `prefix/path`.
///
/// # Errors
/// [`LintError::Read`] where a file or folder cannot be read.
pub fn read(folder: &Path, prefix: &str, out: &mut Files) -> Result<(), LintError> {
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
        let found = given.get(&manifest).or_else(|| bases.get(&manifest));
        let Some(base) = found.and_then(|bytes| view::extends(bytes)) else { return Ok(()) };
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

#[cfg(test)]
mod tests;
