//! Puts a package into the folder: all of it or nothing, and never over another content unasked.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::package::{Limits, Package, PackageError, archive, index};

/// What to do if another content is installed under the same name and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse: published versions do not change, so one of the two is not what it says.
    Keep,
    /// Put the new one in its place.
    Replace,
}

/// What became of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there before.
    Added,
    /// Another content was there before.
    Replaced,
    /// The same content was there already; nothing was written.
    Unchanged,
}

/// A package that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// `hl7.fhir.us.core`.
    pub name: String,
    /// `6.1.0`.
    pub version: String,
    /// Its folder.
    pub path: PathBuf,
    /// How many definitions it holds.
    pub definitions: usize,
    /// What was done.
    pub outcome: Outcome,
}

/// The list of the definitions in a folder; written where the archive has none.
const INDEX: &str = "package/.index.json";

/// What a package says of itself.
const MANIFEST: &str = "package/package.json";

/// Installs the archive of a package (`.tgz`) into a folder of packages, which is made if it does not exist.
///
/// The content is written beside its place, made durable and renamed, so that a reader sees all of it or nothing. When
/// this returns `Ok` it survives a power cut.
///
/// # Errors
/// [`PackageError::Exists`] if another content is installed under the same version and `existing` says to keep it;
/// otherwise as [`Package::read_tgz`], [`PackageError::Content`] if neither `package.json` nor an ImplementationGuide says
/// what it is, and
/// [`PackageError::Read`] for the disk's errors. Nothing is left behind.
pub fn install(cache: &Path, bytes: &[u8], existing: Existing) -> Result<Installed, PackageError> {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    archive::read(bytes, &Limits::default(), &mut |name, content| drop(files.insert(name.to_owned(), content)))?;
    let package = Package::read_tgz(bytes)?;
    check(&package)?;
    // An archive that only has its ImplementationGuide: what `installed` looks for is written from that.
    if !files.contains_key(MANIFEST) {
        files.insert(MANIFEST.to_owned(), package.manifest().pretty().into_bytes());
    }
    if !files.contains_key(INDEX) {
        files.insert(INDEX.to_owned(), index::write(&files).into_bytes());
    }
    let path = cache.join(format!("{}#{}", package.name, package.version));
    let installed = |outcome| Installed {
        name: package.name.clone(),
        version: package.version.clone(),
        path: path.clone(),
        definitions: package.len(),
        outcome,
    };
    let there = path.exists();
    if there && same(&path, &files) {
        return Ok(installed(Outcome::Unchanged));
    }
    if there && existing == Existing::Keep {
        return Err(PackageError::Exists { name: package.name, version: package.version });
    }
    let failed = |source| PackageError::Read { path: path.clone(), source };
    fs::create_dir_all(cache).map_err(failed)?;
    let beside = Beside::new(cache).map_err(failed)?;
    let fresh = beside.path.join("new");
    write(&fresh, &files).map_err(failed)?;
    if there {
        fs::rename(&path, beside.path.join("old")).map_err(failed)?;
    }
    fs::rename(&fresh, &path).map_err(failed)?;
    sync_folder(cache).map_err(failed)?;
    Ok(installed(if there { Outcome::Replaced } else { Outcome::Added }))
}

/// Name and version become the name of a folder.
fn check(package: &Package) -> Result<(), PackageError> {
    let plain = |text: &str, more: &[char]| {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || more.contains(&letter);
        text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.len() <= 200 && text.chars().all(fits)
    };
    let why = match (plain(&package.name, &['.', '-', '_']), plain(&package.version, &['.', '-', '_', '+'])) {
        (true, true) => return Ok(()),
        (false, _) => "expected a package id under name",
        (_, false) => "expected a version",
    };
    Err(PackageError::Content { file: MANIFEST.to_owned(), why: why.to_owned() })
}

/// Whether the folder holds just these files. What is missing or cannot be read is a difference.
fn same(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> bool {
    let equal = |(name, content): (&String, &Vec<u8>)| {
        // An index may have been written by another tool, in its own form.
        name == INDEX || fs::read(folder.join(name)).is_ok_and(|there| there == *content)
    };
    let listed = fs::read_dir(folder.join("package")).map_or(0, |entries| {
        entries.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "json")).count()
    });
    let expected = files.keys().filter_map(|name| name.strip_prefix("package/"));
    // Hidden files have no extension of their own: `.index.json` counts on both sides.
    let expected = expected.filter(|name| !name.contains('/') && name.ends_with(".json")).count();
    listed == expected && files.iter().all(equal)
}

fn write(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    for (name, content) in files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = File::create_new(&path)?;
        file.write_all(content)?;
        #[cfg(not(target_os = "linux"))]
        file.sync_all()?;
    }
    // Thousands of small files: one call for all of them.
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(File::open(folder)?)?;
    Ok(())
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// A folder beside the packages, gone when it is dropped.
struct Beside {
    path: PathBuf,
}

impl Beside {
    fn new(cache: &Path) -> io::Result<Self> {
        for number in 0..1_000 {
            let path = cache.join(format!(".install-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| Self { path }),
            }
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Nothing depends on it: `installed` does not look at its name.
        drop(fs::remove_dir_all(&self.path));
    }
}
