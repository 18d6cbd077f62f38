//! The sensitivity map in use: the tables that come with the gateway, and the organisation's own files.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use consent::{MapError, SensitivityMap};
use model::json::{Json, Limits, Object, parse};

#[cfg(test)]
mod tests;

/// A value set of a national edition is large; larger than this is none.
const LIMITS: Limits = Limits { bytes: 256 << 20, depth: 128 };

/// One entry of `consent.sensitivity`: `PATH`, or `LABEL=PATH` for ValueSets that do not say which label they bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The label of the ValueSets there.
    pub label: Option<String>,
    /// A file, or a folder of files.
    pub path: PathBuf,
}

impl Named {
    /// Reads an entry; the path is relative to `base`.
    pub fn parse(text: &str, base: &Path) -> Self {
        match text.split_once('=') {
            Some((label, path)) if !label.is_empty() && label.bytes().all(|it| it.is_ascii_uppercase()) => {
                Self { label: Some(label.to_owned()), path: base.join(path) }
            }
            _ => Self { label: None, path: base.join(text) },
        }
    }
}

/// What is wrong with a file. Fault of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    path: PathBuf,
    message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.message)
    }
}

/// The embedded map with the organisation's own files added, in the order in which they are named; files of a folder
/// in the order of their names.
///
/// # Errors
/// Everything that is wrong, each with its file and place. Nothing may be decided then: half a map labels too little.
pub fn load(named: &[Named]) -> Result<SensitivityMap, Vec<Fault>> {
    let mut map = SensitivityMap::embedded();
    let mut faults = Vec::new();
    for one in named {
        let fault = |message: String| Fault { path: one.path.clone(), message };
        let files = match files(&one.path) {
            Ok(files) if files.is_empty() => {
                faults.push(fault("expected files that end in .csv or .json".to_owned()));
                continue;
            }
            Ok(files) => files,
            Err(error) => {
                faults.push(fault(error.to_string()));
                continue;
            }
        };
        for path in files {
            if let Err(message) = add(&mut map, &path, one.label.as_deref()) {
                faults.push(Fault { path, message });
            }
        }
    }
    if faults.is_empty() { Ok(map) } else { Err(faults) }
}

/// What operators are told of a map: its version, what it is made of, and which clinical code systems it has reviewed.
pub(crate) fn described(map: &SensitivityMap) -> Json {
    let mut body = Object::new();
    body.insert("version", map.version().as_str());
    body.insert("rules", u64::try_from(map.len()).unwrap_or(u64::MAX));
    body.insert("files", Json::array(map.parts().map(Json::from)));
    body.insert("reviewed", Json::array(map.reviewed().into_iter().map(Json::from)));
    body.into()
}

fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return fs::metadata(path).map(|_| vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_file() && matches!(extension(&path), Some("csv" | "json")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn add(map: &mut SensitivityMap, path: &Path, label: Option<&str>) -> Result<usize, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let said = |error: MapError| error.to_string();
    match (extension(path), label) {
        (Some("csv"), None) => {
            let text = String::from_utf8(bytes).map_err(|_| "expected UTF-8".to_owned())?;
            map.add_table(&name, &text).map_err(said)
        }
        (Some("csv"), Some(_)) => Err("a table says itself which label a code brings; leave LABEL= out".to_owned()),
        (Some("json"), label) => {
            let json = parse(&bytes, &LIMITS).map_err(|error| error.to_string())?;
            map.add_definitions(&name, &json, label).map_err(said)
        }
        _ => Err("expected a file that ends in .csv or .json".to_owned()),
    }
}

fn extension(path: &Path) -> Option<&str> {
    path.extension().and_then(|it| it.to_str())
}
