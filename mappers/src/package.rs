//! A package: its manifest, its tables, its digest.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use formats::cda::Document;
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
use crate::tree::{map_document, write_document};
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

/// One mapping package: compiled when it is loaded, or at its first use if it came with the program.
#[derive(Debug)]
pub struct Package {
    name: String,
    version: String,
    format: String,
    /// Whose messages it is for; none: whoever names it.
    pub(crate) senders: Vec<Sender>,
    /// How many packages it extends.
    pub(crate) depth: usize,
    /// The packages it extends and itself, the innermost first.
    chain: Vec<String>,
    sources: Arc<Sources>,
    stamp: OnceLock<Stamp>,
    compiled: OnceLock<Arc<Compiled>>,
}

/// What says which package made something.
#[derive(Debug)]
struct Stamp {
    digest: String,
    /// Agent of the Provenance of what it makes.
    assembler: Json,
}

/// The files of a package by path within it.
type Files = BTreeMap<String, Cow<'static, [u8]>>;

/// What packages are made of.
#[derive(Debug, Default)]
struct Sources {
    manifests: BTreeMap<String, Manifest>,
    /// The files that say what the maps do, by package.
    folders: BTreeMap<String, Files>,
}

impl Packages {
    /// The packages that come with the program.
    ///
    /// # Errors
    /// Every manifest that cannot be used.
    pub fn embedded() -> Result<Self, Vec<LoadError>> {
        Self::load(std::iter::empty())
    }

    /// The embedded packages and these files, `(path, content)`; the first folder of a path is the package's name.
    ///
    /// A package of files takes the place of an embedded one of the same name. What is given is read and compiled here;
    /// what comes with the program is without fault (its tests see to that) and is compiled when it is first used.
    ///
    /// # Errors
    /// Every row that cannot be used, of all packages given and those they extend.
    pub fn load(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, Vec<LoadError>> {
        let mut sources = Sources::default();
        for (path, bytes) in embedded_files(&EMBEDDED) {
            insert(&mut sources.folders, &path, Cow::Borrowed(bytes));
        }
        let mut given: BTreeMap<String, Files> = BTreeMap::new();
        for (path, bytes) in files {
            insert(&mut given, &path, Cow::Owned(bytes));
        }
        let own: BTreeSet<String> = given.keys().cloned().collect();
        sources.folders.extend(given);
        let mut errors = Vec::new();
        for (folder, files) in &sources.folders {
            let path = format!("{folder}/package.toml");
            match files.get("package.toml").map(|bytes| load::manifest(&path, bytes)) {
                Some(Ok(manifest)) if manifest.name == *folder => {
                    sources.manifests.insert(folder.clone(), manifest);
                }
                Some(Ok(_)) => errors.push(problem(&path, "expected the folder's name as name")),
                Some(Err(error)) => errors.push(error),
                None => errors.push(problem(&path, "expected a package.toml in the folder")),
            }
        }
        let sources = Arc::new(sources);
        let mut packages = Vec::new();
        let mut read = BTreeMap::new();
        for (name, manifest) in &sources.manifests {
            let path = format!("{name}/package.toml");
            match chain(name, &sources.manifests) {
                Ok(chain) => {
                    let package = Package::of(manifest, chain, &sources);
                    if package.chain.iter().any(|link| own.contains(link)) {
                        let compiled = Arc::new(sources.compile(&package.chain, &mut read, &mut errors));
                        package.compiled.get_or_init(|| compiled);
                    }
                    packages.push(package);
                    let faults = manifest.matches.iter().filter_map(|sender| sender.fault());
                    errors.extend(faults.map(|text| problem(&path, text)));
                }
                Err(message) => errors.push(problem(&path, &message)),
            }
        }
        // A fault in a base shows in each package that extends it: said once.
        let mut said = BTreeSet::new();
        errors.retain(|error| said.insert((error.file.clone(), error.line, error.message.clone())));
        if errors.is_empty() { Ok(Self { packages }) } else { Err(errors) }
    }

    /// The files of the packages that come with the program, by `package/path`.
    pub fn embedded_files() -> BTreeMap<String, Vec<u8>> {
        embedded_files(&EMBEDDED).into_iter().map(|(path, bytes)| (path, bytes.to_vec())).collect()
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

/// Notes a file if it says what a map does; its folder in any case.
fn insert(folders: &mut BTreeMap<String, Files>, path: &str, bytes: Cow<'static, [u8]>) {
    if let Some((folder, rest)) = path.split_once('/') {
        let files = folders.entry(folder.to_owned()).or_default();
        if is_rule(rest) {
            files.insert(rest.to_owned(), bytes);
        }
    }
}

fn embedded_files(dir: &Dir<'static>) -> Vec<(String, &'static [u8])> {
    let mut out: Vec<(String, &'static [u8])> =
        dir.files().map(|file| (file.path().to_string_lossy().replace('\\', "/"), file.contents())).collect();
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

impl Sources {
    /// Compiles the last of a chain; `read` holds what is read already, so that a base is read once for all that extend
    /// it.
    fn compile(
        &self,
        chain: &[String],
        read: &mut BTreeMap<String, RawPackage>,
        errors: &mut Vec<LoadError>,
    ) -> Compiled {
        let mut base: Option<&str> = None;
        for name in chain {
            let (Some(link), Some(files)) = (self.manifests.get(name), self.folders.get(name)) else { continue };
            if !read.contains_key(name) {
                let files = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_ref()));
                let raw = load::tables(link, files, base.and_then(|base| read.get(base)), errors);
                read.insert(name.clone(), raw);
            }
            base = Some(name);
        }
        compile(base.and_then(|name| read.get(name)).unwrap_or(&RawPackage::default()), errors)
    }

    /// SHA-256 over the files of a chain.
    fn digest(&self, chain: &[String]) -> String {
        let mut digest = Sha256::new();
        for name in chain {
            for (path, bytes) in self.folders.get(name).into_iter().flatten() {
                digest.update(format!("{name}/{path}\n{}\n", bytes.len()));
                digest.update(bytes);
            }
        }
        digest.finalize().iter().fold(String::new(), |mut out, byte| {
            // Writing to a String does not fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
    }
}

/// Whether a file says what the map does; examples and words about it do not.
fn is_rule(path: &str) -> bool {
    let folder = path.split('/').next().unwrap_or_default();
    path == "package.toml"
        || matches!(
            path,
            "versions.csv" | "entries.csv" | "sections.csv" | "checks.csv" | "aliases.csv" | "required.csv"
        )
        || matches!(folder, "messages" | "segments" | "templates" | "datatypes" | "rows" | "codes")
}

impl Package {
    fn of(manifest: &Manifest, chain: Vec<String>, sources: &Arc<Sources>) -> Self {
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            format: manifest.format.clone(),
            senders: manifest.matches.clone(),
            depth: chain.len(),
            chain,
            sources: Arc::clone(sources),
            stamp: OnceLock::new(),
            compiled: OnceLock::new(),
        }
    }

    /// Its rules.
    pub(crate) fn compiled(&self) -> &Arc<Compiled> {
        self.compiled.get_or_init(|| {
            let mut errors = Vec::new();
            let compiled = self.sources.compile(&self.chain, &mut BTreeMap::new(), &mut errors);
            debug_assert!(errors.is_empty(), "expected packages of the program without faults, found {errors:?}");
            Arc::new(compiled)
        })
    }

    /// Compiles its rules if no message has needed them yet: some 30 ms that a server spends before the first message comes.
    pub fn prepare(&self) {
        self.compiled();
        self.stamp();
    }

    #[cfg(test)]
    pub(crate) fn is_compiled(&self) -> bool {
        self.compiled.get().is_some()
    }

    fn stamp(&self) -> &Stamp {
        self.stamp.get_or_init(|| {
            let digest = self.sources.digest(&self.chain);
            Stamp { assembler: assembler(&self.name, &self.version, &digest), digest }
        })
    }

    /// Agent of the Provenance of what it makes.
    pub(crate) fn assembler(&self) -> &Json {
        &self.stamp().assembler
    }

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
        &self.stamp().digest
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

    /// Turns a CDA document into a Bundle of type document. Never fails: what is wrong with the content is an issue.
    pub fn map_cda(&self, document: &Document, context: &Context<'_>) -> Mapped {
        map_document(self, document, context, Account::Full)
    }

    /// Like [`Package::map_cda`] for who asks for counts alone.
    pub fn map_cda_counted(&self, document: &Document, context: &Context<'_>) -> Mapped {
        map_document(self, document, context, Account::Counts)
    }

    /// Writes a CDA document of a Bundle: a document Bundle, or the record of a patient, whose resources are then put
    /// into sections. `context.message_code` is the LOINC code of the document type, where it is not the Composition's.
    pub fn write_cda(&self, bundle: &Json, context: &RenderContext) -> Rendered {
        write_document(self, bundle, context, None)
    }

    /// Like [`Package::write_cda`], with what became of each leaf of the Bundle: `at` is `Type/id#path`.
    pub fn write_cda_with_loss(&self, bundle: &Json, context: &RenderContext) -> (Rendered, Loss) {
        let mut loss = Loss::default();
        let rendered = write_document(self, bundle, context, Some(&mut loss));
        (rendered, loss)
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
        let map = self.compiled().maps.iter().find(|candidate| candidate.name == map)?;
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
