//! A package: its manifest, its tables, its digest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use formats::hl7v2::Message;
use include_dir::{Dir, include_dir};
use model::json::Json;
use sha2::{Digest, Sha256};

use crate::compile::{Compiled, compile};
use crate::load::{self, Manifest, RawPackage};
use crate::map_message::{assembler, map_message};
use crate::render;
use crate::select::Sender;
use crate::trace::{Account, Loss};
use crate::types::{Context, Mapped, RenderContext, Rendered};

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/packages");

/// Name of the package every other one extends.
pub const BASE: &str = "hl7v2-base";

/// A row or file of a package that cannot be used. Fault of the package's author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct LoadError {
    /// Package and file.
    pub file: String,
    /// Line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What was expected.
    pub message: String,
}

/// The mapping packages at hand.
#[derive(Debug)]
pub struct Packages {
    packages: Vec<Package>,
}

/// One mapping package, compiled.
#[derive(Debug)]
pub struct Package {
    name: String,
    version: String,
    format: String,
    digest: String,
    /// Whose messages it is for; none: whoever names it.
    pub(crate) senders: Vec<Sender>,
    /// How many packages it extends.
    pub(crate) depth: usize,
    /// Agent of the Provenance of what it makes.
    pub(crate) assembler: Json,
    pub(crate) compiled: Arc<Compiled>,
}

/// The files of a package by path within it.
type Files = BTreeMap<String, Vec<u8>>;

impl Packages {
    /// The packages that come with the program.
    ///
    /// # Errors
    /// Every row that cannot be used.
    pub fn embedded() -> Result<Self, Vec<LoadError>> {
        Self::load(std::iter::empty())
    }

    /// The embedded packages and these files, `(path, content)`; the first folder of a path is the package's name.
    ///
    /// A package of files takes the place of an embedded one of the same name.
    ///
    /// # Errors
    /// Every row that cannot be used, of all packages.
    pub fn load(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, Vec<LoadError>> {
        let mut folders: BTreeMap<String, Files> = BTreeMap::new();
        for file in embedded_files(&EMBEDDED) {
            insert(&mut folders, file);
        }
        let mut given: BTreeMap<String, Files> = BTreeMap::new();
        for file in files {
            insert(&mut given, file);
        }
        folders.extend(given);
        let mut errors = Vec::new();
        let mut manifests: BTreeMap<String, Manifest> = BTreeMap::new();
        for (folder, files) in &folders {
            let path = format!("{folder}/package.toml");
            match files.get("package.toml").map(|bytes| load::manifest(&path, bytes)) {
                Some(Ok(manifest)) if manifest.name == *folder => {
                    manifests.insert(folder.clone(), manifest);
                }
                Some(Ok(_)) => errors.push(problem(&path, "expected the folder's name as name")),
                Some(Err(error)) => errors.push(error),
                None => errors.push(problem(&path, "expected a package.toml in the folder")),
            }
        }
        let mut packages = Vec::new();
        let mut read = BTreeMap::new();
        for (name, manifest) in &manifests {
            match chain(name, &manifests) {
                Ok(chain) => {
                    packages.push(assemble(manifest, &chain, &manifests, &folders, &mut read, &mut errors));
                }
                Err(message) => errors.push(problem(&format!("{name}/package.toml"), &message)),
            }
        }
        // A fault in a base shows in each package that extends it: said once.
        let mut said = BTreeSet::new();
        errors.retain(|error| said.insert((error.file.clone(), error.line, error.message.clone())));
        if errors.is_empty() { Ok(Self { packages }) } else { Err(errors) }
    }

    /// The files of the packages that come with the program, by `package/path`.
    pub fn embedded_files() -> BTreeMap<String, Vec<u8>> {
        embedded_files(&EMBEDDED).into_iter().collect()
    }

    /// Every package, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter()
    }

    /// The package of a name.
    pub fn named(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }
}

fn problem(file: &str, message: &str) -> LoadError {
    LoadError { file: file.to_owned(), line: 0, message: message.to_owned() }
}

fn insert(folders: &mut BTreeMap<String, Files>, (path, bytes): (String, Vec<u8>)) {
    if let Some((folder, rest)) = path.split_once('/') {
        folders.entry(folder.to_owned()).or_default().insert(rest.to_owned(), bytes);
    }
}

fn embedded_files(dir: &Dir<'_>) -> Vec<(String, Vec<u8>)> {
    let mut out: Vec<(String, Vec<u8>)> =
        dir.files().map(|file| (file.path().to_string_lossy().replace('\\', "/"), file.contents().to_vec())).collect();
    out.extend(dir.dirs().flat_map(embedded_files));
    out
}

/// The package and those it extends, the innermost first.
fn chain(name: &str, manifests: &BTreeMap<String, Manifest>) -> Result<Vec<String>, String> {
    let mut out = vec![name.to_owned()];
    let mut at = name;
    while let Some(base) = manifests.get(at).and_then(|manifest| manifest.extends.as_deref()) {
        if !manifests.contains_key(base) {
            return Err(format!("extends {base}: no package has this name"));
        }
        if out.iter().any(|name| name == base) {
            return Err(format!("extends {base}: a package cannot extend itself"));
        }
        out.push(base.to_owned());
        at = base;
    }
    out.reverse();
    Ok(out)
}

/// The tables of a package with those it extends, and the digest over them as far as it goes.
struct Tables {
    raw: RawPackage,
    digest: Sha256,
}

/// Puts a package together; `read` holds what is read already, so that a base is read once for all that extend it.
fn assemble(
    manifest: &Manifest,
    chain: &[String],
    manifests: &BTreeMap<String, Manifest>,
    folders: &BTreeMap<String, Files>,
    read: &mut BTreeMap<String, Tables>,
    errors: &mut Vec<LoadError>,
) -> Package {
    let mut base: Option<&str> = None;
    for name in chain {
        let (Some(link), Some(files)) = (manifests.get(name), folders.get(name)) else { continue };
        if !read.contains_key(name) {
            let below = base.and_then(|base| read.get(base));
            let mut digest = below.map(|tables| tables.digest.clone()).unwrap_or_default();
            let rules = files.iter().filter(|(path, _)| is_rule(path));
            for (path, bytes) in rules.clone() {
                digest.update(format!("{name}/{path}\n{}\n", bytes.len()));
                digest.update(bytes);
            }
            let files = rules.map(|(path, bytes)| (path.as_str(), bytes.as_slice()));
            let raw = load::tables(link, files, below.map(|tables| &tables.raw), errors);
            read.insert(name.clone(), Tables { raw, digest });
        }
        base = Some(name);
    }
    let tables = base.and_then(|name| read.get(name));
    let compiled = compile(tables.map_or(&RawPackage::default(), |tables| &tables.raw), errors);
    let digest = tables.map(|tables| tables.digest.clone()).unwrap_or_default();
    let digest = digest.finalize().iter().fold(String::new(), |mut out, byte| {
        // Writing to a String does not fail.
        let _ = write!(out, "{byte:02x}");
        out
    });
    let path = format!("{}/package.toml", manifest.name);
    errors.extend(manifest.matches.iter().filter_map(|sender| sender.fault()).map(|text| problem(&path, text)));
    Package {
        senders: manifest.matches.clone(),
        depth: chain.len(),
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        format: manifest.format.clone(),
        assembler: assembler(&manifest.name, &manifest.version, &digest),
        digest,
        compiled: Arc::new(compiled),
    }
}

/// Whether a file says what the map does; examples and words about it do not.
fn is_rule(path: &str) -> bool {
    let folder = path.split('/').next().unwrap_or_default();
    path == "package.toml"
        || path == "versions.csv"
        || matches!(folder, "messages" | "segments" | "datatypes" | "codes")
}

impl Package {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The format it reads.
    pub fn format(&self) -> &str {
        &self.format
    }

    /// SHA-256 over all its tables and those it extends, as hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Turns a message into a transaction Bundle. Never fails: what is wrong with the content is an issue.
    pub fn map(&self, message: &Message, context: &Context<'_>) -> Mapped {
        map_message(self, message, context, Account::Full)
    }

    /// Like [`Package::map`] for who asks for counts alone: [`Mapped::loss`] and [`Mapped::explain`] are then empty, and
    /// nothing is spent on them.
    pub fn map_counted(&self, message: &Message, context: &Context<'_>) -> Mapped {
        map_message(self, message, context, Account::Counts)
    }

    /// Turns a Bundle into a message. Never fails: what finds no place is an issue.
    pub fn render(&self, bundle: &Json, context: &RenderContext) -> Rendered {
        render::render(self, bundle, context)
    }

    /// Like [`Package::render`], with what became of each leaf of the Bundle: `at` is `Type/id#path`.
    pub fn render_with_loss(&self, bundle: &Json, context: &RenderContext) -> (Rendered, Loss) {
        render::render_with_loss(self, bundle, context)
    }

    /// What each code of a vocabulary map becomes, and which code comes back: `system|target|display < code`, by code.
    ///
    /// `None` if there is no map of this name. For comparing with what is expected, by a golden file.
    pub fn vocabulary(&self, map: &str) -> Option<Json> {
        let map = self.compiled.maps.iter().find(|candidate| candidate.name == map)?;
        let mut lines = BTreeMap::new();
        for row in map.rows() {
            let (line, target) = match map.forward(&row.code) {
                Some(to) => (format!("{}|{}|{}", to.system, to.target, to.display), to),
                None => (String::new(), row),
            };
            let system = Some(target.system.as_str()).filter(|system| !system.is_empty());
            let back = map.backward(system, &target.target).map_or("", |code| code.as_str());
            lines.insert(row.code.clone(), Json::from(format!("{line} < {back}")));
        }
        Some(Json::object(lines))
    }
}
