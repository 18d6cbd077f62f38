//! FHIR packages: an archive, a folder, a file of definitions, or resources at hand.
//!
//! FHIR Package specification (hl7.org/fhir/packages.html and the npm package layout it builds on): a gzipped tar whose
//! folder `package` holds `package.json` and one JSON file a resource.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use model::json::{self, Json};
use model::xml;
use smol_str::SmolStr;

pub(crate) mod archive;
pub(crate) mod index;

pub use archive::Limits;

/// A set of definitions that are published together.
#[derive(Debug, Default)]
pub struct Package {
    /// `hl7.fhir.us.core`; of single files, the file's name.
    pub name: String,
    /// `6.1.0`; empty where nothing says it.
    pub version: String,
    /// What it builds on, in the order of `package.json`.
    pub dependencies: Vec<Dependency>,
    /// The FHIR versions it is for; empty where nothing says it.
    pub fhir_versions: Vec<String>,
    /// Where the canonicals of its definitions start.
    pub canonical: Option<String>,
    entries: Vec<Entry>,
}

/// A package that another one builds on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// `hl7.fhir.r4.core`.
    pub name: String,
    /// `4.0.1`, `4.0.x`, `current`, `latest`.
    pub version: String,
}

/// Why something is no package that can be used. Names files and places, never their content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The operating system's word; retryable if that says so.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The bytes are no gzipped tar.
    #[error("the archive is damaged or no gzipped tar: {0}")]
    Archive(&'static str),
    /// It would unpack to more than is taken.
    #[error("the archive goes beyond the limit of {0}")]
    Limit(&'static str),
    /// A name in the archive that would lead out of it, or a link.
    #[error("the archive holds an entry that is refused: {0}")]
    Refused(&'static str),
    /// Nothing of that name and version is installed.
    #[error("{name} is not installed")]
    NotInstalled {
        /// As it was asked for.
        name: String,
    },
    /// A package for another FHIR version: its profiles would be of other types under the same names.
    #[error("{name} is for FHIR {versions}, not R4 (4.0.1)")]
    OtherFhir {
        /// The package.
        name: String,
        /// The versions it is for.
        versions: String,
    },
    /// A short name that several packages end in.
    #[error("{name} may be any of {ids}")]
    Ambiguous {
        /// As it was asked for.
        name: String,
        /// The ids.
        ids: String,
    },
    /// Another content is installed under the same name and version.
    #[error("{name}#{version} is installed with another content")]
    Exists {
        /// The id.
        name: String,
        /// Its version.
        version: String,
    },
    /// No definition could be read.
    #[error("{file}: {why}")]
    Content {
        /// The file, in the package or on disk.
        file: String,
        /// What was expected.
        why: String,
    },
}

/// One definition of a package.
#[derive(Debug)]
pub(crate) struct Entry {
    /// `StructureDefinition`.
    pub(crate) kind: SmolStr,
    pub(crate) url: Box<str>,
    pub(crate) version: Option<Box<str>>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Parsed(Arc<Json>),
    /// Read when it is asked for: a guide has hundreds, a resource needs a few.
    Text {
        bytes: Box<[u8]>,
        parsed: OnceLock<Option<Arc<Json>>>,
    },
    /// A file of a folder whose index says what is in it.
    File {
        path: PathBuf,
        parsed: OnceLock<Option<Arc<Json>>>,
    },
}

/// The limits of one definition. The deepest real ones (Questionnaires, value sets) stay well below.
const DEFINITION: json::Limits = json::Limits { bytes: 256 << 20, depth: 128 };

impl Package {
    /// Reads a FHIR package from its archive.
    ///
    /// # Errors
    /// [`PackageError`]: damaged, beyond [`Limits::default`], or with names that lead out of it.
    pub fn read_tgz(bytes: &[u8]) -> Result<Self, PackageError> {
        Self::read_tgz_within(bytes, &Limits::default())
    }

    /// Reads a FHIR package from its archive, within these limits.
    ///
    /// # Errors
    /// As [`Package::read_tgz`].
    pub fn read_tgz_within(bytes: &[u8], limits: &Limits) -> Result<Self, PackageError> {
        let mut package = Self::default();
        archive::read(bytes, limits, &mut |name, content| {
            // Definitions lie directly in `package/`; examples, pages and schemas in other folders.
            let Some(file) = name.strip_prefix("package/") else { return };
            package.take_file(file, content);
        })?;
        package.take_guide();
        Ok(package)
    }

    /// Reads a folder: an unpacked package (with or without its folder `package`), or a folder of definitions.
    ///
    /// # Errors
    /// [`PackageError::Read`] if the folder or a file of it cannot be read.
    pub fn read_dir(path: &Path) -> Result<Self, PackageError> {
        let inner = path.join("package");
        let folder = if inner.join("package.json").is_file() { inner } else { path.to_path_buf() };
        let failed = |source| PackageError::Read { path: folder.clone(), source };
        let mut names: Vec<String> = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            // A name that is no text is no name of a definition.
            names.extend(name.into_string().ok().filter(|name| is_definition(name) || name == "package.json"));
        }
        // The order of a folder is the file system's; ours is by name.
        names.sort();
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|source| PackageError::Read { path, source })
        };
        let mut package = Self::default();
        if let Ok(at) = names.binary_search_by(|name| name.as_str().cmp("package.json")) {
            let name = names.remove(at);
            package.take_file(&name, read(&name)?);
        }
        let listed = std::fs::read(folder.join(".index.json")).ok();
        match listed.and_then(|listed| index::read(without_mark(&listed), &names)) {
            Some(heads) => {
                for head in heads {
                    let canonical = package.canonical_of(&head.kind, head.url.as_deref(), head.id.as_deref());
                    let Some(url) = canonical else { continue };
                    let content = Content::File { path: folder.join(&head.file), parsed: OnceLock::new() };
                    let version = head.version.map(String::into_boxed_str);
                    package.entries.push(Entry { kind: SmolStr::new(head.kind), url, version, content });
                }
            }
            None => {
                for name in names {
                    package.take_file(&name, read(&name)?);
                }
            }
        }
        package.take_guide();
        if package.name.is_empty() {
            package.name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        }
        Ok(package)
    }

    /// Reads what lies at a path: a folder, a package archive, one definition (JSON or XML), or a Bundle of definitions.
    ///
    /// # Errors
    /// [`PackageError`] if it cannot be read, is none of these, or defines nothing.
    pub fn read_file(path: &Path) -> Result<Self, PackageError> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let package = match path.is_dir() {
            true => Self::read_dir(path)?,
            false => {
                let read = std::fs::read(path);
                let bytes = read.map_err(|source| PackageError::Read { path: path.to_path_buf(), source })?;
                Self::read_bytes(&name, &bytes)?
            }
        };
        // Whoever names a file means something by it; a package may well only gather others.
        match package.is_empty() && package.dependencies.is_empty() {
            true => {
                Err(PackageError::Content { file: name, why: "expected definitions, each with its url".to_owned() })
            }
            false => Ok(package),
        }
    }

    /// Reads the bytes of a file: a package archive, one definition (JSON or XML), or a Bundle of definitions.
    ///
    /// # Errors
    /// [`PackageError`] if it is none of these.
    pub fn read_bytes(name: &str, bytes: &[u8]) -> Result<Self, PackageError> {
        if bytes.starts_with(&[0x1F, 0x8B]) {
            return Self::read_tgz(bytes);
        }
        let failed = |why: String| PackageError::Content { file: name.to_owned(), why };
        let definition = parse(bytes).map_err(failed)?;
        if definition.text_at(&["resourceType"]).is_none() {
            return Err(failed("expected a FHIR resource".to_owned()));
        }
        let mut package = Self::from_resources(vec![definition]);
        name.clone_into(&mut package.name);
        Ok(package)
    }

    /// A package of resources at hand. A Bundle counts as what is in it.
    pub fn from_resources(resources: Vec<Json>) -> Self {
        let mut package = Self::default();
        for resource in resources {
            package.take(resource);
        }
        package
    }

    /// Whether it is for R4, or does not say what it is for.
    pub fn is_for_r4(&self) -> bool {
        self.fhir_versions.is_empty() || self.fhir_versions.iter().any(|version| version.starts_with("4.0"))
    }

    /// The number of definitions.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it defines nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Its definitions: kind (`ValueSet`), canonical URL, version; in the order they were read.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, Option<&str>)> {
        self.entries.iter().map(|entry| (entry.kind.as_str(), &*entry.url, entry.version.as_deref()))
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn take(&mut self, resource: Json) {
        if resource.text_at(&["resourceType"]) == Some("Bundle") {
            let Json::Object(mut bundle) = resource else { return };
            let Some(Json::Array(entries)) = bundle.remove("entry") else { return };
            for entry in entries {
                let Json::Object(mut entry) = entry else { continue };
                // One level: a Bundle of Bundles is no set of definitions.
                match entry.remove("resource") {
                    Some(resource) if resource.text_at(&["resourceType"]) != Some("Bundle") => self.take(resource),
                    _ => {}
                }
            }
            return;
        }
        let Some(kind) = resource.text_at(&["resourceType"]).map(SmolStr::new) else { return };
        let Some(url) = self.canonical_of(&kind, resource.text_at(&["url"]), resource.text_at(&["id"])) else { return };
        let version = resource.text_at(&["version"]).map(Box::from);
        self.entries.push(Entry { kind, url, version, content: Content::Parsed(Arc::new(resource)) });
    }

    /// A file of a package's folder: `package.json`, or a definition, of which only the head is read here.
    fn take_file(&mut self, name: &str, bytes: Vec<u8>) {
        if name.ends_with(".xml") {
            if let Ok(definition) = parse(&bytes) {
                self.take(definition);
            }
            return;
        }
        let text = without_mark(&bytes);
        if name == "package.json" {
            if let Ok(manifest) = json::parse(text, &json::Limits::default()) {
                self.take_manifest(&manifest);
            }
            return;
        }
        if !is_definition(name) {
            return;
        }
        let head = |member: &str| -> Option<String> {
            let value = text.get(json::member_span(text, 0, member)?)?;
            json::parse(value, &json::Limits::default()).ok()?.as_str().map(str::to_owned)
        };
        let Some(kind) = head("resourceType") else { return };
        if kind == "Bundle" {
            if let Ok(bundle) = json::parse(text, &DEFINITION) {
                self.take(bundle);
            }
            return;
        }
        let Some(url) = self.canonical_of(&kind, head("url").as_deref(), head("id").as_deref()) else { return };
        let version = head("version").map(Box::from);
        let content = Content::Text { bytes: Box::from(text), parsed: OnceLock::new() };
        self.entries.push(Entry { kind: SmolStr::new(kind), url, version, content });
    }

    /// Without `package.json` the guide says what it is, if there is just one: its ImplementationGuide.
    fn take_guide(&mut self) {
        let mut guides = self.entries.iter().filter(|entry| entry.kind == "ImplementationGuide");
        let (Some(guide), None, true) = (guides.next(), guides.next(), self.name.is_empty()) else { return };
        let Some(guide) = guide.json() else { return };
        let text = |json: &Json, name: &str| json.text_at(&[name]).map(str::to_owned);
        self.name = text(&guide, "packageId").unwrap_or_default();
        self.version = text(&guide, "version").unwrap_or_default();
        let versions = guide.items("fhirVersion").iter();
        self.fhir_versions = versions.filter_map(Json::as_str).map(str::to_owned).collect();
        let url = guide.text_at(&["url"]).and_then(|url| url.split_once("/ImplementationGuide/"));
        self.canonical = url.map(|(canonical, _)| canonical.to_owned());
        let dependencies = guide.items("dependsOn").iter().filter_map(|on| {
            let version = text(on, "version").unwrap_or_else(|| "latest".to_owned());
            Some(Dependency { name: text(on, "packageId")?, version })
        });
        self.dependencies = dependencies.collect();
    }

    /// `package.json` as the package would have it.
    pub(crate) fn manifest(&self) -> Json {
        let dependencies = self.dependencies.iter().map(|each| (each.name.as_str(), Json::from(each.version.as_str())));
        let mut members = vec![
            ("name", Json::from(self.name.as_str())),
            ("version", Json::from(self.version.as_str())),
            ("fhirVersions", Json::array(self.fhir_versions.iter().map(|version| Json::from(version.as_str())))),
            ("dependencies", Json::object(dependencies)),
        ];
        members.extend(self.canonical.as_deref().map(|canonical| ("canonical", Json::from(canonical))));
        Json::object(members)
    }

    fn take_manifest(&mut self, manifest: &Json) {
        let text = |name: &str| manifest.text_at(&[name]).map(str::to_owned);
        self.name = text("name").unwrap_or_default();
        self.version = text("version").unwrap_or_default();
        self.canonical = text("canonical");
        let versions = [manifest.items("fhirVersions"), manifest.items("fhir-version-list")].concat();
        self.fhir_versions = versions.iter().filter_map(Json::as_str).map(str::to_owned).collect();
        let dependencies = manifest.get("dependencies").and_then(Json::as_object);
        self.dependencies = dependencies
            .into_iter()
            .flat_map(json::Object::iter)
            .filter_map(|(name, version)| {
                Some(Dependency { name: name.to_owned(), version: version.as_str()?.to_owned() })
            })
            .collect();
    }

    /// A NamingSystem of R4 has no URL: it goes by its id.
    fn canonical_of(&self, kind: &str, url: Option<&str>, id: Option<&str>) -> Option<Box<str>> {
        match (url, id) {
            (Some(url), _) => Some(Box::from(url)),
            (None, Some(id)) if kind == "NamingSystem" => {
                let base = self.canonical.as_deref().unwrap_or("http://hl7.org/fhir");
                Some(format!("{base}/{kind}/{id}").into_boxed_str())
            }
            _ => None,
        }
    }
}

impl Entry {
    /// The definition; none if its text is no JSON.
    pub(crate) fn json(&self) -> Option<Arc<Json>> {
        match &self.content {
            Content::Parsed(json) => Some(Arc::clone(json)),
            Content::Text { bytes, parsed } => {
                parsed.get_or_init(|| json::parse(bytes, &DEFINITION).ok().map(Arc::new)).clone()
            }
            Content::File { path, parsed } => parsed.get_or_init(|| self.read(path).map(Arc::new)).clone(),
        }
    }

    /// The canonical of the code system that this one only adds to, without its version.
    pub(crate) fn supplements(&self) -> Option<String> {
        if self.kind != "CodeSystem" {
            return None;
        }
        let [canonical] = self.members(["supplements"]);
        Some(canonical?.as_str()?.split('|').next().unwrap_or_default().to_owned())
    }

    /// The type that it constrains, if it is a profile of a resource type in use. Resources claim such a one in
    /// `meta.profile`; an abstract one only gathers rules for others.
    pub(crate) fn profiled(&self) -> Option<String> {
        if self.kind != "StructureDefinition" {
            return None;
        }
        let [kind, derivation, is_abstract, status, of] =
            self.members(["kind", "derivation", "abstract", "status", "type"]);
        let is = |value: &Option<Json>, word: &str| value.as_ref().and_then(Json::as_str) == Some(word);
        let is_profile = is(&kind, "resource")
            && is(&derivation, "constraint")
            && !is(&status, "retired")
            && is_abstract.as_ref().and_then(Json::as_bool) != Some(true);
        of.filter(|_| is_profile)?.as_str().map(str::to_owned)
    }

    /// Members at the top of the definition; nothing else of it is read, or kept.
    fn members<const N: usize>(&self, names: [&str; N]) -> [Option<Json>; N] {
        let in_text = |text: &[u8]| {
            names.map(|name| {
                let value = text.get(json::member_span(text, 0, name)?)?;
                json::parse(value, &json::Limits::default()).ok()
            })
        };
        match &self.content {
            Content::Parsed(json) => names.map(|name| json.get(name).cloned()),
            Content::Text { bytes, .. } => in_text(bytes),
            Content::File { path, .. } => in_text(without_mark(&std::fs::read(path).unwrap_or_default())),
        }
    }

    /// The file, if it is still what the index said: it may have changed since.
    fn read(&self, path: &Path) -> Option<Json> {
        let bytes = std::fs::read(path).ok()?;
        let definition = parse(&bytes).ok()?;
        let same = definition.text_at(&["resourceType"]) == Some(&self.kind)
            && definition.text_at(&["url"]).is_none_or(|url| url == &*self.url);
        same.then_some(definition)
    }
}

/// Whether a file of a package's folder may be a definition; `.index.json` and what lies deeper is none.
fn is_definition(name: &str) -> bool {
    (name.ends_with(".json") || name.ends_with(".xml"))
        && !name.contains('/')
        && !name.starts_with('.')
        && name != "package.json"
}

/// A definition in JSON or XML; else why not.
fn parse(bytes: &[u8]) -> Result<Json, String> {
    match xml::looks_like(bytes) {
        true => xml::parse(bytes, &DEFINITION).map(|document| document.resource).map_err(|error| error.to_string()),
        false => json::parse(without_mark(bytes), &DEFINITION).map_err(|error| error.to_string()),
    }
}

/// Some publishing tools put a byte order mark before their files.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

#[cfg(test)]
pub(crate) mod tests;
