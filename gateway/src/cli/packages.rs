//! `anchorline conformance add-package`: puts FHIR packages where `--ig` and the configuration find them.

use std::path::Path;

use definitions::cache::{self, Existing, Installed, Outcome};
use model::json::Json;

use super::Failure;
use super::args::{AddPackageArguments, ReportFormat};
use super::input;
use super::reporter::Reporter;

pub(crate) fn add(options: &AddPackageArguments, reporter: Reporter) -> Result<(), Failure> {
    let folder = options.cache.clone().or_else(cache::default_directory);
    let folder = folder.ok_or_else(|| Failure::usage("where packages lie is not known: give --cache DIR"))?;
    let existing = if options.replace { Existing::Replace } else { Existing::Keep };
    let mut refused = false;
    for path in &options.files {
        match one(path, &folder, existing) {
            Ok(installed) => reporter.line(&line(&installed, options.format))?,
            // The others go on: a guide and what it builds on are added together.
            Err(failure) => {
                refused = true;
                reporter.failure(&failure.to_string());
            }
        }
    }
    if refused { Err(Failure::Failed) } else { Ok(()) }
}

fn one(path: &Path, folder: &Path, existing: Existing) -> Result<Installed, Failure> {
    let bytes = input::read(path)?;
    cache::install(folder, &bytes, existing).map_err(|error| {
        let hint = match error {
            definitions::PackageError::Exists { .. } => "; --replace puts this one in its place",
            _ => "",
        };
        Failure::Refused(format!("{}: {}{hint}", path.display(), super::chain(&error)))
    })
}

fn line(installed: &Installed, format: ReportFormat) -> String {
    let Installed { name, version, path, definitions, outcome } = installed;
    let outcome = match outcome {
        Outcome::Added => "added",
        Outcome::Replaced => "replaced",
        Outcome::Unchanged => "unchanged",
    };
    match format {
        ReportFormat::Text => format!("{name}#{version} {outcome}: {definitions} definitions"),
        ReportFormat::Json => Json::object([
            ("package", Json::from(name.as_str())),
            ("version", Json::from(version.as_str())),
            ("outcome", Json::from(outcome)),
            ("definitions", Json::from(*definitions as u64)),
            ("path", Json::from(path.display().to_string())),
        ])
        .to_text(),
    }
}
