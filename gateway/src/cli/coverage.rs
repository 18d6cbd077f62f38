//! `anchorline conformance coverage`: which rows of its guide a mapping package implements.

use std::path::PathBuf;

use conformance::coverage::{AllRows, coverage};
use conformance::lint::Files;
use mappers::Packages;

use super::Failure;
use super::args::{CoverageArguments, ReportFormat};
use super::input;
use super::mapping::{self, Given};
use super::reporter::Reporter;

pub(crate) fn run(arguments: &CoverageArguments, reporter: Reporter) -> Result<(), Failure> {
    let given: Vec<String> = arguments.package.iter().cloned().collect();
    let Given { names, files, packages: _ } = mapping::packages(&given)?;
    let name = names.first().map_or(mappers::BASE, String::as_str);
    // A folder takes the place of the embedded package of its name.
    let replaced = |path: &str| files.keys().any(|file| file.split('/').next() == path.split('/').next());
    let mut all: Files = Packages::embedded_files().into_iter().filter(|(path, _)| !replaced(path)).collect();
    all.extend(files.clone());
    let reference = arguments.reference.clone().or_else(|| std::env::var_os("ANCHORLINE_REFERENCE").map(PathBuf::from));
    let reference =
        reference.ok_or_else(|| Failure::usage("--reference is not given and ANCHORLINE_REFERENCE not set"))?;
    let found = coverage(&reference, name, &all).map_err(|error| Failure::Usage(super::chain(&error)))?;
    if let Some(path) = &arguments.report {
        input::write(path, found.to_markdown().as_bytes())?;
    }
    let found = found.only(&arguments.segment);
    match arguments.format {
        ReportFormat::Json => reporter.line(&found.to_json().to_text())?,
        ReportFormat::Text => {
            let all = if arguments.segment.is_empty() || arguments.open { AllRows::OpenOnly } else { AllRows::Shown };
            let rows = if arguments.segment.is_empty() && !arguments.open { Vec::new() } else { found.row_lines(all) };
            let mistakes = found.mistakes.iter().map(|mistake| format!("mistake: {}", mistake.to_line()));
            for line in rows.into_iter().chain(mistakes).chain(found.to_lines()) {
                reporter.line(&line)?;
            }
        }
    }
    match (arguments.check, found.is_complete()) {
        (true, false) => {
            Err(Failure::Refused(format!("{} rows open, {} mistakes", found.total().open, found.mistakes.len())))
        }
        _ => Ok(()),
    }
}
