//! Fixtures: contained in the script, or files beside it and in the folders named on the command line.

use std::path::{Component, Path, PathBuf};

use model::json::Json;

use super::script::{Fixture, Script};
use super::state::Source;
use crate::context::Context;
use crate::wire;

/// Largest fixture that is read.
const FIXTURE_LIMIT_BYTES: u64 = 256 << 20;

/// The content of a fixture.
///
/// # Errors
/// One line with the reference and what was looked for.
pub(super) fn load(context: &Context, script: &Script, fixture: &Fixture) -> Result<Source, String> {
    let reference = fixture.reference.as_str();
    if let Some(id) = reference.strip_prefix('#') {
        let found = script.contained.iter().find(|resource| resource.text_at(&["id"]) == Some(id));
        return found.map(Source::of_body).ok_or_else(|| format!("expected a contained resource {reference}"));
    }
    if reference.is_empty() {
        return Err("expected a reference to a contained resource or a file".to_owned());
    }
    for folder in std::iter::once(&script.folder).chain(&context.fixtures) {
        for name in names(reference) {
            if let Some(path) = inside(folder, &name)
                && path.is_file()
            {
                return read(&path);
            }
        }
    }
    Err(format!(
        "expected a file for {reference} beside the script or in a folder of --fixtures; nothing is downloaded"
    ))
}

/// The names under which a fixture may lie: as written, and the ways in which people name files of `Type/id`.
fn names(reference: &str) -> Vec<String> {
    let mut names = vec![reference.to_owned(), format!("{reference}.json"), format!("{reference}.xml")];
    let mut parts = reference.rsplit('/');
    if let (Some(id), Some(kind)) = (parts.next(), parts.next()) {
        for suffix in ["json", "xml"] {
            names.push(format!("{}-{id}.{suffix}", kind.to_ascii_lowercase()));
            names.push(format!("{kind}-{id}.{suffix}"));
            names.push(format!("{kind}/{id}.{suffix}"));
            names.push(format!("fixtures/{kind}/{id}.{suffix}"));
        }
    }
    names
}

/// A path below a folder; a script of a stranger must not send any other file of this machine to a server.
fn inside(folder: &Path, name: &str) -> Option<PathBuf> {
    let name = Path::new(name.strip_prefix("./").unwrap_or(name));
    name.components().all(|part| matches!(part, Component::Normal(_))).then(|| folder.join(name))
}

fn read(path: &Path) -> Result<Source, String> {
    let said = |error: std::io::Error| format!("{}: {error}", path.display());
    if std::fs::metadata(path).map_err(said)?.len() > FIXTURE_LIMIT_BYTES {
        return Err(format!("{}: expected at most {} MiB", path.display(), FIXTURE_LIMIT_BYTES >> 20));
    }
    let bytes = std::fs::read(path).map_err(said)?;
    let body = wire::read(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Source::of_body(&body))
}

/// A tree with `${name}` replaced in every text.
///
/// # Errors
/// What `replace` says.
pub(super) fn fill(json: &Json, replace: &dyn Fn(&str) -> Result<String, String>) -> Result<Json, String> {
    Ok(match json {
        Json::String(text) if text.contains("${") => Json::from(replace(text)?),
        Json::Array(items) => Json::Array(items.iter().map(|item| fill(item, replace)).collect::<Result<_, _>>()?),
        Json::Object(object) => {
            let members: Result<Vec<(&str, Json)>, String> =
                object.iter().map(|(name, value)| Ok((name, fill(value, replace)?))).collect();
            Json::object(members?)
        }
        other => other.clone(),
    })
}
