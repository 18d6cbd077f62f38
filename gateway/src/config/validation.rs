//! `[validation]`: where definitions come from, and how closely what is written over FHIR is checked.

use std::path::{Path, PathBuf};

use toml::Table;

use super::read::{Findings, Section};
use super::source::Validation as Level;

/// Definitions that a set of profiles needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Definitions {
    /// Guides by package id with optional version, from the cache.
    pub igs: Vec<String>,
    /// Files, folders and archives of definitions.
    pub packages: Vec<PathBuf>,
}

/// `[validation]`
#[derive(Debug, Clone)]
pub struct Validation {
    /// Where FHIR packages are installed; without it the user's own cache.
    pub cache: Option<PathBuf>,
    /// Where code systems are installed; without it the user's own folder.
    pub terminology: Option<PathBuf>,
    /// A FHIR terminology server that `$validate` asks for what cannot be decided here.
    pub terminology_server: Option<String>,
    /// What everything is validated with.
    pub definitions: Definitions,
    /// How closely FHIR writes are checked; never off.
    pub fhir: Level,
    /// Canonicals that FHIR writes conform to, by the type each is of.
    pub profiles: Vec<String>,
    /// Whether what constraints call best practice counts as a warning.
    pub best_practice: bool,
}

pub(super) fn read(table: Table, base: &Path, findings: &mut Findings) -> Validation {
    let mut section = Section::new("validation", table, findings);
    let mut folder = |key: &'static str, example: &str| {
        let folder = base.join(section.text(key, example)?);
        if !folder.is_dir() {
            let (key, text) = (section.key(key), format!("no folder at {}", folder.display()));
            section.findings.error(key, text, "paths are relative to the configuration file");
        }
        Some(folder)
    };
    let cache = folder("cache", "\"/var/lib/fhir/packages\"");
    let terminology = folder("terminology", "\"/var/lib/fhir/terminology\"");
    let levels = [("structure", Level::Structure), ("profile", Level::Profile)];
    let validation = Validation {
        cache,
        terminology,
        terminology_server: section.text("terminology_server", "\"https://tx.example/r4\""),
        definitions: definitions(&mut section, "packages", base),
        fhir: section.word("fhir", &levels).unwrap_or(Level::Structure),
        profiles: section.texts("profiles", PROFILE).unwrap_or_default(),
        best_practice: section
            .take("best_practice", "true", |value| value.as_bool().ok_or_else(|| "expected true or false".to_owned()))
            .unwrap_or(false),
    };
    need_profile_level(&mut section, validation.fhir, &validation.profiles, "fhir");
    section.finish();
    validation
}

/// A canonical as an example.
pub(super) const PROFILE: &str = "[\"http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient\"]";

/// `igs`, and the files that `packages` names.
pub(super) fn definitions(section: &mut Section<'_>, packages: &'static str, base: &Path) -> Definitions {
    let igs = section.texts("igs", "[\"hl7.fhir.us.core#6.1.0\"]").unwrap_or_default();
    let paths = section.texts(packages, "[\"profiles.tgz\"]").unwrap_or_default();
    let packages_of: Vec<PathBuf> = paths.into_iter().map(|text| base.join(text)).collect();
    for path in packages_of.iter().filter(|path| !path.exists()) {
        let key = section.key(packages);
        section.findings.error(
            key,
            format!("nothing at {}", path.display()),
            "paths are relative to the configuration file",
        );
    }
    Definitions { igs, packages: packages_of }
}

/// A profile that nothing looks at would be a promise that is not kept.
pub(super) fn need_profile_level(section: &mut Section<'_>, level: Level, profiles: &[String], key: &str) {
    if !profiles.is_empty() && level != Level::Profile {
        let named = section.key("profiles");
        let key = section.key(key);
        section.findings.error(named, "profiles are checked at level profile only", format!("set {key} = \"profile\""));
    }
}
