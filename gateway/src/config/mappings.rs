//! `[mappings]` and what sources say of packages: where the site's own mapping packages are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::{Table, Value};

use super::read::{Findings, Section};
use super::units::wait;

/// How often folders are looked at, unless configured.
const WATCH: Duration = Duration::from_secs(2);

/// `[mappings]`
#[derive(Debug, Clone)]
pub struct Mappings {
    /// Folders of package folders, besides `packages/` of the data directory.
    pub directories: Vec<PathBuf>,
    /// How often the folders are looked at for changes; `None`: never, only when asked.
    pub watch: Option<Duration>,
}

pub(super) fn read(table: Table, base: &Path, findings: &mut Findings) -> Mappings {
    let mut section = Section::new("mappings", table, findings);
    let directories = section.texts("directories", "[\"mappings\"]").unwrap_or_default();
    let directories: Vec<PathBuf> = directories.iter().map(|text| base.join(text)).collect();
    for path in directories.iter().filter(|path| !path.is_dir()) {
        let key = section.key("directories");
        section.findings.error(
            key,
            format!("no folder at {}", path.display()),
            "name a folder that holds package folders; paths are relative to the configuration file",
        );
    }
    let watch = section.take("watch", "\"2s\" or \"off\"", watch).unwrap_or(Some(WATCH));
    section.finish();
    Mappings { directories, watch }
}

fn watch(value: &Value) -> Result<Option<Duration>, String> {
    if value.as_str() == Some("off") {
        return Ok(None);
    }
    wait(value).map(Some)
}

/// `packages` of a source: names, and folders among them by the slash in their path.
pub(super) fn packages(section: &mut Section<'_>, base: &Path) -> (Vec<String>, Vec<PathBuf>) {
    let given = section.texts("packages", "[\"hl7v2-base\"]").unwrap_or_default();
    let mut folders = Vec::new();
    let mut names = Vec::with_capacity(given.len());
    for text in given {
        if !text.contains('/') {
            names.push(text);
            continue;
        }
        let path = base.join(&text);
        // `..` at the end names no package; what it leads to does.
        let name = path.canonicalize().ok().filter(|path| path.is_dir());
        let name = name.and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        match name {
            Some(name) => {
                names.push(name);
                folders.push(path);
            }
            None => {
                let key = section.key("packages");
                section.findings.error(
                    key,
                    format!("no package folder at {}", path.display()),
                    "name a package, or its folder relative to the configuration file",
                );
            }
        }
    }
    (names, folders)
}

/// `authorities` of a source: as the sender names them, and their URIs.
pub(super) fn authorities(section: &mut Section<'_>) -> Vec<(String, String)> {
    let key = section.key("authorities");
    let mut found = Vec::new();
    for (name, value) in section.table("authorities") {
        let uri = value.as_str().unwrap_or_default();
        if name.is_empty() || !is_uri(uri) {
            section.findings.error(
                format!("{key}.{name}"),
                "expected the URI of an identifier system",
                "for example \"urn:oid:2.999.1\" or \"https://hospital.example/mrn\"",
            );
            continue;
        }
        found.push((name, uri.to_owned()));
    }
    found.sort();
    found
}

/// An absolute URI without blanks (RFC 3986, section 4.3), with the syntax of `urn:oid:` and `urn:uuid:` looked at.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let sound = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(plain) && !rest.is_empty();
    if !sound || text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"')) {
        return false;
    }
    match text.strip_prefix("urn:oid:") {
        Some(oid) => oid.split('.').count() > 1 && oid.split('.').all(is_arc),
        None => true,
    }
}

fn is_arc(arc: &str) -> bool {
    arc == "0" || (!arc.starts_with('0') && !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()))
}
