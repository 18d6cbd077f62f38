//! `anchorline conformance terminology`: imports licensed code systems and lists them.

use std::path::{Path, PathBuf};

use model::json::Json;
use terminology::Concepts;
use terminology::import::{Import, System};
use terminology::release::{self, Release, ReleaseError};

use super::Failure;
use super::args::{LicensedSystem, ReportFormat, TerminologyCommand};
use super::reporter::Reporter;

pub(crate) fn run(command: TerminologyCommand, reporter: Reporter) -> Result<(), Failure> {
    match command {
        TerminologyCommand::Import { system, release_version, url, folder, release } => {
            let folder = folder_of(folder)?;
            let import = Import {
                system: match system {
                    LicensedSystem::Snomed => System::SnomedCt,
                    LicensedSystem::Loinc => System::Loinc,
                    LicensedSystem::Rxnorm => System::RxNorm,
                    LicensedSystem::Icd10 => System::Icd10,
                    LicensedSystem::Icd10Cm => System::Icd10Cm,
                },
                release: &release,
                version: release_version.as_deref(),
                url: url.as_deref(),
                folder: &folder,
            };
            self::import(&import, reporter)
        }
        TerminologyCommand::List { folder, verify, format } => list(&folder_of(folder)?, verify, format, reporter),
    }
}

fn import(import: &Import<'_>, reporter: Reporter) -> Result<(), Failure> {
    let mut said = 0;
    let path = import
        .run(&mut |rows| {
            // A line a million rows: an import of SNOMED CT takes a minute or two.
            if rows / 1_000_000 > said && reporter.watched() {
                said = rows / 1_000_000;
                reporter.remark(&format!("{rows} rows read"));
            }
        })
        .map_err(|error| failed(&error))?;
    let release = Release::open(&path).map_err(|error| failed(&error))?;
    reporter.line(&line(&release)?)
}

fn list(folder: &Path, verify: bool, format: ReportFormat, reporter: Reporter) -> Result<(), Failure> {
    let (releases, mut problems) = release::open_all(folder).map_err(|error| failed(&error))?;
    for release in releases {
        if verify && let Err(problem) = release.verify() {
            problems.push(problem);
            continue;
        }
        reporter.line(&match format {
            ReportFormat::Text => line(&release)?,
            ReportFormat::Json => json(&release)?.to_text(),
        })?;
    }
    match problems.first() {
        None => Ok(()),
        Some(first) => Err(failed(first)),
    }
}

fn line(release: &Release) -> Result<String, Failure> {
    let bytes = release.bytes().map_err(|error| failed(&error))?;
    Ok(format!(
        "{} {}: {} concepts, {} KiB, {}",
        release.url(),
        release.version().unwrap_or("(no version)"),
        release.len(),
        bytes >> 10,
        release.path().display()
    ))
}

fn json(release: &Release) -> Result<Json, Failure> {
    let bytes = release.bytes().map_err(|error| failed(&error))?;
    Ok(Json::object([
        ("system", release.url().into()),
        ("version", release.version().unwrap_or_default().into()),
        ("concepts", u64::from(release.len()).into()),
        ("bytes", bytes.into()),
        ("file", release.path().display().to_string().into()),
    ]))
}

fn folder_of(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    given
        .or_else(release::default_directory)
        .ok_or_else(|| Failure::Usage("no home folder is known: name one with --folder".to_owned()))
}

fn failed(error: &ReleaseError) -> Failure {
    Failure::Refused(super::chain(error))
}
