//! The folder of installed packages: `~/.fhir/packages`, a folder `ID#VERSION` each.
//!
//! FHIR Package Cache (build.fhir.org/packages.html and the convention that the FHIR tools share): beside each other lie
//! several versions of a package; below each its archive unpacked, definitions in `package/`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::package::{Dependency, Package, PackageError};
use crate::set::version_order;

mod install;
mod version;

pub use install::{Existing, Installed, Outcome, install};

/// What R4's own definitions are called: they are embedded and never loaded from a folder.
const CORE: &str = "hl7.fhir.r4.core";
/// More packages than any guide builds on.
const MAX_PACKAGES: usize = 500;

/// Where packages lie: `FHIR_PACKAGE_CACHE`, else `.fhir/packages` in the home folder; none if neither is known.
pub fn default_directory() -> Option<PathBuf> {
    match std::env::var_os("FHIR_PACKAGE_CACHE").filter(|path| !path.is_empty()) {
        Some(path) => Some(PathBuf::from(path)),
        None => std::env::home_dir().map(|home| home.join(".fhir").join("packages")),
    }
}

/// The packages of a folder, sorted by name, then version. A folder that does not exist has none.
///
/// # Errors
/// [`PackageError::Read`] if the folder is there and cannot be read.
pub fn installed(cache: &Path) -> Result<Vec<Dependency>, PackageError> {
    let failed = |source| PackageError::Read { path: cache.to_path_buf(), source };
    let entries = match std::fs::read_dir(cache) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some((name, version)) = name.to_str().and_then(|name| name.split_once('#')) else { continue };
        if entry.path().join("package").join("package.json").is_file() {
            found.push(Dependency { name: name.to_owned(), version: version.to_owned() });
        }
    }
    found.sort_by(|left, right| {
        let by_version = || version_order(Some(&left.version), Some(&right.version));
        left.name.cmp(&right.name).then_with(by_version)
    });
    Ok(found)
}

/// A package and everything it builds on.
#[derive(Debug, Default)]
pub struct Closure {
    /// A package stands after those it builds on, an older version of a package before a newer one.
    pub packages: Vec<Package>,
    /// What is not installed, or is for another FHIR version; without it some definitions stay unknown.
    pub missing: Vec<Dependency>,
}

/// Loads a package with all that it builds on, as far as that is installed.
///
/// `name` is `ID`, `ID#VERSION` or a short name with or without a version. A short name is the end of an id, with `-`
/// for `.`: `us-core` is `hl7.fhir.us.core`, `ips` is `hl7.fhir.uv.ips`; a last `.r4` of the id may be left out. The
/// whole id goes before a short name. A version may be a part of one (`6.1`, `6.1.x`), `latest`, or `current`; without
/// one it is the newest installed, a release rather than a pre-release. `hl7.fhir.r4.core` gives nothing: it is embedded.
///
/// # Errors
/// [`PackageError::NotInstalled`], [`PackageError::Ambiguous`] and [`PackageError::OtherFhir`] are the caller's to mend; others say that a folder is
/// damaged.
pub fn closure(cache: &Path, name: &str) -> Result<Closure, PackageError> {
    let all = installed(cache)?;
    let (name, version) = name.split_once('#').unwrap_or((name, "latest"));
    if name == CORE {
        return Ok(Closure::default());
    }
    let id = long_name(&all, name)?;
    let wanted = Dependency { name: id.to_owned(), version: version.to_owned() };
    let Some(first) = version::choose(&all, &wanted) else {
        return Err(PackageError::NotInstalled { name: format!("{id}#{version}") });
    };
    let mut walk = Walk { cache, all: &all, seen: BTreeSet::new(), missing: BTreeSet::new() };
    let mut packages = walk.from(first)?;
    // Only where nobody asks for a version does the order count; then the newest of a package is to be found.
    for at in 1..packages.len() {
        let mut back = at;
        while let Some([before, here]) = back.checked_sub(1).and_then(|from| packages.get(from..=back)) {
            let newer_first =
                before.name == here.name && version_order(Some(&before.version), Some(&here.version)).is_gt();
            if !newer_first {
                break;
            }
            packages.swap(back - 1, back);
            back -= 1;
        }
    }
    Ok(Closure { packages, missing: walk.missing.into_iter().collect() })
}

struct Walk<'c> {
    cache: &'c Path,
    all: &'c [Dependency],
    seen: BTreeSet<Dependency>,
    missing: BTreeSet<Dependency>,
}

impl Walk<'_> {
    /// The package and what it builds on, what is built on first. Packages that build on each other come once.
    fn from(&mut self, first: &Dependency) -> Result<Vec<Package>, PackageError> {
        let mut done = Vec::new();
        self.seen.insert(first.clone());
        let asked = self.load(first)?;
        if !asked.is_for_r4() {
            return Err(PackageError::OtherFhir { versions: asked.fhir_versions.join(", "), name: asked.name });
        }
        // A package whose dependencies are being loaded, and how many of them are done.
        let mut open = vec![(asked, 0_usize)];
        while let Some((package, next)) = open.last_mut() {
            let Some(dependency) = package.dependencies.get(*next).cloned() else {
                done.extend(open.pop().map(|(package, _)| package));
                continue;
            };
            *next += 1;
            if dependency.name == CORE {
                continue;
            }
            let Some(found) = version::choose(self.all, &dependency).cloned() else {
                self.missing.insert(dependency);
                continue;
            };
            if !self.seen.insert(found.clone()) {
                continue;
            }
            if self.seen.len() > MAX_PACKAGES {
                return Err(PackageError::Limit("packages"));
            }
            let package = self.load(&found)?;
            // The same package for R5 would replace definitions of R4 by others of the same name.
            match package.is_for_r4() {
                true => open.push((package, 0)),
                false => drop(self.missing.insert(dependency)),
            }
        }
        Ok(done)
    }

    fn load(&self, id: &Dependency) -> Result<Package, PackageError> {
        Package::read_dir(&self.cache.join(format!("{}#{}", id.name, id.version)))
    }
}

/// The id that a short name stands for among the installed packages.
fn long_name<'a>(all: &'a [Dependency], name: &'a str) -> Result<&'a str, PackageError> {
    if all.iter().any(|each| each.name == name) {
        return Ok(name);
    }
    let short = name.to_ascii_lowercase().replace('-', ".");
    let ends = |id: &str| {
        let rest = id.strip_suffix(short.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let fits = |id: &str| {
        let id = id.to_ascii_lowercase().replace('-', ".");
        ends(&id) || id.strip_suffix(".r4").is_some_and(ends)
    };
    let found: BTreeSet<&str> = all.iter().map(|each| each.name.as_str()).filter(|id| fits(id)).collect();
    let mut ids = found.iter();
    match (ids.next(), ids.next()) {
        (Some(id), None) => Ok(id),
        (None, _) => Err(PackageError::NotInstalled { name: name.to_owned() }),
        _ => Err(PackageError::Ambiguous {
            name: name.to_owned(),
            ids: found.into_iter().collect::<Vec<_>>().join(", "),
        }),
    }
}

#[cfg(test)]
mod tests;
