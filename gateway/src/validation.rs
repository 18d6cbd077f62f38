//! Validators, built from the configuration or the command line and shared by all who validate.
//!
//! What is loaded here is loaded once: a validator keeps what it compiles. Nothing is fetched; guides come from the cache
//! of FHIR packages on this machine.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conformance::validate::{Level, Options, Validator};
use definitions::{Definitions, Dependency, Package, PackageError};
use model::json::Json;
use model::outcome::Issue;
use terminology::Concepts;
use terminology::release::{self, ReleaseError};
use terminology::remote::{Policy, Remote};
use tokio::sync::Semaphore;

use crate::config::{self, Config};
use crate::terminology_server::{self, ServerError};

#[cfg(test)]
mod tests;

/// Why definitions could not be loaded. Fault of the operator, or of who typed the command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file, folder or archive that was named.
    #[error("{path}")]
    Package {
        /// As it was named.
        path: String,
        /// What is wrong with it.
        source: PackageError,
    },
    /// A guide that is not usable from the cache.
    #[error("guide {name}")]
    Guide {
        /// As it was named.
        name: String,
        /// What is wrong with it.
        source: PackageError,
    },
    /// A profile that no definition describes.
    #[error("no definition describes the profile {url}; name its guide or its package")]
    Profile {
        /// Its canonical.
        url: String,
    },
    /// The installed code systems.
    #[error("code systems")]
    Terminology(#[from] ReleaseError),
    /// The outside terminology server.
    #[error("terminology server")]
    Server(#[from] ServerError),
    /// There is no folder to look for guides in.
    #[error("no cache of FHIR packages: there is no home folder; name one")]
    NoCache,
}

/// Reads definitions: guides first, then packages, which may replace what a guide defines.
///
/// # Errors
/// [`LoadError`] with the first that cannot be read.
pub fn load(igs: &[String], packages: &[PathBuf], cache: Option<&Path>) -> Result<Loaded, LoadError> {
    let r4 = Definitions::r4();
    if igs.is_empty() && packages.is_empty() {
        return Ok(Loaded { definitions: r4, missing: Vec::new() });
    }
    let (mut read, mut missing) = (Vec::new(), Vec::new());
    if !igs.is_empty() {
        let cache = cache.map(Path::to_owned).or_else(definitions::cache::default_directory);
        let cache = cache.ok_or(LoadError::NoCache)?;
        for name in igs {
            let found = definitions::cache::closure(&cache, name);
            let found = found.map_err(|source| LoadError::Guide { name: name.clone(), source })?;
            missing.extend(found.missing);
            read.extend(found.packages);
        }
    }
    for path in packages {
        let found = Package::read_file(path);
        read.push(found.map_err(|source| LoadError::Package { path: path.display().to_string(), source })?);
    }
    Ok(Loaded { definitions: Arc::new(r4.with(read)), missing })
}

/// A validator over these definitions, the code systems that are installed, and a server for what they leave open.
///
/// # Errors
/// [`LoadError::Terminology`] if a folder that was named cannot be listed, or a file in it is not intact: what is
/// licensed and installed is meant to be used.
pub fn validator(
    definitions: Arc<Definitions>,
    terminology: Option<&Path>,
    remote: Option<Arc<dyn Remote>>,
) -> Result<Validator, LoadError> {
    let folder = terminology.map(Path::to_owned).or_else(release::default_directory);
    let Some(folder) = folder else {
        return Ok(Validator::with(definitions, terminology::Options { loaded: Vec::new(), remote }));
    };
    let (releases, problems) = release::open_all(&folder)?;
    if let Some(problem) = problems.into_iter().next() {
        return Err(problem.into());
    }
    let loaded = releases.into_iter().map(|release| release as Arc<dyn Concepts>).collect();
    Ok(Validator::with(definitions, terminology::Options { loaded, remote }))
}

/// What [`load`] read.
pub struct Loaded {
    /// R4 with everything that was named.
    pub definitions: Arc<Definitions>,
    /// What guides build on and the cache does not hold: what they define is unknown.
    pub missing: Vec<Dependency>,
}

/// How one source's output, or what is written over FHIR, is checked.
#[derive(Clone)]
pub struct Rules {
    /// How closely.
    pub level: config::Validation,
    validator: Arc<Validator>,
    /// Profiles that are asked for besides those a resource claims, by the type each is of.
    profiles: Vec<(String, String)>,
    best_practice: bool,
}

impl Rules {
    /// The findings about one resource at this level. [`config::Validation::Off`] checks what storage needs.
    pub fn check(&self, resource: &Json) -> Vec<Issue> {
        let level = match self.level {
            config::Validation::Off => return storable(resource).into_iter().collect(),
            config::Validation::Structure => Level::Structure,
            config::Validation::Profile => Level::Profile,
        };
        let profiles = self.profiles_of(resource);
        self.validator.validate(
            resource,
            &Options { level, profiles: &profiles, best_practice: self.best_practice, ..Options::default() },
        )
    }

    /// The profiles that are asked of a resource of this type.
    pub fn profiles_of(&self, resource: &Json) -> Vec<String> {
        let name = model::resource::resource_type(resource).unwrap_or_default();
        self.profiles.iter().filter(|(of, _)| of == name).map(|(_, url)| url.clone()).collect()
    }
}

/// What the store cannot do without, whatever else is wrong: a type of R4 and an id.
fn storable(resource: &Json) -> Option<Issue> {
    let name = model::resource::resource_type(resource).unwrap_or_default();
    if model::id::ResourceType::parse(name).is_err() {
        return Some(Issue::error("structure", "expected a resource type of FHIR R4"));
    }
    let id = model::resource::id(resource).unwrap_or_default();
    if model::id::ResourceId::parse(id).is_err() {
        return Some(
            Issue::error("value", "expected an id of 1 to 64 letters, digits, `-` and `.`").at(format!("{name}.id")),
        );
    }
    None
}

/// Everything that validates in one process.
pub struct Validation {
    /// Asks the outside terminology server, where one is configured. The rules of the pipeline have validators that do
    /// not: a message does not wait for another house.
    asking: Arc<Validator>,
    best_practice: bool,
    fhir: Rules,
    sources: HashMap<String, Rules>,
    profiles: Vec<(String, String)>,
    /// Validations of callers at once: one takes a processor for as long as it lasts.
    places: Arc<Semaphore>,
}

impl Validation {
    /// Loads what the configuration names.
    ///
    /// # Errors
    /// [`LoadError`]: the gateway does not start with less than it was told to check.
    pub fn open(config: &Config) -> Result<Self, LoadError> {
        let settings = &config.validation;
        let cache = settings.cache.as_deref();
        let mut loaded: HashMap<config::Definitions, Arc<Validator>> = HashMap::new();
        let mut validator = |own: &config::Definitions| -> Result<Arc<Validator>, LoadError> {
            if let Some(validator) = loaded.get(own) {
                return Ok(Arc::clone(validator));
            }
            let both = |of: fn(&config::Definitions) -> &[String]| -> Vec<String> {
                of(&settings.definitions).iter().chain(of(own)).cloned().collect()
            };
            let igs = both(|definitions| &definitions.igs);
            let packages: Vec<PathBuf> = settings.definitions.packages.iter().chain(&own.packages).cloned().collect();
            let found = load(&igs, &packages, cache)?;
            for Dependency { name, version } in found.missing {
                tracing::warn!(%name, %version, "a package that a guide builds on is not installed");
            }
            let validator = Arc::new(self::validator(found.definitions, settings.terminology.as_deref(), None)?);
            loaded.insert(own.clone(), Arc::clone(&validator));
            Ok(validator)
        };
        let common = validator(&config::Definitions::default())?;
        let asking = match &settings.terminology_server {
            Some(address) => {
                let remote = terminology_server::connect(address, None, Policy::default())?;
                let common = &settings.definitions;
                let definitions = load(&common.igs, &common.packages, cache)?.definitions;
                Arc::new(self::validator(definitions, settings.terminology.as_deref(), Some(remote))?)
            }
            None => Arc::clone(&common),
        };
        let rules = |level, validator: Arc<Validator>, profiles: &[String]| -> Result<Rules, LoadError> {
            let profiles = profiles.iter().map(|url| Ok((type_of(&validator, url)?, url.clone())));
            let profiles = profiles.collect::<Result<Vec<_>, LoadError>>()?;
            Ok(Rules { level, validator, profiles, best_practice: settings.best_practice })
        };
        let mut sources = HashMap::new();
        for source in &config.sources {
            let made = rules(source.validation, validator(&source.definitions)?, &source.profiles)?;
            sources.insert(source.name.clone(), made);
        }
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            profiles: common.definitions().profiles(),
            fhir: rules(settings.fhir, Arc::clone(&common), &settings.profiles)?,
            asking,
            best_practice: settings.best_practice,
            sources,
            places: Arc::new(Semaphore::new(processors)),
        })
    }

    /// How the output of a source is checked; a source that is not configured like FHIR writes.
    pub fn source(&self, name: &str) -> &Rules {
        self.sources.get(name).unwrap_or(&self.fhir)
    }

    /// How what is written over FHIR is checked.
    pub fn fhir(&self) -> &Rules {
        &self.fhir
    }

    /// The profiles that the guides and packages of `[validation]` bring, with the type each is of, sorted: what a
    /// resource may claim or `$validate` be asked for, besides R4's own.
    pub fn profiles(&self) -> &[(String, String)] {
        &self.profiles
    }

    /// What callers validate with. It may wait for the terminology server: not for an async worker.
    pub fn validator(&self) -> &Arc<Validator> {
        &self.asking
    }

    /// Whether best practice counts as a warning.
    pub fn best_practice(&self) -> bool {
        self.best_practice
    }

    /// A place for one validation of a caller's; taken along into the work and given back at its end.
    pub fn places(&self) -> &Arc<Semaphore> {
        &self.places
    }
}

/// The type that a profile is of.
fn type_of(validator: &Validator, url: &str) -> Result<String, LoadError> {
    match validator.definitions().profile(url) {
        Ok(profile) => Ok(profile.type_name.clone()),
        Err(_) => Err(LoadError::Profile { url: url.to_owned() }),
    }
}
