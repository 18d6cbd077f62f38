//! Mapping packages: the embedded ones and those of the site's folders, and how they change while messages flow.
//!
//! A set is immutable. A change of the folders loads a new set beside it; only if nothing is wrong with it, it takes the
//! place of the old one. A message keeps the set it began with.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use model::json::{Json, Object};
use model::outcome::Issue;
use model::time::Instant;
use tokio::sync::watch;

use crate::app::App;
use crate::config::{Config, SourceFormat, closest};
use folders::{Places, Stamp};

mod folders;
#[cfg(test)]
mod tests;

/// Where a data directory keeps the site's packages.
const FOLDER: &str = "packages";
/// Faults told at most: the first ones are what a person mends first.
const FAULTS_MOST: usize = 100;

/// Something that keeps packages from being used: where, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, or the key of the configuration.
    pub file: String,
    /// Line, from 1; 0 for the whole.
    pub line: usize,
    /// What was expected.
    pub message: String,
}

impl Fault {
    fn of(file: &Path, message: impl Into<String>) -> Self {
        Self { file: file.display().to_string(), line: 0, message: message.into() }
    }

    /// As a finding.
    pub fn issue(&self) -> Issue {
        Issue::error("invalid", self.message.clone()).at(self.place())
    }

    fn place(&self) -> String {
        if self.line > 0 { format!("{}:{}", self.file, self.line) } else { self.file.clone() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.message)
    }
}

/// What [`Library::reload`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reloaded {
    /// The folders say what they said before.
    Unchanged,
    /// Packages that are new, other or gone.
    Changed(Vec<String>),
}

/// The packages in use.
pub struct Library {
    places: Places,
    /// What the configuration asks for: key and package.
    named: Vec<Named>,
    current: RwLock<Arc<Set>>,
    attempt: Mutex<Attempt>,
}

/// One set of packages. Immutable.
pub struct Set {
    packages: mappers::Packages,
    folders: BTreeMap<String, PathBuf>,
    /// Since when each package is in use as it is.
    since: BTreeMap<String, Instant>,
}

/// The last attempt to load.
struct Attempt {
    at: Instant,
    stamp: Stamp,
    faults: Vec<Fault>,
}

impl Set {
    /// The packages.
    pub fn packages(&self) -> &mappers::Packages {
        &self.packages
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.packages.iter().map(mappers::Package::name)).finish()
    }
}

/// Loads the packages that a gateway with this configuration and data directory would use.
///
/// # Errors
/// Everything that is wrong with them, and every name that no package has.
pub fn check(config: &Config, data: Option<&Path>) -> Result<Vec<String>, Vec<Fault>> {
    let set = load(&places(config, data), &named(config), None, Instant::MIN)?;
    Ok(set.folders.into_keys().collect())
}

impl Library {
    /// Loads everything.
    ///
    /// # Errors
    /// As [`check`].
    pub fn open(config: &Config, data: &Path, now: Instant) -> Result<Self, Vec<Fault>> {
        let (places, named) = (places(config, Some(data)), named(config));
        let stamp = places.stamp();
        let set = load(&places, &named, None, now)?;
        for (name, folder) in &set.folders {
            tracing::info!(package = name.as_str(), folder = %folder.display(), "mapping package of the site");
        }
        Ok(Self {
            places,
            named,
            current: RwLock::new(Arc::new(set)),
            attempt: Mutex::new(Attempt { at: now, stamp, faults: Vec::new() }),
        })
    }

    /// The set in use. Whoever works with a message asks once and keeps it to the end.
    pub fn current(&self) -> Arc<Set> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the folders and takes what they hold, if nothing is wrong with it. Blocks for about a tenth of a second.
    ///
    /// # Errors
    /// Everything that is wrong; the set in use stays.
    pub fn reload(&self, now: Instant) -> Result<Reloaded, Vec<Fault>> {
        // Held while loading: two at once would do the same work, and the older could win.
        let mut attempt = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.places.stamp();
        let before = self.current();
        let loaded = load(&self.places, &self.named, Some(&before), now);
        attempt.at = now;
        attempt.stamp = stamp;
        match loaded {
            Ok(set) => {
                attempt.faults.clear();
                let changed = changes(&before, &set);
                if changed.is_empty() {
                    return Ok(Reloaded::Unchanged);
                }
                tracing::info!(packages = changed.join(", "), "mapping packages changed");
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
                Ok(Reloaded::Changed(changed))
            }
            Err(faults) => {
                for fault in &faults {
                    tracing::error!(%fault, "mapping packages are not taken; those before stay in use");
                }
                attempt.faults.clone_from(&faults);
                Err(faults)
            }
        }
    }

    /// What was wrong at the last attempt; empty if the set in use is what the folders say.
    pub fn faults(&self) -> Vec<Fault> {
        self.attempt.lock().unwrap_or_else(PoisonError::into_inner).faults.clone()
    }

    /// Looks at the folders from time to time and reloads after a change, until stopped.
    ///
    /// A change is taken once two looks in a row show the same: who copies several tables is not read half way.
    pub async fn watch(&self, app: &App, mut stop: watch::Receiver<bool>) {
        let Some(interval) = app.config.mappings.watch else { return };
        let mut seen: Option<Stamp> = None;
        loop {
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let worker = app.clone();
            let looked = tokio::task::spawn_blocking(move || {
                let library = &worker.packages;
                let stamp = library.places.stamp();
                let known = library.attempt.lock().unwrap_or_else(PoisonError::into_inner).stamp == stamp;
                let settled = seen.as_ref() == Some(&stamp);
                if !known && settled && library.reload(worker.clock.now()).is_err() {
                    worker.metrics.alarm("packages-refused");
                }
                stamp
            });
            seen = looked.await.ok();
        }
    }

    /// What is in use, since when, and what was wrong at the last attempt: `GET /packages`.
    pub fn report(&self) -> Json {
        let set = self.current();
        let packages = set.packages.iter().map(|package| {
            let name = package.name();
            let mut line = Object::new();
            line.insert("name", name);
            line.insert("version", package.version());
            line.insert("digest", package.digest());
            line.insert("since", set.since.get(name).map_or(Json::Null, |at| Json::from(at.to_rfc3339())));
            match set.folders.get(name) {
                Some(folder) => line.insert("folder", folder.display().to_string()),
                None => line.insert("embedded", true),
            };
            Json::from(line)
        });
        let packages = Json::array(packages);
        let attempt = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        let errors = attempt.faults.iter().map(|fault| {
            let mut line = Object::new();
            line.insert("file", fault.file.as_str());
            if fault.line > 0 {
                line.insert("line", fault.line as u64);
            }
            line.insert("message", fault.message.as_str());
            Json::from(line)
        });
        Json::object([
            ("packages", packages),
            ("looked", Json::from(attempt.at.to_rfc3339())),
            ("errors", Json::array(errors)),
        ])
    }
}

fn places(config: &Config, data: Option<&Path>) -> Places {
    let mut directories: Vec<PathBuf> = data.map(|data| data.join(FOLDER)).into_iter().collect();
    directories.extend(config.mappings.directories.iter().cloned());
    let sources = config.sources.iter().flat_map(|source| &source.package_folders);
    let destinations = config.destinations.iter().flat_map(|destination| &destination.package_folders);
    Places { directories, folders: sources.chain(destinations).cloned().collect() }
}

/// Where a package is named, by which name, and what it has to read or write there.
type Named = (String, String, &'static str);

fn named(config: &Config) -> Vec<Named> {
    let mut named = Vec::new();
    for (number, source) in (1..).zip(&config.sources) {
        if let SourceFormat::Hl7v2 | SourceFormat::Ccda = source.format {
            let key = || format!("source[{number}].packages");
            named.extend(source.packages.iter().map(|name| (key(), name.clone(), source.format.as_str())));
        }
    }
    for (number, destination) in (1..).zip(&config.destinations) {
        let key = || format!("destination[{number}].packages");
        named.extend(destination.packages.iter().map(|name| (key(), name.clone(), "hl7v2")));
    }
    named
}

fn load(places: &Places, named: &[Named], before: Option<&Set>, now: Instant) -> Result<Set, Vec<Fault>> {
    let found = places.read()?;
    let packages = mappers::Packages::load(found.files).map_err(|errors| {
        let fault = |error: mappers::LoadError| Fault {
            file: place(&found.folders, &error.file),
            line: error.line,
            message: error.message,
        };
        errors.into_iter().take(FAULTS_MOST).map(fault).collect::<Vec<_>>()
    })?;
    let mut faults = Vec::new();
    for (key, name, format) in named {
        let message = match packages.named(name) {
            Some(package) if package.format() == *format => continue,
            Some(package) => format!("{name} reads {}, expected a package for {format}", package.format()),
            None => {
                let names: Vec<&str> = packages.iter().map(mappers::Package::name).collect();
                let near = closest(name, &names).map(|near| format!("; did you mean \"{near}\"?"));
                format!("there is no package {name}{}", near.unwrap_or_default())
            }
        };
        faults.push(Fault { file: key.clone(), line: 0, message });
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    // No message waits for what every message, or a configured one, needs.
    let needed = named.iter().map(|(_, name, _)| name.as_str()).chain([mappers::BASE]);
    needed.filter_map(|name| packages.named(name)).for_each(mappers::Package::prepare);
    if named.iter().any(|(_, _, format)| *format == "ccda")
        && let Ok(base) = packages.of_format("ccda", &[])
    {
        base.prepare();
    }
    let since = packages.iter().map(|package| {
        let name = package.name();
        let same = before.filter(|before| digest(before, name) == Some(package.digest()));
        (name.to_owned(), same.and_then(|before| before.since.get(name)).copied().unwrap_or(now))
    });
    Ok(Set { since: since.collect(), packages, folders: found.folders })
}

/// The loader names files by package; who has to mend one looks for it on a disk.
fn place(folders: &BTreeMap<String, PathBuf>, file: &str) -> String {
    let found = file.split_once('/').and_then(|(name, rest)| Some(folders.get(name)?.join(rest)));
    found.map_or_else(|| file.to_owned(), |path| path.display().to_string())
}

fn digest<'s>(set: &'s Set, name: &str) -> Option<&'s str> {
    set.packages.named(name).map(mappers::Package::digest)
}

fn changes(before: &Set, after: &Set) -> Vec<String> {
    let names = before.packages.iter().chain(after.packages.iter()).map(mappers::Package::name);
    let mut changed: Vec<String> =
        names.filter(|name| digest(before, name) != digest(after, name)).map(str::to_owned).collect();
    changed.sort();
    changed.dedup();
    changed
}
