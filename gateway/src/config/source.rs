//! `[[source]]`: who sends, in which form, and where it goes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use toml::Table;
use versions::Version;

use super::Config;
use super::mappings;
use super::mllp::{self, SourceMllp};
use super::read::{Findings, Section, closest};
use super::validation::{self, Definitions};

/// How a source reaches the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceTransport {
    /// `POST /ingest/{source}`
    Http,
    /// A connection to the MLLP listener.
    Mllp,
}

/// What a source sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceFormat {
    /// HL7 v2 in its pipe form.
    Hl7v2,
    /// C-CDA and other CDA R2 documents.
    Ccda,
    /// A FHIR R4 Bundle or resource in JSON or XML.
    FhirR4,
    /// The same in another version of FHIR: it becomes R4 on arrival.
    Fhir(Version),
    /// A form that is accepted in a configuration but refused on arrival: not in this release.
    Later(&'static str),
}

impl SourceFormat {
    /// The name of the format in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hl7v2 => "hl7v2",
            Self::Ccda => "ccda",
            Self::FhirR4 => "fhir-r4",
            Self::Fhir(version) => version.format(),
            Self::Later(name) => name,
        }
    }

    /// Whether it is FHIR, of whichever version.
    pub fn is_fhir(self) -> bool {
        matches!(self, Self::FhirR4 | Self::Fhir(_))
    }
}

/// How closely output is checked before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validation {
    /// Not at all.
    Off,
    /// Types, cardinality, choices, form of primitives, required bindings.
    Structure,
    /// And profiles, invariants, slicing, terminology.
    Profile,
}

/// What becomes of the ids of a FHIR source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// They stay while they are free or of the same source.
    Kept,
    /// Each becomes an id of its own for the source; the old one stays as an identifier.
    Scoped,
}

/// Which MLLP messages are this source's; an absent member fits all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// MSH-3, its first component.
    pub sending_application: Option<String>,
    /// MSH-4, its first component.
    pub sending_facility: Option<String>,
    /// SHA-256 of the client's certificate in hex.
    pub client_certificate: Option<String>,
}

/// A configured sender.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name: in addresses, exchanges and logs.
    pub name: String,
    /// How it reaches the gateway.
    pub transport: SourceTransport,
    /// What it sends.
    pub format: SourceFormat,
    /// Names of mapping packages, the first that serves a message wins; empty: the package for the format.
    pub packages: Vec<String>,
    /// Those of them that the configuration gives by folder.
    pub package_folders: Vec<PathBuf>,
    /// Names of assigning authorities and coding systems' owners as this sender writes them, each with its URI.
    pub authorities: Vec<(String, String)>,
    /// File with the source's secret.
    pub credentials: Option<PathBuf>,
    /// Which MLLP messages are this source's.
    pub matches: Match,
    /// Zone of times that carry none; without it such times keep no time of day.
    pub timezone: Option<String>,
    /// How closely output is checked.
    pub validation: Validation,
    /// Canonicals that output conforms to at level profile, by the type each is of.
    pub profiles: Vec<String>,
    /// Definitions that this source's profiles need besides those of `[validation]`.
    pub definitions: Definitions,
    /// What becomes of ids.
    pub ids: Ids,
    /// Names of destinations, in order.
    pub destinations: Vec<String>,
    /// The conversation over MLLP.
    pub mllp: SourceMllp,
}

const LATER: [&str; 2] = ["csv", "device"];

pub(super) fn read(tables: Vec<Table>, base: &Path, findings: &mut Findings) -> Vec<Source> {
    let mut formats =
        vec![("hl7v2", SourceFormat::Hl7v2), ("ccda", SourceFormat::Ccda), ("fhir-r4", SourceFormat::FhirR4)];
    let others = Version::ALL.into_iter().filter(|version| *version != Version::R4);
    formats.extend(others.map(|version| (version.format(), SourceFormat::Fhir(version))));
    formats.extend(LATER.map(|name| (name, SourceFormat::Later(name))));
    let mut sources = Vec::new();
    let mut open_ids = Vec::new();
    let mut names = HashSet::new();
    for (index, table) in tables.into_iter().enumerate() {
        let mut section = Section::new(format!("source[{}]", index + 1), table, findings);
        let name = name(&mut section, &mut names, "\"laboratory\"");
        let transport = section.word(
            "transport",
            &[("mllp", Some(SourceTransport::Mllp)), ("http", Some(SourceTransport::Http)), ("file", None)],
        );
        match transport {
            Some(Some(_)) => {}
            Some(None) => {
                let key = section.key("transport");
                section.findings.error(
                    key,
                    "sources that are folders are not in this release",
                    "write \"http\" or \"mllp\"",
                );
            }
            None => required(&mut section, "transport", "write \"mllp\" or \"http\""),
        }
        let format = section.word("format", &formats);
        match format {
            None => required(&mut section, "format", "write \"hl7v2\", \"ccda\" or \"fhir-r4\""),
            Some(SourceFormat::Later(name)) => {
                let key = section.key("format");
                section.findings.notice(
                    key,
                    format!("{name} is not in this release: what arrives is refused"),
                    "use hl7v2, ccda or fhir-r4",
                );
            }
            Some(_) => {}
        }
        let matches = section.table("match");
        let levels = [("off", Validation::Off), ("structure", Validation::Structure), ("profile", Validation::Profile)];
        let level = section.word("validation", &levels).unwrap_or(Validation::Structure);
        let profiles = section.texts("profiles", validation::PROFILE).unwrap_or_default();
        validation::need_profile_level(&mut section, level, &profiles, "validation");
        let definitions = validation::definitions(&mut section, "definitions", base);
        let ids = section.word("ids", &[("kept", Ids::Kept), ("scoped", Ids::Scoped)]);
        open_ids.push(ids.is_none());
        let (packages, package_folders) = mappings::packages(&mut section, base);
        let authorities = mappings::authorities(&mut section);
        let transport = transport.flatten().unwrap_or(SourceTransport::Mllp);
        let conversation = mllp::source(&mut section, transport, base);
        let mut source = Source {
            name,
            transport,
            format: format.unwrap_or(SourceFormat::Hl7v2),
            packages,
            package_folders,
            authorities,
            credentials: section.text("credentials", "\"laboratory.secret\"").map(|text| base.join(text)),
            matches: Match::default(),
            timezone: section.text("timezone", "\"Europe/Vienna\""),
            validation: level,
            profiles,
            definitions,
            ids: ids.unwrap_or(Ids::Kept),
            destinations: section.texts("destinations", "[\"clinic\"]").unwrap_or_default(),
            mllp: conversation,
        };
        if let Some(path) = &source.credentials
            && !path.is_file()
        {
            let key = section.key("credentials");
            section.findings.error(
                key,
                format!("no file at {}", path.display()),
                "put the secret alone into this file",
            );
        }
        let matches_key = section.key("match");
        section.finish();
        let mut section = Section::new(matches_key, matches, findings);
        source.matches = Match {
            sending_application: section.text("sending_application", "\"LAB\""),
            sending_facility: section.text("sending_facility", "\"HOSPITAL\""),
            client_certificate: section.take(
                "client_certificate",
                "the SHA-256 of the certificate, 64 hex digits",
                fingerprint,
            ),
        };
        section.finish();
        sources.push(source);
    }
    // Two FHIR sources may both have a Patient/1: without a word on it, neither can overwrite the other's.
    let fhir = sources.iter().filter(|source| source.format.is_fhir()).count();
    if fhir > 1 {
        for (source, open) in sources.iter_mut().zip(open_ids) {
            if open && source.format.is_fhir() {
                source.ids = Ids::Scoped;
            }
        }
    }
    sources
}

/// A name is asked for, of characters that are plain in an address, and not given twice.
pub(super) fn name(section: &mut Section<'_>, names: &mut HashSet<String>, example: &str) -> String {
    let Some(name) = section.text("name", example) else {
        required(section, "name", &format!("for example name = {example}"));
        return String::new();
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        let key = section.key("name");
        section.findings.error(
            key,
            "expected 1 to 64 letters, digits, `-`, `_` or `.`",
            format!("for example {example}"),
        );
    }
    if !names.insert(name.clone()) {
        let key = section.key("name");
        section.findings.error(key, "this name is given twice", "names are unique");
    }
    name
}

pub(super) fn required(section: &mut Section<'_>, key: &'static str, suggestion: &str) {
    let key = section.key(key);
    if !section.findings.errors.iter().any(|problem| problem.key == key) {
        section.findings.error(key, "is required", suggestion);
    }
}

pub(super) fn check_destinations(config: &Config, findings: &mut Findings) {
    let names: Vec<&str> = config.destinations.iter().map(|destination| destination.name.as_str()).collect();
    for (index, source) in config.sources.iter().enumerate() {
        let mut seen = HashSet::new();
        for wanted in &source.destinations {
            let key = format!("source[{}].destinations", index + 1);
            if !seen.insert(wanted) {
                findings.error(&key, format!("names {wanted} twice"), "name each destination once");
            } else if !names.contains(&wanted.as_str()) {
                let suggestion = match closest(wanted, &names) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("add a [[destination]] with name = \"{wanted}\""),
                };
                findings.error(&key, format!("there is no destination {wanted}"), suggestion);
            }
        }
    }
}

fn fingerprint(value: &toml::Value) -> Result<String, String> {
    let digits: String = value.as_str().unwrap_or_default().chars().filter(|c| *c != ':').collect();
    if digits.len() == 64 && digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(digits.to_ascii_lowercase());
    }
    Err("expected the SHA-256 of a certificate".to_owned())
}
